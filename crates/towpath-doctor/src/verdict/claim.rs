//! A claim of the rules: the id of a finding, and what was seen that bears it out. It becomes a [`Found`] with the entry
//! of the catalogue.

use towpath_proto::{Fault, Rung};

use crate::{
    catalogue,
    diagnosis::{Evidence, Found},
};

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    /// The id of the finding.
    pub(crate) id: &'static str,
    /// The rung on which it showed.
    pub(crate) rung: Rung,
    /// The cause with what is particular; empty: that of the catalogue.
    pub(crate) cause: String,
    /// The remedy with what is particular; empty: that of the catalogue.
    pub(crate) fix: String,
    /// What was seen.
    pub(crate) evidence: Vec<Evidence>,
    /// What else could be behind it.
    pub(crate) or_else: Vec<&'static str>,
}

impl Claim {
    pub(crate) const fn new(id: &'static str, rung: Rung) -> Self {
        Self {
            id,
            rung,
            cause: String::new(),
            fix: String::new(),
            evidence: Vec::new(),
            or_else: Vec::new(),
        }
    }

    /// The finding of the fault itself, on its rung.
    pub(crate) fn of(fault: &Fault) -> Self {
        Self::new(fault.finding(), fault.rung)
    }

    /// The same claim with another id.
    pub(crate) const fn named(mut self, id: &'static str) -> Self {
        self.id = id;
        self
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// One more piece of evidence; nothing, where nothing was seen.
    pub(crate) fn seen(mut self, what: &'static str, seen: impl Into<String>) -> Self {
        let seen = seen.into();
        if !seen.is_empty() {
            let what = what.into();
            self.evidence.push(Evidence { what, seen });
        }
        self
    }

    /// What else it could be, the likeliest first.
    pub(crate) fn or_else(mut self, ids: &[&'static str]) -> Self {
        for id in ids {
            if *id != self.id && !self.or_else.contains(id) {
                self.or_else.push(id);
            }
        }
        self
    }

    /// With the entries of the catalogue. An id that the catalogue lacks falls back to that of the fault, and that to
    /// [`catalogue::find`] of what the operating system said; the tests keep both from happening.
    pub(crate) fn found(self, fault: Option<Fault>) -> Option<Found> {
        let finding = catalogue::find(self.id)
            .or_else(|| catalogue::of(fault.as_ref()?))
            .or_else(|| catalogue::find("TP-DEV-023"))?;
        let others = self.or_else.iter().filter(|id| **id != finding.id);
        Some(Found {
            rung: self.rung,
            cause: self.cause,
            fix: self.fix,
            fault,
            evidence: self.evidence,
            or_else: others.filter_map(|id| catalogue::find(id)).collect(),
            ..Found::new(finding)
        })
    }
}
