//! What comes after what: SUBSCRIBE, register, poll until it is decided.

use core::time::Duration;

use towpath_proto::{
    Instant,
    mqtt::{
        QoS,
        packet::{PacketId, Subscription},
        reason::ReasonCode,
        session::Refusal,
        topic::TopicFilter,
    },
};

use super::{
    Outcome, Refused, Request,
    answer::{Answer, Head, Operation},
    request::{FILTER, look},
};
use crate::{Line, Now};

/// So long without progress, and the service counts as silent.
pub(super) const SILENCE: Duration = Duration::from_secs(90);

/// After so long without an answer the same is asked again: the service may have lost it.
const AGAIN: Duration = Duration::from_secs(30);

/// Between polls, where the service names no time.
const POLL: Duration = Duration::from_secs(2);

/// How long the service may be assigning. Then the registration begins anew some time later.
const LIFE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not begun, or over.
    Idle,
    /// SUBSCRIBE is due, and a question behind it.
    Subscribe,
    /// A question is due at this moment: to be registered, or how far that is.
    Ask(Instant),
    /// An answer is waited for. The same question is due again at this moment.
    Answer(Instant),
}

/// A registration, on one connection after the other: if one breaks while the service decides, the next asks on.
#[derive(Debug)]
pub struct Registration {
    stage: Stage,
    /// The number of the last request, never 0 then. An answer has to bear it.
    rid: u32,
    subscription: Option<PacketId>,
    /// What the service calls it, once it works on it, and since when it does.
    operation: Option<(Operation, Instant)>,
    /// An operation that the service has forgotten was let go on this connection.
    anew: bool,
    /// Until when there has to be progress; unknown until the connection is accepted.
    patience: Option<Instant>,
    /// The last `retry-after`.
    retry_after: Option<u16>,
    /// It is over, and not told yet.
    refused: Option<Refused>,
}

impl Default for Registration {
    fn default() -> Self {
        Self::new()
    }
}

