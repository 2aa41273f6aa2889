//! A firmware slot in files, for a host whose image is installed by a program.
//!
//! Takes in an image piece by piece; gives out one file that is whole. Three files lie next to each other: `image` (whole
//! and checked, for the program), `image.part` (on its way) and `image.slot` (what is known about both). The last is
//! written anew and renamed, so that it is always whole; what it says about the others was on disk before. A fourth,
//! `image.lock`, keeps a second process away on Linux.
//!
//! The program that installs is run by whoever drives the agent at [`Step::Restart`](towpath_azure::update::Step::Restart):
//! [`applying`](FileSlot::applying), the program, then [`applied`](FileSlot::applied), or [`failed`](FileSlot::failed) if
//! it fails. A program that the power interrupted is run again. After the start that follows its success, the image is on
//! probation until the agent confirms it.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use towpath_azure::update::{Checked, Image, Kept, RECORD, Running, Slot, Validator};

/// After so many bytes what was written is put on disk, and counts after a cut of power.
const SYNC: u64 = 1 << 20;

/// How often the program that installs is begun without coming to its end, before the image counts as one that failed.
const TRIES: u8 = 3;

/// A slot in files.
#[derive(Debug)]
pub struct FileSlot {
    path: PathBuf,
    capacity: u64,
    part: Option<File>,
    written: u64,
    state: State,
    _lock: Lock,
}

/// What the file `image.slot` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// The image on its way, and how much of it is on disk.
    part: Option<(Image, u64)>,
    /// The version of the image that is whole.
    version: String,
    phase: Phase,
    /// How often the program that installs was begun.
    tries: u8,
    /// The version that was confirmed last.
    installed: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Confirmed,
    Marked,
    /// The program that installs runs, or was interrupted.
    Applying,
    Applied,
    Failed,
}

const PHASES: [(Phase, &str); 5] = [
    (Phase::Confirmed, "confirmed"),
    (Phase::Marked, "marked"),
    (Phase::Applying, "applying"),
    (Phase::Applied, "applied"),
    (Phase::Failed, "failed"),
];

impl FileSlot {
    /// A slot whose image is to lie at `path`, of at most `capacity` bytes. The folder has to be there.
    ///
    /// # Errors
    /// If the files can't be read; of the kind `WouldBlock`, if another process or another `FileSlot` has them.
    pub fn open(path: impl Into<PathBuf>, capacity: u64) -> io::Result<Self> {
        let path = path.into();
        let lock = lock(&beside(&path, "lock"))?;
        let state = match fs::read_to_string(beside(&path, "slot")) {
            Ok(text) => State::parse(&text).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            capacity,
            part: None,
            written: 0,
            state,
            _lock: lock,
        })
    }

    /// Where the image lies once it is marked for boot.
    #[must_use]
    pub fn image(&self) -> &Path {
        &self.path
    }

    /// The version that runs, if it came through this slot.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let version = match self.state.phase {
            Phase::Applied => &self.state.version,
            _ => &self.state.installed,
        };
        (!version.is_empty()).then_some(version)
    }

    /// The version of the image that was marked for boot last; empty if there was none.
    #[must_use]
    pub fn marked_version(&self) -> &str {
        &self.state.version
    }

    /// The program that installs the image is about to run. If it does not come to its end, because of a cut of power, it
    /// is to be run again: [`Running::Applying`].
    ///
    /// # Errors
    /// If that can't be kept; then the program must not run.
    pub fn applying(&mut self) -> io::Result<()> {
        let mut state = self.state.clone();
        state.phase = Phase::Applying;
        state.tries = state.tries.saturating_add(1);
        self.keep(state)
    }

    /// The program has installed the image: from now on what runs is on probation.
    ///
    /// # Errors
    /// If that can't be kept; then the program is run again.
    pub fn applied(&mut self) -> io::Result<()> {
        self.enter(Phase::Applied)
    }

    /// The program failed, or what it installed does not work: what ran before runs again.
    ///
    /// # Errors
    /// If that can't be kept.
    pub fn failed(&mut self) -> io::Result<()> {
        self.enter(Phase::Failed)
    }

    /// The program did not come to its end: it is for the next start.
    ///
    /// # Errors
    /// If that can't be kept.
    pub fn deferred(&mut self) -> io::Result<()> {
        self.enter(Phase::Marked)
    }

    fn enter(&mut self, phase: Phase) -> io::Result<()> {
        let mut state = self.state.clone();
        state.phase = phase;
        state.tries = 0;
        if phase == Phase::Confirmed {
            state.installed.clone_from(&state.version);
        }
        self.keep(state)
    }

    fn keep(&mut self, state: State) -> io::Result<()> {
        replace(&beside(&self.path, "slot"), state.text().as_bytes())?;
        self.state = state;
        Ok(())
    }

    /// The file on its way, open.
    fn part(&mut self) -> io::Result<&mut File> {
        match &mut self.part {
            Some(file) => Ok(file),
            part => {
                let path = beside(&self.path, "part");
                let file = options().read(true).write(true).open(path)?;
                Ok(part.insert(file))
            }
        }
    }

    /// Puts what was written on disk, away from the thread that drives other things.
    async fn sync(&mut self) -> io::Result<()> {
        let file = self.part()?.try_clone()?;
        tokio::task::spawn_blocking(move || file.sync_data())
            .await
            .map_err(io::Error::other)??;
        let mut state = self.state.clone();
        if let Some((_, on_disk)) = &mut state.part {
            *on_disk = self.written;
        }
        self.keep(state)
    }
}

