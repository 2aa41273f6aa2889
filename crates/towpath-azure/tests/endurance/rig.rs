//! A whole device but for its sockets: the algorithm, its two MQTT connections, an outbox; bytes leave and come by a
//! [`Wire`].

use std::collections::VecDeque;

use towpath_azure::{
    Assignment, Device, Event, Now, Record, SCRATCH, Settings, Step, Target, Transport, bag::Bag,
    dps::Refused, hub::RequestId,
};
use towpath_proto::{
    Client, Event as Mqtt, Fault, Instant, Output, Rung, Upgrade,
    client::Start,
    event::Outcome,
    mqtt::{reason::ReasonCode, session::Refusal},
};
use towpath_sim::{Memory, Rng};

/// How many messages may be under way.
pub(crate) const WINDOW: usize = 8;

/// What an attempt leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) transport: Transport,
}

/// What lies under the device.
pub(crate) trait Wire {
    /// Opens a byte stream; how that went is told later.
    fn dial(&mut self, dial: Dial);
    /// Sends, and answers how much of it.
    fn send(&mut self, bytes: &[u8]) -> usize;
    /// The device's end is closed.
    fn hang_up(&mut self);
}

/// What the application was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Assigned(Assignment),
    NotAssigned(Refused, std::time::Duration),
    Connected(Transport, bool),
    Twin { document: String, version: u64 },
    Desired { patch: String, version: u64 },
    Reported(bool),
    Method { name: String, id: RequestId },
    Message { body: String, dup: bool },
    Disconnected(Fault, std::time::Duration),
    Renewing,
    Stopped(String),
    Delivered(u64),
    Expired(u64),
}

/// Telemetry that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) expires: Option<u64>,
}

impl Stored {
    fn properties(&self) -> String {
        let number = self.sequence.to_string();
        let bag = Bag {
            message_id: Some(&number),
            properties: &[("of", "a canal")],
            ..Bag::NONE
        };
        bag.to_string()
    }
}

/// The device.
pub(crate) struct Rig {
    pub(crate) device: Device<'static, WINDOW>,
    /// The hub's line, whose session outlives connections.
    pub(crate) line: Client<Memory, Rng>,
    /// The line of DPS, while there is one.
    other: Option<Client<Memory, Rng>>,
    random: Rng,
    scratch: Box<[u8; SCRATCH]>,
    pub(crate) outbox: VecDeque<Stored>,
    /// What was handed to the line last.
    cursor: Option<u64>,
    pub(crate) told: VecDeque<Told>,
    /// When it has to be looked after.
    pub(crate) until: Option<Instant>,
    /// What it waits for.
    pub(crate) waiting: Option<towpath_azure::Waiting>,
}

/// The buffers of a small device, which stay as large as they are.
fn line(seed: u64) -> Client<Memory, Rng> {
    Client::new(Memory::device(2048, 2048, 2048, 0), Rng::new(seed))
}

impl Rig {
    /// A device that has been switched on, with what it kept.
    pub(crate) fn new(
        settings: &Settings<'static>,
        kept: (Option<Assignment>, Option<Transport>),
        outbox: VecDeque<Stored>,
        seed: u64,
    ) -> Self {
        Self {
            device: Device::new(settings.clone(), kept.0, kept.1),
            line: line(seed),
            other: None,
            random: Rng::new(!seed),
            scratch: Box::new([0; SCRATCH]),
            outbox,
            cursor: None,
            told: VecDeque::new(),
            until: None,
            waiting: None,
        }
    }

    fn active(&mut self) -> &mut Client<Memory, Rng> {
        self.other.as_mut().unwrap_or(&mut self.line)
    }

    /// The byte stream is open.
    pub(crate) fn opened(&mut self, now: Now) {
        self.active().reached(now.at, Rung::Tcp);
    }

