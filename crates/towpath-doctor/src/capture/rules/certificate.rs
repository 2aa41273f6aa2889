//! The server's certificate: why the client did not take it, as far as the chain and the time of the capture tell.

use towpath_proto::{Rung, tls::alert::description as d};

use super::{Case, Claim, tls::last_words};
use crate::{
    capture::{mark::Mark, talk::tls::Tls},
    evidence::Certificate,
    verdict::{
        proxy::is_inspector,
        words::{common_name, date},
    },
};

/// The chain in a line.
fn chain_words(chain: &[Certificate], len: usize) -> String {
    let names: Vec<_> = chain
        .iter()
        .map(|found| common_name(&found.subject))
        .collect();
    let issuer = chain.last().map_or("", |found| common_name(&found.issuer));
    format!("{} ({len} bytes), issued by {issuer}", names.join(" <- "))
}

/// The client says that it does not take the certificate, with this alert.
pub(super) fn refused(case: &Case<'_>, tls: &Tls, alert: u8) -> Claim {
    let Some((mark, chain, len)) = &tls.chain else {
        return Claim::new(by_alert(alert), Rung::Tls);
    };
    let claim =
        why(case, tls, chain, alert).seen("chain", format!("{mark}: {}", chain_words(chain, *len)));
    match chain.first() {
        Some(leaf) => claim.seen(
            "dates",
            format!(
                "valid from {} to {}",
                date(leaf.not_before),
                date(leaf.not_after)
            ),
        ),
        None => claim,
    }
}

/// By the alert alone.
const fn by_alert(alert: u8) -> &'static str {
    match alert {
        d::UNKNOWN_CA => "TP-TLS-013",
        d::CERTIFICATE_EXPIRED => "TP-TLS-010",
        _ => "TP-TLS-019",
    }
}

fn why(case: &Case<'_>, tls: &Tls, chain: &[Certificate], alert: u8) -> Claim {
    let claim = |id| Claim::new(id, Rung::Tls);
    let Some(leaf) = chain.first() else {
        return claim(by_alert(alert));
    };
    if let Some(claim) = inspected(tls) {
        return claim;
    }
    match alert {
        d::UNKNOWN_CA => untrusted(chain),
        d::CERTIFICATE_EXPIRED => match dates(case, chain) {
            Some(id) => claim(id),
            None => clock(case, chain),
        },
        d::CERTIFICATE_REVOKED => claim("TP-TLS-019"),
        _ => match dates(case, chain) {
            Some(id) => claim(id),
            None if !bears_name(case, tls, leaf) => claim("TP-TLS-012")
                .seen("names", leaf.names.join(", "))
                .or_else(&["TP-TLS-019"]),
            None if is_weak(leaf) => claim("TP-TLS-016").seen("key", leaf.key.as_str()),
            // Some libraries say this of an unknown authority, others of a date that their clock does not like.
            None => claim("TP-TLS-019").or_else(&["TP-TLS-013", "TP-TLS-055"]),
        },
    }
}

/// The chain leads to no root that the client trusts.
fn untrusted(chain: &[Certificate]) -> Claim {
    let claim = |id| Claim::new(id, Rung::Tls);
    match chain {
        [leaf] if leaf.issuer == leaf.subject => claim("TP-TLS-014"),
        [_] => claim("TP-TLS-015").or_else(&["TP-TLS-013"]),
        _ => claim("TP-TLS-013").or_else(&["TP-TLS-053"]),
    }
}

/// The time of the capture, seconds since 1970, if it is one that a clock shows.
fn now(case: &Case<'_>) -> Option<i64> {
    let seconds = case.seen.began / 1_000_000_000 + case.flow.last.at.as_secs();
    // Some devices record with a clock that was never set.
    i64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 1_500_000_000)
}

