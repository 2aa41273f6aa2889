//! Firmware updates beside a running device: the update agent with its files, its downloads and its reports.
//!
//! Takes in the device's events ([`Updater::take`]); gives out [`Notice`]s, of which two ask for a program: the one that
//! installs an image, and the one that says whether what runs now works. What to do when is
//! [`towpath_azure::update::Agent`]'s to say; here are the task, the slot in files, HTTPS and the record.

mod session;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::sleep,
};
use towpath_azure::{
    Now,
    update::{Failure, Kind, Label, Refused, Root, UpdateId, adu, jws::Keys},
};

use super::{Device, Event, FileSlot, Options, ReportError, drive};
use crate::{host::Clock, https};

/// Events that wait for the task.
const MOST_WAITING: usize = 64;

/// Notices that wait for the application.
const MOST_NOTICES: usize = 16;

/// The pause after a file could not be read or written.
const PAUSE: Duration = Duration::from_secs(30);

/// Memory for a manifest and its signature.
const SCRATCH: usize = 64 << 10;

/// What is read from the server at once.
const PIECE: usize = 16 << 10;

/// How firmware is updated.
#[derive(Debug, Clone)]
pub struct Updates {
    /// The kind of jobs.
    pub jobs: Jobs,
    /// Where an image is put. What is known about it lies beside it.
    pub slot: PathBuf,
    /// The largest image that is taken, in bytes.
    pub limit: u64,
    /// What runs now.
    pub version: Version,
    /// Whether an older version may be installed, or one that has no order.
    pub downgrade: bool,
    /// Whether an image that no hash vouches for may come over http.
    pub plain: bool,
    /// Whether the device goes on after an image was installed. If not, [`Notice::Restart`] is the last one.
    pub goes_on: bool,
}

/// The version that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// This one, until another came through the slot.
    Text(String),
    /// The one in the first line of this file, which changes with the firmware.
    File(PathBuf),
}

/// The kind of jobs.
#[derive(Debug, Clone)]
pub enum Jobs {
    /// Those of NCS `azure_fota`.
    Fota,
    /// Those of Device Update for IoT Hub.
    DeviceUpdate {
        /// Who makes the device.
        manufacturer: String,
        /// What it is.
        model: String,
        /// The handlers of steps that the device is ready for.
        handlers: Vec<String>,
        /// Who makes the updates.
        provider: String,
        /// What the updates are called.
        name: String,
        /// The root keys that count.
        roots: Vec<RootKey>,
        /// The names of keys that count no longer.
        disabled: Vec<String>,
    },
}

/// A root key of Device Update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKey {
    /// Its name.
    pub kid: String,
    /// The modulus, big-endian.
    pub n: Vec<u8>,
    /// The exponent, big-endian.
    pub e: Vec<u8>,
}

/// What an updater has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An image is being downloaded.
    Fetching {
        /// Its version.
        version: String,
        /// From there, without the query, which may be a credential.
        from: String,
    },
    /// A download ended early. It is tried again if that is worth it.
    Broke(Failure),
    /// An image lies there, whole and checked. It is to be installed.
    Apply {
        /// The image.
        image: PathBuf,
        /// Its version.
        version: String,
        /// Whether it was installed. Dropped: that is for the next start.
        done: oneshot::Sender<bool>,
    },
    /// A new image runs and has reached its hub.
    Confirm {
        /// Its version.
        version: String,
        /// Whether it works. Dropped: that is asked again.
        done: oneshot::Sender<bool>,
    },
    /// A job is over.
    Ended {
        /// What runs now.
        version: String,
        /// How it ended.
        outcome: Result<(), Refused>,
    },
    /// The twin is known, and there is nothing to do.
    Idle {
        /// What runs now.
        version: String,
    },
    /// The hub has what there was to report.
    Reported,
    /// A report was refused. It is made again with the next connection.
    NotReported(ReportError),
    /// A file of the update can't be read or written. It is tried again.
    Hindered(String),
    /// The device is to be started anew; nothing follows.
    Restart {
        /// The image that was installed.
        version: String,
        /// False: it did not prove itself, and what ran before should run again.
        works: bool,
    },
}

/// A handle to an updater, which ends with it. An image on its way is gone on with by the next one.
#[derive(Debug)]
pub struct Updater {
    events: mpsc::Sender<Fed>,
    missed: Arc<AtomicBool>,
    notices: mpsc::Receiver<Notice>,
    task: JoinHandle<()>,
}

/// What the agent has to know.
#[derive(Debug)]
enum Fed {
    Twin(Vec<u8>, u64),
    Desired(Vec<u8>, u64),
    Disconnected,
}

impl Updater {
    /// Begins beside a device that was spawned with these options. They have to want the twin.
    #[must_use]
    pub fn spawn(device: Device, options: &Options, updates: Updates) -> Self {
        let (events, fed) = mpsc::channel(MOST_WAITING);
        let (told, notices) = mpsc::channel(MOST_NOTICES);
        let missed = Arc::new(AtomicBool::new(false));
        let mut path = https::Settings::like(&options.network);
        // The hub's name is no name of a server of images.
        path.named = None;
        let surroundings = Surroundings {
            device,
            client: https::Client::new(path),
            events: fed,
            missed: Arc::clone(&missed),
            told,
            clock: Clock::start(),
        };
        Self {
            events,
            missed,
            notices,
            task: tokio::spawn(run(updates, surroundings)),
        }
    }

