//! The lines of TLS: what was seen of it comes in, words go out.

use std::time::Duration;

use towpath::{
    proto::Instant,
    tls::{Fact, Message, PublicKey, Side, Version, suite_name},
};

use super::{Line, State};
use crate::{exit::alert_json, text::Object};

const NAME: &str = "tls";

/// What is known of the TLS of the current attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Tls {
    agreed: Option<(Version, u16, bool)>,
    round_trips: u8,
    /// The server's certificates, the bytes that carried them, and the leaf's key.
    chain: Option<(u8, u32, Option<PublicKey>)>,
    client: Certificate,
    /// When the server asked for something after the first handshake.
    asked: Option<Instant>,
    last_sent: Option<Message>,
    last_received: Option<Message>,
    /// The server said something in an encrypted alert.
    hidden: bool,
    /// This side has said farewell.
    closed: bool,
}

/// The client's certificate in the handshake under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Certificate {
    /// The server did not ask for it.
    #[default]
    Unasked,
    /// It asked and there was none, or none yet.
    Asked,
    /// It was shown, with the proof that the key is there.
    Shown,
}

impl Certificate {
    /// What to say about it, as the last part of a sentence.
    const fn words(self) -> Option<&'static str> {
        match self {
            Self::Unasked => None,
            Self::Asked => Some("client certificate asked for, none shown"),
            Self::Shown => Some("client certificate shown"),
        }
    }

    /// How JSON has it.
    const fn json(self) -> &'static str {
        match self {
            Self::Unasked => "null",
            Self::Asked => "\"none\"",
            Self::Shown => "\"shown\"",
        }
    }
}

impl Tls {
    /// Takes in a fact. What happens after the first handshake, and every alert, has a line of its own.
    pub(super) fn fact(&mut self, at: Instant, fact: Fact) -> Option<Line> {
        match fact {
            Fact::Handshake { from, message, .. } => return self.message(at, from, message),
            Fact::Chain {
                from: Side::Server,
                certificates,
                len,
                key,
            } if self.agreed.is_none() => self.chain = Some((certificates, len, key)),
            Fact::Agreed {
                version,
                suite,
                resumed,
            } => self.agreed = Some((version, suite, resumed)),
            Fact::RoundTrips(round_trips) => self.round_trips = round_trips,
            Fact::HelloRequest { .. } => self.ask(at),
            Fact::Renegotiating => {
                self.asked.get_or_insert(at);
            }
            Fact::Renegotiated => return Some(self.done(at, "renegotiation")),
            Fact::RenegotiationRefused => {
                self.asked = None;
                let what = "renegotiation, which the server asked for";
                let line = Line::new(NAME, State::Refused, None, what.into());
                return Some(line.with(outcome("renegotiation", "refused")));
            }
            Fact::Alert(alert) => {
                let farewell = alert.description == 0;
                self.closed |= farewell && alert.from == Side::Client;
                // Now its number is known.
                self.hidden &= alert.from == Side::Client;
                if farewell && self.closed {
                    return None;
                }
                let line = Line::new(NAME, State::Alert, None, alert.to_string());
                return Some(line.with(Object::new().raw("alert", alert_json(Some(alert)))));
            }
            Fact::HiddenAlert(from) => self.hidden |= from == Side::Server,
            _ => {}
        }
        None
    }

    fn message(&mut self, at: Instant, from: Side, message: Message) -> Option<Line> {
        match from {
            Side::Client => self.last_sent = Some(message),
            Side::Server => self.last_received = Some(message),
        }
        match (from, message) {
            (Side::Server, Message::CERTIFICATE_REQUEST) => {
                let late = self.agreed.is_some();
                if late && self.asked.is_none() {
                    self.ask(at);
                }
                self.client = Certificate::Asked;
            }
            (Side::Client, Message::CERTIFICATE_VERIFY) => self.client = Certificate::Shown,
            (Side::Client, Message::FINISHED) if self.is_asked_in_tls13() => {
                return Some(self.done(at, "post_handshake_auth"));
            }
            _ => {}
        }
        None
    }

