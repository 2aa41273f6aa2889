//! Certificates and keys as they lie in files: takes in PEM or DER, gives out names, dates, sizes, and of a private key no
//! more than its public part.

use std::net::IpAddr;

use x509_parser::{
    certificate::X509Certificate,
    der_parser::{ber::BerObjectContent, der::parse_der},
    error::PEMError,
    extensions::GeneralName,
    oid_registry::{
        OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512,
    },
    pem::Pem,
    prelude::FromDer as _,
    public_key::PublicKey,
};

/// No more certificates than these are read from a file. The bundles of systems have about 150.
const MAX_CERTIFICATES: usize = 1000;

/// What a file of certificates comes to: at least one; or what is wrong with it, in a clause.
pub(super) type Certificates = Result<Vec<Certificate>, String>;

/// A certificate.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// The subject as it is shown.
    pub(super) subject: String,
    /// The subject and the issuer as they are compared: DER.
    pub(super) subject_der: Vec<u8>,
    pub(super) issuer_der: Vec<u8>,
    /// The last common name of the subject.
    pub(super) common_name: Option<String>,
    /// The alternative names.
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) key: Key,
    /// Whether its signature needs SHA-384 or SHA-512.
    pub(super) sha384: bool,
    /// Bytes of DER.
    pub(super) len: usize,
}

impl Certificate {
    /// Whether it is its own issuer, by name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether that one issued this one, by name.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// RSA: the modulus without leading zeros.
    Rsa(Vec<u8>),
    /// A point of an elliptic curve.
    Ec(Vec<u8>),
    /// Something else.
    Other,
}

impl Key {
    /// The length of an RSA modulus, bits.
    pub(super) fn rsa_bits(&self) -> Option<u32> {
        let Self::Rsa(modulus) = self else {
            return None;
        };
        let first = modulus.first()?;
        let all = u32::try_from(modulus.len()).ok()?.checked_mul(8)?;
        all.checked_sub(first.leading_zeros())
    }

    fn rsa(modulus: &[u8]) -> Self {
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        Self::Rsa(modulus.get(zeros..).unwrap_or_default().to_vec())
    }
}

/// What a file of a private key comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PrivateKey {
    /// Its public part.
    Public(Key),
    /// A key whose public part can't be told: encrypted, in a token, or of a kind that does not carry it.
    Closed,
    /// What is wrong with it, in a clause.
    Broken(String),
}

/// Reads a file of certificates.
pub(super) fn certificates(bytes: &[u8]) -> Certificates {
    if bytes.trim_ascii().is_empty() {
        return Err("the file is empty".to_owned());
    }
    if bytes.first() == Some(&0x30) {
        return match certificate(bytes) {
            Some(certificate) => Ok(vec![certificate]),
            None => Err("it is no certificate in DER, or is cut off".to_owned()),
        };
    }
    let mut list = Vec::new();
    let mut other = None;
    for block in Pem::iter_from_buffer(bytes).take(MAX_CERTIFICATES) {
        let number = list.len().saturating_add(1);
        let block = block.map_err(|error| broken_pem(&error, number))?;
        if !matches!(
            block.label.as_str(),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
        ) {
            other.get_or_insert(block.label);
            continue;
        }
        match certificate(&block.contents) {
            Some(certificate) => list.push(certificate),
            None => return Err(format!("certificate {number} of it can't be read")),
        }
    }
    match (list.is_empty(), other) {
        (false, _) => Ok(list),
        (true, Some(label)) if label.contains("KEY") => {
            Err("there is a private key in it and no certificate".to_owned())
        }
        (true, _) => Err("there is no certificate in it, neither in PEM nor in DER".to_owned()),
    }
}

fn broken_pem(error: &PEMError, number: usize) -> String {
    match error {
        PEMError::IncompletePEM => {
            format!("it is cut off: part {number} has no line -----END")
        }
        PEMError::Base64DecodeError => format!("part {number} of it is damaged: that is no base64"),
        _ => format!("part {number} of it can't be read"),
    }
}

