//! What a TLS client offers and accepts, what a back-end can do, and whether the two fit.

use core::fmt;

use crate::{
    fault::{Code, Fault},
    rung::Rung,
};

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl Version {
    /// As written on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version without "TLS".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The lowest and the highest version to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The lowest.
    pub min: Version,
    /// The highest.
    pub max: Version,
}

impl Versions {
    /// TLS 1.2 and 1.3.
    pub const BOTH: Self = Self {
        min: Version::Tls12,
        max: Version::Tls13,
    };
}

/// Which renegotiation of TLS 1.2 is done when the server asks for it. Always with RFC 5746 and with the same server
/// certificate only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Renegotiation {
    /// None.
    #[default]
    Never,
    /// One, before CONNACK: a front end that asks for the client certificate once it has seen the path.
    OnceUntilConnack,
}

/// The certificates that a server's chain may end in.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Roots<'a> {
    /// Those of the operating system.
    #[default]
    System,
    /// These, each in PEM (one file may hold several) or DER.
    Given(&'a [&'a [u8]]),
}

impl fmt::Debug for Roots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Given(list) => write!(f, "Given({})", list.len()),
        }
    }
}

/// The client's certificate and key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The certificate and those that signed it, leaf first: PEM, or one certificate in DER.
    pub chain: &'a [u8],
    /// The private key: PEM or DER; PKCS#8, also encrypted, PKCS#1 or SEC1. Or the URI of a key that stays in its token,
    /// see [`is_key_uri`].
    pub key: &'a [u8],
    /// The password of an encrypted key, or the PIN of a token.
    pub password: Option<&'a [u8]>,
}

/// Says that there is one: the key is a secret.
impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Whether `key` is not a key but the URI of one that stays where it is: `pkcs11:...` (RFC 7512) in a smart card or HSM,
/// `handle:0x81000001` or `object:...` in a TPM 2.0. No key in PEM or DER begins like one.
#[must_use]
pub fn is_key_uri(key: &[u8]) -> bool {
    [&b"pkcs11:"[..], b"handle:", b"object:"]
        .iter()
        .any(|scheme| {
            key.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
}

/// Where the time comes from by which certificates are valid.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The clock of the system.
    #[default]
    System,
    /// Seconds since 1970 in UTC, as this function answers; `None` while the clock is not set, and then there is no
    /// handshake.
    Given(fn() -> Option<u64>),
    /// No clock: an expired certificate is taken. Only by explicit choice, for a device that has no other way.
    Unchecked,
}

/// What a TLS client offers and accepts. The default is what is safe: both versions, the back-end's own suites, the
/// system's roots, no renegotiation.
#[derive(Clone, Copy, Default)]
pub struct Profile<'a> {
    /// The versions to offer; `None`: all that the back-end has from 1.2 on.
    pub versions: Option<Versions>,
    /// The suites by their IANA names, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, the best first; empty: the
    /// back-end's own choice.
    pub suites: &'a [&'a str],
    /// The groups by their IANA names, such as `secp256r1` or `x25519`; empty: the back-end's own choice.
    pub groups: &'a [&'a str],
    /// The signature algorithms by their IANA names, such as `ecdsa_secp256r1_sha256`; empty: the back-end's own choice.
    pub signature_algorithms: &'a [&'a str],
    /// What a server's chain may end in.
    pub roots: Roots<'a>,
    /// What this side shows when it is asked.
    pub identity: Option<Identity<'a>>,
    /// The name or address that the server's certificate has to bear.
    pub server: &'a str,
    /// The name to tell the server (SNI) if it is not [`server`](Self::server). An address is never told (RFC 6066
    /// section 3), and an empty name means that none is.
    pub server_name: Option<&'a str>,
    /// The application protocols to offer (ALPN), such as `mqtt`; empty: the extension is left out.
    pub alpn: &'a [&'a str],
    /// The maximum fragment length, bytes: 512, 1024, 2048 or 4096 (RFC 6066 section 4).
    pub max_fragment: Option<u16>,
    /// The longest record that has to be taken, bytes of plaintext; `None`: what the back-end has.
    pub record_buffer: Option<u16>,
    /// The longest handshake message that has to be taken, bytes; `None`: what the back-end has.
    pub handshake_buffer: Option<u32>,
    /// Which renegotiation is done.
    pub renegotiation: Renegotiation,
    /// Whether to offer authentication after the handshake (TLS 1.3, RFC 8446 section 4.6.2).
    pub post_handshake_auth: bool,
    /// Whether TLS 1.2 sessions are resumed by their identifiers only (RFC 5246 section 7.3), without tickets (RFC 5077).
    pub ticketless: bool,
    /// By which time certificates are valid.
    pub clock: Clock,
    /// A session to resume, as [`take_session`](super::Tls) gave it.
    pub session: Option<&'a [u8]>,
    /// Whether the library's own account of the handshake is wanted, where that costs something.
    pub trace: bool,
    /// Whether the server's certificates are kept for [`server_chain`](super::Tls::server_chain).
    pub keep_chain: bool,
}

