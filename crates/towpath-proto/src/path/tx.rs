//! Cursors over the transmit buffer.

use crate::{buffers::Buffer, bytes::shift};

/// `head..tail` are bytes to send, of which those from `hold` on have to wait for a rung to be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tx {
    head: usize,
    tail: usize,
    hold: usize,
}

const NO_HOLD: usize = usize::MAX;

impl Tx {
    pub(crate) const EMPTY: Self = Self {
        head: 0,
        tail: 0,
        hold: NO_HOLD,
    };

    /// Everything from offset `at` on waits until [`release`](Self::release). Nothing may have been sent before.
    pub(crate) const fn hold_at(&mut self, at: usize) {
        self.hold = at;
    }

    pub(crate) const fn release(&mut self) {
        self.hold = NO_HOLD;
    }

    /// The bytes not yet sent, held back or not.
    pub(crate) const fn pending(&self) -> usize {
        self.tail - self.head
    }

    /// What may be sent now.
    #[inline]
    pub(crate) fn sendable<'b>(&self, buffer: &'b dyn Buffer) -> &'b [u8] {
        buffer
            .bytes()
            .get(self.head..self.tail.min(self.hold))
            .unwrap_or(&[])
    }

    pub(crate) const fn has_sendable(&self) -> bool {
        self.head < self.tail && self.head < self.hold
    }

    /// `n` bytes of what may be sent were sent.
    pub(crate) fn sent(&mut self, n: usize) {
        self.head = self.head.saturating_add(n).min(self.tail.min(self.hold));
        if self.head == self.tail && self.hold == NO_HOLD {
            self.head = 0;
            self.tail = 0;
        }
    }

    /// Makes room for `len` bytes behind the tail, and says whether there is.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn reserve(&mut self, buffer: &mut dyn Buffer, len: usize) -> bool {
        match self.tail.checked_add(len) {
            Some(end) if end <= buffer.bytes().len() => true,
            Some(_) => self.make_room(buffer, len),
            None => false,
        }
    }

    #[inline(never)]
    fn make_room(&mut self, buffer: &mut dyn Buffer, len: usize) -> bool {
        // Moving pays once as many bytes were sent as have to be moved; until then a buffer that can grow does.
        let Some(end) = self.tail.checked_add(len) else {
            return false;
        };
        if self.head < self.pending() && buffer.grow(end) {
            return true;
        }
        if self.head > 0 && self.tail <= buffer.bytes().len() {
            shift(buffer.bytes_mut(), self.head, self.tail, 0);
            if self.hold != NO_HOLD {
                self.hold = self.hold.saturating_sub(self.head);
            }
            self.tail -= self.head;
            self.head = 0;
        }
        match self.tail.checked_add(len) {
            Some(end) => end <= buffer.bytes().len() || buffer.grow(end),
            None => false,
        }
    }

    /// The room that [`reserve`](Self::reserve) made.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn room<'b>(&self, buffer: &'b mut dyn Buffer, len: usize) -> Option<&'b mut [u8]> {
        buffer.bytes_mut().get_mut(self.tail..)?.get_mut(..len)
    }

    #[inline]
    pub(crate) fn append(&mut self, n: usize) {
        self.tail = self.tail.saturating_add(n);
    }
}
