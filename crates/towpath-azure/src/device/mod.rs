//! The device: which path to climb, as whom, and what to say up there, for years.
//!
//! Takes in the time, what comes up from the MQTT connection, and telemetry; gives out attempts to make ([`Attempt`]),
//! what to publish on a [`Line`], and [`Event`]s. It does no I/O and knows no runtime: the driver law of the core holds
//! here too. Mutate, then [`poll`](Device::poll) until it says [`Step::Wait`].
//!
//! - `route.rs`: hub or provisioning service, port 8883 or 443, pauses
//! - `attempt.rs`: host, identifier, user name and password of an attempt
//! - `token.rs`: when a password is too old
//! - `flights.rs`: what is under way
//! - `failure.rs`: what a broken path means

mod attempt;
mod failure;
mod flights;
mod route;
mod token;

use core::{fmt::Write as _, time::Duration};

use heapless::Deque;
use towpath_proto::{
    Code, Fault, Instant, Random, Rung,
    client::Outgoing,
    event::Outcome,
    mqtt::{
        QoS, packet::PacketId, property::Properties, reason::ReasonCode, session::Refusal,
        topic::TopicName,
    },
    text::Text,
};

pub use self::{attempt::Attempt, route::Target};
use self::{flights::Flights, route::Route, token::Token};
use crate::{
    Assignment, Entry, Event, Line, Name, Names, Now, Proof, Settings, Stop, Transport,
    dps::{self, Outcome as Registered, Refused, Registration},
    hub::{Hub, RequestId},
};

/// The scratch memory that topics and attempts are written into, bytes.
pub const SCRATCH: usize = 2048;

/// How long messages under way may take before a connection is left for a new token all the same: they are sent again.
const SETTLING: Duration = Duration::from_secs(30);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(10);

/// How often a clock that is not set is looked at.
const CLOCK: Duration = Duration::from_secs(1);

/// After a full buffer.
const AGAIN: Duration = Duration::from_millis(100);

/// What a driver does next.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no allocation to put the assignment behind, and one step at a time lies on the stack"
)]
pub enum Step {
    /// Make an attempt, as [`Device::attempt`] says. To the hub it is on the hub's line, whose session is kept from one
    /// attempt to the next; `fresh`: the hub is another one, so its line is a new one. To DPS it is on a line of its
    /// own, which is dropped afterwards.
    Climb {
        /// Whom to.
        target: Target,
        /// Whether the hub's session begins anew. What was not acknowledged is to be sent again.
        fresh: bool,
    },
    /// Tell the application.
    Event(Event<'static>),
    /// The message with this sequence number has expired on the way, and was taken back.
    Expired(u64),
    /// Cut the connection, and say [`Device::closed`].
    Abandon,
    /// Nothing is to be done before something comes up, or this moment.
    Wait {
        /// When to look again.
        until: Option<Instant>,
        /// What is waited for.
        reason: Waiting,
    },
}

/// What a device waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The clock is not set.
    Clock,
    /// The next attempt's time.
    Pause,
    /// The server's acceptance.
    Acceptance,
    /// The provisioning service's answer.
    Assignment,
    /// Something to do.
    Work,
    /// The end of a connection that is being left.
    Farewell,
    /// Nothing any more.
    Nothing,
}

/// Telemetry, as it is handed to the connection.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its properties, as [`Bag`](crate::bag::Bag) writes them.
    pub properties: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// When it is worth nothing any more, seconds since 1970.
    pub expires: Option<u64>,
}

/// A message that was sent is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The sequence number that it was sent with.
    pub sequence: u64,
    /// How it ended.
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Starting,
    Pausing(Instant),
    Climbing(Target),
    /// DPS accepted the connection.
    Provisioning,
    /// The hub accepted the connection.
    Online,
    Leaving {
        then: Then,
        /// Until when messages under way may settle, or the farewell may leave.
        until: Instant,
        said: bool,
    },
    Stopped,
}

/// What follows a connection that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The next attempt, at this moment.
    Climb(Instant),
    Stop,
}

