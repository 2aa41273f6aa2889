//! Sessions to resume later, as bytes that the caller keeps.
//!
//! In front of Mbed TLS's own format stands the server's name and a mark of the profile, since a resumed handshake shows
//! no certificate: a session counts only for the server that it was made with, and for who trusts the same roots, looks
//! at dates alike and shows the same certificate.

use core::{ffi::c_int, ptr};

use mbedtls_rs_sys as sys;
use towpath_proto::tls::{Clock, Profile, Roots, Version};

use crate::{
    context::Shared,
    mem::List,
    verify::{self, Now},
};

/// What decides who the peer may be and who this side is, beside the server's name.
pub(crate) type Mark = [u8; 32];

/// The mark of a profile; `None` if there is no memory. With the guard held.
pub(crate) fn mark(profile: &Profile<'_>) -> Option<Mark> {
    let mut hash = Hash::new()?;
    hash.part(profile.server_name.unwrap_or_default().as_bytes())?;
    if let Roots::Given(list) = profile.roots {
        list.iter().try_for_each(|root| hash.part(root))?;
    }
    hash.part(match profile.clock {
        Clock::System | Clock::Given(_) => b"dates",
        Clock::Unchecked => b"none",
    })?;
    hash.part(profile.identity.map_or(&[][..], |identity| identity.chain))?;
    hash.finish()
}

/// SHA-256 over parts, each with its length in front.
struct Hash(sys::mbedtls_sha256_context);

impl Hash {
    fn new() -> Option<Self> {
        let mut hash = Self(sys::mbedtls_sha256_context::default());
        // SAFETY: it is this function's own.
        unsafe { sys::mbedtls_sha256_init(&raw mut hash.0) };
        // SAFETY: it is initialized.
        done(unsafe { sys::mbedtls_sha256_starts(&raw mut hash.0, 0) })?;
        Some(hash)
    }

    fn part(&mut self, bytes: &[u8]) -> Option<()> {
        self.update(&bytes.len().to_be_bytes())?;
        self.update(bytes)
    }

    fn update(&mut self, bytes: &[u8]) -> Option<()> {
        // SAFETY: it has started, and the bytes are that many.
        done(unsafe { sys::mbedtls_sha256_update(&raw mut self.0, bytes.as_ptr(), bytes.len()) })
    }

    fn finish(mut self) -> Option<Mark> {
        let mut mark = Mark::default();
        // SAFETY: it has started, and there is room for 32 bytes.
        done(unsafe { sys::mbedtls_sha256_finish(&raw mut self.0, mark.as_mut_ptr()) })?;
        Some(mark)
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: it is initialized, and freed once.
        unsafe { sys::mbedtls_sha256_free(&raw mut self.0) }
    }
}

fn done(ret: c_int) -> Option<()> {
    (ret == 0).then_some(())
}

/// Frees a session, and what it points to, when it is dropped.
struct Session(sys::mbedtls_ssl_session);

impl Session {
    /// As `mbedtls_ssl_session_init` has it.
    fn new() -> Self {
        Self(sys::mbedtls_ssl_session::default())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it is initialized, and freed once.
        unsafe { sys::mbedtls_ssl_session_free(&raw mut self.0) }
    }
}

/// The name without the zero behind it.
fn server(shared: &Shared) -> &[u8] {
    shared.server.split_last().map_or(&[], |(_, name)| name)
}

/// Offers the session in the coming handshake, and says whether it could: one that does not fit is no fault, the
/// handshake is then a full one. With the guard held.
///
/// # Safety
/// `ssl` is set up and has not begun its handshake.
pub(crate) unsafe fn offer(
    ssl: *mut sys::mbedtls_ssl_context,
    shared: &Shared,
    now: Now,
    bytes: &[u8],
) -> bool {
    let Some(bytes) = own(shared, bytes) else {
        return false;
    };
    let mut session = Session::new();
    // SAFETY: the session is initialized and the bytes are that many.
    let ret =
        unsafe { sys::mbedtls_ssl_session_load(&raw mut session.0, bytes.as_ptr(), bytes.len()) };
    if ret != 0 || !fits(&session.0, shared, now) {
        return false;
    }
    // SAFETY: as the caller promises; Mbed TLS copies the session.
    unsafe { sys::mbedtls_ssl_set_session(ssl, &raw const session.0) == 0 }
}

