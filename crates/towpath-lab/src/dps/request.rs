//! Registration: asked for, polled, and done with the last poll.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{
    Answer, Dps, State,
    admit::{Proof, Registrant},
    answer::{Refusal, Reply},
    enrollment::Enrollment,
    guid, issue,
    operation::{Operation, Progress, Wanted},
    registration::fields,
    topic::{Ask, What},
};
use crate::{
    connection::Connection,
    fault::Kind as Fault,
    hub::topic::shortened,
    log::{Code, Level},
    store::Durable,
};
use towpath_proto::Rung;

/// Bytes of a request's body.
const BODY: usize = 64 << 10;

/// Bytes of a device's own payload that are kept.
const PAYLOAD: usize = 4 << 10;

/// An answer that may be given when what it promises is on the disk.
struct Given {
    reply: Reply,
    durable: Durable,
    /// It is the last of this operation.
    ends: Option<Ends>,
}

impl From<Reply> for Given {
    /// It promises nothing that is not there.
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            durable: Durable::DONE,
            ends: None,
        }
    }
}

/// What is over when an answer's promise is kept.
struct Ends {
    /// The operation's id.
    operation: String,
    /// The etag of the registration that is written.
    registration: Option<String>,
}

/// An operation's end on the way to the disk. If it does not get there, or nobody waits for it any more, the next poll
/// does the work again.
struct Ending<'a> {
    dps: &'a Dps,
    /// The registration id in lower case.
    id: String,
    ends: Ends,
    /// The answer from now on, once it is written.
    written: Option<Reply>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let now = self.dps.means.clock.now();
        let mut state = self.dps.lock();
        let written = self.written.take();
        if let Some(etag) = self
            .ends
            .registration
            .as_ref()
            .filter(|_| written.is_some())
            && let Some(registration) = state.registrations.get_mut(&self.id)
            && registration.etag == *etag
        {
            registration.unwritten = false;
        }
        if let Some(operation) = state.operations.find(&self.id, &self.ends.operation, now) {
            operation.progress = written.map_or(Progress::Polls(0), Progress::Done);
        }
    }
}

impl Dps {
    /// A message on `$dps/registrations/...`. `None`: no answer, because a fault says so. The answer may be sent when
    /// this returns: what it promises is on the disk.
    ///
    /// # Errors
    /// Why the connection has to be closed.
    pub(crate) async fn request(
        &self,
        registrant: &Registrant,
        topic: &str,
        payload: &[u8],
        connection: &Connection,
    ) -> Result<Option<Answer>, String> {
        let ask = Ask::parse(topic)?;
        let reply = match &ask.what {
            What::Register => self.register(registrant, payload, connection).await,
            What::Status { operation } => self.poll(registrant, operation, connection).await,
        };
        Ok(reply.map(|reply| Answer {
            topic: reply.topic(&ask.rid),
            payload: reply.body,
        }))
    }

    /// The registrant asks to be registered. `None`: no answer, because a fault says so.
    pub(crate) async fn register(
        &self,
        registrant: &Registrant,
        body: &[u8],
        connection: &Connection,
    ) -> Option<Reply> {
        self.settled(
            self.begin(registrant, body, connection),
            registrant,
            connection,
        )
        .await
    }

    /// The registrant asks how far its registration is. `None`: no answer, because a fault says so.
    pub(crate) async fn poll(
        &self,
        registrant: &Registrant,
        operation: &str,
        connection: &Connection,
    ) -> Option<Reply> {
        self.settled(
            self.look(registrant, operation, connection),
            registrant,
            connection,
        )
        .await
    }

    async fn settled(
        &self,
        outcome: Result<Option<Given>, Refusal>,
        registrant: &Registrant,
        connection: &Connection,
    ) -> Option<Reply> {
        let refusal = match outcome {
            Ok(None) => return None,
            Ok(Some(given)) => {
                let mut ending = given.ends.map(|ends| Ending {
                    dps: self,
                    id: registrant.id.to_ascii_lowercase(),
                    ends,
                    written: None,
                });
                if given.durable.wait().await {
                    if let Some(ending) = &mut ending {
                        ending.written = Some(given.reply.clone());
                    }
                    return Some(given.reply);
                }
                Refusal::new(
                    Code::ServerError,
                    "Internal error.",
                    "the assignment could not be written to the lab's state folder",
                )
            }
            Err(refusal) => refusal,
        };
        let text = format!(
            "{} is refused with {}: {}",
            registrant.id, refusal.number, refusal.why
        );
        connection.step(
            Rung::Hub,
            false,
            format!("{}: {}", refusal.number, refusal.why),
        );
        self.tell(Level::Warn, refusal.code, &registrant.id, connection, text);
        Some(refusal.reply(self.means.clock.now()))
    }

