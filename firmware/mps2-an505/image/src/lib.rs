//! What the images share: the slot, and a file of the host as the server of an update.
#![no_std]

use mps2_an505::{
    flash::{self, Part},
    host::{File, Mode},
};
use towpath::{
    Fault,
    embedded::slot::FlashSlot,
    proto::{Code, Rung, text::Text},
};
use towpath_azure::{
    http::{Answer, ContentRange},
    update::{Address, Job, Label, Request, Source},
};

/// The slot of this board.
#[must_use]
pub const fn slot() -> FlashSlot<Part, Part, Part> {
    FlashSlot::new(
        Part::new(flash::DFU),
        Part::new(flash::STATE),
        Part::new(flash::UPDATE),
    )
}

/// The job that installs `update.bin`.
///
/// # Panics
/// Never: the texts fit.
#[must_use]
pub fn job() -> Job {
    Job {
        url: Address::try_from("http://host/update.bin").expect("it fits"),
        version: Label::try_from("2").expect("it fits"),
        criteria: Label::new(),
        provider: Label::new(),
        name: Label::new(),
        size: None,
        digest: None,
        fragment: None,
        limit: u64::MAX,
        plain: true,
    }
}

/// Serves the file `update.bin`, with ranges, as an HTTP server would.
#[derive(Debug, Default)]
pub struct Update {
    file: Option<File>,
    /// How much was served.
    pub served: u64,
}

impl Source for Update {
    async fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, Fault> {
        let missing = || Fault::new(Rung::Link, Code::Io);
        let mut file = File::open(c"update.bin", Mode::Read).ok_or_else(missing)?;
        let total = file.len().ok_or_else(missing)? as u64;
        let first = request.range.map_or(0, |range| range.first);
        if !file.seek(usize::try_from(first).unwrap_or(usize::MAX)) {
            return Err(missing());
        }
        self.file = Some(file);
        let part = request.range.map(|_| ContentRange {
            part: Some((first, total - 1)),
            whole: Some(total),
        });
        Ok(Answer {
            status: if part.is_some() { 206 } else { 200 },
            reason: Text::EMPTY,
            content_length: Some(total - first),
            content_range: part,
            etag: "\"1\"".try_into().ok(),
            last_modified: None,
            date: None,
            server: None,
            retry_after: None,
            location: None,
            keep_alive: true,
        })
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let len = self.file.as_mut().map_or(0, |file| file.read(buffer));
        self.served += len as u64;
        Ok(len)
    }
}
