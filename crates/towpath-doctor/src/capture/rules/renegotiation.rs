//! Renegotiation of TLS 1.2: asked for by the server, and what the client made of it.

use towpath_proto::Rung;

use super::{Case, Claim, Outcome, PATIENCE, Wait, client_ending, ending};
use crate::capture::talk::tls::Tls;

pub(super) fn claim(case: &Case<'_>, tls: &Tls, outcome: &mut Outcome) -> Option<Claim> {
    let (asked, len) = tls.asked?;
    outcome.reached = Some(Rung::Tls);
    let base = |id| {
        Claim::new(id, Rung::Tls).seen(
            "HelloRequest",
            format!(
                "{asked}: a handshake record of {len} bytes from the server, after the handshake"
            ),
        )
    };
    if let Some(again) = tls.asked_again {
        return Some(base("TP-TLS-037").seen("again", format!("{again}: asked once more")));
    }
    if tls.renegotiated.is_some() {
        return None;
    }
    let [_, received] = tls.data;
    let goes_on = received.is_some_and(|(_, last, _)| last > asked);
    let end = case.wait(tls.renegotiates.or(tls.refused).unwrap_or(asked));
    if let Some(mark) = tls.renegotiates {
        let claim = |id| base(id).seen("last sent", format!("{mark}: the client takes it up"));
        return match end {
            Wait::Open => None,
            Wait::Ended(..) => {
                let claim = ending(claim("TP-TLS-034"), end).or_else(&["TP-TLS-026", "TP-TLS-042"]);
                let [_, hidden] = tls.hidden;
                Some(match hidden {
                    Some(mark) => {
                        claim.seen("alert", format!("{mark}: an encrypted one from the server"))
                    }
                    None => claim,
                })
            }
            Wait::Silent(..) => Some(ending(claim("TP-TLS-035"), end)),
        };
    }
    if let Some(mark) = tls.refused {
        let claim = base("TP-TLS-031").seen(
            "alert",
            format!("{mark}: an encrypted one from the client, in answer"),
        );
        let ended = matches!(end, Wait::Ended(..) | Wait::Silent(..)) && !goes_on;
        return ended.then(|| ending(claim, end));
    }
    if goes_on {
        return None;
    }
    let claim = base("TP-TLS-031").seen("last sent", "the client does not answer it");
    match end {
        Wait::Ended(..) => Some(ending(claim, end)),
        _ if case.flow.client_ended().is_some() => Some(client_ending(case, claim)),
        Wait::Silent(_, waited) if waited >= PATIENCE => Some(ending(claim, end)),
        _ => None,
    }
}
