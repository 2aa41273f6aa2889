//! The provisioning service over HTTP: enrolments and registrations for its service SDKs, and registration by devices.

use std::{future::pending, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post, put},
};
use openssl::base64;
use serde_json::Value as Json;

use super::{
    BODY,
    answer::{Answer, Form, Refusal, answered, empty, kept, ok},
    body::{Content, Unread},
    call::{At, Call},
    query::Query,
    search::{CONTINUATION, page_size, paged},
};
use crate::{
    config::Right,
    dps::{Credentials, Dps, Kind, Registrant, Reply, Wrong},
    log::Code,
    shared::Shared,
};

/// What a query can ask about, by any of the names that are in use.
const SOURCES: [&str; 4] = [
    "enrollments",
    "enrollmentGroups",
    "registrations",
    "deviceRegistrations",
];

/// Bytes of a registration that are read; how many of them are too many is said by the service.
const REQUEST: usize = 96 << 10;

pub(super) fn routes() -> Router<Arc<Shared>> {
    let mut routes = Router::new();
    // The SDKs write the second one in two ways.
    for (path, kind) in [
        ("/enrollments", Kind::Individual),
        ("/enrollmentGroups", Kind::Group),
        ("/enrollmentgroups", Kind::Group),
    ] {
        routes = routes.merge(enrollments(path, kind));
    }
    routes
        .route(
            "/registrations/{id}",
            get(registration).delete(delete_registration),
        )
        .route("/registrations/{id}/query", post(registrations))
        .route("/{scope}/registrations/{id}/register", put(register))
        .route(
            "/{scope}/registrations/{id}/operations/{operation}",
            get(poll),
        )
}

fn enrollments(path: &str, kind: Kind) -> Router<Arc<Shared>> {
    let bulk = move || post(move |call, content| bulk(call, kind, content));
    Router::new()
        .route(path, bulk())
        .route(&format!("{path}/"), bulk())
        .route(
            &format!("{path}/query"),
            post(move |call, content| search(call, kind, content)),
        )
        .route(
            &format!("{path}/{{id}}"),
            get(move |call, at| read(call, kind, at))
                .put(move |call, at, content| write(call, kind, at, content))
                .delete(move |call, at| delete(call, kind, at)),
        )
        .route(
            &format!("{path}/{{id}}/attestationmechanism"),
            post(move |call, at| attestation(call, kind, at)),
        )
}

const fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Individual => "enrollments",
        Kind::Group => "enrollmentGroups",
    }
}

fn refused(dps: &Dps, wrong: Wrong, about: &str) -> Refusal {
    let refusal = Refusal::new(wrong.code, wrong.why).host(&dps.host);
    let refusal = refusal.form(Form::Provisioning);
    match about {
        "" => refusal,
        about => refusal.device(about),
    }
}

fn absent(dps: &Dps, code: Code, id: &str) -> Refusal {
    let why = format!("there is no {id:?}");
    refused(dps, Wrong { code, why }, id)
}

/// A refusal of a part that both services use.
fn ours(refusal: Refusal) -> Refusal {
    refusal.form(Form::Provisioning)
}

async fn read(call: Call, kind: Kind, At(id): At<String>) -> Answer {
    let dps = call.provisioning(Right::RegistryRead, resource(kind))?;
    let found = dps.enrollment_json(kind, &id);
    Ok(ok(&found.ok_or_else(|| {
        absent(dps, Code::EnrollmentNotFound, &id)
    })?))
}

async fn attestation(call: Call, kind: Kind, At(id): At<String>) -> Answer {
    let dps = call.provisioning(Right::RegistryRead, resource(kind))?;
    let found = dps.attestation_json(kind, &id);
    Ok(ok(&found.ok_or_else(|| {
        absent(dps, Code::EnrollmentNotFound, &id)
    })?))
}

async fn write(call: Call, kind: Kind, At(id): At<String>, content: Unread) -> Answer {
    let dps = call.provisioning(Right::RegistryWrite, resource(kind))?;
    let body = content.read(BODY).await.and_then(|body| body.object());
    let body = body.map_err(ours)?;
    let written = dps.put_enrollment(kind, &id, &body, call.if_match());
    let (json, _, durable) = written.map_err(|wrong| refused(dps, wrong, &id))?;
    kept(durable).await.map_err(ours)?;
    Ok(ok(&json))
}

