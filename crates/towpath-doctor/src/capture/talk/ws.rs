//! WebSocket frames, read as they are, right or wrong (RFC 6455 section 5), and what they carry.

use towpath_proto::tls::Side;

use super::{Mode, Talk};
use crate::capture::{flow::index, mark::Mark};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// The longest frame of control that is allowed, bytes.
const CONTROL_MOST: u64 = 125;

/// Frames of both sides.
#[derive(Debug, Default)]
pub(in crate::capture) struct Ws {
    sides: [Frames; 2],
    /// The first text frame of each side.
    pub(in crate::capture) text: [Option<Mark>; 2],
    /// The first frame of the client without a mask, and of the server with one.
    pub(in crate::capture) unmasked: Option<Mark>,
    pub(in crate::capture) masked: Option<Mark>,
    /// The first frame that breaks the rules in another way, and how.
    pub(in crate::capture) broken: Option<(Side, Mark, &'static str)>,
    /// The close of each side and its code; 0: none given.
    pub(in crate::capture) close: [Option<(u16, Mark)>; 2],
    /// The first data frame of each side.
    pub(in crate::capture) first: [Option<Mark>; 2],
    /// The server began a message inside a packet of MQTT, or ended one there.
    pub(in crate::capture) split: Option<Mark>,
}

/// One direction.
#[derive(Debug, Default)]
struct Frames {
    opcode: u8,
    /// Bytes of the payload that are to come.
    left: u64,
    mask: Option<[u8; 4]>,
    at: usize,
    /// What a close frame says.
    close: Vec<u8>,
    /// The kind of the message that is continued.
    message: Option<u8>,
}

/// A head: the first byte, the mask, the length of the payload, its own length.
struct Head {
    first: u8,
    mask: Option<[u8; 4]>,
    len: u64,
    taken: usize,
}

fn head(bytes: &[u8]) -> Option<Head> {
    let [first, second] = *bytes.first_chunk::<2>()?;
    let (len, mut taken) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            4,
        ),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let mask = if second & 0x80 == 0 {
        None
    } else {
        let mask = *bytes.get(taken..)?.first_chunk()?;
        taken += 4;
        Some(mask)
    };
    Some(Head {
        first,
        mask,
        len,
        taken,
    })
}

impl Talk {
    pub(super) fn ws(&mut self, side: Side, mark: Mark) -> bool {
        // What comes before the answer is no frame.
        let mut waiting = std::mem::take(&mut self.pending);
        let bytes = waiting
            .get_mut(index(side))
            .map(std::mem::take)
            .unwrap_or_default();
        self.pending = waiting;
        let ws = self.ws.get_or_insert_default();
        let mut plain = Vec::new();
        let (used, good) = ws.read(side, &bytes, &mut plain, mark);
        if let Some(pending) = self.pending.get_mut(index(side)) {
            pending.extend_from_slice(bytes.get(used..).unwrap_or_default());
        }
        if !plain.is_empty() {
            self.mqtt.get_or_insert_default().bytes(side, &plain, mark);
            let inside = self.mqtt.as_ref().is_some_and(|mqtt| mqtt.is_inside(side));
            if side == Side::Server
                && inside
                && let Some(ws) = &mut self.ws
                && ws.is_between(side)
            {
                ws.split.get_or_insert(mark);
            }
        }
        if !good {
            self.mode = Mode::Closed;
        }
        false
    }
}

impl Ws {
    /// Whether no frame of this side is under way.
    fn is_between(&self, side: Side) -> bool {
        self.sides
            .get(index(side))
            .is_none_or(|frames| frames.left == 0)
    }

    /// Reads frames: how many bytes were used, and whether it can go on.
    fn read(&mut self, side: Side, bytes: &[u8], plain: &mut Vec<u8>, mark: Mark) -> (usize, bool) {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(frames) = self.sides.get_mut(index(side)) else {
                return (used, false);
            };
            if frames.left > 0 {
                let taken = frames.payload(rest, plain);
                used += taken;
                if frames.left > 0 {
                    return (used, true);
                }
                self.end(side, mark);
                continue;
            }
            let Some(head) = head(rest) else {
                return (used, true);
            };
            used += head.taken;
            if !self.begin(side, &head, mark) {
                return (used, false);
            }
        }
    }

    fn begin(&mut self, side: Side, head: &Head, mark: Mark) -> bool {
        let opcode = head.first & 0x0f;
        let broken = match opcode {
            3..=7 | 11..=15 => Some("a reserved opcode"),
            8..=10 if head.len > CONTROL_MOST => Some("a control frame that is too long"),
            8..=10 if head.first & 0x80 == 0 => Some("a control frame in parts"),
            _ if head.first & 0x70 != 0 => Some("reserved bits"),
            _ => None,
        };
        if let Some(how) = broken {
            self.broken.get_or_insert((side, mark, how));
        }
        match (side, head.mask) {
            (Side::Client, None) => drop(self.unmasked.get_or_insert(mark)),
            (Side::Server, Some(_)) => drop(self.masked.get_or_insert(mark)),
            _ => {}
        }
        let place = index(side);
        if opcode == TEXT
            && let Some(text) = self.text.get_mut(place)
        {
            text.get_or_insert(mark);
        }
        if opcode < 8
            && let Some(first) = self.first.get_mut(place)
        {
            first.get_or_insert(mark);
        }
        let Some(frames) = self.sides.get_mut(place) else {
            return false;
        };
        if opcode < 8 {
            let order = (opcode == CONTINUATION) == frames.message.is_some();
            frames.message = (head.first & 0x80 == 0).then_some(opcode);
            if !order {
                self.broken.get_or_insert((
                    side,
                    mark,
                    "a frame that continues nothing, or a message left open",
                ));
            }
        }
        frames.opcode = opcode;
        frames.left = head.len;
        frames.mask = head.mask;
        frames.at = 0;
        frames.close.clear();
        if head.len == 0 {
            self.end(side, mark);
        }
        broken != Some("a reserved opcode")
    }

    /// A frame is complete.
    fn end(&mut self, side: Side, mark: Mark) {
        let place = index(side);
        let Some(frames) = self.sides.get(place) else {
            return;
        };
        if frames.opcode == CLOSE
            && let Some(close) = self.close.get_mut(place)
        {
            let code = frames
                .close
                .first_chunk::<2>()
                .map_or(0, |code| u16::from_be_bytes(*code));
            close.get_or_insert((code, mark));
        }
    }
}

impl Frames {
    /// Takes payload from the front of `bytes` and says how much.
    fn payload(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> usize {
        let len = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        for byte in bytes.iter().take(len) {
            let key = self
                .mask
                .map_or(0, |mask| *mask.get(self.at & 3).unwrap_or(&0));
            self.at = self.at.wrapping_add(1);
            let byte = byte ^ key;
            if self.opcode < 8 {
                plain.push(byte);
            } else if self.close.len() < 2 {
                self.close.push(byte);
            }
        }
        self.left = self
            .left
            .saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
        len
    }
}
