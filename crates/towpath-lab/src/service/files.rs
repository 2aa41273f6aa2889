//! File upload: a device asks for a place, puts the file there, and tells how it went. The place is the lab itself,
//! which keeps the newest files in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use serde_json::{Value as Json, json};

use super::{
    answer::{Answer, Refusal, empty, ok},
    call::{At, Call, Content},
};
use crate::{
    clock::Time,
    hub::Name,
    log::{Code, Record},
};

/// The first part of the path of each file.
pub(super) const CONTAINER: &str = "lab-uploads";

/// Uploads of a device that are at work.
const ACTIVE: usize = 10;

/// Uploads that are known, at work or done.
const KNOWN: usize = 1000;

/// Bytes of all files together.
const KEPT_BYTES: usize = 64 << 20;

/// Pieces of one file.
const BLOCKS: usize = 1000;

/// How long a place is good for, in milliseconds.
const GOOD_FOR: i64 = 3600 * 1000;

/// Files of all hubs' devices.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<VecDeque<Upload>>);

struct Upload {
    correlation: String,
    host: String,
    device: String,
    /// `{device}/{name}`
    blob: String,
    /// What lets write, and nothing else.
    signature: String,
    since: Time,
    done: bool,
    content: Option<Bytes>,
    blocks: BTreeMap<String, Bytes>,
}

/// Without the signature, which lets write.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        write!(f, "Upload({} of {}, {bytes} bytes)", self.blob, self.host)
    }
}

impl Upload {
    fn bytes(&self) -> usize {
        let blocks = self.blocks.values().map(Bytes::len).sum::<usize>();
        blocks + self.content.as_ref().map_or(0, Bytes::len)
    }
}

