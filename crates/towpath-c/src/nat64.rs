//! Addresses through NAT64 (RFC 6052), and the prefix in an answer for `ipv4only.arpa` (RFC 7050), for platforms whose
//! resolver knows neither.

use core::net::{Ipv4Addr, Ipv6Addr};

use towpath_proto::net::nat64::{Prefix, discover};

use crate::types::Status;

/// The address that the translator turns into `ipv4`, into `ipv6`. `prefix` has 16 bytes of which `len` bits count: 32,
/// 40, 48, 56, 64 or 96. `TOWPATH_STATUS_INVALID` if it is no prefix, or may not carry this address: 64:ff9b::/96 is for
/// public addresses only.
///
/// # Safety
/// Each pointer is null or leads to 16 bytes, `ipv4` to 4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_nat64_synthesise(
    prefix: *const u8,
    len: u8,
    ipv4: *const u8,
    ipv6: *mut u8,
) -> Status {
    if prefix.is_null() || ipv4.is_null() || ipv6.is_null() {
        return Status::Null;
    }
    // SAFETY: the caller's promise; bytes have no alignment.
    let (prefix, ipv4) = unsafe {
        (
            prefix.cast::<[u8; 16]>().read(),
            ipv4.cast::<[u8; 4]>().read(),
        )
    };
    let ipv4 = Ipv4Addr::from(ipv4);
    let prefix = Prefix::new(Ipv6Addr::from(prefix), len);
    let Some(prefix) = prefix.filter(|prefix| prefix.may_carry(ipv4)) else {
        return Status::Invalid;
    };
    // SAFETY: as above.
    unsafe {
        ipv6.cast::<[u8; 16]>()
            .write(prefix.synthesise(ipv4).octets());
    }
    Status::Ok
}

/// The NAT64 prefix in an AAAA record of `ipv4only.arpa`, into `prefix` (16 bytes) and `len` (bits).
/// `TOWPATH_STATUS_NONE` if there is none in it.
///
/// # Safety
/// Each pointer is null or leads to 16 bytes, `len` to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_nat64_discover(
    aaaa: *const u8,
    prefix: *mut u8,
    len: *mut u8,
) -> Status {
    if aaaa.is_null() || prefix.is_null() || len.is_null() {
        return Status::Null;
    }
    // SAFETY: the caller's promise; bytes have no alignment.
    let address = unsafe { aaaa.cast::<[u8; 16]>().read() };
    let Some(found) = discover(Ipv6Addr::from(address)) else {
        return Status::None;
    };
    // SAFETY: as above.
    unsafe {
        prefix.cast::<[u8; 16]>().write(found.address().octets());
        len.write(found.len());
    }
    Status::Ok
}
