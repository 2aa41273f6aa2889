//! No address, no name: what DNS said, and whether another server of this network says more.
//!
//! Needs: the facts below TCP with the servers that were asked; `Settings::resolvers`; a probe by
//! [`Change::Resolver`] counts as soon as it has an address.

use towpath_proto::{
    Code, Rung,
    net::{self, Families},
};

use super::{case::Case, claim::Claim, ladder::host_of, seen::Question, words::plural};
use crate::probe::{Change, Probe};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    // The service was reached a moment before: it is this name, unless the servers of the network say otherwise.
    let resolvers = matches!(
        case.fault.code,
        Code::ResolverSilent | Code::ResolverRefused | Code::ResolverFailed
    );
    if let Some(hub) = case.climb.assigned.as_ref().filter(|_| !resolvers) {
        let others: &[&'static str] = match case.fault.code {
            Code::NameNotFound | Code::NoAddress => &[],
            _ => &[claim.id],
        };
        return claim
            .named("TP-DPS-011")
            .cause(format!(
                "the provisioning service assigned the hub {hub}, and that name has no address"
            ))
            .seen("assigned hub", hub.as_str())
            .or_else(others);
    }
    match case.fault.code {
        Code::NoSourceAddress => dropped(case, claim),
        Code::FamilyUnavailable => family(case, claim),
        Code::NameInvalid => {
            let name = looked_up(case);
            claim.cause(format!("{name:?} is no valid host name"))
        }
        Code::NoResolver => claim,
        _ => dns(case, claim),
    }
}

/// The name that was looked up: the proxy's, where there is one.
fn looked_up<'a>(case: &Case<'a>) -> &'a str {
    let target = case.target();
    target.proxy.as_deref().map_or(&target.host, host_of)
}

fn dropped(case: &Case<'_>, mut claim: Claim) -> Claim {
    for (_, _, fact) in &case.climb.net {
        if let net::Fact::Dropped(address, code) = fact {
            claim = claim.seen("not tried", format!("{address}: {}", code.cause()));
        }
    }
    claim
}

fn family(case: &Case<'_>, claim: Claim) -> Claim {
    let name = looked_up(case);
    let (allowed, other) = match case.settings().families {
        Families::V4 => ("IPv4", "IPv6"),
        Families::V6 => ("IPv6", "IPv4"),
        Families::Any => return dropped(case, claim),
    };
    let claim = claim
        .cause(format!(
            "{name} has {other} addresses only, and only {allowed} is allowed here"
        ))
        .fix(format!(
            "Allow {other} too, or use a name that has {allowed} addresses."
        ));
    dropped(case, claim)
}

fn dns(case: &Case<'_>, mut claim: Claim) -> Claim {
    let name = looked_up(case);
    for question in case.climb.questions() {
        if question.rung == Rung::Dns {
            claim = claim.seen("DNS", question_words(&question));
        }
    }
    let first = case
        .climb
        .servers_asked(Rung::Dns)
        .first()
        .map(|server| server.ip());
    let by_other = case
        .evidence
        .probes
        .iter()
        .find_map(|(probe, climb)| match probe {
            Probe::Climb {
                change: Change::Resolver(server),
                ..
            } if climb.resolved() => Some(server.ip()),
            _ => None,
        });
    if let Some(other) = by_other {
        let asked = first.map_or_else(
            || "the server that was asked".to_owned(),
            |ip| ip.to_string(),
        );
        return claim
            .named("TP-DNS-013")
            .cause(format!(
                "{asked} does not give {name} ({}), {other} does",
                short(case.fault.code)
            ))
            .fix(format!(
                "Ask {other}, or have the name put right at {asked}."
            ))
            .seen("DNS", format!("{other}: gives the name's address"));
    }
    if case.fault.code == Code::NameNotFound {
        let whose = if case.is_proxied() {
            "the proxy's name"
        } else {
            "the name"
        };
        claim = claim.cause(match first {
            Some(server) => format!("{whose} {name} does not exist, says {server}"),
            None => format!("{whose} {name} does not exist"),
        });
    }
    claim
}

/// The code in the words of a clause within another.
const fn short(code: Code) -> &'static str {
    match code {
        Code::ResolverSilent => "no answer",
        Code::ResolverRefused => "refused",
        Code::ResolverFailed => "server failure",
        Code::NameNotFound => "no such name",
        Code::NoAddress => "no address",
        _ => "no usable answer",
    }
}

fn question_words(question: &Question) -> String {
    let servers = question
        .servers
        .iter()
        .map(|server| server.ip().to_string());
    let servers: Vec<_> = servers.collect();
    let outcome = match question.outcome {
        None => "no answer".to_owned(),
        Some(Ok(0)) => "the name exists, without such an address".to_owned(),
        Some(Ok(count)) => plural(u64::from(count), "address"),
        Some(Err(code)) => code.cause().to_owned(),
    };
    format!(
        "{} asked of {}: {outcome}",
        question.record,
        servers.join(", then ")
    )
}
