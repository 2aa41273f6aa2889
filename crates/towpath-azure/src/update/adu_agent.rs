//! The part of the agent that speaks Device Update.

use super::{
    Agent, Job, Kind, Refused, UpdateId, Verify,
    adu::{Ack, CANCEL, Desired, Device, Installed, PROCESS, Report, Workflow},
    record::Phase,
};
use crate::Now;

impl<'a> Agent<'a> {
    /// Desired properties came, in a `whole` twin or as a change.
    pub(super) fn adu_desired(
        &mut self,
        now: Now,
        document: &[u8],
        version: u64,
        whole: bool,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) {
        let desired = match Desired::read(document) {
            Ok(Some(desired)) => desired,
            Ok(None) => return self.withdrawn(whole),
            Err(refused) => return self.unreadable(refused),
        };
        self.ack = Some((version, matches!(desired.action, PROCESS | CANCEL)));
        self.due.report = true;
        let same = desired.id == self.record.id && desired.retry == self.record.retry;
        match desired.action {
            CANCEL if self.is_committed() => (),
            CANCEL => self.cancel(&desired),
            // While the image waits for its restart no other can begin; the twin is read again after it.
            _ if self.is_committed() => (),
            PROCESS if same && desired.action == self.record.action => {
                if self.record.phase == Phase::Fetching && self.job.is_none() {
                    self.resume(now, &desired, whole, verify, scratch);
                }
            }
            PROCESS if !whole && !desired.is_whole() => self.due.twin = true,
            PROCESS => self.deploy(now, &desired, verify, scratch),
            action => {
                if !same || self.record.action != action {
                    self.identify(action, &desired.id, &desired.retry);
                    self.finish(Err(Refused::Action));
                }
            }
        }
    }

    /// There is no deployment in the twin any more.
    fn withdrawn(&mut self, whole: bool) {
        if whole && self.record.phase == Phase::Fetching {
            self.finish(Err(Refused::Cancelled));
        }
    }

    fn unreadable(&mut self, refused: Refused) {
        if self.record.phase == Phase::Idle && self.record.outcome != Some(Err(refused)) {
            self.finish(Err(refused));
        }
    }

    fn cancel(&mut self, desired: &Desired<'_>) {
        if self.record.phase == Phase::Fetching {
            self.finish(Err(Refused::Cancelled));
        }
        if self.record.action != CANCEL || self.record.id != desired.id {
            let outcome = self
                .record
                .outcome
                .filter(|end| *end == Err(Refused::Cancelled));
            self.identify(CANCEL, &desired.id, &desired.retry);
            self.record.outcome = outcome;
            self.due.keep = true;
        }
    }

    /// A new deployment.
    fn deploy(
        &mut self,
        now: Now,
        desired: &Desired<'_>,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) {
        let job = self.adu_job(desired, verify, scratch);
        if self.record.phase == Phase::Fetching {
            // Another deployment takes the place of the one that goes on.
            self.finish(Err(Refused::Cancelled));
        }
        self.identify(PROCESS, &desired.id, &desired.retry);
        match job {
            Ok(job) if self.is_installed(&job) => {
                self.record.version = job.version;
                self.record.criteria = job.criteria;
                self.record.provider = job.provider;
                self.record.name = job.name;
                self.finish(Ok(()));
            }
            Ok(job) => match self.adu_order(&job) {
                Ok(()) => self.start(now, job),
                Err(refused) => self.finish(Err(refused)),
            },
            Err(refused) => self.finish(Err(refused)),
        }
    }

    /// The deployment that was going on before a restart of the device. Its manifest is checked anew.
    fn resume(
        &mut self,
        now: Now,
        desired: &Desired<'_>,
        whole: bool,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) {
        if !whole && !desired.is_whole() {
            self.due.twin = true;
            return;
        }
        let marks = self.record.marks;
        match self.adu_job(desired, verify, scratch) {
            Ok(job) => {
                self.start(now, job);
                self.record.marks = marks;
            }
            Err(refused) => self.finish(Err(refused)),
        }
    }

    fn adu_job(
        &self,
        desired: &Desired<'_>,
        verify: &impl Verify,
        scratch: &mut [u8],
    ) -> Result<Job, Refused> {
        let Kind::DeviceUpdate { device, keys, .. } = &self.settings.kind else {
            return Err(Refused::Action);
        };
        desired.job(device, keys, verify, self.settings.limit, scratch)
    }

    fn installed(&self) -> Option<&UpdateId> {
        match &self.settings.kind {
            Kind::DeviceUpdate { installed, .. } => Some(installed),
            Kind::Fota { .. } => None,
        }
    }

    /// Whether a job's image is what runs.
    fn is_installed(&self, job: &Job) -> bool {
        self.is_same_line(job)
            && self.installed().is_some_and(|installed| {
                let version = &installed.version;
                *version == job.version || (!version.is_empty() && *version == job.criteria)
            })
    }

    /// Whether a job is of the provider and name of what runs, so that versions have an order.
    fn is_same_line(&self, job: &Job) -> bool {
        self.installed().is_some_and(|installed| {
            installed.provider == job.provider && installed.name == job.name
        })
    }

    /// Whether a job's image may be installed over what runs.
    fn adu_order(&self, job: &Job) -> Result<(), Refused> {
        let unknown = self
            .installed()
            .is_some_and(|installed| installed.provider.is_empty() && installed.name.is_empty());
        if unknown || self.is_same_line(job) {
            self.order(&job.version)
        } else if self.settings.downgrade {
            Ok(())
        } else {
            Err(Refused::OtherUpdate)
        }
    }

    pub(super) fn adu_report<'r>(
        &'r self,
        device: &'r Device<'a>,
        installed: &'r UpdateId,
    ) -> Report<'r> {
        let record = &self.record;
        let workflow = (record.action != 0).then(|| Workflow {
            action: record.action,
            id: &record.id,
            retry: &record.retry,
        });
        let state = match (record.phase, record.outcome) {
            (Phase::Idle, Some(Err(Refused::Cancelled)) | Some(Ok(())) | None) => 0,
            (Phase::Idle, Some(Err(_))) => 255,
            _ => 6,
        };
        // What runs may know itself by the installed criteria only.
        let by_criteria = record.outcome == Some(Ok(())) && installed.version == record.criteria;
        Report {
            device,
            ack: self
                .ack
                .zip(workflow)
                .map(|((version, accepted), workflow)| Ack {
                    version,
                    accepted,
                    workflow,
                }),
            state,
            workflow,
            installed: if by_criteria {
                Installed {
                    provider: &record.provider,
                    name: &record.name,
                    version: &record.version,
                }
            } else {
                installed.into()
            },
            result: record.outcome,
        }
    }
}
