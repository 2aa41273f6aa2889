//! Keys that stay where they are: OSSL_STORE of a provider, and engines for tokens that have no provider.

use core::ffi::{c_char, c_int, c_void};
use std::{ffi::CStr, ptr, slice};

use foreign_types::ForeignType as _;
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
};
use openssl_sys as sys;

/// `OSSL_STORE_INFO_PKEY` of `store.h`.
const PRIVATE_KEY: c_int = 4;

/// What of a store is looked at in search of a key. A token may list certificates first.
const OBJECTS: usize = 64;

type AskPin = extern "C" fn(*mut c_char, c_int, c_int, *mut c_void) -> c_int;

unsafe extern "C" {
    fn OSSL_STORE_open_ex(
        uri: *const c_char,
        library: *mut c_void,
        properties: *const c_char,
        ui_method: *const c_void,
        ui_data: *mut c_void,
        parameters: *const c_void,
        post_process: *const c_void,
        post_process_data: *mut c_void,
    ) -> *mut c_void;
    fn OSSL_STORE_load(store: *mut c_void) -> *mut c_void;
    fn OSSL_STORE_eof(store: *mut c_void) -> c_int;
    fn OSSL_STORE_close(store: *mut c_void) -> c_int;
    fn OSSL_STORE_INFO_get_type(info: *const c_void) -> c_int;
    fn OSSL_STORE_INFO_get1_PKEY(info: *const c_void) -> *mut sys::EVP_PKEY;
    fn OSSL_STORE_INFO_free(info: *mut c_void);
    fn UI_UTIL_wrap_read_pem_callback(ask: Option<AskPin>, writing: c_int) -> *mut c_void;
    fn UI_destroy_method(method: *mut c_void);
}

/// The PIN of a token, handed out once: asked again it would be the wrong one, and a token locks itself after a few.
pub(crate) struct Pin<'a> {
    pub(crate) text: Option<&'a [u8]>,
    /// How often it was asked for.
    pub(crate) asked: u32,
}

