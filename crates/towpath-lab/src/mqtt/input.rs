//! What has come in: a receive buffer that gives out whole packets and never holds more than it has to.
//!
//! It grows with what a client has sent, not with what it announces, to the largest packet that is allowed; a packet
//! beyond that is skipped as it comes. An idle connection holds a kilobyte.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, ReadBuf};
use towpath_proto::mqtt::{
    Invalid, QoS, Version,
    decode::Header,
    packet::{Kind, PacketId},
};

/// What an idle connection holds: most clients' packets fit.
const SMALL: usize = 1024;

/// The largest CONNECT: a will of 64 kB and the rest. Nobody is admitted yet, so it is less than MQTT allows.
pub(super) const CONNECT_MAX: usize = 72 << 10;

/// The start of a PUBLISH up to its packet identifier, at most: header, topic and its length, identifier.
const HEAD_MAX: usize = 5 + 2 + 65_535 + 2;

/// The largest packet of a client that may send messages of so many bytes. What is larger is so in any case; whether a
/// smaller one is too large is up to the hub.
pub(super) const fn packet_max(message: usize) -> usize {
    message.saturating_add(HEAD_MAX)
}

/// A receive buffer.
#[derive(Debug)]
pub(super) struct Input {
    buffer: Vec<u8>,
    /// What is in it.
    from: usize,
    to: usize,
    max: usize,
    /// Bytes of a packet that is skipped and have not come yet.
    skip: usize,
}

/// A whole packet, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// Not all of it is here.
    More,
    Frame(Frame<'a>),
    /// A packet is too large to be held. Of a PUBLISH the part before the payload is known.
    Oversize {
        kind: Kind,
        len: usize,
        qos: QoS,
        packet_id: Option<PacketId>,
    },
    /// This is no MQTT.
    Invalid(Invalid),
}

/// A packet as it came; its body is not decoded yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) body: &'a [u8],
}

impl Frame<'_> {
    /// The bytes of the packet.
    pub(super) const fn len(&self) -> usize {
        self.header.packet_len()
    }
}

