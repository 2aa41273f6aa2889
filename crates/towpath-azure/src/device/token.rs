//! When the password of a connection has to be a new one.

use core::time::Duration;

use towpath_proto::{Instant, Random};

use super::route::share;
use crate::Now;

/// The life of the token that the connection was made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// When it is renewed, by the clock that only goes forward.
    renew_at: Instant,
    /// When it is renewed, by the clock that may be set: if that jumps ahead, so does the end of the token.
    renew_unix: u64,
    /// `se`: seconds since 1970.
    pub(super) expires: u64,
}

impl Token {
    /// A token that is issued now. It is renewed between 70 and 80 % of its life, so that devices that started together
    /// do not renew together.
    pub(super) fn issue(now: Now, unix: u64, life: Duration, random: &mut impl Random) -> Self {
        let most = life.saturating_mul(8) / 10;
        let after = most.saturating_sub(share(life / 10, random));
        Self {
            renew_at: now.after(after),
            renew_unix: unix.saturating_add((life.saturating_mul(9) / 10).as_secs()),
            expires: unix.saturating_add(life.as_secs()),
        }
    }

    pub(super) fn renew_at(&self) -> Instant {
        self.renew_at
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        now.at >= self.renew_at || now.unix.is_some_and(|unix| unix >= self.renew_unix)
    }
}
