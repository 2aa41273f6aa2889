//! An enrolment: who may register, how it proves itself, which hub it gets and what it starts with.

use std::sync::Arc;

use openssl::x509::X509;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::registration;
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

/// A certificate that was declared, read once: it is looked at with each registration. Kept as PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Certificate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    pem: String,
    x509: X509,
    prints: Thumbprints,
    /// `certificateInfo`
    info: Json,
}

impl Certificate {
    pub(super) fn new(x509: X509) -> Result<Self, openssl::error::ErrorStack> {
        let pem = String::from_utf8_lossy(&x509.to_pem()?).into_owned();
        Ok(Self(Arc::new(Parts {
            pem,
            prints: thumbprints(&x509),
            info: registration::certificate_info(&x509),
            x509,
        })))
    }

    pub(super) fn x509(&self) -> &X509 {
        &self.0.x509
    }

    pub(super) fn info(&self) -> &Json {
        &self.0.info
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.pem == other.0.pem
    }
}

impl Eq for Certificate {}

impl TryFrom<String> for Certificate {
    type Error = openssl::error::ErrorStack;

    fn try_from(pem: String) -> Result<Self, Self::Error> {
        X509::from_pem(pem.as_bytes()).and_then(Self::new)
    }
}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        certificate.0.pem.clone()
    }
}

/// A device's certificate as it was declared: by itself or by its thumbprint only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Declared {
    /// SHA-1 or SHA-256, hexadecimal.
    Thumbprint(String),
    Certificate(Certificate),
}

impl Declared {
    /// Whether it is the certificate with these thumbprints.
    pub(super) fn is(&self, shown: &Thumbprints) -> bool {
        match self {
            Self::Thumbprint(text) => shown.are(text),
            Self::Certificate(declared) => declared.0.prints == *shown,
        }
    }

    /// For the log.
    pub(super) fn thumbprint(&self) -> String {
        match self {
            Self::Thumbprint(text) => text.clone(),
            Self::Certificate(declared) => declared.0.prints.sha1.clone(),
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
    /// A certificate below one of these.
    SigningCertificates(Vec<Certificate>),
}

impl Attestation {
    /// The CAs.
    pub(super) fn cas(&self) -> Vec<X509> {
        match self {
            Self::SigningCertificates(all) => all.iter().map(|one| one.x509().clone()).collect(),
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
