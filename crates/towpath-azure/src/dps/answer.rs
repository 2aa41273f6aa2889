//! What the service answers.

use towpath_proto::text::Text;

use super::{Outcome, Refused, RefusedKind};
use crate::{
    Assignment, Name,
    json::{self, Value},
};

/// The identifier of a registration at work, which polls name.
pub(super) type Operation = heapless::String<128>;

/// What an answer's topic says: `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={seconds}]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Which request it answers.
    pub(super) rid: u32,
    /// Seconds.
    pub(super) retry_after: Option<u16>,
}

impl Head {
    /// Reads a topic; `None` if it is no answer to a request of ours.
    pub(super) fn parse(topic: &str) -> Option<Self> {
        let rest = topic.strip_prefix("$dps/registrations/res/")?;
        let (status, query) = rest.split_once("/?")?;
        let value = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find_map(|(key, value)| (key == name).then_some(value))
        };
        let seconds = value("retry-after").and_then(|text| text.parse::<u64>().ok());
        Some(Self {
            status: status.parse().ok()?,
            rid: value("$rid")?.parse().ok()?,
            retry_after: seconds.map(|s| u16::try_from(s).unwrap_or(u16::MAX)),
        })
    }
}

/// What an answer means.
#[derive(Debug, PartialEq)]
pub(super) enum Answer<'m> {
    /// Not decided yet; the first such answer says by which name to ask again.
    Assigning(Option<Operation>),
    Ended(Outcome<'m>),
}

impl<'m> Answer<'m> {
    pub(super) fn read(head: Head, payload: &'m [u8]) -> Self {
        let body = Value::parse(payload).ok().filter(|value| value.is_object());
        if head.status >= 300 {
            return Self::refused(refused(head, body));
        }
        let Some(body) = body else {
            return Self::malformed(head, "no JSON object");
        };
        let state = body.member("registrationState");
        let status = body.member("status").and_then(Value::text);
        let is = |word: &str| status.is_some_and(|status| status == *word);
        if is("assigning") || (status.is_none() && head.status == 202) {
            return Self::assigning(head, body);
        }
        if is("assigned") {
            return state.map_or_else(
                || Self::malformed(head, "registrationState is missing"),
                |state| Self::assigned(head, state),
            );
        }
        let kind = if is("disabled") {
            RefusedKind::Disabled
        } else if is("unassigned") {
            RefusedKind::Unassigned
        } else if is("failed") {
            RefusedKind::Failed
        } else {
            return Self::malformed(head, "its status is none of the known ones");
        };
        Self::refused(ended(head, kind, state))
    }

    const fn refused(refused: Refused) -> Self {
        Self::Ended(Outcome::Refused(refused))
    }

    fn malformed(head: Head, why: &str) -> Self {
        Self::refused(Refused::malformed(head.status, why))
    }

    fn assigning(head: Head, body: Value<'m>) -> Self {
        match body.member("operationId") {
            None => Self::Assigning(None),
            Some(id) => match id.text().and_then(json::Text::copied) {
                Some(id) => Self::Assigning(Some(id)),
                None => Self::malformed(head, "operationId is too long, or no text"),
            },
        }
    }

    fn assigned(head: Head, state: Value<'m>) -> Self {
        let Some(hub) = name(state, "assignedHub", is_host) else {
            return Self::malformed(head, "assignedHub is no host name");
        };
        let Some(device_id) = name(state, "deviceId", is_device_id) else {
            return Self::malformed(head, "deviceId is no device's identifier");
        };
        let issued = state
            .member("issuedCertificateChain")
            .or_else(|| state.member("issuedClientCertificate"));
        Self::Ended(Outcome::Assigned {
            assignment: Assignment { hub, device_id },
            payload: state.member("payload").map(Value::raw),
            issued: issued.map(Value::raw),
        })
    }
}

fn name(state: Value<'_>, member: &str, valid: fn(u8) -> bool) -> Option<Name> {
    let name: Name = state.member(member)?.text()?.copied()?;
    (!name.is_empty() && name.bytes().all(valid)).then_some(name)
}

/// A host name or an address, with a port behind it at need: it gets into requests and user names.
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}

/// The characters of a device's identifier that may stand in a topic.
fn is_device_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.%_*?!(),:=@$'".contains(&byte)
}

/// The request was refused: `{"errorCode":401002,"trackingId":..,"message":..}`. Without a body that can be read the
/// status says enough: a front end that is overloaded need not speak JSON.
fn refused(head: Head, body: Option<Value<'_>>) -> Refused {
    let code = body.and_then(|body| number(body, "errorCode"));
    Refused {
        status: head.status,
        code: code.unwrap_or(0),
        kind: RefusedKind::of_status(head.status.into()),
        retry_after: head.retry_after,
        message: words(body, "message"),
    }
}

/// The registration ended without a hub.
fn ended(head: Head, kind: RefusedKind, state: Option<Value<'_>>) -> Refused {
    let code = state.and_then(|state| number(state, "errorCode"));
    // The first three digits are a status. A failure that will pass by itself is no reason to wait for hours.
    let kind = match (kind, code.unwrap_or(0) / 1000) {
        (RefusedKind::Failed, status @ (401 | 429 | 500..=599)) => RefusedKind::of_status(status),
        _ => kind,
    };
    Refused {
        status: head.status,
        code: code.unwrap_or(0),
        kind,
        retry_after: head.retry_after,
        message: words(state, "errorMessage"),
    }
}

fn number(object: Value<'_>, member: &str) -> Option<u32> {
    u32::try_from(object.member(member)?.unsigned()?).ok()
}

fn words(object: Option<Value<'_>>, member: &str) -> Text<56> {
    use core::fmt::Write;
    let mut words = Text::EMPTY;
    if let Some(text) = object
        .and_then(|object| object.member(member))
        .and_then(Value::text)
    {
        // A `Text` takes what fits.
        let _ = write!(words, "{text}");
    }
    words
}
