//! Through a translator: the prefix, and whether it is the one that the network has.
//!
//! Needs: the facts with prefixes and their origin; a probe by [`Change::AnnouncedPrefix`] with the same facts.

use towpath_proto::{
    Code, Rung,
    net::{self, Prefix, PrefixOrigin},
};

use super::{case::Case, claim::Claim, seen::attempt_words, tcp};
use crate::probe::Change;

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        Code::Nat64NoPrefix => no_prefix(case, claim),
        Code::Nat64Private => private(case, claim),
        Code::Nat64Silent | Code::Nat64NoRoute => unanswered(case, claim),
        _ => claim,
    }
}

/// The prefix that the user gave.
pub(crate) fn given(case: &Case<'_>) -> Option<Prefix> {
    let mut prefixes = case.climb.prefixes();
    let given = prefixes.find(|(_, origin)| *origin == PrefixOrigin::Config);
    given.map(|(prefix, _)| prefix).or_else(|| {
        let origin = case.climb.candidate()?.origin;
        match origin {
            net::Origin::Synthesised(prefix, PrefixOrigin::Config) => Some(prefix),
            _ => None,
        }
    })
}

fn no_prefix(case: &Case<'_>, mut claim: Claim) -> Claim {
    for question in case.climb.questions() {
        if question.rung != Rung::Nat64 {
            continue;
        }
        let servers = question
            .servers
            .iter()
            .map(|server| server.ip().to_string());
        let servers: Vec<_> = servers.collect();
        let outcome = match question.outcome {
            None => "no answer",
            Some(Ok(_)) => "no prefix in the answer",
            Some(Err(code)) => code.cause(),
        };
        let seen = format!("asked of {}: {outcome}", servers.join(", then "));
        claim = claim.seen("ipv4only.arpa", seen);
    }
    for (_, _, fact) in &case.climb.net {
        if let net::Fact::Unpermitted(origin) = fact {
            claim = claim.seen(
                "not asked",
                format!("{origin}: this program is not permitted to"),
            );
        }
    }
    claim
}

fn private(case: &Case<'_>, claim: Claim) -> Claim {
    let address = case.climb.net.iter().find_map(|(_, _, fact)| match fact {
        net::Fact::Dropped(address, Code::Nat64Private) => Some(*address),
        _ => None,
    });
    match address {
        Some(address) => claim
            .cause(format!(
                "{address} is a private address, and the well-known NAT64 prefix 64:ff9b::/96 may \
                 not carry those"
            ))
            .seen("address", address.to_string()),
        None => claim,
    }
}

fn unanswered(case: &Case<'_>, mut claim: Claim) -> Claim {
    for attempt in case.climb.attempts() {
        claim = claim.seen("attempt", attempt_words(&attempt));
    }
    if let Some(other) = other_prefix(case, &claim) {
        return other;
    }
    match case.other_port_open() {
        Some(other) => tcp::port_blocked(case, claim, other),
        None => claim,
    }
}

/// The network has another prefix than the one that was given.
fn other_prefix(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let given = given(case)?;
    let asked = case.with(&Change::AnnouncedPrefix)?;
    let announced = asked
        .prefixes()
        .find(|(_, origin)| *origin != PrefixOrigin::Config);
    let (announced, origin) = announced?;
    if announced == given {
        return None;
    }
    let base = claim.id;
    let works = asked.reached(Rung::Tcp);
    let claim = claim
        .clone()
        .named("TP-NAT64-006")
        .cause(format!(
            "the NAT64 prefix {given} was given, and this network announces {announced}"
        ))
        .fix(format!("Leave the prefix out, or give {announced}."))
        .seen("announced", format!("{announced} by {origin}"));
    Some(if works {
        claim.seen("with that prefix", "the port opens")
    } else {
        claim
            .seen("with that prefix", "no answer either")
            .or_else(&[base])
    })
}
