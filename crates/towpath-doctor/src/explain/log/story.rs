//! The facts of a log put into attempts. In go lines, out comes a [`Story`]: the attempt that counts, what is known of the
//! device, how accepted connections ended. Bounded, however long the log is.

use std::{collections::BTreeMap, time::Duration};

use towpath_proto::Rung;

use super::{
    clues,
    entry::{Entry, Printer},
    fact::{Fact, Says, Step, Symptom, Trait, Weight},
    numbers,
    thread::Transcript,
    trace::Seen,
};

/// A log, read.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Who printed it, once a line shows it.
    pub(super) printer: Option<Printer>,
    /// What is known of the device, each with the line that showed it first.
    pub(super) traits: BTreeMap<Trait, u64>,
    /// What looked bad and is not, with the line that showed it first.
    pub(super) harmless: Vec<(u64, &'static str)>,
    /// The attempt that goes on.
    pub(super) attempt: Attempt,
    /// The last one that broke before CONNACK.
    pub(super) broken: Option<Attempt>,
    /// How many broke.
    pub(super) breaks: u64,
    /// Whether the last attempt that ended had been accepted.
    pub(super) was_up: bool,
    /// How accepted connections ended, the latest ones.
    pub(super) drops: Vec<Drop>,
    /// Causes that were told before any connection began.
    lasting: Vec<Fact>,
    transcript: Transcript,
}

/// One attempt to connect.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    /// What was seen, the first and the last of it.
    pub(super) facts: Vec<Fact>,
    /// How far it came.
    pub(super) top: Option<Step>,
    /// Whether something failed.
    pub(super) failed: bool,
    /// When CONNACK said yes: line and time.
    pub(super) accepted: Option<(u64, Option<Duration>)>,
    /// Whether the accepted connection ended.
    pub(super) dropped: bool,
    /// Whether a renegotiation came to its end.
    pub(super) renegotiated: bool,
    /// What was sent last after CONNACK.
    last_sent: Option<Trait>,
}

/// The end of an accepted connection.
#[derive(Debug, Clone)]
pub(super) struct Drop {
    pub(super) fact: Fact,
    /// How long it had been up.
    pub(super) alive: Option<Duration>,
    /// What had been sent last.
    pub(super) last_sent: Option<Trait>,
}

/// More facts of an attempt, drops or notes are not kept.
const MOST_FACTS: usize = 128;
const MOST_DROPS: usize = 32;
const MOST_NOTES: usize = 8;
/// Characters that are kept of a line for evidence.
const MOST_TEXT: usize = 160;

impl Story {
    /// Takes a line.
    pub(super) fn line(&mut self, number: u64, line: &str) {
        let entry = Entry::of(line);
        if entry.printer != Printer::Other {
            self.printer.get_or_insert(entry.printer);
        }
        let lower = line.to_lowercase();
        let text = entry.text.to_lowercase();
        let mut said = Vec::new();
        if let Some(id) = numbers::own(&text) {
            said.push(Says::Names(id, Weight::Told));
        } else if let Some(seen) = Seen::of(entry.text) {
            said.extend(seen.says());
        } else {
            clues::says(&lower, |says| said.push(says));
            numbers::says(&text, entry.printer, |says| said.push(says));
            self.transcript.line(&lower, |says| said.push(says));
            if lower.contains("connect") && has_ipv4(&lower) {
                said.push(Says::Is(Trait::ToIpv4));
            }
        }
        if said.is_empty() {
            return;
        }
        let rung = speaker(&entry.module.to_lowercase(), &text);
        let shown: String = line.trim().chars().take(MOST_TEXT).collect();
        for says in said {
            self.take(Fact {
                line: number,
                at: entry.at,
                says,
                rung,
                text: shown.clone(),
            });
        }
    }

    fn take(&mut self, fact: Fact) {
        match fact.says {
            Says::Is(what) => {
                if matches!(what, Trait::Published | Trait::Subscribed) {
                    self.attempt.last_sent = Some(what);
                }
                self.traits.entry(what).or_insert(fact.line);
            }
            Says::Harmless(note) => {
                let known = self.harmless.iter().any(|(_, known)| *known == note);
                if !known && self.harmless.len() < MOST_NOTES {
                    self.harmless.push((fact.line, note));
                }
            }
            Says::Step(step) => self.step(step, fact),
            Says::Ended(_) | Says::Names(..) | Says::Alert(..) => self.bad(fact),
        }
    }

    fn step(&mut self, step: Step, fact: Fact) {
        let top = self.attempt.top;
        if step == Step::Booted {
            self.finish();
            self.lasting.clear();
        } else if self.begins_anew(step) {
            self.finish();
        } else if self.attempt.failed && top.is_some_and(|top| step > top) && step >= Step::TcpOpen
        {
            self.attempt.went_on(step);
        }
        let attempt = &mut self.attempt;
        if attempt.top == Some(Step::Renegotiating) {
            attempt.renegotiated |= step == Step::Secured;
            // The handshake is run once more inside; what was reached stays reached.
            if (Step::ClientHello..=Step::Secured).contains(&step) {
                return attempt.push(fact);
            }
        }
        if step >= Step::Accepted && attempt.accepted.is_none() {
            attempt.accepted = Some((fact.line, fact.at));
            attempt.last_sent = None;
        }
        attempt.top = attempt.top.max(Some(step));
        attempt.push(fact);
    }

