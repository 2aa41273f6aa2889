//! From a story to a [`Diagnosis`]: the verdict, the ladder as far as lines show it, evidence by line.

use std::time::Duration;

use towpath_proto::Rung;

use super::{
    entry::Printer,
    fact::{Fact, Says, Step, Trait},
    rules::{self, Cause},
    story::{Attempt, Story},
};
use crate::{
    Diagnosis, catalogue,
    diagnosis::{self, Found, State, Verdict},
    explain::unknown,
    report::redact,
};

/// What the log says.
pub(super) fn of(name: &str, story: &Story) -> Diagnosis {
    let mut answer = unknown(name);
    answer.vantage = "the device whose log it is".into();
    answer.profile = profile(story).into();
    let ended = story.attempt.accepted.is_some() || !story.attempt.counts() && story.was_up;
    let cause = if ended {
        rules::of_drops(story).map(|cause| (cause, &story.attempt))
    } else {
        broken(story)
    };
    match cause {
        Some((cause, attempt)) => told(&mut answer, story, attempt, cause),
        None if ended => ready(&mut answer, story),
        None => nothing(&mut answer, story),
    }
    // Unless it is the only thing that is known: then it may be the fault after all.
    let is_doubted = answer
        .found
        .first()
        .is_some_and(|found| found.finding.id == "TP-DNS-004");
    for (line, note) in story.harmless.iter().filter(|_| !is_doubted) {
        answer.notes.push(format!("line {line}: {note}"));
    }
    answer
}

/// The attempt that goes on, or the last one that broke.
fn broken(story: &Story) -> Option<(Cause, &Attempt)> {
    let attempts = [Some(&story.attempt), story.broken.as_ref()];
    attempts
        .into_iter()
        .flatten()
        .find_map(|attempt| Some((rules::of(story, attempt)?, attempt)))
}

fn profile(story: &Story) -> &'static str {
    match story.printer {
        Some(Printer::Zephyr) => "Zephyr / NCS, by the form of its log",
        Some(Printer::Esp) => "ESP-IDF, by the form of its log",
        _ => "",
    }
}

fn told(answer: &mut Diagnosis, story: &Story, attempt: &Attempt, cause: Cause) {
    let Some(finding) = catalogue::find(cause.id) else {
        return nothing(answer, story);
    };
    let mut found = Found::new(finding);
    found.or_else = cause
        .others
        .iter()
        .filter_map(|id| catalogue::find(id))
        .collect();
    if !cause.sure.is_empty() {
        found.cause = format!(
            "{}, and this log does not say why; most often {}",
            cause.sure, finding.cause
        );
    }
    if let Some((step, fact)) = attempt
        .last_step(cause.fact.line)
        .filter(|(step, _)| *step > Step::Booted)
    {
        found = found.because(
            "last step",
            format!("{} (line {})", step.words(), fact.line),
        );
    }
    found = found.because(at(&cause.fact), redact(&cause.fact.text));
    for fact in beside(attempt, &cause.fact) {
        found = found.because(at(fact), redact(&fact.text));
    }
    answer.verdict = Verdict::Broken;
    answer.ladder = ladder(story, attempt, Some(found.rung));
    answer.found.push(found);
    answer
        .notes
        .extend(cause.notes.into_iter().map(str::to_owned));
    if story.drops.len() > 1 {
        answer.notes.push(ends(story));
    }
    if story.breaks > 1 {
        answer.notes.push(format!(
            "{} attempts broke in this log; this is the last of them",
            story.breaks
        ));
    }
}

fn at(fact: &Fact) -> String {
    format!("line {}", fact.line)
}

/// Other lines of the same end, as far as they help.
fn beside<'a>(attempt: &'a Attempt, decides: &Fact) -> impl Iterator<Item = &'a Fact> {
    let mut last = decides.line;
    let facts = attempt
        .facts
        .iter()
        .filter(|fact| !matches!(fact.says, Says::Step(_)));
    let others = facts.filter(move |fact| {
        fact.line > last && std::mem::replace(&mut last, fact.line) < fact.line
    });
    others.take(MOST_BESIDE)
}

/// More lines than these are for `grep`.
const MOST_BESIDE: usize = 4;

