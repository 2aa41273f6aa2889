//! The twin of a device that stays: desired properties for a file and a program, reported ones from a file.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Done, Running};
use crate::cmd::device::{
    prepare,
    program::{Broken, Ran},
    properties::object,
};

/// When a program for desired properties that failed is run again, if nothing changes before.
const AGAIN: Duration = Duration::from_secs(60);

impl Running<'_> {
    /// The whole twin came, as it does with each connection.
    pub(super) fn twin(&mut self, document: &[u8]) {
        let Some(document) = object(document) else {
            return;
        };
        let below = |name: &str| document.get(name).and_then(Value::as_object);
        if let (Some(reported), Some(all)) = (&mut self.reported, below("reported")) {
            reported.told(all);
        }
        if let Some(all) = below("desired")
            && self.desired.replace(all)
        {
            self.changed();
        }
        self.look();
    }

    /// Desired properties have changed: the file is written, the program runs.
    pub(super) fn changed(&mut self) {
        if let Err(error) = self.desired.write() {
            let text = format!("{}: {error}", self.desired.path().display());
            self.talk.complain("desired_not_written", &text);
        }
        self.apply();
    }

    /// Starts the program, unless it runs: what comes meanwhile is one change for its next run.
    pub(super) fn apply(&mut self) {
        let Some(run) = self.config.desired.run.as_ref().filter(|_| !self.applying) else {
            return;
        };
        let Some(patch) = self.desired.news() else {
            return;
        };
        self.applying = true;
        self.again = None;
        let (runner, program) = (self.runner.clone(), run.value().clone());
        let limit = prepare::limit(&self.config.desired.timeout);
        self.work.spawn(async move {
            let input = Value::Object(patch).to_string();
            Done::Applied(runner.run(&program, input.as_bytes(), &[], limit).await)
        });
    }

    pub(super) fn applied(&mut self, ran: &Result<Ran, Broken>) {
        self.applying = false;
        let why = match ran {
            Ok(ran) if ran.is_success() => None,
            Ok(ran) => Some(ran.words()),
            Err(broken) => Some(broken.to_string()),
        };
        if let Some(why) = why {
            let text =
                format!("[desired] run: {why}. It is run again in a minute, or with a change");
            self.talk.complain("desired_not_applied", &text);
            if !self.desired.failed() {
                self.again = Some(Instant::now() + AGAIN);
                return;
            }
        }
        self.apply();
    }

    /// What is looked at again and again.
    pub(super) fn looks(&mut self) {
        self.look();
        self.losses.look(&self.device.outbox().counts(), &self.talk);
        if self.desired.has_failed() && self.again.is_some_and(|again| again <= Instant::now()) {
            self.apply();
        }
    }

    /// Reports what has changed in the file.
    pub(super) fn look(&mut self) {
        let Some(reported) = &mut self.reported else {
            return;
        };
        if let Err(why) = reported.look() {
            self.talk.complain("not_reported", &why);
        }
        let Some(patch) = reported.patch() else {
            return;
        };
        let device = self.device.clone();
        self.work
            .spawn(async move { Done::Told(device.report(patch).await) });
    }
}
