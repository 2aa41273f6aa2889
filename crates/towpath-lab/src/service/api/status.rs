//! The lab as a whole: hubs, connections, faults, provisioning, the root certificate.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use serde_json::{Value as Json, json};

use super::{
    super::{
        answer::{answered, empty},
        body::Content,
        call::At,
    },
    Answer, Asked, Wrong, ok,
};
use crate::{
    Error, dps as provisioning,
    fault::{Kind, Setting, Takes},
    shared::Shared,
};

pub(super) async fn status(State(lab): State<Arc<Shared>>) -> Answer {
    let hubs = lab.hubs.iter().map(|hub| {
        let counts = hub.counts();
        json!({
            "host": hub.host,
            "devices": counts.enabled + counts.disabled,
            "disabled": counts.disabled,
            "connected": counts.connected,
            "telemetry": hub.telemetry.last(),
        })
    });
    let dps = lab.dps.as_ref();
    let dps = dps.map(|dps| json!({ "host": dps.host, "id_scope": dps.id_scope }));
    Ok(ok(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": lab.means.clock.now().rfc3339(),
        "hubs": hubs.collect::<Vec<_>>(),
        "provisioning": dps,
        "connections": lab.connections.live(),
        "faults": lab.means.faults.on().len(),
    })))
}

pub(super) async fn root(State(lab): State<Arc<Shared>>) -> Answer {
    let mut response = lab.pki.root_pem().into_response();
    let kind = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

pub(super) async fn connections(State(lab): State<Arc<Shared>>, asked: Asked) -> Answer {
    let ladders = lab
        .connections
        .ladders(asked.text("device"), asked.limit(100, 1000)?);
    Ok(ok(&json!(ladders)))
}

/// Every fault there is, and those that are on.
pub(super) async fn faults(State(lab): State<Arc<Shared>>) -> Answer {
    let catalogue = Kind::ALL.iter().map(|kind| {
        let (takes, otherwise) = match kind.takes() {
            Takes::Nothing => ("nothing", Json::Null),
            Takes::Number(number) => ("number", number.into()),
            Takes::Word(word) => ("word", word.into()),
        };
        json!({
            "name": kind.name(),
            "finding": kind.finding(),
            "rung": kind.rung().name(),
            "takes": takes,
            "default": otherwise,
            "what": kind.what(),
        })
    });
    let catalogue: Vec<_> = catalogue.collect();
    Ok(ok(
        &json!({ "catalogue": catalogue, "on": lab.means.faults.on() }),
    ))
}

pub(super) async fn switch_on(State(lab): State<Arc<Shared>>, content: Content) -> Answer {
    let setting: Setting = serde_json::from_slice(&content.bytes)
        .map_err(|error| Wrong::invalid(format!("the setting: {error}")))?;
    let number = lab.means.faults.switch_on(setting);
    let number = number.map_err(|error| match error {
        Error::Fault { why } => Wrong::invalid(why),
        other => Wrong::invalid(other.to_string()),
    })?;
    Ok(answered(StatusCode::CREATED, &json!({ "number": number })))
}

pub(super) async fn switch_off(State(lab): State<Arc<Shared>>, At(number): At<u64>) -> Answer {
    if lab.means.faults.switch_off(number) {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let why = format!("no fault with the number {number} is on");
    Err(Wrong::new(StatusCode::NOT_FOUND, "NotFound", why))
}

pub(super) async fn clear(State(lab): State<Arc<Shared>>) -> Answer {
    lab.means.faults.clear();
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Enrolments and registrations, in which the service shows no keys; `?limit=` of each.
pub(super) async fn provisioning(State(lab): State<Arc<Shared>>, asked: Asked) -> Answer {
    let Some(dps) = &lab.dps else {
        let why = "the config declares no provisioning service";
        return Err(Wrong::new(StatusCode::NOT_FOUND, "NotFound", why));
    };
    let limit = asked.limit(1000, 10_000)?;
    let (individuals, _) = dps.enrollments(provisioning::Kind::Individual, None, limit);
    let (groups, _) = dps.enrollments(provisioning::Kind::Group, None, limit);
    let (registrations, _) = dps.registrations(None, None, limit);
    Ok(ok(&json!({
        "host": dps.host,
        "id_scope": dps.id_scope,
        "enrollments": individuals,
        "groups": groups,
        "registrations": registrations,
    })))
}
