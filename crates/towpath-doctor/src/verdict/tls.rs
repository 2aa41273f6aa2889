//! The handshake as such: names, versions, suites, protocols, and silence.
//!
//! Needs: the facts of TLS; probes up to TLS by [`Change::ServerName`], [`Change::NoServerName`],
//! [`Change::TlsVersion`], [`Change::EverySuite`], [`Change::Alpn`], [`Change::NoAlpn`], [`Change::Mss`] with
//! [`Change::Nothing`] beside it.

use towpath_proto::{
    Code, Rung,
    tls::{Message, Side, Version, suite_name},
};

use super::{
    case::Case,
    claim::Claim,
    seen::{agreed_words, key_words},
    tcp,
};
use crate::{
    evidence::{Climb, Scheme},
    probe::{Change, Probe},
};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        Code::TlsClosed => closed(case, claim),
        Code::TlsTimeout => silent(case, claim),
        Code::PeerNotTls => not_tls(case, claim),
        Code::NoCommonSuite => suites(case, claim),
        Code::NoCommonVersion => versions(case, claim),
        Code::UnknownServerName => unknown_name(case, claim),
        Code::NoCommonAlpn => no_alpn(case, claim),
        Code::TlsAlert => alert(case, claim),
        Code::PeerSpeaksTls => speaks_tls(case, claim),
        _ => claim,
    }
}

/// The name that the server is asked for.
pub(super) fn server_name<'a>(case: &Case<'a>) -> &'a str {
    let chosen = case.settings().server_name.as_deref();
    chosen.unwrap_or(&case.target().host)
}

/// Whether this side's ClientHello told no name.
pub(crate) fn is_unnamed(case: &Case<'_>) -> bool {
    match case.climb.hello(Side::Client) {
        Some(hello) => !hello.server_name,
        None => case.settings().no_server_name,
    }
}

fn closed(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(claim) = by_change(case, &claim) {
        return claim;
    }
    if case.climb.has_message(Side::Server, Message::CERTIFICATE) {
        let claim = claim.named("TP-TLS-004");
        return match (
            case.climb.certificate_requested(),
            case.target().client_certificate,
        ) {
            (false, _) => claim,
            (true, true) => claim.or_else(&["TP-TLS-042"]),
            (true, false) => claim.or_else(&["TP-TLS-026"]),
        };
    }
    if case.climb.server_speaks_tls() {
        return claim;
    }
    let silent = case.answer(&Probe::Linger { on: Rung::Tcp });
    if silent.is_some_and(Climb::was_reset) {
        return reset(claim);
    }
    match case.closes_alone(Rung::Tcp).map(|end| end.code) {
        Some(Code::Reset) => reset(claim),
        Some(_) => claim.seen("without sending anything", "the server closes by itself"),
        None => claim.or_else(&["TP-TLS-003"]),
    }
}

fn reset(claim: Claim) -> Claim {
    let mut claim = claim.named("TP-TCP-002");
    claim.rung = Rung::Tcp;
    claim.seen("without sending anything", "the connection is reset")
}

fn silent(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(claim) = tcp::by_smaller_segments(case, &claim) {
        return claim;
    }
    by_change(case, &claim).unwrap_or(claim)
}

/// One change that makes the handshake work names the cause.
fn by_change(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    if case.works(&Change::ServerName, Rung::Tls) {
        return Some(unnamed(case, claim.clone()));
    }
    if let Some(name) = alpn_wanted(case) {
        let claim = claim.clone().named("TP-TLS-049");
        return Some(claim.seen("with ALPN", format!("{name}: the handshake is done")));
    }
    if case.works(&Change::NoAlpn, Rung::Tls) {
        let claim = claim.clone().named("TP-TLS-028");
        return Some(claim.seen("without ALPN", "the handshake is done"));
    }
    if case.works(&Change::EverySuite, Rung::Tls) {
        return Some(suites(case, claim.clone().named("TP-TLS-020")));
    }
    let tls12 = case.works(&Change::TlsVersion(Version::Tls12), Rung::Tls);
    let newest = case.tls_max() == Version::Tls13 && case.tls_min() == Version::Tls12;
    let once_more = case.works(&Change::Nothing, Rung::Tls);
    // What chokes on TLS 1.3 does so at its hello: who has shown a certificate has understood it.
    let understood = case.climb.has_message(Side::Server, Message::CERTIFICATE);
    (tls12 && newest && !once_more && !understood).then(|| {
        let claim = claim.clone().named("TP-TLS-051");
        claim.seen("with TLS 1.2 only", "the handshake is done")
    })
}

