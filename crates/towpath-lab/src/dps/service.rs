//! What the service API does: enrolments made, changed, deleted and listed; registrations looked at and deleted.
//!
//! Takes in and gives out the JSON of the service's REST API. A change is told to the caller when its [`Durable`] is
//! done.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{
    Dps, Kind, State, check_id,
    enrollment::Enrollment,
    open,
    registration::{Registration, is_etag},
};
use crate::{
    log::{Code, Record},
    store::{Batch, Durable, Table},
};

/// How many enrolments of a kind there can be.
const ENROLLMENTS: usize = 100_000;

/// How many are in a bulk request, as in the real service.
const BULK: usize = 10;

/// Why the service did not do what its API was asked for. The status is the first three digits of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: Code,
    pub(crate) why: String,
}

impl Wrong {
    fn new(code: Code, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}

impl Dps {
    /// An enrolment, without keys; `None` if there is none.
    pub(crate) fn enrollment_json(&self, kind: Kind, id: &str) -> Option<Json> {
        let state = self.lock();
        let enrollment = state.enrollments(kind).get(&id.to_ascii_lowercase())?;
        let found = with_registration(&state, enrollment);
        drop(state);
        Some(shown(&found))
    }

    /// An enrolment's attestation with its keys.
    pub(crate) fn attestation_json(&self, kind: Kind, id: &str) -> Option<Json> {
        let state = self.lock();
        let enrollment = state.enrollments(kind).get(&id.to_ascii_lowercase())?;
        Some(enrollment.attestation.json(true))
    }

    /// Enrolments in the order of their ids, behind `after` (an id as [`next`](Self::enrollments) gave it), with what
    /// comes next.
    pub(crate) fn enrollments(
        &self,
        kind: Kind,
        after: Option<&str>,
        top: usize,
    ) -> (Vec<Json>, Option<String>) {
        let state = self.lock();
        let all = state.enrollments(kind).iter();
        let (all, next) = page(all, after, top, |one| with_registration(&state, one));
        drop(state);
        (all.iter().map(shown).collect(), next)
    }

    /// Makes an enrolment, or changes the one that has this etag; without an etag what is there is replaced. The second
    /// value is whether it is new.
    pub(crate) fn put_enrollment(
        &self,
        kind: Kind,
        id: &str,
        body: &Json,
        if_match: Option<&str>,
    ) -> Result<(Json, bool, Durable), Wrong> {
        let invalid = |why: String| Wrong::new(Code::ArgumentInvalid, why);
        check_id(id).map_err(&invalid)?;
        let key = id.to_ascii_lowercase();
        let now = self.means.clock.now();
        let mut state = self.lock();
        let old = state.enrollments(kind).get(&key);
        matches(old.map(|old| old.etag.as_str()), id, if_match)?;
        if old.is_none() && state.enrollments(kind).len() >= ENROLLMENTS {
            let why = format!("there are {ENROLLMENTS} of them");
            return Err(Wrong::new(Code::QuotaExceeded, why));
        }
        let mut new =
            Enrollment::read(kind, id, body, old.map(Arc::as_ref), now).map_err(&invalid)?;
        let made = old.is_none();
        if let Some(host) = new.hubs.iter().find(|host| !open::known(&self.hubs, host)) {
            return Err(invalid(format!(
                "iotHubs: there is no hub {host:?} in this lab"
            )));
        }
        if let Some(hub) = self.hubs.first() {
            hub.declared_twin(&new.tags, &new.desired)
                .map_err(|wrong| invalid(format!("initialTwin: {}", wrong.why)))?;
        }
        new.etag = state.etag(now);
        let mut batch = Batch::default();
        batch.put(Table::Enrollment, kind.key(&key), &new);
        let new = Arc::new(new);
        let json = shown(&with_registration(&state, &new));
        state.enrollments_mut(kind).insert(key, new);
        let durable = self.means.store.write(batch);
        drop(state);
        let done = if made { "created" } else { "changed" };
        self.told(format!(
            "{} {id} was {done} by the service API",
            kind.word()
        ));
        Ok((json, made, durable))
    }

