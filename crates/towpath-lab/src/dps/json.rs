//! Enrolments in the JSON of the service's REST API: `IndividualEnrollment` and `EnrollmentGroup`.
//!
//! What the lab has no use for (`optionalDeviceInformation`) is not kept; what it can't do (TPM, a webhook of one's own,
//! CAs by reference) is refused by name. `geoLatency` is taken as `hashed`: all hubs of a lab are equally near.

use openssl::{base64, x509::X509};
use serde_json::{Map, Value as Json, json};

use super::{
    Kind,
    enrollment::{Attestation, Certificate, Declared, Enrollment, Origin},
    open,
    registration::{encoded, fields},
};
use crate::{
    clock::Time,
    config::{Allocation, Reprovision},
    key::Key,
};

/// CAs of a group: primary and secondary.
const SIGNERS: usize = 2;

/// Hubs in an enrolment's list.
const LIST: usize = 100;

impl Enrollment {
    /// As the API gives it, without keys.
    pub(super) fn json(&self) -> Map<String, Json> {
        let mut json = fields(json!({
            "attestation": self.attestation.json(false),
            "capabilities": { "iotEdge": self.edge },
            "iotHubs": self.hubs,
            "initialTwin": {
                "tags": self.tags,
                "properties": { "desired": self.desired },
            },
            "etag": encoded(&self.etag),
            "provisioningStatus": if self.enabled { "enabled" } else { "disabled" },
            "reprovisionPolicy": {
                "updateHubAssignment": self.reprovision != Reprovision::Never,
                "migrateDeviceData": self.reprovision == Reprovision::Migrate,
            },
            "createdDateTimeUtc": self.created.rfc3339(),
            "lastUpdatedDateTimeUtc": self.updated.rfc3339(),
        }));
        let id = match self.kind {
            Kind::Individual => "registrationId",
            Kind::Group => "enrollmentGroupId",
        };
        json.insert(id.into(), json!(self.id));
        if let Some(device) = &self.device_id {
            json.insert("deviceId".into(), json!(device));
        }
        if let [hub] = self.hubs.as_slice() {
            json.insert("iotHubHostName".into(), json!(hub));
        }
        if let Some(allocation) = self.allocation {
            json.insert("allocationPolicy".into(), json!(word(allocation)));
        }
        json
    }

    /// Reads what a caller wants; keys that it leaves out are those of `old`, or made.
    ///
    /// # Errors
    /// What is wrong, by its name.
    pub(super) fn read(
        kind: Kind,
        id: &str,
        body: &Json,
        old: Option<&Self>,
        now: Time,
    ) -> Result<Self, String> {
        let body = body.as_object().ok_or("the body is no JSON object")?;
        let text = |key: &str| body.get(key).and_then(Json::as_str);
        let own = match kind {
            Kind::Individual => "registrationId",
            Kind::Group => "enrollmentGroupId",
        };
        if let Some(other) = text(own).filter(|other| !other.eq_ignore_ascii_case(id)) {
            return Err(format!("{own}: {other:?} is not the {id:?} of the URL"));
        }
        let attestation = body.get("attestation").ok_or("attestation is missing")?;
        let device_id = text("deviceId").filter(|device| !device.is_empty());
        if let Some(device) = device_id {
            if kind == Kind::Group {
                return Err("deviceId: it can't be the id of all devices of a group".into());
            }
            crate::hub::registry::check_id(device).map_err(|why| format!("deviceId: {why}"))?;
        }
        let twin = body.get("initialTwin").unwrap_or(&Json::Null);
        let object = |pointer: &str| match twin.pointer(pointer) {
            None | Some(Json::Null) => Ok(Map::new()),
            Some(Json::Object(fields)) => Ok(bare(fields)),
            Some(_) => Err(format!("initialTwin{pointer}: it is no object")),
        };
        Ok(Self {
            id: old.map_or_else(|| id.to_owned(), |old| old.id.clone()),
            kind,
            origin: Origin::Service,
            enabled: status(body.get("provisioningStatus"))?,
            attestation: Attestation::read(kind, attestation, old.map(|old| &old.attestation))?,
            device_id: device_id.map(str::to_owned),
            hubs: hubs(body)?,
            allocation: allocation(text("allocationPolicy"), old)?,
            reprovision: reprovision(body.get("reprovisionPolicy"), old),
            tags: object("/tags")?,
            desired: object("/properties/desired")?,
            payload: old.and_then(|old| old.payload.clone()),
            issue: old.is_some_and(|old| old.issue),
            edge: body
                .get("capabilities")
                .and_then(|all| all.get("iotEdge"))
                .and_then(Json::as_bool)
                .unwrap_or(false),
            created: old.map_or(now, |old| old.created),
            updated: now,
            etag: String::new(),
        })
    }
}

