//! MQTT packets of both sides, read with the codec of the client. Passwords, payloads and user names are not kept.

use std::{collections::VecDeque, time::Duration};

use towpath_proto::{
    mqtt::{
        QoS, Version,
        decode::Header,
        packet::{Connack, Connect, Kind, Packet, Publish},
        property::Property,
    },
    tls::Side,
};

use super::{Foreign, Mode, Talk, proxy};
use crate::capture::{flow::index, mark::Mark};

/// The longest packet that is read as a whole, bytes. Of longer ones the topic is read.
const WHOLE: usize = 4096;

/// The most messages whose acknowledgements are waited for.
const UNACKNOWLEDGED: usize = 64;

/// What both sides said.
#[derive(Debug, Default)]
pub(in crate::capture) struct Mqtt {
    sides: [Packets; 2],
    version: Option<Version>,
    pub(in crate::capture) connect: Option<Hello>,
    /// CONNACK: the code as it is on the wire.
    pub(in crate::capture) connack: Option<(u8, Mark)>,
    /// The last packet of each side.
    pub(in crate::capture) last: [Option<(Kind, Mark)>; 2],
    /// The last PUBLISH of each side.
    pub(in crate::capture) published: [Option<Message>; 2],
    /// The largest PUBLISH of the client that was acknowledged, bytes.
    pub(in crate::capture) accepted: usize,
    /// The first filter of the last SUBSCRIBE or UNSUBSCRIBE.
    pub(in crate::capture) filter: String,
    /// SUBSCRIBE that is not answered.
    pub(in crate::capture) asked: Option<Mark>,
    /// The first code in a SUBACK or UNSUBACK that refuses.
    pub(in crate::capture) unsubscribed: Option<(u8, Mark)>,
    /// The first acknowledgement of a PUBLISH that refuses.
    pub(in crate::capture) refused: Option<(u8, Mark)>,
    /// PUBLISH of the client that was not acknowledged.
    pub(in crate::capture) open: VecDeque<(u16, usize, Mark)>,
    /// PINGREQ that was not answered; and the last that was, with how long that took.
    pub(in crate::capture) ping: Option<Mark>,
    pub(in crate::capture) pong: Option<(Mark, Duration)>,
    /// DISCONNECT of each side and its reason.
    pub(in crate::capture) disconnect: [Option<(u8, Mark)>; 2],
    /// What the hub answered for its twin, and the provisioning service for a registration: the status.
    pub(in crate::capture) twin: Option<(u32, Mark)>,
    pub(in crate::capture) provisioning: Option<(u32, Mark)>,
    /// The first packet that breaks the rules, who sent it, and the clause.
    pub(in crate::capture) malformed: Option<(Side, Mark, &'static str)>,
    /// What the server speaks instead.
    pub(in crate::capture) foreign: Option<(Foreign, Mark)>,
}

/// CONNECT without its secrets.
#[derive(Debug, Clone)]
pub(in crate::capture) struct Hello {
    pub(in crate::capture) mark: Mark,
    pub(in crate::capture) mqtt5: bool,
    pub(in crate::capture) keep_alive: Duration,
    pub(in crate::capture) client_id: String,
    pub(in crate::capture) user: bool,
    pub(in crate::capture) password: bool,
    /// The user name has the form that a hub wants, or that of a provisioning service.
    pub(in crate::capture) hub: bool,
    pub(in crate::capture) provisioning: bool,
}

/// A PUBLISH without its payload.
#[derive(Debug, Clone)]
pub(in crate::capture) struct Message {
    pub(in crate::capture) mark: Mark,
    pub(in crate::capture) topic: String,
    pub(in crate::capture) qos: u8,
    /// The whole packet, bytes.
    pub(in crate::capture) len: usize,
}

/// One direction.
#[derive(Debug, Default)]
struct Packets {
    pending: Vec<u8>,
    skip: usize,
    any: bool,
    lost: bool,
}

impl Talk {
    /// MQTT without WebSocket.
    pub(super) fn mqtt(&mut self, side: Side, mark: Mark) -> bool {
        let bytes = self.pending.get_mut(index(side)).map(std::mem::take);
        let mqtt = self.mqtt.get_or_insert_default();
        mqtt.bytes(side, &bytes.unwrap_or_default(), mark);
        if mqtt.foreign.is_some() {
            self.mode = Mode::Closed;
        }
        false
    }
}

impl Mqtt {
    /// Whether a packet of this side is begun and not complete.
    pub(in crate::capture) fn is_inside(&self, side: Side) -> bool {
        self.sides
            .get(index(side))
            .is_some_and(|packets| packets.skip > 0 || !packets.pending.is_empty())
    }

