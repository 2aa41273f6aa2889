//! A device or module that a hub has let in: what it sends and what it is sent.

use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{self, error::TryRecvError},
    time::Instant,
};
use towpath_proto::mqtt::{
    QoS, Version,
    packet::{Kind as PacketKind, Packet, PacketId, Publish, Suback, Subscribe, Unsubscribe},
    property::Properties,
    topic::TopicName,
};

use super::{
    conversation::{End, Line},
    input::Frame,
    output::{Reply, encoded},
    timers::after,
    window::{Message, Window},
};
use crate::{
    clock::Time,
    config::{Oversize, Qos2, UnknownFilter, UnknownTopic},
    connection::Connection,
    fault::Kind,
    hub::{
        Admitted, Answer, Down, Feature, Hub, Incoming, Name, Rejected,
        topic::{self, Bag, Up, shortened},
    },
    log::{Code, Level, Record},
    store::Durable,
};

/// What SUBACK says for a filter that is refused.
const REFUSED: u8 = 0x80;

/// A client of a hub.
pub(super) struct Guest {
    pub(super) hub: Arc<Hub>,
    pub(super) name: Name,
    connection: Arc<Connection>,
    pub(super) expires: Option<Time>,
    will: Option<(String, Bytes)>,
    down: mpsc::Receiver<Down>,
    window: Window,
    /// The change of desired properties before the last, while a fault sends it again.
    older: Option<Message>,
    /// The hub knows that it is gone.
    left: bool,
}

/// However the connection ends, the hub learns of it. A connection that the lab ends leaves no will.
impl Drop for Guest {
    fn drop(&mut self) {
        self.leave(false);
    }
}

impl Guest {
    pub(super) fn new(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        admitted: Admitted,
        will: Option<(String, Bytes)>,
    ) -> Self {
        Self {
            hub,
            name: admitted.name,
            connection,
            expires: admitted.expires,
            will,
            down: admitted.down,
            window: Window::default(),
            older: None,
            left: false,
        }
    }

    /// When its token lets it down, for a text.
    pub(super) fn expiry(&self) -> String {
        let until = |at: Time| format!(", until {at} by its token");
        self.expires.map(until).unwrap_or_default()
    }

    /// The connection is over.
    pub(super) fn leave(&mut self, will: bool) {
        if self.left {
            return;
        }
        self.left = true;
        let will = self.will.take().filter(|_| will);
        let will = will
            .as_ref()
            .map(|(topic, payload)| (topic.as_str(), &payload[..]));
        self.hub.leave(&self.name, &self.connection, will);
    }

    /// Looks at what can't be waited for. `false`: there is no such thing any more.
    pub(super) fn tick(&mut self, line: &mut Line) -> bool {
        let now = self.hub.means.clock.now();
        if let Some(expires) = self.expires.filter(|expires| *expires <= now) {
            let text = format!("the token expired, and the grace was over at {expires}");
            line.tell(Record::warn(Code::IotHubUnauthorized, text.clone()));
            line.end(End::new(Code::ClosedRemotely, text));
        }
        let blocked = self.is_blocked(line);
        if blocked {
            self.search(line);
        }
        self.expires.is_some() || blocked
    }

    /// Whether nothing can be taken from the hub: the client reads nothing, or acknowledges nothing.
    fn is_blocked(&self, line: &Line) -> bool {
        !line.output.has_room() || self.window.is_full()
    }

    /// Looks whether the hub's word that the connection is to end is behind messages that can't be sent.
    fn search(&mut self, line: &mut Line) {
        let gone = self.down.is_closed();
        // Who is let go is sent nothing more, so that the rest need not be kept.
        while gone || !self.window.is_searched() {
            match self.down.try_recv() {
                Ok(down) => {
                    if let Some(message) = arrived(line, down).filter(|_| !gone) {
                        self.window.wait(message);
                    }
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    line.end(End::new(None, "the hub has let the connection go"));
                    return;
                }
            }
        }
    }

    /// A packet of the client.
    pub(super) fn take(&mut self, line: &mut Line, frame: &Frame<'_>) {
        if frame.header.kind != PacketKind::Pingreq
            && let Some(delay) = self.hub.disk_delay()
        {
            // Nearly everything else is kept, also what is not acknowledged.
            line.timers.hold(line.now + delay);
        }
        match Packet::decode_body(&frame.header, frame.body, Version::V311) {
            Err(invalid) => line.end(End::invalid(invalid)),
            Ok(Packet::Publish(publish)) => self.publish(line, &publish),
            Ok(Packet::Puback(ack)) => self.acknowledged(ack.packet_id),
            Ok(Packet::Subscribe(subscribe)) => self.subscribe(line, &subscribe),
            Ok(Packet::Unsubscribe(unsubscribe)) => self.unsubscribe(line, &unsubscribe),
            Ok(other) => common(line, &other),
        }
    }

