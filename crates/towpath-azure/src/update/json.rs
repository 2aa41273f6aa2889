//! Finding values in a JSON text (RFC 8259), without allocation and without recursion, and quoting strings.
//!
//! Takes in a text that a peer sent; gives out the values in it as slices. A text is checked as a whole before anything
//! is taken out of it, so that half a document is none.

use core::{fmt, str};

use heapless::String;

/// Objects and arrays in each other that are followed; a twin has at most ten levels, a manifest five more in a string.
const DEPTH: u32 = 32;

/// One value with its syntax checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a>(&'a str);

/// A string as it is written, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<'a>(&'a str);

impl<'a> Value<'a> {
    /// The only value in a text. `None` if that is not JSON, or nested deeper than is followed.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let start = space(text.as_bytes(), 0);
        let end = value(text.as_bytes(), start)?;
        if space(text.as_bytes(), end) != text.len() {
            return None;
        }
        text.get(start..end).map(Self)
    }

    /// Names and values of an object, in order; nothing for any other value.
    pub(super) fn members(self) -> impl Iterator<Item = (Text<'a>, Self)> {
        let mut rest = Rest::of(self.0, '{');
        core::iter::from_fn(move || {
            let name = rest.take()?.text()?;
            rest.colon()?;
            Some((name, rest.take()?))
        })
    }

    /// The values of an array; nothing for any other value.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let mut rest = Rest::of(self.0, '[');
        core::iter::from_fn(move || rest.take())
    }

    /// The first member of this name that is not null.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        self.members()
            .find(|(found, value)| found.is(name) && !value.is_null())
            .map(|(_, value)| value)
    }

    pub(super) fn text(self) -> Option<Text<'a>> {
        self.0.strip_prefix('"')?.strip_suffix('"').map(Text)
    }

    /// A whole number that is not negative.
    pub(super) fn number(self) -> Option<u64> {
        self.0.parse().ok()
    }

    pub(super) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(super) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// A string without control characters, or a number as it is written. `None` if it is neither or longer than `N` bytes.
    pub(super) fn label<const N: usize>(self) -> Option<String<N>> {
        self.text().map_or_else(
            || {
                let number = self
                    .0
                    .starts_with(|first: char| first == '-' || first.is_ascii_digit());
                number.then(|| String::try_from(self.0).ok())?
            },
            Text::label,
        )
    }
}

/// What is left of an object or array.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn of(text: &'a str, open: char) -> Self {
        Self(text.strip_prefix(open).unwrap_or_default())
    }

    /// The next value, and the comma before it.
    fn take(&mut self) -> Option<Value<'a>> {
        let text = self.0.trim_ascii_start();
        let text = text.strip_prefix(',').unwrap_or(text).trim_ascii_start();
        let (value, rest) = text.split_at_checked(value(text.as_bytes(), 0)?)?;
        self.0 = rest;
        Some(Value(value))
    }

    fn colon(&mut self) -> Option<()> {
        self.0 = self.0.trim_ascii_start().strip_prefix(':')?;
        Some(())
    }
}

impl<'a> Text<'a> {
    /// Whether it reads so once its escapes are undone.
    pub(super) fn is(self, text: &str) -> bool {
        let mut chars = text.chars();
        self.chars()
            .all(|char| char.is_some() && char == chars.next())
            && chars.next().is_none()
    }

    /// A copy, as [`keep`](Self::keep), if there are no control characters: it may be written to a terminal or in a line of
    /// a file.
    pub(super) fn label<const N: usize>(self) -> Option<String<N>> {
        self.keep()
            .filter(|kept: &String<N>| !kept.contains(char::is_control))
    }

    /// A copy, if it is at most `N` bytes and its escapes are sound.
    pub(super) fn keep<const N: usize>(self) -> Option<String<N>> {
        let mut kept = String::new();
        for char in self.chars() {
            kept.push(char?).ok()?;
        }
        Some(kept)
    }

