//! The other side: well-formed packets that may or may not make sense, in frames if the client asked for them.

use towpath_proto::{
    bytes::{Reader, Writer},
    http::head,
    mqtt::{
        QoS, Version,
        packet::{Ack, Auth, Connack, Disconnect, Packet, PacketId, Publish, Suback},
        property::{Properties, Property},
        reason::ReasonCode,
        topic::TopicName,
    },
    ws::{HEADER_MAX, Opcode, frame, handshake},
};

#[derive(Default)]
pub struct Server {
    framed: bool,
    upgraded: bool,
    /// The HTTP request so far.
    request: Vec<u8>,
}

impl Server {
    pub fn begin(&mut self, framed: bool) {
        *self = Self {
            framed,
            ..Self::default()
        };
    }

    /// Takes what the client sent. Only the request is looked at.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.framed && !self.upgraded {
            self.request.extend_from_slice(bytes);
        }
    }

    /// The 101 to a request that is complete, once.
    pub fn upgrade(&mut self) -> Option<Vec<u8>> {
        if !self.framed || self.upgraded {
            return None;
        }
        head::len(&self.request)?;
        let upgrade = handshake::Upgrade::parse(&self.request, &["mqtt"])
            .expect("the client asks as it should");
        let mut answer = vec![0; 256];
        let len = upgrade.encode(&mut answer).expect("room enough");
        answer.truncate(len);
        self.upgraded = true;
        Some(answer)
    }

    /// A packet of a server. `None` if the input ends within it.
    pub fn packet(&self, which: u8, version: Version, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
        let [how, number] = reader.array().ok()?;
        let packet_id = PacketId::new(u16::from(number & 15))?;
        let reason = ReasonCode(if how & 0x40 == 0 { 0 } else { 0x80 });
        let ack = Ack {
            reason,
            ..Ack::success(packet_id)
        };
        let codes = [how & 1];
        let suback = Suback {
            packet_id,
            properties: Properties::NONE,
            codes: if version == Version::V311 && how & 1 == 1 {
                &[]
            } else {
                &codes
            },
        };
        let payload = vec![number; usize::from(number)];
        let limits = limits(how, number);
        let properties = Properties::new(if version == Version::V5 { &limits } else { &[] });
        let packet = match (which, how & 3) {
            (11, _) => Packet::Connack(Connack {
                session_present: how & 1 != 0 && reason == ReasonCode::SUCCESS,
                reason,
                properties,
            }),
            (12, 0) => Packet::Puback(ack),
            (12, 1) => Packet::Pubrec(ack),
            (12, 2) => Packet::Pubrel(ack),
            (12, _) => Packet::Pubcomp(ack),
            (13, _) => return self.publish(how, packet_id, &payload, version),
            (14, 0) => Packet::Suback(suback),
            (14, 1) => Packet::Unsuback(suback),
            (14, 2) => Packet::Pingresp,
            (14, _) => return Some(self.framed(&[number][..], opcode(how))),
            (_, 0) => Packet::Disconnect(Disconnect::default()),
            (_, 1) => Packet::Auth(Auth::default()),
            (_, _) => return Some(self.framed(&payload[..payload.len().min(100)], opcode(how))),
        };
        Some(self.framed(&encode(&packet, version), Opcode::Binary))
    }

    fn publish(&self, how: u8, id: PacketId, payload: &[u8], version: Version) -> Option<Vec<u8>> {
        let qos = QoS::from_bits(how & 3).unwrap_or_default();
        let alias = [Property::TopicAlias(u16::from(how >> 6).max(1))];
        let aliased = how & 0x20 != 0 && version == Version::V5;
        let publish = Publish {
            dup: how & 4 != 0 && qos != QoS::AtMostOnce,
            qos,
            retain: how & 8 != 0,
            topic: TopicName::new(if how & 16 == 0 { "a/b" } else { "c" }).ok()?,
            packet_id: Some(id).filter(|_| qos != QoS::AtMostOnce),
            properties: Properties::new(if aliased { &alias } else { &[] }),
            payload,
        };
        Some(self.framed(&encode(&Packet::Publish(publish), version), Opcode::Binary))
    }

    fn framed(&self, bytes: &[u8], opcode: Opcode) -> Vec<u8> {
        if !self.framed {
            return bytes.to_vec();
        }
        let mut out = vec![0; bytes.len() + HEADER_MAX];
        match frame::write(&mut out, true, opcode, bytes, None) {
            Ok(len) => {
                out.truncate(len);
                out
            }
            Err(_) => Vec::new(),
        }
    }
}

fn opcode(how: u8) -> Opcode {
    match how >> 2 & 7 {
        0 => Opcode::Ping,
        1 => Opcode::Pong,
        2 => Opcode::Close,
        3 => Opcode::Text,
        _ => Opcode::Binary,
    }
}

fn limits(how: u8, number: u8) -> [Property<'static>; 4] {
    [
        Property::ReceiveMaximum(u16::from(number & 3) + 1),
        Property::TopicAliasMaximum(u16::from(how >> 2 & 3)),
        Property::MaximumPacketSize(u32::from(number >> 2) + 20),
        Property::MaximumQoS(how >> 4 & 1),
    ]
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let len = packet.encoded_len(version).expect("small");
    let mut bytes = vec![0; len];
    let mut writer = Writer::new(&mut bytes);
    packet
        .encode(version, &mut writer)
        .expect("as long as announced");
    bytes
}
