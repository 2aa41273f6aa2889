//! Random numbers for Mbed TLS: the system's on a host, the caller's on a device. No generator lies in between, so the
//! source has to be one for cryptography.

use core::{
    cell::Cell,
    ffi::{c_int, c_uchar, c_void},
    slice,
};

use critical_section::Mutex;
use mbedtls_rs_sys as sys;

/// Fills the bytes with random numbers that nobody can predict, and says whether it could.
pub type Random = fn(&mut [u8]) -> bool;

static SOURCE: Mutex<Cell<Option<Random>>> = Mutex::new(Cell::new(None));

/// Gives Mbed TLS its random numbers, for all connections. On a device this comes first: without it there is no
/// [`Context`](crate::Context). On a host it takes the place of the system's.
///
/// The source is called while Mbed TLS works, so it must not use a connection of this crate.
pub fn set_random(source: Random) {
    critical_section::with(|section| SOURCE.borrow(section).set(Some(source)));
}

fn source() -> Option<Random> {
    #[cfg(feature = "std")]
    let default: Option<Random> = Some(|bytes| getrandom::fill(bytes).is_ok());
    #[cfg(not(feature = "std"))]
    let default = None;
    critical_section::with(|section| SOURCE.borrow(section).get()).or(default)
}

pub(crate) fn is_set() -> bool {
    source().is_some()
}

fn fill(bytes: &mut [u8]) -> bool {
    source().is_some_and(|source| source(bytes))
}

/// `mbedtls_f_rng_t`.
pub(crate) unsafe extern "C" fn f_rng(_: *mut c_void, to: *mut c_uchar, len: usize) -> c_int {
    if len == 0 {
        return 0;
    }
    // SAFETY: Mbed TLS gives `len` bytes of its own to be filled.
    let bytes = unsafe { slice::from_raw_parts_mut(to, len) };
    if fill(bytes) {
        0
    } else {
        sys::MBEDTLS_ERR_ENTROPY_SOURCE_FAILED
    }
}

/// What the sys crate leaves to its user: the random numbers of the PSA part, which TLS 1.3 uses.
// SAFETY: the name and the signature are those that Mbed TLS declares for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn mbedtls_psa_external_get_random(
    _: *mut sys::mbedtls_psa_external_random_context_t,
    output: *mut u8,
    output_size: usize,
    output_length: *mut usize,
) -> sys::psa_status_t {
    // SAFETY: as for `f_rng`.
    let ret = unsafe { f_rng(core::ptr::null_mut(), output, output_size) };
    // SAFETY: Mbed TLS gives a place for the length.
    unsafe { output_length.write(if ret == 0 { output_size } else { 0 }) };
    // PSA_SUCCESS and PSA_ERROR_INSUFFICIENT_ENTROPY, which are no constants in the bindings.
    if ret == 0 { 0 } else { -148 }
}
