//! The text for people: the verdict in the first and in the last line, below it what it rests on and what to do. States
//! are words, so that it can be read aloud.

use super::{Style, Tone, millis, paste, redact, wrap};
use crate::{
    Diagnosis, Finding, Platform,
    diagnosis::{Found, State, Step, Verdict},
};

/// The verdict in one line: rung, cause, remedy and id; or `ready` with the time.
#[must_use]
pub fn line(diagnosis: &Diagnosis) -> String {
    let text = match (diagnosis.verdict, diagnosis.found.first()) {
        (Verdict::Broken, Some(found)) => found_line(found),
        // A code that is known and no failure.
        (Verdict::Unknown, _) if diagnosis.vantage.is_empty() && !diagnosis.notes.is_empty() => {
            let note = diagnosis.notes.first().map_or("", String::as_str);
            format!("{}: {note}", diagnosis.subject)
        }
        (Verdict::Broken | Verdict::Unknown, _) => {
            format!("unknown: nothing in {} is known here", diagnosis.subject)
        }
        (Verdict::Warning(took), Some(found)) => {
            format!("ready in {}, but {}", millis(took), found_line(found))
        }
        (Verdict::Ready(took) | Verdict::Warning(took), _) => ready(diagnosis, took),
    };
    redact(&text)
}

fn found_line(found: &Found) -> String {
    let (cause, fix) = (found.cause(), found.fix());
    let rung = found.rung.name();
    format!("{rung}: {cause}. {fix} [{}]", found.finding.id)
}

/// Where nothing was climbed, as in a healthy log, there is no time.
fn ready(diagnosis: &Diagnosis, took: std::time::Duration) -> String {
    let top = diagnosis.ladder.iter().rev();
    let top = top
        .filter(|step| step.state == State::Ok)
        .find(|step| !step.what.is_empty());
    let mut text = "ready".to_owned();
    if !took.is_zero() {
        text.push_str(&format!(" in {}", millis(took)));
    }
    if let Some(step) = top {
        text.push_str(&format!(": {} {}", step.rung.name(), step.what));
    }
    text
}

/// The text for people: at most 80 columns but for settings to paste and the verdict, which is the first and the last
/// line.
#[must_use]
pub fn text(diagnosis: &Diagnosis, style: Style) -> String {
    let tone = match diagnosis.verdict {
        Verdict::Ready(_) => Tone::Good,
        Verdict::Broken => Tone::Bad,
        Verdict::Warning(_) | Verdict::Unknown => Tone::Warn,
    };
    let verdict = style.tone(tone, &line(diagnosis));
    let mut out = format!("{verdict}\n\n");
    head(&mut out, diagnosis);
    for step in &diagnosis.ladder {
        rung(&mut out, step, style);
    }
    if !diagnosis.ladder.is_empty() {
        out.push('\n');
    }
    for found in &diagnosis.found {
        details(&mut out, found, diagnosis, style);
    }
    beside(&mut out, diagnosis, style);
    out.push_str(&verdict);
    out.push('\n');
    out
}

fn head(out: &mut String, diagnosis: &Diagnosis) {
    for (name, value) in [
        ("looked at", &diagnosis.subject),
        ("seen from", &diagnosis.vantage),
        ("as", &diagnosis.profile),
    ] {
        if !value.is_empty() {
            wrap(out, &format!("{name:<10} "), &redact(value));
        }
    }
    out.push('\n');
}

fn rung(out: &mut String, step: &Step, style: Style) {
    let tone = match step.state {
        State::Ok => Tone::Good,
        State::Problem => Tone::Bad,
        State::Warning => Tone::Warn,
        State::NotMeasured | State::NotReached => Tone::Dim,
    };
    let took = step.took.map_or_else(String::new, millis);
    let plain = format!(
        "  {:<8} {:<12} {took:>9}  ",
        step.rung.name(),
        step.state.name()
    );
    let mut lines = String::new();
    if step.what.is_empty() {
        lines.push_str(plain.trim_end());
        lines.push('\n');
    } else {
        wrap(&mut lines, &plain, &redact(&step.what));
    }
    // The state's word bears the colour, which must not count as columns.
    let word = step.state.name();
    out.push_str(&lines.replacen(word, &style.tone(tone, word), 1));
    if style.verbose || matches!(step.state, State::Problem | State::Warning) {
        let blanks = " ".repeat(plain.len());
        for more in &step.more {
            wrap(out, &blanks, &redact(more));
        }
    }
}

