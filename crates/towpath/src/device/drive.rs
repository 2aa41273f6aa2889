//! The task of a device: moves what the algorithm says between sockets, outbox and application.

mod asked;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::sleep_until,
};
use towpath_azure::{self as azure, Now, Record, SCRATCH, Step, Target, Waiting};
use towpath_proto::Instant;

use super::{
    Command, Event, Kept, Options, ReportError, Stop,
    queue::{Receipt, Teller},
};
use crate::{
    Event as Below, Fault, Message, Outcome, Refusal,
    host::{Clock, Entropy},
    outbox::{Counts, Outbox, Stored, worthless_at},
    tokio::Connection,
};

/// Messages that may be under way at a time.
const WINDOW: usize = 256;

/// Changes of reported properties that may wait.
const MOST_REPORTS: usize = 64;

/// Answers to methods that may wait for room.
const MOST_ANSWERS: usize = 64;

/// How often it is looked whether the outbox lost something by its bounds.
const LOOK: Duration = Duration::from_secs(1);

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

/// An answer to a method that the connection had no room for.
struct Answer {
    request: towpath_azure::hub::RequestId,
    status: u32,
    payload: Vec<u8>,
}

/// What the task holds beside the algorithm, which lends from the options.
struct Surroundings<'o> {
    options: &'o Options,
    /// Whose network counts, since the certificate was renewed. Sessions of TLS are new ones with it: an old one would
    /// go on as whom it began with.
    renewed: Option<Box<Options>>,
    outbox: Outbox,
    told: Teller,
    emptied: Arc<Notify>,
    stopping: Arc<Notify>,
    clock: Clock,
    /// The hub's connection; its session outlives attempts.
    hub: Connection,
    /// That with the provisioning service, while it is asked.
    dps: Option<Connection>,
    /// An attempt is under way, or a connection holds.
    active: bool,
    /// The last message that was handed to the connection.
    cursor: Option<u64>,
    /// The message after it did not fit.
    stuck: bool,
    reports: VecDeque<Report>,
    answers: VecDeque<Answer>,
    /// What the outbox had lost when it was looked at last, and when that was.
    counts: Counts,
    looked: Instant,
    clock_told: bool,
    unreadable_told: bool,
    /// It was asked to stop, or nobody can ask any more.
    leaving: bool,
    kept: Kept,
    /// What is kept could not be written.
    unkept: bool,
    /// The last event was told.
    over: bool,
}

/// What ended a wait.
enum Woken {
    Below(Below),
    Asked(Option<Command>),
    Stop,
    /// The outbox has more, a time has come, or the application took a message.
    Look,
}

type Algorithm<'o> = azure::Device<'o, WINDOW>;

