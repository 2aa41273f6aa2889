//! The rules of the outbox, over any store of rows: which number comes next, what is too old, what makes room.
//!
//! Takes in rows and what is to change; gives out what became of it. The [`Ledger`] is stored with the rows, in the same
//! transaction, so that numbers and counts go on after a restart.

use std::collections::BTreeMap;

use super::{Bounds, Counts, Drop, StoredRef, is_over, record};

/// How many times of undated messages are kept apart.
const DATED: usize = 8;

/// What is known about all rows together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// The last number that was given.
    pub(super) last: u64,
    /// Messages that are there.
    pub(super) len: u64,
    /// Bytes of their records.
    pub(super) bytes: u64,
    pub(super) counts: Counts,
    /// The last message that was accepted without a clock.
    last_undated: u64,
    /// (n, t): undated messages up to number n count their age from t. Ascending.
    dated: Vec<(u64, u64)>,
}

/// Rows by their number.
pub(super) trait Rows {
    type Error;

    /// The row with the lowest number.
    fn first(&mut self) -> Result<Option<(u64, Vec<u8>)>, Self::Error>;
    fn insert(&mut self, sequence: u64, record: &[u8]) -> Result<(), Self::Error>;
    /// How long the row was that is gone now.
    fn remove(&mut self, sequence: u64) -> Result<Option<u64>, Self::Error>;
}

/// A message that asks to be let in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) now: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) properties: String,
    pub(super) body: Vec<u8>,
}

/// Why a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Delivered,
    Expired,
    Damaged,
    MadeRoom,
}

/// Why a message was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    TooLarge { bytes: u64 },
}

/// The record of an arrival that was let in.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) sequence: u64,
    pub(super) record: Vec<u8>,
}

/// Rows that are to go, or are known to be worthless; until they are gone nobody sees them.
pub(super) type Leaving = BTreeMap<u64, Why>;

impl Ledger {
    /// Somebody knows what time it is. `true`: the ledger changed.
    pub(super) fn tell_time(&mut self, now: u64) -> bool {
        let known = self.dated.last().map_or(0, |(up_to, _)| *up_to);
        if self.last_undated <= known {
            return false;
        }
        if self.dated.len() >= DATED {
            // The oldest count from the time of the next: they stay longer rather than go too early.
            self.dated.remove(0);
        }
        self.dated.push((self.last_undated, now));
        true
    }

    /// Whether a message is not to be sent any more.
    pub(super) fn is_over(&self, record: &StoredRef<'_>, bounds: &Bounds, now: u64) -> bool {
        let dated = || {
            let of = |(up_to, _): &&(u64, u64)| record.sequence <= *up_to;
            self.dated.iter().find(of).map(|(_, since)| *since)
        };
        let since = record.accepted.or_else(dated);
        is_over(record.expires, since, bounds.age, now)
    }

    /// The same, with no number up to `last` given again.
    pub(super) fn after(self, last: u64) -> Self {
        Self {
            last: self.last.max(last),
            ..self
        }
    }

    /// The counts, where what is leaving has already left.
    pub(super) fn counts(&self, leaving: &Leaving) -> Counts {
        let mut counts = self.counts;
        for why in leaving.values() {
            *why.count(&mut counts) += 1;
        }
        counts
    }

    /// Takes a row away.
    pub(super) fn take<R: Rows>(
        &mut self,
        rows: &mut R,
        sequence: u64,
        why: Why,
    ) -> Result<(), R::Error> {
        if let Some(bytes) = rows.remove(sequence)? {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.len = self.len.saturating_sub(1);
            *why.count(&mut self.counts) += 1;
        }
        if self.len == 0 {
            self.dated.clear();
            self.last_undated = 0;
        }
        Ok(())
    }

