//! The registry: identities made, changed and deleted by the service, in the form of its REST API.
//!
//! Takes in what a caller wants a device or module to be; gives out the identity as JSON with what has to be on the
//! disk before the caller is told. Who is deleted or disabled is disconnected; who only has other keys stays until its
//! token runs out, because a key is looked at in CONNECT only.

use serde_json::{Value as Json, json};

use super::{
    Authentication, Down, Entry, Hub, Identity, Inbox, Name, Session, State, Twin,
    identity::thumbprint,
};
use crate::{
    key::Key,
    log::{Code, Record},
    store::{Batch, Durable, Table},
};

use super::identity::NEVER;
pub(crate) use super::identity::Origin;

/// Characters of an id, besides letters and digits.
const ID_MARKS: &str = "-.%_*?!(),:=@$'";

/// Devices and modules of a hub, as many as the real one has devices.
const ENTRIES: usize = 1_000_000;

/// Modules of a device.
const MODULES: usize = 50;

/// What a caller wants an identity to be. What is left out is made, or stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) authentication: Option<Proof>,
    pub(crate) enabled: Option<bool>,
    pub(crate) status_reason: Option<String>,
    pub(crate) edge: Option<bool>,
    pub(crate) managed_by: Option<String>,
}

/// How an identity is to prove itself; a key that is left out is made or stays.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Sas {
        primary: Option<Key>,
        secondary: Option<Key>,
    },
    SelfSigned {
        primary: Option<String>,
        secondary: Option<String>,
    },
    CertificateAuthority,
}

/// Why the registry did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) why: String,
}

impl Refused {
    pub(crate) fn new(code: Code, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }

    fn absent(name: &Name) -> Self {
        Self::new(
            Code::DeviceNotFound,
            format!("there is no device or module {name}"),
        )
    }
}

/// How many devices there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) enabled: usize,
    pub(crate) disabled: usize,
    pub(crate) connected: usize,
}

/// Whether an id can be that of a device or module.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > 128 {
        return Err(format!("an id has 1 to 128 characters, not {}", id.len()));
    }
    let fits = |c: &char| c.is_ascii_alphanumeric() || ID_MARKS.contains(*c);
    match id.chars().find(|c| !fits(c)) {
        Some(c) => Err(format!(
            "an id has letters, digits and {ID_MARKS} only, not {c:?}"
        )),
        None => Ok(()),
    }
}

impl Wanted {
    /// Reads the JSON of an identity as a caller sends it. What only the service says, such as times, is ignored.
    pub(crate) fn read(json: &Json) -> Result<Self, Refused> {
        let wrong = |why: String| Refused::new(Code::ArgumentInvalid, why);
        let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        let enabled = match json.get("status") {
            None | Some(Json::Null) => None,
            Some(Json::String(status)) if status.eq_ignore_ascii_case("enabled") => Some(true),
            Some(Json::String(status)) if status.eq_ignore_ascii_case("disabled") => Some(false),
            Some(other) => {
                return Err(wrong(format!(
                    "status: {other} is neither \"enabled\" nor \"disabled\""
                )));
            }
        };
        let status_reason = text("statusReason");
        if status_reason
            .as_ref()
            .is_some_and(|reason| reason.len() > 128)
        {
            return Err(wrong("statusReason: more than 128 characters".into()));
        }
        let managed_by = text("managedBy");
        if managed_by.as_ref().is_some_and(|by| by.len() > 128) {
            return Err(wrong("managedBy: more than 128 characters".into()));
        }
        let authentication = json.get("authentication").filter(|it| !it.is_null());
        Ok(Self {
            authentication: authentication
                .map(Proof::read)
                .transpose()
                .map_err(wrong)?
                .flatten(),
            enabled,
            status_reason,
            edge: json
                .pointer("/capabilities/iotEdge")
                .and_then(Json::as_bool),
            managed_by,
        })
    }
}

