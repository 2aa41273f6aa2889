//! What a connection is to be like, from a TOML file, from flags, or from both.
//!
//! A [`Config`] holds what was said and by whom: each value knows its line or its flag, so that whatever is found wrong
//! with it later can be mended where it stands. [`Config::load`] makes [`Options`](crate::Options) of it.
//!
//! ```toml
//! url = "wss://hub.example/$iothub/websocket"
//! id = "meter-4"
//! user = "hub.example/meter-4"
//! password_file = "password"    # its first line; paths are relative to this file's folder
//! mqtt = "3.1.1"                # or "5", the default
//! profile = "thread"            # settings for a kind of network; what is said beside it wins
//! keepalive = 60                # seconds
//! timeout = 10                  # seconds for each rung
//! bind = "192.0.2.7"
//! keep_session = true
//! session_expiry = 3600         # seconds, MQTT 5
//!
//! [will]
//! topic = "plant/meter/4/state"
//! payload = "gone"
//! qos = 1
//! retain = true
//! delay = 30                    # seconds, MQTT 5
//!
//! [websocket]
//! subprotocol = "mqtt"
//! headers = { X-Site = "north" }
//!
//! [tls]
//! backend = "openssl"           # or "mbed"
//! cafile = "ca.pem"             # instead of the system's roots
//! capath = "roots"
//! cert = "meter-4.pem"
//! key = "meter-4.key"
//! key_password_file = "key-password"
//! ciphers = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
//! groups = ["secp256r1"]
//! sigalgs = ["ecdsa_secp256r1_sha256"]
//! min = "1.2"
//! max = "1.2"
//! alpn = ["mqtt"]
//! sni = "hub.example"
//! mfl = 1024
//! keylog = "keys.log"
//! session_file = "session"
//! renegotiation = "once"        # or "never"
//! post_handshake_auth = false
//! clock = "system"              # or "unchecked"
//!
//! [network]
//! families = "any"              # or "4", "6"
//! resolver = "auto"             # or "system", or ["192.0.2.53", "[2001:db8::53]:5353"]
//! nat64_prefix = "auto"         # or "off", or a prefix such as "64:ff9b::/96"
//! mss = 1200                    # bytes, for a path that loses larger packets
//! attempt_delay = 0.25          # seconds between connection attempts that race
//!
//! [proxy]
//! url = "http://proxy.example:3128"  # or socks5://; "none": not even that of the environment
//! user = "meter-4"
//! password_file = "proxy-password"
//! ```
//!
//! There is no key for a password and none that turns verification off.

#[cfg(feature = "azure")]
pub mod device;
mod load;
mod nearest;
mod network;
mod proxy;
mod session_file;
mod setting;
mod suites;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use table::{Known, Source, Table};

pub use self::{
    load::{Loaded, Secrets, first_line},
    network::Network,
    proxy::Proxy,
    session_file::SessionFile,
    setting::Setting,
    suites::names,
};
use crate::{
    Error, Profile, QoS, Version,
    tls::{self, Backend, Renegotiation},
};

/// A value that may have been given.
type Given<T> = Option<Setting<T>>;

/// What was said about a connection. `None`: nothing, so the default of [`Options`](crate::Options) holds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Config {
    /// The server.
    pub url: Given<String>,
    /// The client identifier.
    pub id: Given<String>,
    /// The user name.
    pub user: Given<String>,
    /// A file whose first line is the password.
    pub password_file: Given<PathBuf>,
    /// The protocol version.
    pub mqtt: Given<Version>,
    /// Settings for a kind of network, over which all others win.
    pub profile: Given<Profile>,
    /// Seconds of silence after which a sign of life is sent.
    pub keepalive: Given<u16>,
    /// How long each rung may take.
    pub timeout: Given<Duration>,
    /// The source address.
    pub bind: Given<IpAddr>,
    /// Whether the server keeps the session. Needs an identifier.
    pub keep_session: Given<bool>,
    /// Seconds that the session outlives the connection (MQTT 5).
    pub session_expiry: Given<u32>,
    /// What the server publishes when this client vanishes.
    pub will: Will,
    /// The upgrade.
    pub websocket: WebSocket,
    /// The TLS rung.
    pub tls: Tls,
    /// Names, addresses and TCP.
    pub network: Network,
    /// The proxy to go through.
    pub proxy: Proxy,
}

