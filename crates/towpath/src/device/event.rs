//! What a device tells its application, as values of its own.

use std::{fmt, time::Duration};

use towpath_azure::{self as azure, Transport, dps::Refused, hub::RequestId};
use towpath_proto::Trace;

use crate::{Endpoint, Fault, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt begins.
    Climbing {
        /// Where it goes: the hub, its gateway, or the provisioning service.
        endpoint: Endpoint,
    },
    /// DPS assigned a hub.
    Assigned {
        /// The hub's host name.
        hub: String,
        /// The device's identifier there.
        device_id: String,
        /// What whoever allocated the hub has to say to the device: JSON.
        payload: Option<Vec<u8>>,
    },
    /// DPS did not assign a hub.
    NotAssigned {
        /// Why not.
        refused: Refused,
        /// When it is asked again.
        retry_in: Duration,
    },
    /// The hub accepted the connection.
    Connected {
        /// The hub's host name.
        hub: String,
        /// The device's identifier there.
        device_id: String,
        /// How it was reached.
        transport: Transport,
        /// Whether the hub kept the session.
        session_present: bool,
    },
    /// The whole twin, at each connection and after it was asked for.
    Twin {
        /// The document `{"desired":{...},"reported":{...}}`.
        document: Vec<u8>,
        /// The version of the desired properties.
        desired_version: u64,
        /// The version of the reported properties.
        reported_version: u64,
    },
    /// Desired properties were changed; each version comes once, in order. To an application that does not read for
    /// long the whole twin comes instead.
    Desired {
        /// The changes as a JSON object, `$version` in it.
        patch: Vec<u8>,
        /// The version.
        version: u64,
    },
    /// The hub calls a method; [`Device::respond`](super::Device::respond) answers.
    Method(Call),
    /// A cloud-to-device message, or one for a module's input. That it was taken from [`Events`](super::Events) is what
    /// completes it at the hub; one that was not taken when the connection ends comes again.
    Message(Devicebound),
    /// Telemetry ended otherwise than in the hub: it expired, or the hub's limits don't admit it.
    Lost {
        /// Its sequence number.
        sequence: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// The outbox lost telemetry by its own bounds, since it was told last.
    Dropped {
        /// Messages that made room for newer ones.
        oldest: u64,
        /// Messages that became too old, or passed their own time, before they were sent.
        expired: u64,
        /// Messages whose checksum was wrong.
        damaged: u64,
    },
    /// What a restart should find could not be written: the folder, and what the system says. It is tried again with
    /// the next change.
    NotKept(String),
    /// So many events were left out before this one, because the application did not read.
    Missed(u64),
    /// The path broke.
    Disconnected {
        /// Where and why.
        fault: Fault,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The connection holds, but the hub does not do something. It is tried again.
    Hindered(Fault),
    /// The clock is not set; nothing is tried before it is.
    ClockUnset,
    /// The connection is left, to come back with a new token.
    Renewing,
    /// The outbox's file can't be read. What is in it stays there.
    OutboxUnreadable(String),
    /// A fact about the climb, if tracing is on.
    Trace(Trace),
    /// Nothing follows.
    Stopped(Stop),
}

/// Why nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was asked for.
    Asked,
    /// Trying again would not change it.
    Fault(Fault),
}

/// A call of a direct method.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The name of the method; `component*command` of a component.
    pub name: String,
    /// JSON, or empty.
    pub payload: Vec<u8>,
    pub(super) request: RequestId,
}

/// A cloud-to-device message, or one for a module's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devicebound {
    /// The input it came by, for a module.
    pub input: Option<String>,
    /// Its properties, system properties such as `$.mid` among them.
    pub properties: Vec<(String, Option<String>)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the hub had sent it before.
    pub dup: bool,
}

impl Devicebound {
    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, value)| value.as_deref())
    }
}

/// Why reported properties were not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportError {
    /// The hub refused.
    Refused {
        /// Its status: 400 for what is no valid patch, 413 for one too large, 429 for too many.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The patch can't be sent.
    TooLarge,
    /// Too many changes wait already.
    TooMany,
    /// The device has stopped.
    Stopped,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, message } => {
                write!(
                    f,
                    "the hub refuses the reported properties: status {status}"
                )?;
                if !message.is_empty() {
                    write!(f, ", {message}")?;
                }
                f.write_str(match status {
                    400 => {
                        ". They have to be a JSON object of at most 10 levels whose names have no dot, space or dollar"
                    }
                    413 => ". All together they may have 32 KB",
                    429 => ". There are too many changes in a short time",
                    _ => "",
                })
            }
            Self::TooLarge => {
                f.write_str("the reported properties are larger than a packet may be")
            }
            Self::TooMany => f.write_str(
                "64 changes of reported properties wait for the hub already; wait for their answers",
            ),
            Self::Stopped => f.write_str("the device has stopped"),
        }
    }
}

impl std::error::Error for ReportError {}

impl Event {
    /// An owned copy. `None`: it is answered elsewhere.
    pub(super) fn keep(
        event: &azure::Event<'_>,
        names: Option<&azure::Assignment>,
    ) -> Option<Self> {
        let named = |name: fn(&azure::Assignment) -> &azure::Name| {
            names.map_or_else(String::new, |names| name(names).as_str().to_owned())
        };
        Some(match event {
            azure::Event::Assigned {
                assignment,
                payload,
            } => Self::Assigned {
                hub: assignment.hub.as_str().to_owned(),
                device_id: assignment.device_id.as_str().to_owned(),
                payload: payload.map(<[u8]>::to_vec),
            },
            azure::Event::NotAssigned { refused, retry_in } => Self::NotAssigned {
                refused: *refused,
                retry_in: *retry_in,
            },
            azure::Event::Connected {
                transport,
                session_present,
            } => Self::Connected {
                hub: named(|names| &names.hub),
                device_id: named(|names| &names.device_id),
                transport: *transport,
                session_present: *session_present,
            },
            azure::Event::Twin {
                document,
                desired_version,
                reported_version,
            } => Self::Twin {
                document: document.to_vec(),
                desired_version: *desired_version,
                reported_version: *reported_version,
            },
            azure::Event::Desired { patch, version } => Self::Desired {
                patch: patch.to_vec(),
                version: *version,
            },
            azure::Event::Method {
                name,
                request_id,
                payload,
            } => Self::Method(Call {
                name: (*name).to_string(),
                payload: payload.to_vec(),
                request: request_id.clone(),
            }),
            azure::Event::Message {
                input,
                properties,
                body,
                dup,
            } => Self::Message(Devicebound {
                input: input.map(|input| input.to_string()),
                properties: properties
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.map(|value| value.to_string())))
                    .collect(),
                body: body.to_vec(),
                dup: *dup,
            }),
            azure::Event::Disconnected { fault, retry_in } => Self::Disconnected {
                fault: *fault,
                retry_in: *retry_in,
            },
            azure::Event::Hindered(fault) => Self::Hindered(*fault),
            azure::Event::Renewing => Self::Renewing,
            azure::Event::Stopped(azure::Stop::Asked) => Self::Stopped(Stop::Asked),
            azure::Event::Stopped(azure::Stop::Fault(fault)) => Self::Stopped(Stop::Fault(*fault)),
            _ => return None,
        })
    }
}
