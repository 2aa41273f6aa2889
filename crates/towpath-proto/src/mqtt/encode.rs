//! Packets to bytes, both versions.

use super::{
    Version,
    packet::{
        Ack, Auth, Connack, Connect, Disconnect, Kind, Packet, PacketId, Publish, Suback,
        Subscribe, Subscription, Unsubscribe,
    },
    property::{Properties, VARINT_MAX, varint_len, write_varint},
    reason::ReasonCode,
    topic::TopicFilter,
};
use crate::bytes::{Short, Writer, copy};

impl Packet<'_> {
    /// The bytes that the packet takes, `None` if it is too large for MQTT (268,435,460 bytes).
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> Option<usize> {
        framed_len(self.body_len(version))
    }

    fn body_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(p) => p.body_len(),
            Self::Connack(p) => 2 + properties_len(&p.properties, version),
            Self::Publish(p) => p.body_len(version, None),
            Self::Puback(p) | Self::Pubrec(p) | Self::Pubrel(p) | Self::Pubcomp(p) => {
                p.body_len(version)
            }
            Self::Subscribe(p) => p.body_len(version),
            Self::Suback(p) => suback_len(p, version),
            Self::Unsubscribe(p) => p.body_len(version),
            Self::Unsuback(_) if version == Version::V311 => 2,
            Self::Unsuback(p) => suback_len(p, version),
            Self::Pingreq | Self::Pingresp => 0,
            Self::Disconnect(p) => reason_len(p.reason, &p.properties, version),
            Self::Auth(p) => reason_len(p.reason, &p.properties, version),
        }
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// [`Short`] if it does not fit the writer, or a field is longer than its length prefix can say.
    pub fn encode(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        if let Self::Publish(publish) = self {
            return publish.encode(version, None, writer);
        }
        let len = u32::try_from(self.body_len(version)).map_err(|_| Short)?;
        writer.u8(first_byte(self.kind()))?;
        write_varint(writer, len)?;
        match self {
            Self::Connect(p) => p.encode(writer),
            Self::Connack(p) => encode_connack(p, version, writer),
            Self::Publish(_) | Self::Pingreq | Self::Pingresp => Ok(()),
            Self::Puback(p) | Self::Pubrec(p) | Self::Pubrel(p) | Self::Pubcomp(p) => {
                p.encode(version, writer)
            }
            Self::Subscribe(p) => p.encode(version, writer),
            Self::Unsubscribe(p) => p.encode(version, writer),
            Self::Suback(p) => encode_suback(p, version, p.codes, writer),
            // [MQTT 3.1.1 section 3.11]: UNSUBACK has no payload.
            Self::Unsuback(p) => {
                let codes = if version == Version::V5 { p.codes } else { &[] };
                encode_suback(p, version, codes, writer)
            }
            Self::Disconnect(Disconnect { reason, properties })
            | Self::Auth(Auth { reason, properties }) => {
                encode_reason(*reason, properties, version, writer)
            }
        }
    }
}

/// The whole packet's length for a body of `body` bytes.
pub(crate) fn framed_len(body: usize) -> Option<usize> {
    let small = u32::try_from(body)
        .ok()
        .filter(|body| *body <= VARINT_MAX)?;
    Some(1 + varint_len(small) + body)
}

fn properties_len(properties: &Properties<'_>, version: Version) -> usize {
    if version == Version::V5 {
        properties.encoded_len(0)
    } else {
        0
    }
}

fn put_properties(
    properties: &Properties<'_>,
    version: Version,
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    if version == Version::V5 {
        properties.encode(writer, None)
    } else {
        Ok(())
    }
}

/// What a client sends behind the fixed header of a packet. A client goes by this instead of [`Packet`], so that a
/// device does not hold what only servers send.
pub(crate) trait Body {
    fn kind(&self) -> Kind;

    fn body_len(&self, version: Version) -> usize;

