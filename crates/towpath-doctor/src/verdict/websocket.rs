//! Frames: what the peer breaks of RFC 6455, and what it closes with.

use towpath_proto::Code;

use super::{case::Case, claim::Claim, mqtt};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    match case.fault.code {
        // The broker has ended MQTT and the frames with it: the frames are not to blame.
        Code::WsClosed if matches!(case.fault.number, 1000 | 1001 | 1005) => {
            let claim = claim.seen("close code", case.fault.number.to_string());
            mqtt::closed_in_order(case, claim)
        }
        Code::WsClosed => {
            let number = case.fault.number;
            let meaning = meaning(number);
            claim
                .cause(format!(
                    "the peer closed the WebSocket with code {number} ({meaning})"
                ))
                .seen("close code", format!("{number}: {meaning}"))
        }
        _ => claim,
    }
}

/// What a close code means (RFC 6455 section 7.4.1, and the registry behind it).
const fn meaning(code: u32) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "data of a kind that it does not take",
        1005 => "no code given",
        1007 => "data that does not fit its kind",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "an extension is missing",
        1011 => "error inside the server",
        1012 => "the service restarts",
        1013 => "try again later",
        1014 => "bad gateway",
        3000..=3999 => "a code of a library",
        4000..=4999 => "a code of the application",
        _ => "an unusual code",
    }
}