async fn delete(call: Call, kind: Kind, At(id): At<String>) -> Answer {
    let dps = call.provisioning(Right::RegistryWrite, resource(kind))?;
    let deleted = dps.delete_enrollment(kind, &id, call.if_match());
    let durable = deleted.map_err(|wrong| refused(dps, wrong, &id))?;
    kept(durable).await.map_err(ours)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn bulk(call: Call, kind: Kind, content: Unread) -> Answer {
    let dps = call.provisioning(Right::RegistryWrite, resource(kind))?;
    let body = content.read(BODY).await.and_then(|body| body.object());
    let body = body.map_err(ours)?;
    let (json, durables) = dps
        .bulk(kind, &body)
        .map_err(|wrong| refused(dps, wrong, ""))?;
    for durable in durables {
        kept(durable).await.map_err(ours)?;
    }
    Ok(answered(StatusCode::OK, &json))
}

async fn search(call: Call, kind: Kind, content: Unread) -> Answer {
    let dps = call.provisioning(Right::RegistryRead, resource(kind))?;
    let item = match kind {
        Kind::Individual => "enrollment",
        Kind::Group => "enrollmentGroup",
    };
    found(
        &call,
        &content.read(BODY).await.map_err(ours)?,
        item,
        |after, top| dps.enrollments(kind, after, top),
    )
    .map_err(|refusal| ours(refusal).host(&dps.host))
}

async fn registrations(call: Call, At(group): At<String>, content: Unread) -> Answer {
    let dps = call.provisioning(Right::RegistryRead, "registrations")?;
    let item = "deviceRegistration";
    found(
        &call,
        &content.read(BODY).await.map_err(ours)?,
        item,
        |after, top| dps.registrations(Some(&group), after, top),
    )
    .map_err(|refusal| ours(refusal).host(&dps.host))
}

/// A page of what a query wants, out of what `page` gives behind an id.
fn found(
    call: &Call,
    content: &Content,
    item: &'static str,
    page: impl Fn(Option<&str>, usize) -> (Vec<Json>, Option<String>),
) -> Answer {
    let json = content.object()?;
    let text = json
        .get("query")
        .and_then(Json::as_str)
        .unwrap_or("*")
        .trim();
    let query = match text {
        "" | "*" => None,
        text => Some(
            Query::parse(text, &SOURCES)
                .map_err(|problem| Refusal::invalid(problem.to_string()))?,
        ),
    };
    if query.as_ref().is_some_and(Query::aggregates) {
        return Err(Refusal::invalid("query: no aggregates here"));
    }
    let top = page_size(call)?;
    let mut after = call
        .header(CONTINUATION.as_str())
        .map(continued)
        .transpose()?;
    let mut rows = Vec::new();
    loop {
        let (all, next) = page(after.as_deref(), top - rows.len());
        rows.extend(all.into_iter().filter_map(|one| match &query {
            None => Some(one),
            Some(query) => query.wants(&one).then(|| query.row(one)),
        }));
        after = next;
        if after.is_none() || rows.len() >= top {
            let next = after.map(|id| base64::encode_block(id.as_bytes()));
            return Ok(paged(rows, next, item));
        }
    }
}

fn continued(token: &str) -> Result<String, Refusal> {
    let text = base64::decode_block(token).ok();
    text.and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Refusal::invalid("x-ms-continuation: it is not one of this service"))
}

async fn registration(call: Call, At(id): At<String>) -> Answer {
    let dps = call.provisioning(Right::RegistryRead, "registrations")?;
    let found = dps.registration_json(&id);
    Ok(ok(&found.ok_or_else(|| {
        absent(dps, Code::RegistrationNotFound, &id)
    })?))
}

async fn delete_registration(call: Call, At(id): At<String>) -> Answer {
    let dps = call.provisioning(Right::RegistryWrite, "registrations")?;
    let deleted = dps.delete_registration(&id, call.if_match());
    let durable = deleted.map_err(|wrong| refused(dps, wrong, &id))?;
    kept(durable).await.map_err(ours)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The device of the path, with what it shows.
fn registrant<'a>(call: &'a Call, scope: &str, id: &str) -> Result<(&'a Dps, Registrant), Refusal> {
    let dps = call.dps()?;
    call.check_version()
        .map_err(|refusal| ours(refusal).host(&dps.host).device(id))?;
    let version = call.query.get("api-version").map(String::as_str);
    let credentials = Credentials {
        token: call.authorization(),
        certificate: call.caller.certificate.as_ref(),
    };
    let connection = &call.caller.connection;
    let version = version.unwrap_or_default();
    Ok((
        dps,
        dps.registrant(scope, id, version, credentials, connection),
    ))
}

async fn register(call: Call, At((scope, id)): At<(String, String)>, content: Unread) -> Answer {
    let (dps, registrant) = registrant(&call, &scope, &id)?;
    let connection = &call.caller.connection;
    let content = content.read_unproven(REQUEST).await.map_err(ours)?;
    replied(dps.register(&registrant, &content.bytes, connection).await).await
}

async fn poll(call: Call, At((scope, id, operation)): At<(String, String, String)>) -> Answer {
    let (dps, registrant) = registrant(&call, &scope, &id)?;
    let connection = &call.caller.connection;
    replied(dps.poll(&registrant, &operation, connection).await).await
}

/// The reply over HTTP. Without one, which a fault may ask for, the caller waits until it goes away.
async fn replied(reply: Option<Reply>) -> Answer {
    let Some(reply) = reply else {
        return pending().await;
    };
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}
