//! The questions of one name, asked side by side: AAAA and A, and for the NAT64 prefix AAAA of `ipv4only.arpa`.

use crate::{
    buffers::Random,
    fault::Fault,
    net::dns::{Lookup, Name, Outcome, Plan, Record, Send},
    rung::Rung,
    time::Instant,
};

/// A question that was handed out, until its answer came or it was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId {
    question: Question,
    slot: u8,
}

impl QueryId {
    pub(super) const fn question(self) -> Question {
        self.question
    }
}

/// Which question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Question {
    V6,
    V4,
    Prefix,
}

impl Question {
    pub(super) const ALL: [Self; 3] = [Self::V6, Self::V4, Self::Prefix];

    pub(super) const fn record(self) -> Record {
        match self {
            Self::V6 | Self::Prefix => Record::Aaaa,
            Self::V4 => Record::A,
        }
    }

    /// The rung that waits for its answer.
    pub(super) const fn rung(self) -> Rung {
        match self {
            Self::V6 | Self::V4 => Rung::Dns,
            Self::Prefix => Rung::Nat64,
        }
    }
}

/// A question with its place in the answers.
#[derive(Debug)]
struct Asked {
    lookup: Option<Lookup>,
    /// The outcome was handed on.
    used: bool,
    /// The slots whose sockets the driver may still hold.
    open: Slots,
}

/// A set of slots, one bit each.
#[derive(Debug, Clone, Copy)]
struct Slots([u128; 2]);

impl Slots {
    const NONE: Self = Self([0; 2]);

    fn insert(&mut self, slot: u8) {
        if let Some(half) = self.0.get_mut(usize::from(slot >> 7)) {
            *half |= 1 << (slot & 0x7f);
        }
    }

    fn remove(&mut self, slot: u8) {
        if let Some(half) = self.0.get_mut(usize::from(slot >> 7)) {
            *half &= !(1 << (slot & 0x7f));
        }
    }

    fn contains(&self, slot: u8) -> bool {
        self.0
            .get(usize::from(slot >> 7))
            .is_some_and(|half| half & (1 << (slot & 0x7f)) != 0)
    }
}

/// Three questions at most.
#[derive(Debug)]
pub(super) struct Questions {
    asked: [Asked; 3],
}

impl Questions {
    pub(super) const fn none() -> Self {
        const NONE: Asked = Asked {
            lookup: None,
            used: false,
            open: Slots::NONE,
        };
        Self { asked: [NONE; 3] }
    }

    fn of(&self, question: Question) -> Option<&Asked> {
        self.asked.get(question as usize)
    }

    fn of_mut(&mut self, question: Question) -> Option<&mut Asked> {
        self.asked.get_mut(question as usize)
    }

    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn ask(&mut self, now: Instant, question: Question, name: Name, plan: &Plan) {
        if let Some(asked) = self.of_mut(question) {
            asked.lookup = Some(Lookup::start(now, name, question.record(), plan));
            asked.used = false;
        }
    }

    /// Takes all questions back. Their sockets are still to be cancelled.
    pub(super) fn withdraw(&mut self) {
        for asked in &mut self.asked {
            asked.lookup = None;
        }
    }

    pub(super) fn is_asked(&self, question: Question) -> bool {
        self.of(question)
            .is_some_and(|asked| asked.lookup.is_some())
    }

    /// Whether an answer is waited for, or one is there that was not looked at.
    pub(super) fn is_pending(&self, question: Question) -> bool {
        self.of(question)
            .is_some_and(|asked| asked.lookup.is_some() && !asked.used)
    }

    pub(super) fn is_any_pending(&self) -> bool {
        Question::ALL
            .into_iter()
            .any(|question| self.is_pending(question))
    }

    /// The outcome of a question, if there is one.
    pub(super) fn outcome(&self, question: Question) -> Option<Outcome<'_>> {
        self.of(question)?.lookup.as_ref()?.result()
    }

    /// The next question whose outcome nobody has looked at yet.
    pub(super) fn finished(&self) -> Option<Question> {
        Question::ALL
            .into_iter()
            .find(|question| self.is_pending(*question) && self.outcome(*question).is_some())
    }

    /// The same, and now somebody has.
    pub(super) fn take_finished(&mut self) -> Option<Question> {
        let question = self.finished()?;
        self.of_mut(question)?.used = true;
        Some(question)
    }

    /// The next send.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn poll(
        &mut self,
        now: Instant,
        random: &mut dyn Random,
    ) -> Option<(QueryId, Send)> {
        Question::ALL.into_iter().find_map(|question| {
            let asked = self.of_mut(question)?;
            let send = asked.lookup.as_mut()?.poll(now, random)?;
            asked.open.insert(send.slot);
            let slot = send.slot;
            Some((QueryId { question, slot }, send))
        })
    }

    /// Writes the message of a send.
    pub(super) fn message<'a>(&self, query: QueryId, room: &'a mut [u8]) -> &'a [u8] {
        self.of(query.question())
            .and_then(|asked| asked.lookup.as_ref())
            .map_or(&[], |lookup| lookup.message(query.slot, room))
    }

    /// The next query that nobody waits for any more.
    pub(super) fn poll_cancel(&mut self) -> Option<QueryId> {
        Question::ALL.into_iter().find_map(|question| {
            let asked = self
                .of_mut(question)
                .filter(|asked| asked.open.0 != [0; 2])?;
            let wanted = |slot| {
                asked
                    .lookup
                    .as_ref()
                    .is_some_and(|lookup| lookup.is_open(slot))
            };
            let slot = (0..=u8::MAX).find(|slot| asked.open.contains(*slot) && !wanted(*slot))?;
            asked.open.remove(slot);
            Some(QueryId { question, slot })
        })
    }

    pub(super) fn answered(&mut self, now: Instant, query: QueryId, message: &[u8]) {
        if let Some(lookup) = self.open_lookup(query) {
            lookup.answered(now, query.slot, message);
        }
    }

    pub(super) fn failed(&mut self, now: Instant, query: QueryId, fault: Fault) {
        if let Some(lookup) = self.open_lookup(query) {
            lookup.failed(now, query.slot, fault);
        }
    }

    /// There is no way to its server, so the driver never saw it.
    pub(super) fn unsent(&mut self, now: Instant, query: QueryId, fault: Fault) {
        self.failed(now, query, fault);
        if let Some(asked) = self.of_mut(query.question()) {
            asked.open.remove(query.slot);
        }
    }

    fn open_lookup(&mut self, query: QueryId) -> Option<&mut Lookup> {
        let asked = self.of_mut(query.question())?;
        asked
            .lookup
            .as_mut()
            .filter(|_| asked.open.contains(query.slot))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for lookup in self
            .asked
            .iter_mut()
            .filter_map(|asked| asked.lookup.as_mut())
        {
            if lookup.deadline().is_some_and(|at| now >= at) {
                lookup.handle_timeout(now);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked
            .iter()
            .filter_map(|asked| asked.lookup.as_ref()?.deadline())
            .min()
    }
}
