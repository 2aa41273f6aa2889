//! TLS settings of a build against the URL, the certificates, and what the server is known to want.

use towpath_proto::tls::Version;

use super::{Case, because_of, finding, off};
use crate::{
    diagnosis::Found,
    evidence::Scheme,
    profile::{Set, SuiteKey, limits::certificate_message, suite_takes},
};

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    if !case.is_secured() || off(case.profile.tls.sockets.as_ref()).is_some() {
        return;
    }
    found.extend(renegotiation(case));
    found.extend(post_handshake(case));
    found.extend(server_name(case));
    found.extend(application_protocol(case));
    found.extend(suites(case));
    found.extend(key_of_server(case));
    found.extend(number(case));
    found.extend(input(case));
    found.extend(output(case));
    found.extend(long_hash(case));
}

/// Whether the hub may ask for the client certificate only once it has seen the request.
fn is_asked_late(case: &Case<'_>) -> bool {
    case.is_wss() && case.is_azure() && case.target.client_certificate
}

/// A hub's front end on 443 asks for the certificate by renegotiation; whether this one does shows on the climb.
fn renegotiation(case: &Case<'_>) -> Option<Found> {
    let tls = &case.profile.tls;
    let only13 = tls
        .min
        .as_ref()
        .is_some_and(|min| min.value == Version::Tls13);
    if !is_asked_late(case) || only13 {
        return None;
    }
    let setting = off(tls.renegotiation.as_ref())?;
    let mut found = because_of("TP-TLS-031", setting)?.warning();
    "the build refuses renegotiation, by which a hub asks for the client certificate on port 443"
        .clone_into(&mut found.cause);
    Some(found)
}

/// TLS 1.3 asks after the handshake, which Mbed TLS has not.
fn post_handshake(case: &Case<'_>) -> Option<Found> {
    let max = case.profile.tls.max.as_ref()?;
    if !is_asked_late(case) || max.value != Version::Tls13 {
        return None;
    }
    let found = finding("TP-DEV-038")?.warning();
    Some(found.because("setting", format!("{}: {}", max.at, max.key)))
}

/// Where many customers share an address, the name decides which certificate comes.
fn server_name(case: &Case<'_>) -> Option<Found> {
    let named = super::build::address(case).is_none();
    if !named || !(case.is_public_azure() || case.is_aws()) {
        return None;
    }
    let setting = off(case.profile.tls.server_name.as_ref())?;
    Some(because_of("TP-TLS-047", setting)?.warning())
}

/// AWS tells MQTT from HTTPS on port 443 by the protocol that is offered.
fn application_protocol(case: &Case<'_>) -> Option<Found> {
    let on_443 = case.target.scheme == Scheme::Mqtts && case.target.port == 443;
    if !on_443 || !case.is_aws() {
        return None;
    }
    because_of("TP-TLS-049", off(case.profile.tls.alpn.as_ref())?)
}

fn suites(case: &Case<'_>) -> Option<Found> {
    let suites = case.profile.tls.suites.as_ref()?;
    if suites.value.is_empty() {
        let found = finding("TP-DEV-015")?;
        return Some(found.because(
            "setting",
            format!("{}: {} and its like make no suite", suites.at, suites.key),
        ));
    }
    if !case.is_public_azure() {
        return None;
    }
    // What Microsoft's documents list for TLS 1.2, the only version named there.
    const TAKEN: &[&str] = &[
        "_WITH_AES_128_GCM_SHA256",
        "_WITH_AES_256_GCM_SHA384",
        "_WITH_AES_128_CBC_SHA256",
        "_WITH_AES_256_CBC_SHA384",
    ];
    let taken = |suite: &String| {
        suite.starts_with("TLS_ECDHE_") && TAKEN.iter().any(|end| suite.ends_with(end))
    };
    if suites.value.iter().any(taken) {
        return None;
    }
    let mut found = finding("TP-TLS-020")?.warning();
    "none of the build's suites is among those that Azure lists: ECDHE with AES-GCM, or AES-CBC with SHA-256 or SHA-384"
        .clone_into(&mut found.cause);
    Some(found.because("suites", listed(suites)))
}

/// The first few of a list with where it is from.
fn listed(suites: &Set<Vec<String>>) -> String {
    let some: Vec<_> = suites.value.iter().take(4).map(String::as_str).collect();
    let more = if suites.value.len() > some.len() {
        ", ..."
    } else {
        ""
    };
    format!("{}: {}{more}", suites.at, some.join(", "))
}

