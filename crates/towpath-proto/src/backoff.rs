//! When to try again: exponential with jitter, and only a connection that held starts it over.

use core::time::Duration;

use crate::buffers::Random;

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

/// The count of failures in a row, which makes the pauses between attempts.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// No failure so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { failures: 0 }
    }

    /// The pause after a connection that held for `held` (zero if it was never accepted), or `None` to give up.
    pub fn pause(
        &mut self,
        reconnect: Reconnect,
        held: Duration,
        random: &mut impl Random,
    ) -> Option<Duration> {
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
        // Half fixed, half random: devices that lost the same server at once come back spread out. Whole numbers,
        // because a small processor has no others.
        let half = u64::try_from(doubled.min(longest).as_micros() / 2).unwrap_or(u64::MAX / 2);
        let share = (u128::from(half) * u128::from(random.next_u32())) >> 32;
        let spread = u64::try_from(share).unwrap_or(half);
        Some(Duration::from_micros(half.saturating_add(spread)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Walks through all 32 bits with long strides.
    fn entropy() -> impl Random {
        let mut last = 0u32;
        move || {
            last = last.wrapping_add(0x9E37_79B9);
            last
        }
    }

    #[test]
    fn the_random_half_goes_from_nothing_to_all() {
        let pause = |bits| Backoff::new().pause(policy(), Duration::ZERO, &mut || bits);
        assert_eq!(pause(0), Some(SECOND / 2));
        let most = pause(u32::MAX).unwrap();
        assert!(
            most > SECOND - Duration::from_micros(2) && most <= SECOND,
            "{most:?}"
        );
    }

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
            let pause = backoff
                .pause(policy(), Duration::ZERO, &mut entropy())
                .unwrap();
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
            backoff.pause(policy(), Duration::ZERO, &mut entropy());
        }
        assert!(
            backoff
                .pause(policy(), 29 * SECOND, &mut entropy())
                .unwrap()
                >= 16 * SECOND
        );
        assert!(
            backoff
                .pause(policy(), 30 * SECOND, &mut entropy())
                .unwrap()
                <= SECOND
        );
    }

    #[test]
    fn a_billion_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert!(
            backoff
                .pause(policy(), Duration::ZERO, &mut entropy())
                .unwrap()
                <= 60 * SECOND
        );
    }

    #[test]
    fn never_gives_up_at_once() {
        assert_eq!(
            Backoff::default().pause(Reconnect::Never, Duration::ZERO, &mut entropy()),
            None
        );
    }
}
