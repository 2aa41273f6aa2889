//! What happened, with the hub's own codes where it has one: for people, as JSON lines, and for whoever listens.

use std::{
    collections::VecDeque,
    fs::File,
    io::{LineWriter, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::clock::Time;

/// How many records are kept in memory.
const KEPT: usize = 2000;

/// A code of the event log: the hub's number, its name there, and what it means.
macro_rules! codes {
    ($($name:ident = $number:literal, $text:literal, $meaning:literal;)*) => {
        /// What happened, in the service's own numbers. Numbers below 100000 are the lab's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number, such as 401003.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }

            /// The service's name of it, such as `IoTHubUnauthorized`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    Accepted = 1000, "Accepted", "A connection was accepted.";
    TlsEstablished = 1001, "TlsEstablished", "A TLS handshake was completed.";
    TlsFailed = 1002, "TlsFailed", "A TLS handshake failed.";
    Renegotiated = 1003, "Renegotiated", "The client certificate was asked for by a second handshake.";
    HttpRefused = 1004, "HttpRefused", "An HTTP request or an upgrade was refused.";
    Upgraded = 1005, "Upgraded", "A connection was switched to WebSocket.";
    ProtocolError = 1006, "ProtocolError", "A client broke a rule of WebSocket or MQTT.";
    DeviceConnected = 1007, "DeviceConnected", "A device or module was let in.";
    DeviceDisconnected = 1008, "DeviceDisconnected", "A device or module left.";
    Telemetry = 1009, "Telemetry", "A message from a device was stored.";
    CloudToDevice = 1010, "CloudToDevice", "A message to a device was queued, delivered, completed or dropped.";
    TwinChanged = 1011, "TwinChanged", "A twin was read or changed.";
    Method = 1012, "Method", "A direct method was called or answered.";
    Provisioning = 1013, "Provisioning", "A registration was asked for, polled or answered.";
    Registry = 1014, "Registry", "An identity was created, changed or deleted.";
    FaultOn = 1015, "FaultOn", "A fault was switched on.";
    FaultOff = 1016, "FaultOff", "A fault was switched off.";
    FaultApplied = 1017, "FaultApplied", "A fault was done to a connection.";
    Lab = 1018, "Lab", "The lab itself started, stopped or could not do something.";
    Subscribed = 1019, "Subscribed", "A subscription was granted, refused or given up.";
    ArgumentInvalid = 400004, "ArgumentInvalid", "The request's content is not what the service takes.";
    InvalidProtocolVersion = 400005, "InvalidProtocolVersion", "The api-version or the protocol's level is not supported.";
    LinkStolen = 400027, "ConnectionForcefullyClosedOnNewConnection", "A second connection with the same identity took over.";
    Maintenance = 400029, "ConnectionForcefullyClosedOnMaintenance", "The hub closed the connection for maintenance; connect again.";
    Failover = 400030, "ConnectionForcefullyClosedOnFailover", "The hub closed the connection because it moves; connect again.";
    HubNotFound = 401001, "IoTHubNotFound", "There is no hub of this name.";
    Unauthorized = 401002, "Unauthorized", "The credentials are not accepted.";
    IotHubUnauthorized = 401003, "IoTHubUnauthorized", "The token, key, thumbprint or device is not accepted by the hub.";
    HubSuspended = 403001, "IoTHubSuspended", "The hub is suspended.";
    QuotaExceeded = 403002, "IoTHubQuotaExceeded", "The hub's messages of the day are used up.";
    QueueFull = 403004, "DeviceMaximumQueueDepthExceeded", "The device's cloud-to-device queue is full.";
    TooManyUploads = 403006, "DeviceMaximumActiveFileUploadLimitExceeded", "The device has too many file uploads at work.";
    DeviceDisabled = 403012, "DeviceDisabled", "The device is disabled.";
    DeviceNotFound = 404001, "DeviceNotFound", "The device or module does not exist.";
    HubFailingOver = 404012, "IoTHubFailingOver", "The hub moves to another region.";
    DeviceNotOnline = 404103, "DeviceNotOnline", "The device is offline or has not subscribed to methods.";
    ClosedRemotely = 404104, "DeviceConnectionClosedRemotely", "The connection ended: keep-alive, reset, or the token's expiry.";
    EnrollmentNotFound = 404201, "EnrollmentNotFound", "There is no enrolment for this registration.";
    RegistrationNotFound = 404202, "RegistrationNotFound", "There is no such registration or operation.";
    DeviceExists = 409001, "DeviceAlreadyExists", "There is a device of this name already.";
    LinkConflict = 409002, "LinkCreationConflict", "Two connections of the same identity were opened at once.";
    PreconditionFailed = 412001, "PreconditionFailed", "The etag is not the current one.";
    LockLost = 412002, "DeviceMessageLockLost", "A cloud-to-device message's lock of 60 seconds was lost.";
    TooLarge = 413001, "MessageTooLarge", "The message or twin is larger than the service takes.";
    Throttled = 429001, "ThrottlingException", "Too many operations at once.";
    ClientClosed = 499000, "ClientClosedRequest", "The caller went away before the answer.";
    ServerError = 500001, "ServerError", "The service failed; try again.";
    GenericTimeout = 500008, "GenericTimeout", "The service did not finish in time; try again.";
    ServiceUnavailable = 503001, "ServiceUnavailable", "The service is not available; try again.";
    ReceiveLinkOpened = 503005, "ReceiveLinkOpensThrottled", "Too many links are being opened; try again.";
    GatewayTimeout = 504101, "GatewayTimeout", "The device did not answer the method in time.";
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.number())
    }
}

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everyday work.
    Debug,
    /// Worth a line.
    Info,
    /// A client was refused or something was lost; the lab goes on.
    Warn,
    /// The lab itself failed at something.
    Error,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Grows by one with each record.
    pub sequence: u64,
    /// When, as RFC 3339 text in JSON.
    #[serde(serialize_with = "written")]
    pub at: Time,
    /// How much it matters.
    pub level: Level,
    /// What, in the hub's numbers.
    pub code: Code,
    /// The code's name.
    pub name: &'static str,
    /// The hub or provisioning service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The device, or `device/module`, or registration id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The number of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The name of the fault that is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// The cause in words, with the values that decided. Never a key, token or password.
    pub text: String,
}

