//! Faults and traces as frames of defmt. In goes a value, out go numbers; the words are interned, so they lie in the
//! ELF file and not in flash. Decoded, a [`Fault`] is the line that its `Display` writes, and a [`Trace`] is
//! `RUNG STATE ... at SECONDS s`, which `towpath explain` draws as the ladder.
//!
//! Payloads, credentials and addresses of applications are in none of them. A format string with `|` is an enum to
//! defmt: there is none here.

// Two texts of `interned!` look alike to the linter: what tells them apart is a symbol's name.
#![allow(clippy::if_same_then_else)]

use core::{net::IpAddr, time::Duration};

use defmt::{Format, Formatter, Str, write};

use crate::{
    Blame, Code, Fault, Instant, Rung, Trace,
    event::{Connected, Event, Message, Outcome, Piece},
    fault::Number,
    mqtt::{
        Invalid, QoS, Version,
        reason::ReasonCode,
        session::{Limits, Refusal},
    },
    net::{
        self, Candidate, Ended, Prefix, PrefixOrigin,
        dns::{Record, Transport},
        select::Rule,
    },
    text::Text,
    tls::{self, Alert, Hello, Message as Handshake, PublicKey, Side},
    trace,
};

/// A literal as the number of a string in the ELF file. A macro of its own, because defmt tells two strings of the same
/// text apart by where they are expanded.
macro_rules! interned {
    ($text:literal) => {
        defmt::intern!($text)
    };
}
pub(crate) use interned;

/// `Format` for what is one of some words.
macro_rules! words {
    ($name:ty: $($variant:pat => $text:literal),+ $(,)?) => {
        impl Format for $name {
            fn format(&self, f: Formatter<'_>) {
                let word: Str = match self { $($variant => interned!($text)),+ };
                write!(f, "{=istr}", word);
            }
        }
    };
}

words! { Rung:
    Self::Link => "link", Self::Address => "address", Self::Dns => "dns", Self::Nat64 => "nat64", Self::Tcp => "tcp",
    Self::Proxy => "proxy", Self::Tls => "tls", Self::Upgrade => "upgrade", Self::Ws => "ws", Self::Mqtt => "mqtt",
    Self::Hub => "hub",
}
words! { Blame: Self::Peer => "peer", Self::Local => "local", Self::Path => "path", Self::Usage => "usage" }
words! { Version: Self::V311 => "3.1.1", Self::V5 => "5" }
words! { tls::Version: Self::Tls12 => "1.2", Self::Tls13 => "1.3" }
words! { Side: Self::Client => "client", Self::Server => "server" }
words! { Record: Self::A => "A", Self::Aaaa => "AAAA" }
words! { Transport: Self::Udp => "udp", Self::Tcp => "tcp" }
words! { PrefixOrigin:
    Self::Discovery => "ipv4only.arpa", Self::RouterAdvertisement => "router advertisement",
    Self::ThreadNetworkData => "Thread network data", Self::Config => "config",
}
words! { Rule:
    Self::AsGiven => "as given",
    Self::Unusable => "no source address reaches it (rule 1)",
    Self::Scope => "its scope does not fit its source's (rule 2)",
    Self::Label => "its label is not its source's (rule 5)",
    Self::Precedence => "lower in the policy table (rule 6)",
    Self::Translated => "reached through a translator (rule 7)",
    Self::LargerScope => "larger scope (rule 8)",
    Self::Prefix => "less in common with its source (rule 9)",
    Self::Alternation => "families take turns (RFC 8305)",
}
words! { Handshake:
    Self(0) => "HelloRequest", Self(1) => "ClientHello", Self(2) => "ServerHello", Self(4) => "NewSessionTicket",
    Self(8) => "EncryptedExtensions", Self(11) => "Certificate", Self(12) => "ServerKeyExchange",
    Self(13) => "CertificateRequest", Self(14) => "ServerHelloDone", Self(15) => "CertificateVerify",
    Self(16) => "ClientKeyExchange", Self(20) => "Finished", Self(22) => "CertificateStatus", Self(24) => "KeyUpdate",
    _ => "handshake message",
}