/// Properties without what the service adds to them.
fn bare(fields: &Map<String, Json>) -> Map<String, Json> {
    let own = fields.iter().filter(|(name, _)| !name.starts_with('$'));
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn status(value: Option<&Json>) -> Result<bool, String> {
    match value {
        None | Some(Json::Null) => Ok(true),
        Some(Json::String(text)) if text.eq_ignore_ascii_case("enabled") => Ok(true),
        Some(Json::String(text)) if text.eq_ignore_ascii_case("disabled") => Ok(false),
        Some(other) => Err(format!(
            "provisioningStatus: {other} is neither \"enabled\" nor \"disabled\""
        )),
    }
}

fn hubs(body: &Map<String, Json>) -> Result<Vec<String>, String> {
    let listed = match body.get("iotHubs") {
        None | Some(Json::Null) => &[],
        Some(Json::Array(all)) => all.as_slice(),
        Some(_) => return Err("iotHubs: it is no list".into()),
    };
    if listed.len() > LIST {
        return Err(format!("iotHubs: more than {LIST}"));
    }
    let one = |hub: &Json| {
        hub.as_str()
            .map(str::to_owned)
            .ok_or("iotHubs: a host name is a text")
    };
    let mut hubs = listed.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if hubs.is_empty()
        && let Some(Json::String(hub)) = body.get("iotHubHostName")
    {
        hubs.push(hub.clone());
    }
    Ok(hubs)
}

/// Evenly weighted is what the service's documents call `hashed` in words, and `hashed` in JSON.
const fn word(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::EvenlyWeighted | Allocation::Hashed => "hashed",
        Allocation::Static => "static",
    }
}

fn allocation(word: Option<&str>, old: Option<&Enrollment>) -> Result<Option<Allocation>, String> {
    let old = old.and_then(|old| old.allocation);
    match word {
        None => Ok(None),
        // What came from here as this word goes back as what it was.
        Some("hashed" | "geoLatency") => match old {
            Some(Allocation::EvenlyWeighted) => Ok(old),
            _ => Ok(Some(Allocation::Hashed)),
        },
        Some("static") => Ok(Some(Allocation::Static)),
        Some("custom") => {
            Err("allocationPolicy: custom needs a webhook, which the lab does not call".into())
        }
        Some(other) => Err(format!(
            "allocationPolicy: {other:?} is none of hashed, geoLatency, static"
        )),
    }
}

fn reprovision(value: Option<&Json>, old: Option<&Enrollment>) -> Reprovision {
    let Some(policy) = value.filter(|value| value.is_object()) else {
        return old.map_or(Reprovision::Migrate, |old| old.reprovision);
    };
    let says = |key: &str| policy.get(key).and_then(Json::as_bool).unwrap_or(true);
    match (says("updateHubAssignment"), says("migrateDeviceData")) {
        (false, _) => Reprovision::Never,
        (true, true) => Reprovision::Migrate,
        (true, false) => Reprovision::Reset,
    }
}

impl Attestation {
    /// As the API gives it; keys only to who asks for the attestation by itself.
    pub(super) fn json(&self, with_keys: bool) -> Json {
        match self {
            Self::SymmetricKey { primary, secondary } => {
                let shown = |key: &Key| with_keys.then(|| key.to_base64());
                json!({ "type": "symmetricKey", "symmetricKey": {
                    "primaryKey": shown(primary),
                    "secondaryKey": shown(secondary),
                }})
            }
            Self::Certificates { primary, secondary } => {
                let shown = |one: &Option<Declared>| one.as_ref().map(Declared::json);
                json!({ "type": "x509", "x509": { "clientCertificates": {
                    "primary": shown(primary),
                    "secondary": shown(secondary),
                }}})
            }
            Self::SigningCertificates(all) => {
                let shown = |at: usize| {
                    let one = all.get(at).cloned().map(Declared::Certificate);
                    one.as_ref().map(Declared::json)
                };
                json!({ "type": "x509", "x509": { "signingCertificates": {
                    "primary": shown(0),
                    "secondary": shown(1),
                }}})
            }
        }
    }

