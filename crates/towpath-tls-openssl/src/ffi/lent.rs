//! A key of a provider as libssl signs with it.
//!
//! OpenSSL 3.0 to 3.5 ask the default provider for a signature first, and tpm2-openssl hands it the public half of its
//! key: then there is "no private key". With the provider preferred, everything else would be the TPM's work too. So the
//! key gets a shell of the older kind, an `EC_KEY` with a method of its own, whose only work is to have the provider
//! sign.

use core::ffi::{c_int, c_long, c_uint, c_void};
use std::{mem::ManuallyDrop, ptr, sync::OnceLock};

use foreign_types::ForeignType as _;
use openssl::{
    ec::EcKey,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
};
use openssl_sys as sys;

/// `CRYPTO_EX_INDEX_EC_KEY` of `crypto.h`.
const EC_KEY_INDEX: c_int = 8;

type Sign = extern "C" fn(
    c_int,
    *const u8,
    c_int,
    *mut u8,
    *mut c_uint,
    *const sys::BIGNUM,
    *const sys::BIGNUM,
    *mut sys::EC_KEY,
) -> c_int;
type Free = extern "C" fn(*mut c_void, *mut c_void, *mut c_void, c_int, c_long, *mut c_void);
type Copy = extern "C" fn(
    *mut c_void,
    *const c_void,
    *mut *mut c_void,
    c_int,
    c_long,
    *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn EC_KEY_OpenSSL() -> *const c_void;
    fn EC_KEY_METHOD_new(like: *const c_void) -> *mut c_void;
    fn EC_KEY_METHOD_set_sign(
        method: *mut c_void,
        sign: Option<Sign>,
        setup: *const c_void,
        sign_sig: *const c_void,
    );
    fn EC_KEY_set_method(key: *mut sys::EC_KEY, method: *const c_void) -> c_int;
    fn EC_KEY_set_ex_data(key: *mut sys::EC_KEY, index: c_int, data: *mut c_void) -> c_int;
    fn EC_KEY_get_ex_data(key: *const sys::EC_KEY, index: c_int) -> *mut c_void;
    fn CRYPTO_get_ex_new_index(
        class: c_int,
        number: c_long,
        argument: *mut c_void,
        new: *const c_void,
        copy: Option<Copy>,
        free: Option<Free>,
    ) -> c_int;
    fn ECDSA_size(key: *const sys::EC_KEY) -> c_int;
    fn EVP_PKEY_CTX_new_from_pkey(
        library: *mut c_void,
        key: *mut sys::EVP_PKEY,
        properties: *const core::ffi::c_char,
    ) -> *mut sys::EVP_PKEY_CTX;
    fn EVP_PKEY_CTX_set_signature_md(
        context: *mut sys::EVP_PKEY_CTX,
        digest: *const sys::EVP_MD,
    ) -> c_int;
}

/// What all shells share: their method, and where they keep the key that signs. As numbers, since both are made once
/// and never changed.
fn shared() -> Option<(*const c_void, c_int)> {
    static SHARED: OnceLock<Option<(usize, c_int)>> = OnceLock::new();
    let made = SHARED.get_or_init(|| {
        // SAFETY: the default method is a constant, and the new one is filled in before anybody sees it.
        let method = unsafe { EC_KEY_METHOD_new(EC_KEY_OpenSSL()) };
        if method.is_null() {
            return None;
        }
        // SAFETY: the callbacks have the types that ec.h and crypto.h declare and live as long as the program. There is
        // no preparation and no signature in two numbers: nobody asks a key behind TLS for them.
        let index = unsafe {
            EC_KEY_METHOD_set_sign(method, Some(sign), ptr::null(), ptr::null());
            CRYPTO_get_ex_new_index(
                EC_KEY_INDEX,
                0,
                ptr::null_mut(),
                ptr::null(),
                Some(copy),
                Some(free),
            )
        };
        (index >= 0).then(|| (method.expose_provenance(), index))
    });
    made.map(|(method, index)| (ptr::with_exposed_provenance(method), index))
}

