//! The fifteen packets of MQTT as values over borrowed slices (MQTT 5 chapter 3).
//!
//! The same value serves both versions and both roles. What 3.1.1 does not have is empty: properties, reason codes
//! of acknowledgements, subscription options beyond QoS.

use core::{fmt, num::NonZeroU16};

use super::{
    Invalid, QoS, Version,
    property::Properties,
    reason::ReasonCode,
    topic::{TopicFilter, TopicName},
};
use crate::{bytes::Reader, malformed, protocol};

/// A packet identifier (MQTT 5 section 2.2.1); zero does not exist.
pub type PacketId = NonZeroU16;

/// The type of a packet, with its number on the wire (MQTT 5 section 2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "the names are the specification's packet names"
)]
pub enum Kind {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl Kind {
    /// The type for the upper four bits of a packet's first byte, `None` for the reserved 0.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The name in the specification's capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are the specification's packet names"
)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    Connack(Connack<'a>),
    Publish(Publish<'a>),
    Puback(Ack<'a>),
    Pubrec(Ack<'a>),
    Pubrel(Ack<'a>),
    Pubcomp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Suback<'a>),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The packet's type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) => Kind::Connect,
            Self::Connack(_) => Kind::Connack,
            Self::Publish(_) => Kind::Publish,
            Self::Puback(_) => Kind::Puback,
            Self::Pubrec(_) => Kind::Pubrec,
            Self::Pubrel(_) => Kind::Pubrel,
            Self::Pubcomp(_) => Kind::Pubcomp,
            Self::Subscribe(_) => Kind::Subscribe,
            Self::Suback(_) => Kind::Suback,
            Self::Unsubscribe(_) => Kind::Unsubscribe,
            Self::Unsuback(_) => Kind::Unsuback,
            Self::Pingreq => Kind::Pingreq,
            Self::Pingresp => Kind::Pingresp,
            Self::Disconnect(_) => Kind::Disconnect,
            Self::Auth(_) => Kind::Auth,
        }
    }
}

/// CONNECT (MQTT 5 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The protocol version of the connection.
    pub version: Version,
    /// Start without an earlier session ("clean session" in 3.1.1).
    pub clean_start: bool,
    /// The longest silence of the client in seconds; 0 switches the check off.
    pub keep_alive: u16,
    /// The client identifier; empty lets the server make one up.
    pub client_id: &'a str,
    /// What the server publishes when the client vanishes.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password. Never printed, not even by `Debug`.
    pub password: Option<&'a [u8]>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

impl Default for Connect<'_> {
    /// MQTT 5, clean start, keep alive of 60 s, a client identifier made by the server.
    fn default() -> Self {
        Self {
            version: Version::V5,
            clean_start: true,
            keep_alive: 60,
            client_id: "",
            will: None,
            user_name: None,
            password: None,
            properties: Properties::NONE,
        }
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| "(hidden)"))
            .finish_non_exhaustive()
    }
}

/// The will message of CONNECT (MQTT 5 section 3.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published.
    pub payload: &'a [u8],
    /// Its QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// MQTT 5 properties, the will delay among them.
    pub properties: Properties<'a>,
}

/// CONNACK (MQTT 5 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connack<'a> {
    /// Whether the server kept the session.
    pub session_present: bool,
    /// Success, or why not. 3.1.1 return codes are mapped.
    pub reason: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// PUBLISH (MQTT 5 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Set when this is a repeated delivery.
    pub dup: bool,
    /// How often it may arrive.
    pub qos: QoS,
    /// Whether the server keeps it, or (received) whether it was kept.
    pub retain: bool,
    /// The topic; empty on the wire when a topic alias stands for it.
    pub topic: TopicName<'a>,
    /// The packet identifier, with QoS 1 and 2 only.
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// The message.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5 sections 3.4 to 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The packet that is acknowledged.
    pub packet_id: PacketId,
    /// How it went; always success in 3.1.1.
    pub reason: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// An acknowledgement that reports success.
    #[must_use]
    pub const fn success(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties: Properties::NONE,
        }
    }
}

/// When retained messages are sent for a subscription (MQTT 5 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At each subscribe.
    #[default]
    Send = 0,
    /// Only if the subscription is new.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// One filter of SUBSCRIBE with its options (MQTT 5 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The topics.
    pub filter: TopicFilter<'a>,
    /// The highest QoS wanted.
    pub qos: QoS,
    /// Do not send back what this client publishes. MQTT 5.
    pub no_local: bool,
    /// Keep the retain flag as published. MQTT 5.
    pub retain_as_published: bool,
    /// When to send retained messages. MQTT 5.
    pub retain_handling: RetainHandling,
}

