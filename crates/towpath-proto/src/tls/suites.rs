//! Cipher suites by number and by name, from the table of `tls-parser`.

use alloc::{format, string::String};

use tls_parser::{CIPHERS, TlsCipherSuite};

/// The name in the IANA registry of the suite with this number, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` for
/// 0xc02f.
#[must_use]
pub fn suite_name(number: u16) -> Option<&'static str> {
    TlsCipherSuite::from_id(number).map(|suite| suite.name)
}

/// The number of the suite with this name in the IANA registry.
#[must_use]
pub fn suite_number(name: &str) -> Option<u16> {
    TlsCipherSuite::from_name(name).map(|suite| suite.id.0)
}

/// The name in the IANA registry of what somebody called otherwise: as OpenSSL or Mbed TLS spell it, in small letters,
/// or without `TLS_`.
#[must_use]
pub fn suite_like(name: &str) -> Option<&'static str> {
    // Numbers are in no order in that table; the same answer each time is wanted.
    let mut found = None;
    for suite in CIPHERS.values() {
        let bare = suite.name.strip_prefix("TLS_").unwrap_or(suite.name);
        let same = [suite.name, bare]
            .iter()
            .any(|known| same_but_for_dashes(known, name));
        if (same || openssl_name(bare).eq_ignore_ascii_case(name))
            && found.is_none_or(|(number, _)| suite.id.0 < number)
        {
            found = Some((suite.id.0, suite.name));
        }
    }
    found.map(|(_, name)| name)
}

fn same_but_for_dashes(known: &str, name: &str) -> bool {
    known.len() == name.len()
        && known.bytes().zip(name.bytes()).all(|(known, given)| {
            known.eq_ignore_ascii_case(&given) || (known == b'_' && given == b'-')
        })
}

/// How OpenSSL spells a name of the registry without `TLS_`.
fn openssl_name(bare: &str) -> String {
    let Some((exchange, rest)) = bare.split_once("_WITH_") else {
        return bare.into();
    };
    let rest = match rest {
        "3DES_EDE_CBC_SHA" => "DES-CBC3-SHA".into(),
        "CHACHA20_POLY1305_SHA256" => "CHACHA20-POLY1305".into(),
        other => ["AES", "CAMELLIA", "ARIA"]
            .iter()
            .fold(String::from(other), |text, cipher| {
                text.replace(&format!("{cipher}_"), cipher)
            })
            .replace("_CBC_", "_")
            .replace('_', "-")
            .replace("CCM-8", "CCM8"),
    };
    // The plain exchange goes without saying.
    match exchange {
        "RSA" => rest,
        other => format!("{}-{rest}", other.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_of_the_registry() {
        for (number, name) in [
            (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            (0x1301, "TLS_AES_128_GCM_SHA256"),
            (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ] {
            assert_eq!(suite_name(number), Some(name));
            assert_eq!(suite_number(name), Some(number));
        }
        assert_eq!(suite_name(0xfafa), None);
        assert_eq!(suite_number("ECDHE-RSA-AES128-GCM-SHA256"), None);
    }

    #[test]
    fn other_spellings_lead_to_the_registry() {
        for (other, name) in [
            (
                "ECDHE-RSA-AES128-GCM-SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            (
                "ecdhe-ecdsa-aes256-gcm-sha384",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ),
            (
                "ECDHE-RSA-CHACHA20-POLY1305",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            ),
            ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
            ("DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
            ("AES256-CCM8", "TLS_RSA_WITH_AES_256_CCM_8"),
            (
                "DHE-RSA-CAMELLIA256-SHA256",
                "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256",
            ),
            (
                "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            (
                "ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            ("tls_aes_128_gcm_sha256", "TLS_AES_128_GCM_SHA256"),
        ] {
            assert_eq!(suite_like(other), Some(name), "{other}");
        }
        assert_eq!(suite_like("HIGH"), None);
        assert_eq!(suite_like(""), None);
    }
}
