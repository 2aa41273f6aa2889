//! A firmware slot in a microcontroller's flash, whose bootloader is built on `embassy-boot`.
//!
//! Takes in an image piece by piece, into the DFU partition; gives out a partition that the bootloader swaps with the one
//! that runs, and what the bootloader did. A third region, two pages, keeps what is known about the image on its way and
//! the record of the [`Agent`](towpath_azure::update::Agent), so that a download goes on after a cut of power.
//!
//! ```text
//! journal: [ entry ][ entry ] ... [ page ]   each entry is all that is kept, with a number and a checksum;
//!                                            the whole one with the highest number counts
//! ```
//!
//! An entry that was cut off has no valid checksum and doesn't count. A page is erased when the other one is full; the
//! last entry is in the other one, so whatever a cut leaves of the erased page has lower numbers or none.

mod journal;

use core::{fmt, future::Future};

use embassy_boot::{AlignedBuffer, FirmwareState, FirmwareUpdaterError, State};
use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use towpath_azure::update::{Checked, Image, Kept, RECORD, Running, Slot};

use self::journal::Journal;

/// A flash word may have so many bytes at most.
const WORD: usize = 32;
/// After so many pages of an image it is kept how much of it lies there.
const STEP: u64 = 4;

/// Why the slot did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The flash failed.
    Flash(NorFlashErrorKind),
    /// The journal's region isn't two pages that have room, or a word of the flash has more than 32 bytes.
    Region,
    /// The image doesn't fit.
    TooLarge,
    /// What runs is on probation, or another image waits for a restart: nothing may be written before.
    Unsettled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(kind) => write!(f, "the flash failed: {kind:?}"),
            Self::Region => f.write_str("the flash's regions do not suit a slot"),
            Self::TooLarge => f.write_str("the image is larger than its slot"),
            Self::Unsettled => f.write_str("the running image is not confirmed yet"),
        }
    }
}

impl core::error::Error for Error {}

impl From<FirmwareUpdaterError> for Error {
    fn from(error: FirmwareUpdaterError) -> Self {
        match error {
            FirmwareUpdaterError::Flash(kind) => Self::Flash(kind),
            _ => Self::Unsettled,
        }
    }
}

fn flash(error: impl NorFlashError) -> Error {
    Error::Flash(error.kind())
}

/// A slot over three regions of flash: `dfu` and `state` are those of the bootloader, `journal` is two pages beside.
///
/// As the bootloader asks for, `dfu` has one page more than the image that runs.
pub struct FlashSlot<D, S, J> {
    dfu: D,
    state: BootState<S>,
    journal: Journal<J>,
    /// How much of the image was written in this life.
    written: u64,
    /// An image was marked for boot in this life.
    marked: bool,
}

impl<D, S, J> fmt::Debug for FlashSlot<D, S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashSlot")
            .field("written", &self.written)
            .field("marked", &self.marked)
            .finish_non_exhaustive()
    }
}

impl<D: NorFlash, S: NorFlash, J: NorFlash> FlashSlot<D, S, J> {
    /// A slot; it looks at the flash when it is asked something.
    #[must_use]
    pub const fn new(dfu: D, state: S, journal: J) -> Self {
        Self {
            dfu,
            state: BootState::new(state),
            journal: Journal::new(journal),
            written: 0,
            marked: false,
        }
    }

    /// The record of the agent that was kept.
    ///
    /// # Errors
    /// [`Error::Flash`], [`Error::Region`].
    pub async fn record(&mut self) -> Result<Option<[u8; RECORD]>, Error> {
        Ok(self.journal.entry().await?.record())
    }

    /// Keeps the record of the agent: when this returns, it survives a cut of power.
    ///
    /// # Errors
    /// [`Error::Flash`], [`Error::Region`].
    pub async fn keep_record(&mut self, record: &[u8; RECORD]) -> Result<(), Error> {
        self.journal.change(|entry| entry.set_record(record)).await
    }

