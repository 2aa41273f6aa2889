//! What the server says of the client's certificate, and what it does not say: TLS 1.3 tells only with the first byte
//! after the handshake.
//!
//! Needs: the facts of TLS; [`Probe::Linger`](crate::probe::Probe::Linger) on TLS; a probe with TLS 1.2 only.

use towpath_proto::{
    Code, Rung,
    tls::{Version, alert::description},
};

use super::{case::Case, claim::Claim};
use crate::{evidence::Climb, probe::Change};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    let said = case.fault.alert.map(|alert| alert.description);
    match case.fault.code {
        Code::ClientCertificateRefused if said == Some(description::DECRYPT_ERROR) => {
            claim.named("TP-TLS-044")
        }
        Code::ClientCertificateMissing => missing(case, claim),
        Code::ClientCertificateUnanswered => unanswered(case, claim),
        _ => shown(case, claim),
    }
}

fn missing(case: &Case<'_>, claim: Claim) -> Claim {
    let claim = asked(case, claim);
    if case.target().client_certificate {
        claim.cause("the server wants a client certificate, and the one that is set was not shown")
    } else {
        claim.seen("client certificate", "none is set")
    }
}

/// When the server asked.
fn asked(case: &Case<'_>, claim: Claim) -> Claim {
    if case.climb.renegotiation_asked() {
        claim.seen("asked for", "in a renegotiation after the first handshake")
    } else if case.climb.certificate_requested() {
        claim.seen("asked for", "in the first handshake")
    } else {
        claim
    }
}

fn shown(case: &Case<'_>, claim: Claim) -> Claim {
    if case.climb.certificate_shown() {
        asked(case, claim).seen("client certificate", "shown, with the proof of its key")
    } else {
        asked(case, claim)
    }
}

/// Cut after TLS 1.3 asked for the certificate, before a byte came back. Whether what was sent behind the handshake is to
/// blame, a connection that sends nothing tells.
fn unanswered(case: &Case<'_>, claim: Claim) -> Claim {
    let own = case.target().client_certificate;
    let claim = asked(case, claim);
    let silence = case.silence(Rung::Tls);
    let stays = silence.map(|end| end.is_none());
    if stays == Some(true) || (stays.is_none() && case.climb.has_ticket()) {
        return above(case, claim);
    }
    let claim = match stays {
        Some(false) => claim.seen("without sending anything", "the server closes by itself"),
        _ => claim,
    };
    if let Some(older) = case.with(&Change::TlsVersion(Version::Tls12)) {
        if let Some(claim) = said_in_tls12(&claim, older) {
            return claim;
        }
        if older.reached(Rung::Tls) {
            // nginx looks at the certificate when the handshake is done, in either version, and closes without a word.
            let others: &[&str] = if own {
                &["TP-TLS-042"]
            } else {
                &["TP-TLS-026"]
            };
            let claim = claim.named("TP-TLS-005");
            return claim
                .seen("with TLS 1.2", "the handshake is done as well")
                .or_else(others);
        }
    }
    if own {
        claim.or_else(&["TP-TLS-042", "TP-MQTT-030"])
    } else {
        let claim = claim
            .named("TP-TLS-026")
            .seen("client certificate", "none is set");
        claim.or_else(&["TP-TLS-005"])
    }
}

/// TLS 1.2 says inside the handshake what TLS 1.3 does not.
fn said_in_tls12(claim: &Claim, older: &Climb) -> Option<Claim> {
    let fault = older.fault?;
    let about_certificate = matches!(
        fault.code,
        Code::ClientCertificateMissing
            | Code::ClientCertificateUntrusted
            | Code::ClientCertificateExpired
            | Code::ClientCertificateRefused
    );
    let alert = fault
        .alert
        .map_or_else(String::new, |alert| alert.to_string());
    let wrong_key = fault
        .alert
        .is_some_and(|alert| alert.description == description::DECRYPT_ERROR);
    let id = if wrong_key {
        "TP-TLS-044"
    } else {
        fault.finding()
    };
    about_certificate.then(|| claim.clone().named(id).seen("with TLS 1.2", alert))
}

/// TLS stood: it was what came behind it.
fn above(case: &Case<'_>, mut claim: Claim) -> Claim {
    let sent = |rung| {
        case.climb
            .step(rung)
            .is_some_and(|step| step.sent.is_some())
    };
    claim = claim.seen(
        "without sending anything",
        "the server keeps the connection open",
    );
    if sent(Rung::Upgrade) && !case.climb.reached(Rung::Upgrade) {
        claim.rung = Rung::Upgrade;
        return claim.named("TP-UPG-001");
    }
    claim.rung = Rung::Mqtt;
    super::mqtt::cut_after_connect(case, claim)
}
