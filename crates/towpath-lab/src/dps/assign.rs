//! The end of a registration: which hub, what becomes of the device's data, what the device is told.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{
    Dps, Kind, State,
    admit::{By, Proof, Registrant},
    answer::Refusal,
    enrollment::Enrollment,
    operation::Wanted,
    registration::{Registration, Substatus, fields},
};
use crate::{
    clock::Time,
    config::Reprovision,
    connection::Connection,
    fault::Kind as Fault,
    hub::{Arrival, Authentication, Data, Hub, Twin},
    log::Code,
    store::{Batch, Durable, Table},
};

/// How many devices are kept.
const REGISTRATIONS: usize = 100_000;

/// How a registration ended.
pub(super) struct Ended {
    pub(super) status: &'static str,
    /// `registrationState`
    pub(super) state: Map<String, Json>,
    /// For the log.
    pub(super) text: String,
    /// The answer may be given when this is done.
    pub(super) durable: Durable,
    /// The etag of the registration that is written with it.
    pub(super) etag: Option<String>,
}

impl Ended {
    /// Without an assignment.
    fn without(
        status: &'static str,
        id: &str,
        error: Option<(u32, &str)>,
        now: Time,
        why: &str,
    ) -> Self {
        let mut state = fields(json!({
            "registrationId": id,
            "createdDateTimeUtc": now.rfc3339(),
            "status": status,
            "lastUpdatedDateTimeUtc": now.rfc3339(),
        }));
        if let Some((number, message)) = error {
            state.insert("errorCode".into(), json!(number));
            state.insert("errorMessage".into(), json!(message));
        }
        Self {
            status,
            state,
            text: format!("{id} is not assigned: {status}, because {why}"),
            durable: Durable::DONE,
            etag: None,
        }
    }
}

/// Everything that an assignment is made from.
struct Assignment<'a> {
    enrollment: &'a Enrollment,
    registrant: &'a Registrant,
    proof: &'a Proof,
    wanted: &'a Wanted,
    before: Option<&'a Registration>,
    now: Time,
}

impl Assignment<'_> {
    /// The device's id in the hub.
    fn device_id(&self) -> String {
        let before = self.before.map(|before| &before.device_id);
        let other = match self.enrollment.kind {
            Kind::Individual => &self.enrollment.id,
            Kind::Group => &self.registrant.id,
        };
        let declared = self.enrollment.device_id.as_ref();
        declared.or(before).unwrap_or(other).clone()
    }

    fn registration(
        &self,
        hub: &Hub,
        device_id: &str,
        substatus: Substatus,
        etag: String,
    ) -> Registration {
        let id = self.before.map_or(&self.registrant.id, |before| &before.id);
        Registration {
            id: id.clone(),
            hub: hub.host.clone(),
            device_id: device_id.to_owned(),
            substatus,
            group: (self.proof.kind == Kind::Group).then(|| self.enrollment.id.clone()),
            certificate: match &self.proof.by {
                By::Certificate { info, .. } => Some(info.clone()),
                By::Keys { .. } => None,
            },
            payload: self.enrollment.payload.clone(),
            sent: self.wanted.payload.clone(),
            created: self.before.map_or(self.now, |before| before.created),
            updated: self.now,
            etag,
            unwritten: true,
        }
    }

    /// It stays where it is, and no certificate is asked for: there is nothing to do.
    fn stays(&self) -> Option<&Registration> {
        let never = self.enrollment.reprovision == Reprovision::Never;
        let asks = self.enrollment.issue && self.wanted.request.is_some();
        self.before
            .filter(|before| never && !asks && !before.unwritten)
    }
}

impl Dps {
    /// Does what the registration asks for.
    pub(super) fn finish(
        &self,
        state: &mut State,
        registrant: &Registrant,
        proof: &Proof,
        wanted: &Wanted,
        connection: &Connection,
    ) -> Result<Ended, Refusal> {
        let id = &registrant.id;
        let now = self.means.clock.now();
        let strike = |kind| self.means.faults.strike(kind, connection);
        let enrollment = Arc::clone(self.enrollment(state, proof, id)?);
        if !enrollment.enabled {
            let why = format!("{} {} is disabled", proof.kind.word(), enrollment.id);
            return Ok(Ended::without("disabled", id, None, now, &why));
        }
        let fault = "a fault on a switch says so";
        if strike(Fault::DpsDisabled).is_some() {
            return Ok(Ended::without("disabled", id, None, now, fault));
        }
        if let Some(code) = strike(Fault::DpsFailed) {
            let number = u32::try_from(code.number()).unwrap_or(u32::MAX);
            let error = Some((number, "The registration failed."));
            return Ok(Ended::without("failed", id, error, now, fault));
        }
        if strike(Fault::DpsUnassigned).is_some() {
            return Ok(Ended::without("unassigned", id, None, now, fault));
        }
        let before = state.registrations.get(&id.to_ascii_lowercase()).cloned();
        let assignment = Assignment {
            enrollment: &enrollment,
            registrant,
            proof,
            wanted,
            before: before.as_ref(),
            now,
        };
        let mut ended = self.assign(state, &assignment)?;
        if ended.status == "assigned"
            && let Some(host) = strike(Fault::DpsWrongHub)
        {
            ended.state.insert("assignedHub".into(), json!(host.word()));
            ended.text = format!("{id} is told the hub {:?}: {fault}", host.word());
        }
        Ok(ended)
    }

