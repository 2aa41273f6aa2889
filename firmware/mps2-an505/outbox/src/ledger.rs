//! What the outbox has promised, in words that a reset leaves alone: the other side of its contract.

use mps2_an505::{flash::Torn, retained};

/// How many messages may wait.
pub(crate) const ROOM: usize = 200;

/// What an erasing that is cut leaves; a writing leaves its first half.
const ENDS: [Torn; 3] = [Torn::Start, Torn::End, Torn::Scattered];

/// Begins the words of a run that was interrupted.
const BEGUN: u32 = 0x6f75_7462;

/// Numbers of this program, in the words' order.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    /// Whether the words are in use.
    Begun,
    /// In which operation the power is cut.
    Cut,
    /// What the erasing that is cut leaves, by its place in `ENDS`.
    Torn,
    /// How many operations the script has, plus one; 0: not known yet.
    Operations,
    /// How many cuts were looked into.
    Cuts,
    /// And how many of them in an erasing.
    Erasings,
    /// The next message.
    Next,
    /// The message that is being pushed, plus one.
    Pushing,
    /// The sequence that is being removed.
    Removing,
    /// The last sequence that was given.
    Last,
    /// How many wait.
    Waiting,
    /// The first of those that wait.
    First,
}

/// A message that waits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u32,
    pub(crate) number: u32,
}

pub(crate) struct Ledger(&'static mut [u32; retained::WORDS]);

impl Ledger {
    /// The ledger, and whether it is one that a cut has left.
    pub(crate) fn open() -> Option<(Self, bool)> {
        let mut ledger = Self(retained::take()?);
        let left = ledger.at(Slot::Begun) == BEGUN;
        ledger.set(Slot::Begun, BEGUN);
        Some((ledger, left))
    }

    pub(crate) fn at(&self, slot: Slot) -> u32 {
        self.0.get(slot as usize).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, slot: Slot, value: u32) {
        if let Some(word) = self.0.get_mut(slot as usize) {
            *word = value;
        }
    }

    /// The next cut, until all are done. The operations of the script, one after the other; erasings once for each end.
    pub(crate) fn next_cut(&mut self) -> Option<(u32, Torn)> {
        let again = self.at(Slot::Torn);
        if again == 0 {
            self.set(Slot::Cut, self.at(Slot::Cut) + 1);
        }
        let (cut, operations) = (self.at(Slot::Cut), self.at(Slot::Operations));
        let torn = ENDS.get(again as usize).copied().unwrap_or_default();
        (operations == 0 || cut <= operations).then_some((cut, torn))
    }

    /// The cut was there.
    pub(crate) fn was_cut(&mut self, erasing: bool) {
        self.set(Slot::Cuts, self.at(Slot::Cuts) + 1);
        self.set(Slot::Erasings, self.at(Slot::Erasings) + u32::from(erasing));
        let next = self.at(Slot::Torn) + 1;
        let again = erasing && (next as usize) < ENDS.len();
        self.set(Slot::Torn, if again { next } else { 0 });
    }

    /// An empty outbox.
    pub(crate) fn clear(&mut self) {
        for slot in [
            Slot::Next,
            Slot::Pushing,
            Slot::Removing,
            Slot::Last,
            Slot::Waiting,
        ] {
            self.set(slot, 0);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.at(Slot::Waiting) as usize
    }

    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        let at = Slot::First as usize + 2 * index;
        let words = self.0.get(at..at + 2).filter(|_| index < self.len())?;
        let [sequence, number] = *words else {
            return None;
        };
        Some(Entry { sequence, number })
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        let len = self.len();
        assert!(len < ROOM, "the script lets too many wait");
        let at = Slot::First as usize + 2 * len;
        for (word, value) in self
            .0
            .iter_mut()
            .skip(at)
            .zip([entry.sequence, entry.number])
        {
            *word = value;
        }
        self.set(Slot::Waiting, len as u32 + 1);
    }

    pub(crate) fn remove(&mut self, index: usize) {
        let len = self.len();
        let from = Slot::First as usize + 2 * index;
        let end = Slot::First as usize + 2 * len;
        if index < len {
            self.0.copy_within(from + 2..end, from);
            self.set(Slot::Waiting, len as u32 - 1);
        }
    }
}
