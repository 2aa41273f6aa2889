//! 6LoWPAN on IEEE 802.15.4: from frames to IPv6 packets (RFC 4944, RFC 6282). What is encrypted is counted, no more.
//!
//! Written here: the crate that has parts of this leaves mesh heads out, gives up on an unknown context, and indexes into
//! what it was not asked to check.

pub(super) mod iphc;
mod mac;

use self::mac::Node;
use super::fragments::Fragments;

/// What a datagram's fragments have in common (RFC 4944 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    from: Node,
    to: Node,
    size: usize,
    tag: [u8; 2],
}

/// Frames of a capture.
#[derive(Debug)]
pub(super) struct Lowpan {
    fragments: Fragments<Key>,
    /// Data frames that were seen.
    pub(super) frames: u64,
    /// Those of them that are encrypted.
    pub(super) encrypted: u64,
    /// Those that are no 6LoWPAN, or use what is not read here.
    pub(super) unread: u64,
}

impl Lowpan {
    pub(super) const fn new() -> Self {
        Self {
            fragments: Fragments::new(),
            frames: 0,
            encrypted: 0,
            unread: 0,
        }
    }

    /// Datagrams whose fragments are not all there.
    pub(super) const fn lost(&self) -> u64 {
        self.fragments.lost
    }

    /// A frame without its frame check sequence; gives out an IPv6 packet when one is whole.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let frame = mac::read(bytes)?;
        self.frames = self.frames.saturating_add(1);
        if frame.encrypted {
            self.encrypted = self.encrypted.saturating_add(1);
            return None;
        }
        if frame.payload.is_empty() {
            return None;
        }
        let found = self.datagram(frame.payload, frame.from, frame.to);
        if found.is_none() {
            self.unread = self.unread.saturating_add(1);
        }
        found.flatten()
    }

    /// None: it can't be read. `Some(None)`: more has to come.
    fn datagram(
        &mut self,
        mut bytes: &[u8],
        mut from: Node,
        mut to: Node,
    ) -> Option<Option<Vec<u8>>> {
        loop {
            let (&first, rest) = bytes.split_first()?;
            match first {
                // A mesh head: the addresses of the ends take the place of those of the hop.
                0x80..=0xbf => (from, to, bytes) = mesh(first, rest)?,
                // A broadcast head: a sequence number.
                0x50 => bytes = rest.get(1..)?,
                0x41 => return Some(Some(rest.to_vec())),
                0x60..=0x7f => return Some(Some(iphc::packet(bytes, from, to, None)?)),
                0xc0..=0xc7 | 0xe0..=0xe7 => return self.fragment(bytes, from, to),
                _ => return None,
            }
        }
    }

    fn fragment(&mut self, bytes: &[u8], from: Node, to: Node) -> Option<Option<Vec<u8>>> {
        let ([high, low, t0, t1], rest) = bytes.split_first_chunk::<4>()?;
        let size = usize::from(u16::from_be_bytes([high & 7, *low]));
        let key = Key {
            from,
            to,
            size,
            tag: [*t0, *t1],
        };
        if high & 0xf8 == 0xe0 {
            let (eighths, piece) = rest.split_first()?;
            let offset = usize::from(*eighths) * 8;
            return Some(self.fragments.piece(key, offset, piece, Some(size)));
        }
        let first = match rest.split_first()? {
            (0x41, plain) => plain.to_vec(),
            (0x60..=0x7f, _) => iphc::packet(rest, from, to, Some(size))?,
            _ => return None,
        };
        Some(self.fragments.piece(key, 0, &first, Some(size)))
    }
}

/// Originator, final destination, and what follows (RFC 4944 section 5.2).
fn mesh(first: u8, rest: &[u8]) -> Option<(Node, Node, &[u8])> {
    let rest = if first & 0x0f == 0x0f {
        rest.get(1..)?
    } else {
        rest
    };
    let (from, rest) = node(first & 0x20 != 0, rest)?;
    let (to, rest) = node(first & 0x10 != 0, rest)?;
    Some((from, to, rest))
}

fn node(short: bool, bytes: &[u8]) -> Option<(Node, &[u8])> {
    if short {
        let (address, rest) = bytes.split_first_chunk::<2>()?;
        return Some((Node::Short(u16::from_be_bytes(*address)), rest));
    }
    let (address, rest) = bytes.split_first_chunk::<8>()?;
    Some((Node::Extended(*address), rest))
}