    /// The byte stream ended, or could not be opened.
    pub(crate) fn closed(&mut self, now: Now, fault: Fault) {
        self.active().closed(now.at, fault);
    }

    /// Room for received bytes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.active().rx_space()
    }

    /// So many were received.
    pub(crate) fn commit(&mut self, now: Now, n: usize) {
        self.active().commit(now.at, n);
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.active().handle_timeout(now.at);
    }

    /// Does everything that can be done now.
    pub(crate) fn pump(&mut self, now: Now, wire: &mut impl Wire) {
        let mut rested = false;
        for _ in 0..10_000 {
            let line_until = self.drain(now, wire);
            self.feed(now);
            let line = self.other.as_mut().unwrap_or(&mut self.line);
            let step = self
                .device
                .poll(now, line, &mut self.random, &mut self.scratch);
            match step {
                Step::Climb { target, fresh } => self.climb(now, target, fresh, wire),
                Step::Event(event) => self.told.extend(told(event)),
                Step::Expired(sequence) => self.told.push_back(Told::Expired(sequence)),
                Step::Abandon => {
                    self.active().abandon();
                    let event = self.device.closed(now);
                    self.told.extend(event.and_then(told));
                    self.over(wire);
                }
                Step::Wait { until, reason } => {
                    self.waiting = Some(reason);
                    self.until = [line_until, until].into_iter().flatten().min();
                    // What the device wrote just now has to leave first.
                    if rested && self.active().sendable().is_empty() {
                        return;
                    }
                    rested = true;
                    continue;
                }
            }
            rested = false;
        }
        panic!("the device never comes to rest: {:?}", self.device);
    }

    fn over(&mut self, wire: &mut impl Wire) {
        self.other = None;
        wire.hang_up();
    }

    fn climb(&mut self, now: Now, target: Target, fresh: bool, wire: &mut impl Wire) {
        let seed = self.random.next_u64();
        if target == Target::Dps {
            self.other = Some(line(seed));
        } else if fresh {
            self.line = line(seed);
            self.cursor = None;
        }
        let client = self.other.as_mut().unwrap_or(&mut self.line);
        let attempt = self
            .device
            .attempt(now, &mut self.random, &mut self.scratch)
            .expect("an attempt");
        let mut start = Start::new(attempt.connect());
        start.pipeline = attempt.pipeline;
        start.upgrade = (attempt.transport == Transport::Wss).then_some(Upgrade {
            host: attempt.host,
            target: attempt.path,
            subprotocols: "mqtt",
            headers: &[],
        });
        client.start(now.at, &start).expect("a start");
        client.entered(now.at, Rung::Tcp);
        wire.dial(Dial {
            host: attempt.host.to_owned(),
            port: attempt.port,
            transport: attempt.transport,
        });
    }

    /// Drains the client's outputs.
    fn drain(&mut self, now: Now, wire: &mut impl Wire) -> Option<Instant> {
        loop {
            let client = self.other.as_mut().unwrap_or(&mut self.line);
            let event = match client.poll_output(now.at) {
                Output::Transmit(bytes) => {
                    let n = wire.send(bytes);
                    client.transmitted(now.at, n);
                    continue;
                }
                Output::Trace(_) => continue,
                Output::Wait { until, .. } => return until,
                Output::Event(event) => event,
            };
            let ended = matches!(event, Mqtt::Failed(_) | Mqtt::Disconnected);
            let event = match event {
                Mqtt::Connected(connected) => {
                    let present = connected.session_present;
                    self.device.connected(now, present).and_then(told)
                }
                Mqtt::Message(message) => {
                    assert!(message.is_whole(), "the buffer has room for all there is");
                    let topic = message.topic.as_str();
                    self.device
                        .message(now, topic, message.payload, message.dup)
                        .and_then(told)
                }
                Mqtt::Settled { packet_id, outcome } => self
                    .device
                    .settled(packet_id, outcome)
                    .map(|one| delivered(one.sequence, one.outcome)),
                Mqtt::Subscribed(suback) => {
                    let reasons: Vec<ReasonCode> = suback.reasons().collect();
                    self.device.subscribed(suback.packet_id, &reasons);
                    None
                }
                Mqtt::Failed(fault) => self
                    .device
                    .failed(now, fault, &mut self.random)
                    .and_then(told),
                Mqtt::Disconnected => self.device.closed(now).and_then(told),
                other => panic!("an event that nobody asked for: {other:?}"),
            };
            self.told.extend(event);
            if ended {
                self.over(wire);
            }
        }
    }

    /// Hands over what waits in the outbox.
    fn feed(&mut self, now: Now) {
        while self.device.room() > 0 {
            let at = self
                .outbox
                .partition_point(|one| Some(one.sequence) <= self.cursor);
            let Some(stored) = self.outbox.get(at) else {
                return;
            };
            let sequence = stored.sequence;
            if let (Some(expires), Some(unix)) = (stored.expires, now.unix)
                && expires <= unix
            {
                self.outbox.remove(at);
                self.told.push_back(Told::Expired(sequence));
                continue;
            }
            let (properties, body) = (stored.properties(), sequence.to_string());
            let record = Record {
                properties: &properties,
                body: body.as_bytes(),
                expires: stored.expires,
            };
            let sent = self
                .device
                .send(sequence, &record, &mut self.line, &mut self.scratch);
            match sent {
                Ok(()) => self.cursor = Some(sequence),
                Err(Refusal::Full) => return,
                Err(other) => panic!("telemetry is refused: {other}"),
            }
        }
    }

    /// The application reports a property; false if it can't now.
    pub(crate) fn report(&mut self, now: Now, patch: &str) -> bool {
        self.device
            .report(now, patch.as_bytes(), &mut self.line, &mut self.scratch)
            .is_ok()
    }

    /// The application answers a method; false if nobody waits for the answer any more.
    pub(crate) fn respond(&mut self, id: &RequestId, payload: &str) -> bool {
        let answer = payload.as_bytes();
        self.device
            .respond(id, 200, answer, &mut self.line, &mut self.scratch)
            .is_ok()
    }

    /// Takes a message out of the outbox.
    pub(crate) fn remove(&mut self, sequence: u64) {
        if let Ok(at) = self
            .outbox
            .binary_search_by_key(&sequence, |one| one.sequence)
        {
            self.outbox.remove(at);
        }
    }
}

