//! What stands on a TLS connection: it has plaintext to send, takes what comes, and is told how the rung went.
//!
//! A [`Client`] is one, and an HTTP exchange of its own is another.

use crate::{
    buffers::{Buffer, Random},
    client::Client,
    fault::Fault,
    rung::Rung,
    time::Instant,
};

/// The layer above TLS, as [`Layer`](super::Layer) drives it. The methods of [`Client`] with these names say more.
pub trait Above {
    /// Plaintext that may leave now.
    fn sendable(&self) -> &[u8];

    /// `n` bytes of what was sendable are encrypted.
    fn transmitted(&mut self, now: Instant, n: usize);

    /// Room for plaintext.
    fn rx_space(&mut self) -> &mut [u8];

    /// `n` bytes of plaintext came into [`rx_space`](Self::rx_space).
    fn commit(&mut self, now: Instant, n: usize);

    /// Makes the room for plaintext at least `len` bytes long, if it can grow.
    fn grow_rx(&mut self, len: usize);

    /// The length of the whole buffer that the room is part of, bytes.
    fn rx_len(&self) -> usize;

    /// Whether nothing is taken now, though there may be room.
    fn is_paused(&self) -> bool;

    /// Whether the time is over in which the server may ask for a renegotiation.
    fn is_settled(&self) -> bool;

    /// The rung that is climbed.
    fn rung(&self) -> Rung;

    /// A rung is climbed.
    fn reached(&mut self, now: Instant, rung: Rung);

    /// Nothing more comes.
    fn closed(&mut self, now: Instant, fault: Fault);
}

impl<B: Buffer, R: Random> Above for Client<B, R> {
    fn sendable(&self) -> &[u8] {
        Self::sendable(self)
    }

    fn transmitted(&mut self, now: Instant, n: usize) {
        Self::transmitted(self, now, n);
    }

    fn rx_space(&mut self) -> &mut [u8] {
        Self::rx_space(self)
    }

    fn commit(&mut self, now: Instant, n: usize) {
        Self::commit(self, now, n);
    }

    fn grow_rx(&mut self, len: usize) {
        Self::grow_rx(self, len);
    }

    fn rx_len(&self) -> usize {
        self.buffers().rx.bytes().len()
    }

    fn is_paused(&self) -> bool {
        Self::is_paused(self)
    }

    fn is_settled(&self) -> bool {
        self.has_reached_mqtt()
    }

    fn rung(&self) -> Rung {
        Self::rung(self)
    }

    fn reached(&mut self, now: Instant, rung: Rung) {
        Self::reached(self, now, rung);
    }

    fn closed(&mut self, now: Instant, fault: Fault) {
        Self::closed(self, now, fault);
    }
}
