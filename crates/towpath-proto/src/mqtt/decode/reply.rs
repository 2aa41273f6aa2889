//! What a server sends besides PUBLISH, read into one value whatever its kind: the packets share their fields, so a
//! device reads each field in one place.

use super::{at_end, packet_id, properties, reason_code};
use crate::{
    bytes::Reader,
    malformed,
    mqtt::{
        Invalid, Version,
        packet::{Ack, Auth, Connack, Disconnect, Kind, NO_METHOD, Packet, PacketId, Suback},
        property::{Place, Properties},
        reason::ReasonCode,
    },
    protocol,
};

/// A packet of a server other than PUBLISH. A field that its kind does not have says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply<'a> {
    pub(crate) kind: Kind,
    pub(crate) session_present: bool,
    pub(crate) packet_id: PacketId,
    pub(crate) reason: ReasonCode,
    pub(crate) properties: Properties<'a>,
    pub(crate) codes: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Reads a packet from the bytes behind its fixed header.
    ///
    /// # Errors
    /// The clause that the packet breaks.
    #[inline(never)]
    pub(crate) fn decode(kind: Kind, body: &'a [u8], version: Version) -> Result<Self, Invalid> {
        let mut reader = Reader::new(body);
        let mut reply = Self {
            kind,
            session_present: false,
            packet_id: PacketId::MIN,
            reason: ReasonCode::SUCCESS,
            properties: Properties::NONE,
            codes: &[],
        };
        match kind {
            Kind::Puback | Kind::Pubrec | Kind::Pubrel | Kind::Pubcomp => {
                reply.packet_id = packet_id(&mut reader)?;
                reply.decode_reason(&mut reader, version, Place::ACK)?;
            }
            Kind::Suback | Kind::Unsuback => {
                reply.packet_id = packet_id(&mut reader)?;
                reply.properties = properties(&mut reader, version, Place::SUBACK)?;
                reply.codes = reader.rest();
                return reply.check_codes(version).map(|()| reply);
            }
            Kind::Connack => reply.decode_connack(&mut reader, version)?,
            Kind::Disconnect => reply.decode_reason(&mut reader, version, Place::DISCONNECT)?,
            Kind::Auth => {
                reply.decode_reason(&mut reader, version, Place::AUTH)?;
                // MQTT 5 section 3.15.2.1: success without properties is an empty packet. Section 3.15.2.2.2: anything
                // else names the method, which the list itself checks when it is not empty.
                if reply.properties.is_empty() && reply.reason != ReasonCode::SUCCESS {
                    return Err(protocol!(NO_METHOD));
                }
            }
            Kind::Pingresp => {}
            _ => return Err(protocol!("MQTT 5 2.1.2 a packet that only clients send")),
        }
        at_end(&reader).map(|()| reply)
    }

    fn decode_connack(&mut self, reader: &mut Reader<'a>, version: Version) -> Result<(), Invalid> {
        let flags = reader.u8()?;
        if flags & 0xFE != 0 {
            return Err(malformed!(
                "[MQTT-3.2.2-1] reserved connect acknowledge flags are set",
            ));
        }
        let code = reader.u8()?;
        self.reason = match (version, code) {
            // A server that does not know version 5 refuses it in the form of 3.1.1, with return code 1 and nothing
            // behind it (MQTT 5 section 3.1.2.2, MQTT 3.1.1 [MQTT-3.1.2-2]).
            (Version::V5, 1) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            (Version::V5, _) => reason_code(Kind::Connack, code)?,
            (Version::V311, _) => ReasonCode::from_v311_connack(code).ok_or(malformed!(
                "MQTT 3.1.1 3.2.2.3 a reserved connect return code",
            ))?,
        };
        self.session_present = flags == 1;
        if self.session_present && self.reason != ReasonCode::SUCCESS {
            return Err(protocol!(
                "[MQTT-3.2.2-6] session present on a refused connection",
            ));
        }
        if !(self.reason.is_error() && reader.is_empty()) {
            self.properties = properties(reader, version, Place::CONNACK)?;
        }
        Ok(())
    }

    /// An optional reason code and optional properties at the end (MQTT 5 sections 3.4.2, 3.14.2 and 3.15.2).
    #[inline]
    fn decode_reason(
        &mut self,
        reader: &mut Reader<'a>,
        version: Version,
        place: Place,
    ) -> Result<(), Invalid> {
        if reader.is_empty() || version == Version::V311 {
            return Ok(());
        }
        self.reason = reason_code(self.kind, reader.u8()?)?;
        if !reader.is_empty() {
            self.properties = Properties::decode(reader, place)?;
        }
        Ok(())
    }

    /// Checks the reason codes of SUBACK and UNSUBACK, one a filter.
    fn check_codes(&self, version: Version) -> Result<(), Invalid> {
        let suback = self.kind == Kind::Suback;
        if !suback && version == Version::V311 {
            if self.codes.is_empty() {
                return Ok(());
            }
            return Err(malformed!("MQTT 3.1.1 3.11.3 an UNSUBACK with a payload"));
        }
        if self.codes.is_empty() {
            return Err(if suback {
                protocol!("[MQTT-3.9.3-2] a SUBACK without codes")
            } else {
                protocol!("[MQTT-3.11.3-2] an UNSUBACK without codes")
            });
        }
        for code in self.codes {
            if version == Version::V5 {
                reason_code(self.kind, *code)?;
            } else if !matches!(code, 0..=2 | 0x80) {
                return Err(malformed!(
                    "MQTT 3.1.1 [MQTT-3.9.3-2] a reserved SUBACK return code",
                ));
            }
        }
        Ok(())
    }
}

impl<'a> From<Reply<'a>> for Packet<'a> {
    #[inline]
    fn from(reply: Reply<'a>) -> Self {
        let Reply {
            kind,
            session_present,
            packet_id,
            reason,
            properties,
            codes,
        } = reply;
        let ack = Ack {
            packet_id,
            reason,
            properties,
        };
        let suback = Suback {
            packet_id,
            properties,
            codes,
        };
        match kind {
            Kind::Connack => Packet::Connack(Connack {
                session_present,
                reason,
                properties,
            }),
            Kind::Puback => Packet::Puback(ack),
            Kind::Pubrec => Packet::Pubrec(ack),
            Kind::Pubrel => Packet::Pubrel(ack),
            Kind::Pubcomp => Packet::Pubcomp(ack),
            Kind::Suback => Packet::Suback(suback),
            Kind::Unsuback => Packet::Unsuback(suback),
            Kind::Disconnect => Packet::Disconnect(Disconnect { reason, properties }),
            Kind::Auth => Packet::Auth(Auth { reason, properties }),
            // The others have no fields, or are read elsewhere.
            _ => Packet::Pingresp,
        }
    }
}