/// The table `[will]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Will {
    /// Where. The other keys need it.
    pub topic: Given<String>,
    /// What; empty by default.
    pub payload: Given<String>,
    /// Its QoS; 0 by default.
    pub qos: Given<QoS>,
    /// Whether the server keeps it.
    pub retain: Given<bool>,
    /// Seconds that the server waits before (MQTT 5).
    pub delay: Given<u32>,
}

/// The table `[websocket]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WebSocket {
    /// The subprotocols to offer, separated by commas.
    pub subprotocol: Given<String>,
    /// Headers of the upgrade request: names and values.
    pub headers: Given<Vec<(String, String)>>,
}

/// The table `[tls]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Tls {
    /// The TLS library.
    pub backend: Given<Backend>,
    /// A file with the CA certificates to trust instead of the system's.
    pub cafile: Given<PathBuf>,
    /// A folder with such files.
    pub capath: Given<PathBuf>,
    /// The client's certificate and those that signed it.
    pub cert: Given<PathBuf>,
    /// Its private key.
    pub key: Given<PathBuf>,
    /// A file whose first line is the key's password.
    pub key_password_file: Given<PathBuf>,
    /// The cipher suites by their IANA names.
    pub ciphers: Given<Vec<String>>,
    /// The groups by their IANA names.
    pub groups: Given<Vec<String>>,
    /// The signature algorithms by their IANA names.
    pub sigalgs: Given<Vec<String>>,
    /// The lowest version.
    pub min: Given<tls::Version>,
    /// The highest version.
    pub max: Given<tls::Version>,
    /// The application protocols to offer.
    pub alpn: Given<Vec<String>>,
    /// The name to ask the server for and to verify, if it is not the URL's host.
    pub sni: Given<String>,
    /// Whether the server is told its name. No key of the file: who stands in for a device that can't sets it.
    pub tells_name: Given<bool>,
    /// The maximum fragment length, bytes.
    pub mfl: Given<u16>,
    /// The file that the connection's secrets are appended to. OpenSSL only.
    pub keylog: Given<PathBuf>,
    /// The file in which the session to resume is kept.
    pub session_file: Given<PathBuf>,
    /// Which renegotiation is done.
    pub renegotiation: Given<Renegotiation>,
    /// Whether authentication after a TLS 1.3 handshake is offered.
    pub post_handshake_auth: Given<bool>,
    /// Whether certificates are taken whatever their dates, because there is no clock.
    pub unchecked_clock: Given<bool>,
}

/// The text of a config file.
fn text_of(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|error| Error::file(path, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
        Error::file(path, &error)
    })
}

const KNOWN: Known = &[
    (
        "",
        &[
            "url",
            "id",
            "user",
            "password_file",
            "mqtt",
            "profile",
            "keepalive",
            "timeout",
            "bind",
            "keep_session",
            "session_expiry",
            "will",
            "websocket",
            "tls",
            "network",
            "proxy",
        ],
    ),
    ("will.", &["topic", "payload", "qos", "retain", "delay"]),
    ("websocket.", &["subprotocol", "headers"]),
    (
        "network.",
        &[
            "families",
            "resolver",
            "nat64_prefix",
            "mss",
            "attempt_delay",
        ],
    ),
    ("proxy.", &["url", "user", "password_file"]),
    (
        "tls.",
        &[
            "backend",
            "cafile",
            "capath",
            "cert",
            "key",
            "key_password_file",
            "ciphers",
            "groups",
            "sigalgs",
            "min",
            "max",
            "alpn",
            "sni",
            "mfl",
            "keylog",
            "session_file",
            "renegotiation",
            "post_handshake_auth",
            "clock",
        ],
    ),
];

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, [`Error::Config`] with the line and the key that are wrong.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&text_of(path)?, path)
    }

    /// Reads the text of a file. `path` names it in errors, and its folder is what relative paths begin from.
    ///
    /// # Errors
    /// [`Error::Config`] with the line and the key that are wrong.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Error> {
        let source = Source {
            file: Arc::from(path.as_ref()),
            text,
        };
        let parsed = toml::de::DeTable::parse(text).map_err(|error| source.malformed(&error))?;
        let root = Table::root(&source, parsed.get_ref());
        root.check(KNOWN)?;
        Ok(Self {
            url: root.text("url")?,
            id: root.text("id")?,
            user: root.text("user")?,
            password_file: root.path("password_file")?,
            mqtt: root.choice("mqtt", &[("3.1.1", Version::V311), ("5", Version::V5)])?,
            profile: root.choice("profile", &[(Profile::Thread.name(), Profile::Thread)])?,
            keepalive: root.number("keepalive", "a number of seconds from 0 to 65535")?,
            timeout: root.seconds("timeout")?,
            bind: root.address("bind")?,
            keep_session: root.switch("keep_session")?,
            session_expiry: root.number("session_expiry", "a number of seconds")?,
            will: Will::read(&root.below("will", "will.")?)?,
            websocket: WebSocket::read(&root.below("websocket", "websocket.")?)?,
            tls: Tls::read(&root.below("tls", "tls.")?)?,
            network: Network::read(&root.below("network", "network.")?)?,
            proxy: Proxy::read(&root.below("proxy", "proxy.")?)?,
        })
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.mqtt.as_ref().map_or(Version::V5, |mqtt| *mqtt.value())
    }

    /// How long each rung may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.timeout
            .as_ref()
            .map_or(Duration::from_secs(10), |timeout| *timeout.value())
    }
}

