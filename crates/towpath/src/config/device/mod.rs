//! A device of Azure IoT Hub, from a TOML file.
//!
//! Takes in the text of a file; gives out a [`DeviceConfig`], in which each value knows its line. Keys that a connection
//! has too (`profile`, `timeout`, `bind`, `[tls]`, `[network]`, `[proxy]`) are read as [`Config`] reads them.
//!
//! ```toml
//! state = "state"               # the folder of what is kept over restarts; paths are relative to this file's folder
//! transport = "auto"            # 8883, and where that does not pass, 443; or "mqtts", "wss"
//! ports = { mqtts = 8883, https = 443 }
//! keepalive = 240               # seconds, at most 1177
//! token_life = 3600             # seconds
//! fleet = { devices = 100, rate = 100 }  # devices that may lose the hub at once; connections it takes per second
//! model_id = "dtmi:com:example:Thermostat;1"
//! product = "example/1"         # what the device calls itself in the hub's logs
//! profile = "thread"
//! timeout = 10                  # seconds for each rung
//! bind = "192.0.2.7"
//!
//! [hub]                         # a device that knows its hub; or [provisioning]
//! host = "contoso.azure-devices.net"
//! device_id = "meter-4"
//! module_id = "camera"
//! gateway = "edge.example"      # the host that is dialled instead
//! key_file = "meter-4.sas"      # its first line is the key in base64; or key_env
//! key_env = "METER_KEY"         # an environment variable with the key
//!
//! [provisioning]                # a device that asks for its hub
//! scope = "0ne00000001"
//! registration_id = "meter-4"
//! host = "global.azure-devices-provisioning.net"
//! payload = '{"floor":3}'       # a JSON object for whoever allocates the hub
//! key_file = "meter-4.sas"
//! key_env = "METER_KEY"
//! group_key_file = "group.sas"  # the key of the enrolment group, of which the device's own is derived
//! group_key_env = "GROUP_KEY"
//!
//! [outbox]
//! bytes = 67108864              # how much telemetry waits at most
//! age = 604800                  # seconds after which a message is dropped
//! full = "wait"                 # or "oldest", "newest": which message is dropped
//! memory = false                # true: telemetry that waits does not survive a restart
//!
//! [telemetry]
//! from = "stdin"                # a message a line; or run
//! run = ["./read-sensor", "--json"]
//! every = 60                    # seconds between two runs
//! timeout = 30                  # seconds that a run may take
//! format = "json"               # or "text": lines are taken as they are
//! content_type = "application/json"
//! content_encoding = "utf-8"
//! properties = { site = "north" }
//!
//! [methods.reboot]              # a direct method
//! run = ["systemctl", "reboot"]
//! timeout = 30                  # seconds
//!
//! [desired]                     # changes of desired properties
//! file = "desired.json"         # the properties as they are now; or run, or both
//! run = ["./apply-settings"]    # gets each change on standard input
//! timeout = 30
//!
//! [reported]
//! file = "reported.json"        # is watched, and its changes are reported
//!
//! [update]
//! kind = "adu"                  # Device Update for IoT Hub; or "fota"
//! slot = "image.bin"            # where a new image is put
//! version = "1.0.0"             # of what runs now; or version_file
//! version_file = "version"
//! manufacturer = "Contoso"
//! model = "Meter"
//! provider = "Contoso"          # of the updates that are installed; others are refused
//! name = "Meter"                # of the updates that are installed
//! handlers = "microsoft/swupdate:1" # of the steps in updates that apply does; or a list
//! roots = "roots.json"          # the keys that sign updates
//! limit = 1073741824            # bytes of the largest image
//! downgrade = false             # true: older versions are installed, too
//! apply = ["./install"]         # gets the image's path as its last argument
//! confirm = ["./self-test"]     # after the restart; status 0: the new image stays
//! timeout = 600                 # seconds for each of the two
//! restart = true                # after apply the device ends with status 4, to be started anew; false: it goes on
//!
//! [renewal]
//! warn_days = 30                # before the certificate ends; 7 with by_dps
//! by_dps = false                # true: a new one is asked for
//! ```
//!
//! A key does not belong into this file, which is copied and shown to others.

mod check;
mod load;
mod read;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use self::load::Proof;
use super::{
    Config, Given,
    table::{Known, Source, Table},
};
use crate::Error;