    /// Whether this step is the beginning of another attempt.
    fn begins_anew(&self, step: Step) -> bool {
        let Some(top) = self.attempt.top else {
            return self.attempt.failed && step >= Step::DnsAsked && step <= Step::ClientHello;
        };
        let begins = matches!(
            step,
            Step::DnsAsked | Step::Connecting | Step::TcpOpen | Step::ClientHello
        );
        if self.attempt.dropped {
            return step >= Step::DnsAsked;
        }
        if self.attempt.failed {
            // What comes beyond the failure shows that it was none.
            return step <= top || begins && step < Step::TcpOpen;
        }
        match step {
            Step::DnsAsked | Step::Connecting => top >= Step::ClientHello,
            // In the middle of a connection it is a renegotiation.
            Step::ClientHello => top >= Step::ClientHello && top != Step::Renegotiating,
            _ => false,
        }
    }

    fn bad(&mut self, fact: Fact) {
        if let Says::Alert(0, _) = fact.says {
            return;
        }
        let attempt = &mut self.attempt;
        if let Some((_, since)) = attempt.accepted {
            if !attempt.dropped && matches!(fact.says, Says::Ended(_)) {
                if self.drops.len() >= MOST_DROPS {
                    self.drops.remove(0);
                }
                let alive = fact
                    .at
                    .zip(since)
                    .and_then(|(end, since)| end.checked_sub(since));
                self.drops.push(Drop {
                    fact: fact.clone(),
                    alive,
                    last_sent: attempt.last_sent,
                });
            }
            attempt.dropped = true;
        } else if attempt.top.unwrap_or(Step::Booted) < Step::Connecting
            && matches!(fact.says, Says::Names(_, Weight::Root | Weight::Told))
            && self.lasting.len() < MOST_NOTES
        {
            self.lasting.push(fact.clone());
        }
        self.attempt.failed = true;
        self.attempt.push(fact);
    }

    fn finish(&mut self) {
        let attempt = std::mem::take(&mut self.attempt);
        if attempt.accepted.is_some() {
            self.was_up = true;
        } else if attempt.failed {
            self.was_up = false;
            self.breaks = self.breaks.saturating_add(1);
            self.broken = Some(attempt);
        }
    }

    /// Causes that were told before this attempt began.
    pub(super) fn before(&self, attempt: &Attempt) -> impl Iterator<Item = &Fact> {
        let first = attempt.facts.first().map_or(u64::MAX, |fact| fact.line);
        self.lasting.iter().filter(move |fact| fact.line < first)
    }

    /// Whether this is known of the device.
    pub(super) fn is(&self, what: Trait) -> bool {
        self.traits.contains_key(&what)
    }
}

impl Attempt {
    fn push(&mut self, fact: Fact) {
        if self.facts.len() >= MOST_FACTS {
            // The beginning and the end tell most.
            self.facts.remove(MOST_FACTS / 2);
        }
        self.facts.push(fact);
    }

    /// The connection went on, so what looked bad below this step was not what broke it.
    fn went_on(&mut self, step: Step) {
        let stays = |fact: &Fact| match fact.says {
            Says::Names(_, Weight::Root | Weight::Told) | Says::Alert(..) => step < Step::Accepted,
            Says::Ended(_) | Says::Names(..) => false,
            _ => true,
        };
        self.facts.retain(stays);
        self.failed = self
            .facts
            .iter()
            .any(|fact| !matches!(fact.says, Says::Step(_)));
    }

    /// The fact of this step.
    pub(super) fn step(&self, step: Step) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.says == Says::Step(step))
    }

    /// The fact of the last step before this line.
    pub(super) fn last_step(&self, before: u64) -> Option<(Step, &Fact)> {
        let steps = self.facts.iter().filter(|fact| fact.line <= before);
        steps
            .filter_map(|fact| match fact.says {
                Says::Step(step) => Some((step, fact)),
                _ => None,
            })
            .max_by_key(|(step, _)| *step)
    }

    /// Whether it is an attempt at all.
    pub(super) fn counts(&self) -> bool {
        self.failed || self.top.is_some_and(|top| top >= Step::Connecting)
    }
}

/// Which rung speaks.
fn speaker(module: &str, text: &str) -> Option<Rung> {
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|word| module.contains(word) || text.contains(word))
    };
    if is(&["websocket", "transport_ws", "http"]) {
        Some(Rung::Upgrade)
    } else if is(&["getaddrinfo", "dns"]) {
        Some(Rung::Dns)
    } else if is(&["mbedtls", "tls", "ssl"]) {
        Some(Rung::Tls)
    } else if module.contains("mqtt_client") && !text.contains("transport connect") {
        Some(Rung::Mqtt)
    } else {
        None
    }
}

/// Whether there is an IPv4 address in it.
fn has_ipv4(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|word| word.len() >= 7 && word.parse::<std::net::Ipv4Addr>().is_ok())
}

/// How an attempt ended, if it is told.
pub(super) fn ended(fact: &Fact) -> Option<Symptom> {
    match fact.says {
        Says::Ended(symptom) => Some(symptom),
        _ => None,
    }
}
