//! The lines of TLS: what was seen of it comes in, words go out.

use core::time::Duration;

use mps2_an505::say;
use towpath::proto::{
    Instant,
    tls::{Fact, Message, PublicKey, Side, Version},
};

use super::line;

const NAME: &str = "tls";

/// What is known of the TLS of the attempt under way.
pub(super) struct Tls {
    agreed: Option<(Version, u16, bool)>,
    round_trips: u8,
    /// The server's certificates, the bytes that carried them, and the leaf's key.
    chain: Option<(u8, u32, Option<PublicKey>)>,
    client: Certificate,
    /// When the server asked for something after the first handshake.
    asked: Option<Instant>,
    sent: Option<Message>,
    received: Option<Message>,
    /// This side has said farewell.
    closed: bool,
}

/// The client's certificate in the handshake under way.
#[derive(Clone, Copy)]
enum Certificate {
    Unasked,
    Asked,
    Shown,
}

impl Certificate {
    const fn words(self) -> &'static str {
        match self {
            Self::Unasked => "",
            Self::Asked => ": client certificate asked for, none shown",
            Self::Shown => ": client certificate shown",
        }
    }
}

impl Tls {
    pub(super) const NOTHING: Self = Self {
        agreed: None,
        round_trips: 0,
        chain: None,
        client: Certificate::Unasked,
        asked: None,
        sent: None,
        received: None,
        closed: false,
    };

    /// Takes in a fact. What happens after the first handshake, and every alert, has a line of its own.
    pub(super) fn fact(&mut self, at: Instant, fact: Fact) {
        match fact {
            Fact::Handshake { from, message, .. } => self.message(from, message),
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
            Fact::HelloRequest { .. } | Fact::Renegotiating => {
                self.asked.get_or_insert(at);
            }
            Fact::Renegotiated => {
                let took = self.asked.take().map(|asked| at.since(asked));
                let shown = self.client.words();
                let what = format_args!("renegotiated, as the server asked{shown}");
                line(NAME, "done", took, what);
            }
            Fact::RenegotiationRefused => {
                self.asked = None;
                let what = format_args!("renegotiation, which the server asked for");
                line(NAME, "refused", None, what);
            }
            Fact::Alert(alert) => {
                let farewell = alert.description == 0;
                self.closed |= farewell && alert.from == Side::Client;
                if !(farewell && self.closed) {
                    line(NAME, "alert", None, format_args!("{alert}"));
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, from: Side, message: Message) {
        match from {
            Side::Client => self.sent = Some(message),
            Side::Server => self.received = Some(message),
        }
        match (from, message) {
            (Side::Server, Message::CERTIFICATE_REQUEST) => self.client = Certificate::Asked,
            (Side::Client, Message::CERTIFICATE_VERIFY) => self.client = Certificate::Shown,
            _ => {}
        }
    }

    /// The first handshake is complete.
    pub(super) fn reached(&self, took: Option<Duration>) {
        let (version, suite, resumed) = self.agreed.unwrap_or((Version::Tls12, 0, false));
        let resumed = if resumed { ", resumed" } else { "" };
        let what = format_args!("TLS {version} suite 0x{suite:04x}{resumed}");
        line(NAME, "reached", took, what);
        if let Some((certificates, len, key)) = self.chain {
            let (kind, bits) = match key {
                Some(PublicKey::Rsa(bits)) => (", RSA-", Some(bits)),
                Some(PublicKey::Ec(bits)) => (", EC-", Some(bits)),
                _ => ("", None),
            };
            more(format_args!(
                "chain of {certificates} in {len} B{kind}{}, {} round trips",
                Bits(bits),
                self.round_trips
            ));
        }
        let shown = self.client.words();
        if let Some(shown) = shown.strip_prefix(": ") {
            more(format_args!("{shown}"));
        }
    }

    /// What was said last in clear, by this side and by the peer.
    pub(super) fn last_words(&self) -> (Option<&'static str>, Option<&'static str>) {
        (
            self.sent.map(Message::name),
            self.received.map(Message::name),
        )
    }
}

struct Bits(Option<u16>);

impl core::fmt::Display for Bits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.map_or(Ok(()), |bits| bits.fmt(f))
    }
}

/// More about the line above, under what it is about.
fn more(what: core::fmt::Arguments<'_>) {
    say!("{:35}{what}", "");
}
