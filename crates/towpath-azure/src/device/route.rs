//! Where to go next and when: the hub or the provisioning service, by which port, after which pause.

use core::time::Duration;

use towpath_proto::{Backoff, Code, Fault, Random, Reconnect, Rung};

use super::failure::{Class, is_cut_at_connect};
use crate::{
    Fleet, Settings, Transport, Transports,
    dps::{Refused, RefusedKind},
};

/// The server that an attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The Device Provisioning Service.
    Dps,
    /// The IoT hub, or the gateway in front of it.
    Hub,
}

/// Failures in a row before a device that has its hub from DPS asks there again.
const ASK_AFTER: u8 = 10;

/// The longest pause between attempts that may succeed at any time.
const LONGEST: Duration = Duration::from_secs(600);

/// The first pause where somebody has to change something before an attempt can succeed.
const HOPELESS: Duration = Duration::from_secs(3600);

/// The pause after "too many requests" without a time given.
const THROTTLED: Duration = Duration::from_secs(30);

/// A connection that held this long was a good one.
const STABLE: Duration = Duration::from_secs(120);

/// The memory of attempts.
#[derive(Debug)]
pub(super) struct Route {
    transports: Transports,
    fleet: Fleet,
    /// What an attempt uses.
    pub(super) transport: Transport,
    /// What worked last.
    proven: Transport,
    /// The other transport was tried since something worked or since the last pause.
    turned: bool,
    backoff: Backoff,
    /// Failures of the hub in a row.
    failures: u8,
    /// Refusals of the hub in a row.
    refusals: u8,
    /// DPS is to be asked, if the device comes by way of it.
    pub(super) ask: bool,
    /// Connections in a row that ended at a CONNECT which was not alone.
    cuts: u8,
    /// CONNECT goes alone, because the server seems to mind what follows.
    pub(super) alone: bool,
    /// The last pause came from a refusal, which a wrong clock may be behind.
    pub(super) doubtful: bool,
}

impl Route {
    pub(super) fn new(settings: &Settings<'_>, transport: Option<Transport>) -> Self {
        let first = match settings.transports {
            Transports::Only(only) => only,
            Transports::Both => transport.unwrap_or(Transport::Mqtts),
        };
        Self {
            transports: settings.transports,
            fleet: settings.fleet,
            transport: first,
            proven: first,
            turned: false,
            backoff: Backoff::new(),
            failures: 0,
            refusals: 0,
            ask: false,
            cuts: 0,
            alone: false,
            doubtful: false,
        }
    }

    /// The pause before the first attempt: none, unless there are so many devices that a power cut of a city would bring
    /// all of them at once.
    pub(super) fn first_pause(&self, random: &mut impl Random) -> Duration {
        if self.fleet.is_large() {
            share(self.fleet.spread() / 2, random)
        } else {
            Duration::ZERO
        }
    }

    /// The server accepted the connection.
    pub(super) fn accepted(&mut self, target: Target) {
        self.proven = self.transport;
        self.turned = false;
        self.cuts = 0;
        if target == Target::Hub {
            self.refusals = 0;
        }
    }

    /// DPS assigned a hub.
    pub(super) const fn assigned(&mut self) {
        self.ask = false;
        self.failures = 0;
        self.refusals = 0;
    }

