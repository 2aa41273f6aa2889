//! The latest answer, for as long as its time to live lasts.

use core::{net::IpAddr, time::Duration};

use crate::{
    net::{dns::Name, race::MOST_CANDIDATES},
    time::Instant,
};

/// However long an answer says it is good: a device that never forgets never finds a server that moved.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Addresses of one name.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    name: Option<Name>,
    addresses: [Option<IpAddr>; MOST_CANDIDATES],
    until: Instant,
}

impl Remembered {
    pub(super) const fn nothing() -> Self {
        Self {
            name: None,
            addresses: [None; MOST_CANDIDATES],
            until: Instant::ZERO,
        }
    }

    /// Keeps addresses of `name` until then.
    pub(super) fn keep(
        now: Instant,
        name: &Name,
        addresses: impl Iterator<Item = IpAddr>,
        until: Instant,
    ) -> Self {
        let mut kept = Self {
            name: Some(name.clone()),
            addresses: [None; MOST_CANDIDATES],
            until: until.min(now.after(LONGEST)),
        };
        for (slot, address) in kept.addresses.iter_mut().zip(addresses) {
            *slot = Some(address);
        }
        kept
    }

    /// The addresses of `name`, and for how long they are still good.
    pub(super) fn of(
        &self,
        now: Instant,
        name: &Name,
    ) -> Option<(impl Iterator<Item = IpAddr> + '_, Duration)> {
        let known = self.name.as_ref() == Some(name) && now < self.until;
        known.then(|| {
            (
                self.addresses.iter().flatten().copied(),
                self.until.since(now),
            )
        })
    }
}