impl Format for Instant {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=u64:us} s", self.as_micros());
    }
}

impl<const N: usize> Format for Text<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}", self.as_str());
    }
}

impl Format for Code {
    fn format(&self, f: Formatter<'_>) {
        let (cause, _) = self.interned();
        write!(f, "{=istr}", cause);
    }
}

impl Format for Alert {
    fn format(&self, f: Formatter<'_>) {
        let kind: Str = if self.fatal {
            interned!("alert")
        } else {
            interned!("warning")
        };
        write!(
            f,
            "{} sent {=istr} {=u8} {=str}",
            self.from,
            kind,
            self.description,
            self.name()
        );
    }
}

/// The same line as that of `Display`.
impl Format for Fault {
    fn format(&self, f: Formatter<'_>) {
        let (cause, remedy) = self.code.interned();
        write!(f, "{}: {=istr}", self.rung, cause);
        let mut open = false;
        let mut part = || {
            let before: Str = if open {
                interned!("; ")
            } else {
                interned!(" (")
            };
            open = true;
            before
        };
        if self.number != 0 {
            let number = (self.code.number_kind(), self.number);
            write!(f, "{=istr}{}", part(), Numbered(number.0, number.1));
        }
        if let Some(alert) = self.alert {
            write!(f, "{=istr}{}", part(), alert);
        }
        if !self.detail.is_empty() {
            if self.says_detail() {
                write!(f, "{=istr}{}", part(), self.detail);
            } else {
                write!(f, "{=istr}peer says \"{}\"", part(), self.detail);
            }
        }
        if !self.clause.is_empty() {
            write!(f, "{=istr}{=str}", part(), self.clause);
        }
        if open {
            write!(f, ")");
        }
        if let Some(remedy) = remedy {
            write!(f, ". {=istr}", remedy);
        }
        write!(f, " [{=istr}]", self.interned_finding());
    }
}

/// The number of a fault, as what it is.
struct Numbered(Number, u32);

impl Format for Numbered {
    fn format(&self, f: Formatter<'_>) {
        let number = self.1;
        match self.0 {
            Number::Os => write!(f, "os error {=u32}", number),
            Number::Http => write!(f, "HTTP {=u32}", number),
            Number::Close => write!(f, "close code {=u32}", number),
            Number::Bytes => write!(f, "{=u32} bytes", number),
            Number::Millis => write!(f, "{=u32} ms", number),
            Number::Rcode => write!(f, "{=str}", crate::fault::rcode(number)),
            Number::Socks => write!(
                f,
                "reply {=u32}: {=str}",
                number,
                crate::fault::socks_reply(number)
            ),
            Number::Dps if number < 1000 => write!(f, "status {=u32}", number),
            Number::Dps => write!(f, "error {=u32}", number),
            Number::Tls if number <= 0xff => write!(f, "X.509 error {=u32}", number),
            Number::Tls => write!(f, "Mbed TLS error -0x{=u32:04x}", number),
            Number::Reason => match u8::try_from(number) {
                Ok(byte) => write!(f, "{}", ReasonCode(byte)),
                Err(_) => write!(f, "{=u32}", number),
            },
        }
    }
}

impl Format for ReasonCode {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=istr} 0x{=u8:02x}", self.interned(), self.0);
    }
}

impl Format for QoS {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "QoS {=u8}", *self as u8);
    }
}

impl Format for Invalid {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}", self.clause);
    }
}

