//! Alerts in clear: the number, who sent it, and how far the handshake was.

use towpath_proto::{
    Rung,
    tls::{Alert, Side, alert::description as d},
};

use super::{Case, Claim, certificate, hello, tls::last_words};
use crate::capture::talk::{
    hello::{Hello, TLS_1_3, suite_name},
    tls::Tls,
};

pub(super) fn claim(case: &Case<'_>, tls: &Tls) -> Option<Claim> {
    let mut alerts = tls.alerts.iter();
    let (alert, mark) = alerts.find(|(alert, _)| says_something(alert))?;
    let claim = match alert.from {
        Side::Client => of_client(case, tls, *alert),
        Side::Server => of_server(tls, *alert),
    };
    let claim = claim.seen("alert", format!("{mark}: {alert}"));
    Some(last_words(claim, tls))
}

/// Whether an alert tells a fault. In TLS 1.2 a warning may be one too, but for the polite ones.
const fn says_something(alert: &Alert) -> bool {
    !matches!(
        alert.description,
        d::CLOSE_NOTIFY | 90 | d::NO_RENEGOTIATION
    ) && (alert.fatal || alert.description != d::UNRECOGNIZED_NAME)
}

fn of_client(case: &Case<'_>, tls: &Tls, alert: Alert) -> Claim {
    let id = match alert.description {
        d::PROTOCOL_VERSION => "TP-TLS-021",
        d::HANDSHAKE_FAILURE | d::INSUFFICIENT_SECURITY => "TP-TLS-020",
        d::NO_APPLICATION_PROTOCOL => "TP-TLS-028",
        d::UNKNOWN_CA
        | d::CERTIFICATE_EXPIRED
        | d::BAD_CERTIFICATE
        | d::UNSUPPORTED_CERTIFICATE
        | d::CERTIFICATE_REVOKED
        | d::CERTIFICATE_UNKNOWN
        | d::ACCESS_DENIED => return certificate::refused(case, tls, alert.description),
        // record_overflow
        22 => "TP-TLS-024",
        // internal_error, once the chain is there
        80 if tls.chain.is_some() => {
            if let Some(claim) = certificate::other_name(case, tls) {
                return claim.or_else(&["TP-DEV-010"]);
            }
            let len = tls.chain.as_ref().map_or(0, |(_, _, len)| *len);
            return Claim::new("TP-DEV-010", Rung::Tls)
                .seen(
                    "chain",
                    format!("{len} bytes in the server's Certificate message"),
                )
                .or_else(&["TP-TLS-017", "TP-TLS-046"]);
        }
        // What the server sent behind its hello can't be seen in TLS 1.3.
        80 if tls.server_hello.is_some() => {
            return Claim::new("TP-DEV-025", Rung::Tls).or_else(&["TP-DEV-010", "TP-TLS-012"]);
        }
        80 => "TP-DEV-025",
        _ => "TP-TLS-045",
    };
    Claim::new(id, Rung::Tls)
}

fn of_server(tls: &Tls, alert: Alert) -> Claim {
    let hello = tls.client_hello.as_ref().map(|(_, hello)| hello);
    let shown = tls.shown.map(|(_, shown)| shown);
    let claim = |id| {
        let claim = Claim::new(id, Rung::Tls);
        match hello {
            Some(hello) => claim.seen("hello", hello::words(hello)),
            None => claim,
        }
    };
    match (alert.description, shown) {
        (d::PROTOCOL_VERSION, _) => {
            let newer = hello.is_some_and(|hello| hello.lowest == TLS_1_3);
            claim(if newer { "TP-TLS-022" } else { "TP-TLS-021" })
        }
        (d::UNRECOGNIZED_NAME, _) => claim(if is_nameless(hello) {
            "TP-TLS-047"
        } else {
            "TP-TLS-027"
        }),
        (d::NO_APPLICATION_PROTOCOL, _) => {
            let none = hello.is_some_and(|hello| hello.alpn.is_empty());
            claim(if none { "TP-TLS-049" } else { "TP-TLS-028" })
        }
        (d::CERTIFICATE_REQUIRED, _) => claim("TP-TLS-026"),
        (d::HANDSHAKE_FAILURE | d::INSUFFICIENT_SECURITY, _) if tls.server_hello.is_none() => {
            suites(claim, hello)
        }
        // Some servers have no other word for a name that they need.
        (80, _) if tls.server_hello.is_none() && is_nameless(hello) => {
            claim("TP-TLS-047").or_else(&["TP-TLS-029"])
        }
        (d::UNKNOWN_CA, _) => claim("TP-TLS-040"),
        (d::CERTIFICATE_EXPIRED, _) => claim("TP-TLS-041"),
        (d::DECRYPT_ERROR, Some(true)) => claim("TP-TLS-044"),
        (d::HANDSHAKE_FAILURE | d::BAD_CERTIFICATE, Some(false)) => claim("TP-TLS-026"),
        (
            d::HANDSHAKE_FAILURE
            | d::BAD_CERTIFICATE
            | d::UNSUPPORTED_CERTIFICATE
            | d::CERTIFICATE_REVOKED
            | d::CERTIFICATE_UNKNOWN
            | d::ACCESS_DENIED,
            Some(true),
        ) => claim("TP-TLS-042"),
        _ => claim("TP-TLS-029"),
    }
}

fn is_nameless(hello: Option<&Hello>) -> bool {
    hello.is_some_and(|hello| hello.name.is_none())
}

/// The server takes none of the suites.
fn suites(claim: impl Fn(&'static str) -> Claim, hello: Option<&Hello>) -> Claim {
    let Some(hello) = hello else {
        return claim("TP-TLS-020");
    };
    if hello.suites.len() <= 1 {
        let names: Vec<_> = hello
            .suites
            .iter()
            .map(|suite| suite_name(*suite))
            .collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return claim("TP-DEV-015")
            .seen("suites", names)
            .or_else(&["TP-TLS-020"]);
    }
    let others: &[&str] = match (hello.keys(), hello.name.is_none()) {
        ((true, true), true) => &["TP-TLS-047"],
        ((true, true), false) => &[],
        (_, true) => &["TP-TLS-018", "TP-TLS-047"],
        (_, false) => &["TP-TLS-018"],
    };
    claim("TP-TLS-020").or_else(others)
}
