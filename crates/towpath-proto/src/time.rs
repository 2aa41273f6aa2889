//! Time as an argument.
//!
//! The core never reads a clock: whoever drives it passes `now` in. An [`Instant`] counts microseconds
//! from an origin the driver chooses (boot, process start, zero in a simulation); only differences mean anything.

use core::time::Duration;

/// A point in time, in microseconds since the driver's own origin. 64 bits do not wrap in 584,000 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The instant `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// `self` plus `span`, stopping at the end of time instead of wrapping.
    #[must_use]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

/// Whole microseconds, up to 584,000 years. Without the 128 bits of [`Duration::as_micros`], which a small processor
/// pays for.
fn micros(span: Duration) -> u64 {
    const MOST: u64 = u64::MAX / 1_000_001;
    span.as_secs().min(MOST) * 1_000_000 + u64::from(span.subsec_micros())
}

/// Whole milliseconds, as many as a fault can say.
pub(crate) fn millis(span: Duration) -> u32 {
    match u32::try_from(span.as_secs()) {
        Ok(seconds) => seconds
            .saturating_mul(1_000)
            .saturating_add(span.subsec_millis()),
        Err(_) => u32::MAX,
    }
}
