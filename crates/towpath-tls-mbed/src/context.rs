//! What connections share: roots, certificate chain, key and the lists of a profile, parsed once.

use core::{
    cell::Cell,
    ffi::{CStr, c_char, c_int, c_void},
    fmt, ptr,
    ptr::NonNull,
};

use mbedtls_rs_sys as sys;
use towpath_proto::{
    Code, Fault, Rung,
    tls::{Clock, Identity, Profile, Roots, Version, Versions},
};

use crate::{
    capabilities,
    faults::{busy, internal, no_memory, number_of},
    guard::Guard,
    mem::{List, Own},
    names::{self, Unusable},
    random,
    session::{self, Mark},
};

/// A profile made ready for connections. A clone is another handle to the same; it is freed with its last handle and the
/// last connection made from it.
pub struct Context(NonNull<Shared>);

// SAFETY: it is a pointer to memory of malloc, which any thread may use and free. Everything behind it is only read
// after `Context::new`, except for the count and what Mbed TLS changes in a key, and those only with the guard held.
#[cfg(feature = "std")]
unsafe impl Send for Context {}
// SAFETY: as above.
#[cfg(feature = "std")]
unsafe impl Sync for Context {}

/// Behind a [`Context`]. The lists are here because Mbed TLS keeps pointers to them.
pub(crate) struct Shared {
    /// How many handles there are. Used with the guard held only.
    count: Cell<usize>,
    pub(crate) roots: sys::mbedtls_x509_crt,
    pub(crate) chain: sys::mbedtls_x509_crt,
    pub(crate) key: sys::mbedtls_pk_context,
    pub(crate) has_identity: bool,
    /// How many certificates of the roots could not be read.
    pub(crate) roots_skipped: c_int,
    pub(crate) suites: Option<List<c_int>>,
    pub(crate) groups: Option<List<u16>>,
    pub(crate) signature_algorithms: Option<List<u16>>,
    /// The pointers that Mbed TLS wants, into `alpn_names`.
    pub(crate) alpn: Option<List<*const c_char>>,
    _alpn_names: Option<List<u8>>,
    /// The name or address that the certificate has to bear, with a zero behind it.
    pub(crate) server: List<u8>,
    /// The name to tell the server, with a zero behind it; `None` for an address.
    pub(crate) server_name: Option<List<u8>>,
    pub(crate) versions: Versions,
    pub(crate) max_fragment: u8,
    pub(crate) ticketless: bool,
    pub(crate) clock: Clock,
    pub(crate) trace: bool,
    /// Whether connections keep what the server showed.
    #[cfg(feature = "std")]
    pub(crate) keep_chain: bool,
    /// What a session has to be made with.
    pub(crate) mark: Mark,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the three are initialized, since zero is what their init functions write; freed once.
        unsafe {
            sys::mbedtls_pk_free(&raw mut self.key);
            sys::mbedtls_x509_crt_free(&raw mut self.chain);
            sys::mbedtls_x509_crt_free(&raw mut self.roots);
        }
    }
}

impl Context {
    /// Parses what the profile holds. [`Profile::session`] is not kept: it goes to
    /// [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`Code::TlsProfile`] names a setting that this back-end can't honour, [`Code::TlsMaterial`] a certificate or key
    /// that can't be read, [`Code::TlsNumberTooLarge`] an RSA key beyond the library's numbers.
    pub fn new(profile: &Profile<'_>) -> Result<Self, Fault> {
        profile.check(&capabilities())?;
        if cfg!(not(feature = "std")) && matches!(profile.clock, Clock::System) {
            return Err(unusable("no system clock: give a clock"));
        }
        if !random::is_set() {
            return Err(internal("no random numbers: call set_random first"));
        }
        let guard = Guard::enter().ok_or_else(busy)?;
        start()?;
        let shared = Own::new(shared(profile)?).ok_or_else(no_memory)?;
        let place = shared.as_ptr();
        // SAFETY: nobody else knows the place yet, so this is the only reference to it; the guard is held.
        fill(unsafe { &mut *place }, profile)?;
        drop(guard);
        Ok(Self(shared.leak()))
    }

    pub(crate) const fn as_ptr(&self) -> *mut Shared {
        self.0.as_ptr()
    }

    /// What never changes.
    pub(crate) const fn shared(&self) -> &Shared {
        // SAFETY: there is a handle, so it lives. Only the count, which is a cell and used with the guard held, and what
        // lies behind pointers change.
        unsafe { &*self.0.as_ptr() }
    }

    /// Another handle. `None` while another task is inside Mbed TLS, which happens on a device only.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let _guard = Guard::enter()?;
        let count = &self.shared().count;
        count.set(count.get() + 1);
        Some(Self(self.0))
    }
}

