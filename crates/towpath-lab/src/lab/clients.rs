//! What the clients of a lab need: log-ins, certificates, connection strings, and two files with the latter.

use std::{fmt, path::Path, time::Duration};

use super::Lab;
use crate::{
    Error,
    dps::{Dps, Kind},
    hub::{Authentication, Name, Policy},
    pki::replace,
};

/// What [`Lab::login`]'s token is good for.
const LOGIN: Duration = Duration::from_secs(3600);

/// What a device with a key says in CONNECT. `Debug` does not show the token.
#[derive(Clone)]
pub struct Login {
    /// `device`, or `device/module`.
    pub client_id: String,
    /// `hub/device/?api-version=...`
    pub user_name: String,
    /// A token that is good for an hour.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// A device's certificate and key, PEM. `Debug` does not show the key.
#[derive(Clone)]
pub struct DeviceCertificate {
    /// The certificate, and those above it that the lab does not know by itself.
    pub chain: String,
    /// Its key, PKCS #8.
    pub key: String,
}

impl fmt::Debug for DeviceCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCertificate")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// The hubs' host names.
    pub fn hubs(&self) -> impl Iterator<Item = &str> {
        self.shared.hubs.iter().map(|hub| hub.host.as_str())
    }

    /// The provisioning service's host name and ID scope.
    #[must_use]
    pub fn provisioning(&self) -> Option<(&str, &str)> {
        let dps = self.shared.dps.as_ref()?;
        Some((&dps.host, &dps.id_scope))
    }

    /// What a device, or `device/module`, of the first hub logs in with. `None` if there is no such device or it has no
    /// key.
    #[must_use]
    pub fn login(&self, device: &str) -> Option<Login> {
        let host = self.first_host();
        Some(Login {
            client_id: device.to_owned(),
            user_name: user_name(host, device),
            password: self.device_token(host, device, LOGIN)?,
        })
    }

    /// A new certificate of the lab's device CA, which every hub of the lab trusts; for devices with
    /// [`x509_ca`](crate::config::Device::x509_ca), and for provisioning by a group with that CA.
    ///
    /// # Errors
    /// If OpenSSL can't.
    pub fn device_certificate(&self, common_name: &str) -> Result<DeviceCertificate, Error> {
        let identity = self.shared.pki.device(common_name, self.clock().now())?;
        let mut chain = identity.leaf.to_pem()?;
        for above in &identity.chain {
            chain.extend(above.to_pem()?);
        }
        Ok(DeviceCertificate {
            chain: text(chain),
            key: text(identity.key.private_key_to_pem_pkcs8()?),
        })
    }

    /// Every connection string, each behind a few words that say whose it is. They have the keys in them.
    #[must_use]
    pub fn connection_strings(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for hub in &self.shared.hubs {
            all.extend(
                hub.policies
                    .iter()
                    .map(|policy| of_policy(&hub.host, policy)),
            );
            for (name, entry) in &hub.lock().entries {
                all.push(of_device(&hub.host, name, &entry.identity.authentication));
            }
        }
        if let Some(dps) = &self.shared.dps {
            all.extend(
                dps.policies
                    .iter()
                    .map(|policy| of_policy(&dps.host, policy)),
            );
            for kind in [Kind::Individual, Kind::Group] {
                all.extend(of_enrollments(dps, kind));
            }
        }
        all
    }

    /// Writes `root.pem`, what clients trust, and `connection-strings.txt`, which only its owner can read, to a folder.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn hand_out(&self, folder: &Path) -> Result<(), Error> {
        replace(&folder.join("root.pem"), self.root_pem().as_bytes(), 0o644)?;
        let mut strings = String::new();
        for (what, string) in self.connection_strings() {
            strings.push_str(&format!("# {what}\n{string}\n"));
        }
        replace(
            &folder.join("connection-strings.txt"),
            strings.as_bytes(),
            0o600,
        )
    }
}

/// What stands before the query is the hub and the device; the version is the newest that all SDKs know.
pub(crate) fn user_name(host: &str, device: &str) -> String {
    format!("{host}/{device}/?api-version=2021-04-12")
}

fn of_policy(host: &str, policy: &Policy) -> (String, String) {
    let (name, key) = (&policy.name, policy.primary.to_base64());
    (
        format!("policy {name} of {host}"),
        format!("HostName={host};SharedAccessKeyName={name};SharedAccessKey={key}"),
    )
}

fn of_device(host: &str, name: &Name, authentication: &Authentication) -> (String, String) {
    let credential = match authentication {
        Authentication::Sas { primary, .. } => format!("SharedAccessKey={}", primary.to_base64()),
        _ => "x509=true".to_owned(),
    };
    (
        format!("device {name} of {host}"),
        format!("HostName={host};{};{credential}", ids(name)),
    )
}

/// There is no usual form for these. Those without keys prove themselves by certificates.
fn of_enrollments(dps: &Dps, kind: Kind) -> Vec<(String, String)> {
    let (what, member, key) = match kind {
        Kind::Individual => ("enrolment", "registrationId", "RegistrationId"),
        Kind::Group => ("enrolment group", "enrollmentGroupId", "EnrollmentGroupId"),
    };
    let (all, _) = dps.enrollments(kind, None, usize::MAX);
    let ids = all.iter().filter_map(|one| one.get(member)?.as_str());
    let with_keys = ids.filter_map(|id| {
        let attestation = dps.attestation_json(kind, id)?;
        let primary = attestation.pointer("/symmetricKey/primaryKey")?.as_str()?;
        Some((
            format!("{what} {id} of {}", dps.host),
            format!("IdScope={};{key}={id};SymmetricKey={primary}", dps.id_scope),
        ))
    });
    with_keys.collect()
}

fn ids(name: &Name) -> String {
    match &name.module {
        Some(module) => format!("DeviceId={};ModuleId={module}", name.device),
        None => format!("DeviceId={}", name.device),
    }
}

/// PEM is ASCII.
fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).unwrap_or_default()
}
