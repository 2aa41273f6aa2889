//! What the provisioning service does in a hub: a device arrives, with its data or without, or departs.
//!
//! Takes in how the device proves itself and what it starts with; changes the registry and hands everything to the
//! store in one batch, together with the provisioning service's own record.

use serde_json::{Map, Value as Json};

use super::{
    Authentication, Entry, Hub, Identity, Inbox, Name, Session, Twin, identity::Origin, twin::Wrong,
};
use crate::{
    log::{Code, Record},
    store::{Batch, Durable, Table},
};

/// A device that is assigned to the hub.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) authentication: Authentication,
    /// An IoT Edge device.
    pub(crate) edge: bool,
    /// The twin of a device that is new, or starts over.
    pub(crate) twin: Twin,
    pub(crate) data: Data,
}

/// What becomes of the data that a device has.
#[derive(Debug)]
pub(crate) enum Data {
    /// What is in the hub stays.
    Keep,
    /// It starts over.
    Reset,
    /// It comes from another hub.
    Carried(Carried),
}

/// A device with its modules on the way from one hub to another.
#[derive(Debug)]
pub(crate) struct Carried(Vec<(Name, Identity, Twin, Inbox)>);

impl Carried {
    /// Under the id that it has in the new hub.
    pub(crate) fn named(mut self, device: &str) -> Self {
        for (name, ..) in &mut self.0 {
            device.clone_into(&mut name.device);
        }
        self
    }
}

impl Hub {
    /// The twin that an enrolment declares.
    pub(crate) fn declared_twin(
        &self,
        tags: &Map<String, Json>,
        desired: &Map<String, Json>,
    ) -> Result<Twin, Wrong> {
        Twin::declared(tags, desired, &self.limits, self.means.clock.now())
    }

    /// Whether the device is there.
    pub(crate) fn has(&self, device: &str) -> bool {
        self.lock().entries.contains_key(&Name::device(device))
    }

    /// Why a device that comes in by a group is kept out: who signs for a group must not get the credentials of a
    /// device that somebody else has declared. An enrolment of its own names the device, and has its way.
    pub(crate) fn keeps_out(&self, device: &str, individual: bool) -> Option<String> {
        let state = self.lock();
        let entry = state.entries.get(&Name::device(device))?;
        let by = match entry.identity.origin {
            Origin::Config => "the config",
            Origin::Registry => "the registry's API",
            Origin::Provisioning => return None,
        };
        (!individual).then(|| {
            format!(
                "{} has a device {device} already that {by} declared, and a group's enrolment does not replace its \
                 credentials; delete the device, or give it an individual enrolment",
                self.host
            )
        })
    }

    /// Takes a device with its modules out, whose connections end. `None` if it is not there.
    pub(crate) fn depart(&self, device: &str, batch: &mut Batch) -> Option<Carried> {
        let name = Name::device(device);
        let mut state = self.lock();
        if !state.entries.contains_key(&name) {
            return None;
        }
        let why = format!("{name} was assigned to another hub");
        let mut carried = Vec::new();
        for name in self.cut(&mut state, &name, Code::DeviceNotFound, &why, batch) {
            if let Some(entry) = state.entries.remove(&name) {
                name.forget(&self.host, batch);
                carried.push((name, entry.identity, entry.twin, entry.inbox));
            }
        }
        drop(state);
        let text = format!("{device} was assigned to another hub and is gone from this one");
        self.means.tell(
            Record::info(Code::Registry, text)
                .host(&self.host)
                .device(device),
        );
        Some(Carried(carried))
    }

    /// The device is assigned to this hub. What is in `batch` already is written together with it.
    pub(crate) fn provisioned(&self, device: &str, arrival: Arrival, mut batch: Batch) -> Durable {
        let name = Name::device(device);
        let now = self.means.clock.now();
        let mut state = self.lock();
        let (data, reset) = match arrival.data {
            Data::Carried(Carried(carried)) => (carried, false),
            Data::Reset => (Vec::new(), true),
            Data::Keep => (Vec::new(), false),
        };
        for (name, identity, twin, inbox) in data {
            let here = name.clone();
            let entry = Entry {
                identity,
                twin,
                inbox: inbox.moved(),
                session: Session::default(),
                live: None,
            };
            batch.put(Table::Identity, name.key(&self.host), &entry.identity);
            batch.put(Table::Twin, name.key(&self.host), &entry.twin);
            batch.put(Table::Inbox, name.key(&self.host), &entry.inbox);
            state.entries.insert(name, entry);
            self.schedule(&mut state, &here);
        }
        let mut made = false;
        let entry = state.entries.entry(name.clone()).or_insert_with(|| {
            made = true;
            let mut identity =
                Identity::new(arrival.authentication.clone(), Origin::Provisioning, now);
            identity.edge = arrival.edge;
            Entry {
                identity,
                twin: arrival.twin.clone(),
                inbox: Inbox::default(),
                session: Session::default(),
                live: None,
            }
        });
        if reset && !made {
            entry.twin = arrival.twin;
            entry.inbox = Inbox::default();
            batch.delete(Table::Inbox, name.key(&self.host));
        }
        let mut replaced = None;
        if entry.identity.authentication != arrival.authentication {
            replaced = Some(format!(
                "{device} is known by {} from now on, and not by {} any more: the provisioning service says so",
                in_words(&arrival.authentication),
                in_words(&entry.identity.authentication)
            ));
            entry.identity.authentication = arrival.authentication;
            entry.identity.etag = entry.identity.etag.saturating_add(1);
        }
        batch.put(Table::Identity, name.key(&self.host), &entry.identity);
        batch.put(Table::Twin, name.key(&self.host), &entry.twin);
        if let Some(why) = &replaced {
            self.cut(&mut state, &name, Code::IotHubUnauthorized, why, &mut batch);
        }
        let durable = self.means.store.write(batch);
        drop(state);
        if let Some(why) = replaced {
            let record = Record::warn(Code::Registry, why);
            self.means.tell(record.host(&self.host).device(device));
        }
        self.tell_arrival(device, made, reset);
        durable
    }

    fn tell_arrival(&self, device: &str, made: bool, reset: bool) {
        let done = match (made, reset) {
            (true, _) => "was created by the provisioning service",
            (false, true) => "was reset by the provisioning service",
            (false, false) => "was confirmed by the provisioning service",
        };
        self.means.tell(
            Record::info(Code::Registry, format!("{device} {done}"))
                .host(&self.host)
                .device(device),
        );
    }
}

/// For the log: no key.
fn in_words(authentication: &Authentication) -> String {
    match authentication {
        Authentication::Sas { .. } => "symmetric keys".into(),
        Authentication::SelfSigned { primary, secondary } => {
            let both: Vec<_> = primary
                .iter()
                .chain(secondary)
                .map(String::as_str)
                .collect();
            format!("the thumbprint {}", both.join(" or "))
        }
        Authentication::CertificateAuthority => "a certificate of a CA".into(),
    }
}
