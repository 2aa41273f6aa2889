//! Plaintext of an HTTPS exchange, in the caller's memory.

use towpath_azure::http;
use towpath_proto::{Code, Fault, Instant, Rung, tls::Above};

/// The rung that faults of HTTP itself bear.
pub(super) const HTTP: Rung = Rung::Hub;

/// The plaintext of one connection: a request on its way, and what came of the answer.
pub(super) struct Plain<'b> {
    memory: &'b mut [u8],
    /// The request lies in front, up to here; behind it is the room for the answer.
    request: usize,
    sent: usize,
    filled: usize,
    taken: usize,
    open: bool,
    answered: bool,
    end: Option<Fault>,
}

impl<'b> Plain<'b> {
    pub(super) const fn new(memory: &'b mut [u8]) -> Self {
        Self {
            memory,
            request: 0,
            sent: 0,
            filled: 0,
            taken: 0,
            open: false,
            answered: false,
            end: None,
        }
    }

    /// Begins with this request.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn begin(&mut self, request: &http::Request<'_>) -> Result<(), http::Unwritable> {
        (self.sent, self.filled, self.taken) = (0, 0, 0);
        (self.open, self.answered, self.end) = (false, false, None);
        let mut writer = Writer(&mut *self.memory, 0);
        let written = request.write(&mut writer);
        self.request = writer.1;
        written
    }

    /// Bytes that came and were not taken, at most `most`.
    pub(super) fn unread(&self, most: usize) -> &[u8] {
        let end = self.filled.min(self.taken.saturating_add(most));
        let room = self.memory.get(self.request..).unwrap_or_default();
        room.get(self.taken..end).unwrap_or_default()
    }

    /// The first `len` of the unread bytes are done with.
    pub(super) fn take(&mut self, len: usize) {
        self.taken = self.taken.saturating_add(len).min(self.filled);
    }

    /// How it ended.
    pub(super) const fn end(&self) -> Option<Fault> {
        self.end
    }

    /// What a time-out means where it is.
    pub(super) fn late(&self, millis: u32) -> Fault {
        let code = if self.open {
            Code::HttpTimeout
        } else {
            Code::TlsTimeout
        };
        Fault::new(Above::rung(self), code).number(millis)
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.end.get_or_insert(fault);
    }

    /// It ended, and this is why.
    pub(super) const fn end_with(&mut self, fault: Fault) {
        self.end = Some(fault);
    }
}

/// A text in front of some memory.
struct Writer<'w>(&'w mut [u8], usize);

impl core::fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.1.saturating_add(text.len());
        let room = self.0.get_mut(self.1..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.1 = end;
        Ok(())
    }
}

impl Above for Plain<'_> {
    fn sendable(&self) -> &[u8] {
        self.memory.get(self.sent..self.request).unwrap_or_default()
    }

    fn transmitted(&mut self, _: Instant, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.request);
    }

    fn rx_space(&mut self) -> &mut [u8] {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        let room = self.memory.get_mut(self.request..).unwrap_or_default();
        room.get_mut(self.filled..).unwrap_or_default()
    }

    fn commit(&mut self, _: Instant, n: usize) {
        let room = self.memory.len().saturating_sub(self.request);
        self.filled = self.filled.saturating_add(n).min(room);
        self.answered |= n > 0;
    }

    fn grow_rx(&mut self, _: usize) {}

    fn rx_len(&self) -> usize {
        self.memory.len().saturating_sub(self.request)
    }

    /// What came is looked at before more is decrypted.
    fn is_paused(&self) -> bool {
        self.taken < self.filled
    }

    fn is_settled(&self) -> bool {
        self.answered
    }

    fn rung(&self) -> Rung {
        if self.open { HTTP } else { Rung::Tls }
    }

    fn reached(&mut self, _: Instant, _: Rung) {
        self.open = true;
    }

    fn closed(&mut self, _: Instant, fault: Fault) {
        self.fail(fault);
    }
}
