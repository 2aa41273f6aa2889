//! Frames: RFC 6455 section 5.
//!
//! ```text
//!  first  FIN RSV1-3 opcode      second  MASK length7      then [length 16 | 64] [masking key 32] payload
//! ```

use super::Role;
use crate::{
    bytes::{Short, copy, copy_masked, mask_in_place},
    fault::{Code, Fault},
    rung::Rung,
    ws::told,
};

/// The longest header of a frame: 2 + 8 bytes of length + 4 of masking key (RFC 6455 5.2).
pub const HEADER_MAX: usize = 14;

/// The longest payload of a control frame (RFC 6455 5.5).
pub const CONTROL_MAX: usize = 125;

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;

/// What a frame is (RFC 6455 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A request for a pong.
    Ping = 0x9,
    /// The answer to a ping, or a sign of life unasked.
    Pong = 0xA,
}

impl Opcode {
    /// Whether frames of this kind may come between the fragments of a message (RFC 6455 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// The length in bytes of the header before a payload of `payload_len` bytes.
#[must_use]
pub const fn header_len(payload_len: usize, masked: bool) -> usize {
    let plain = match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    if masked { plain + 4 } else { plain }
}

/// Writes the header of a frame to the start of `out` and gives its length.
///
/// A client passes a fresh, unpredictable `mask` for every frame (RFC 6455 5.3), a server `None`.
///
/// # Errors
/// [`Short`] if `out` is too small, or if no frame can have such a payload: a control frame takes at most
/// [`CONTROL_MAX`] bytes.
#[inline]
pub fn write_header(
    out: &mut [u8],
    fin: bool,
    opcode: Opcode,
    payload_len: usize,
    mask: Option<[u8; 4]>,
) -> Result<usize, Short> {
    if opcode.is_control() && payload_len > CONTROL_MAX {
        return Err(Short);
    }
    let first = opcode as u8 | if fin { FIN } else { 0 };
    let bit = if mask.is_some() { MASK } else { 0 };
    let out = out
        .get_mut(..header_len(payload_len, mask.is_some()))
        .ok_or(Short)?;
    // 5.2: the minimal number of bytes MUST be used to encode the length.
    let rest = match payload_len {
        0..=125 => {
            let (head, rest) = out.split_first_chunk_mut().ok_or(Short)?;
            *head = [first, bit | payload_len as u8];
            rest
        }
        126..=0xFFFF => {
            let (head, rest) = out.split_first_chunk_mut().ok_or(Short)?;
            let [a, b] = (payload_len as u16).to_be_bytes();
            *head = [first, bit | 126, a, b];
            rest
        }
        _ => {
            let (head, rest) = out.split_first_chunk_mut().ok_or(Short)?;
            let [a, b, c, d, e, f, g, h] = (payload_len as u64).to_be_bytes();
            *head = [first, bit | 127, a, b, c, d, e, f, g, h];
            rest
        }
    };
    if let (Some(key), Some(rest)) = (mask, rest.first_chunk_mut()) {
        *rest = key;
    }
    Ok(out.len())
}

/// Writes a whole frame to the start of `out` and gives its length. The mask costs no pass of its own.
///
/// # Errors
/// As [`write_header`]; `out` may have been written to then.
#[inline]
pub fn write(
    out: &mut [u8],
    fin: bool,
    opcode: Opcode,
    payload: &[u8],
    mask: Option<[u8; 4]>,
) -> Result<usize, Short> {
    if let (Some(key), 0..=125) = (mask, payload.len()) {
        return write_short(out, fin, opcode, payload, key);
    }
    let header = write_header(out, fin, opcode, payload.len(), mask)?;
    let room = out
        .get_mut(header..)
        .and_then(|rest| rest.get_mut(..payload.len()))
        .ok_or(Short)?;
    match mask {
        Some(key) => copy_masked(room, payload, u32::from_le_bytes(key)),
        None => copy(room, payload),
    }
    Ok(header + payload.len())
}

/// The masked frame with the short length, which nearly all that a device sends are: one check of the room.
#[inline]
fn write_short(
    out: &mut [u8],
    fin: bool,
    opcode: Opcode,
    payload: &[u8],
    key: [u8; 4],
) -> Result<usize, Short> {
    let out = out.get_mut(..6 + payload.len()).ok_or(Short)?;
    let (head, room) = out.split_first_chunk_mut::<6>().ok_or(Short)?;
    let first = opcode as u8 | if fin { FIN } else { 0 };
    let [a, b, c, d] = key;
    *head = [first, MASK | payload.len() as u8, a, b, c, d];
    copy_masked(room, payload, u32::from_le_bytes(key));
    Ok(out.len())
}

/// What [`Deframer::next`] found at the start of the undecoded bytes.
///
/// The caller uses `take` bytes after `skip` bytes of header, then drops both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: wait for more bytes.
    Need,
    /// Payload of a data frame, all of it or the part that is here. The rest comes with later steps whose `skip` is 0.
    Data {
        /// Header bytes to drop.
        skip: usize,
        /// Payload bytes after them; 0 if the frame is empty or none has arrived.
        take: usize,
        /// `Text` or `Binary`: that of the message, also for its continuation frames.
        opcode: Opcode,
        /// Whether the message ends with these bytes.
        end_of_message: bool,
    },
    /// A complete control frame.
    Control {
        /// Header bytes to drop.
        skip: usize,
        /// Payload bytes after them, at most [`CONTROL_MAX`].
        take: usize,
        /// `Close`, `Ping` or `Pong`.
        opcode: Opcode,
    },
}

