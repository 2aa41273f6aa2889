//! The options of TLS.

use std::path::PathBuf;

use clap::ValueEnum;
use towpath::tls::{Backend, Version};

const TLS: &str = "TLS (mqtts:// and wss://)";

/// How to do TLS.
#[derive(Debug, clap::Args)]
pub(crate) struct Tls {
    /// CA certificates to trust instead of the system's, PEM or DER
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) cafile: Option<PathBuf>,

    /// A folder of such files, with names that end in .pem, .crt, .cer or .der
    #[arg(long, value_name = "DIR", help_heading = TLS)]
    pub(crate) capath: Option<PathBuf>,

    /// Client certificate, in PEM with those that signed it behind it. Shown when the server asks for it: in the
    /// handshake, or with wss:// also after it
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of the client certificate
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) key: Option<PathBuf>,

    /// Password of an encrypted key: the first line of FILE. Without this option it comes from the environment
    /// variable TOWPATH_KEY_PASSWORD, or is asked for on the terminal
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) key_password_file: Option<PathBuf>,

    /// Cipher suites to offer, the best first, by their IANA names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    /// separated by : or ,
    #[arg(long, value_name = "NAMES", help_heading = TLS)]
    pub(crate) ciphers: Option<String>,

    /// Groups to offer for the key exchange, such as x25519,secp256r1
    #[arg(long, value_name = "NAMES", help_heading = TLS)]
    pub(crate) groups: Option<String>,

    /// Lowest TLS version to offer
    #[arg(long, value_name = "VERSION", help_heading = TLS)]
    pub(crate) tls_min: Option<TlsVersion>,

    /// Highest TLS version to offer
    #[arg(long, value_name = "VERSION", help_heading = TLS)]
    pub(crate) tls_max: Option<TlsVersion>,

    /// Application protocols to offer (ALPN), such as mqtt, separated by commas. Few servers want one
    #[arg(long, value_name = "NAMES", help_heading = TLS)]
    pub(crate) alpn: Option<String>,

    /// Name to ask the server for and to find in its certificate [default: the host of the URL]
    #[arg(long, value_name = "NAME", help_heading = TLS)]
    pub(crate) sni: Option<String>,

    /// Maximum fragment length to ask for: 512, 1024, 2048 or 4096
    #[arg(long, value_name = "BYTES", help_heading = TLS)]
    pub(crate) mfl: Option<u16>,

    /// TLS library. With mbed this machine fails as a device with Mbed TLS does; it needs --cafile
    #[arg(long, value_name = "LIBRARY", help_heading = TLS)]
    pub(crate) tls: Option<Library>,

    /// Append the secrets of the connection to FILE, so that Wireshark can read a capture of it: whoever has the file
    /// reads the traffic. Needs the library openssl [default: the environment variable SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) keylog: Option<PathBuf>,

    /// Resume the TLS session kept in FILE, and keep the next one there: a handshake with less work, and in TLS 1.2
    /// one round trip less. Keep the file like a key
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) tls_session: Option<PathBuf>,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersion {
    #[value(name = "1.2", aliases = ["tlsv1.2", "12"])]
    Tls12,
    #[value(name = "1.3", aliases = ["tlsv1.3", "13"])]
    Tls13,
}

impl From<TlsVersion> for Version {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::Tls12 => Self::Tls12,
            TlsVersion::Tls13 => Self::Tls13,
        }
    }
}

/// A TLS library that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Library(pub(crate) Backend);

impl ValueEnum for Library {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: &[Library] = &[
            #[cfg(feature = "openssl")]
            Library(Backend::OpenSsl),
            #[cfg(feature = "mbed")]
            Library(Backend::Mbed),
        ];
        ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}
