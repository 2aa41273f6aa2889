//! The NAT64 prefixes that are known, until when, and where from.

use core::time::Duration;

use crate::{
    net::{Prefix, PrefixOrigin, nat64::MOST_PREFIXES},
    time::Instant,
};

#[derive(Debug, Clone, Copy)]
struct Known {
    prefix: Prefix,
    origin: PrefixOrigin,
    until: Instant,
}

/// A few prefixes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefixes {
    known: [Option<Known>; MOST_PREFIXES],
}

impl Prefixes {
    pub(super) const fn new() -> Self {
        Self {
            known: [None; MOST_PREFIXES],
        }
    }

    /// Keeps a prefix for `lifetime`; zero: forgets it. True if it was not known before.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        prefix: Prefix,
        origin: PrefixOrigin,
        lifetime: Duration,
    ) -> bool {
        self.expire(now);
        let same = |known: &Option<Known>| {
            known.is_some_and(|known| known.prefix == prefix && known.origin == origin)
        };
        let is_new = !self.known.iter().any(same);
        let place = self
            .known
            .iter()
            .position(same)
            .or_else(|| self.known.iter().position(Option::is_none))
            .or_else(|| self.least(origin));
        let until = now.after(lifetime);
        let kept = (!lifetime.is_zero()).then_some(Known {
            prefix,
            origin,
            until,
        });
        // A full table of more trusted ones: they will do.
        if let Some(slot) = place.and_then(|at| self.known.get_mut(at)) {
            *slot = kept;
            return is_new && kept.is_some();
        }
        false
    }

    /// The place of the least trusted and oldest, if `origin` is trusted as much.
    fn least(&self, origin: PrefixOrigin) -> Option<usize> {
        let known = self.known.iter().enumerate();
        let (place, least) = known
            .filter_map(|(place, known)| Some((place, (*known)?)))
            .min_by_key(|(_, known)| (known.origin, known.until))?;
        (least.origin <= origin).then_some(place)
    }

    /// Forgets what was found by asking; it may belong to another network.
    pub(super) fn forget(&mut self, origin: PrefixOrigin) {
        for slot in &mut self.known {
            if slot.is_some_and(|known| known.origin == origin) {
                *slot = None;
            }
        }
    }

    /// Every prefix that is known, and for how long.
    pub(super) fn all(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (Prefix, PrefixOrigin, Duration)> + '_ {
        self.known
            .iter()
            .flatten()
            .filter(move |known| now < known.until)
            .map(move |known| (known.prefix, known.origin, known.until.since(now)))
    }

    /// The prefixes of the most trusted origin.
    pub(super) fn best(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (Prefix, PrefixOrigin)> + use<> {
        let known = self.known;
        let valid = move || {
            known
                .into_iter()
                .flatten()
                .filter(move |known| now < known.until)
        };
        let best = valid().map(|known| known.origin).max();
        valid()
            .filter(move |known| Some(known.origin) == best)
            .map(|known| (known.prefix, known.origin))
    }

    fn expire(&mut self, now: Instant) {
        for slot in &mut self.known {
            if slot.is_some_and(|known| now >= known.until) {
                *slot = None;
            }
        }
    }
}