/// Drives a device until it stops.
pub(super) async fn drive(
    options: Options,
    outbox: Outbox,
    mut asked: mpsc::Receiver<Command>,
    told: Teller,
    emptied: Arc<Notify>,
    stopping: Arc<Notify>,
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
        renewed: None,
        counts: outbox.counts(),
        outbox,
        told,
        emptied,
        stopping,
        clock: Clock::start(),
        dps: None,
        active: false,
        cursor: None,
        stuck: false,
        reports: VecDeque::new(),
        answers: VecDeque::new(),
        looked: Instant::ZERO,
        clock_told: false,
        unreadable_told: false,
        leaving: false,
        kept,
        unkept: false,
        over: false,
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
                    Woken::Stop => around.stop(&mut device),
                    Woken::Look => {}
                }
            }
        }
        if around.over {
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

    /// Hands over what the algorithm has room for: receipts, answers and reports first, which are few.
    fn hand_over(&mut self, device: &mut Algorithm<'_>, scratch: &mut [u8; SCRATCH]) {
        self.count();
        self.acknowledge();
        if self.told.is_twin_wanted() {
            device.request_twin();
        }
        if device.is_online() {
            self.answer(device, scratch);
            self.report(device, scratch);
        }
        self.stuck = false;
        while device.room() > 0 && self.hub.machine().client.unsent() < HIGH_WATER {
            let Some(stored) = self.next() else { return };
            let record = Record {
                properties: &stored.properties,
                body: &stored.body,
                expires: worthless_at(stored.accepted, stored.expires, self.outbox.bounds().age),
            };
            match device.send(stored.sequence, &record, &mut self.hub, scratch) {
                Ok(()) => self.cursor = Some(stored.sequence),
                // It is looked for again: it may expire, or make room, before there is room for it.
                Err(Refusal::Full | Refusal::NoPacketId | Refusal::NotConnected) => {
                    self.stuck = true;
                    return;
                }
                Err(Refusal::PacketTooLarge(_)) => {
                    self.cursor = Some(stored.sequence);
                    let reason = crate::ReasonCode::PACKET_TOO_LARGE;
                    self.lost(stored.sequence, Outcome::NotAdmitted(reason));
                }
                // Not the message's fault but that of the names, so it stays.
                Err(refusal) => {
                    let fault = Fault::new(crate::Rung::Hub, crate::Code::HubName)
                        .detail(refusal.to_string().as_bytes());
                    self.hub.cut();
                    self.push(Event::Stopped(Stop::Fault(fault)));
                    return;
                }
            }
        }
    }

    /// Acknowledges the messages that the application has taken.
    fn acknowledge(&mut self) {
        while let Some((qos, packet_id)) = self.told.receipt() {
            // Without its connection a receipt is worth nothing; the hub brings the message again.
            let acknowledged = self.hub.machine().client.acknowledge(qos, packet_id);
            if acknowledged == Err(Refusal::Full) {
                return self.told.keep_receipt((qos, packet_id));
            }
        }
    }

    /// Tells what the outbox lost by its bounds.
    fn count(&mut self) {
        let now = self.clock.now();
        if now.since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        let counts = self.outbox.counts();
        let before = std::mem::replace(&mut self.counts, counts);
        let more = |after: u64, before: u64| after.saturating_sub(before);
        let oldest = more(counts.dropped_oldest, before.dropped_oldest);
        let expired = more(counts.expired, before.expired);
        let damaged = more(counts.damaged, before.damaged);
        if (oldest, expired, damaged) != (0, 0, 0) {
            self.push(Event::Dropped {
                oldest,
                expired,
                damaged,
            });
        }
    }

    /// The next message of the outbox.
    fn next(&mut self) -> Option<Stored> {
        match self.outbox.next_after(self.cursor, unix()) {
            Ok(stored) => {
                self.unreadable_told = false;
                // What was left may have become too old just now.
                if stored.is_none() && self.outbox.is_empty() {
                    self.emptied.notify_waiters();
                }
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

    fn climb(
        &mut self,
        device: &mut Algorithm<'_>,
        target: Target,
        fresh: bool,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Fault> {
        let now = self.now();
        let attempt = device.attempt(now, &mut Entropy, scratch)?;
        let network = self.renewed.as_deref().unwrap_or(self.options);
        let options = network.attempt(&attempt);
        self.push(Event::Climbing {
            endpoint: options.endpoint().clone(),
        });
        match target {
            Target::Dps => self.dps = Some(Connection::new(options)),
            Target::Hub if fresh => {
                self.hub = Connection::new(options);
                self.cursor = None;
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
        if self.dps.take().is_none() {
            self.told.forget_receipts();
            self.answers.clear();
        }
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
            Below::Message(message) => self.message(device, now, &message),
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

    fn message(&mut self, device: &mut Algorithm<'_>, now: Now, message: &Message) {
        // What is not for the application is acknowledged at once. DPS's connection does so by itself.
        let mut receipt: Option<Receipt> = message
            .packet_id
            .filter(|_| self.dps.is_none() && self.options.acknowledges)
            .map(|packet_id| (message.qos, packet_id));
        let event = device.message(now, &message.topic, &message.payload, message.dup);
        if let Some(event) = event {
            // The assignment is kept before the next attempt goes there.
            let assigned = matches!(event, azure::Event::Assigned { .. });
            let owned = Event::keep(&event, None);
            match event {
                azure::Event::Reported(reported) => self.reported(reported),
                azure::Event::Message { .. } => {
                    if let Some(event) = owned {
                        self.told.tell(event, receipt.take());
                    }
                }
                _ => owned.into_iter().for_each(|event| self.push(event)),
            }
            if assigned {
                self.keep(|kept| kept.assignment = device.assignment().cloned());
            }
        }
        if let Some(receipt) = receipt {
            self.told.keep_receipt(receipt);
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
        if let Some(event) = Event::keep(event, device.assignment()) {
            self.push(event);
        }
    }

    /// Writes what a restart should find, if it is news.
    fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        let before = self.kept.clone();
        change(&mut self.kept);
        let Some(folder) = self.options.state.as_deref() else {
            return;
        };
        if before == self.kept && !self.unkept {
            return;
        }
        let written = self.kept.write(folder, &self.options.entry);
        let told = std::mem::replace(&mut self.unkept, written.is_err());
        if let Some(error) = written.err().filter(|_| !told) {
            // Without it the next start takes longer, no more.
            self.push(Event::NotKept(format!("{}: {error}", folder.display())));
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
        if matches!(event, Event::Stopped(_)) {
            self.over = true;
            self.emptied.notify_waiters();
        }
        self.told.tell(event, None);
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
            () = self.stopping.notified(), if !self.leaving => Woken::Stop,
            command = asked.recv(), if !self.leaving => Woken::Asked(command),
            event = line.next(), if self.active => Woken::Below(event),
            () = self.told.taken() => Woken::Look,
            () = self.outbox.changed(), if room && !self.stuck => Woken::Look,
            () = timer => Woken::Look,
        }
    }
}
