//! The jobs of Nordic's NCS `azure_fota`: the object `firmware` in the twin.
//!
//! Takes in desired and reported properties; gives out a [`Job`] and what the device reports. The convention has neither
//! hash nor signature: what vouches for an image is the TLS certificate of where it lies, and the bootloader.

use core::fmt::{self, Write};

use super::{
    Address, Job, Label, Refused,
    json::{Quoted, Value},
};

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing is going on.
    Current,
    /// The image is being downloaded.
    Downloading,
    /// The image is there and boots next.
    Applying,
    /// The device is about to restart.
    Rebooting,
    /// The job failed.
    Error,
    /// The bootloader came back to the old image.
    RolledBack,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Current,
        Self::Downloading,
        Self::Applying,
        Self::Rebooting,
        Self::Error,
        Self::RolledBack,
    ];

    /// The word in the twin.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Downloading => "downloading",
            Self::Applying => "applying",
            Self::Rebooting => "rebooting",
            Self::Error => "error",
            Self::RolledBack => "rolledback",
        }
    }
}

/// What the twin says that the device has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) status: Option<Status>,
    pub(super) current: Label,
    pub(super) pending: Label,
    pub(super) job_id: Label,
}

impl Reported {
    /// Reads it from a whole twin; `None` if there is nothing. A part that makes no sense counts as missing.
    pub(super) fn read(document: &[u8]) -> Option<Self> {
        let firmware = Value::parse(document)?
            .member("reported")?
            .member("firmware")?;
        let label = |name| {
            firmware
                .member(name)
                .and_then(Value::label)
                .unwrap_or_default()
        };
        let status: Label = label("fwUpdateStatus");
        Some(Self {
            status: Status::ALL.into_iter().find(|known| status == known.name()),
            current: label("currentFwVersion"),
            pending: label("pendingFwVersion"),
            job_id: label("jobId"),
        })
    }

    /// What is true after a restart of which nothing else is known.
    pub(super) fn after_restart(&self, running: &str) -> Status {
        match self.status {
            Some(Status::Applying | Status::Rebooting)
                if self.pending != running && self.current == running =>
            {
                Status::RolledBack
            }
            Some(Status::Downloading | Status::Error) => Status::Error,
            _ => Status::Current,
        }
    }
}

/// A job as the twin says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Desired {
    pub(super) id: Label,
    pub(super) version: Label,
    /// Where the image lies, or why that can't be said; in a patch some of it may be missing.
    pub(super) place: Result<(Address, u32), Refused>,
}

impl Desired {
    /// What desired properties, or a twin with them, say; `None` if nothing.
    pub(super) fn read(document: &[u8]) -> Result<Option<Self>, Refused> {
        let document = Value::parse(document).ok_or(Refused::Json)?;
        let desired = document.member("desired").unwrap_or(document);
        let Some(firmware) = desired.member("firmware") else {
            return Ok(None);
        };
        let label = |name| {
            firmware
                .member(name)
                .map_or(Some(Label::new()), Value::label)
        };
        // A job ID may have 39 bytes and a version 63 there.
        let id = label("jobId").filter(|id| id.len() < 40);
        let version = label("fwVersion").filter(|version| version.len() < 64);
        let (Some(id), Some(version)) = (id, version) else {
            return Err(Refused::Incomplete);
        };
        let place = if version.is_empty() {
            Err(Refused::Incomplete)
        } else {
            place(firmware)
        };
        Ok(Some(Self { id, version, place }))
    }

    /// The job, unless `plain` http is asked for and not allowed.
    pub(super) fn job(&self, limit: u64, plain: bool) -> Result<Job, Refused> {
        let (url, fragment) = self.place.clone()?;
        if !plain && !url.starts_with("https://") {
            return Err(Refused::Insecure);
        }
        Ok(Job {
            url,
            version: self.version.clone(),
            criteria: Label::new(),
            provider: Label::new(),
            name: Label::new(),
            size: None,
            digest: None,
            fragment: Some(fragment),
            limit,
            plain,
        })
    }
}

/// The address: `host` may have a scheme in front, `path` may lack its slash.
fn place(firmware: Value<'_>) -> Result<(Address, u32), Refused> {
    let location = firmware.member("fwLocation").ok_or(Refused::Incomplete)?;
    let part = |name| {
        location
            .member(name)
            .and_then(Value::text)
            .ok_or(Refused::Incomplete)?
            .keep::<1024>()
            .ok_or(Refused::Url)
    };
    let (host, path) = (part("host")?, part("path")?);
    let fragment = firmware
        .member("fwFragmentSize")
        .and_then(Value::number)
        .and_then(|size| u32::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or(Refused::Incomplete)?;
    let scheme = if host.contains("://") { "" } else { "https://" };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = Address::new();
    write!(url, "{scheme}{}{slash}{path}", host.trim_end_matches('/'))
        .map_err(|fmt::Error| Refused::Url)?;
    Ok((url, fragment))
}

/// What the device reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) status: Status,
    pub(super) current: &'a str,
    pub(super) pending: &'a str,
    pub(super) job_id: &'a str,
    pub(super) refused: Option<Refused>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"firmware\":{{\"fwUpdateStatus\":\"{}\",\"currentFwVersion\":{}",
            self.status.name(),
            Quoted(self.current)
        )?;
        if !self.pending.is_empty() {
            write!(f, ",\"pendingFwVersion\":{}", Quoted(self.pending))?;
        }
        if !self.job_id.is_empty() {
            write!(f, ",\"jobId\":{}", Quoted(self.job_id))?;
        }
        match self.refused {
            Some(refused) => write!(f, ",\"fwUpdateSubstatus\":\"{}\"", refused.name())?,
            // A new job takes away the reason of the one before.
            None if self.status == Status::Downloading => {
                f.write_str(",\"fwUpdateSubstatus\":null")?;
            }
            None => (),
        }
        f.write_str("}}")
    }
}
