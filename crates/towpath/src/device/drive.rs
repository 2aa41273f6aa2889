//! The task of a device: moves what the algorithm says between sockets, outbox and application.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::sleep_until,
};
use towpath_azure::{self as azure, Now, Record, Reported, SCRATCH, Step, Target, Waiting};
use towpath_proto::Instant;

use super::{Command, Event, Kept, Options, ReportError, Stop};
use crate::{
    Event as Below, Fault, Outcome, Refusal,
    host::{Clock, Entropy},
    outbox::{Outbox, Stored},
    tokio::Connection,
};

/// Messages that may be under way at a time.
const WINDOW: usize = 256;

/// Changes of reported properties that may wait.
const MOST_REPORTS: usize = 64;

/// Bytes of the outbox that are handed to the connection at most before some leave.
const HIGH_WATER: usize = 256 << 10;

/// Seconds since 1970, if the clock is set.
pub(super) fn unix() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Now::new(Instant::ZERO, since.as_secs()).unix
}

/// A change of reported properties on its way.
struct Report {
    patch: Vec<u8>,
    answer: oneshot::Sender<Result<u64, ReportError>>,
    /// The number it was sent with on this connection.
    request: Option<u32>,
}

/// What the task holds beside the algorithm, which lends from the options.
struct Surroundings<'o> {
    options: &'o Options,
    outbox: Outbox,
    told: mpsc::Sender<Event>,
    emptied: Arc<Notify>,
    clock: Clock,
    /// The hub's connection; its session outlives attempts.
    hub: Connection,
    /// That with the provisioning service, while it is asked.
    dps: Option<Connection>,
    /// An attempt is under way, or a connection holds.
    active: bool,
    /// The last message that was handed to the connection.
    cursor: Option<u64>,
    /// A message that did not fit.
    pending: Option<Stored>,
    reports: VecDeque<Report>,
    /// Events that the application has not room for.
    backlog: VecDeque<Event>,
    clock_told: bool,
    unreadable_told: bool,
    /// It was asked to stop, or nobody can ask any more.
    leaving: bool,
    kept: Kept,
}

/// What ended a wait.
enum Woken {
    Below(Below),
    Asked(Option<Command>),
    /// The outbox has more, a time has come, or the application has room.
    Look,
}

type Algorithm<'o> = azure::Device<'o, WINDOW>;

/// Drives a device until it stops.
pub(super) async fn drive(
    options: Options,
    outbox: Outbox,
    mut asked: mpsc::Receiver<Command>,
    told: mpsc::Sender<Event>,
    emptied: Arc<Notify>,
) {
    let payload = options.payload();
    let kept = options
        .state
        .as_deref()
        .map(|folder| Kept::read(folder, &options.entry))
        .unwrap_or_default();
    let mut device = Algorithm::new(
        options.settings(&payload),
        kept.assignment.clone(),
        kept.transport,
    );
    let mut around = Surroundings {
        hub: Connection::new(options.network.clone()),
        options: &options,
        outbox,
        told,
        emptied,
        clock: Clock::start(),
        dps: None,
        active: false,
        cursor: None,
        pending: None,
        reports: VecDeque::new(),
        backlog: VecDeque::new(),
        clock_told: false,
        unreadable_told: false,
        leaving: false,
        kept,
    };
    let mut scratch = Box::new([0; SCRATCH]);
    loop {
        around.hand_over(&mut device, &mut scratch);
        let now = around.now();
        let line = around.dps.as_mut().unwrap_or(&mut around.hub);
        match device.poll(now, line, &mut Entropy, &mut scratch) {
            Step::Climb { target, fresh } => {
                if let Err(fault) = around.climb(&mut device, target, fresh, &mut scratch) {
                    around.failed(&mut device, fault);
                }
            }
            Step::Event(event) => around.tell(&device, &event),
            Step::Expired(sequence) => around.lost(sequence, Outcome::Expired),
            Step::Abandon => around.abandon(&mut device),
            Step::Wait { until, reason } => {
                around.wait_reason(reason);
                match around.wait(&mut asked, until, device.room() > 0).await {
                    Woken::Below(event) => around.below(&mut device, event),
                    Woken::Asked(command) => around.asked(&mut device, command, &mut scratch),
                    Woken::Look => {}
                }
            }
        }
        if !around.flush() {
            return;
        }
    }
}