    /// Writes it with its escapes undone. `None` if it does not fit or an escape is unsound.
    pub(super) fn unescape(self, out: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        for char in self.chars() {
            let room = out.get_mut(at..)?.get_mut(..char?.len_utf8())?;
            at += char?.encode_utf8(room).len();
        }
        Some(at)
    }

    /// Its length as it is written, which is never less than without escapes.
    pub(super) const fn len(self) -> usize {
        self.0.len()
    }

    /// Its characters; `None` in place of one whose escape is unsound.
    fn chars(self) -> impl Iterator<Item = Option<char>> {
        let mut chars = self.0.chars();
        core::iter::from_fn(move || {
            Some(match chars.next()? {
                '\\' => escape(&mut chars),
                char => Some(char),
            })
        })
    }
}

/// The character that an escape stands for; the reverse solidus is behind.
fn escape(chars: &mut str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let first = hex(chars)?;
            let code = if (0xd800..0xdc00).contains(&first) {
                let second = (chars.next()? == '\\' && chars.next()? == 'u')
                    .then(|| hex(chars))
                    .flatten()
                    .filter(|second| (0xdc00..0xe000).contains(second))?;
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            } else {
                first
            };
            char::from_u32(code)?
        }
        other => other,
    })
}

fn hex(chars: &mut str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |sum, _| Some(sum * 16 + chars.next()?.to_digit(16)?))
}

/// Where the value that begins at `at` ends.
fn value(text: &[u8], mut at: usize) -> Option<usize> {
    let (mut depth, mut objects) = (0, 0_u64);
    loop {
        let first = *text.get(at)?;
        at = match first {
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return None;
                }
                objects = objects << 1 | u64::from(first == b'{');
                let inner = space(text, at + 1);
                // '}' and ']' are each two behind their opening.
                if *text.get(inner)? != first + 2 {
                    at = if first == b'{' {
                        name(text, inner)?
                    } else {
                        inner
                    };
                    continue;
                }
                inner
            }
            b'"' => string(text, at)?,
            b'-' | b'0'..=b'9' => number(text, at)?,
            _ => literal(text, at)?,
        };
        let empty = matches!(first, b'{' | b'[');
        match close(text, at, &mut depth, &mut objects, empty)? {
            (end, true) => return Some(end),
            (next, false) => at = next,
        }
    }
}

/// Behind a value: past the ends of what it is in, to the next value or to the end of all.
fn close(
    text: &[u8],
    mut at: usize,
    depth: &mut u32,
    objects: &mut u64,
    empty: bool,
) -> Option<(usize, bool)> {
    if !empty && *depth == 0 {
        return Some((at, true));
    }
    loop {
        at = space(text, at);
        let in_object = *objects & 1 == 1;
        match (*text.get(at)?, in_object) {
            (b',', true) => return Some((name(text, space(text, at + 1))?, false)),
            (b',', false) => return Some((space(text, at + 1), false)),
            (b'}', true) | (b']', false) => {
                at += 1;
                *depth -= 1;
                *objects >>= 1;
                if *depth == 0 {
                    return Some((at, true));
                }
            }
            _ => return None,
        }
    }
}

/// Past the name of a member and its colon, to the value.
fn name(text: &[u8], at: usize) -> Option<usize> {
    let colon = space(text, string(text, at)?);
    (text.get(colon) == Some(&b':')).then(|| space(text, colon + 1))
}

fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn string(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    loop {
        at += 1;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                at += 1;
                match text.get(at)? {
                    b'u' => {
                        let digits = text.get(at + 1..at + 5)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        at += 4;
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => (),
                    _ => return None,
                }
            }
            0..=0x1f => return None,
            _ => (),
        }
    }
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    at += usize::from(text.get(at) == Some(&b'-'));
    at = match text.get(at)? {
        b'0' => at + 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        at = digits(text, at)?;
    }
    Some(at)
}

