//! Checks a token as a hub does: over the text of the resource as it came. Written apart from the crate's own signing.

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far a device's clock may be off: a hub takes an expired token for so long, seconds.
pub(crate) const SKEW: u64 = 300;

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untrusted {
    Form,
    Resource,
    Signature,
    Expired,
}

/// The expiry of a token that is in order, Unix seconds.
pub(crate) fn check(token: &str, key: &[u8], resource: &str, unix: u64) -> Result<u64, Untrusted> {
    let fields = token
        .strip_prefix("SharedAccessSignature ")
        .ok_or(Untrusted::Form)?;
    let field = |name: &str| {
        fields
            .split('&')
            .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
            .ok_or(Untrusted::Form)
    };
    let (written, expiry) = (field("sr")?, field("se")?);
    let signature = decoded(field("sig")?);
    if decoded(written) != resource {
        return Err(Untrusted::Resource);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(written.as_bytes());
    mac.update(b"\n");
    mac.update(expiry.as_bytes());
    let mut room = [0; 64];
    let right = Base64::encode(&mac.finalize().into_bytes(), &mut room).expect("room");
    if signature != right {
        return Err(Untrusted::Signature);
    }
    let expiry: u64 = expiry.parse().map_err(|_| Untrusted::Form)?;
    if expiry + SKEW < unix {
        return Err(Untrusted::Expired);
    }
    Ok(expiry)
}

/// Percent-decoding.
pub(crate) fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let two = [bytes.next(), bytes.next()].map(|byte| byte.expect("two digits"));
            let two = std::str::from_utf8(&two).expect("digits");
            out.push(u8::from_str_radix(two, 16).expect("hexadecimal digits"));
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).expect("UTF-8")
}