    fn publish(&mut self, line: &mut Line, publish: &Publish<'_>) {
        self.connection.up.fetch_add(1, Ordering::Relaxed);
        if publish.qos == QoS::ExactlyOnce && self.hub.behaviour.qos2 == Qos2::Close {
            let text = "a PUBLISH of QoS 2 came; the hub takes QoS 0 and 1 and closes";
            line.end(End::new(Code::ArgumentInvalid, text));
            return;
        }
        let id = publish.packet_id;
        match topic::up(publish.topic.as_str(), &self.name) {
            Ok(Up::Telemetry { bag }) => self.telemetry(line, publish, bag),
            Ok(Up::MethodAnswer { status, rid }) => {
                let body = Bytes::copy_from_slice(publish.payload);
                // An answer that nobody waits for is told by the hub; to the device it makes no difference.
                self.hub.method_answered(&self.name, rid, status, body);
                acknowledge(line, id, Durable::DONE, None);
            }
            Ok(Up::TwinGet { rid }) => {
                acknowledge(line, id, Durable::DONE, None);
                self.twin(line, rid, None);
            }
            Ok(Up::TwinPatch { rid }) => {
                acknowledge(line, id, Durable::DONE, None);
                self.twin(line, rid, Some(publish.payload));
            }
            Err(why) => match self.hub.behaviour.unknown_topic {
                UnknownTopic::Close => line.end(End::new(Code::ArgumentInvalid, why)),
                UnknownTopic::Drop => {
                    line.tell(Record::warn(Code::ArgumentInvalid, why));
                    acknowledge(line, id, Durable::DONE, None);
                }
            },
        }
    }

    fn telemetry(&mut self, line: &mut Line, publish: &Publish<'_>, bag: &str) {
        let Bag {
            mut properties,
            system,
        } = Bag::parse(bag);
        if publish.retain {
            properties.insert("mqtt-retain".into(), "true".into());
        }
        let incoming = Incoming {
            properties,
            system,
            payload: Bytes::copy_from_slice(publish.payload),
        };
        let delay = self.hub.telemetry_delay(&self.name, &self.connection);
        let due = delay.and_then(|delay| line.now.checked_add(delay));
        if let Some(due) = due {
            line.timers.hold(due);
        }
        match self.hub.publish(&self.name, &self.connection, incoming) {
            Ok(durable) => acknowledge(line, publish.packet_id, durable, due),
            Err(Rejected { close, code, why }) => {
                if close {
                    line.end(End::new(code, why));
                } else {
                    line.tell(Record::warn(code, why));
                    acknowledge(line, publish.packet_id, Durable::DONE, due);
                }
            }
        }
    }

    /// A PUBLISH that is too large to be held: so it is too large for the hub.
    pub(super) fn oversize(
        &mut self,
        line: &mut Line,
        len: usize,
        qos: QoS,
        packet_id: Option<PacketId>,
    ) {
        self.connection.up.fetch_add(1, Ordering::Relaxed);
        let most = self.hub.limits.telemetry_bytes;
        let why = format!("a PUBLISH of {len} bytes is larger than the hub's {most}");
        let close = self.hub.behaviour.oversize == Oversize::Close
            || qos == QoS::ExactlyOnce && self.hub.behaviour.qos2 == Qos2::Close;
        if close {
            line.end(End::new(Code::TooLarge, why));
        } else {
            line.tell(Record::warn(Code::TooLarge, why));
            acknowledge(line, packet_id, Durable::DONE, None);
        }
    }

    /// The device's twin is asked for, or patched.
    fn twin(&mut self, line: &mut Line, rid: &str, patch: Option<&[u8]>) {
        if line.strike(Kind::TwinSilent).is_some() {
            return;
        }
        let answer = match refused_twin(line, patch.is_some()) {
            Some((status, code, why)) => {
                Answer::refused(status, code, why, self.hub.means.clock.now())
            }
            None if !self.hub.twin_admitted(&self.name, &self.connection) => {
                let why = "too many twin requests a second";
                Answer::refused(429, Code::Throttled, why, self.hub.means.clock.now())
            }
            None => match patch {
                Some(patch) => self.hub.report(&self.name, &self.connection, patch),
                None => self.hub.twin_get(&self.name, &self.connection),
            },
        };
        let reply = if self.has_subscribed(Feature::TwinAnswers) {
            let topic = topic::twin_answer(answer.status, rid, answer.version);
            message(&topic, &answer.body)
        } else {
            let text = "a twin request came, but its answer is lost: the client has not \
                        subscribed to $iothub/twin/res/#";
            line.tell(Record::warn(Code::TwinChanged, text));
            None
        };
        let reply = reply.map_or(Reply::Nothing, |bytes| {
            self.connection.down.fetch_add(1, Ordering::Relaxed);
            Reply::Packet(bytes)
        });
        // Also a change whose answer is lost counts as owed until it is on the disk.
        line.output.reply(reply, answer.durable, None);
    }