    /// Lets a message in if it may; what had to go for it is added to `gone`.
    pub(super) fn admit<R: Rows>(
        &mut self,
        rows: &mut R,
        bounds: &Bounds,
        arrival: &Arrival,
        gone: &mut Vec<u64>,
    ) -> Result<Result<Written, Refused>, R::Error> {
        let size = record::len(&arrival.properties, &arrival.body);
        let bytes = size.map_or(u64::MAX, |size| size as u64);
        let Some(size) = size.filter(|_| bytes <= bounds.bytes) else {
            return Ok(Err(Refused::TooLarge { bytes }));
        };
        if let Some(now) = arrival.now {
            self.tell_time(now);
            if bounds.age.is_some() {
                self.remove_old(rows, bounds, now, gone)?;
            }
        }
        while self.bytes.saturating_add(bytes) > bounds.bytes {
            if bounds.full == Drop::Newest {
                self.counts.refused_newest += 1;
                return Ok(Err(Refused::Full));
            }
            let Some((first, _)) = rows.first()? else {
                // No row is left: the sum was wrong, and is right again.
                self.bytes = 0;
                break;
            };
            self.take(rows, first, Why::MadeRoom)?;
            gone.push(first);
        }
        let written = self.write(rows, arrival, size)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(Ok(written))
    }

    fn write<R: Rows>(
        &mut self,
        rows: &mut R,
        arrival: &Arrival,
        size: usize,
    ) -> Result<Written, R::Error> {
        let sequence = self.last.saturating_add(1);
        let stored = StoredRef {
            sequence,
            accepted: arrival.now,
            expires: arrival.expires,
            properties: &arrival.properties,
            body: &arrival.body,
        };
        let mut record = vec![0; size];
        let _ = record::encode(&stored, &mut record);
        rows.insert(sequence, &record)?;
        self.last = sequence;
        self.len = self.len.saturating_add(1);
        self.counts.accepted += 1;
        if arrival.now.is_none() {
            self.last_undated = sequence;
        }
        Ok(Written { sequence, record })
    }

    /// Removes what is too old from the front, up to the first that is not.
    fn remove_old<R: Rows>(
        &mut self,
        rows: &mut R,
        bounds: &Bounds,
        now: u64,
        gone: &mut Vec<u64>,
    ) -> Result<(), R::Error> {
        while let Some((first, bytes)) = rows.first()? {
            let why = match record::decode(&bytes) {
                None => Why::Damaged,
                Some(record) if self.is_over(&record, bounds, now) => Why::Expired,
                Some(_) => break,
            };
            self.take(rows, first, why)?;
            gone.push(first);
        }
        Ok(())
    }

    /// As a row of its own.
    pub(super) fn encode(&self) -> Vec<u8> {
        let counts = &self.counts;
        let numbers = [
            self.last,
            self.len,
            self.bytes,
            self.last_undated,
            counts.accepted,
            counts.delivered,
            counts.dropped_oldest,
            counts.refused_newest,
            counts.expired,
            counts.damaged,
        ];
        let dated = self
            .dated
            .iter()
            .flat_map(|(up_to, since)| [*up_to, *since]);
        let mut bytes: Vec<u8> = numbers
            .into_iter()
            .chain(dated)
            .flat_map(u64::to_le_bytes)
            .collect();
        bytes.extend_from_slice(&record::checksum(&bytes).to_le_bytes());
        bytes
    }

    /// `None` if this is not what [`encode`](Self::encode) gave.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk()?;
        if record::checksum(content) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (numbers, []) = content.as_chunks::<8>() else {
            return None;
        };
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut next = || numbers.next();
        let mut ledger = Self {
            last: next()?,
            len: next()?,
            bytes: next()?,
            last_undated: next()?,
            counts: Counts {
                accepted: next()?,
                delivered: next()?,
                dropped_oldest: next()?,
                refused_newest: next()?,
                expired: next()?,
                damaged: next()?,
            },
            dated: Vec::new(),
        };
        while let Some(up_to) = next() {
            ledger.dated.push((up_to, next()?));
        }
        (ledger.dated.len() <= DATED).then_some(ledger)
    }
}

impl Why {
    const fn count(self, counts: &mut Counts) -> &mut u64 {
        match self {
            Self::Delivered => &mut counts.delivered,
            Self::Expired => &mut counts.expired,
            Self::Damaged => &mut counts.damaged,
            Self::MadeRoom => &mut counts.dropped_oldest,
        }
    }
}
