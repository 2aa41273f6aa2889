//! What is written to the service.

use core::fmt::{self, Write};

use towpath_proto::{
    client::Outgoing,
    mqtt::{QoS, session::Refusal, topic::TopicName},
    protocol,
};

use crate::{
    json::{Quoted, Value},
    percent::Encoded,
    scratch::{self, Scratch},
};

/// Where the answers come.
pub(super) const FILTER: &str = "$dps/registrations/res/#";

/// The body of a message that has none, as the SDKs send it.
const NOTHING: &[u8] = b" ";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The registration ID.
    pub registration_id: &'a str,
    /// A JSON object for whoever allocates the hub, or empty.
    pub payload: &'a str,
    /// A certificate signing request (PKCS#10): base64 of its DER form, without the lines around it. The connection's
    /// user name has to name [`CSR_API_VERSION`](super::CSR_API_VERSION) then.
    pub csr: Option<&'a str>,
}

impl Request<'_> {
    /// Whether the service can read it, as far as that can be told here. [`poll`](super::Registration::poll) looks too,
    /// before it sends anything.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] says what is wrong.
    pub fn check(&self) -> Result<(), Refusal> {
        let wrong = |why| Err(Refusal::Invalid(why));
        if self.registration_id.is_empty() || self.registration_id.len() > 128 {
            return wrong(protocol!("a registration ID has 1 to 128 characters"));
        }
        let is_object = || Value::parse(self.payload.as_bytes()).is_ok_and(Value::is_object);
        if !self.payload.is_empty() && !is_object() {
            return wrong(protocol!("the payload for DPS has to be a JSON object"));
        }
        let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        if self
            .csr
            .is_some_and(|csr| csr.is_empty() || !csr.bytes().all(base64))
        {
            return wrong(protocol!(
                "a certificate signing request for DPS has to be base64 on one line"
            ));
        }
        Ok(())
    }

    /// Writes the request to be registered.
    pub(super) fn register<'s>(
        &self,
        rid: u32,
        scratch: &'s mut [u8],
    ) -> Result<Outgoing<'s>, Refusal> {
        self.check()?;
        let topic = Register(rid);
        let body = Body(self);
        let needed = || Refusal::PacketTooLarge(scratch::len(&topic) + scratch::len(&body));
        let mut out = Scratch::new(scratch);
        write!(out, "{topic}").map_err(|fmt::Error| needed())?;
        let (topic_text, rest) = out.split();
        let body_text = scratch::write(rest, &body).ok_or_else(needed)?;
        message(topic_text, body_text.as_bytes())
    }
}

/// Writes the question how far a registration is.
pub(super) fn look<'s>(
    rid: u32,
    operation: &str,
    scratch: &'s mut [u8],
) -> Result<Outgoing<'s>, Refusal> {
    let topic = Look { rid, operation };
    let needed = || Refusal::PacketTooLarge(scratch::len(&topic));
    let topic = scratch::write(scratch, &topic).ok_or_else(needed)?;
    message(topic, NOTHING)
}

fn message<'s>(topic: &'s str, body: &'s [u8]) -> Result<Outgoing<'s>, Refusal> {
    let topic = TopicName::new(topic)?;
    Ok(Outgoing::new(topic, body, QoS::AtLeastOnce))
}

struct Register(u32);

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rid = self.0;
        write!(f, "$dps/registrations/PUT/iotdps-register/?$rid={rid}")
    }
}

struct Look<'a> {
    rid: u32,
    operation: &'a str,
}

impl fmt::Display for Look<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rid, operation) = (self.rid, Encoded(self.operation));
        write!(
            f,
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation}"
        )
    }
}

/// The body of a request to be registered.
struct Body<'r, 'a>(&'r Request<'a>);

impl fmt::Display for Body<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request {
            registration_id,
            payload,
            csr,
        } = self.0;
        write!(f, "{{\"registrationId\":{}", Quoted(registration_id))?;
        if !payload.is_empty() {
            write!(f, ",\"payload\":{payload}")?;
        }
        if let Some(csr) = csr {
            write!(f, ",\"csr\":{}", Quoted(csr))?;
        }
        f.write_str("}")
    }
}