fn written<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Record {
    /// A record of everyday size; the log adds number and time.
    #[must_use]
    pub fn new(level: Level, code: Code, text: impl Into<String>) -> Self {
        Self {
            sequence: 0,
            at: Time::default(),
            level,
            code,
            name: code.name(),
            host: None,
            device: None,
            connection: None,
            fault: None,
            text: text.into(),
        }
    }

    /// The same at [`Level::Info`].
    #[must_use]
    pub fn info(code: Code, text: impl Into<String>) -> Self {
        Self::new(Level::Info, code, text)
    }

    /// The same at [`Level::Warn`].
    #[must_use]
    pub fn warn(code: Code, text: impl Into<String>) -> Self {
        Self::new(Level::Warn, code, text)
    }

    /// With the hub or provisioning service.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// With the device.
    #[must_use]
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// With the connection.
    #[must_use]
    pub const fn connection(mut self, connection: u64) -> Self {
        self.connection = Some(connection);
        self
    }

    /// With the fault behind it.
    #[must_use]
    pub const fn fault(mut self, name: &'static str) -> Self {
        self.fault = Some(name);
        self
    }
}

/// Keeps the last records, writes them on, and tells whoever listens.
#[derive(Debug)]
pub struct Log {
    inner: Mutex<Inner>,
    told: broadcast::Sender<Arc<Record>>,
}

#[derive(Debug, Default)]
struct Inner {
    sequence: u64,
    kept: VecDeque<Arc<Record>>,
    file: Option<Lines>,
}

impl Log {
    /// A log that keeps its records in memory only.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Mutex::default(),
            told: broadcast::channel(1024).0,
        }
    }

    /// Writes each record as a line of JSON to a file too, behind what is there. A file of 64 MiB is renamed, with `.old`
    /// at the end of its name, and a new one begun. Only its owner can read it.
    ///
    /// # Errors
    /// The system's, when it can't be opened.
    pub fn to_file(self, path: &Path) -> std::io::Result<Self> {
        self.lock().file = Some(Lines::open(path)?);
        Ok(self)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record at a time.
    pub fn add(&self, at: Time, mut record: Record) {
        let mut inner = self.lock();
        inner.sequence += 1;
        record.sequence = inner.sequence;
        record.at = at;
        let record = Arc::new(record);
        if inner.kept.len() == KEPT {
            inner.kept.pop_front();
        }
        inner.kept.push_back(Arc::clone(&record));
        if let Some(file) = &mut inner.file {
            // A disk that is full must not end the lab: the records in memory stay.
            let _ = file.write(&record);
        }
        // Under the lock, so that listeners have them in order. Nobody listening is fine.
        let _ = self.told.send(record);
    }

    /// The records that are kept with a number above `after`, oldest first.
    #[must_use]
    pub fn since(&self, after: u64) -> Vec<Arc<Record>> {
        let inner = self.lock();
        inner
            .kept
            .iter()
            .filter(|record| record.sequence > after)
            .cloned()
            .collect()
    }

    /// Every record from now on. A listener that is slow is told how many it missed.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Record>> {
        self.told.subscribe()
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// A file of events grows to this many bytes.
const FILE_MAX: u64 = 64 << 20;

/// The file of events.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: LineWriter<File>,
    /// Bytes in it.
    written: u64,
}

impl Lines {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        Ok(Self {
            path: path.to_owned(),
            written: file.metadata()?.len(),
            file: LineWriter::new(file),
        })
    }

    fn write(&mut self, record: &Record) -> std::io::Result<()> {
        if self.written >= FILE_MAX {
            let mut old = self.path.clone().into_os_string();
            old.push(".old");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.written += line.len() as u64;
        self.file.write_all(&line)
    }
}
