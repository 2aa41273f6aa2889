//! A client's connection without its socket: packets and times in, bytes out, until it ends.

use std::{sync::Arc, task::Context, time::Duration};

use tokio::time::Instant;
use towpath_proto::{
    Rung,
    mqtt::{
        Invalid, QoS,
        packet::{Kind as PacketKind, PacketId},
    },
};

use super::{
    Arrival,
    connect::{self, Connect},
    faults,
    guest::Guest,
    input::{Frame, packet_max},
    output::Output,
    registrant::{Answered, Registration, Request},
    timers::{Due, Timers},
};
use crate::{
    connection::Connection,
    fault::{Kind, Value},
    log::{Code, Level, Record},
    shared::Shared,
};

/// How and why a connection ends.
#[derive(Debug)]
pub(super) struct End {
    /// What the log says about it, besides that it is over.
    pub(super) code: Option<Code>,
    pub(super) level: Level,
    pub(super) text: String,
    /// The client sent DISCONNECT: its will is not published.
    pub(super) in_order: bool,
}

impl End {
    pub(super) fn new(code: impl Into<Option<Code>>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            level: Level::Warn,
            text: text.into(),
            in_order: false,
        }
    }

    /// The client broke a rule of MQTT.
    pub(super) fn invalid(invalid: Invalid) -> Self {
        Self::new(
            Code::ProtocolError,
            format!("the client broke a rule of MQTT: {}", invalid.clause),
        )
    }
}

/// What every kind of client has: the way out, the times, and the end.
pub(super) struct Line {
    pub(super) lab: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) output: Output,
    pub(super) timers: Timers,
    /// The time of this round.
    pub(super) now: Instant,
    end: Option<End>,
    mute: bool,
}

impl Line {
    /// It is over; the first reason counts.
    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Nothing is sent and nothing is read any more.
    pub(super) fn mute(&mut self) {
        self.mute = true;
        self.output.mute();
    }

    pub(super) const fn is_mute(&self) -> bool {
        self.mute
    }

    pub(super) fn strike(&self, kind: Kind) -> Option<Value> {
        self.lab.means.faults.strike(kind, &self.connection)
    }

    /// Adds a record about this connection.
    pub(super) fn tell(&self, mut record: Record) {
        record.connection = Some(self.connection.id);
        record.host = self.connection.host();
        record.device = self.connection.device();
        self.lab.means.tell(record);
    }
}

/// Who the client is.
pub(super) enum Stage {
    /// Not known yet.
    Connecting(Connect),
    /// A device or module of a hub.
    Hub(Box<Guest>),
    /// A registrant of the provisioning service.
    Dps(Registration),
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It has to be given again later.
    Later,
}

/// A connection from its first packet on.
pub(super) struct Conversation {
    pub(super) line: Line,
    stage: Stage,
}

impl Conversation {
    pub(super) fn new(arrival: Arrival, lab: &Arc<Shared>, now: Instant) -> Self {
        // Which hub is meant is not known before CONNECT; the server name is a good guess.
        let hub = arrival.host.as_deref().and_then(|host| lab.hub(host));
        let hub = hub.or_else(|| lab.hubs.first());
        let within = hub.map_or(30, |hub| hub.limits.connect_s);
        Self {
            line: Line {
                lab: Arc::clone(lab),
                connection: Arc::clone(&arrival.connection),
                output: Output::default(),
                timers: Timers::new(now, Duration::from_secs(within)),
                now,
                end: None,
                mute: false,
            },
            stage: Stage::Connecting(Connect::new(arrival)),
        }
    }

    /// Looks at the times.
    pub(super) fn tick(&mut self, now: Instant) {
        self.line.now = now;
        while let Some(due) = self.line.timers.due(now) {
            match due {
                Due::Connect(within) => {
                    let text = format!("no CONNECT came within {} s", within.as_secs());
                    self.line.connection.step(Rung::Mqtt, false, text.clone());
                    self.line.end(End::new(Code::ProtocolError, text));
                }
                Due::Silence(silence) => {
                    let text = silence.to_string();
                    self.line.end(End::new(Code::ClosedRemotely, text));
                }
                Due::Fate(fate) => faults::meet(&mut self.line, fate),
                Due::Tick => {
                    if let Stage::Hub(guest) = &mut self.stage
                        && !guest.tick(&mut self.line)
                    {
                        self.line.timers.untick();
                    }
                }
            }
        }
        if self.line.output.stuck_at().is_some_and(|at| at <= now) {
            self.stuck();
        }
    }