/// What was said about a device. `None`: nothing, so that the default holds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeviceConfig {
    /// What is said about connections: profile, timeout, bind, keep-alive, TLS, network, proxy. The rest stays empty.
    pub connection: Config,
    /// The folder of what is kept over restarts.
    pub state: Given<PathBuf>,
    /// The transports that may be tried.
    pub transport: Given<Transport>,
    /// Their ports.
    pub ports: Ports,
    /// How long a token lives.
    pub token_life: Given<Duration>,
    /// How many devices share the hub.
    pub fleet: Fleet,
    /// The model of Plug and Play.
    pub model_id: Given<String>,
    /// What the device calls itself.
    pub product: Given<String>,
    /// The hub that the device knows.
    pub hub: Hub,
    /// The service that it asks for one.
    pub provisioning: Provisioning,
    /// Telemetry that waits.
    pub outbox: Outbox,
    /// Where telemetry comes from.
    pub telemetry: Telemetry,
    /// The methods that are answered, by name.
    pub methods: Vec<(String, Method)>,
    /// What becomes of desired properties.
    pub desired: Desired,
    /// Where reported properties come from.
    pub reported: Reported,
    /// How firmware is updated.
    pub update: Update,
    /// How the certificate is renewed.
    pub renewal: Renewal,
}

/// The transports that may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// MQTT over TLS, and where that does not pass, over WebSocket.
    #[default]
    Auto,
    /// MQTT over TLS only.
    Mqtts,
    /// MQTT over WebSocket only.
    Wss,
}

/// The table `ports`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Ports {
    /// Of MQTT over TLS; 8883 by default.
    pub mqtts: Given<u16>,
    /// Of WebSocket and HTTPS; 443 by default.
    pub https: Given<u16>,
}

/// The table `fleet`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Fleet {
    /// Devices that may lose their connection in the same moment.
    pub devices: Given<u32>,
    /// Connections that the hub takes per second.
    pub rate: Given<u32>,
}

/// The table `[hub]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Hub {
    /// Where the table begins, if there is one.
    pub at: Given<()>,
    /// The hub's host name.
    pub host: Given<String>,
    /// The device's identifier.
    pub device_id: Given<String>,
    /// The module that speaks, if it is not the device itself.
    pub module_id: Given<String>,
    /// The host to dial in place of the hub.
    pub gateway: Given<String>,
    /// The device's key.
    pub key: Keys,
}

/// The table `[provisioning]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Provisioning {
    /// Where the table begins, if there is one.
    pub at: Given<()>,
    /// The ID scope.
    pub scope: Given<String>,
    /// The registration ID.
    pub registration_id: Given<String>,
    /// The service's host name; the public one by default.
    pub host: Given<String>,
    /// A JSON object.
    pub payload: Given<String>,
    /// The device's key.
    pub key: Keys,
    /// The key of its enrolment group.
    pub group_key: Keys,
}

/// Where a key stands: at most one of both.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Keys {
    /// A file whose first line is the key in base64.
    pub file: Given<PathBuf>,
    /// The name of an environment variable with the key in base64.
    pub env: Given<String>,
}

/// The table `[outbox]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Outbox {
    /// The most bytes that wait.
    pub bytes: Given<u64>,
    /// How long they wait.
    pub age: Given<Duration>,
    /// What happens when there is no room.
    pub full: Given<Full>,
    /// Whether what waits is lost with the process.
    pub memory: Given<bool>,
}

/// What happens to telemetry for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// It is not taken before there is room: standard input is not read, the program is not run.
    Wait,
    /// The oldest message that waits is dropped for it.
    Oldest,
    /// It is dropped.
    Newest,
}

/// The table `[telemetry]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Telemetry {
    /// Where the table begins, if there is one.
    pub at: Given<()>,
    /// Whether lines of standard input are sent.
    pub from_stdin: Given<bool>,
    /// The program whose output is sent.
    pub run: Given<Program>,
    /// The time between two runs.
    pub every: Given<Duration>,
    /// How long a run may take.
    pub timeout: Given<Duration>,
    /// What a message has to be.
    pub format: Given<Format>,
    /// The content type; empty for none.
    pub content_type: Given<String>,
    /// The content encoding; empty for none.
    pub content_encoding: Given<String>,
    /// Properties of each message.
    pub properties: Given<Vec<(String, String)>>,
}

/// What a message has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// JSON; anything else is an error.
    #[default]
    Json,
    /// Anything.
    Text,
}

/// A program and its arguments. It runs without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program: a path, or a name to be found in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A table `[methods.NAME]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Method {
    /// The program that answers.
    pub run: Program,
    /// How long it may take.
    pub timeout: Given<Duration>,
}

