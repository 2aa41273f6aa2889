//! From evidence to a diagnosis: the first broken rung, its cause as narrow as the evidence allows, the rungs beyond it
//! not reached.
//!
//! Each rung has its rules in a file of its own, pure functions over a `Case`: the climb, its fault, and what was
//! asked beside it. They begin with the finding that the fault bears by itself and narrow it down; what they can't decide
//! stays as a ranked list. What the lint found on a rung below, or on the same, explains the fault.

mod address_dns;
pub(crate) mod case;
mod certificate;
pub(crate) mod claim;
mod client_certificate;
mod common;
mod dps;
mod hub;
mod ladder;
mod limits;
mod mqtt;
pub(crate) mod nat64;
pub(crate) mod proxy;
mod renegotiation;
mod seen;
mod tcp;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tls;
mod told;
mod upgrade;
mod warnings;
mod websocket;
pub(crate) mod words;

use towpath_proto::{Code, Rung};

use self::{case::Case, claim::Claim};
use crate::{
    Diagnosis,
    diagnosis::{Found, Verdict},
    evidence::Evidence,
};

/// What the evidence says.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let found = found(evidence);
    let took = evidence
        .climb
        .as_ref()
        .map(|climb| climb.took)
        .unwrap_or_default();
    let verdict = match found.first() {
        None => Verdict::Ready(took),
        Some(first) if first.breaks => Verdict::Broken,
        Some(_) => Verdict::Warning(took),
    };
    Diagnosis {
        subject: told::subject(&evidence.target),
        vantage: evidence.vantage.clone(),
        profile: evidence.client.clone(),
        verdict,
        ladder: ladder::ladder(evidence, &found),
        notes: told::notes(evidence, &found),
        found,
        probes: evidence.probes.iter().map(told::asked).collect(),
    }
}

/// What was found, each id once: first what breaks the path first, then what else breaks it for certain, then warnings.
fn found(evidence: &Evidence) -> Vec<Found> {
    let seen = Case::of(evidence).and_then(|case| {
        let claim = judge(&case);
        claim.found(Some(case.fault))
    });
    let first_break = first_break(evidence, seen.as_ref());
    let mut found: Vec<Found> = match (seen, first_break) {
        (None, lint) => lint.cloned().into_iter().collect(),
        (Some(seen), None) => vec![seen],
        (Some(seen), Some(lint)) if is_beside(lint, &seen) => vec![lint.clone(), seen],
        (Some(seen), Some(lint)) => vec![explained(seen, lint)],
    };
    let lint = evidence.lint.iter().cloned();
    let stands = evidence
        .climb
        .as_ref()
        .filter(|climb| climb.fault.is_none());
    let more = stands.map(|climb| warnings::warnings(evidence, climb));
    for warning in lint.chain(more.into_iter().flatten()) {
        match found
            .iter_mut()
            .find(|known| known.finding.id == warning.finding.id)
        {
            Some(known) => merge(known, &warning),
            None => found.push(warning),
        }
    }
    found.sort_by_key(|found| !found.breaks);
    found
}

/// Files of this side that can't be loaded: the client does not send a packet with them, whatever is the matter further on.
const UNLOADABLE: &[&str] = &["TP-DEV-012", "TP-DEV-027", "TP-DEV-028"];

/// Whether the lint's finding breaks before the climb did and has nothing to do with it: both are told.
fn is_beside(lint: &Found, seen: &Found) -> bool {
    if lint.finding.id == seen.finding.id || !UNLOADABLE.contains(&lint.finding.id) {
        return false;
    }
    // What the server shows of itself does not come from the client's own files.
    let of_server = seen.fault.is_some_and(|fault| {
        matches!(
            fault.code,
            Code::ServerCertificateExpired
                | Code::ServerCertificateFuture
                | Code::ServerCertificateName
                | Code::ServerCertificateWeak
        )
    });
    seen.rung < lint.rung || (seen.rung == lint.rung && of_server)
}