    /// The server asks for something after the first handshake.
    fn ask(&mut self, at: Instant) {
        self.asked = Some(at);
        self.client = Certificate::Unasked;
    }

    fn is_asked_in_tls13(&self) -> bool {
        self.asked.is_some() && matches!(self.agreed, Some((Version::Tls13, ..)))
    }

    /// What the server asked for after the first handshake was done.
    fn done(&mut self, at: Instant, event: &str) -> Line {
        let took = self.asked.take().map(|asked| at.since(asked));
        // Asked and answered in one turn, which takes no time that is known.
        let took = took.filter(|took| !took.is_zero());
        let mut what = match event {
            "renegotiation" => "renegotiated, as the server asked".to_owned(),
            _ => "asked by the server after the handshake".to_owned(),
        };
        if let Some(words) = self.client.words() {
            what.push_str(": ");
            what.push_str(words);
        }
        let members = outcome(event, "done").raw("client_certificate", self.client.json());
        Line::new(NAME, State::Done, took, what).with(members)
    }

    /// The first handshake is complete.
    pub(super) fn reached(&self, took: Option<Duration>) -> Line {
        let (version, number, resumed) = match self.agreed {
            Some((version, number, resumed)) => (version.name(), number, resumed),
            None => ("", 0, false),
        };
        let suite = suite_name(number).map_or_else(|| format!("0x{number:04x}"), str::to_owned);
        let short = suite.strip_prefix("TLS_").unwrap_or(&suite);
        let mut facts = Vec::new();
        if resumed {
            facts.push("resumed".to_owned());
        }
        if let Some(chain) = self.chain {
            facts.push(chain_words(chain));
        }
        match self.round_trips {
            0 => {}
            1 => facts.push("1 round trip".into()),
            more => facts.push(format!("{more} round trips")),
        }
        let members = Object::new()
            .text("version", version)
            .text("suite", &suite)
            .raw("suite_number", number)
            .raw("resumed", resumed)
            .raw("round_trips", self.round_trips)
            .raw(
                "chain",
                self.chain.map_or_else(|| "null".into(), chain_json),
            )
            .raw("client_certificate", self.client.json());
        Line::new(NAME, State::Reached, took, format!("TLS {version} {short}"))
            .and(facts.join(", "))
            .and(self.client.words().unwrap_or_default().to_owned())
            .with(members)
    }

    /// What was said last in clear.
    pub(super) fn last_words(&self) -> String {
        let name = |message: Option<Message>| message.map_or("nothing", Message::name);
        let hidden = if self.hidden {
            ", then an encrypted alert"
        } else {
            ""
        };
        format!(
            "last sent {}, last received {}{hidden}",
            name(self.last_sent),
            name(self.last_received)
        )
    }
}

fn outcome(event: &str, outcome: &str) -> Object {
    Object::new().text("event", event).text("outcome", outcome)
}

/// `chain of 3 in 2460 B, RSA-2048`
fn chain_words((certificates, len, key): (u8, u32, Option<PublicKey>)) -> String {
    let key = key.map_or_else(String::new, |key| format!(", {}", key_name(key)));
    format!("chain of {certificates} in {len} B{key}")
}

fn chain_json((certificates, len, key): (u8, u32, Option<PublicKey>)) -> String {
    let object = Object::new()
        .raw("certificates", certificates)
        .raw("bytes", len);
    match key {
        Some(key) => object.text("key", &key_name(key)),
        None => object.raw("key", "null"),
    }
    .end()
}

fn key_name(key: PublicKey) -> String {
    match key {
        PublicKey::Rsa(bits) => format!("RSA-{bits}"),
        PublicKey::Ec(bits) => format!("EC-{bits}"),
        PublicKey::Ed25519 => "Ed25519".into(),
        PublicKey::Other => "another kind of key".into(),
    }
}