impl Registration {
    /// One that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stage: Stage::Idle,
            rid: 0,
            subscription: None,
            operation: None,
            anew: false,
            patience: None,
            retry_after: None,
            refused: None,
        }
    }

    /// A connection to the service is being made.
    pub fn begin(&mut self, now: Now) {
        self.stage = Stage::Subscribe;
        self.subscription = None;
        self.anew = false;
        self.patience = None;
        self.refused = None;
        if self.is_overdue(now) {
            self.operation = None;
        }
    }

    /// Does what is due, and says when something is due next. Before the connection is accepted, what it publishes
    /// leaves right behind CONNECT.
    ///
    /// # Errors
    /// Why the connection can't take it: [`Refusal::Full`] passes; [`Refusal::Invalid`] says what is wrong with the
    /// request; [`Refusal::PacketTooLarge`] how many bytes of `scratch` it needs.
    pub fn poll(
        &mut self,
        now: Now,
        request: &Request<'_>,
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<Option<Instant>, Refusal> {
        if self.refused.is_some() {
            return Ok(Some(now.at));
        }
        if self.stage == Stage::Subscribe {
            request.check()?;
            let filter = Subscription::new(TopicFilter::new(FILTER)?, QoS::AtLeastOnce);
            self.subscription = Some(line.subscribe(&[filter])?);
            self.next_question(now.at);
        }
        match self.stage {
            Stage::Ask(due) if due <= now.at => self.ask(now, request, line, scratch)?,
            Stage::Answer(again) if again <= now.at && self.patience.is_some() => {
                self.ask(now, request, line, scratch)?;
            }
            _ => {}
        }
        Ok(match self.stage {
            Stage::Idle => None,
            Stage::Subscribe => Some(now.at),
            // Until the connection is accepted there is nothing to wait for but that.
            Stage::Ask(due) | Stage::Answer(due) => self.deadline().map(|end| due.min(end)),
        })
    }

    fn ask(
        &mut self,
        now: Now,
        request: &Request<'_>,
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<(), Refusal> {
        let message = match &self.operation {
            None => request.register(self.rid, scratch)?,
            Some((operation, _)) => look(self.rid, operation, scratch)?,
        };
        line.publish(&message)?;
        self.stage = Stage::Answer(now.after(AGAIN));
        Ok(())
    }

    /// Another question, at this moment. To ask the same one again it keeps its number.
    fn next_question(&mut self, at: Instant) {
        self.rid = self.rid.checked_add(1).unwrap_or(1);
        self.stage = Stage::Ask(at);
    }

    /// SUBACK came. If it refuses, [`handle_timeout`](Self::handle_timeout) says so next.
    pub fn subscribed(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) {
        if self.subscription != Some(packet_id) || self.stage == Stage::Idle {
            return;
        }
        if let Some(reason) = reasons.iter().find(|reason| reason.is_error()) {
            self.refused = Some(Refused::unheard(*reason));
        }
    }

    /// A message came. Those that are not for the service's registrant, or answer another request, are ignored.
    pub fn message<'m>(&mut self, now: Now, topic: &str, payload: &'m [u8]) -> Option<Outcome<'m>> {
        let head = Head::parse(topic)?;
        let Stage::Answer(_) = self.stage else {
            return None;
        };
        if head.rid != self.rid {
            return None;
        }
        if head.status == 404 && self.operation.is_some() && !self.anew {
            // The service no longer knows an operation from a connection before this, or replaced it.
            self.anew = true;
            self.operation = None;
            self.next_question(now.at);
            return None;
        }
        match Answer::read(head, payload) {
            Answer::Assigning(operation) => {
                if let Some(operation) = operation {
                    let since = self.operation.take().map_or(now.at, |(_, since)| since);
                    self.operation = Some((operation, since));
                }
                if self.operation.is_none() {
                    return Some(self.end(Outcome::Refused(Refused::malformed(
                        head.status,
                        "operationId is missing",
                    ))));
                }
                let pause = head.retry_after.map(|s| Duration::from_secs(s.into()));
                let at = now.after(pause.unwrap_or(POLL));
                self.retry_after = head.retry_after;
                self.patience = Some(at.after(SILENCE));
                self.next_question(at);
                None
            }
            Answer::Ended(outcome) => Some(self.end(outcome)),
        }
    }

    fn end<'m>(&mut self, outcome: Outcome<'m>) -> Outcome<'m> {
        self.stage = Stage::Idle;
        self.operation = None;
        self.refused = None;
        outcome
    }

    /// Whether the service has been deciding for too long.
    fn is_overdue(&self, now: Now) -> bool {
        let since = self.operation.as_ref().map(|(_, since)| *since);
        since.is_some_and(|since| now.at >= since.after(LIFE))
    }

    /// When patience ends.
    fn deadline(&self) -> Option<Instant> {
        let patience = self.patience?;
        Some(match &self.operation {
            Some((_, since)) => patience.min(since.after(LIFE)),
            None => patience,
        })
    }

    /// Says if there will be no assignment. To be called when the connection was accepted, which lets the service's
    /// time begin, and from then on before each [`poll`](Self::poll).
    pub fn handle_timeout(&mut self, now: Now) -> Option<Refused> {
        if self.stage == Stage::Idle {
            return None;
        }
        let patience = *self.patience.get_or_insert_with(|| {
            if let Stage::Answer(again) = &mut self.stage {
                *again = now.after(AGAIN);
            }
            now.after(SILENCE)
        });
        let refused = if let Some(refused) = self.refused.take() {
            refused
        } else if self.is_overdue(now) {
            Refused::undecided(self.retry_after)
        } else if now.at >= patience {
            Refused::silent()
        } else {
            return None;
        };
        self.stage = Stage::Idle;
        self.operation = None;
        Some(refused)
    }
}
