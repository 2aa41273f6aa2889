//! A certificate authority: signs what it is asked to.

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    error::ErrorStack,
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

/// What a certificate is to say.
pub(super) struct Request {
    subject: String,
    names: Vec<String>,
    from: &'static str,
    until: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Authority,
    Server,
    Client,
}

impl Request {
    fn new(subject: &str, kind: Kind) -> Self {
        Self {
            subject: subject.into(),
            names: Vec::new(),
            from: "20240101000000Z",
            until: "20490101000000Z",
            kind,
        }
    }

    /// For a server with these names and addresses.
    pub(super) fn server(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(ToString::to_string).collect(),
            ..Self::new("Test Server", Kind::Server)
        }
    }

    /// For a client.
    pub(super) fn client(name: &str) -> Self {
        Self::new(name, Kind::Client)
    }

    /// Valid in 2019 only.
    pub(super) fn expired(mut self) -> Self {
        (self.from, self.until) = ("20190101000000Z", "20200101000000Z");
        self
    }

    /// Valid from 2099 on.
    pub(super) fn future(mut self) -> Self {
        (self.from, self.until) = ("20990101000000Z", "21000101000000Z");
        self
    }
}

/// Somebody who signs.
pub(super) struct Authority {
    pub(super) certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// Who signs for itself.
    pub(super) fn root(name: &str, key: PKey<Private>) -> Result<Self, ErrorStack> {
        let certificate = sign(&Request::new(name, Kind::Authority), &key, &key, None)?;
        Ok(Self { certificate, key })
    }

    /// Another authority, signed by this one.
    pub(super) fn authority(&self, name: &str, key: PKey<Private>) -> Result<Self, ErrorStack> {
        let certificate = self.issue(&Request::new(name, Kind::Authority), &key)?;
        Ok(Self { certificate, key })
    }

    /// A certificate for `key`.
    pub(super) fn issue(&self, asked: &Request, key: &PKey<Private>) -> Result<X509, ErrorStack> {
        sign(asked, key, &self.key, Some(&self.certificate))
    }
}

/// A new RSA key.
pub(super) fn rsa(bits: u32) -> Result<PKey<Private>, ErrorStack> {
    PKey::from_rsa(Rsa::generate(bits)?)
}

fn sign(
    asked: &Request,
    key: &PKey<Private>,
    by: &PKey<Private>,
    issuer: Option<&X509>,
) -> Result<X509, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::ORGANIZATIONNAME, "towpath tests")?;
    subject.append_entry_by_nid(Nid::COMMONNAME, &asked.subject)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(126, MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    let (from, until) = (
        Asn1Time::from_str(asked.from)?,
        Asn1Time::from_str(asked.until)?,
    );

    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&subject, |issuer| issuer.subject_name()))?;
    builder.set_pubkey(key)?;
    extend(&mut builder, asked, issuer)?;
    builder.sign(by, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn extend(
    builder: &mut X509Builder,
    asked: &Request,
    issuer: Option<&X509>,
) -> Result<(), ErrorStack> {
    let mut basic = BasicConstraints::new();
    basic.critical();
    let mut usage = KeyUsage::new();
    usage.critical();
    if asked.kind == Kind::Authority {
        basic.ca();
        usage.key_cert_sign().crl_sign();
    } else {
        usage.digital_signature();
    }
    builder.append_extension(basic.build()?)?;
    builder.append_extension(usage.build()?)?;
    let mut extended = ExtendedKeyUsage::new();
    match asked.kind {
        Kind::Authority => {}
        Kind::Server => builder.append_extension(extended.server_auth().build()?)?,
        Kind::Client => builder.append_extension(extended.client_auth().build()?)?,
    }
    let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
    let own = SubjectKeyIdentifier::new().build(&context)?;
    builder.append_extension(own)?;
    if issuer.is_some() {
        let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
        let signer = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        builder.append_extension(signer)?;
    }
    if !asked.names.is_empty() {
        let mut names = SubjectAlternativeName::new();
        for name in &asked.names {
            if name.parse::<std::net::IpAddr>().is_ok() {
                names.ip(name);
            } else {
                names.dns(name);
            }
        }
        let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
        let names = names.build(&context)?;
        builder.append_extension(names)?;
    }
    Ok(())
}
