//! Bytes to packets, both versions, with the clause beside each check.

use super::{
    Invalid, QoS, Version,
    packet::{
        Ack, Auth, Connack, Connect, Disconnect, Kind, List, Packet, PacketId, Publish, Suback,
        Subscribe, Subscription, Unsubscribe, Will, decode_filter,
    },
    property::{Place, Properties},
    reason::ReasonCode,
    topic::{TopicName, check_utf8},
};
use crate::bytes::{Reader, Short};

/// The fixed header of a packet (MQTT 5 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The packet's type.
    pub kind: Kind,
    /// The lower four bits of the first byte.
    pub flags: u8,
    /// The bytes behind the fixed header.
    pub remaining: u32,
    /// The bytes of the fixed header itself, 2 to 5.
    pub len: u8,
}

impl Header {
    /// Reads a fixed header, `None` if `bytes` ends inside it.
    ///
    /// # Errors
    /// A reserved type, wrong flags, or a remaining length that is not valid.
    #[inline]
    pub fn decode(bytes: &[u8], version: Version) -> Result<Option<Self>, Invalid> {
        let Some((first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let kind = Kind::from_bits(first >> 4)
            .ok_or(Invalid::malformed("MQTT 5 2.1.2 packet type 0 is reserved"))?;
        let flags = first & 0x0F;
        if !flags_allowed(kind, flags) {
            return Err(Invalid::malformed(
                "[MQTT-2.1.3-1] reserved flag bits of the fixed header",
            ));
        }
        if let Some(&byte) = rest.first()
            && byte < 0x80
        {
            return Ok(Some(Self {
                kind,
                flags,
                remaining: u32::from(byte),
                len: 2,
            }));
        }
        long_remaining(rest, version).map(|found| {
            found.map(|(remaining, len)| Self {
                kind,
                flags,
                remaining,
                len,
            })
        })
    }

    /// The bytes of the whole packet.
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        self.len as usize + self.remaining as usize
    }
}

/// A remaining length of two to four bytes, and the length of the whole fixed header.
fn long_remaining(bytes: &[u8], version: Version) -> Result<Option<(u32, u8)>, Invalid> {
    let mut remaining = 0u32;
    for (position, byte) in (1u8..=4).zip(bytes) {
        remaining |= u32::from(byte & 0x7F) << (7 * (position - 1));
        if byte & 0x80 == 0 {
            // 3.1.1 does not forbid padding, and some devices send it.
            if *byte == 0 && version == Version::V5 {
                return Err(Invalid::malformed(
                    "[MQTT-1.5.5-1] the remaining length is longer than needed",
                ));
            }
            return Ok(Some((remaining, position + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Invalid::malformed(
            "MQTT 5 2.1.4 the remaining length has more than four bytes",
        ));
    }
    Ok(None)
}

/// MQTT 5 section 2.1.3, table 2-2. The flags of PUBLISH are checked where they are read.
const fn flags_allowed(kind: Kind, flags: u8) -> bool {
    match kind {
        Kind::Publish => true,
        Kind::Pubrel | Kind::Subscribe | Kind::Unsubscribe => flags == 2,
        _ => flags == 0,
    }
}

impl<'a> Packet<'a> {
    /// Reads the packet at the start of `bytes` and says how many bytes it took; `None` if it is not complete.
    ///
    /// # Errors
    /// The clause that the packet breaks.
    #[inline]
    pub fn decode(bytes: &'a [u8], version: Version) -> Result<Option<(Self, usize)>, Invalid> {
        let Some(header) = Header::decode(bytes, version)? else {
            return Ok(None);
        };
        let len = header.packet_len();
        match bytes.get(usize::from(header.len)..len) {
            Some(body) => {
                Self::decode_body(&header, body, version).map(|packet| Some((packet, len)))
            }
            None => Ok(None),
        }
    }

    /// Reads a packet from the bytes behind its fixed header.
    ///
    /// # Errors
    /// The clause that the packet breaks.
    #[inline]
    pub fn decode_body(header: &Header, body: &'a [u8], version: Version) -> Result<Self, Invalid> {
        let mut reader = Reader::new(body);
        if header.kind == Kind::Publish {
            let mut publish = Publish::decode_head(header.flags, &mut reader, version)?;
            publish.payload = reader.rest();
            return Ok(Packet::Publish(publish));
        }
        let packet = decode_other(header.kind, &mut reader, version)?;
        if reader.is_empty() {
            Ok(packet)
        } else {
            Err(Invalid::malformed(
                "MQTT 5 2.1.4 bytes are left behind the last field",
            ))
        }
    }
}

fn decode_other<'a>(
    kind: Kind,
    reader: &mut Reader<'a>,
    version: Version,
) -> Result<Packet<'a>, Invalid> {
    Ok(match kind {
        Kind::Connect => Packet::Connect(Connect::decode(reader)?),
        Kind::Connack => Packet::Connack(Connack::decode(reader, version)?),
        Kind::Publish => return Err(Invalid::malformed("MQTT 5 3.3")),
        Kind::Puback => Packet::Puback(Ack::decode(reader, version)?),
        Kind::Pubrec => Packet::Pubrec(Ack::decode(reader, version)?),
        Kind::Pubrel => Packet::Pubrel(Ack::decode(reader, version)?),
        Kind::Pubcomp => Packet::Pubcomp(Ack::decode(reader, version)?),
        Kind::Subscribe => Packet::Subscribe(Subscribe::decode(reader, version)?),
        Kind::Suback => Packet::Suback(Suback::decode(reader, version)?),
        Kind::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(reader, version)?),
        Kind::Unsuback => Packet::Unsuback(Suback::decode_unsuback(reader, version)?),
        Kind::Pingreq => Packet::Pingreq,
        Kind::Pingresp => Packet::Pingresp,
        Kind::Disconnect => {
            let (reason, properties) = decode_reason(reader, version, Place::DISCONNECT)?;
            Packet::Disconnect(Disconnect { reason, properties })
        }
        Kind::Auth => {
            if version == Version::V311 {
                return Err(Invalid::malformed(
                    "MQTT 3.1.1 2.2.1 packet type 15 is reserved",
                ));
            }
            let (reason, properties) = decode_reason(reader, version, Place::AUTH)?;
            Packet::Auth(Auth { reason, properties })
        }
    })
}

#[inline]
fn binary<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = reader.u16()?;
    reader.take(usize::from(len))
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Invalid> {
    let bytes = binary(reader)?;
    check_utf8(bytes)?;
    core::str::from_utf8(bytes)
        .map_err(|_| Invalid::malformed("[MQTT-1.5.4-1] a string is not well-formed UTF-8"))
}

#[inline]
fn packet_id(reader: &mut Reader<'_>) -> Result<PacketId, Invalid> {
    PacketId::new(reader.u16()?).ok_or(Invalid::malformed("[MQTT-2.2.1-3] packet identifier 0"))
}

#[inline]
fn properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    place: Place,
) -> Result<Properties<'a>, Invalid> {
    if version == Version::V5 {
        Properties::decode(reader, place)
    } else {
        Ok(Properties::NONE)
    }
}

