//! Firmware update: from a job in the twin to an image that is marked for boot, and back if it does not work.
//!
//! Takes in the twin's desired properties, an HTTP connection and a [`Slot`]; gives out reported properties and [`Step`]s.
//! Two kinds of jobs are read: Device Update for IoT Hub ([`adu`]: a manifest that is signed) and that of Nordic's NCS
//! ([`fota`]: a place to download from, trusted because of its TLS certificate and because the bootloader checks images).
//!
//! | piece | does |
//! |-|-|
//! | [`Agent`] | decides: which job, which report, when to fetch, mark, restart, confirm. No I/O |
//! | [`install()`] | the download of one job into a slot, resumed and read back. Over two small traits of `async fn`s |
//! | [`Download`] | what to ask of the server and what its answer means. No I/O |
//! | [`Manifest`], [`jws`], [`adu`], [`fota`] | the formats |
//!
//! Nothing that can boot is overwritten before the manifest's signature is right, and nothing is marked for boot before
//! what was read back from the slot has the right size and hash: [`Slot::mark_for_boot`] takes a [`Checked`], which only
//! such a comparison makes.

mod adu_agent;
mod agent;
mod download;
mod fota_agent;
mod install;
mod json;
mod manifest;
mod record;
mod refused;
mod slot;
mod version;

pub mod adu;
pub mod fota;
pub mod jws;

use core::fmt;

use heapless::String;

pub use self::{
    agent::{Agent, Kind, Settings, Step},
    download::{Download, Next, Request, Validator},
    install::{Failure, Source, install},
    jws::{Root, Verify},
    manifest::Manifest,
    record::RECORD,
    refused::Refused,
    slot::{Checked, Image, Kept, Running, Slot},
    version::compare,
};

/// An identifier of a job or an update, or a version: at most 64 bytes.
pub type Label = String<64>;

/// Where an image lies: at most 1024 bytes.
pub type Address = String<1024>;

/// What an update is called: a provider, a name within it, and a version of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateId {
    /// Who makes it.
    pub provider: Label,
    /// What it is for.
    pub name: Label,
    /// Numbers with dots between.
    pub version: Label,
}

/// An image to install, after all checks that are possible before it is downloaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// Where it lies.
    pub url: Address,
    /// Its version.
    pub version: Label,
    /// What the running firmware may also call itself once it is this one; may be empty.
    pub criteria: Label,
    /// Who makes it and what it is for; empty where jobs do not say.
    pub provider: Label,
    /// See `provider`.
    pub name: Label,
    /// Its size in bytes, where the job says.
    pub size: Option<u64>,
    /// Its SHA-256, where the job says.
    pub digest: Option<[u8; 32]>,
    /// How many bytes to ask for at once; `None`: all.
    pub fragment: Option<u32>,
    /// The largest image that is taken, in bytes.
    pub limit: u64,
    /// Whether it may come over http.
    pub plain: bool,
}

/// The query of an address may be a credential.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("url", &self.url.split('?').next().unwrap_or_default())
            .field("version", &self.version)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// What tells this image from all others.
    pub(crate) fn tag(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        self.digest.unwrap_or_else(|| {
            let mut hash = Sha256::new();
            hash.update(self.version.as_bytes());
            hash.update([0]);
            hash.update(self.url.as_bytes());
            hash.finalize().into()
        })
    }
}

#[cfg(test)]
mod tests;
