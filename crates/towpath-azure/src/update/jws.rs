//! The signature of an update manifest: a JSON Web Signature (RFC 7515, compact form) of RS256 with the signing key inside.
//!
//! Takes in the signature's text, the manifest's and root keys; gives out whether a root key vouches for the manifest. The
//! chain is: a root key signs the signing key (`sjwk` in the header), the signing key signs the SHA-256 of the manifest.
//! Signing keys are never kept.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use super::{
    Refused,
    json::{Text, Value},
};

/// Who can check signatures: a TLS library.
pub trait Verify {
    /// Whether `signature` is one of RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2) over `message`, by the public key of
    /// modulus `n` and exponent `e`, both big-endian.
    fn rs256(&self, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

impl<V: Verify + ?Sized> Verify for &V {
    fn rs256(&self, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
        (**self).rs256(n, e, message, signature)
    }
}

/// Trusts nothing: for devices that take no signed jobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVerify;

impl Verify for NoVerify {
    fn rs256(&self, _: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> bool {
        false
    }
}

/// A root key, as Microsoft publishes those of Device Update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root<'a> {
    /// Its name, such as `ADU.200702.R`.
    pub kid: &'a str,
    /// The modulus, big-endian.
    pub n: &'a [u8],
    /// The exponent, big-endian.
    pub e: &'a [u8],
}

/// The keys that count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys<'a> {
    /// The roots.
    pub roots: &'a [Root<'a>],
    /// The names (`kid`) of root and signing keys that count no longer.
    pub disabled: &'a [&'a str],
}

/// Bytes of the modulus of a signing key that is accepted: RSA of 2048 to 4096 bits.
const MODULUS: core::ops::RangeInclusive<usize> = 256..=512;

/// Checks that `signature` is one of `manifest` and leads to one of the root keys.
///
/// `scratch` should be three times as long as the signature.
///
/// # Errors
/// Which link of the chain does not hold.
pub fn check(
    signature: &[u8],
    manifest: &[u8],
    keys: &Keys<'_>,
    verify: &impl Verify,
    scratch: &mut [u8],
) -> Result<(), Refused> {
    let mut scratch = scratch;
    let jws = Compact::split(signature)?;
    let header = rs256_header(jws.header, &mut scratch)?;
    let inner = unescape(member(header, "sjwk")?, &mut scratch)?;
    let key = signing_key(inner, keys, verify, &mut scratch)?;
    let n = unsigned(binary(member(key, "n")?, &mut scratch)?);
    let e = unsigned(binary(member(key, "e")?, &mut scratch)?);
    if !member(key, "kty")?.is("RSA") || !MODULUS.contains(&n.len()) || e.is_empty() {
        return Err(Refused::SignatureForm);
    }
    let by = decode(jws.signature, &mut scratch)?;
    if !verify.rs256(n, e, jws.message, by) {
        return Err(Refused::Signature);
    }
    let payload = decode(jws.payload, &mut scratch)?;
    let payload = Value::parse(payload).ok_or(Refused::SignatureForm)?;
    let sha256 = binary(member(payload, "sha256")?, &mut scratch)?;
    if sha256 == Sha256::digest(manifest).as_slice() {
        Ok(())
    } else {
        Err(Refused::ManifestHash)
    }
}

/// The signing key, after its signature was checked.
fn signing_key<'s>(
    sjwk: &[u8],
    keys: &Keys<'_>,
    verify: &impl Verify,
    scratch: &mut &'s mut [u8],
) -> Result<Value<'s>, Refused> {
    let sjwk = Compact::split(sjwk)?;
    let header = rs256_header(sjwk.header, scratch)?;
    let kid = member(header, "kid")?;
    if is_disabled(kid, keys) {
        return Err(Refused::DisabledKey);
    }
    let root = keys
        .roots
        .iter()
        .find(|root| kid.is(root.kid))
        .ok_or(Refused::UnknownRoot)?;
    let by = decode(sjwk.signature, scratch)?;
    if !verify.rs256(unsigned(root.n), unsigned(root.e), sjwk.message, by) {
        return Err(Refused::SigningKey);
    }
    let key = Value::parse(decode(sjwk.payload, scratch)?).ok_or(Refused::SignatureForm)?;
    let disabled = key
        .member("kid")
        .and_then(Value::text)
        .is_some_and(|kid| is_disabled(kid, keys));
    if disabled {
        return Err(Refused::DisabledKey);
    }
    Ok(key)
}

fn is_disabled(kid: Text<'_>, keys: &Keys<'_>) -> bool {
    keys.disabled.iter().any(|disabled| kid.is(disabled))
}

fn rs256_header<'s>(text: &[u8], scratch: &mut &'s mut [u8]) -> Result<Value<'s>, Refused> {
    let header = Value::parse(decode(text, scratch)?).ok_or(Refused::SignatureForm)?;
    // A header may name extensions that have to be understood (RFC 7515 4.1.11); none is.
    if member(header, "alg")?.is("RS256") && header.member("crit").is_none() {
        Ok(header)
    } else {
        Err(Refused::SignatureForm)
    }
}

fn member<'a>(object: Value<'a>, name: &str) -> Result<Text<'a>, Refused> {
    object
        .member(name)
        .and_then(Value::text)
        .ok_or(Refused::SignatureForm)
}

/// The three parts of a compact JWS, and what is signed: the first two with their dot.
struct Compact<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    message: &'a [u8],
}

impl<'a> Compact<'a> {
    fn split(text: &'a [u8]) -> Result<Self, Refused> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::SignatureForm);
        };
        let message = text
            .get(..header.len() + 1 + payload.len())
            .ok_or(Refused::SignatureForm)?;
        Ok(Self {
            header,
            payload,
            signature,
            message,
        })
    }
}

/// Cuts room off the scratch.
fn room<'s>(scratch: &mut &'s mut [u8], len: usize) -> Result<&'s mut [u8], Refused> {
    scratch.split_off_mut(..len).ok_or(Refused::TooLarge)
}

fn unescape<'s>(text: Text<'_>, scratch: &mut &'s mut [u8]) -> Result<&'s mut [u8], Refused> {
    let room = room(scratch, text.len())?;
    let len = text.unescape(room).ok_or(Refused::SignatureForm)?;
    room.get_mut(..len).ok_or(Refused::TooLarge)
}

fn decode<'s>(text: &[u8], scratch: &mut &'s mut [u8]) -> Result<&'s [u8], Refused> {
    let room = room(scratch, text.len())?;
    room.copy_from_slice(text);
    decode_in_place(room).ok_or(Refused::SignatureForm)
}

fn binary<'s>(text: Text<'_>, scratch: &mut &'s mut [u8]) -> Result<&'s [u8], Refused> {
    decode_in_place(unescape(text, scratch)?).ok_or(Refused::SignatureForm)
}

/// Base64 of either alphabet, with or without padding: the service's JWKs have the standard one.
pub(super) fn decode_in_place(text: &mut [u8]) -> Option<&[u8]> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let len = text.len() - padding.min(2);
    let text = text.get_mut(..len)?;
    for byte in &mut *text {
        match *byte {
            b'+' => *byte = b'-',
            b'/' => *byte = b'_',
            _ => (),
        }
    }
    Base64UrlUnpadded::decode_in_place(text).ok()
}

/// A number without the zeros in front.
fn unsigned(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
