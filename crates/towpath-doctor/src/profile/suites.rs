//! From the key exchanges and ciphers of a build to the cipher suites by their IANA names.

use towpath_proto::tls::{suite_like, suite_number};

/// What a build of Mbed TLS has. Only what authenticates the server by a certificate counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) tls12: bool,
    pub(super) tls13: bool,
    pub(super) ecdhe_ecdsa: bool,
    pub(super) ecdhe_rsa: bool,
    pub(super) dhe_rsa: bool,
    pub(super) rsa: bool,
    pub(super) gcm: bool,
    pub(super) ccm: bool,
    pub(super) cbc: bool,
    pub(super) chacha20: bool,
    pub(super) sha384: bool,
}

/// The suites that these parts make, in the order in which Mbed TLS prefers them.
pub(super) fn of(parts: &Parts) -> Vec<String> {
    let mut names = Vec::new();
    if parts.tls13 {
        tls13(parts, &mut names);
    }
    if parts.tls12 {
        tls12(parts, &mut names);
    }
    names.retain(|name| suite_number(name).is_some());
    names
}

fn tls13(parts: &Parts, names: &mut Vec<String>) {
    for (has, name) in [
        (parts.chacha20, "TLS_CHACHA20_POLY1305_SHA256"),
        (parts.gcm && parts.sha384, "TLS_AES_256_GCM_SHA384"),
        (parts.gcm, "TLS_AES_128_GCM_SHA256"),
        (parts.ccm, "TLS_AES_128_CCM_SHA256"),
    ] {
        if has {
            names.push(name.to_owned());
        }
    }
}

fn tls12(parts: &Parts, names: &mut Vec<String>) {
    let exchanges = [
        (parts.ecdhe_ecdsa, "ECDHE_ECDSA"),
        (parts.ecdhe_rsa, "ECDHE_RSA"),
        (parts.dhe_rsa, "DHE_RSA"),
        (parts.rsa, "RSA"),
    ];
    // TLS_RSA_WITH_AES_256_CBC_SHA384 and its like are in no registry: SHA-256 goes with AES-256 there.
    let short = |exchange: &str| !exchange.starts_with("ECDHE");
    for (_, exchange) in exchanges.iter().filter(|(has, _)| *has) {
        let cbc = if short(exchange) { "SHA256" } else { "SHA384" };
        let ciphers = [
            (parts.chacha20, "CHACHA20_POLY1305_SHA256".to_owned()),
            (parts.gcm && parts.sha384, "AES_256_GCM_SHA384".to_owned()),
            (parts.ccm, "AES_256_CCM".to_owned()),
            (
                parts.cbc && (parts.sha384 || short(exchange)),
                format!("AES_256_CBC_{cbc}"),
            ),
            (parts.gcm, "AES_128_GCM_SHA256".to_owned()),
            (parts.ccm, "AES_128_CCM".to_owned()),
            (parts.cbc, "AES_128_CBC_SHA256".to_owned()),
        ];
        let has = ciphers.into_iter().filter(|(has, _)| *has);
        names.extend(has.map(|(_, cipher)| format!("TLS_{exchange}_WITH_{cipher}")));
    }
}

/// The suites of a list as Mbed TLS's settings write it, such as `MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, with
/// commas; the word that is no suite is the error.
pub(super) fn listed(list: &str) -> Result<Vec<String>, String> {
    list.split([',', ':', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| one(word).ok_or_else(|| word.to_owned()))
        .collect()
}

/// The name in the registry of a suite as Mbed TLS and Kconfig spell it.
pub(super) fn one(word: &str) -> Option<String> {
    let bare = word.strip_prefix("MBEDTLS_").unwrap_or(word);
    let bare = match bare
        .strip_prefix("TLS1_3_")
        .or_else(|| bare.strip_prefix("TLS1-3-"))
    {
        Some(rest) => format!("TLS_{rest}"),
        None => bare.to_owned(),
    };
    if suite_number(&bare).is_some() {
        return Some(bare);
    }
    suite_like(&bare).map(str::to_owned)
}

/// Whether the server is authenticated with a certificate of this key in it, which a suite of TLS 1.2 decides.
pub(crate) fn takes(suite: &str, key: Key) -> bool {
    let Some((exchange, _)) = suite.split_once("_WITH_") else {
        // A suite of TLS 1.3 says nothing about certificates.
        return true;
    };
    match key {
        Key::Rsa => matches!(exchange, "TLS_RSA" | "TLS_ECDHE_RSA" | "TLS_DHE_RSA"),
        Key::Ec => exchange == "TLS_ECDHE_ECDSA",
    }
}

/// The kind of key in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// RSA.
    Rsa,
    /// An elliptic curve.
    Ec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_parts_make_is_in_the_registry() {
        let all = Parts {
            tls12: true,
            tls13: true,
            ecdhe_ecdsa: true,
            ecdhe_rsa: true,
            dhe_rsa: true,
            rsa: true,
            gcm: true,
            ccm: true,
            cbc: true,
            chacha20: true,
            sha384: true,
        };
        let names = of(&all);
        assert!(names.contains(&"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384".to_owned()));
        assert!(names.contains(&"TLS_RSA_WITH_AES_256_CBC_SHA256".to_owned()));
        assert!(names.contains(&"TLS_AES_128_GCM_SHA256".to_owned()));
        assert!(!names.contains(&"TLS_ECDHE_RSA_WITH_AES_128_CCM".to_owned()));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(of(&Parts::default()).is_empty());
        let psk_only = Parts {
            tls12: true,
            gcm: true,
            ..Parts::default()
        };
        assert!(of(&psk_only).is_empty());
    }

    #[test]
    fn spellings_of_mbed_tls() {
        assert_eq!(
            listed(
                "MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,MBEDTLS_TLS1_3_AES_128_GCM_SHA256"
            ),
            Ok(vec![
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned(),
                "TLS_AES_128_GCM_SHA256".to_owned()
            ])
        );
        assert_eq!(
            one("TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8").as_deref(),
            Some("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8")
        );
        assert_eq!(
            listed("MBEDTLS_TLS_WHAT"),
            Err("MBEDTLS_TLS_WHAT".to_owned())
        );
    }

    #[test]
    fn a_suite_names_the_servers_key() {
        assert!(takes("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Key::Rsa));
        assert!(!takes("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Key::Ec));
        assert!(takes("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Key::Ec));
        assert!(takes("TLS_AES_128_GCM_SHA256", Key::Ec));
        assert!(!takes("TLS_PSK_WITH_AES_128_GCM_SHA256", Key::Rsa));
    }
}
