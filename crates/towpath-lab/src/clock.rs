//! The lab's wall clock: the machine's, with an offset that a fault may set, or one that a test moves by hand.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// The time so many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as SAS tokens count.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This many milliseconds later, or earlier if negative; stops at the ends of time.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    fn date(self) -> OffsetDateTime {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// As the hub writes times: `2026-03-01T12:00:00.1230000Z`, seven digits behind the second.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z"
        );
        self.date().format(&format).unwrap_or_default()
    }

    /// For the `Date` field of HTTP (RFC 9110 section 5.6.7).
    #[must_use]
    pub fn http(self) -> String {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        self.date().format(&format).unwrap_or_default()
    }

    /// Reads what [`rfc3339`](Self::rfc3339) writes, and any other time of RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(date.unix_timestamp_nanos() / 1_000_000)
            .ok()
            .map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Tells the time.
#[derive(Debug, Default)]
pub struct Clock {
    /// `None`: the machine's.
    manual: Option<AtomicI64>,
    /// Milliseconds that the lab's clock is ahead of the machine's.
    offset: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until [`advance`](Self::advance) moves it.
    #[must_use]
    pub fn manual(start: Time) -> Self {
        Self {
            manual: Some(AtomicI64::new(start.0)),
            offset: AtomicI64::new(0),
        }
    }

    /// Moves a manual clock; does nothing to the machine's.
    pub fn advance(&self, millis: i64) {
        if let Some(manual) = &self.manual {
            manual.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// Sets how many milliseconds the lab's clock is ahead of the machine's.
    pub fn set_offset(&self, millis: i64) {
        self.offset.store(millis, Ordering::Relaxed);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        let base = self
            .manual
            .as_ref()
            .map_or_else(machine, |manual| manual.load(Ordering::Relaxed));
        Time(base.saturating_add(self.offset.load(Ordering::Relaxed)))
    }
}

fn machine() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
