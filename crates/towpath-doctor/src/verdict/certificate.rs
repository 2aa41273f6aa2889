//! The server's certificate: dates against the clock, names, trust.
//!
//! Needs: `Climb::chain` as the server showed it, also where it was refused; `Evidence::clock`; `Settings::built`; a
//! probe by [`Change::ServerName`] where the name is withheld, [`Change::Direct`] where there is a proxy.

use std::net::IpAddr;

use towpath_proto::{Code, Rung};

use super::{
    case::Case,
    claim::Claim,
    proxy,
    tls::{server_name, unnamed},
    words::{apart, common_name, date, moment, plural, seconds},
};
use crate::{
    evidence::{Certificate, Climb},
    probe::Change,
};

/// How far a clock may be off before it is called wrong, seconds. Hubs take tokens that are five minutes off.
pub(super) const CLOCK_SLACK: u64 = 300;

pub(super) fn judge(case: &Case<'_>) -> Claim {
    let claim = Claim::of(&case.fault);
    if case.works(&Change::ServerName, Rung::Tls) {
        return unnamed(case, claim);
    }
    match case.fault.code {
        Code::ServerCertificateExpired | Code::ServerCertificateFuture => dates(case, claim),
        Code::ServerCertificateName => name(case, claim),
        Code::ServerCertificateWeak => weak(case, claim),
        _ => trust(case, claim),
    }
}

