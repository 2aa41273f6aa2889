//! The Device Provisioning Service (DPS) over MQTT: which hub is this device's?
//!
//! Takes in what comes up from a connection to the service, and the time; gives out a subscription, the request to be
//! registered, polls until the service has decided, and the [`Outcome`]: a hub and an identity there, or why not
//! ([`Refused`]). The topics and bodies are those of Microsoft's "Communicate with your DPS using the MQTT protocol"
//! and its REST reference, interface [`API_VERSION`]; with a certificate signing request that of
//! [`CSR_API_VERSION`].
//!
//! - `request.rs`: topics and bodies that are written
//! - `answer.rs`: answers that are read
//! - `refused.rs`: what a refusal is as a fault
//! - `registration.rs`: what comes after what, and when

mod answer;
mod refused;
mod registration;
mod request;

#[cfg(test)]
mod tests;

use crate::Assignment;

pub use self::{
    refused::{Refused, RefusedKind},
    registration::Registration,
    request::Request,
};

/// The host name of the service, the same for all.
pub const GLOBAL_ENDPOINT: &str = "global.azure-devices-provisioning.net";

/// The version of the service's interface that is spoken here: `api-version` in the MQTT user name.
pub const API_VERSION: &str = "2019-03-31";

/// The version for a request with a certificate signing request ([`Request::csr`]), which is a preview. With
/// [`API_VERSION`] the service ignores the signing request.
pub const CSR_API_VERSION: &str = "2025-07-01-preview";

/// The policy that a token for the service names: `skn=registration`.
pub const POLICY: &str = "registration";

/// How a registration ended.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "names are kept in place: there is no heap"
)]
pub enum Outcome<'m> {
    /// A hub was assigned.
    Assigned {
        /// Which, and who the device is there.
        assignment: Assignment,
        /// JSON that whoever allocated the hub adds, as it came.
        payload: Option<&'m [u8]>,
        /// The certificates that were issued, JSON as it came; [`renewal::Chain`](crate::renewal::Chain) reads it.
        issued: Option<&'m [u8]>,
    },
    /// None was.
    Refused(Refused),
}