    async fn boot_state(&mut self) -> Result<State, Error> {
        let mut word = AlignedBuffer([0; WORD]);
        Ok(firmware(&mut self.state, &mut word)?.get_state().await?)
    }

    /// So much of the image survives a cut of power.
    async fn keep_written(&mut self, written: u64) -> Result<(), Error> {
        self.journal
            .change(|entry| entry.set_written(written))
            .await
    }

    /// Writes what lies within one page, which is erased before its first byte.
    async fn write_in_page(&mut self, at: u32, bytes: &[u8]) -> Result<(), Error> {
        let page = u32::try_from(D::ERASE_SIZE).map_err(|_| Error::Region)?;
        if at.is_multiple_of(page) {
            let end = at.checked_add(page).ok_or(Error::TooLarge)?;
            self.dfu.erase(at, end).await.map_err(flash)?;
        }
        let whole = bytes.len() - bytes.len() % D::WRITE_SIZE;
        let (words, rest) = bytes.split_at_checked(whole).unwrap_or_default();
        self.dfu.write(at, words).await.map_err(flash)?;
        if rest.is_empty() {
            return Ok(());
        }
        // The last word of the image, filled with what an erased flash has.
        let mut last = AlignedBuffer([0xff; WORD]);
        let word = last.0.get_mut(..D::WRITE_SIZE).ok_or(Error::Region)?;
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        let at = at.saturating_add(u32::try_from(whole).unwrap_or(u32::MAX));
        self.dfu.write(at, word).await.map_err(flash)
    }
}

/// What `embassy-boot` knows about the state partition.
fn firmware<'w, S: NorFlash>(
    state: &'w mut BootState<S>,
    word: &'w mut AlignedBuffer<WORD>,
) -> Result<FirmwareState<'w, &'w mut BootState<S>>, Error> {
    let word = word.0.get_mut(..S::WRITE_SIZE).ok_or(Error::Region)?;
    Ok(FirmwareState::new(state, word))
}

impl<D: NorFlash, S: NorFlash, J: NorFlash> Slot for FlashSlot<D, S, J> {
    const BLOCK: usize = D::WRITE_SIZE;
    type Error = Error;

    fn capacity(&self) -> u64 {
        self.dfu.capacity().saturating_sub(D::ERASE_SIZE) as u64
    }

    async fn kept(&mut self) -> Result<Option<Kept>, Error> {
        let kept = self.journal.entry().await?.kept();
        self.written = kept.as_ref().map_or(0, |kept| kept.written);
        Ok(kept)
    }

    async fn begin(&mut self, image: &Image) -> Result<(), Error> {
        match self.boot_state().await? {
            State::Swap => return Err(Error::Unsettled),
            // What became of the image before is known by now: it is not to be taken for what becomes of this one.
            State::Revert => self.settle().await?,
            _ => (),
        }
        self.written = 0;
        self.journal.change(|entry| entry.set_image(image)).await
    }

    async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let page = D::ERASE_SIZE;
        let mut bytes = bytes;
        let mut at = u32::try_from(offset).map_err(|_| Error::TooLarge)?;
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.capacity() {
            return Err(Error::TooLarge);
        }
        while !bytes.is_empty() {
            let room = page - (at as usize) % page.max(1);
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.write_in_page(at, now).await?;
            at = at.saturating_add(u32::try_from(now.len()).unwrap_or(u32::MAX));
            bytes = later;
            self.written = at.into();
            let step = STEP.saturating_mul(page as u64);
            if self.written.is_multiple_of(step) {
                self.keep_written(self.written).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.keep_written(self.written).await
    }

    async fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let at = u32::try_from(offset).map_err(|_| Error::TooLarge)?;
        let whole = buffer.len() - buffer.len() % D::READ_SIZE;
        let (words, rest) = buffer.split_at_mut_checked(whole).unwrap_or_default();
        self.dfu.read(at, words).await.map_err(flash)?;
        if rest.is_empty() {
            return Ok(());
        }
        let mut last = AlignedBuffer([0; WORD]);
        let word = last.0.get_mut(..D::READ_SIZE).ok_or(Error::Region)?;
        let at = at.saturating_add(u32::try_from(whole).unwrap_or(u32::MAX));
        self.dfu.read(at, word).await.map_err(flash)?;
        for (to, from) in rest.iter_mut().zip(word) {
            *to = *from;
        }
        Ok(())
    }