#[cfg(feature = "std")]
impl Clone for Context {
    fn clone(&self) -> Self {
        self.try_clone()
            .unwrap_or_else(|| unreachable!("the guard of a host waits"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // While another task is inside, losing the memory is all that is left.
        let Some(_guard) = Guard::enter() else {
            return;
        };
        let count = &self.shared().count;
        count.set(count.get() - 1);
        if count.get() == 0 {
            // SAFETY: this was the last handle, and `new` leaked it.
            drop(unsafe { Own::back(self.0) });
        }
    }
}

/// Says the server's name only: the key is a secret.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = CStr::from_bytes_until_nul(&self.shared().server).unwrap_or_default();
        f.debug_struct("Context")
            .field("server", &server)
            .finish_non_exhaustive()
    }
}

/// What all connections need, done again each time since it costs nothing.
fn start() -> Result<(), Fault> {
    #[cfg(feature = "trace")]
    // SAFETY: it sets one number, which is read with the guard held.
    unsafe {
        sys::mbedtls_debug_set_threshold(crate::lines::LEVEL);
    }
    #[cfg(feature = "tls13")]
    // SAFETY: it may be called again and again, with the guard held.
    if unsafe { sys::psa_crypto_init() } != 0 {
        return Err(internal("the PSA part did not start"));
    }
    Ok(())
}

fn unusable(what: &str) -> Fault {
    Fault::new(Rung::Tls, Code::TlsProfile).detail(what.as_bytes())
}

/// The fault for a setting's value that nobody knows.
fn unknown(kind: &str, name: &str) -> Fault {
    let mut text = [0_u8; 56];
    let words = [kind, " unknown here: ", name];
    let bytes = words.iter().flat_map(|word| word.bytes());
    let len = text
        .iter_mut()
        .zip(bytes)
        .map(|(to, from)| *to = from)
        .count();
    Fault::new(Rung::Tls, Code::TlsProfile).detail(text.get(..len).unwrap_or_default())
}

fn list<T: crate::mem::Zeroed>(
    kind: &str,
    of: &[&str],
    number: impl Fn(&str) -> Option<T>,
) -> Result<Option<List<T>>, Fault> {
    names::numbers(of, number).map_err(|why| match why {
        Unusable::Name(name) => unknown(kind, name),
        Unusable::Memory => no_memory(),
    })
}

/// All but the certificates and the key.
fn shared(profile: &Profile<'_>) -> Result<Shared, Fault> {
    let suites = list("cipher suite", profile.suites, names::suite)?;
    let versions = narrowed(profile.versions_of(&capabilities()), suites.as_deref())?;
    let server = name(profile.server)?;
    let server_name = match profile.server_name {
        Some("") => None,
        Some(told) => Some(name(told)?),
        None => Some(name(profile.server)?),
    };
    let (alpn, alpn_names) = alpn(profile.alpn)?;
    Ok(Shared {
        count: Cell::new(1),
        roots: sys::mbedtls_x509_crt::default(),
        chain: sys::mbedtls_x509_crt::default(),
        key: sys::mbedtls_pk_context::default(),
        has_identity: false,
        roots_skipped: 0,
        suites,
        groups: list("group", profile.groups, names::group)?,
        signature_algorithms: list(
            "signature algorithm",
            profile.signature_algorithms,
            names::signature_algorithm,
        )?,
        alpn,
        _alpn_names: alpn_names,
        server_name: server_name.filter(|name| !is_address(name)),
        server,
        versions,
        max_fragment: match profile.max_fragment {
            Some(512) => 1,
            Some(1024) => 2,
            Some(2048) => 3,
            Some(4096) => 4,
            _ => 0,
        },
        ticketless: profile.ticketless,
        clock: profile.clock,
        trace: profile.trace,
        #[cfg(feature = "std")]
        keep_chain: profile.keep_chain,
        mark: session::mark(profile).ok_or_else(no_memory)?,
    })
}

/// The versions for which there is a suite: Mbed TLS would offer a version without any.
fn narrowed(versions: Versions, suites: Option<&[c_int]>) -> Result<Versions, Fault> {
    let Some(suites) = suites else {
        return Ok(versions);
    };
    let mut named = suites.iter().filter(|suite| **suite != 0);
    let has13 = named.clone().any(|suite| names::is_tls13(*suite));
    let has12 = named.any(|suite| !names::is_tls13(*suite));
    let min = if has12 { versions.min } else { Version::Tls13 };
    let max = if has13 { versions.max } else { Version::Tls12 };
    if min > max || min < versions.min || max > versions.max {
        return Err(unusable("no cipher suite for these TLS versions"));
    }
    Ok(Versions { min, max })
}

/// A name as Mbed TLS wants it: without the brackets of an address in a URL and without the dot at the end.
fn name(given: &str) -> Result<List<u8>, Fault> {
    let bare = given
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(given);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    if bare.is_empty() || bare.len() > 255 || bare.contains('\0') {
        return Err(Fault::new(Rung::Tls, Code::TlsMaterial).detail(b"the server's name"));
    }
    List::text(bare.as_bytes()).ok_or_else(no_memory)
}

