//! A device as its build describes it: the settings that decide whether and how it can connect, each with the place
//! where it was read.
//!
//! Takes in the bytes of a `.config` or `prj.conf` ([`kconfig`]), of an `sdkconfig` ([`sdkconfig`]) or of a profile in
//! TOML ([`mod@file`]); gives out a [`DeviceProfile`], and [`file::write`] gives that back as text. What a build's buffers
//! and numbers can't take is told by [`limits`].

pub mod file;
pub mod kconfig;
pub mod limits;
mod nearest;
pub mod sdkconfig;
mod settings;
mod suites;

use std::fmt::{self, Display};

use towpath_proto::tls;

pub(crate) use self::suites::{Key as SuiteKey, takes as suite_takes};
use crate::Platform;

/// The largest file that is read as settings, bytes. That of a large Zephyr build has 100 KiB.
pub const MAX_FILE: usize = 4 << 20;

/// Why a file is no profile: which file, which line, what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The name of the file.
    pub file: String,
    /// The line, counted from 1; none: the file as a whole.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl ProfileError {
    fn at(file: impl Into<String>, line: usize, why: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: Some(line),
            why: why.into(),
        }
    }

    fn of(file: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            why: why.into(),
        }
    }
}

impl Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

impl std::error::Error for ProfileError {}

/// A setting and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    /// Its value.
    pub value: T,
    /// The key, such as `CONFIG_MBEDTLS_SSL_RENEGOTIATION`.
    pub key: String,
    /// The file and line, such as `prj.conf line 3`; or why it is so without one, such as `default of NCS`.
    pub at: String,
}

impl<T> Set<T> {
    /// Whether nobody wrote it down: it is the default of a tree, which another file of the build may change.
    #[must_use]
    pub fn is_assumed(&self) -> bool {
        self.at.starts_with("default of ")
    }

    /// Another value from the same place.
    #[must_use]
    pub fn with<U>(&self, value: U) -> Set<U> {
        Set {
            value,
            key: self.key.clone(),
            at: self.at.clone(),
        }
    }
}

/// The place, the key and the value, such as `prj.conf line 3: CONFIG_NET_TCP=n`.
impl Display for Set<bool> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.key.starts_with("CONFIG_") {
            ["n", "y"]
        } else {
            ["false", "true"]
        };
        let [off, on] = words;
        let word = if self.value { on } else { off };
        write!(f, "{}: {}={word}", self.at, self.key)
    }
}

/// The place, the key and the value.
impl Display for Set<u32> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}={}", self.at, self.key, self.value)
    }
}

/// What a build says about the device. `None`: the build does not say, and no default is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceProfile {
    /// The name to show, such as `nRF7002 DK, NCS (build/zephyr/.config)`.
    pub name: String,
    /// What its settings are called by; none: those of no platform that is known here.
    pub platform: Option<Platform>,
    /// What TLS offers and accepts.
    pub tls: TlsProfile,
    /// What the network stack has.
    pub net: NetProfile,
    /// What the MQTT library and its transports have.
    pub mqtt: MqttProfile,
}

/// What the device's TLS offers and accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsProfile {
    /// Whether there is TLS for sockets at all.
    pub sockets: Option<Set<bool>>,
    /// The lowest version.
    pub min: Option<Set<tls::Version>>,
    /// The highest version.
    pub max: Option<Set<tls::Version>>,
    /// The suites by their IANA names.
    pub suites: Option<Set<Vec<String>>>,
    /// The groups by their IANA names.
    pub groups: Option<Set<Vec<String>>>,
    /// Whether the server's name can be told.
    pub server_name: Option<Set<bool>>,
    /// Whether ALPN can be offered.
    pub alpn: Option<Set<bool>>,
    /// Whether renegotiation is in the build.
    pub renegotiation: Option<Set<bool>>,
    /// The largest handshake message and record that can be taken, bytes.
    pub in_buffer: Option<Set<u32>>,
    /// The largest record that can be sent, bytes.
    pub out_buffer: Option<Set<u32>>,
    /// The maximum fragment length that is asked for, bytes.
    pub max_fragment: Option<Set<u32>>,
    /// The largest number of the library, bytes; RSA needs its modulus to fit.
    pub max_number: Option<Set<u32>>,
    /// Whether RSA is in the build.
    pub rsa: Option<Set<bool>>,
    /// Whether ECDSA is in the build.
    pub ecdsa: Option<Set<bool>>,
    /// Whether SHA-384 is in the build.
    pub sha384: Option<Set<bool>>,
    /// The heap of the TLS library, bytes.
    pub heap: Option<Set<u32>>,
    /// How many TLS sockets there may be.
    pub contexts: Option<Set<u32>>,
    /// Whether a bundle of roots is in the build. Without one the application has to bring its own.
    pub bundle: Option<Set<bool>>,
    /// Whether certificates are checked for their dates.
    pub dates: Option<Set<bool>>,
    /// Whether the library's own crypto is in the build beside PSA's, which OpenThread needs.
    pub legacy_crypto: Option<Set<bool>>,
}

/// What the device's network stack has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetProfile {
    /// Whether the stack's own TCP is in the build.
    pub tcp: Option<Set<bool>>,
    /// Whether IPv4 is.
    pub ipv4: Option<Set<bool>>,
    /// Whether IPv6 is.
    pub ipv6: Option<Set<bool>>,
    /// Whether a DNS resolver is.
    pub resolver: Option<Set<bool>>,
    /// The DNS servers written into the build.
    pub dns_servers: Option<Set<Vec<String>>>,
    /// Whether DNS servers announced by the network (RDNSS) are taken.
    pub rdnss: Option<Set<bool>>,
    /// How many network contexts there may be.
    pub contexts: Option<Set<u32>>,
    /// How many file descriptors there may be.
    pub descriptors: Option<Set<u32>>,
    /// Whether the device is on Thread, by OpenThread.
    pub thread: Option<Set<bool>>,
    /// The largest TCP segment, bytes.
    pub mss: Option<Set<u32>>,
    /// Whether a server can be named by DHCP for IPv4.
    pub dhcp: Option<Set<bool>>,
    /// Whether there is a second DNS client beside the stack's, such as OpenThread's, which applications may ask.
    pub other_resolver: Option<Set<bool>>,
    /// Whether the MQTT library can go through an HTTP proxy.
    pub http_proxy: Option<Set<bool>>,
}

/// What the device's MQTT has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MqttProfile {
    /// Whether MQTT over TLS is in the build.
    pub tls: Option<Set<bool>>,
    /// Whether MQTT over WebSocket is.
    pub websocket: Option<Set<bool>>,
    /// Whether MQTT 5 is.
    pub v5: Option<Set<bool>>,
    /// The keep-alive, seconds.
    pub keep_alive: Option<Set<u32>>,
    /// The largest packet that can be received, bytes.
    pub rx_buffer: Option<Set<u32>>,
    /// The largest packet that can be sent, bytes.
    pub tx_buffer: Option<Set<u32>>,
    /// The largest head of an HTTP request or answer of the WebSocket handshake, bytes.
    pub http_buffer: Option<Set<u32>>,
}
