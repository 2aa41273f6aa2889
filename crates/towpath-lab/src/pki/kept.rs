//! What is in the state folder: read if it is still good, made and written if not.

use std::path::Path;

use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rand::rand_bytes,
    x509::{X509, X509Name, X509VerifyResult},
};

use super::{
    CA_DAYS, DEVICE_DAYS, RENEW_DAYS, SERVER_DAYS, files,
    make::{self, Ca, Now},
    own,
    servers::signed,
};
use crate::Error;

/// Where certificates are kept: what is there and still good is read, all else is made and written.
pub(super) struct Kept<'a> {
    pub(super) folder: Option<&'a Path>,
    pub(super) now: Now,
}

impl Kept<'_> {
    /// Reads a pair that `good` accepts, or makes it.
    fn pair(
        &self,
        name: &str,
        good: impl Fn(&Ca) -> bool,
        make: impl FnOnce(Option<Ca>) -> Result<Ca, Error>,
    ) -> Result<Ca, Error> {
        let old = match self.folder {
            Some(folder) => files::read(folder, name)?,
            None => None,
        };
        match old {
            Some(old) if good(&old) => Ok(old),
            old => {
                let new = make(old)?;
                if let Some(folder) = self.folder {
                    files::write(folder, name, &new)?;
                }
                Ok(new)
            }
        }
    }

    /// A key for a certificate that is made: that of the older one, a new one, or one that tests share.
    fn rsa(&self, old: Option<Ca>, number: usize) -> Result<PKey<Private>, Error> {
        Ok(match (old, self.folder) {
            (Some(old), _) => old.key,
            (None, Some(_)) => make::rsa()?,
            (None, None) => make::shared_rsa(number)?,
        })
    }

    /// The key of the older certificate, or a new one. A start that is cut off between the two files then leaves a pair
    /// that fits.
    fn p256(old: Option<Ca>) -> Result<PKey<Private>, Error> {
        Ok(match old {
            Some(old) => old.key,
            None => make::p256()?,
        })
    }

    pub(super) fn root(&self, name: &str, subject: &str, number: usize) -> Result<Ca, Error> {
        self.pair(
            name,
            |_| true,
            |old| {
                let key = self.rsa(old, number)?;
                let (subject, valid) = (unique(subject)?, self.now.valid(CA_DAYS));
                Ok(make::ca(
                    &subject,
                    key,
                    None,
                    1,
                    valid,
                    MessageDigest::sha256(),
                )?)
            },
        )
    }

    pub(super) fn below(
        &self,
        root: &Ca,
        name: &str,
        subject: &str,
        number: usize,
    ) -> Result<Ca, Error> {
        let good = |ca: &Ca| is_below(&ca.certificate, root) && self.lasts(ca, SERVER_DAYS);
        self.pair(name, good, |old| {
            let key = self.rsa(old, number)?;
            let (subject, valid) = (unique(subject)?, self.now.valid(CA_DAYS));
            Ok(make::ca(
                &subject,
                key,
                Some(root),
                0,
                valid,
                MessageDigest::sha256(),
            )?)
        })
    }

    pub(super) fn server(&self, issuing: &Ca, names: &[String]) -> Result<Ca, Error> {
        let good = |server: &Ca| {
            is_below(&server.certificate, issuing)
                && self.lasts(server, RENEW_DAYS)
                && own::names(&server.certificate) == names
        };
        self.pair("server", good, |old| {
            let key = self.rsa(old, 2)?;
            let valid = self.now.valid(SERVER_DAYS);
            let made = signed(issuing, key, names, valid, MessageDigest::sha256())?;
            Ok(Ca {
                certificate: made.leaf,
                key: made.key,
            })
        })
    }

    pub(super) fn device_root(&self) -> Result<Ca, Error> {
        self.pair(
            "device-ca",
            |_| true,
            |old| {
                let (subject, valid) = (unique("towpath lab devices")?, self.now.valid(CA_DAYS));
                let key = Self::p256(old)?;
                Ok(make::ca(
                    &subject,
                    key,
                    None,
                    1,
                    valid,
                    MessageDigest::sha256(),
                )?)
            },
        )
    }

    pub(super) fn device_issuing(&self, root: &Ca) -> Result<Ca, Error> {
        let good = |ca: &Ca| is_below(&ca.certificate, root) && self.lasts(ca, DEVICE_DAYS);
        self.pair("device-issuing", good, |old| {
            let subject = unique("towpath lab devices issuing")?;
            let valid = self.now.valid(CA_DAYS);
            let key = Self::p256(old)?;
            Ok(make::ca(
                &subject,
                key,
                Some(root),
                0,
                valid,
                MessageDigest::sha256(),
            )?)
        })
    }

    fn lasts(&self, pair: &Ca, days: i64) -> bool {
        self.now.lasts(&pair.certificate, days)
    }
}

/// Whether the CA has signed it, under the name that the CA has now.
fn is_below(certificate: &X509, ca: &Ca) -> bool {
    ca.certificate.issued(certificate) == X509VerifyResult::OK
        && certificate.verify(&ca.key).unwrap_or(false)
}

/// A CA's subject with something in it that no other lab's has: two CAs of the same name and different keys confuse
/// every client that trusts both.
pub(super) fn unique(text: &str) -> Result<X509Name, Error> {
    let mut random = [0; 4];
    rand_bytes(&mut random)?;
    let number = u32::from_be_bytes(random);
    Ok(make::name(&format!("{text} {number:08x}"))?)
}