impl Proof {
    fn read(json: &Json) -> Result<Option<Self>, String> {
        let text = |which: &str| {
            let value = json
                .pointer(&format!("/x509Thumbprint/{which}"))?
                .as_str()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let (first, second) = (text("primaryThumbprint"), text("secondaryThumbprint"));
        let kind = match json.get("type").and_then(Json::as_str) {
            Some(kind) => kind,
            None if first.is_some() || second.is_some() => "selfSigned",
            None => "sas",
        };
        if kind.eq_ignore_ascii_case("sas") {
            return Ok(Some(Self::Sas {
                primary: key(json, "primaryKey")?,
                secondary: key(json, "secondaryKey")?,
            }));
        }
        if kind.eq_ignore_ascii_case("selfSigned") {
            if first.is_none() && second.is_none() {
                return Err("authentication.x509Thumbprint: type selfSigned needs one".into());
            }
            let read = |text: Option<String>| {
                let read = text.as_deref().map(thumbprint).transpose();
                read.map_err(|why| format!("authentication.x509Thumbprint: {why}"))
            };
            return Ok(Some(Self::SelfSigned {
                primary: read(first)?,
                secondary: read(second)?,
            }));
        }
        if kind.eq_ignore_ascii_case("certificateAuthority") {
            return Ok(Some(Self::CertificateAuthority));
        }
        // A module of the edge runtime has none of its own; it gets keys here, as a module without a type does.
        if kind.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        Err(format!(
            "authentication.type: {kind:?} is none of sas, selfSigned, certificateAuthority, none"
        ))
    }

    /// The authentication, with keys kept from `old` or made where none are given.
    fn complete(self, old: Option<&Authentication>) -> Authentication {
        match self {
            Self::CertificateAuthority => Authentication::CertificateAuthority,
            Self::SelfSigned { primary, secondary } => {
                Authentication::SelfSigned { primary, secondary }
            }
            Self::Sas { primary, secondary } => {
                let (old_primary, old_secondary) = match old {
                    Some(Authentication::Sas { primary, secondary }) => {
                        (Some(primary.clone()), Some(secondary.clone()))
                    }
                    _ => (None, None),
                };
                Authentication::Sas {
                    primary: primary.or(old_primary).unwrap_or_else(Key::random),
                    secondary: secondary.or(old_secondary).unwrap_or_else(Key::random),
                }
            }
        }
    }
}

/// A key of `authentication.symmetricKey`. The text is never in the error.
fn key(json: &Json, which: &str) -> Result<Option<Key>, String> {
    let text = json.pointer(&format!("/symmetricKey/{which}"));
    let text = text.and_then(Json::as_str).filter(|text| !text.is_empty());
    let read = |text: &str| {
        let key = Key::from_base64(text);
        let fits =
            key.filter(|_| (16..=64).contains(&(text.trim().trim_end_matches('=').len() * 3 / 4)));
        fits.ok_or_else(|| {
            format!("authentication.symmetricKey.{which}: not the base64 of 16 to 64 bytes")
        })
    };
    text.map(read).transpose()
}

impl Hub {
    /// Makes a device, or a module of a device that is there.
    pub(crate) fn create(
        &self,
        name: &Name,
        wanted: Wanted,
        origin: Origin,
    ) -> Result<(Json, Durable), Refused> {
        for id in std::iter::once(&name.device).chain(&name.module) {
            check_id(id)
                .map_err(|why| Refused::new(Code::ArgumentInvalid, format!("{id:?}: {why}")))?;
        }
        let now = self.means.clock.now();
        let none = serde_json::Map::new();
        let twin = Twin::declared(&none, &none, &self.limits, now)
            .map_err(|wrong| Refused::new(wrong.code, wrong.why))?;
        let mut state = self.lock();
        if state.entries.contains_key(name) {
            let why = format!("there is a {} {name} already", kind(name));
            return Err(Refused::new(Code::DeviceExists, why));
        }
        if state.entries.len() >= ENTRIES {
            let why = format!("there are {ENTRIES} devices and modules already");
            return Err(Refused::new(Code::QuotaExceeded, why));
        }
        if name.module.is_some() {
            if !state.entries.contains_key(&Name::device(&name.device)) {
                return Err(Refused::absent(&Name::device(&name.device)));
            }
            if state.family(&name.device).len() > MODULES {
                let why = format!("{} has {MODULES} modules already", name.device);
                return Err(Refused::new(Code::QuotaExceeded, why));
            }
        }
        let proof = wanted.authentication.unwrap_or(Proof::Sas {
            primary: None,
            secondary: None,
        });
        let mut identity = Identity::new(proof.complete(None), origin, now);
        identity.enabled = wanted.enabled.unwrap_or(true);
        identity.status_reason = wanted.status_reason;
        identity.edge = wanted.edge.unwrap_or(false);
        identity.managed_by = wanted.managed_by;
        let entry = Entry {
            identity,
            twin,
            inbox: Inbox::default(),
            session: Session::default(),
            live: None,
        };
        let json = entry.identity_json(name);
        let mut batch = Batch::default();
        batch.put(Table::Identity, name.key(&self.host), &entry.identity);
        batch.put(Table::Twin, name.key(&self.host), &entry.twin);
        state.entries.insert(name.clone(), entry);
        let durable = self.means.store.write(batch);
        drop(state);
        self.told(name, format!("{} {name} was created", kind(name)));
        Ok((json, durable))
    }