/// The table `[desired]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Desired {
    /// The file that has the desired properties as they are now.
    pub file: Given<PathBuf>,
    /// The program that gets each change.
    pub run: Given<Program>,
    /// How long it may take.
    pub timeout: Given<Duration>,
}

/// The table `[reported]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reported {
    /// The file whose changes are reported.
    pub file: Given<PathBuf>,
}

/// The table `[update]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Update {
    /// Where the table begins, if there is one.
    pub at: Given<()>,
    /// The protocol.
    pub kind: Given<UpdateKind>,
    /// Where a new image is put.
    pub slot: Given<PathBuf>,
    /// The version that runs now.
    pub version: Given<String>,
    /// A file whose first line is the version.
    pub version_file: Given<PathBuf>,
    /// Who made the device.
    pub manufacturer: Given<String>,
    /// Its model.
    pub model: Given<String>,
    /// Who makes the updates.
    pub provider: Given<String>,
    /// What the updates are called.
    pub name: Given<String>,
    /// The handlers of the steps that `apply` does.
    pub handlers: Given<Vec<String>>,
    /// A file with the keys that sign updates.
    pub roots: Given<PathBuf>,
    /// Bytes of the largest image.
    pub limit: Given<u64>,
    /// Whether older versions are installed, too.
    pub downgrade: Given<bool>,
    /// The program that installs an image.
    pub apply: Given<Program>,
    /// The program that says whether a new image works.
    pub confirm: Given<Program>,
    /// How long each of them may take.
    pub timeout: Given<Duration>,
    /// Whether the device ends after an image was installed, to be started anew.
    pub restart: Given<bool>,
}

/// The protocol of firmware updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateKind {
    /// The job format of NCS `azure_fota`.
    Fota,
    /// Device Update for IoT Hub.
    Adu,
}

/// The table `[renewal]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Renewal {
    /// Days before a certificate's end from which on it is warned of.
    pub warn_days: Given<u16>,
    /// Whether DPS is asked for a new one.
    pub by_dps: Given<bool>,
}

impl DeviceConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, [`Error::Config`] with the line and the key that are wrong.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&super::text_of(path)?, path)
    }

    /// Reads the text of a file. `path` names it in errors, and its folder is what relative paths begin from.
    ///
    /// # Errors
    /// [`Error::Config`] with the line and the key that are wrong, or what is missing.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Error> {
        let source = Source {
            file: Arc::from(path.as_ref()),
            text,
        };
        let parsed = toml::de::DeTable::parse(text).map_err(|error| source.malformed(&error))?;
        let config = Self::read(&Table::root(&source, parsed.get_ref()))?;
        config.check(path.as_ref())?;
        Ok(config)
    }
}

/// Keys by the table that they belong into.
const KNOWN: Known = &[
    (
        "",
        &[
            "state",
            "transport",
            "ports",
            "keepalive",
            "token_life",
            "fleet",
            "model_id",
            "product",
            "profile",
            "timeout",
            "bind",
            "hub",
            "provisioning",
            "outbox",
            "telemetry",
            "methods",
            "desired",
            "reported",
            "update",
            "renewal",
            "tls",
            "network",
            "proxy",
        ],
    ),
    ("ports.", &["mqtts", "https"]),
    ("fleet.", &["devices", "rate"]),
    (
        "hub.",
        &[
            "host",
            "device_id",
            "module_id",
            "gateway",
            "key_file",
            "key_env",
        ],
    ),
    (
        "provisioning.",
        &[
            "scope",
            "registration_id",
            "host",
            "payload",
            "key_file",
            "key_env",
            "group_key_file",
            "group_key_env",
        ],
    ),
    ("outbox.", &["bytes", "age", "full", "memory"]),
    (
        "telemetry.",
        &[
            "from",
            "run",
            "every",
            "timeout",
            "format",
            "content_type",
            "content_encoding",
            "properties",
        ],
    ),
    ("methods.NAME.", &["run", "timeout"]),
    ("desired.", &["file", "run", "timeout"]),
    ("reported.", &["file"]),
    (
        "update.",
        &[
            "kind",
            "slot",
            "version",
            "version_file",
            "manufacturer",
            "model",
            "provider",
            "name",
            "handlers",
            "roots",
            "limit",
            "downgrade",
            "apply",
            "confirm",
            "timeout",
            "restart",
        ],
    ),
    ("renewal.", &["warn_days", "by_dps"]),
];
