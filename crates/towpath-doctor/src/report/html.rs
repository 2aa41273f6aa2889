//! A page that stands alone: no script, no network, nothing but this file. For support tickets.

mod ladder;

use maud::{DOCTYPE, Markup, PreEscaped, html as page};

use super::{line, millis, redact, text::remedies};
use crate::{
    Diagnosis, Remedy,
    diagnosis::{Found, Verdict},
};

const STYLE: &str = include_str!("html/style.css");

/// A page that stands alone. `made` says by what and when, such as `towpath 0.1.0, 2026-11-22 14:05 UTC`.
#[must_use]
pub fn html(diagnosis: &Diagnosis, made: &str) -> String {
    let (class, word) = match diagnosis.verdict {
        Verdict::Ready(_) => ("ok", "Ready"),
        Verdict::Warning(_) => ("warning", "Ready, with a warning"),
        Verdict::Broken => ("problem", "Broken"),
        Verdict::Unknown => ("warning", "Unknown"),
    };
    let subject = redact(&diagnosis.subject);
    let title = format!("{word}: {subject}");
    let body = page! {
        header class=(class) {
            p.word { (word) }
            h1 { (line(diagnosis)) }
        }
        main {
            dl.about {
                (about("Looked at", &diagnosis.subject))
                (about("Seen from", &diagnosis.vantage))
                (about("As", &diagnosis.profile))
            }
            @if !diagnosis.ladder.is_empty() {
                section {
                    h2 { "The ladder" }
                    (ladder::drawing(diagnosis))
                    (steps(diagnosis))
                }
            }
            @for found in &diagnosis.found { (finding(found, &diagnosis.profile)) }
            (beside(diagnosis))
        }
        footer { "Made by " (made) ". Passwords, tokens and keys are left out." }
    };
    let whole = page! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    whole.into_string()
}

fn about(name: &str, value: &str) -> Markup {
    page! {
        @if !value.is_empty() {
            dt { (name) }
            dd { (redact(value)) }
        }
    }
}

/// The same as the drawing, in words.
fn steps(diagnosis: &Diagnosis) -> Markup {
    page! {
        table {
            thead {
                tr { th scope="col" { "rung" } th scope="col" { "state" } th.ms scope="col" { "time" } th scope="col" { "what was seen" } }
            }
            tbody {
                @for step in &diagnosis.ladder {
                    tr class=(class(step.state)) {
                        th scope="row" { (step.rung.name()) }
                        td.state { (step.state.name()) }
                        td.ms { @if let Some(took) = step.took { (millis(took)) } }
                        td {
                            (redact(&step.what))
                            @for more in &step.more { br; small { (redact(more)) } }
                        }
                    }
                }
            }
        }
    }
}

fn class(state: crate::diagnosis::State) -> &'static str {
    use crate::diagnosis::State;
    match state {
        State::Ok => "ok",
        State::Problem => "problem",
        State::Warning => "warning",
        State::NotMeasured | State::NotReached => "dim",
    }
}

fn finding(found: &Found, profile: &str) -> Markup {
    let entry = found.finding;
    page! {
        section {
            h2 {
                @if found.breaks { "The cause" } @else { "A warning" }
                " " small { (entry.id) }
            }
            p.cause { strong { (found.rung.name()) ": " } (redact(found.cause())) "." }
            p { (entry.about) }
            @if !found.evidence.is_empty() {
                h3 { "Evidence" }
                dl.evidence {
                    @for seen in &found.evidence { dt { (seen.what) } dd { (redact(&seen.seen)) } }
                }
            }
            h3 { "What to do" }
            @if !found.fix.is_empty() { p { (redact(&found.fix)) } }
            @for remedy in remedies(entry, profile) { (what_to_do(remedy)) }
            @if !entry.administrator.is_empty() {
                h3 { "To send to the network's administrator" }
                blockquote { (entry.administrator) }
            }
            @if !found.or_else.is_empty() {
                h3 { "It could also be" }
                ul {
                    @for other in &found.or_else { li { strong { (other.id) } " " (other.cause) } }
                }
            }
        }
    }
}

fn what_to_do(remedy: &Remedy) -> Markup {
    page! {
        div.remedy {
            p { strong { (remedy.on.name()) } " " (remedy.what) }
            @if !remedy.set.is_empty() { pre { code { (remedy.set) } } }
        }
    }
}

fn beside(diagnosis: &Diagnosis) -> Markup {
    page! {
        @if !diagnosis.probes.is_empty() {
            section {
                h2 { "Asked beside the climb" }
                table {
                    thead { tr { th scope="col" { "question" } th.ms scope="col" { "time" } th scope="col" { "answer" } } }
                    tbody {
                        @for asked in &diagnosis.probes {
                            tr {
                                th scope="row" { (redact(&asked.question)) }
                                td.ms { (millis(asked.took)) }
                                td { (redact(&asked.answer)) }
                            }
                        }
                    }
                }
            }
        }
        @if !diagnosis.notes.is_empty() {
            section {
                h2 { "Notes" }
                ul { @for note in &diagnosis.notes { li { (redact(note)) } } }
            }
        }
    }
}
