//! The server asks for a second handshake, and something of it does not work.
//!
//! Needs: the facts of TLS; the profile's setting, where a device is stood in for.

use towpath_proto::Code;

use super::{case::Case, claim::Claim};
use crate::evidence::Service;

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    let claim = if case.climb.renegotiation_asked() {
        let path = &case.target().path;
        let after = if path.is_empty() {
            "the handshake"
        } else {
            "the GET"
        };
        claim.seen("HelloRequest", format!("the server asked after {after}"))
    } else {
        claim
    };
    match case.fault.code {
        Code::RenegotiationOff => off(case, claim),
        Code::RenegotiationClosed if !case.target().client_certificate => {
            claim.or_else(&["TP-TLS-026"])
        }
        Code::RenegotiationClosed => claim.or_else(&["TP-TLS-042"]),
        _ => claim,
    }
}

fn off(case: &Case<'_>, mut claim: Claim) -> Claim {
    let target = case.target();
    let setting = case.evidence.profile.as_ref();
    let setting = setting.and_then(|profile| profile.tls.renegotiation.as_ref());
    if let Some(setting) = setting.filter(|set| !set.value) {
        claim = claim.seen("setting", format!("{} ({})", setting.key, setting.at));
    }
    if target.client_certificate {
        return claim;
    }
    claim = claim.seen("client certificate", "none is set");
    if target.service == Service::Broker {
        claim
    } else {
        claim.fix(
            "With a token, ask the hub not to want a certificate: append ?iothub-no-client-cert=true \
             to the path; with a certificate, give it and allow renegotiation.",
        )
    }
}