impl Input {
    pub(super) const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            from: 0,
            to: 0,
            max: CONNECT_MAX,
            skip: 0,
        }
    }

    /// Allows packets up to so many bytes from now on.
    pub(super) const fn allow(&mut self, max: usize) {
        self.max = max;
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }

    /// The next packet.
    pub(super) fn next(&self) -> Next<'_> {
        let held = self.held();
        let header = match Header::decode(held, Version::V311) {
            Ok(Some(header)) => header,
            Ok(None) => return Next::More,
            Err(invalid) => return Next::Invalid(invalid),
        };
        if header.packet_len() > self.max {
            return oversize(header, held);
        }
        match held.get(usize::from(header.len)..header.packet_len()) {
            Some(body) => Next::Frame(Frame { header, body }),
            None => Next::More,
        }
    }

    /// The packet of this length was dealt with. Bytes of it that have not come yet are thrown away when they do.
    pub(super) fn consume(&mut self, len: usize) {
        let here = len.min(self.to - self.from);
        self.from += here;
        self.skip += len - here;
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            if self.buffer.len() > SMALL {
                self.buffer = Vec::new();
            }
        }
    }

    /// Throws everything away that has come.
    pub(super) fn discard(&mut self) {
        self.consume(self.to - self.from);
    }

    /// The first bytes that are here, for a text about what was sent instead of MQTT.
    pub(super) fn start(&self) -> &[u8] {
        self.held()
    }

    /// Whether there is room for more than is here.
    pub(super) const fn is_full(&self) -> bool {
        self.to - self.from >= self.max
    }

    /// Reads once. Gives the number of bytes, 0 at the end.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        self.make_room();
        let room = self.buffer.get_mut(self.to..).unwrap_or_default();
        let mut room = ReadBuf::new(room);
        let read = Pin::new(stream).poll_read(context, &mut room);
        let filled = room.filled().len();
        read.map_ok(|()| {
            self.to += filled;
            let skipped = self.skip.min(self.to - self.from);
            if skipped > 0 {
                self.skip -= skipped;
                self.consume(skipped);
            }
            filled
        })
    }

    /// Makes room for at least a byte: by moving what is here to the front, or by doubling.
    fn make_room(&mut self) {
        if self.to < self.buffer.len() {
            return;
        }
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.buffer.len() {
            let doubled = self.buffer.len().saturating_mul(2);
            // A packet may end where the largest does: the room beyond is for the next one's start.
            let most = self.max.saturating_add(SMALL);
            let len = doubled.clamp(SMALL, most).max(self.to.saturating_add(1));
            self.buffer.reserve_exact(len - self.buffer.len());
            self.buffer.resize(len, 0);
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

fn oversize(header: Header, held: &[u8]) -> Next<'static> {
    let (kind, len) = (header.kind, header.packet_len());
    let qos = QoS::from_bits(header.flags >> 1 & 3).unwrap_or_default();
    let mut packet_id = None;
    if kind == Kind::Publish && qos != QoS::AtMostOnce {
        let body = held.get(usize::from(header.len)..).unwrap_or_default();
        let Some((topic, rest)) = body.split_first_chunk() else {
            return Next::More;
        };
        let rest = rest.get(usize::from(u16::from_be_bytes(*topic))..);
        let Some(id) = rest.and_then(<[u8]>::first_chunk) else {
            return Next::More;
        };
        packet_id = PacketId::new(u16::from_be_bytes(*id));
    }
    Next::Oversize {
        kind,
        len,
        qos,
        packet_id,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Reads as much of `bytes` as one read takes, at most `chunk`.
    fn fill(input: &mut Input, bytes: &mut &[u8], chunk: usize) -> usize {
        let (mut now, later) = bytes.split_at(chunk.min(bytes.len()));
        let read = match input.poll_fill(&mut now, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(read)) => read,
            other => panic!("{other:?}"),
        };
        *bytes = bytes.get(read..).unwrap_or_default();
        assert!(now.len() + read + later.len() >= bytes.len());
        read
    }

    fn publish(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x32];
        let mut len = 2 + 1 + 2 + payload;
        while len >= 0x80 {
            bytes.push((len & 0x7F) as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend([0, 1, b't', 0, 7]);
        bytes.resize(bytes.len() + payload, b'x');
        bytes
    }

    #[test]
    fn memory_is_given_back() {
        let mut input = Input::new();
        input.allow(packet_max(256 << 10));
        let bytes = publish(256 << 10);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            fill(&mut input, &mut rest, usize::MAX);
        }
        let Next::Frame(frame) = input.next() else {
            panic!("a packet");
        };
        let len = frame.len();
        assert_eq!((len, frame.body.len()), (bytes.len(), bytes.len() - 4));
        input.consume(len);
        assert_eq!(input.capacity(), 0);
        fill(&mut input, &mut &[0xC0, 0][..], usize::MAX);
        assert_eq!(input.capacity(), SMALL);
    }

    #[test]
    fn an_announcement_takes_no_memory() {
        let mut input = Input::new();
        input.allow(packet_max(256 << 10));
        fill(&mut input, &mut &[0x30, 0x80, 0x80, 0x10][..], usize::MAX);
        assert_eq!(input.next(), Next::More);
        assert_eq!(input.capacity(), SMALL);
    }

    #[test]
    fn what_is_too_large_is_skipped_with_its_identifier_known() {
        let mut input = Input::new();
        input.allow(1000);
        let mut bytes = publish(1 << 20);
        bytes.extend([0xC0, 0]);
        let mut rest = &bytes[..];
        fill(&mut input, &mut rest, 5);
        assert_eq!(input.next(), Next::More);
        fill(&mut input, &mut rest, 7);
        let Next::Oversize {
            kind: Kind::Publish,
            len,
            qos: QoS::AtLeastOnce,
            packet_id,
        } = input.next()
        else {
            panic!("{:?}", input.next());
        };
        assert_eq!(len, bytes.len() - 2);
        assert_eq!(packet_id, PacketId::new(7));
        input.consume(len);
        while !rest.is_empty() {
            assert_eq!(input.next(), Next::More);
            fill(&mut input, &mut rest, usize::MAX);
            assert!(input.capacity() <= 2 * SMALL, "{}", input.capacity());
        }
        assert!(matches!(input.next(), Next::Frame(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_taken_with_bounded_memory(
            bytes in prop::collection::vec(any::<u8>(), 0..4000),
            chunk in 1usize..700,
            max in 16usize..2000,
        ) {
            let mut input = Input::new();
            input.allow(max);
            let mut rest = &bytes[..];
            loop {
                match input.next() {
                    Next::More if rest.is_empty() => break,
                    Next::More => {
                        fill(&mut input, &mut rest, chunk);
                    }
                    Next::Frame(frame) => {
                        prop_assert_eq!(frame.body.len(), frame.header.remaining as usize);
                        let len = frame.len();
                        input.consume(len);
                    }
                    Next::Oversize { len, .. } => input.consume(len),
                    Next::Invalid(_) => input.discard(),
                }
                // A PUBLISH that is too large is held up to its identifier.
                prop_assert!(input.capacity() <= 2 * (max + SMALL).max(HEAD_MAX));
            }
        }
    }
}
