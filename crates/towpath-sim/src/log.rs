//! The dialogue of a run, for the one that failed.

use towpath_proto::Instant;

/// Where the dialogue goes. Off unless somebody wants to read it: most runs pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Log {
    /// Nowhere.
    #[default]
    Off,
    /// To standard error, line by line, so that the last line is the one before the failure.
    Stderr,
}

impl Log {
    /// Writes one line with the time in front.
    #[inline]
    pub fn line(self, now: Instant, text: impl FnOnce() -> String) {
        if self == Self::Stderr {
            let micros = now.as_micros();
            eprintln!("{:>6}.{:03} ms  {}", micros / 1000, micros % 1000, text());
        }
    }
}