impl Slot for FileSlot {
    const BLOCK: usize = 1;
    type Error = io::Error;

    fn capacity(&self) -> u64 {
        self.capacity
    }

    async fn kept(&mut self) -> io::Result<Option<Kept>> {
        let Some((image, on_disk)) = self.state.part.clone() else {
            return Ok(None);
        };
        let file = match self.part() {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < on_disk {
            return Ok(None);
        }
        // What is behind may be anything after a cut of power.
        file.set_len(on_disk)?;
        self.written = on_disk;
        Ok(Some(Kept {
            image,
            written: on_disk,
        }))
    }

    async fn begin(&mut self, image: &Image) -> io::Result<()> {
        self.part = None;
        let mut state = self.state.clone();
        state.part = Some((image.clone(), 0));
        if matches!(state.phase, Phase::Failed | Phase::Applying) {
            // What failed is over; a new image takes its place.
            state.phase = Phase::Confirmed;
            state.tries = 0;
        }
        self.keep(state)?;
        let path = beside(&self.path, "part");
        let file = options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        self.part = Some(file);
        self.written = 0;
        Ok(())
    }

    async fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.part()?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        let end = offset + u64::try_from(bytes.len()).unwrap_or(0);
        self.written = end;
        if offset / SYNC == end / SYNC {
            Ok(())
        } else {
            self.sync().await
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.sync().await
    }

    async fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = self.part()?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }

    async fn mark_for_boot(&mut self, image: &Checked) -> io::Result<()> {
        self.part = None;
        fs::rename(beside(&self.path, "part"), &self.path)?;
        sync_folder(&self.path)?;
        let mut state = self.state.clone();
        state.part = None;
        image.version().clone_into(&mut state.version);
        state.phase = Phase::Marked;
        state.tries = 0;
        self.keep(state)
    }

    async fn confirm(&mut self) -> io::Result<()> {
        // A program that restarts the machine itself never comes to its end: the version that runs then proves it.
        if matches!(self.state.phase, Phase::Applied | Phase::Applying) {
            self.enter(Phase::Confirmed)?;
        }
        Ok(())
    }

    async fn running(&mut self) -> io::Result<Running> {
        Ok(match self.state.phase {
            Phase::Confirmed => Running::Confirmed,
            Phase::Marked => Running::Pending,
            Phase::Applying if self.state.tries < TRIES => Running::Applying,
            Phase::Applied => Running::Testing,
            Phase::Applying | Phase::Failed => Running::RolledBack,
        })
    }
}

/// The record of an update agent; `None` if there is none, or no whole one.
#[must_use]
pub fn read_record(path: &Path) -> Option<[u8; RECORD]> {
    fs::read(path).ok()?.try_into().ok()
}

/// Keeps the record of an update agent: when this returns it survives a cut of power.
///
/// # Errors
/// If it can't be written; what was there before is still there.
pub fn keep_record(path: &Path, record: &[u8; RECORD]) -> io::Result<()> {
    replace(path, record)
}

impl State {
    fn text(&self) -> String {
        let mut text = String::new();
        let phase = PHASES.iter().find(|(phase, _)| *phase == self.phase);
        let phase = phase.map_or("", |(_, name)| name);
        let _ = writeln!(
            text,
            "phase={phase}\ntries={}\nversion={}\ninstalled={}",
            self.tries, self.version, self.installed
        );
        if let Some((image, on_disk)) = &self.part {
            let tag: String = image.tag.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "tag={tag}\non_disk={on_disk}");
            if let Some(size) = image.size {
                let _ = writeln!(text, "size={size}");
            }
            if let Some(validator) = &image.validator {
                let _ = writeln!(text, "validator={}", validator.as_str());
            }
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                (name == key).then_some(value)
            })
        };
        let phase = value("phase")?;
        let (phase, _) = PHASES.into_iter().find(|(_, name)| *name == phase)?;
        let part = value("tag").and_then(|tag| {
            let mut bytes = [0; 32];
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(tag.get(at * 2..at * 2 + 2)?, 16).ok()?;
            }
            let image = Image {
                tag: bytes,
                size: value("size").and_then(|size| size.parse().ok()),
                validator: value("validator").and_then(Validator::new),
            };
            Some((image, value("on_disk")?.parse().ok()?))
        });
        Some(Self {
            part,
            phase,
            tries: value("tries")
                .and_then(|tries| tries.parse().ok())
                .unwrap_or(0),
            version: value("version")?.to_owned(),
            installed: value("installed")?.to_owned(),
        })
    }
}

/// `path` with a further extension.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(extension);
    name.into()
}

/// Files of firmware are nobody else's.
fn options() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What keeps other processes away for as long as it lives.
#[cfg(target_os = "linux")]
type Lock = nix::fcntl::Flock<File>;
#[cfg(not(target_os = "linux"))]
type Lock = ();

#[cfg(target_os = "linux")]
fn lock(path: &Path) -> io::Result<Lock> {
    let file = options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let how = nix::fcntl::FlockArg::LockExclusiveNonblock;
    nix::fcntl::Flock::lock(file, how).map_err(|(_, error)| {
        let error = io::Error::from(error);
        if error.kind() == io::ErrorKind::WouldBlock {
            let why = "another process updates by the same slot; end it, or give one of them another slot";
            return io::Error::new(error.kind(), why);
        }
        error
    })
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn lock(_: &Path) -> io::Result<Lock> {
    Ok(())
}

/// Writes a file whole: the old one is there until the new one is.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

/// Puts a renaming on disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "slot/tests.rs"]
mod tests;