    fn has_subscribed(&self, feature: Feature) -> bool {
        let state = self.hub.lock();
        let entry = state.entries.get(&self.name);
        entry.is_some_and(|entry| entry.session.subscriptions.contains_key(&feature))
    }

    fn subscribe(&mut self, line: &mut Line, subscribe: &Subscribe<'_>) {
        if too_many(line, subscribe.iter().count()) {
            return;
        }
        let mut codes = Vec::new();
        for wanted in subscribe.iter() {
            let filter = wanted.filter.as_str();
            if line.strike(Kind::SubackRefused).is_some() {
                codes.push(REFUSED);
                continue;
            }
            let granted = match topic::filter(filter, &self.name) {
                Some(feature) => {
                    // [MQTT-3.8.4-6]: what is granted may be less than what is asked for.
                    let qos = (wanted.qos as u8).min(1);
                    self.hub
                        .subscribe(&self.name, &self.connection, feature, qos)
                }
                None => Err(Rejected {
                    close: self.hub.behaviour.unknown_filter == UnknownFilter::Close,
                    code: Code::ArgumentInvalid,
                    why: format!("the filter {} is none of the hub's", shortened(filter)),
                }),
            };
            match granted {
                Ok(granted) => {
                    let text = format!("{} with QoS {granted}", shortened(filter));
                    line.tell(Record::new(Level::Debug, Code::Subscribed, text));
                    codes.push(granted);
                }
                Err(Rejected { close, code, why }) if close => {
                    line.end(End::new(code, why));
                    return;
                }
                Err(Rejected { code, why, .. }) => {
                    line.tell(Record::warn(code, why));
                    codes.push(REFUSED);
                }
            }
        }
        line.output.put(&Packet::Suback(Suback {
            packet_id: subscribe.packet_id,
            properties: Properties::NONE,
            codes: &codes,
        }));
    }

    fn unsubscribe(&mut self, line: &mut Line, unsubscribe: &Unsubscribe<'_>) {
        if too_many(line, unsubscribe.iter().count()) {
            return;
        }
        for filter in unsubscribe.iter() {
            if let Some(feature) = topic::filter(filter.as_str(), &self.name) {
                self.hub.unsubscribe(&self.name, &self.connection, feature);
                let text = format!("{} was given up", shortened(filter.as_str()));
                line.tell(Record::new(Level::Debug, Code::Subscribed, text));
            }
        }
        unsuback(line, unsubscribe.packet_id);
    }

    /// The client has taken a message.
    fn acknowledged(&mut self, id: PacketId) {
        if let Some(sequence) = self.window.acknowledged(id) {
            // The client is told nothing, so nobody waits for the disk.
            drop(self.hub.complete(&self.name, &self.connection, sequence));
        }
    }

    /// Takes what the hub has for the client, as far as there is room.
    pub(super) fn poll_down(&mut self, line: &mut Line, context: &mut Context<'_>) {
        while !line.is_over() && line.output.has_room() {
            // What waits was there before what is in the channel.
            if let Some(message) = self.window.next() {
                self.send(line, message);
                continue;
            }
            if self.window.is_full() {
                break;
            }
            match self.down.poll_recv(context) {
                Poll::Pending => return,
                Poll::Ready(None) => {
                    line.end(End::new(None, "the hub has let the connection go"));
                }
                Poll::Ready(Some(down)) => {
                    let Some(message) = arrived(line, down) else {
                        return;
                    };
                    if message.qos == 1 && self.window.has_no_place() {
                        self.window.wait(message);
                    } else {
                        self.send(line, message);
                    }
                }
            }
        }
        // The end of the connection must not wait until there is room.
        line.timers.tick_from(line.now);
    }

