//! Facts on their way to the caller.

use towpath_proto::tls::Fact;

/// How many are kept: a full handshake with client certificate has 13 messages.
const KEPT: usize = 24;

/// The last [`KEPT`] facts; more drop the oldest.
#[derive(Debug)]
pub(crate) struct Facts {
    kept: [Option<Fact>; KEPT],
    first: usize,
    len: usize,
}

impl Facts {
    pub(crate) const EMPTY: Self = Self {
        kept: [None; KEPT],
        first: 0,
        len: 0,
    };

    pub(crate) fn push(&mut self, fact: Fact) {
        if self.len == KEPT {
            self.next();
        }
        if let Some(place) = self.kept.get_mut((self.first + self.len) % KEPT) {
            *place = Some(fact);
            self.len += 1;
        }
    }

    pub(crate) fn next(&mut self) -> Option<Fact> {
        let fact = self.kept.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % KEPT;
        self.len = self.len.saturating_sub(1);
        Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_fact_is_dropped() {
        let mut facts = Facts::EMPTY;
        assert_eq!(facts.next(), None);
        for flights in 0..30 {
            facts.push(Fact::RoundTrips(flights));
        }
        for flights in 6..30 {
            assert_eq!(facts.next(), Some(Fact::RoundTrips(flights)));
        }
        assert_eq!(facts.next(), None);
        facts.push(Fact::Ticket);
        assert_eq!(facts.next(), Some(Fact::Ticket));
    }
}