    fn begin(
        &self,
        registrant: &Registrant,
        body: &[u8],
        connection: &Connection,
    ) -> Result<Option<Given>, Refusal> {
        if self.silent(connection) {
            return Ok(None);
        }
        self.faults(connection)?;
        let proof = self.proved(registrant, connection)?;
        let (wanted, odd) = self.wanted(registrant, body)?;
        if let Some(odd) = odd {
            self.warn(registrant, odd, connection);
        }
        let polls = self.means.faults.strike(Fault::DpsAssigning, connection);
        let polls = polls.map_or(self.polls, |value| {
            u32::try_from(value.number()).unwrap_or(u32::MAX)
        });
        let id = self.operation_id();
        let retry_after = self.retry_after(connection);
        let mut state = self.lock();
        let enrollment = self.enrollment(&state, proof, &registrant.id)?;
        let ignored = (wanted.request.is_some() && !enrollment.issue).then(|| {
            format!(
                "the request for a certificate (CSR) of {} is ignored: {} {} issues none (issue_certificates)",
                registrant.id,
                proof.kind.word(),
                enrollment.id
            )
        });
        let operation = Operation {
            id: id.clone(),
            asked: self.means.clock.now(),
            progress: Progress::Polls(polls),
            wanted,
        };
        state
            .operations
            .begin(registrant.id.to_ascii_lowercase(), operation);
        drop(state);
        if let Some(ignored) = ignored {
            self.warn(registrant, ignored, connection);
        }
        let text = format!(
            "{} asks to be registered: assigning, operation {id}",
            registrant.id
        );
        self.tell(
            Level::Info,
            Code::Provisioning,
            &registrant.id,
            connection,
            text,
        );
        Ok(Some(assigning(&id, retry_after).into()))
    }

    fn warn(&self, registrant: &Registrant, text: String, connection: &Connection) {
        let code = Code::Provisioning;
        self.tell(Level::Warn, code, &registrant.id, connection, text);
    }

