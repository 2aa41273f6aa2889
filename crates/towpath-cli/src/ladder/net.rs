//! The lines of names and addresses: facts below TCP come in, words go out.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use towpath::{
    Code, Rung,
    proto::net::{
        Candidate, Ended, Fact, Origin, Prefix, PrefixOrigin,
        dns::{Record, Transport},
        nat64::DISCOVERY_NAME,
        select::Rule,
    },
};

use super::{Line, State, millis};
use crate::text::Object;

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many addresses, good for so long.
    Addresses(u8, Duration),
    /// None, for this cause.
    Nothing(Code),
}

/// A question to DNS.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Dns for the name itself, Nat64 for the prefix.
    pub(crate) rung: Rung,
    pub(crate) record: Record,
    /// Who was asked, in this order; the same server may come again.
    pub(crate) asked: Vec<(SocketAddr, Transport)>,
    /// Since the beginning.
    since: Duration,
    /// What came of it, and how long after the question.
    pub(crate) outcome: Option<(Outcome, Duration)>,
}

impl Question {
    /// Who was asked, each once.
    pub(crate) fn servers(&self) -> Vec<String> {
        let mut servers = Vec::new();
        for (server, over) in &self.asked {
            let said = match over {
                Transport::Udp => server_words(*server),
                Transport::Tcp => format!("{} (tcp)", server_words(*server)),
            };
            if !servers.contains(&said) {
                servers.push(said);
            }
        }
        servers
    }

    /// What was asked for, if it is not the host itself.
    pub(crate) const fn special_name(&self) -> Option<&'static str> {
        match self.rung {
            Rung::Nat64 => Some(DISCOVERY_NAME),
            _ => None,
        }
    }

    /// `AAAA: 2 addresses, good for 300 s`, `A: the DNS server failed`.
    pub(crate) fn words(&self) -> String {
        let what = record_words(self.rung, self.record);
        match self.outcome {
            None => format!("{what}: not answered yet"),
            Some((Outcome::Nothing(code), _)) => format!("{what}: {}", code.cause()),
            Some((Outcome::Addresses(addresses, ttl), _)) => {
                format!("{what}: {}", addresses_words(addresses, ttl))
            }
        }
    }
}

/// An attempt at an address.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    candidate: Candidate,
    since: Duration,
    ended: Option<(Ended, Duration)>,
}

/// What is known of names and addresses in the current attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Net {
    pub(crate) questions: Vec<Question>,
    /// Addresses of an earlier answer.
    remembered: Option<(u8, Duration)>,
    pub(crate) prefixes: Vec<(Prefix, PrefixOrigin)>,
    pub(crate) dropped: Vec<(IpAddr, Code)>,
    attempts: Vec<Attempt>,
}

impl Net {
    /// Takes in a fact that was seen `at` after the beginning, and gives its line.
    pub(crate) fn fact(&mut self, at: Duration, rung: Rung, fact: &Fact) -> Line {
        match *fact {
            Fact::Asked {
                record,
                server,
                over,
            } => self.asked(at, rung, record, (server, over)),
            Fact::Answered {
                record,
                addresses,
                ttl,
            } => self.settled(at, rung, record, Outcome::Addresses(addresses, ttl)),
            Fact::Unanswered { record, code } => {
                self.settled(at, rung, record, Outcome::Nothing(code))
            }
            Fact::Remembered { addresses, ttl } => {
                self.remembered = Some((addresses, ttl));
                let what = addresses_words(addresses, ttl);
                let members = addresses_members(Object::new(), addresses, ttl);
                line(at, rung, State::Remembered, what).with(members)
            }
            Fact::Prefix(prefix, origin) => {
                self.prefixes.push((prefix, origin));
                let members = Object::new()
                    .text("prefix", &prefix.to_string())
                    .text("prefix_origin", &origin.to_string());
                let what = format!("{prefix} ({origin})");
                line(at, rung, State::Prefix, what).with(members)
            }
            Fact::Unpermitted(origin) => {
                let members = Object::new().text("prefix_origin", &origin.to_string());
                let what = format!("{origin}: not permitted to this program");
                line(at, rung, State::Dropped, what).with(members)
            }
            Fact::Ordered(place, candidate, rule) => ordered(at, rung, place, &candidate, rule),
            Fact::Dropped(address, code) => {
                self.dropped.push((address, code));
                let members = Object::new().text("address", &address.to_string());
                let what = format!("{address}: {}", code.cause());
                line(at, rung, State::Dropped, what).with(code_members(members, code))
            }
            Fact::Trying(candidate) => {
                self.attempts.push(Attempt {
                    candidate,
                    since: at,
                    ended: None,
                });
                let what = with_origin(&candidate);
                let members = candidate_members(Object::new(), &candidate);
                line(at, rung, State::Trying, what).with(members)
            }
            Fact::Ended(address, ended, took) => self.ended(at, rung, address, (ended, took)),
            _ => line(at, rung, State::Done, format!("{fact:?}")),
        }
    }

