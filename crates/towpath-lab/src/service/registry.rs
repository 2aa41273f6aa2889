//! `/devices`, `/devices/{id}/modules` and `/statistics`: who there is.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value as Json, json};

use super::{
    BODY,
    answer::{Answer, Refusal, empty, kept, ok},
    body::Unread,
    call::{At, Call},
};
use crate::{
    config::Right,
    hub::{
        Name,
        registry::{Origin, Refused, Wanted},
    },
    log::Code,
    store::Durable,
};

/// How many devices `GET /devices` gives at most.
const TOP: usize = 1000;

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code, refused.why)
    }
}

pub(super) async fn list(call: Call) -> Answer {
    let hub = call.service(&[Right::RegistryRead], "devices")?;
    let top = match call.query.get("top").or_else(|| call.query.get("maxCount")) {
        None => TOP,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Refusal::invalid(format!("top: {text:?} is no number")))?
            .min(TOP),
    };
    let all = hub.entries(None, false, top, |name, entry| entry.identity_json(name));
    Ok(ok(&Json::Array(all)))
}

pub(super) async fn read(call: Call, At(id): At<String>) -> Answer {
    one(&call, &Name::device(id))
}

pub(super) async fn put(call: Call, At(id): At<String>, content: Unread) -> Answer {
    write(&call, &Name::device(id), content).await
}

pub(super) async fn delete(call: Call, At(id): At<String>) -> Answer {
    remove(&call, &Name::device(id)).await
}

pub(super) async fn modules(call: Call, At(id): At<String>) -> Answer {
    let hub = call.service(&[Right::RegistryRead], &format!("devices/{id}/modules"))?;
    let all = hub.modules(&id, |name, entry| entry.identity_json(name));
    let all = all.ok_or_else(|| absent(&Name::device(id)))?;
    Ok(ok(&Json::Array(all)))
}

pub(super) async fn read_module(call: Call, At((id, module)): At<(String, String)>) -> Answer {
    one(&call, &Name::module(id, module))
}

pub(super) async fn put_module(
    call: Call,
    At((id, module)): At<(String, String)>,
    content: Unread,
) -> Answer {
    write(&call, &Name::module(id, module), content).await
}

pub(super) async fn delete_module(call: Call, At((id, module)): At<(String, String)>) -> Answer {
    remove(&call, &Name::module(id, module)).await
}

pub(super) async fn device_statistics(call: Call) -> Answer {
    let hub = call.service(&[Right::RegistryRead], "statistics/devices")?;
    let counts = hub.counts();
    Ok(ok(&json!({
        "totalDeviceCount": counts.enabled + counts.disabled,
        "enabledDeviceCount": counts.enabled,
        "disabledDeviceCount": counts.disabled,
    })))
}

pub(super) async fn service_statistics(call: Call) -> Answer {
    let hub = call.service(&[Right::ServiceConnect], "statistics/service")?;
    Ok(ok(
        &json!({ "connectedDeviceCount": hub.counts().connected }),
    ))
}

fn resource(name: &Name) -> String {
    match &name.module {
        Some(module) => format!("devices/{}/modules/{module}", name.device),
        None => format!("devices/{}", name.device),
    }
}

pub(super) fn absent(name: &Name) -> Refusal {
    let why = format!("there is no device or module {name}");
    Refusal::new(Code::DeviceNotFound, why).device(name.to_string())
}

fn one(call: &Call, name: &Name) -> Answer {
    let hub = call.service(&[Right::RegistryRead], &resource(name))?;
    let identity = hub.identity_json(name).ok_or_else(|| absent(name))?;
    Ok(ok(&identity))
}

/// Without `If-Match` a PUT makes, with it it changes.
async fn write(call: &Call, name: &Name, content: Unread) -> Answer {
    let hub = call.service(&[Right::RegistryWrite], &resource(name))?;
    let json = content.read(BODY).await?.object()?;
    for (key, wanted) in [
        ("deviceId", Some(&name.device)),
        ("moduleId", name.module.as_ref()),
    ] {
        let said = json.get(key).and_then(Json::as_str);
        if let (Some(said), Some(wanted)) = (said, wanted)
            && said != wanted
        {
            let why = format!("{key}: the path says {wanted:?}, the body {said:?}");
            return Err(Refusal::invalid(why));
        }
    }
    let wanted = Wanted::read(&json)?;
    let done = match call.if_match() {
        None => hub.create(name, wanted, Origin::Registry),
        Some(etag) => hub.update(name, wanted, Some(etag)),
    };
    let (identity, durable) = done.map_err(|refused| about(refused, name))?;
    kept(durable).await?;
    Ok(ok(&identity))
}

async fn remove(call: &Call, name: &Name) -> Answer {
    let hub = call.service(&[Right::RegistryWrite], &resource(name))?;
    let durable = hub
        .remove(name, call.if_match())
        .map_err(|refused| about(refused, name))?;
    gone(durable).await
}

async fn gone(durable: Durable) -> Result<Response, Refusal> {
    kept(durable).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) fn about(refused: Refused, name: &Name) -> Refusal {
    Refusal::from(refused).device(name.to_string())
}
