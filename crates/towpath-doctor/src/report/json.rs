//! The object for programs. `docs/doctor.schema.json` describes it; what it has stays, members may be added.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use towpath_proto::{Code, Fault};

use super::{line, redact};
use crate::{
    Diagnosis, Finding, Proof, Remedy,
    diagnosis::{Asked, Evidence, Found, Step, Verdict},
    verdict::words::without_query,
};

/// The version of the form. It grows when a member goes or changes its meaning.
const FORM: u32 = 1;

#[derive(Serialize)]
struct Answer {
    form: u32,
    subject: String,
    vantage: String,
    profile: String,
    verdict: Judged,
    phases: Vec<Phase>,
    findings: Vec<Named>,
    probes: Vec<Probed>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Judged {
    state: &'static str,
    /// The line that the text begins and ends with.
    line: String,
    /// The finding that breaks the path.
    id: Option<&'static str>,
    /// From the first question to the last answer, where the path stands.
    ms: Option<f64>,
}

#[derive(Serialize)]
struct Phase {
    phase: &'static str,
    state: &'static str,
    ms: Option<f64>,
    what: String,
    more: Vec<String>,
}

#[derive(Serialize)]
struct Named {
    id: &'static str,
    phase: &'static str,
    state: &'static str,
    side: &'static str,
    cause: String,
    evidence: Vec<Seen>,
    fix: Fix,
    fault: Option<FaultMembers>,
    or_else: Vec<&'static str>,
}

#[derive(Serialize)]
struct Fix {
    what: String,
    remedies: Vec<Set>,
    administrator: &'static str,
}

#[derive(Serialize)]
struct Set {
    platform: &'static str,
    what: &'static str,
    set: Vec<&'static str>,
}

#[derive(Serialize)]
struct Seen {
    what: Cow<'static, str>,
    seen: String,
}

#[derive(Serialize)]
struct FaultMembers {
    code: &'static str,
    number: u32,
    blame: &'static str,
    clause: &'static str,
    detail: String,
    alert: Option<String>,
}

#[derive(Serialize)]
struct Probed {
    question: String,
    answer: String,
    ms: f64,
}

#[derive(Serialize)]
struct Entry {
    id: &'static str,
    phase: &'static str,
    side: &'static str,
    cause: &'static str,
    about: &'static str,
    decided_by: &'static str,
    fix: Fix,
    symptoms: &'static [&'static str],
    lab: Vec<&'static str>,
    sources: &'static [&'static str],
}

/// The object for programs, as `docs/doctor.schema.json` describes it.
#[must_use]
pub fn json(diagnosis: &Diagnosis) -> Value {
    let (state, took) = match diagnosis.verdict {
        Verdict::Ready(took) => ("ready", Some(took)),
        Verdict::Broken => ("broken", None),
        Verdict::Warning(took) => ("warning", Some(took)),
        Verdict::Unknown => ("unknown", None),
    };
    let first = diagnosis.found.first().filter(|found| found.breaks);
    value(Answer {
        form: FORM,
        subject: redact(&diagnosis.subject),
        vantage: redact(&diagnosis.vantage),
        profile: redact(&diagnosis.profile),
        verdict: Judged {
            state,
            line: line(diagnosis),
            id: first.map(|found| found.finding.id),
            ms: took.map(ms),
        },
        phases: diagnosis.ladder.iter().map(phase).collect(),
        findings: diagnosis.found.iter().map(named).collect(),
        probes: diagnosis.probes.iter().map(probed).collect(),
        notes: diagnosis.notes.iter().map(|note| redact(note)).collect(),
    })
}

/// A finding of the catalogue for programs.
#[must_use]
pub fn finding_json(finding: &'static Finding) -> Value {
    let lab = finding.proofs.iter().filter_map(|proof| match proof {
        Proof::Lab(fault) => Some(*fault),
        _ => None,
    });
    value(Entry {
        id: finding.id,
        phase: finding.rung.name(),
        side: finding.side.name(),
        cause: finding.cause,
        about: finding.about,
        decided_by: finding.decided_by,
        fix: fix(finding, finding.fix),
        symptoms: finding.symptoms,
        lab: lab.collect(),
        sources: finding.sources,
    })
}

/// These types have no map with keys that are not text, and no number that is not finite.
fn value(answer: impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

/// Milliseconds with three digits.
fn ms(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

fn phase(step: &Step) -> Phase {
    Phase {
        phase: step.rung.name(),
        state: step.state.name(),
        ms: step.took.map(ms),
        what: redact(&step.what),
        more: step.more.iter().map(|more| redact(more)).collect(),
    }
}

fn named(found: &Found) -> Named {
    Named {
        id: found.finding.id,
        phase: found.rung.name(),
        state: if found.breaks { "problem" } else { "warning" },
        side: found.finding.side.name(),
        cause: redact(found.cause()),
        evidence: found.evidence.iter().map(seen).collect(),
        fix: fix(found.finding, found.fix()),
        fault: found.fault.map(|fault| FaultMembers {
            code: fault.code.name(),
            number: fault.number,
            blame: fault.blame.name(),
            clause: fault.clause,
            detail: redact(detail(&fault)),
            alert: fault.alert.map(|alert| alert.to_string()),
        }),
        or_else: found.or_else.iter().map(|other| other.id).collect(),
    }
}

/// What the peer said; of an address that it points to, not the query, which may hold a secret.
fn detail(fault: &Fault) -> &str {
    let said = fault.detail.as_str();
    match fault.code {
        Code::Redirected => without_query(said),
        _ => said,
    }
}

fn seen(evidence: &Evidence) -> Seen {
    Seen {
        what: evidence.what.clone(),
        seen: redact(&evidence.seen),
    }
}

fn fix(finding: &'static Finding, what: &str) -> Fix {
    Fix {
        what: redact(what),
        remedies: finding.remedies.iter().map(set).collect(),
        administrator: finding.administrator,
    }
}

fn set(remedy: &'static Remedy) -> Set {
    Set {
        platform: remedy.on.name(),
        what: remedy.what,
        set: remedy.set.lines().collect(),
    }
}

fn probed(asked: &Asked) -> Probed {
    Probed {
        question: redact(&asked.question),
        answer: redact(&asked.answer),
        ms: ms(asked.took),
    }
}
