//! `/twins`: twins as the service sees them, and direct methods.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{
    BODY,
    answer::{Answer, Refusal, kept, ok},
    body::Unread,
    call::{At, Call},
    registry::absent,
};
use crate::{config::Right, hub::Name};

pub(super) async fn read(call: Call, At(id): At<String>) -> Answer {
    one(&call, &Name::device(id))
}

pub(super) async fn patch(call: Call, At(id): At<String>, content: Unread) -> Answer {
    write(&call, &Name::device(id), content, false).await
}

pub(super) async fn replace(call: Call, At(id): At<String>, content: Unread) -> Answer {
    write(&call, &Name::device(id), content, true).await
}

pub(super) async fn invoke(call: Call, At(id): At<String>, content: Unread) -> Answer {
    method(&call, &Name::device(id), content).await
}

pub(super) async fn read_module(call: Call, At((id, module)): At<(String, String)>) -> Answer {
    one(&call, &Name::module(id, module))
}

pub(super) async fn patch_module(
    call: Call,
    At((id, module)): At<(String, String)>,
    content: Unread,
) -> Answer {
    write(&call, &Name::module(id, module), content, false).await
}

pub(super) async fn replace_module(
    call: Call,
    At((id, module)): At<(String, String)>,
    content: Unread,
) -> Answer {
    write(&call, &Name::module(id, module), content, true).await
}

pub(super) async fn invoke_module(
    call: Call,
    At((id, module)): At<(String, String)>,
    content: Unread,
) -> Answer {
    method(&call, &Name::module(id, module), content).await
}

fn resource(name: &Name) -> String {
    match &name.module {
        Some(module) => format!("twins/{}/modules/{module}", name.device),
        None => format!("twins/{}", name.device),
    }
}

fn one(call: &Call, name: &Name) -> Answer {
    let hub = call.service(&[Right::ServiceConnect], &resource(name))?;
    let twin = hub.twin_json(name).ok_or_else(|| absent(name))?;
    Ok(ok(&twin))
}

async fn write(call: &Call, name: &Name, content: Unread, replace: bool) -> Answer {
    let hub = call.service(&[Right::ServiceConnect], &resource(name))?;
    let change = content.read(BODY).await?.object()?;
    let done = hub.patch_twin(name, &change, call.if_match(), replace);
    let (twin, durable) = done.map_err(|wrong| {
        Refusal::with_status(wrong.status, wrong.code, wrong.why)
            .host(&hub.host)
            .device(name.to_string())
    })?;
    kept(durable).await?;
    Ok(ok(&twin))
}

/// A call as a body describes it.
struct Method {
    name: String,
    payload: Json,
    connect: Duration,
    response: Duration,
}

impl Method {
    /// `longest`: how many seconds the hub lets a caller wait.
    fn read(json: &Json, longest: u64) -> Result<Self, Refusal> {
        let name = json.get("methodName").and_then(Json::as_str);
        let name = name.ok_or_else(|| Refusal::invalid("methodName: it is missing or no text"))?;
        Ok(Self {
            name: name.to_owned(),
            payload: json.get("payload").cloned().unwrap_or_default(),
            connect: seconds(json, "connectTimeoutInSeconds", 0, 0..=longest)?,
            response: seconds(
                json,
                "responseTimeoutInSeconds",
                30.min(longest),
                5..=longest,
            )?,
        })
    }
}

fn seconds(
    json: &Json,
    key: &str,
    otherwise: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Duration, Refusal> {
    let seconds = match json.get(key) {
        None | Some(Json::Null) => otherwise,
        Some(value) => value
            .as_u64()
            .filter(|seconds| range.contains(seconds))
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                Refusal::invalid(format!("{key}: {value} is no number from {low} to {high}"))
            })?,
    };
    Ok(Duration::from_secs(seconds))
}

async fn method(call: &Call, name: &Name, content: Unread) -> Answer {
    let hub = call.service(
        &[Right::ServiceConnect],
        &format!("{}/methods", resource(name)),
    )?;
    let method = Method::read(
        &content.read(BODY).await?.object()?,
        hub.behaviour.method_timeout_s,
    )?;
    let done = hub
        .invoke(
            name,
            &method.name,
            method.payload,
            method.connect,
            method.response,
        )
        .await;
    let (status, payload) = done.map_err(|failed| {
        Refusal::with_status(failed.status, failed.code, failed.why)
            .host(&hub.host)
            .device(name.to_string())
    })?;
    Ok(ok(&json!({ "status": status, "payload": payload })))
}
