//! Evidence that every claim of a climb carries: what was said last, by whom, from where, to where, after how long.

use towpath_proto::{Code, Rung};

use super::{
    case::Case,
    claim::Claim,
    ladder::chain_lines,
    seen::with_source,
    words::{span, without_query},
};

/// The claim with the evidence of its rung behind that of its rule.
pub(super) fn evidence(case: &Case<'_>, mut claim: Claim) -> Claim {
    let (climb, fault) = (case.climb, &case.fault);
    let rung = fault.rung;
    if rung >= Rung::Proxy {
        claim = claim
            .seen("last sent", climb.last_sent(rung))
            .seen("last received", climb.last_received(rung));
    }
    if let Some(alert) = fault.alert.or_else(|| climb.alert()) {
        claim = claim.seen("alert", alert.to_string());
    }
    claim = said(case, claim);
    if claim.rung == Rung::Tls || rung == Rung::Tls {
        for line in chain_lines(climb) {
            claim = claim.seen("chain", line);
        }
    }
    if let Some(head) = &climb.http {
        claim = claim.seen("Server", head.server.as_str());
    }
    claim
        .seen("clause", fault.clause)
        .addresses(case)
        .time(case)
}

/// What the peer said about it; up to TLS it is this side's own words.
fn said(case: &Case<'_>, claim: Claim) -> Claim {
    let fault = &case.fault;
    let detail = fault.detail.as_str();
    // The attempts say more about addresses than the fault does.
    let known = detail.starts_with("last sent")
        || matches!(fault.rung, Rung::Nat64 | Rung::Tcp)
        || case
            .climb
            .http
            .as_ref()
            .is_some_and(|head| head.server == detail);
    if known {
        return claim;
    }
    let quoted = fault.rung > Rung::Tls || is_said_by_proxy(fault.code);
    let what = if quoted { "the peer says" } else { "seen" };
    claim.seen(what, without_query(detail))
}

const fn is_said_by_proxy(code: Code) -> bool {
    matches!(
        code,
        Code::NotProxy
            | Code::ProxyRefused
            | Code::ProxyAuthFailed
            | Code::ProxyBadGateway
            | Code::ProxyStatus
    )
}

impl Claim {
    /// Where to and where from.
    fn addresses(self, case: &Case<'_>) -> Self {
        let climb = case.climb;
        if case.fault.rung < Rung::Tcp {
            return self;
        }
        let whose = if case.is_proxied() {
            "address of the proxy"
        } else {
            "address"
        };
        let to = climb.candidate().map(|candidate| with_source(&candidate));
        let to = to.or_else(|| climb.peer.map(|peer| peer.to_string()));
        let from = climb.local.map(|local| local.ip().to_string());
        self.seen(whose, to.unwrap_or_default())
            .seen("source address", from.unwrap_or_default())
    }

    /// How long the rung had been under way.
    fn time(self, case: &Case<'_>) -> Self {
        let step = case.climb.step(case.fault.rung);
        let Some(since) = step.and_then(|step| step.reached.or(step.started)) else {
            return self;
        };
        self.seen("after", span(case.climb.took.saturating_sub(since)))
    }
}
