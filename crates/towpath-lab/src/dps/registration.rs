//! A device that was provisioned: where to, when, and by which enrolment. The JSON is the service's `registrationState`.

use openssl::{
    asn1::Asn1TimeRef,
    nid::Nid,
    x509::{X509NameRef, X509Ref},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::{certificate::thumbprints, clock::Time};

/// A device that was provisioned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Registration {
    /// As the device wrote it first.
    pub(super) id: String,
    pub(super) hub: String,
    pub(super) device_id: String,
    pub(super) substatus: Substatus,
    /// The group that it came in by.
    pub(super) group: Option<String>,
    /// The certificate that it showed.
    pub(super) certificate: Option<Json>,
    /// What it was given.
    pub(super) payload: Option<Json>,
    /// What it said itself.
    pub(super) sent: Option<Json>,
    pub(super) created: Time,
    pub(super) updated: Time,
    pub(super) etag: String,
    /// It is not known to be on the disk: nothing may be said for sure from it.
    #[serde(skip)]
    pub(super) unwritten: bool,
}

/// How the assignment came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Substatus {
    InitialAssignment,
    DeviceDataMigrated,
    DeviceDataReset,
    ReprovisionedToInitialAssignment,
}

impl Registration {
    /// As the device and the service API see it.
    pub(super) fn json(&self) -> Map<String, Json> {
        let mut state = fields(json!({
            "registrationId": self.id,
            "createdDateTimeUtc": self.created.rfc3339(),
            "assignedHub": self.hub,
            "deviceId": self.device_id,
            "status": "assigned",
            "substatus": self.substatus,
            "lastUpdatedDateTimeUtc": self.updated.rfc3339(),
            "etag": encoded(&self.etag),
        }));
        if let Some(payload) = &self.payload {
            state.insert("payload".into(), payload.clone());
        }
        let mut by = Map::new();
        if let Some(group) = &self.group {
            by.insert("enrollmentGroupId".into(), json!(group));
        }
        let kind = match &self.certificate {
            Some(info) => {
                by.insert("certificateInfo".into(), info.clone());
                "x509"
            }
            None => "symmetricKey",
        };
        state.insert(kind.into(), Json::Object(by));
        state
    }
}

/// An etag as the provisioning service writes it: base64 of the quoted text.
pub(super) fn encoded(etag: &str) -> String {
    openssl::base64::encode_block(format!("\"{etag}\"").as_bytes())
}

/// Whether the etag that a caller gives is this one: as it was given to it, with quotes of HTTP around it or without.
pub(super) fn is_etag(given: &str, etag: &str) -> bool {
    let given = given.trim();
    let bare = given.trim_start_matches("W/").trim_matches('"');
    bare == "*" || bare == etag || bare == encoded(etag)
}

/// The fields of an object.
pub(super) fn fields(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `certificateInfo`, as the service shows it.
pub(super) fn certificate_info(leaf: &X509Ref) -> Json {
    let prints = thumbprints(leaf);
    let serial = leaf
        .serial_number()
        .to_bn()
        .and_then(|number| number.to_hex_str());
    json!({
        "subjectName": name(leaf.subject_name()),
        "sha1Thumbprint": prints.sha1,
        "sha256Thumbprint": prints.sha256,
        "issuerName": name(leaf.issuer_name()),
        "notBeforeUtc": time(leaf.not_before()),
        "notAfterUtc": time(leaf.not_after()),
        "serialNumber": serial.map(|text| text.to_string()).unwrap_or_default(),
        "version": leaf.version().saturating_add(1),
    })
}

/// Characters of a name.
const NAME: usize = 500;

/// A name in the short form `CN=..., O=...`.
pub(super) fn name(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let nid = entry.object().nid();
        let key = nid.short_name().unwrap_or("OID");
        let value = entry.data().to_string();
        (
            nid == Nid::COMMONNAME,
            format!("{key}={}", value.unwrap_or_default()),
        )
    });
    let (mut first, rest): (Vec<_>, Vec<_>) = parts.partition(|(common, _)| *common);
    first.extend(rest);
    let texts: Vec<_> = first.into_iter().map(|(_, text)| text).collect();
    let text = texts.join(", ");
    match text.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn time(time: &Asn1TimeRef) -> String {
    let since = openssl::asn1::Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
    let millis = since.map_or(0, |since| {
        (i64::from(since.days) * 86_400 + i64::from(since.secs)) * 1000
    });
    Time::from_millis(millis).rfc3339()
}