/// Takes the frames of one connection apart, in the caller's buffer, whatever pieces they come in.
///
/// A control frame must fit the buffer (131 bytes with its header, 127 for a client); data frames need not.
#[derive(Debug, Clone)]
pub struct Deframer {
    role: Role,
    /// Whether the frame under way is the last of its message.
    fin: bool,
    /// The message under way: `Text` or `Binary`.
    message: Option<Opcode>,
    /// The masking key as it applies to the next payload byte.
    key: u32,
    /// Payload bytes of the data frame under way that have not been given out.
    left: u64,
}

impl Deframer {
    /// A deframer for what `role` receives: a client takes unmasked frames only, a server masked frames only.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            fin: true,
            message: None,
            key: 0,
            left: 0,
        }
    }

    /// Whether no message is under way: neither inside a frame nor between fragments.
    #[must_use]
    pub const fn between_messages(&self) -> bool {
        self.message.is_none()
    }

    /// Looks at the undecoded bytes. Payload is unmasked in place, so the caller has to drop what a step covers
    /// before the next call.
    ///
    /// # Errors
    /// A [`Fault`] on [`Rung::Ws`] if the peer breaks RFC 6455; the connection is of no more use then
    /// (section 7.1.7: fail it with [`close_code`](super::close_code)).
    #[inline]
    pub fn next(&mut self, raw: &mut [u8]) -> Result<Step, Fault> {
        self.next_for(self.role, raw).map_err(fault)
    }

    /// The same, saying only what is wrong. A caller that names its role gets no code for the other one.
    #[inline(always)]
    pub(crate) fn next_for(&mut self, role: Role, raw: &mut [u8]) -> Result<Step, Code> {
        let mut skip = 0;
        if self.left == 0 {
            let Some(first) = raw.first() else {
                return Ok(Step::Need);
            };
            let (fin, opcode) = (first & FIN != 0, self.check_first(*first)?);
            let Some(second) = raw.get(1) else {
                return Ok(Step::Need);
            };
            let short = check_second(role, opcode, *second)?;
            let Some((length, after)) = length(short, raw)? else {
                return Ok(Step::Need);
            };
            skip = after;
            let mut key = 0;
            if role == Role::Server {
                let Some(bytes) = raw.get(after..).and_then(<[u8]>::first_chunk) else {
                    return Ok(Step::Need);
                };
                key = u32::from_le_bytes(*bytes);
                skip += bytes.len();
            }
            if opcode.is_control() {
                return Ok(control(opcode, skip, usize::from(short), key, raw));
            }
            if opcode != Opcode::Continuation {
                self.message = Some(opcode);
            }
            (self.fin, self.key, self.left) = (fin, key, length);
        } else if raw.is_empty() {
            return Ok(Step::Need);
        }
        Ok(self.data(role, skip, raw))
    }

    #[inline]
    fn data(&mut self, role: Role, skip: usize, raw: &mut [u8]) -> Step {
        let payload = raw.get_mut(skip..).unwrap_or_default();
        let take = usize::try_from(self.left).map_or(payload.len(), |left| left.min(payload.len()));
        if role == Role::Server && self.key != 0 {
            mask_in_place(payload.get_mut(..take).unwrap_or_default(), self.key);
            // 5.3: octet i is masked by octet i modulo 4 of the key.
            self.key = self.key.rotate_right((take as u32 & 3) * 8);
        }
        self.left -= take as u64;
        let end_of_message = self.fin && self.left == 0;
        let opcode = self.message.unwrap_or(Opcode::Binary);
        if end_of_message {
            self.message = None;
        }
        Step::Data {
            skip,
            take,
            opcode,
            end_of_message,
        }
    }

    #[inline]
    fn check_first(&self, first: u8) -> Result<Opcode, Code> {
        // 5.2: RSV1-3 MUST be 0 unless an extension is negotiated; this side negotiates none. If an unknown opcode is
        // received, the receiving endpoint MUST fail the connection.
        let opcode = Opcode::from_bits(first & !FIN).ok_or(Code::FrameReserved)?;
        if opcode.is_control() {
            // 5.5: all control frames MUST NOT be fragmented.
            if first & FIN == 0 {
                return Err(Code::FrameControl);
            }
        } else if (opcode == Opcode::Continuation) == self.message.is_none() {
            // 5.4: a fragmented message is one frame with its opcode, then frames with opcode 0.
            return Err(Code::FrameOrder);
        }
        Ok(opcode)
    }
}

