//! The HTTP request that asks for WebSocket: who answers, with what, and whether another path is taken.
//!
//! Needs: `Climb::http` of the answer, also of one that never ended; probes up to the upgrade by [`Change::Path`] and
//! [`Change::OneSubprotocol`]; [`Change::Transport`] with TLS on the same port; [`Probe::Linger`] on TLS.

use towpath_proto::{Code, Rung};

use super::{
    case::Case,
    claim::Claim,
    ladder::path_of,
    mqtt::closed_below,
    tls::{is_tls_port, speaks_tls},
    words::without_query,
};
use crate::probe::{Change, Probe};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    if is_tls_port(case) {
        return speaks_tls(case, claim);
    }
    let claim = match status(case) {
        0 => claim,
        status => claim.seen("status", format!("HTTP {status}")),
    };
    match case.fault.code {
        Code::Closed | Code::Reset => cut(case, claim),
        Code::UpgradeTimeout => timeout(case, claim),
        Code::Redirected => redirected(case, claim),
        Code::BadRequest | Code::NotFound | Code::HttpStatus | Code::UpgradeRequired => {
            refused(case, claim)
        }
        Code::ServerError => failed(case, claim),
        _ => claim,
    }
}

fn status(case: &Case<'_>) -> u32 {
    let head = case.climb.http.as_ref().map(|head| u32::from(head.status));
    // What ends a connection has a number of another kind: an errno, milliseconds, bytes.
    let other = matches!(
        case.fault.code,
        Code::UpgradeTimeout | Code::Reset | Code::Closed | Code::Io | Code::HeadTooLarge
    );
    match case.fault.number {
        number @ 100..=999 if !other => number,
        _ => head.unwrap_or(0),
    }
}

fn server(case: &Case<'_>) -> String {
    let head = case.climb.http.as_ref().map(|head| head.server.as_str());
    match head.filter(|server| !server.is_empty()) {
        Some(server) => format!(" (Server: {server})"),
        None => String::new(),
    }
}

fn cut(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(claim) = one_subprotocol(case, &claim) {
        return claim;
    }
    if let Some(claim) = closed_below(case, &claim) {
        return claim;
    }
    claim.named("TP-UPG-001")
}

/// Several subprotocols were offered, and one alone is taken.
fn one_subprotocol(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let works = case.works(&Change::OneSubprotocol, Rung::Upgrade);
    works.then(|| {
        claim
            .clone()
            .named("TP-UPG-025")
            .seen("offered", case.settings().subprotocols.as_str())
            .seen("with mqtt alone", "the server switches to WebSocket")
    })
}

fn other_path(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let mut probes = case.evidence.probes.iter();
    let path = probes.find_map(|(probe, climb)| match probe {
        Probe::Climb {
            change: Change::Path(path),
            ..
        } if climb.reached(Rung::Upgrade) => Some(*path),
        _ => None,
    })?;
    let given = path_of(case.target());
    Some(
        claim
            .clone()
            .named("TP-UPG-023")
            .cause(format!(
                "the path {given} is not the one of MQTT at this server; {path} is"
            ))
            .fix(format!("Use the path {path} in the URL."))
            .seen(
                "with the path",
                format!("{path}: the server switches to WebSocket"),
            ),
    )
}

fn timeout(case: &Case<'_>, claim: Claim) -> Claim {
    let begun = case.climb.http.as_ref();
    let part = case
        .climb
        .step(Rung::Upgrade)
        .and_then(|step| step.received);
    match (begun, part) {
        (None, None) => claim,
        (head, part) => {
            let status = head.map_or(0, |head| head.status);
            let seen = match (status, part) {
                (0, Some((_, len))) => format!("{len} bytes, and not the end of the head"),
                (0, None) => "a beginning, and not the end of the head".to_owned(),
                (status, _) => format!("HTTP {status}, and not the end of the head"),
            };
            claim.named("TP-UPG-010").seen("came", seen)
        }
    }
}

fn redirected(case: &Case<'_>, claim: Claim) -> Claim {
    let head = case
        .climb
        .http
        .as_ref()
        .map_or("", |head| head.location.as_str());
    let location = if head.is_empty() {
        case.fault.detail.as_str()
    } else {
        head
    };
    let location = without_query(location);
    let claim = claim.seen("Location", location);
    let Some(host) = host_of(location) else {
        return claim;
    };
    let target = case.target();
    if !host.eq_ignore_ascii_case(&target.host) {
        // Over TLS the certificate has proven who answers: that is the server's own word.
        if target.scheme.is_secured() {
            return claim.cause(format!("the server redirects to {host}"));
        }
        if !is_related(host, &target.host) {
            return claim
                .named("TP-UPG-024")
                .cause(format!(
                    "{host} wants to be visited first: something else than the server answers"
                ))
                .or_else(&["TP-UPG-017"]);
        }
        let claim = claim.or_else(&["TP-UPG-024"]);
        return if location.starts_with("https:") {
            claim
                .cause(format!(
                    "the server wants TLS: it redirects to https at {host}"
                ))
                .fix(format!("Use wss://{host} instead of ws://{}.", target.host))
        } else {
            claim.cause(format!("the server redirects to {host}"))
        };
    }
    if location.starts_with("https:") && !target.scheme.is_secured() {
        return claim
            .cause("the server wants TLS: it redirects to https")
            .fix("Use wss:// instead of ws://.");
    }
    claim
}