impl Surroundings<'_> {
    fn now(&self) -> Now {
        Now {
            at: self.clock.now(),
            unix: unix(),
        }
    }

    /// Hands over what the algorithm has room for: reports first, which are few.
    fn hand_over(&mut self, device: &mut Algorithm<'_>, scratch: &mut [u8; SCRATCH]) {
        if device.is_online() {
            self.report(device, scratch);
        }
        while device.room() > 0 && self.hub.machine().client.unsent() < HIGH_WATER {
            let Some(stored) = self.next() else { return };
            let record = Record {
                properties: &stored.properties,
                body: &stored.body,
                expires: stored.expires,
            };
            match device.send(stored.sequence, &record, &mut self.hub, scratch) {
                Ok(()) => self.cursor = Some(stored.sequence),
                Err(Refusal::Full | Refusal::NotConnected) => {
                    self.pending = Some(stored);
                    return;
                }
                Err(_) => {
                    self.cursor = Some(stored.sequence);
                    let reason = crate::ReasonCode::PACKET_TOO_LARGE;
                    self.lost(stored.sequence, Outcome::NotAdmitted(reason));
                }
            }
        }
    }

    /// The next message of the outbox.
    fn next(&mut self) -> Option<Stored> {
        if let Some(stored) = self.pending.take() {
            return Some(stored);
        }
        match self.outbox.next_after(self.cursor, unix()) {
            Ok(stored) => {
                self.unreadable_told = false;
                stored
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable_told, true) {
                    self.push(Event::OutboxUnreadable(error.to_string()));
                }
                None
            }
        }
    }

    fn report(&mut self, device: &mut Algorithm<'_>, scratch: &mut [u8; SCRATCH]) {
        let now = self.now();
        let mut waiting = std::mem::take(&mut self.reports);
        while let Some(mut report) = waiting.pop_front() {
            if report.request.is_none() {
                match device.report(now, &report.patch, &mut self.hub, scratch) {
                    Ok(request) => report.request = Some(request),
                    Err(Refusal::Full | Refusal::NotConnected) => {
                        // The order of changes counts, so those behind wait as well.
                        self.reports.push_back(report);
                        break;
                    }
                    Err(_) => {
                        let _ = report.answer.send(Err(ReportError::TooLarge));
                        continue;
                    }
                }
            }
            self.reports.push_back(report);
        }
        self.reports.append(&mut waiting);
    }

    fn climb(
        &mut self,
        device: &mut Algorithm<'_>,
        target: Target,
        fresh: bool,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Fault> {
        let now = self.now();
        let attempt = device.attempt(now, &mut Entropy, scratch)?;
        let options = self.options.attempt(&attempt);
        self.push(Event::Climbing {
            endpoint: options.endpoint().clone(),
        });
        match target {
            Target::Dps => self.dps = Some(Connection::new(options)),
            Target::Hub if fresh => {
                self.hub = Connection::new(options);
                self.cursor = None;
                self.pending = None;
            }
            Target::Hub => self.hub.redirect(options),
        }
        self.active = true;
        Ok(())
    }

    fn failed(&mut self, device: &mut Algorithm<'_>, fault: Fault) {
        self.ended();
        if let Some(event) = device.failed(self.now(), fault, &mut Entropy) {
            self.tell(device, &event);
        }
    }

    fn closed(&mut self, device: &mut Algorithm<'_>) {
        self.ended();
        if let Some(event) = device.closed(self.now()) {
            self.tell(device, &event);
        }
    }

    fn abandon(&mut self, device: &mut Algorithm<'_>) {
        if self.dps.is_none() {
            self.hub.cut();
        }
        self.closed(device);
    }

    /// The connection is gone.
    fn ended(&mut self) {
        self.active = false;
        self.dps = None;
    }

    /// Something came up from the connection.
    fn below(&mut self, device: &mut Algorithm<'_>, event: Below) {
        let now = self.now();
        match event {
            Below::Connected {
                session_present, ..
            } => {
                if let Some(event) = device.connected(now, session_present) {
                    self.tell(device, &event);
                }
            }
            Below::Message(message) => {
                let event = device.message(now, &message.topic, &message.payload, message.dup);
                if let Some(event) = event {
                    // The assignment is kept before the next attempt goes there.
                    let assigned = matches!(event, azure::Event::Assigned { .. });
                    let owned = Event::keep(&event, None);
                    match event {
                        azure::Event::Reported(reported) => self.reported(reported),
                        _ => self.backlog.extend(owned),
                    }
                    if assigned {
                        self.keep(|kept| kept.assignment = device.assignment().cloned());
                    }
                }
            }
            Below::Settled { packet_id, outcome } => {
                if let Some(delivery) = device.settled(packet_id, outcome) {
                    match delivery.outcome {
                        Outcome::Acknowledged(_) => self.remove(delivery.sequence),
                        outcome => self.lost(delivery.sequence, outcome),
                    }
                }
            }
            Below::Subscribed { packet_id, reasons } => device.subscribed(packet_id, &reasons),
            Below::Disconnected { fault, .. } => self.failed(device, fault),
            Below::Refused(refusal) => {
                let fault = Fault::new(crate::Rung::Mqtt, crate::Code::BufferTooSmall)
                    .detail(refusal.to_string().as_bytes());
                self.failed(device, fault);
            }
            Below::Closed => self.closed(device),
            Below::Trace(trace) => self.push(Event::Trace(trace)),
            Below::Oversized { .. }
            | Below::Dropped(_)
            | Below::Unsubscribed { .. }
            | Below::Auth { .. } => {}
        }
    }

    fn asked(
        &mut self,
        device: &mut Algorithm<'_>,
        command: Option<Command>,
        scratch: &mut [u8; SCRATCH],
    ) {
        match command {
            Some(Command::Report(patch, answer)) => self.reports.push_back(Report {
                patch,
                answer,
                request: None,
            }),
            Some(Command::RequestTwin) => device.request_twin(),
            Some(Command::Respond(request, status, payload)) => {
                // A call whose connection has ended can't be answered any more; the hub has told the caller.
                let _ = device.respond(&request, status, &payload, &mut self.hub, scratch);
            }
            Some(Command::Stop) | None => {
                self.leaving = true;
                if device.leave_for_good(self.now()) {
                    self.push(Event::Stopped(Stop::Asked));
                }
            }
        }
    }

    fn tell(&mut self, device: &Algorithm<'_>, event: &azure::Event<'_>) {
        match event {
            azure::Event::Reported(reported) => return self.reported(*reported),
            azure::Event::Connected { transport, .. } => {
                self.clock_told = false;
                let transport = *transport;
                self.keep(|kept| kept.transport = Some(transport));
            }
            _ => {}
        }
        self.backlog.extend(Event::keep(event, device.assignment()));
    }

    /// Writes what a restart should find, if it is news.
    fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        let before = self.kept.clone();
        change(&mut self.kept);
        if let Some(folder) = self
            .options
            .state
            .as_deref()
            .filter(|_| before != self.kept)
        {
            // Without it the next start takes longer, no more.
            let _ = self.kept.write(folder, &self.options.entry);
        }
    }

    fn reported(&mut self, reported: Reported) {
        let Some(at) = self
            .reports
            .iter()
            .position(|report| report.request == Some(reported.request))
        else {
            return;
        };
        let answer = match reported.outcome {
            Ok(version) => Ok(version),
            Err((0, _)) => {
                // No answer: it is asked again. Reported properties are a state, so twice is as good as once.
                if let Some(report) = self.reports.get_mut(at) {
                    report.request = None;
                }
                return;
            }
            Err((status, message)) => Err(ReportError::Refused {
                status,
                message: message.as_str().to_owned(),
            }),
        };
        if let Some(report) = self.reports.remove(at) {
            let _ = report.answer.send(answer);
        }
    }

    fn remove(&mut self, sequence: u64) {
        self.outbox.remove(sequence);
        if self.outbox.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    fn lost(&mut self, sequence: u64, outcome: Outcome) {
        self.remove(sequence);
        self.push(Event::Lost { sequence, outcome });
    }

    fn wait_reason(&mut self, reason: Waiting) {
        if reason == Waiting::Clock && !std::mem::replace(&mut self.clock_told, true) {
            self.push(Event::ClockUnset);
        }
    }

    fn push(&mut self, event: Event) {
        self.backlog.push_back(event);
    }

    /// Hands events to the application, as far as it has room. False: the last one was told.
    fn flush(&mut self) -> bool {
        while let Some(event) = self.backlog.pop_front() {
            let last = matches!(event, Event::Stopped(_));
            if last {
                self.emptied.notify_waiters();
            }
            match self.told.try_send(event) {
                // The application may do without events.
                Ok(()) | Err(TrySendError::Closed(_)) if last => return false,
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    break;
                }
            }
        }
        // Until there is room nothing is read: the hub feels the back-pressure.
        let full = !self.backlog.is_empty();
        self.hub.machine().client.pause(full);
        true
    }

    async fn wait(
        &mut self,
        asked: &mut mpsc::Receiver<Command>,
        until: Option<Instant>,
        room: bool,
    ) -> Woken {
        let at = until.map(|until| self.clock.host(until).into());
        let timer = async {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let line = self.dps.as_mut().unwrap_or(&mut self.hub);
        tokio::select! {
            biased;
            event = line.next(), if self.active => Woken::Below(event),
            command = asked.recv(), if !self.leaving && self.reports.len() < MOST_REPORTS => {
                Woken::Asked(command)
            }
            _ = self.told.reserve(), if !self.backlog.is_empty() => Woken::Look,
            () = self.outbox.changed(), if room && self.pending.is_none() => Woken::Look,
            () = timer => Woken::Look,
        }
    }
}
