//! The part of the file that is in memory too: the rows between two numbers, all of them.
//!
//! What was pushed just now is read from here, so that a device that is online never reads its file.

use std::collections::VecDeque;

/// How much is read ahead, and kept of what was pushed.
pub(super) const BYTES: usize = 512 << 10;

/// All rows whose number is above `from` and at most `to`, but for those that were taken out.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) to: u64,
    rows: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
}

impl Window {
    /// No rows, and there are none up to `to`.
    pub(super) fn none(to: u64) -> Self {
        Self {
            to,
            ..Self::default()
        }
    }

    /// The rows above `from`, in order, up to `to`.
    pub(super) fn new(from: u64, to: u64, rows: VecDeque<(u64, Vec<u8>)>) -> Self {
        let bytes = rows.iter().map(|(_, row)| row.len()).sum();
        Self {
            from,
            to,
            rows,
            bytes,
        }
    }

    /// Whether the row after `sequence` is known from here, if not its absence.
    pub(super) const fn reaches_beyond(&self, sequence: u64) -> bool {
        self.from <= sequence && sequence < self.to
    }

    /// The first row with a greater number.
    pub(super) fn after(&self, sequence: u64) -> Option<(u64, &[u8])> {
        let at = self.rows.partition_point(|(own, _)| *own <= sequence);
        self.rows.get(at).map(|(own, row)| (*own, row.as_slice()))
    }

    /// Whether there is a row with this number, if that is known from here.
    pub(super) fn holds(&self, sequence: u64) -> Option<bool> {
        let known = self.from < sequence && sequence <= self.to;
        known.then(|| {
            self.rows
                .binary_search_by_key(&sequence, |(own, _)| *own)
                .is_ok()
        })
    }

    /// A row was added after all others, and `last` was the last before. Without room for it the window ends here.
    pub(super) fn add(&mut self, last: u64, sequence: u64, row: Vec<u8>) {
        if self.to == last && self.bytes.saturating_add(row.len()) <= BYTES {
            self.to = sequence;
            self.bytes = self.bytes.saturating_add(row.len());
            self.rows.push_back((sequence, row));
        }
    }

    pub(super) fn take_out(&mut self, sequence: u64) {
        let found = self.rows.binary_search_by_key(&sequence, |(own, _)| *own);
        if let Some((_, row)) = found.ok().and_then(|at| self.rows.remove(at)) {
            self.bytes = self.bytes.saturating_sub(row.len());
        }
    }
}
