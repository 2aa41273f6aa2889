//! Flash memory, emulated over the file `flash.bin` of the host: what is there after a cut of power is what had reached
//! the file.
//!
//! Takes in reads, writes and erasures of a [`Part`] of it, by the traits of embedded-storage; gives out what a NOR flash
//! does: a page becomes all ones, a word only loses ones, and a write that would need more is an error. How often each
//! page was erased is kept behind its contents in the file.
//!
//! A power cut is asked for by the setting `flash-cut = 10, 3`, or by [`cut`]: the board's first life ends in the tenth
//! writing or erasing, with half of it done, its second in the third, and what comes then is left alone. An erasing
//! leaves the first half of its page erased, or what `flash-cut-erasing` says: `start`, `end`, `scattered`.
//!
//! The memory is code memory, so that what lies in [`ACTIVE`] runs in place.

use core::{cell::RefCell, cmp::Ordering, ops::Range};

use critical_section::Mutex;
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use embedded_storage_async::nor_flash as waiting;

use crate::{
    host::{File, Mode},
    settings,
};

/// What is erased at once.
pub const PAGE: u32 = 4096;
/// What is written at once.
pub const WORD: u32 = 4;

/// The firmware that runs, 512 KiB. `memory.x` of a program with the feature `slot` has the same numbers.
pub const ACTIVE: Range<u32> = 0..0x8_0000;
/// The firmware to come, or the one before: a page more, for swapping.
pub const DFU: Range<u32> = 0x8_0000..0x10_1000;
/// What the bootloader has to know.
pub const STATE: Range<u32> = 0x10_1000..0x10_2000;
/// What is kept about an update.
pub const UPDATE: Range<u32> = 0x10_2000..0x10_4000;
/// Messages that wait for the network.
pub const OUTBOX: Range<u32> = 0x10_4000..0x11_4000;
/// What an application may keep beside.
pub const SPARE: Range<u32> = 0x11_4000..0x12_0000;

/// Where it lies in the processor's address space.
pub const ADDRESS: u32 = 0x1010_0000;

const LEN: usize = 0x12_0000;
const PAGES: usize = LEN / PAGE as usize;
/// The contents and the counters.
const FILE: usize = LEN + 4 * PAGES;

/// The chip.
#[repr(C)]
struct Cells {
    bytes: [u8; LEN],
    /// How often each page was erased.
    erased: [u32; PAGES],
    /// Writings and erasings in this life. This and what follows is not in the file.
    operations: u32,
    /// How often the power was cut since the emulator started, which begins with zeros.
    cuts: u32,
    /// Whether the last cut was in an erasing.
    cut_erasing: u32,
}

/// What an erasing that was cut off leaves of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Torn {
    /// Its first half is erased.
    #[default]
    Start,
    /// Its last half is.
    End,
    /// Half of its bits are.
    Scattered,
}

struct Chip {
    loaded: bool,
    cut: Option<(u32, Torn)>,
}

static CHIP: Mutex<RefCell<Chip>> = Mutex::new(RefCell::new(Chip {
    loaded: false,
    cut: None,
}));

/// Why the flash did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It isn't in this part of the flash.
    OutOfBounds,
    /// It isn't whole words or whole pages.
    NotAligned,
    /// The word at this address of the flash has zeros where ones were to be written.
    NotErased(u32),
    /// The host could not read or write the file.
    Host,
}

impl NorFlashError for Error {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::NotErased(_) | Self::Host => NorFlashErrorKind::Other,
        }
    }
}

impl Chip {
    /// The chip, as it is in the file.
    fn cells(&mut self) -> Result<&'static mut Cells, Error> {
        // SAFETY: this is memory behind that of the linker script and as aligned as a page, any bits are a `Cells`, and
        // the mutex around `self` lets one caller in at a time, who doesn't keep what it gets.
        let cells =
            unsafe { &mut *core::ptr::with_exposed_provenance_mut::<Cells>(ADDRESS as usize) };
        if !self.loaded {
            // The program in the flash runs because the bootloader has read the file in this life.
            if !runs_from_flash() {
                cells.load()?;
                cells.operations = 0;
            }
            self.loaded = true;
        }
        Ok(cells)
    }

    /// Whether the power goes in the operation that begins now.
    fn operate(&self, cells: &mut Cells) -> Option<Torn> {
        cells.operations += 1;
        let (at, torn) = self.cut.or_else(|| setting(cells.cuts))?;
        (cells.operations == at).then_some(torn)
    }
}