impl<'a> Subscription<'a> {
    /// A subscription with default options.
    #[must_use]
    pub const fn new(filter: TopicFilter<'a>, qos: QoS) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }

    /// The options byte.
    #[must_use]
    pub(crate) const fn options(&self) -> u8 {
        self.qos as u8
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    pub(crate) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, Invalid> {
        let filter = decode_filter(reader)?;
        let options = reader.u8()?;
        let reserved = if version == Version::V5 { 0xC0 } else { 0xFC };
        if options & reserved != 0 {
            return Err(malformed!(
                "[MQTT-3.8.3-5] reserved bits of the subscription options are set",
            ));
        }
        let qos = QoS::from_bits(options & 3)
            .ok_or(protocol!("MQTT 5 3.8.3.1 a subscription asks for QoS 3",))?;
        let retain_handling = match options >> 4 & 3 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(protocol!("MQTT 5 3.8.3.1 retain handling is 3")),
        };
        let no_local = options & 4 != 0;
        if no_local && filter.is_shared() {
            return Err(protocol!(
                "[MQTT-3.8.3-4] no local on a shared subscription",
            ));
        }
        Ok(Self {
            filter,
            qos,
            no_local,
            retain_as_published: options & 8 != 0,
            retain_handling,
        })
    }
}

pub(crate) fn decode_filter<'a>(reader: &mut Reader<'a>) -> Result<TopicFilter<'a>, Invalid> {
    let len = reader.u16()?;
    TopicFilter::from_wire(reader.take(usize::from(len))?)
}

/// A non-empty list: the caller's slice, or received bytes that were checked and are read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum List<'a, T> {
    Slice(&'a [T]),
    Wire(&'a [u8], Version),
}

/// SUBSCRIBE (MQTT 5 section 3.8).
#[derive(Debug, Clone, Copy)]
pub struct Subscribe<'a> {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    pub(crate) list: List<'a, Subscription<'a>>,
}

impl<'a> Subscribe<'a> {
    /// Subscribes to `list`, which must not be empty ([MQTT-3.8.3-2]).
    #[must_use]
    pub const fn new(
        packet_id: PacketId,
        list: &'a [Subscription<'a>],
        properties: Properties<'a>,
    ) -> Self {
        Self {
            packet_id,
            properties,
            list: List::Slice(list),
        }
    }

    /// The subscriptions in order.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + use<'a> {
        let (slice, wire, version) = match self.list {
            List::Slice(slice) => (slice, &[][..], Version::V5),
            List::Wire(wire, version) => (&[][..], wire, version),
        };
        let mut reader = Reader::new(wire);
        slice.iter().copied().chain(core::iter::from_fn(move || {
            if reader.is_empty() {
                None
            } else {
                Subscription::decode(&mut reader, version).ok()
            }
        }))
    }
}

impl PartialEq for Subscribe<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.packet_id == other.packet_id
            && self.properties == other.properties
            && self.iter().eq(other.iter())
    }
}

impl Eq for Subscribe<'_> {}

/// UNSUBSCRIBE (MQTT 5 section 3.10).
#[derive(Debug, Clone, Copy)]
pub struct Unsubscribe<'a> {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    pub(crate) list: List<'a, TopicFilter<'a>>,
}

impl<'a> Unsubscribe<'a> {
    /// Ends the subscriptions to `list`, which must not be empty ([MQTT-3.10.3-2]).
    #[must_use]
    pub const fn new(
        packet_id: PacketId,
        list: &'a [TopicFilter<'a>],
        properties: Properties<'a>,
    ) -> Self {
        Self {
            packet_id,
            properties,
            list: List::Slice(list),
        }
    }

    /// The filters in order.
    pub fn iter(&self) -> impl Iterator<Item = TopicFilter<'a>> + use<'a> {
        let (slice, wire) = match self.list {
            List::Slice(slice) => (slice, &[][..]),
            List::Wire(wire, _) => (&[][..], wire),
        };
        let mut reader = Reader::new(wire);
        slice.iter().copied().chain(core::iter::from_fn(move || {
            if reader.is_empty() {
                None
            } else {
                decode_filter(&mut reader).ok()
            }
        }))
    }
}

impl PartialEq for Unsubscribe<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.packet_id == other.packet_id
            && self.properties == other.properties
            && self.iter().eq(other.iter())
    }
}

impl Eq for Unsubscribe<'_> {}

/// SUBACK and UNSUBACK (MQTT 5 sections 3.9 and 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suback<'a> {
    /// The packet that is acknowledged.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// One reason code a filter, in order. Empty for an UNSUBACK of 3.1.1, which has none.
    pub codes: &'a [u8],
}

impl Suback<'_> {
    /// The reason codes in order.
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + '_ {
        self.codes.iter().map(|code| ReasonCode(*code))
    }
}

/// DISCONNECT (MQTT 5 section 3.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disconnect<'a> {
    /// Why; always success in 3.1.1.
    pub reason: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// AUTH, MQTT 5 only (section 3.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth<'a> {
    /// Success, continue or re-authenticate.
    pub reason: ReasonCode,
    /// MQTT 5 properties: the method and the data.
    pub properties: Properties<'a>,
}

/// An AUTH that does not say by which method.
pub(crate) const NO_METHOD: &str =
    "[MQTT-4.12.0-5], MQTT 5 3.15.2.2.2 AUTH without authentication method";