impl Will {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            topic: table.text("topic")?,
            payload: table.text("payload")?,
            qos: table.qos("qos")?,
            retain: table.switch("retain")?,
            delay: table.number("delay", "a number of seconds")?,
        })
    }
}

impl WebSocket {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            subprotocol: table.text("subprotocol")?,
            headers: table.pairs("headers")?,
        })
    }
}

impl Tls {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        let versions = &[("1.2", tls::Version::Tls12), ("1.3", tls::Version::Tls13)];
        let backends: Vec<_> = Backend::ALL
            .iter()
            .map(|backend| (backend.name(), *backend))
            .collect();
        Ok(Self {
            backend: table.choice("backend", &backends)?,
            cafile: table.path("cafile")?,
            capath: table.path("capath")?,
            cert: table.path("cert")?,
            key: table.key("key")?,
            key_password_file: table.path("key_password_file")?,
            ciphers: table.list("ciphers")?,
            groups: table.list("groups")?,
            sigalgs: table.list("sigalgs")?,
            min: table.choice("min", versions)?,
            max: table.choice("max", versions)?,
            alpn: table.list("alpn")?,
            sni: table.text("sni")?,
            tells_name: None,
            mfl: table.number("mfl", "512, 1024, 2048 or 4096")?,
            keylog: table.path("keylog")?,
            session_file: table.path("session_file")?,
            renegotiation: table.choice(
                "renegotiation",
                &[
                    ("never", Renegotiation::Never),
                    ("once", Renegotiation::OnceUntilConnack),
                ],
            )?,
            post_handshake_auth: table.switch("post_handshake_auth")?,
            unchecked_clock: table.choice("clock", &[("system", false), ("unchecked", true)])?,
        })
    }

    /// What was given first, for an error that says that there is no TLS.
    fn any(&self) -> Option<&dyn Said> {
        fn said<T>(given: &Given<T>) -> Option<&dyn Said> {
            given.as_ref().map(|setting| setting as &dyn Said)
        }
        [
            said(&self.backend),
            said(&self.cafile),
            said(&self.capath),
            said(&self.cert),
            said(&self.key),
            said(&self.key_password_file),
            said(&self.ciphers),
            said(&self.groups),
            said(&self.sigalgs),
            said(&self.min),
            said(&self.max),
            said(&self.alpn),
            said(&self.sni),
            said(&self.mfl),
            said(&self.keylog),
            said(&self.session_file),
            said(&self.renegotiation),
            said(&self.post_handshake_auth),
            said(&self.unchecked_clock),
        ]
        .into_iter()
        .flatten()
        .next()
    }
}

/// A setting, whatever its type.
trait Said {
    fn wrong(&self, why: &str) -> Error;
}

impl<T> Said for Setting<T> {
    fn wrong(&self, why: &str) -> Error {
        Self::wrong(self, why)
    }
}
