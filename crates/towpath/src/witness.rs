//! What a climb shows of the peer beside its faults, for who explains a path: addresses, certificates, the head of the
//! HTTP answer.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Rung;

/// The most of an HTTP answer that is kept, bytes.
const HEAD: usize = 16 << 10;

/// Watches the attempts of a connection; see [`Options::witness`](crate::Options::witness). What an attempt shows takes
/// the place of what the one before it showed.
#[derive(Default)]
pub struct Witness(Mutex<Seen>);

/// What was seen of one attempt, as far as it came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The source address and port of the connection.
    pub local: Option<SocketAddr>,
    /// The address of the server, or of the proxy before it.
    pub peer: Option<SocketAddr>,
    /// The certificates that the server showed, in DER, the leaf first; also those that were refused.
    pub chain: Vec<Vec<u8>>,
    /// The answer to the upgrade from its first byte on, at most 16 KiB of it.
    pub answer: Vec<u8>,
}

/// The answer of a server may hold a secret, such as a cookie.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .field("chain", &self.chain.len())
            .field("answer", &self.answer.len())
            .finish()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seen().fmt(f)
    }
}

impl Witness {
    /// Nothing is seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was seen of the last attempt.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins.
    pub(crate) fn begin(&self) {
        *self.lock() = Seen::default();
    }

    /// There is a byte stream.
    pub(crate) fn connected(&self, local: Option<SocketAddr>, peer: Option<SocketAddr>) {
        let mut seen = self.lock();
        (seen.local, seen.peer) = (local, peer);
    }

    /// The server showed these.
    pub(crate) fn chain(&self, certificates: Vec<Vec<u8>>) {
        self.lock().chain = certificates;
    }

    /// Bytes came on this rung: they are seen while the answer to the upgrade is waited for.
    pub(crate) fn overhear(&self, rung: Rung, came: Option<&[u8]>) {
        if rung == Rung::Upgrade {
            self.answer(came.unwrap_or_default());
        }
    }

    fn answer(&self, bytes: &[u8]) {
        let mut seen = self.lock();
        let room = HEAD.saturating_sub(seen.answer.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        seen.answer.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_end_is_kept_in_part() {
        let witness = Witness::new();
        for _ in 0..5 {
            witness.answer(&[b'x'; 4097]);
        }
        assert_eq!(witness.seen().answer.len(), HEAD);
        witness.begin();
        assert_eq!(witness.seen(), Seen::default());
    }
}
