//! Connections. Takes in segments; keeps, for each connection, what tells how it went, and hands the bytes of both sides
//! to the [`talk`](super::talk).

pub(super) mod stream;
pub(super) mod table;

use std::{collections::VecDeque, net::SocketAddr};

use towpath_proto::tls::Side;

use self::stream::{Order, Part, Stream};
use super::{
    ip::{Segment, flag},
    mark::Mark,
    neighbours::Complaint,
    talk::Talk,
};

/// Segments under way whose sizes are remembered.
const UNDER_WAY: usize = 16;

/// One connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) began: Mark,
    pub(super) last: Mark,
    /// The first and the last SYN of the client, and how many there were.
    pub(super) syn: Option<(Mark, Mark, u32)>,
    /// The SYNs with ECE and CWR set, and those without.
    pub(super) ecn_syns: u32,
    pub(super) plain_syns: u32,
    pub(super) syn_ack: Option<Mark>,
    /// Whether the answer to the SYN was seen to be taken, or data flowed.
    pub(super) established: bool,
    /// The first reset, and who sent it.
    pub(super) reset: Option<(Side, Mark)>,
    /// What a router or host said of it.
    pub(super) complaint: Option<(Complaint, Mark)>,
    pub(super) ends: [End; 2],
    pub(super) talk: Talk,
    /// The longest silence of both sides, and the packet that ended it.
    pub(super) idle: (std::time::Duration, Mark),
}

/// What one side sent.
#[derive(Debug, Default)]
pub(super) struct End {
    stream: Stream,
    pub(super) mss: u16,
    pub(super) fin: Option<Mark>,
    pub(super) first_data: Option<Mark>,
    pub(super) last_data: Option<Mark>,
    /// The last packet of this side, data or not.
    pub(super) last: Option<Mark>,
    pub(super) bytes: u64,
    pub(super) retransmissions: u32,
    /// Data that is sent again and again without being acknowledged.
    pub(super) stuck: Option<Stuck>,
    /// The largest segment that was acknowledged, bytes.
    pub(super) delivered: usize,
    /// Since when later bytes show a hole.
    pub(super) hole: Option<(Mark, usize)>,
    under_way: VecDeque<(u32, usize)>,
    acknowledged: Option<u32>,
}

/// Data that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stuck {
    sequence: u32,
    pub(super) len: usize,
    /// How often it was sent again.
    pub(super) times: u32,
    pub(super) first: Mark,
    pub(super) last: Mark,
}

pub(super) const fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// The other side.
pub(super) const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

