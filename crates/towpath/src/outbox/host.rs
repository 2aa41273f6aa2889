//! The outbox of a host: what programs call, in front of a file or of memory alone.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{
    Bounds, Counts, StoredRef,
    disk::Disk,
    ledger::{Arrival, Refused},
    memory::Memory,
};

/// A stored message.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number: from 1, each greater than those before. Numbers may be left out.
    pub sequence: u64,
    /// When it was accepted, if the clock was set.
    pub accepted: Option<u64>,
    /// When it is worth nothing any more.
    pub expires: Option<u64>,
    /// Its properties, as they were encoded.
    pub properties: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Stored {
    /// The same, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> StoredRef<'_> {
        StoredRef {
            sequence: self.sequence,
            accepted: self.accepted,
            expires: self.expires,
            properties: &self.properties,
            body: &self.body,
        }
    }
}

impl From<StoredRef<'_>> for Stored {
    fn from(stored: StoredRef<'_>) -> Self {
        Self {
            sequence: stored.sequence,
            accepted: stored.accepted,
            expires: stored.expires,
            properties: stored.properties.to_owned(),
            body: stored.body.to_vec(),
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// Why a call of the outbox failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no room, and the newest is what is dropped.
    Full {
        /// [`Bounds::bytes`].
        bound: u64,
    },
    /// The message alone is larger than the outbox may be, or its properties are longer than 65,535 bytes.
    TooLarge {
        /// What it takes, with [`OVERHEAD`](super::OVERHEAD). `u64::MAX` if its properties are too long.
        bytes: u64,
        /// [`Bounds::bytes`].
        bound: u64,
    },
    /// The hub that the message is for would not take it.
    NotForHub {
        /// What it takes with its properties.
        bytes: u64,
        /// What the hub takes.
        bound: u64,
    },
    /// Another process, or another [`Outbox`] of this one, has the file.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an outbox, or is damaged beyond what can be read.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The file can't be read or written: no space, no permission, a disk that fails.
    Storage {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The outbox was closed.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { bound } => write!(
                f,
                "the outbox is full ({bound} bytes) and refuses what is new; the message was not taken. Enlarge it, \
                 or let the oldest make room"
            ),
            Self::NotForHub { bytes, bound } => write!(
                f,
                "the message has {bytes} bytes with its properties, and the hub takes {bound}; it was not taken. Send \
                 it in parts, or upload it as a file"
            ),
            Self::TooLarge {
                bytes: u64::MAX, ..
            } => f.write_str("the message's properties are longer than 65535 bytes"),
            Self::TooLarge { bytes, bound } => write!(
                f,
                "the message takes {bytes} bytes and the outbox may have {bound}; enlarge the outbox"
            ),
            Self::InUse { path } => write!(
                f,
                "{}: another process has this outbox open; end it, or name another file",
                path.display()
            ),
            Self::Damaged { path, why } => write!(
                f,
                "{}: the outbox is damaged: {why}. Move the file away to start with an empty one",
                path.display()
            ),
            Self::Storage { path, why } => write!(
                f,
                "{}: the outbox can't be written or read: {why}. Look for a full or failing disk and for permissions",
                path.display()
            ),
            Self::Closed => f.write_str("the outbox is closed"),
        }
    }
}

impl std::error::Error for Error {}

/// Messages that wait for delivery, in order. Clones are handles of the same outbox.
///
/// ```
/// # use towpath::outbox::{Bounds, Outbox};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let outbox = Outbox::memory(Bounds::default());
/// let sequence = outbox.push(Some(1_760_000_000), None, "unit=K", b"291.5").await?;
/// let next = outbox.next_after(None, Some(1_760_000_001))?.expect("it waits");
/// assert_eq!((next.sequence, next.body.as_slice()), (sequence, &b"291.5"[..]));
/// outbox.remove(sequence); // when the peer has acknowledged it
/// assert_eq!(outbox.next_after(None, None)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    bounds: Bounds,
    changed: Arc<Notify>,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Memory),
    Disk(Disk),
}