    /// Changes a device or module that is there and has this etag; `None`: whatever it has.
    pub(crate) fn update(
        &self,
        name: &Name,
        wanted: Wanted,
        etag: Option<&str>,
    ) -> Result<(Json, Durable), Refused> {
        let now = self.means.clock.now();
        let mut state = self.lock();
        let entry = state
            .entries
            .get_mut(name)
            .ok_or_else(|| Refused::absent(name))?;
        entry.matches(name, etag)?;
        let identity = &mut entry.identity;
        if let Some(proof) = wanted.authentication {
            identity.authentication = proof.complete(Some(&identity.authentication));
        }
        let enabled = wanted.enabled.unwrap_or(identity.enabled);
        if enabled != identity.enabled {
            identity.enabled = enabled;
            identity.status_updated = now;
        }
        // A PUT says it all: a reason that is not there any more is gone.
        identity.status_reason = wanted.status_reason;
        identity.edge = wanted.edge.unwrap_or(identity.edge);
        if wanted.managed_by.is_some() {
            identity.managed_by = wanted.managed_by;
        }
        identity.etag = identity.etag.saturating_add(1);
        let mut batch = Batch::default();
        batch.put(Table::Identity, name.key(&self.host), &entry.identity);
        if !enabled {
            let why = format!("{name} was disabled");
            self.cut(&mut state, name, Code::DeviceDisabled, &why, &mut batch);
        }
        let entry = state.entries.get(name);
        let json = entry.map_or(Json::Null, |entry| entry.identity_json(name));
        let durable = self.means.store.write(batch);
        drop(state);
        let status = if enabled { "enabled" } else { "disabled" };
        self.told(
            name,
            format!("{} {name} was changed; it is {status}", kind(name)),
        );
        Ok((json, durable))
    }

    /// Deletes a device with its modules, or a module.
    pub(crate) fn remove(&self, name: &Name, etag: Option<&str>) -> Result<Durable, Refused> {
        let mut state = self.lock();
        let entry = state
            .entries
            .get(name)
            .ok_or_else(|| Refused::absent(name))?;
        entry.matches(name, etag)?;
        let mut batch = Batch::default();
        let why = format!("{name} was deleted");
        let gone = self.cut(&mut state, name, Code::DeviceNotFound, &why, &mut batch);
        for name in &gone {
            state.entries.remove(name);
            name.forget(&self.host, &mut batch);
        }
        let durable = self.means.store.write(batch);
        drop(state);
        for name in &gone {
            self.told(name, format!("{} {name} was deleted", kind(name)));
        }
        Ok(durable)
    }

    /// Ends the connections of a module, or of a device and its modules, which have no way in without it. Gives whom
    /// that concerns.
    pub(super) fn cut(
        &self,
        state: &mut State,
        name: &Name,
        code: Code,
        why: &str,
        batch: &mut Batch,
    ) -> Vec<Name> {
        let now = self.means.clock.now();
        let all = match &name.module {
            Some(_) => vec![name.clone()],
            None => state.family(&name.device),
        };
        for name in &all {
            let Some(entry) = state.entries.get_mut(name) else {
                continue;
            };
            let Some(live) = entry.part(now) else {
                continue;
            };
            // A connection that has too much waiting to take the word ends because its sender is gone.
            live.send(Down::Close {
                code,
                why: why.to_owned(),
            });
            batch.put(Table::Identity, name.key(&self.host), &entry.identity);
            state.lose_methods(name);
            self.schedule(state, name);
        }
        all
    }

    /// The hub ends the connection of a device or module; `false` if it has none.
    pub(crate) fn disconnect(&self, name: &Name, code: Code, why: &str) -> bool {
        let state = self.lock();
        let live = state
            .entries
            .get(name)
            .and_then(|entry| entry.live.as_ref());
        live.is_some_and(|live| {
            live.send(Down::Close {
                code,
                why: why.to_owned(),
            })
        })
    }

    /// The identity as the REST API has it, keys included.
    pub(crate) fn identity_json(&self, name: &Name) -> Option<Json> {
        let state = self.lock();
        Some(state.entries.get(name)?.identity_json(name))
    }

    /// What a device or module of the official SDKs is configured with, its primary key included.
    pub(crate) fn connection_string(&self, name: &Name) -> Option<String> {
        let state = self.lock();
        let entry = state.entries.get(name)?;
        let proof = match &entry.identity.authentication {
            Authentication::Sas { primary, .. } => {
                format!("SharedAccessKey={}", primary.to_base64())
            }
            _ => "x509=true".to_owned(),
        };
        let module = name.module.as_ref();
        let module = module.map(|module| format!(";ModuleId={module}"));
        let (host, device) = (&self.host, &name.device);
        let module = module.unwrap_or_default();
        Some(format!("HostName={host};DeviceId={device}{module};{proof}"))
    }

