//! Where telemetry waits until the hub has it.

use core::{fmt, time::Duration};

#[cfg(feature = "outbox-flash")]
use crate::outbox::flash::FlashOutbox;
use crate::outbox::{StoredRef, record};

/// Messages in the order in which they were accepted, each with a number that never comes twice.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait Outbox {
    /// Why a call failed.
    type Error: fmt::Display;

    /// Takes a message, to be sent unless it expires before; its number.
    ///
    /// # Errors
    /// Why it was not taken.
    async fn push(
        &mut self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, Self::Error>;

    /// The first message after number `after` (`None`: of all) that is still worth something.
    ///
    /// # Errors
    /// Why it can't be read.
    async fn next_after(
        &mut self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<StoredRef<'_>>, Self::Error>;

    /// The message is not needed any more. `false`: it was not there.
    ///
    /// # Errors
    /// Why it can't be removed.
    async fn remove(&mut self, sequence: u64) -> Result<bool, Self::Error>;

    /// How old a message may become.
    fn age(&self) -> Option<Duration>;

    /// How many messages wait.
    fn len(&self) -> u64;

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(feature = "outbox-flash")]
impl<F: embedded_storage_async::nor_flash::MultiwriteNorFlash> Outbox for FlashOutbox<'_, F> {
    type Error = crate::outbox::flash::Error<F::Error>;

    async fn push(
        &mut self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, Self::Error> {
        Self::push(self, now, expires, properties, body).await
    }

    async fn next_after(
        &mut self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<StoredRef<'_>>, Self::Error> {
        Self::next_after(self, after, now).await
    }

    async fn remove(&mut self, sequence: u64) -> Result<bool, Self::Error> {
        Self::remove(self, sequence).await
    }

    fn age(&self) -> Option<Duration> {
        self.bounds().age
    }

    fn len(&self) -> u64 {
        Self::len(self)
    }
}

/// An outbox in memory: a restart of the device empties it. When it is full the oldest message makes room.
pub struct Ram<'b> {
    /// Records, each behind its length in two bytes.
    memory: &'b mut [u8],
    used: usize,
    len: u64,
    last: u64,
    /// Messages that made room for newer ones.
    displaced: u64,
}

impl fmt::Debug for Ram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ram")
            .field("used", &self.used)
            .field("len", &self.len)
            .field("last", &self.last)
            .field("displaced", &self.displaced)
            .finish_non_exhaustive()
    }
}

/// The message is larger than the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RamError {
    /// What it takes.
    pub bytes: usize,
}

impl fmt::Display for RamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the message takes {} bytes, more than the outbox has",
            self.bytes
        )
    }
}

impl core::error::Error for RamError {}

/// Bytes in front of a record.
const LENGTH: usize = 2;

impl<'b> Ram<'b> {
    /// An empty outbox in this memory.
    #[must_use]
    pub const fn new(memory: &'b mut [u8]) -> Self {
        Self {
            memory,
            used: 0,
            len: 0,
            last: 0,
            displaced: 0,
        }
    }

    /// How many messages made room for newer ones.
    #[must_use]
    pub const fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Where a record lies with its length, and its number.
    fn entries(&self) -> impl Iterator<Item = (usize, usize, StoredRef<'_>)> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let rest = self.memory.get(at..self.used)?;
            let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
            let length = usize::from(u16::from_le_bytes(*length));
            let record = record::decode(rest.get(..length)?)?;
            let begin = at;
            at = at.saturating_add(LENGTH).saturating_add(length);
            Some((begin, at, record))
        })
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from <= to && to <= self.used {
            self.memory.copy_within(to..self.used, from);
            self.used -= to - from;
            self.len = self.len.saturating_sub(1);
        }
    }

    fn make_room(&mut self) -> bool {
        let first = self.entries().next().map(|(from, to, _)| (from, to));
        if let Some((from, to)) = first {
            self.cut(from, to);
            self.displaced += 1;
        }
        first.is_some()
    }
}

impl Outbox for Ram<'_> {
    type Error = RamError;

    async fn push(
        &mut self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, RamError> {
        let sequence = self.last.saturating_add(1);
        let stored = StoredRef {
            sequence,
            accepted: now,
            expires,
            properties,
            body,
        };
        let bytes = record::len(properties, body).unwrap_or(usize::MAX);
        let (Ok(length), Some(needed)) = (u16::try_from(bytes), bytes.checked_add(LENGTH)) else {
            return Err(RamError { bytes });
        };
        if needed > self.memory.len() {
            return Err(RamError { bytes });
        }
        while self.memory.len().saturating_sub(self.used) < needed && self.make_room() {}
        let room = self.memory.get_mut(self.used..).unwrap_or_default();
        let Some((head, rest)) = room.split_first_chunk_mut::<LENGTH>() else {
            return Err(RamError { bytes });
        };
        record::encode(&stored, rest).ok_or(RamError { bytes })?;
        *head = length.to_le_bytes();
        self.used += needed;
        self.len += 1;
        self.last = sequence;
        Ok(sequence)
    }

    async fn next_after(
        &mut self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<StoredRef<'_>>, RamError> {
        let over = |stored: &StoredRef<'_>| {
            let ends = stored.expires.zip(now);
            ends.is_some_and(|(expires, now)| expires <= now)
        };
        loop {
            let first = self.entries().next();
            let first = first.filter(|(_, _, stored)| over(stored));
            let Some((from, to)) = first.map(|(from, to, _)| (from, to)) else {
                break;
            };
            self.cut(from, to);
        }
        let next = self
            .entries()
            .map(|(_, _, stored)| stored)
            .find(|stored| after.is_none_or(|after| stored.sequence > after) && !over(stored));
        Ok(next)
    }

    async fn remove(&mut self, sequence: u64) -> Result<bool, RamError> {
        let found = self
            .entries()
            .find(|(_, _, stored)| stored.sequence == sequence)
            .map(|(from, to, _)| (from, to));
        if let Some((from, to)) = found {
            self.cut(from, to);
        }
        Ok(found.is_some())
    }

    fn age(&self) -> Option<Duration> {
        None
    }

    fn len(&self) -> u64 {
        self.len
    }
}
