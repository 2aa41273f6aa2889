//! The outbox: messages that were accepted stay until they are delivered, through a crash and through a power cut.
//!
//! Takes in messages (the encoded properties and the body) and what was delivered; gives out the messages in the order
//! in which they were accepted, each with a number that never comes twice, not even over restarts. What it may take is
//! bounded by bytes and by age; when it is full, either the oldest message makes room or the newest is refused, and
//! both are counted.
//!
//! - [`Outbox`] is for a host: in a file, or in memory alone.
//! - `flash::FlashOutbox` (feature `outbox-flash`) is for a microcontroller: in a region of its flash.
//!
//! Delivery is at least once: a message that was delivered just before a power cut may be there once more.
//!
//! # The clock
//!
//! Times are seconds since 1970-01-01 00:00 UTC, or `None` while the clock is not set. A message that was accepted
//! without a clock counts its age from the first moment at which the outbox is told a time. A clock that steps back
//! makes a message no older than new.

#[cfg(feature = "outbox")]
mod cache;
#[cfg(feature = "outbox")]
mod database;
#[cfg(feature = "outbox")]
mod disk;
#[cfg(feature = "outbox-flash")]
pub mod flash;
#[cfg(feature = "outbox")]
mod host;
#[cfg(feature = "outbox")]
mod ledger;
#[cfg(feature = "outbox")]
mod memory;
pub(crate) mod record;
#[cfg(all(test, feature = "outbox", feature = "outbox-flash"))]
mod tests;

use core::{fmt, time::Duration};

#[cfg(feature = "outbox")]
pub use self::host::{Error, Outbox, Stored};

/// How much an outbox may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all messages, each counted with its properties and [`OVERHEAD`] bytes.
    pub bytes: u64,
    /// How old a message may become. What is older is removed, not sent.
    pub age: Option<Duration>,
    /// What to do when there is no room.
    pub full: Drop,
}

impl Default for Bounds {
    /// 16 MiB, any age; the oldest makes room.
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            age: None,
            full: Drop::Oldest,
        }
    }
}

/// Which message is lost when an outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drop {
    /// The oldest ones make room for the new one.
    #[default]
    Oldest,
    /// The new one is refused.
    Newest,
}

/// What became of the messages since the outbox was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Were taken, and will be there after a crash.
    pub accepted: u64,
    /// Were removed by the caller, as delivered.
    pub delivered: u64,
    /// Made room for newer ones.
    pub dropped_oldest: u64,
    /// Were refused because there was no room.
    pub refused_newest: u64,
    /// Became too old, or passed their own time of expiry.
    pub expired: u64,
    /// Were not what had been stored, by their checksum, and were never given out.
    pub damaged: u64,
}

/// What a message takes of [`Bounds::bytes`] beside its properties and its body.
pub const OVERHEAD: usize = record::OVERHEAD;

/// A stored message, in somebody's buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredRef<'b> {
    /// Its number: from 1, each greater than those before. Numbers may be left out.
    pub sequence: u64,
    /// When it was accepted, if the clock was set.
    pub accepted: Option<u64>,
    /// When it is worth nothing any more.
    pub expires: Option<u64>,
    /// Its properties, as they were encoded.
    pub properties: &'b str,
    /// Its body.
    pub body: &'b [u8],
}

// Bodies belong to the owner of the device; they don't go into logs.
impl fmt::Debug for StoredRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRef")
            .field("sequence", &self.sequence)
            .field("accepted", &self.accepted)
            .field("expires", &self.expires)
            .field(
                "properties",
                &format_args!("{} bytes", self.properties.len()),
            )
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// When a message is worth nothing any more: by its own word, or by the outbox's bound of age, which counts on its way
/// too.
#[cfg(any(feature = "azure", feature = "hub"))]
pub(crate) fn worthless_at(
    accepted: Option<u64>,
    expires: Option<u64>,
    age: Option<Duration>,
) -> Option<u64> {
    let too_old = age
        .zip(accepted)
        .map(|(age, accepted)| accepted.saturating_add(age.as_secs()));
    match (expires, too_old) {
        (Some(expires), Some(too_old)) => Some(expires.min(too_old)),
        (expires, too_old) => expires.or(too_old),
    }
}

/// Whether a message is past its own time or past the age that is allowed. `since` is when its age began.
fn is_over(expires: Option<u64>, since: Option<u64>, age: Option<Duration>, now: u64) -> bool {
    let old = match (since, age) {
        (Some(since), Some(age)) => now.saturating_sub(since) > age.as_secs(),
        _ => false,
    };
    old || expires.is_some_and(|expires| expires <= now)
}
