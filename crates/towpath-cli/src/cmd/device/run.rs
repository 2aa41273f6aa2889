//! The device that stays: telemetry from the feed, methods answered by programs, properties in files.

mod twin;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout},
};
use towpath::{
    config::device::{DeviceConfig, Program},
    device::{self, Call, Device, Event, Events, Notice, Options, ReportError, Wants},
};

use super::{
    super::Stop,
    answer::Answer,
    feed::{Closing, Feed, Like},
    losses::Losses,
    notify::Notify,
    prepare,
    program::{Broken, Ran, Runner},
    properties::{Desired, Reported, object},
    renewal::{self, Renewal},
    tell::Teller,
    update::{self, Firmware, Next},
};
use crate::{
    exit::Failure,
    report::Report,
    text::{Object, plural},
};

/// Methods that are answered at a time; a caller beyond them is told.
const METHODS: usize = 16;

/// How often the file of reported properties is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the hub is to send.
const WANTS: Wants = Wants {
    messages: true,
    methods: true,
    twin: true,
};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &DeviceConfig, report: Report, trace: bool) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let renewal = Renewal::of(config)?;
    let mended = renewal.as_ref().map_or(Ok(false), Renewal::mend)?;
    let (options, proxy) = prepare::options(config, WANTS, trace)?;
    let outbox = prepare::outbox(config)?;
    let (device, events) = Device::spawn(options.clone(), outbox.clone())?;
    let firmware = Firmware::begin(config, &device, &options)?;
    let talk = Teller::new(report, trace, proxy);
    if mended {
        let text = "a new certificate, whose installation was interrupted, is installed";
        talk.members("certificate", text, Object::new());
    }
    let mut running = Running::new(config, device, firmware, talk);
    running.renewal = renewal;
    running.trace = trace;
    let ended = running.serve(events, &mut stop).await;
    running.losses.look(&outbox.counts(), &running.talk);
    let lost = running.losses.end(&running.talk);
    let left = outbox.len();
    outbox.close().await;
    ended?;
    if left > 0 && prepare::forgets(config) {
        return Err(Failure::LeftOut(format!(
            "{} not sent, and gone: there is no folder of state that could keep them",
            plural(left, "message")
        )));
    }
    lost
}

/// What ended beside the events.
enum Done {
    /// The feed: everything is in the outbox.
    Fed(Result<(), Failure>),
    /// Everything that was fed is in the hub.
    Delivered,
    /// A method was answered.
    Answered,
    /// The program for desired properties ended.
    Applied(Result<Ran, Broken>),
    /// A program of a firmware update ended.
    Updated(&'static str, Result<Ran, Broken>),
    /// A new certificate is there, and the options with it; or why not.
    Renewed(Box<Result<Options, Failure>>),
    /// The device was asked to come back.
    Reconnected,
    /// Reported properties were told.
    Told(Result<u64, ReportError>),
}

/// A device that runs, and what it does at the moment.
struct Running<'a> {
    config: &'a DeviceConfig,
    device: Device,
    runner: Runner,
    teller: Arc<Teller>,
    talk: Teller,
    desired: Desired,
    /// Whether the program for desired properties runs.
    applying: bool,
    reported: Option<Reported>,
    work: JoinSet<Done>,
    /// Methods under way.
    calls: usize,
    firmware: Firmware,
    renewal: Option<Renewal>,
    /// A new certificate is being asked for.
    renewing: bool,
    /// When one was asked for.
    asked: Option<Instant>,
    trace: bool,
    feed: Option<(AbortHandle, Arc<Closing>)>,
    losses: Losses,
    /// When a program for desired properties that failed is run again.
    again: Option<Instant>,
    notify: Notify,
}

impl<'a> Running<'a> {
    fn new(config: &'a DeviceConfig, device: Device, firmware: Firmware, talk: Teller) -> Self {
        let file = config
            .desired
            .file
            .as_ref()
            .map(|file| file.value().clone());
        let reported = config.reported.file.as_ref();
        let losses = Losses::since(device.outbox().counts());
        Self {
            config,
            device,
            runner: prepare::runner(config),
            teller: Arc::new(talk.silent()),
            talk,
            desired: Desired::new(file),
            applying: false,
            reported: reported.map(|file| Reported::new(file.value().clone())),
            work: JoinSet::new(),
            calls: 0,
            firmware,
            renewal: None,
            renewing: false,
            asked: None,
            trace: false,
            feed: None,
            losses,
            again: None,
            notify: Notify::from_environment(),
        }
    }