/// Reads a certificate in DER.
fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let signature = &parsed.signature_algorithm.algorithm;
    let long = [
        &OID_PKCS1_SHA384WITHRSA,
        &OID_PKCS1_SHA512WITHRSA,
        &OID_SIG_ECDSA_WITH_SHA384,
        &OID_SIG_ECDSA_WITH_SHA512,
    ];
    let (names, addresses) = alternative_names(&parsed);
    let common_name = parsed.subject().iter_common_name().last();
    Some(Certificate {
        subject: printable(&parsed.subject().to_string()),
        subject_der: parsed.subject().as_raw().to_vec(),
        issuer_der: parsed.issuer().as_raw().to_vec(),
        common_name: common_name.and_then(|name| name.as_str().ok().map(str::to_owned)),
        names,
        addresses,
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        key: public_key(&parsed),
        sha384: long.contains(&signature),
        len: der.len(),
    })
}

fn public_key(parsed: &X509Certificate<'_>) -> Key {
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => Key::rsa(rsa.modulus),
        Ok(PublicKey::EC(point)) => Key::Ec(point.data().to_vec()),
        _ => Key::Other,
    }
}

fn alternative_names(parsed: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return (names, addresses);
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.push(printable(name)),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                addresses.extend(v4.or(v6));
            }
            _ => {}
        }
    }
    (names, addresses)
}

/// Reads a file with a private key, and keeps of it what the certificate has too.
pub(super) fn private_key(bytes: &[u8]) -> PrivateKey {
    if towpath_proto::tls::is_key_uri(bytes) {
        return PrivateKey::Closed;
    }
    if bytes.trim_ascii().is_empty() {
        return PrivateKey::Broken("the file is empty".to_owned());
    }
    if bytes.first() == Some(&0x30) {
        return public_part(bytes).map_or(PrivateKey::Closed, PrivateKey::Public);
    }
    if contains(bytes, b"ENCRYPTED") {
        return PrivateKey::Closed;
    }
    let mut other = None;
    for block in Pem::iter_from_buffer(bytes).take(MAX_CERTIFICATES) {
        let block = match block {
            Ok(block) => block,
            Err(error) => return PrivateKey::Broken(broken_pem(&error, 1)),
        };
        if block.label.ends_with("PRIVATE KEY") {
            return public_part(&block.contents).map_or(PrivateKey::Closed, PrivateKey::Public);
        }
        other.get_or_insert(block.label);
    }
    PrivateKey::Broken(match other {
        Some(label) if label.contains("CERTIFICATE") => {
            "there is a certificate in it and no private key".to_owned()
        }
        _ => "there is no private key in it, neither in PEM nor in DER".to_owned(),
    })
}

/// The public part of a key in DER: PKCS#1 (RFC 8017 A.1.2), SEC 1 (RFC 5915), or either in PKCS#8 (RFC 5208).
fn public_part(der: &[u8]) -> Option<Key> {
    let (_, object) = parse_der(der).ok()?;
    let parts = object.as_sequence().ok()?;
    let [version, second, rest @ ..] = parts.as_slice() else {
        return None;
    };
    version.as_u32().ok()?;
    match &second.content {
        // RSAPrivateKey: version, modulus ...
        BerObjectContent::Integer(modulus) => Some(Key::rsa(modulus)),
        // PrivateKeyInfo: version, algorithm, key in an octet string.
        BerObjectContent::Sequence(_) => match &rest.first()?.content {
            BerObjectContent::OctetString(inner) if inner.len() < der.len() => public_part(inner),
            _ => None,
        },
        // ECPrivateKey: version, number, [0] curve, [1] point.
        BerObjectContent::OctetString(_) => {
            let tagged = rest.iter().find(|part| part.header.tag().0 == 1)?;
            let BerObjectContent::Unknown(any) = &tagged.content else {
                return None;
            };
            let (_, point) = parse_der(any.data).ok()?;
            match &point.content {
                BerObjectContent::BitString(0, bits) => Some(Key::Ec(bits.data.to_vec())),
                _ => None,
            }
        }
        _ => None,
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A name out of a file without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { '?' } else { c });
    clean.take(200).collect()
}