    fn asked(
        &mut self,
        at: Duration,
        rung: Rung,
        record: Record,
        whom: (SocketAddr, Transport),
    ) -> Line {
        match self.open(rung, record) {
            Some(question) => question.asked.push(whom),
            None => self.questions.push(Question {
                rung,
                record,
                asked: vec![whom],
                since: at,
                outcome: None,
            }),
        }
        let (server, over) = whom;
        let asked = record_words(rung, record);
        let what = format!("{asked}, {} ({over})", server_words(server));
        let members = Object::new()
            .text("record", &record.to_string())
            .text("server", &server.to_string())
            .text("over", &over.to_string());
        line(at, rung, State::Asked, what).with(members)
    }

    fn settled(&mut self, at: Duration, rung: Rung, record: Record, outcome: Outcome) -> Line {
        let mut took = None;
        if let Some(question) = self.open(rung, record) {
            let span = at.saturating_sub(question.since);
            question.outcome = Some((outcome, span));
            took = Some(span);
        }
        let members = Object::new().text("record", &record.to_string());
        let (state, members, what) = match outcome {
            Outcome::Addresses(addresses, ttl) => (
                State::Answered,
                addresses_members(members, addresses, ttl),
                addresses_words(addresses, ttl),
            ),
            Outcome::Nothing(code) => (
                State::Unanswered,
                code_members(members, code),
                code.cause().to_owned(),
            ),
        };
        let what = format!("{}: {what}", record_words(rung, record));
        let mut line = line(at, rung, state, what).with(members);
        line.took = took;
        line
    }

    /// The question for this that waits for its answer.
    fn open(&mut self, rung: Rung, record: Record) -> Option<&mut Question> {
        self.questions
            .iter_mut()
            .rfind(|q| q.rung == rung && q.record == record && q.outcome.is_none())
    }

    fn ended(
        &mut self,
        at: Duration,
        rung: Rung,
        address: IpAddr,
        (ended, took): (Ended, Duration),
    ) -> Line {
        let attempt = self
            .attempts
            .iter_mut()
            .rfind(|attempt| attempt.candidate.address == address);
        if let Some(attempt) = attempt {
            attempt.ended = Some((ended, took));
        }
        let mut members = Object::new().text("address", &address.to_string());
        let (state, mut what) = match ended {
            Ended::Won => (State::Won, address.to_string()),
            Ended::Lost => (State::Lost, address.to_string()),
            Ended::Failed(code) => {
                members = code_members(members, code);
                (State::Failed, format!("{address}: {}", code.cause()))
            }
        };
        what.push_str(&format!(", after {}", millis(took)));
        let mut line = line(at, rung, state, what).with(members);
        line.took = Some(took);
        line
    }

    /// What the rung of names has to say about its answers.
    pub(super) fn answers(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((addresses, ttl)) = self.remembered {
            let words = addresses_words(addresses, ttl);
            lines.push(format!("remembered: {words}"));
        }
        lines.extend(self.asked_for(Rung::Dns));
        let dropped = self.dropped.iter();
        lines.extend(dropped.map(|(address, code)| format!("{address}: {}", code.cause())));
        lines
    }

    /// The questions of a rung and their outcomes, on one line; then those who were asked.
    fn asked_for(&self, rung: Rung) -> Vec<String> {
        let questions = || self.questions.iter().filter(|q| q.rung == rung);
        let words: Vec<_> = questions().map(Question::words).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let mut servers = Vec::new();
        for server in questions().flat_map(Question::servers) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        vec![
            words.join("; "),
            format!("asked {}", servers.join(", then ")),
        ]
    }

    /// The prefix that is used, and what was asked for it.
    pub(super) fn translation(&self) -> (String, Vec<String>) {
        let used = self.attempts.iter().rev().map(|attempt| attempt.candidate);
        let what = used
            .map(|candidate| candidate.origin)
            .find_map(|origin| match origin {
                Origin::Synthesised(prefix, from) => Some(format!("{prefix} ({from})")),
                Origin::Dns64(prefix) => Some(format!("{prefix} (DNS64)")),
                _ => None,
            })
            .or_else(|| {
                let (prefix, origin) = self.prefixes.last()?;
                Some(format!("{prefix} ({origin})"))
            });
        (what.unwrap_or_default(), self.asked_for(Rung::Nat64))
    }

