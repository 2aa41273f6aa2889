//! A log cut into lines as it comes, however long they are and whatever is in them. In go bytes; out come numbered lines
//! of bounded length without control sequences.

use std::io::{self, ErrorKind, Read};

/// What is kept of a line, in bytes. The rest of a longer one is skipped.
pub(super) const LONGEST: usize = 2048;

/// Calls `each` with every line and its number, from 1.
///
/// # Errors
/// What reading answers.
pub(super) fn each(mut log: impl Read, mut each: impl FnMut(u64, &str)) -> io::Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    let mut line = Line::default();
    let mut number = 1;
    loop {
        let len = match log.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut rest = chunk.get(..len).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (before, after) = rest.split_at(end);
            line.push(before);
            each(number, &line.take());
            number += 1;
            rest = after.get(1..).unwrap_or_default();
        }
        line.push(rest);
    }
    if !line.bytes.is_empty() {
        each(number, &line.take());
    }
    Ok(())
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn take(&mut self) -> String {
        let clean = clean(&String::from_utf8_lossy(&self.bytes));
        self.bytes.clear();
        clean
    }
}

/// Without colours, cursor movements and other control characters.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            out.push(if c.is_control() { ' ' } else { c });
            continue;
        }
        if chars.next_if_eq(&'[').is_none() {
            continue;
        }
        // A control sequence ends with a letter (ECMA-48 section 5.4).
        for c in chars.by_ref() {
            if ('\x40'..='\x7e').contains(&c) {
                break;
            }
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Vec::new();
        each(bytes, |number, line| lines.push((number, line.to_owned()))).unwrap();
        lines
    }

    #[test]
    fn colours_and_line_ends_go() {
        let log = b"\x1b[1;31m<err> one\x1b[0m\r\n\r\ntwo\r\n\xff\x00three";
        let lines = lines(log);
        assert_eq!(lines[0], (1, "<err> one".into()));
        assert_eq!(lines[2], (3, "two".into()));
        assert_eq!(lines[3], (4, "\u{fffd} three".into()));
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let log = vec![b'x'; 1 << 20];
        let lines = lines(&log);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].1.len(), LONGEST);
    }
}