fn heading(out: &mut String, style: Style, text: &str) {
    out.push_str(&style.tone(Tone::Bold, text));
    out.push('\n');
}

fn details(out: &mut String, found: &Found, diagnosis: &Diagnosis, style: Style) {
    let several = diagnosis.found.len() > 1;
    if several {
        let kind = if found.breaks { "Problem" } else { "Warning" };
        heading(out, style, &format!("{kind} {}", found.finding.id));
        wrap(
            out,
            "  ",
            &redact(&format!("{}: {}.", found.rung.name(), found.cause())),
        );
        out.push('\n');
    }
    if !found.evidence.is_empty() {
        heading(out, style, "Evidence");
        let width = found.evidence.iter().map(|seen| seen.what.chars().count());
        let width = width.max().unwrap_or(0).min(24);
        for seen in &found.evidence {
            wrap(
                out,
                &format!("  {:<width$}  ", seen.what),
                &redact(&seen.seen),
            );
        }
        out.push('\n');
    }
    what_to_do(out, found, diagnosis, style);
    if !found.finding.administrator.is_empty() {
        heading(out, style, "To send to the network's administrator");
        wrap(out, "  ", found.finding.administrator);
        out.push('\n');
    }
    if !found.or_else.is_empty() {
        heading(out, style, "It could also be");
        for other in &found.or_else {
            wrap(out, &format!("  {:<13} ", other.id), other.cause);
        }
        out.push('\n');
    }
    wrap(
        out,
        "",
        &format!("More about it: towpath explain {}", found.finding.id),
    );
    out.push('\n');
}

/// The remedies. Those for device platforms in full only where the device is known to be of it, or all is asked for.
fn what_to_do(out: &mut String, found: &Found, diagnosis: &Diagnosis, style: Style) {
    heading(out, style, "What to do");
    if !found.fix.is_empty() {
        wrap(out, "  ", &redact(&found.fix));
    }
    for remedy in remedies(found.finding, &diagnosis.profile) {
        wrap(out, &format!("  {:<13} ", remedy.on.name()), remedy.what);
        paste(out, 16, remedy.set);
    }
    out.push('\n');
}

/// The remedies in the order of use: the platform that the profile names first.
pub(super) fn remedies<'a>(finding: &'a Finding, profile: &str) -> Vec<&'a crate::Remedy> {
    let named = |platform: Platform| match platform {
        Platform::Zephyr => profile.contains("Zephyr") || profile.contains("NCS"),
        Platform::EspIdf => profile.contains("ESP-IDF"),
        Platform::Linux | Platform::Server | Platform::Network => false,
    };
    let mut remedies: Vec<_> = finding.remedies.iter().collect();
    remedies.sort_by_key(|remedy| (!named(remedy.on), remedy.on));
    remedies
}

fn beside(out: &mut String, diagnosis: &Diagnosis, style: Style) {
    if !diagnosis.probes.is_empty() {
        heading(out, style, "Asked beside the climb");
        for asked in &diagnosis.probes {
            let told = format!(
                "{}: {} ({})",
                asked.question,
                asked.answer,
                millis(asked.took)
            );
            wrap(out, "  - ", &redact(&told));
        }
        out.push('\n');
    }
    if !diagnosis.notes.is_empty() {
        heading(out, style, "Notes");
        for note in &diagnosis.notes {
            wrap(out, "  - ", &redact(note));
        }
        out.push('\n');
    }
}