    /// The client takes nothing of what is sent.
    fn stuck(&mut self) {
        let faults = self.line.connection.ladder().faults;
        if faults.contains(&Kind::Drip.name()) {
            // It is given a byte now and then only.
            self.line.output.excuse(self.line.now);
        } else {
            let end = End::new(Code::ClosedRemotely, Output::stuck());
            self.line.end(end);
        }
    }

    /// When to look at the times again.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let times = [self.line.timers.next(), self.line.output.stuck_at()];
        times.into_iter().flatten().min()
    }

    /// Whether a packet may be given now.
    pub(super) fn takes_packets(&self) -> bool {
        let busy = matches!(&self.stage, Stage::Dps(registration) if registration.is_busy());
        !self.line.is_over()
            && !busy
            && !self.line.timers.is_held()
            && self.line.output.has_room()
            && !self.line.output.owes_much()
    }

    /// Whether it is not known yet who the client is.
    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting(_))
    }

    /// A whole packet has come.
    pub(super) fn take(&mut self, frame: &Frame<'_>) -> Taken {
        self.line.timers.heard(self.line.now);
        match &mut self.stage {
            Stage::Connecting(connect) => match connect.take(&mut self.line, frame) {
                connect::Outcome::Later => return Taken::Later,
                connect::Outcome::Over => {}
                connect::Outcome::In(stage) => self.stage = stage,
            },
            Stage::Hub(guest) => guest.take(&mut self.line, frame),
            Stage::Dps(registration) => registration.take(&mut self.line, frame),
        }
        Taken::Yes
    }

    /// A packet is larger than can be held.
    pub(super) fn oversize(
        &mut self,
        kind: PacketKind,
        len: usize,
        qos: QoS,
        packet_id: Option<PacketId>,
    ) {
        self.line.timers.heard(self.line.now);
        match &mut self.stage {
            Stage::Hub(guest) if kind == PacketKind::Publish => {
                guest.oversize(&mut self.line, len, qos, packet_id);
            }
            _ => {
                let text = format!("a {} of {len} bytes is too large", kind.name());
                self.line.end(End::new(Code::TooLarge, text));
            }
        }
    }

    /// The largest packet that is taken.
    pub(super) fn packet_max(&self) -> usize {
        match &self.stage {
            Stage::Connecting(_) => super::input::CONNECT_MAX,
            Stage::Hub(guest) => packet_max(guest.hub.limits.telemetry_bytes),
            Stage::Dps(_) => packet_max(super::registrant::BODY_MAX),
        }
    }

    /// What came is no MQTT.
    pub(super) fn invalid(&mut self, invalid: Invalid, start: &[u8]) {
        let mut end = End::invalid(invalid);
        if self.is_connecting() {
            if let Some(other) = connect::other_protocol(start) {
                end.text = format!("{other} came where CONNECT was expected");
            }
            self.line
                .connection
                .step(Rung::Mqtt, false, end.text.clone());
        }
        self.line.end(end);
    }

    /// The client has closed the connection, or it broke.
    pub(super) fn gone(&mut self, error: Option<&std::io::Error>) {
        let text = match error {
            None => "the client closed the connection without DISCONNECT".to_owned(),
            Some(error) => format!("the connection broke: {error}"),
        };
        let mut end = End::new(Code::ClosedRemotely, text);
        if self.is_connecting() {
            end.text.push_str(" before CONNECT was answered");
            end.level = Level::Info;
            self.line
                .connection
                .step(Rung::Mqtt, false, end.text.clone());
        }
        self.line.end(end);
    }

    /// Takes what the hub has for the client.
    pub(super) fn poll_down(&mut self, context: &mut Context<'_>) {
        if let Stage::Hub(guest) = &mut self.stage {
            guest.poll_down(&mut self.line, context);
        }
    }

    /// What the provisioning service is to be asked.
    pub(super) fn request(&mut self) -> Option<Request> {
        match &mut self.stage {
            Stage::Dps(registration) => registration.request(),
            _ => None,
        }
    }

    /// What the provisioning service says.
    pub(super) fn answered(&mut self, answered: Answered) {
        if let Stage::Dps(registration) = &mut self.stage {
            registration.answered(&mut self.line, answered);
        }
    }

    /// Tells the hub and the log that it is over; gives the reason.
    pub(super) fn leave(&mut self) -> String {
        let unknown = || End::new(None, "the connection is over");
        let end = self.line.end.take().unwrap_or_else(unknown);
        if let Stage::Hub(guest) = &mut self.stage {
            guest.leave(!end.in_order);
        }
        if let Some(code) = end.code {
            self.line
                .tell(Record::new(end.level, code, end.text.clone()));
        }
        if !self.is_connecting() {
            let record = Record::info(Code::DeviceDisconnected, end.text.clone());
            self.line.tell(record);
        }
        end.text
    }
}
