//! What will break though the path stands: only what is certain.

use towpath_proto::{
    Code, Rung,
    net::{Ended, Family},
};

use super::{
    claim::Claim,
    seen::{Attempt, attempt_words, native_family},
    words::{apart, date, seconds},
};
use crate::{
    diagnosis::Found,
    evidence::{Climb, Evidence},
};

/// How long before its end a certificate is warned of at most, seconds. One that is made for a few days is renewed in its
/// last third.
const SOON: i64 = 14 * 86_400;

/// Warnings of a climb that stands.
pub(super) fn warnings(evidence: &Evidence, climb: &Climb) -> Vec<Found> {
    [ends_soon(evidence, climb), dead_family(climb)]
        .into_iter()
        .flatten()
        .filter_map(|claim| claim.found(None))
        .map(Found::warning)
        .collect()
}

fn ends_soon(evidence: &Evidence, climb: &Climb) -> Option<Claim> {
    let leaf = climb.leaf()?;
    let left = leaf.not_after.saturating_sub(seconds(evidence.clock));
    let lifetime = leaf.not_after.saturating_sub(leaf.not_before);
    if !(0..SOON.min(lifetime / 3)).contains(&left) {
        return None;
    }
    let on = date(leaf.not_after);
    let left = apart(left.unsigned_abs());
    Some(
        Claim::new("TP-TLS-010", Rung::Tls)
            .cause(format!("the server's certificate ends on {on}, in {left}"))
            .fix(format!(
                "Renew it before {on}, and see why that was not done by itself."
            ))
            .seen("valid until", on),
    )
}

/// Every address of one family failed, and one of the other won. Loopback addresses are not looked at: what listens on one
/// of them only is nobody's fault.
fn dead_family(climb: &Climb) -> Option<Claim> {
    let attempts = climb.attempts();
    let native = |family: Family| {
        attempts.iter().filter(move |attempt| {
            native_family(&attempt.candidate) == Some(family)
                && !attempt.candidate.address.is_loopback()
        })
    };
    let won = |family| native(family).any(|attempt| matches!(attempt.ended, Some((Ended::Won, _))));
    let failed = |attempt: &&Attempt| {
        use Code::{ConnectTimeout, HostUnreachable, NetUnreachable, Refused};
        let Some((Ended::Failed(code), _)) = attempt.ended else {
            return false;
        };
        matches!(
            code,
            ConnectTimeout | HostUnreachable | NetUnreachable | Refused
        )
    };
    let (dead, name, other) = [
        (Family::V6, Family::V4, "IPv6", "IPv4"),
        (Family::V4, Family::V6, "IPv4", "IPv6"),
    ]
    .into_iter()
    .find_map(|(dead, alive, name, other)| {
        let all = native(dead).next().is_some() && native(dead).all(|attempt| failed(&attempt));
        (all && won(alive)).then_some((dead, name, other))
    })?;
    let claim = Claim::new("TP-TCP-017", Rung::Tcp)
        .cause(format!(
            "over {name} the server is not reached, over {other} it is"
        ))
        .fix(format!(
            "Mend {name} on the way to the server, or take its {name} addresses out of DNS."
        ));
    Some(native(dead).fold(claim, |claim, attempt| {
        claim.seen("attempt", attempt_words(attempt))
    }))
}
