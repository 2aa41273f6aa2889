//! What a slot keeps, as entries of one size over two pages of flash.
//!
//! ```text
//! 0..4     number, one higher than that of the entry before
//! 4        bit 0: there is an image; bit 1: there is a record
//! 5        length of the validator
//! 8..16    how much of the image is written
//! 16..24   the image's size, all ones if that is not known
//! 24..56   the image's tag
//! 56..184  its validator
//! 184..590 the agent's record
//! 604..    CRC-32 of all before
//! ```
//!
//! Numbers are little-endian.

use crc::{CRC_32_ISCSI, Crc, NoTable};
use embassy_boot::AlignedBuffer;
use embedded_storage_async::nor_flash::NorFlash;
use towpath_azure::update::{Image, Kept, RECORD, Validator};

use super::{Error, WORD, flash};

/// Bytes of an entry: a multiple of each size that words of a flash have.
const ENTRY: usize = 608;
const SUM: usize = ENTRY - 4;
const PAGES: u32 = 2;

const FLAGS: usize = 4;
const VALIDATOR_LEN: usize = 5;
const WRITTEN: usize = 8;
const SIZE: usize = 16;
const TAG: usize = 24;
const VALIDATOR: usize = 56;
const AGENT: usize = 184;

const HAS_IMAGE: u8 = 1;
const HAS_RECORD: u8 = 2;

const _: () = assert!(AGENT + RECORD <= SUM && ENTRY.is_multiple_of(WORD));

// Without a table: an entry is written some hundred times in an image's download, and a table costs a kilobyte.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// All that is kept.
pub(super) struct Entry(AlignedBuffer<ENTRY>);

impl Entry {
    const fn empty() -> Self {
        Self(AlignedBuffer([0; ENTRY]))
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let field = self.0.0.get(at..).and_then(|rest| rest.first_chunk());
        field.copied().unwrap_or([0; N])
    }

    fn set<const N: usize>(&mut self, at: usize, value: &[u8; N]) {
        let field = self
            .0
            .0
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut());
        if let Some(field) = field {
            *field = *value;
        }
    }

    fn flag(&self, flag: u8) -> bool {
        let [flags] = self.field(FLAGS);
        flags & flag != 0
    }

    fn raise(&mut self, flag: u8) {
        let [flags] = self.field(FLAGS);
        self.set(FLAGS, &[flags | flag]);
    }

    fn number(&self) -> u32 {
        u32::from_le_bytes(self.field(0))
    }

    /// Whether it is a whole one.
    fn is_valid(&self) -> bool {
        self.sum() == Some(u32::from_le_bytes(self.field(SUM)))
    }

    fn sum(&self) -> Option<u32> {
        Some(CRC.checksum(self.0.0.get(..SUM)?))
    }

    fn seal(&mut self, number: u32) {
        self.set(0, &number.to_le_bytes());
        let sum = self.sum().unwrap_or_default();
        self.set(SUM, &sum.to_le_bytes());
    }

    pub(super) fn record(&self) -> Option<[u8; RECORD]> {
        self.flag(HAS_RECORD).then(|| self.field(AGENT))
    }

    pub(super) fn set_record(&mut self, record: &[u8; RECORD]) {
        self.raise(HAS_RECORD);
        self.set(AGENT, record);
    }

    pub(super) fn set_written(&mut self, written: u64) {
        self.set(WRITTEN, &written.to_le_bytes());
    }

    /// An image, of which nothing is written.
    pub(super) fn set_image(&mut self, image: &Image) {
        self.raise(HAS_IMAGE);
        self.set_written(0);
        self.set(SIZE, &image.size.unwrap_or(u64::MAX).to_le_bytes());
        self.set(TAG, &image.tag);
        let validator = image.validator.as_ref().map_or("", Validator::as_str);
        let room = self.0.0.get_mut(VALIDATOR..AGENT).unwrap_or_default();
        let mut len = 0;
        for (to, from) in room.iter_mut().zip(validator.bytes()) {
            *to = from;
            len += 1;
        }
        self.set(VALIDATOR_LEN, &[len]);
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        let [len] = self.field(VALIDATOR_LEN);
        let validator = self.0.0.get(VALIDATOR..AGENT)?.get(..usize::from(len))?;
        let validator = core::str::from_utf8(validator).ok()?;
        let size = u64::from_le_bytes(self.field(SIZE));
        self.flag(HAS_IMAGE).then(|| Kept {
            image: Image {
                tag: self.field(TAG),
                size: (size != u64::MAX).then_some(size),
                validator: Validator::new(validator),
            },
            written: u64::from_le_bytes(self.field(WRITTEN)),
        })
    }
}

