//! Messages both ways: telemetry that came, a device's queue, files that were uploaded.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use bytes::Bytes;
use openssl::base64;
use serde_json::{Map, Value as Json, json};

use super::{
    super::{answer::answered, body::Content, call::At},
    Answer, Asked, Wrong, hub, kept, name, ok,
};
use crate::{
    hub::{C2d, Rejected},
    shared::Shared,
};

impl From<Rejected> for Wrong {
    fn from(rejected: Rejected) -> Self {
        Self::of(rejected.code, rejected.why)
    }
}

/// `?device=&after=&limit=`: those behind the number `after`, oldest first; without it the newest.
pub(super) async fn telemetry(
    State(lab): State<Arc<Shared>>,
    At(host): At<String>,
    asked: Asked,
) -> Answer {
    let telemetry = &hub(&lab, &host)?.telemetry;
    let (device, limit) = (asked.text("device"), asked.limit(100, 10_000)?);
    let messages = match asked.number("after")? {
        Some(after) => telemetry.since(after, device, limit),
        None => telemetry.newest(device, limit),
    };
    let messages: Vec<_> = messages.iter().map(AsRef::as_ref).collect();
    Ok(ok(
        &json!({ "messages": messages, "last": telemetry.last() }),
    ))
}

/// `{"body" or "body_base64", "properties": {}, "system": {}, "ttl_s"}`
pub(super) async fn send(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
    content: Content,
) -> Answer {
    let message = message(&content.object()?)?;
    let (sequence, durable) = hub(&lab, &host)?.enqueue(&name(&id), message)?;
    kept(durable).await?;
    Ok(answered(
        StatusCode::ACCEPTED,
        &json!({ "sequence": sequence }),
    ))
}

fn message(json: &Json) -> Result<C2d, Wrong> {
    let text = |key: &str| match json.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Wrong::invalid(format!("{key}: it has to be text"))),
    };
    let payload = match (json.get("body"), text("body_base64")?) {
        (None | Some(Json::Null), None) => Bytes::new(),
        (Some(Json::String(text)), None) => Bytes::from(text.clone()),
        // JSON that is no text is sent as it is.
        (Some(other), None) => Bytes::from(other.to_string()),
        (None | Some(Json::Null), Some(text)) => base64::decode_block(text)
            .map_err(|_| Wrong::invalid("body_base64: it is no base64"))?
            .into(),
        _ => {
            return Err(Wrong::invalid(
                "there can be a body or a body_base64, not both",
            ));
        }
    };
    let ttl = match json.get("ttl_s") {
        None | Some(Json::Null) => None,
        Some(value) => {
            let seconds = value
                .as_i64()
                .filter(|seconds| (1..=172_800).contains(seconds));
            let why = || Wrong::invalid(format!("ttl_s: {value} is no number from 1 to 172800"));
            Some(seconds.ok_or_else(why)?.saturating_mul(1000))
        }
    };
    Ok(C2d {
        properties: texts(json, "properties")?,
        system: texts(json, "system")?,
        payload,
        ttl,
    })
}

fn texts(json: &Json, key: &str) -> Result<BTreeMap<String, String>, Wrong> {
    let none = Map::new();
    let all = match json.get(key) {
        None | Some(Json::Null) => &none,
        Some(Json::Object(all)) => all,
        Some(_) => {
            return Err(Wrong::invalid(format!(
                "{key}: it has to be an object of texts"
            )));
        }
    };
    let text = |(name, value): (&String, &Json)| {
        let text = value.as_str();
        let text =
            text.ok_or_else(|| Wrong::invalid(format!("{key}.{name}: it has to be text")))?;
        Ok((name.clone(), text.to_owned()))
    };
    all.iter().map(text).collect()
}

pub(super) async fn queue(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let name = name(&id);
    let queue = hub(&lab, &host)?.queue(&name);
    let queue = queue.ok_or_else(|| Wrong::absent(&name))?;
    let messages = queue.iter().map(|message| {
        let mut json = json!(message);
        if let Some(json) = json.as_object_mut() {
            json.insert("locked".into(), message.lock.is_some().into());
        }
        json
    });
    Ok(ok(&json!({ "messages": messages.collect::<Vec<_>>() })))
}

pub(super) async fn purge(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let name = name(&id);
    let purged = hub(&lab, &host)?.purge(&name);
    let (purged, durable) = purged.ok_or_else(|| Wrong::absent(&name))?;
    kept(durable).await?;
    Ok(ok(&json!({ "purged": purged })))
}

/// Files of a device, newest first.
pub(super) async fn files(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let files = lab.uploads.of(&hub.host, &id);
    let files = files
        .into_iter()
        .map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
    Ok(ok(&json!({ "files": files.collect::<Vec<_>>() })))
}

/// A file as it came, never to be shown by a browser.
pub(super) async fn file(
    State(lab): State<Arc<Shared>>,
    At((host, id, file)): At<(String, String, String)>,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let Some(content) = lab.uploads.content(&hub.host, &id, &file) else {
        let why = format!("{id} has uploaded no {file:?}");
        return Err(Wrong::new(StatusCode::NOT_FOUND, "NotFound", why));
    };
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}