/// The host that a redirect leads to, if it leads elsewhere.
fn host_of(location: &str) -> Option<&str> {
    let (_, rest) = location.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    if let Some(literal) = authority.strip_prefix('[') {
        return literal.split(']').next();
    }
    authority.split(':').next().filter(|host| !host.is_empty())
}

/// Whether two hosts may be one owner's: their names end alike, or an address stands for the one that was asked for.
fn is_related(host: &str, asked: &str) -> bool {
    let address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    if address(asked) {
        return !address(host);
    }
    if address(host) {
        return false;
    }
    let domain = |name: &str| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let labels: Vec<_> = name.rsplit('.').map(str::to_owned).collect();
        // `co.uk` and its like are nobody's.
        let short = |at: usize, most| labels.get(at).is_some_and(|label| label.len() <= most);
        let own = if short(0, 2) && short(1, 3) && labels.len() > 2 {
            3
        } else {
            2
        };
        labels.into_iter().take(own).collect::<Vec<_>>()
    };
    domain(host) == domain(asked)
}

/// The request is not what this server takes for MQTT.
fn refused(case: &Case<'_>, claim: Claim) -> Claim {
    if let Some(claim) = one_subprotocol(case, &claim) {
        return claim;
    }
    if let Some(claim) = other_path(case, &claim) {
        return claim;
    }
    let path = path_of(case.target());
    // The code for a portal that wants to be logged in to (RFC 6585 section 6).
    if status(case) == 511 {
        return claim.named("TP-UPG-024");
    }
    if case.target().path.is_empty() && case.fault.code == Code::BadRequest {
        return claim.named("TP-UPG-026");
    }
    let server = server(case);
    match case.fault.code {
        Code::NotFound => claim.cause(format!("the server{server} has no path {path}")),
        Code::HttpStatus if status(case) == 429 => claim
            .cause(format!(
                "the server{server} takes no more requests from here for now (HTTP 429)"
            ))
            .fix("Wait, and connect less often; a limit of the server or of what stands before it is met."),
        Code::HttpStatus if status(case) == 451 => claim
            .cause(format!(
                "the server{server} refuses for legal reasons (HTTP 451)"
            ))
            .fix("Ask whoever runs the server, or what stands before it, from where it may be used."),
        Code::HttpStatus if status(case) == 405 => claim.cause(format!(
            "what the server{server} has at {path} does not take GET (HTTP 405), which a WebSocket \
             begins with"
        )),
        Code::HttpStatus => {
            let status = status(case);
            claim.cause(format!(
                "the server{server} answers {path} with HTTP {status} and does not switch to \
                 WebSocket"
            ))
        }
        _ => claim,
    }
}

fn failed(case: &Case<'_>, claim: Claim) -> Claim {
    if status(case) == 511 {
        return claim.named("TP-UPG-024");
    }
    let status = status(case);
    let server = server(case);
    match status {
        502..=504 => claim.cause(format!(
            "the front end{server} is there and does not reach the broker behind it (HTTP {status})"
        )),
        _ => claim.cause(format!("the server{server} failed with HTTP {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_domain_are_related() {
        for (host, asked, related) in [
            ("www.broker.example", "broker.example", true),
            ("WWW.broker.example.", "mqtt.broker.example", true),
            ("portal.wifi.net", "broker.example.net", false),
            ("a.co.uk", "b.co.uk", false),
            ("www.a.co.uk", "a.co.uk", true),
            ("10.0.0.1", "broker.example", false),
            ("broker.example", "192.0.2.1", true),
            ("10.0.0.1", "192.0.2.1", false),
            ("portal", "broker", false),
        ] {
            assert_eq!(is_related(host, asked), related, "{host} {asked}");
        }
    }

    #[test]
    fn a_redirect_names_its_host() {
        for (location, host) in [
            ("http://portal.example/login", Some("portal.example")),
            ("https://broker.example:443/mqtt", Some("broker.example")),
            ("http://user@[fd00::1]:80/", Some("fd00::1")),
            ("/login", None),
            ("http:///x", None),
            ("", None),
        ] {
            assert_eq!(host_of(location), host, "{location}");
        }
    }
}