/// The entries in the flash.
pub(super) struct Journal<J> {
    flash: J,
    /// The last one, and where it is; not known, or not certain, before it is looked for.
    last: Option<(Entry, Option<u32>)>,
}

impl<J: NorFlash> Journal<J> {
    pub(super) const fn new(flash: J) -> Self {
        Self { flash, last: None }
    }

    fn page() -> Result<u32, Error> {
        let fits = J::ERASE_SIZE >= ENTRY && J::WRITE_SIZE <= WORD && J::READ_SIZE <= WORD;
        let page = u32::try_from(J::ERASE_SIZE).ok();
        page.filter(|_| fits).ok_or(Error::Region)
    }

    /// What is kept; empty if there is nothing.
    pub(super) async fn entry(&mut self) -> Result<&Entry, Error> {
        if self.last.is_none() {
            self.last = Some(self.look().await?);
        }
        self.last
            .as_ref()
            .map(|(entry, _)| entry)
            .ok_or(Error::Region)
    }

    /// The entry with the highest number.
    async fn look(&mut self) -> Result<(Entry, Option<u32>), Error> {
        let page = Self::page()?;
        if self.flash.capacity() < (page as usize).saturating_mul(PAGES as usize) {
            return Err(Error::Region);
        }
        let (mut last, mut place) = (Entry::empty(), None);
        let mut entry = Entry::empty();
        for at in places(page) {
            let bytes = &mut entry.0.0;
            self.flash.read(at, bytes).await.map_err(flash)?;
            let newer = place.is_none() || entry.number() > last.number();
            if entry.is_valid() && newer {
                core::mem::swap(&mut entry, &mut last);
                place = Some(at);
            }
        }
        Ok((last, place))
    }

    /// Changes what is kept: when this returns, the change survives a cut of power.
    pub(super) async fn change(&mut self, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        self.entry().await?;
        // Until it is written nothing is certain.
        let (mut entry, place) = self.last.take().ok_or(Error::Region)?;
        change(&mut entry);
        entry.seal(entry.number().wrapping_add(1));
        let at = self.room(place).await?;
        self.flash.write(at, &entry.0.0).await.map_err(flash)?;
        self.last = Some((entry, Some(at)));
        Ok(())
    }

    /// Where the next entry goes: behind the last one if it is erased there, else to the start of the other page.
    async fn room(&mut self, last: Option<u32>) -> Result<u32, Error> {
        let page = Self::page()?;
        if let Some(last) = last {
            let next = places(page).find(|at| *at > last && at / page == last / page);
            if let Some(next) = next
                && self.is_erased(next).await?
            {
                return Ok(next);
            }
        }
        let start = match last {
            Some(last) if last < page => page,
            _ => 0,
        };
        let end = start.saturating_add(page);
        self.flash.erase(start, end).await.map_err(flash)?;
        Ok(start)
    }

    async fn is_erased(&mut self, at: u32) -> Result<bool, Error> {
        let mut word = AlignedBuffer([0; WORD]);
        for at in (at..).step_by(WORD).take(ENTRY / WORD) {
            self.flash.read(at, &mut word.0).await.map_err(flash)?;
            if word.0 != [0xff; WORD] {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where entries may be.
fn places(page: u32) -> impl Iterator<Item = u32> {
    let each = page / ENTRY as u32;
    (0..PAGES).flat_map(move |number| {
        let starts = (0..each).map(|index| index * ENTRY as u32);
        starts.map(move |start| number * page + start)
    })
}
