//! Puts the pieces of datagrams together, those of IP and those of 6LoWPAN alike, in bounded memory.

use std::collections::VecDeque;

/// How many datagrams may be under way at once; the oldest are dropped.
const MOST: usize = 64;
/// The longest datagram, bytes.
const LONGEST: usize = 65_535;
/// The most pieces of a datagram.
const PIECES: usize = 128;

/// Datagrams under way.
#[derive(Debug)]
pub(super) struct Fragments<K> {
    under_way: VecDeque<Datagram<K>>,
    /// Datagrams that never became whole.
    pub(super) lost: u64,
}

#[derive(Debug)]
struct Datagram<K> {
    key: K,
    bytes: Vec<u8>,
    /// The length, once it is known.
    whole: Option<usize>,
    /// What is there, as beginnings and ends, in order and apart.
    there: Vec<(usize, usize)>,
}

impl<K: PartialEq> Fragments<K> {
    pub(super) const fn new() -> Self {
        Self {
            under_way: VecDeque::new(),
            lost: 0,
        }
    }

    /// A piece at `offset`; `whole` is the length of the datagram where this piece tells it. Gives out the datagram when
    /// this was its last missing piece.
    pub(super) fn piece(
        &mut self,
        key: K,
        offset: usize,
        piece: &[u8],
        whole: Option<usize>,
    ) -> Option<Vec<u8>> {
        let end = offset
            .checked_add(piece.len())
            .filter(|end| *end <= LONGEST)?;
        if whole.is_some_and(|whole| whole > LONGEST) {
            return None;
        }
        let place = match self
            .under_way
            .iter()
            .position(|datagram| datagram.key == key)
        {
            Some(place) => place,
            None => self.begin(key),
        };
        let datagram = self.under_way.get_mut(place)?;
        datagram.whole = whole.or(datagram.whole);
        if datagram.there.len() >= PIECES {
            self.under_way.remove(place);
            self.lost = self.lost.saturating_add(1);
            return None;
        }
        if datagram.bytes.len() < end {
            datagram.bytes.resize(end, 0);
        }
        if let Some(room) = datagram.bytes.get_mut(offset..end) {
            room.copy_from_slice(piece);
        }
        datagram.mark(offset, end);
        if !datagram.is_whole() {
            return None;
        }
        let mut found = self.under_way.remove(place)?;
        found.bytes.truncate(found.whole.unwrap_or(LONGEST));
        Some(found.bytes)
    }

    fn begin(&mut self, key: K) -> usize {
        if self.under_way.len() >= MOST {
            self.under_way.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.under_way.push_back(Datagram {
            key,
            bytes: Vec::new(),
            whole: None,
            there: Vec::new(),
        });
        self.under_way.len() - 1
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.under_way
            .iter()
            .map(|datagram| datagram.bytes.len())
            .sum()
    }
}

impl<K> Datagram<K> {
    fn mark(&mut self, from: usize, to: usize) {
        let mut merged = (from, to);
        self.there.retain(|&(start, end)| {
            let apart = end < merged.0 || merged.1 < start;
            if !apart {
                merged = (merged.0.min(start), merged.1.max(end));
            }
            apart
        });
        self.there.push(merged);
    }

    fn is_whole(&self) -> bool {
        let Some(whole) = self.whole else {
            return false;
        };
        matches!(self.there[..], [(0, end)] if end >= whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_in_any_order_make_the_datagram() {
        let mut fragments = Fragments::new();
        assert_eq!(fragments.piece(1, 8, b"89", Some(10)), None);
        assert_eq!(fragments.piece(2, 0, b"other", None), None);
        assert_eq!(fragments.piece(1, 4, b"4567", None), None);
        assert_eq!(
            fragments.piece(1, 0, b"0123", None),
            Some(b"0123456789".to_vec())
        );
    }

    #[test]
    fn pieces_that_overlap_or_repeat_do_no_harm() {
        let mut fragments = Fragments::new();
        assert_eq!(fragments.piece((), 0, b"0123", None), None);
        assert_eq!(fragments.piece((), 0, b"0123", None), None);
        assert_eq!(
            fragments.piece((), 2, b"2345", Some(6)),
            Some(b"012345".to_vec())
        );
    }

    proptest! {
        #[test]
        fn memory_is_bounded(pieces: Vec<(u8, u16, u8, bool)>) {
            let mut fragments = Fragments::new();
            for (key, offset, len, last) in pieces {
                let piece = vec![0; usize::from(len)];
                let whole = last.then_some(usize::from(offset) + piece.len());
                fragments.piece(key, usize::from(offset), &piece, whole);
                prop_assert!(fragments.under_way.len() <= MOST);
                prop_assert!(fragments.kept() <= MOST * LONGEST);
            }
        }
    }
}