    /// Hears what the device says. Never waits.
    pub fn take(&self, event: &Event) {
        let fed = match event {
            Event::Twin {
                document,
                desired_version,
                ..
            } => Fed::Twin(document.clone(), *desired_version),
            Event::Desired { patch, version } => Fed::Desired(patch.clone(), *version),
            Event::Disconnected { .. } | Event::Renewing => Fed::Disconnected,
            _ => return,
        };
        if self.events.try_send(fed).is_err() {
            // It is busy with a program. Afterwards the whole twin says the same.
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Ends it. A program that it waits for counts as not run to its end.
    pub async fn stop(&mut self) {
        self.events = mpsc::channel(1).0;
        while self.notices.recv().await.is_some() {}
    }

    /// The next notice; `None` after the last. May be dropped at any point.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task holds beside the agent, which lends from the settings.
struct Surroundings {
    device: Device,
    client: https::Client,
    events: mpsc::Receiver<Fed>,
    missed: Arc<AtomicBool>,
    told: mpsc::Sender<Notice>,
    clock: Clock,
}

/// How one agent ended.
enum End {
    /// Another one begins.
    Again,
    /// Nothing follows.
    Over,
}

async fn run(updates: Updates, mut around: Surroundings) {
    loop {
        match session::run(&updates, &mut around).await {
            Ok(End::Again) => {}
            Ok(End::Over) => return,
            Err(error) => {
                around.tell(Notice::Hindered(error.to_string())).await;
                if !around.pause().await {
                    return;
                }
            }
        }
        // The agent that begins knows nothing of the twin.
        around.device.request_twin().await;
    }
}

impl Updates {
    fn open(&self) -> io::Result<FileSlot> {
        FileSlot::open(&self.slot, self.limit).map_err(|error| named(&self.slot, &error))
    }

    fn record(&self) -> PathBuf {
        let mut name = self.slot.clone().into_os_string();
        name.push(".record");
        name.into()
    }

    /// The version that runs.
    fn running(&self, slot: &FileSlot) -> io::Result<Label> {
        let text = match &self.version {
            Version::Text(text) => slot.version().unwrap_or(text).to_owned(),
            Version::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| named(path, &error))?;
                text.lines().next().unwrap_or_default().trim().to_owned()
            }
        };
        let long = || io::Error::other("the version that runs has more than 64 bytes");
        Label::try_from(text.as_str()).map_err(|_| long())
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The borrowed parts of [`Jobs`], for the agent.
struct Lent<'u> {
    handlers: Vec<&'u str>,
    roots: Vec<Root<'u>>,
    disabled: Vec<&'u str>,
}

impl Jobs {
    fn lend(&self) -> Lent<'_> {
        let mut lent = Lent {
            handlers: Vec::new(),
            roots: Vec::new(),
            disabled: Vec::new(),
        };
        if let Self::DeviceUpdate {
            handlers,
            roots,
            disabled,
            ..
        } = self
        {
            lent.handlers = handlers.iter().map(String::as_str).collect();
            lent.disabled = disabled.iter().map(String::as_str).collect();
            let roots = roots.iter().map(|root| Root {
                kid: &root.kid,
                n: &root.n,
                e: &root.e,
            });
            lent.roots = roots.collect();
        }
        lent
    }

    fn kind<'a>(&'a self, lent: &'a Lent<'a>, running: &'a Label) -> io::Result<Kind<'a>> {
        let Self::DeviceUpdate {
            manufacturer,
            model,
            provider,
            name,
            ..
        } = self
        else {
            return Ok(Kind::Fota { version: running });
        };
        let label = |text: &str| {
            let long = || io::Error::other("provider and name of updates have at most 64 bytes");
            Label::try_from(text).map_err(|_| long())
        };
        Ok(Kind::DeviceUpdate {
            device: adu::Device {
                manufacturer,
                model,
                custom: &[],
                handlers: &lent.handlers,
            },
            installed: UpdateId {
                provider: label(provider)?,
                name: label(name)?,
                version: running.clone(),
            },
            keys: Keys {
                roots: &lent.roots,
                disabled: &lent.disabled,
            },
        })
    }
}

impl Surroundings {
    fn now(&self) -> Now {
        Now {
            at: self.clock.now(),
            unix: drive::unix(),
        }
    }

    async fn tell(&self, notice: Notice) {
        // The application may do without; what it is asked for counts as not answered then.
        let _ = self.told.send(notice).await;
    }

    /// Waits, and lets go what comes meanwhile: the whole twin is asked for afterwards. False: nobody feeds any more.
    async fn pause(&mut self) -> bool {
        let mut rest = std::pin::pin!(sleep(PAUSE));
        loop {
            tokio::select! {
                () = &mut rest => return true,
                fed = self.events.recv() => if fed.is_none() { return false },
            }
        }
    }
}
