//! The records on their way in and out, in the caller's two buffers, and the callbacks by which Mbed TLS moves them.

use core::{
    ffi::{c_int, c_uchar, c_void},
    slice,
};

use mbedtls_rs_sys as sys;
use towpath_proto::Buffer;

/// How far a buffer that can grow is grown for received records, bytes: two records of full size.
const RX_WANTED: usize = 2 * (16384 + 512);
/// What a growing buffer begins with, bytes: a TLS 1.2 flight of a usual server.
const RX_FIRST: usize = 4096;

/// Bytes at the front that were taken, bytes that wait, and room behind.
struct Queue<B> {
    buffer: B,
    start: usize,
    end: usize,
}

impl<B: Buffer> Queue<B> {
    const fn new(buffer: B) -> Self {
        Self {
            buffer,
            start: 0,
            end: 0,
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer
            .bytes()
            .get(self.start..self.end)
            .unwrap_or_default()
    }

    fn take(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    fn len(&self) -> usize {
        self.buffer.bytes().len()
    }

    fn room(&self) -> usize {
        self.len().saturating_sub(self.end)
    }

    /// Moves what waits to the front.
    fn compact(&mut self) {
        let (start, end) = (self.start, self.end);
        if start > 0 && end <= self.len() {
            self.buffer.bytes_mut().copy_within(start..end, 0);
            self.start = 0;
            self.end = end - start;
        }
    }

    /// Makes room for `n` bytes if that can be, and says how much there is.
    fn make_room(&mut self, n: usize) -> usize {
        if self.room() < n {
            self.compact();
        }
        if self.room() < n {
            // A fixed buffer can't, and then it is what it is.
            let _ = self.buffer.grow(self.end.saturating_add(n));
        }
        self.room()
    }

    fn space(&mut self) -> &mut [u8] {
        let end = self.end;
        self.buffer.bytes_mut().get_mut(end..).unwrap_or_default()
    }

    fn added(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.len());
    }
}

/// An alert record that Mbed TLS wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// In clear: fatal or not, and its description.
    Clear { fatal: bool, description: u8 },
    /// Encrypted.
    Hidden,
}

/// Both directions of one connection.
pub(crate) struct Pipes<B> {
    rx: Queue<B>,
    tx: Queue<B>,
    /// Received bytes ran out in this call.
    pub(crate) starved: bool,
    /// Room to send ran out in this call.
    pub(crate) full: bool,
    /// How much of the record that is being sent is still to come: Mbed TLS gives the rest again.
    record_left: usize,
    /// The alert that was sent since it was last asked for.
    alert: Option<Sent>,
    /// How many handshake records this flight has.
    flight: u8,
    /// Something was received since the last record was sent.
    received: bool,
    /// Whether any record was ever taken in.
    rx_wanted: usize,
}

impl<B: Buffer> Pipes<B> {
    pub(crate) const fn new(rx: B, tx: B) -> Self {
        Self {
            rx: Queue::new(rx),
            tx: Queue::new(tx),
            starved: false,
            full: false,
            record_left: 0,
            alert: None,
            flight: 0,
            received: false,
            rx_wanted: RX_FIRST,
        }
    }

    pub(crate) fn rx_space(&mut self) -> &mut [u8] {
        self.make_rx_room();
        self.rx.space()
    }

