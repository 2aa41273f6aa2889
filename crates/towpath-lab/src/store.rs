//! What survives a `kill -9`: records of JSON in a database of one file. The state in memory is read from it once, at
//! the start; afterwards each change is written by one thread, all that wait in one transaction.

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use redb::{Database, ReadableTable as _, TableDefinition, TableError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::Error;

/// A table of the database. Keys are texts, values JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Devices and modules: `host`, `device`, `module`.
    Identity,
    /// Their twins, the same keys.
    Twin,
    /// Their cloud-to-device queues, the same keys.
    Inbox,
    /// Their MQTT sessions, the same keys.
    Session,
    /// Messages of devices: `host` and a number of twenty digits.
    Telemetry,
    /// Enrolments: `i` or `g` and the id.
    Enrollment,
    /// What was provisioned: the registration id.
    Registration,
    /// Everything else, such as which config was declared last.
    Meta,
}

impl Table {
    const fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Identity => "identity",
            Self::Twin => "twin",
            Self::Inbox => "inbox",
            Self::Session => "session",
            Self::Telemetry => "telemetry",
            Self::Enrollment => "enrollment",
            Self::Registration => "registration",
            Self::Meta => "meta",
        })
    }
}

/// Joins the parts of a key with a character that none of them may have.
pub(crate) fn key(parts: &[&str]) -> String {
    parts.join("\u{1f}")
}

enum Op {
    Put(Table, String, Vec<u8>),
    Delete(Table, String),
}

/// Changes that are written together or not at all.
#[derive(Default)]
pub(crate) struct Batch(Vec<Op>);

impl Batch {
    pub(crate) fn put<T: Serialize>(&mut self, table: Table, key: String, value: &T) {
        // Serializing values of the lab to JSON can't fail: their maps have text keys.
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.0.push(Op::Put(table, key, bytes));
        }
    }

    pub(crate) fn delete(&mut self, table: Table, key: String) {
        self.0.push(Op::Delete(table, key));
    }

    /// About how much memory it takes until it is written.
    fn bytes(&self) -> usize {
        let bytes = self.0.iter().map(|op| match op {
            Op::Put(_, key, value) => key.len() + value.len(),
            Op::Delete(_, key) => key.len(),
        });
        bytes.sum::<usize>() + 64 * self.0.len()
    }
}

/// Resolves when what was written is on the disk; `false` if it can't be written.
#[must_use = "an acknowledgement has to wait for it"]
#[derive(Debug)]
pub(crate) struct Durable(Option<oneshot::Receiver<()>>);

impl Durable {
    /// Nothing to wait for.
    pub(crate) const DONE: Self = Self(None);

    /// Whether there is nothing to wait for.
    pub(crate) const fn is_done(&self) -> bool {
        self.0.is_none()
    }

    /// Waits.
    pub(crate) async fn wait(self) -> bool {
        self.await
    }
}

impl Future for Durable {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        match &mut self.0 {
            None => Poll::Ready(true),
            Some(done) => Pin::new(done).poll(context).map(|done| done.is_ok()),
        }
    }
}

type Job = (Batch, Done);

/// What is due when a batch is on the disk.
struct Done {
    told: oneshot::Sender<()>,
    then: Box<dyn FnOnce() + Send>,
}

/// Told when nothing can be written, once until it can be again.
struct Failed(Box<dyn Fn(&Error) + Send + Sync>);

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Failed")
    }
}

/// The database, or nothing in an ephemeral lab.
#[derive(Debug, Default)]
pub(crate) struct Store {
    jobs: Option<mpsc::Sender<Job>>,
    /// Bytes that wait for the writer.
    waiting: Arc<AtomicUsize>,
    writer: Option<JoinHandle<()>>,
    failed: Arc<OnceLock<Failed>>,
    /// For [`load`](Self::load); the writer has it too.
    database: Option<Arc<Database>>,
}

impl Store {
    /// A store that forgets everything.
    pub(crate) fn ephemeral() -> Self {
        Self::default()
    }

