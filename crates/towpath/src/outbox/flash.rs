//! The outbox in a microcontroller's flash: a queue over a region of it, with the same words as on a host.
//!
//! Takes in a flash that can be written twice in a place (one bits become zero bits), a region of it and a buffer; gives
//! out messages in order. Nothing is allocated. The queue is `sequential-storage`'s: it goes round the region, so that
//! all of it wears alike, and what a power cut left half written is not there afterwards.
//!
//! ```text
//! region: [ page ][ page ]                [ page ][ page ] ...
//!         up to which numbers are given    the queue
//! ```
//!
//! Numbers are reserved 256 at a time, so a restart leaves some of them out. [`Counts`] begin with zero at each start.
//! The age of a message that was accepted without a clock counts from when this start was first told a time.

mod mend;

use core::{fmt, ops::Range};

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::{
    cache::{Cache, Uncached, page_states::CalculatedPageStates},
    queue::{QueueConfig, QueueStorage},
};

use super::{Bounds, Counts, Drop, OVERHEAD, StoredRef, is_over, record};

/// Pages for the numbers.
const NUMBER_PAGES: u32 = 2;
/// Pages for the queue at least: with one, the whole queue would go at once.
const QUEUE_PAGES: u32 = 2;
/// How many numbers are reserved at once: one writing each.
const RESERVED: u64 = 256;

type Queue<F> = QueueStorage<F, Cache<CalculatedPageStates, Uncached, Uncached>>;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// There is no room, and the newest is what is dropped.
    Full,
    /// The message doesn't fit into a page of the flash, the buffer or [`Bounds::bytes`].
    TooLarge {
        /// What it takes, with [`OVERHEAD`].
        bytes: usize,
        /// What there is at most.
        most: usize,
    },
    /// The region is less than four pages, doesn't begin or end with a page, or the flash's words are over 32 bytes.
    Region,
    /// A stored message is larger than the buffer.
    Buffer {
        /// What the buffer needs.
        needs: usize,
    },
    /// The region holds something else, or is damaged beyond repair; [`FlashOutbox::erase`] makes it usable.
    Damaged,
    /// The flash failed.
    Flash(E),
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => {
                f.write_str("the outbox is full and refuses what is new; the message was not taken")
            }
            Self::TooLarge { bytes, most } => {
                write!(
                    f,
                    "the message takes {bytes} bytes and the outbox has room for {most}"
                )
            }
            Self::Region => {
                f.write_str("the outbox's region must be four or more whole pages of the flash")
            }
            Self::Buffer { needs } => {
                write!(f, "a stored message needs a buffer of {needs} bytes")
            }
            Self::Damaged => {
                f.write_str("the outbox's region is damaged; erase it to start with an empty one")
            }
            Self::Flash(error) => write!(f, "the flash failed: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}

impl<E> From<sequential_storage::Error<E>> for Error<E> {
    fn from(error: sequential_storage::Error<E>) -> Self {
        match error {
            sequential_storage::Error::Storage { value } => Self::Flash(value),
            sequential_storage::Error::FullStorage => Self::Full,
            sequential_storage::Error::BufferTooSmall(needs) => Self::Buffer { needs },
            _ => Self::Damaged,
        }
    }
}

/// What a look through the queue found.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    last: u64,
    last_undated: u64,
    len: u64,
    bytes: u64,
}

/// Messages that wait for delivery in a region of a flash, in order.
///
/// A call that is dropped before it returns is like a power cut at that moment: nothing that was accepted is lost.
pub struct FlashOutbox<'b, F: MultiwriteNorFlash> {
    queue: Queue<F>,
    /// Where the numbers are.
    numbers: Range<u32>,
    bounds: Bounds,
    buffer: &'b mut [u8],
    found: Found,
    /// Whether `found` holds: not in the middle of a change.
    known: bool,
    last: u64,
    reserved: u64,
    /// Undated messages up to this number count their age from this time.
    dated: Option<(u64, u64)>,
    counts: Counts,
}

