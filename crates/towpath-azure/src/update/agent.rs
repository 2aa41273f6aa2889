//! The agent: which job is done, what is reported, when the device restarts.
//!
//! Takes in the twin, the ends of what it asked for, and the time; gives out [`Step`]s and a record to keep. The steps are
//! done by whoever drives it: fetching with [`install`](super::install()), the rest by calls of the [`Slot`](super::Slot).

use core::{fmt, time::Duration};

use towpath_proto::{Instant, Random};

use super::{
    Checked, Failure, Job, Label, RECORD, Refused, Running, UpdateId, Verify,
    adu::Device,
    compare,
    jws::Keys,
    record::{Phase, Record},
};
use crate::Now;

/// How often a broken download is tried again without a byte more.
const ATTEMPTS: u8 = 10;
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(3600);
/// How long a report that is on its way may hold up a restart.
const REPORT: Duration = Duration::from_secs(60);
/// How often one image may be about to be marked for boot: a crash in between is forgiven once.
const MARKS: u8 = 2;

/// The settings of an agent.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// The kind of jobs.
    pub kind: Kind<'a>,
    /// Whether an older version may be installed, or one that has no order.
    pub downgrade: bool,
    /// Whether an image that no hash vouches for may come over http.
    pub plain: bool,
    /// Whether to ask for a whole image at once though the job says in which fragments: where a connection costs more than
    /// memory, as on a host.
    pub whole: bool,
    /// The largest image that is taken, in bytes: usually the slot's capacity.
    pub limit: u64,
}

/// The kind of jobs.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one in a device")]
pub enum Kind<'a> {
    /// Those of NCS `azure_fota`.
    Fota {
        /// The version that runs.
        version: &'a str,
    },
    /// Those of Device Update for IoT Hub.
    DeviceUpdate {
        /// What the device is.
        device: Device<'a>,
        /// What runs. Its version is that of the update, or the one in its `installedCriteria`. Updates of another provider
        /// or name are refused unless [`Settings::downgrade`] is set; if both are empty, the order of versions alone counts.
        installed: UpdateId,
        /// The keys that sign manifests.
        keys: Keys<'a>,
    },
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Keep [`Agent::record`] where it survives a cut of power, then call [`Agent::kept`].
    Keep,
    /// The image of the agent's job is running, and it has reached its hub: [`Slot::confirm`](super::Slot::confirm), then
    /// [`Agent::confirmed`].
    Confirm,
    /// Report what [`Agent::report`] displays, then call [`Agent::reported`] when the hub has answered.
    Report,
    /// Ask the hub for the whole twin.
    RequestTwin,
    /// Drop the [`install`](super::install()) that runs.
    Stop,
    /// Run [`install`](super::install()) for [`Agent::job`], then call [`Agent::fetched`].
    Fetch,
    /// [`Slot::mark_for_boot`](super::Slot::mark_for_boot) with [`Agent::checked`], then call [`Agent::marked`].
    Mark,
    /// Restart into the new firmware.
    Restart,
    /// Nothing, until then or until something is told.
    Wait(Option<Instant>),
}

/// What is due, one flag for each step that is asked for once.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own")]
pub(super) struct Due {
    pub(super) keep: bool,
    pub(super) confirm: bool,
    pub(super) report: bool,
    pub(super) twin: bool,
    pub(super) stop: bool,
    pub(super) mark: bool,
    pub(super) restart: bool,
}

/// Decides about firmware updates. It does no I/O.
#[derive(Debug)]
pub struct Agent<'a> {
    pub(super) settings: Settings<'a>,
    pub(super) record: Record,
    pub(super) due: Due,
    pub(super) job: Option<Job>,
    checked: Option<Checked>,
    running: Running,
    /// Whether the twin came in this connection.
    pub(super) online: bool,
    /// When the job is to be fetched, if it is not being fetched.
    fetch: Option<Instant>,
    fetching: bool,
    attempts: u8,
    written: u64,
    /// Since when a report is on its way.
    reporting: Option<Instant>,
    /// The version of desired properties that is to be acknowledged, and whether their action is ours.
    pub(super) ack: Option<(u64, bool)>,
}

impl<'a> Agent<'a> {
    /// An agent after a start of the device. `record` is what was kept, `running` what the slot says.
    #[must_use]
    pub fn new(settings: Settings<'a>, record: Option<&[u8; RECORD]>, running: Running) -> Self {
        let mut agent = Self {
            settings,
            record: record.and_then(Record::decode).unwrap_or_default(),
            due: Due::default(),
            job: None,
            checked: None,
            running,
            online: false,
            fetch: None,
            fetching: false,
            attempts: 0,
            written: 0,
            reporting: None,
            ack: None,
        };
        match agent.record.phase {
            Phase::Idle | Phase::Fetching => (),
            // On probation it is not done before it is confirmed: until then a cut of power takes it back.
            Phase::Marking | Phase::Marked if agent.runs_job() && agent.is_on_probation() => {}
            Phase::Marking | Phase::Marked if agent.runs_job() => agent.finish(Ok(())),
            Phase::Marking | Phase::Marked
                if matches!(running, Running::Pending | Running::Applying) =>
            {
                agent.record.phase = Phase::Marked;
                agent.due.keep = true;
                agent.due.restart = true;
            }
            Phase::Marking if running != Running::RolledBack && agent.record.marks < MARKS => {
                // The power went between keeping and marking: the image lies there and is looked at again.
                agent.record.phase = Phase::Fetching;
                agent.due.keep = true;
            }
            Phase::Marking | Phase::Marked => agent.finish(Err(Refused::RolledBack)),
        }
        agent
    }

