//! What the servers show: the good certificate, and each bad one.

use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
};

use super::{
    CA_DAYS, Identity, SERVER_DAYS, Variant,
    kept::{Kept, unique},
    make::{self, Ca, Now, Purpose, Signer, Validity},
};
use crate::Error;

/// The chain of the servers' certificate, each with its key.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) root: Ca,
    issuing: Ca,
    server: Ca,
    names: Vec<String>,
    now: Now,
}

impl Servers {
    /// Reads or makes it.
    pub(super) fn open(kept: &Kept<'_>, names: &[String]) -> Result<Self, Error> {
        let root = kept.root("root", "towpath lab root", 0)?;
        let issuing = kept.below(&root, "issuing", "towpath lab issuing", 1)?;
        let server = kept.server(&issuing, names)?;
        Ok(Self {
            root,
            issuing,
            server,
            names: names.to_vec(),
            now: kept.now,
        })
    }

    /// Makes a variant; `own` stands in for the good one.
    pub(super) fn variant(
        &self,
        variant: Variant,
        own: Option<&Identity>,
    ) -> Result<Identity, Error> {
        let sha256 = MessageDigest::sha256();
        let valid = self.now.valid(SERVER_DAYS);
        let good = || {
            own.cloned().unwrap_or_else(|| Identity {
                leaf: self.server.certificate.clone(),
                chain: vec![self.issuing.certificate.clone()],
                key: self.server.key.clone(),
            })
        };
        match variant {
            Variant::Good => Ok(good()),
            Variant::NoChain => Ok(Identity {
                chain: Vec::new(),
                ..good()
            }),
            Variant::Expired => self.leaf(&self.issuing, &self.names, self.now.expired(), sha256),
            Variant::NotYet => self.leaf(&self.issuing, &self.names, self.now.not_yet(), sha256),
            Variant::WrongName => {
                self.leaf(&self.issuing, &["wrong.invalid".into()], valid, sha256)
            }
            Variant::Large => self.leaf(&self.issuing, &many(&self.names), valid, sha256),
            Variant::Sha384 => {
                let sha384 = MessageDigest::sha384();
                let subject = unique("towpath lab issuing SHA-384")?;
                let key = self.issuing.key.clone();
                let ca_valid = self.now.valid(CA_DAYS);
                let ca = make::ca(&subject, key, Some(&self.root), 0, ca_valid, sha384)?;
                self.leaf(&ca, &self.names, valid, sha384)
            }
            Variant::UnknownRoot => {
                let key = make::shared_rsa(3)?;
                let subject = unique("inspecting proxy")?;
                let ca = make::ca(&subject, key, None, 0, self.now.valid(CA_DAYS), sha256)?;
                self.leaf(&ca, &self.names, valid, sha256)
            }
            Variant::SelfSigned => self.self_signed(valid),
            Variant::Ecdsa => self.ecdsa(valid),
        }
    }

    fn self_signed(&self, valid: Validity) -> Result<Identity, Error> {
        let key = self.server.key.clone();
        let leaf = make::leaf(
            make::name(&common_name(&self.names))?.as_ref(),
            make::public(&key)?.as_ref(),
            Signer::Itself(&key),
            Purpose::Server(&self.names),
            valid,
            MessageDigest::sha256(),
        )?;
        Ok(Identity {
            leaf,
            chain: Vec::new(),
            key,
        })
    }

    fn ecdsa(&self, valid: Validity) -> Result<Identity, Error> {
        let sha256 = MessageDigest::sha256();
        let subject = unique("towpath lab issuing P-256")?;
        let ca_valid = self.now.valid(CA_DAYS);
        let ca = make::ca(
            &subject,
            make::p256()?,
            Some(&self.root),
            0,
            ca_valid,
            sha256,
        )?;
        let key = make::p256()?;
        signed(&ca, key, &self.names, valid, sha256)
    }

    /// A leaf with the server's key.
    fn leaf(
        &self,
        ca: &Ca,
        names: &[String],
        valid: Validity,
        digest: MessageDigest,
    ) -> Result<Identity, Error> {
        signed(ca, self.server.key.clone(), names, valid, digest)
    }
}

/// A leaf for a server, below the CA, which is sent behind it.
pub(super) fn signed(
    ca: &Ca,
    key: PKey<Private>,
    names: &[String],
    valid: Validity,
    digest: MessageDigest,
) -> Result<Identity, Error> {
    let leaf = make::leaf(
        make::name(&common_name(names))?.as_ref(),
        make::public(&key)?.as_ref(),
        Signer::Ca(ca),
        Purpose::Server(names),
        valid,
        digest,
    )?;
    Ok(Identity {
        leaf,
        chain: vec![ca.certificate.clone()],
        key,
    })
}

/// The first name that X.520's 64 characters can take.
fn common_name(names: &[String]) -> String {
    let fits = names.iter().find(|name| name.len() <= 64);
    fits.map_or_else(|| "towpath lab".to_owned(), Clone::clone)
}

/// So many more names that the chain has more than 5 kB.
fn many(names: &[String]) -> Vec<String> {
    let more = (0..110).map(|number| format!("name-{number:03}.large.azure-devices.invalid"));
    names.iter().cloned().chain(more).collect()
}
