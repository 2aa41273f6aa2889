//! CONNECT and what comes of it, and the end of a connection that stood.
//!
//! Needs: `Fault::number` with the reason of MQTT 5, also where 3.1.1 was spoken; probes by [`Change::ClientId`] up to
//! MQTT, [`Change::Transport`] with TLS on the same port, [`Probe::Linger`] on the rung below CONNECT.

use towpath_proto::{
    Code, Rung,
    mqtt::reason::ReasonCode,
    tls::{Message, Side},
};

use super::{
    case::Case,
    claim::Claim,
    hub,
    tls::{is_tls_port, speaks_tls},
    words::span,
};
use crate::{
    evidence::{Scheme, Service},
    probe::{Change, Probe},
};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        Code::Closed | Code::Reset if case.climb.reached(Rung::Mqtt) => dropped(case, claim),
        Code::Closed | Code::Reset => cut(case, claim),
        Code::ConnackTimeout if is_tls_port(case) => speaks_tls(case, claim),
        Code::ConnectRefused => refused(case, claim),
        Code::ServerDisconnected => disconnected(case, claim),
        Code::PeerSpeaksHttp if is_alpn_front_end(case) => claim.named("TP-TLS-049"),
        Code::Malformed if case.fault.clause.contains("reserved connect return code") => {
            claim.named("TP-MQTT-031")
        }
        _ => claim,
    }
}

/// The peer closed the WebSocket as one does at the end of MQTT.
pub(super) fn closed_in_order(case: &Case<'_>, claim: Claim) -> Claim {
    if case.climb.reached(Rung::Mqtt) {
        return dropped(case, claim).or_else(&["TP-WS-007"]);
    }
    let mut claim = cut_after_connect(case, claim).or_else(&["TP-WS-007"]);
    claim.rung = Rung::Mqtt;
    claim
}

/// The connection was cut after CONNECT, or before it: nobody said anything.
fn cut(case: &Case<'_>, claim: Claim) -> Claim {
    if case.fault.rung == Rung::Ws {
        return claim.named("TP-WS-001");
    }
    if is_tls_port(case) {
        return speaks_tls(case, claim);
    }
    if is_alpn_front_end(case) {
        return claim.named("TP-TLS-049").or_else(&["TP-MQTT-030"]);
    }
    closed_below(case, &claim).unwrap_or_else(|| cut_after_connect(case, claim))
}

/// The server closes by itself on a rung below: what was said on this one is not to blame.
pub(super) fn closed_below(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    if let Some(claim) = cut_in_tls(case, claim) {
        return Some(claim);
    }
    [Rung::Ws, Rung::Tls, Rung::Tcp]
        .into_iter()
        .find_map(|rung| {
            let end = case.closes_alone(rung)?;
            let mut claim = claim.clone().named(match rung {
                Rung::Ws => "TP-WS-001",
                Rung::Tls => "TP-TLS-005",
                _ if end.code == Code::Reset => "TP-TCP-002",
                _ => "TP-TCP-001",
            });
            claim.rung = rung;
            Some(claim.seen("without sending anything", "the server closes by itself"))
        })
}

/// The next connection did not even come through its handshake: it is by chance that the first one did.
fn cut_in_tls(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    [Rung::Ws, Rung::Tls].into_iter().find_map(|on| {
        let again = case.answer(&Probe::Linger { on })?;
        let cut = again
            .fault
            .is_some_and(|fault| fault.code == Code::TlsClosed);
        let shown = again.has_message(Side::Server, Message::CERTIFICATE);
        cut.then(|| {
            let id = if shown { "TP-TLS-004" } else { "TP-TLS-001" };
            let mut claim = claim.clone().named(id);
            claim.rung = Rung::Tls;
            claim.seen("the next connection", "ended inside the TLS handshake")
        })
    })
}

/// The server closed because of CONNECT, without CONNACK.
pub(super) fn cut_after_connect(case: &Case<'_>, claim: Claim) -> Claim {
    let base = if case.fault.code == Code::Reset {
        "TP-MQTT-032"
    } else {
        "TP-MQTT-001"
    };
    if case.climb.certificate_shown() && !case.is_cloud() {
        let claim = claim
            .named("TP-MQTT-030")
            .seen("client certificate", "shown and taken by TLS");
        return claim.or_else(&[base]);
    }
    let claim = claim.named(base);
    // Some brokers close instead of saying that they do not know version 5.
    if case.target().mqtt5 {
        claim.or_else(&["TP-MQTT-003"])
    } else {
        claim
    }
}

/// AWS takes MQTT on 443 only from who asks for it by ALPN.
fn is_alpn_front_end(case: &Case<'_>) -> bool {
    let target = case.target();
    target.scheme == Scheme::Mqtts
        && target.port == 443
        && target.host.to_ascii_lowercase().ends_with(".amazonaws.com")
        && case.settings().alpn.is_empty()
}

