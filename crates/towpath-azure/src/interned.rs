//! Events and refusals as frames of defmt. In go values, out go numbers; the words are interned, so they lie in the ELF
//! file and not in flash. Names of hubs, devices and methods are told, contents and credentials are not.

use defmt::{Format, Formatter, Str, intern, write};

use crate::{
    Transport,
    dps::Refused,
    event::{Event, Reported, Stop},
};

impl Format for Transport {
    fn format(&self, f: Formatter<'_>) {
        let name: Str = match self {
            Self::Mqtts => intern!("mqtts"),
            Self::Wss => intern!("wss"),
        };
        write!(f, "{=istr}", name);
    }
}

/// As a fault of the hub's rung.
impl Format for Refused {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", self.fault());
    }
}

impl Format for Reported {
    fn format(&self, f: Formatter<'_>) {
        match &self.outcome {
            Ok(version) => write!(f, "{=u32} is version {=u64}", self.request, version),
            Err((0, _)) => write!(f, "{=u32} has no answer", self.request),
            Err((status, said)) => {
                write!(
                    f,
                    "{=u32} is refused: {=u16} {}",
                    self.request, status, said
                );
            }
        }
    }
}

impl Format for Stop {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Asked => write!(f, "asked for"),
            Self::Fault(fault) => write!(f, "{}", fault),
        }
    }
}

/// What happened, without the contents of messages.
impl Format for Event<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Assigned { assignment, .. } => write!(
                f,
                "assigned to {=str} as {=str}",
                assignment.hub.as_str(),
                assignment.device_id.as_str()
            ),
            Self::NotAssigned { refused, retry_in } => {
                write!(
                    f,
                    "not assigned, again in {=u64} s: {}",
                    retry_in.as_secs(),
                    refused
                );
            }
            Self::Connected {
                transport,
                session_present,
            } => write!(
                f,
                "connected by {}, session kept: {=bool}",
                transport, session_present
            ),
            Self::Twin {
                desired_version,
                reported_version,
                ..
            } => write!(
                f,
                "twin: desired version {=u64}, reported version {=u64}",
                desired_version, reported_version
            ),
            Self::Desired { version, .. } => write!(f, "desired version {=u64}", version),
            Self::Reported(reported) => write!(f, "report {}", reported),
            Self::Method { name, payload, .. } => {
                write!(f, "method {=str} with {=usize} B", name, payload.len());
            }
            Self::Message { body, .. } => write!(f, "message of {=usize} B", body.len()),
            Self::Disconnected { fault, retry_in } => {
                write!(
                    f,
                    "disconnected, again in {=u64} s: {}",
                    retry_in.as_secs(),
                    fault
                );
            }
            Self::Hindered(fault) => write!(f, "hindered: {}", fault),
            Self::Renewing => write!(f, "renewing the token"),
            Self::Stopped(stop) => write!(f, "stopped: {}", stop),
        }
    }
}