/// The server's key against suites and algorithms.
fn key_of_server(case: &Case<'_>) -> Option<Found> {
    let tls = &case.profile.tls;
    let leaf = case.shown_chain().first()?;
    let (kind, name, algorithm) = match &leaf.key {
        super::material::Key::Rsa(_) => (SuiteKey::Rsa, "RSA", tls.rsa.as_ref()),
        super::material::Key::Ec(_) => (SuiteKey::Ec, "ECDSA", tls.ecdsa.as_ref()),
        super::material::Key::Other => return None,
    };
    let suites = tls
        .suites
        .as_ref()
        .filter(|suites| !suites.value.is_empty());
    let no_suite = suites.filter(|suites| !suites.value.iter().any(|s| suite_takes(s, kind)));
    let mut found = match (no_suite, off(algorithm)) {
        (Some(suites), _) => finding("TP-TLS-018")?.because("suites", listed(suites)),
        (None, Some(setting)) => because_of("TP-TLS-018", setting)?,
        (None, None) => return None,
    };
    found.cause = format!("the server has an {name} key and the build can't verify such a one");
    Some(found.because("certificate", leaf.subject.clone()))
}

/// RSA keys against the largest number.
fn number(case: &Case<'_>) -> Option<Found> {
    let tls = &case.profile.tls;
    let setting = tls.max_number.as_ref()?;
    let too_large = |one: &&super::material::Certificate| {
        let bits = one.key.rsa_bits();
        bits.is_some_and(|bits| tls.too_small_for_rsa(bits).is_some())
    };
    let shown = case.shown_chain().iter().find(too_large);
    let own = case.own_chain().iter().find(too_large);
    let roots = case.trusted();
    let root = roots.iter().find(too_large);
    // Where other roots fit, the chain may end in one of those.
    let all_roots = !roots.is_empty() && roots.iter().all(|root| too_large(&root));
    let certain = shown.is_some() || own.is_some() || all_roots;
    let tiny = setting.value <= 32;
    let id = if tiny { "TP-DEV-019" } else { "TP-TLS-046" };
    let Some(one) = shown.or(own).or(root) else {
        // So small a number leaves P-256 only; which keys the server has is not known.
        let known = !case.shown_chain().is_empty();
        return if tiny && !known {
            Some(because_of(id, setting)?.warning())
        } else {
            None
        };
    };
    let bits = one.key.rsa_bits()?;
    let mut found = because_of(id, setting)?;
    found.cause = format!(
        "RSA with {bits} bits needs numbers of {} bytes and the build has {}",
        bits.div_ceil(8),
        setting.value
    );
    let found = found.because("certificate", format!("{}, RSA {bits}", one.subject));
    Some(if certain { found } else { found.warning() })
}

/// The server's chain against the input buffer.
fn input(case: &Case<'_>) -> Option<Found> {
    let tls = &case.profile.tls;
    let setting = tls.in_buffer.as_ref()?;
    let chain = case.shown_chain();
    if chain.is_empty() {
        // No chain with a key of RSA fits, and hardly one of ECDSA; Azure's has had about five thousand bytes.
        let least = if case.is_public_azure() { 4096 } else { 1024 };
        if setting.value >= least {
            return None;
        }
        let mut found = because_of("TP-TLS-017", setting)?.warning();
        found.cause = format!(
            "handshake messages may have {} bytes, and the server's chain is likely longer",
            setting.value
        );
        return Some(found);
    }
    let message = certificate_message(chain.iter().map(|one| one.len));
    let small = tls.too_small_for_chain(message)?;
    let mut found = because_of("TP-TLS-017", setting)?;
    found.cause = format!(
        "the server's chain needs {} bytes in one piece and the build takes {}",
        small.needs, setting.value
    );
    Some(found.because(
        "chain",
        format!("{} certificates, {message} bytes", chain.len()),
    ))
}

/// The device's own chain against the output buffer.
fn output(case: &Case<'_>) -> Option<Found> {
    let chain = case.own_chain();
    if chain.is_empty() || !case.target.client_certificate {
        return None;
    }
    let message = certificate_message(chain.iter().map(|one| one.len));
    let small = case.profile.tls.too_small_for_own_chain(message)?;
    let mut found = because_of("TP-DEV-036", &small.setting)?;
    found.cause = format!(
        "the device's own chain needs {} bytes to be sent and the build has {}",
        small.needs, small.setting.value
    );
    Some(found.because(
        "chain",
        format!("{} certificates, {message} bytes", chain.len()),
    ))
}

/// A chain that is signed with a hash that is not in the build. A root's signature of itself is not looked at.
fn long_hash(case: &Case<'_>) -> Option<Found> {
    let setting = off(case.profile.tls.sha384.as_ref())?;
    let mut chain = case.shown_chain().iter();
    let signed = chain.find(|one| one.sha384 && !one.is_self_issued())?;
    let found = because_of("TP-TLS-050", setting)?;
    Some(found.because("certificate", signed.subject.clone()))
}