    /// Until it is asked to stop, or standard input has ended and everything is delivered.
    async fn serve(&mut self, mut events: Events, stop: &mut Stop) -> Result<(), Failure> {
        self.feed();
        self.look();
        let mut look = every(LOOK);
        let mut dates = every(renewal::LOOK);
        // Not before the device is with its hub: two registrations at once would get into each other's way.
        dates.reset();
        let alive = self.notify.interval();
        let mut watchdog = every(alive.unwrap_or(LOOK));
        self.notify.say("READY=1");
        let ended = loop {
            tokio::select! {
                biased;
                () = stop.asked() => break Ok(()),
                event = events.next() => match event {
                    Some(Event::Stopped(device::Stop::Fault(fault))) => {
                        return Err(Failure::Fault(fault));
                    }
                    Some(Event::Stopped(_)) | None => return Ok(()),
                    Some(event) => {
                        if let Err(failure) = self.take(event) {
                            break Err(failure);
                        }
                    }
                },
                Some(done) = self.work.join_next() => {
                    let done = match done {
                        Ok(done) => done,
                        // A task that was aborted has nothing to say.
                        Err(error) if error.is_cancelled() => continue,
                        Err(error) => break Err(broken(&error)),
                    };
                    match self.done(done) {
                        Ok(true) => {}
                        Ok(false) => break Ok(()),
                        Err(failure) => break Err(failure),
                    }
                }
                notice = self.firmware.next() => {
                    if let Some(failure) = self.notice(notice) {
                        break Err(failure);
                    }
                }
                _ = look.tick() => self.looks(),
                _ = dates.tick(), if self.renewal.is_some() => self.renew(),
                _ = watchdog.tick(), if alive.is_some() => self.notify.say("WATCHDOG=1"),
            }
        };
        let fed = self.farewell(events, stop).await;
        ended.and(fed)
    }

    /// Begins to take telemetry.
    fn feed(&mut self) {
        let telemetry = &self.config.telemetry;
        let like = Like::of(self.config);
        let feed = Feed::new(
            self.config,
            self.device.clone(),
            like,
            Arc::clone(&self.teller),
        );
        let closing = feed.closing();
        let task = if self.config.reads_stdin() {
            self.work.spawn(async { Done::Fed(feed.stdin().await) })
        } else if let (Some(run), Some(every)) = (&telemetry.run, &telemetry.every) {
            let (program, every) = (run.value().clone(), *every.value());
            let limit = prepare::limit(&telemetry.timeout);
            let runner = self.runner.clone();
            self.work
                .spawn(async move { Done::Fed(feed.program(runner, program, every, limit).await) })
        } else {
            return;
        };
        self.feed = Some((task, closing));
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        self.talk.event(&event);
        self.firmware.take(&event);
        match event {
            Event::Lost { .. } => self.losses.refused += 1,
            Event::Connected { hub, .. } => {
                self.renew();
                self.notify.say(&format!("STATUS=connected to {hub}"));
            }
            Event::Disconnected { fault, .. } => {
                self.notify.say(&format!(
                    "STATUS={}",
                    crate::text::one_line(&fault.to_string())
                ));
            }
            Event::Twin {
                document,
                desired_version,
                reported_version,
            } => {
                self.twin(&document);
                let versions =
                    format!("desired version {desired_version}, reported {reported_version}");
                self.talk.done("twin", versions);
            }
            Event::Desired { patch, version } => {
                if let Some(patch) = object(&patch) {
                    self.desired.change(&patch);
                    self.changed();
                }
                self.talk.done("desired", format!("version {version}"));
            }
            Event::Method(call) => self.call(call),
            Event::Message(message) => self.talk.message(&message)?,
            _ => {}
        }
        Ok(())
    }

    /// Asks for a new certificate, if one is due.
    fn renew(&mut self) {
        let lately = self
            .asked
            .is_some_and(|asked| asked.elapsed() < renewal::LOOK / 2);
        let Some(renewal) = self.renewal.clone().filter(|_| !self.renewing && !lately) else {
            return;
        };
        match renewal.is_due() {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => {
                self.talk
                    .complain("certificate_not_renewed", &failure.to_string());
                return;
            }
        }
        self.renewing = true;
        self.asked = Some(Instant::now());
        let (config, trace) = (self.config.clone(), self.trace);
        self.work.spawn(async move {
            let renewed = renewal.renew(&config).await.and_then(|_| {
                let (options, _) = prepare::options(&config, WANTS, trace)?;
                Ok(options)
            });
            Done::Renewed(Box::new(renewed))
        });
    }

    /// Something about a firmware update. With it the device ends, or goes on.
    fn notice(&mut self, notice: Notice) -> Option<Failure> {
        match self.firmware.notice(notice, &self.talk) {
            Next::Run(errand) => {
                self.work.spawn(async {
                    let (name, ran) = errand.run().await;
                    Done::Updated(name, ran)
                });
                None
            }
            Next::Restart(failure) => Some(failure),
            Next::Nothing | Next::Ended(_) | Next::Idle(_) => None,
        }
    }

