//! No connection: the port, the address, the source address, or all of the network.
//!
//! Needs: the attempts with their ends; probes by [`Change::Transport`] up to TCP, [`Change::AnySource`],
//! [`Change::EnvironmentProxy`] up to the proxy, [`Change::Direct`] up to TCP.

use towpath_proto::{Code, Rung};

use super::{case::Case, claim::Claim, seen::attempt_words, words::span};
use crate::{
    evidence::{Scheme, Service},
    probe::{Change, Probe},
};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let mut claim = Claim::of(&case.fault);
    for attempt in case.climb.attempts() {
        claim = claim.seen("attempt", attempt_words(&attempt));
    }
    match case.fault.code {
        // Of several addresses one is there, and resets; the others are not.
        Code::Refused if case.climb.was_reset() => claim.named("TP-TCP-002"),
        Code::LargePacketsLost => large_lost(case, claim),
        _ if case.fault.rung > Rung::Tcp => claim,
        _ => unopened(case, claim),
    }
}

fn unopened(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(bound) = case.settings().bind
        && case.works(&Change::AnySource, Rung::Tcp)
    {
        return claim
            .named("TP-TCP-018")
            .cause(format!(
                "from {bound}, which was asked for as source address, there is no way to the server"
            ))
            .fix("Leave the source address out, or give that interface a route to the server.")
            .seen("from another address", "the port opens");
    }
    if case.is_proxied() {
        return to_proxy(case, claim);
    }
    if case.works(&Change::EnvironmentProxy, Rung::Proxy) {
        let proxy = case
            .settings()
            .environment_proxy
            .as_deref()
            .unwrap_or("the proxy");
        return claim
            .named("TP-PROXY-015")
            .cause(format!(
                "the way to the server is closed, and through {proxy} it is open"
            ))
            .fix(format!(
                "Set the proxy {proxy} for this device, with a transport that takes one."
            ))
            .seen("through the proxy", "the connection opens");
    }
    match case.other_port_open() {
        Some(other) => beside_open_port(case, claim, other),
        None => silent_elsewhere(case, claim),
    }
}

/// The proxy itself is not reached.
fn to_proxy(case: &Case<'_>, claim: Claim) -> Claim {
    let proxy = case.target().proxy.as_deref().unwrap_or("the proxy");
    let claim = claim.cause(format!("{proxy}: {}", case.fault.code.cause()));
    if case.works(&Change::Direct, Rung::Tcp) {
        claim
            .fix("Check the proxy's address and port, or leave the proxy out: without it the server is \
                 reached.",
)
            .seen("past the proxy", "the server's port opens")
    } else {
        claim.fix("Check the proxy's address and port.")
    }
}

/// Another port of the same host answers. A firewall that rejects with RST looks like a port where nobody listens; only
/// of a hub it is known that somebody does.
fn beside_open_port(case: &Case<'_>, claim: Claim, other: (Scheme, u16)) -> Claim {
    let refused = matches!(case.fault.code, Code::Refused | Code::Reset | Code::Closed);
    if refused && case.target().service == Service::Broker {
        return claim
            .seen(
                "another port",
                format!("port {} of the same host opens", other.1),
            )
            .or_else(&["TP-TCP-014"]);
    }
    port_blocked(case, claim, other)
}

/// This port is closed on the way, another one of the same host is not.
pub(super) fn port_blocked(case: &Case<'_>, claim: Claim, (scheme, open): (Scheme, u16)) -> Claim {
    let port = case.target().port;
    let instead = match (case.target().service, scheme) {
        (Service::Broker, Scheme::Wss) => {
            format!("Have port {port} opened, or use wss:// on {open} if the broker has it there.")
        }
        (Service::Broker, _) => {
            format!("Have port {port} opened, or use {open} if the broker has it there.")
        }
        (_, Scheme::Wss) => {
            format!("Use MQTT over WebSocket on {open}, or have port {port} opened.")
        }
        _ => format!("Use MQTT on {open}, or have port {port} opened."),
    };
    let base = claim.id;
    let claim = claim
        .named("TP-TCP-014")
        .fix(instead)
        .seen("another port", format!("port {open} opens"));
    if case.target().service == Service::Broker {
        // Nobody knows whether a broker listens there: its own firewall drops as one on the way does.
        claim
            .cause(format!(
                "port {open} of the host opens, port {port} does not: it is closed on the way or at \
                 the server, or it is not the broker's port"
            ))
            .or_else(&[base])
    } else {
        claim.cause(format!(
            "port {port} is closed on the way: port {open} of the same host opens"
        ))
    }
}

fn silent_elsewhere(case: &Case<'_>, mut claim: Claim) -> Claim {
    for (probe, climb) in &case.evidence.probes {
        if let Probe::Climb {
            change: Change::Transport(_, port),
            ..
        } = probe
            && let Some(fault) = climb.fault
        {
            claim = claim.seen(
                "another port",
                format!("port {port}: {}", fault.code.cause()),
            );
        }
    }
    claim
}

fn large_lost(case: &Case<'_>, claim: Claim) -> Claim {
    match case.fault.number {
        0 => claim,
        bytes => claim.seen(
            "lost",
            format!("{bytes} bytes that were sent and never acknowledged"),
        ),
    }
}

/// With smaller segments the handshake comes to its end: larger packets vanish on the way.
pub(super) fn by_smaller_segments(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let mut probes = case.evidence.probes.iter();
    let (size, climb) = probes.find_map(|(probe, climb)| match probe {
        Probe::Climb {
            change: Change::Mss(size),
            ..
        } if climb.reached(Rung::Tls) => Some((*size, climb)),
        _ => None,
    })?;
    // A server that is only slow, or was silent once, answers without smaller segments too.
    let slow = case
        .with(&Change::Nothing)
        .is_some_and(|climb| climb.reached(Rung::Tls));
    (!slow).then(|| {
        claim
            .clone()
            .named("TP-TCP-015")
            .fix(format!(
                "Set the TCP segment size to {size} bytes, or let the router clamp it to the path's \
                 MTU."
            ))
            .seen(
                "with small segments",
                format!("at most {size} bytes: the handshake is done in {}", span(climb.took)),
            )
    })
}