impl Outbox {
    /// Opens the file, or makes it, for its owner alone. A thread of its own writes it.
    ///
    /// The file becomes up to 3.2 times as large as [`Bounds::bytes`] says, and no larger: a transaction never writes
    /// over what the one before left. A push on its own writes about 33 KB for a message of 100 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Damaged`] or [`Error::Storage`], each with the file's name. For some kinds of damage
    /// the library below prints a panic's message, which goes no further.
    pub fn open(path: impl AsRef<Path>, bounds: Bounds) -> Result<Self, Error> {
        let changed = Arc::new(Notify::new());
        let disk = Disk::open(path.as_ref(), bounds, Arc::clone(&changed))?;
        Ok(Self::with(Store::Disk(disk), bounds, changed))
    }

    /// An outbox that is gone when the program ends.
    #[must_use]
    pub fn memory(bounds: Bounds) -> Self {
        Self::with(Store::Memory(Memory::new(bounds)), bounds, Arc::default())
    }

    #[cfg(test)]
    pub(super) fn over(opener: super::database::Opener, bounds: Bounds) -> Result<Self, Error> {
        let changed = Arc::new(Notify::new());
        let disk = Disk::over(opener, Path::new("a test"), bounds, Arc::clone(&changed))?;
        Ok(Self::with(Store::Disk(disk), bounds, changed))
    }

    fn with(store: Store, bounds: Bounds, changed: Arc<Notify>) -> Self {
        Self(Arc::new(Inside {
            bounds,
            changed,
            store,
        }))
    }

    /// Takes a message; when this returns its number, the message is on the disk. Pushes that run at the same time are
    /// written together. They are accepted in the order in which they were first polled.
    ///
    /// `now` and `expires` are seconds since 1970; `properties` are stored as they are.
    ///
    /// A push that is dropped before it returns may still be taken.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::TooLarge`], [`Error::Closed`], or [`Error::Storage`] when it can't be written; a later
    /// push may succeed, when there is space again. A message whose push failed so is there or not, as after a crash.
    pub async fn push(
        &self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, Error> {
        let arrival = Arrival {
            now,
            expires,
            properties: properties.to_owned(),
            body: body.to_vec(),
        };
        match &self.0.store {
            Store::Memory(memory) => {
                let pushed = memory.push(&arrival);
                self.0.changed.notify_one();
                pushed.map_err(|refused| Error::refused(refused, &self.0.bounds))
            }
            Store::Disk(disk) => disk.push(arrival).await,
        }
    }

    /// The first message after number `after` (`None`: of all). What is too old at `now` is passed over and removed.
    ///
    /// It doesn't wait for the disk to write. It reads up to half a megabyte from the file when it comes to messages
    /// that are not in memory.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Storage`] if the file can't be read; [`Error::Closed`].
    pub fn next_after(
        &self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<Stored>, Error> {
        match &self.0.store {
            Store::Memory(memory) => Ok(memory.next_after(after, now)),
            Store::Disk(disk) => disk.next_after(after, now),
        }
    }

    /// The message was delivered. It is never given out again by this outbox; in the file it is removed with the next
    /// push, or within a second.
    pub fn remove(&self, sequence: u64) {
        match &self.0.store {
            Store::Memory(memory) => memory.remove(sequence),
            Store::Disk(disk) => disk.remove(sequence),
        }
    }

    /// Waits until something was pushed. A push since the last time counts; of several that wait, one is told.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The bounds it was opened with.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// What became of the messages since the outbox was made, restarts included.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.0.store {
            Store::Memory(memory) => memory.counts(),
            Store::Disk(disk) => disk.counts(),
        }
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.0.store {
            Store::Memory(memory) => memory.len(),
            Store::Disk(disk) => disk.len(),
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the messages as [`Bounds::bytes`] counts them; what was removed may be in it for a second.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.0.store {
            Store::Memory(memory) => memory.bytes(),
            Store::Disk(disk) => disk.bytes(),
        }
    }

    /// Writes what was removed and lets go of the file. All handles are closed with it. Dropping the last handle does
    /// the same, and blocks until it is written.
    pub async fn close(&self) {
        if let Store::Disk(disk) = &self.0.store {
            disk.close().await;
        }
    }
}

impl Error {
    pub(super) const fn refused(refused: Refused, bounds: &Bounds) -> Self {
        let bound = bounds.bytes;
        match refused {
            Refused::Full => Self::Full { bound },
            Refused::TooLarge { bytes } => Self::TooLarge { bytes, bound },
        }
    }
}
