//! An image from its server into a slot, and read back from there.
//!
//! Takes in a [`Job`], a [`Slot`] and a [`Source`]; gives out a [`Checked`], or why there is none. It never marks anything
//! for boot. Dropping the future stops the download; the next run goes on behind what the slot kept.

use core::{fmt::Write, future::Future};

use sha2::{Digest, Sha256};
use towpath_proto::{Code, Fault, Rung, text::Text};

use super::{Checked, Download, Job, Next, Refused, Request, Slot};
use crate::http::Answer;

/// An HTTP client: TLS, names, proxies and time limits are its concern.
pub trait Source {
    /// Sends a GET and waits for the head of the answer. A body that was not read to its end is given up.
    fn exchange(&mut self, request: &Request<'_>) -> impl Future<Output = Result<Answer, Fault>>;

    /// Reads some of the body; 0 at its end as the framing says. A connection that ends before is a fault.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Fault>>;
}

/// Why an image is not there, for now or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Refused,
    /// Whether it is worth trying again.
    pub retry: bool,
    /// After how many seconds the server wants to be asked again.
    pub after: Option<u32>,
    /// The server's status, or 0.
    pub status: u16,
    /// What broke the connection; or what the slot says, on the rung "link" of this side.
    pub fault: Option<Fault>,
    /// How many bytes of the image are in the slot.
    pub written: u64,
}

impl Failure {
    /// A failure for good.
    #[must_use]
    pub const fn new(reason: Refused) -> Self {
        Self {
            reason,
            retry: false,
            after: None,
            status: 0,
            fault: None,
            written: 0,
        }
    }

    fn slot(error: impl core::fmt::Display) -> Self {
        let mut words = Text::<56>::EMPTY;
        let _ = write!(words, "{error}");
        let fault = Fault::new(Rung::Link, Code::Io).detail(words.as_str().as_bytes());
        let mut failure = Self::new(Refused::Slot);
        failure.fault = Some(fault);
        failure
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.status != 0 {
            write!(f, " (HTTP {})", self.status)?;
        }
        if let Some(fault) = &self.fault {
            write!(f, " ({fault})")?;
        }
        Ok(())
    }
}

impl core::error::Error for Failure {}

/// Downloads the image of a job into a slot and reads it back.
///
/// `buffer` is what is read and written at once; at least [`Slot::BLOCK`] bytes, 4096 are good. `progress` hears how many
/// bytes are there, and how many there will be if that is known.
///
/// An image of which only the rest was downloaded and whose hash is wrong is downloaded once more as a whole.
///
/// # Errors
/// Why the image is not in the slot.
pub async fn install<S: Slot, C: Source>(
    job: &Job,
    slot: &mut S,
    source: &mut C,
    buffer: &mut [u8],
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Checked, Failure> {
    let mut job = job.clone();
    job.limit = job.limit.min(slot.capacity());
    let block = buffer.len() - buffer.len() % S::BLOCK.max(1);
    let Some(buffer) = buffer.get_mut(..block).filter(|buffer| !buffer.is_empty()) else {
        return Err(Failure::new(Refused::TooLarge));
    };
    let kept = slot.kept().await.map_err(Failure::slot)?;
    let mut download = Download::new(&job, kept.as_ref())?;
    loop {
        let mut run = Run {
            slot,
            source,
            buffer,
            filled: 0,
            written: download.offset(),
            hash: None,
        };
        let done = run.fill(&mut download, &mut progress).await;
        let (written, hash) = (run.written, run.hash);
        done.map_err(|failure| Failure { written, ..failure })?;
        match check(&job, &download, hash, slot, buffer).await {
            Err(Failure {
                reason: Refused::Hash,
                ..
            }) if download.is_resumed() => {
                download = Download::new(&job, None)?;
            }
            end => return end.map_err(|failure| Failure { written, ..failure }),
        }
    }
}

/// One run of a download into a slot.
struct Run<'r, S, C> {
    slot: &'r mut S,
    source: &'r mut C,
    buffer: &'r mut [u8],
    /// Bytes in the buffer that are not in the slot.
    filled: usize,
    written: u64,
    /// Of all that came, if this run began with the beginning.
    hash: Option<Sha256>,
}

impl<S: Slot, C: Source> Run<'_, S, C> {
    async fn fill(
        &mut self,
        download: &mut Download<'_>,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<(), Failure> {
        progress(download.offset(), download.total());
        while !download.is_complete() {
            let answer = self.source.exchange(&download.request()).await?;
            match download.judge(&answer)? {
                Next::Begin(image) => {
                    self.slot.begin(&image).await.map_err(Failure::slot)?;
                    self.filled = 0;
                    self.written = 0;
                    self.hash = Some(Sha256::new());
                }
                Next::Continue => (),
                Next::Again => continue,
                Next::Complete => break,
            }
            self.body(download, progress).await?;
        }
        self.put().await?;
        self.slot.flush().await.map_err(Failure::slot)
    }

    async fn body(
        &mut self,
        download: &mut Download<'_>,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<(), Failure> {
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let size = room.len();
            let len = self.source.read(room).await?.min(size);
            if len == 0 {
                return download.ended();
            }
            download.came(len)?;
            if let (Some(hash), Some(came)) = (&mut self.hash, room.get(..len)) {
                hash.update(came);
            }
            self.filled += len;
            if self.filled == self.buffer.len() {
                self.put().await?;
                progress(download.offset(), download.total());
            }
        }
    }

    /// Writes what is in the buffer.
    async fn put(&mut self) -> Result<(), Failure> {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        if !bytes.is_empty() {
            self.slot
                .write(self.written, bytes)
                .await
                .map_err(Failure::slot)?;
            self.written += u64::try_from(bytes.len()).unwrap_or(0);
            self.filled = 0;
        }
        Ok(())
    }
}

/// Reads the image back and compares it with the job, and with what came.
async fn check<S: Slot>(
    job: &Job,
    download: &Download<'_>,
    came: Option<Sha256>,
    slot: &mut S,
    buffer: &mut [u8],
) -> Result<Checked, Failure> {
    let size = download.offset();
    if size == 0 || job.size.is_some_and(|wanted| wanted != size) {
        return Err(Failure::new(Refused::Size));
    }
    let (mut hash, mut at) = (Sha256::new(), 0);
    while at < size {
        let len = usize::try_from(size - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        slot.read(at, part).await.map_err(Failure::slot)?;
        hash.update(&*part);
        at += u64::try_from(len).unwrap_or(u64::MAX);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let came = came.map(|came| <[u8; 32]>::from(came.finalize()));
    if came.is_some_and(|came| came != digest) {
        return Err(Failure::new(Refused::ReadBack));
    }
    if job.digest.is_some_and(|wanted| wanted != digest) {
        return Err(Failure::new(Refused::Hash));
    }
    Ok(Checked {
        size,
        digest,
        version: job.version.clone(),
    })
}