fn dates(case: &Case<'_>, chain: &[Certificate]) -> Option<&'static str> {
    let now = now(case)?;
    if chain.iter().any(|found| found.not_after < now) {
        return Some("TP-TLS-010");
    }
    chain
        .iter()
        .any(|found| found.not_before > now)
        .then_some("TP-TLS-011")
}

/// The client calls a certificate expired that is valid by the clock of the capture.
fn clock(case: &Case<'_>, chain: &[Certificate]) -> Claim {
    let Some(now) = now(case).filter(|_| !chain.is_empty()) else {
        return Claim::new("TP-TLS-010", Rung::Tls).or_else(&["TP-TLS-055"]);
    };
    Claim::new("TP-TLS-055", Rung::Tls)
        .seen("clock", format!("the capture was made on {}", date(now)))
        .or_else(&["TP-TLS-010"])
}

/// Whether the certificate bears the name that the client asked for. Who asks for no name most often has an address
/// alone.
fn bears_name(case: &Case<'_>, tls: &Tls, leaf: &Certificate) -> bool {
    let Some((_, hello)) = &tls.client_hello else {
        return true;
    };
    let address = case.flow.server.ip().to_string();
    let name = hello.name.as_deref().unwrap_or(&address);
    let common = common_name(&leaf.subject);
    let mut names = leaf.names.iter().map(String::as_str).collect::<Vec<_>>();
    if names.is_empty() {
        names.push(common);
    }
    names.iter().any(|pattern| matches(pattern, name))
}

/// A name against one with a wildcard for its first label (RFC 6125 section 6.4.3).
fn matches(pattern: &str, name: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("*.") {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        return parent.is_some_and(|parent| parent.eq_ignore_ascii_case(rest));
    }
    pattern.eq_ignore_ascii_case(name)
}

/// Whether no library of today takes the key or the hash.
fn is_weak(leaf: &Certificate) -> bool {
    let bits = leaf
        .key
        .strip_prefix("RSA ")
        .and_then(|bits| bits.parse::<u32>().ok());
    let signature = leaf.signature.to_ascii_lowercase();
    bits.is_some_and(|bits| bits < 2048) || signature.contains("sha1") || signature.contains("md5")
}

/// The chain ends with an authority that inspects TLS.
pub(super) fn inspected(tls: &Tls) -> Option<Claim> {
    let (mark, chain, _) = tls.chain.as_ref()?;
    let found = chain.iter().find(|found| is_inspector(&found.issuer))?;
    let claim = Claim::new("TP-PROXY-014", Rung::Tls);
    Some(claim.seen("issuer", format!("{mark}: {}", found.issuer)))
}

/// The client went away after the server's certificate without saying why.
pub(super) fn silent_refusal(case: &Case<'_>, tls: &Tls, complete: bool) -> Claim {
    let Some((mark, chain, len)) = tls.chain.as_ref().filter(|_| complete) else {
        let claim = Claim::new("TP-TLS-001", Rung::Tls);
        return last_words(
            claim.cause("the client ended the TLS handshake without an alert"),
            tls,
        );
    };
    let found = dates(case, chain).or_else(|| match chain.first() {
        Some(leaf) if !bears_name(case, tls, leaf) => Some("TP-TLS-012"),
        _ => None,
    });
    let claim = match found {
        Some(id) => Claim::new(id, Rung::Tls),
        None => untrusted(chain)
            .cause("the client closed after the server's certificate without an alert: most likely it does not trust it")
            .or_else(&["TP-DEV-010", "TP-TLS-017", "TP-TLS-046"]),
    };
    last_words(
        claim.seen("chain", format!("{mark}: {}", chain_words(chain, *len))),
        tls,
    )
}

/// The client does not like the name, which some look at by themselves: with an alert that says nothing, or once the
/// handshake is complete.
pub(super) fn other_name(case: &Case<'_>, tls: &Tls) -> Option<Claim> {
    let (mark, chain, _) = tls.chain.as_ref()?;
    let leaf = chain.first().filter(|leaf| !bears_name(case, tls, leaf))?;
    let claim = Claim::new("TP-TLS-012", Rung::Tls);
    Some(claim.seen("names", format!("{mark}: {}", leaf.names.join(", "))))
}

/// In TLS 1.3 the client answers the server's certificate with what has the length of an alert.
pub(super) fn hidden_refusal(tls: &Tls, mark: Mark) -> Claim {
    let claim = Claim::new("TP-TLS-013", Rung::Tls)
        .cause("the client does not take the server's certificate, most likely because it leads to no root that it trusts")
        .seen("alert", format!("{mark}: an encrypted record of the client, as long as an alert, instead of Finished"))
        .or_else(&["TP-TLS-012", "TP-TLS-010", "TP-TLS-015", "TP-TLS-019"]);
    last_words(claim, tls)
}
