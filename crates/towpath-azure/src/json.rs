//! Reads JSON (RFC 8259) without allocation and without recursion.
//!
//! Takes in bytes of a peer; gives out a [`Value`] of them that was checked to its end, its members, elements, texts
//! and numbers, and the raw bytes of each. [`Quoted`] writes a text. Memory is a few words: how deep arrays and objects
//! lie in each other is counted in 64 bits.
//!
//! serde-json-core is not under this: it skips a value that nobody asked for by recursion, one stack frame for each
//! bracket that a peer sends, and lets anything pass there; it can't lend the raw bytes of a member, which is what an
//! application gets; and it refuses characters beyond U+FFFF in the escaped form that .NET writes.

use core::{
    fmt::{self, Write as _},
    str,
};

mod scan;

#[cfg(test)]
mod tests;

use self::scan::Scan;

/// These bytes are no JSON, or arrays and objects lie deeper in each other than 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A value that was checked: the bytes from its first to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// Checks that `bytes` are one value, and nothing but white space around it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let text = str::from_utf8(bytes).map_err(|_| Malformed)?;
        let mut scan = Scan::new(text);
        let value = scan.value()?;
        scan.space();
        if scan.peek().is_some() {
            return Err(Malformed);
        }
        Ok(Self(value))
    }

    /// The value as it was written, without the white space around it.
    pub(crate) const fn raw(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    fn starts_with(self, byte: u8) -> bool {
        self.0.as_bytes().first() == Some(&byte)
    }

    pub(crate) fn is_object(self) -> bool {
        self.starts_with(b'{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.starts_with(b'[')
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The members of an object in the order of the text; none if it is no object.
    pub(crate) fn members(self) -> Members<'a> {
        let text = if self.is_object() { self.0 } else { "" };
        Members(Scan::inside(text))
    }

    /// The elements of an array; none if it is no array.
    pub(crate) fn elements(self) -> Elements<'a> {
        let text = if self.is_array() { self.0 } else { "" };
        Elements(Scan::inside(text))
    }

    /// The member of this name. Of several the last one, as most readers have it. `null` counts as absent.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let named = self.members().filter(|(key, _)| *key == *name);
        named
            .last()
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(self) -> Option<Text<'a>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text(inner))
    }

    /// A whole number from 0 to 2^64 - 1, written without fraction and exponent.
    pub(crate) fn unsigned(self) -> Option<u64> {
        self.0.parse().ok()
    }
}

/// The members of an object.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a>(Scan<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_item()?;
        let key = Value(self.0.key().ok()?).text()?;
        let value = Value(self.0.value().ok()?);
        Some((key, value))
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a>(Scan<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_item()?;
        self.0.value().ok().map(Value)
    }
}

/// A text as it was written between its quotes; it compares and prints as what it means.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// Its characters. Half of a pair (U+D800 to U+DFFF alone) becomes U+FFFD.
    pub(crate) fn chars(self) -> Chars<'a> {
        Chars(self.0)
    }

    /// The text itself, if nothing in it is escaped.
    pub(crate) fn plain(self) -> Option<&'a str> {
        (!self.0.contains('\\')).then_some(self.0)
    }

    /// What stands before and behind the first `mark`, which holds no character that may stand in an escape.
    pub(crate) fn split_once(self, mark: &str) -> Option<(Self, Self)> {
        let (before, behind) = self.0.split_once(mark)?;
        Some((Self(before), Self(behind)))
    }

    /// A copy; `None` if it has more than `N` bytes.
    pub(crate) fn copied<const N: usize>(self) -> Option<heapless::String<N>> {
        let mut copy = heapless::String::new();
        self.chars().try_for_each(|c| copy.push(c)).ok()?;
        Some(copy)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.plain() {
            Some(text) => text == other,
            None => self.chars().eq(other.chars()),
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plain() {
            Some(text) => f.write_str(text),
            None => self.chars().try_for_each(|c| f.write_char(c)),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The characters of a [`Text`].
#[derive(Debug, Clone)]
pub(crate) struct Chars<'a>(&'a str);

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut rest = self.0.chars();
        let first = rest.next()?;
        if first != '\\' {
            self.0 = rest.as_str();
            return Some(first);
        }
        let meant = match rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (meant, after) = unicode(rest.as_str());
                self.0 = after;
                return Some(meant);
            }
            itself => itself,
        };
        self.0 = rest.as_str();
        Some(meant)
    }
}

/// The character behind `\u`, and what follows it.
fn unicode(text: &str) -> (char, &str) {
    const UNKNOWN: char = char::REPLACEMENT_CHARACTER;
    let Some((first, rest)) = hex(text) else {
        return (UNKNOWN, "");
    };
    if let Some(c) = char::from_u32(first) {
        return (c, rest);
    }
    // RFC 8259 section 7: beyond U+FFFF a character is written as the two halves of UTF-16.
    let second = rest.strip_prefix("\\u").and_then(hex);
    let (0xd800..=0xdbff, Some((second @ 0xdc00..=0xdfff, after))) = (first, second) else {
        return (UNKNOWN, rest);
    };
    let code = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
    (char::from_u32(code).unwrap_or(UNKNOWN), after)
}

/// Four hexadecimal digits, and what follows them.
fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some((code, rest))
}

/// What is displayed, as a JSON text with its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        fmt::write(&mut Escape(f), format_args!("{}", self.0))?;
        f.write_str("\"")
    }
}

struct Escape<'f, 'a>(&'f mut fmt::Formatter<'a>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '"' | '\\' => write!(self.0, "\\{c}"),
            '\0'..' ' => write!(self.0, "\\u{:04x}", u32::from(c)),
            c => self.0.write_char(c),
        })
    }
}
