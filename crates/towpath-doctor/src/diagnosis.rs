//! What the doctor says: one verdict, the ladder, the evidence. The same form for a run, a log, a capture and a code.

use std::{borrow::Cow, time::Duration};

use towpath_proto::{Fault, Rung};

use crate::Finding;

/// The whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// What was looked at: the URL without secrets, or the name of the log or capture, or the code.
    pub subject: String,
    /// From where it was seen: this machine and its source address, or the device whose log it is.
    pub vantage: String,
    /// As whom: the profile of the device, or how this client is set.
    pub profile: String,
    /// The answer in a word.
    pub verdict: Verdict,
    /// The rungs from the lowest upwards; empty where nothing was climbed (a code).
    pub ladder: Vec<Step>,
    /// What was found. What breaks the path first comes first, then what else breaks it for certain, then warnings.
    pub found: Vec<Found>,
    /// What was seen and is not the fault, and what could not be measured and why.
    pub notes: Vec<String>,
    /// The questions that were asked beside the climb, and their answers.
    pub probes: Vec<Asked>,
}

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The path stands: so long from the first question to the last answer.
    Ready(Duration),
    /// The first of [`Diagnosis::found`] breaks the path.
    Broken,
    /// The path stands, but something will break it.
    Warning(Duration),
    /// Nothing in the log, capture or code is known here.
    Unknown,
}

/// How a rung is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It stands.
    Ok,
    /// It broke.
    Problem,
    /// It stands, with a warning.
    Warning,
    /// It could not be measured, for the reason that [`Step::what`] gives.
    NotMeasured,
    /// The path broke before it.
    NotReached,
}

impl State {
    /// The words that text and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::NotMeasured => "not measured",
            Self::NotReached => "not reached",
        }
    }
}

/// A rung of the ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which.
    pub rung: Rung,
    /// How it is.
    pub state: State,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
    /// What was seen on it, in a line.
    pub what: String,
    /// More of it, a line each.
    pub more: Vec<String>,
}

/// A finding with what was seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The entry of the catalogue.
    pub finding: &'static Finding,
    /// The rung on which it showed.
    pub rung: Rung,
    /// Whether it breaks the path; else it is a warning.
    pub breaks: bool,
    /// The cause with what is particular here (a name, a number, a date), in one clause; empty: that of the catalogue.
    pub cause: String,
    /// The remedy with what is particular here, in one sentence; empty: that of the catalogue.
    pub fix: String,
    /// The client's own fault, where there is one.
    pub fault: Option<Fault>,
    /// What the claim rests on.
    pub evidence: Vec<Evidence>,
    /// What else could be behind it, the likeliest first; empty when the evidence decides.
    pub or_else: Vec<&'static Finding>,
}

impl Found {
    /// A finding that breaks the path on its own rung, with no evidence yet.
    #[must_use]
    pub const fn new(finding: &'static Finding) -> Self {
        Self {
            finding,
            rung: finding.rung,
            breaks: true,
            cause: String::new(),
            fix: String::new(),
            fault: None,
            evidence: Vec::new(),
            or_else: Vec::new(),
        }
    }

    /// The same as a warning.
    #[must_use]
    pub const fn warning(mut self) -> Self {
        self.breaks = false;
        self
    }

    /// The same with one more piece of evidence.
    #[must_use]
    pub fn because(mut self, what: impl Into<Cow<'static, str>>, seen: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            what: what.into(),
            seen: seen.into(),
        });
        self
    }

    /// The cause to print.
    #[must_use]
    pub fn cause(&self) -> &str {
        if self.cause.is_empty() {
            self.finding.cause
        } else {
            &self.cause
        }
    }

    /// The remedy to print.
    #[must_use]
    pub fn fix(&self) -> &str {
        if self.fix.is_empty() {
            self.finding.fix
        } else {
            &self.fix
        }
    }
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at, such as `last sent`, `alert`, `chain`, `line 17`, `packet 5`, `prj.conf line 3`.
    pub what: Cow<'static, str>,
    /// What was seen, secrets left out.
    pub seen: String,
}

/// A question that was asked beside the climb.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What was asked, such as `TLS 1.2 only`, `port 443 of the same host`.
    pub question: String,
    /// What came back, in a clause.
    pub answer: String,
    /// How long it took.
    pub took: Duration,
}