impl Flow {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, mark: Mark) -> Self {
        Self {
            client,
            server,
            began: mark,
            last: mark,
            syn: None,
            ecn_syns: 0,
            plain_syns: 0,
            syn_ack: None,
            established: false,
            reset: None,
            complaint: None,
            ends: Default::default(),
            talk: Talk::new(server.port()),
            idle: (std::time::Duration::ZERO, mark),
        }
    }

    pub(super) const fn end(&self, side: Side) -> &End {
        let [client, server] = &self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Bytes that are kept for it.
    pub(super) fn kept(&self) -> usize {
        let [client, server] = &self.ends;
        client.stream.kept() + server.stream.kept() + self.talk.kept()
    }

    /// Gives up what is kept; only times and counts go on.
    pub(super) fn forget(&mut self) {
        for end in &mut self.ends {
            end.stream.forget();
        }
        self.talk.give_up();
    }

    /// Whether both sides are through with it.
    pub(super) fn is_over(&self) -> bool {
        self.reset.is_some() || self.ends.iter().all(|end| end.fin.is_some())
    }

    /// How the server ended it, if it did so before the client: true with a reset.
    pub(super) fn server_ended(&self) -> Option<(bool, Mark)> {
        let [client, server] = &self.ends;
        let reset = match self.reset {
            Some((Side::Server, mark)) => Some(mark),
            _ => None,
        };
        let (is_reset, mark) = match (reset, server.fin) {
            (Some(reset), Some(fin)) if reset < fin => (true, reset),
            (_, Some(fin)) => (false, fin),
            (Some(reset), None) => (true, reset),
            (None, None) => return None,
        };
        let earlier = client.fin.is_some_and(|fin| fin < mark)
            || matches!(self.reset, Some((Side::Client, reset)) if reset < mark);
        (!earlier).then_some((is_reset, mark))
    }

    /// How the client ended it, if it did so before the server: true with a reset.
    pub(super) fn client_ended(&self) -> Option<(bool, Mark)> {
        let [client, server] = &self.ends;
        let reset = match self.reset {
            Some((Side::Client, mark)) => Some(mark),
            _ => None,
        };
        let (is_reset, mark) = match (client.fin, reset) {
            (Some(fin), _) => (false, fin),
            (None, Some(reset)) => (true, reset),
            (None, None) => return None,
        };
        let earlier = server.fin.is_some_and(|fin| fin < mark)
            || matches!(self.reset, Some((Side::Server, reset)) if reset < mark);
        (!earlier).then_some((is_reset, mark))
    }

    /// A segment of `side`.
    pub(super) fn segment(&mut self, side: Side, segment: &Segment<'_>, mark: Mark) {
        let silence = mark.since(self.last);
        if silence > self.idle.0 {
            self.idle = (silence, mark);
        }
        self.last = mark;
        if let Some(end) = self.ends.get_mut(index(side)) {
            end.last = Some(mark);
        }
        if segment.has(flag::SYN) {
            self.synchronise(side, segment, mark);
        } else if segment.len > 0 || (side == Side::Client && segment.has(flag::ACK)) {
            self.established |= !segment.has(flag::RST);
        }
        if segment.has(flag::RST) {
            self.reset.get_or_insert((side, mark));
            return;
        }
        if segment.has(flag::ACK) {
            self.acknowledge(side, segment.acknowledgement, mark);
        }
        self.data(side, segment, mark);
        if segment.has(flag::FIN)
            && let Some(end) = self.ends.get_mut(index(side))
        {
            end.fin.get_or_insert(mark);
        }
    }

    fn synchronise(&mut self, side: Side, segment: &Segment<'_>, mark: Mark) {
        if side == Side::Client {
            let first = self.syn.map_or(mark, |(first, _, _)| first);
            let count = self.syn.map_or(0, |(_, _, count)| count).saturating_add(1);
            self.syn = Some((first, mark, count));
            let ecn = segment.has(flag::ECE) && segment.has(flag::CWR);
            let counter = if ecn {
                &mut self.ecn_syns
            } else {
                &mut self.plain_syns
            };
            *counter = counter.saturating_add(1);
        } else {
            self.syn_ack.get_or_insert(mark);
        }
        if let Some(end) = self.ends.get_mut(index(side)) {
            end.mss = segment.mss;
            if end.bytes == 0 {
                end.stream.begin(segment.sequence.wrapping_add(1));
            }
        }
    }

    /// `side` has received everything before this number.
    fn acknowledge(&mut self, side: Side, to: u32, mark: Mark) {
        let sender = other(side);
        let talk = &mut self.talk;
        let Some(end) = self.ends.get_mut(index(sender)) else {
            return;
        };
        end.acknowledged = Some(to);
        while let Some(&(until, len)) = end.under_way.front() {
            if until.wrapping_sub(to).cast_signed() > 0 {
                break;
            }
            end.delivered = end.delivered.max(len);
            end.under_way.pop_front();
        }
        if end
            .stuck
            .is_some_and(|stuck| stuck.sequence.wrapping_sub(to).cast_signed() < 0)
        {
            end.stuck = None;
        }
        end.stream
            .acknowledged(to, &mut |part| talk.part(sender, part, mark));
        if end.stream.hole().is_none() {
            end.hole = None;
        }
    }

    fn data(&mut self, side: Side, segment: &Segment<'_>, mark: Mark) {
        let syn = u32::from(segment.has(flag::SYN));
        let sequence = segment.sequence.wrapping_add(syn);
        let talk = &mut self.talk;
        let Some(end) = self.ends.get_mut(index(side)) else {
            return;
        };
        // A keep-alive of TCP: nothing, or one byte that was sent before.
        let probe = segment.len <= 1 && end.stream.next() == Some(sequence.wrapping_add(1));
        if segment.len == 0 || probe {
            return;
        }
        end.bytes = end
            .bytes
            .saturating_add(u64::try_from(segment.len).unwrap_or(u64::MAX));
        end.first_data.get_or_insert(mark);
        let order = end
            .stream
            .segment(sequence, segment.payload, segment.len, &mut |part| {
                talk.part(side, part, mark);
            });
        end.hole = match (end.stream.hole(), end.hole) {
            (None, _) => None,
            (Some(len), Some((since, _))) => Some((since, len)),
            (Some(len), None) => Some((mark, len)),
        };
        if order == Order::New {
            end.last_data = Some(mark);
            let until = sequence.wrapping_add(u32::try_from(segment.len).unwrap_or(0));
            if end.under_way.len() >= UNDER_WAY {
                end.under_way.pop_front();
            }
            end.under_way.push_back((until, segment.len));
        } else {
            end.again(sequence, segment.len, mark);
        }
    }
}

impl End {
    /// Data was sent once more.
    fn again(&mut self, sequence: u32, len: usize, mark: Mark) {
        self.retransmissions = self.retransmissions.saturating_add(1);
        let behind = self
            .acknowledged
            .is_some_and(|to| sequence.wrapping_sub(to).cast_signed() < 0);
        if behind {
            return;
        }
        match &mut self.stuck {
            Some(stuck) if stuck.sequence == sequence => {
                stuck.times = stuck.times.saturating_add(1);
                stuck.last = mark;
                stuck.len = stuck.len.max(len);
            }
            stuck => {
                *stuck = Some(Stuck {
                    sequence,
                    len,
                    times: 1,
                    first: mark,
                    last: mark,
                });
            }
        }
    }
}

/// What the stream of a side gives to the talk.
impl Talk {
    fn part(&mut self, side: Side, part: Part<'_>, mark: Mark) {
        match part {
            Part::Bytes(bytes) => self.bytes(side, bytes, mark),
            Part::Missing(len) => self.missing(side, len, mark),
        }
    }
}
