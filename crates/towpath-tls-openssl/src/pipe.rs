//! The memory between OpenSSL and the driver: records received that wait for OpenSSL, records to send.
//!
//! Takes in bytes from the driver into a buffer that it fills in place, and from OpenSSL; gives each to the other with
//! one copy. Both buffers fit themselves to the traffic, so that an idle connection holds about 1 KiB.

use std::io;

/// The least room for records received.
const RX_MIN: usize = 1024;

/// The room for the first records received: most of a server's first flight.
const RX_FIRST: usize = 4096;

/// The most room for records received: one full record with its overhead.
const RX_MAX: usize = 17 * 1024;

/// How much waits to be sent before no more plaintext is taken.
const TX_FULL: usize = 64 * 1024;

/// How much waits to be sent before no more records are taken either: a peer can make OpenSSL answer (KeyUpdate), and
/// one that doesn't read the answers must not fill the memory.
const TX_STOP: usize = 2 * TX_FULL;

/// How many of the first bytes received are kept, to tell what a peer speaks that is no TLS.
const HEAD: usize = 48;

/// The two buffers.
pub(crate) struct Pipe {
    rx: Vec<u8>,
    /// What OpenSSL has not taken yet: `rx[start..end]`.
    start: usize,
    end: usize,
    /// The most that came at once since the room was fitted; `None`: nothing came, so that asking for room again gives
    /// the same.
    burst: Option<usize>,
    tx: Vec<u8>,
    sent: usize,
    head: [u8; HEAD],
    head_len: usize,
}

impl Pipe {
    pub(crate) const fn new() -> Self {
        Self {
            rx: Vec::new(),
            start: 0,
            end: 0,
            burst: Some(0),
            tx: Vec::new(),
            sent: 0,
            head: [0; HEAD],
            head_len: 0,
        }
    }

    /// Room for records received. Empty while too much waits to be sent. Asked again without a
    /// [`commit`](Self::commit) it is the same.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.both_ways().0
    }

    /// Room for records received, and what waits to be sent.
    pub(crate) fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        let stopped = self.waiting() > TX_STOP;
        if !stopped {
            self.make_room();
        }
        let room = if stopped { usize::MAX } else { self.end };
        (
            self.rx.get_mut(room..).unwrap_or_default(),
            self.tx.get(self.sent..).unwrap_or_default(),
        )
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.fit();
        } else if self.end == self.rx.len() && self.start > 0 {
            self.rx.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Doubles an empty buffer that was filled at once, and shrinks one of which less than a quarter was used.
    fn fit(&mut self) {
        let Some(burst) = self.burst.take() else {
            return;
        };
        let len = self.rx.len();
        let fitting = if len == 0 {
            RX_FIRST
        } else if burst >= len {
            (len * 2).min(RX_MAX)
        } else if burst < len / 4 {
            burst.next_power_of_two().clamp(RX_MIN, RX_MAX)
        } else {
            len
        };
        if fitting != len {
            self.rx = vec![0; fitting];
        }
    }

    /// `n` bytes were received into [`space`](Self::space).
    pub(crate) fn commit(&mut self, n: usize) {
        let n = n.min(self.rx.len() - self.end);
        let new = self.rx.get(self.end..self.end + n).unwrap_or_default();
        for byte in new.iter().take(HEAD - self.head_len) {
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = *byte;
                self.head_len += 1;
            }
        }
        self.end += n;
        self.burst = self.burst.max(Some(n));
    }

    /// Whether OpenSSL took all that was received.
    pub(crate) const fn is_drained(&self) -> bool {
        self.start == self.end
    }

    /// The first bytes received.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(..self.head_len).unwrap_or_default()
    }

    /// Records that wait to be sent.
    pub(crate) fn sendable(&self) -> &[u8] {
        self.tx.get(self.sent..).unwrap_or_default()
    }

    fn waiting(&self) -> usize {
        self.tx.len() - self.sent
    }

    /// Whether what waits to be sent has to leave before plaintext is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= TX_FULL
    }

    /// `n` bytes of what was sendable were sent.
    pub(crate) fn transmitted(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.tx.len());
        if self.sent == self.tx.len() {
            // A buffer much larger than what left since it was empty was for another time.
            if self.tx.capacity() > RX_MIN && self.tx.len() < self.tx.capacity() / 16 {
                self.tx = Vec::new();
            }
            self.tx.clear();
            self.sent = 0;
        }
    }
}

