//! Signatures outside of TLS: RSASSA-PKCS1-v1_5 with SHA-256, as update manifests have them (RFC 7518 section 3.3,
//! `RS256`).

use core::{ffi::c_uint, ptr};

use mbedtls_rs_sys as sys;

use crate::guard::Guard;

/// The bytes of a SHA-256.
const DIGEST: usize = 32;

/// The moduli that are taken, bits.
const BITS: core::ops::RangeInclusive<usize> = 2048..=8192;

/// Whether `signature` is that of `message`, where the key's modulus is `n` and its exponent `e`, both big-endian. Keys
/// below 2048 bits sign nothing. On a device it is also false while another task is inside Mbed TLS.
#[must_use]
pub fn rs256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some(_guard) = Guard::enter() else {
        return false;
    };
    let Some(digest) = sha256(message) else {
        return false;
    };
    // An exponent of 1 would make every padded message its own signature.
    let exponent = without_zeros(e);
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !odd(n) || !odd(e) || exponent == [1] || exponent.len() > 8 {
        return false;
    }
    let mut rsa = sys::mbedtls_rsa_context::default();
    // SAFETY: the context is this function's own until `mbedtls_rsa_free`.
    unsafe { sys::mbedtls_rsa_init(&raw mut rsa) };
    // SAFETY: it is initialised, not moved, and the guard is held.
    let verified = unsafe { verify(&raw mut rsa, n, e, &digest, signature) };
    // SAFETY: as above; it is freed once.
    unsafe { sys::mbedtls_rsa_free(&raw mut rsa) };
    verified
}

/// # Safety
/// `rsa` is initialised and nobody else's; the guard is held.
unsafe fn verify(
    rsa: *mut sys::mbedtls_rsa_context,
    n: &[u8],
    e: &[u8],
    digest: &[u8; DIGEST],
    signature: &[u8],
) -> bool {
    let none = ptr::null();
    // SAFETY: as the caller promises; each pointer goes with its length, and null with none stands for what a public key
    // has not.
    let imported = unsafe {
        sys::mbedtls_rsa_import_raw(
            rsa,
            n.as_ptr(),
            n.len(),
            none,
            0,
            none,
            0,
            none,
            0,
            e.as_ptr(),
            e.len(),
        )
    };
    // SAFETY: as the caller promises.
    let sound = imported == 0
        && unsafe {
            sys::mbedtls_rsa_complete(rsa) == 0
                && sys::mbedtls_rsa_check_pubkey(rsa) == 0
                && BITS.contains(&sys::mbedtls_rsa_get_bitlen(rsa))
                && sys::mbedtls_rsa_get_len(rsa) == signature.len()
        };
    // SAFETY: as the caller promises; the signature has the length of the modulus, which is what is read of it.
    sound
        && unsafe {
            sys::mbedtls_rsa_rsassa_pkcs1_v15_verify(
                rsa,
                sys::mbedtls_md_type_t_MBEDTLS_MD_SHA256,
                DIGEST as c_uint,
                digest.as_ptr(),
                signature.as_ptr(),
            ) == 0
        }
}

fn sha256(message: &[u8]) -> Option<[u8; DIGEST]> {
    let mut digest = [0; DIGEST];
    // SAFETY: a constant is looked up.
    let kind = unsafe { sys::mbedtls_md_info_from_type(sys::mbedtls_md_type_t_MBEDTLS_MD_SHA256) };
    if kind.is_null() {
        return None;
    }
    // SAFETY: the kind is a constant of the library, the message goes with its length, and there is room for the digest.
    let done =
        unsafe { sys::mbedtls_md(kind, message.as_ptr(), message.len(), digest.as_mut_ptr()) };
    (done == 0).then_some(digest)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use openssl::{hash::MessageDigest, pkey::PKey, rsa::Rsa, sign::Signer};

    use super::*;

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
        assert!(!rs256(&n, &e, b"", &signature));
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