    fn encode_body(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short>;
}

/// The bytes of a whole packet, as [`Packet::encoded_len`].
pub(crate) fn body_framed_len(body: &dyn Body, version: Version) -> Option<usize> {
    framed_len(body.body_len(version))
}

/// Writes a whole packet, as [`Packet::encode`].
pub(crate) fn encode_body(
    body: &dyn Body,
    version: Version,
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    let len = u32::try_from(body.body_len(version)).map_err(|_| Short)?;
    writer.u8(first_byte(body.kind()))?;
    write_varint(writer, len)?;
    body.encode_body(version, writer)
}

/// The first byte of a packet of this kind; of a PUBLISH without its flags (MQTT 5 section 2.1.3).
pub(crate) const fn first_byte(kind: Kind) -> u8 {
    let flags = match kind {
        Kind::Pubrel | Kind::Subscribe | Kind::Unsubscribe => 2,
        _ => 0,
    };
    (kind as u8) << 4 | flags
}

impl Body for Connect<'_> {
    fn kind(&self) -> Kind {
        Kind::Connect
    }

    fn body_len(&self, _: Version) -> usize {
        Connect::body_len(self)
    }

    fn encode_body(&self, _: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        self.encode(writer)
    }
}

/// SUBSCRIBE or UNSUBSCRIBE by a client: what it asks for lies in a slice, never in received bytes.
pub(crate) struct Request<'a, T> {
    pub(crate) packet_id: PacketId,
    pub(crate) properties: Properties<'a>,
    pub(crate) list: &'a [T],
}

impl Body for Request<'_, Subscription<'_>> {
    fn kind(&self) -> Kind {
        Kind::Subscribe
    }

    fn body_len(&self, version: Version) -> usize {
        request_len(self.list.iter().map(entry_len), &self.properties, version)
    }

    fn encode_body(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_start(self.packet_id, &self.properties, version, writer)?;
        self.list
            .iter()
            .try_for_each(|subscription| put_entry(subscription, version, writer))
    }
}

impl Body for Request<'_, TopicFilter<'_>> {
    fn kind(&self) -> Kind {
        Kind::Unsubscribe
    }

    fn body_len(&self, version: Version) -> usize {
        let list = self.list.iter();
        let list = list.map(|filter| filter.as_str().len().saturating_add(2));
        request_len(list, &self.properties, version)
    }

    fn encode_body(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_start(self.packet_id, &self.properties, version, writer)?;
        self.list
            .iter()
            .try_for_each(|filter| writer.binary(filter.as_str().as_bytes()))
    }
}

impl Body for Disconnect<'_> {
    fn kind(&self) -> Kind {
        Kind::Disconnect
    }

    fn body_len(&self, version: Version) -> usize {
        reason_len(self.reason, &self.properties, version)
    }

    fn encode_body(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        encode_reason(self.reason, &self.properties, version, writer)
    }
}

impl Body for Auth<'_> {
    fn kind(&self) -> Kind {
        Kind::Auth
    }

    fn body_len(&self, version: Version) -> usize {
        reason_len(self.reason, &self.properties, version)
    }

    fn encode_body(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        encode_reason(self.reason, &self.properties, version, writer)
    }
}

impl Connect<'_> {
    fn body_len(&self) -> usize {
        let text = |len: usize| len.saturating_add(2);
        let mut len = 10usize
            .saturating_add(properties_len(&self.properties, self.version))
            .saturating_add(text(self.client_id.len()));
        if let Some(will) = &self.will {
            len = len
                .saturating_add(properties_len(&will.properties, self.version))
                .saturating_add(text(will.topic.as_bytes().len()))
                .saturating_add(text(will.payload.len()));
        }
        len.saturating_add(self.user_name.map_or(0, |name| text(name.len())))
            .saturating_add(self.password.map_or(0, |password| text(password.len())))
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.binary(b"MQTT")?;
        writer.u8(self.version.level())?;
        writer.u8(self.connect_flags())?;
        writer.u16(self.keep_alive)?;
        put_properties(&self.properties, self.version, writer)?;
        writer.binary(self.client_id.as_bytes())?;
        if let Some(will) = &self.will {
            put_properties(&will.properties, self.version, writer)?;
            writer.binary(will.topic.as_bytes())?;
            writer.binary(will.payload)?;
        }
        if let Some(name) = self.user_name {
            writer.binary(name.as_bytes())?;
        }
        if let Some(password) = self.password {
            writer.binary(password)?;
        }
        Ok(())
    }

    /// MQTT 5 section 3.1.2.3.
    fn connect_flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            0x04 | (will.qos as u8) << 3 | u8::from(will.retain) << 5
        });
        u8::from(self.clean_start) << 1
            | will
            | u8::from(self.password.is_some()) << 6
            | u8::from(self.user_name.is_some()) << 7
    }
}