/// Its names, the first three: `broker.example, *.broker.example and 2 more`.
pub(super) fn names(certificate: &Certificate) -> String {
    if certificate.names.is_empty() {
        return common_name(&certificate.subject).to_owned();
    }
    let first: Vec<_> = certificate
        .names
        .iter()
        .take(3)
        .map(String::as_str)
        .collect();
    match certificate.names.len().saturating_sub(3) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn dates(case: &Case<'_>, claim: Claim) -> Claim {
    let now = seconds(case.evidence.clock);
    let claim = claim.seen("this clock", moment(now));
    if let Some(wrong) = wrong_clock(case, now) {
        return claim
            .named("TP-TLS-055")
            .cause(format!(
                "this clock is wrong ({wrong}), so the server's certificate seems invalid"
            ))
            .fix("Set the clock (SNTP, NTP), then try again.");
    }
    let expired = case.fault.code == Code::ServerCertificateExpired;
    let bad = |certificate: &&Certificate| {
        if expired {
            certificate.not_after < now
        } else {
            certificate.not_before > now
        }
    };
    let chain = &case.climb.chain;
    let Some(position) = chain.iter().position(|certificate| bad(&certificate)) else {
        return claim;
    };
    let Some(certificate) = chain.get(position) else {
        return claim;
    };
    let whose = match position {
        0 => "the server's certificate".to_owned(),
        _ => format!(
            "the certificate {} of the server's chain",
            common_name(&certificate.subject)
        ),
    };
    let claim = if expired {
        let ago = apart(now.abs_diff(certificate.not_after));
        claim
            .cause(format!(
                "{whose} expired on {}",
                date(certificate.not_after)
            ))
            .seen("since then", format!("{ago} by this clock"))
    } else {
        let ahead = apart(now.abs_diff(certificate.not_before));
        claim
            .cause(format!(
                "{whose} is valid from {} on only",
                date(certificate.not_before)
            ))
            .seen("until then", format!("{ahead} by this clock"))
    };
    let all_over = expired && chain.len() > 1 && chain.iter().all(|one| one.not_after < now);
    let claim = if all_over {
        claim.seen("the chain", "every certificate of it has ended")
    } else {
        claim
    };
    // One certificate alone can't tell a bad date from a bad clock; a second one, or a date of build, can. A chain that
    // has ended as a whole is a private one that was left alone, or seen by a clock that is ahead.
    let one_alone = chain.len() < 2 && case.settings().built.is_none();
    if (one_alone || all_over) && case.clock_ahead().is_none() {
        claim.or_else(&["TP-TLS-055"])
    } else {
        claim
    }
}

/// Why this clock, and not the certificate, is wrong; none: nothing says so.
fn wrong_clock(case: &Case<'_>, now: i64) -> Option<String> {
    if let Some(built) = case.settings().built.map(seconds)
        && now.saturating_add(86_400) < built
    {
        let (now, built) = (date(now), date(built));
        return Some(format!(
            "it says {now}, and this program was built on {built}"
        ));
    }
    if let Some(ahead) = case.clock_ahead()
        && ahead.unsigned_abs() > CLOCK_SLACK
    {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        return Some(format!(
            "{} {side} the server's",
            apart(ahead.unsigned_abs())
        ));
    }
    let chain = &case.climb.chain;
    let before_all = chain.len() > 1 && chain.iter().all(|one| one.not_before > now);
    (before_all && case.clock_ahead().is_none()).then(|| {
        format!(
            "it says {}, before every certificate of the chain",
            date(now)
        )
    })
}

fn name(case: &Case<'_>, claim: Claim) -> Claim {
    let wanted = server_name(case);
    let claim = match case.climb.leaf() {
        Some(leaf) => {
            let names = names(leaf);
            claim
                .cause(format!("the certificate is for {names}, not for {wanted}"))
                .seen("names in the certificate", names)
        }
        None => claim.cause(format!("the certificate is not for {wanted}")),
    };
    if wanted.parse::<IpAddr>().is_ok() {
        return claim.named("TP-TLS-052");
    }
    if super::tls::is_unnamed(case) {
        return claim.or_else(&["TP-TLS-047"]);
    }
    claim
}

fn weak(case: &Case<'_>, claim: Claim) -> Claim {
    let Some(leaf) = case.climb.leaf() else {
        return claim;
    };
    claim
        .cause(format!(
            "the server's certificate is too weak: key {}, signature {}",
            leaf.key, leaf.signature
        ))
        .seen("key", leaf.key.as_str())
}

fn trust(case: &Case<'_>, claim: Claim) -> Claim {
    let chain = &case.climb.chain;
    let Some(leaf) = chain.first() else {
        // OpenSSL's 18 is DEPTH_ZERO_SELF_SIGNED_CERT.
        return if case.fault.number == 18 {
            claim.named("TP-TLS-014")
        } else {
            claim
        };
    };
    if chain
        .iter()
        .any(|certificate| proxy::is_inspector(&certificate.issuer))
    {
        return proxy::inspected(&claim, leaf);
    }
    if is_foreign_to_azure(server_name(case), case.climb) {
        return proxy::inspected(&claim, leaf);
    }
    if let Some(claim) = no_sha384(case, &claim) {
        return claim;
    }
    if chain.len() == 1 && leaf.is_self_signed() {
        return claim.named("TP-TLS-014").cause(format!(
            "the server's certificate ({}) signed itself",
            names(leaf)
        ));
    }
    match case.fault.code {
        Code::ServerChainIncomplete => claim.cause(format!(
            "the server sent {} alone, without the certificate {} that signed it",
            common_name(&leaf.subject),
            common_name(&leaf.issuer)
        )),
        Code::ServerCertificateUntrusted => untrusted(chain, claim),
        _ => claim,
    }
}

/// The chain leads to a root that is not there.
fn untrusted(chain: &[Certificate], claim: Claim) -> Claim {
    let Some(last) = chain.last() else {
        return claim;
    };
    let root = common_name(&last.issuer);
    let count = u64::try_from(chain.len()).unwrap_or(u64::MAX);
    let claim = claim
        .cause(format!(
            "the server's chain leads to {root}, which is not trusted here"
        ))
        .seen("the server sent", plural(count, "certificate"));
    // The roots of Azure IoT since 2023; devices with older ones lack them.
    if root.contains("DigiCert Global Root G2") || root.starts_with("Microsoft RSA Root") {
        return claim
            .named("TP-TLS-053")
            .fix(format!("Give the device the root {root}."));
    }
    claim
}

/// A certificate for a hub's name that none of Microsoft's authorities signed.
fn is_foreign_to_azure(host: &str, climb: &Climb) -> bool {
    let host = host.to_ascii_lowercase();
    let azure = ["azure-devices.net", "azure-devices-provisioning.net"];
    let is_azure = azure.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|label| label.ends_with('.'))
    });
    let theirs = ["digicert", "microsoft", "baltimore"];
    let known = |certificate: &Certificate| {
        let issuer = certificate.issuer.to_lowercase();
        theirs.iter().any(|name| issuer.contains(name))
    };
    is_azure && !climb.chain.iter().any(known)
}

fn no_sha384(case: &Case<'_>, claim: &Claim) -> Option<Claim> {
    let profile = case.evidence.profile.as_ref()?;
    let setting = profile.tls.sha384.as_ref().filter(|set| !set.value)?;
    let chain = &case.climb.chain;
    let signed = chain
        .iter()
        .find(|certificate| certificate.signature.contains("384"))?;
    Some(
        claim
            .clone()
            .named("TP-TLS-050")
            .seen(
                "signature",
                format!("{}: {}", common_name(&signed.subject), signed.signature),
            )
            .seen("setting", format!("{} ({})", setting.key, setting.at)),
    )
}
