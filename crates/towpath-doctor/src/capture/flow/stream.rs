//! One direction of a connection: segments to bytes in order, with what is missing told.

use std::collections::VecDeque;

/// The most segments that wait for a missing one, and their bytes.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 32 << 10;

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capture) enum Part<'a> {
    /// Bytes, in order.
    Bytes(&'a [u8]),
    /// So many bytes are not in the capture.
    Missing(usize),
}

/// How a segment relates to those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capture) enum Order {
    /// It brought something new.
    New,
    /// All of it was there before.
    Again,
}

/// A direction under way.
#[derive(Debug, Default)]
pub(in crate::capture) struct Stream {
    /// The number of the next byte in order; none before the first segment.
    next: Option<u32>,
    /// The number behind the highest byte that was seen.
    highest: u32,
    waiting: VecDeque<Waiting>,
    /// What waits, bytes.
    kept: usize,
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    bytes: Vec<u8>,
    /// Its length on the wire.
    len: usize,
}

/// How far `b` is behind `a` in the circle of sequence numbers; negative: before it.
const fn distance(a: u32, b: u32) -> i32 {
    b.wrapping_sub(a).cast_signed()
}

fn advanced(sequence: u32, len: usize) -> u32 {
    sequence.wrapping_add(u32::try_from(len).unwrap_or(u32::MAX))
}

impl Stream {
    /// The first byte will have this number.
    pub(in crate::capture) const fn begin(&mut self, sequence: u32) {
        self.next = Some(sequence);
        self.highest = sequence;
    }

    /// The number of the next byte in order.
    pub(in crate::capture) const fn next(&self) -> Option<u32> {
        self.next
    }

    /// Bytes that are kept.
    pub(in crate::capture) const fn kept(&self) -> usize {
        self.kept
    }

    /// A hole that later bytes show, bytes.
    pub(in crate::capture) fn hole(&self) -> Option<usize> {
        let next = self.next?;
        let first = self
            .waiting
            .iter()
            .map(|waiting| distance(next, waiting.sequence))
            .min()?;
        usize::try_from(first).ok().filter(|hole| *hole > 0)
    }

    /// Forgets what waits.
    pub(in crate::capture) fn forget(&mut self) {
        self.waiting = VecDeque::new();
        self.kept = 0;
    }

