//! Names of cipher suites and of groups as people write them.

use towpath_proto::tls::{suite_like, suite_number};

use super::Setting;
use crate::Error;

/// The names of a list such as `TLS_A:TLS_B` or `TLS_A,TLS_B`.
#[must_use]
pub fn names(list: &str) -> Vec<String> {
    list.split([':', ','])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Refuses names of suites that IANA does not know, and says which one is meant if that can be known.
pub(super) fn check_suites(setting: &Setting<Vec<String>>) -> Result<(), Error> {
    if setting.value().is_empty() {
        return Err(setting.wrong("the list is empty; leave it out for the back-end's own choice"));
    }
    for name in setting.value() {
        if suite_number(name).is_some() {
            continue;
        }
        return Err(match suite_like(name) {
            Some(iana) => setting.wrong(format_args!(
                "{name:?} is not the name in the IANA registry; write it as {iana}"
            )),
            None => setting.wrong(format_args!(
                "{name:?} is no cipher suite; names are those of the IANA registry, such as \
                 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_AES_128_GCM_SHA256"
            )),
        });
    }
    Ok(())
}

/// Refuses the usual other names of groups. What is left the back-end knows best.
pub(super) fn check_groups(setting: &Setting<Vec<String>>) -> Result<(), Error> {
    const OTHER: &[(&str, &str)] = &[
        ("p256", "secp256r1"),
        ("prime256v1", "secp256r1"),
        ("nistp256", "secp256r1"),
        ("p384", "secp384r1"),
        ("nistp384", "secp384r1"),
        ("p521", "secp521r1"),
        ("nistp521", "secp521r1"),
        ("curve25519", "x25519"),
        ("secp256r1", "secp256r1"),
        ("secp384r1", "secp384r1"),
        ("secp521r1", "secp521r1"),
        ("x25519", "x25519"),
        ("x448", "x448"),
    ];
    if setting.value().is_empty() {
        return Err(setting.wrong("the list is empty; leave it out for the back-end's own choice"));
    }
    for name in setting.value() {
        let plain = name.to_ascii_lowercase().replace('-', "");
        let known = OTHER.iter().find(|(other, _)| *other == plain);
        if let Some((_, iana)) = known.filter(|(_, iana)| iana != name) {
            return Err(setting.wrong(format_args!(
                "{name:?} is not the name in the IANA registry; write it as {iana}"
            )));
        }
    }
    Ok(())
}
