//! The ladder of a diagnosis: every rung that the target needs, whether it stands, and what was seen on it.

use std::net::IpAddr;

use towpath_proto::{Rung, net::Ended, tls::Side};

use super::{
    seen::{agreed_words, attempt_words, key_words, with_source},
    words::{common_name, date, plural},
};
use crate::{
    diagnosis::{Found, State, Step},
    evidence::{Climb, Evidence, Service, Target},
};

/// The rungs that this target needs. Nobody knows beforehand whether a translator stands in the way; where one was met,
/// `translated` is true.
fn rungs(target: &Target, translated: bool) -> Vec<Rung> {
    let looked_up = target.proxy.as_deref().unwrap_or(&target.host);
    let named = host_of(looked_up).parse::<IpAddr>().is_err();
    [
        (Rung::Dns, named),
        (Rung::Nat64, translated),
        (Rung::Tcp, true),
        (Rung::Proxy, target.proxy.is_some()),
        (Rung::Tls, target.scheme.is_secured()),
        (Rung::Upgrade, target.scheme.is_framed()),
        (Rung::Ws, target.scheme.is_framed()),
        (Rung::Mqtt, true),
        (Rung::Hub, target.service != Service::Broker),
    ]
    .into_iter()
    .filter(|(_, needed)| *needed)
    .map(|(rung, _)| rung)
    .collect()
}

/// The host of `http://host:port`, or what was given.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    if let Some(literal) = rest.strip_prefix('[') {
        return literal.split(']').next().unwrap_or(literal);
    }
    match rest.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => rest,
    }
}

/// The ladder, from the lowest rung upwards. The lowest of `found` that breaks decides; warnings mark their rung.
pub(super) fn ladder(evidence: &Evidence, found: &[Found]) -> Vec<Step> {
    let broke = found
        .iter()
        .filter(|found| found.breaks)
        .min_by_key(|found| found.rung);
    let climb = evidence.climb.as_ref();
    let translated = climb.is_some_and(|climb| {
        let prefix = climb
            .candidate()
            .and_then(|candidate| candidate.origin.prefix());
        climb.reached(Rung::Nat64) && prefix.is_some()
    });
    let mut rungs = rungs(&evidence.target, translated);
    for shown in found.iter().map(|found| found.rung) {
        if !rungs.contains(&shown) {
            rungs.push(shown);
        }
    }
    rungs.sort_unstable();
    rungs
        .into_iter()
        .map(|rung| match broke {
            Some(broke) if rung > broke.rung => beyond(rung),
            Some(broke) if rung == broke.rung => problem(climb, broke),
            _ => below(evidence, rung, found, broke.is_some()),
        })
        .collect()
}

fn beyond(rung: Rung) -> Step {
    Step {
        rung,
        state: State::NotReached,
        took: None,
        what: String::new(),
        more: Vec::new(),
    }
}

/// The rung that broke.
fn problem(climb: Option<&Climb>, broke: &Found) -> Step {
    let rung = broke.rung;
    let mut took = None;
    let mut what = broke.cause().to_owned();
    let mut more = Vec::new();
    if let Some(climb) = climb.filter(|_| broke.fault.is_some()) {
        let step = climb.step(rung);
        let since = step.and_then(|step| step.reached.or(step.started));
        took = since.map(|since| climb.took.saturating_sub(since));
        more = details(climb, rung);
        if rung >= Rung::Proxy {
            what = format!(
                "last sent {}, last received {}",
                climb.last_sent(rung),
                climb.last_received(rung)
            );
        }
    }
    Step {
        rung,
        state: State::Problem,
        took,
        what,
        more,
    }
}

/// A rung below what broke, or any rung of a path that stands.
fn below(evidence: &Evidence, rung: Rung, found: &[Found], broken: bool) -> Step {
    let not_measured = |what: &str| Step {
        rung,
        state: State::NotMeasured,
        took: None,
        what: what.to_owned(),
        more: Vec::new(),
    };
    let Some(climb) = &evidence.climb else {
        return not_measured("nothing was sent");
    };
    if !is_reached(climb, rung, broken) {
        return not_measured(unmeasured(rung));
    }
    if rung == Rung::Tls && climb.is_unconfirmed() {
        let why = "this side is done; whether the server takes the client certificate, TLS 1.3 tells \
                   only with its first byte, and none came";
        return not_measured(why);
    }
    let step = climb.step(rung);
    let times = step.and_then(|step| step.started.zip(step.reached));
    let warned = found
        .iter()
        .any(|found| !found.breaks && found.rung == rung);
    Step {
        rung,
        state: if warned { State::Warning } else { State::Ok },
        took: times.map(|(started, reached)| reached.saturating_sub(started)),
        what: seen_on(evidence, climb, rung),
        more: details(climb, rung),
    }
}