/// What the settings say about this life.
fn setting(cuts: u32) -> Option<(u32, Torn)> {
    let mut all = settings::text("flash-cut")?.split(',');
    let at = all.nth(usize::try_from(cuts).ok()?)?.trim().parse().ok()?;
    let torn = match settings::text("flash-cut-erasing") {
        Some("end") => Torn::End,
        Some("scattered") => Torn::Scattered,
        _ => Torn::Start,
    };
    Some((at, torn))
}

fn runs_from_flash() -> bool {
    // SAFETY: reading this register has no effect.
    let vectors = unsafe { (*cortex_m::peripheral::SCB::PTR).vtor.read() };
    vectors.wrapping_sub(ADDRESS) < ACTIVE.end
}

impl Cells {
    /// Reads the file; makes it whole, as a new chip is, where it is short.
    fn load(&mut self) -> Result<(), Error> {
        let file = self.file();
        let len = File::open(c"flash.bin", Mode::Read).map_or(0, |mut from| from.read(file));
        let contents = self.bytes.get_mut(len..).unwrap_or_default();
        if !contents.is_empty() {
            contents.fill(0xff);
        }
        if len < FILE {
            self.erased = [0; PAGES];
            let mut to = File::open(c"flash.bin", Mode::Create).ok_or(Error::Host)?;
            if !to.write(self.file()) {
                return Err(Error::Host);
            }
        }
        Ok(())
    }

    /// What is in the file.
    fn file(&mut self) -> &mut [u8] {
        let start = (&raw mut *self).cast::<u8>();
        // SAFETY: `Cells` begins with these bytes, laid out as C does it: the contents and the counters without a gap.
        unsafe { core::slice::from_raw_parts_mut(start, FILE) }
    }

    /// Puts a part of it into the file.
    fn store(&mut self, at: usize, len: usize) -> Result<(), Error> {
        let bytes = self.file().get(at..at + len).ok_or(Error::OutOfBounds)?;
        let mut file = File::open(c"flash.bin", Mode::Update).ok_or(Error::Host)?;
        let done = file.seek(at) && file.write(bytes);
        done.then_some(()).ok_or(Error::Host)
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Error> {
        let cells = self.bytes.get_mut(at..at + bytes.len());
        for (cell, byte) in cells.into_iter().flatten().zip(bytes) {
            *cell &= byte;
        }
        self.store(at, bytes.len())
    }

    fn erase(&mut self, page: usize, torn: Option<Torn>) -> Result<(), Error> {
        const LEN: usize = PAGE as usize;
        let at = page * LEN;
        let cells = self.bytes.get_mut(at..at + LEN).unwrap_or_default();
        let (first, last) = cells.split_at_mut(LEN / 2);
        match torn {
            None => cells.fill(0xff),
            Some(Torn::Start) => first.fill(0xff),
            Some(Torn::End) => last.fill(0xff),
            Some(Torn::Scattered) => {
                // Others each time: the operation's number decides.
                let mut dice = self.operations.wrapping_mul(0x9e37_79b9) | 1;
                for cell in cells {
                    dice ^= dice << 13;
                    dice ^= dice >> 17;
                    dice ^= dice << 5;
                    *cell |= dice.to_le_bytes()[1];
                }
            }
        }
        if let Some(erased) = self.erased.get_mut(page) {
            *erased += 1;
        }
        self.store(at, LEN)?;
        self.store(self.bytes.len() + 4 * page, 4)
    }

    /// The power is gone, and comes back.
    fn power_cut(&mut self, erasing: bool) -> ! {
        self.cuts += 1;
        self.cut_erasing = erasing.into();
        crate::reset()
    }
}

/// The power is cut in the writing or erasing of this number from now, counted from one; 0: not any more. This goes
/// before what the settings say.
pub fn cut(operation: u32, torn: Torn) -> Result<(), Error> {
    with(|chip, cells| {
        chip.cut = Some((cells.operations.saturating_add(operation), torn));
        if operation == 0 {
            chip.cut = Some((0, torn));
        }
        Ok(())
    })
}

/// How often the power was cut since the emulator started.
pub fn cuts() -> Result<u32, Error> {
    with(|_, cells| Ok(cells.cuts))
}

/// Whether the last cut was in an erasing, not in a writing.
pub fn was_cut_erasing() -> Result<bool, Error> {
    with(|_, cells| Ok(cells.cut_erasing != 0))
}

/// How often something was written or erased since the start of the board.
pub fn operations() -> Result<u32, Error> {
    with(|_, cells| Ok(cells.operations))
}

fn with<T>(work: impl FnOnce(&mut Chip, &mut Cells) -> Result<T, Error>) -> Result<T, Error> {
    critical_section::with(|section| {
        let chip = &mut *CHIP.borrow_ref_mut(section);
        let cells = chip.cells()?;
        work(chip, cells)
    })
}

/// A part of the flash, with addresses of its own from 0.
#[derive(Debug)]
pub struct Part {
    start: u32,
    len: u32,
}

impl Part {
    /// Whole pages; what is beyond the flash is left out. Nothing keeps two parts from being the same memory, as on any
    /// flash.
    #[must_use]
    pub const fn new(range: Range<u32>) -> Self {
        let end = if range.end as usize > LEN {
            LEN as u32
        } else {
            range.end
        };
        let start = range.start.next_multiple_of(PAGE);
        let len = end.saturating_sub(start) / PAGE * PAGE;
        Self { start, len }
    }

