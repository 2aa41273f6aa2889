//! What goes out: bytes that may be written, and replies that wait for the disk or for their time.
//!
//! Replies leave in the order in which they were asked for: a PUBACK that is held up holds up those behind it. What is
//! not a reply, a message for the client or PINGRESP, goes past them.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{io::AsyncWrite, time::Instant};
use towpath_proto::{
    bytes::Writer,
    mqtt::{
        Version,
        packet::{Ack, Packet, PacketId, Publish},
    },
};

use crate::store::Durable;

/// With so many bytes waiting to be written nothing more is taken on.
const HIGH: usize = 64 << 10;

/// With so many replies waiting, or so many bytes of them, no more packets are taken.
const OWED: usize = 256;
const OWED_BYTES: usize = 256 << 10;

/// So long a client may take nothing although there is something for it.
const STUCK: Duration = Duration::from_secs(60);

/// What an idle connection may keep allocated.
const SMALL: usize = 1024;

/// A reply that has to wait.
struct Owed {
    durable: Durable,
    /// Not before this time.
    due: Option<Instant>,
    reply: Reply,
}

/// What is sent when a client's request is dealt with.
pub(super) enum Reply {
    Puback(PacketId),
    /// A packet as bytes.
    Packet(Vec<u8>),
    /// Nothing is said, but what was asked for is not done before it is on the disk.
    Nothing,
}

impl Reply {
    fn len(&self) -> usize {
        match self {
            Self::Puback(_) | Self::Nothing => 0,
            Self::Packet(bytes) => bytes.len(),
        }
    }
}

/// The disk could not take what was to be acknowledged.
pub(super) struct Lost;

/// Bytes and replies on their way out.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    written: usize,
    owed: VecDeque<Owed>,
    /// Bytes of the packets in `owed`.
    owed_bytes: usize,
    /// Something was written that has to be flushed.
    unflushed: bool,
    /// Since when the client takes nothing of it.
    stuck: Option<Instant>,
    /// Nothing goes out any more: a fault swallows it.
    mute: bool,
}

impl Output {
    /// Puts a packet behind what is to be written. `false`: it is larger than MQTT allows.
    pub(super) fn put(&mut self, packet: &Packet<'_>) -> bool {
        self.mute || append(&mut self.bytes, packet)
    }

    /// Puts bytes there, which need not be a packet.
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        if !self.mute {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Sends a reply when `durable` is, not before `due`, and behind those that are owed already.
    pub(super) fn reply(&mut self, reply: Reply, durable: Durable, due: Option<Instant>) {
        if self.owed.is_empty() && durable.is_done() && due.is_none() {
            self.send(&reply);
        } else if !self.mute {
            self.owed_bytes = self.owed_bytes.saturating_add(reply.len());
            self.owed.push_back(Owed {
                durable,
                due,
                reply,
            });
        }
    }

    fn send(&mut self, reply: &Reply) {
        match reply {
            Reply::Puback(id) => {
                self.put(&Packet::Puback(Ack::success(*id)));
            }
            Reply::Packet(bytes) => self.put_bytes(bytes),
            Reply::Nothing => {}
        }
    }

    /// Sends the replies that need not wait any more. Gives when the next one is due, if it waits for its time.
    pub(super) fn poll_owed(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Result<Option<Instant>, Lost> {
        while let Some(first) = self.owed.front_mut() {
            if let Some(due) = first.due.filter(|due| *due > now) {
                return Ok(Some(due));
            }
            match Pin::new(&mut first.durable).poll(context) {
                Poll::Pending => break,
                Poll::Ready(false) => return Err(Lost),
                Poll::Ready(true) => {}
            }
            if let Some(owed) = self.owed.pop_front() {
                self.owed_bytes = self.owed_bytes.saturating_sub(owed.reply.len());
                self.send(&owed.reply);
            }
        }
        if self.owed.is_empty() && self.owed.capacity() > OWED / 8 {
            self.owed = VecDeque::new();
        }
        Ok(None)
    }

    /// Whether more can be taken on for writing.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < HIGH
    }

    /// Whether so many replies wait that the client has to wait too.
    pub(super) fn owes_much(&self) -> bool {
        self.owed.len() >= OWED || self.owed_bytes >= OWED_BYTES
    }

    /// Whether everything is written and flushed. Replies that wait do not count.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    /// When the client has taken nothing for too long.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        self.stuck.map(|since| since + STUCK)
    }

    /// It is not the client that is slow: the time begins anew.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.stuck = self.stuck.and(Some(now));
    }

    /// Why the connection ends when that time has come.
    pub(super) fn stuck() -> String {
        let seconds = STUCK.as_secs();
        format!("the client took nothing for {seconds} s although there was something for it")
    }

    /// Nothing goes out from now on.
    pub(super) fn mute(&mut self) {
        *self = Self {
            mute: true,
            ..Self::default()
        };
    }

    /// Writes what there is and flushes it.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<std::io::Result<()>> {
        let before = self.written;
        let written = self.poll_write_all(stream, context);
        self.stuck = match written {
            Poll::Pending if self.written == before => self.stuck.or(Some(now)),
            Poll::Pending => Some(now),
            Poll::Ready(_) => None,
        };
        written
    }

    fn poll_write_all<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        while let Some(rest) = self
            .bytes
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match Pin::new(&mut *stream).poll_write(context, rest) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(written)) => {
                    self.written += written;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        self.written = 0;
        self.bytes.clear();
        if self.bytes.capacity() > SMALL {
            self.bytes = Vec::new();
        }
        if self.unflushed {
            match Pin::new(stream).poll_flush(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A PUBLISH of QoS 0 as bytes; `None` if it is larger than MQTT allows.
pub(super) fn encoded(publish: &Publish<'_>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    append(&mut bytes, &Packet::Publish(*publish)).then_some(bytes)
}

fn append(bytes: &mut Vec<u8>, packet: &Packet<'_>) -> bool {
    let Some(len) = packet.encoded_len(Version::V311) else {
        return false;
    };
    let start = bytes.len();
    bytes.resize(start.saturating_add(len), 0);
    let room = bytes.get_mut(start..).unwrap_or_default();
    let fits = packet.encode(Version::V311, &mut Writer::new(room)).is_ok();
    if !fits {
        bytes.truncate(start);
    }
    fits
}
