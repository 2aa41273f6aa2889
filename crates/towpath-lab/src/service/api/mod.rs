//! The lab's own API under `/api`, for the page, for scripts and for tests: what the real service has no HTTP for, and
//! the switches of the faults. On loopback, without a token; [`guard()`] keeps web pages of others out.

mod devices;
mod events;
mod guard;
mod messages;
mod status;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Query},
    http::{StatusCode, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value as Json, json};

pub(crate) use self::guard::guard;
use super::{BODY, answer::answered, body::Bodies, call::At};
use crate::{
    hub::{Hub, Name},
    log::Code,
    shared::Shared,
    store::Durable,
};

/// What a handler gives.
type Answer = Result<Response, Wrong>;

/// Why not: `{"error": {"code", "message"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Wrong {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// With one of the hub's codes.
    fn of(code: Code, message: impl Into<String>) -> Self {
        let status = u16::try_from(code.number() / 1000).unwrap_or(500);
        Self::with(status, code, message)
    }

    fn with(status: u16, code: Code, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, code.name(), message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::of(Code::ArgumentInvalid, message)
    }

    fn absent(name: &Name) -> Self {
        let why = format!("there is no device or module {name}");
        Self::of(Code::DeviceNotFound, why)
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        answered(self.status, &body)
    }
}

/// What another part of the service side refused, in the form of this API.
impl From<super::answer::Refusal> for Wrong {
    fn from(refusal: super::answer::Refusal) -> Self {
        Self::new(refusal.status, refusal.code.name(), refusal.why)
    }
}

/// The lab's own API under `/api`, on the page's listener only.
pub(crate) fn api(lab: &Arc<Shared>) -> Router {
    Router::new()
        .route("/api/status", get(status::status))
        .route("/api/root.pem", get(status::root))
        .route("/api/provisioning", get(status::provisioning))
        .route("/api/connections", get(status::connections))
        .route(
            "/api/faults",
            get(status::faults)
                .post(status::switch_on)
                .delete(status::clear),
        )
        .route(
            "/api/faults/{number}",
            axum::routing::delete(status::switch_off),
        )
        .route("/api/events", get(events::events))
        .route("/api/events/stream", get(events::event_stream))
        .merge(of_hubs())
        .route("/api/{*rest}", axum::routing::any(unknown))
        .layer(middleware::from_fn(guard))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(Extension(Bodies::default()))
        .with_state(Arc::clone(lab))
}

/// What is below a hub.
fn of_hubs() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/api/hubs/{host}/devices",
            get(devices::list).post(devices::create),
        )
        .route(
            "/api/hubs/{host}/devices/{id}",
            get(devices::read).delete(devices::remove),
        )
        .route(
            "/api/hubs/{host}/devices/{id}/connection-string",
            get(devices::connection_string),
        )
        .route(
            "/api/hubs/{host}/devices/{id}/twin",
            get(devices::twin).patch(devices::patch_twin),
        )
        .route(
            "/api/hubs/{host}/devices/{id}/methods/{name}",
            post(devices::invoke),
        )
        .route(
            "/api/hubs/{host}/devices/{id}/disconnect",
            post(devices::disconnect),
        )
        .route(
            "/api/hubs/{host}/devices/{id}/messages",
            get(messages::queue)
                .post(messages::send)
                .delete(messages::purge),
        )
        .route("/api/hubs/{host}/devices/{id}/files", get(messages::files))
        .route(
            "/api/hubs/{host}/devices/{id}/files/{name}",
            get(messages::file),
        )
        .route("/api/hubs/{host}/telemetry", get(messages::telemetry))
        .route(
            "/api/hubs/{host}/telemetry/stream",
            get(events::telemetry_stream),
        )
}

async fn unknown(At(rest): At<String>) -> Answer {
    Err(Wrong::new(
        StatusCode::NOT_FOUND,
        "NotFound",
        format!("there is no /api/{rest}"),
    ))
}

/// The hub of the path.
fn hub<'a>(lab: &'a Shared, host: &str) -> Result<&'a Arc<Hub>, Wrong> {
    let why = || format!("there is no hub {host:?} in this lab");
    lab.hub(host)
        .ok_or_else(|| Wrong::with(404, Code::HubNotFound, why()))
}

/// `device` or `device/module`.
fn name(id: &str) -> Name {
    match id.split_once('/') {
        Some((device, module)) => Name::module(device, module),
        None => Name::device(id),
    }
}

/// The query as texts.
#[derive(Debug)]
struct Asked(HashMap<String, String>);

impl FromRequestParts<Arc<Shared>> for Asked {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Wrong> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|error| Wrong::invalid(format!("the query: {error}")))?;
        Ok(Self(query))
    }
}

impl Asked {
    fn text(&self, key: &str) -> Option<&str> {
        let text = self.0.get(key).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    fn number(&self, key: &str) -> Result<Option<u64>, Wrong> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let number = text.parse();
        number
            .map(Some)
            .map_err(|_| Wrong::invalid(format!("{key}: {text:?} is no number")))
    }

    /// `limit`, within bounds.
    fn limit(&self, otherwise: usize, most: usize) -> Result<usize, Wrong> {
        let limit = self.number("limit")?;
        let limit = limit.map_or(otherwise, |limit| usize::try_from(limit).unwrap_or(most));
        Ok(limit.min(most))
    }
}

fn ok(json: &Json) -> Response {
    answered(StatusCode::OK, json)
}

async fn kept(durable: Durable) -> Result<(), Wrong> {
    Ok(super::answer::kept(durable).await?)
}
