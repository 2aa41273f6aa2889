//! A hub's devices and modules: what they are, their twins, and method calls.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Map, Value as Json, json};

use super::{
    super::{
        answer::{answered, empty},
        body::Content,
        call::At,
    },
    Answer, Asked, Wrong, hub, kept, name, ok,
};
use crate::{
    hub::{
        Authentication, Entry, Live, Name,
        registry::{Origin, Refused, Wanted},
    },
    log::Code,
    shared::Shared,
};

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Self {
        Self::of(refused.code, refused.why)
    }
}

/// `?after=` a name, `limit`, `filter` a part of the name, `connected=true`.
pub(super) async fn list(
    State(lab): State<Arc<Shared>>,
    At(host): At<String>,
    asked: Asked,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let limit = asked.limit(100, 1000)?.max(1);
    let (filter, connected) = (
        asked.text("filter"),
        asked.text("connected") == Some("true"),
    );
    let mut after = asked.text("after").map(Name::device);
    let mut devices = Vec::new();
    loop {
        // Pages of all devices, so that the hub's lock is held for a short time only.
        let page = hub.entries(after.as_ref(), false, 500, |name, entry| {
            let wanted = filter.is_none_or(|part| name.device.contains(part))
                && (!connected || entry.live.is_some());
            (name.clone(), wanted.then(|| brief(name, entry)))
        });
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        devices.extend(page.into_iter().filter_map(|(_, device)| device));
        if devices.len() > limit {
            break;
        }
        tokio::task::yield_now().await;
    }
    let more = devices.len() > limit;
    devices.truncate(limit);
    let last = devices.last().and_then(|device| device.get("id")).cloned();
    let next = if more { last } else { None };
    Ok(ok(&json!({ "devices": devices, "next": next })))
}

/// A device in a list.
fn brief(name: &Name, entry: &Entry) -> Json {
    let identity = &entry.identity;
    let kind = match identity.authentication {
        Authentication::Sas { .. } => "sas",
        Authentication::SelfSigned { .. } => "selfSigned",
        Authentication::CertificateAuthority => "certificateAuthority",
    };
    json!({
        "id": name.to_string(),
        "enabled": identity.enabled,
        "authentication": kind,
        "origin": identity.origin,
        "last_activity": identity.last_activity.rfc3339(),
        "messages": entry.inbox.len(),
        "connected": entry.live.as_ref().map(live),
    })
}

fn live(live: &Live) -> Json {
    json!({
        "connection": live.connection.id,
        "peer": live.connection.peer.to_string(),
        "listener": live.connection.listener,
        "since": live.since.rfc3339(),
        "expires": live.expires.map(crate::clock::Time::rfc3339),
        "model_id": live.model_id,
        "client_type": live.client_type,
    })
}

pub(super) async fn read(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let name = name(&id);
    let modules = match name.module {
        None => hub.modules(&name.device, |name, _| name.to_string()),
        Some(_) => None,
    };
    let view = |entry: &Entry| {
        let mut all = brief(&name, entry);
        let subscriptions = entry.session.subscriptions.iter();
        let subscriptions: Vec<_> = subscriptions
            .map(|(feature, qos)| json!({ "feature": feature, "qos": qos }))
            .collect();
        let mut identity = entry.identity_json(&name);
        // Keys are for the connection string only.
        if let Some(keys) = identity.pointer_mut("/authentication/symmetricKey") {
            *keys = Json::Null;
        }
        if let Some(all) = all.as_object_mut() {
            all.insert("identity".into(), identity);
            all.insert("modules".into(), json!(modules));
            all.insert("subscriptions".into(), subscriptions.into());
            all.insert("session_kept".into(), entry.session.kept.into());
        }
        all
    };
    let state = hub.lock();
    let json = state.entries.get(&name).map(view);
    drop(state);
    Ok(ok(&json.ok_or_else(|| Wrong::absent(&name))?))
}

/// The body is an identity as the REST API has it; `id` (or `deviceId`) is enough.
pub(super) async fn create(
    State(lab): State<Arc<Shared>>,
    At(host): At<String>,
    content: Content,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let json = content.object()?;
    let id = json.get("id").or_else(|| json.get("deviceId"));
    let id = id
        .and_then(Json::as_str)
        .ok_or_else(|| Wrong::invalid("id: it is missing"))?;
    let name = name(id);
    let (_, durable) = hub.create(&name, Wanted::read(&json)?, Origin::Registry)?;
    kept(durable).await?;
    Ok(answered(StatusCode::CREATED, &json!({ "id": id })))
}

pub(super) async fn remove(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let durable = hub(&lab, &host)?.remove(&name(&id), None)?;
    kept(durable).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn connection_string(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let hub = hub(&lab, &host)?;
    let name = name(&id);
    let text = hub
        .connection_string(&name)
        .ok_or_else(|| Wrong::absent(&name))?;
    Ok(ok(&json!({ "connection_string": text })))
}

pub(super) async fn twin(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let name = name(&id);
    let twin = hub(&lab, &host)?.twin_json(&name);
    Ok(ok(&twin.ok_or_else(|| Wrong::absent(&name))?))
}

/// `{"tags", "properties": {"desired"}}`, merged; with `?replace=true` instead of what is there.
pub(super) async fn patch_twin(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
    content: Content,
) -> Answer {
    let name = name(&id);
    let if_match = headers.get("if-match").and_then(|etag| etag.to_str().ok());
    let replace = asked.text("replace") == Some("true");
    let change = content.object()?;
    let done = hub(&lab, &host)?.patch_twin(&name, &change, if_match, replace);
    let (twin, durable) = done.map_err(|wrong| Wrong::with(wrong.status, wrong.code, wrong.why))?;
    kept(durable).await?;
    Ok(ok(&twin))
}

/// `{"payload", "timeout_s", "connect_s"}`, all of which may be left out.
pub(super) async fn invoke(
    State(lab): State<Arc<Shared>>,
    At((host, id, method)): At<(String, String, String)>,
    content: Content,
) -> Answer {
    let asked = match content.bytes.is_empty() {
        true => Json::Object(Map::new()),
        false => content.object()?,
    };
    let seconds = |key: &str, otherwise: f64| match asked.get(key) {
        None | Some(Json::Null) => Ok(Duration::from_secs_f64(otherwise)),
        Some(value) => {
            let seconds = value
                .as_f64()
                .filter(|seconds| (0.0..=300.0).contains(seconds));
            let why = || Wrong::invalid(format!("{key}: {value} is no number from 0 to 300"));
            seconds.map(Duration::from_secs_f64).ok_or_else(why)
        }
    };
    let (timeout, connect) = (seconds("timeout_s", 30.0)?, seconds("connect_s", 0.0)?);
    let payload = asked.get("payload").cloned().unwrap_or_default();
    let hub = Arc::clone(hub(&lab, &host)?);
    let answer = hub
        .invoke(&name(&id), &method, payload, connect, timeout)
        .await;
    let (status, payload) =
        answer.map_err(|failed| Wrong::with(failed.status, failed.code, failed.why))?;
    Ok(ok(&json!({ "status": status, "payload": payload })))
}

/// The hub ends the connection, as if for maintenance.
pub(super) async fn disconnect(
    State(lab): State<Arc<Shared>>,
    At((host, id)): At<(String, String)>,
) -> Answer {
    let name = name(&id);
    let why = "the connection was ended by hand";
    if hub(&lab, &host)?.disconnect(&name, Code::Maintenance, why) {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let why = format!("{name} is not connected");
    Err(Wrong::with(404, Code::DeviceNotOnline, why))
}
