//! Bytes to packets, both versions, with the clause beside each check.

mod connect;
mod reply;

pub(crate) use reply::Reply;

use super::{
    Invalid, QoS, Version,
    packet::{
        Connect, Kind, List, Packet, PacketId, Publish, Subscribe, Subscription, Unsubscribe,
        decode_filter,
    },
    property::{Place, Properties, id},
    reason::ReasonCode,
    topic::{TopicName, check_utf8},
};
use crate::{bytes::Reader, malformed, protocol};

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
            .ok_or(malformed!("MQTT 5 2.1.2 packet type 0 is reserved"))?;
        let flags = first & 0x0F;
        if !flags_allowed(kind, flags) {
            return Err(malformed!(
                "[MQTT-2.1.3-1] reserved flag bits of the fixed header",
            ));
        }
        if kind == Kind::Auth && version == Version::V311 {
            return Err(malformed!("MQTT 3.1.1 2.2.1 packet type 15 is reserved",));
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
    let mut remaining = 0;
    let mut len = 1;
    for byte in bytes.iter().take(4) {
        remaining |= u32::from(byte & 0x7F) << (7 * (len - 1));
        len += 1;
        if byte & 0x80 == 0 {
            // 3.1.1 does not forbid padding, and some devices send it.
            if *byte == 0 && version == Version::V5 {
                return Err(malformed!(
                    "[MQTT-1.5.5-1] the remaining length is longer than needed",
                ));
            }
            return Ok(Some((remaining, len)));
        }
    }
    if len > 4 {
        return Err(malformed!(
            "MQTT 5 2.1.4 the remaining length has more than four bytes",
        ));
    }
    Ok(None)
}

/// MQTT 5 section 2.1.3, table 2-2. The flags of PUBLISH are checked where they are read.
#[inline]
const fn flags_allowed(kind: Kind, flags: u8) -> bool {
    const WITH_2: u16 =
        1 << Kind::Pubrel as u8 | 1 << Kind::Subscribe as u8 | 1 << Kind::Unsubscribe as u8;
    let wanted = ((WITH_2 >> kind as u8) as u8 & 1) << 1;
    flags == wanted || matches!(kind, Kind::Publish)
}

/// The flags of a PUBLISH and the places of its body's ends, if `bytes` begin with one that is complete and has a
/// remaining length of one or two bytes. That is most of all traffic, so it takes no detours.
#[inline]
fn common_publish(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, remaining, from) = match *bytes {
        [first, low @ 0..=0x7F, ..] => (first, usize::from(low), 2),
        [first, low, high @ 1..=0x7F, ..] => {
            (first, usize::from(low & 0x7F) | usize::from(high) << 7, 3)
        }
        _ => return None,
    };
    let to = from + remaining;
    (first >> 4 == Kind::Publish as u8 && to <= bytes.len()).then_some((first & 0x0F, from, to))
}

impl<'a> Packet<'a> {
    /// Reads the packet at the start of `bytes` and says how many bytes it took; `None` if it is not complete.
    ///
    /// # Errors
    /// The clause that the packet breaks.
    // Inlined as a whole, whatever else a program holds: a packet handed over in memory costs as much as decoding it.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub fn decode(bytes: &'a [u8], version: Version) -> Result<Option<(Self, usize)>, Invalid> {
        if let Some((flags, from, to)) = common_publish(bytes)
            && let Some(body) = bytes.get(from..to)
        {
            let publish = Publish::decode_body(flags, body, version)?;
            return Ok(Some((Packet::Publish(publish), to)));
        }
        Self::decode_any(bytes, version)
    }

    #[inline(never)]
    fn decode_any(bytes: &'a [u8], version: Version) -> Result<Option<(Self, usize)>, Invalid> {
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
        if header.kind == Kind::Publish {
            return Publish::decode_body(header.flags, body, version).map(Packet::Publish);
        }
        let mut reader = Reader::new(body);
        let Some(packet) = decode_clients(header.kind, &mut reader, version) else {
            return Reply::decode(header.kind, body, version).map(Packet::from);
        };
        let packet = packet?;
        at_end(&reader)?;
        Ok(packet)
    }
}

fn at_end(reader: &Reader<'_>) -> Result<(), Invalid> {
    if reader.is_empty() {
        Ok(())
    } else {
        Err(malformed!(
            "MQTT 5 2.1.4 bytes are left behind the last field"
        ))
    }
}

/// A packet that only clients send; `None` for any other.
fn decode_clients<'a>(
    kind: Kind,
    reader: &mut Reader<'a>,
    version: Version,
) -> Option<Result<Packet<'a>, Invalid>> {
    Some(match kind {
        Kind::Connect => Connect::decode(reader).map(Packet::Connect),
        Kind::Subscribe => Subscribe::decode(reader, version).map(Packet::Subscribe),
        Kind::Unsubscribe => Unsubscribe::decode(reader, version).map(Packet::Unsubscribe),
        Kind::Pingreq => Ok(Packet::Pingreq),
        _ => return None,
    })
}

