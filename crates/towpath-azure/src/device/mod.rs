//! The device: which path to climb, as whom, and what to say up there, for years.
//!
//! Takes in the time, what comes up from the MQTT connection, and telemetry; gives out attempts to make ([`Attempt`]),
//! what to publish on a [`Line`](crate::Line), and [`Event`]s. It does no I/O and knows no runtime: the driver law of the core holds
//! here too. Mutate, then [`poll`](Device::poll) until it says [`Step::Wait`].
//!
//! - `poll.rs`, `told.rs`, `commands.rs`: what is due; what comes up; what is asked for
//! - `route.rs`: hub or provisioning service, port 8883 or 443, pauses
//! - `attempt.rs`: host, identifier, user name and password of an attempt
//! - `token.rs`: when a password is too old
//! - `flights.rs`: what is under way
//! - `failure.rs`: what a broken path means

mod attempt;
mod commands;
mod failure;
mod flights;
mod poll;
mod route;
mod token;
mod told;

use core::time::Duration;

use heapless::Deque;
use towpath_proto::{Fault, Instant, event::Outcome};

pub use self::{attempt::Attempt, route::Target};
use self::{flights::Flights, route::Route, token::Token};
use crate::{
    Assignment, Entry, Event, Name, Names, Now, Settings, Stop, Transport,
    dps::{Refused, Registration},
    hub::Hub,
};

/// The scratch memory that topics and attempts are written into, bytes.
pub const SCRATCH: usize = 2048;

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
    /// What the clock said beyond the one that only goes forward, seconds, at the last attempt.
    clock: Option<u64>,
    /// Since when the hub owes an acknowledgement, and what had come by then.
    owed: Option<(Instant, u32)>,
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
            clock: None,
            owed: None,
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

/// What the clock says beyond the one that only goes forward, seconds: it changes when the clock is set.
const fn beyond(now: Now) -> Option<u64> {
    match now.unix {
        Some(unix) => Some(unix.saturating_sub(now.at.as_micros() / 1_000_000)),
        None => None,
    }
}
