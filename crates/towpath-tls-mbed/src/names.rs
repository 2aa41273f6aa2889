//! IANA's names, and the numbers and names that Mbed TLS has for them.

use core::ffi::{c_char, c_int};

use mbedtls_rs_sys as sys;

use crate::mem::List;

/// The suite's number; `None` if Mbed TLS was built without it. Mbed TLS spells the same names with dashes, and those of
/// TLS 1.3 with the version in front.
///
/// To be called with the guard held.
pub(crate) fn suite(name: &str) -> Option<c_int> {
    let mut spelled = [0_u8; 80];
    let tail = name.strip_prefix("TLS_")?;
    let head: &str = if tail.contains("_WITH_") {
        "TLS-"
    } else {
        "TLS1-3-"
    };
    let room = spelled.len().checked_sub(1)?;
    if head.len() + tail.len() > room {
        return None;
    }
    for (to, from) in spelled.iter_mut().zip(head.bytes().chain(tail.bytes())) {
        *to = if from == b'_' { b'-' } else { from };
    }
    // SAFETY: the text ends with a zero, since the last byte was never written.
    let id = unsafe { sys::mbedtls_ssl_get_ciphersuite_id(spelled.as_ptr().cast::<c_char>()) };
    (id > 0).then_some(id)
}

/// Whether the suite is one of TLS 1.3: those have 0x13 in front (RFC 8446 appendix B.4).
pub(crate) const fn is_tls13(suite: c_int) -> bool {
    suite >> 8 == 0x13
}

/// The group's number; `None` if Mbed TLS was built without it.
pub(crate) fn group(name: &str) -> Option<u16> {
    const GROUPS: &[(&str, u16)] = &[
        ("secp192r1", 0x13),
        ("secp224r1", 0x15),
        ("secp256k1", 0x16),
        ("secp256r1", 0x17),
        ("secp384r1", 0x18),
        ("secp521r1", 0x19),
        ("brainpoolP256r1", 0x1a),
        ("brainpoolP384r1", 0x1b),
        ("brainpoolP512r1", 0x1c),
        ("x25519", 0x1d),
        ("x448", 0x1e),
    ];
    let id = find(GROUPS, name)?;
    // SAFETY: it takes any number, and answers with a pointer into a constant table.
    let known = unsafe { sys::mbedtls_ecp_curve_info_from_tls_id(id) };
    (!known.is_null()).then_some(id)
}

/// The signature algorithm's number; `None` if Mbed TLS has no such algorithm.
pub(crate) fn signature_algorithm(name: &str) -> Option<u16> {
    const ALGORITHMS: &[(&str, u16)] = &[
        ("rsa_pkcs1_sha256", 0x0401),
        ("rsa_pkcs1_sha384", 0x0501),
        ("rsa_pkcs1_sha512", 0x0601),
        ("ecdsa_secp256r1_sha256", 0x0403),
        ("ecdsa_secp384r1_sha384", 0x0503),
        #[cfg(feature = "curves")]
        ("ecdsa_secp521r1_sha512", 0x0603),
        #[cfg(any(feature = "rsa-pss", feature = "tls13"))]
        ("rsa_pss_rsae_sha256", 0x0804),
        #[cfg(any(feature = "rsa-pss", feature = "tls13"))]
        ("rsa_pss_rsae_sha384", 0x0805),
        #[cfg(any(feature = "rsa-pss", feature = "tls13"))]
        ("rsa_pss_rsae_sha512", 0x0806),
    ];
    find(ALGORITHMS, name)
}

fn find(table: &[(&str, u16)], name: &str) -> Option<u16> {
    let (_, number) = table.iter().find(|(known, _)| *known == name)?;
    Some(*number)
}

/// Why a list of names gives no list of numbers.
pub(crate) enum Unusable<'a> {
    /// Nothing is known by this name.
    Name(&'a str),
    /// There is no memory.
    Memory,
}

/// The numbers of these names with a zero behind them, as Mbed TLS wants its lists; `None` for no names.
pub(crate) fn numbers<'a, T: crate::mem::Zeroed>(
    names: &[&'a str],
    number: impl Fn(&str) -> Option<T>,
) -> Result<Option<List<T>>, Unusable<'a>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut list = List::zeroed(names.len() + 1).ok_or(Unusable::Memory)?;
    for (to, name) in list.iter_mut().zip(names) {
        *to = number(name).ok_or(Unusable::Name(name))?;
    }
    Ok(Some(list))
}