/// A reason code of `kind`.
#[inline]
fn reason_code(kind: Kind, code: u8) -> Result<ReasonCode, Invalid> {
    let reason = ReasonCode(code);
    if reason.is_understood_in(kind) {
        Ok(reason)
    } else {
        Err(unknown_reason(kind))
    }
}

#[cold]
const fn unknown_reason(kind: Kind) -> Invalid {
    match kind {
        Kind::Connack => protocol!("[MQTT-3.2.2-8] no reason code of CONNACK"),
        Kind::Puback => protocol!("[MQTT-3.4.2-1] no reason code of PUBACK"),
        Kind::Pubrec => protocol!("[MQTT-3.5.2-1] no reason code of PUBREC"),
        Kind::Pubrel => protocol!("[MQTT-3.6.2-1] no reason code of PUBREL"),
        Kind::Pubcomp => protocol!("[MQTT-3.7.2-1] no reason code of PUBCOMP"),
        Kind::Suback => protocol!("[MQTT-3.9.3-2] no reason code of SUBACK"),
        Kind::Unsuback => protocol!("[MQTT-3.11.3-2] no reason code of UNSUBACK"),
        Kind::Disconnect => protocol!("[MQTT-3.14.2-1] no reason code of DISCONNECT"),
        _ => protocol!("[MQTT-3.15.2-1] no reason code of AUTH"),
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Invalid> {
    let bytes = reader.binary()?;
    check_utf8(bytes)?;
    core::str::from_utf8(bytes)
        .map_err(|_| malformed!("[MQTT-1.5.4-1] a string is not well-formed UTF-8"))
}

#[inline]
fn packet_id(reader: &mut Reader<'_>) -> Result<PacketId, Invalid> {
    PacketId::new(reader.u16()?).ok_or(malformed!("[MQTT-2.2.1-3] packet identifier 0"))
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

// Inlined for the same reason as `Packet::decode`.
impl<'a> Publish<'a> {
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn decode_body(flags: u8, body: &'a [u8], version: Version) -> Result<Self, Invalid> {
        let mut reader = Reader::new(body);
        let mut publish = Self::decode_head(flags, &mut reader, version)?;
        publish.payload = reader.rest();
        Ok(publish)
    }

    /// Reads everything before the payload. The payload of the result is empty.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn decode_head(
        flags: u8,
        reader: &mut Reader<'a>,
        version: Version,
    ) -> Result<Self, Invalid> {
        let qos = QoS::from_bits(flags >> 1 & 3)
            .ok_or(malformed!("[MQTT-3.3.1-4] a PUBLISH has QoS 3"))?;
        let dup = flags & 8 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(malformed!("[MQTT-3.3.1-2] DUP on QoS 0"));
        }
        let topic = TopicName::from_wire(reader.binary()?)?;
        // [MQTT-2.2.1-2]: with QoS 0 there is none.
        let packet_id = if qos == QoS::AtMostOnce {
            None
        } else {
            Some(packet_id(reader)?)
        };
        let properties = properties(reader, version, Place::PUBLISH)?;
        if topic.is_empty() {
            check_alias(&properties)?;
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

/// MQTT 5 section 3.3.2.1: without a topic name there has to be a topic alias.
#[cold]
fn check_alias(properties: &Properties<'_>) -> Result<(), Invalid> {
    if properties.raw(id::TopicAlias).is_some() {
        Ok(())
    } else {
        Err(protocol!(
            "[MQTT-4.7.3-1] a topic name is empty and has no alias",
        ))
    }
}

impl<'a> Publish<'a> {
    /// A PUBLISH that this side has encoded.
    pub(crate) fn decode_kept(packet: &'a [u8], version: Version) -> Option<Self> {
        let header = Header::decode(packet, version).ok()??;
        let body = packet.get(usize::from(header.len)..)?;
        Self::decode_body(header.flags, body, version).ok()
    }
}

impl<'a> Subscribe<'a> {
    fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let packet_id = packet_id(reader)?;
        let properties = properties(reader, version, Place::SUBSCRIBE)?;
        if reader.is_empty() {
            return Err(protocol!(
                "[MQTT-3.8.3-2] a SUBSCRIBE without topic filters",
            ));
        }
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
        if reader.is_empty() {
            return Err(protocol!(
                "[MQTT-3.10.3-2] an UNSUBSCRIBE without topic filters",
            ));
        }
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
    while !reader.is_empty() {
        entry(reader)?;
    }
    Ok(wire)
}
