//! What stands in a certificate, and what it takes to get a new one.
//!
//! Takes in certificates, keys and names; gives out dates and names, a new key with its request (PKCS#10, RFC 2986), and
//! whether a certificate and a key belong together.

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    rsa::Rsa,
    sign::Verifier,
    x509::{X509, X509NameBuilder, X509ReqBuilder},
};
use towpath_proto::{Fault, tls::Identity};
use zeroize::Zeroizing;

use crate::{
    cause::{internal, material},
    material as keys,
};

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The common name of its subject.
    pub common_name: Option<String>,
    /// From when on it is valid, seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, seconds since 1970.
    pub not_after: i64,
}

/// What stands in the first certificate of `chain`, PEM or DER.
///
/// # Errors
/// [`Code::TlsMaterial`](towpath_proto::Code::TlsMaterial) if there is none in it.
pub fn facts(chain: &[u8]) -> Result<Facts, Fault> {
    let leaf = keys::leaf(chain)?;
    let mut names = leaf.subject_name().entries_by_nid(Nid::COMMONNAME);
    let common_name = names.next().and_then(|entry| entry.data().to_string().ok());
    Ok(Facts {
        common_name,
        not_before: seconds(leaf.not_before()).map_err(|error| internal(&error))?,
        not_after: seconds(leaf.not_after()).map_err(|error| internal(&error))?,
    })
}

fn seconds(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(since.days) * 86_400 + i64::from(since.secs))
}

/// Whether the first certificate of `identity` is for its key.
///
/// # Errors
/// [`Code::TlsMaterial`](towpath_proto::Code::TlsMaterial) if one of them can't be read.
pub fn fits(identity: &Identity<'_>) -> Result<bool, Fault> {
    let key = keys::key(identity)?;
    let leaf = keys::leaf(identity.chain)?;
    let fits = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
    drop(ErrorStack::get());
    Ok(fits)
}

/// A curve of NIST for a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Curve {
    /// P-256, with SHA-256.
    P256,
    /// P-384, with SHA-384: what DPS issues certificates for.
    #[default]
    P384,
}

/// A new key in PEM (PKCS#8), and the request for a certificate of this common name in DER (PKCS#10).
///
/// # Errors
/// [`Code::TlsInternal`](towpath_proto::Code::TlsInternal) if OpenSSL can't, and
/// [`Code::TlsMaterial`](towpath_proto::Code::TlsMaterial) for a name that no certificate can bear.
pub fn new_key_and_csr(
    common_name: &str,
    curve: Curve,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Fault> {
    // RFC 5280, upper bound ub-common-name. DPS allows registration IDs of 128, which then can't be a common name.
    if common_name.is_empty() || common_name.chars().count() > 64 {
        return Err(material("a common name has 1 to 64 characters"));
    }
    request(common_name, curve).map_err(|error| internal(&error))
}

fn request(common_name: &str, curve: Curve) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), ErrorStack> {
    let (curve, digest) = match curve {
        Curve::P256 => (Nid::X9_62_PRIME256V1, MessageDigest::sha256()),
        Curve::P384 => (Nid::SECP384R1, MessageDigest::sha384()),
    };
    let group = EcGroup::from_curve_name(curve)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    let mut request = X509ReqBuilder::new()?;
    request.set_version(0)?;
    request.set_subject_name(&name.build())?;
    request.set_pubkey(&key)?;
    request.sign(&key, digest)?;
    let pem = Zeroizing::new(key.private_key_to_pem_pkcs8()?);
    Ok((pem, request.build().to_der()?))
}

/// Certificates in DER as one text in PEM, in their order.
///
/// # Errors
/// [`Code::TlsMaterial`](towpath_proto::Code::TlsMaterial) for one that is none.
pub fn to_pem(certificates: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    for (number, der) in certificates.iter().enumerate() {
        let pem = X509::from_der(der).and_then(|certificate| certificate.to_pem());
        let pem = pem.map_err(|_| {
            let number = number + 1;
            material(&format!("certificate {number} of the chain can't be read"))
        })?;
        text.extend_from_slice(&pem);
    }
    Ok(text)
}

/// The bytes of a base64 text (RFC 4648 section 4), without line ends.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = openssl::base64::decode_block(text).ok();
    drop(ErrorStack::get());
    bytes
}

/// Whether `signature` is that of `message` by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3, `RS256`), where the
/// key's modulus is `n` and its exponent `e`, both big-endian. Keys below 2048 bits sign nothing.
#[must_use]
pub fn rs256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let verified = verify_rs256(n, e, message, signature);
    drop(ErrorStack::get());
    verified.unwrap_or(false)
}

fn verify_rs256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    use openssl::bn::BigNum;
    let n = BigNum::from_slice(n)?;
    let e = BigNum::from_slice(e)?;
    // An exponent of 1 would make every padded message its own signature.
    let sound = (2048..=16_384).contains(&n.num_bits())
        && n.is_bit_set(0)
        && e.is_bit_set(0)
        && (2..=64).contains(&e.num_bits());
    if !sound {
        return Ok(false);
    }
    let key = PKey::from_rsa(Rsa::from_public_components(n, e)?)?;
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key)?;
    verifier.verify_oneshot(signature, message)
}

#[cfg(test)]
mod tests {
    use openssl::{sign::Signer, x509::X509Req};

    use super::*;

    #[test]
    fn a_request_bears_the_name_and_is_signed_by_its_key() {
        for (curve, bits) in [(Curve::P256, 256), (Curve::P384, 384)] {
            let (key, request) = new_key_and_csr("meter-1", curve).unwrap();
            let key = PKey::private_key_from_pem(&key).unwrap();
            let request = X509Req::from_der(&request).unwrap();
            assert_eq!(key.bits(), bits);
            assert!(request.verify(&key).unwrap());
            let mut names = request.subject_name().entries_by_nid(Nid::COMMONNAME);
            assert_eq!(names.next().unwrap().data().to_string().unwrap(), "meter-1");
        }
        assert!(new_key_and_csr("", Curve::P256).is_err());
        assert!(new_key_and_csr(&"x".repeat(65), Curve::P256).is_err());
    }

    #[test]
    fn a_signature_is_taken_once_it_fits_in_all() {
        let rsa = Rsa::generate(2048).unwrap();
        let (n, e) = (rsa.n().to_vec(), rsa.e().to_vec());
        let key = PKey::from_rsa(rsa).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        let signature = signer.sign_oneshot_to_vec(b"manifest").unwrap();
        assert!(rs256(&n, &e, b"manifest", &signature));
        let mut padded = vec![0];
        padded.extend_from_slice(&n);
        assert!(
            rs256(&padded, &e, b"manifest", &signature),
            "a leading zero"
        );
        assert!(!rs256(&n, &e, b"manifesto", &signature));
        assert!(!rs256(&n, &e, b"manifest", &signature[1..]));
        assert!(!rs256(&n, &e, b"manifest", &[]));
        assert!(!rs256(&n, &[1], b"manifest", &signature));
        assert!(!rs256(&n, &[], b"manifest", &signature));
        assert!(!rs256(&[], &e, b"manifest", &signature));
        assert!(!rs256(&n[..128], &e, b"manifest", &signature[..128]));
        let mut bent = signature;
        bent[17] ^= 1;
        assert!(!rs256(&n, &e, b"manifest", &bent));
    }
}
