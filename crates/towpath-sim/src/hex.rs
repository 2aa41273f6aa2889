//! Bytes as people write them down.

/// Reads bytes from a notation for packets:
///
/// ```text
/// 30 0a        hexadecimal digits, in pairs
/// 'text'       the text's bytes
/// <text>       the text with a length of two bytes in front, as MQTT strings have it
/// [ ... ]      what is inside with a variable byte integer in front: remaining length, properties
/// ```
///
/// ```
/// use towpath_sim::hex;
/// assert_eq!(hex("30 [ <a/b> 'hi' ]"), b"\x30\x07\x00\x03a/bhi");
/// ```
///
/// # Panics
/// If it can't be read.
#[must_use]
pub fn hex(notation: &str) -> Vec<u8> {
    let mut levels = vec![Vec::new()];
    let mut rest = notation;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            _ if first.is_whitespace() => {}
            '[' => levels.push(Vec::new()),
            ']' => {
                let inner = levels.pop().expect("a level to close");
                let outer = levels.last_mut().expect("a `[` for each `]`");
                outer.extend(varint(inner.len()));
                outer.extend(inner);
            }
            '\'' | '<' => {
                let end = if first == '<' { '>' } else { '\'' };
                let (text, after) = rest.split_once(end).expect("text that ends");
                rest = after;
                let level = levels.last_mut().expect("a level");
                if first == '<' {
                    level.extend((text.len() as u16).to_be_bytes());
                }
                level.extend(text.as_bytes());
            }
            _ => {
                let second = rest.chars().next().expect("digits in pairs");
                rest = &rest[second.len_utf8()..];
                let digit = |c: char| c.to_digit(16).expect("a hexadecimal digit") as u8;
                let byte = digit(first) << 4 | digit(second);
                levels.last_mut().expect("a level").push(byte);
            }
        }
    }
    assert_eq!(levels.len(), 1, "a `]` for each `[`: {notation}");
    levels.remove(0)
}

pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// Shows bytes as hexadecimal pairs with runs of text in quotes, in the notation of [`hex()`].
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\'';
    let mut words = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let run = rest.iter().take_while(|byte| plain(byte)).count();
        // A single letter is more often a number than a text.
        if run >= 3 {
            let (text, after) = rest.split_at(run);
            words.push(format!("'{}'", String::from_utf8_lossy(text)));
            rest = after;
        } else {
            let (some, after) = rest.split_at(run.max(1));
            words.extend(some.iter().map(|byte| format!("{byte:02x}")));
            rest = after;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        let bytes = hex("10 [ <MQTT> 05 02 003c [] <client> ]");
        assert_eq!(bytes.len(), 2 + 6 + 4 + 1 + 8);
        assert_eq!(hex(&show(&bytes)), bytes);
    }

    #[test]
    fn a_bracket_counts_what_is_inside() {
        assert_eq!(hex("[]"), [0]);
        let long = format!("[ '{}' ]", "x".repeat(200));
        assert_eq!(&hex(&long)[..3], [0xC8, 0x01, b'x']);
    }
}
