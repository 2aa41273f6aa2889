//! How a twin looks: to the device, and to the service.

use openssl::base64;
use serde_json::{Map, Value as Json, json};

use super::{Section, Twin, section::Changed};
use crate::hub::{Authentication, Entry, Name};

/// An etag as the service writes it: base64 of eight bytes.
pub(super) fn etag(number: u64) -> String {
    base64::encode_block(&number.to_be_bytes())
}

impl Twin {
    /// Both documents with their versions, without metadata and tags.
    pub(super) fn for_device(&self) -> Json {
        let plain = |section: &Section| {
            let mut map = section.properties.clone();
            map.insert("$version".into(), section.version.into());
            Json::Object(map)
        };
        json!({ "desired": plain(&self.desired), "reported": plain(&self.reported) })
    }
}

fn with_metadata(section: &Section, versions: bool) -> Json {
    let mut map = section.properties.clone();
    map.insert("$metadata".into(), metadata(&section.changed, versions));
    map.insert("$version".into(), section.version.into());
    Json::Object(map)
}

/// Times of desired properties have versions beside them, those of reported ones have not.
fn metadata(changed: &Changed, versions: bool) -> Json {
    let mut map = Map::new();
    map.insert("$lastUpdated".into(), changed.at.rfc3339().into());
    if versions {
        map.insert("$lastUpdatedVersion".into(), changed.version.into());
    }
    for (key, below) in &changed.below {
        map.insert(key.clone(), metadata(below, versions));
    }
    Json::Object(map)
}

impl Entry {
    /// The twin of the service's REST API.
    pub(crate) fn twin_for_service(&self, name: &Name) -> Json {
        let (kind, primary, secondary) = match &self.identity.authentication {
            Authentication::Sas { .. } => ("sas", None, None),
            Authentication::SelfSigned { primary, secondary } => {
                ("selfSigned", primary.clone(), secondary.clone())
            }
            Authentication::CertificateAuthority => ("certificateAuthority", None, None),
        };
        let mut twin = json!({
            "deviceId": name.device,
            "etag": etag(self.twin.etag),
            "deviceEtag": self.identity.etag_text(),
            "status": if self.identity.enabled { "enabled" } else { "disabled" },
            "statusUpdateTime": self.identity.status_updated.rfc3339(),
            "connectionState": if self.live.is_some() { "Connected" } else { "Disconnected" },
            "lastActivityTime": self.identity.last_activity.rfc3339(),
            "cloudToDeviceMessageCount": self.inbox.len(),
            "authenticationType": kind,
            "x509Thumbprint": { "primaryThumbprint": primary, "secondaryThumbprint": secondary },
            "modelId": self.live.as_ref().and_then(|live| live.model_id.clone()).unwrap_or_default(),
            "version": self.twin.version,
            "tags": self.twin.tags,
            "properties": {
                "desired": with_metadata(&self.twin.desired, true),
                "reported": with_metadata(&self.twin.reported, false),
            },
            "capabilities": { "iotEdge": self.identity.edge },
        });
        if let (Some(module), Some(map)) = (&name.module, twin.as_object_mut()) {
            map.insert("moduleId".into(), module.clone().into());
        }
        twin
    }
}
