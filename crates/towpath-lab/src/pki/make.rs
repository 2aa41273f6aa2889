//! How certificates are made: what each kind has in it, signed by whom and for how long.

use std::{
    net::IpAddr,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, PKeyRef, Private, Public},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509Name, X509NameRef,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage,
            SubjectAlternativeName, SubjectKeyIdentifier,
        },
    },
};

use crate::clock::Time;

const DAY: i64 = 24 * 60 * 60;

/// A CA: its certificate and key.
#[derive(Debug, Clone)]
pub(super) struct Ca {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

/// From when to when, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// The lab's time and the machine's: a lab's clock may be moved, and the clients' are not moved with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    earlier: i64,
    later: i64,
}

impl Now {
    pub(super) fn of(lab: Time) -> Self {
        let machine = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            });
        Self {
            earlier: machine.min(lab.as_secs()),
            later: machine.max(lab.as_secs()),
        }
    }

    /// Valid by both clocks, for so many days.
    pub(super) const fn valid(self, days: i64) -> Validity {
        Validity {
            from: self.earlier.saturating_sub(DAY),
            until: self.later.saturating_add(days.saturating_mul(DAY)),
        }
    }

    /// It ended yesterday by both clocks.
    pub(super) const fn expired(self) -> Validity {
        Validity {
            from: self.earlier.saturating_sub(30 * DAY),
            until: self.earlier.saturating_sub(DAY),
        }
    }

    /// It begins tomorrow by both clocks.
    pub(super) const fn not_yet(self) -> Validity {
        Validity {
            from: self.later.saturating_add(DAY),
            until: self.later.saturating_add(30 * DAY),
        }
    }

    /// Whether the certificate is valid by both clocks for at least so many days more.
    pub(super) fn lasts(self, certificate: &X509, days: i64) -> bool {
        let until = Asn1Time::from_unix(self.later.saturating_add(days.saturating_mul(DAY)));
        let from = Asn1Time::from_unix(self.earlier);
        match (from, until) {
            (Ok(from), Ok(until)) => {
                certificate.not_before() <= from && certificate.not_after() >= until
            }
            _ => false,
        }
    }
}

/// A new RSA key of 2048 bits.
pub(super) fn rsa() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_rsa(Rsa::generate(2048)?)
}

/// An RSA key that all labs of this process without a state folder have in common: hundreds of tests would spend their
/// time on nothing else. Each lab's CA has its own name, so that none is taken for another's.
pub(super) fn shared_rsa(number: usize) -> Result<PKey<Private>, ErrorStack> {
    static KEYS: [OnceLock<Result<PKey<Private>, ErrorStack>>; 4] = [const { OnceLock::new() }; 4];
    match KEYS.get(number) {
        Some(slot) => slot.get_or_init(rsa).clone(),
        None => rsa(),
    }
}

/// A new P-256 key.
pub(super) fn p256() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

/// A subject with this common name. X.520 allows 64 characters.
pub(super) fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, "towpath lab")?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

/// The start of every certificate: version, serial, names, dates, key.
fn begin(
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<Public>,
    validity: Validity,
) -> Result<X509Builder, ErrorStack> {
    let mut serial = BigNum::new()?;
    // RFC 5280 section 4.1.2.2: positive, at most 20 bytes; the top bit makes it neither zero nor short.
    serial.rand(126, MsbOption::ONE, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(Asn1Time::from_unix(validity.from)?.as_ref())?;
    builder.set_not_after(Asn1Time::from_unix(validity.until)?.as_ref())?;
    Ok(builder)
}

fn identifiers(builder: &mut X509Builder, issuer: Option<&X509>) -> Result<(), ErrorStack> {
    let subject = {
        let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
        SubjectKeyIdentifier::new().build(&context)?
    };
    builder.append_extension(subject)?;
    if issuer.is_some() {
        let authority = {
            let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
            AuthorityKeyIdentifier::new().keyid(true).build(&context)?
        };
        builder.append_extension(authority)?;
    }
    Ok(())
}

/// A CA below `above`, or one that signs itself. `path` is how many CAs may stand below it.
pub(super) fn ca(
    subject: &X509NameRef,
    key: PKey<Private>,
    above: Option<&Ca>,
    path: u32,
    validity: Validity,
    digest: MessageDigest,
) -> Result<Ca, ErrorStack> {
    let issuer = above.map_or(subject, |above| above.certificate.subject_name());
    let mut builder = begin(subject, issuer, public(&key)?.as_ref(), validity)?;
    builder.append_extension(
        BasicConstraints::new()
            .critical()
            .ca()
            .pathlen(path)
            .build()?,
    )?;
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?,
    )?;
    identifiers(&mut builder, above.map(|above| &above.certificate))?;
    builder.sign(above.map_or(&key, |above| &above.key), digest)?;
    Ok(Ca {
        certificate: builder.build(),
        key,
    })
}

/// What a leaf is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A server of these names and addresses.
    Server(&'a [String]),
    /// A client.
    Client,
}

/// A leaf below `above`, or one that signs itself with `own`.
pub(super) fn leaf(
    subject: &X509NameRef,
    key: &PKeyRef<Public>,
    signer: Signer<'_>,
    purpose: Purpose<'_>,
    validity: Validity,
    digest: MessageDigest,
) -> Result<X509, ErrorStack> {
    let (issuer, above, signing) = match signer {
        Signer::Ca(ca) => (
            ca.certificate.subject_name(),
            Some(&ca.certificate),
            &ca.key,
        ),
        Signer::Itself(key) => (subject, None, key),
    };
    let mut builder = begin(subject, issuer, key, validity)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    let mut usage = KeyUsage::new();
    usage.critical().digital_signature();
    // An EC key has nothing to encipher with (RFC 8813 section 3).
    if key.rsa().is_ok() {
        usage.key_encipherment();
    }
    builder.append_extension(usage.build()?)?;
    let mut extended = ExtendedKeyUsage::new();
    match purpose {
        Purpose::Server(_) => extended.server_auth(),
        Purpose::Client => extended.client_auth(),
    };
    builder.append_extension(extended.build()?)?;
    identifiers(&mut builder, above)?;
    if let Purpose::Server(names) = purpose {
        let mut alternative = SubjectAlternativeName::new();
        for name in names {
            if name.parse::<IpAddr>().is_ok() {
                alternative.ip(name);
            } else {
                alternative.dns(name);
            }
        }
        let alternative =
            alternative.build(&builder.x509v3_context(above.map(AsRef::as_ref), None))?;
        builder.append_extension(alternative)?;
    }
    builder.sign(signing, digest)?;
    Ok(builder.build())
}

/// Who signs a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signer<'a> {
    Ca(&'a Ca),
    Itself(&'a PKey<Private>),
}

/// The public half of a key.
pub(super) fn public(key: &PKeyRef<Private>) -> Result<PKey<Public>, ErrorStack> {
    PKey::public_key_from_der(&key.public_key_to_der()?)
}
