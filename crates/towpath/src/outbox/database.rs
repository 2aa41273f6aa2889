//! The file: rows and the ledger in a `redb` database, where a transaction is on the disk or not at all.
//!
//! Takes in a group of changes; gives out that they are on the disk, or why not. `redb` panics on some files that are
//! damaged in ways it does not expect; here that is an error like any other.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{
    Database, DatabaseError, ReadableTable as _, ReadableTableMetadata as _, StorageBackend,
    StorageError, Table, TableDefinition, TableError, backends::FileBackend,
};

use super::{
    Bounds, cache,
    cache::Window,
    host::Error,
    ledger::{Arrival, Leaving, Ledger, Refused, Rows, Written},
};

const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("messages");
const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
const LEDGER: &str = "ledger";

/// What `redb` may keep in memory. Its default is a gigabyte.
const REDB_CACHE: usize = 1 << 20;

/// Makes the database from whatever it is in. Tests have other places than files.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// What a group of changes came to.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) ledger: Ledger,
    /// In the order of the arrivals.
    pub(super) answers: Vec<Result<Written, Refused>>,
    /// Rows that made room or were too old.
    pub(super) gone: Vec<u64>,
}

/// One open database, and what it is called in errors.
#[derive(Debug)]
pub(super) struct Store {
    database: Option<Database>,
    path: PathBuf,
}

/// Opens files at `path`, and makes them.
pub(super) fn opener(path: &Path) -> Opener {
    let path = path.to_owned();
    Box::new(move || {
        if fs::exists(&path)? {
            tightened(&path)?;
        } else {
            make(&path)?;
        }
        let mut options = fs::OpenOptions::new();
        create(FileBackend::new(
            options.read(true).write(true).open(&path)?,
        )?)
    })
}

/// Opens or makes a database in there, with the settings that every outbox has.
pub(super) fn create(backend: impl StorageBackend) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(REDB_CACHE)
        // The format that later versions of redb read too.
        .create_with_file_format_v3(true)
        .create_with_backend(LengthFirst(backend))
}

/// A file whose length is on the disk before anything that is written after it was changed.
///
/// `redb` can't open a file that is shorter than its first page says, and that page may reach the disk before the
/// length does if both are synced at once and the power goes.
#[derive(Debug)]
struct LengthFirst<B>(B);

impl<B: StorageBackend> StorageBackend for LengthFirst<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.0.read(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        self.0.sync_data(false)
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.0.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Makes the file for its owner alone. It gets its name when it is whole, so that a power cut leaves none that can't be
/// opened.
fn make(path: &Path) -> Result<(), DatabaseError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(new)?;
    // Locked first: another one may make it at this moment. What a power cut left half made is begun anew.
    let backend = FileBackend::new(file)?;
    backend.set_len(0)?;
    let database = create(backend)?;
    begin(&database).map_err(|Trouble(error)| io::Error::other(error.to_string()))?;
    drop(database);
    // A link fails where the name is taken, which a renaming does not. Some file systems have no links.
    match fs::hard_link(new, path) {
        Ok(()) => fs::remove_file(new)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(new)?,
        Err(_) => fs::rename(new, path)?,
    }
    Ok(name_is_durable(path)?)
}

/// The first transaction makes both tables, so that all later reading finds them.
fn begin(database: &Database) -> Result<(), Trouble> {
    let writing = database.begin_write()?;
    writing.open_table(ROWS)?;
    let ledger = Ledger::default().encode();
    writing
        .open_table(META)?
        .insert(LEDGER, ledger.as_slice())?;
    Ok(writing.commit()?)
}

