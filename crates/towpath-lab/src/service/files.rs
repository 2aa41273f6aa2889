//! File upload: a device asks for a place, puts the file there, and tells how it went. The place is the lab itself.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value as Json, json};

use super::{
    BODY, FILE,
    answer::{Answer, Refusal, empty, ok},
    body::Unread,
    call::{At, Call},
    uploads::{Change, GOOD_FOR},
};
use crate::{
    clock::Time,
    hub::Name,
    log::{Code, Record},
};

/// The first part of the path of each file.
pub(super) const CONTAINER: &str = "lab-uploads";

/// `POST /devices/{id}/files`
pub(super) async fn open(call: Call, At(id): At<String>, content: Unread) -> Answer {
    let hub = call.device(&Name::device(&id))?;
    let json = content.read(BODY).await?.object()?;
    let name = json
        .get("blobName")
        .and_then(Json::as_str)
        .unwrap_or_default();
    if name.is_empty() || name.len() > 1024 || name.chars().any(char::is_control) {
        let why = "blobName: it is missing, longer than 1024 bytes, or has control characters";
        return Err(Refusal::invalid(why).host(&hub.host).device(id));
    }
    let now = call.lab.means.clock.now();
    let place = call.lab.uploads.open(&hub.host, &id, name, now);
    let place = place.map_err(|refusal| refusal.host(&hub.host).device(&id))?;
    let until = now.plus(GOOD_FOR).rfc3339();
    let (day, second) = (until.get(..10), until.get(10..19));
    let expiry = format!("{}{}Z", day.unwrap_or_default(), second.unwrap_or_default());
    Ok(ok(&json!({
        "correlationId": place.correlation,
        "hostName": call.authority,
        "containerName": CONTAINER,
        "blobName": place.blob,
        "sasToken": format!("?sv=2018-03-28&sr=b&sig={}&se={}&sp=rw", place.signature, expiry.replace(':', "%3A")),
    })))
}

/// `PUT /lab-uploads/{blob}`: a file at once, a piece of it (`comp=block`), or the list of its pieces (`comp=blocklist`).
pub(super) async fn put(call: Call, At(blob): At<String>, content: Unread) -> Answer {
    let query = |key: &str| call.query.get(key).map(String::as_str);
    let signature = query("sig").unwrap_or_default();
    let uploads = &call.lab.uploads;
    let now = || call.lab.means.clock.now();
    // What no device has asked for is not read.
    uploads.check(&blob, signature, now())?;
    let change = match query("comp") {
        None => Change::Whole(content.read(FILE).await?.bytes),
        Some("block") => {
            let id = query("blockid").unwrap_or_default();
            if id.is_empty() || id.len() > 128 {
                return Err(Refusal::invalid("blockid: it is missing or too long"));
            }
            Change::Block(id.to_owned(), content.read(FILE).await?.bytes)
        }
        Some("blocklist") => Change::List(listed(&content.read(BODY).await?.bytes)?),
        Some(other) => {
            let why = format!("comp: the lab does not know {other:?}");
            return Err(Refusal::invalid(why));
        }
    };
    let now = now();
    uploads.write(&blob, signature, now, change)?;
    Ok(created(now))
}

/// The ids in `<BlockList><Latest>id</Latest>...</BlockList>`, also with `Committed` and `Uncommitted`.
fn listed(list: &[u8]) -> Result<Vec<String>, Refusal> {
    let text = std::str::from_utf8(list).map_err(|_| Refusal::invalid("the list is not UTF-8"))?;
    // The ids are base64 text: between the tags there is nothing that XML would escape.
    let ids = text.split('<').filter_map(|part| {
        let (tag, id) = part.split_once('>')?;
        let names = matches!(tag, "Latest" | "Uncommitted" | "Committed");
        names.then(|| id.trim().to_owned())
    });
    Ok(ids.collect())
}

/// 201 as the storage service writes it.
fn created(now: Time) -> Response {
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    if let Ok(time) = HeaderValue::try_from(now.http()) {
        headers.insert(header::LAST_MODIFIED, time);
    }
    let etag = HeaderValue::try_from(format!("\"0x{:X}\"", now.as_millis()));
    if let Ok(etag) = etag {
        headers.insert(header::ETAG, etag);
    }
    headers.insert("x-ms-version", HeaderValue::from_static("2018-03-28"));
    headers.insert(
        "x-ms-request-server-encrypted",
        HeaderValue::from_static("false"),
    );
    response
}

/// `POST /devices/{id}/files/notifications`
pub(super) async fn notify(call: Call, At(id): At<String>, content: Unread) -> Answer {
    notified(&call, &id, None, content).await
}

/// The same with the correlation id in the path, as older clients have it.
pub(super) async fn notify_older(
    call: Call,
    At((id, correlation)): At<(String, String)>,
    content: Unread,
) -> Answer {
    notified(&call, &id, Some(&correlation), content).await
}

async fn notified(call: &Call, id: &str, correlation: Option<&str>, content: Unread) -> Answer {
    let hub = call.device(&Name::device(id))?;
    let json = content.read(BODY).await?.object()?;
    let correlation = correlation
        .or_else(|| json.get("correlationId").and_then(Json::as_str))
        .ok_or_else(|| Refusal::invalid("correlationId: it is missing"))?;
    let closed = call.lab.uploads.close(&hub.host, id, correlation);
    let (blob, length) = closed.ok_or_else(|| {
        Refusal::invalid("correlationId: no upload of this device at work has it")
            .host(&hub.host)
            .device(id)
    })?;
    let success = json
        .get("isSuccess")
        .and_then(Json::as_bool)
        .unwrap_or(false);
    let length = length.map_or_else(|| "nothing".into(), |bytes| format!("{bytes} bytes"));
    let text = format!("the upload of {blob} is over: isSuccess {success}, {length} came");
    let record = match success {
        true => Record::info(Code::Telemetry, text),
        false => Record::warn(Code::Telemetry, text),
    };
    call.lab.means.tell(record.host(&hub.host).device(id));
    Ok(empty(StatusCode::NO_CONTENT))
}
