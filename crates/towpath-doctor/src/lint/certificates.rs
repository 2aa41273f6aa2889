//! The files of certificates and keys: whether they can be read, belong together, and are of this time.

use super::{Case, day, finding, material::PrivateKey};
use crate::diagnosis::Found;

/// How long before its end a certificate is worth a warning, seconds.
const SOON: i64 = 30 * 24 * 3600;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    if !case.is_secured() {
        return;
    }
    found.extend(roots(case));
    found.extend(unreadable(case));
    found.extend(order(case));
    found.extend(pair(case));
    found.extend(dates(case));
    found.extend(no_self_signed(case));
    found.extend(old_roots(case));
}

/// The file of what is trusted can't be read.
fn roots(case: &Case<'_>) -> Option<Found> {
    let Some(Err(why)) = &case.roots else {
        return None;
    };
    let mut found = finding("TP-DEV-012")?;
    found.cause = format!("the CA certificates can't be read: {why}");
    Some(found.because("CA file", why.clone()))
}

/// The client's own files can't be read.
fn unreadable(case: &Case<'_>) -> Option<Found> {
    let (what, why) = match (&case.chain, &case.key) {
        (Some(Err(why)), _) => ("certificate file", why),
        (_, Some(PrivateKey::Broken(why))) => ("key file", why),
        _ => return None,
    };
    let mut found = finding("TP-DEV-027")?;
    found.cause = format!("the client's {what} can't be used: {why}");
    Some(found.because(what, why.clone()))
}

/// The order of the client's chain: each certificate was issued by the next.
fn order(case: &Case<'_>) -> Option<Found> {
    let chain = case.own_chain();
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let gap = pairs
        .enumerate()
        .find(|(_, (this, next))| !this.is_issued_by(next));
    let (at, (this, _)) = gap?;
    let elsewhere = chain.iter().any(|other| this.is_issued_by(other));
    let reversed = chain.iter().skip(1).any(|other| {
        chain
            .first()
            .is_some_and(|first| other.is_issued_by(first) && !first.is_self_issued())
            || chain.first().is_some_and(|first| other.is_issued_by(first))
    });
    let mut found = finding("TP-DEV-032")?;
    let number = at.saturating_add(1);
    found.cause = if reversed || elsewhere {
        "the client's chain is in the wrong order: the device's own certificate comes first, then who issued it"
            .to_owned()
    } else {
        format!("the client's chain has a gap: what issued certificate {number} does not follow")
    };
    for (number, certificate) in (1..).zip(chain).take(5) {
        let seen = format!("{number}: {}", certificate.subject);
        found = found.because("chain", seen);
    }
    // With the issuer's certificate in front the key does not fit, and that is another finding. Otherwise it is the
    // server's choice to look further.
    Some(found.warning())
}

/// The key against the certificate that is shown with it.
fn pair(case: &Case<'_>) -> Option<Found> {
    let chain = case.own_chain();
    let leaf = chain.first()?;
    let own = match &case.key {
        Some(PrivateKey::Public(key)) => Some(key),
        _ => None,
    };
    let same = match (case.material.key_matches, own) {
        (Some(told), _) => told,
        (None, Some(key)) => *key == leaf.key,
        (None, None) => return None,
    };
    if same {
        return None;
    }
    let mut found = finding("TP-DEV-028")?;
    let other = own.and_then(|key| chain.iter().find(|other| other.key == *key));
    if let Some(other) = other {
        found.cause = format!(
            "the key belongs to {}, which is not the first certificate of the chain",
            other.subject
        );
        "Put the device's own certificate first in the file, then those that issued it."
            .clone_into(&mut found.fix);
    }
    Some(found.because("certificate", leaf.subject.clone()))
}

/// The dates of the client's certificates. Whether it matters is the server's decision, so it is a warning.
fn dates(case: &Case<'_>) -> Option<Found> {
    let chain = case.own_chain();
    let past = chain.iter().find(|one| one.not_after < case.now);
    let future = chain.iter().find(|one| one.not_before > case.now);
    let soon = chain
        .first()
        .filter(|leaf| leaf.not_after.saturating_sub(case.now) < SOON);
    let (certificate, what) = if let Some(past) = past {
        (past, format!("ended on {}", day(past.not_after)))
    } else if let Some(future) = future {
        (
            future,
            format!("is valid from {} only", day(future.not_before)),
        )
    } else {
        let soon = soon?;
        (soon, format!("ends on {}", day(soon.not_after)))
    };
    let mut found = finding("TP-DEV-031")?.warning();
    found.cause = format!("the client certificate {what}");
    let names = certificate.subject.clone();
    Some(
        found
            .because("certificate", names)
            .because(
                "dates",
                format!(
                    "{} to {}",
                    day(certificate.not_before),
                    day(certificate.not_after)
                ),
            )
            .because("clock", day(case.now)),
    )
}

/// OpenSSL ends a chain in a self-signed certificate only.
fn no_self_signed(case: &Case<'_>) -> Option<Found> {
    let roots = case.trusted();
    if !case.material.wants_self_signed || roots.is_empty() {
        return None;
    }
    if roots
        .iter()
        .any(super::material::Certificate::is_self_issued)
    {
        return None;
    }
    let mut found = finding("TP-TLS-054")?;
    for root in roots.iter().take(5) {
        found = found.because("CA file", root.subject.clone());
    }
    Some(found)
}

/// Azure's hubs left this root for DigiCert Global Root G2 in 2023.
fn old_roots(case: &Case<'_>) -> Option<Found> {
    if !case.is_public_azure() {
        return None;
    }
    let roots = case.trusted();
    let is = |root: &super::material::Certificate, name: &str| {
        let common = root.common_name.as_deref();
        common.is_some_and(|common| common.eq_ignore_ascii_case(name))
    };
    let all_old = roots
        .iter()
        .all(|root| is(root, "Baltimore CyberTrust Root"));
    if roots.is_empty() || !all_old {
        return None;
    }
    let found = finding("TP-TLS-053")?;
    Some(found.because("CA file", "Baltimore CyberTrust Root is all there is"))
}