    /// Whether what runs has to prove itself.
    fn is_on_probation(&self) -> bool {
        match self.running {
            Running::Testing => true,
            Running::Applying => self.is_committed() && self.runs_job(),
            _ => false,
        }
    }

    /// Whether what runs is what the record is about.
    fn runs_job(&self) -> bool {
        let running = self.version();
        running == self.record.version
            || (!self.record.criteria.is_empty() && running == self.record.criteria)
    }

    /// The version that runs.
    #[must_use]
    pub fn version(&self) -> &str {
        match &self.settings.kind {
            Kind::Fota { version } => version,
            Kind::DeviceUpdate { installed, .. } => &installed.version,
        }
    }

    /// What is to be done next. Each step is given once; `Wait` says until when there is nothing.
    pub fn poll(&mut self, now: Now) -> Step {
        let due = &mut self.due;
        if core::mem::take(&mut due.stop) {
            return Step::Stop;
        }
        if due.keep {
            return Step::Keep;
        }
        if self.online && core::mem::take(&mut due.confirm) {
            return Step::Confirm;
        }
        if self.online && core::mem::take(&mut due.twin) {
            return Step::RequestTwin;
        }
        if self.online && self.reporting.is_none() && core::mem::take(&mut due.report) {
            self.reporting = Some(now.at);
            return Step::Report;
        }
        if core::mem::take(&mut due.mark) {
            return Step::Mark;
        }
        if due.restart {
            return self.restart(now);
        }
        match self.fetch {
            Some(at) if at <= now.at => {
                self.fetch = None;
                self.fetching = true;
                Step::Fetch
            }
            at => Step::Wait(at),
        }
    }

    /// Restarts, once what there is to report has arrived or had its time.
    fn restart(&mut self, now: Now) -> Step {
        let until = self.reporting.map(|since| since.after(REPORT));
        match until.filter(|until| self.online && *until > now.at) {
            Some(until) => Step::Wait(Some(until)),
            None => {
                self.due.restart = false;
                Step::Restart
            }
        }
    }

    /// What to keep.
    #[must_use]
    pub fn record(&self) -> [u8; RECORD] {
        self.record.encode()
    }

    /// The record was kept.
    pub fn kept(&mut self) {
        self.due.keep = false;
    }

