//! From a certificate's DER to what is shown of it.

use std::net::IpAddr;

use x509_parser::{
    extensions::GeneralName,
    oid_registry::{self, Oid},
    prelude::{FromDer as _, X509Certificate},
    public_key::PublicKey,
    x509::X509Name,
};

use crate::evidence::Certificate;

/// The most names that are kept of one certificate.
const NAMES: usize = 64;

impl Certificate {
    /// Reads a certificate. `None`: this is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            names: names(&certificate),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            key: key(&certificate),
            signature: algorithm(&certificate.signature_algorithm.algorithm),
            len: der.len(),
        })
    }
}

/// `C=US, O=Example, CN=hub.example`.
fn name(name: &X509Name<'_>) -> String {
    name.to_string()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    names.take(NAMES).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// `RSA 2048`, `P-256`, `Ed25519`.
fn key(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => {
            let curve = info.algorithm.parameters.as_ref();
            let curve = curve.and_then(|curve| curve.as_oid().ok());
            match curve {
                Some(curve) if curve == oid_registry::OID_EC_P256 => "P-256".into(),
                Some(curve) if curve == oid_registry::OID_NIST_EC_P384 => "P-384".into(),
                Some(curve) if curve == oid_registry::OID_NIST_EC_P521 => "P-521".into(),
                _ => format!("EC {}", point.key_size()),
            }
        }
        _ if info.algorithm.algorithm == oid_registry::OID_SIG_ED25519 => "Ed25519".into(),
        _ => algorithm(&info.algorithm.algorithm),
    }
}

/// `sha256WithRSAEncryption`; numbers where the name is not known.
fn algorithm(oid: &Oid<'_>) -> String {
    let known: &[(Oid<'static>, &str)] = &[
        (oid_registry::OID_PKCS1_SHA1WITHRSA, "sha1WithRSAEncryption"),
        (
            oid_registry::OID_PKCS1_SHA256WITHRSA,
            "sha256WithRSAEncryption",
        ),
        (
            oid_registry::OID_PKCS1_SHA384WITHRSA,
            "sha384WithRSAEncryption",
        ),
        (
            oid_registry::OID_PKCS1_SHA512WITHRSA,
            "sha512WithRSAEncryption",
        ),
        (oid_registry::OID_PKCS1_RSASSAPSS, "rsassaPss"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA256, "ecdsa-with-SHA256"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA384, "ecdsa-with-SHA384"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA512, "ecdsa-with-SHA512"),
        (oid_registry::OID_SIG_ED25519, "Ed25519"),
    ];
    known
        .iter()
        .find(|(known, _)| known == oid)
        .map_or_else(|| oid.to_id_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Certificate::read(&bytes);
        }
    }
}