extern "C" fn free(
    _: *mut c_void,
    key: *mut c_void,
    _: *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) {
    // SAFETY: it is null, or the reference that `lend` or `copy` has given away.
    unsafe { sys::EVP_PKEY_free(key.cast()) };
}

extern "C" fn copy(
    _: *mut c_void,
    _: *const c_void,
    key: *mut *mut c_void,
    _: c_int,
    _: c_long,
    _: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL lends the place of what is copied; there is null in it, or a key.
    unsafe {
        if !key.is_null() && !(*key).is_null() {
            sys::EVP_PKEY_up_ref((*key).cast());
        }
    }
    1
}

extern "C" fn sign(
    _: c_int,
    digest: *const u8,
    digest_len: c_int,
    signature: *mut u8,
    signature_len: *mut c_uint,
    _: *const sys::BIGNUM,
    _: *const sys::BIGNUM,
    shell: *mut sys::EC_KEY,
) -> c_int {
    let kind = match digest_len {
        20 => MessageDigest::sha1(),
        32 => MessageDigest::sha256(),
        48 => MessageDigest::sha384(),
        64 => MessageDigest::sha512(),
        _ => return 0,
    };
    let (Some((_, index)), Ok(digest_len)) = (shared(), usize::try_from(digest_len)) else {
        return 0;
    };
    // SAFETY: OpenSSL calls with a shell that `lend` made, a digest of that length, and room for the longest signature
    // of the shell. The key is only used to make a context, which is freed here.
    unsafe {
        let key = EC_KEY_get_ex_data(shell, index).cast::<sys::EVP_PKEY>();
        let mut len = usize::try_from(ECDSA_size(shell)).unwrap_or(0);
        if key.is_null() {
            return 0;
        }
        let context = EVP_PKEY_CTX_new_from_pkey(ptr::null_mut(), key, c"provider=tpm2".as_ptr());
        if context.is_null() {
            return 0;
        }
        let signed = sys::EVP_PKEY_sign_init(context) == 1
            && EVP_PKEY_CTX_set_signature_md(context, kind.as_ptr()) == 1
            && sys::EVP_PKEY_sign(context, signature, &raw mut len, digest, digest_len) == 1;
        sys::EVP_PKEY_CTX_free(context);
        match c_uint::try_from(len) {
            Ok(len) if signed => {
                *signature_len = len;
                1
            }
            _ => 0,
        }
    }
}

/// A key that libssl signs with, and that has `key` of the provider `tpm2` do it. An elliptic one.
pub(crate) fn lend(key: PKey<Private>) -> Result<PKey<Private>, ErrorStack> {
    let (method, index) = shared().ok_or_else(ErrorStack::get)?;
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?.ec_key()?;
    let shell = EcKey::from_public_key(public.group(), public.public_key())?;
    let shell = ManuallyDrop::new(shell);
    // SAFETY: the pointer is an owned key's that is not dropped; the type says private because it signs, and nothing
    // else is asked of it.
    let shell: EcKey<Private> = unsafe { EcKey::from_ptr(shell.as_ptr()) };
    // SAFETY: the shell is nobody else's; the method lives as long as the program.
    if unsafe { EC_KEY_set_method(shell.as_ptr(), method) } != 1 {
        return Err(ErrorStack::get());
    }
    // SAFETY: the shell takes a reference of its own to the key, which `free` lets go of.
    let kept = unsafe {
        sys::EVP_PKEY_up_ref(key.as_ptr());
        EC_KEY_set_ex_data(shell.as_ptr(), index, key.as_ptr().cast())
    };
    if kept != 1 {
        // SAFETY: the reference was not taken.
        unsafe { sys::EVP_PKEY_free(key.as_ptr()) };
        return Err(ErrorStack::get());
    }
    PKey::from_ec_key(shell)
}
