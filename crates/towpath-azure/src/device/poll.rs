//! What is due: the next attempt, the dialogue with DPS or the hub, a new token, a farewell.

use core::{fmt::Write as _, time::Duration};

use towpath_proto::{Code, Fault, Instant, Random, Rung, mqtt::session::Refusal, text::Text};

use super::{
    Device, SCRATCH, Stage, Step, Then, Waiting, beyond, names,
    route::{Target, share},
};
use crate::{
    Entry, Event, Line, Now, Proof, Stop,
    dps::{self, Refused},
};

/// How long messages under way may take before a connection is left for a new token all the same: they are sent again.
pub(super) const SETTLING: Duration = Duration::from_secs(30);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(10);

/// A clock that was set by more than this makes a refusal worth another try: tokens and certificates depend on it. It
/// is what the hub tolerates.
const CLOCK_STEP: u64 = 300;

/// How often it is looked whether the clock was set, during a pause after a refusal, and whether a token has aged by it.
const LOOK: Duration = Duration::from_secs(60);

/// How long the hub may owe acknowledgements.
const OWED: Duration = Duration::from_secs(120);

/// How often a clock that is not set is looked at.
const CLOCK: Duration = Duration::from_secs(1);

/// After a full buffer.
const AGAIN: Duration = Duration::from_millis(100);

