//! `POST /devices/query`: twins of devices and modules that a query asks for, page by page.

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};
use openssl::base64;
use serde_json::Value as Json;

use super::{
    BODY,
    answer::{Answer, Refusal, ok},
    body::{Content, Unread},
    call::Call,
    query::{Groups, Query},
};
use crate::{
    config::Right,
    hub::{Hub, Name},
};

const SOURCES: [&str; 2] = ["devices", "devices.modules"];

/// Rows of a page, where the caller does not say how many, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

/// How many documents are copied at once, so that the hub's lock is held for a short time only.
const COPIED: usize = 200;

pub(super) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

/// The documents are not clear about which right it takes: both do.
pub(super) async fn post(call: Call, content: Unread) -> Answer {
    let hub = call.service(
        &[Right::RegistryRead, Right::ServiceConnect],
        "devices/query",
    )?;
    let query = read(&content.read(BODY).await?, &SOURCES)?;
    let page = page_size(&call)?;
    let after = call
        .header(CONTINUATION.as_str())
        .map(continued)
        .transpose()?;
    let kind = match query.everything() {
        true => "Twin",
        false => "Raw",
    };
    let (rows, next) = if query.aggregates() {
        (groups(&hub, &query).await, None)
    } else {
        rows(&hub, &query, after, page).await
    };
    Ok(paged(rows, next.map(|name| token(&name)), kind))
}

/// The query in a body.
pub(super) fn read(content: &Content, sources: &[&str]) -> Result<Query, Refusal> {
    let json = content.object()?;
    let text = json.get("query").and_then(Json::as_str);
    let text = text.ok_or_else(|| Refusal::invalid("query: it is missing or no text"))?;
    Query::parse(text, sources).map_err(|problem| Refusal::invalid(problem.to_string()))
}

/// Rows that the caller wants at once.
pub(super) fn page_size(call: &Call) -> Result<usize, Refusal> {
    let Some(text) = call.header("x-ms-max-item-count") else {
        return Ok(PAGE);
    };
    // The service's own -1 means as many as there may be.
    if text.trim() == "-1" {
        return Ok(PAGE_MAX);
    }
    match text.trim().parse::<usize>() {
        Ok(count) if count > 0 => Ok(count.min(PAGE_MAX)),
        _ => Err(Refusal::invalid(format!(
            "x-ms-max-item-count: {text:?} is no number above 0"
        ))),
    }
}

/// A page of rows.
pub(super) fn paged(rows: Vec<Json>, next: Option<String>, kind: &'static str) -> Response {
    let mut response = ok(&Json::Array(rows));
    let headers = response.headers_mut();
    headers.insert(ITEM_TYPE, HeaderValue::from_static(kind));
    if let Some(Ok(next)) = next.map(HeaderValue::try_from) {
        headers.insert(CONTINUATION, next);
    }
    response
}

/// The token says behind which device the next page begins.
fn token(name: &Name) -> String {
    base64::encode_block(name.to_string().as_bytes())
}

fn continued(token: &str) -> Result<Name, Refusal> {
    let text = base64::decode_block(token).ok();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    let name =
        text.ok_or_else(|| Refusal::invalid("x-ms-continuation: it is not one of this hub"))?;
    Ok(match name.split_once('/') {
        Some((device, module)) => Name::module(device, module),
        None => Name::device(name),
    })
}

/// Some documents behind a name.
fn documents(hub: &Hub, query: &Query, after: Option<&Name>) -> Vec<(Name, Json)> {
    let modules = query.from == "devices.modules";
    hub.entries(after, modules, COPIED, |name, entry| {
        (name.clone(), entry.twin_for_service(name))
    })
}

async fn rows(
    hub: &Hub,
    query: &Query,
    mut after: Option<Name>,
    page: usize,
) -> (Vec<Json>, Option<Name>) {
    let mut rows = Vec::new();
    loop {
        let found = documents(hub, query, after.as_ref());
        if found.is_empty() {
            return (rows, None);
        }
        for (name, document) in found {
            if query.wants(&document) {
                if rows.len() == page {
                    // There is more: the next page begins behind the last row of this one.
                    return (rows, after);
                }
                rows.push(query.row(document));
            }
            after = Some(name);
        }
        tokio::task::yield_now().await;
    }
}

async fn groups(hub: &Hub, query: &Query) -> Vec<Json> {
    let mut groups = Groups::default();
    let mut after = None;
    loop {
        let found = documents(hub, query, after.as_ref());
        let Some((last, _)) = found.last() else {
            return groups.rows(query);
        };
        after = Some(last.clone());
        for (_, document) in found {
            if query.wants(&document) {
                groups.add(query, document);
            }
        }
        tokio::task::yield_now().await;
    }
}