/// Whether this is an address and no name, as Mbed TLS will read it when it looks for it in a certificate.
pub(crate) fn is_address(name: &List<u8>) -> bool {
    let mut address = [0_u32; 4];
    let name = name.as_ptr().cast::<c_char>();
    let to = address.as_mut_ptr().cast::<c_void>();
    // SAFETY: the name ends with a zero, and an address has at most 16 bytes.
    unsafe { sys::mbedtls_x509_crt_parse_cn_inet_pton(name, to) != 0 }
}

type Alpn = (Option<List<*const c_char>>, Option<List<u8>>);

fn alpn(names: &[&str]) -> Result<Alpn, Fault> {
    if names.is_empty() {
        return Ok((None, None));
    }
    if names.iter().any(|name| name.contains('\0')) {
        return Err(unusable("an ALPN name has a zero in it"));
    }
    let len = names.iter().map(|name| name.len() + 1).sum();
    let mut bytes = List::<u8>::zeroed(len).ok_or_else(no_memory)?;
    let mut pointers = List::zeroed(names.len() + 1).ok_or_else(no_memory)?;
    let mut rest: &mut [u8] = &mut bytes;
    for (pointer, name) in pointers.iter_mut().zip(names) {
        let (to, behind) = rest
            .split_at_mut_checked(name.len() + 1)
            .ok_or_else(no_memory)?;
        for (to, from) in to.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        *pointer = to.as_ptr().cast::<c_char>();
        rest = behind;
    }
    Ok((Some(pointers), Some(bytes)))
}

fn fill(shared: &mut Shared, profile: &Profile<'_>) -> Result<(), Fault> {
    if let Roots::Given(list) = profile.roots {
        for root in list {
            shared.roots_skipped += parse("CA certificate", &mut shared.roots, root)?;
        }
    }
    if let Some(identity) = &profile.identity {
        parse("client certificate", &mut shared.chain, identity.chain)?;
        parse_key(&mut shared.key, identity)?;
        let public = &raw const shared.chain.pk;
        let own = &raw const shared.key;
        // SAFETY: both were parsed just now.
        let ret = unsafe {
            sys::mbedtls_pk_check_pair(public, own, Some(random::f_rng), ptr::null_mut())
        };
        if ret != 0 {
            return Err(material("the key does not fit the client certificate", ret));
        }
        shared.has_identity = true;
    }
    Ok(())
}

/// Calls `with` with the bytes as Mbed TLS wants them: PEM with a zero behind it, DER as it is.
fn terminated(bytes: &[u8], with: impl FnOnce(&[u8]) -> c_int) -> Result<c_int, Fault> {
    let pem = bytes.windows(10).any(|window| window == b"-----BEGIN");
    if !pem || bytes.last() == Some(&0) {
        return Ok(with(bytes));
    }
    let copy = List::text(bytes).ok_or_else(no_memory)?;
    Ok(with(&copy))
}

/// Adds to a chain; says how many certificates of a longer PEM could not be read.
fn parse(what: &str, to: &mut sys::mbedtls_x509_crt, bytes: &[u8]) -> Result<c_int, Fault> {
    let ret = terminated(bytes, |bytes| {
        // SAFETY: the chain is initialized, and the bytes are that many.
        unsafe { sys::mbedtls_x509_crt_parse(to, bytes.as_ptr(), bytes.len()) }
    })?;
    if ret < 0 {
        Err(material(what, ret))
    } else {
        Ok(ret)
    }
}

fn parse_key(to: &mut sys::mbedtls_pk_context, identity: &Identity<'_>) -> Result<(), Fault> {
    let password = identity.password.unwrap_or_default();
    // A null pointer is no password, which is not the same as an empty one.
    let start = identity.password.map_or(ptr::null(), <[u8]>::as_ptr);
    let ret = terminated(identity.key, |key| {
        // SAFETY: the key is initialized, and key and password are that long.
        unsafe {
            sys::mbedtls_pk_parse_key(
                to,
                key.as_ptr(),
                key.len(),
                start,
                password.len(),
                Some(random::f_rng),
                ptr::null_mut(),
            )
        }
    })?;
    match ret {
        0 => Ok(()),
        sys::MBEDTLS_ERR_PK_PASSWORD_REQUIRED => Err(material("the key needs a password", ret)),
        sys::MBEDTLS_ERR_PK_PASSWORD_MISMATCH => Err(material("the key's password is wrong", ret)),
        _ => Err(material("client key", ret)),
    }
}

fn material(what: &str, ret: c_int) -> Fault {
    crate::faults::of_material(ret)
        .number(number_of(ret))
        .detail(what.as_bytes())
}