impl io::Read for Pipe {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let have = self.rx.get(self.start..self.end).unwrap_or_default();
        if have.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = have.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..n), have.get(..n)) {
            to.copy_from_slice(from);
        }
        self.start += n;
        Ok(n)
    }
}

impl io::Write for Pipe {
    /// Takes everything: how much plaintext is encrypted is limited before OpenSSL gets it.
    fn write(&mut self, records: &[u8]) -> io::Result<usize> {
        // Room that was sent already is used before more is asked for.
        if self.sent > 0 && self.tx.len() + records.len() > self.tx.capacity() {
            self.tx.drain(..self.sent);
            self.sent = 0;
        }
        self.tx.extend_from_slice(records);
        Ok(records.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn footprint(pipe: &Pipe) -> usize {
        pipe.rx.capacity() + pipe.tx.capacity()
    }

    /// Fills the room with up to `n` bytes and lets OpenSSL's part take them.
    fn receive(pipe: &mut Pipe, n: usize) {
        let n = n.min(pipe.space().len());
        pipe.commit(n);
        let mut taken = vec![0; n];
        pipe.read_exact(&mut taken).unwrap();
        assert!(pipe.is_drained());
    }

    #[test]
    fn room_grows_with_bursts_and_shrinks_without() {
        let mut pipe = Pipe::new();
        assert_eq!(footprint(&pipe), 0);
        assert_eq!(pipe.space().len(), RX_FIRST);
        for _ in 0..5 {
            receive(&mut pipe, usize::MAX);
        }
        assert_eq!(pipe.space().len(), RX_MAX);
        for _ in 0..3 {
            receive(&mut pipe, 30);
            assert!(!pipe.space().is_empty());
        }
        assert_eq!(pipe.space().len(), RX_MIN);
        assert!(footprint(&pipe) <= RX_MIN);
    }

    #[test]
    fn what_is_received_in_pieces_comes_out_in_order() {
        let mut pipe = Pipe::new();
        let mut expected = 0_u8;
        let mut next = 0_u8;
        for round in 1..2000_usize {
            let space = pipe.space();
            let n = space.len().min(round % 97);
            for byte in &mut space[..n] {
                *byte = next;
                next = next.wrapping_add(1);
            }
            pipe.commit(n);
            let mut some = vec![0; round % 89];
            if let Ok(n) = pipe.read(&mut some) {
                for byte in &some[..n] {
                    assert_eq!(*byte, expected);
                    expected = expected.wrapping_add(1);
                }
            }
        }
        assert_eq!(pipe.head().len(), HEAD);
        assert_eq!(pipe.head()[..3], [0, 1, 2]);
    }

    #[test]
    fn what_waits_stops_both_directions_in_turn() {
        let mut pipe = Pipe::new();
        pipe.write_all(&[1; TX_FULL]).unwrap();
        assert!(pipe.is_full());
        assert!(!pipe.space().is_empty());
        pipe.write_all(&[1; TX_FULL + 1]).unwrap();
        assert!(pipe.space().is_empty());
        pipe.transmitted(TX_FULL + 2);
        assert!(!pipe.is_full());
        assert!(!pipe.space().is_empty());
        assert_eq!(pipe.sendable().len(), TX_FULL - 1);
        pipe.transmitted(usize::MAX);
        assert!(pipe.sendable().is_empty());
        pipe.write_all(b"ping").unwrap();
        pipe.transmitted(4);
        assert!(pipe.tx.capacity() <= RX_MIN);
    }

    #[test]
    fn room_stays_until_something_came() {
        let mut pipe = Pipe::new();
        receive(&mut pipe, usize::MAX);
        pipe.space()[..4].copy_from_slice(b"abcd");
        assert_eq!(&pipe.space()[..4], b"abcd");
        assert_eq!(&pipe.both_ways().0[..4], b"abcd");
        pipe.commit(usize::MAX);
        assert!(pipe.space().is_empty());
    }
}
