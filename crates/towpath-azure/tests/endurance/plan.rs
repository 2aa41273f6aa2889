//! What a fleet goes through, and how often.

use std::time::Duration;

use towpath_sim::Rng;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A fleet and its weather; the same seed gives the same days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) devices: usize,
    pub(crate) days: u64,
    pub(crate) hubs: usize,
    /// The share of the fleet at the first hub, of 100.
    pub(crate) first_hub: usize,
    /// Nothing happens but what devices and hubs do by themselves.
    pub(crate) calm: bool,
    /// The device whose dialogue is printed.
    pub(crate) watch: Option<usize>,
}

impl Plan {
    pub(crate) const fn end(&self) -> Duration {
        Duration::from_secs(self.days * DAY)
    }
}

/// What happens to one device. Each comes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Telemetry,
    /// The network is gone for seconds to a day.
    Outage,
    /// A link dies, nothing else.
    Cut,
    /// Somebody else connects with the same identity.
    Takeover,
    /// The clock is wrong for a while.
    ClockStep,
    /// Power is gone for a moment; the clock may have to be set anew.
    Reboot,
    /// Port 8883 is closed for a while.
    Blocked,
    /// The hub loses the device; another one has it.
    Reassigned,
    /// A cloud-to-device message.
    Letter,
    Method,
    Desired,
}

impl Happening {
    pub(crate) const ALL: [Self; 11] = [
        Self::Telemetry,
        Self::Outage,
        Self::Cut,
        Self::Takeover,
        Self::ClockStep,
        Self::Reboot,
        Self::Blocked,
        Self::Reassigned,
        Self::Letter,
        Self::Method,
        Self::Desired,
    ];

    /// Whether it goes on in calm weather.
    pub(crate) const fn is_work(self) -> bool {
        matches!(
            self,
            Self::Telemetry | Self::Letter | Self::Method | Self::Desired
        )
    }

    /// The time until it happens again.
    pub(crate) fn pause(self, rng: &mut Rng) -> Duration {
        let mean = match self {
            // Never two at once, so that the numbers are the order.
            Self::Telemetry => {
                let seconds = rng.between(20 * MINUTE as usize, 30 * MINUTE as usize);
                return Duration::from_secs(seconds as u64);
            }
            Self::Outage | Self::Method | Self::Letter => 2 * DAY,
            Self::Cut | Self::Desired => DAY,
            Self::Takeover | Self::Reboot => 5 * DAY,
            Self::ClockStep | Self::Blocked => 8 * DAY,
            Self::Reassigned => 10 * DAY,
        };
        exponential(mean, rng)
    }
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incident {
    /// A hub cuts all its devices, and is away for up to two minutes.
    Maintenance,
    /// A hub turns every second connection away.
    Throttling,
    /// DPS takes no registrations.
    Overload,
    /// DPS fails.
    Failing,
}

impl Incident {
    pub(crate) const ALL: [Self; 4] = [
        Self::Maintenance,
        Self::Throttling,
        Self::Overload,
        Self::Failing,
    ];

    pub(crate) fn pause(self, rng: &mut Rng) -> Duration {
        let mean = match self {
            Self::Maintenance => DAY,
            Self::Throttling | Self::Overload | Self::Failing => 3 * DAY,
        };
        exponential(mean, rng)
    }
}

/// A time with this mean, seconds, as it is between things that know nothing of each other.
fn exponential(mean: u64, rng: &mut Rng) -> Duration {
    let share = (rng.below(1_000_000) + 1) as f64 / 1e6;
    Duration::from_secs_f64(1.0 - share.ln() * mean as f64)
}

/// A span between two, where short ones are as likely as long ones by their magnitude.
pub(crate) fn span(from: u64, to: u64, rng: &mut Rng) -> Duration {
    let share = rng.below(1_000_000) as f64 / 1e6;
    let (from, to) = (from as f64, to as f64);
    Duration::from_secs_f64(from * (to / from).powf(share))
}

/// How long the network stays away.
pub(crate) fn outage(rng: &mut Rng) -> Duration {
    span(2, DAY, rng)
}

/// How wrong the clock is, seconds, and for how long.
pub(crate) fn clock_step(rng: &mut Rng) -> (i64, Duration) {
    // Some are off by more than a token lives.
    let off = if rng.chance(30) {
        span(DAY, 9 * DAY, rng)
    } else {
        span(MINUTE, 6 * HOUR, rng)
    };
    let off = off.as_secs() as i64;
    let off = if rng.chance(50) { off } else { -off };
    (off, span(10 * MINUTE, 12 * HOUR, rng))
}

/// How long a port stays closed.
pub(crate) fn blockade(rng: &mut Rng) -> Duration {
    span(10 * MINUTE, 3 * DAY, rng)
}

/// How long a message is worth something, seconds; most are for ever.
pub(crate) fn life(rng: &mut Rng) -> Option<u64> {
    rng.chance(30)
        .then(|| span(MINUTE, 12 * HOUR, rng).as_secs())
}