/// What the lint found for certain, and what breaks before the climb did, or with it.
fn first_break<'a>(evidence: &'a Evidence, seen: Option<&Found>) -> Option<&'a Found> {
    let breaks = || evidence.lint.iter().filter(|found| found.breaks);
    let Some(seen) = seen else {
        return breaks().min_by_key(|found| found.rung);
    };
    let limit = explained_by_lint_up_to(evidence, seen.rung);
    let same = breaks().find(|found| found.finding.id == seen.finding.id);
    let unloadable = breaks().find(|found| is_beside(found, seen));
    let below = breaks()
        .filter(|found| found.rung < seen.rung)
        .min_by_key(|found| found.rung);
    let here = || {
        breaks()
            .filter(|found| found.rung <= limit)
            .min_by_key(|found| found.rung)
    };
    below.or(unloadable).or(same).or_else(here)
}

/// A login that is refused at CONNECT may be wrong in what the hub asks of it.
pub(crate) fn explained_by_lint_up_to(evidence: &Evidence, rung: Rung) -> Rung {
    match Case::of(evidence) {
        Some(case) if case.is_refused_login() => Rung::Hub,
        _ => rung,
    }
}

/// What was seen, told by what the lint knew before.
fn explained(seen: Found, lint: &Found) -> Found {
    let mut told = lint.clone();
    if lint.finding.id != seen.finding.id && lint.rung < seen.rung {
        // It would break there first, on the device; what this machine met further up is another story.
        return told;
    }
    told.rung = seen.rung;
    told.fault = seen.fault;
    for evidence in seen.evidence {
        if !told.evidence.contains(&evidence) {
            told.evidence.push(evidence);
        }
    }
    if lint.finding.id == seen.finding.id {
        if told.cause.is_empty() {
            told.cause = seen.cause;
        }
        if told.fix.is_empty() {
            told.fix = seen.fix;
        }
    }
    told
}

/// The same finding once more: what it rests on is added.
fn merge(known: &mut Found, more: &Found) {
    for evidence in &more.evidence {
        if !known.evidence.contains(evidence) {
            known.evidence.push(evidence.clone());
        }
    }
}

/// The claim of the rung that broke, with the evidence that each claim has.
fn judge(case: &Case<'_>) -> Claim {
    let claim = proxy::between(case, of_rung(case));
    common::evidence(case, claim)
}

fn of_rung(case: &Case<'_>) -> Claim {
    // Cut without a word: the rung says more than the code.
    if matches!(case.fault.code, Code::Closed | Code::Reset) {
        match case.fault.rung {
            Rung::Upgrade => return upgrade::judge(case),
            Rung::Ws | Rung::Mqtt | Rung::Hub => return mqtt::judge(case),
            _ => {}
        }
    }
    let id = case.fault.finding();
    let family = id.rsplit_once('-').map_or("", |(family, _)| family);
    match family {
        "TP-ADDR" | "TP-DNS" => address_dns::judge(case),
        "TP-NAT64" => nat64::judge(case),
        "TP-TCP" => tcp::judge(case),
        "TP-PROXY" => proxy::judge(case),
        "TP-TLS" => of_tls(case),
        "TP-UPG" => upgrade::judge(case),
        "TP-WS" => websocket::judge(case),
        "TP-MQTT" => mqtt::judge(case),
        "TP-HUB" => hub::judge(case),
        "TP-DPS" => dps::judge(case),
        _ => Claim::of(&case.fault),
    }
}

fn of_tls(case: &Case<'_>) -> Claim {
    match case.fault.code {
        Code::ServerCertificateUntrusted
        | Code::ServerChainIncomplete
        | Code::ServerCertificateExpired
        | Code::ServerCertificateFuture
        | Code::ServerCertificateName
        | Code::ServerCertificateWeak
        | Code::ServerCertificateBad => certificate::judge(case),
        Code::ClientCertificateMissing
        | Code::ClientCertificateUntrusted
        | Code::ClientCertificateExpired
        | Code::ClientCertificateRefused
        | Code::ClientCertificateUnanswered
        | Code::PostHandshakeMissing => client_certificate::judge(case),
        Code::RenegotiationOff
        | Code::RenegotiationAgain
        | Code::RenegotiationLate
        | Code::RenegotiationInsecure
        | Code::RenegotiationIdentity
        | Code::RenegotiationClosed
        | Code::RenegotiationTimeout => renegotiation::judge(case),
        Code::TlsMessageTooLarge | Code::TlsNumberTooLarge | Code::TlsRecord => limits::judge(case),
        _ => tls::judge(case),
    }
}
