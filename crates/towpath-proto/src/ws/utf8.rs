//! UTF-8 of text messages, checked as they come in (RFC 6455 8.1, RFC 3629).

use crate::{
    fault::{Code, Fault},
    rung::Rung,
};

/// Checks the text of one message after another. A bad byte fails at once, not at the end of the message.
#[derive(Debug, Clone, Default)]
pub struct Utf8 {
    /// The start of a character whose end has not come yet.
    partial: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// At the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            partial: [0; 4],
            len: 0,
        }
    }

    /// Checks the next bytes of the message, cut anywhere.
    ///
    /// # Errors
    /// [`Code::FrameUtf8`] if no continuation could make the message valid.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut bytes = bytes;
        while self.len > 0 {
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.push(*byte)?;
        }
        let Err(error) = core::str::from_utf8(bytes) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(fault());
        }
        let partial = bytes.get(error.valid_up_to()..).unwrap_or_default();
        partial.iter().try_for_each(|byte| self.push(*byte))
    }

    /// Ends the message; the next bytes start another.
    ///
    /// # Errors
    /// [`Code::FrameUtf8`] if the message ends within a character.
    pub fn end(&mut self) -> Result<(), Fault> {
        let whole = self.len == 0;
        *self = Self::new();
        if whole { Ok(()) } else { Err(fault()) }
    }

    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        let room = self
            .partial
            .get_mut(usize::from(self.len))
            .ok_or_else(fault)?;
        *room = byte;
        self.len += 1;
        let so_far = self
            .partial
            .get(..usize::from(self.len))
            .unwrap_or_default();
        match core::str::from_utf8(so_far) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => return Err(fault()),
            Err(_) => {}
        }
        Ok(())
    }
}

#[cold]
fn fault() -> Fault {
    // 8.1: the endpoint MUST fail the connection when the byte stream is not valid UTF-8.
    Fault::new(Rung::Ws, Code::FrameUtf8).clause("RFC 6455 8.1")
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;

    use super::*;

    fn check(pieces: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::new();
        pieces.iter().all(|piece| utf8.feed(piece).is_ok()) && utf8.end().is_ok()
    }

    #[test]
    fn a_character_may_be_cut_anywhere() {
        let text = "κόσμε \u{10FFFF}".as_bytes();
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert!(check(&[a, b]));
        }
    }

    #[test]
    fn a_bad_byte_fails_before_the_character_would_be_complete() {
        for bad in [
            &[0xF4, 0x90][..],
            &[0xED, 0xA0],
            &[0xC0],
            &[0xE0, 0x80],
            &[0xFF],
            &[0xF8],
        ] {
            let mut utf8 = Utf8::new();
            assert!(
                bad.iter().any(|byte| utf8.feed(&[*byte]).is_err()),
                "{bad:x?}"
            );
        }
    }

    #[test]
    fn a_message_may_not_end_within_a_character_but_the_next_starts_afresh() {
        let mut utf8 = Utf8::new();
        utf8.feed(&[0xCE]).unwrap();
        assert_eq!(utf8.end().unwrap_err().code, Code::FrameUtf8);
        utf8.feed(b"ok").unwrap();
        utf8.end().unwrap();
    }

    proptest! {
        #[test]
        fn pieces_are_judged_like_the_whole(
            bytes in prop_oneof![any::<std::string::String>().prop_map(Into::into), any::<std::vec::Vec<u8>>()],
            size in 1_usize..5,
        ) {
            let pieces: std::vec::Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(check(&pieces), core::str::from_utf8(&bytes).is_ok());
        }
    }
}
