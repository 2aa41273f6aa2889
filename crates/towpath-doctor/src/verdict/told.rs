//! What stands beside the findings: the target in a line, the questions with their answers, what is not the fault and
//! what was not measured.

use std::fmt::Write as _;

use towpath_proto::{Rung, tls::Version};

use super::words::{apart, moment, without_query};
use crate::{
    diagnosis::{Asked, Found},
    evidence::{Climb, Evidence, Scheme, Target},
    probe::{Change, Probe},
};

/// The target as a URL, without what may be secret.
pub(super) fn subject(target: &Target) -> String {
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    let path = without_query(&target.path);
    format!("{}://{host}:{}{path}", target.scheme.name(), target.port)
}

/// A question with its answer.
pub(super) fn asked((probe, climb): &(Probe, Climb)) -> Asked {
    Asked {
        question: question(probe),
        answer: answer(probe, climb),
        took: climb.took,
    }
}

fn question(probe: &Probe) -> String {
    match probe {
        Probe::Climb { change, .. } => changed(change),
        Probe::Linger { on } => format!("nothing sent after {on}: does the server close by itself"),
        Probe::Date => "the time in an HTTPS answer".to_owned(),
        Probe::Rest => "the hub's REST interface, with the same credentials".to_owned(),
    }
}

fn changed(change: &Change) -> String {
    match change {
        Change::Transport(Scheme::Mqtts | Scheme::Wss, port) => {
            format!("port {port} of the same host, with TLS")
        }
        Change::Transport(_, port) => format!("port {port} of the same host"),
        Change::NoServerName => "without the server's name (SNI)".to_owned(),
        Change::ServerName => "with the server's name (SNI)".to_owned(),
        Change::TlsVersion(version) => format!("TLS {version} only"),
        Change::EverySuite => "every TLS version, suite and group".to_owned(),
        Change::NoAlpn => "without ALPN".to_owned(),
        Change::Alpn(name) => format!("with ALPN {name}"),
        Change::Direct => "past the proxy".to_owned(),
        Change::EnvironmentProxy => "through the proxy of the environment".to_owned(),
        Change::V4 => "over IPv4 only".to_owned(),
        Change::V6 => "over IPv6 only".to_owned(),
        Change::AnnouncedPrefix => "with the NAT64 prefix that the network announces".to_owned(),
        Change::Resolver(server) => format!("DNS server {}", server.ip()),
        Change::AnySource => "from any source address".to_owned(),
        Change::Mss(bytes) => format!("TCP segments of at most {bytes} bytes"),
        Change::ClientId => "a random client identifier".to_owned(),
        Change::NoCertificate => "without the client certificate".to_owned(),
        Change::OneSubprotocol => "the subprotocol mqtt alone".to_owned(),
        Change::Path(path) => format!("the path {path}"),
        Change::Nothing => "the same once more".to_owned(),
    }
}

fn answer(probe: &Probe, climb: &Climb) -> String {
    let mut text = match (&climb.fault, probe) {
        (Some(fault), _) => format!("{}: {}", fault.rung, fault.code.cause()),
        (None, Probe::Linger { .. }) => "no, it waits".to_owned(),
        (
            None,
            Probe::Climb {
                change: Change::Resolver(_),
                ..
            },
        ) if climb.resolved() => "gives an address".to_owned(),
        (None, Probe::Climb { until, .. }) if climb.reached(*until) => format!("{until} stands"),
        (None, Probe::Climb { .. }) => "came to no end".to_owned(),
        (None, Probe::Date | Probe::Rest) if climb.http.is_none() => "no answer".to_owned(),
        (None, Probe::Date | Probe::Rest) => String::new(),
    };
    let Some(head) = climb
        .http
        .as_ref()
        .filter(|_| matches!(probe, Probe::Date | Probe::Rest))
    else {
        return text;
    };
    let mut parts = Vec::new();
    if head.status != 0 {
        parts.push(format!("HTTP {}", head.status));
    }
    if head.hub_code != 0 {
        parts.push(format!("error {}", head.hub_code));
    }
    if let Some(date) = head.date {
        parts.push(format!("{} UTC", moment(date)));
    }
    if !parts.is_empty() {
        let before = if text.is_empty() { "" } else { "; " };
        // Writing to a String can't fail.
        let _ = write!(text, "{before}{}", parts.join(", "));
    }
    text
}

/// What is not the fault, and what was not measured and why.
pub(super) fn notes(evidence: &Evidence, found: &[Found]) -> Vec<String> {
    let mut notes = Vec::new();
    let broke = found.iter().find(|found| found.breaks);
    if evidence.climb.is_none() {
        notes.push("Nothing was sent: what is set can't work, wherever it is tried.".to_owned());
    }
    if evidence.profile.is_some() {
        notes.push(
            "Seen from this machine with the device's settings; the device's own network was not \
             measured."
                .to_owned(),
        );
    }
    let Some(climb) = &evidence.climb else {
        return notes;
    };
    if let (Some(_), Some(fault)) = (broke, climb.fault)
        && found.iter().all(|found| found.fault.is_none())
    {
        notes.push(format!(
            "The climb from this machine came further and broke on {}: {} [{}].",
            fault.rung,
            fault.code.cause(),
            fault.finding()
        ));
    }
    let unconfirmed = climb.is_unconfirmed() && broke.is_some_and(|broke| broke.rung > Rung::Tls);
    if unconfirmed && matches!(climb.agreed(), Some((Version::Tls13, _))) {
        notes.push(
            "Whether the server takes the client certificate was not measured: in TLS 1.3 it says \
             so with its first byte after the handshake."
                .to_owned(),
        );
    }
    if let Some(ahead) = evidence_clock(evidence) {
        notes.push(ahead);
    }
    notes
}

/// The clock beside the `Date` of an answer, where they agree: then it is not the fault.
fn evidence_clock(evidence: &Evidence) -> Option<String> {
    let case = super::case::Case::of(evidence)?;
    let ahead = case.clock_ahead()?.unsigned_abs();
    (ahead <= super::certificate::CLOCK_SLACK).then(|| {
        format!(
            "The clock is not the fault: {} from the server's.",
            apart(ahead)
        )
    })
}
