//! Connection attempts that race: the next one begins when the one before fails or takes long, the first that succeeds
//! is the connection, the others are closed (RFC 8305 sections 4 and 5).

use core::time::Duration;

use super::{
    Candidate, Family,
    select::{self, Rule},
};
use crate::{
    fault::{Code, Fault},
    rung::Rung,
    time::Instant,
};

/// How many addresses race at most. More are dropped.
pub const MOST_CANDIDATES: usize = 16;

/// The number of an attempt: its candidate's place in the list as it was built. It never changes.
pub type Id = u8;

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Trying,
    /// Rung, cause and number of the fault; the words around them are those of the attempt at large.
    Failed(Rung, Code, u32),
    /// Over: won, or another has.
    Over,
}

impl Stage {
    const fn failed(fault: &Fault) -> Self {
        Self::Failed(fault.rung, fault.code, fault.number)
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    candidate: Candidate,
    stage: Stage,
    since: Instant,
    /// The driver still has something to close.
    close: bool,
}

/// The attempts at one server.
#[derive(Debug)]
pub struct Race {
    entries: [Option<Entry>; MOST_CANDIDATES],
    /// Numbers of the entries, the first to try in front.
    order: [Id; MOST_CANDIDATES],
    len: u8,
    /// The family that the latest attempt took.
    latest: Option<Family>,
    /// When the next attempt may begin beside those under way.
    next: Instant,
    delay: Duration,
    patience: Duration,
    /// How many attempts may be under way at a time.
    most: u8,
}

impl Race {
    /// Nobody at the start. `delay` is that between attempts (RFC 8305 section 5: 250 ms is recommended, at least 100 ms
    /// on a fast link); `patience` is how long each attempt may take.
    #[must_use]
    pub const fn new(delay: Duration, patience: Duration) -> Self {
        Self {
            entries: [None; MOST_CANDIDATES],
            order: [0; MOST_CANDIDATES],
            len: 0,
            latest: None,
            next: Instant::ZERO,
            delay,
            patience,
            most: u8::MAX,
        }
    }

    /// The same with so many attempts at a time, at least one.
    #[must_use]
    pub const fn at_once(mut self, most: u8) -> Self {
        self.most = most;
        self
    }

    /// Adds a candidate, in its place among those that wait. An address that is there already is not added.
    /// Its number, `None` if it was not added.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn add(&mut self, candidate: Candidate) -> Option<Id> {
        if self
            .candidates()
            .any(|(_, known)| known.address == candidate.address)
        {
            return None;
        }
        let id = self.len;
        *self.entries.get_mut(usize::from(id))? = Some(Entry {
            candidate,
            stage: Stage::Waiting,
            since: Instant::ZERO,
            close: false,
        });
        *self.order.get_mut(usize::from(id))? = id;
        self.len += 1;
        self.sort();
        Some(id)
    }

    /// A stable insertion of the last number into the order.
    fn sort(&mut self) {
        for at in (1..usize::from(self.len)).rev() {
            let Some(&[before, after]) = self.order.get(at - 1..=at) else {
                return;
            };
            let (Some(a), Some(b)) = (self.entry(before), self.entry(after)) else {
                return;
            };
            if select::compare(&a.candidate, &b.candidate).0.is_le() {
                return;
            }
            self.order.swap(at - 1, at);
        }
    }

