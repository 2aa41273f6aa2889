//! A client's certificate, as it came in a handshake or from a proxy in front.

use std::fmt::Write as _;

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    nid::Nid,
    stack::Stack,
    x509::{
        X509, X509NameRef, X509Ref, X509StoreContext, store::X509StoreBuilder,
        verify::X509VerifyParam,
    },
};

use crate::clock::Time;

/// The certificate of a client that has proved that it has the key. Nothing else about it is checked yet.
#[derive(Debug, Clone)]
pub(crate) struct ClientCertificate {
    pub(crate) leaf: X509,
    /// What came behind it.
    pub(crate) chain: Vec<X509>,
}

/// SHA-1 and SHA-256 of the certificate, as hexadecimal digits in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thumbprints {
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

impl Thumbprints {
    /// Whether one of them is `declared`, written with any case, colons or blanks.
    pub(crate) fn are(&self, declared: &str) -> bool {
        let plain: String = declared.chars().filter(char::is_ascii_hexdigit).collect();
        plain.eq_ignore_ascii_case(&self.sha1) || plain.eq_ignore_ascii_case(&self.sha256)
    }
}

impl ClientCertificate {
    /// The subject's common name.
    pub(crate) fn common_name(&self) -> Option<String> {
        common_name(&self.leaf)
    }

    pub(crate) fn thumbprints(&self) -> Thumbprints {
        thumbprints(&self.leaf)
    }

    /// Whether it is valid at `now` and its chain leads to one of `roots`, which may be intermediates.
    ///
    /// # Errors
    /// The reason in words.
    pub(crate) fn verify(&self, roots: &[X509], now: Time) -> Result<(), String> {
        self.check_chain(roots, now)
            .map_err(|stack| stack.to_string())?
    }

    fn check_chain(
        &self,
        roots: &[X509],
        now: Time,
    ) -> Result<Result<(), String>, openssl::error::ErrorStack> {
        use openssl::x509::verify::X509VerifyFlags as Flags;
        let mut store = X509StoreBuilder::new()?;
        for root in roots {
            store.add_cert(root.clone())?;
        }
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_flags(Flags::PARTIAL_CHAIN)?;
        parameters.set_time(now.as_secs());
        store.set_param(&parameters)?;
        let store = store.build();
        let mut chain = Stack::new()?;
        for above in &self.chain {
            chain.push(above.clone())?;
        }
        let mut context = X509StoreContext::new()?;
        context.init(&store, &self.leaf, &chain, |context| {
            Ok(if context.verify_cert()? {
                Ok(())
            } else {
                Err(context.error().error_string().to_owned())
            })
        })
    }

    /// Whether it is valid at `now`, by its dates alone.
    ///
    /// # Errors
    /// The reason in words.
    pub(crate) fn check_dates(&self, now: Time) -> Result<(), String> {
        let Ok(now) = Asn1Time::from_unix(now.as_secs()) else {
            return Err("the time can't be told".into());
        };
        if self.leaf.not_before() > now {
            return Err(format!(
                "the certificate is not valid before {}",
                self.leaf.not_before()
            ));
        }
        if self.leaf.not_after() < now {
            return Err(format!(
                "the certificate expired on {}",
                self.leaf.not_after()
            ));
        }
        Ok(())
    }
}

/// The subject's common name.
pub(crate) fn common_name(certificate: &X509Ref) -> Option<String> {
    subject_common_name(certificate.subject_name())
}

/// The common name of a subject.
pub(crate) fn subject_common_name(subject: &X509NameRef) -> Option<String> {
    let mut names = subject.entries_by_nid(Nid::COMMONNAME);
    names.next()?.data().to_string().ok()
}

/// SHA-1 and SHA-256 of a certificate.
pub(crate) fn thumbprints(certificate: &X509Ref) -> Thumbprints {
    let digest = |digest| {
        let bytes = certificate.digest(digest);
        bytes.map(|bytes| hex(&bytes)).unwrap_or_default()
    };
    Thumbprints {
        sha1: digest(MessageDigest::sha1()),
        sha256: digest(MessageDigest::sha256()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
