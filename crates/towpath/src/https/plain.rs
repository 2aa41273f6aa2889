//! Plaintext on its way between an exchange and its TLS, or its socket where there is none.

use towpath_proto::{Fault, Instant, Rung, tls::Above};

/// The longest plaintext of a record, bytes: so much is read before it is looked at.
const ROOM: usize = 16 << 10;

/// The rung that faults of HTTP itself bear.
pub(super) const HTTP: Rung = Rung::Hub;

/// The plaintext of one connection.
pub(super) struct Plain {
    tx: Vec<u8>,
    sent: usize,
    rx: Box<[u8]>,
    filled: usize,
    taken: usize,
    /// TLS is open, or there is none.
    open: bool,
    /// The server has begun to answer.
    answered: bool,
    end: Option<Fault>,
}

impl Plain {
    pub(super) fn new(secured: bool) -> Self {
        Self {
            tx: Vec::new(),
            sent: 0,
            rx: vec![0; ROOM].into_boxed_slice(),
            filled: 0,
            taken: 0,
            open: !secured,
            answered: false,
            end: None,
        }
    }

    /// Adds to what is to be sent.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.tx.drain(..self.sent.min(self.tx.len()));
        self.sent = 0;
        self.tx.extend_from_slice(bytes);
    }

    /// Bytes that came and were not taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.rx.get(self.taken..self.filled).unwrap_or_default()
    }

    /// The first `len` of the [`unread`](Self::unread) bytes are done with.
    pub(super) fn take(&mut self, len: usize) {
        self.taken = self.taken.saturating_add(len).min(self.filled);
    }

    /// Bytes that were taken last, `len` of them.
    pub(super) fn taken(&self, len: usize) -> &[u8] {
        let from = self.taken.saturating_sub(len);
        self.rx.get(from..self.taken).unwrap_or_default()
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// How it ended.
    pub(super) const fn end(&self) -> Option<Fault> {
        self.end
    }
}

impl Above for Plain {
    fn sendable(&self) -> &[u8] {
        self.tx.get(self.sent..).unwrap_or_default()
    }

    fn transmitted(&mut self, _: Instant, n: usize) {
        self.sent = self.sent.saturating_add(n);
    }

    fn rx_space(&mut self) -> &mut [u8] {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        self.rx.get_mut(self.filled..).unwrap_or_default()
    }

    fn commit(&mut self, _: Instant, n: usize) {
        self.filled = self.filled.saturating_add(n).min(self.rx.len());
        self.answered |= n > 0;
    }

    fn grow_rx(&mut self, _: usize) {}

    fn rx_len(&self) -> usize {
        self.rx.len()
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
        if self.end.is_none() {
            self.end = Some(fault);
        }
    }
}