    /// What the registrant proved, unless that or a fault refuses it.
    fn proved<'a>(
        &self,
        registrant: &'a Registrant,
        connection: &Connection,
    ) -> Result<&'a Proof, Refusal> {
        let struck = |kind| self.means.faults.strike(kind, connection).is_some();
        if struck(Fault::DpsBadRequest) {
            return Err(Refusal::body(
                "a fault on a switch takes the body for wrong",
            ));
        }
        let proof = registrant.proof.as_ref().map_err(Clone::clone)?;
        if struck(Fault::DpsNotFound) {
            return Err(Refusal::new(
                Code::EnrollmentNotFound,
                "Enrollment not found.",
                "a fault on a switch knows no enrolment",
            ));
        }
        if struck(Fault::DpsConflict) {
            return Err(Refusal::new(
                Code::DeviceExists,
                "Another registration is at work.",
                "a fault on a switch says that another registration is at work",
            ));
        }
        Ok(proof)
    }

    fn look(
        &self,
        registrant: &Registrant,
        operation: &str,
        connection: &Connection,
    ) -> Result<Option<Given>, Refusal> {
        if self.silent(connection) {
            return Ok(None);
        }
        self.faults(connection)?;
        let proof = registrant.proof.as_ref().map_err(Clone::clone)?;
        let now = self.means.clock.now();
        let id = registrant.id.to_ascii_lowercase();
        let retry_after = self.retry_after_s;
        let mut state = self.lock();
        let Some(found) = state.operations.find(&id, operation, now) else {
            return Err(Refusal::new(
                Code::RegistrationNotFound,
                "Operation not found.",
                format!(
                    "{} has no operation {} at work; register anew",
                    registrant.id,
                    shortened(operation)
                ),
            ));
        };
        let left = match &mut found.progress {
            Progress::Done(reply) => return Ok(Some(reply.clone().into())),
            Progress::Polls(0) => None,
            Progress::Polls(left) => {
                *left -= 1;
                Some(format!("{left} more polls"))
            }
            Progress::Writing => Some("it is being written".into()),
        };
        if let Some(left) = left {
            drop(state);
            let retry_after = self.struck_retry_after(connection).unwrap_or(retry_after);
            let text = format!("{} polls: assigning, {left}", registrant.id);
            self.tell(
                Level::Debug,
                Code::Provisioning,
                &registrant.id,
                connection,
                text,
            );
            return Ok(Some(assigning(operation, retry_after).into()));
        }
        let wanted = found.wanted.clone();
        let ended = self.finish(&mut state, registrant, proof, &wanted, connection)?;
        let mut body = fields(json!({ "operationId": operation, "status": ended.status }));
        body.insert("registrationState".into(), Json::Object(ended.state));
        let reply = Reply::new(200, None, &Json::Object(body));
        if let Some(found) = state.operations.find(&id, operation, now) {
            found.progress = Progress::Writing;
        }
        drop(state);
        self.tell_end(registrant, ended.status, ended.text, connection);
        Ok(Some(Given {
            reply,
            durable: ended.durable,
            ends: Some(Ends {
                operation: operation.to_owned(),
                registration: ended.etag,
            }),
        }))
    }

    fn tell_end(
        &self,
        registrant: &Registrant,
        status: &str,
        text: String,
        connection: &Connection,
    ) {
        let good = status == "assigned";
        connection.step(Rung::Hub, good, text.clone());
        let level = if good { Level::Info } else { Level::Warn };
        self.tell(level, Code::Provisioning, &registrant.id, connection, text);
    }

    fn silent(&self, connection: &Connection) -> bool {
        self.means
            .faults
            .strike(Fault::DpsSilent, connection)
            .is_some()
    }

    /// The faults that refuse a request of either kind.
    fn faults(&self, connection: &Connection) -> Result<(), Refusal> {
        let strike = |kind| self.means.faults.strike(kind, connection);
        if let Some(seconds) = strike(Fault::DpsThrottle) {
            let mut refusal = Refusal::new(
                Code::Throttled,
                "Too many requests.",
                "a fault on a switch throttles",
            );
            refusal.retry_after = Some(u32::try_from(seconds.number()).unwrap_or(u32::MAX));
            return Err(refusal);
        }
        if let Some(status) = strike(Fault::DpsServerError) {
            let status = u16::try_from(status.number().clamp(500, 599)).unwrap_or(500);
            let mut refusal = Refusal::new(
                Code::ServerError,
                "Internal error.",
                "a fault on a switch lets the service fail",
            );
            refusal.status = status;
            refusal.number = u32::from(status) * 1000 + 1;
            return Err(refusal);
        }
        Ok(())
    }

    fn struck_retry_after(&self, connection: &Connection) -> Option<u32> {
        let struck = self.means.faults.strike(Fault::DpsRetryAfter, connection)?;
        Some(u32::try_from(struck.number()).unwrap_or(u32::MAX))
    }

    fn retry_after(&self, connection: &Connection) -> u32 {
        self.struck_retry_after(connection)
            .unwrap_or(self.retry_after_s)
    }

    /// `5.{hash of the scope}.{GUID}`, as the real ones look.
    fn operation_id(&self) -> String {
        let hash = openssl::sha::sha256(self.id_scope.as_bytes());
        let start = hash.first_chunk::<8>().copied().unwrap_or_default();
        format!("5.{:016x}.{}", u64::from_be_bytes(start), guid())
    }

    /// Reads the body of a registration; with what is odd about it.
    fn wanted(
        &self,
        registrant: &Registrant,
        body: &[u8],
    ) -> Result<(Wanted, Option<String>), Refusal> {
        if body.len() > BODY {
            return Err(Refusal::body(format!(
                "the body has {} bytes, more than {BODY}",
                body.len()
            )));
        }
        let json: Json = serde_json::from_slice(body).map_err(|error| {
            Refusal::body(format!(
                "the body is no JSON ({error}); send {{\"registrationId\":\"...\"}}"
            ))
        })?;
        let Json::Object(body) = json else {
            return Err(Refusal::body("the body is no JSON object"));
        };
        match body.get("registrationId") {
            Some(Json::String(id)) if id.eq_ignore_ascii_case(&registrant.id) => {}
            Some(other) => {
                return Err(Refusal::body(format!(
                    "registrationId in the body is {}, and the registrant is {:?}",
                    shortened(&other.to_string()),
                    registrant.id
                )));
            }
            None => return Err(Refusal::body("registrationId is missing in the body")),
        }
        let payload = match body.get("payload") {
            None | Some(Json::Null) => None,
            Some(Json::Object(payload)) => Some(Json::Object(payload.clone())),
            Some(_) => {
                return Err(Refusal::body("payload has to be a JSON object"));
            }
        };
        let payload = payload.filter(|payload| payload.to_string().len() <= PAYLOAD);
        let (request, odd) = issue::asked(&body, &registrant.id, &registrant.api_version)?;
        Ok((Wanted { payload, request }, odd))
    }

    /// The enrolment that the registrant came in by, if it is still there and wants the same proof as then: a key that
    /// has been replaced since lets nobody on.
    pub(super) fn enrollment<'a>(
        &self,
        state: &'a State,
        proof: &Proof,
        id: &str,
    ) -> Result<&'a Arc<Enrollment>, Refusal> {
        let found = state.enrollments(proof.kind).get(&proof.enrollment);
        let found = found.ok_or_else(|| {
            Refusal::new(
                Code::EnrollmentNotFound,
                "Enrollment not found.",
                format!(
                    "{} {} that {id} came in by was deleted",
                    proof.kind.word(),
                    proof.enrollment
                ),
            )
        })?;
        if found.attestation != proof.attestation {
            return Err(Refusal::unauthorized(format!(
                "the attestation of {} {} was changed after {id} had connected by it; connect again",
                proof.kind.word(),
                proof.enrollment
            )));
        }
        Ok(found)
    }
}

fn assigning(operation: &str, retry_after: u32) -> Reply {
    let body = json!({ "operationId": operation, "status": "assigning" });
    Reply::new(202, Some(retry_after), &body)
}