/// Whether it stands. What lies below a rung that was begun was reached, whether or not a fact said so.
fn is_reached(climb: &Climb, rung: Rung, broken: bool) -> bool {
    let above =
        |other: Rung| other > rung && climb.step(other).is_some_and(|s| s.started.is_some());
    let carried = rung < Rung::Hub
        && [Rung::Tcp, Rung::Tls, Rung::Upgrade, Rung::Mqtt, Rung::Hub]
            .into_iter()
            .any(above);
    climb.reached(rung) || carried || (rung == Rung::Dns && broken && climb.resolved())
}

const fn unmeasured(rung: Rung) -> &'static str {
    match rung {
        Rung::Hub => "what the hub does for the device was not asked for",
        _ => "the climb ended below, without a fault",
    }
}

/// What was seen on a rung that stands, in a line.
fn seen_on(evidence: &Evidence, climb: &Climb, rung: Rung) -> String {
    let target = &evidence.target;
    match rung {
        Rung::Dns => target
            .proxy
            .as_deref()
            .map_or_else(|| target.host.clone(), |proxy| host_of(proxy).to_owned()),
        Rung::Nat64 => {
            let prefix = climb
                .candidate()
                .and_then(|candidate| candidate.origin.prefix());
            prefix.map_or_else(String::new, |prefix| format!("prefix {prefix}"))
        }
        Rung::Tcp => match (climb.candidate(), climb.peer) {
            (Some(candidate), Some(peer)) => {
                format!("{}, port {}", with_source(&candidate), peer.port())
            }
            (_, Some(peer)) => peer.to_string(),
            (Some(candidate), None) => with_source(&candidate),
            (None, None) => String::new(),
        },
        Rung::Proxy => {
            let proxy = target.proxy.as_deref().unwrap_or_default();
            format!("{proxy} opened {}:{}", target.host, target.port)
        }
        Rung::Tls => climb.agreed().map_or_else(String::new, agreed_words),
        Rung::Upgrade => {
            let head = climb.http.as_ref();
            let server = head.map_or("", |head| head.server.as_str());
            let server = if server.is_empty() {
                String::new()
            } else {
                format!(", Server: {server}")
            };
            format!("GET {} -> 101{server}", path_of(target))
        }
        Rung::Ws => "binary frames".to_owned(),
        Rung::Mqtt if climb.granted.is_empty() => "CONNECT -> CONNACK".to_owned(),
        Rung::Mqtt => format!("CONNECT -> CONNACK, {}", climb.granted),
        Rung::Hub => climb
            .assigned
            .as_deref()
            .map_or_else(String::new, |hub| format!("assigned to {hub}")),
        _ => String::new(),
    }
}

pub(super) fn path_of(target: &Target) -> &str {
    if target.path.is_empty() {
        "/"
    } else {
        &target.path
    }
}

/// More of a rung: addresses that were tried, the chain.
fn details(climb: &Climb, rung: Rung) -> Vec<String> {
    match rung {
        Rung::Dns => {
            let servers = climb.servers_asked(Rung::Dns);
            let servers: Vec<_> = servers
                .iter()
                .map(|server| server.ip().to_string())
                .collect();
            if servers.is_empty() {
                Vec::new()
            } else {
                vec![format!("asked {}", servers.join(", then "))]
            }
        }
        Rung::Tcp => {
            let attempts = climb.attempts();
            let others = attempts.iter().filter(|attempt| {
                attempts.len() > 1 || !matches!(attempt.ended, Some((Ended::Won, _)))
            });
            let mut lines: Vec<_> = others.map(attempt_words).collect();
            if let Some(local) = climb.local {
                lines.push(format!("from {}", local.ip()));
            }
            lines
        }
        Rung::Tls => chain_lines(climb),
        _ => Vec::new(),
    }
}

/// The server's chain, a line for its size and one for each certificate.
pub(super) fn chain_lines(climb: &Climb) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((count, len, key)) = climb.shown(Side::Server) {
        let key = key.map_or_else(String::new, |key| format!(", {}", key_words(key)));
        let count = plural(u64::from(count), "certificate");
        lines.push(format!("{count} in {len} bytes{key}"));
    }
    lines.extend(climb.chain.iter().map(|certificate| {
        format!(
            "{} by {}, {} to {}",
            common_name(&certificate.subject),
            common_name(&certificate.issuer),
            date(certificate.not_before),
            date(certificate.not_after)
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_proxy_is_found() {
        for (url, host) in [
            ("http://proxy.example:3128", "proxy.example"),
            ("socks5://[fd00::1]:1080", "fd00::1"),
            ("broker.example", "broker.example"),
            ("fd00::1", "fd00::1"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
