//! A hub at the start of the lab: what the store has of it, and what the config declares.
//!
//! The config wins for what lets a device in: credentials and status of the devices that it declares are as it says,
//! whatever the registry's API made of them; a key that it leaves out is made once and kept. A device that the config
//! declared before and does not any more is deleted. Twins, queues and sessions stay as they are; where a declaration
//! of tags or desired properties has changed since the last start, the new one is applied as a patch. Devices that the
//! API or the provisioning service made stay. A hub that the config does not have any more keeps its records for the
//! day when it is there again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Mutex, atomic::AtomicU32},
};

use openssl::x509::X509;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json, json};

use super::{
    Authentication, Entry, Hub, Identity, Inbox, Name, Policy, Session, State, Telemetry,
    Throttles, Twin,
    identity::{Origin, thumbprint},
    registry::check_id,
    telemetry,
};
use crate::{
    Error,
    config::{self, Right},
    key::Key,
    pki::Pki,
    shared::Means,
    store::{self, Batch, Store, Table},
};

/// Why the config can't be; `at` names the place.
fn wrong(at: &str, why: impl std::fmt::Display) -> Error {
    Error::Config {
        why: format!("{at}: {why}"),
    }
}

/// Two keys in the store.
#[derive(Serialize, Deserialize)]
struct Keys {
    primary: Key,
    secondary: Key,
}

/// The policies of a service at `host`: those that the config declares, or else `standard`. Keys that are not given are
/// made on the first start and kept.
pub(crate) fn policies(
    host: &str,
    declared: &[config::Policy],
    standard: &[(&str, &[Right])],
    store: &Store,
) -> Result<Vec<Policy>, Error> {
    let standard = standard.iter().map(|(name, rights)| config::Policy {
        name: (*name).to_owned(),
        primary_key: None,
        secondary_key: None,
        rights: rights.to_vec(),
    });
    let wanted: Vec<_> = if declared.is_empty() {
        standard.collect()
    } else {
        declared.to_vec()
    };
    let kept: HashMap<_, _> = store.load::<Json>(Table::Meta)?.into_iter().collect();
    let mut batch = Batch::default();
    let mut policies: Vec<Policy> = Vec::new();
    for policy in wanted {
        let at = format!("{host}: policy {:?}", policy.name);
        check_id(&policy.name).map_err(|why| wrong(&at, why))?;
        if policies.iter().any(|other| other.name == policy.name) {
            return Err(wrong(&at, "it is declared twice"));
        }
        if policy.rights.is_empty() {
            return Err(wrong(&at, "rights: it permits nothing"));
        }
        let key = store::key(&["policy", host, &policy.name]);
        let old = kept.get(&key).and_then(|keys| Keys::deserialize(keys).ok());
        let (old_primary, old_secondary) = old.map(|old| (old.primary, old.secondary)).unzip();
        let keys = Keys {
            primary: policy
                .primary_key
                .or(old_primary)
                .unwrap_or_else(Key::random),
            secondary: policy
                .secondary_key
                .or(old_secondary)
                .unwrap_or_else(Key::random),
        };
        batch.put(Table::Meta, key, &keys);
        policies.push(Policy {
            name: policy.name,
            primary: keys.primary,
            secondary: keys.secondary,
            rights: policy.rights,
        });
    }
    // The writer has it before anybody can see a key.
    drop(store.write(batch));
    Ok(policies)
}

/// The policies that a hub has from the start.
const STANDARD: &[(&str, &[Right])] = &[
    (
        "iothubowner",
        &[
            Right::RegistryRead,
            Right::RegistryWrite,
            Right::ServiceConnect,
            Right::DeviceConnect,
        ],
    ),
    ("service", &[Right::ServiceConnect]),
    ("device", &[Right::DeviceConnect]),
    ("registryRead", &[Right::RegistryRead]),
    (
        "registryReadWrite",
        &[Right::RegistryRead, Right::RegistryWrite],
    ),
];

