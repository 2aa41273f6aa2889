//! Which question would tell neighbouring causes apart next. A probe is harmless: it writes nothing that a first
//! connection would not write. A password that was refused is not sent again: a login is tried once more, by
//! [`Change::ClientId`], only where the server named the identifier or no password was sent, and a hub is asked by
//! [`Probe::Rest`], once.

mod plan;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use towpath_proto::{Rung, tls};

use crate::{
    evidence::{Evidence, Scheme},
    verdict::{self, case::Case},
};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The same climb with one change, ended as soon as `until` is reached.
    Climb {
        /// What is different.
        change: Change,
        /// The last rung to climb. Nothing of the rungs above it is written.
        until: Rung,
    },
    /// The same climb, ended on this rung by a silence of this side of at most a second: whether the peer closes by
    /// itself, which then is the fault of the climb. It writes less than a first connection does.
    Linger {
        /// The last rung to climb.
        on: Rung,
    },
    /// A GET of `/` on the HTTPS port without credentials, for its `Date` and `Server`.
    Date,
    /// The hub's REST interface, asked with the same credentials for something that changes nothing.
    Rest,
}

/// What is different from the ordinary climb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another transport or port of the same host, such as 443 beside 8883, or TLS on the port that was taken for plain.
    Transport(Scheme, u16),
    /// Without telling the server's name (SNI).
    NoServerName,
    /// With the server's name told, where the profile does not.
    ServerName,
    /// This version of TLS only.
    TlsVersion(tls::Version),
    /// All suites, groups and versions that the back-end has, where the profile has fewer.
    EverySuite,
    /// Without ALPN.
    NoAlpn,
    /// With this ALPN.
    Alpn(&'static str),
    /// Past the proxy.
    Direct,
    /// Through the proxy that the environment names, where the profile has none.
    EnvironmentProxy,
    /// Over IPv4 only.
    V4,
    /// Over IPv6 only.
    V6,
    /// With the NAT64 prefix that the network announces, in place of the one that was given.
    AnnouncedPrefix,
    /// By this DNS server alone.
    Resolver(SocketAddr),
    /// From whichever source address fits, where the user named one.
    AnySource,
    /// With this TCP segment size, bytes.
    Mss(u16),
    /// With a random client identifier.
    ClientId,
    /// Without the client certificate.
    NoCertificate,
    /// With the one subprotocol `mqtt`.
    OneSubprotocol,
    /// With this path of the WebSocket.
    Path(&'static str),
    /// Once more, unchanged.
    Nothing,
}

/// The questions that would help most now, to be asked side by side; empty: what is known decides, or nothing more can.
/// Nothing is asked twice, and nothing at all of a path that stands.
#[must_use]
pub fn next(evidence: &Evidence) -> Vec<Probe> {
    let Some(case) = Case::of(evidence) else {
        return Vec::new();
    };
    if evidence.probes.len() >= MOST || is_explained(&case) {
        return Vec::new();
    }
    let mut wanted = plan::wanted(&case);
    if case.is_refused_login() {
        wanted.retain(is_allowed_after_refusal);
    }
    let mut next: Vec<Probe> = Vec::new();
    for probe in wanted {
        let asked = evidence.probes.iter().any(|(asked, _)| *asked == probe);
        if !asked && !next.contains(&probe) {
            next.push(probe);
        }
    }
    next.truncate(MOST.saturating_sub(evidence.probes.len()));
    next
}

/// No fault needs more questions than this.
const MOST: usize = 12;

/// What was found before a packet was sent explains it: no question is needed.
fn is_explained(case: &Case<'_>) -> bool {
    let limit = verdict::explained_by_lint_up_to(case.evidence, case.fault.rung);
    let mut lint = case.evidence.lint.iter();
    lint.any(|found| found.breaks && found.rung <= limit)
}

/// Accounts are locked after some wrong logins: after one that was refused, a login is tried again only where another
/// client identifier may be the difference and no password was called wrong, and once at the hub's REST interface.
const fn is_allowed_after_refusal(probe: &Probe) -> bool {
    matches!(
        probe,
        Probe::Rest
            | Probe::Date
            | Probe::Climb {
                change: Change::ClientId,
                ..
            }
    )
}
