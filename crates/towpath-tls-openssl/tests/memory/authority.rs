//! Certificates, made for each run.

use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage,
            SubjectAlternativeName, SubjectKeyIdentifier,
        },
    },
};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

const DAY: i64 = 86_400;

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// What a certificate is to be. The default is a server's: `localhost`, P-256, valid now.
pub(crate) struct Wish {
    pub(crate) name: &'static str,
    pub(crate) dns: &'static [&'static str],
    pub(crate) address: Option<&'static str>,
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) authority: bool,
    pub(crate) client: bool,
    pub(crate) rsa: Option<u32>,
    pub(crate) hash: MessageDigest,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            name: "server",
            dns: &["localhost"],
            address: None,
            from: -1,
            until: 30,
            authority: false,
            client: false,
            rsa: None,
            hash: MessageDigest::sha256(),
        }
    }
}

impl Issued {
    pub(crate) fn root(name: &'static str) -> Self {
        issue(
            None,
            Wish {
                name,
                authority: true,
                ..Wish::default()
            },
        )
    }

    /// A server that signed its own certificate.
    pub(crate) fn alone() -> Self {
        issue(None, Wish::default())
    }

    pub(crate) fn sign(&self, wish: Wish) -> Self {
        issue(Some(self), wish)
    }

    pub(crate) fn device(&self, name: &'static str) -> Self {
        self.sign(Wish {
            name,
            dns: &[],
            client: true,
            ..Wish::default()
        })
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn key(wish: &Wish) -> PKey<Private> {
    match wish.rsa {
        Some(bits) => PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(),
        None => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
        }
    }
}

fn issue(by: Option<&Issued>, wish: Wish) -> Issued {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    let key = key(&wish);
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(SERIAL.fetch_add(1, Ordering::Relaxed)).unwrap();
    builder
        .set_serial_number(&Asn1Integer::from_bn(&serial).unwrap())
        .unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", wish.name).unwrap();
    let subject = subject.build();
    builder.set_subject_name(&subject).unwrap();
    let issuer = by.map_or(&*subject, |by| by.certificate.subject_name());
    builder.set_issuer_name(issuer).unwrap();
    let day = |days: i64| Asn1Time::from_unix(now() + days * DAY).unwrap();
    builder.set_not_before(&day(wish.from)).unwrap();
    builder.set_not_after(&day(wish.until)).unwrap();
    builder.set_pubkey(&key).unwrap();
    extend(&mut builder, by, &wish);
    let signer = by.map_or(&key, |by| &by.key);
    builder.sign(signer, wish.hash).unwrap();
    Issued {
        certificate: builder.build(),
        key,
    }
}

fn extend(builder: &mut X509Builder, by: Option<&Issued>, wish: &Wish) {
    let mut extensions = Vec::new();
    {
        let issuer = by.map(|by| &*by.certificate);
        let context = builder.x509v3_context(issuer, None);
        extensions.push(SubjectKeyIdentifier::new().build(&context).unwrap());
        if by.is_some() {
            extensions.push(
                AuthorityKeyIdentifier::new()
                    .keyid(true)
                    .build(&context)
                    .unwrap(),
            );
        }
        let mut alternative = SubjectAlternativeName::new();
        for name in wish.dns {
            alternative.dns(name);
        }
        if let Some(address) = wish.address {
            alternative.ip(address);
        }
        if !wish.authority && (!wish.dns.is_empty() || wish.address.is_some()) {
            extensions.push(alternative.build(&context).unwrap());
        }
    }
    if wish.authority {
        extensions.push(BasicConstraints::new().critical().ca().build().unwrap());
        extensions.push(KeyUsage::new().key_cert_sign().crl_sign().build().unwrap());
    } else if wish.client {
        extensions.push(ExtendedKeyUsage::new().client_auth().build().unwrap());
    } else {
        extensions.push(ExtendedKeyUsage::new().server_auth().build().unwrap());
    }
    for extension in extensions {
        builder.append_extension(extension).unwrap();
    }
}
