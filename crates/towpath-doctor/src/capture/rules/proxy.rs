//! Proxies: what they answer to CONNECT, and to SOCKS5.

use towpath_proto::Rung;

use super::{Case, Claim, Outcome, Wait, ending};
use crate::capture::talk::proxy::Proxy;

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    let proxy = case.talk().proxy.as_ref()?;
    if proxy.open.is_some() {
        outcome.reached = Some(Rung::Proxy);
        return None;
    }
    let asked = proxy.asked?;
    let said = if proxy.socks { "SOCKS5" } else { "CONNECT" };
    let base = |id| {
        let target = if proxy.target.is_empty() {
            String::new()
        } else {
            format!(" for {}", proxy.target)
        };
        Claim::new(id, Rung::Proxy).seen("last sent", format!("{asked}: {said}{target}"))
    };
    if let Some((foreign, mark)) = proxy.foreign {
        return Some(
            base("TP-PROXY-002").seen("last received", format!("{mark}: {}", foreign.words())),
        );
    }
    if let Some(mark) = proxy.answered.filter(|mark| *mark >= asked) {
        let id = if proxy.socks {
            socks(proxy)?
        } else {
            http(proxy)
        };
        let what = if proxy.socks {
            format!("{mark}: reply {}", proxy.status)
        } else {
            format!("{mark}: HTTP {}", proxy.status)
        };
        let claim = base(id).seen("last received", what);
        return Some(claim.seen("Server", proxy.server.as_str()));
    }
    match case.wait(asked) {
        Wait::Open => None,
        wait @ Wait::Silent(..) => Some(ending(base("TP-PROXY-003"), wait)),
        wait @ Wait::Ended(..) => Some(ending(base("TP-PROXY-004"), wait)),
    }
}

/// The same as the client's own reading of these statuses.
const fn http(proxy: &Proxy) -> &'static str {
    match proxy.status {
        407 if proxy.credentials => "TP-PROXY-006",
        407 => "TP-PROXY-013",
        401 | 403 | 451 => "TP-PROXY-005",
        400 | 404 | 405 | 501 => "TP-PROXY-002",
        502..=504 => "TP-PROXY-008",
        _ => "TP-PROXY-009",
    }
}

const fn socks(proxy: &Proxy) -> Option<&'static str> {
    if proxy.no_method {
        Some("TP-PROXY-011")
    } else if proxy.refused {
        Some("TP-PROXY-012")
    } else if proxy.status != 0 {
        Some("TP-PROXY-010")
    } else {
        None
    }
}
