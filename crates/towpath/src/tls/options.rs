//! What a caller decides about TLS.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use towpath_proto::tls::{Clock, Identity, Profile, Renegotiation, Roots, Version, Versions};

use super::Sessions;
use crate::{Endpoint, Error};

/// A TLS library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// OpenSSL: everything, and the system's roots.
    #[cfg(feature = "openssl")]
    OpenSsl,
    /// Mbed TLS: what a device has, so that a host fails as the device does. Needs the CA certificates.
    #[cfg(feature = "mbed")]
    Mbed,
}

impl Backend {
    /// Those that are built in, the default first.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "openssl")]
        Self::OpenSsl,
        #[cfg(feature = "mbed")]
        Self::Mbed,
    ];

    /// The name that flags and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl => "openssl",
            #[cfg(feature = "mbed")]
            Self::Mbed => "mbed",
        }
    }

    /// Whether it trusts the system's roots where no CA certificate is given.
    #[must_use]
    pub const fn has_system_roots(self) -> bool {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl => true,
            #[cfg(feature = "mbed")]
            Self::Mbed => false,
        }
    }

    /// Whether it can use private keys that stay in a token ([`is_key_uri`](super::is_key_uri)).
    #[must_use]
    pub const fn has_token_keys(self) -> bool {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl => true,
            #[cfg(feature = "mbed")]
            Self::Mbed => false,
        }
    }

    /// Whether it can write a key log.
    #[must_use]
    pub const fn has_key_log(self) -> bool {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl => true,
            #[cfg(feature = "mbed")]
            Self::Mbed => false,
        }
    }
}

/// The TLS part of [`Options`](crate::Options). Each method sets one thing and answers the options again.
#[derive(Clone)]
pub struct TlsOptions {
    pub(crate) backend: Option<Backend>,
    roots: Vec<Vec<u8>>,
    identity: Option<Arc<Owned>>,
    versions: (Option<Version>, Option<Version>),
    suites: Vec<String>,
    groups: Vec<String>,
    signature_algorithms: Vec<String>,
    server_name: Option<String>,
    tells_name: bool,
    alpn: Vec<String>,
    max_fragment: Option<u16>,
    renegotiation: Option<Renegotiation>,
    post_handshake_auth: Option<bool>,
    ticketless: bool,
    clock: Clock,
    pub(crate) key_log: Option<PathBuf>,
    pub(crate) sessions: Arc<Sessions>,
}

/// How closely TLS is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch {
    /// The library tells what it sees.
    pub(crate) trace: bool,
    /// The server's certificates are kept.
    pub(crate) chain: bool,
}

/// The client's certificate and key.
struct Owned {
    chain: Vec<u8>,
    key: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Keys and passwords are secrets.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("backend", &self.backend)
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("versions", &self.versions)
            .field("suites", &self.suites)
            .field("server_name", &self.server_name)
            .field("alpn", &self.alpn)
            .finish_non_exhaustive()
    }
}