    /// Bytes of one side, in order.
    pub(super) fn bytes(&mut self, side: Side, bytes: &[u8], mark: Mark) {
        let Some(packets) = self.sides.get_mut(index(side)) else {
            return;
        };
        if packets.lost {
            return;
        }
        let first = !packets.any && !bytes.is_empty();
        packets.any |= first;
        if first && side == Side::Server && bytes.first().is_some_and(|byte| byte >> 4 != 2) {
            packets.lost = true;
            self.foreign = Some((Foreign::of(bytes), mark));
            return;
        }
        for part in bytes.chunks(WHOLE) {
            let mut pending = self.take_pending(side, part);
            let mut used = 0;
            while let Some(len) = self.packet(side, pending.get(used..).unwrap_or_default(), mark) {
                used += len;
            }
            pending.drain(..used.min(pending.len()));
            if let Some(packets) = self.sides.get_mut(index(side)) {
                packets.pending = pending;
            }
        }
    }

    /// What waits, with `part` behind it, less what is to be skipped.
    fn take_pending(&mut self, side: Side, part: &[u8]) -> Vec<u8> {
        let Some(packets) = self.sides.get_mut(index(side)) else {
            return Vec::new();
        };
        let skipped = packets.skip.min(part.len());
        packets.skip -= skipped;
        let mut pending = std::mem::take(&mut packets.pending);
        if !packets.lost {
            pending.extend_from_slice(part.get(skipped..).unwrap_or_default());
        }
        pending
    }

    /// Reads the packet at the front and says how many bytes it took; none: more has to come.
    fn packet(&mut self, side: Side, bytes: &[u8], mark: Mark) -> Option<usize> {
        let version = self.version.unwrap_or(Version::V311);
        let header = match Header::decode(bytes, version) {
            Ok(header) => header?,
            Err(invalid) => {
                self.malformed.get_or_insert((side, mark, invalid.clause));
                if let Some(packets) = self.sides.get_mut(index(side)) {
                    packets.lost = true;
                }
                return None;
            }
        };
        let head = usize::from(header.len);
        let len = header.packet_len();
        if len > WHOLE {
            return self.long(side, &header, bytes, mark);
        }
        let body = bytes.get(head..len)?;
        self.note(side, header.kind, mark);
        match Packet::decode_body(&header, body, version_of(header.kind, body, version)) {
            Ok(packet) => self.learn(side, &packet, body, len, mark),
            Err(invalid) => {
                self.malformed.get_or_insert((side, mark, invalid.clause));
                // A code that the version does not have is a code none the less.
                if let (Kind::Connack, [_, code, ..]) = (header.kind, body) {
                    self.connack.get_or_insert((*code, mark));
                    self.malformed = None;
                }
            }
        }
        Some(len)
    }

    fn note(&mut self, side: Side, kind: Kind, mark: Mark) {
        if let Some(last) = self.last.get_mut(index(side)) {
            *last = Some((kind, mark));
        }
    }

    /// A packet that is too long to be kept: its topic is read, the rest left out.
    fn long(&mut self, side: Side, header: &Header, bytes: &[u8], mark: Mark) -> Option<usize> {
        let head = usize::from(header.len);
        let body = bytes.get(head..)?;
        let mut seen = head;
        if header.kind == Kind::Publish {
            let ([high, low], rest) = body.split_first_chunk::<2>()?;
            let topic = usize::from(u16::from_be_bytes([*high, *low]));
            let (topic, rest) = rest.split_at_checked(topic)?;
            let id = rest.first_chunk::<2>()?;
            let qos = header.flags >> 1 & 3;
            let message = Message {
                mark,
                topic: proxy::text(topic),
                qos,
                len: header.packet_len(),
            };
            self.published(side, message, (qos > 0).then_some(u16::from_be_bytes(*id)));
            seen = bytes.len();
        }
        self.note(side, header.kind, mark);
        let seen = seen.min(header.packet_len());
        if let Some(packets) = self.sides.get_mut(index(side)) {
            packets.skip = header.packet_len() - seen;
        }
        Some(seen)
    }