    /// How the attempts ended, if there was more than one.
    pub(super) fn attempts(&self) -> Vec<String> {
        if self.attempts.len() < 2 {
            return Vec::new();
        }
        let first = self.attempts.first().map_or(Duration::ZERO, |a| a.since);
        let attempts = self.attempts.iter();
        attempts
            .map(|attempt| {
                let address = with_origin(&attempt.candidate);
                let after = match attempt.since.saturating_sub(first) {
                    Duration::ZERO => String::new(),
                    after => format!("tried {} after the first, ", millis(after)),
                };
                match attempt.ended {
                    None => format!("{address}: {after}not at its end"),
                    Some((Ended::Won, took)) => {
                        format!("{address}: {after}won in {}", millis(took))
                    }
                    Some((Ended::Lost, took)) => {
                        format!("{address}: {after}given up after {}", millis(took))
                    }
                    Some((Ended::Failed(code), took)) => {
                        let cause = code.cause();
                        format!("{address}: {after}failed in {}: {cause}", millis(took))
                    }
                }
            })
            .collect()
    }

    /// What stands behind an address that is translated, for the end of its line.
    pub(super) fn behind(&self, address: IpAddr) -> Option<String> {
        self.attempts
            .iter()
            .rfind(|attempt| attempt.candidate.address == address)
            .and_then(|attempt| attempt.candidate.embedded())
            .map(|v4| format!("{v4} through NAT64"))
    }
}

/// The place of a candidate in the order of attempts.
fn ordered(at: Duration, rung: Rung, place: u8, candidate: &Candidate, rule: Rule) -> Line {
    let address = candidate.address;
    let what = match place {
        0 => format!("1: {address}"),
        place => format!("{}: {address}: {rule}", usize::from(place) + 1),
    };
    let members = candidate_members(Object::new().raw("place", place), candidate);
    line(at, rung, State::Ordered, what).with(members.text("rule", rule.text()))
}

fn line(at: Duration, rung: Rung, state: State, what: String) -> Line {
    let mut line = Line::new(rung.name(), state, None, what).at(Some(at));
    line.part = true;
    line
}

pub(crate) fn code_members(object: Object, code: Code) -> Object {
    object.text("code", code.name()).text("cause", code.cause())
}

pub(crate) fn addresses_members(object: Object, addresses: u8, ttl: Duration) -> Object {
    object.raw("addresses", addresses).raw("ttl", ttl.as_secs())
}

/// The members that tell about a candidate, behind those of `object`.
pub(crate) fn candidate_members(object: Object, candidate: &Candidate) -> Object {
    let object = object
        .text("address", &candidate.address.to_string())
        .text("origin", candidate.origin.name());
    let object = match candidate.origin.prefix() {
        Some(prefix) => object.text("prefix", &prefix.to_string()),
        None => object.raw("prefix", "null"),
    };
    let object = match candidate.origin {
        Origin::Synthesised(_, from) => object.text("prefix_origin", &from.to_string()),
        _ => object.raw("prefix_origin", "null"),
    };
    let object = address_member(object, "ipv4", candidate.embedded().map(IpAddr::V4));
    address_member(object, "source", candidate.source)
}

/// An address, or `null`.
fn address_member(object: Object, name: &str, address: Option<IpAddr>) -> Object {
    match address {
        Some(address) => object.text(name, &address.to_string()),
        None => object.raw(name, "null"),
    }
}

/// The address, and what it means if it is translated.
fn with_origin(candidate: &Candidate) -> String {
    match candidate.embedded() {
        Some(v4) => format!("{} ({v4} through NAT64)", candidate.address),
        None => candidate.address.to_string(),
    }
}

/// The port goes without saying if it is that of DNS.
fn server_words(server: SocketAddr) -> String {
    if server.port() != 53 {
        return server.to_string();
    }
    match server {
        // The zone belongs to it.
        SocketAddr::V6(server) if server.scope_id() != 0 => {
            format!("{}%{}", server.ip(), server.scope_id())
        }
        server => server.ip().to_string(),
    }
}

/// `AAAA`, or `AAAA of ipv4only.arpa`.
fn record_words(rung: Rung, record: Record) -> String {
    match rung {
        Rung::Nat64 => format!("{record} of {DISCOVERY_NAME}"),
        _ => record.to_string(),
    }
}

fn addresses_words(addresses: u8, ttl: Duration) -> String {
    let count = match addresses {
        0 => "no address".to_owned(),
        1 => "1 address".to_owned(),
        more => format!("{more} addresses"),
    };
    format!("{count}, good for {} s", ttl.as_secs())
}
