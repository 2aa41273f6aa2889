//! `POST /devices`: up to a hundred identities made, changed or deleted at once.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{
    BODY,
    answer::{Answer, Refusal, answered, kept},
    body::Unread,
    call::Call,
};
use crate::{
    config::Right,
    hub::{
        Hub, Name,
        registry::{Origin, Refused, Wanted},
    },
    log::Code,
    store::Durable,
};

/// How many there may be in a request.
const MANY: usize = 100;

pub(super) async fn post(call: Call, content: Unread) -> Answer {
    let hub = call.service(&[Right::RegistryWrite], "devices")?;
    let Json::Array(all) = content.read(BODY).await?.json()? else {
        return Err(Refusal::invalid("the body has to be a list of devices"));
    };
    if all.is_empty() || all.len() > MANY {
        let why = format!("a list has 1 to {MANY} devices, not {}", all.len());
        return Err(Refusal::invalid(why));
    }
    let (mut errors, mut durable) = (Vec::new(), Vec::new());
    for one in &all {
        match change(&hub, one) {
            Ok(done) => durable.extend(done),
            Err(refused) => {
                let name = one.get("moduleId").map(|module| ("moduleId", module));
                let mut error = json!({
                    "deviceId": one.get("id"),
                    "errorCode": refused.code.name(),
                    "errorStatus": refused.why,
                });
                if let (Some((key, module)), Some(error)) = (name, error.as_object_mut()) {
                    error.insert(key.into(), module.clone());
                }
                errors.push(error);
            }
        }
    }
    for durable in durable {
        kept(durable).await?;
    }
    let status = match errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::BAD_REQUEST,
    };
    let body = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": [] });
    Ok(answered(status, &body))
}

/// What `importMode` says. Without one it is made or changed.
fn change(hub: &Hub, json: &Json) -> Result<Vec<Durable>, Refused> {
    let text = |key: &str| json.get(key).and_then(Json::as_str);
    let wrong = |why: String| Refused::new(Code::ArgumentInvalid, why);
    let id = text("id")
        .or_else(|| text("deviceId"))
        .ok_or_else(|| wrong("id: it is missing".into()))?;
    let name = match text("moduleId").filter(|module| !module.is_empty()) {
        Some(module) => Name::module(id, module),
        None => Name::device(id),
    };
    let mode = text("importMode").unwrap_or("createOrUpdate");
    let is = |other: &str| mode.eq_ignore_ascii_case(other);
    let etag = || text("eTag").or_else(|| text("etag"));
    let only_if = |matching: bool| match matching {
        true => etag()
            .map(Some)
            .ok_or_else(|| wrong(format!("eTag: {mode} needs one"))),
        false => Ok(None),
    };
    if is("delete") || is("deleteIfMatchETag") {
        return Ok(vec![hub.remove(&name, only_if(is("deleteIfMatchETag"))?)?]);
    }
    if is("updateTwin") || is("updateTwinIfMatchETag") {
        let etag = match is("updateTwinIfMatchETag") {
            true => text("twinETag").or(Some("")),
            false => None,
        };
        return Ok(twin(hub, &name, json, etag)?.into_iter().collect());
    }
    let wanted = Wanted::read(json)?;
    let there = hub.identity_json(&name).is_some();
    let done =
        if is("create") || (is("createOrUpdate") || is("createOrUpdateIfMatchETag")) && !there {
            hub.create(&name, wanted, Origin::Registry)?.1
        } else if is("update") || is("createOrUpdate") {
            hub.update(&name, wanted, None)?.1
        } else if is("updateIfMatchETag") || is("createOrUpdateIfMatchETag") {
            hub.update(&name, wanted, only_if(true)?)?.1
        } else {
            return Err(wrong(format!("importMode: {mode:?} is not known")));
        };
    let mut durable = vec![done];
    durable.extend(twin(hub, &name, json, None)?);
    Ok(durable)
}

/// Tags and desired properties, if there are any.
fn twin(
    hub: &Hub,
    name: &Name,
    json: &Json,
    etag: Option<&str>,
) -> Result<Option<Durable>, Refused> {
    let mut change = serde_json::Map::new();
    if let Some(tags) = json.get("tags").filter(|tags| tags.is_object()) {
        change.insert("tags".into(), tags.clone());
    }
    let desired = json.pointer("/properties/desired");
    if let Some(desired) = desired.filter(|desired| desired.is_object()) {
        change.insert("properties".into(), json!({ "desired": desired }));
    }
    if change.is_empty() {
        return Ok(None);
    }
    let (_, durable) = hub
        .patch_twin(name, &Json::Object(change), etag, false)
        .map_err(|wrong| Refused::new(wrong.code, wrong.why))?;
    Ok(Some(durable))
}
