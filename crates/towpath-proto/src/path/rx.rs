//! Cursors over the receive buffer: MQTT bytes in front, bytes of frames behind.

use crate::{buffers::Buffer, bytes::shift};

/// `start..ready` are MQTT bytes that were not consumed, `raw..end` bytes that no rung has decoded. Without frames
/// `ready`, `raw` and `end` are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rx {
    start: usize,
    ready: usize,
    raw: usize,
    end: usize,
}

impl Rx {
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        ready: 0,
        raw: 0,
        end: 0,
    };

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The room behind everything received, after moving it to the front if that helps.
    pub(crate) fn space<'b>(&mut self, buffer: &'b mut dyn Buffer) -> &'b mut [u8] {
        if self.is_empty() {
            *self = Self::EMPTY;
        }
        let len = buffer.bytes().len();
        // Moving is worth it when less than a quarter is left and something is gained: what was consumed in front, or
        // the headers of frames in between.
        let gained = self.start > 0 || self.raw > self.ready;
        if gained && len.saturating_sub(self.end) < len / 4 {
            self.compact(buffer);
        }
        buffer.bytes_mut().get_mut(self.end..).unwrap_or(&mut [])
    }

    /// `n` more bytes were received into the space.
    pub(crate) fn commit(&mut self, buffer: &dyn Buffer, n: usize, framed: bool) {
        self.end = self.end.saturating_add(n).min(buffer.bytes().len());
        if !framed {
            self.ready = self.end;
            self.raw = self.end;
        }
    }

    pub(crate) fn is_full(&self, buffer: &dyn Buffer) -> bool {
        self.start == 0 && self.end == buffer.bytes().len()
    }

    /// Whether so much of the buffer is one packet that no more of it is sure to fit: the next frame needs room too.
    pub(crate) fn is_full_of_mqtt(&self, buffer: &dyn Buffer, framed: bool) -> bool {
        let slack = if framed { FRAME_SLACK } else { 0 };
        let held = self.ready.saturating_sub(self.start);
        held.saturating_add(slack) >= buffer.bytes().len()
    }

    /// The MQTT bytes.
    pub(crate) fn mqtt<'b>(&self, buffer: &'b dyn Buffer) -> &'b [u8] {
        buffer.bytes().get(self.start..self.ready).unwrap_or(&[])
    }

    /// The offset of the MQTT bytes in the buffer.
    pub(crate) const fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.ready);
        if self.start == self.ready {
            // Nothing in front of the undecoded bytes: they begin here.
            self.start = self.raw;
            self.ready = self.raw;
        }
    }

    pub(crate) fn raw<'b>(&self, buffer: &'b dyn Buffer) -> &'b [u8] {
        buffer.bytes().get(self.raw..self.end).unwrap_or(&[])
    }

    pub(crate) fn raw_mut<'b>(&self, buffer: &'b mut dyn Buffer) -> &'b mut [u8] {
        buffer
            .bytes_mut()
            .get_mut(self.raw..self.end)
            .unwrap_or(&mut [])
    }

    /// Drops `n` undecoded bytes.
    pub(crate) fn drop_raw(&mut self, n: usize) {
        let empty = self.start == self.ready;
        self.raw = self.raw.saturating_add(n).min(self.end);
        if empty {
            self.start = self.raw;
            self.ready = self.raw;
        }
    }

    /// Drops `skip` undecoded bytes and appends the next `take` to the MQTT bytes, in place where nothing is in between.
    pub(crate) fn take_payload(&mut self, buffer: &mut dyn Buffer, skip: usize, take: usize) {
        self.drop_raw(skip);
        let from = self.raw;
        let to = from.saturating_add(take).min(self.end);
        if self.ready != from {
            shift(buffer.bytes_mut(), from, to, self.ready);
        }
        self.ready = self.ready.saturating_add(to.saturating_sub(from));
        self.raw = to;
    }

    fn compact(&mut self, buffer: &mut dyn Buffer) {
        let bytes = buffer.bytes_mut();
        if self.end > bytes.len() || self.raw < self.ready {
            return;
        }
        let ready = self.ready.saturating_sub(self.start);
        shift(bytes, self.start, self.ready, 0);
        shift(bytes, self.raw, self.end, ready);
        let end = ready.saturating_add(self.end.saturating_sub(self.raw));
        *self = Self {
            start: 0,
            ready,
            raw: ready,
            end,
        };
    }

    /// Makes room for `total` MQTT bytes in one piece and, where there are frames, some of one behind; says whether
    /// there is.
    pub(crate) fn reserve(&mut self, buffer: &mut dyn Buffer, total: usize, framed: bool) -> bool {
        // What is undecoded by now does not come on top: it turns into bytes of this packet, or is handled and dropped.
        let slack = if framed { FRAME_SLACK } else { 0 };
        let wanted = total.saturating_add(slack);
        if self.start.saturating_add(wanted) <= buffer.bytes().len() {
            return true;
        }
        self.compact(buffer);
        buffer.bytes().len() >= wanted || buffer.grow(wanted)
    }
}

/// Room for the largest control frame, which has to be complete before it is handled.
const FRAME_SLACK: usize = 140;
