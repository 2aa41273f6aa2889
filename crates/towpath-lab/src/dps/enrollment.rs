//! An enrolment: who may register, how it proves itself, which hub it gets and what it starts with.

use openssl::x509::X509;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    certificate::{Thumbprints, thumbprints},
    clock::Time,
    config::{Allocation, Reprovision},
    key::Key,
};

/// Of one device, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Individual,
    Group,
}

impl Kind {
    /// What it is called in the log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Individual => "the individual enrolment",
            Self::Group => "the enrolment group",
        }
    }

    /// The key of a record in the store.
    pub(super) fn key(self, id: &str) -> String {
        let letter = match self {
            Self::Individual => "i",
            Self::Group => "g",
        };
        crate::store::key(&[letter, id])
    }
}

/// A device's certificate as it was declared: by itself or by its thumbprint only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Declared {
    /// SHA-1 or SHA-256, hexadecimal.
    Thumbprint(String),
    /// PEM.
    Certificate(String),
}

impl Declared {
    /// Whether it is the certificate with these thumbprints.
    pub(super) fn is(&self, shown: &Thumbprints) -> bool {
        match self {
            Self::Thumbprint(text) => shown.are(text),
            Self::Certificate(pem) => {
                let declared = X509::from_pem(pem.as_bytes());
                declared.is_ok_and(|declared| thumbprints(&declared) == *shown)
            }
        }
    }

    /// For the log.
    pub(super) fn thumbprint(&self) -> String {
        match self {
            Self::Thumbprint(text) => text.clone(),
            Self::Certificate(pem) => X509::from_pem(pem.as_bytes())
                .map(|declared| thumbprints(&declared).sha1)
                .unwrap_or_default(),
        }
    }
}

/// How registrants prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Attestation {
    /// Tokens; in a group with keys that are derived from these.
    #[serde(rename_all = "camelCase")]
    SymmetricKey { primary: Key, secondary: Key },
    /// One of two certificates.
    #[serde(rename_all = "camelCase")]
    Certificates {
        primary: Option<Declared>,
        secondary: Option<Declared>,
    },
    /// A certificate below one of these, PEM.
    SigningCertificates(Vec<String>),
}

impl Attestation {
    /// The CAs, as far as they can be read.
    pub(super) fn cas(&self) -> Vec<X509> {
        match self {
            Self::SigningCertificates(all) => all
                .iter()
                .filter_map(|pem| X509::from_pem(pem.as_bytes()).ok())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What it is called in the log.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::SymmetricKey { .. } => "a symmetric key",
            Self::Certificates { .. } => "X.509 by thumbprint",
            Self::SigningCertificates(_) => "X.509 by CA",
        }
    }
}

/// Who declared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// The config, which has its way at each start.
    Config,
    /// The service API.
    Service,
}

/// An enrolment of one device or of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Enrollment {
    /// The registration id or the group's name, as it was written.
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) origin: Origin,
    pub(super) enabled: bool,
    pub(super) attestation: Attestation,
    /// The device's id in the hub; else the registration id.
    pub(super) device_id: Option<String>,
    /// The hubs to choose from; empty: all.
    pub(super) hubs: Vec<String>,
    pub(super) allocation: Option<Allocation>,
    pub(super) reprovision: Reprovision,
    pub(super) tags: Map<String, Json>,
    pub(super) desired: Map<String, Json>,
    /// Given to the device with its assignment.
    pub(super) payload: Option<Json>,
    /// Certificates are issued for the devices' requests.
    pub(super) issue: bool,
    /// The device is an IoT Edge device.
    pub(super) edge: bool,
    pub(super) created: Time,
    pub(super) updated: Time,
    pub(super) etag: String,
}