    fn read(kind: Kind, json: &Json, old: Option<&Self>) -> Result<Self, String> {
        let word = json.get("type").and_then(Json::as_str).unwrap_or_default();
        match word {
            "symmetricKey" => {
                let (first, second) = match old {
                    Some(Self::SymmetricKey { primary, secondary }) => {
                        (Some(primary), Some(secondary))
                    }
                    _ => (None, None),
                };
                let key = |which: &str, old: Option<&Key>| key(json, which, old);
                Ok(Self::SymmetricKey {
                    primary: key("primaryKey", first)?,
                    secondary: key("secondaryKey", second)?,
                })
            }
            "x509" => Self::read_x509(kind, json.get("x509").unwrap_or(&Json::Null), old),
            "tpm" => Err("attestation.type: the lab has no TPM attestation".into()),
            other => Err(format!(
                "attestation.type: {other:?} is neither symmetricKey nor x509"
            )),
        }
    }

    fn read_x509(kind: Kind, json: &Json, old: Option<&Self>) -> Result<Self, String> {
        if json.get("caReferences").is_some_and(Json::is_object) {
            return Err(
                "attestation.x509.caReferences: the lab takes signingCertificates only".into(),
            );
        }
        let read = |which: &str| {
            let value = json.pointer(which).filter(|value| !value.is_null());
            let place = || format!("attestation.x509{}", which.replace('/', "."));
            value
                .map(|value| certificate(value).map_err(|why| format!("{}: {why}", place())))
                .transpose()
        };
        let clients = [
            read("/clientCertificates/primary")?,
            read("/clientCertificates/secondary")?,
        ];
        let signers = [
            read("/signingCertificates/primary")?,
            read("/signingCertificates/secondary")?,
        ];
        let [primary, secondary] = clients;
        if primary.is_some() || secondary.is_some() {
            if kind == Kind::Group {
                return Err(
                    "attestation.x509.clientCertificates: a group has signingCertificates".into(),
                );
            }
            let thumbprint = |at: usize| match old {
                // What the config declared by its thumbprint only comes back without a certificate.
                Some(Self::Certificates { primary, secondary }) => {
                    [primary, secondary].get(at).and_then(|one| (*one).clone())
                }
                _ => None,
            };
            let keep = |read: Option<Option<Certificate>>, at| match read {
                Some(Some(one)) => Some(Declared::Certificate(one)),
                Some(None) => thumbprint(at),
                None => None,
            };
            return Ok(Self::Certificates {
                primary: keep(primary, 0),
                secondary: keep(secondary, 1),
            });
        }
        let all: Vec<_> = signers
            .into_iter()
            .flatten()
            .flatten()
            .take(SIGNERS)
            .collect();
        if all.is_empty() {
            return Err("attestation.x509: there is no certificate in it".into());
        }
        Ok(Self::SigningCertificates(all))
    }
}

/// The text is never in the error.
fn key(json: &Json, which: &str, old: Option<&Key>) -> Result<Key, String> {
    let text = json.get("symmetricKey").and_then(|keys| keys.get(which));
    match text.and_then(Json::as_str).filter(|text| !text.is_empty()) {
        None => Ok(old.cloned().unwrap_or_else(Key::random)),
        Some(text) => Key::from_base64(text)
            .filter(|_| (16..=64).contains(&(text.trim().trim_end_matches('=').len() * 3 / 4)))
            .ok_or_else(|| {
                format!("attestation.symmetricKey.{which}: not the base64 of 16 to 64 bytes")
            }),
    }
}

/// A certificate in the API's form: PEM, or base64 of DER, in `certificate`. `None`: there is only `info`.
fn certificate(json: &Json) -> Result<Option<Certificate>, String> {
    let Some(text) = json.get("certificate").and_then(Json::as_str) else {
        return Ok(None);
    };
    if text.contains("-----BEGIN") {
        return open::certificate(text.as_bytes()).map(Some);
    }
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let der = base64::decode_block(&plain).map_err(|_| "it is neither PEM nor base64")?;
    X509::from_der(&der)
        .and_then(Certificate::new)
        .map(Some)
        .map_err(|_| "it is no certificate".into())
}

impl Declared {
    fn json(&self) -> Json {
        let certificate = match self {
            Self::Thumbprint(text) => {
                let which = if text.len() == 40 {
                    "sha1Thumbprint"
                } else {
                    "sha256Thumbprint"
                };
                return json!({ "info": { which: text } });
            }
            Self::Certificate(certificate) => certificate,
        };
        let der = certificate.x509().to_der().unwrap_or_default();
        json!({
            "certificate": base64::encode_block(&der),
            "info": certificate.info(),
        })
    }
}
