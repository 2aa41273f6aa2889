//! What the schedules came to.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) schedules: u64,
    /// With nothing late, lost or false that could not be told, and a reachable host that accepts.
    pub(crate) fair: u64,
    pub(crate) attempts: u64,
    pub(crate) connected: u64,
    pub(crate) cut: u64,
    /// Connected with the addresses of an attempt before.
    pub(crate) remembered: u64,
    pub(crate) queries: u64,
    pub(crate) over_tcp: u64,
    /// Messages to open queries that were not the truth.
    pub(crate) lies: u64,
    pub(crate) connects: u64,
    /// Attempts through a translator.
    pub(crate) translated: u64,
    pub(crate) closed: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.schedules, other.schedules),
            (&mut self.fair, other.fair),
            (&mut self.attempts, other.attempts),
            (&mut self.connected, other.connected),
            (&mut self.cut, other.cut),
            (&mut self.remembered, other.remembered),
            (&mut self.queries, other.queries),
            (&mut self.over_tcp, other.over_tcp),
            (&mut self.lies, other.lies),
            (&mut self.connects, other.connects),
            (&mut self.translated, other.translated),
            (&mut self.closed, other.closed),
        ] {
            *sum += more;
        }
        for (code, count) in &other.faults {
            *self.faults.entry(code).or_default() += count;
        }
    }

    /// The schedules had some of everything.
    pub(crate) fn assert_varied(&self) {
        for (what, count, least) in [
            ("fair", self.fair, 5),
            ("connected", self.connected, 4),
            ("cut", self.cut, 50),
            ("remembered", self.remembered, 50),
            ("over TCP", self.over_tcp, 20),
            ("lies", self.lies, 2),
            ("translated", self.translated, 10),
            ("closed", self.closed, 10),
        ] {
            assert!(count * least > self.schedules, "{what}: {self:?}");
        }
        for code in [
            "NoSourceAddress",
            "FamilyUnavailable",
            "NoResolver",
            "ResolverSilent",
            "ResolverRefused",
            "ResolverFailed",
            "NameNotFound",
            "NoAddress",
            "AliasLoop",
            "Nat64NoPrefix",
            "Nat64Silent",
            "Nat64NoRoute",
            "Refused",
            "HostUnreachable",
            "ConnectTimeout",
        ] {
            let count = self.faults.get(code).copied().unwrap_or(0);
            assert!(count * 2000 > self.schedules, "{code}: {self:?}");
        }
    }
}
