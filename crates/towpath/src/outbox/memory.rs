//! An outbox without a file: the same rules, and everything is forgotten when the program ends.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Bounds, Counts,
    host::Stored,
    ledger::{Arrival, Leaving, Ledger, Refused, Rows, Why},
    record,
};

#[derive(Debug)]
pub(super) struct Memory {
    bounds: Bounds,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    rows: BTreeMap<u64, Box<[u8]>>,
    ledger: Ledger,
}

impl Rows for BTreeMap<u64, Box<[u8]>> {
    type Error = Infallible;

    fn first(&mut self) -> Result<Option<(u64, Vec<u8>)>, Infallible> {
        let first = self.first_key_value();
        Ok(first.map(|(sequence, record)| (*sequence, record.to_vec())))
    }

    fn insert(&mut self, sequence: u64, record: &[u8]) -> Result<(), Infallible> {
        Self::insert(self, sequence, record.into());
        Ok(())
    }

    fn remove(&mut self, sequence: u64) -> Result<Option<u64>, Infallible> {
        Ok(Self::remove(self, &sequence).map(|record| record.len() as u64))
    }
}

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            inside: Mutex::default(),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, arrival: &Arrival) -> Result<u64, Refused> {
        let mut inside = self.inside();
        let Inside { rows, ledger } = &mut *inside;
        let Ok(admitted) = ledger.admit(rows, &self.bounds, arrival, &mut Vec::new());
        admitted.map(|written| written.sequence)
    }

    pub(super) fn next_after(&self, after: Option<u64>, now: Option<u64>) -> Option<Stored> {
        let mut inside = self.inside();
        let Inside { rows, ledger } = &mut *inside;
        if let Some(now) = now {
            ledger.tell_time(now);
        }
        loop {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let (sequence, bytes) = rows.range((from, Bound::Unbounded)).next()?;
            let why = match record::decode(bytes) {
                None => Why::Damaged,
                Some(record) => match now {
                    Some(now) if ledger.is_over(&record, &self.bounds, now) => Why::Expired,
                    _ => return Some(record.into()),
                },
            };
            let sequence = *sequence;
            let Ok(()) = ledger.take(rows, sequence, why);
        }
    }

    pub(super) fn remove(&self, sequence: u64) {
        let mut inside = self.inside();
        let Inside { rows, ledger } = &mut *inside;
        let Ok(()) = ledger.take(rows, sequence, Why::Delivered);
    }

    pub(super) fn counts(&self) -> Counts {
        self.inside().ledger.counts(&Leaving::new())
    }

    pub(super) fn len(&self) -> u64 {
        self.inside().ledger.len
    }

    pub(super) fn bytes(&self) -> u64 {
        self.inside().ledger.bytes
    }
}
