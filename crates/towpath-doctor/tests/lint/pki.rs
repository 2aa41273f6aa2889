//! Certificates and keys, made for a test, of any date.

use std::{net::IpAddr, sync::OnceLock};

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
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

/// The time of all tests: 2026-11-22, seconds since 1970.
pub(crate) const NOW: i64 = 1_795_305_600;

/// A day, seconds.
pub(crate) const DAY: i64 = 86_400;

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

impl Pair {
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("a certificate")
    }

    /// PKCS#8.
    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().expect("a key")
    }
}

pub(crate) fn ec() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

/// One key of each size is made once: that takes a while.
pub(crate) fn rsa(bits: u32) -> PKey<Private> {
    static SMALL: OnceLock<PKey<Private>> = OnceLock::new();
    static LARGE: OnceLock<PKey<Private>> = OnceLock::new();
    let kept = if bits <= 2048 { &SMALL } else { &LARGE };
    let make = || PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key");
    kept.get_or_init(make).clone()
}

/// What a certificate is to be like.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: PKey<Private>,
    pub(crate) issuer: Option<&'a Pair>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) digest: MessageDigest,
}

impl Wanted<'_> {
    pub(crate) fn named(name: &str) -> Wanted<'_> {
        Wanted {
            name,
            key: ec(),
            issuer: None,
            address: None,
            from: NOW - 100 * DAY,
            to: NOW + 1000 * DAY,
            digest: MessageDigest::sha256(),
        }
    }

    pub(crate) fn make(self) -> Pair {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_nid(Nid::COMMONNAME, self.name)
            .expect("a name");
        let name = name.build();
        let mut builder = X509::builder().expect("a builder");
        let mut serial = BigNum::new().expect("a number");
        serial
            .rand(64, MsbOption::MAYBE_ZERO, false)
            .expect("a number");
        let serial = serial.to_asn1_integer().expect("a number");
        builder.set_version(2).expect("a version");
        builder.set_serial_number(&serial).expect("a serial");
        builder.set_subject_name(&name).expect("a name");
        let issuer = self.issuer.map(|issuer| issuer.certificate.subject_name());
        builder
            .set_issuer_name(issuer.unwrap_or(&name))
            .expect("a name");
        let from = Asn1Time::from_unix(self.from).expect("a time");
        let to = Asn1Time::from_unix(self.to).expect("a time");
        builder.set_not_before(&from).expect("a time");
        builder.set_not_after(&to).expect("a time");
        builder.set_pubkey(&self.key).expect("a key");
        if self.issuer.is_none() {
            let ca = BasicConstraints::new().critical().ca().build();
            builder
                .append_extension(ca.expect("an extension"))
                .expect("room");
        }
        let mut names = SubjectAlternativeName::new();
        match self.address {
            Some(address) => names.ip(&address.to_string()),
            None => names.dns(self.name),
        };
        let names = names
            .build(&builder.x509v3_context(None, None))
            .expect("names");
        builder.append_extension(names).expect("room");
        let signer = self.issuer.map_or(&self.key, |issuer| &issuer.key);
        builder.sign(signer, self.digest).expect("a signature");
        Pair {
            certificate: builder.build(),
            key: self.key,
        }
    }
}

/// A root with this name.
pub(crate) fn root(name: &str) -> Pair {
    Wanted::named(name).make()
}

/// A certificate with this name below that root.
pub(crate) fn below(issuer: &Pair, name: &str) -> Pair {
    Wanted {
        issuer: Some(issuer),
        ..Wanted::named(name)
    }
    .make()
}