fn digits(text: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

fn literal(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    ["true", "false", "null"]
        .iter()
        .find(|word| rest.starts_with(word.as_bytes()))
        .map(|word| at + word.len())
}

/// Writes into a JSON string: what goes through is escaped. One in the other makes JSON text in a JSON string.
pub(super) struct Escaped<'w, W>(pub(super) &'w mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '"' | '\\' => {
                    self.0.write_char('\\')?;
                    self.0.write_char(char)?;
                }
                '\0'..='\x1f' => write!(self.0, "\\u{:04x}", u32::from(char))?,
                _ => self.0.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A string in its quotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        Escaped(f).write_str(self.0)?;
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::ToString, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<Value<'_>> {
        Value::parse(text.as_bytes())
    }

    #[test]
    fn members_and_items_are_found() {
        let text = r#" {"a" : {"b":[1, "x\"y" ,{}, []]}, "\u0063":null,"c":-0.5e+3, "d":7 } "#;
        let value = parse(text).unwrap();
        let items: Vec<_> = value
            .member("a")
            .unwrap()
            .member("b")
            .unwrap()
            .items()
            .collect();
        assert_eq!(items.len(), 4);
        assert_eq!(items[0].number(), Some(1));
        assert!(items[1].text().unwrap().is("x\"y"));
        assert!(items[2].is_object());
        assert_eq!(value.member("c").unwrap().label::<8>().unwrap(), "-0.5e+3");
        assert_eq!(value.member("d").unwrap().number(), Some(7));
        assert!(value.member("e").is_none());
        assert_eq!(value.members().count(), 4);
    }

    #[test]
    fn what_is_not_json_is_none() {
        for text in [
            "",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01x",
            "[1 2]",
            "{} {}",
            "nul",
            "\"\\x\"",
            "\"\n\"",
            "\"\\u12g4\"",
            "[}",
            "{]",
            "-",
            "1.",
            "1e",
            "{1:2}",
            "[,1]",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        let deep = "[".repeat(33) + &"]".repeat(33);
        assert!(parse(&deep).is_none());
        assert!(parse(&deep[1..65]).is_some());
    }

    #[test]
    fn escapes_are_undone() {
        let value = parse(r#""\ud83d\ude00\t\/\u00e9""#).unwrap();
        assert_eq!(value.text().unwrap().keep::<16>().unwrap(), "😀\t/é");
        assert!(
            value.text().unwrap().keep::<4>().is_none(),
            "longer than there is room for"
        );
        for unsound in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#] {
            assert!(
                parse(unsound)
                    .unwrap()
                    .text()
                    .unwrap()
                    .keep::<16>()
                    .is_none(),
                "{unsound}"
            );
        }
    }

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<i16>().prop_map(|number| (f64::from(number) / 4.0).into()),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    /// The same tree, read with what is tested.
    fn read(value: Value<'_>) -> serde_json::Value {
        if let Some(text) = value.text() {
            text.keep::<64>().unwrap().as_str().into()
        } else if value.is_object() {
            value
                .members()
                .map(|(name, value)| (name.keep::<64>().unwrap().as_str().to_string(), read(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        } else if value.0.starts_with('[') {
            value.items().map(read).collect::<Vec<_>>().into()
        } else {
            serde_json::from_str(value.0).unwrap()
        }
    }

    proptest! {
        #[test]
        fn what_another_library_writes_is_read_alike(tree in tree(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
            prop_assert_eq!(read(parse(&text).unwrap()), tree);
        }

        #[test]
        fn it_agrees_with_another_library_on_what_json_is(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ -]{0,24}|(true|null|[\\[\\],{} ])*") {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(parse(&text).is_some());
            } else if let Some(value) = parse(&text) {
                // The other library also refuses numbers out of range, and half a surrogate pair.
                prop_assert!(text.contains("\\u") || text.contains(['e', 'E']), "{:?}", value.0);
            }
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            if let Some(value) = Value::parse(&bytes) {
                let _ = (value.members().count(), value.items().count(), value.label::<8>());
            }
        }

        #[test]
        fn what_is_quoted_is_read_back(text: std::string::String) {
            let quoted = format!("{}", Quoted(&text));
            prop_assert_eq!(serde_json::from_str::<std::string::String>(&quoted).unwrap(), &text[..]);
            prop_assert!(parse(&quoted).unwrap().text().unwrap().is(&text));
        }
    }
}