    fn learn(&mut self, side: Side, packet: &Packet<'_>, body: &[u8], len: usize, mark: Mark) {
        match (side, packet) {
            (Side::Client, Packet::Connect(connect)) => self.connect(connect, mark),
            (Side::Server, Packet::Connack(connack)) => self.connack(connack, body, mark),
            (_, Packet::Publish(publish)) => {
                let message = Message {
                    mark,
                    topic: proxy::text(publish.topic.as_bytes()),
                    qos: publish.qos as u8,
                    len,
                };
                self.answers(side, publish, mark);
                self.published(side, message, publish.packet_id.map(u16::from));
            }
            (Side::Server, Packet::Puback(ack) | Packet::Pubrec(ack)) => {
                let id = u16::from(ack.packet_id);
                let place = self.open.iter().position(|(open, _, _)| *open == id);
                if let Some((_, len, _)) = place.and_then(|place| self.open.remove(place)) {
                    self.accepted = self.accepted.max(len);
                }
                if ack.reason.is_error() {
                    self.refused.get_or_insert((ack.reason.0, mark));
                }
            }
            (Side::Client, Packet::Subscribe(subscribe)) => {
                let filter = subscribe.iter().next();
                self.filter = filter
                    .map(|filter| proxy::text(filter.filter.as_str().as_bytes()))
                    .unwrap_or_default();
                self.asked = Some(mark);
            }
            (Side::Client, Packet::Unsubscribe(unsubscribe)) => {
                let filter = unsubscribe.iter().next();
                self.filter = filter
                    .map(|filter| proxy::text(filter.as_str().as_bytes()))
                    .unwrap_or_default();
            }
            (Side::Server, Packet::Suback(suback)) => {
                self.asked = None;
                if let Some(reason) = suback.reasons().find(|reason| reason.is_error()) {
                    self.unsubscribed.get_or_insert((reason.0, mark));
                }
            }
            (Side::Client, Packet::Pingreq) => drop(self.ping.get_or_insert(mark)),
            (Side::Server, Packet::Pingresp) => {
                if let Some(asked) = self.ping.take() {
                    self.pong = Some((mark, mark.since(asked)));
                }
            }
            (side, Packet::Disconnect(disconnect)) => {
                if let Some(place) = self.disconnect.get_mut(index(side)) {
                    *place = Some((disconnect.reason.0, mark));
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, connect: &Connect<'_>, mark: Mark) {
        self.version = Some(connect.version);
        let user = connect.user_name.unwrap_or_default();
        self.connect.get_or_insert_with(|| Hello {
            mark,
            mqtt5: connect.version == Version::V5,
            keep_alive: Duration::from_secs(u64::from(connect.keep_alive)),
            client_id: proxy::text(connect.client_id.as_bytes()),
            user: connect.user_name.is_some(),
            password: connect.password.is_some(),
            hub: user.contains("/?api-version=") && !user.contains("/registrations/"),
            provisioning: user.contains("/registrations/"),
        });
    }

    fn connack(&mut self, connack: &Connack<'_>, body: &[u8], mark: Mark) {
        let code = body.get(1).copied().unwrap_or(connack.reason.0);
        self.connack.get_or_insert((code, mark));
        let granted = connack.properties.find(|property| match property {
            Property::ServerKeepAlive(seconds) => Some(seconds),
            _ => None,
        });
        if let (Some(seconds), Some(hello)) = (granted, &mut self.connect) {
            hello.keep_alive = Duration::from_secs(u64::from(seconds));
        }
    }

    fn published(&mut self, side: Side, message: Message, id: Option<u16>) {
        if let (Side::Client, Some(id)) = (side, id) {
            if self.open.len() >= UNACKNOWLEDGED {
                self.open.pop_front();
            }
            if self.open.iter().all(|(open, _, _)| *open != id) {
                self.open.push_back((id, message.len, message.mark));
            }
        }
        if let Some(place) = self.published.get_mut(index(side)) {
            *place = Some(message);
        }
    }

    /// What a hub or a provisioning service answers in the topics of its messages.
    fn answers(&mut self, side: Side, publish: &Publish<'_>, mark: Mark) {
        if side == Side::Client {
            return;
        }
        let topic = publish.topic.as_str();
        let status = |rest: &str| {
            rest.split('/')
                .next()
                .and_then(|word| word.parse::<u32>().ok())
        };
        if let Some(rest) = topic.strip_prefix("$iothub/twin/res/") {
            self.twin = status(rest).map(|status| (status, mark)).or(self.twin);
        } else if let Some(rest) = topic.strip_prefix("$dps/registrations/res/") {
            self.provisioning = status(rest)
                .map(|status| (status, mark))
                .or(self.provisioning);
        }
    }

    /// Whether a message was sent that waits for its acknowledgement.
    pub(in crate::capture) fn unacknowledged(&self) -> Option<Mark> {
        self.open.front().map(|(_, _, mark)| *mark)
    }
}

/// The version that a packet is read as: CONNECT tells its own.
const fn version_of(kind: Kind, body: &[u8], known: Version) -> Version {
    match (kind, body) {
        (Kind::Connect, [_, _, _, _, _, _, 5, ..]) => Version::V5,
        _ => known,
    }
}

/// The name of a quality of service.
pub(in crate::capture) const fn qos(bits: u8) -> &'static str {
    match QoS::from_bits(bits) {
        Some(QoS::AtMostOnce) => "QoS 0",
        Some(QoS::AtLeastOnce) => "QoS 1",
        _ => "QoS 2",
    }
}
