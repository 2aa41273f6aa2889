//! Where an image is put.

use core::{fmt, future::Future};

use super::{Label, Validator};

/// A place for an image that does not run: a file on a host, a partition on a microcontroller.
///
/// What is asked of whoever implements it, so that a cut of power at any moment costs no more than time:
///
/// - Nothing here touches what runs, nor what boots next, before [`mark_for_boot`](Self::mark_for_boot).
/// - Bytes come in order. Each write begins where the one before ended, or at [`Kept::written`] after a restart, and has
///   a multiple of [`BLOCK`](Self::BLOCK) bytes; only the last one of an image may have fewer.
/// - [`kept`](Self::kept) never counts a byte that a cut of power could still take away. It may count fewer than were
///   written, and `None` is always right: then the image is downloaded from its beginning.
/// - Dropping a future between its points of waiting does no harm: the same call may be made again.
///
/// With `embassy-boot` it is `FirmwareUpdater`: `begin` erases the DFU partition, `mark_for_boot` is `mark_updated`,
/// `confirm` is `mark_booted`, `running` asks `get_state`. With MCUboot `mark_for_boot` writes the trailer of the
/// secondary slot as a test image, `confirm` sets `image_ok`.
pub trait Slot {
    /// Writes have a multiple of this many bytes, at least 1: the size of a flash word or page.
    const BLOCK: usize;

    /// Why it did not work.
    type Error: fmt::Display;

    /// The largest image that has room, in bytes.
    fn capacity(&self) -> u64;

    /// What lies here: which image, how much of it. `None` if that is not known.
    fn kept(&mut self) -> impl Future<Output = Result<Option<Kept>, Self::Error>>;

    /// Forgets what lies here and begins an image.
    fn begin(&mut self, image: &Image) -> impl Future<Output = Result<(), Self::Error>>;

    /// Writes behind what was written.
    fn write(&mut self, offset: u64, bytes: &[u8])
    -> impl Future<Output = Result<(), Self::Error>>;

    /// Everything was written. When this returns, no cut of power takes a byte away.
    fn flush(&mut self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Reads what was written, from the storage and not from a copy in memory where there is a choice; fills `buffer`.
    fn read(
        &mut self,
        offset: u64,
        buffer: &mut [u8],
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// Lets the image boot next time, on probation: until [`confirm`](Self::confirm) a restart brings the old one back,
    /// where the bootloader can do that. When this returns it survives a cut of power.
    fn mark_for_boot(&mut self, image: &Checked) -> impl Future<Output = Result<(), Self::Error>>;

    /// What runs has proved itself: it reached its hub. Doing it twice does no harm.
    fn confirm(&mut self) -> impl Future<Output = Result<(), Self::Error>>;

    /// What is known about the firmware that runs.
    fn running(&mut self) -> impl Future<Output = Result<Running, Self::Error>>;
}

/// What is known about the firmware that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// It was confirmed, or nothing is known.
    #[default]
    Confirmed,
    /// It runs on probation.
    Testing,
    /// Another one is marked for boot, and nothing has booted since.
    Pending,
    /// Another one was being put in place, which was interrupted: [`Step::Restart`](super::Step::Restart) is given again,
    /// unless the new one runs. For a slot whose image is installed by a program.
    Applying,
    /// Another one was tried, and the bootloader came back to this one.
    RolledBack,
}

/// An image that is about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What tells it from all others.
    pub tag: [u8; 32],
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// By what the server tells whether it has changed.
    pub validator: Option<Validator>,
}

/// An image, or the beginning of one, that lies in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which one, as it was given to [`Slot::begin`].
    pub image: Image,
    /// How much of it lies there for certain, a multiple of [`Slot::BLOCK`], or all of it.
    pub written: u64,
}

/// An image that lies in a slot whole, and was read back from there with the right size and hash.
///
/// Only [`install`](super::install()) makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub(super) size: u64,
    pub(super) digest: [u8; 32],
    pub(super) version: Label,
}

impl Checked {
    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its SHA-256.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}