impl Format for Refusal {
    fn format(&self, f: Formatter<'_>) {
        let why: Str = match self {
            Self::Invalid(invalid) => return write!(f, "{}", invalid),
            Self::QoS(max) => return write!(f, "the server takes {} at most", max),
            Self::PacketTooLarge(len) => {
                return write!(f, "the server takes no packet of {=usize} bytes", len);
            }
            Self::NeedsV5 => {
                interned!("MQTT 3.1.1 has no properties or options for this; use MQTT 5")
            }
            Self::Retain => interned!("the server keeps no retained messages"),
            Self::Wildcard => interned!("the server has no wildcard subscriptions"),
            Self::Shared => interned!("the server has no shared subscriptions"),
            Self::SubscriptionIdentifier => interned!("the server has no subscription identifiers"),
            Self::Full => interned!("no room in the session store or the transmit buffer"),
            Self::NoPacketId => interned!("all packet identifiers are in use"),
            Self::NotConnected => interned!("there is no connection"),
            Self::Aliases => interned!("built without topic aliases"),
            Self::Header => {
                interned!("a host, path or header holds characters that HTTP does not allow")
            }
        };
        write!(f, "{=istr}", why);
    }
}

impl Format for Trace {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{} {} at {}", self.rung, self.fact, self.at);
    }
}

impl Format for trace::Fact {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Started => write!(f, "started"),
            Self::Reached => write!(f, "reached"),
            Self::Sent(name, len) => write!(f, "sent {=str}, {=u32} B", name, len),
            Self::Received(name, len) => write!(f, "received {=str}, {=u32} B", name, len),
            Self::Failed => write!(f, "failed"),
            Self::Tls(fact) => write!(f, "{}", fact),
            Self::Net(fact) => write!(f, "{}", fact),
        }
    }
}

impl Format for tls::Fact {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Handshake { from, message, len } => {
                write!(f, "{} sent {}, {=u32} B", from, message, len);
            }
            Self::Hello { from, hello } => write!(f, "{} said {}", from, hello),
            Self::Chain {
                from,
                certificates,
                len,
                key,
            } => {
                write!(
                    f,
                    "{} showed chain of {=u8} in {=u32} B",
                    from, certificates, len
                );
                if let Some(key) = key {
                    write!(f, ", {}", key);
                }
            }
            Self::Alert(alert) => write!(f, "alert {}", alert),
            Self::HiddenAlert(from) => write!(f, "alert {} sent an encrypted alert", from),
            Self::HelloRequest { .. } => {
                write!(f, "asked for a renegotiation, which the server wants");
            }
            Self::Renegotiating => write!(f, "renegotiating"),
            Self::Renegotiated => write!(f, "done renegotiated, as the server asked"),
            Self::RenegotiationRefused => {
                write!(f, "refused renegotiation, which the server asked for");
            }
            Self::Agreed {
                version,
                suite,
                resumed,
            } => {
                write!(f, "agreed TLS {} suite 0x{=u16:04x}", version, suite);
                if *resumed {
                    write!(f, ", resumed");
                }
            }
            Self::RoundTrips(trips) => write!(f, "round trips: {=u8}", trips),
            Self::Ticket => write!(f, "ticket"),
        }
    }
}

impl Format for Hello {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "hello with version 0x{=u16:04x}, suite 0x{=u16:04x} of {=u8}, SNI {=bool}, ALPN {=bool}, secure \
             renegotiation {=bool}, post-handshake authentication {=bool}, maximum fragment {=u8}",
            self.version,
            self.suite,
            self.suites,
            self.server_name,
            self.alpn,
            self.secure_renegotiation,
            self.post_handshake_auth,
            self.max_fragment
        );
    }
}

impl Format for PublicKey {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{=u16}", bits),
            Self::Ec(bits) => write!(f, "EC-{=u16}", bits),
            Self::Ed25519 => write!(f, "Ed25519"),
            Self::Other => write!(f, "another kind of key"),
        }
    }
}