fn encode_connack(p: &Connack<'_>, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
    writer.u8(u8::from(p.session_present))?;
    writer.u8(if version == Version::V5 {
        p.reason.0
    } else {
        p.reason.to_v311_connack()
    })?;
    put_properties(&p.properties, version, writer)
}

impl Publish<'_> {
    /// Whether the property list is a single zero.
    #[inline]
    const fn is_plain(&self, alias: Option<u16>) -> bool {
        alias.is_none() && self.properties.is_empty()
    }

    /// The bytes of everything behind the fixed header.
    #[inline]
    fn body_len(&self, version: Version, alias: Option<u16>) -> usize {
        let properties = match version {
            Version::V311 => 0,
            Version::V5 if self.is_plain(alias) => 1,
            Version::V5 => self.properties.encoded_len(alias.map_or(0, |_| 3)),
        };
        let id = if self.packet_id.is_some() { 2 } else { 0 };
        // A topic has at most 65,535 bytes and a slice at most isize::MAX: this sum can't overflow.
        let rest = self.topic.as_bytes().len() + self.payload.len() + 2 + id;
        rest.saturating_add(properties)
    }

    /// The bytes that the packet takes, with a topic alias property if `alias` is given.
    /// `None` if it is too large for MQTT.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self, version: Version, alias: Option<u16>) -> Option<usize> {
        framed_len(self.body_len(version, alias))
    }

    /// Writes the packet, with a topic alias property if `alias` is given.
    ///
    /// # Errors
    /// [`Short`] if it does not fit the writer.
    #[inline]
    pub fn encode(
        &self,
        version: Version,
        alias: Option<u16>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Short> {
        let body = self.body_len(version, alias);
        let len = framed_len(body).ok_or(Short)?;
        writer.head_and_payload(len - self.payload.len(), self.payload, |head| {
            self.encode_head(version, alias, body, head)
        })
    }

    /// Writes everything before the payload. Slices instead of a [`Writer`], because the compiler keeps them in
    /// registers.
    #[inline]
    fn encode_head(
        &self,
        version: Version,
        alias: Option<u16>,
        body: usize,
        head: &mut [u8],
    ) -> Result<(), Short> {
        let topic = self.topic.as_bytes();
        let rest = self.encode_start(body, topic.len() as u16, head)?;
        let (place, mut rest) = rest.split_at_mut_checked(topic.len()).ok_or(Short)?;
        copy(place, topic);
        if let Some(id) = self.packet_id {
            let (place, behind) = rest.split_first_chunk_mut().ok_or(Short)?;
            *place = id.get().to_be_bytes();
            rest = behind;
        }
        if version == Version::V5 {
            if self.is_plain(alias) {
                *rest.first_mut().ok_or(Short)? = 0;
            } else {
                self.encode_properties(alias, rest)?;
            }
        }
        Ok(())
    }

    /// Writes the fixed header and the length of the topic, at once in the two sizes that nearly all packets have, and
    /// answers the room behind.
    #[inline]
    fn encode_start<'r>(
        &self,
        body: usize,
        topic: u16,
        room: &'r mut [u8],
    ) -> Result<&'r mut [u8], Short> {
        let first = self.first_byte();
        let [high, low] = topic.to_be_bytes();
        if cfg!(target_os = "none") {
            // A device has more time than flash.
            return encode_long_start(first, body, [high, low], room);
        }
        match body {
            0..=0x7F => {
                let (start, rest) = room.split_first_chunk_mut().ok_or(Short)?;
                *start = [first, body as u8, high, low];
                Ok(rest)
            }
            0x80..=0x3FFF => {
                let (start, rest) = room.split_first_chunk_mut().ok_or(Short)?;
                *start = [first, body as u8 | 0x80, (body >> 7) as u8, high, low];
                Ok(rest)
            }
            _ => encode_long_start(first, body, [high, low], room),
        }
    }

    #[inline(never)]
    fn encode_properties(&self, alias: Option<u16>, room: &mut [u8]) -> Result<(), Short> {
        self.properties.encode(&mut Writer::new(room), alias)
    }

    const fn first_byte(&self) -> u8 {
        (Kind::Publish as u8) << 4
            | (self.dup as u8) << 3
            | (self.qos as u8) << 1
            | self.retain as u8
    }
}