/// The protocol with which the handshake works.
fn alpn_wanted(case: &Case<'_>) -> Option<&'static str> {
    case.evidence
        .probes
        .iter()
        .find_map(|(probe, climb)| match probe {
            Probe::Climb {
                change: Change::Alpn(name),
                ..
            } if climb.reached(Rung::Tls) => Some(*name),
            _ => None,
        })
}

/// The server wants to be told its name, and was not.
pub(super) fn unnamed(case: &Case<'_>, claim: Claim) -> Claim {
    let name = server_name(case);
    claim
        .named("TP-TLS-047")
        .cause(format!(
            "the server wants to be told its name, and ClientHello does not tell {name} (SNI)"
        ))
        .seen("with the name told", "the handshake is done")
}

fn not_tls(case: &Case<'_>, claim: Claim) -> Claim {
    let port = case.target().port;
    let plain = match case.target().scheme {
        Scheme::Wss => "ws://",
        _ => "mqtt://",
    };
    claim.fix(format!(
        "Find the port on which the server speaks TLS; what answers on {port} would be {plain}, in \
         clear text."
    ))
}

/// No suite or group in common. What the server takes when everything is offered says which one was missing.
fn suites(case: &Case<'_>, claim: Claim) -> Claim {
    if case.works(&Change::ServerName, Rung::Tls) {
        return unnamed(case, claim);
    }
    let Some(every) = case.with(&Change::EverySuite) else {
        return claim;
    };
    if !every.reached(Rung::Tls) {
        return claim.seen("with everything offered", "refused as well");
    }
    let Some((version, suite)) = every.agreed() else {
        return claim;
    };
    let claim = claim.seen("with everything offered", agreed_words((version, suite)));
    let key = every
        .shown(Side::Server)
        .and_then(|(_, _, key)| key)
        .map(key_words);
    let key = key.or_else(|| every.leaf().map(|leaf| leaf.key.clone()));
    if let Some(claim) = key.and_then(|key| key_mismatch(case, &claim, &key)) {
        return claim;
    }
    // Who lacks the version says that, and not that no suite fits.
    let by_suite = case.fault.code == Code::NoCommonSuite;
    if version == Version::Tls13 && case.tls_max() == Version::Tls12 {
        return if by_suite {
            claim
                .fix("Offer a suite and a group that the server takes, or allow TLS 1.3 here.")
                .or_else(&["TP-TLS-021"])
        } else {
            newer(claim)
        };
    }
    if version == Version::Tls12 && case.tls_min() == Version::Tls13 && !by_suite {
        return older(claim);
    }
    let name = suite_name(suite).unwrap_or("another suite");
    claim
        .cause(format!(
            "the server takes no suite or group that is offered; it would take {name}"
        ))
        .fix(format!("Offer {name}, with a group that the server takes."))
}

/// The suites offered are for the other kind of key.
fn key_mismatch(case: &Case<'_>, claim: &Claim, key: &str) -> Option<Claim> {
    let (rsa, ecdsa) = case.key_types();
    let (has, offered) = if key.starts_with("RSA") {
        ("an RSA", "ECDSA")
    } else {
        ("an ECDSA", "RSA")
    };
    let unfit = if has == "an RSA" { !rsa } else { !ecdsa };
    unfit.then(|| {
        claim
            .clone()
            .named("TP-TLS-018")
            .cause(format!(
                "the server has {has} key only ({key}), and the suites offered are for {offered}"
            ))
            .seen("the server's key", key)
    })
}

fn newer(claim: Claim) -> Claim {
    claim
        .named("TP-TLS-021")
        .cause("the server wants TLS 1.3, and this client goes up to TLS 1.2")
        .fix("Allow TLS 1.3 here, or TLS 1.2 at the server.")
}

fn older(claim: Claim) -> Claim {
    claim
        .named("TP-TLS-022")
        .cause("the server goes up to TLS 1.2, and this client wants TLS 1.3")
        .fix("Allow TLS 1.2 here, or TLS 1.3 at the server.")
}

fn versions(case: &Case<'_>, claim: Claim) -> Claim {
    let with = |version| case.works(&Change::TlsVersion(version), Rung::Tls);
    let every = case
        .with(&Change::EverySuite)
        .and_then(|climb| climb.agreed());
    if with(Version::Tls13) || matches!(every, Some((Version::Tls13, _))) {
        return newer(claim.seen("with TLS 1.3", "the handshake is done"));
    }
    if with(Version::Tls12) || matches!(every, Some((Version::Tls12, _))) {
        return older(claim.seen("with TLS 1.2", "the handshake is done"));
    }
    // The alert that this side sends says that ServerHello was too old for it.
    let ours = case
        .fault
        .alert
        .is_some_and(|alert| alert.from == Side::Client);
    if ours || case.tls_min() == Version::Tls13 {
        return claim
            .named("TP-TLS-022")
            .cause(format!("the server has no TLS {}", case.tls_min()));
    }
    claim
}

fn unknown_name(case: &Case<'_>, claim: Claim) -> Claim {
    if is_unnamed(case) {
        return claim
            .named("TP-TLS-047")
            .cause("the server wants to be told its name, and ClientHello tells none (SNI)");
    }
    let claim = claim.cause(format!(
        "the server does not know the name {}",
        server_name(case)
    ));
    let without = case
        .with(&Change::NoServerName)
        .and_then(|climb| climb.leaf());
    match without {
        Some(leaf) => {
            let names = super::certificate::names(leaf);
            claim.seen(
                "without a name",
                format!("it shows a certificate for {names}"),
            )
        }
        None => claim,
    }
}

fn no_alpn(case: &Case<'_>, claim: Claim) -> Claim {
    let offered = case.settings().alpn.join(", ");
    let claim = claim.seen("offered", offered);
    if case.works(&Change::NoAlpn, Rung::Tls) {
        return claim
            .fix("Offer no ALPN, or the name that this server wants.")
            .seen("without ALPN", "the handshake is done");
    }
    claim
}

fn alert(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(claim) = by_change(case, &claim) {
        return claim;
    }
    let Some(alert) = case.fault.alert else {
        return claim;
    };
    let claim = claim.cause(format!(
        "the server ended TLS with alert {} ({})",
        alert.description,
        alert.name().replace('_', " ")
    ));
    if is_unnamed(case) {
        claim.or_else(&["TP-TLS-047"])
    } else {
        claim
    }
}

/// A plain scheme on a TLS port.
pub(super) fn speaks_tls(case: &Case<'_>, claim: Claim) -> Claim {
    let target = case.target();
    let scheme = secured(target.scheme).name();
    claim
        .named("TP-TLS-048")
        .cause(format!(
            "port {} speaks TLS, and {}:// does not",
            target.port,
            target.scheme.name()
        ))
        .fix(format!("Use {scheme}:// with this port."))
}

/// The same transport over TLS.
pub(crate) const fn secured(scheme: Scheme) -> Scheme {
    match scheme {
        Scheme::Mqtt | Scheme::Mqtts => Scheme::Mqtts,
        Scheme::Ws | Scheme::Wss => Scheme::Wss,
    }
}

/// Whether a probe with TLS on the same port was answered with TLS, trusted or not.
pub(super) fn is_tls_port(case: &Case<'_>) -> bool {
    let target = case.target();
    if target.scheme.is_secured() {
        return false;
    }
    let probe = Change::Transport(secured(target.scheme), target.port);
    case.with(&probe)
        .is_some_and(|climb| climb.server_speaks_tls())
}
