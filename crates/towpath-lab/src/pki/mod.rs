//! Certificates: the lab's own CA, made on first start; the servers' good and bad ones; devices' ones.
//!
//! Takes in the state folder, the names that the servers go by and the time; gives out what a server shows and what a
//! client trusts. Made with OpenSSL: the real service has RSA certificates, and `rcgen` can't make RSA keys without a
//! second library of cryptography, where OpenSSL is there anyway.
//!
//! In the folder `certs/`: `root`, `issuing`, `server` (each signed by the one before), `device-ca` and
//! `device-issuing`, each as `.pem` and `.key`. The root stays; the server's certificate is made anew when its names
//! change or its end is near.

mod files;
mod kept;
mod make;
mod own;
mod servers;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    x509::{X509, X509Req},
};

pub(crate) use self::files::replace;
use self::{
    kept::Kept,
    make::{Ca, Now, Purpose, Signer, Validity},
    servers::Servers,
};
use crate::{Error, clock::Time, config::Config};

/// A certificate that a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    /// RSA-2048 with its intermediate.
    Good,
    Expired,
    NotYet,
    WrongName,
    UnknownRoot,
    SelfSigned,
    NoChain,
    /// Leaf and intermediate are signed with SHA-384.
    Sha384,
    /// Leaf and intermediate are more than 5 kB together: the leaf has many names, as the real ones have.
    Large,
    /// Leaf and intermediate have P-256 keys; the root is the same as ever.
    Ecdsa,
}

/// A certificate with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) leaf: X509,
    /// What is sent behind the leaf.
    pub(crate) chain: Vec<X509>,
    pub(crate) key: PKey<Private>,
}

/// The lab's certificates.
#[derive(Debug)]
pub(crate) struct Pki {
    /// Without a folder they are made when they are first asked for: making RSA keys takes long, and not every test
    /// needs them.
    servers: OnceLock<Result<Servers, String>>,
    /// The config's own certificate.
    own: Option<Identity>,
    device_ca: Ca,
    /// What signs the devices' requests.
    device_issuing: Ca,
    names: Vec<String>,
    now: Now,
    warnings: Vec<String>,
    variants: Mutex<HashMap<Variant, Identity>>,
}

/// Days that CAs live.
const CA_DAYS: i64 = 7300;
/// Days that a server's certificate lives: some clients refuse more than 825.
const SERVER_DAYS: i64 = 800;
/// Days that a device's certificate lives.
const DEVICE_DAYS: i64 = 3650;
/// Days before its end that a certificate is made anew.
const RENEW_DAYS: i64 = 7;

impl Pki {
    /// Reads them from the state folder, or makes them; in memory only without a folder.
    pub(crate) fn open(folder: Option<&Path>, config: &Config, now: Time) -> Result<Self, Error> {
        let folder = folder.map(|folder| folder.join("certs"));
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).map_err(|source| Error::File {
                path: folder.clone(),
                source,
            })?;
        }
        let names = names(config)?;
        let kept = Kept {
            folder: folder.as_deref(),
            now: Now::of(now),
        };
        let servers = OnceLock::new();
        if folder.is_some() {
            let _ = servers.set(Ok(Servers::open(&kept, &names)?));
        }
        let device_ca = kept.device_root()?;
        let device_issuing = kept.device_issuing(&device_ca)?;
        let mut warnings = Vec::new();
        let own = own::read(config, now, &mut warnings)?;
        Ok(Self {
            servers,
            own,
            device_ca,
            device_issuing,
            names,
            now: kept.now,
            warnings,
            variants: Mutex::default(),
        })
    }

    /// What is odd about the config's own certificate, for the log.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn servers(&self) -> Result<&Servers, Error> {
        let made = self.servers.get_or_init(|| {
            let kept = Kept {
                folder: None,
                now: self.now,
            };
            Servers::open(&kept, &self.names).map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|why| Error::Tls { why: why.clone() })
    }

    /// The root that clients trust, PEM. The root of the config's own certificate stands first, if it has one with it.
    pub(crate) fn root_pem(&self) -> String {
        let own = self.own.iter().filter_map(own::root);
        let servers = self.servers();
        let all = own.chain(servers.iter().map(|servers| &servers.root.certificate));
        all.filter_map(|certificate| String::from_utf8(certificate.to_pem().ok()?).ok())
            .collect()
    }

    /// What the servers show; own certificates of the config instead of [`Variant::Good`]. The bad ones are made when
    /// they are first asked for, and kept.
    pub(crate) fn server(&self, variant: Variant) -> Result<Identity, Error> {
        let mut made = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = made.get(&variant) {
            return Ok(identity.clone());
        }
        let identity = self.servers()?.variant(variant, self.own.as_ref())?;
        made.insert(variant, identity.clone());
        Ok(identity)
    }

    /// A new certificate and key for a device, of the lab's device CA.
    pub(crate) fn device(&self, common_name: &str, now: Time) -> Result<Identity, Error> {
        let key = make::p256()?;
        let leaf = make::leaf(
            make::name(common_name)?.as_ref(),
            make::public(&key)?.as_ref(),
            Signer::Ca(&self.device_ca),
            Purpose::Client,
            Now::of(now).valid(DEVICE_DAYS),
            MessageDigest::sha256(),
        )?;
        Ok(Identity {
            leaf,
            chain: Vec::new(),
            key,
        })
    }

    /// The CA of the lab's devices.
    pub(crate) fn device_ca(&self) -> &X509 {
        &self.device_ca.certificate
    }

    /// What issues certificates for devices' requests.
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer {
            issuing: self.device_issuing.clone(),
            root: self.device_ca.certificate.clone(),
        }
    }
}

/// Issues certificates for devices' requests.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    issuing: Ca,
    root: X509,
}

impl Issuer {
    /// Issues a certificate for a request that was checked: leaf, intermediate, root.
    pub(crate) fn issue(
        &self,
        request: &X509Req,
        days: u32,
        now: Time,
    ) -> Result<Vec<X509>, Error> {
        let common_name = crate::certificate::subject_common_name(request.subject_name());
        let from = now.as_secs();
        let valid = Validity {
            // A device's clock may be behind a little.
            from: from.saturating_sub(300),
            until: from.saturating_add(i64::from(days) * 86_400),
        };
        let leaf = make::leaf(
            make::name(&common_name.unwrap_or_default())?.as_ref(),
            request.public_key()?.as_ref(),
            Signer::Ca(&self.issuing),
            Purpose::Client,
            valid,
            MessageDigest::sha256(),
        )?;
        let above = [self.issuing.certificate.clone(), self.root.clone()];
        Ok([leaf].into_iter().chain(above).collect())
    }
}

/// The names and addresses that the servers go by.
fn names(config: &Config) -> Result<Vec<String>, Error> {
    let hubs = config.hubs.iter().map(|hub| hub.host.as_str());
    let dps = config.provisioning.iter().map(|dps| dps.host.as_str());
    let further = config.tls.names.iter().map(String::as_str);
    let always = [
        "localhost",
        "127.0.0.1",
        "::1",
        "*.azure-devices.net",
        "global.azure-devices-provisioning.net",
    ];
    let mut names: Vec<String> = Vec::new();
    for name in hubs.chain(dps).chain(further).chain(always) {
        let name = name.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._*:".contains(c);
        if name.is_empty() || name.len() > 253 || !name.chars().all(plain) {
            return Err(Error::Config {
                why: format!("{name:?} is no host name or address that a certificate can have"),
            });
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
