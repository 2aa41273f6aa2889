//! A hub that does not take the device: it has one word for a token, a clock, a name, a switch in the portal. What it
//! says over HTTP, and the time in its answers, tell them apart.
//!
//! Needs: [`Probe::Rest`] with `HttpHead::hub_code`, [`Probe::Date`]; what the lint found about user name and token.

use towpath_proto::{Code, Rung};

use super::{
    case::Case,
    certificate::CLOCK_SLACK,
    claim::Claim,
    dps,
    words::{apart, moment, seconds},
};
use crate::{
    evidence::{Scheme, Service},
    probe::Probe,
};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        Code::HubUnauthorized => login(case, claim),
        // Provisioning is done on the same rung, and comes first.
        Code::TwinSilent if is_provisioning(case) => dps::undecided(case, claim),
        Code::TwinRefused => {
            claim.seen("the twin's answer", format!("status {}", case.fault.number))
        }
        _ => claim,
    }
}

/// Whether no hub was assigned yet.
fn is_provisioning(case: &Case<'_>) -> bool {
    case.target().service == Service::Provisioning && case.climb.assigned.is_none()
}

/// The hub's code for a token that has ended.
const TOKEN_OVER: u32 = 401_003;

/// The finding behind an error code of the hub.
const fn of_code(code: u32) -> Option<&'static str> {
    Some(match code {
        400_027 => "TP-HUB-001",
        400_029 => "TP-HUB-002",
        400_030 => "TP-HUB-003",
        401_001 => "TP-HUB-006",
        TOKEN_OVER => "TP-HUB-004",
        403_001 => "TP-HUB-007",
        403_002 => "TP-HUB-008",
        403_012 => "TP-HUB-009",
        404_001 => "TP-HUB-010",
        429_001 => "TP-HUB-011",
        _ => return None,
    })
}

/// The hub refused who this device says it is.
pub(super) fn login(case: &Case<'_>, claim: Claim) -> Claim {
    let claim = claim.named(match case.target().service {
        Service::Provisioning => "TP-DPS-003",
        Service::Hub | Service::Broker => "TP-HUB-021",
    });
    let (status, code) = said_over_http(case);
    let claim = match (status, code) {
        (0, _) => claim,
        (status, 0) => claim.seen("over HTTP the hub says", format!("status {status}")),
        (status, code) => claim.seen("over HTTP the hub says", format!("{status}, error {code}")),
    };
    // The hub's own word comes first. That a token is over it says of a wrong clock, too.
    match of_code(code) {
        Some(id) if code != TOKEN_OVER => return claim.named(id),
        _ => {}
    }
    if let Some(claim) = never_asked(case, &claim) {
        return claim;
    }
    if let Some(claim) = clock(case, &claim) {
        return claim;
    }
    let claim = beside_clock(case, claim);
    match of_code(code) {
        Some(id) => return claim.named(id),
        // The lock that is asked about can't exist: whoever is told so was let in.
        None if matches!(status, 200..=299 | 412) => {
            return claim
                .seen("over HTTP", "the same credentials are taken")
                .or_else(&["TP-HUB-023"]);
        }
        None => {}
    }
    if case.target().client_certificate {
        claim.or_else(&["TP-HUB-010", "TP-HUB-009"])
    } else {
        claim.or_else(&["TP-HUB-010", "TP-HUB-004", "TP-HUB-009", "TP-HUB-023"])
    }
}

/// What the hub answered over HTTP, and its own code: 0 where there was none.
fn said_over_http(case: &Case<'_>) -> (u16, u32) {
    let head = case
        .answer(&Probe::Rest)
        .and_then(|climb| climb.http.as_ref());
    head.map_or((0, 0), |head| (head.status, head.hub_code))
}

/// CONNACK 3: the hub itself has a trouble, and says over HTTP which one.
pub(super) fn unavailable(case: &Case<'_>, claim: Claim) -> Claim {
    let (status, code) = said_over_http(case);
    match of_code(code) {
        Some(id) => claim
            .named(id)
            .seen("over HTTP the hub says", format!("{status}, error {code}")),
        None => claim,
    }
}

/// How far the clock is off, and to which side, where that is more than a server bears. With a certificate alone it does
/// not matter at the hub.
fn clock_off(case: &Case<'_>) -> Option<String> {
    let target = case.target();
    if target.client_certificate && !target.password {
        return None;
    }
    let ahead = case.clock_ahead()?;
    let off = ahead.unsigned_abs();
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    (off > CLOCK_SLACK).then(|| format!("{} {side} the server's", apart(off)))
}

/// The clock is off, and the token is not known to come from it: it may have been made by the same clock.
pub(super) fn beside_clock(case: &Case<'_>, claim: Claim) -> Claim {
    match clock_off(case) {
        Some(off) => claim.seen("this clock", off).or_else(&["TP-HUB-005"]),
        None => claim,
    }
}

/// Tokens that are made here begin and end by this clock.
pub(super) fn clock(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    if !case.target().token_made {
        return None;
    }
    let off = clock_off(case)?;
    let now = moment(seconds(case.evidence.clock));
    Some(
        claim
            .clone()
            .named("TP-HUB-005")
            .cause(format!(
                "this clock is {off}, so the token is not valid there"
            ))
            .fix("Set the clock (SNTP, NTP), then make a new token.")
            .seen("this clock", now),
    )
}

/// On 443 the certificate is shown only when the hub asks, after the GET; it never did. Hubs were seen to answer that with
/// CONNACK 5 and with CONNACK 3.
pub(super) fn never_asked(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let target = case.target();
    let by_certificate = target.client_certificate && !target.password;
    let asked = case.climb.certificate_requested()
        || case.climb.renegotiation_asked()
        || case.climb.certificate_shown();
    let is_hub = target.service == Service::Hub && target.scheme == Scheme::Wss;
    (is_hub && by_certificate && !asked && case.climb.reached(Rung::Tls)).then(|| {
        claim.clone().named("TP-HUB-022").seen(
            "client certificate",
            "is set, and was never asked for on this connection",
        )
    })
}