impl<'a> Connect<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let unsupported = |clause| Invalid {
            reason: ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            clause,
        };
        if binary(reader)? != b"MQTT" {
            return Err(unsupported("[MQTT-3.1.2-1] the protocol name is not MQTT"));
        }
        let version = match reader.u8()? {
            4 => Version::V311,
            5 => Version::V5,
            _ => {
                return Err(unsupported(
                    "[MQTT-3.1.2-2] the protocol version is neither 3.1.1 nor 5",
                ));
            }
        };
        let flags = ConnectFlags::decode(reader.u8()?, version)?;
        let keep_alive = reader.u16()?;
        let properties = properties(reader, version, Place::CONNECT)?;
        let client_id = text(reader)?;
        if client_id.is_empty() && version == Version::V311 && !flags.has(ConnectFlags::CLEAN) {
            let reason = ReasonCode::CLIENT_IDENTIFIER_NOT_VALID;
            return Err(Invalid {
                reason,
                clause: "[MQTT-3.1.3-8] no client identifier and no clean session",
            });
        }
        let will = if flags.has(ConnectFlags::WILL) {
            Some(Will::decode(reader, version, flags)?)
        } else {
            None
        };
        let user_name = if flags.has(ConnectFlags::USER) {
            Some(text(reader)?)
        } else {
            None
        };
        let password = if flags.has(ConnectFlags::PASSWORD) {
            Some(binary(reader)?)
        } else {
            None
        };
        let clean_start = flags.has(ConnectFlags::CLEAN);
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }
}