    /// The fewest and the most times that a page of it was erased.
    ///
    /// # Errors
    /// If the host has no file for the flash.
    pub fn wear(&self) -> Result<(u32, u32), Error> {
        with(|_, cells| {
            let pages = (self.start / PAGE) as usize..((self.start + self.len) / PAGE) as usize;
            let erased = cells.erased.get(pages).unwrap_or_default();
            let least = erased.iter().min().copied().unwrap_or_default();
            Ok((least, erased.iter().max().copied().unwrap_or_default()))
        })
    }

    /// Where `len` bytes from `offset` are in the flash.
    fn place(&self, offset: u32, len: usize, unit: u32) -> Result<usize, Error> {
        let len = u32::try_from(len).map_err(|_| Error::OutOfBounds)?;
        let end = offset.checked_add(len).ok_or(Error::OutOfBounds)?;
        if end > self.len {
            return Err(Error::OutOfBounds);
        }
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(Error::NotAligned);
        }
        Ok((self.start + offset) as usize)
    }

    pub(crate) fn read(&self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let at = self.place(offset, bytes.len(), 1)?;
        with(|_, cells| {
            let from = cells.bytes.get(at..at + bytes.len());
            bytes.copy_from_slice(from.ok_or(Error::OutOfBounds)?);
            Ok(())
        })
    }

    fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let at = self.place(offset, bytes.len(), WORD)?;
        with(|chip, cells| {
            let old = cells.bytes.get(at..at + bytes.len());
            let old = old.ok_or(Error::OutOfBounds)?;
            if let Some(index) = old.iter().zip(bytes).position(|(old, new)| !old & new != 0) {
                return Err(Error::NotErased((at + index) as u32));
            }
            if chip.operate(cells).is_some() {
                let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                cells.write(at, half)?;
                cells.power_cut(false);
            }
            cells.write(at, bytes)
        })
    }

    fn erase(&self, from: u32, to: u32) -> Result<(), Error> {
        let len = match from.cmp(&to) {
            Ordering::Greater => return Err(Error::OutOfBounds),
            _ => to - from,
        };
        let at = self.place(from, len as usize, PAGE)?;
        let pages = at / PAGE as usize..(at + len as usize) / PAGE as usize;
        for page in pages {
            with(|chip, cells| {
                let torn = chip.operate(cells);
                cells.erase(page, torn)?;
                if torn.is_some() {
                    cells.power_cut(true);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl ErrorType for Part {
    type Error = Error;
}

impl ReadNorFlash for Part {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        Self::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.len as usize
    }
}

impl NorFlash for Part {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        Self::erase(self, from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        Self::write(self, offset, bytes)
    }
}

impl MultiwriteNorFlash for Part {}

impl waiting::ReadNorFlash for Part {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        Self::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.len as usize
    }
}

impl waiting::NorFlash for Part {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        Self::erase(self, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        Self::write(self, offset, bytes)
    }
}

impl waiting::MultiwriteNorFlash for Part {}
