//! What a climb shows, in the terms that the rules ask for.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use towpath_proto::{
    Code, Rung,
    net::{self, Candidate, Ended, Family, Origin, Prefix, PrefixOrigin, dns::Record},
    tls::{self, Alert, Message, PublicKey, Side, Version, suite_name},
};

use crate::evidence::{Certificate, Climb, Passed};

/// An attempt at an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// The address, and where it came from.
    pub(crate) candidate: Candidate,
    /// How it ended, and after how long; none: it was under way when the climb ended.
    pub(crate) ended: Option<(Ended, Duration)>,
}

/// A question to DNS.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) rung: Rung,
    pub(crate) record: Record,
    /// Who was asked, in this order.
    pub(crate) servers: Vec<SocketAddr>,
    /// How many addresses, or why there are none; none: not answered when the climb ended.
    pub(crate) outcome: Option<Result<u8, Code>>,
}

impl Climb {
    /// The attempts at addresses, in the order in which they were begun.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = Vec::new();
        for (_, _, fact) in &self.net {
            match *fact {
                net::Fact::Trying(candidate) => attempts.push(Attempt {
                    candidate,
                    ended: None,
                }),
                net::Fact::Ended(address, ended, took) => {
                    let mut open = attempts.iter_mut().rev();
                    let open = open.find(|attempt| attempt.candidate.address == address);
                    if let Some(open) = open {
                        open.ended = Some((ended, took));
                    }
                }
                _ => {}
            }
        }
        attempts
    }

    /// Whether a connection to some address was reset.
    pub(crate) fn was_reset(&self) -> bool {
        let reset =
            |attempt: &Attempt| matches!(attempt.ended, Some((Ended::Failed(Code::Reset), _)));
        self.attempts().iter().any(reset)
    }

    /// The questions to DNS, in the order in which they were asked.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for (_, rung, fact) in &self.net {
            let (record, server, outcome) = match *fact {
                net::Fact::Asked { record, server, .. } => (record, Some(server), None),
                net::Fact::Answered {
                    record, addresses, ..
                } => (record, None, Some(Ok(addresses))),
                net::Fact::Unanswered { record, code } => (record, None, Some(Err(code))),
                _ => continue,
            };
            let mut open = questions.iter_mut().rev();
            let open = open.find(|q| q.rung == *rung && q.record == record && q.outcome.is_none());
            match (open, server) {
                (Some(question), Some(server)) => question.servers.push(server),
                (Some(question), None) => question.outcome = outcome,
                (None, Some(server)) => questions.push(Question {
                    rung: *rung,
                    record,
                    servers: vec![server],
                    outcome: None,
                }),
                (None, None) => {}
            }
        }
        questions
    }

    /// The DNS servers that were asked on this rung, each once.
    pub(crate) fn servers_asked(&self, rung: Rung) -> Vec<SocketAddr> {
        let mut servers = Vec::new();
        let questions = self.questions().into_iter();
        for server in questions.filter(|q| q.rung == rung).flat_map(|q| q.servers) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers
    }

    /// The NAT64 prefixes that became known.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = (Prefix, PrefixOrigin)> + '_ {
        self.net.iter().filter_map(|(_, _, fact)| match *fact {
            net::Fact::Prefix(prefix, origin) => Some((prefix, origin)),
            _ => None,
        })
    }

    /// The candidate behind the connection, or the last one that was tried.
    pub(crate) fn candidate(&self) -> Option<Candidate> {
        let attempts = self.attempts();
        let won = attempts
            .iter()
            .find(|attempt| matches!(attempt.ended, Some((Ended::Won, _))));
        won.or_else(|| attempts.last())
            .map(|attempt| attempt.candidate)
    }

    /// Whether the name was resolved, or needed no resolving.
    pub(crate) fn resolved(&self) -> bool {
        let answered =
            |q: &Question| q.rung == Rung::Dns && matches!(q.outcome, Some(Ok(1..=u8::MAX)));
        self.reached(Rung::Dns) || self.questions().iter().any(answered)
    }

    /// The handshake messages of one side.
    fn messages(&self, side: Side) -> impl Iterator<Item = (Duration, Message)> + '_ {
        self.tls.iter().filter_map(move |(at, fact)| match *fact {
            tls::Fact::Handshake { from, message, .. } if from == side => Some((*at, message)),
            _ => None,
        })
    }

    /// Whether this side sent, or the server sent, a handshake message of this kind.
    pub(crate) fn has_message(&self, side: Side, message: Message) -> bool {
        self.messages(side).any(|(_, other)| other == message)
    }

    /// Whether a byte of TLS came from the server.
    pub(crate) fn server_speaks_tls(&self) -> bool {
        let from_server = |fact: &tls::Fact| match fact {
            tls::Fact::Handshake { from, .. }
            | tls::Fact::Hello { from, .. }
            | tls::Fact::Chain { from, .. }
            | tls::Fact::HiddenAlert(from) => *from == Side::Server,
            tls::Fact::Alert(alert) => alert.from == Side::Server,
            _ => false,
        };
        self.reached(Rung::Tls) || self.tls.iter().any(|(_, fact)| from_server(fact))
    }

    /// The fields of the last hello of one side.
    pub(crate) fn hello(&self, side: Side) -> Option<tls::Hello> {
        self.tls.iter().rev().find_map(|(_, fact)| match *fact {
            tls::Fact::Hello { from, hello } if from == side => Some(hello),
            _ => None,
        })
    }

    /// The chain that one side showed last: how many certificates, in how many bytes, with which key.
    pub(crate) fn shown(&self, side: Side) -> Option<(u8, u32, Option<PublicKey>)> {
        self.tls.iter().rev().find_map(|(_, fact)| match *fact {
            tls::Fact::Chain {
                from,
                certificates,
                len,
                key,
            } if from == side => Some((certificates, len, key)),
            _ => None,
        })
    }

    /// Whether the server asked for the client's certificate.
    pub(crate) fn certificate_requested(&self) -> bool {
        self.has_message(Side::Server, Message::CERTIFICATE_REQUEST)
    }

    /// Whether this side showed a certificate and proved its key.
    pub(crate) fn certificate_shown(&self) -> bool {
        self.has_message(Side::Client, Message::CERTIFICATE_VERIFY)
    }

    /// What the first handshake agreed on.
    pub(crate) fn agreed(&self) -> Option<(Version, u16)> {
        self.tls.iter().find_map(|(_, fact)| match *fact {
            tls::Fact::Agreed { version, suite, .. } => Some((version, suite)),
            _ => None,
        })
    }

    /// Whether the server gave a session to resume, which it does once it took the client's part of the handshake.
    pub(crate) fn has_ticket(&self) -> bool {
        let ticket = |fact: &tls::Fact| matches!(fact, tls::Fact::Ticket);
        self.tls.iter().any(|(_, fact)| ticket(fact))
    }

    /// The last alert that ended TLS, by whoever sent it.
    pub(crate) fn alert(&self) -> Option<Alert> {
        self.tls.iter().rev().find_map(|(_, fact)| match *fact {
            tls::Fact::Alert(alert) if alert.fatal => Some(alert),
            _ => None,
        })
    }

    /// Whether the server asked for a renegotiation.
    pub(crate) fn renegotiation_asked(&self) -> bool {
        let asked = |fact: &tls::Fact| {
            matches!(
                fact,
                tls::Fact::HelloRequest { .. }
                    | tls::Fact::Renegotiating
                    | tls::Fact::RenegotiationRefused
            )
        };
        self.tls.iter().any(|(_, fact)| asked(fact))
    }

    /// Whether TLS 1.3 asked for the client's certificate and nothing of the server has come since: only then it says
    /// whether it takes the certificate (RFC 8446 section 4.4.2.4).
    pub(crate) fn is_unconfirmed(&self) -> bool {
        let tls13 = matches!(self.agreed(), Some((Version::Tls13, _)));
        let above = |step: &Passed| {
            step.rung > Rung::Tls && (step.received.is_some() || step.reached.is_some())
        };
        let answered = self.steps.iter().any(above) || self.has_ticket();
        tls13 && self.certificate_requested() && !answered
    }

    /// The last handshake message of one side, by name.
    fn last_message(&self, side: Side) -> &'static str {
        let last = self.messages(side).last();
        last.map_or("nothing", |(_, message)| message.name())
    }

    /// What was sent last on this rung.
    pub(crate) fn last_sent(&self, rung: Rung) -> String {
        if rung == Rung::Tls {
            return self.last_message(Side::Client).to_owned();
        }
        named(self.words(rung).and_then(|step| step.sent))
    }

    /// What came last on this rung.
    pub(crate) fn last_received(&self, rung: Rung) -> String {
        if rung == Rung::Tls {
            return self.last_message(Side::Server).to_owned();
        }
        named(self.words(rung).and_then(|step| step.received))
    }

    /// What was said on a rung. That of the hub has no packets of its own: they are those of MQTT.
    pub(crate) fn words(&self, rung: Rung) -> Option<&Passed> {
        let spoken = |step: &&Passed| step.sent.is_some() || step.received.is_some();
        let own = self.step(rung).filter(spoken);
        own.or_else(|| self.step(Rung::Mqtt).filter(|_| rung == Rung::Hub))
    }

    /// The certificate of the server itself.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }
}

