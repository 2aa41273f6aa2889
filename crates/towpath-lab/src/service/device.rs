//! What devices do over HTTP: `/devices/{id}/messages`, and file upload under `/devices/{id}/files`.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use openssl::base64;
use serde_json::Value as Json;

use super::{
    BODY,
    answer::{Answer, Refusal, empty, kept},
    body::{Content, Unread},
    call::{At, Call},
};
use crate::hub::{Incoming, Name, Queued, Rejected, Settle};

/// Messages of a batch.
const BATCH: usize = 500;

/// System properties: the field of HTTP, and the name that the hub has for it.
const SYSTEM: [(&str, &str); 8] = [
    ("iothub-messageid", "message-id"),
    ("iothub-correlationid", "correlation-id"),
    ("iothub-userid", "user-id"),
    ("iothub-contenttype", "content-type"),
    ("iothub-contentencoding", "content-encoding"),
    ("iothub-creationtimeutc", "creation-time-utc"),
    ("iothub-expiry", "absolute-expiry-time"),
    ("iothub-to", "to"),
];

/// What the fields of the application's properties begin with.
const OWN: &str = "iothub-app-";

fn rejected(rejected: Rejected) -> Refusal {
    Refusal::new(rejected.code, rejected.why)
}

pub(super) async fn telemetry(call: Call, At(id): At<String>, content: Unread) -> Answer {
    send(&call, &Name::device(id), content).await
}

pub(super) async fn telemetry_of_module(
    call: Call,
    At((id, module)): At<(String, String)>,
    content: Unread,
) -> Answer {
    send(&call, &Name::module(id, module), content).await
}

async fn send(call: &Call, name: &Name, content: Unread) -> Answer {
    let hub = call.device(name)?;
    let content = content.read(BODY).await?;
    let kind = call.header("content-type").unwrap_or_default();
    let messages = if kind.starts_with("application/vnd.microsoft.iothub.json") {
        batch(&content)?
    } else {
        vec![single(call, content.bytes)]
    };
    let mut last = None;
    for message in messages {
        let stored = hub.telemetry(name, &call.caller.connection, message);
        let stored = stored.map_err(|why| rejected(why).host(&hub.host).device(name.to_string()));
        last = Some(stored?);
    }
    // What is written later is on the disk later: the last one says it for all.
    if let Some(last) = last {
        kept(last).await?;
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

fn single(call: &Call, payload: Bytes) -> Incoming {
    let mut message = Incoming {
        payload,
        ..Incoming::default()
    };
    for (field, value) in &call.headers {
        let Ok(value) = value.to_str() else { continue };
        let field = field.as_str();
        if let Some(own) = field.strip_prefix(OWN) {
            message.properties.insert(own.to_owned(), value.to_owned());
        } else if let Some((_, name)) = SYSTEM.iter().find(|(known, _)| *known == field) {
            message.system.insert((*name).to_owned(), value.to_owned());
        }
    }
    message
}

/// `[{"body": "base64", "properties": {"name": "value"}}]`, where `base64Encoded: false` makes it plain text.
fn batch(content: &Content) -> Result<Vec<Incoming>, Refusal> {
    let Json::Array(all) = content.json()? else {
        return Err(Refusal::invalid("the batch has to be a list of messages"));
    };
    if all.len() > BATCH {
        return Err(Refusal::invalid(format!(
            "a batch has at most {BATCH} messages"
        )));
    }
    let read = |(at, one): (usize, &Json)| {
        let wrong = |why: &str| Refusal::invalid(format!("message {at} of the batch: {why}"));
        let text = one.get("body").and_then(Json::as_str);
        let text = text.ok_or_else(|| wrong("body is missing or no text"))?;
        let plain = one.get("base64Encoded").and_then(Json::as_bool) == Some(false);
        let payload = match plain {
            true => Bytes::from(text.to_owned()),
            false => base64::decode_block(text)
                .map_err(|_| wrong("body is no base64"))?
                .into(),
        };
        let mut message = Incoming {
            payload,
            ..Incoming::default()
        };
        let properties = one.get("properties").and_then(Json::as_object);
        for (name, value) in properties.into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let field = name.to_ascii_lowercase();
            match SYSTEM.iter().find(|(known, _)| *known == field) {
                Some((_, name)) => message.system.insert((*name).to_owned(), value),
                None => message.properties.insert(name.clone(), value),
            };
        }
        Ok(message)
    };
    all.iter().enumerate().map(read).collect()
}

/// The oldest message for the device, locked; 204 if there is none.
pub(super) async fn receive(call: Call, At(id): At<String>) -> Answer {
    let name = Name::device(id);
    let hub = call.device(&name)?;
    let (message, durable) = hub.receive(&name);
    kept(durable).await?;
    Ok(match message {
        None => empty(StatusCode::NO_CONTENT),
        Some((message, token)) => received(&name, &message, &token),
    })
}

fn received(name: &Name, message: &Queued, token: &str) -> Response {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    fields.insert(header::ETAG.to_string(), format!("\"{token}\""));
    fields.insert("iothub-sequencenumber".into(), message.sequence.to_string());
    fields.insert("iothub-enqueuedtime".into(), message.enqueued.to_string());
    fields.insert("iothub-expiry".into(), message.expires.to_string());
    fields.insert(
        "iothub-deliverycount".into(),
        message.deliveries.to_string(),
    );
    let to = format!("/devices/{}/messages/devicebound", name.device);
    fields.insert("iothub-to".into(), to);
    for (field, known) in SYSTEM {
        if let Some(value) = message.system.get(known) {
            fields.insert(field.into(), value.clone());
        }
    }
    for (property, value) in &message.properties {
        fields.insert(format!("{OWN}{property}"), value.clone());
    }
    let mut response = Response::new(Body::from(message.body.0.clone()));
    for (field, value) in fields {
        // What HTTP has no room for, such as a name with a blank, is left out as by the real service.
        if let (Ok(field), Ok(value)) = (HeaderName::try_from(field), HeaderValue::try_from(value))
        {
            response.headers_mut().insert(field, value);
        }
    }
    response
}

/// Completes a message, or rejects it with `?reject`.
pub(super) async fn complete(call: Call, At((id, token)): At<(String, String)>) -> Answer {
    let how = match call.query.contains_key("reject") {
        true => Settle::Reject,
        false => Settle::Complete,
    };
    settle(&call, id, &token, how).await
}

pub(super) async fn abandon(call: Call, At((id, token)): At<(String, String)>) -> Answer {
    settle(&call, id, &token, Settle::Abandon).await
}

async fn settle(call: &Call, id: String, token: &str, how: Settle) -> Answer {
    let name = Name::device(id);
    let hub = call.device(&name)?;
    let settled = hub.settle(&name, token.trim_matches('"'), how);
    let settled = settled.map_err(|why| rejected(why).host(&hub.host).device(name.to_string()));
    kept(settled?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