impl fmt::Debug for Profile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("versions", &self.versions)
            .field("suites", &self.suites)
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("server", &self.server)
            .field("server_name", &self.server_name)
            .field("alpn", &self.alpn)
            .field("max_fragment", &self.max_fragment)
            .field("renegotiation", &self.renegotiation)
            .field("post_handshake_auth", &self.post_handshake_auth)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What a back-end can do, as it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The library's name, such as `OpenSSL` or `Mbed TLS`.
    pub name: &'static str,
    /// The versions it speaks, of those from 1.2 on.
    pub versions: Versions,
    /// Renegotiation in TLS 1.2.
    pub renegotiation: bool,
    /// Authentication after the handshake in TLS 1.3.
    pub post_handshake_auth: bool,
    /// The maximum fragment length extension.
    pub max_fragment: bool,
    /// Sessions can be resumed.
    pub resumption: bool,
    /// The operating system's roots.
    pub system_roots: bool,
    /// Encrypted private keys.
    pub encrypted_keys: bool,
    /// Private keys that stay in a token ([`is_key_uri`]).
    pub token_keys: bool,
    /// The longest record that fits, bytes of plaintext.
    pub record_buffer: u16,
    /// The longest handshake message that fits, bytes.
    pub handshake_buffer: u32,
}

impl Profile<'_> {
    /// The versions to offer to a peer through a back-end of these capabilities.
    #[must_use]
    pub fn versions_of(&self, can: &Capabilities) -> Versions {
        self.versions.unwrap_or(can.versions)
    }

    /// Whether a back-end of these capabilities can honour this profile.
    ///
    /// # Errors
    /// [`Code::TlsProfile`], with the setting to change as its detail.
    pub fn check(&self, can: &Capabilities) -> Result<(), Fault> {
        let versions = self.versions_of(can);
        let wanted = |what: bool, can: bool| what && !can;
        let in_tls12 = versions.min == Version::Tls12;
        let rules = [
            (
                versions.min > versions.max,
                "lowest TLS version above the highest",
            ),
            (
                versions.max > can.versions.max || versions.min < can.versions.min,
                "TLS version not in this back-end",
            ),
            (
                wanted(
                    self.renegotiation != Renegotiation::Never && in_tls12,
                    can.renegotiation,
                ),
                "no renegotiation in this back-end",
            ),
            (
                wanted(self.post_handshake_auth, can.post_handshake_auth),
                "no post-handshake auth: set TLS max to 1.2",
            ),
            (
                wanted(self.max_fragment.is_some(), can.max_fragment),
                "no maximum fragment length in this back-end",
            ),
            (
                self.max_fragment
                    .is_some_and(|len| !matches!(len, 512 | 1024 | 2048 | 4096)),
                "maximum fragment length: 512, 1024, 2048, 4096",
            ),
            (
                wanted(
                    self.identity
                        .is_some_and(|identity| is_key_uri(identity.key)),
                    can.token_keys,
                ),
                "a key in a token: only with back-end openssl",
            ),
            (
                wanted(self.session.is_some(), can.resumption),
                "no session resumption in this back-end",
            ),
            (
                wanted(self.roots == Roots::System, can.system_roots),
                "no system roots: give the CA certificates",
            ),
            (
                self.record_buffer
                    .is_some_and(|len| len > can.record_buffer),
                "record buffer larger than built",
            ),
            (
                self.handshake_buffer
                    .is_some_and(|len| len > can.handshake_buffer),
                "handshake buffer larger than built",
            ),
            (
                self.alpn
                    .iter()
                    .any(|name| name.is_empty() || name.len() > 255),
                "ALPN names have 1 to 255 bytes",
            ),
            (self.server.is_empty(), "no server name to verify"),
            (
                matches!(self.roots, Roots::Given([])),
                "the list of roots is empty",
            ),
        ];
        let wrong = rules.iter().find(|(broken, _)| *broken);
        match wrong {
            Some((_, what)) => Err(Fault::new(Rung::Tls, Code::TlsProfile).detail(what.as_bytes())),
            None => Ok(()),
        }
    }

    /// The seconds since 1970 by which certificates are checked; `None`: they are not, or the back-end asks the system.
    ///
    /// # Errors
    /// [`Code::ClockUnset`] while a clock that was given has no time.
    pub fn now(&self) -> Result<Option<u64>, Fault> {
        match self.clock {
            Clock::System | Clock::Unchecked => Ok(None),
            Clock::Given(clock) => match clock() {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(Fault::new(Rung::Tls, Code::ClockUnset)),
            },
        }
    }
}
