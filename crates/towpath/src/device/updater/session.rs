//! One update agent, from a start of the firmware to the next: what it says is done with the slot, the server, the twin
//! and the programs.

use std::{future::Future, io, pin::Pin, sync::atomic::Ordering};

use tokio::{sync::oneshot, time::sleep_until};
use towpath_azure::update::{
    Agent, Checked, Failure, Refused, Running, Settings, Slot as _, Step, install,
};
use towpath_proto::Instant;

use super::{End, Fed, Notice, PIECE, SCRATCH, Surroundings, Updates, named};
use crate::{
    device::{Images, ReportError, keep_record, read_record},
    host::Entropy,
    tls::Signatures,
};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One agent, from a start of the firmware to the next.
struct Session<'a> {
    updates: &'a Updates,
    around: &'a mut Surroundings,
    agent: Agent<'a>,
    fetch: Option<Work<Result<Checked, Failure>>>,
    report: Option<Work<Result<u64, ReportError>>>,
    scratch: Vec<u8>,
    /// The whole twin came.
    informed: bool,
    idle_told: bool,
}

pub(super) async fn run(updates: &Updates, around: &mut Surroundings) -> io::Result<End> {
    let mut slot = updates.open()?;
    let state = slot.running().await?;
    let running = updates.running(&slot)?;
    let lent = updates.jobs.lend();
    let settings = Settings {
        kind: updates.jobs.kind(&lent, &running)?,
        downgrade: updates.downgrade,
        plain: updates.plain,
        whole: true,
        limit: updates.limit,
    };
    let record = read_record(&updates.record());
    let agent = Agent::new(settings, record.as_ref(), state);
    if state == Running::Testing && agent.outcome() == Some(Err(Refused::RolledBack)) {
        // What should run now does not: the version that runs is another one.
        slot.failed()?;
        return Ok(End::Again);
    }
    drop(slot);
    let session = Session {
        updates,
        around,
        agent,
        fetch: None,
        report: None,
        scratch: vec![0; SCRATCH],
        informed: false,
        idle_told: false,
    };
    session.drive().await
}

