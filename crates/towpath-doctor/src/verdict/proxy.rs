//! A proxy in between: what it refuses, and what it breaks on the rungs above it.
//!
//! Needs: a probe by [`Change::Direct`] up to the rung that broke, with the chain that was seen there.

use towpath_proto::{Code, Rung};

use super::{case::Case, claim::Claim, words::common_name};
use crate::{evidence::Certificate, probe::Change};

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    let target = case.target();
    let proxy = target.proxy.as_deref().unwrap_or("the proxy");
    let claim = claim.seen("proxy", proxy);
    let claim = match case.fault.code {
        Code::ProxyRefused => {
            claim.cause(format!("the proxy forbids {}:{}", target.host, target.port))
        }
        Code::ProxyBadGateway => claim.cause(format!(
            "the proxy can't reach {}:{}",
            target.host, target.port
        )),
        _ => claim,
    };
    let claim = match case.fault.number {
        number @ 100..=599 if case.fault.code != Code::SocksFailed => {
            claim.seen("status", format!("HTTP {number}"))
        }
        _ => claim,
    };
    if case.works(&Change::Direct, Rung::Tcp) {
        claim.seen("past the proxy", "the server's port opens")
    } else {
        claim
    }
}

/// What broke above the proxy and does not break past it, is the proxy's doing.
pub(super) fn between(case: &Case<'_>, claim: Claim) -> Claim {
    if !case.is_proxied() || case.fault.rung <= Rung::Proxy {
        return claim;
    }
    let Some(direct) = case.with(&Change::Direct) else {
        return claim;
    };
    if let Some(claim) = resigned(case, &claim) {
        return claim;
    }
    let further = direct.reached(case.fault.rung)
        || direct
            .fault
            .is_some_and(|fault| fault.rung > case.fault.rung);
    if !further {
        return claim;
    }
    let base = claim.id;
    let cause = case.fault.code.cause();
    claim
        .named("TP-PROXY-016")
        .cause(format!(
            "through the proxy it breaks ({cause}), past it the {} rung stands",
            case.fault.rung
        ))
        .seen(
            "past the proxy",
            format!("the {} rung stands", case.fault.rung),
        )
        .or_else(&[base])
}

/// The certificate past the proxy is of another issuer: the proxy puts its own in its place.
fn resigned(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let seen = case.climb.leaf()?;
    let direct = case.with(&Change::Direct)?.leaf()?;
    if seen.issuer == direct.issuer || case.fault.rung != Rung::Tls {
        return None;
    }
    let claim = claim.clone().named("TP-PROXY-014").cause(format!(
        "the proxy inspects TLS: the certificate for {} is signed by {}, past the proxy by {}",
        common_name(&seen.subject),
        common_name(&seen.issuer),
        common_name(&direct.issuer)
    ));
    Some(claim.seen("issuer", seen.issuer.as_str()).seen(
        "past the proxy",
        format!(
            "{} by {}",
            common_name(&direct.subject),
            common_name(&direct.issuer)
        ),
    ))
}

/// The server's certificate was probably put there by something that inspects TLS: its issuer's name says so. Only a look
/// from another network would prove it.
pub(super) fn inspected(claim: &Claim, leaf: &Certificate) -> Claim {
    let issuer = common_name(&leaf.issuer);
    claim
        .clone()
        .named("TP-PROXY-014")
        .cause(format!(
            "something on the way probably inspects TLS: the certificate for {} is signed by \
             {issuer}",
            common_name(&leaf.subject)
        ))
        .seen("issuer", leaf.issuer.as_str())
        .or_else(&["TP-TLS-013"])
}

/// Names of products which inspect TLS as their authorities bear them, in small letters; none that another authority may
/// have by chance.
const INSPECTORS: &[&str] = &[
    "zscaler",
    "sslinspect",
    "ssl inspect",
    "ssl-inspect",
    "tls inspect",
    "fortinet",
    "fortigate",
    "blue coat",
    "bluecoat",
    "palo alto",
    "netskope",
    "cisco umbrella",
    "sophos",
    "barracuda",
    "check point",
    "watchguard",
    "forcepoint",
    "websense",
    "iboss",
    "mcafee web gateway",
    "smoothwall",
    "lightspeed systems",
    "mitmproxy",
    "portswigger",
    "charles proxy",
    "kaspersky",
    "avast web/mail shield",
    "avast! web/mail shield",
    "eset ssl",
];

/// Whether an authority of this name signs for something that inspects TLS.
pub(crate) fn is_inspector(issuer: &str) -> bool {
    let issuer = issuer.to_lowercase();
    INSPECTORS.iter().any(|word| issuer.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_of_inspecting_products_are_known() {
        for issuer in [
            "CN=Zscaler Intermediate Root CA (zscaler.net)",
            "C=DE, O=XYZ, CN=XYZ_Access_SSLInspect",
            "O=Fortinet, CN=FortiGate CA",
            "O=Cisco, CN=Cisco Umbrella Root CA",
        ] {
            assert!(is_inspector(issuer), "{issuer}");
        }
        for issuer in [
            "CN=DigiCert Global Root G2",
            "CN=R11, O=Let's Encrypt",
            "CN=Our CA",
            "CN=Squidward Works CA",
            "O=Vehicle Inspection Agency, CN=Agency Root",
            "O=Umbrella Insurance, CN=Device CA",
            "CN=Reverse Proxy CA",
            "",
        ] {
            assert!(!is_inspector(issuer), "{issuer}");
        }
    }
}