/// How long accepted connections lived.
fn ends(story: &Story) -> String {
    let alive: Vec<String> = story
        .drops
        .iter()
        .rev()
        .take(5)
        .rev()
        .map(|drop| match drop.alive {
            Some(alive) => format!("{:.1} s", alive.as_secs_f64()),
            None => "?".into(),
        })
        .collect();
    format!(
        "accepted connections ended {} times; the last ones lived {}",
        story.drops.len(),
        alive.join(", ")
    )
}

fn ready(answer: &mut Diagnosis, story: &Story) {
    let attempt = &story.attempt;
    let began = attempt
        .facts
        .iter()
        .find(|fact| matches!(fact.says, Says::Step(step) if step >= Step::DnsAsked));
    let took = attempt
        .accepted
        .and_then(|(_, at)| at?.checked_sub(began?.at?));
    answer.verdict = Verdict::Ready(took.unwrap_or(Duration::ZERO));
    answer.ladder = ladder(story, attempt, None);
    if story.breaks > 0 {
        answer.notes.push(format!(
            "{} attempts broke before; the last one went through",
            story.breaks
        ));
    }
    if let Some(drop) = story.drops.last() {
        answer.notes.push(format!(
            "line {}: an accepted connection ended, and the device came back",
            drop.fact.line
        ));
    }
}

fn nothing(answer: &mut Diagnosis, story: &Story) {
    answer.verdict = Verdict::Unknown;
    if let Some(top) = story.attempt.top.filter(|top| *top >= Step::Connecting) {
        answer.ladder = ladder(story, &story.attempt, None);
        answer.notes.push(format!(
            "the log ends after {}, before anything failed or CONNACK came: let it run on until the device gives up",
            top.words()
        ));
    }
}

/// The rungs as far as lines show them.
fn ladder(story: &Story, attempt: &Attempt, broke: Option<Rung>) -> Vec<diagnosis::Step> {
    let mut rungs = vec![Rung::Address, Rung::Dns, Rung::Tcp];
    let has_tls =
        story.is(Trait::Tls) || attempt.top >= Some(Step::ClientHello) && has(attempt, Rung::Tls);
    if has_tls || broke == Some(Rung::Tls) {
        rungs.push(Rung::Tls);
    }
    if story.is(Trait::WebSocket) || matches!(broke, Some(Rung::Upgrade | Rung::Ws)) {
        rungs.extend([Rung::Upgrade, Rung::Ws]);
    }
    rungs.push(Rung::Mqtt);
    rungs.extend(broke);
    rungs.sort_unstable_by_key(|rung| *rung as u8);
    rungs.dedup();
    let reached = attempt.top.map_or(Rung::Link, Step::rung);
    let step = |rung: Rung| {
        let on_rung = attempt.facts.iter().filter_map(|fact| match fact.says {
            Says::Step(step) if step.rung() == rung => Some((step, fact)),
            _ => None,
        });
        let last = on_rung.max_by_key(|(step, _)| *step).map(|(_, fact)| fact);
        let (state, what) = match (broke, last) {
            (Some(broke), _) if rung == broke => (State::Problem, last),
            (Some(broke), _) if rung as u8 > broke as u8 => (State::NotReached, None),
            (_, Some(last)) => (State::Ok, Some(last)),
            // What stands above it stands on it.
            (_, None)
                if (rung as u8) < reached as u8
                    || broke.is_some_and(|broke| broke as u8 > rung as u8) =>
            {
                (State::Ok, None)
            }
            (_, None) => (State::NotMeasured, None),
        };
        let shown = what.map(|fact| match fact.says {
            Says::Step(step) => format!("{} (line {})", step.words(), fact.line),
            _ => at(fact),
        });
        let unseen = if state == State::NotMeasured {
            "no line shows it"
        } else {
            ""
        };
        diagnosis::Step {
            rung,
            state,
            took: None,
            what: shown.unwrap_or_else(|| unseen.into()),
            more: Vec::new(),
        }
    };
    rungs.into_iter().map(step).collect()
}

fn has(attempt: &Attempt, rung: Rung) -> bool {
    attempt
        .facts
        .iter()
        .any(|fact| matches!(fact.says, Says::Step(step) if step.rung() == rung))
}
