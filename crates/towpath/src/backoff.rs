//! When to try again: exponential with jitter, and only a connection that held starts it over.

use std::time::Duration;

use rand::RngExt as _;

/// What to do when a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Give up.
    Never,
    /// Try again after a pause that doubles with each failure.
    Backoff {
        /// The first pause.
        first: Duration,
        /// The longest pause.
        longest: Duration,
        /// How long a connection must have held for the pauses to start over.
        stable: Duration,
    },
}

impl Default for Reconnect {
    /// From 1 s to 2 min; a connection of 30 s counts as stable.
    fn default() -> Self {
        Self::Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(120),
            stable: Duration::from_secs(30),
        }
    }
}

/// The count of failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a connection that held for `held` (zero if it was never accepted), or `None` to give up.
    pub(crate) fn pause(&mut self, reconnect: Reconnect, held: Duration) -> Option<Duration> {
        let Reconnect::Backoff {
            first,
            longest,
            stable,
        } = reconnect
        else {
            return None;
        };
        if held >= stable {
            self.failures = 0;
        }
        let doubled =
            first.saturating_mul(1u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        // Half fixed, half random: devices that lost the same server at once come back spread out.
        let full = doubled.min(longest);
        Some(full / 2 + full.mul_f64(rand::rng().random_range(0.0..0.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> Reconnect {
        Reconnect::Backoff {
            first: SECOND,
            longest: 60 * SECOND,
            stable: 30 * SECOND,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_by_half() {
        let mut backoff = Backoff::default();
        for full in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let pause = backoff.pause(policy(), Duration::ZERO).unwrap();
            assert!(
                pause >= full * SECOND / 2 && pause <= full * SECOND,
                "{pause:?} of {full}"
            );
        }
    }

    #[test]
    fn only_a_stable_connection_starts_over() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.pause(policy(), Duration::ZERO);
        }
        assert!(backoff.pause(policy(), 29 * SECOND).unwrap() >= 16 * SECOND);
        assert!(backoff.pause(policy(), 30 * SECOND).unwrap() <= SECOND);
    }

    #[test]
    fn a_billion_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert!(backoff.pause(policy(), Duration::ZERO).unwrap() <= 60 * SECOND);
    }

    #[test]
    fn never_gives_up_at_once() {
        assert_eq!(
            Backoff::default().pause(Reconnect::Never, Duration::ZERO),
            None
        );
    }
}