    /// Up to `top` devices, or modules, in the order of their names behind `after`.
    pub(crate) fn entries<T>(
        &self,
        after: Option<&Name>,
        modules: bool,
        top: usize,
        mut view: impl FnMut(&Name, &Entry) -> T,
    ) -> Vec<T> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.lock();
        let from = after.map_or(Unbounded, Excluded);
        let all = state.entries.range((from, Unbounded));
        all.filter(|(name, _)| name.module.is_some() == modules)
            .take(top)
            .map(|(name, entry)| view(name, entry))
            .collect()
    }

    /// The modules of a device; `None` if there is no such device.
    pub(crate) fn modules<T>(
        &self,
        device: &str,
        mut view: impl FnMut(&Name, &Entry) -> T,
    ) -> Option<Vec<T>> {
        let state = self.lock();
        let family = state.family(device);
        family.iter().find(|name| name.module.is_none())?;
        let modules = family.iter().filter(|name| name.module.is_some());
        Some(
            modules
                .filter_map(|name| Some(view(name, state.entries.get(name)?)))
                .collect(),
        )
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        let devices = state
            .entries
            .iter()
            .filter(|(name, _)| name.module.is_none());
        devices.fold(Counts::default(), |mut counts, (_, entry)| {
            if entry.identity.enabled {
                counts.enabled += 1;
            } else {
                counts.disabled += 1;
            }
            counts.connected += usize::from(entry.live.is_some());
            counts
        })
    }

    fn told(&self, name: &Name, text: String) {
        self.means.tell(
            Record::info(Code::Registry, text)
                .host(&self.host)
                .device(name.to_string()),
        );
    }
}

impl Entry {
    fn matches(&self, name: &Name, etag: Option<&str>) -> Result<(), Refused> {
        let Some(wanted) = etag.map(|etag| etag.trim().trim_matches('"')) else {
            return Ok(());
        };
        let have = self.identity.etag_text();
        if wanted == "*" || wanted == have {
            return Ok(());
        }
        let why = format!("the etag of {name} is {have:?} by now, not {wanted:?}");
        Err(Refused::new(Code::PreconditionFailed, why))
    }

    /// The identity as the REST API has it, keys included.
    pub(crate) fn identity_json(&self, name: &Name) -> Json {
        let identity = &self.identity;
        let mut json = json!({
            "deviceId": name.device,
            "generationId": identity.generation,
            "etag": identity.etag_text(),
            "connectionState": if self.live.is_some() { "Connected" } else { "Disconnected" },
            "connectionStateUpdatedTime": time(identity.connection_state_updated),
            "lastActivityTime": time(identity.last_activity),
            "cloudToDeviceMessageCount": self.inbox.len(),
            "authentication": authentication(&identity.authentication),
        });
        let more = match &name.module {
            Some(module) => json!({ "moduleId": module, "managedBy": identity.managed_by }),
            None => json!({
                "status": if identity.enabled { "enabled" } else { "disabled" },
                "statusReason": identity.status_reason,
                "statusUpdatedTime": time(identity.status_updated),
                "capabilities": { "iotEdge": identity.edge },
            }),
        };
        if let (Some(all), Json::Object(more)) = (json.as_object_mut(), more) {
            all.extend(more);
        }
        json
    }
}

fn kind(name: &Name) -> &'static str {
    match name.module {
        Some(_) => "module",
        None => "device",
    }
}

/// As the registry writes times; never has no fraction.
fn time(time: crate::clock::Time) -> String {
    if time == NEVER {
        return "0001-01-01T00:00:00Z".into();
    }
    time.rfc3339()
}

fn authentication(authentication: &Authentication) -> Json {
    let (kind, keys, thumbprints) = match authentication {
        Authentication::Sas { primary, secondary } => (
            "sas",
            (Some(primary.to_base64()), Some(secondary.to_base64())),
            (None, None),
        ),
        Authentication::SelfSigned { primary, secondary } => (
            "selfSigned",
            (None, None),
            (primary.clone(), secondary.clone()),
        ),
        Authentication::CertificateAuthority => {
            ("certificateAuthority", (None, None), (None, None))
        }
    };
    json!({
        "symmetricKey": { "primaryKey": keys.0, "secondaryKey": keys.1 },
        "x509Thumbprint": { "primaryThumbprint": thumbprints.0, "secondaryThumbprint": thumbprints.1 },
        "type": kind,
    })
}