    /// An attempt failed, or a connection that held for `held`. The pause, or `None` if trying again changes nothing.
    /// `known`: the device has a hub that it may try.
    pub(super) fn failed(
        &mut self,
        (target, known): (Target, bool),
        fault: &Fault,
        held: Duration,
        random: &mut impl Random,
    ) -> Option<Duration> {
        if held >= STABLE {
            self.failures = 0;
        }
        if tells_of_hub(fault) {
            self.failures = self.failures.saturating_add(1);
        }
        let class = Class::of(fault);
        self.doubtful = class == Class::Refused;
        match class {
            Class::Hopeless => return None,
            Class::Transport if held.is_zero() && self.turn() => {
                // The other port is another way, not another attempt at the same.
                return Some(share(Duration::from_secs(1), random));
            }
            // As if it had answered with 401.
            Class::Refused if target == Target::Dps => {
                self.ask = false;
                return self.unwanted(known, random);
            }
            Class::Refused => {
                // Once more with a fresh token; then the hub is not the right one any more.
                self.refusals = self.refusals.saturating_add(1);
                self.ask |= self.refusals > 1;
            }
            Class::Unavailable if held.is_zero() && is_cut_at_connect(fault) => {
                // Once may be a hub that was just restarted.
                self.cuts = self.cuts.saturating_add(1);
                self.alone |= self.cuts > 1;
            }
            Class::Unavailable | Class::Transport => {}
        }
        if self.failures >= ASK_AFTER {
            // Both doors in turn, so that a dead DPS does not keep a device from a hub that has come back.
            self.ask = target == Target::Hub;
            self.failures = 0;
        }
        self.turned = false;
        self.transport = self.proven;
        self.pause(held, random)
    }

    /// The hub took the connection and acknowledges nothing.
    pub(super) const fn silent(&mut self) {
        self.alone = true;
    }

    /// DPS said no. The hub has the next word, if it is `known`.
    pub(super) fn refused(
        &mut self,
        refused: &Refused,
        known: bool,
        random: &mut impl Random,
    ) -> Duration {
        self.ask = false;
        self.doubtful = refused.kind == RefusedKind::Unauthorized;
        let given = refused.retry_after.map(|s| Duration::from_secs(s.into()));
        match refused.kind {
            RefusedKind::Unauthorized
            | RefusedKind::NotFound
            | RefusedKind::Disabled
            | RefusedKind::Unassigned => {
                let pause = self.unwanted(known, random).unwrap_or(LONGEST);
                pause.max(given.unwrap_or_default())
            }
            RefusedKind::Throttled => {
                let least = given.unwrap_or(THROTTLED);
                let pause = self.pause(Duration::ZERO, random).unwrap_or(LONGEST);
                least
                    .saturating_add(share(self.fleet.spread(), random))
                    .max(pause)
            }
            RefusedKind::Busy
            | RefusedKind::Failed
            | RefusedKind::Malformed
            | RefusedKind::Silent => {
                let pause = self.pause(Duration::ZERO, random).unwrap_or(LONGEST);
                pause.max(given.unwrap_or_default())
            }
        }
    }

    /// A pause before DPS is asked for another hub.
    pub(super) fn again(&mut self, random: &mut impl Random) -> Duration {
        self.pause(Duration::ZERO, random).unwrap_or(LONGEST)
    }

    /// DPS does not want the device. Enrolments are deleted once devices have their hubs, so that says nothing about a
    /// hub that has not refused.
    fn unwanted(&mut self, known: bool, random: &mut impl Random) -> Option<Duration> {
        if known && self.refusals < 2 {
            self.pause(Duration::ZERO, random)
        } else {
            Some(hopeless(random))
        }
    }

    /// Takes the other transport, if that is allowed and not done yet in this round.
    fn turn(&mut self) -> bool {
        if self.turned || self.transports != Transports::Both {
            return false;
        }
        self.turned = true;
        self.transport = self.transport.other();
        true
    }

    fn pause(&mut self, held: Duration, random: &mut impl Random) -> Option<Duration> {
        let first = self.fleet.spread();
        let policy = Reconnect::Backoff {
            first,
            longest: LONGEST.max(first),
            stable: STABLE,
        };
        self.backoff.pause(policy, held, random)
    }
}

/// Whether a failure may mean that the hub has gone. A network that is away says nothing about it; a name that does not
/// exist any more does.
fn tells_of_hub(fault: &Fault) -> bool {
    fault.rung >= Rung::Tcp || fault.code == Code::NameNotFound
}

/// One to two hours.
fn hopeless(random: &mut impl Random) -> Duration {
    HOPELESS.saturating_add(share(HOPELESS, random))
}

/// A random share of a span, whole milliseconds.
pub(super) fn share(span: Duration, random: &mut impl Random) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX >> 32);
    let share = (u128::from(millis) * u128::from(random.next_u32())) >> 32;
    Duration::from_millis(u64::try_from(share).unwrap_or(millis))
}
