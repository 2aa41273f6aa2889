//! The service side over HTTP: the REST subset of the real hub and provisioning service for their SDKs, and the lab's
//! own API.

mod answer;
mod api;
mod body;
mod bulk;
mod call;
mod device;
mod feedback;
mod files;
mod progress;
mod provisioning;
mod query;
mod registry;
mod search;
mod serve;
#[cfg(test)]
mod tests;
mod twins;
mod uploads;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    handler::Handler as _,
    http::{
        HeaderValue,
        header::{DATE, HOST},
    },
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};

use self::{
    answer::{Answer, Refusal},
    body::Bodies,
    files::CONTAINER,
};
pub(crate) use self::{
    api::{api, guard},
    progress::Progress,
    serve::serve,
    uploads::Uploads,
};
use crate::{
    certificate::ClientCertificate,
    connection::Connection,
    log::{Code, Record},
    shared::Shared,
};

/// Bytes of a request's body.
const BODY: usize = 512 << 10;

/// Bytes of a file that is uploaded at once, or of a piece of one.
const FILE: usize = 16 << 20;

/// What the front door knows about a request's connection; an extension of each request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The connection, for its ladder and its faults.
    pub(crate) connection: Arc<Connection>,
    /// The client's certificate, for the devices' part of the REST API.
    pub(crate) certificate: Option<ClientCertificate>,
}

/// The routes on 443: `/devices`, `/twins`, `/statistics`, `/modules`, provisioning; every request is authorized.
pub(crate) fn rest(lab: &Arc<Shared>) -> Router {
    Router::new()
        .merge(identities())
        .merge(twins())
        .merge(of_devices())
        .merge(provisioning::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(Arc::clone(lab), tell))
        .layer(middleware::from_fn_with_state(Arc::clone(lab), dated))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(Extension(Bodies::default()))
        .with_state(Arc::clone(lab))
}

fn identities() -> Router<Arc<Shared>> {
    let devices = || get(registry::list).post(bulk::post);
    Router::new()
        .route("/devices", devices())
        .route("/devices/", devices())
        .route("/devices/query", post(search::post))
        .route(
            "/devices/{id}",
            get(registry::read)
                .put(registry::put)
                .delete(registry::delete),
        )
        .route("/devices/{id}/modules", get(registry::modules))
        .route(
            "/devices/{id}/modules/{module}",
            get(registry::read_module)
                .put(registry::put_module)
                .delete(registry::delete_module),
        )
        .route("/devices/{id}/commands", delete(feedback::purge))
        .route("/statistics/devices", get(registry::device_statistics))
        .route("/statistics/service", get(registry::service_statistics))
        .route("/messages/serviceBound/feedback", get(feedback::receive))
        .route(
            "/messages/serviceBound/feedback/{token}",
            delete(feedback::settle),
        )
        .route(
            "/messages/serviceBound/feedback/{token}/abandon",
            post(feedback::settle),
        )
}

fn twins() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/twins/{id}",
            get(twins::read).patch(twins::patch).put(twins::replace),
        )
        .route(
            "/twins/{id}/modules/{module}",
            get(twins::read_module)
                .patch(twins::patch_module)
                .put(twins::replace_module),
        )
        .route("/twins/{id}/methods", post(twins::invoke))
        .route(
            "/twins/{id}/modules/{module}/methods",
            post(twins::invoke_module),
        )
}

fn of_devices() -> Router<Arc<Shared>> {
    Router::new()
        .route("/devices/{id}/messages/events", post(device::telemetry))
        .route(
            "/devices/{id}/modules/{module}/messages/events",
            post(device::telemetry_of_module),
        )
        .route("/devices/{id}/messages/devicebound", get(device::receive))
        .route(
            "/devices/{id}/messages/devicebound/{token}",
            delete(device::complete),
        )
        .route(
            "/devices/{id}/messages/devicebound/{token}/abandon",
            post(device::abandon),
        )
        .route("/devices/{id}/files", post(files::open))
        .route("/devices/{id}/files/notifications", post(files::notify))
        .route(
            "/devices/{id}/files/notifications/{correlation}",
            post(files::notify_older),
        )
        .route(
            &format!("/{CONTAINER}/{{*blob}}"),
            put(files::put.layer(DefaultBodyLimit::max(FILE))),
        )
}

async fn unknown(request: Request) -> Answer {
    let why = format!(
        "the lab has no {} {:?}; it has /devices, /twins, /statistics, file upload, and the provisioning service's \
         /enrollments, /enrollmentGroups and /registrations",
        request.method(),
        request.uri().path()
    );
    Err(Refusal::with_status(404, Code::ArgumentInvalid, why))
}

async fn other_method(request: Request) -> Answer {
    let why = format!("{} is not for {:?}", request.method(), request.uri().path());
    Err(Refusal::with_status(405, Code::ArgumentInvalid, why))
}

/// Answers with the hub's own time, where a fault lets its clock run ahead.
async fn dated(State(lab): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.map(|host| call::without_port(host).to_owned());
    let mut response = next.run(request).await;
    let hub = host.as_deref().and_then(|host| lab.hub(host));
    let Some(time) = hub.map(|hub| hub.now(None)) else {
        return response;
    };
    if time.since(lab.means.clock.now()) > 1000
        && let Ok(date) = HeaderValue::try_from(time.http())
    {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// Logs a refusal with its true cause, and writes what the caller may know of it.
async fn tell(State(lab): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let Some(refusal) = response.extensions_mut().remove::<Refusal>() else {
        return response;
    };
    let path: String = path.chars().take(200).collect();
    let text = format!("{method} {path:?} was refused: {}", refusal.why);
    let mut record = Record::warn(refusal.code, text);
    record.host.clone_from(&refusal.host);
    record.device.clone_from(&refusal.device);
    if let Some(caller) = &caller {
        record.connection = Some(caller.connection.id);
    }
    lab.means.tell(record);
    refusal.answer(lab.means.clock.now()).into_response()
}