/// A new file is there after a power cut only when its folder was written too.
fn name_is_durable(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn tightened(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(path)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn tightened(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Store {
    /// Opens it, repairs it if the program that had it last was killed, and reads the ledger.
    pub(super) fn open(opener: &Opener, path: &Path) -> Result<(Self, Ledger), Error> {
        let opened = guarded(path, || opener().map_err(|error| unopened(path, error)));
        let store = Self {
            database: Some(opened?),
            path: path.to_owned(),
        };
        let ledger = store.with(|database| {
            if let Some(ledger) = load(database)? {
                return Ok(ledger);
            }
            begin(database)?;
            Ok(Ledger::default())
        })?;
        Ok((store, ledger))
    }

    /// Writes a group: what leaves, then what arrives, all or nothing.
    pub(super) fn write<'a>(
        &self,
        mut ledger: Ledger,
        bounds: &Bounds,
        leaving: &Leaving,
        arrivals: impl Iterator<Item = &'a Arrival>,
    ) -> Result<Done, Error> {
        self.with(|database| {
            let writing = database.begin_write()?;
            let mut gone = Vec::new();
            let mut answers = Vec::new();
            {
                let mut rows = writing.open_table(ROWS)?;
                for (sequence, why) in leaving {
                    ledger.take(&mut rows, *sequence, *why)?;
                }
                for arrival in arrivals {
                    answers.push(ledger.admit(&mut rows, bounds, arrival, &mut gone)?);
                }
                writing
                    .open_table(META)?
                    .insert(LEDGER, ledger.encode().as_slice())?;
            }
            writing.commit()?;
            Ok(Done {
                ledger,
                answers,
                gone,
            })
        })
    }

    /// The rows above `from`, none above `last`, until there are enough for the cache.
    pub(super) fn read(&self, from: u64, last: u64) -> Result<Window, Error> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(ROWS)?;
            let mut rows = VecDeque::new();
            let mut bytes = 0;
            for row in table.range(from.saturating_add(1)..=last)? {
                let (sequence, record) = row?;
                bytes += record.value().len();
                if bytes > cache::BYTES && !rows.is_empty() {
                    let to = rows.back().map_or(from, |(sequence, _)| *sequence);
                    return Ok(Window::new(from, to, rows));
                }
                rows.push_back((sequence.value(), record.value().to_vec()));
            }
            Ok(Window::new(from, last, rows))
        })
    }

    /// Whether there is a row with this number.
    pub(super) fn holds(&self, sequence: u64) -> Result<bool, Error> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(ROWS)?;
            Ok(table.get(sequence)?.is_some())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Trouble>) -> Result<T, Error> {
        let Some(database) = &self.database else {
            return Err(Error::Closed);
        };
        guarded(&self.path, || {
            work(database).map_err(|Trouble(error)| failed(&self.path, &error))
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.take();
        // It may have been left in the middle of something.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

/// The ledger as it is in the file, or `None` if nothing was ever written.
fn load(database: &Database) -> Result<Option<Ledger>, Trouble> {
    let reading = database.begin_read()?;
    let rows = match reading.open_table(ROWS) {
        Ok(rows) => rows,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let meta = reading.open_table(META)?;
    let stored = meta.get(LEDGER)?;
    let ledger = stored.and_then(|bytes| Ledger::decode(bytes.value()));
    let Some(mut ledger) = ledger else {
        return Err(corrupted("the row of counts is not what was written"));
    };
    ledger.len = rows.len()?;
    let last = rows.last()?.map_or(0, |(sequence, _)| sequence.value());
    ledger.last = ledger.last.max(last);
    Ok(Some(ledger))
}

impl Rows for Table<'_, u64, &'static [u8]> {
    type Error = StorageError;

    fn first(&mut self) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
        let first = redb::ReadableTable::first(self)?;
        Ok(first.map(|(sequence, record)| (sequence.value(), record.value().to_vec())))
    }

    fn insert(&mut self, sequence: u64, record: &[u8]) -> Result<(), StorageError> {
        Table::insert(self, sequence, record).map(|_| ())
    }

    fn remove(&mut self, sequence: u64) -> Result<Option<u64>, StorageError> {
        let removed = Table::remove(self, sequence)?;
        Ok(removed.map(|record| record.value().len() as u64))
    }
}

fn corrupted(why: &str) -> Trouble {
    Trouble::from(redb::Error::Corrupted(why.to_owned()))
}

/// Any error of `redb`, small enough to hand on.
struct Trouble(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

/// Does `work`; a panic in it is a file that is damaged.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::Damaged {
            path: path.to_owned(),
            why: "its structure can't be followed".to_owned(),
        })
    })
}

fn unopened(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse {
            path: path.to_owned(),
        },
        other => failed(path, &other.into()),
    }
}

fn failed(path: &Path, error: &redb::Error) -> Error {
    let path = path.to_owned();
    let damaged = |why: String| Error::Damaged {
        path: path.clone(),
        why,
    };
    match error {
        redb::Error::Corrupted(why) => damaged(why.clone()),
        redb::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => {
            damaged("it is not an outbox, or its start was overwritten".to_owned())
        }
        redb::Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            damaged("it is shorter than it was".to_owned())
        }
        redb::Error::Io(io) => Error::Storage {
            path: path.clone(),
            why: io.to_string(),
        },
        redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::UpgradeRequired(_) => {
            damaged("it is a database of something else".to_owned())
        }
        other => Error::Storage {
            path: path.clone(),
            why: other.to_string(),
        },
    }
}
