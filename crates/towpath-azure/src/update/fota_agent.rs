//! The part of the agent that speaks the jobs of NCS `azure_fota`.

use super::{
    Agent, Label, Refused,
    fota::{Desired, Report, Reported, Status},
    record::{Phase, Record},
};
use crate::Now;

impl Agent<'_> {
    /// The whole twin came, the first one of a connection or another.
    pub(super) fn fota_twin(&mut self, now: Now, document: &[u8], first: bool) {
        let reported = Reported::read(document);
        if first {
            if self.record == Record::default() {
                self.adopt(reported.as_ref());
            }
            self.due.report |= !self.is_reported(reported.as_ref());
        }
        self.fota_desired(now, document, true);
    }

    /// Nothing was kept: what the twin says of the device is all that is known.
    fn adopt(&mut self, reported: Option<&Reported>) {
        let Some(reported) = reported else {
            return;
        };
        self.record.id.clone_from(&reported.job_id);
        self.record.version.clone_from(&reported.pending);
        self.record.outcome = Some(match reported.after_restart(self.version()) {
            Status::Error => Err(Refused::Interrupted),
            Status::RolledBack => Err(Refused::RolledBack),
            _ => Ok(()),
        });
        // An error that was reported stays as it was reported.
        if reported.status != Some(Status::Error) {
            self.due.keep = true;
        }
    }

    /// Whether the twin says what would be reported.
    fn is_reported(&self, reported: Option<&Reported>) -> bool {
        reported.is_some_and(|reported| {
            reported.status == Some(self.fota_status())
                && reported.current == self.version()
                && (self.fota_status() == Status::Current || reported.job_id == self.record.id)
        })
    }

    /// Desired properties came, in a `whole` twin or as a change.
    pub(super) fn fota_desired(&mut self, now: Now, document: &[u8], whole: bool) {
        let desired = match Desired::read(document) {
            Ok(Some(desired)) => desired,
            Ok(None) => {
                if whole && self.record.phase == Phase::Fetching {
                    self.finish(Err(Refused::Interrupted));
                }
                return;
            }
            Err(refused) => {
                if self.record.phase == Phase::Idle && self.record.outcome != Some(Err(refused)) {
                    self.finish(Err(refused));
                }
                return;
            }
        };
        if !whole && desired.place.is_err() {
            self.due.twin = true;
            return;
        }
        let busy = self.job.is_some() || self.is_committed();
        let goes_on = self.record.phase == Phase::Fetching
            && desired.id == self.record.id
            && desired.version == self.record.version;
        if busy || !(goes_on || self.is_new(&desired)) {
            return;
        }
        let marks = if goes_on { self.record.marks } else { 0 };
        self.identify(0, &desired.id, &Label::new());
        self.record.marks = marks;
        self.record.version.clone_from(&desired.version);
        let job = desired
            .job(self.settings.limit, self.settings.plain)
            .and_then(|job| self.order(&job.version).map(|()| job));
        match job {
            Ok(job) => self.start(now, job),
            Err(refused) => self.finish(Err(refused)),
        }
    }

    /// A job is new if its identifier differs from the last one's, and its version from what runs. One without an
    /// identifier is new unless it is the one that has just failed.
    fn is_new(&self, desired: &Desired) -> bool {
        let other = if desired.id.is_empty() {
            self.record.version != desired.version || self.record.outcome.is_none()
        } else {
            self.record.id != desired.id
        };
        other && self.version() != desired.version
    }

    fn fota_status(&self) -> Status {
        match (self.record.phase, self.record.outcome) {
            (Phase::Fetching, _) => Status::Downloading,
            (Phase::Marking | Phase::Marked, _) => Status::Applying,
            (Phase::Idle, Some(Err(Refused::RolledBack))) => Status::RolledBack,
            (Phase::Idle, Some(Err(_))) => Status::Error,
            (Phase::Idle, Some(Ok(())) | None) => Status::Current,
        }
    }

    pub(super) fn fota_report<'r>(&'r self, version: &'r str) -> Report<'r> {
        let status = self.fota_status();
        let idle = status == Status::Current;
        Report {
            status,
            current: version,
            pending: if idle { "" } else { &self.record.version },
            job_id: if idle { "" } else { &self.record.id },
            refused: self.record.outcome.and_then(Result::err),
        }
    }
}