impl Format for net::Fact {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Asked {
                record,
                server,
                over,
            } => write!(f, "asked {}, {} ({})", record, server, over),
            Self::Answered {
                record,
                addresses,
                ttl,
            } => write!(f, "answered {}: {}", record, Addresses(*addresses, *ttl)),
            Self::Unanswered { record, code } => write!(f, "unanswered {}: {}", record, code),
            Self::Remembered { addresses, ttl } => {
                write!(f, "remembered {}", Addresses(*addresses, *ttl));
            }
            Self::Prefix(prefix, origin) => write!(f, "prefix {} ({})", prefix, origin),
            Self::Unpermitted(origin) => {
                write!(f, "dropped {}: not permitted to this program", origin);
            }
            Self::Ordered(place, candidate, rule) => write!(
                f,
                "ordered {=u8}: {}: {}",
                place.saturating_add(1),
                candidate.address,
                rule
            ),
            Self::Dropped(address, code) => write!(f, "dropped {}: {}", address, code),
            Self::Trying(candidate) => write!(f, "trying {}", candidate),
            Self::Ended(address, ended, took) => ended_in(f, address, *ended, *took),
        }
    }
}

fn ended_in(f: Formatter<'_>, address: &IpAddr, ended: Ended, took: Duration) {
    let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    match ended {
        Ended::Won => write!(f, "won {}, after {=u32} ms", address, millis),
        Ended::Lost => write!(f, "lost {}, after {=u32} ms", address, millis),
        Ended::Failed(code) => {
            write!(f, "failed {}: {}, after {=u32} ms", address, code, millis);
        }
    }
}

/// How many addresses, and how long they are good.
struct Addresses(u8, Duration);

impl Format for Addresses {
    fn format(&self, f: Formatter<'_>) {
        match self.0 {
            0 => write!(f, "no address"),
            1 => write!(f, "1 address"),
            many => write!(f, "{=u8} addresses", many),
        }
        write!(f, ", good for {=u64} s", self.1.as_secs());
    }
}

impl Format for Candidate {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", self.address);
        if let Some(v4) = self.embedded() {
            write!(f, " ({} through NAT64)", v4);
        }
    }
}

impl Format for Prefix {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}/{=u8}", self.address(), self.len());
    }
}

impl Format for Outcome {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Acknowledged(reason) => write!(f, "acknowledged ({})", reason),
            Self::Refused(reason) => write!(f, "refused ({})", reason),
            Self::Expired => write!(f, "expired"),
            Self::Displaced => write!(f, "displaced by newer messages"),
            Self::NotAdmitted(reason) => write!(f, "not admitted ({})", reason),
        }
    }
}

impl Format for Limits {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "receive maximum {=u16}, packets of {=u32} B at most, {} at most, keep alive {=u16} s, session kept {=u32} s",
            self.receive_maximum,
            self.maximum_packet_size,
            self.maximum_qos,
            self.keep_alive,
            self.session_expiry
        );
    }
}

impl Format for Connected<'_> {
    fn format(&self, f: Formatter<'_>) {
        let session: Str = if self.session_present {
            interned!("kept")
        } else {
            interned!("new")
        };
        write!(f, "session {=istr}, {}", session, self.limits);
    }
}

/// Sizes, never contents.
impl Format for Message<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=usize} B, {}", self.payload_len, self.qos);
        if let Some(id) = self.packet_id {
            write!(f, ", identifier {=u16}", id.get());
        }
    }
}

/// Sizes, never contents.
impl Format for Piece<'_> {
    fn format(&self, f: Formatter<'_>) {
        let end = self.offset.saturating_add(self.bytes.len());
        write!(
            f,
            "bytes {=usize} to {=usize} of {=usize}",
            self.offset, end, self.payload_len
        );
    }
}

/// What happened, without the contents of messages.
impl Format for Event<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Connected(connected) => write!(f, "connected: {}", connected),
            Self::Message(message) => write!(f, "message: {}", message),
            Self::Piece(piece) => write!(f, "piece: {}", piece),
            Self::Settled { packet_id, outcome } => {
                write!(f, "settled {=u16}: {}", packet_id.get(), outcome);
            }
            Self::Dropped(outcome) => write!(f, "dropped: {}", outcome),
            Self::Subscribed(_) => write!(f, "subscribed"),
            Self::Unsubscribed(_) => write!(f, "unsubscribed"),
            Self::Auth(_) => write!(f, "authentication goes on"),
            Self::Disconnected => write!(f, "disconnected"),
            Self::Failed(fault) => write!(f, "{}", fault),
        }
    }
}
