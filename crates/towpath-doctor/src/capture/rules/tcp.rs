//! TCP: the connection request and its answer, and large segments that get lost.

use std::net::IpAddr;

use towpath_proto::{Rung, net::Prefix, tls::Side};

use super::{Case, Claim, PATIENCE};
use crate::capture::{
    flow::{End, Flow, other},
    mark::Seconds,
    neighbours::Complaint,
};

/// The smallest segment whose loss can be one of size, bytes: all links of IPv4 carry less than this.
const LARGE: usize = 500;

/// The NAT64 prefix in an address: one that the network announces, or the well-known one.
pub(in crate::capture) fn translated(case: &Case<'_>) -> Option<(Prefix, std::net::Ipv4Addr)> {
    let IpAddr::V6(address) = case.flow.server.ip() else {
        return None;
    };
    let announced = case
        .seen
        .announced
        .prefixes
        .iter()
        .map(|(prefix, _)| *prefix);
    announced
        .chain([Prefix::WELL_KNOWN])
        .find_map(|prefix| Some((prefix, prefix.extract(address)?)))
}

/// Why the connection was not opened.
pub(super) fn opening(case: &Case<'_>) -> Option<Claim> {
    let flow = case.flow;
    let (first, last, count) = flow.syn?;
    if flow.syn_ack.is_some() || flow.established {
        return None;
    }
    let asked = |claim: Claim| {
        let times = if count > 1 {
            format!(", {count} times up to {last}")
        } else {
            String::new()
        };
        claim.seen(
            "last sent",
            format!("{first}: SYN to {}{times}", flow.server),
        )
    };
    if let Some((Side::Server, mark)) = flow.reset {
        let claim = asked(Claim::new("TP-TCP-010", Rung::Tcp));
        return Some(claim.seen("last received", format!("{mark}: RST")));
    }
    if let Some((complaint, mark)) = flow.complaint {
        let id = match complaint {
            Complaint::NoPort => "TP-TCP-010",
            Complaint::NoNetwork => "TP-TCP-012",
            _ => "TP-TCP-011",
        };
        let claim = if translated(case).is_some() {
            let id = private(case).unwrap_or("TP-NAT64-005");
            Claim::new(id, Rung::Nat64)
        } else {
            Claim::new(id, Rung::Tcp)
        };
        return Some(asked(claim).seen("last received", format!("{mark}: {}", complaint.words())));
    }
    let waited = case.seen.last.since(first);
    let silent = waited >= PATIENCE || (count > 1 && flow.client_ended().is_some());
    if !silent {
        return None;
    }
    let claim = asked(silence(case));
    Some(claim.seen("last received", format!("nothing in {}", Seconds(waited))))
}

/// A private address behind the well-known prefix can't be translated.
fn private(case: &Case<'_>) -> Option<&'static str> {
    let (prefix, address) = translated(case)?;
    (!prefix.may_carry(address)).then_some("TP-NAT64-003")
}

/// What the silence means that met the SYN.
fn silence(case: &Case<'_>) -> Claim {
    let flow = case.flow;
    if flow.ecn_syns > 0 && flow.plain_syns == 0 {
        return Claim::new("TP-TCP-016", Rung::Tcp)
            .seen("flags", "every SYN has ECE and CWR set: it asks for ECN")
            .or_else(&["TP-TCP-013"]);
    }
    if let Some((prefix, _)) = translated(case) {
        if let Some(id) = private(case) {
            return Claim::new(id, Rung::Nat64);
        }
        let announced = &case.seen.announced.prefixes;
        if let Some((other, mark)) = announced.first()
            && announced.iter().all(|(known, _)| *known != prefix)
        {
            return Claim::new("TP-NAT64-006", Rung::Nat64).seen(
                "announced",
                format!(
                    "{mark}: the prefix {}/{}, not {}/{}",
                    other.address(),
                    other.len(),
                    prefix.address(),
                    prefix.len()
                ),
            );
        }
        return Claim::new("TP-NAT64-004", Rung::Nat64);
    }
    Claim::new("TP-TCP-013", Rung::Tcp)
}

/// Large segments vanish while small ones pass.
pub(super) fn large_lost(case: &Case<'_>) -> Option<Claim> {
    let flow = case.flow;
    [Side::Client, Side::Server]
        .into_iter()
        .find_map(|side| unacknowledged(case, flow, side).or_else(|| never_seen(case, flow, side)))
}

/// Seen at its sender: a large segment is sent again and again, and not acknowledged.
fn unacknowledged(case: &Case<'_>, flow: &Flow, side: Side) -> Option<Claim> {
    let end = flow.end(side);
    let stuck = end.stuck?;
    let told = match flow.complaint {
        Some((Complaint::TooBig(mtu), mark)) => Some((mtu, mark)),
        _ => None,
    };
    if stuck.len < LARGE || (stuck.times < 2 && told.is_none()) || stuck.len <= end.delivered {
        return None;
    }
    // A peer that says nothing more at all may as well be dead; that it acknowledges smaller ones tells it is not.
    let alive = flow
        .end(other(side))
        .last
        .is_some_and(|last| last > stuck.first);
    if !alive && told.is_none() && end.delivered > 0 {
        return None;
    }
    let claim = Claim::new("TP-TCP-015", Rung::Tcp).seen(
        "lost",
        format!(
            "{}: {} bytes from the {}, sent again {} times up to {}, never acknowledged",
            stuck.first,
            stuck.len,
            side.name(),
            stuck.times,
            stuck.last
        ),
    );
    let claim = passed(case, end, claim);
    Some(match told {
        Some((mtu, mark)) => claim.seen("router", format!("{mark}: packet too big, MTU {mtu}")),
        None if alive => claim,
        None => claim.or_else(&["TP-TLS-002"]),
    })
}

/// Seen at its receiver: later, smaller segments came, and the hole before them stays.
fn never_seen(case: &Case<'_>, flow: &Flow, side: Side) -> Option<Claim> {
    let end = flow.end(side);
    let (since, len) = end.hole?;
    let waited = case.seen.last.since(since);
    if len < LARGE || waited < PATIENCE {
        return None;
    }
    let claim = Claim::new("TP-TCP-015", Rung::Tcp).seen(
        "lost",
        format!(
            "{len} bytes from the {} are missing since {since}, while what was sent behind them came",
            side.name()
        ),
    );
    Some(passed(case, end, claim))
}

/// What did get through.
fn passed(case: &Case<'_>, end: &End, claim: Claim) -> Claim {
    let claim = match (case.flow.syn, case.flow.syn_ack) {
        (Some((first, _, _)), Some(answer)) => claim.seen(
            "small packets",
            format!("the SYN was answered in {}", Seconds(answer.since(first))),
        ),
        _ => claim,
    };
    if end.delivered > 0 {
        return claim.seen("largest passed", format!("{} bytes", end.delivered));
    }
    claim
}

/// What does not break it.
pub(super) fn warnings(case: &Case<'_>) -> Option<Claim> {
    let flow = case.flow;
    let (first, last, count) = flow.syn?;
    if flow.ecn_syns == 0 || flow.plain_syns == 0 || flow.syn_ack.is_none() {
        return None;
    }
    let claim = Claim::new("TP-TCP-016", Rung::Tcp);
    Some(claim.seen(
        "SYN",
        format!("{first}: SYN with ECE and CWR, unanswered; {last}: the {count}th, without them, was answered"),
    ))
}
