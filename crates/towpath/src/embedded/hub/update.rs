//! Firmware updates beside a running device: the update agent with its slot, its downloads and its reports.
//!
//! Takes in the device's events ([`Updater::take`]); gives out the moment to restart ([`Updater::run`]). What to do when
//! is [`Agent`]'s to say; here are the waiting, the slot, HTTPS and the record.

use core::{
    cell::RefCell,
    fmt,
    future::{Future, pending},
};

use embassy_futures::select::{Either, Either4, select, select4};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, signal::Signal};
use towpath_azure::{
    self as azure, Now,
    update::{
        Agent, Checked, Failure, Job, RECORD, Refused, Running, Settings, Slot, Step, Verify,
        install,
    },
};
use towpath_proto::{Instant, Random};

use super::{Access, Clock, Commands, Event, Outbox, ReportError, images::Images};
use crate::embedded::stream::sleep;

/// A slot that also keeps the agent's record.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait Store: Slot {
    /// The record that was kept.
    ///
    /// # Errors
    /// Why it can't be read.
    async fn record(&mut self) -> Result<Option<[u8; RECORD]>, Self::Error>;

    /// Keeps the record: when this returns, it survives a cut of power.
    ///
    /// # Errors
    /// Why it can't be written.
    async fn keep_record(&mut self, record: &[u8; RECORD]) -> Result<(), Self::Error>;
}

#[cfg(feature = "slot")]
impl<D, S, J> Store for crate::embedded::slot::FlashSlot<D, S, J>
where
    D: embedded_storage_async::nor_flash::NorFlash,
    S: embedded_storage_async::nor_flash::NorFlash,
    J: embedded_storage_async::nor_flash::NorFlash,
{
    async fn record(&mut self) -> Result<Option<[u8; RECORD]>, Self::Error> {
        Self::record(self).await
    }

    async fn keep_record(&mut self, record: &[u8; RECORD]) -> Result<(), Self::Error> {
        Self::keep_record(self, record).await
    }
}

/// What an updater has to say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice<'n> {
    /// An image is being downloaded.
    Fetching(&'n Job),
    /// So much of it is in the slot, and so much there is.
    Progress(u64, Option<u64>),
    /// A download ended early. It is tried again if that is worth it.
    Broke(Failure),
    /// What runs has proved itself.
    Confirmed,
    /// A job is over.
    Ended(Result<(), Refused>),
    /// The hub took a report of where the update is.
    Reported,
    /// The hub did not take a report; it is made again.
    NotReported(ReportError),
}

/// The agent of one device. [`take`](Self::take) hears what the device says, and [`run`](Self::run) runs beside it.
pub struct Updater<'a, 'b, V> {
    agent: RefCell<Agent<'a>>,
    verify: V,
    scratch: RefCell<&'b mut [u8]>,
    told: Signal<NoopRawMutex, ()>,
}

impl<V> fmt::Debug for Updater<'_, '_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updater").finish_non_exhaustive()
    }
}

/// The memory of a download.
#[derive(Debug)]
pub struct Memory<'m> {
    /// For the slot: what is written at once. A page is good.
    pub page: &'m mut [u8],
    /// For the request, and behind it the answer as it comes: 2,048 bytes and more.
    pub line: &'m mut [u8],
}

impl<'a, 'b, V: Verify> Updater<'a, 'b, V> {
    /// An agent after a start of the device. `scratch` is for manifests: 16 kB for Device Update, none for NCS jobs.
    ///
    /// # Errors
    /// Why the slot can't be read.
    pub async fn new<S: Store>(
        settings: Settings<'a>,
        slot: &mut S,
        verify: V,
        scratch: &'b mut [u8],
    ) -> Result<Self, S::Error> {
        let running: Running = slot.running().await?;
        let record = slot.record().await?;
        Ok(Self {
            agent: RefCell::new(Agent::new(settings, record.as_ref(), running)),
            verify,
            scratch: RefCell::new(scratch),
            told: Signal::new(),
        })
    }

    /// Hears what the device says. Never waits.
    pub fn take(&self, now: Now, event: &Event<'_>) {
        let Event::Device(event) = event else {
            return;
        };
        let mut agent = self.agent.borrow_mut();
        let mut scratch = self.scratch.borrow_mut();
        match event {
            azure::Event::Twin {
                document,
                desired_version,
                ..
            } => agent.twin(now, document, *desired_version, &self.verify, &mut scratch),
            azure::Event::Desired { patch, version } => {
                agent.desired(now, patch, *version, &self.verify, &mut scratch);
            }
            azure::Event::Disconnected { .. } | azure::Event::Renewing => agent.disconnected(),
            _ => return,
        }
        self.told.signal(());
    }