impl Session<'_> {
    async fn drive(mut self) -> io::Result<End> {
        loop {
            if self.around.missed.swap(false, Ordering::AcqRel) {
                self.disconnected();
                self.around.device.request_twin().await;
            }
            let step = self.agent.poll(self.around.now());
            let end = match step {
                Step::Wait(until) => self.wait(until).await,
                step => self.step(step).await?,
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    async fn step(&mut self, step: Step) -> io::Result<Option<End>> {
        match step {
            Step::Keep => self.keep().await?,
            Step::Confirm => return self.confirm().await,
            Step::Report => {
                let (device, text) = (self.around.device.clone(), self.agent.report().to_string());
                self.report = Some(Box::pin(async move { device.report(text).await }));
            }
            Step::RequestTwin => self.around.device.request_twin().await,
            Step::Stop => self.fetch = None,
            Step::Fetch => self.fetch().await?,
            Step::Mark => self.mark().await?,
            Step::Restart => return self.apply().await.map(Some),
            Step::Wait(_) => {}
        }
        Ok(None)
    }

    async fn keep(&mut self) -> io::Result<()> {
        let path = self.updates.record();
        keep_record(&path, &self.agent.record()).map_err(|error| named(&path, &error))?;
        self.agent.kept();
        if let Some(outcome) = self.agent.outcome() {
            self.idle_told = false;
            let version = self.agent.version().to_owned();
            self.around.tell(Notice::Ended { version, outcome }).await;
        }
        Ok(())
    }

    async fn fetch(&mut self) -> io::Result<()> {
        let Some(job) = self.agent.job().cloned() else {
            return Ok(());
        };
        let from = job.url.split('?').next().unwrap_or_default().to_owned();
        let version = job.version.as_str().to_owned();
        self.around.tell(Notice::Fetching { version, from }).await;
        let mut slot = self.updates.open()?;
        let mut images = Images::new(self.around.client.clone());
        self.fetch = Some(Box::pin(async move {
            let mut buffer = vec![0; PIECE];
            install(&job, &mut slot, &mut images, &mut buffer, |_, _| ()).await
        }));
        Ok(())
    }

    async fn mark(&mut self) -> io::Result<()> {
        let Some(checked) = self.agent.checked().cloned() else {
            return Ok(());
        };
        let marked = self.updates.open()?.mark_for_boot(&checked).await;
        if let Err(error) = &marked {
            let why = named(&self.updates.slot, error).to_string();
            self.around.tell(Notice::Hindered(why)).await;
        }
        self.agent.marked(marked.is_ok());
        Ok(())
    }

    /// Lets the image that is marked be installed.
    async fn apply(&mut self) -> io::Result<End> {
        let mut slot = self.updates.open()?;
        slot.applying()?;
        let version = slot.marked_version().to_owned();
        let image = slot.image().to_owned();
        let (done, answer) = oneshot::channel();
        let asked = Notice::Apply {
            image,
            version: version.clone(),
            done,
        };
        self.around.tell(asked).await;
        match answer.await {
            Ok(true) => {
                slot.applied()?;
                if self.updates.goes_on {
                    return Ok(End::Again);
                }
                self.restart(version, true).await
            }
            Ok(false) => {
                slot.failed()?;
                Ok(End::Again)
            }
            Err(_) => {
                slot.deferred()?;
                Ok(End::Over)
            }
        }
    }

    /// Asks whether what runs now works.
    async fn confirm(&mut self) -> io::Result<Option<End>> {
        if self.fetch.is_some() {
            // The slot is being written.
            self.agent.confirmed(false);
            return Ok(None);
        }
        let version = self.agent.version().to_owned();
        let (done, answer) = oneshot::channel();
        let asked = Notice::Confirm {
            version: version.clone(),
            done,
        };
        self.around.tell(asked).await;
        match answer.await {
            Ok(true) => {
                self.updates.open()?.confirm().await?;
                self.agent.confirmed(true);
                Ok(None)
            }
            Ok(false) => {
                self.updates.open()?.failed()?;
                if self.updates.goes_on {
                    return Ok(Some(End::Again));
                }
                self.restart(version, false).await.map(Some)
            }
            Err(_) => {
                self.agent.confirmed(false);
                Ok(None)
            }
        }
    }

    async fn restart(&mut self, version: String, works: bool) -> io::Result<End> {
        self.around.tell(Notice::Restart { version, works }).await;
        Ok(End::Over)
    }

    fn disconnected(&mut self) {
        self.agent.disconnected();
        self.report = None;
    }

    /// Until something is due, or something came.
    async fn wait(&mut self, until: Option<Instant>) -> Option<End> {
        let quiet = self.fetch.is_none() && self.report.is_none() && self.agent.job().is_none();
        if until.is_none() && quiet && self.informed && !self.idle_told {
            self.idle_told = true;
            let version = self.agent.version().to_owned();
            self.around.tell(Notice::Idle { version }).await;
        }
        let at = until.map(|until| self.around.clock.host(until).into());
        let timer = async {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            fed = self.around.events.recv() => match fed {
                Some(fed) => self.fed(&fed),
                None => return Some(End::Over),
            },
            answer = work(&mut self.report) => {
                self.report = None;
                self.agent.reported(answer.is_ok());
                let told = answer.map_or_else(Notice::NotReported, |_| Notice::Reported);
                self.around.tell(told).await;
            }
            end = work(&mut self.fetch) => {
                self.fetch = None;
                if let Err(failure) = &end {
                    self.around.tell(Notice::Broke(*failure)).await;
                }
                self.agent.fetched(self.around.now(), end, &mut Entropy);
            }
            () = timer => {}
        }
        None
    }

    fn fed(&mut self, fed: &Fed) {
        let (now, verify) = (self.around.now(), Signatures::default());
        let scratch = &mut self.scratch;
        match fed {
            Fed::Twin(document, version) => {
                self.informed = true;
                self.agent.twin(now, document, *version, &verify, scratch);
            }
            Fed::Desired(patch, version) => {
                self.idle_told = false;
                self.agent.desired(now, patch, *version, &verify, scratch);
            }
            Fed::Disconnected => self.disconnected(),
        }
    }
}

/// The end of what is under way; never, if nothing is.
async fn work<T>(under_way: &mut Option<Work<T>>) -> T {
    match under_way {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
