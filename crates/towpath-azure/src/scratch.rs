//! Text written into a caller's buffer.
//!
//! Takes in anything that can be displayed; gives out the text, or that there is no room.

use core::fmt;

/// A cursor over a buffer to fill with text. What does not fit as a whole piece is an error.
#[derive(Debug)]
pub(crate) struct Scratch<'s> {
    buffer: &'s mut [u8],
    len: usize,
}

impl<'s> Scratch<'s> {
    pub(crate) const fn new(buffer: &'s mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// What was written, and the room behind it.
    pub(crate) fn split(self) -> (&'s str, &'s mut [u8]) {
        let Self { buffer, len } = self;
        match buffer.split_at_mut_checked(len) {
            Some((text, rest)) => (core::str::from_utf8(text).unwrap_or(""), rest),
            None => ("", &mut []),
        }
    }

    /// What was written.
    pub(crate) fn text(self) -> &'s str {
        self.split().0
    }
}

impl fmt::Write for Scratch<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.checked_add(text.len()).ok_or(fmt::Error)?;
        self.buffer
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The text of a value in the caller's buffer; `None` if it does not fit.
pub(crate) fn write(buffer: &mut [u8], value: impl fmt::Display) -> Option<&str> {
    let mut scratch = Scratch::new(buffer);
    fmt::write(&mut scratch, format_args!("{value}")).ok()?;
    Some(scratch.text())
}

/// Counts the bytes of a text.
#[derive(Debug, Default)]
struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// How many bytes the text of a value has.
pub(crate) fn len(value: impl fmt::Display) -> usize {
    let mut count = Count(0);
    // Counting does not fail; a value that can't be displayed counts up to where it failed.
    let _ = fmt::write(&mut count, format_args!("{value}"));
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_exactly_is_written_and_what_does_not_is_refused() {
        let mut buffer = [0; 4];
        assert_eq!(write(&mut buffer, "abcd"), Some("abcd"));
        assert_eq!(write(&mut buffer, 12_345), None);
        assert_eq!(write(&mut [], ""), Some(""));
        assert_eq!(len(12_345), 5);
    }
}
