//! The device provisioning service: enrolments, registrations, allocation to hubs, issued certificates.
//!
//! Takes in what registrants say in CONNECT and on `$dps/registrations/...` (or over HTTPS), and what the service API
//! asks; gives out answers in the service's form, and devices in the hubs. No sockets here. The state is behind one lock
//! that is never held while waiting; a hub's lock may be taken inside it, never the other way round.
//!
//! A registration is an operation that is polled: the first answer is `assigning`, so are as many polls as the config
//! says, and the one after that does the work and has the result. Operations are in memory only; a registrant asks anew
//! after a restart.

mod admit;
mod allocate;
mod answer;
mod assign;
mod enrollment;
mod issue;
mod json;
mod open;
mod operation;
mod registration;
mod request;
mod service;
#[cfg(test)]
mod tests;
mod topic;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

pub(crate) use self::{
    admit::{Credentials, Registrant},
    answer::Reply,
    enrollment::Kind,
    service::Wrong,
};
use self::{enrollment::Enrollment, operation::Operations, registration::Registration};
use crate::{
    config,
    connection::Connection,
    hub::{Hub, Policy},
    log::{Code, Level, Record},
    pki::Issuer,
    shared::Means,
};

/// The provisioning service.
#[derive(Debug)]
pub(crate) struct Dps {
    pub(crate) host: String,
    pub(crate) id_scope: String,
    /// Who may use the service API: enrolments are read and written with the rights to read and write a registry.
    pub(crate) policies: Vec<Policy>,
    polls: u32,
    retry_after_s: u32,
    refused_at: config::RefusedAt,
    allocation: config::Allocation,
    issued_days: u32,
    hubs: Vec<Arc<Hub>>,
    issuer: Issuer,
    means: Means,
    state: Mutex<State>,
}

/// What is behind the lock. Registration ids and groups' names are in lower case: they have no case.
#[derive(Debug, Default)]
struct State {
    individuals: BTreeMap<String, Arc<Enrollment>>,
    groups: BTreeMap<String, Arc<Enrollment>>,
    registrations: BTreeMap<String, Registration>,
    operations: Operations,
    /// Makes etags different from each other.
    changes: u64,
}

impl State {
    fn enrollments(&self, kind: Kind) -> &BTreeMap<String, Arc<Enrollment>> {
        match kind {
            Kind::Individual => &self.individuals,
            Kind::Group => &self.groups,
        }
    }

    fn enrollments_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, Arc<Enrollment>> {
        match kind {
            Kind::Individual => &mut self.individuals,
            Kind::Group => &mut self.groups,
        }
    }

    /// An etag that nothing here has had since the start.
    fn etag(&mut self, now: crate::clock::Time) -> String {
        self.changes = self.changes.wrapping_add(1);
        format!(
            "{:08x}-0000-0100-0000-{:012x}",
            self.changes,
            now.as_millis()
        )
    }
}

/// What comes back on `$dps/registrations/res/...`.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
}

impl Dps {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hub(&self, host: &str) -> Option<&Arc<Hub>> {
        let named = |hub: &&Arc<Hub>| hub.host.eq_ignore_ascii_case(host);
        self.hubs.iter().find(named)
    }

    fn tell(&self, level: Level, code: Code, id: &str, connection: &Connection, text: String) {
        self.means.tell(
            Record::new(level, code, text)
                .host(&self.host)
                .device(id)
                .connection(connection.id),
        );
    }
}

/// Whether a text can be a registration id or a group's name.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > 128 {
        let length = id.len();
        return Err(format!(
            "a registration id has 1 to 128 characters, not {length}"
        ));
    }
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-._:".contains(*c);
    if let Some(c) = id.chars().find(|c| !fits(c)) {
        return Err(format!(
            "a registration id has letters, digits and -._: only, not {c:?}"
        ));
    }
    if id.ends_with(['.', '_', ':']) {
        return Err("a registration id ends with a letter, a digit or -".into());
    }
    Ok(())
}

/// A number that nothing else has, in the form of a GUID.
fn guid() -> String {
    let mut bytes = [0; 16];
    // Without random numbers a tracking id is of no use, and nothing else is wrong with it.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    let text = format!("{:032x}", u128::from_be_bytes(bytes));
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    for length in [8, 4, 4, 4] {
        let (part, more) = rest.split_at_checked(length).unwrap_or((rest, ""));
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts.join("-")
}