    /// Runs the agent. Ready when the device is to restart into what is marked for boot.
    ///
    /// # Errors
    /// What the slot says. It is to be run again then, after a while.
    pub async fn run<S, A, C, O, const REPORT: usize, const ANSWER: usize>(
        &self,
        slot: &mut S,
        (access, clock): (&mut A, &C),
        commands: &Commands<O, REPORT, ANSWER>,
        memory: Memory<'_>,
        random: &mut impl Random,
        mut notice: impl FnMut(Notice<'_>),
    ) -> Result<(), S::Error>
    where
        S: Store,
        A: Access,
        C: Clock,
        O: Outbox,
    {
        let Memory { page, line } = memory;
        loop {
            let now = now(clock);
            let step = self.agent.borrow_mut().poll(now);
            let until = match step {
                Step::Restart => return Ok(()),
                Step::Fetch => {
                    let job = self.agent.borrow().job().cloned();
                    if let Some(job) = job {
                        notice(Notice::Fetching(&job));
                        let images = Images::new(&mut *line);
                        let mut source = images.reader();
                        let progress = &mut notice;
                        let fetch = install(&job, slot, &mut source, &mut *page, |come, of| {
                            progress(Notice::Progress(come, of));
                        });
                        let end = select(
                            self.beside(fetch, clock, commands),
                            images.carry(access, clock),
                        )
                        .await;
                        let Either::First(Some(end)) = end else {
                            continue;
                        };
                        self.fetched(clock, end, random, &mut notice);
                    }
                    continue;
                }
                Step::Wait(until) => until,
                step => {
                    self.step(step, slot, commands, &mut notice).await?;
                    continue;
                }
            };
            select(self.told.wait(), sleep(clock, until)).await;
        }
    }

    /// Does a step that is no download.
    async fn step<S: Store, O: Outbox, const REPORT: usize, const ANSWER: usize>(
        &self,
        step: Step,
        slot: &mut S,
        commands: &Commands<O, REPORT, ANSWER>,
        notice: &mut impl FnMut(Notice<'_>),
    ) -> Result<(), S::Error> {
        match step {
            Step::Keep => {
                let record = self.agent.borrow().record();
                slot.keep_record(&record).await?;
                let mut agent = self.agent.borrow_mut();
                agent.kept();
                if let Some(outcome) = agent.outcome() {
                    notice(Notice::Ended(outcome));
                }
            }
            Step::Confirm => {
                let confirmed = slot.confirm().await;
                self.agent.borrow_mut().confirmed(confirmed.is_ok());
                confirmed?;
                notice(Notice::Confirmed);
            }
            Step::Report => match self.report(commands).await {
                Some(Ok(())) => notice(Notice::Reported),
                Some(Err(error)) => notice(Notice::NotReported(error)),
                None => {}
            },
            Step::RequestTwin => commands.request_twin(),
            Step::Mark => {
                let checked = self.agent.borrow().checked().cloned();
                if let Some(checked) = checked {
                    let marked = slot.mark_for_boot(&checked).await;
                    self.agent.borrow_mut().marked(marked.is_ok());
                    marked?;
                }
            }
            Step::Stop | Step::Fetch | Step::Restart | Step::Wait(_) => {}
        }
        Ok(())
    }

    /// Reports; `None` if the connection goes before the hub has answered.
    async fn report<O: Outbox, const REPORT: usize, const ANSWER: usize>(
        &self,
        commands: &Commands<O, REPORT, ANSWER>,
    ) -> Option<Result<(), ReportError>> {
        let text = TextOf(&self.agent);
        let gone = async {
            while self.agent.borrow().is_online() {
                self.told.wait().await;
            }
        };
        match select(commands.report_text(text), gone).await {
            Either::First(answer) => {
                self.agent.borrow_mut().reported(answer.is_ok());
                Some(answer.map(drop))
            }
            Either::Second(()) => None,
        }
    }

    /// The download, while reports go on; `None`: the agent does not want it any more.
    async fn beside<C: Clock, O: Outbox, const REPORT: usize, const ANSWER: usize>(
        &self,
        fetch: impl Future<Output = Result<Checked, Failure>>,
        clock: &C,
        commands: &Commands<O, REPORT, ANSWER>,
    ) -> Option<Result<Checked, Failure>> {
        let mut fetch = core::pin::pin!(fetch);
        loop {
            let step = self.agent.borrow_mut().poll(now(clock));
            let (report, until) = match step {
                Step::Stop => return None,
                Step::Report => (true, None),
                Step::RequestTwin => {
                    commands.request_twin();
                    continue;
                }
                // The slot is being written; what it is asked for beside comes afterwards.
                Step::Confirm => {
                    self.agent.borrow_mut().confirmed(false);
                    continue;
                }
                Step::Wait(until) => (false, until),
                _ => (false, None),
            };
            let reported = async {
                if !report {
                    pending::<()>().await;
                }
                self.report(commands).await;
            };
            let told = async {
                if report {
                    // The report listens itself for the end of the connection.
                    pending::<()>().await;
                }
                self.told.wait().await;
            };
            let ended = select4(&mut fetch, reported, told, sleep(clock, until)).await;
            if let Either4::First(end) = ended {
                return Some(end);
            }
        }
    }

    fn fetched<C: Clock>(
        &self,
        clock: &C,
        end: Result<Checked, Failure>,
        random: &mut impl Random,
        notice: &mut impl FnMut(Notice<'_>),
    ) {
        if let Err(failure) = &end {
            notice(Notice::Broke(*failure));
        }
        self.agent.borrow_mut().fetched(now(clock), end, random);
    }
}

/// What the agent reports now.
struct TextOf<'r, 'a>(&'r RefCell<Agent<'a>>);

impl fmt::Display for TextOf<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.borrow().report(), f)
    }
}

fn now(clock: &impl Clock) -> Now {
    let at: Instant = clock.now();
    Now::new(at, clock.unix().unwrap_or_default())
}
