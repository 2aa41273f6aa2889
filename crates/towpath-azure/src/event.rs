//! What a device tells its application.

use core::time::Duration;

use towpath_proto::{Fault, text::Text};

use crate::{Assignment, Transport, bag::Received, dps, hub::RequestId};

/// Something for the application. What it lends is the packet that just came.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// DPS assigned a hub. Keep the assignment for the next start.
    Assigned {
        /// The hub and the device's identifier there.
        assignment: Assignment,
        /// What whoever allocated the hub has to say to the device: JSON.
        payload: Option<&'a [u8]>,
    },
    /// DPS did not assign a hub.
    NotAssigned {
        /// Why not.
        refused: dps::Refused,
        /// When it is asked again.
        retry_in: Duration,
    },
    /// The hub accepted the connection.
    Connected {
        /// How it was reached; worth keeping for the next start.
        transport: Transport,
        /// Whether the hub kept the session, and with it the subscriptions.
        session_present: bool,
    },
    /// The whole twin, after it was asked for and at the start.
    Twin {
        /// The document `{"desired":{...},"reported":{...}}`.
        document: &'a [u8],
        /// The version of the desired properties.
        desired_version: u64,
        /// The version of the reported properties.
        reported_version: u64,
    },
    /// Desired properties were changed; each version comes once, in order.
    Desired {
        /// The changes as a JSON object, `$version` in it.
        patch: &'a [u8],
        /// The version.
        version: u64,
    },
    /// A change of reported properties ended.
    Reported(Reported),
    /// The hub calls a method; it waits for [`Device::respond`](crate::Device::respond).
    Method {
        /// The name of the method; `component*command` of a component.
        name: &'a str,
        /// Which call this is.
        request_id: RequestId,
        /// JSON, or empty.
        payload: &'a [u8],
    },
    /// A cloud-to-device message, or one for a module's input.
    Message {
        /// The input it came by, for a module.
        input: Option<&'a str>,
        /// Its properties.
        properties: Received<'a>,
        /// Its body.
        body: &'a [u8],
        /// Whether the hub had sent it before.
        dup: bool,
    },
    /// The path broke.
    Disconnected {
        /// Where and why.
        fault: Fault,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The connection holds, but the hub does not do something. It is tried again.
    Hindered(Fault),
    /// The connection was left, to come back with a new token.
    Renewing,
    /// Nothing follows.
    Stopped(Stop),
}

/// How the change of reported properties ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// Which one.
    pub request: u32,
    /// The new version, or the hub's status and words. 0: no answer came before the connection ended, or in time.
    pub outcome: Result<u64, (u16, Text<56>)>,
}

/// Why nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was asked for.
    Asked,
    /// Trying again would not change it.
    Fault(Fault),
}