fn delivered(sequence: u64, outcome: Outcome) -> Told {
    assert!(
        matches!(outcome, Outcome::Acknowledged(code) if code == ReasonCode::SUCCESS),
        "message {sequence}: {outcome:?}"
    );
    Told::Delivered(sequence)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The event without what it lends.
fn told(event: Event<'_>) -> Option<Told> {
    Some(match event {
        Event::Assigned { assignment, .. } => Told::Assigned(assignment),
        Event::NotAssigned { refused, retry_in } => Told::NotAssigned(refused, retry_in),
        Event::Connected {
            transport,
            session_present,
        } => Told::Connected(transport, session_present),
        Event::Twin {
            document,
            desired_version,
            ..
        } => Told::Twin {
            document: text(document),
            version: desired_version,
        },
        Event::Desired { patch, version } => Told::Desired {
            patch: text(patch),
            version,
        },
        Event::Reported(reported) => Told::Reported(reported.outcome.is_ok()),
        Event::Method {
            name, request_id, ..
        } => Told::Method {
            name: name.to_owned(),
            id: request_id,
        },
        Event::Message { body, dup, .. } => Told::Message {
            body: text(body),
            dup,
        },
        Event::Disconnected { fault, retry_in } => Told::Disconnected(fault, retry_in),
        Event::Renewing => Told::Renewing,
        Event::Stopped(stop) => Told::Stopped(format!("{stop:?}")),
        _ => return None,
    })
}