impl TlsOptions {
    /// The safe default: both versions, the system's roots, no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            backend: None,
            roots: Vec::new(),
            identity: None,
            versions: (None, None),
            suites: Vec::new(),
            groups: Vec::new(),
            signature_algorithms: Vec::new(),
            server_name: None,
            tells_name: true,
            alpn: Vec::new(),
            max_fragment: None,
            renegotiation: None,
            post_handshake_auth: None,
            ticketless: false,
            clock: Clock::System,
            key_log: None,
            sessions: Arc::default(),
        }
    }

    /// The TLS library. The default is the first of [`Backend::ALL`].
    #[must_use]
    pub const fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// A certificate that a server's chain may end in, or several, PEM or DER. Takes the place of the system's roots;
    /// may be called several times.
    #[must_use]
    pub fn ca(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.roots.push(certificates.into());
        self
    }

    /// As [`ca`](Self::ca), from a file.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let bytes = read(path.as_ref())?;
        Ok(self.ca(bytes))
    }

    /// As [`ca`](Self::ca), from every file of a folder whose name ends in `.pem`, `.crt`, `.cer` or `.der`.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, or there is no such file in it.
    pub fn ca_path(mut self, folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let wrong = |error: io::Error| Error::file(folder, &error);
        let mut found = false;
        for entry in fs::read_dir(folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let known = ["pem", "crt", "cer", "der"];
            if path
                .extension()
                .is_some_and(|end| known.iter().any(|known| end.eq_ignore_ascii_case(known)))
                && path.is_file()
            {
                found = true;
                self = self.ca_file(path)?;
            }
        }
        if found {
            return Ok(self);
        }
        Err(wrong(io::Error::new(
            io::ErrorKind::NotFound,
            "no .pem, .crt, .cer or .der file in it",
        )))
    }

    /// The client's certificate with those that signed it, leaf first, and its private key: PEM, or one certificate and
    /// a key in DER.
    #[must_use]
    pub fn identity(self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.with_identity(chain.into(), key.into(), None)
    }

    /// As [`identity`](Self::identity), with the password of an encrypted key.
    #[must_use]
    pub fn identity_with_password(
        self,
        chain: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
        password: impl Into<Vec<u8>>,
    ) -> Self {
        self.with_identity(chain.into(), key.into(), Some(password.into()))
    }

    /// As [`identity`](Self::identity), from files.
    ///
    /// # Errors
    /// [`Error::File`] if one can't be read.
    pub fn identity_files(
        self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
        password: Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        let chain = read(chain.as_ref())?;
        let key = read(key.as_ref())?;
        Ok(self.with_identity(chain, key, password))
    }

    /// As [`identity_files`](Self::identity_files), with a private key that stays where it is. `uri` names it, see
    /// [`is_key_uri`](super::is_key_uri); `pin` opens its token. OpenSSL only, through the provider `pkcs11` (or the
    /// engine of this name) and the provider `tpm2`.
    ///
    /// # Errors
    /// [`Error::File`] if the certificate can't be read, [`Error::Config`] if this is no such URI.
    pub fn identity_in_token(
        self,
        chain: impl AsRef<Path>,
        uri: &str,
        pin: Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        if !super::is_key_uri(uri.as_bytes()) {
            return Err(Error::Config {
                why: "this is no URI of a key: those begin with pkcs11:, handle: or object:".into(),
            });
        }
        let chain = read(chain.as_ref())?;
        Ok(self.with_identity(chain, uri.into(), pin))
    }

    /// What stands in the client's certificate, if there is one.
    ///
    /// # Errors
    /// [`Code::TlsMaterial`](crate::Code::TlsMaterial) if it can't be read.
    #[cfg(feature = "openssl")]
    pub fn certificate(&self) -> Result<Option<super::Facts>, crate::Fault> {
        let chain = self.identity.as_ref().map(|owned| &owned.chain);
        chain
            .map(|chain| towpath_tls_openssl::certificate::facts(chain))
            .transpose()
    }

    fn with_identity(mut self, chain: Vec<u8>, key: Vec<u8>, password: Option<Vec<u8>>) -> Self {
        self.identity = Some(Arc::new(Owned {
            chain,
            key,
            password,
        }));
        self
    }

    /// The lowest and the highest version; `None`: what the back-end has.
    #[must_use]
    pub const fn versions(mut self, min: Option<Version>, max: Option<Version>) -> Self {
        self.versions = (min, max);
        self
    }

    /// The highest version, where one is set.
    #[cfg(feature = "config")]
    pub(crate) const fn highest(&self) -> Option<Version> {
        self.versions.1
    }

    /// The cipher suites by their IANA names, the best first, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    #[must_use]
    pub fn suites(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.suites = names.into_iter().map(Into::into).collect();
        self
    }

    /// The groups by their IANA names, such as `secp256r1` or `x25519`.
    #[must_use]
    pub fn groups(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.groups = names.into_iter().map(Into::into).collect();
        self
    }

    /// The signature algorithms by their IANA names, such as `ecdsa_secp256r1_sha256`.
    #[must_use]
    pub fn signature_algorithms(
        mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.signature_algorithms = names.into_iter().map(Into::into).collect();
        self
    }

    /// The name to ask the server for (SNI), and that its certificate has to bear, if it is not the URL's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether the server is told its name (SNI). The default is to. Without it some servers show another certificate,
    /// or none; its name is checked all the same. For who stands in for a device that can't.
    #[must_use]
    pub const fn tells_name(mut self, tells: bool) -> Self {
        self.tells_name = tells;
        self
    }

    /// The application protocols to offer (ALPN), such as `mqtt`. The default is not to.
    #[must_use]
    pub fn alpn(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.alpn = names.into_iter().map(Into::into).collect();
        self
    }

    /// Asks the server for fragments of at most 512, 1024, 2048 or 4096 bytes (RFC 6066 section 4).
    #[must_use]
    pub const fn max_fragment(mut self, bytes: u16) -> Self {
        self.max_fragment = Some(bytes);
        self
    }

    /// Which renegotiation is done. The default is one until CONNACK for `wss://`, because front ends ask for a client
    /// certificate that way once they have seen the path, and none for `mqtts://`.
    #[must_use]
    pub const fn renegotiation(mut self, renegotiation: Renegotiation) -> Self {
        self.renegotiation = Some(renegotiation);
        self
    }

    /// Whether authentication after a TLS 1.3 handshake is offered. The default is to, for `wss://`; a back-end that
    /// can't stays at TLS 1.2 if there is a client certificate.
    #[must_use]
    pub const fn post_handshake_auth(mut self, offered: bool) -> Self {
        self.post_handshake_auth = Some(offered);
        self
    }

    /// Whether TLS 1.2 sessions are resumed by their identifiers only, so that the server sends no ticket and is shown
    /// none: fewer bytes, if the server keeps sessions. The default is to take tickets, which any server can make. TLS
    /// 1.3 has nothing else.
    #[must_use]
    pub const fn ticketless(mut self, ticketless: bool) -> Self {
        self.ticketless = ticketless;
        self
    }

    /// By which time certificates are valid. The default is the system's clock.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Appends the secrets of each connection to a file, in the format of `SSLKEYLOGFILE`, so that a capture of it can be
    /// read. Whoever has the file reads the traffic. OpenSSL only.
    #[must_use]
    pub fn key_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_log = Some(path.into());
        self
    }

    /// Where sessions to resume are kept. Without this a connection resumes its own only.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<Sessions>) -> Self {
        self.sessions = sessions;
        self
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// The same for HTTP to some server: no MQTT is offered, sessions are its own. `named`: the server name is meant for
    /// it; `certificate`: the client's certificate may be shown there.
    #[cfg(feature = "azure")]
    pub(crate) fn for_https(&self, named: bool, certificate: bool) -> Self {
        let mut options = self.clone();
        options.alpn = Vec::new();
        options.sessions = Arc::default();
        options.server_name = options.server_name.filter(|_| named);
        options.identity = options.identity.filter(|_| certificate);
        options
    }

    /// Whether the server may want the client's certificate after the handshake, because it has to see the path first.
    const fn may_be_asked_late(endpoint: &Endpoint) -> bool {
        endpoint.scheme.is_framed()
    }

    /// Which renegotiation is done on the way to `endpoint`.
    pub(crate) fn renegotiation_to(&self, endpoint: &Endpoint) -> Renegotiation {
        let usual = if Self::may_be_asked_late(endpoint) {
            Renegotiation::OnceUntilConnack
        } else {
            Renegotiation::Never
        };
        self.renegotiation.unwrap_or(usual)
    }

    /// Hands the profile for `endpoint` to `make`. `can_authenticate_late`: the back-end has authentication after the
    /// handshake.
    pub(crate) fn with_profile<T>(
        &self,
        endpoint: &Endpoint,
        watch: Watch,
        can_authenticate_late: bool,
        can: Versions,
        make: impl FnOnce(&Profile<'_>) -> T,
    ) -> T {
        let roots: Vec<&[u8]> = self.roots.iter().map(Vec::as_slice).collect();
        let suites = slices(&self.suites);
        let groups = slices(&self.groups);
        let signature_algorithms = slices(&self.signature_algorithms);
        let alpn = slices(&self.alpn);
        let late = Self::may_be_asked_late(endpoint);
        let (min, max) = self.versions;
        let min = min.unwrap_or(can.min);
        // A TLS 1.3 server that wants the certificate after the GET answers 403 to who can't show it then.
        let stay = late
            && self.has_identity()
            && !can_authenticate_late
            && self.post_handshake_auth.is_none()
            && min == Version::Tls12;
        let max = max.unwrap_or(if stay { Version::Tls12 } else { can.max });
        make(&Profile {
            versions: Some(Versions { min, max }),
            suites: &suites,
            groups: &groups,
            signature_algorithms: &signature_algorithms,
            roots: if roots.is_empty() {
                Roots::System
            } else {
                Roots::Given(&roots)
            },
            identity: self.identity.as_deref().map(|owned| Identity {
                chain: &owned.chain,
                key: &owned.key,
                password: owned.password.as_deref(),
            }),
            server: self.server_name.as_deref().unwrap_or(&endpoint.host),
            server_name: (!self.tells_name).then_some(""),
            alpn: &alpn,
            max_fragment: self.max_fragment,
            renegotiation: self.renegotiation_to(endpoint),
            post_handshake_auth: self
                .post_handshake_auth
                .unwrap_or(late && can_authenticate_late && max == Version::Tls13),
            ticketless: self.ticketless,
            clock: self.clock,
            trace: watch.trace,
            keep_chain: watch.chain,
            ..Profile::default()
        })
    }
}

fn slices(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::file(path, &error))
}
