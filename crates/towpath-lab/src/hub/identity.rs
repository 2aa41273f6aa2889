//! Who a device or module is: keys, thumbprints, status. The JSON is that of the registry's REST API.

use serde::{Deserialize, Serialize};

use crate::{clock::Time, config::Right, key::Key};

/// How a device or module proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Authentication {
    /// Tokens signed with either key.
    Sas { primary: Key, secondary: Key },
    /// A certificate with either thumbprint (SHA-1 or SHA-256, hexadecimal).
    SelfSigned {
        primary: Option<String>,
        secondary: Option<String>,
    },
    /// A certificate of one of the hub's CAs, with the device id as common name.
    CertificateAuthority,
}

/// A device's or module's entry in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) authentication: Authentication,
    pub(crate) enabled: bool,
    pub(crate) status_reason: Option<String>,
    /// Grows with each change of the identity, from a number that an earlier one of this name did not have.
    pub(crate) etag: u64,
    /// Tells two devices of the same id apart, one of which was deleted.
    pub(crate) generation: String,
    pub(crate) status_updated: Time,
    pub(crate) last_activity: Time,
    pub(crate) connection_state_updated: Time,
    /// An IoT Edge device.
    pub(crate) edge: bool,
    /// It was declared in the config or made by the provisioning service, not by the API.
    pub(crate) origin: Origin,
    /// Who looks after a module, such as `IotEdge`; free text.
    #[serde(default)]
    pub(crate) managed_by: Option<String>,
}

impl Identity {
    /// A new enabled identity with a generation of its own.
    pub(crate) fn new(authentication: Authentication, origin: Origin, now: Time) -> Self {
        Self {
            authentication,
            enabled: true,
            status_reason: None,
            etag: seed(),
            generation: generation(now),
            status_updated: NEVER,
            last_activity: NEVER,
            connection_state_updated: NEVER,
            edge: false,
            origin,
            managed_by: None,
        }
    }

    /// The etag as the REST API has it: base64 of the number's digits.
    pub(crate) fn etag_text(&self) -> String {
        openssl::base64::encode_block(self.etag.to_string().as_bytes())
    }
}

/// `0001-01-01T00:00:00Z`, the service's word for never.
pub(crate) const NEVER: Time = Time::from_millis(-62_135_596_800_000);

/// Like the service's: a time in units of 100 nanoseconds since the year 1, with four random digits behind it because
/// two devices of one name may be made in the same millisecond.
fn generation(now: Time) -> String {
    let mut random = [0; 2];
    // Without random numbers the time alone still tells most generations apart.
    let _ = openssl::rand::rand_bytes(&mut random);
    let digits = u16::from_be_bytes(random) % 10_000;
    format!("{}{digits:04}", now.since(NEVER))
}

/// Where to begin to count, so that what comes after another of the same name is not taken for it.
pub(super) fn seed() -> u64 {
    let mut random = [0; 4];
    // Without random numbers it begins at 1, as it would without a seed.
    let _ = openssl::rand::rand_bytes(&mut random);
    u64::from(u32::from_be_bytes(random)).max(1)
}

/// A thumbprint as 40 or 64 hexadecimal digits in capitals; it may be written with colons and blanks.
pub(super) fn thumbprint(text: &str) -> Result<String, String> {
    let plain = text.chars().filter(|c| !matches!(c, ':' | ' '));
    let plain = plain.collect::<String>().to_ascii_uppercase();
    if !plain.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err("it is not hexadecimal".into());
    }
    match plain.len() {
        40 | 64 => Ok(plain),
        digits => Err(format!(
            "it has {digits} hexadecimal digits; SHA-1 has 40, SHA-256 has 64"
        )),
    }
}

/// Where an identity came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    Config,
    Registry,
    Provisioning,
}

/// A shared access policy with its keys.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) primary: Key,
    pub(crate) secondary: Key,
    pub(crate) rights: Vec<Right>,
}