/// As [`Publish::encode_start`] for a body of any length.
#[inline(never)]
fn encode_long_start(
    first: u8,
    body: usize,
    topic: [u8; 2],
    room: &mut [u8],
) -> Result<&mut [u8], Short> {
    let len = framed_len(body).ok_or(Short)? - body + 2;
    let (start, rest) = room.split_at_mut_checked(len).ok_or(Short)?;
    let mut writer = Writer::new(start);
    writer.u8(first)?;
    write_varint(&mut writer, u32::try_from(body).map_err(|_| Short)?)?;
    writer.array(topic)?;
    Ok(rest)
}

impl Ack<'_> {
    /// MQTT 5 sections 3.4.2.1 and 3.4.2.2: success without properties is the two bytes of the identifier.
    fn body_len(&self, version: Version) -> usize {
        2usize.saturating_add(reason_len(self.reason, &self.properties, version))
    }

    fn encode(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.u16(self.packet_id.get())?;
        encode_reason(self.reason, &self.properties, version, writer)
    }
}

/// An optional reason code and properties at the end of a packet: both left out when they say nothing.
fn reason_len(reason: ReasonCode, properties: &Properties<'_>, version: Version) -> usize {
    match (version, properties.is_empty()) {
        (Version::V311, _) => 0,
        (Version::V5, true) => usize::from(reason != ReasonCode::SUCCESS),
        (Version::V5, false) => properties.encoded_len(0).saturating_add(1),
    }
}

fn encode_reason(
    reason: ReasonCode,
    properties: &Properties<'_>,
    version: Version,
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    if reason_len(reason, properties, version) == 0 {
        return Ok(());
    }
    writer.u8(reason.0)?;
    if properties.is_empty() {
        Ok(())
    } else {
        properties.encode(writer, None)
    }
}

impl Subscribe<'_> {
    fn body_len(&self, version: Version) -> usize {
        request_len(
            self.iter().map(|s| entry_len(&s)),
            &self.properties,
            version,
        )
    }

    fn encode(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_start(self.packet_id, &self.properties, version, writer)?;
        self.iter()
            .try_for_each(|subscription| put_entry(&subscription, version, writer))
    }
}

impl Unsubscribe<'_> {
    fn body_len(&self, version: Version) -> usize {
        let list = self
            .iter()
            .map(|filter| filter.as_str().len().saturating_add(2));
        request_len(list, &self.properties, version)
    }

    fn encode(&self, version: Version, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_start(self.packet_id, &self.properties, version, writer)?;
        self.iter()
            .try_for_each(|filter| writer.binary(filter.as_str().as_bytes()))
    }
}

fn request_len(
    entries: impl Iterator<Item = usize>,
    properties: &Properties<'_>,
    version: Version,
) -> usize {
    entries
        .fold(2, usize::saturating_add)
        .saturating_add(properties_len(properties, version))
}

fn put_start(
    packet_id: PacketId,
    properties: &Properties<'_>,
    version: Version,
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    writer.u16(packet_id.get())?;
    put_properties(properties, version, writer)
}

fn entry_len(subscription: &Subscription<'_>) -> usize {
    subscription.filter.as_str().len().saturating_add(3)
}

fn put_entry(
    subscription: &Subscription<'_>,
    version: Version,
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    writer.binary(subscription.filter.as_str().as_bytes())?;
    writer.u8(if version == Version::V5 {
        subscription.options()
    } else {
        subscription.qos as u8
    })
}

fn suback_len(p: &Suback<'_>, version: Version) -> usize {
    p.codes
        .len()
        .saturating_add(2)
        .saturating_add(properties_len(&p.properties, version))
}

fn encode_suback(
    p: &Suback<'_>,
    version: Version,
    codes: &[u8],
    writer: &mut Writer<'_>,
) -> Result<(), Short> {
    writer.u16(p.packet_id.get())?;
    put_properties(&p.properties, version, writer)?;
    writer.put(codes)
}
