//! A short text on the stack.

use core::fmt::{self, Write as _};

/// As many bytes as fit.
pub(crate) struct Text {
    bytes: [u8; 24],
    len: usize,
}

impl Text {
    pub(crate) fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Self {
            bytes: [0; 24],
            len: 0,
        };
        // What does not fit is cut off.
        let _ = text.write_fmt(arguments);
        text
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let places = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (place, byte) in places.iter_mut().zip(text.bytes()) {
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}
