//! A place in a capture.

use std::{fmt, time::Duration};

/// A packet, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark {
    /// Its number, from 1 as other programs count.
    pub(super) packet: u64,
    /// Its time since the first packet.
    pub(super) at: Duration,
}

impl Mark {
    /// How long after `earlier` it came; zero if it came before.
    pub(super) const fn since(self, earlier: Self) -> Duration {
        self.at.saturating_sub(earlier.at)
    }
}

/// `packet 17 at 3.204 s`
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packet {} at {}", self.packet, Seconds(self.at))
    }
}

/// A span of time as people read it: `3.204 s`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0.as_secs(), self.0.subsec_millis())
    }
}
