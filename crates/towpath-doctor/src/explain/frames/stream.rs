//! Bytes cut into frames. In go pieces of any length; out come frames, and how much of what is none.

use super::{Firmware, Frame, decode, table::Encoding, value::Trouble};

/// No frame is longer on the wire, bytes: 16 times what a line of a log has room for.
const LONGEST: usize = 4096;

/// What came and is not decoded yet.
#[derive(Debug)]
pub(super) struct Cut {
    encoding: Encoding,
    bytes: Vec<u8>,
    /// How much of an endless frame was thrown away.
    lost: usize,
}

impl Cut {
    pub(super) const fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            bytes: Vec::new(),
            lost: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame of what came; `ended` says that nothing more comes.
    pub(super) fn next(&mut self, firmware: &Firmware, ended: bool) -> Option<Frame> {
        match self.encoding {
            Encoding::Rzcobs => self.marked(firmware, ended),
            Encoding::Raw => self.raw(firmware, ended),
        }
    }

    fn marked(&mut self, firmware: &Firmware, ended: bool) -> Option<Frame> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == 0);
            let Some(end) = end.or_else(|| ended.then_some(self.bytes.len())) else {
                if self.bytes.len() > LONGEST {
                    self.lost = self.lost.saturating_add(self.bytes.len());
                    self.bytes.clear();
                }
                return None;
            };
            let frame: Vec<u8> = self.bytes.drain(..end).collect();
            // The mark itself, where there is one.
            self.bytes.drain(..usize::from(!self.bytes.is_empty()));
            let lost = std::mem::take(&mut self.lost);
            if lost > 0 || frame.len() > LONGEST {
                return Some(Frame::Damaged(lost.saturating_add(frame.len())));
            }
            if !frame.is_empty() {
                let line = unstuffed(&frame).map(|bytes| decode(firmware, &bytes));
                return Some(match line {
                    Some(Ok((line, _))) => Frame::Line(line),
                    _ => Frame::Damaged(frame.len()),
                });
            }
            if self.bytes.is_empty() {
                return None;
            }
        }
    }

    fn raw(&mut self, firmware: &Firmware, ended: bool) -> Option<Frame> {
        if self.bytes.is_empty() {
            return None;
        }
        match decode(firmware, &self.bytes) {
            Ok((line, used)) => {
                self.bytes.drain(..used.clamp(1, self.bytes.len()));
                Some(Frame::Line(line))
            }
            Err(Trouble::Short) if !ended && self.bytes.len() <= LONGEST => None,
            // Nothing shows where the next one begins.
            Err(_) => {
                let all = self.bytes.len();
                self.bytes.drain(..all.min(1));
                let next = (1..all).find(|_| {
                    let whole = decode(firmware, &self.bytes).is_ok();
                    if !whole {
                        self.bytes.drain(..self.bytes.len().min(1));
                    }
                    whole
                });
                Some(Frame::Damaged(next.unwrap_or(all)))
            }
        }
    }
}

/// Reverse zero-compressing COBS, undone: read from the end, each byte says what the seven or more before it are.
/// <https://github.com/Dirbaio/rzcobs>
fn unstuffed(frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = frame.iter().rev().copied();
    while let Some(head) = rest.next() {
        match head {
            0 => return None,
            0x01..=0x7f => {
                for place in (0..7).rev() {
                    let zero = head & (1 << place) != 0;
                    out.push(if zero { 0 } else { rest.next()? });
                }
            }
            0x80..=0xfe => {
                out.push(0);
                for _ in 0..(head & 0x7f) + 7 {
                    out.push(rest.next()?);
                }
            }
            0xff => {
                for _ in 0..134 {
                    out.push(rest.next()?);
                }
            }
        }
    }
    out.reverse();
    Some(out)
}