/// What stands behind name and mark, if they are this server's and this profile's.
fn own<'a>(shared: &Shared, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*len))?;
    let (mark, rest) = rest.split_at_checked(shared.mark.len())?;
    (name == server(shared) && mark == shared.mark).then_some(rest)
}

/// Whether the session is one that this profile could have made now. Mbed TLS would offer it whatever the versions are,
/// and fail half way.
fn fits(session: &sys::mbedtls_ssl_session, shared: &Shared, now: Now) -> bool {
    let version = if session.private_tls_version == crate::connection::TLS12 {
        Version::Tls12
    } else {
        Version::Tls13
    };
    let suite = session.private_ciphersuite;
    let listed = shared
        .suites
        .as_ref()
        .is_none_or(|list| list.contains(&suite));
    let in_range = (shared.versions.min..=shared.versions.max).contains(&version);
    // SAFETY: null, or a certificate that Mbed TLS parsed and keeps with the session.
    let certificate = unsafe { session.private_peer_cert.as_ref() };
    let valid = certificate.is_none_or(|leaf| verify::is_valid_at(leaf, now));
    listed && in_range && valid && tells_same_name(session, shared)
}

/// TLS 1.3 binds a session to the name told, and Mbed TLS calls another one an error.
#[cfg(feature = "tls13")]
fn tells_same_name(session: &sys::mbedtls_ssl_session, shared: &Shared) -> bool {
    if session.private_tls_version == crate::connection::TLS12 {
        return true;
    }
    let told = session.private_hostname;
    if told.is_null() {
        return shared.server_name.is_none();
    }
    // SAFETY: not null, so a text with a zero behind it that belongs to the session.
    let told = unsafe { core::ffi::CStr::from_ptr(told) };
    shared
        .server_name
        .as_deref()
        .is_some_and(|name| name == told.to_bytes_with_nul())
}

#[cfg(not(feature = "tls13"))]
const fn tells_same_name(_: &sys::mbedtls_ssl_session, _: &Shared) -> bool {
    true
}

/// The connection's session as bytes; `None` if there is none that was not given yet, or no memory for it. With the
/// guard held.
///
/// # Safety
/// `ssl` is set up.
pub(crate) unsafe fn save(
    ssl: *const sys::mbedtls_ssl_context,
    shared: &Shared,
) -> Option<List<u8>> {
    let mut session = Session::new();
    // SAFETY: as the caller promises; the copy is this function's own.
    if unsafe { sys::mbedtls_ssl_get_session(ssl, &raw mut session.0) } != 0 {
        return None;
    }
    let has_ticket = !session.0.private_ticket.is_null() && session.0.private_ticket_len > 0;
    if !has_ticket && session.0.private_id_len == 0 {
        return None;
    }
    let session = &raw const session.0;
    let mut len = 0;
    // SAFETY: asks for the length only; it answers that the buffer is too small.
    let _ = unsafe { sys::mbedtls_ssl_session_save(session, ptr::null_mut(), 0, &raw mut len) };
    let name = server(shared);
    let head = 1 + name.len() + shared.mark.len();
    let mut bytes = List::<u8>::zeroed(head.checked_add(len)?)?;
    let (first, rest) = bytes.split_first_mut()?;
    *first = u8::try_from(name.len()).ok()?;
    let (to, rest) = rest.split_at_mut_checked(name.len())?;
    to.copy_from_slice(name);
    let (to, rest) = rest.split_at_mut_checked(shared.mark.len())?;
    to.copy_from_slice(&shared.mark);
    // SAFETY: there is room for that many bytes.
    let ret = unsafe {
        sys::mbedtls_ssl_session_save(session, rest.as_mut_ptr(), rest.len(), &raw mut len)
    };
    (ret == 0 && len == rest.len()).then_some(bytes)
}