    /// The room for what is received and what is to be sent, at once.
    pub(crate) fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        self.make_rx_room();
        (self.rx.space(), self.tx.waiting())
    }

    fn make_rx_room(&mut self) {
        let waiting = self.rx.end - self.rx.start;
        let wanted = self.rx_wanted.saturating_sub(waiting);
        self.rx.make_room(wanted.max(1));
    }

    pub(crate) fn commit(&mut self, n: usize) {
        self.rx.added(n);
        if n > 0 && self.rx.room() == 0 {
            // It came faster than it went: fewer and longer reads from now on.
            self.rx_wanted = self.rx_wanted.saturating_mul(2).min(RX_WANTED);
        }
    }

    pub(crate) fn sendable(&self) -> &[u8] {
        self.tx.waiting()
    }

    pub(crate) fn transmitted(&mut self, n: usize) {
        self.tx.take(n);
    }

    /// Room for records to send, `n` bytes of it if that can be.
    pub(crate) fn tx_room(&mut self, n: usize) -> usize {
        self.tx.make_room(n)
    }

    /// Before each call into Mbed TLS.
    pub(crate) const fn begin(&mut self) {
        self.starved = false;
        self.full = false;
    }

    pub(crate) const fn take_alert(&mut self) -> Option<Sent> {
        self.alert.take()
    }

    pub(crate) const fn peek_alert(&self) -> Option<Sent> {
        self.alert
    }

    /// How many handshake records the client's last flight has. In TLS 1.2 a full handshake has two, three when the
    /// Certificate message is empty and four when it is not (with CertificateVerify); in TLS 1.3 one less each.
    pub(crate) const fn flight(&self) -> u8 {
        self.flight
    }

    /// Takes notes of a record, of which `start` is the beginning.
    fn note(&mut self, start: &[u8]) {
        let &[kind, _, _, high, low, ref body @ ..] = start else {
            return;
        };
        self.record_left = 5 + usize::from(u16::from_be_bytes([high, low]));
        if self.received {
            self.received = false;
            self.flight = 0;
        }
        match (kind, body) {
            (20, _) => {}
            (21, &[level, description]) => {
                let fatal = level == 2;
                self.alert = Some(Sent::Clear { fatal, description });
            }
            (21, _) => self.alert = Some(Sent::Hidden),
            _ => self.flight = self.flight.saturating_add(1),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> c_int {
        if self.record_left == 0 {
            self.note(bytes);
        }
        let room = self.tx.make_room(bytes.len());
        let mut sent = 0;
        for (to, from) in self.tx.space().iter_mut().zip(bytes) {
            *to = *from;
            sent += 1;
        }
        if sent == 0 {
            debug_assert_eq!(room, 0);
            self.full = true;
            return sys::MBEDTLS_ERR_SSL_WANT_WRITE;
        }
        self.tx.added(sent);
        self.record_left = self.record_left.saturating_sub(sent);
        c_int::try_from(sent).unwrap_or(sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR)
    }

    fn receive(&mut self, to: &mut [u8]) -> c_int {
        let waiting = self.rx.waiting();
        let n = waiting.len().min(to.len());
        if n == 0 {
            self.starved = true;
            return sys::MBEDTLS_ERR_SSL_WANT_READ;
        }
        if let (Some(to), Some(from)) = (to.get_mut(..n), waiting.get(..n)) {
            to.copy_from_slice(from);
        }
        self.rx.take(n);
        self.received = true;
        c_int::try_from(n).unwrap_or(sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR)
    }
}

/// `mbedtls_ssl_send_t`; `pipes` is a `Pipes<B>`.
pub(crate) unsafe extern "C" fn f_send<B: Buffer>(
    pipes: *mut c_void,
    bytes: *const c_uchar,
    len: usize,
) -> c_int {
    // SAFETY: `Connection::call` gave a pointer to its pipes, and touches them no more until Mbed TLS returns.
    let pipes = unsafe { &mut *pipes.cast::<Pipes<B>>() };
    if len == 0 {
        return 0;
    }
    // SAFETY: Mbed TLS gives `len` bytes of its buffer to be read.
    pipes.send(unsafe { slice::from_raw_parts(bytes, len) })
}

/// `mbedtls_ssl_recv_t`; `pipes` is a `Pipes<B>`.
pub(crate) unsafe extern "C" fn f_recv<B: Buffer>(
    pipes: *mut c_void,
    bytes: *mut c_uchar,
    len: usize,
) -> c_int {
    // SAFETY: as for `f_send`.
    let pipes = unsafe { &mut *pipes.cast::<Pipes<B>>() };
    if len == 0 {
        return sys::MBEDTLS_ERR_SSL_WANT_READ;
    }
    // SAFETY: Mbed TLS gives room for `len` bytes of its buffer, which it zeroed when it allocated it.
    pipes.receive(unsafe { slice::from_raw_parts_mut(bytes, len) })
}