    /// Whether the twin came in this connection, which is still there.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.online
    }

    /// The job that is done.
    #[must_use]
    pub const fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// The image that is to be marked for boot.
    #[must_use]
    pub const fn checked(&self) -> Option<&Checked> {
        self.checked.as_ref()
    }

    /// How the last job ended; `None`: there was none, or it goes on.
    #[must_use]
    pub const fn outcome(&self) -> Option<Result<(), Refused>> {
        self.record.outcome
    }

    /// The reported properties that are due, as JSON. At most about 2 kB.
    #[must_use]
    pub fn report(&self) -> impl fmt::Display {
        Report(self)
    }

    /// The hub has answered a report, or did not in time. One that was refused is made again in the next connection.
    pub fn reported(&mut self, accepted: bool) {
        self.reporting = None;
        if accepted {
            self.ack = None;
        }
    }

    /// The connection to the hub is gone: what was not answered is reported again in the next.
    pub fn disconnected(&mut self) {
        self.online = false;
        self.due.report |= self.reporting.take().is_some();
    }

    /// The slot has confirmed what runs, or could not: then it is asked again in the next connection.
    pub fn confirmed(&mut self, done: bool) {
        if !done {
            return;
        }
        self.running = Running::Confirmed;
        if self.is_committed() && self.runs_job() {
            self.finish(Ok(()));
        }
    }

    /// The whole twin came: `version` is that of its desired properties. `scratch` is for the manifest and its signature,
    /// four times as long as their text is enough; 16 kB are.
    pub fn twin(
        &mut self,
        now: Now,
        document: &[u8],
        version: u64,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) {
        let first = !core::mem::replace(&mut self.online, true);
        if first && self.is_on_probation() {
            self.due.confirm = true;
        }
        match self.settings.kind {
            Kind::Fota { .. } => self.fota_twin(now, document, first),
            Kind::DeviceUpdate { .. } => {
                self.due.report |= first;
                self.adu_desired(now, document, version, true, verify, scratch);
            }
        }
    }

    /// Desired properties changed. For the arguments see [`twin`](Self::twin).
    pub fn desired(
        &mut self,
        now: Now,
        patch: &[u8],
        version: u64,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) {
        match self.settings.kind {
            Kind::Fota { .. } => self.fota_desired(now, patch, false),
            Kind::DeviceUpdate { .. } => {
                self.adu_desired(now, patch, version, false, verify, scratch);
            }
        }
    }

    /// The fetch ended.
    pub fn fetched(&mut self, now: Now, end: Result<Checked, Failure>, random: &mut impl Random) {
        let expected = core::mem::take(&mut self.fetching);
        if !expected || self.record.phase != Phase::Fetching {
            return;
        }
        match end {
            Ok(checked) => {
                self.checked = Some(checked);
                self.record.phase = Phase::Marking;
                self.record.marks = self.record.marks.saturating_add(1);
                self.due.keep = true;
                self.due.mark = true;
                self.due.report = true;
            }
            Err(failure) if failure.retry => self.again(now, &failure, random),
            Err(failure) => self.finish(Err(failure.reason)),
        }
    }

    /// Tries again after a pause that grows while nothing comes.
    fn again(&mut self, now: Now, failure: &Failure, random: &mut impl Random) {
        if failure.written > self.written {
            self.attempts = 0;
        }
        self.written = failure.written;
        self.attempts += 1;
        if self.attempts > ATTEMPTS {
            return self.finish(Err(failure.reason));
        }
        let pause = Duration::from_secs(15)
            .saturating_mul(1 << self.attempts.min(10))
            .min(PAUSE);
        // Between half the pause and all of it, so that a fleet does not come back at once.
        let millis = u32::try_from(pause.as_millis() / 2).unwrap_or(u32::MAX);
        let jitter = Duration::from_millis(u64::from(random.next_u32() % millis.max(1)));
        let asked = Duration::from_secs(failure.after.map_or(0, u64::from)).min(24 * PAUSE);
        self.fetch = Some(now.after((pause / 2).max(asked) + jitter));
    }

    /// The slot has marked the image for boot, or could not.
    pub fn marked(&mut self, done: bool) {
        if self.record.phase != Phase::Marking {
            return;
        }
        if done {
            self.record.phase = Phase::Marked;
            self.due.keep = true;
            self.due.restart = true;
        } else {
            self.finish(Err(Refused::Slot));
        }
    }

    /// A job begins, or one that was begun before a restart goes on.
    pub(super) fn start(&mut self, now: Now, mut job: Job) {
        job.fragment = job.fragment.filter(|_| !self.settings.whole);
        self.due.stop |= self.fetching;
        self.fetching = false;
        self.record.phase = Phase::Fetching;
        self.record.outcome = None;
        self.record.version.clone_from(&job.version);
        self.record.criteria.clone_from(&job.criteria);
        self.record.provider.clone_from(&job.provider);
        self.record.name.clone_from(&job.name);
        self.job = Some(job);
        self.fetch = Some(now.at);
        self.attempts = 0;
        self.written = 0;
        self.due.keep = true;
        self.due.report = true;
    }

    /// The job of the record is over.
    pub(super) fn finish(&mut self, outcome: Result<(), Refused>) {
        self.due.stop |= self.fetching;
        self.fetching = false;
        self.fetch = None;
        self.job = None;
        self.checked = None;
        self.due.mark = false;
        self.due.restart = false;
        self.record.phase = Phase::Idle;
        self.record.outcome = Some(outcome);
        self.record.marks = 0;
        self.due.keep = true;
        self.due.report = true;
    }

    /// A new job has this identity; what is known of the one before is forgotten.
    pub(super) fn identify(&mut self, action: u8, id: &Label, retry: &Label) {
        self.record = Record {
            action,
            id: id.clone(),
            retry: retry.clone(),
            ..Record::default()
        };
    }

    /// Whether a version may be installed over the one that runs.
    pub(super) fn order(&self, version: &str) -> Result<(), Refused> {
        if self.settings.downgrade {
            return Ok(());
        }
        match compare(version, self.version()) {
            Some(core::cmp::Ordering::Less) => Err(Refused::Downgrade),
            Some(_) => Ok(()),
            None => Err(Refused::VersionOrder),
        }
    }

    /// Whether what was downloaded waits for its restart, so that no other job can begin.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.record.phase, Phase::Marking | Phase::Marked)
    }
}

struct Report<'r, 'a>(&'r Agent<'a>);

impl fmt::Display for Report<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = self.0;
        match &agent.settings.kind {
            Kind::Fota { version } => fmt::Display::fmt(&agent.fota_report(version), f),
            Kind::DeviceUpdate {
                device, installed, ..
            } => fmt::Display::fmt(&agent.adu_report(device, installed), f),
        }
    }
}
