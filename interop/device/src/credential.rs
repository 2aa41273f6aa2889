//! What a device proves itself with, as the cloud and the device have it.

use std::{fs, path::Path, sync::Arc};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{X509, X509NameBuilder, extension::SubjectAlternativeName},
};
use towpath::device::{Credential, Key};

/// The key of the enrolment group: 64 bytes, as the service makes them.
pub const GROUP_KEY: &str =
    "G3vn0IZH9oK3d4wsxFpWBtd2KUrtjI+39dZVRf26To8w9OX0LaFV9yZ93ELXY7voqHEUsNhnb9bt717UP87KxA==";

/// The key of every device that is enrolled by itself.
const DEVICE_KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

/// The four ways to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// A key of the device's own.
    Sas,
    /// A key derived from a group's.
    GroupKey,
    /// A certificate that is enrolled by itself.
    X509,
    /// A certificate of an enrolled CA.
    X509Group,
}

impl Proof {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Sas, Self::GroupKey, Self::X509, Self::X509Group];

    /// Whether it is a certificate.
    #[must_use]
    pub const fn is_certificate(self) -> bool {
        matches!(self, Self::X509 | Self::X509Group)
    }

    /// The key of this device, if it is one.
    #[must_use]
    pub fn key(self, registration_id: &str) -> Credential {
        let read = |text| Key::from_base64(text).expect("base64");
        match self {
            Self::Sas => Credential::Key(Arc::new(read(DEVICE_KEY))),
            Self::GroupKey => Credential::Key(Arc::new(read(GROUP_KEY).derive(registration_id))),
            Self::X509 | Self::X509Group => Credential::Certificate,
        }
    }
}

/// The key of devices that are enrolled by themselves, as the cloud has it.
pub(crate) fn device_key() -> towpath_lab::Key {
    towpath_lab::Key::from_base64(DEVICE_KEY).expect("base64")
}

/// Makes a certificate that signs itself, for these DNS names if there are any, and its key: `ID.pem` and `ID.key` in
/// the folder.
///
/// # Panics
/// If OpenSSL or the disk can't.
pub(crate) fn own_certificate(folder: &Path, id: &str, names: &[&str]) {
    let make = || -> Result<(Vec<u8>, Vec<u8>), openssl::error::ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", id)?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(7)?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(30)?);
        builder.set_not_before(&from)?;
        builder.set_not_after(&to)?;
        builder.set_pubkey(&key)?;
        if !names.is_empty() {
            let mut alternative = SubjectAlternativeName::new();
            for name in names {
                alternative.dns(name);
            }
            let alternative = alternative.build(&builder.x509v3_context(None, None))?;
            builder.append_extension(alternative)?;
        }
        builder.sign(&key, MessageDigest::sha256())?;
        Ok((builder.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
    };
    let (certificate, key) = make().expect("a certificate");
    fs::write(folder.join(format!("{id}.pem")), certificate).expect("the certificate");
    fs::write(folder.join(format!("{id}.key")), key).expect("the key");
}