/// The flags of CONNECT (MQTT 5 section 3.1.2.3).
#[derive(Clone, Copy)]
struct ConnectFlags(u8);

impl ConnectFlags {
    const CLEAN: u8 = 0x02;
    const WILL: u8 = 0x04;
    const WILL_QOS: u8 = 0x18;
    const WILL_RETAIN: u8 = 0x20;
    const PASSWORD: u8 = 0x40;
    const USER: u8 = 0x80;

    fn decode(bits: u8, version: Version) -> Result<Self, Invalid> {
        let flags = Self(bits);
        if flags.has(1) {
            return Err(Invalid::malformed(
                "[MQTT-3.1.2-3] the reserved connect flag is set",
            ));
        }
        if !flags.has(Self::WILL) && flags.has(Self::WILL_QOS | Self::WILL_RETAIN) {
            return Err(Invalid::malformed(
                "[MQTT-3.1.2-11] will QoS or retain without a will",
            ));
        }
        if flags.0 & Self::WILL_QOS == Self::WILL_QOS {
            return Err(Invalid::malformed("[MQTT-3.1.2-12] the will has QoS 3"));
        }
        if version == Version::V311 && flags.has(Self::PASSWORD) && !flags.has(Self::USER) {
            return Err(Invalid::malformed(
                "MQTT 3.1.1 [MQTT-3.1.2-22] a password without a user name",
            ));
        }
        Ok(flags)
    }

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

impl<'a> Will<'a> {
    fn decode(
        reader: &mut Reader<'a>,
        version: Version,
        flags: ConnectFlags,
    ) -> Result<Self, Invalid> {
        let properties = properties(reader, version, Place::WILL)?;
        let topic = TopicName::from_wire(binary(reader)?)?;
        if topic.is_empty() {
            return Err(Invalid::protocol("[MQTT-4.7.3-1] the will topic is empty"));
        }
        let payload = binary(reader)?;
        let qos = QoS::from_bits((flags.0 & ConnectFlags::WILL_QOS) >> 3).unwrap_or_default();
        Ok(Self {
            topic,
            payload,
            qos,
            retain: flags.has(ConnectFlags::WILL_RETAIN),
            properties,
        })
    }
}

impl<'a> Connack<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let flags = reader.u8()?;
        if flags & 0xFE != 0 {
            return Err(Invalid::malformed(
                "[MQTT-3.2.2-1] reserved connect acknowledge flags are set",
            ));
        }
        let code = reader.u8()?;
        let reason = if version == Version::V5 {
            ReasonCode(code)
        } else {
            ReasonCode::from_v311_connack(code).ok_or(Invalid::malformed(
                "MQTT 3.1.1 3.2.2.3 a reserved connect return code",
            ))?
        };
        let session_present = flags == 1;
        if session_present && reason != ReasonCode::SUCCESS {
            return Err(Invalid::protocol(
                "[MQTT-3.2.2-6] session present on a refused connection",
            ));
        }
        // A server that refuses the version answers in the form of 3.1.1 (MQTT 5 section 3.1.2.2): nothing follows then.
        let properties = if reason.is_error() && reader.is_empty() || code == 1 {
            Properties::NONE
        } else {
            properties(reader, version, Place::CONNACK)?
        };
        let reason = if version == Version::V5 && code == 1 {
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
        } else {
            reason
        };
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }
}