impl<F: MultiwriteNorFlash> fmt::Debug for FlashOutbox<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashOutbox")
            .field("bounds", &self.bounds)
            .field("found", &self.found)
            .field("last", &self.last)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl<'b, F: MultiwriteNorFlash> FlashOutbox<'b, F> {
    /// Finds what is in the region, and repairs what a power cut left. It reads the whole region once.
    ///
    /// `region` are addresses in the flash, at least four of its pages. `buffer` holds one message and what belongs to
    /// it ([`OVERHEAD`]) at a time; larger ones can't be taken, nor ones larger than a page without 4 of its words.
    /// A region that was never used must be erased, as flash is when it is new.
    ///
    /// # Errors
    ///
    /// [`Error::Region`], [`Error::Buffer`] if a message is there that was taken with a larger buffer,
    /// [`Error::Damaged`], [`Error::Flash`].
    pub async fn open(
        flash: F,
        region: Range<u32>,
        bounds: Bounds,
        buffer: &'b mut [u8],
    ) -> Result<Self, Error<F::Error>> {
        let (numbers, queued) = parts::<F>(&region).ok_or(Error::Region)?;
        let mut flash = flash;
        mend::queue(&mut flash, &queued, buffer).await?;
        let reserved = mend::numbers(&mut flash, &numbers).await?;
        let pages = queued.len().checked_div(F::ERASE_SIZE).unwrap_or_default();
        let config = QueueConfig::try_new(queued).map_err(|_| Error::Region)?;
        let cache = Cache::new(CalculatedPageStates::new(pages), Uncached, Uncached);
        let mut outbox = Self {
            queue: QueueStorage::new(flash, config, cache),
            numbers,
            bounds,
            buffer,
            found: Found::default(),
            known: false,
            last: 0,
            reserved: 0,
            dated: None,
            counts: Counts::default(),
        };
        outbox.reserved = reserved;
        outbox.last = outbox.reserved;
        outbox.look().await?;
        Ok(outbox)
    }

    /// Erases the region: whatever is in it is gone, and numbers begin anew.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`], or [`Error::Region`] if the region isn't whole pages.
    pub async fn erase(flash: &mut F, region: Range<u32>) -> Result<(), Error<F::Error>> {
        parts::<F>(&region).ok_or(Error::Region)?;
        flash
            .erase(region.start, region.end)
            .await
            .map_err(Error::Flash)
    }

    /// Takes a message; when this returns its number, the message is in the flash.
    ///
    /// `now` and `expires` are seconds since 1970; `properties` are stored as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::TooLarge`], [`Error::Flash`], [`Error::Damaged`].
    pub async fn push(
        &mut self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, Error<F::Error>> {
        let bytes = self.size(properties, body)?;
        self.look().await?;
        if let Some(now) = now {
            self.tell_time(now);
            self.remove_old(now).await?;
        }
        while self.found.bytes.saturating_add(bytes as u64) > self.bounds.bytes {
            self.make_room(bytes).await?;
        }
        let sequence = self.reserve().await?;
        let stored = StoredRef {
            sequence,
            accepted: now,
            expires,
            properties,
            body,
        };
        loop {
            let record =
                record::encode(&stored, self.buffer).and_then(|len| self.buffer.get(..len));
            let record = record.ok_or(Error::TooLarge { bytes, most: 0 })?;
            self.known = false;
            match self.queue.push(record, false).await {
                Ok(()) => break,
                Err(sequential_storage::Error::FullStorage) => {
                    self.known = true;
                    self.make_room(bytes).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.last = sequence;
        self.found.len += 1;
        self.found.bytes += bytes as u64;
        if now.is_none() {
            self.found.last_undated = sequence;
        }
        self.known = true;
        self.counts.accepted += 1;
        Ok(sequence)
    }

    /// The first message after number `after` (`None`: of all). What is too old at `now` is passed over and removed.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`], [`Error::Damaged`], [`Error::Buffer`].
    pub async fn next_after(
        &mut self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<StoredRef<'_>>, Error<F::Error>> {
        self.look().await?;
        if let Some(now) = now {
            self.tell_time(now);
        }
        let mut entries = self.queue.iter().await?;
        let mut length = None;
        while let Some(entry) = entries.next(self.buffer).await? {
            let size = entry.len() as u64;
            let over = match record::decode(&entry) {
                Some(record) if after.is_some_and(|after| record.sequence <= after) => continue,
                Some(record) => now.is_some_and(|now| over(self.dated, &self.bounds, &record, now)),
                None => {
                    entry.pop().await?;
                    self.counts.damaged += 1;
                    continue;
                }
            };
            if !over {
                length = Some(entry.len());
                break;
            }
            self.known = false;
            entry.pop().await?;
            self.found.left(size);
            self.known = true;
            self.counts.expired += 1;
        }
        let record = length.and_then(|length| self.buffer.get(..length));
        Ok(record.and_then(record::decode))
    }

    /// The message was delivered. `false`: it was not there.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`], [`Error::Damaged`], [`Error::Buffer`].
    pub async fn remove(&mut self, sequence: u64) -> Result<bool, Error<F::Error>> {
        self.look().await?;
        let mut entries = self.queue.iter().await?;
        while let Some(entry) = entries.next(self.buffer).await? {
            let size = entry.len() as u64;
            match record::decode(&entry) {
                Some(record) if record.sequence == sequence => {}
                Some(record) if record.sequence > sequence => break,
                _ => continue,
            }
            self.known = false;
            entry.pop().await?;
            self.found.left(size);
            self.known = true;
            self.counts.delivered += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// What became of the messages since [`open`](Self::open).
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many messages wait.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.found.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.len == 0
    }

    /// Bytes of the messages as [`Bounds::bytes`] counts them.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.found.bytes
    }

    /// How much it may hold.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Gives the flash back. Everything is in it.
    pub fn close(self) -> F {
        self.queue.destroy().0
    }

    /// The size of a record that can be taken.
    fn size(&self, properties: &str, body: &[u8]) -> Result<usize, Error<F::Error>> {
        let word = F::WRITE_SIZE.max(F::READ_SIZE);
        // Two words mark the page, and one or more are the item's head.
        let head = 8_usize.next_multiple_of(word);
        let page = F::ERASE_SIZE.saturating_sub(2 * word).saturating_sub(head);
        let bound = usize::try_from(self.bounds.bytes).unwrap_or(usize::MAX);
        // What is read back is read in whole words.
        let buffer = self.buffer.len() / word * word;
        let most = page.min(buffer).min(bound).min(usize::from(u16::MAX));
        let bytes = record::len(properties, body).unwrap_or(usize::MAX);
        if bytes > most {
            return Err(Error::TooLarge { bytes, most });
        }
        Ok(bytes)
    }

    /// Counts what is there, if that isn't known.
    async fn look(&mut self) -> Result<(), Error<F::Error>> {
        if self.known {
            return Ok(());
        }
        let mut found = Found::default();
        let mut entries = self.queue.iter().await?;
        while let Some(entry) = entries.next(self.buffer).await? {
            let Some(record) = record::decode(&entry) else {
                entry.pop().await?;
                self.counts.damaged += 1;
                continue;
            };
            found.last = found.last.max(record.sequence);
            if record.accepted.is_none() {
                found.last_undated = found.last_undated.max(record.sequence);
            }
            found.len += 1;
            found.bytes += entry.len() as u64;
        }
        self.last = self.last.max(found.last);
        self.found = found;
        self.known = true;
        Ok(())
    }

    fn tell_time(&mut self, now: u64) {
        let known = self.dated.map_or(0, |(up_to, _)| up_to);
        if self.found.last_undated > known {
            self.dated = Some((self.found.last_undated, now));
        }
    }

    /// Removes what is too old from the front.
    async fn remove_old(&mut self, now: u64) -> Result<(), Error<F::Error>> {
        if self.bounds.age.is_none() {
            return Ok(());
        }
        let mut entries = self.queue.iter().await?;
        while let Some(entry) = entries.next(self.buffer).await? {
            let size = entry.len() as u64;
            let record = record::decode(&entry);
            if !record.is_some_and(|record| over(self.dated, &self.bounds, &record, now)) {
                break;
            }
            self.known = false;
            entry.pop().await?;
            self.found.left(size);
            self.known = true;
            self.counts.expired += 1;
        }
        Ok(())
    }

    /// Takes the oldest away, or refuses.
    async fn make_room(&mut self, bytes: usize) -> Result<(), Error<F::Error>> {
        if self.bounds.full == Drop::Newest {
            self.counts.refused_newest += 1;
            return Err(Error::Full);
        }
        self.known = false;
        let popped = self
            .queue
            .pop(self.buffer)
            .await?
            .map(|record| record.len() as u64);
        let Some(size) = popped else {
            return Err(Error::TooLarge { bytes, most: 0 });
        };
        self.found.left(size);
        self.known = true;
        self.counts.dropped_oldest += 1;
        Ok(())
    }

    /// The next number, which is never given again even if the power goes now.
    async fn reserve(&mut self) -> Result<u64, Error<F::Error>> {
        let sequence = self.last.saturating_add(1);
        if sequence > self.reserved {
            let up_to = self.last.saturating_add(RESERVED);
            let config = QueueConfig::try_new(self.numbers.clone()).map_err(|_| Error::Region)?;
            let mut numbers = QueueStorage::new(self.queue.flash(), config, Cache::new_uncached());
            numbers.push(&mend::sealed(up_to), true).await?;
            self.reserved = up_to;
        }
        Ok(sequence)
    }
}

impl Found {
    const fn left(&mut self, bytes: u64) {
        self.len = self.len.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn over(dated: Option<(u64, u64)>, bounds: &Bounds, record: &StoredRef<'_>, now: u64) -> bool {
    let dated = || dated.filter(|(up_to, _)| record.sequence <= *up_to);
    let since = record.accepted.or_else(|| dated().map(|(_, since)| since));
    is_over(record.expires, since, bounds.age, now)
}

/// The pages for the numbers and those for the queue.
fn parts<F: MultiwriteNorFlash>(region: &Range<u32>) -> Option<(Range<u32>, Range<u32>)> {
    let page = u32::try_from(F::ERASE_SIZE).ok().filter(|page| *page > 0)?;
    let whole = region.start.is_multiple_of(page) && region.end.is_multiple_of(page);
    let least = page.checked_mul(NUMBER_PAGES + QUEUE_PAGES)?;
    if !whole || region.end.checked_sub(region.start)? < least {
        return None;
    }
    let between = region.start.checked_add(page.checked_mul(NUMBER_PAGES)?)?;
    // A record is never larger than 64 KiB, and neither is what `sequential-storage` stores.
    (F::ERASE_SIZE > OVERHEAD).then_some((region.start..between, between..region.end))
}