extern "C" fn ask_pin(room: *mut c_char, size: c_int, _: c_int, pin: *mut c_void) -> c_int {
    let (false, Ok(size), false) = (room.is_null(), usize::try_from(size), pin.is_null()) else {
        return -1;
    };
    // SAFETY: `Asking` hands out a pointer to the `Pin` that outlives the call in which this is called; nobody else
    // uses it meanwhile.
    let pin = unsafe { &mut *pin.cast::<Pin<'_>>() };
    pin.asked = pin.asked.saturating_add(1);
    // SAFETY: OpenSSL gives room for `size` bytes.
    let room = unsafe { slice::from_raw_parts_mut(room.cast::<u8>(), size) };
    let text = pin.text.filter(|text| pin.asked == 1 && !text.is_empty());
    match text.and_then(|text| Some((text, room.get_mut(..text.len())?))) {
        Some((text, place)) => {
            place.copy_from_slice(text);
            c_int::try_from(text.len()).unwrap_or(-1)
        }
        None => -1,
    }
}

/// The way in which OpenSSL asks for a PIN, for the length of a call: never at the terminal.
struct Asking(*mut c_void);

impl Asking {
    fn new() -> Result<Self, ErrorStack> {
        // SAFETY: the callback has the type that ui.h declares and lives as long as the program.
        let method = unsafe { UI_UTIL_wrap_read_pem_callback(Some(ask_pin), 0) };
        if method.is_null() {
            Err(ErrorStack::get())
        } else {
            Ok(Self(method))
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and whoever used it is done.
        unsafe { UI_destroy_method(self.0) }
    }
}

/// The first private key that a store shows for this URI.
pub(crate) fn from_store(
    uri: &CStr,
    pin: &mut Pin<'_>,
) -> Result<Option<PKey<Private>>, ErrorStack> {
    let asking = Asking::new()?;
    // SAFETY: the URI is a C string; null stands for the default library, no properties, parameters or callback; method
    // and PIN outlive the store, which is closed below.
    let store = unsafe {
        OSSL_STORE_open_ex(
            uri.as_ptr(),
            ptr::null_mut(),
            ptr::null(),
            asking.0,
            ptr::from_mut(pin).cast(),
            ptr::null(),
            ptr::null(),
            ptr::null_mut(),
        )
    };
    if store.is_null() {
        return Err(ErrorStack::get());
    }
    let mut found = None;
    for _ in 0..OBJECTS {
        // SAFETY: the store is open.
        if found.is_some() || unsafe { OSSL_STORE_eof(store) } == 1 {
            break;
        }
        // SAFETY: the store is open.
        let info = unsafe { OSSL_STORE_load(store) };
        if info.is_null() {
            // An object that can't be read, or the end.
            continue;
        }
        // SAFETY: the object was given just now.
        if unsafe { OSSL_STORE_INFO_get_type(info) } == PRIVATE_KEY {
            // SAFETY: as above; the key that comes back is a reference of our own.
            let key = unsafe { OSSL_STORE_INFO_get1_PKEY(info) };
            // SAFETY: it is not null, and nobody else frees this reference.
            found = (!key.is_null()).then(|| unsafe { PKey::from_ptr(key) });
        }
        // SAFETY: the object is freed once.
        unsafe { OSSL_STORE_INFO_free(info) };
    }
    let errors = ErrorStack::get();
    // SAFETY: the store is closed once, before the method that it asks with goes.
    unsafe { OSSL_STORE_close(store) };
    drop(asking);
    match found {
        None if !errors.errors().is_empty() => Err(errors),
        found => Ok(found),
    }
}

/// The private key that the engine of this name has for `id`. `None`: there is no such engine here.
#[cfg(engines)]
pub(crate) fn from_engine(
    engine: &CStr,
    id: &CStr,
    pin: &mut Pin<'_>,
) -> Option<Result<PKey<Private>, ErrorStack>> {
    const DYNAMIC_ENGINES: u64 = 0x0400;
    const CONFIGURATION: u64 = 0x0040;
    unsafe extern "C" {
        fn OPENSSL_init_crypto(what: u64, settings: *const c_void) -> c_int;
        fn ENGINE_by_id(id: *const c_char) -> *mut c_void;
        fn ENGINE_init(engine: *mut c_void) -> c_int;
        fn ENGINE_free(engine: *mut c_void) -> c_int;
        fn ENGINE_load_private_key(
            engine: *mut c_void,
            id: *const c_char,
            ui_method: *mut c_void,
            data: *mut c_void,
        ) -> *mut sys::EVP_PKEY;
    }
    // SAFETY: it may be called at any time and as often as one likes; null stands for no settings.
    unsafe { OPENSSL_init_crypto(DYNAMIC_ENGINES | CONFIGURATION, ptr::null()) };
    // SAFETY: the name is a C string.
    let engine = unsafe { ENGINE_by_id(engine.as_ptr()) };
    if engine.is_null() {
        drop(ErrorStack::get());
        return None;
    }
    // SAFETY: the engine was given just now. It is never finished: keys of it live as long as a context does.
    if unsafe { ENGINE_init(engine) } != 1 {
        let errors = ErrorStack::get();
        // SAFETY: the reference that was given is let go of once.
        unsafe { ENGINE_free(engine) };
        return Some(Err(errors));
    }
    let asking = match Asking::new() {
        Ok(asking) => asking,
        Err(errors) => return Some(Err(errors)),
    };
    // SAFETY: the engine is initialised, the identifier is a C string, method and PIN outlive the call.
    let key = unsafe {
        ENGINE_load_private_key(
            engine,
            id.as_ptr(),
            asking.0,
            ptr::from_mut(pin).cast::<c_void>(),
        )
    };
    if key.is_null() {
        return Some(Err(ErrorStack::get()));
    }
    // SAFETY: it is not null, and nobody else frees this reference.
    Some(Ok(unsafe { PKey::from_ptr(key) }))
}

/// OpenSSL was built without engines, or is one that has none any more.
#[cfg(not(engines))]
pub(crate) fn from_engine(
    _: &CStr,
    _: &CStr,
    _: &mut Pin<'_>,
) -> Option<Result<PKey<Private>, ErrorStack>> {
    None
}