    /// Opens or makes the database.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        owners_only(path)?;
        let database = Arc::new(Database::create(path).map_err(|error| wrong(path, &error))?);
        let (jobs, coming) = mpsc::channel();
        let own = Arc::clone(&database);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let failed = Arc::new(OnceLock::new());
        let told = Arc::clone(&failed);
        let writer = thread::Builder::new()
            .name("lab-store".into())
            .spawn(move || write(&own, &coming, &counted, &told))
            .map_err(|source| Error::File {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            jobs: Some(jobs),
            waiting,
            writer: Some(writer),
            failed,
            database: Some(database),
        })
    }

    /// Who is to know when nothing can be written.
    pub(crate) fn tell_failures(&self, failed: impl Fn(&Error) + Send + Sync + 'static) {
        let _ = self.failed.set(Failed(Box::new(failed)));
    }

    /// All values of a table, in the order of their keys.
    pub(crate) fn load<T: DeserializeOwned>(
        &self,
        table: Table,
    ) -> Result<Vec<(String, T)>, Error> {
        let Some(database) = &self.database else {
            return Ok(Vec::new());
        };
        let reading = database.begin_read().map_err(broken)?;
        let open = match reading.open_table(table.definition()) {
            Ok(open) => open,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(broken(error)),
        };
        let mut all = Vec::new();
        for item in open.iter().map_err(broken)? {
            let (key, value) = item.map_err(broken)?;
            let value = serde_json::from_slice(value.value()).map_err(broken)?;
            all.push((key.value().to_owned(), value));
        }
        Ok(all)
    }

    /// Whether anything is kept: if not, a batch need not be filled.
    pub(crate) const fn keeps(&self) -> bool {
        self.jobs.is_some()
    }

    /// About how many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Lets the writer be behind by so many bytes that there are not.
    #[cfg(test)]
    pub(crate) fn fall_behind(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Hands changes to the writer. Those of two calls are written in the order of the calls.
    pub(crate) fn write(&self, batch: Batch) -> Durable {
        let Some(jobs) = &self.jobs else {
            return Durable::DONE;
        };
        if batch.0.is_empty() {
            return Durable::DONE;
        }
        self.hand_over(jobs, batch, Box::new(|| {}))
    }

    /// The same, and does `then` when it is written, in the order of the calls and not at all on failure. The writer
    /// does it, so it must not wait for anything.
    pub(crate) fn write_then(&self, batch: Batch, then: impl FnOnce() + Send + 'static) -> Durable {
        let Some(jobs) = &self.jobs else {
            then();
            return Durable::DONE;
        };
        self.hand_over(jobs, batch, Box::new(then))
    }

    /// Resolves when everything that was handed over so far is written.
    pub(crate) fn so_far(&self) -> Durable {
        match &self.jobs {
            Some(jobs) if self.waiting() > 0 => {
                self.hand_over(jobs, Batch::default(), Box::new(|| {}))
            }
            _ => Durable::DONE,
        }
    }

    fn hand_over(
        &self,
        jobs: &mpsc::Sender<Job>,
        batch: Batch,
        then: Box<dyn FnOnce() + Send>,
    ) -> Durable {
        let (told, waiting) = oneshot::channel();
        self.waiting.fetch_add(batch.bytes(), Ordering::Relaxed);
        // A writer that is gone drops `told`: whoever waits is told that nothing was written.
        let _ = jobs.send((batch, Done { told, then }));
        Durable(Some(waiting))
    }
}

/// Makes the file if it is not there, so that nobody but its owner can read the keys that will be in it.
fn owners_only(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::File {
            path: path.to_owned(),
            source,
        }),
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // It ends when everything is written. Its panic has been printed.
            let _ = writer.join();
        }
    }
}

/// How many changes go into one transaction.
const TOGETHER: usize = 4096;

fn write(
    database: &Database,
    coming: &mpsc::Receiver<Job>,
    waiting: &AtomicUsize,
    failed: &OnceLock<Failed>,
) {
    let mut failing = false;
    while let Ok(first) = coming.recv() {
        let mut jobs = vec![first];
        jobs.extend(coming.try_iter().take(TOGETHER));
        let (changes, done): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        // On failure `done` is dropped, which says so to those who wait.
        match commit(database, changes.iter().flat_map(|batch: &Batch| &batch.0)) {
            Ok(()) => {
                failing = false;
                for Done { told, then } in done {
                    then();
                    let _ = told.send(());
                }
            }
            Err(error) => {
                if let (false, Some(Failed(tell))) = (failing, failed.get()) {
                    tell(&error);
                }
                failing = true;
            }
        }
        let bytes = changes.iter().map(Batch::bytes).sum();
        waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn commit<'a>(database: &Database, changes: impl Iterator<Item = &'a Op>) -> Result<(), Error> {
    let mut changes = changes.peekable();
    if changes.peek().is_none() {
        return Ok(());
    }
    let writing = database.begin_write().map_err(broken)?;
    for change in changes {
        let (Op::Put(table, ..) | Op::Delete(table, _)) = change;
        let mut open = writing.open_table(table.definition()).map_err(broken)?;
        match change {
            Op::Put(_, key, value) => open.insert(key.as_str(), value.as_slice()),
            Op::Delete(_, key) => open.remove(key.as_str()),
        }
        .map_err(broken)?;
    }
    writing.commit().map_err(broken)
}

fn wrong(path: &Path, error: &redb::DatabaseError) -> Error {
    let why = match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            format!(
                "{}: another lab runs in this state folder; end it, or choose another folder",
                path.display()
            )
        }
        other => format!("{}: {other}", path.display()),
    };
    Error::Store { why }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Store {
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let folder =
            std::env::temp_dir().join(format!("towpath-lab-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }

    #[tokio::test]
    async fn what_was_written_is_there_again() {
        let folder = folder("store");
        let path = folder.0.join("lab.redb");
        let store = Store::open(&path).expect("a store");
        assert_eq!(store.load::<u32>(Table::Meta).expect("no table yet"), []);
        let mut batch = Batch::default();
        batch.put(Table::Meta, key(&["a", "1"]), &1);
        batch.put(Table::Meta, key(&["a", "2"]), &2);
        assert!(store.write(batch).wait().await);
        let mut batch = Batch::default();
        batch.delete(Table::Meta, key(&["a", "1"]));
        batch.put(Table::Meta, key(&["a", "2"]), &3);
        // Not waited for: closing the store writes what it was given.
        drop(store.write(batch));
        drop(store);
        let store = Store::open(&path).expect("a store");
        assert_eq!(
            store.load::<u32>(Table::Meta).expect("a table"),
            [(key(&["a", "2"]), 3)]
        );
    }

    #[test]
    fn a_second_lab_in_the_same_folder_is_refused() {
        let folder = folder("twice");
        let path = folder.0.join("lab.redb");
        let _first = Store::open(&path).expect("a store");
        let error = Store::open(&path).expect_err("it is in use").to_string();
        assert!(
            error.contains("another lab runs in this state folder"),
            "{error}"
        );
    }
}
