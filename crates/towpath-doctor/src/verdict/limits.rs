//! What this side has too little of: buffers and numbers of the profile against what the server sends.
//!
//! Needs: the server's chain as a fact of TLS; the profile of the device.

use towpath_proto::{Code, tls::Side};

use super::{case::Case, claim::Claim, seen::key_words};
use crate::profile::Set;

/// What Mbed TLS says of a record that does not fit its buffer: MBEDTLS_ERR_SSL_INVALID_RECORD.
const INVALID_RECORD: u32 = 0x7200;
/// The largest plaintext of a record (RFC 8446 section 5.1).
const RECORD_MAX: u32 = 1 << 14;

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        Code::TlsMessageTooLarge => message(case, claim),
        Code::TlsNumberTooLarge => number(case, claim),
        Code::TlsRecord => record(case, claim),
        _ => claim,
    }
}

fn setting(claim: Claim, set: &Set<u32>) -> Claim {
    claim.seen("setting", format!("{}={} ({})", set.key, set.value, set.at))
}

fn message(case: &Case<'_>, mut claim: Claim) -> Claim {
    let buffer = case.evidence.profile.as_ref();
    let buffer = buffer.and_then(|profile| profile.tls.in_buffer.as_ref());
    if let Some(set) = buffer {
        claim = setting(claim, set);
    }
    let len = case.climb.shown(Side::Server).map(|(_, len, _)| len);
    match (len, buffer) {
        (Some(len), Some(set)) if len > set.value => claim
            .cause(format!(
                "the server's Certificate message of {len} bytes does not fit the TLS input \
                 buffer of {}",
                set.value
            ))
            .fix(format!("Raise {} above {len}.", set.key)),
        (Some(len), None) => claim.seen("Certificate message", format!("{len} bytes")),
        _ => claim,
    }
}

fn number(case: &Case<'_>, mut claim: Claim) -> Claim {
    let most = case.evidence.profile.as_ref();
    let most = most.and_then(|profile| profile.tls.max_number.as_ref());
    if let Some(set) = most {
        claim = setting(claim, set);
    }
    match case.climb.shown(Side::Server) {
        Some((_, _, Some(key))) => claim.seen("the server's key", key_words(key)),
        _ => claim,
    }
}

fn record(case: &Case<'_>, claim: Claim) -> Claim {
    let buffer = case.evidence.profile.as_ref();
    let buffer = buffer.and_then(|profile| profile.tls.in_buffer.as_ref());
    match buffer {
        Some(set) if case.fault.number == INVALID_RECORD && set.value < RECORD_MAX => {
            let claim = claim.named("TP-TLS-024").cause(format!(
                "a record of the server is larger than the TLS input buffer of {} bytes",
                set.value
            ));
            setting(claim, set).or_else(&["TP-TLS-045"])
        }
        _ => claim,
    }
}