/// A device, or a module of one. `WINDOW` messages may be under way at a time.
#[derive(Debug)]
pub struct Device<'a, const WINDOW: usize = 64> {
    settings: Settings<'a>,
    assignment: Option<Assignment>,
    route: Route,
    stage: Stage,
    /// Whose line it is that something comes up from. Each has packet identifiers of its own.
    line: Target,
    hub: Hub,
    registration: Registration,
    flights: Flights<WINDOW>,
    token: Option<Token>,
    /// When the connection was accepted.
    accepted: Option<Instant>,
    /// The hub's session begins anew with the next attempt.
    fresh: bool,
    /// DPS said no, and the pause is not computed yet.
    refused: Option<Refused>,
    /// Why the twin does not come, as far as it was told.
    twin_fault: Option<Fault>,
    news: Deque<Event<'static>, 4>,
}

impl<'a, const WINDOW: usize> Device<'a, WINDOW> {
    /// A device that begins to climb with the first [`poll`](Self::poll). `assignment` and `transport` are what was kept
    /// from the last run.
    #[must_use]
    pub fn new(
        settings: Settings<'a>,
        assignment: Option<Assignment>,
        transport: Option<Transport>,
    ) -> Self {
        let assignment = match settings.entry {
            Entry::Dps { .. } => assignment,
            Entry::Hub { hub, device_id } => known(hub, device_id),
        };
        Self {
            route: Route::new(&settings, transport),
            settings,
            assignment,
            stage: Stage::Starting,
            line: Target::Hub,
            hub: Hub::new(),
            registration: Registration::new(),
            flights: Flights::new(),
            token: None,
            accepted: None,
            fresh: true,
            refused: None,
            twin_fault: None,
            news: Deque::new(),
        }
    }