/// The step of a control frame, once it is complete.
#[inline]
fn control(opcode: Opcode, skip: usize, take: usize, key: u32, raw: &mut [u8]) -> Step {
    let Some(payload) = raw.get_mut(skip..skip + take) else {
        return Step::Need;
    };
    if key != 0 {
        mask_in_place(payload, key);
    }
    Step::Control { skip, take, opcode }
}

/// The length in the second byte.
#[inline]
fn check_second(role: Role, opcode: Opcode, second: u8) -> Result<u8, Code> {
    // 5.1: a client MUST close on a masked frame, a server on an unmasked one.
    if (second & MASK != 0) != (role == Role::Server) {
        return Err(Code::FrameMask);
    }
    let short = second & !MASK;
    // 5.5: all control frames MUST have a payload length of 125 bytes or less.
    if opcode.is_control() && usize::from(short) > CONTROL_MAX {
        return Err(Code::FrameControl);
    }
    Ok(short)
}

/// The length of the payload, and where the field of it ends; `None` if that has not come yet.
#[inline]
fn length(short: u8, raw: &[u8]) -> Result<Option<(u64, usize)>, Code> {
    let (minimal, end) = match short {
        126 => (126, 4),
        127 => (0x1_0000, 10),
        _ => return Ok(Some((u64::from(short), 2))),
    };
    let Some(bytes) = raw.get(2..end) else {
        return Ok(None);
    };
    let length = bytes
        .iter()
        .fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    // 5.2: the minimal number of bytes MUST be used; the most significant bit of 64 MUST be 0.
    if length < minimal || length > i64::MAX as u64 {
        return Err(Code::FrameLength);
    }
    Ok(Some((length, end)))
}

/// The fault of a frame that breaks a rule, with its clause.
#[cold]
pub(crate) fn fault(code: Code) -> Fault {
    Fault::new(Rung::Ws, code).clause(match code {
        Code::FrameMask => told("RFC 6455 5.1"),
        Code::FrameOrder => told("RFC 6455 5.4"),
        Code::FrameControl => told("RFC 6455 5.5"),
        // What MQTT asks of WebSocket.
        Code::FrameText => told("[MQTT-6.0.0-1]"),
        _ => told("RFC 6455 5.2"),
    })
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