/// A new random text of 32 hexadecimal digits.
fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)
        .map_err(|_| Refusal::new(Code::ServerError, "the machine has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a file.
    fn open(&self, host: &str, device: &str, name: &str, now: Time) -> Result<Place, Refusal> {
        let (correlation, signature) = (secret()?, secret()?);
        let blob = format!("{device}/{name}");
        let mut all = self.lock();
        all.retain(|upload| upload.done || now.since(upload.since) < GOOD_FOR);
        let active =
            |upload: &&Upload| !upload.done && upload.host == host && upload.device == device;
        if all.iter().filter(active).count() >= ACTIVE {
            let why = format!("{device} has {ACTIVE} uploads at work; tell how they went");
            return Err(Refusal::new(Code::TooManyUploads, why));
        }
        if all.len() >= KNOWN {
            all.pop_front();
        }
        all.push_back(Upload {
            correlation: correlation.clone(),
            host: host.to_owned(),
            device: device.to_owned(),
            blob: blob.clone(),
            signature: signature.clone(),
            since: now,
            done: false,
            content: None,
            blocks: BTreeMap::new(),
        });
        Ok(Place {
            correlation,
            blob,
            signature,
        })
    }

    /// Lets `write` at the upload with this path and signature, and drops the oldest files if it is too much then.
    fn write<T>(
        &self,
        blob: &str,
        signature: &str,
        now: Time,
        write: impl FnOnce(&mut Upload) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut all = self.lock();
        let signed = |upload: &&mut Upload| {
            let same = upload.signature.len() == signature.len()
                && openssl::memcmp::eq(upload.signature.as_bytes(), signature.as_bytes());
            same && upload.blob == blob && !upload.done && now.since(upload.since) < GOOD_FOR
        };
        let upload = all.iter_mut().find(signed).ok_or_else(|| {
            let why = "sig is not that of an upload at work; ask for a new place";
            Refusal::with_status(403, Code::Unauthorized, why)
        })?;
        let written = write(upload)?;
        let mut bytes: usize = all.iter().map(Upload::bytes).sum();
        while bytes > KEPT_BYTES {
            let Some(gone) = all.pop_front() else { break };
            bytes = bytes.saturating_sub(gone.bytes());
        }
        Ok(written)
    }

    /// The upload is over; gives its path and, if there is one, the file's length.
    fn close(
        &self,
        host: &str,
        device: &str,
        correlation: &str,
    ) -> Option<(String, Option<usize>)> {
        let mut all = self.lock();
        let upload = all.iter_mut().find(|upload| {
            let of = upload.host == host && upload.device == device;
            of && upload.correlation == correlation && !upload.done
        })?;
        upload.done = true;
        upload.blocks.clear();
        Some((upload.blob.clone(), upload.content.as_ref().map(Bytes::len)))
    }

    /// The files of a device that are there, newest first: their names and lengths.
    pub(crate) fn of(&self, host: &str, device: &str) -> Vec<(String, usize)> {
        let all = self.lock();
        let of = all
            .iter()
            .rev()
            .filter(|upload| upload.host == host && upload.device == device);
        of.filter_map(|upload| {
            let name = upload.blob.strip_prefix(device)?.strip_prefix('/')?;
            Some((name.to_owned(), upload.content.as_ref()?.len()))
        })
        .collect()
    }

    /// The newest file of this name.
    pub(crate) fn content(&self, host: &str, device: &str, name: &str) -> Option<Bytes> {
        let blob = format!("{device}/{name}");
        let all = self.lock();
        let mut of = all
            .iter()
            .rev()
            .filter(|upload| upload.host == host && upload.blob == blob);
        of.find_map(|upload| upload.content.clone())
    }
}

/// Where a file is to be put.
struct Place {
    correlation: String,
    blob: String,
    signature: String,
}

/// `POST /devices/{id}/files`
pub(super) async fn open(call: Call, At(id): At<String>, content: Content) -> Answer {
    let hub = call.device(&Name::device(&id))?;
    let json = content.object()?;
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
pub(super) async fn put(call: Call, At(blob): At<String>, content: Content) -> Answer {
    let signature = call
        .query
        .get("sig")
        .map(String::as_str)
        .unwrap_or_default();
    let now = call.lab.means.clock.now();
    let bytes = content.0;
    let write = |upload: &mut Upload| match call.query.get("comp").map(String::as_str) {
        None => {
            upload.content = Some(bytes);
            Ok(())
        }
        Some("block") => {
            let id = call.query.get("blockid").cloned().unwrap_or_default();
            if id.is_empty() || id.len() > 128 || upload.blocks.len() >= BLOCKS {
                let why =
                    format!("blockid: it is missing or too long, or there are {BLOCKS} already");
                return Err(Refusal::invalid(why));
            }
            upload.blocks.insert(id, bytes);
            Ok(())
        }
        Some("blocklist") => join(upload, &bytes),
        Some(other) => Err(Refusal::invalid(format!(
            "comp: the lab does not know {other:?}"
        ))),
    };
    call.lab.uploads.write(&blob, signature, now, write)?;
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
    Ok(response)
}

/// `<BlockList><Latest>id</Latest>...</BlockList>`, also with `Committed` and `Uncommitted`.
fn join(upload: &mut Upload, list: &[u8]) -> Result<(), Refusal> {
    let text = std::str::from_utf8(list).map_err(|_| Refusal::invalid("the list is not UTF-8"))?;
    let mut whole = BytesMut::new();
    // The ids are base64 text: between the tags there is nothing that XML would escape.
    for part in text.split('<').filter(|part| {
        ["Latest>", "Uncommitted>", "Committed>"]
            .iter()
            .any(|tag| part.starts_with(tag))
    }) {
        let id = part
            .split_once('>')
            .map(|(_, id)| id.trim())
            .unwrap_or_default();
        let block = upload.blocks.get(id);
        let block =
            block.ok_or_else(|| Refusal::invalid(format!("the block {id:?} was not put")))?;
        if whole.len() + block.len() > KEPT_BYTES {
            return Err(Refusal::new(
                Code::TooLarge,
                "the file is larger than the lab keeps",
            ));
        }
        whole.extend_from_slice(block);
    }
    upload.content = Some(whole.freeze());
    upload.blocks.clear();
    Ok(())
}

/// `POST /devices/{id}/files/notifications`
pub(super) async fn notify(call: Call, At(id): At<String>, content: Content) -> Answer {
    let correlation = content
        .object()?
        .get("correlationId")
        .and_then(Json::as_str)
        .map(str::to_owned);
    let correlation =
        correlation.ok_or_else(|| Refusal::invalid("correlationId: it is missing"))?;
    notified(&call, &id, &correlation, &content)
}

/// The same with the correlation id in the path, as older clients have it.
pub(super) async fn notify_older(
    call: Call,
    At((id, correlation)): At<(String, String)>,
    content: Content,
) -> Answer {
    notified(&call, &id, &correlation, &content)
}

fn notified(call: &Call, id: &str, correlation: &str, content: &Content) -> Answer {
    let hub = call.device(&Name::device(id))?;
    let json = content.object()?;
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