    fn send(&mut self, line: &mut Line, message: Message) {
        let twice = message.settles.is_some() && line.strike(Kind::C2dTwice).is_some();
        let times = if twice { 2 } else { 1 };
        self.connection
            .down
            .fetch_add(times.into(), Ordering::Relaxed);
        if !self.window.send(&message, times, &mut line.output) {
            let text = format!(
                "a message on {} is nothing that MQTT can carry",
                shortened(&message.topic)
            );
            line.tell(Record::warn(Code::ServerError, text));
            return;
        }
        if message.qos == 0
            && let Some(sequence) = message.settles
        {
            // There will be no PUBACK: sent is done.
            drop(self.hub.complete(&self.name, &self.connection, sequence));
        }
        if message.topic.starts_with(topic::DESIRED_CHANGES) {
            self.again(line, message);
        }
    }

    /// The fault that sends each change of desired properties twice, the second time behind the next one.
    fn again(&mut self, line: &mut Line, mut message: Message) {
        if line.strike(Kind::DesiredTwice).is_none() {
            self.older = None;
            return;
        }
        message.settles = None;
        let older = self.older.replace(message.clone()).unwrap_or(message);
        self.connection.down.fetch_add(1, Ordering::Relaxed);
        self.window.send(&older, 1, &mut line.output);
    }
}

/// A message from the hub; its word that the connection is to end ends it.
fn arrived(line: &mut Line, down: Down) -> Option<Message> {
    match down {
        Down::Publish {
            topic,
            payload,
            qos,
            settles,
            redelivered,
        } => Some(Message {
            topic,
            payload,
            qos: qos.min(1),
            settles,
            redelivered,
        }),
        Down::Close { code, why } => {
            line.end(End::new(code, why));
            None
        }
    }
}

/// What a fault answers to a twin request.
fn refused_twin(line: &Line, update: bool) -> Option<(u16, Code, &'static str)> {
    if line.strike(Kind::Twin400).is_some() {
        return Some((400, Code::ArgumentInvalid, "the fault twin-400"));
    }
    if update && line.strike(Kind::Twin413).is_some() {
        return Some((413, Code::TooLarge, "the fault twin-413"));
    }
    if line.strike(Kind::Twin429).is_some() {
        return Some((429, Code::Throttled, "the fault twin-429"));
    }
    let status = line.strike(Kind::Twin500)?.number().clamp(500, 599);
    let status = u16::try_from(status).unwrap_or(500);
    Some((status, Code::ServerError, "the fault twin-500"))
}

/// A PUBLISH of QoS 0 as bytes.
pub(super) fn message(topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
    encoded(&Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::new(topic).ok()?,
        packet_id: None,
        properties: Properties::NONE,
        payload,
    })
}

/// Acknowledges a PUBLISH when it is on the disk and its time has come; with QoS 0 there is nothing to say.
pub(super) fn acknowledge(
    line: &mut Line,
    id: Option<PacketId>,
    durable: Durable,
    due: Option<Instant>,
) {
    let Some(id) = id else { return };
    if line.strike(Kind::PubackNone).is_some() {
        return;
    }
    let slow = line.strike(Kind::PubackSlow);
    let slow = slow.map(|value| after(line.now, value.number()));
    line.output.reply(Reply::Puback(id), durable, due.max(slow));
}

/// Ends the connection if a packet has more filters than anybody has a reason for: each is told to the log.
pub(super) fn too_many(line: &mut Line, filters: usize) -> bool {
    const MOST: usize = 64;
    if filters > MOST {
        let text = format!("a packet has {filters} filters; {MOST} are enough");
        line.end(End::new(Code::ArgumentInvalid, text));
    }
    filters > MOST
}

pub(super) fn unsuback(line: &mut Line, packet_id: PacketId) {
    line.output.put(&Packet::Unsuback(Suback {
        packet_id,
        properties: Properties::NONE,
        codes: &[],
    }));
}

/// The packets that mean the same everywhere.
pub(super) fn common(line: &mut Line, packet: &Packet<'_>) {
    match packet {
        Packet::Pingreq => {
            if line.strike(Kind::PingSilent).is_none() {
                line.output.put(&Packet::Pingresp);
            }
        }
        Packet::Disconnect(_) => {
            let mut end = End::new(None, "the client sent DISCONNECT");
            end.in_order = true;
            line.end(end);
        }
        Packet::Connect(_) => {
            let text = "the client sent a second CONNECT [MQTT-3.1.0-2]";
            line.end(End::new(Code::ProtocolError, text));
        }
        other => {
            let text = format!(
                "the client sent {}, for which there is no reason here",
                other.kind().name()
            );
            line.end(End::new(Code::ProtocolError, text));
        }
    }
}
