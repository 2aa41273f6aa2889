//! Certificates made for a test.

use std::sync::OnceLock;

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, KeyUsage, SubjectAlternativeName},
    },
};

/// The time of the tests: 2026-11-22.
pub(crate) const NOW: i64 = 1_795_305_600;
const DAY: i64 = 86_400;

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) cert: X509,
    pub(crate) key: PKey<Private>,
}

impl Signed {
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.cert.to_pem().unwrap()
    }

    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }
}

pub(crate) fn p256() -> PKey<Private> {
    ec(Nid::X9_62_PRIME256V1)
}

pub(crate) fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// An RSA key, made once for each size.
pub(crate) fn rsa(bits: u32) -> PKey<Private> {
    static KEYS: [OnceLock<PKey<Private>>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    let place = match bits {
        1024 => 0,
        2048 => 1,
        _ => 2,
    };
    KEYS[place]
        .get_or_init(|| PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap())
        .clone()
}

/// What a certificate says; the default is a server's for `broker.test` that is valid.
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) dns: Vec<&'static str>,
    pub(crate) ip: Vec<&'static str>,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) ca: bool,
    pub(crate) key: PKey<Private>,
    pub(crate) digest: MessageDigest,
    /// Bytes to make it longer by.
    pub(crate) padding: usize,
}

impl Template {
    pub(crate) fn server() -> Self {
        Self {
            name: "broker.test",
            dns: vec!["broker.test"],
            ip: vec![],
            from: NOW - DAY,
            to: NOW + DAY,
            ca: false,
            key: p256(),
            digest: MessageDigest::sha256(),
            padding: 0,
        }
    }

    pub(crate) fn ca(name: &'static str) -> Self {
        Self {
            name,
            dns: vec![],
            ca: true,
            from: NOW - 100 * DAY,
            to: NOW + 100 * DAY,
            ..Self::server()
        }
    }

    /// Signed by `issuer`; by itself if there is none.
    pub(crate) fn sign(self, issuer: Option<&Signed>) -> Signed {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
        builder
            .set_serial_number(&serial.to_asn1_integer().unwrap())
            .unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, self.name)
            .unwrap();
        let name = name.build();
        builder.set_subject_name(&name).unwrap();
        let issuer_name = issuer.map_or(&*name, |issuer| issuer.cert.subject_name());
        builder.set_issuer_name(issuer_name).unwrap();
        builder
            .set_not_before(&Asn1Time::from_unix(self.from).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::from_unix(self.to).unwrap())
            .unwrap();
        builder.set_pubkey(&self.key).unwrap();
        if self.ca {
            builder
                .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
                .unwrap();
            let usage = KeyUsage::new().key_cert_sign().build().unwrap();
            builder.append_extension(usage).unwrap();
        }
        let mut names = SubjectAlternativeName::new();
        for dns in &self.dns {
            names.dns(dns);
        }
        for ip in &self.ip {
            names.ip(ip);
        }
        let long = format!("{}.padding.test", "x".repeat(50));
        for _ in 0..self.padding / 64 {
            names.dns(&long);
        }
        if !self.dns.is_empty() || !self.ip.is_empty() || self.padding > 0 {
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
        let key = issuer.map_or(&self.key, |issuer| &issuer.key);
        builder.sign(key, self.digest).unwrap();
        Signed {
            cert: builder.build(),
            key: self.key,
        }
    }
}
