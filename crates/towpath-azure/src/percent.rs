//! Percent-encoding as Azure's SDKs do it: everything but `A-Z a-z 0-9 - _ . ~`, with upper-case digits, a space as
//! `%20` and never as `+` (RFC 3986 section 2).
//!
//! Takes in text; gives out its encoded form, or its decoded form character by character.

use core::fmt::{self, Write as _};

/// The encoded form of what is displayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoded<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Encoded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Encoder { out: f, kept: b"" }, "{}", self.0)
    }
}

/// The encoded form of a path: its slashes stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedPath<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for EncodedPath<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Encoder { out: f, kept: b"/" }, "{}", self.0)
    }
}

/// Encodes what is written to it.
struct Encoder<'w, W> {
    out: &'w mut W,
    /// What stays as it is besides the unreserved characters.
    kept: &'static [u8],
}

impl<W: fmt::Write> fmt::Write for Encoder<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || self.kept.contains(&byte)
            {
                self.out.write_char(char::from(byte))?;
            } else {
                write!(self.out, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// Reads encoded text.
pub(crate) const fn decode(text: &str) -> Decoded<'_> {
    Decoded(text)
}

/// Percent-encoded text that is decoded while it is read. What is not a valid encoding stays as it is.
#[derive(Clone, Copy)]
pub struct Decoded<'a>(&'a str);

impl<'a> Decoded<'a> {
    /// The text as it came.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The decoded characters.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (char, len) = first(rest)?;
            rest = rest.get(len..).unwrap_or("");
            Some(char)
        })
    }
}

/// The first character of encoded text, and how many bytes it takes there.
fn first(text: &str) -> Option<(char, usize)> {
    let plain = text.chars().next()?;
    let encoded = if plain == '%' { sequence(text) } else { None };
    Some(encoded.unwrap_or_else(|| (plain, plain.len_utf8())))
}

/// The character that encoded bytes at the start of `text` make, and how many bytes of `text` that are.
fn sequence(text: &str) -> Option<(char, usize)> {
    let lead = encoded_byte(text, 0)?;
    let len = match lead {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut bytes = [lead, 0, 0, 0];
    for (at, byte) in bytes.iter_mut().enumerate().take(len).skip(1) {
        *byte = encoded_byte(text, at)?;
    }
    let char = core::str::from_utf8(bytes.get(..len)?)
        .ok()?
        .chars()
        .next()?;
    Some((char, len * 3))
}

/// The byte that the `at`th `%XX` at the start of `text` stands for.
fn encoded_byte(text: &str, at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.as_bytes().get(at * 3..at * 3 + 3)? else {
        return None;
    };
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

impl fmt::Display for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|char| f.write_char(char))
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.chars()
            .flat_map(char::escape_debug)
            .try_for_each(|char| f.write_char(char))?;
        f.write_char('"')
    }
}

/// Equal if they read the same, however they are encoded.
impl PartialEq for Decoded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Decoded<'_> {}

impl PartialEq<str> for Decoded<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for Decoded<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString as _};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_space_is_never_a_plus() {
        assert_eq!(Encoded("yes/no +&=").to_string(), "yes%2Fno%20%2B%26%3D");
        assert_eq!(decode("a+b%2bc").to_string(), "a+b+c");
        assert_eq!(EncodedPath("a b/c").to_string(), "a%20b/c");
    }

    #[test]
    fn what_is_no_encoding_stays_as_it_is() {
        for text in [
            "%",
            "%4",
            "%zz",
            "100%",
            "%+1",
            "%ff",
            "%c3",
            "%ed%a0%80",
            "%c3é",
            "é%",
        ] {
            assert_eq!(decode(text).to_string(), text);
        }
        assert_eq!(decode("%c3%28%41").to_string(), "%c3(A");
    }

    #[test]
    fn it_is_shown_without_control_characters() {
        let shown = std::format!("{:?}", decode("a%0ab%22%1b[31m"));
        assert_eq!(shown, r#""a\nb\"\u{1b}[31m""#);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text: String) {
            let encoded = Encoded(&text).to_string();
            prop_assert!(encoded.bytes().all(|byte| byte == b'%' || byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)));
            prop_assert_eq!(decode(&encoded).to_string(), text);
        }

        #[test]
        fn any_text_can_be_read(text: String, noise in "[%0-9a-fA-Fcé]{0,40}") {
            let _ = decode(&text).to_string();
            let read = decode(&noise).to_string();
            prop_assert!(read.len() <= noise.len());
            prop_assert!(decode(&noise) == read.as_str());
        }
    }
}
