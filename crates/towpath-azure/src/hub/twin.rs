//! Which version of the desired properties the application has, and when the whole twin is to be asked for.
//!
//! Takes in answers, changes and time; gives out what may be handed on. The rules are those of Microsoft's document on
//! device twins: subscribe to changes, then ask for the whole; a change that is not newer than it is dropped. Changes
//! are not replayed, so that after a gap the whole is asked for again. Nothing is kept here but numbers: a change that
//! comes while the whole is on its way is dropped, and if the whole turns out not to hold it, asked for again.

use core::time::Duration;

use towpath_proto::{Code, Fault, Instant, Rung, text::Text};

use crate::Now;

/// How long the hub may take for the whole twin; that of Azure's C SDK.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause after a question in vain; it doubles with each.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest of them.
const LONG_PAUSE: Duration = Duration::from_secs(300);
/// The longest pause that the hub may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy)]
struct Asked {
    rid: u32,
    answer_by: Instant,
}

/// What is known of the twin on this connection.
#[derive(Debug)]
pub(super) struct Twin {
    /// When it is to be asked for; [`Instant::ZERO`]: at once.
    due: Option<Instant>,
    asked: Option<Asked>,
    /// The number of a question that the hub was silent about. It is asked again with the same one, so that the answer
    /// counts however late it comes.
    unanswered: Option<u32>,
    /// The version of the desired properties that the application has.
    has: Option<u64>,
    /// The newest version that the hub has spoken of.
    newest: u64,
    /// Questions in a row that brought nothing new.
    in_vain: u8,
    /// An answer was older than what the application has.
    doubted: bool,
    /// Why the last one did.
    fault: Option<Fault>,
}

impl Twin {
    pub(super) const fn new() -> Self {
        Self {
            due: None,
            asked: None,
            unanswered: None,
            has: None,
            newest: 0,
            in_vain: 0,
            doubted: false,
            fault: None,
        }
    }

    /// A connection is being made. The twin may be another one by then: a device that was deleted and made again begins
    /// with version 1.
    pub(super) const fn begin(&mut self) {
        *self = Self::new();
    }

    /// The hub's time begins to count.
    pub(super) fn connected(&mut self, now: Now) {
        if let Some(asked) = &mut self.asked {
            asked.answer_by = now.after(PATIENCE);
        }
    }

    /// Asks for it. A question that is on its way, or that waits for the end of a pause, will do.
    pub(super) fn want(&mut self) {
        if self.asked.is_none() && self.due.is_none() {
            self.due = Some(Instant::ZERO);
        }
    }

    /// Whether it is to be asked for now.
    pub(super) fn is_due(&self, now: Now) -> bool {
        self.due.is_some_and(|at| at <= now.at)
    }

    /// It was asked for.
    pub(super) fn asked(&mut self, now: Now, rid: u32) {
        self.due = None;
        self.unanswered = None;
        let answer_by = now.after(PATIENCE);
        self.asked = Some(Asked { rid, answer_by });
    }

    /// The number that the question has to have, if it was asked before.
    pub(super) const fn unanswered(&self) -> Option<u32> {
        self.unanswered
    }

    /// It can't be asked for on this connection.
    pub(super) const fn give_up(&mut self) {
        self.due = None;
        self.asked = None;
    }

    /// Whether this is the number of the question that is on its way.
    pub(super) fn is_asked(&self, rid: u32) -> bool {
        self.asked.is_some_and(|asked| asked.rid == rid)
    }

    /// The whole came, with this version of the desired properties. Whether it may be handed on.
    pub(super) fn answered(&mut self, now: Now, desired: u64) -> bool {
        self.asked = None;
        self.fault = None;
        let older = self.has.is_some_and(|has| desired < has);
        if older && !self.doubted {
            // From a replica that lags behind. If it stays so, the twin began anew.
            self.doubted = true;
            self.pause(now, None);
            return false;
        }
        let news = self.has.is_none_or(|has| desired > has);
        self.has = Some(desired);
        self.doubted = false;
        if older || desired >= self.newest {
            self.newest = desired;
            self.in_vain = 0;
        } else if news {
            // Changes came meanwhile, and were dropped.
            self.in_vain = 0;
            self.due = Some(Instant::ZERO);
        } else {
            self.pause(now, None);
        }
        true
    }

    /// The hub does not give it; a status and its words. `retry_after` is in seconds.
    pub(super) fn refused(
        &mut self,
        now: Now,
        status: u16,
        said: Text<56>,
        retry_after: Option<u16>,
    ) {
        self.asked = None;
        let fault = Fault::new(Rung::Hub, Code::TwinRefused).number(u32::from(status));
        self.fault = Some(Fault {
            detail: said,
            ..fault
        });
        let pause = match (retry_after, status) {
            (Some(seconds), _) => Some(Duration::from_secs(u64::from(seconds))),
            (None, 429 | 500..) => None,
            // It will say the same again until somebody changes something there.
            (None, _) => Some(LONG_PAUSE),
        };
        self.pause(now, pause);
    }

    /// Its answer can't be read.
    pub(super) fn unreadable(&mut self, now: Now) {
        self.asked = None;
        self.pause(now, None);
    }

    fn pause(&mut self, now: Now, pause: Option<Duration>) {
        let grown = PAUSE.saturating_mul(1 << self.in_vain.min(16));
        let pause = match pause {
            Some(wanted) => wanted.clamp(PAUSE, LONGEST_PAUSE),
            None => grown.min(LONG_PAUSE),
        };
        self.in_vain = self.in_vain.saturating_add(1);
        self.due = Some(now.after(pause));
    }

    /// A change to this version came. Whether it may be handed on.
    pub(super) fn changed(&mut self, version: u64) -> bool {
        self.newest = self.newest.max(version);
        let Some(has) = self.has else {
            self.want();
            return false;
        };
        if version <= has || self.asked.is_some() {
            return false;
        }
        if version - has > 1 {
            self.want();
            return false;
        }
        self.has = Some(version);
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) or a question is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.asked.map(|asked| asked.answer_by).or(self.due)
    }

    /// A question without an answer is asked again.
    pub(super) fn handle_timeout(&mut self, now: Now) {
        if let Some(asked) = self.asked
            && asked.answer_by <= now.at
        {
            self.asked = None;
            self.unanswered = Some(asked.rid);
            self.due = Some(Instant::ZERO);
            let millis = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
            self.fault = Some(Fault::new(Rung::Hub, Code::TwinSilent).number(millis));
        }
    }

    /// Why the whole is still to come.
    pub(super) const fn fault(&self) -> Option<Fault> {
        self.fault
    }
}