impl<const WINDOW: usize> Device<'_, WINDOW> {
    /// Does what is due, and says what the driver has to do next. `line` is the hub's, or that of DPS from a
    /// [`Step::Climb`] to there until its end.
    pub fn poll(
        &mut self,
        now: Now,
        line: &mut impl Line,
        random: &mut impl Random,
        scratch: &mut [u8; SCRATCH],
    ) -> Step {
        if let Some(event) = self.news.pop_front() {
            return Step::Event(event);
        }
        if let Some(lost) = self.hub.next_lost() {
            return Step::Event(Event::Reported(lost));
        }
        if let Some(refused) = self.refused.take() {
            return self.not_assigned(now, refused, random);
        }
        match self.stage {
            Stage::Starting => {
                let pause = self.route.first_pause(random);
                self.stage = Stage::Pausing(now.after(pause));
                self.poll_pause(now, line, random)
            }
            Stage::Pausing(_) => self.poll_pause(now, line, random),
            Stage::Climbing(Target::Dps) | Stage::Provisioning => {
                self.poll_dps(now, line, random, scratch)
            }
            Stage::Climbing(Target::Hub) | Stage::Online => {
                self.poll_hub(now, line, random, scratch)
            }
            Stage::Leaving { .. } => self.poll_leaving(now, line),
            Stage::Stopped => wait(None, Waiting::Nothing),
        }
    }

    /// Between attempts: what has lost its worth is taken back, and the next attempt begins when its time has come.
    fn poll_pause(&mut self, now: Now, line: &mut impl Line, random: &mut impl Random) -> Step {
        if let Some(unix) = now.unix
            && let Some(sequence) = self.flights.expire(unix, |id| line.withdraw(id))
        {
            return Step::Expired(sequence);
        }
        if let Stage::Pausing(until) = self.stage
            && now.at < until
        {
            let until = if self.is_clock_set_anew(now) {
                let soon = now.after(share(self.settings.fleet.spread(), random));
                self.route.doubtful = false;
                self.stage = Stage::Pausing(soon.min(until));
                soon.min(until)
            } else {
                until
            };
            let look = if self.route.doubtful {
                until.min(now.after(LOOK))
            } else {
                until
            };
            return wait(Some(look), Waiting::Pause);
        }
        if now.unix.is_none() && matches!(self.settings.proof, Proof::Key(_)) {
            return wait(Some(now.after(CLOCK)), Waiting::Clock);
        }
        let target = self.choose();
        self.stage = Stage::Climbing(target);
        self.line = target;
        self.accepted = None;
        let fresh = target == Target::Hub && self.fresh;
        match target {
            Target::Dps => self.registration.begin(now),
            Target::Hub => {
                if fresh {
                    self.flights.clear();
                }
                self.hub.begin(now, fresh);
            }
        }
        Step::Climb { target, fresh }
    }

    /// Whether what the server refused may have been the fault of the clock, which was set since the attempt.
    fn is_clock_set_anew(&self, now: Now) -> bool {
        if !self.route.doubtful {
            return false;
        }
        match (self.clock, beyond(now)) {
            (Some(then), Some(now)) => then.abs_diff(now) > CLOCK_STEP,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    fn choose(&self) -> Target {
        let by_dps = matches!(self.settings.entry, Entry::Dps { .. });
        if by_dps && (self.route.ask || self.assignment.is_none()) {
            Target::Dps
        } else {
            Target::Hub
        }
    }

    fn poll_dps(
        &mut self,
        now: Now,
        line: &mut impl Line,
        random: &mut impl Random,
        scratch: &mut [u8; SCRATCH],
    ) -> Step {
        let Entry::Dps {
            registration_id,
            payload,
            ..
        } = self.settings.entry
        else {
            return self.stop(Stop::Fault(Fault::new(Rung::Hub, Code::HubName)));
        };
        if self.stage == Stage::Provisioning
            && let Some(refused) = self.registration.handle_timeout(now)
        {
            return self.not_assigned(now, refused, random);
        }
        if self.stage != Stage::Provisioning && !self.pipelines() {
            return wait(None, Waiting::Acceptance);
        }
        let request = dps::Request {
            registration_id,
            payload,
            csr: None,
        };
        let polled = self.registration.poll(now, &request, line, scratch);
        self.waiting(now, polled, Waiting::Assignment)
    }

    fn poll_hub(
        &mut self,
        now: Now,
        line: &mut impl Line,
        random: &mut impl Random,
        scratch: &mut [u8; SCRATCH],
    ) -> Step {
        if let Some(unix) = now.unix
            && let Some(sequence) = self.flights.expire(unix, |id| line.withdraw(id))
        {
            return Step::Expired(sequence);
        }
        if let Some(reported) = self.hub.handle_timeout(now) {
            return Step::Event(Event::Reported(reported));
        }
        let twin_fault = self.hub.twin_fault();
        if twin_fault != self.twin_fault {
            self.twin_fault = twin_fault;
            if let Some(fault) = twin_fault {
                return Step::Event(Event::Hindered(fault));
            }
        }
        let online = self.stage == Stage::Online;
        let owed_until = if online { self.owed(now) } else { None };
        if owed_until.is_some_and(|until| now.at >= until) {
            return self.silent(now, random);
        }
        let mut renewal = owed_until;
        if let Some(token) = self.token.filter(|_| online) {
            if token.is_due(now) {
                self.leave(now, Then::Climb(now.at), SETTLING);
                return Step::Event(Event::Renewing);
            }
            // By the clock that may be set it may be due sooner.
            renewal = earlier(renewal, Some(token.renew_at().min(now.after(LOOK))));
        }
        if !online && !self.pipelines() {
            return wait(None, Waiting::Acceptance);
        }
        let Some(names) = names(&self.settings, self.assignment.as_ref()) else {
            return wait(None, Waiting::Nothing);
        };
        let wants = self.settings.wants;
        let polled = self.hub.poll(now, &names, &wants, line, scratch);
        let polled = polled.map(|due| earlier(due, renewal));
        let reason = if online {
            Waiting::Work
        } else {
            Waiting::Acceptance
        };
        self.waiting(now, polled, reason)
    }

    /// Until when the hub has to acknowledge something, if it owes that.
    fn owed(&mut self, now: Now) -> Option<Instant> {
        let Some(progress) = self.flights.progress() else {
            self.owed = None;
            return None;
        };
        let since = match self.owed {
            Some((since, then)) if then == progress => since,
            _ => now.at,
        };
        self.owed = Some((since, progress));
        Some(since.after(OWED))
    }

    /// The hub answers pings and acknowledges nothing: the connection is given up.
    fn silent(&mut self, now: Now, random: &mut impl Random) -> Step {
        let millis = u32::try_from(OWED.as_millis()).unwrap_or(u32::MAX);
        let fault = Fault::new(Rung::Hub, Code::HubSilent).number(millis);
        self.route.silent();
        let held = self.accepted.map_or(Duration::ZERO, |at| now.at.since(at));
        let retry_in = self
            .route
            .failed((Target::Hub, true), &fault, held, random)
            .unwrap_or(LOOK);
        self.stage = Stage::Leaving {
            then: Then::Climb(now.after(retry_in)),
            until: now.at,
            said: true,
        };
        Step::Event(Event::Disconnected { fault, retry_in })
    }

    fn waiting(
        &mut self,
        now: Now,
        polled: Result<Option<Instant>, Refusal>,
        reason: Waiting,
    ) -> Step {
        match polled {
            Ok(until) => wait(until, reason),
            Err(Refusal::Full | Refusal::NotConnected) => wait(Some(now.after(AGAIN)), reason),
            // What can't be said stays as it is.
            Err(refusal) => self.stop(Stop::Fault(unsayable(refusal))),
        }
    }

    /// Leaves the connection: first messages under way settle, then farewell is said.
    fn poll_leaving(&mut self, now: Now, line: &mut impl Line) -> Step {
        let Stage::Leaving { then, until, said } = self.stage else {
            return wait(None, Waiting::Nothing);
        };
        if said {
            return if now.at >= until {
                Step::Abandon
            } else {
                wait(Some(until), Waiting::Farewell)
            };
        }
        if line.unsettled() > 0 && now.at < until {
            return wait(Some(until), Waiting::Farewell);
        }
        // Without room for a farewell there is none; the connection is cut then.
        let _ = line.disconnect();
        let until = now.after(FAREWELL);
        self.stage = Stage::Leaving {
            then,
            until,
            said: true,
        };
        wait(Some(until), Waiting::Farewell)
    }

    fn not_assigned(&mut self, now: Now, refused: Refused, random: &mut impl Random) -> Step {
        let known = self.assignment.is_some();
        let retry_in = self.route.refused(&refused, known, random);
        self.leave(now, Then::Climb(now.after(retry_in)), Duration::ZERO);
        Step::Event(Event::NotAssigned { refused, retry_in })
    }
}

/// What stands in the way of saying something at all.
fn unsayable(refusal: Refusal) -> Fault {
    if let Refusal::PacketTooLarge(len) = refusal {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        return Fault::new(Rung::Hub, Code::BufferTooSmall).number(len);
    }
    let mut detail = Text::EMPTY;
    // What does not fit is cut.
    let _ = write!(detail, "{refusal}");
    let mut fault = Fault::new(Rung::Hub, Code::HubName);
    fault.detail = detail;
    fault
}

const fn wait(until: Option<Instant>, reason: Waiting) -> Step {
    Step::Wait { until, reason }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
