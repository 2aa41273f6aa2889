//! The HTTP request to become a WebSocket, in clear, and what came back.

use towpath_proto::Rung;

use super::{Case, Claim, Outcome, Wait, ending};
use crate::capture::talk::{Foreign, http::Http};

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    let http = case.talk().http.as_ref()?;
    let asked = http.asked.filter(|_| http.upgrade)?;
    let base = |id| {
        Claim::new(id, Rung::Upgrade).seen(
            "last sent",
            format!("{asked}: {} {} for {}", http.method, http.path, http.host),
        )
    };
    if let Some((foreign, mark)) = http.foreign {
        let id = if foreign == Foreign::Tls {
            "TP-TLS-048"
        } else {
            "TP-UPG-019"
        };
        return Some(base(id).seen("last received", format!("{mark}: {}", foreign.words())));
    }
    let Some(answered) = http.answered else {
        return unanswered(case, http, base, asked);
    };
    let said = |claim: Claim| {
        let claim = claim.seen("last received", format!("{answered}: HTTP {}", http.status));
        claim.seen("Server", http.server.as_str())
    };
    if http.status != 101 {
        return Some(said(refused(case, http, base)));
    }
    let offered = http.offered.join(", ");
    let unknown = !http.chosen.is_empty() && !http.offered.contains(&http.chosen);
    let id = if !http.switched {
        "TP-UPG-021"
    } else if unknown {
        "TP-UPG-008"
    } else if http.chosen.is_empty()
        && !http.offered.is_empty()
        && case.flow.server_ended().is_some()
    {
        "TP-UPG-007"
    } else if http.extension {
        "TP-UPG-022"
    } else {
        outcome.reached = Some(Rung::Upgrade);
        return None;
    };
    let claim = said(base(id)).seen("offered", offered);
    Some(claim.seen("chosen", http.chosen.as_str()))
}

fn unanswered(
    case: &Case<'_>,
    http: &Http,
    base: impl Fn(&'static str) -> Claim,
    asked: crate::capture::mark::Mark,
) -> Option<Claim> {
    let wait = case.wait(asked);
    if http.endless {
        return Some(base("TP-UPG-006"));
    }
    let id = match (http.begun, wait) {
        (_, Wait::Open) => return None,
        (Some((mark, len)), _) => {
            let claim = base("TP-UPG-010");
            let claim = claim.seen(
                "last received",
                format!("{mark}: an answer begins, {len} bytes without the end of its head"),
            );
            return Some(ending(claim, wait));
        }
        (None, Wait::Silent(..)) => "TP-UPG-002",
        (None, Wait::Ended(..)) => "TP-UPG-001",
    };
    let others: &[&str] = match (id, http.offered.len()) {
        ("TP-UPG-001", 2..) => &["TP-UPG-025"],
        ("TP-UPG-001", _) if case.is_tls_port() => &["TP-TLS-048"],
        _ => &[],
    };
    Some(ending(base(id).seen("last received", "nothing"), wait).or_else(others))
}

/// Another status than 101.
fn refused(case: &Case<'_>, http: &Http, base: impl Fn(&'static str) -> Claim) -> Claim {
    match http.status {
        400 if http.no_path => base("TP-UPG-026"),
        // An HTTPS port that is spoken to in clear says so with this status.
        400 if case.is_tls_port() => base("TP-TLS-048").or_else(&["TP-UPG-011"]),
        400 if http.offered.len() > 1 => base("TP-UPG-011").or_else(&["TP-UPG-025", "TP-UPG-023"]),
        400 => base("TP-UPG-011").or_else(&["TP-UPG-023"]),
        401 => base("TP-UPG-012"),
        403 => base("TP-UPG-013"),
        404 => base("TP-UPG-014").or_else(&["TP-UPG-023"]),
        407 => base("TP-PROXY-013"),
        426 => base("TP-UPG-016"),
        300..=399 => {
            let id = if is_foreign(http) {
                "TP-UPG-024"
            } else {
                "TP-UPG-017"
            };
            base(id).seen("Location", http.location.as_str())
        }
        500..=599 => base("TP-UPG-018"),
        _ => base("TP-UPG-003"),
    }
}

/// Whether the request is sent on to another host.
fn is_foreign(http: &Http) -> bool {
    let host = |text: &str| {
        let text = text.split(['/', '?']).next().unwrap_or(text);
        text.rsplit_once(':')
            .map_or(text, |(host, _)| host)
            .to_ascii_lowercase()
    };
    match http.location.split_once("://") {
        Some((_, rest)) => host(rest) != host(&http.host),
        None => false,
    }
}