    fn assign(&self, state: &mut State, all: &Assignment<'_>) -> Result<Ended, Refusal> {
        if let Some(before) = all.stays() {
            return Ok(self.confirmed(before));
        }
        if all.before.is_none() && state.registrations.len() >= REGISTRATIONS {
            return Err(Refusal::new(
                Code::Throttled,
                "Too many requests.",
                format!("{REGISTRATIONS} devices are registered; delete some registrations"),
            ));
        }
        let id = &all.registrant.id;
        let (hub, twin) = match self.place(state, all) {
            Ok(place) => place,
            Err(ended) => return Ok(*ended),
        };
        let device_id = all.device_id();
        if let Some(why) = hub.keeps_out(&device_id, all.proof.kind == Kind::Individual) {
            let error = Some((Code::DeviceExists.number(), "The device exists already."));
            return Ok(Ended::without("failed", id, error, all.now, &why));
        }
        let issued = self.issued(all.enrollment, all.wanted, &device_id, all.now)?;
        let mut batch = Batch::default();
        let (substatus, data) = self.data(all, &hub, &device_id, &mut batch);
        let registration = all.registration(&hub, &device_id, substatus, state.etag(all.now));
        let mut answer = registration.json();
        let authentication = match issued {
            Some((authentication, name, value)) => {
                answer.insert(name.into(), value);
                authentication
            }
            None => authentication(&all.proof.by),
        };
        let key = id.to_ascii_lowercase();
        batch.put(Table::Registration, key.clone(), &registration);
        let etag = Some(registration.etag.clone());
        state.registrations.insert(key, registration);
        let arrival = Arrival {
            authentication,
            edge: all.enrollment.edge,
            twin,
            data,
        };
        let durable = hub.provisioned(&device_id, arrival, batch);
        let text = format!(
            "{id} is assigned to {} as {device_id} by {} {} ({substatus:?})",
            hub.host,
            all.proof.kind.word(),
            all.enrollment.id
        );
        Ok(Ended {
            status: "assigned",
            state: answer,
            text,
            durable,
            etag,
        })
    }

    /// The policy is never to provision again: what was is said once more.
    fn confirmed(&self, before: &Registration) -> Ended {
        let mut text = format!(
            "{} stays with {} as {}: its enrolment is never provisioned again",
            before.id, before.hub, before.device_id
        );
        let hub = self.hub(&before.hub);
        if !hub.is_some_and(|hub| hub.has(&before.device_id)) {
            text.push_str(", although the device is not there any more");
        }
        let mut registration = before.clone();
        registration.substatus = Substatus::ReprovisionedToInitialAssignment;
        Ended {
            status: "assigned",
            state: registration.json(),
            text,
            // Its registration is known to be on the disk.
            durable: Durable::DONE,
            etag: None,
        }
    }

    /// The hub, and the twin that a new device has there.
    fn place(&self, state: &State, all: &Assignment<'_>) -> Result<(Arc<Hub>, Twin), Box<Ended>> {
        let id = &all.registrant.id;
        let without =
            |status, error, why: &str| Box::new(Ended::without(status, id, error, all.now, why));
        let enrollment = all.enrollment;
        let current = all.before.map(|before| before.hub.as_str());
        let hub = match current {
            Some(current) if enrollment.reprovision == Reprovision::Never => {
                self.hub(current).cloned()
            }
            _ => self.allocate(state, enrollment, &id.to_ascii_lowercase(), current),
        };
        let hub =
            hub.ok_or_else(|| without("unassigned", None, "there is no hub to choose from"))?;
        let twin = hub.declared_twin(&enrollment.tags, &enrollment.desired);
        let twin = twin.map_err(|wrong| {
            let error = Some((wrong.code.number(), "The initial twin is not valid."));
            let why = format!(
                "the initial twin of {} {} is not what the hub takes: {}",
                enrollment.kind.word(),
                enrollment.id,
                wrong.why
            );
            without("failed", error, &why)
        })?;
        Ok((hub, twin))
    }

    /// What becomes of the device's data; takes it out of the hub where it was.
    fn data(
        &self,
        all: &Assignment<'_>,
        hub: &Hub,
        device_id: &str,
        batch: &mut Batch,
    ) -> (Substatus, Data) {
        let Some(before) = all.before else {
            return (Substatus::InitialAssignment, Data::Keep);
        };
        let same = before.hub.eq_ignore_ascii_case(&hub.host) && before.device_id == device_id;
        let reset = all.enrollment.reprovision == Reprovision::Reset;
        if same {
            return if reset {
                (Substatus::DeviceDataReset, Data::Reset)
            } else {
                (Substatus::ReprovisionedToInitialAssignment, Data::Keep)
            };
        }
        let old = self.hub(&before.hub);
        let carried = old.and_then(|old| old.depart(&before.device_id, batch));
        match carried {
            _ if reset => (Substatus::DeviceDataReset, Data::Reset),
            Some(carried) => {
                let data = Data::Carried(carried.named(device_id));
                (Substatus::DeviceDataMigrated, data)
            }
            None => (Substatus::DeviceDataMigrated, Data::Keep),
        }
    }
}

/// How the hub is to know a device that proved itself so here.
fn authentication(by: &By) -> Authentication {
    match by {
        By::Keys { primary, secondary } => Authentication::Sas {
            primary: primary.clone(),
            secondary: secondary.clone(),
        },
        By::Certificate { prints, .. } => Authentication::SelfSigned {
            primary: Some(prints.sha256.clone()),
            secondary: None,
        },
    }
}
