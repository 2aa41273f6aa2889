//! The provisioning service: what it says is exact, but for the proof of the device, where a wrong clock looks the same
//! as a wrong key.
//!
//! Needs: `Fault::number` with the service's error code; [`Probe::Date`](crate::probe::Probe::Date).

use towpath_proto::{Code, Rung};

use super::{case::Case, claim::Claim, hub};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    let claim = match case.fault.number {
        0 => claim,
        number @ 1..=999 => claim.seen("status", number.to_string()),
        number => claim.seen("error", number.to_string()),
    };
    match case.fault.code {
        Code::DpsUnauthorized => {
            hub::clock(case, &claim).unwrap_or_else(|| hub::beside_clock(case, claim))
        }
        // Behind the status stand three digits of the service's own.
        Code::DpsBusy if case.fault.number / 1000 == 409 => claim.named("TP-DPS-005"),
        Code::DpsFailed if matches!(case.fault.number, 400_000..=400_099) => {
            claim.named("TP-DPS-013")
        }
        _ => claim,
    }
}

/// The time was over before a hub was assigned: the service said nothing, or that it is still at it.
pub(super) fn undecided(case: &Case<'_>, claim: Claim) -> Claim {
    let heard = case.climb.words(Rung::Hub).and_then(|step| step.received);
    match heard {
        // Its answers are messages; CONNACK and SUBACK come before.
        Some(("PUBLISH", _)) => claim.named("TP-DPS-007").cause(
            "the provisioning service was still deciding when the time for this look was over",
        ),
        _ => claim.named("TP-DPS-012"),
    }
}
