//! Facts about the climb, for the doctor and for `--trace`.

use crate::{rung::Rung, time::Instant};

/// One fact, stamped with the time it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When.
    pub at: Instant,
    /// On which rung.
    pub rung: Rung,
    /// What.
    pub fact: Fact,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The rung is being climbed.
    Started,
    /// The rung is reached.
    Reached,
    /// A packet, request or frame of this name and size in bytes was handed to the wire.
    Sent(&'static str, u32),
    /// A packet, answer or frame of this name and size in bytes came in.
    Received(&'static str, u32),
    /// The attempt ended here; the driver has the fault.
    Failed,
}

/// How many facts are kept between two polls. More of the same name in a row count as one.
const KEPT: usize = 8;

/// Facts that were seen and not yet handed out.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    on: bool,
    facts: [Option<Trace>; KEPT],
    len: usize,
}

impl Traces {
    pub(crate) const fn new() -> Self {
        Self {
            on: false,
            facts: [None; KEPT],
            len: 0,
        }
    }

    pub(crate) const fn switch(&mut self, on: bool) {
        self.on = on;
    }

    #[inline]
    fn push(&mut self, at: Instant, rung: Rung, fact: Fact) {
        if self.on {
            self.keep(Trace { at, rung, fact });
        }
    }

    #[cold]
    fn keep(&mut self, trace: Trace) {
        let last = self
            .len
            .checked_sub(1)
            .and_then(|last| self.facts.get_mut(last));
        if let Some(Some(last)) = last
            && last.rung == trace.rung
            && same_name(&last.fact, &trace.fact)
        {
            *last = trace;
            return;
        }
        if let Some(free) = self.facts.get_mut(self.len) {
            *free = Some(trace);
            self.len += 1;
        } else {
            // The newest fact is worth most: it says what came last.
            self.facts.rotate_left(1);
            if let Some(last) = self.facts.last_mut() {
                *last = Some(trace);
            }
        }
    }

    pub(crate) fn take(&mut self) -> Option<Trace> {
        if self.len == 0 {
            return None;
        }
        let first = self.facts.first_mut().and_then(Option::take);
        self.facts.rotate_left(1);
        self.len -= 1;
        first
    }

    pub(crate) fn started(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, Fact::Started);
    }

    pub(crate) fn reached(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, Fact::Reached);
    }

    pub(crate) fn failed(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, Fact::Failed);
    }

    #[inline]
    pub(crate) fn sent(&mut self, at: Instant, rung: Rung, name: &'static str, len: usize) {
        self.push(
            at,
            rung,
            Fact::Sent(name, u32::try_from(len).unwrap_or(u32::MAX)),
        );
    }

    #[inline]
    pub(crate) fn received(&mut self, at: Instant, rung: Rung, name: &'static str, len: usize) {
        self.push(
            at,
            rung,
            Fact::Received(name, u32::try_from(len).unwrap_or(u32::MAX)),
        );
    }
}

fn same_name(a: &Fact, b: &Fact) -> bool {
    match (a, b) {
        (Fact::Sent(a, _), Fact::Sent(b, _)) | (Fact::Received(a, _), Fact::Received(b, _)) => {
            a == b
        }
        _ => false,
    }
}