    /// The hub and the identity there, as far as they are known.
    #[must_use]
    pub const fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    /// Whether the hub has accepted the connection and it is not being left.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    /// Whom the line that [`poll`](Self::poll) is given belongs to.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.line
    }

    fn names(&self) -> Option<Names<'_>> {
        names(&self.settings, self.assignment.as_ref())
    }

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
                self.poll_pause(now, line)
            }
            Stage::Pausing(_) => self.poll_pause(now, line),
            Stage::Climbing(Target::Dps) | Stage::Provisioning => self.poll_dps(now, line, scratch),
            Stage::Climbing(Target::Hub) | Stage::Online => self.poll_hub(now, line, scratch),
            Stage::Leaving { .. } => self.poll_leaving(now, line),
            Stage::Stopped => wait(None, Waiting::Nothing),
        }
    }

    /// Between attempts: what has lost its worth is taken back, and the next attempt begins when its time has come.
    fn poll_pause(&mut self, now: Now, line: &mut impl Line) -> Step {
        if let Some(unix) = now.unix
            && let Some(sequence) = self.flights.expire(unix, |id| line.withdraw(id))
        {
            return Step::Expired(sequence);
        }
        if let Stage::Pausing(until) = self.stage
            && now.at < until
        {
            return wait(Some(until), Waiting::Pause);
        }
        if now.unix.is_none() && matches!(self.settings.proof, Proof::Key(_)) {
            return wait(Some(now.after(CLOCK)), Waiting::Clock);
        }
        let target = self.choose();
        self.stage = Stage::Climbing(target);
        self.line = target;
        self.accepted = None;
        let fresh = target == Target::Hub && core::mem::take(&mut self.fresh);
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

    fn choose(&self) -> Target {
        let by_dps = matches!(self.settings.entry, Entry::Dps { .. });
        if by_dps && (self.route.ask || self.assignment.is_none()) {
            Target::Dps
        } else {
            Target::Hub
        }
    }

    fn poll_dps(&mut self, now: Now, line: &mut impl Line, scratch: &mut [u8; SCRATCH]) -> Step {
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
            self.refused = Some(refused);
            return wait(Some(now.at), Waiting::Assignment);
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

    fn poll_hub(&mut self, now: Now, line: &mut impl Line, scratch: &mut [u8; SCRATCH]) -> Step {
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
        let mut renewal = None;
        if let Some(token) = self.token.filter(|_| online) {
            if token.is_due(now) {
                self.leave(now, Then::Climb(now.at), SETTLING);
                return Step::Event(Event::Renewing);
            }
            renewal = Some(token.renew_at());
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
        let retry_in = self.route.refused(&refused, random);
        self.leave(now, Then::Climb(now.after(retry_in)), Duration::ZERO);
        Step::Event(Event::NotAssigned { refused, retry_in })
    }

    fn leave(&mut self, now: Now, then: Then, settling: Duration) {
        self.stage = Stage::Leaving {
            then,
            until: now.after(settling),
            said: false,
        };
    }

    fn stop(&mut self, why: Stop) -> Step {
        self.stage = Stage::Stopped;
        Step::Event(Event::Stopped(why))
    }

    const fn pipelines(&self) -> bool {
        self.settings.pipeline && !self.route.alone
    }

    /// CONNACK said yes.
    pub fn connected(&mut self, now: Now, session_present: bool) -> Option<Event<'static>> {
        let Stage::Climbing(target) = self.stage else {
            return None;
        };
        self.accepted = Some(now.at);
        self.route.accepted(target);
        match target {
            Target::Dps => {
                self.stage = Stage::Provisioning;
                None
            }
            Target::Hub => {
                self.stage = Stage::Online;
                self.hub.connected(now, session_present);
                Some(Event::Connected {
                    transport: self.route.transport,
                    session_present,
                })
            }
        }
    }

    /// SUBACK.
    pub fn subscribed(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) {
        match self.line {
            Target::Dps => self.registration.subscribed(packet_id, reasons),
            Target::Hub => {
                if let Some(fault) = self.hub.subscribed(packet_id, reasons) {
                    self.stage = Stage::Stopped;
                    // Room: at most one such event follows the first.
                    let _ = self.news.push_back(Event::Stopped(Stop::Fault(fault)));
                }
            }
        }
    }

    /// A message came.
    pub fn message<'m>(
        &mut self,
        now: Now,
        topic: &'m str,
        payload: &'m [u8],
        dup: bool,
    ) -> Option<Event<'m>> {
        match self.line {
            // It has said what it had to say.
            Target::Dps if matches!(self.stage, Stage::Leaving { .. }) => None,
            Target::Dps => match self.registration.message(now, topic, payload)? {
                Registered::Assigned {
                    assignment,
                    payload,
                    ..
                } => {
                    self.adopt(assignment.clone());
                    self.leave(now, Then::Climb(now.at), Duration::ZERO);
                    Some(Event::Assigned {
                        assignment,
                        payload,
                    })
                }
                Registered::Refused(refused) => {
                    self.refused = Some(refused);
                    None
                }
            },
            Target::Hub => {
                let names = names(&self.settings, self.assignment.as_ref())?;
                self.hub.message(now, &names, topic, payload, dup)
            }
        }
    }

    fn adopt(&mut self, assignment: Assignment) {
        self.route.assigned();
        if self.assignment.as_ref() != Some(&assignment) {
            self.fresh = true;
            self.assignment = Some(assignment);
        }
    }

    /// A message that was published is settled.
    pub fn settled(&mut self, packet_id: PacketId, outcome: Outcome) -> Option<Delivery> {
        // What was published to DPS may bear the identifier of a message that waits for the hub.
        if self.line == Target::Dps {
            return None;
        }
        self.flights
            .settle(packet_id)
            .map(|sequence| Delivery { sequence, outcome })
    }

    /// The attempt or the connection ended.
    pub fn failed(
        &mut self,
        now: Now,
        fault: Fault,
        random: &mut impl Random,
    ) -> Option<Event<'static>> {
        if let Stage::Leaving { .. } = self.stage {
            return self.closed(now);
        }
        if matches!(self.stage, Stage::Stopped | Stage::Pausing(_)) {
            return None;
        }
        let target = self.target();
        let held = self.accepted.map_or(Duration::ZERO, |at| now.at.since(at));
        self.ended();
        let Some(retry_in) = self.route.failed(target, &fault, held, random) else {
            self.stage = Stage::Stopped;
            return Some(Event::Stopped(Stop::Fault(fault)));
        };
        self.stage = Stage::Pausing(now.after(retry_in));
        let fault = if target == Target::Hub {
            failure::told_of_hub(fault)
        } else {
            fault
        };
        Some(Event::Disconnected { fault, retry_in })
    }

    /// The farewell has left, or the connection was cut as [`Step::Abandon`] asked.
    pub fn closed(&mut self, now: Now) -> Option<Event<'static>> {
        self.ended();
        match self.stage {
            Stage::Leaving {
                then: Then::Climb(at),
                ..
            } => {
                self.stage = Stage::Pausing(at.max(now.at));
                None
            }
            Stage::Stopped => None,
            _ => {
                self.stage = Stage::Stopped;
                Some(Event::Stopped(Stop::Asked))
            }
        }
    }

    fn ended(&mut self) {
        self.line = Target::Hub;
        self.accepted = None;
        self.token = None;
        self.hub.ended();
    }

    /// How many messages may be handed over now.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.stage {
            Stage::Online => self.flights.room(),
            // What does not fit behind CONNECT waits there.
            Stage::Climbing(Target::Hub) if self.pipelines() => self.flights.room(),
            _ => 0,
        }
    }

    /// Hands telemetry to the connection. [`settled`](Self::settled) answers with `sequence` when the hub has it.
    ///
    /// # Errors
    /// [`Refusal::Full`] if there is no room now; otherwise why this message can't be sent at all.
    pub fn send(
        &mut self,
        sequence: u64,
        record: &Record<'_>,
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Refusal> {
        if self.room() == 0 {
            return Err(Refusal::Full);
        }
        let names = self.names().ok_or(Refusal::NotConnected)?;
        let topic = crate::hub::telemetry_topic(&names, record.properties, scratch)
            .ok_or(Refusal::PacketTooLarge(SCRATCH))?;
        let message = Outgoing {
            topic: TopicName::new(topic)?,
            payload: record.body,
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::NONE,
        };
        if let Some(packet_id) = line.publish(&message)? {
            self.flights.add(packet_id, sequence, record.expires);
        }
        Ok(())
    }

    /// Asks the hub to change reported properties: a JSON object, `null` deletes. [`Event::Reported`] answers with the
    /// number that this gives.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], [`Refusal::Full`] with too many at once.
    pub fn report(
        &mut self,
        now: Now,
        patch: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<u32, Refusal> {
        if !self.is_online() {
            return Err(Refusal::NotConnected);
        }
        self.hub.report(now, patch, line, scratch)
    }

    /// Asks for the whole twin; [`Event::Twin`] brings it.
    pub fn request_twin(&mut self) {
        self.hub.request_twin();
    }

    /// Answers a method with a status and JSON, which may be empty.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`] if the connection that the call came by has ended, [`Refusal::Full`].
    pub fn respond(
        &mut self,
        request: &RequestId,
        status: u32,
        payload: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Refusal> {
        if !self.is_online() {
            return Err(Refusal::NotConnected);
        }
        self.hub.respond(request, status, payload, line, scratch)
    }

    /// Leaves for good, after messages under way have settled. True: there is no connection to leave, nothing follows.
    pub fn leave_for_good(&mut self, now: Now) -> bool {
        match self.stage {
            Stage::Online | Stage::Provisioning | Stage::Climbing(_) => {
                self.leave(now, Then::Stop, SETTLING);
                false
            }
            Stage::Leaving { until, said, .. } => {
                self.stage = Stage::Leaving {
                    then: Then::Stop,
                    until,
                    said,
                };
                false
            }
            Stage::Starting | Stage::Pausing(_) | Stage::Stopped => {
                self.stage = Stage::Stopped;
                true
            }
        }
    }
}

fn known(hub: &str, device_id: &str) -> Option<Assignment> {
    Some(Assignment {
        hub: Name::try_from(hub).ok()?,
        device_id: Name::try_from(device_id).ok()?,
    })
}

fn names<'n>(settings: &Settings<'n>, assignment: Option<&'n Assignment>) -> Option<Names<'n>> {
    let assignment = assignment?;
    Some(Names {
        hub: &assignment.hub,
        device_id: &assignment.device_id,
        module_id: settings.module_id,
    })
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