impl<'a> Publish<'a> {
    /// Reads everything before the payload. The payload of the result is empty.
    #[inline]
    pub(crate) fn decode_head(
        flags: u8,
        reader: &mut Reader<'a>,
        version: Version,
    ) -> Result<Self, Invalid> {
        let qos = QoS::from_bits(flags >> 1 & 3)
            .ok_or(Invalid::malformed("[MQTT-3.3.1-4] a PUBLISH has QoS 3"))?;
        let dup = flags & 8 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(Invalid::malformed("[MQTT-3.3.1-2] DUP on QoS 0"));
        }
        let topic = TopicName::from_wire(binary(reader)?)?;
        let packet_id = if qos == QoS::AtMostOnce {
            None
        } else {
            Some(packet_id(reader)?)
        };
        let properties = properties(reader, version, Place::PUBLISH)?;
        if topic.is_empty() && (version == Version::V311 || properties.is_empty()) {
            return Err(Invalid::protocol(
                "[MQTT-4.7.3-1] a topic name is empty and has no alias",
            ));
        }
        Ok(Self {
            dup,
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            properties,
            payload: &[],
        })
    }
}

impl<'a> Ack<'a> {
    #[inline]
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let packet_id = packet_id(reader)?;
        let (reason, properties) = decode_reason(reader, version, Place::ACK)?;
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }
}

/// An optional reason code and optional properties at the end (MQTT 5 sections 3.4.2, 3.14.2 and 3.15.2).
#[inline]
fn decode_reason<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    place: Place,
) -> Result<(ReasonCode, Properties<'a>), Invalid> {
    if reader.is_empty() || version == Version::V311 {
        return Ok((ReasonCode::SUCCESS, Properties::NONE));
    }
    let reason = ReasonCode(reader.u8()?);
    if reader.is_empty() {
        return Ok((reason, Properties::NONE));
    }
    Ok((reason, Properties::decode(reader, place)?))
}

impl<'a> Subscribe<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let packet_id = packet_id(reader)?;
        let properties = properties(reader, version, Place::SUBSCRIBE)?;
        let wire = take_list(reader, |reader| {
            Subscription::decode(reader, version).map(drop)
        })?;
        Ok(Self {
            packet_id,
            properties,
            list: List::Wire(wire, version),
        })
    }
}

impl<'a> Unsubscribe<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let packet_id = packet_id(reader)?;
        let properties = properties(reader, version, Place::UNSUBSCRIBE)?;
        let wire = take_list(reader, |reader| decode_filter(reader).map(drop))?;
        Ok(Self {
            packet_id,
            properties,
            list: List::Wire(wire, version),
        })
    }
}

/// The rest of the packet as a list whose every entry was checked.
fn take_list<'a>(
    reader: &mut Reader<'a>,
    mut entry: impl FnMut(&mut Reader<'a>) -> Result<(), Invalid>,
) -> Result<&'a [u8], Invalid> {
    let wire = reader.rest();
    if wire.is_empty() {
        return Err(Invalid::protocol(
            "[MQTT-3.8.3-2], [MQTT-3.10.3-2] a list of topic filters is empty",
        ));
    }
    while !reader.is_empty() {
        entry(reader)?;
    }
    Ok(wire)
}

impl<'a> Suback<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let suback = Self::decode_any(reader, version)?;
        let known = |code: u8| code <= 2 || code == 0x80 || (version == Version::V5 && code > 0x80);
        if suback.codes.is_empty() || !suback.codes.iter().all(|code| known(*code)) {
            return Err(Invalid::malformed(
                "[MQTT-3.9.3-2] a SUBACK without codes or with a reserved code",
            ));
        }
        Ok(suback)
    }

    fn decode_unsuback(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let unsuback = Self::decode_any(reader, version)?;
        // MQTT 3.1.1 section 3.11: UNSUBACK has no payload; MQTT 5 section 3.11.3: one code a filter.
        if unsuback.codes.is_empty() == (version == Version::V5) {
            return Err(Invalid::malformed(
                "MQTT 5 3.11.3, MQTT 3.1.1 3.11.2 an UNSUBACK with a wrong number of codes",
            ));
        }
        Ok(unsuback)
    }

    fn decode_any(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let packet_id = packet_id(reader)?;
        let properties = properties(reader, version, Place::SUBACK)?;
        let codes = reader.rest();
        reader.take(codes.len())?;
        Ok(Self {
            packet_id,
            properties,
            codes,
        })
    }
}
