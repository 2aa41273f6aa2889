//! A twin: tags, desired and reported properties with versions and metadata.
//!
//! Takes in patches from the device (reported) and the service (tags, desired); gives out the device's and the
//! service's view, and for a connected device the change of its desired properties. Rules and sizes are those of the
//! documents on device twins.

mod section;
mod view;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

pub(crate) use self::section::Section;
use self::section::{Bounds, merge};
use super::{Down, Entry, Hub, Name, State, identity::seed, live::Sender, session::Feature};
use crate::{
    clock::Time,
    config::Limits,
    connection::Connection,
    log::{Code, Record},
    store::{Batch, Durable, Table},
};

/// A device's or module's twin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Twin {
    pub(crate) tags: Map<String, Json>,
    pub(crate) desired: Section,
    pub(crate) reported: Section,
    /// Grows with each change of anything.
    pub(crate) version: u64,
    /// Grows with each change by the service; the device's reports leave it.
    pub(crate) etag: u64,
}

/// Why a twin is not changed, or not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The status for the device or the caller: 400, 404, 409, 412, 413.
    pub(crate) status: u16,
    pub(crate) code: Code,
    /// What is wrong, with the path in the document.
    pub(crate) why: String,
}

impl Wrong {
    fn invalid(why: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: Code::ArgumentInvalid,
            why: why.into(),
        }
    }

    fn large(why: impl Into<String>) -> Self {
        Self {
            status: 413,
            code: Code::TooLarge,
            why: why.into(),
        }
    }

    fn absent(name: &Name) -> Self {
        Self {
            status: 404,
            code: Code::DeviceNotFound,
            why: format!("there is no device or module \"{name}\""),
        }
    }

    fn stolen(name: &Name) -> Self {
        Self {
            status: 409,
            code: Code::LinkStolen,
            why: format!("{name} has another connection by now"),
        }
    }
}

/// What a device gets for a request about its twin. It may be sent when `durable` is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The new version of the reported properties.
    pub(crate) version: Option<u64>,
    pub(crate) body: Bytes,
    pub(crate) durable: Durable,
}

impl Answer {
    /// A refusal in the form of the hub: code, tracking id, message.
    pub(crate) fn refused(status: u16, code: Code, why: &str, now: Time) -> Self {
        let body = json!({
            "errorCode": code.number(),
            "trackingId": format!("lab-{:x}", now.as_millis()),
            "message": why,
            "timestampUtc": now.rfc3339(),
        });
        Self {
            status,
            version: None,
            body: Bytes::from(body.to_string()),
            durable: Durable::DONE,
        }
    }
}

/// What a change of the desired properties means for the device: the patch it is sent.
struct Change {
    patch: Option<Map<String, Json>>,
}

impl Twin {
    /// A new twin with what the config or an enrolment declares.
    pub(crate) fn declared(
        tags: &Map<String, Json>,
        desired: &Map<String, Json>,
        limits: &Limits,
        now: Time,
    ) -> Result<Self, Wrong> {
        let mut twin = Self {
            version: 1,
            etag: seed(),
            ..Self::default()
        };
        twin.desired = Section::new(now);
        twin.reported = Section::new(now);
        twin.declare(tags, desired, limits, now)?;
        Ok(twin)
    }

    /// Applies what is declared as a patch. Nothing changes on an error.
    pub(super) fn declare(
        &mut self,
        tags: &Map<String, Json>,
        desired: &Map<String, Json>,
        limits: &Limits,
        now: Time,
    ) -> Result<(), Wrong> {
        if tags.is_empty() && desired.is_empty() {
            return Ok(());
        }
        let change = json!({ "tags": tags, "properties": { "desired": desired } });
        let change = change.as_object().cloned().unwrap_or_default();
        self.serve(&change, false, limits, now).map(|_| ())
    }

    /// A patch of the reported properties by the device; gives their new version.
    fn report(
        &mut self,
        patch: &Map<String, Json>,
        limits: &Limits,
        now: Time,
    ) -> Result<u64, Wrong> {
        self.reported
            .patch(patch, &Bounds::properties("reported", limits), now)?;
        self.version += 1;
        Ok(self.reported.version)
    }

    /// A patch by the service, or with `replace` the whole of tags and desired properties. Nothing changes on an error.
    fn serve(
        &mut self,
        change: &Map<String, Json>,
        replace: bool,
        limits: &Limits,
        now: Time,
    ) -> Result<Change, Wrong> {
        let mut next = self.clone();
        if let Some(tags) = change.get("tags") {
            let tags = object(tags, "tags")?;
            if replace {
                next.tags.clear();
            }
            let bounds = Bounds::tags(limits);
            bounds.check_names(tags)?;
            merge(&mut next.tags, tags);
            bounds.check_size(&next.tags)?;
        }
        let properties = change
            .get("properties")
            .map(|all| object(all, "properties"))
            .transpose()?;
        let desired = properties.and_then(|all| all.get("desired"));
        let mut patch = None;
        if let Some(desired) = desired {
            let desired = object(desired, "properties.desired")?;
            let bounds = Bounds::properties("desired", limits);
            patch = Some(if replace {
                next.desired.replace(desired, &bounds, now)?
            } else {
                next.desired.patch(desired, &bounds, now)?
            });
        }
        next.version += 1;
        next.etag += 1;
        *self = next;
        Ok(Change { patch })
    }
}

fn object<'a>(value: &'a Json, at: &str) -> Result<&'a Map<String, Json>, Wrong> {
    value
        .as_object()
        .ok_or_else(|| Wrong::invalid(format!("{at} has to be an object")))
}