    /// Candidates with their numbers, in the order of selection.
    pub fn candidates(&self) -> impl Iterator<Item = (Id, Candidate)> + '_ {
        self.order
            .iter()
            .take(usize::from(self.len))
            .filter_map(|id| Some((*id, self.entry(*id)?.candidate)))
    }

    /// Whether nobody takes part.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next candidate to connect to now.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn poll(&mut self, now: Instant) -> Option<(Id, Candidate)> {
        if self.is_full() || (self.has_trying() && now < self.next) {
            return None;
        }
        let id = self.pick()?;
        self.next = now.after(self.delay);
        let entry = self.entry_mut(id)?;
        entry.stage = Stage::Trying;
        entry.since = now;
        let candidate = entry.candidate;
        self.latest = Some(candidate.path());
        Some((id, candidate))
    }

    /// The next attempt to give up or connection to close: it lost, or took too long. True if it lost.
    pub fn poll_close(&mut self) -> Option<(Id, Candidate, bool)> {
        let (id, entry) = (0..)
            .zip(self.entries.iter_mut().flatten())
            .find(|(_, entry)| entry.close)?;
        entry.close = false;
        Some((id, entry.candidate, entry.stage == Stage::Over))
    }

    /// The next that waits: of the other family than the latest attempt if there is one (RFC 8305 section 4).
    fn pick(&self) -> Option<Id> {
        let waiting = || {
            self.candidates()
                .filter(|(id, _)| self.stage(*id) == Some(Stage::Waiting))
        };
        let other = |(_, candidate): &(Id, Candidate)| {
            self.latest.is_some_and(|latest| candidate.path() != latest)
        };
        let next = waiting().find(other).or_else(|| waiting().next());
        next.map(|(id, _)| id)
    }

    /// All candidates in the order in which they are tried if none succeeds, each with the rule that put it there.
    pub fn plan(&self) -> impl Iterator<Item = (Candidate, Rule)> + '_ {
        let mut taken = 0u32;
        let mut latest: Option<Candidate> = None;
        core::iter::from_fn(move || {
            let left = || self.candidates().filter(|(id, _)| taken & (1 << id) == 0);
            let (first, head) = left().next()?;
            let other = left().find(|(_, candidate)| {
                latest.is_some_and(|latest| latest.path() != candidate.path())
            });
            let (id, candidate) = other.unwrap_or((first, head));
            let rule = match latest {
                Some(_) if id != first => Rule::Alternation,
                Some(latest) => match select::compare(&latest, &candidate) {
                    (order, rule) if order.is_lt() => rule,
                    (order, _) if order.is_gt() => Rule::Alternation,
                    _ => Rule::AsGiven,
                },
                None => Rule::AsGiven,
            };
            taken |= 1 << id;
            latest = Some(candidate);
            Some((candidate, rule))
        })
    }

    /// The attempt has a connection. True if it is the one; the others will be closed. A late one is closed too.
    pub fn connected(&mut self, id: Id) -> bool {
        if self.stage(id) != Some(Stage::Trying) {
            return false;
        }
        self.abandon();
        if let Some(entry) = self.entry_mut(id) {
            entry.close = false;
        }
        true
    }

    /// The attempt failed. False if it was not under way.
    pub fn failed(&mut self, now: Instant, id: Id, fault: Fault) -> bool {
        let Some(entry) = self
            .entry_mut(id)
            .filter(|entry| entry.stage == Stage::Trying)
        else {
            return false;
        };
        entry.stage = Stage::failed(&fault);
        // The next one need not wait for it any more.
        self.next = now;
        true
    }

    /// The connection of this attempt is not wanted after all.
    pub fn close(&mut self, id: Id) {
        if let Some(entry) = self.entry_mut(id) {
            entry.close = true;
        }
    }

    /// Gives everything up.
    pub fn abandon(&mut self) {
        for entry in self.entries.iter_mut().flatten() {
            entry.close |= entry.stage == Stage::Trying;
            if !matches!(entry.stage, Stage::Failed(..)) {
                entry.stage = Stage::Over;
            }
        }
    }

    /// An attempt that has taken too long by now; it fails and has to be closed.
    pub fn overdue(&mut self, now: Instant) -> Option<(Id, Candidate, Fault)> {
        let patience = self.patience;
        let (id, entry) = (0..)
            .zip(self.entries.iter_mut().flatten())
            .find(|(_, entry)| {
                entry.stage == Stage::Trying && now >= entry.since.after(patience)
            })?;
        let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let fault = Fault::new(Rung::Tcp, Code::ConnectTimeout).number(millis);
        entry.stage = Stage::failed(&fault);
        entry.close = true;
        let candidate = entry.candidate;
        self.next = now;
        Some((id, candidate, fault))
    }

    /// When to look again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let trying = self
            .entries
            .iter()
            .flatten()
            .filter(|entry| entry.stage == Stage::Trying);
        let overdue = trying.map(|entry| entry.since.after(self.patience)).min();
        let next = self.pick().filter(|_| !self.is_full()).map(|_| self.next);
        match (overdue, next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How long ago the attempt began.
    #[must_use]
    pub fn elapsed(&self, now: Instant, id: Id) -> Duration {
        self.entry(id)
            .map_or(Duration::ZERO, |entry| now.since(entry.since))
    }

    /// The candidate of a number.
    #[must_use]
    pub fn candidate(&self, id: Id) -> Option<Candidate> {
        self.entry(id).map(|entry| entry.candidate)
    }

    /// Whether every attempt has failed.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.entries
            .iter()
            .flatten()
            .all(|entry| matches!(entry.stage, Stage::Failed(..)))
    }

    /// The faults of the failed attempts with their candidates, in order; without details.
    pub fn faults(&self) -> impl Iterator<Item = (Candidate, Fault)> + '_ {
        self.candidates()
            .filter_map(|(id, candidate)| match self.stage(id) {
                Some(Stage::Failed(rung, code, number)) => {
                    Some((candidate, Fault::new(rung, code).number(number)))
                }
                _ => None,
            })
    }

    fn trying(&self) -> usize {
        let entries = self.entries.iter().flatten();
        entries.filter(|entry| entry.stage == Stage::Trying).count()
    }

    fn has_trying(&self) -> bool {
        self.trying() > 0
    }

    fn is_full(&self) -> bool {
        self.trying() >= usize::from(self.most.max(1))
    }

    fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.get(usize::from(id))?.as_ref()
    }

    fn entry_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(id))?.as_mut()
    }

    fn stage(&self, id: Id) -> Option<Stage> {
        self.entry(id).map(|entry| entry.stage)
    }
}