/// A device or module as the config declares it.
struct Declared<'a> {
    name: Name,
    /// Where it stands, for errors.
    at: String,
    enabled: bool,
    edge: bool,
    x509_ca: bool,
    keys: [&'a Option<Key>; 2],
    thumbprints: [&'a Option<String>; 2],
    tags: Map<String, Json>,
    desired: &'a Map<String, Json>,
}

impl<'a> Declared<'a> {
    /// The devices and modules of a hub.
    fn all(config: &'a config::Hub) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = Vec::new();
        for device in &config.devices {
            let at = format!("{}: device {:?}", config.host, device.id);
            let modules = device.modules.iter().map(|module| Self {
                name: Name::module(&device.id, &module.id),
                at: format!("{at}: module {:?}", module.id),
                enabled: !module.disabled,
                edge: false,
                x509_ca: module.x509_ca,
                keys: [&module.primary_key, &module.secondary_key],
                thumbprints: [&module.primary_thumbprint, &module.secondary_thumbprint],
                tags: module.tags.clone(),
                desired: &module.desired,
            });
            let modules: Vec<_> = modules.collect();
            all.push(Self {
                name: Name::device(&device.id),
                at,
                enabled: !device.disabled,
                edge: device.edge,
                x509_ca: device.x509_ca,
                keys: [&device.primary_key, &device.secondary_key],
                thumbprints: [&device.primary_thumbprint, &device.secondary_thumbprint],
                tags: device.tags.clone(),
                desired: &device.desired,
            });
            all.extend(modules);
        }
        let mut names = BTreeSet::new();
        for one in &all {
            let id = one.name.module.as_ref().unwrap_or(&one.name.device);
            check_id(id).map_err(|why| wrong(&one.at, format!("id: {why}")))?;
            if !names.insert(&one.name) {
                return Err(wrong(&one.at, "it is declared twice"));
            }
        }
        Ok(all)
    }

    /// How it proves who it is; keys that are not given are those of `old`, or made.
    fn authentication(&self, old: Option<&Authentication>) -> Result<Authentication, Error> {
        let has_keys = self.keys.iter().any(|key| key.is_some());
        let has_thumbprints = self.thumbprints.iter().any(|one| one.is_some());
        if u8::from(has_keys) + u8::from(has_thumbprints) + u8::from(self.x509_ca) > 1 {
            let why = "it can have keys, or thumbprints, or x509_ca; a hub takes one of them";
            return Err(wrong(&self.at, why));
        }
        if self.x509_ca {
            return Ok(Authentication::CertificateAuthority);
        }
        let [primary, secondary] = self.thumbprints;
        if has_thumbprints {
            let read = |which, text: &Option<String>| {
                let read = text.as_deref().map(thumbprint).transpose();
                read.map_err(|why| wrong(&self.at, format!("{which}_thumbprint: {why}")))
            };
            return Ok(Authentication::SelfSigned {
                primary: read("primary", primary)?,
                secondary: read("secondary", secondary)?,
            });
        }
        let (old_primary, old_secondary) = match old {
            Some(Authentication::Sas { primary, secondary }) => (Some(primary), Some(secondary)),
            _ => (None, None),
        };
        let [primary, secondary] = self.keys;
        let key = |given: &Option<Key>, old: Option<&Key>| {
            let given = given.as_ref().or(old);
            given.cloned().unwrap_or_else(Key::random)
        };
        Ok(Authentication::Sas {
            primary: key(primary, old_primary),
            secondary: key(secondary, old_secondary),
        })
    }

    /// What is remembered of the declaration of its twin.
    fn twin(&self) -> Json {
        json!({ "tags": self.tags, "properties": { "desired": self.desired } })
    }
}

/// The certificates in a PEM file.
fn certificates(host: &str, path: &Path) -> Result<Vec<X509>, Error> {
    let pem = std::fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let at = format!("{host}: device_cas: {}", path.display());
    match X509::stack_from_pem(&pem) {
        Ok(stack) if !stack.is_empty() => Ok(stack),
        Ok(_) => Err(wrong(&at, "there is no certificate in PEM in it")),
        Err(error) => Err(wrong(&at, error)),
    }
}

/// The records of this host in a table, by name.
fn named<T: DeserializeOwned>(
    store: &Store,
    table: Table,
    host: &str,
) -> Result<BTreeMap<Name, T>, Error> {
    let read = |(key, value): (String, T)| {
        let mut parts = key.split('\u{1f}');
        let (of, device, module) = (parts.next()?, parts.next()?, parts.next()?);
        let module = (!module.is_empty()).then(|| module.to_owned());
        let device = device.to_owned();
        (of == host).then_some((Name { device, module }, value))
    };
    Ok(store
        .load::<T>(table)?
        .into_iter()
        .filter_map(read)
        .collect())
}

/// Everything about the hub's devices that the store has.
fn entries(store: &Store, host: &str) -> Result<BTreeMap<Name, Entry>, Error> {
    let mut twins = named::<Twin>(store, Table::Twin, host)?;
    let mut inboxes = named::<Inbox>(store, Table::Inbox, host)?;
    let mut sessions = named::<Session>(store, Table::Session, host)?;
    let identities = named::<Identity>(store, Table::Identity, host)?;
    let entry = |(name, identity): (Name, Identity)| {
        let entry = Entry {
            identity,
            twin: twins.remove(&name).unwrap_or_default(),
            inbox: inboxes.remove(&name).unwrap_or_default(),
            session: sessions.remove(&name).unwrap_or_default(),
            live: None,
        };
        (name, entry)
    };
    Ok(identities.into_iter().map(entry).collect())
}

impl Hub {
    /// Reads the hub's state from the store and adds what the config declares.
    pub(crate) fn open(config: &config::Hub, pki: &Pki, means: &Means) -> Result<Self, Error> {
        Self::with_ca(config, pki.device_ca(), means)
    }

    /// The same, with the CA of the lab's own devices.
    pub(super) fn with_ca(config: &config::Hub, own: &X509, means: &Means) -> Result<Self, Error> {
        let host = config.host.to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
            return Err(wrong(
                "hub",
                format!("host: {:?} is no host name", config.host),
            ));
        }
        let store = &means.store;
        let mut cas = vec![own.clone()];
        for path in config
            .device_cas
            .iter()
            .filter(|path| !config::is_lab_ca(path))
        {
            cas.extend(certificates(&host, path)?);
        }
        let meta = store.load::<Json>(Table::Meta)?;
        let mut state = State {
            entries: entries(store, &host)?,
            ..State::default()
        };
        state.devicebound.load(&host, &meta);
        let meta: HashMap<_, _> = meta.into_iter().collect();
        let mark = meta.get(&telemetry::mark_key(&host)).and_then(Json::as_u64);
        let hub = Self {
            policies: policies(&host, &config.policies, STANDARD, store)?,
            telemetry: Telemetry::open(
                &host,
                config.limits.telemetry_kept,
                mark,
                store,
                means.clock.now(),
            )?,
            throttles: Throttles::default(),
            limits: config.limits.clone(),
            behaviour: config.behaviour.clone(),
            cas,
            means: means.clone(),
            refusals: AtomicU32::new(0),
            state: Mutex::new(state),
            host,
        };
        let declared = Declared::all(config)?;
        hub.forget_undeclared(&declared);
        for one in &declared {
            hub.declare(one, &meta)?;
        }
        let names: Vec<_> = hub.lock().entries.keys().cloned().collect();
        for name in &names {
            hub.schedule(&mut hub.lock(), name);
        }
        Ok(hub)
    }

    /// Deletes what an earlier config declared and this one does not, and modules whose device is gone.
    fn forget_undeclared(&self, declared: &[Declared<'_>]) {
        let declared: BTreeSet<_> = declared.iter().map(|one| &one.name).collect();
        let mut state = self.lock();
        let entries = &mut state.entries;
        let undeclared = |name: &Name, entry: &Entry| {
            entry.identity.origin == Origin::Config && !declared.contains(name)
        };
        let mut gone: BTreeSet<_> = entries
            .iter()
            .filter(|(name, entry)| undeclared(name, entry))
            .map(|(name, _)| name.clone())
            .collect();
        let orphans = entries.keys().filter(|name| {
            let device = Name::device(&name.device);
            name.module.is_some()
                && !declared.contains(name)
                && (gone.contains(&device) || !entries.contains_key(&device))
        });
        let orphans: Vec<_> = orphans.cloned().collect();
        gone.extend(orphans);
        let mut batch = Batch::default();
        for name in gone {
            entries.remove(&name);
            name.forget(&self.host, &mut batch);
            batch.delete(Table::Meta, self.declaration_key(&name));
        }
        // The next start would find the same.
        drop(self.means.store.write(batch));
    }

    /// Makes a device or module what the config says.
    fn declare(&self, one: &Declared<'_>, meta: &HashMap<String, Json>) -> Result<(), Error> {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let key = one.name.key(&self.host);
        let mut state = self.lock();
        let old = state.entries.get(&one.name).map(|entry| &entry.identity);
        let authentication = one.authentication(old.map(|old| &old.authentication))?;
        let mut identity = match old {
            Some(old) => old.clone(),
            None => Identity::new(authentication.clone(), Origin::Config, now),
        };
        if identity.authentication != authentication
            || identity.enabled != one.enabled
            || identity.edge != one.edge
        {
            identity.etag = identity.etag.saturating_add(1);
        }
        if identity.enabled != one.enabled {
            identity.status_updated = now;
        }
        identity.authentication = authentication;
        identity.enabled = one.enabled;
        identity.edge = one.edge;
        identity.origin = Origin::Config;
        batch.put(Table::Identity, key.clone(), &identity);
        // In one batch: a declaration that is remembered was applied.
        let declaration = self.declaration_key(&one.name);
        let same = meta.get(&declaration) == Some(&one.twin());
        batch.put(Table::Meta, declaration, &one.twin());
        match state.entries.get_mut(&one.name) {
            Some(entry) => {
                entry.identity = identity;
                if !same {
                    let declared = entry
                        .twin
                        .declare(&one.tags, one.desired, &self.limits, now);
                    declared.map_err(|twin| wrong(&one.at, twin.why))?;
                    batch.put(Table::Twin, key, &entry.twin);
                }
            }
            None => {
                let twin = Twin::declared(&one.tags, one.desired, &self.limits, now)
                    .map_err(|twin| wrong(&one.at, twin.why))?;
                batch.put(Table::Twin, key, &twin);
                let entry = Entry {
                    identity,
                    twin,
                    inbox: Inbox::default(),
                    session: Session::default(),
                    live: None,
                };
                state.entries.insert(one.name.clone(), entry);
            }
        }
        // The next start would do the same.
        drop(self.means.store.write(batch));
        Ok(())
    }

    fn declaration_key(&self, name: &Name) -> String {
        store::key(&["declared", &name.key(&self.host)])
    }
}