impl Hub {
    /// The device asks for its twin over its live connection.
    pub(crate) fn twin_get(&self, name: &Name, connection: &Connection) -> Answer {
        let mut state = self.lock();
        match state.twin_of(name, connection) {
            Ok(twin) => Answer {
                status: 200,
                version: None,
                body: Bytes::from(twin.for_device().to_string()),
                // The versions in it become nothing else's after a crash.
                durable: self.means.store.so_far(),
            },
            Err(wrong) => {
                Answer::refused(wrong.status, wrong.code, &wrong.why, self.means.clock.now())
            }
        }
    }

    /// The device patches its reported properties over its live connection.
    pub(crate) fn report(&self, name: &Name, connection: &Connection, body: &[u8]) -> Answer {
        let now = self.means.clock.now();
        match self.reported(name, connection, body, now) {
            Ok((version, durable)) => {
                let text = format!("reported properties are at version {version}");
                self.means.tell(self.record(Code::TwinChanged, text, name));
                Answer {
                    status: 204,
                    version: Some(version),
                    body: Bytes::new(),
                    durable,
                }
            }
            Err(wrong) => {
                let text = format!("reported properties were refused: {}", wrong.why);
                let mut record = self.record(wrong.code, text, name);
                record.level = crate::log::Level::Warn;
                self.means.tell(record);
                Answer::refused(wrong.status, wrong.code, &wrong.why, now)
            }
        }
    }

    fn reported(
        &self,
        name: &Name,
        connection: &Connection,
        body: &[u8],
        now: Time,
    ) -> Result<(u64, Durable), Wrong> {
        let patch: Json = serde_json::from_slice(body)
            .map_err(|error| Wrong::invalid(format!("this is no JSON: {error}")))?;
        let patch = object(&patch, "the patch")?;
        let mut state = self.lock();
        let twin = state.twin_of(name, connection)?;
        let version = twin.report(patch, &self.limits, now)?;
        Ok((version, self.save_twin(name, twin, None)))
    }

    /// The twin as the service sees it.
    pub(crate) fn twin_json(&self, name: &Name) -> Option<Json> {
        self.lock()
            .entries
            .get(name)
            .map(|entry| entry.twin_for_service(name))
    }

    /// The service patches the twin, or replaces tags and desired properties. `if_match` is an etag, with or without
    /// quotes, or `*`. A device that listens is sent the change of its desired properties when it is on the disk: what
    /// it knows under a version is never something else after a crash.
    ///
    /// # Errors
    /// 400, 404, 412 or 413; then nothing has changed.
    pub(crate) fn patch_twin(
        &self,
        name: &Name,
        change: &Json,
        if_match: Option<&str>,
        replace: bool,
    ) -> Result<(Json, Durable), Wrong> {
        let now = self.means.clock.now();
        let change = object(change, "the twin")?;
        let mut state = self.lock();
        let State { entries, .. } = &mut *state;
        let entry = entries.get_mut(name).ok_or_else(|| Wrong::absent(name))?;
        let etag = view::etag(entry.twin.etag);
        let wanted = if_match.map(|wanted| wanted.trim_matches('"'));
        if wanted.is_some_and(|wanted| wanted != "*" && wanted != etag) {
            let why = format!("the etag is {etag:?} by now");
            return Err(Wrong {
                status: 412,
                code: Code::PreconditionFailed,
                why,
            });
        }
        let done = entry.twin.serve(change, replace, &self.limits, now)?;
        let push = done.patch.and_then(|patch| entry.desired_change(patch));
        let durable = self.save_twin(name, &entry.twin, push);
        let version = entry.twin.desired.version;
        let view = entry.twin_for_service(name);
        drop(state);
        let text =
            format!("the service changed the twin; desired properties are at version {version}");
        self.means.tell(self.record(Code::TwinChanged, text, name));
        Ok((view, durable))
    }

    /// Writes the twin; `push` is handed over when it is written, in the order of the versions. A connection that is too
    /// slow to take it misses it, as a device that is away does: it finds the whole when it asks.
    fn save_twin(&self, name: &Name, twin: &Twin, push: Option<(Sender, Down)>) -> Durable {
        let mut batch = Batch::default();
        batch.put(Table::Twin, name.key(&self.host), twin);
        self.means.store.write_then(batch, move || {
            if let Some((to, down)) = push {
                let _ = to.try_send(down);
            }
        })
    }

    /// A record about one of the hub's devices.
    fn record(&self, code: Code, text: String, name: &Name) -> Record {
        Record::info(code, text)
            .host(&self.host)
            .device(name.to_string())
    }
}

impl State {
    /// The twin of a device or module that asks over this connection.
    fn twin_of(&mut self, name: &Name, connection: &Connection) -> Result<&mut Twin, Wrong> {
        match self.entries.get_mut(name) {
            Some(entry) if entry.is_live(connection) => Ok(&mut entry.twin),
            Some(_) => Err(Wrong::stolen(name)),
            None => Err(Wrong::absent(name)),
        }
    }
}

impl Entry {
    /// What the device is sent about a change of its desired properties, if it listens.
    fn desired_change(&self, mut patch: Map<String, Json>) -> Option<(Sender, Down)> {
        let live = self.live.as_ref()?;
        let &qos = self.session.subscriptions.get(&Feature::DesiredChanges)?;
        let version = self.twin.desired.version;
        patch.insert("$version".into(), version.into());
        let down = Down::Publish {
            topic: format!("$iothub/twin/PATCH/properties/desired/?$version={version}"),
            payload: Bytes::from(Json::Object(patch).to_string()),
            qos,
            settles: None,
            redelivered: false,
        };
        Some((live.down.clone(), down))
    }
}

#[cfg(test)]
mod tests;
