//! Two clocks as one argument.

use core::time::Duration;

use towpath_proto::Instant;

/// What time it is, for whoever drives a device to pass in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The clock that only goes forward: for all waiting.
    pub at: Instant,
    /// Seconds since 1970-01-01 00:00 UTC: for tokens, and for the age of messages. `None` until the clock is set.
    pub unix: Option<u64>,
}

impl Now {
    /// The earliest time that is believed: a clock that says less has not been set. 2024-01-01.
    pub const BELIEVED: u64 = 1_704_067_200;

    /// A time, where a clock before [`BELIEVED`](Self::BELIEVED) counts as not set.
    #[must_use]
    pub const fn new(at: Instant, unix: u64) -> Self {
        let unix = if unix >= Self::BELIEVED {
            Some(unix)
        } else {
            None
        };
        Self { at, unix }
    }

    /// The instant `span` from now.
    #[must_use]
    pub fn after(self, span: Duration) -> Instant {
        self.at.after(span)
    }
}