    /// Something ended. False: there is nothing more to do.
    fn done(&mut self, done: Done) -> Result<bool, Failure> {
        match done {
            Done::Fed(fed) => {
                if self.feed.take().is_none() {
                    // It was told already, and everything is delivered since.
                    return fed.map(|()| false);
                }
                let waiting = plural(self.device.outbox().len(), "message");
                self.talk
                    .done("telemetry", format!("all taken, {waiting} on the way"));
                let device = self.device.clone();
                self.work.spawn(async move {
                    device.delivered().await;
                    match fed {
                        Ok(()) => Done::Delivered,
                        failed => Done::Fed(failed),
                    }
                });
                Ok(true)
            }
            Done::Delivered => Ok(false),
            Done::Answered => {
                self.calls -= 1;
                Ok(true)
            }
            Done::Applied(ran) => {
                self.applied(&ran);
                Ok(true)
            }
            Done::Updated(name, ran) => {
                if let Some(why) = update::complaint(name, &ran) {
                    self.talk.complain("update_program", &why);
                }
                Ok(true)
            }
            Done::Renewed(renewed) => {
                self.renewing = false;
                match *renewed {
                    Ok(options) => {
                        self.talk.members(
                            "certificate",
                            "there is a new certificate; the device comes back with it",
                            Object::new(),
                        );
                        let device = self.device.clone();
                        self.work.spawn(async move {
                            device.reconnect(&options).await;
                            Done::Reconnected
                        });
                    }
                    Err(failure) => {
                        let text = format!("the certificate is not renewed: {failure}");
                        self.talk.complain("certificate_not_renewed", &text);
                    }
                }
                Ok(true)
            }
            Done::Reconnected => Ok(true),
            Done::Told(told) => {
                let is_taken = told.is_ok();
                match told {
                    Ok(version) => self.talk.done("reported", format!("version {version}")),
                    Err(error) => self.talk.complain("not_reported", &error.to_string()),
                }
                if let Some(reported) = &mut self.reported {
                    reported.ended(is_taken);
                }
                self.look();
                Ok(true)
            }
        }
    }

    /// Answers a method.
    fn call(&mut self, call: Call) {
        let known = self
            .config
            .methods
            .iter()
            .find(|(name, _)| *name == call.name);
        let program: Option<(Program, Duration)> = known
            .map(|(_, method)| (method.run.clone(), prepare::limit(&method.timeout)))
            .filter(|_| self.calls < METHODS);
        let (device, runner) = (self.device.clone(), self.runner.clone());
        let teller = Arc::clone(&self.teller);
        let refused = if known.is_some() {
            Answer::busy()
        } else {
            Answer::unknown(&call.name)
        };
        self.calls += 1;
        self.work.spawn(async move {
            let answer = match program {
                Some((program, limit)) => {
                    let variables = [("TOWPATH_METHOD", call.name.as_str())];
                    Answer::of(runner.run(&program, &call.payload, &variables, limit).await)
                }
                None => refused,
            };
            answered(&teller, &call, &answer);
            device.respond(&call, answer.status, answer.payload).await;
            Done::Answered
        });
    }

    /// Nothing more is read, and what was read comes into the outbox, if that does not take long.
    async fn unfeed(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        let Some((task, closing)) = self.feed.take() else {
            return Ok(());
        };
        if !self.config.reads_stdin() {
            task.abort();
            return Ok(());
        }
        closing.ask();
        let fed = async {
            while let Some(done) = self.work.join_next().await {
                if let Ok(Done::Fed(fed)) = done {
                    return fed;
                }
            }
            Ok(())
        };
        let fed = tokio::select! {
            fed = timeout(FAREWELL, fed) => fed.unwrap_or(Ok(())),
            () = stop.asked() => Ok(()),
        };
        task.abort();
        match closing.in_hand() {
            0 => fed,
            lines => Err(Failure::LeftOut(format!(
                "{} of standard input read and left out: the outbox did not take them in time",
                plural(lines, "line")
            ))),
        }
    }

    /// Leaves: what is under way is acknowledged first, if that does not take long.
    async fn farewell(&mut self, mut events: Events, stop: &mut Stop) -> Result<(), Failure> {
        self.notify.say("STOPPING=1");
        let fed = self.unfeed(stop).await;
        let device = self.device.clone();
        let leave = async {
            device.stop().await;
            while let Some(event) = events.next().await {
                if matches!(event, Event::Stopped(_)) {
                    break;
                }
            }
        };
        tokio::select! {
            _ = timeout(FAREWELL, leave) => {}
            // Whoever asks twice does not want to wait.
            () = stop.asked() => {}
        }
        self.work.shutdown().await;
        let _ = timeout(FAREWELL, self.firmware.stop()).await;
        fed
    }
}

/// A task panicked: what it did is not done any more, so that nothing should look as if it were.
fn broken(error: &JoinError) -> Failure {
    Failure::Broken(format!(
        "a part of this program failed ({error}); please report it, with what stands above"
    ))
}

fn answered(teller: &Teller, call: &Call, answer: &Answer) {
    let name = crate::text::one_line(&call.name);
    let members = Object::new()
        .text("method", &call.name)
        .raw("status", answer.status);
    match &answer.note {
        Some(why) => {
            let text = format!("method {name}: status {}: {why}", answer.status);
            teller.members("method", &text, members.text("why", why));
        }
        None => {
            let text = format!("method {name}: status {}", answer.status);
            teller.members("method", &text, members);
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