    async fn mark_for_boot(&mut self, image: &Checked) -> Result<(), Error> {
        if image.size() > self.capacity() {
            return Err(Error::TooLarge);
        }
        if self.boot_state().await? == State::Swap {
            return if self.marked {
                Ok(())
            } else {
                Err(Error::Unsettled)
            };
        }
        let mut word = AlignedBuffer([0; WORD]);
        firmware(&mut self.state, &mut word)?.mark_updated().await?;
        self.marked = true;
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), Error> {
        // What was marked in this life has not booted yet: there is nothing of it to confirm.
        if self.marked {
            return Ok(());
        }
        self.settle().await
    }

    async fn running(&mut self) -> Result<Running, Error> {
        Ok(match self.boot_state().await? {
            State::Swap if self.marked => Running::Pending,
            State::Swap => Running::Testing,
            State::Revert => Running::RolledBack,
            _ => Running::Confirmed,
        })
    }
}

impl<D: NorFlash, S: NorFlash, J: NorFlash> FlashSlot<D, S, J> {
    /// What runs is what is to boot.
    fn settle(&mut self) -> impl Future<Output = Result<(), Error>> {
        async {
            let mut word = AlignedBuffer([0; WORD]);
            Ok(firmware(&mut self.state, &mut word)?.mark_booted().await?)
        }
    }
}

/// The state partition of `embassy-boot`, for its bootloader and its updater: what says that a swap is due goes before
/// the page around it is erased.
///
/// `embassy-boot` erases the page and then writes what is to be done. An erasing that the power interrupts can leave
/// anything: the word for "swap" may still be there while the progress beside it is gone, and then a swap that was done
/// would be done again, over the image that runs.
#[derive(Debug)]
pub struct BootState<S>(S);

impl<S> BootState<S> {
    /// Over the partition.
    #[must_use]
    pub const fn new(state: S) -> Self {
        Self(state)
    }
}

impl<S: ErrorType> ErrorType for BootState<S> {
    type Error = S::Error;
}

impl<S: ReadNorFlash> ReadNorFlash for BootState<S> {
    const READ_SIZE: usize = S::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), S::Error> {
        self.0.read(offset, bytes).await
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<S: NorFlash> NorFlash for BootState<S> {
    const WRITE_SIZE: usize = S::WRITE_SIZE;
    const ERASE_SIZE: usize = S::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), S::Error> {
        let word = AlignedBuffer([0; WORD]);
        if let Some(zeros) = word.0.get(..S::WRITE_SIZE).filter(|_| from == 0) {
            self.0.write(0, zeros).await?;
        }
        self.0.erase(from, to).await
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), S::Error> {
        self.0.write(offset, bytes).await
    }
}

impl<S: blocking::ReadNorFlash> blocking::ReadNorFlash for BootState<S> {
    const READ_SIZE: usize = S::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), S::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<S: blocking::NorFlash> blocking::NorFlash for BootState<S> {
    const WRITE_SIZE: usize = S::WRITE_SIZE;
    const ERASE_SIZE: usize = S::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), S::Error> {
        let word = AlignedBuffer([0; WORD]);
        if let Some(zeros) = word.0.get(..S::WRITE_SIZE).filter(|_| from == 0) {
            self.0.write(0, zeros)?;
        }
        self.0.erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), S::Error> {
        self.0.write(offset, bytes)
    }
}
