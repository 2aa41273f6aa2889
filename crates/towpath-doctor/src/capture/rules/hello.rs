//! ClientHello: not sent, or not answered.

use towpath_proto::Rung;

use super::{Case, Claim, PATIENCE, Wait, client_ending, ending, tls::last_sent};
use crate::capture::{
    mark::{Mark, Seconds},
    talk::{hello::Hello, tls::Tls},
};

/// No TLS was begun where there should be some.
pub(super) fn missing(case: &Case<'_>) -> Option<Claim> {
    let flow = case.flow;
    let nothing = flow.ends.iter().all(|end| end.bytes == 0);
    let opened = flow.syn_ack?;
    let proxied = case.talk().proxy.is_some();
    if !nothing || !case.is_tls_port() || proxied || flow.server_ended().is_some() {
        return None;
    }
    let until = flow
        .client_ended()
        .map_or(case.seen.last, |(_, ended)| ended);
    let waited = until.since(opened);
    if flow.client_ended().is_none() && waited < PATIENCE {
        return None;
    }
    let claim = Claim::new("TP-DEV-039", Rung::Tls)
        .seen("TCP", format!("{opened}: SYN/ACK, the connection stands"))
        .seen("last sent", format!("no byte in {}", Seconds(waited)));
    Some(client_ending(case, claim))
}

/// How much of what decides a hello is in it.
pub(super) fn words(hello: &Hello) -> String {
    let name = hello.name.as_deref().unwrap_or("none");
    let alpn = if hello.alpn.is_empty() {
        "none".to_owned()
    } else {
        hello.alpn.join(", ")
    };
    let version = crate::capture::talk::hello::version_name(hello.version);
    format!(
        "up to {version}, {} suites, server name {name}, ALPN {alpn}",
        hello.suites.len()
    )
}

/// The server says nothing to the hello.
pub(super) fn unanswered(case: &Case<'_>, tls: &Tls, sent: Mark, hello: &Hello) -> Option<Claim> {
    let mut others = Vec::new();
    if hello.name.is_none() {
        others.push("TP-TLS-047");
    }
    if hello.alpn.is_empty() && case.talk().port == 443 {
        others.push("TP-TLS-049");
    }
    match case.wait(sent) {
        Wait::Open => None,
        wait @ Wait::Silent(..) => {
            let claim =
                last_sent(Claim::new("TP-TLS-002", Rung::Tls), tls).seen("hello", words(hello));
            Some(ending(claim.seen("last received", "nothing"), wait))
        }
        wait @ Wait::Ended(..) => {
            others.extend(["TP-TLS-003", "TP-TLS-020"]);
            let claim =
                last_sent(Claim::new("TP-TLS-001", Rung::Tls), tls).seen("hello", words(hello));
            Some(ending(claim.seen("last received", "nothing"), wait).or_else(&others))
        }
    }
}