fn named(what: Option<(&'static str, u32)>) -> String {
    match what {
        None => "nothing".to_owned(),
        Some((name, 0)) => name.to_owned(),
        Some((name, len)) => format!("{name}, {len} bytes"),
    }
}

impl Certificate {
    /// Whether it signed itself.
    pub(crate) fn is_self_signed(&self) -> bool {
        !self.subject.is_empty() && self.subject == self.issuer
    }
}

/// The family of an address that is reached as such, without translation.
pub(crate) const fn native_family(candidate: &Candidate) -> Option<Family> {
    match candidate.origin {
        Origin::Dns64(_) | Origin::Synthesised(..) => None,
        _ => Some(Family::of(candidate.address)),
    }
}

/// `RSA 2048`, `EC 256`.
pub(crate) fn key_words(key: PublicKey) -> String {
    match key {
        PublicKey::Rsa(bits) => format!("RSA {bits}"),
        PublicKey::Ec(bits) => format!("EC {bits}"),
        PublicKey::Ed25519 => "Ed25519".to_owned(),
        PublicKey::Other => "another kind of key".to_owned(),
    }
}

/// `TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`
pub(crate) fn agreed_words((version, suite): (Version, u16)) -> String {
    let suite = suite_name(suite).map_or_else(|| format!("suite 0x{suite:04x}"), str::to_owned);
    format!("TLS {version}, {suite}")
}

/// An address and where it came from: `2001:db8::1 (AAAA record)`, `64:ff9b::c000:201 (192.0.2.1 through NAT64, prefix
/// 64:ff9b::/96 of ipv4only.arpa)`.
pub(crate) fn with_source(candidate: &Candidate) -> String {
    let address = candidate.address;
    let behind = candidate.embedded();
    let behind = behind.map_or_else(String::new, |v4| format!("{v4} through NAT64, "));
    match candidate.origin {
        Origin::Literal => format!("{address} (as given)"),
        Origin::Dns => match address {
            IpAddr::V4(_) => format!("{address} (A record)"),
            IpAddr::V6(_) => format!("{address} (AAAA record)"),
        },
        Origin::Hosts => format!("{address} (hosts file)"),
        Origin::System => format!("{address} (the system's resolver)"),
        Origin::Dns64(prefix) => {
            format!("{address} ({behind}made by the DNS server, prefix {prefix})")
        }
        Origin::Synthesised(prefix, from) => {
            format!("{address} ({behind}prefix {prefix} of {from})")
        }
        other => format!("{address} ({})", other.name()),
    }
}

/// `192.0.2.1 (A record): refused, after 1.2 ms`.
pub(crate) fn attempt_words(attempt: &Attempt) -> String {
    let who = with_source(&attempt.candidate);
    match attempt.ended {
        None => format!("{who}: no end yet"),
        Some((Ended::Won, took)) => format!("{who}: open after {}", super::words::span(took)),
        Some((Ended::Lost, took)) => {
            format!("{who}: given up after {}", super::words::span(took))
        }
        Some((Ended::Failed(code), took)) => {
            format!(
                "{who}: {}, after {}",
                code.cause(),
                super::words::span(took)
            )
        }
    }
}
