//! Requests that wait for the hub's answer.
//!
//! Takes in requests with the time by which they are to be answered, answers, and the end of connections; gives out
//! which request has ended without an answer. There are at most [`AT_ONCE`].

use heapless::Vec;
use towpath_proto::Instant;

/// How many may wait at once.
pub(super) const AT_ONCE: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Request {
    rid: u32,
    /// `None` once its connection has ended.
    answer_by: Option<Instant>,
}

/// Requests in the order in which they were made.
#[derive(Debug)]
pub(super) struct Requests(Vec<Request, AT_ONCE>);

impl Requests {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Whether one has this number, so that it can't be given again.
    pub(super) fn has(&self, rid: u32) -> bool {
        self.0.iter().any(|request| request.rid == rid)
    }

    /// Notes a request. Whoever makes one has asked for room before.
    pub(super) fn add(&mut self, rid: u32, answer_by: Instant) {
        let answer_by = Some(answer_by);
        let _ = self.0.push(Request { rid, answer_by });
    }

    /// An answer came; whether somebody waited for it.
    pub(super) fn answered(&mut self, rid: u32) -> bool {
        self.take(|request| request.rid == rid && request.answer_by.is_some())
            .is_some()
    }

    /// The connection ended: no answer will come.
    pub(super) fn lose(&mut self) {
        for request in &mut self.0 {
            request.answer_by = None;
        }
    }

    /// The next one that was lost.
    pub(super) fn next_lost(&mut self) -> Option<u32> {
        self.take(|request| request.answer_by.is_none())
    }

    /// The next one that has waited too long.
    pub(super) fn next_late(&mut self, now: Instant) -> Option<u32> {
        self.take(|request| request.answer_by.is_some_and(|by| by <= now))
    }

    /// When one will have waited too long.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(|request| request.answer_by).min()
    }

    fn take(&mut self, is_it: impl Fn(&Request) -> bool) -> Option<u32> {
        let index = self.0.iter().position(is_it)?;
        Some(self.0.remove(index).rid)
    }
}