/// The finding behind a reason of MQTT 5, where the family has one of its own.
const fn of_reason(number: u32) -> Option<&'static str> {
    Some(match number {
        0x8d => "TP-MQTT-027",
        0x8e => "TP-MQTT-018",
        0x95 => "TP-MQTT-019",
        0x9c | 0x9d => "TP-MQTT-029",
        0x96 | 0x97 | 0x9f => "TP-MQTT-034",
        0x9a | 0x9b | 0x9e | 0xa1 | 0xa2 => "TP-MQTT-028",
        _ => return None,
    })
}

fn reason(claim: Claim, number: u32) -> Claim {
    match u8::try_from(number) {
        Ok(byte) => claim.seen("reason", ReasonCode(byte).to_string()),
        Err(_) => claim,
    }
}

fn refused(case: &Case<'_>, claim: Claim) -> Claim {
    let number = case.fault.number;
    let claim = reason(claim, number);
    if let Some(claim) = hub::never_asked(case, &claim) {
        return claim;
    }
    if case.is_cloud() {
        match number {
            0x86 | 0x87 => return hub::login(case, claim),
            0x88 | 0x89 => return hub::unavailable(case, claim),
            _ => {}
        }
    }
    if let Some(id) = of_reason(number) {
        return claim.named(id);
    }
    let target = case.target();
    let nameless = target.client_id.as_deref() == Some("");
    if nameless && case.works(&Change::ClientId, Rung::Mqtt) {
        return claim
            .cause("the server does not take an empty client identifier")
            .seen("with a random client identifier", "accepted");
    }
    if case.works(&Change::ClientId, Rung::Mqtt) {
        let id = target
            .client_id
            .as_deref()
            .unwrap_or("the client identifier");
        return claim
            .named("TP-MQTT-025")
            .cause(format!(
                "the server does not take the client identifier {id}; with another one it takes the \
                 same login"
            ))
            .seen("with a random client identifier", "accepted");
    }
    let login = match (&target.user, target.password, target.client_certificate) {
        (None, false, false) => "without user name, password and certificate",
        (None, false, true) => "with a certificate, without user name and password",
        (_, true, false) => "with a password",
        (_, true, true) => "with a password and a certificate",
        (Some(_), false, _) => "with a user name, without a password",
    };
    if !case.is_refused_login() {
        return claim;
    }
    let anonymous = target.user.is_none() && !target.password && !target.client_certificate;
    if anonymous && number == 0x87 {
        return claim
            .cause(
                "the server refuses a client without user name and password: most often it lets \
                 nobody in without them",
            )
            .fix("Give user name and password, or allow this client at the server.")
            .seen("asked", login);
    }
    claim.seen("asked", login)
}

fn disconnected(case: &Case<'_>, claim: Claim) -> Claim {
    let number = case.fault.number;
    let claim = reason(claim, number);
    match of_reason(number) {
        Some(id) => claim.named(id),
        None if number == 0x87 => claim.named("TP-MQTT-026"),
        None => claim,
    }
}

/// A connection that stood was closed without a word.
fn dropped(case: &Case<'_>, claim: Claim) -> Claim {
    let step = case.climb.step(Rung::Mqtt);
    let since = step.and_then(|step| step.reached);
    let stood = since.map(|since| case.climb.took.saturating_sub(since));
    let idle = step.is_some_and(|step| {
        step.sent.is_none_or(|(name, _)| name == "CONNECT")
            && step.received.is_none_or(|(name, _)| name == "CONNACK")
    });
    let claim = match stood {
        Some(stood) => claim.seen("the connection stood for", span(stood)),
        None => claim,
    };
    if case.fault.code == Code::Reset {
        let others = ["TP-MQTT-018", "TP-MQTT-023"];
        return claim.named("TP-TCP-002").or_else(&others);
    }
    let mut claim = claim.named("TP-MQTT-015");
    claim.rung = Rung::Mqtt;
    if case.target().service == Service::Hub {
        return claim.or_else(&["TP-HUB-001", "TP-HUB-002", "TP-HUB-029"]);
    }
    if !idle {
        return claim.or_else(&["TP-MQTT-018", "TP-MQTT-026"]);
    }
    let claim = claim.seen("in that time", "nothing was sent");
    if case.target().scheme.is_framed() && is_reverse_proxy(case) {
        return claim
            .named("TP-MQTT-024")
            .or_else(&["TP-MQTT-015", "TP-MQTT-018"]);
    }
    claim.or_else(&["TP-MQTT-018", "TP-MQTT-023"])
}

/// Whether the upgrade was answered by a program that passes connections on.
fn is_reverse_proxy(case: &Case<'_>) -> bool {
    let server = case
        .climb
        .http
        .as_ref()
        .map(|head| head.server.to_lowercase());
    server.is_some_and(|server| {
        let proxies = [
            "nginx",
            "haproxy",
            "apache",
            "envoy",
            "traefik",
            "caddy",
            "cloudflare",
        ];
        proxies.iter().any(|name| server.contains(name))
    })
}