    /// A segment of `len` bytes, of which `kept` are in the capture.
    pub(in crate::capture) fn segment(
        &mut self,
        sequence: u32,
        kept: &[u8],
        len: usize,
        out: &mut dyn FnMut(Part<'_>),
    ) -> Order {
        let next = *self.next.get_or_insert(sequence);
        let end = advanced(sequence, len);
        let order = if distance(self.highest, end) > 0 || self.next == Some(sequence) {
            Order::New
        } else {
            Order::Again
        };
        if distance(self.highest, end) > 0 {
            self.highest = end;
        }
        if distance(next, sequence) > 0 {
            self.wait(sequence, kept, len, out);
        } else {
            self.take(sequence, kept, len, out);
            self.resume(out);
        }
        order
    }

    /// The other side has everything up to here. What was not seen by then is missing from the capture.
    pub(in crate::capture) fn acknowledged(&mut self, to: u32, out: &mut dyn FnMut(Part<'_>)) {
        let Some(next) = self.next else { return };
        let beyond = distance(next, to);
        // A jump that no window allows is damage, or another connection.
        if !(1..=1 << 24).contains(&beyond) {
            return;
        }
        let gap = self.hole().map_or(beyond, |hole| {
            i32::try_from(hole).map_or(beyond, |hole| hole.min(beyond))
        });
        let gap = usize::try_from(gap).unwrap_or(0);
        // The acknowledgement may be recorded ahead of the segment itself: one byte of FIN is no gap.
        if gap <= 1 && self.waiting.is_empty() {
            return;
        }
        out(Part::Missing(gap));
        self.next = Some(advanced(next, gap));
        self.resume(out);
    }

    fn wait(&mut self, sequence: u32, kept: &[u8], len: usize, out: &mut dyn FnMut(Part<'_>)) {
        if self
            .waiting
            .iter()
            .any(|waiting| waiting.sequence == sequence && waiting.len >= len)
        {
            return;
        }
        if self.waiting.len() >= WAITING || self.kept + kept.len() > WAITING_BYTES {
            // The hole was never filled, as far as can be waited for.
            if let (Some(hole), Some(next)) = (self.hole(), self.next) {
                out(Part::Missing(hole));
                self.next = Some(advanced(next, hole));
                self.resume(out);
            }
            if self.next.is_some_and(|next| distance(next, sequence) <= 0) {
                self.take(sequence, kept, len, out);
                return;
            }
            self.forget();
        }
        self.kept += kept.len();
        self.waiting.push_back(Waiting {
            sequence,
            bytes: kept.to_vec(),
            len,
        });
    }

    /// Gives out what is new of a segment that begins at or before the next byte.
    fn take(&mut self, sequence: u32, kept: &[u8], len: usize, out: &mut dyn FnMut(Part<'_>)) {
        let Some(next) = self.next else { return };
        let old = usize::try_from(distance(sequence, next)).unwrap_or(0);
        if old >= len {
            return;
        }
        let new = kept.get(old..).unwrap_or_default();
        if !new.is_empty() {
            out(Part::Bytes(new));
        }
        let cut = len - kept.len().max(old).min(len);
        if cut > 0 {
            out(Part::Missing(cut));
        }
        self.next = Some(advanced(sequence, len));
    }

    /// Gives out what waited for the bytes that came.
    fn resume(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        while let Some(next) = self.next {
            let ready = self
                .waiting
                .iter()
                .position(|waiting| distance(next, waiting.sequence) <= 0);
            let Some(found) = ready.and_then(|place| self.waiting.remove(place)) else {
                return;
            };
            self.kept = self.kept.saturating_sub(found.bytes.len());
            self.take(found.sequence, &found.bytes, found.len, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &mut Stream, sequence: u32, bytes: &[u8], into: &mut Vec<u8>) -> Order {
        stream.segment(sequence, bytes, bytes.len(), &mut |part| match part {
            Part::Bytes(bytes) => into.extend_from_slice(bytes),
            Part::Missing(len) => into.extend(std::iter::repeat_n(b'?', len)),
        })
    }

    #[test]
    fn segments_out_of_order_and_repeated_give_the_bytes_once() {
        let mut stream = Stream::default();
        let mut got = Vec::new();
        stream.begin(u32::MAX);
        assert_eq!(read(&mut stream, 1, b"cd", &mut got), Order::New);
        assert_eq!(stream.hole(), Some(2));
        assert_eq!(read(&mut stream, u32::MAX, b"ab", &mut got), Order::New);
        assert_eq!(read(&mut stream, u32::MAX, b"ab", &mut got), Order::Again);
        assert_eq!(read(&mut stream, 2, b"def", &mut got), Order::New);
        assert_eq!(got, b"abcdef");
    }

    #[test]
    fn what_was_acknowledged_and_not_seen_is_missing_from_the_capture() {
        let mut stream = Stream::default();
        let mut got = Vec::new();
        stream.begin(0);
        read(&mut stream, 3, b"def", &mut got);
        stream.acknowledged(6, &mut |part| match part {
            Part::Missing(len) => got.extend(std::iter::repeat_n(b'?', len)),
            Part::Bytes(bytes) => got.extend_from_slice(bytes),
        });
        assert_eq!(got, b"???def");
    }

    proptest! {
        #[test]
        fn any_order_gives_all_bytes(len in 1usize..2000, order: Vec<(u16, u8)>, start: u32) {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let mut stream = Stream::default();
            stream.begin(start);
            let mut got = Vec::new();
            for (at, size) in order {
                let from = usize::from(at) % len;
                let to = (from + usize::from(size)).min(len);
                read(&mut stream, start.wrapping_add(from as u32), &bytes[from..to], &mut got);
                prop_assert!(stream.kept() <= WAITING_BYTES);
            }
            for from in (0..len).step_by(100) {
                let to = (from + 100).min(len);
                read(&mut stream, start.wrapping_add(from as u32), &bytes[from..to], &mut got);
            }
            prop_assert_eq!(got.len(), len);
            prop_assert!(got.iter().zip(&bytes).all(|(a, b)| a == b || *a == b'?'));
        }
    }
}
