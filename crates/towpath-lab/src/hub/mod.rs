//! An IoT hub: identities, twins, queues and live connections, and what can be done with them.
//!
//! Takes in what clients and services ask, with the time from the clock; gives out answers, messages for connections
//! ([`Down`]) and records for the log. No sockets here. The state is behind one lock that is never held while waiting.

mod admit;
mod body;
mod credentials;
mod devicebound;
mod identity;
mod inbox;
mod live;
mod method;
mod open;
mod provisioned;
pub(crate) mod registry;
mod session;
pub(crate) mod telemetry;
#[cfg(test)]
mod tests;
mod throttle;
pub(crate) mod topic;
mod twin;
mod user_name;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU32},
};

use openssl::x509::X509;

pub(crate) use self::{
    admit::{Admitted, Hello, Refused},
    credentials::Accepted,
    devicebound::{Devicebound, Settle, look_after},
    identity::{Authentication, Identity, NEVER, Origin, Policy},
    inbox::{C2d, Inbox, Queued},
    live::{Down, Live, WAITING},
    method::Methods,
    open::policies,
    provisioned::{Arrival, Data},
    session::{Feature, Session},
    telemetry::{Incoming, Message, Rejected, Telemetry},
    throttle::Throttles,
    twin::{Answer, Twin},
};
use crate::{
    config,
    connection::Connection,
    key::Key,
    shared::Means,
    store::{self, Batch, Table},
};

/// A device, or a module of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) device: String,
    pub(crate) module: Option<String>,
}

impl Name {
    pub(crate) fn device(device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            module: None,
        }
    }

    pub(crate) fn module(device: impl Into<String>, module: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            module: Some(module.into()),
        }
    }

    /// The key of its records in the store.
    pub(crate) fn key(&self, host: &str) -> String {
        store::key(&[
            host,
            &self.device,
            self.module.as_deref().unwrap_or_default(),
        ])
    }

    /// What a token of it is for.
    pub(crate) fn resource(&self, host: &str) -> String {
        match &self.module {
            Some(module) => format!("{host}/devices/{}/modules/{module}", self.device),
            None => format!("{host}/devices/{}", self.device),
        }
    }

    /// Takes everything that the store has of it out.
    fn forget(&self, host: &str, batch: &mut Batch) {
        for table in [Table::Identity, Table::Twin, Table::Inbox, Table::Session] {
            batch.delete(table, self.key(host));
        }
    }
}

/// `device` or `device/module`, as a client id has it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match &self.module {
            Some(module) => write!(f, "/{module}"),
            None => Ok(()),
        }
    }
}

/// Everything about a device or module.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    pub(crate) twin: Twin,
    pub(crate) inbox: Inbox,
    /// Subscriptions that outlive the connection.
    pub(crate) session: Session,
    /// Its connection, if it has one.
    pub(crate) live: Option<Live>,
}

/// An IoT hub.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) host: String,
    pub(crate) limits: config::Limits,
    pub(crate) behaviour: config::Behaviour,
    pub(crate) policies: Vec<Policy>,
    /// Whose certificates devices may have.
    pub(crate) cas: Vec<X509>,
    pub(crate) means: Means,
    pub(crate) telemetry: Telemetry,
    pub(crate) throttles: Throttles,
    /// How many credentials were refused, for return codes that alternate.
    refusals: AtomicU32,
    state: Mutex<State>,
}

/// What is behind the hub's lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entries: BTreeMap<Name, Entry>,
    /// Calls that wait for a device's answer.
    pub(crate) methods: Methods,
    devicebound: Devicebound,
}

impl State {
    /// Whether this is the connection that the device or module has at the moment.
    fn is_live(&self, name: &Name, connection: &Connection) -> bool {
        let entry = self.entries.get(name);
        entry.is_some_and(|entry| entry.is_live(connection))
    }

    /// A device with its modules.
    fn family(&self, device: &str) -> Vec<Name> {
        self.entries
            .range(Name::device(device)..)
            .take_while(|(name, _)| name.device == device)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl Hub {
    /// The primary key of a device or module that has one.
    pub(crate) fn primary_key(&self, name: &Name) -> Option<Key> {
        match &self.lock().entries.get(name)?.identity.authentication {
            Authentication::Sas { primary, .. } => Some(primary.clone()),
            _ => None,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