    /// Deletes an enrolment with the registrations that came in by it. The devices stay in their hubs.
    pub(crate) fn delete_enrollment(
        &self,
        kind: Kind,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<Durable, Wrong> {
        let key = id.to_ascii_lowercase();
        let mut state = self.lock();
        let Some(old) = state.enrollments(kind).get(&key) else {
            return Err(absent(kind, id));
        };
        matches(Some(&old.etag), id, if_match)?;
        let mut batch = Batch::default();
        batch.delete(Table::Enrollment, kind.key(&key));
        state.enrollments_mut(kind).remove(&key);
        state.registrations.retain(|one, registration| {
            let gone = came_by(kind, &key, one, registration);
            if gone {
                batch.delete(Table::Registration, one.clone());
            }
            !gone
        });
        let durable = self.means.store.write(batch);
        drop(state);
        self.told(format!(
            "{} {id} was deleted by the service API",
            kind.word()
        ));
        Ok(durable)
    }

    /// `POST /enrollments` and `/enrollmentGroups`: up to ten at once, each for itself.
    pub(crate) fn bulk(&self, kind: Kind, body: &Json) -> Result<(Json, Vec<Durable>), Wrong> {
        let invalid = |why: &str| Wrong::new(Code::ArgumentInvalid, why);
        let (list, own) = match kind {
            Kind::Individual => ("enrollments", "registrationId"),
            Kind::Group => ("enrollmentGroups", "enrollmentGroupId"),
        };
        let all = body.get(list).and_then(Json::as_array);
        let all = all.ok_or_else(|| invalid("the body has no list of enrolments"))?;
        if all.is_empty() || all.len() > BULK {
            return Err(invalid("a bulk request has 1 to 10 enrolments"));
        }
        let mode = body.get("mode").and_then(Json::as_str).unwrap_or_default();
        let (mut errors, mut durables) = (Vec::new(), Vec::new());
        for one in all {
            let id = one.get(own).and_then(Json::as_str).unwrap_or_default();
            let etag = one.get("etag").and_then(Json::as_str);
            let there = self.enrollment_json(kind, id).is_some();
            let outcome = match mode {
                "create" if there => Err(Wrong::new(Code::DeviceExists, "it is there already")),
                "update" | "updateIfMatchETag" if !there => Err(absent(kind, id)),
                "create" | "update" => self.put_enrollment(kind, id, one, None).map(|put| put.2),
                "updateIfMatchETag" => self.put_enrollment(kind, id, one, etag).map(|put| put.2),
                "delete" => self.delete_enrollment(kind, id, None),
                _ => {
                    return Err(invalid(
                        "mode is none of create, update, updateIfMatchETag, delete",
                    ));
                }
            };
            match outcome {
                Ok(durable) => durables.push(durable),
                Err(wrong) => errors.push(json!({
                    own: id,
                    "errorCode": wrong.code.number(),
                    "errorStatus": wrong.why,
                })),
            }
        }
        let good = errors.is_empty();
        Ok((json!({ "isSuccessful": good, "errors": errors }), durables))
    }

    /// A device's registration.
    pub(crate) fn registration_json(&self, id: &str) -> Option<Json> {
        let state = self.lock();
        let registration = state.registrations.get(&id.to_ascii_lowercase())?;
        Some(Json::Object(registration.json()))
    }

    /// Registrations in the order of their ids: of a group, or all.
    pub(crate) fn registrations(
        &self,
        group: Option<&str>,
        after: Option<&str>,
        top: usize,
    ) -> (Vec<Json>, Option<String>) {
        let state = self.lock();
        let of_group = |registration: &&Registration| {
            group.is_none_or(|group| {
                let own = registration.group.as_deref();
                own.is_some_and(|own| own.eq_ignore_ascii_case(group))
            })
        };
        let chosen = state.registrations.iter().filter(|(_, one)| of_group(one));
        let (all, next) = page(chosen, after, top, Registration::clone);
        drop(state);
        let all = all.iter().map(|one| Json::Object(one.json()));
        (all.collect(), next)
    }

    /// Deletes a registration. The device stays in its hub.
    pub(crate) fn delete_registration(
        &self,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<Durable, Wrong> {
        let key = id.to_ascii_lowercase();
        let mut state = self.lock();
        let Some(old) = state.registrations.get(&key) else {
            let why = format!("there is no registration {id:?}");
            return Err(Wrong::new(Code::RegistrationNotFound, why));
        };
        matches(Some(&old.etag), id, if_match)?;
        let mut batch = Batch::default();
        batch.delete(Table::Registration, key.clone());
        state.registrations.remove(&key);
        let durable = self.means.store.write(batch);
        drop(state);
        self.told(format!(
            "the registration {id} was deleted by the service API"
        ));
        Ok(durable)
    }

    fn told(&self, text: String) {
        self.means
            .tell(Record::info(Code::Provisioning, text).host(&self.host));
    }
}

/// An enrolment with the registration of its one device.
type Found = (Arc<Enrollment>, Option<Registration>);

fn with_registration(state: &State, enrollment: &Arc<Enrollment>) -> Found {
    let registration = match enrollment.kind {
        Kind::Individual => state.registrations.get(&enrollment.id.to_ascii_lowercase()),
        Kind::Group => None,
    };
    let registration = registration.filter(|one| one.group.is_none());
    (Arc::clone(enrollment), registration.cloned())
}

fn shown((enrollment, registration): &Found) -> Json {
    let mut json = enrollment.json();
    if let Some(registration) = registration {
        let state = Json::Object(registration.json());
        json.insert("registrationState".into(), state);
    }
    Json::Object(json)
}

fn came_by(kind: Kind, enrollment: &str, id: &str, registration: &Registration) -> bool {
    match (kind, &registration.group) {
        (Kind::Individual, None) => id == enrollment,
        (Kind::Group, Some(group)) => group.eq_ignore_ascii_case(enrollment),
        _ => false,
    }
}

fn absent(kind: Kind, id: &str) -> Wrong {
    let why = format!("{} {id:?} is not there", kind.word());
    Wrong::new(Code::EnrollmentNotFound, why)
}

fn matches(have: Option<&str>, id: &str, wanted: Option<&str>) -> Result<(), Wrong> {
    let Some(wanted) = wanted else { return Ok(()) };
    match have {
        Some(have) if is_etag(wanted, have) => Ok(()),
        _ => Err(Wrong::new(
            Code::PreconditionFailed,
            format!("the etag of {id} is not {wanted:?}"),
        )),
    }
}

fn page<'a, T: 'a, V>(
    all: impl Iterator<Item = (&'a String, &'a T)>,
    after: Option<&str>,
    top: usize,
    view: impl Fn(&T) -> V,
) -> (Vec<V>, Option<String>) {
    let mut rest = all.filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
    let (mut shown, mut last) = (Vec::new(), None);
    for (id, one) in rest.by_ref().take(top) {
        shown.push(view(one));
        last = Some(id.clone());
    }
    let more = rest.next().is_some();
    (shown, last.filter(|_| more))
}
