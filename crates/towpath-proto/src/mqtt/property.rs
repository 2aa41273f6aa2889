//! MQTT 5 properties: typed, read lazily from the wire (MQTT 5 section 2.2.2).

use super::{Invalid, packet::NO_METHOD, topic};
use crate::{
    bytes::{Reader, Short, Writer},
    malformed, protocol,
};

/// The packet (or the will inside CONNECT) that a property list belongs to, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

impl Place {
    /// CONNECT.
    pub const CONNECT: Self = Self(1 << 1);
    /// CONNACK.
    pub const CONNACK: Self = Self(1 << 2);
    /// PUBLISH.
    pub const PUBLISH: Self = Self(1 << 3);
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    pub const ACK: Self = Self(1 << 4);
    /// SUBSCRIBE.
    pub const SUBSCRIBE: Self = Self(1 << 8);
    /// SUBACK and UNSUBACK.
    pub const SUBACK: Self = Self(1 << 9);
    /// UNSUBSCRIBE.
    pub const UNSUBSCRIBE: Self = Self(1 << 10);
    /// DISCONNECT.
    pub const DISCONNECT: Self = Self(1 << 14);
    /// AUTH.
    pub const AUTH: Self = Self(1 << 15);
    /// The will properties of CONNECT.
    pub const WILL: Self = Self(1);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn within(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// How a property's value lies on the wire.
trait Value<'a>: Sized {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid>;
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short>;
    fn len(&self) -> usize;
    /// Checks what reading from the wire makes sure of, for a value that the caller made.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

impl<'a> Value<'a> for u8 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        Ok(reader.u8()?)
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.u8(*self)
    }
    fn len(&self) -> usize {
        1
    }
}

impl<'a> Value<'a> for u16 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        Ok(reader.u16()?)
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.u16(*self)
    }
    fn len(&self) -> usize {
        2
    }
}

impl<'a> Value<'a> for u32 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        Ok(reader.u32()?)
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.u32(*self)
    }
    fn len(&self) -> usize {
        4
    }
}

/// A number of one to four bytes (MQTT 5 section 1.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VarInt(pub u32);

impl<'a> Value<'a> for VarInt {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        read_varint(reader).map(VarInt)
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        write_varint(writer, self.0)
    }
    fn len(&self) -> usize {
        varint_len(self.0)
    }
    fn check(&self) -> Result<(), Invalid> {
        if self.0 <= VARINT_MAX {
            Ok(())
        } else {
            Err(malformed!(
                "MQTT 5 1.5.5 a number above 268,435,455 has no encoding",
            ))
        }
    }
}

impl<'a> Value<'a> for &'a [u8] {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let len = reader.u16()?;
        Ok(reader.take(usize::from(len))?)
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_binary(writer, self)
    }
    fn len(&self) -> usize {
        (**self).len().saturating_add(2)
    }
    fn check(&self) -> Result<(), Invalid> {
        if (**self).len() <= usize::from(u16::MAX) {
            Ok(())
        } else {
            Err(malformed!(
                "MQTT 5 1.5.4, 1.5.6 a field is longer than 65,535 bytes",
            ))
        }
    }
}

impl<'a> Value<'a> for &'a str {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let bytes = <&[u8]>::decode(reader)?;
        topic::check_utf8(bytes)?;
        core::str::from_utf8(bytes)
            .map_err(|_| malformed!("[MQTT-1.5.4-1] a string is not well-formed UTF-8"))
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        put_binary(writer, self.as_bytes())
    }
    fn len(&self) -> usize {
        (**self).len().saturating_add(2)
    }
    fn check(&self) -> Result<(), Invalid> {
        Value::check(&self.as_bytes())?;
        topic::check_utf8(self.as_bytes())
    }
}

impl<'a> Value<'a> for (&'a str, &'a str) {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        Ok((<&str>::decode(reader)?, <&str>::decode(reader)?))
    }
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        self.0.encode(writer)?;
        self.1.encode(writer)
    }
    fn len(&self) -> usize {
        Value::len(&self.0).saturating_add(Value::len(&self.1))
    }
    fn check(&self) -> Result<(), Invalid> {
        Value::check(&self.0)?;
        Value::check(&self.1)
    }
}

/// Writes a length-prefixed byte string (MQTT 5 sections 1.5.4 and 1.5.6).
pub(crate) fn put_binary(writer: &mut Writer<'_>, bytes: &[u8]) -> Result<(), Short> {
    let len = u16::try_from(bytes.len()).map_err(|_| Short)?;
    writer.u16(len)?;
    writer.put(bytes)
}

/// The bytes that `value` takes as a variable byte integer.
#[must_use]
pub const fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The largest variable byte integer, 268,435,455.
pub const VARINT_MAX: u32 = 0x0FFF_FFFF;

pub(crate) fn write_varint(writer: &mut Writer<'_>, value: u32) -> Result<(), Short> {
    if value > VARINT_MAX {
        return Err(Short);
    }
    let mut rest = value;
    loop {
        let byte = (rest & 0x7F) as u8;
        rest >>= 7;
        if rest == 0 {
            return writer.u8(byte);
        }
        writer.u8(byte | 0x80)?;
    }
}

/// Reads a variable byte integer in its shortest form ([MQTT-1.5.5-1]).
pub(crate) fn read_varint(reader: &mut Reader<'_>) -> Result<u32, Invalid> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21] {
        let byte = reader.u8()?;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return Err(malformed!(
                    "[MQTT-1.5.5-1] a variable byte integer is longer than needed",
                ));
            }
            return Ok(value);
        }
    }
    Err(malformed!(
        "MQTT 5 1.5.5 a variable byte integer has more than four bytes",
    ))
}

macro_rules! properties {
    ($( $id:literal $name:ident($kind:ty) in $($place:ident)|+ , $doc:literal; )*) => {
        /// One property. Times are in seconds, sizes in bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Property<'a> { $( #[doc = $doc] $name($kind), )* }

        impl<'a> Property<'a> {
            /// The identifier on the wire (MQTT 5 section 2.2.2.2).
            #[must_use]
            pub const fn id(&self) -> u8 {
                match self { $( Self::$name(_) => $id, )* }
            }

            const fn places(&self) -> Place {
                match self { $( Self::$name(_) => Place(0)$(.or(Place::$place))+, )* }
            }

            fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
                match read_varint(reader)? {
                    $( $id => Ok(Self::$name(<$kind>::decode(reader)?)), )*
                    _ => Err(malformed!("MQTT 5 2.2.2.2 an unknown property")),
                }
            }

            fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
                writer.u8(self.id())?;
                match self { $( Self::$name(value) => value.encode(writer), )* }
            }

            pub(crate) fn len(&self) -> usize {
                let value = match self { $( Self::$name(value) => Value::len(value), )* };
                value.saturating_add(1)
            }

            fn check_encodable(&self) -> Result<(), Invalid> {
                match self { $( Self::$name(value) => Value::check(value), )* }
            }
        }
    };
}

properties! {
    0x01 PayloadFormatIndicator(u8) in PUBLISH|WILL, "0: bytes, 1: UTF-8 text.";
    0x02 MessageExpiryInterval(u32) in PUBLISH|WILL, "Seconds until the message is worthless.";
    0x03 ContentType(&'a str) in PUBLISH|WILL, "The MIME type of the payload.";
    0x08 ResponseTopic(&'a str) in PUBLISH|WILL, "The topic for an answer.";
    0x09 CorrelationData(&'a [u8]) in PUBLISH|WILL, "What ties an answer to its request.";
    0x0B SubscriptionIdentifier(VarInt) in PUBLISH|SUBSCRIBE, "The number that the subscriber gave to the subscription.";
    0x11 SessionExpiryInterval(u32) in CONNECT|CONNACK|DISCONNECT, "Seconds that the session outlives the connection; 0xFFFFFFFF: for ever.";
    0x12 AssignedClientIdentifier(&'a str) in CONNACK, "The client identifier that the server made up.";
    0x13 ServerKeepAlive(u16) in CONNACK, "The keep alive that the server wants, seconds.";
    0x15 AuthenticationMethod(&'a str) in CONNECT|CONNACK|AUTH, "The method of enhanced authentication.";
    0x16 AuthenticationData(&'a [u8]) in CONNECT|CONNACK|AUTH, "The data of enhanced authentication.";
    0x17 RequestProblemInformation(u8) in CONNECT, "Whether reason strings are welcome.";
    0x18 WillDelayInterval(u32) in WILL, "Seconds before the will is published.";
    0x19 RequestResponseInformation(u8) in CONNECT, "Whether response information is wanted.";
    0x1A ResponseInformation(&'a str) in CONNACK, "The base of response topics.";
    0x1C ServerReference(&'a str) in CONNACK|DISCONNECT, "Another server to use.";
    0x1F ReasonString(&'a str) in CONNACK|ACK|SUBACK|DISCONNECT|AUTH, "Words for a person.";
    0x21 ReceiveMaximum(u16) in CONNECT|CONNACK, "How many QoS 1 and 2 messages may be unacknowledged.";
    0x22 TopicAliasMaximum(u16) in CONNECT|CONNACK, "The highest topic alias that is accepted.";
    0x23 TopicAlias(u16) in PUBLISH, "A number that stands for the topic.";
    0x24 MaximumQoS(u8) in CONNACK, "The highest QoS that the server takes.";
    0x25 RetainAvailable(u8) in CONNACK, "Whether retained messages are taken.";
    0x26 UserProperty((&'a str, &'a str)) in CONNECT|CONNACK|PUBLISH|WILL|ACK|SUBSCRIBE|SUBACK|UNSUBSCRIBE|DISCONNECT|AUTH, "A name and a value.";
    0x27 MaximumPacketSize(u32) in CONNECT|CONNACK, "The largest packet that is accepted.";
    0x28 WildcardSubscriptionAvailable(u8) in CONNACK, "Whether wildcards work.";
    0x29 SubscriptionIdentifierAvailable(u8) in CONNACK, "Whether subscription identifiers work.";
    0x2A SharedSubscriptionAvailable(u8) in CONNACK, "Whether shared subscriptions work.";
}

impl Property<'_> {
    /// Checks the value by itself.
    fn check(&self) -> Result<(), Invalid> {
        Err(match self {
            // Flags are 0 or 1.
            Self::PayloadFormatIndicator(2..) => {
                protocol!("MQTT 5 3.3.2.3.2 the payload format is no flag")
            }
            Self::RequestResponseInformation(2..) => {
                protocol!("MQTT 5 3.1.2.11.6 request response information is no flag")
            }
            Self::RequestProblemInformation(2..) => {
                protocol!("MQTT 5 3.1.2.11.7 request problem information is no flag")
            }
            Self::MaximumQoS(2..) => protocol!("MQTT 5 3.2.2.3.4 maximum QoS is neither 0 nor 1"),
            Self::RetainAvailable(2..) => protocol!("MQTT 5 3.2.2.3.5 retain available is no flag"),
            Self::WildcardSubscriptionAvailable(2..) => {
                protocol!("MQTT 5 3.2.2.3.11 wildcard subscription available is no flag")
            }
            Self::SubscriptionIdentifierAvailable(2..) => {
                protocol!("MQTT 5 3.2.2.3.12 subscription identifiers available is no flag")
            }
            Self::SharedSubscriptionAvailable(2..) => {
                protocol!("MQTT 5 3.2.2.3.13 shared subscription available is no flag")
            }
            Self::ReceiveMaximum(0) => {
                protocol!("MQTT 5 3.1.2.11.3, 3.2.2.3.3 receive maximum is 0")
            }
            Self::MaximumPacketSize(0) => {
                protocol!("MQTT 5 3.1.2.11.4, 3.2.2.3.6 maximum packet size is 0")
            }
            Self::SubscriptionIdentifier(VarInt(0)) => {
                protocol!("MQTT 5 3.3.2.3.8, 3.8.2.1.2 a subscription identifier is 0")
            }
            // An alias of 0 has its own reason code, so that a server can say what is wrong.
            Self::TopicAlias(0) => {
                crate::invalid!(TOPIC_ALIAS_INVALID, "[MQTT-3.3.2-8] a topic alias is 0")
            }
            Self::ResponseTopic(name) if topic::TopicName::new(name).is_err() => {
                protocol!("[MQTT-3.3.2-14] a response topic is no topic name")
            }
            _ => return Ok(()),
        })
    }

    /// Whether the property may appear several times (MQTT 5 sections 3.1.2.11.8 and 3.3.2.3.8).
    const fn repeats(&self, place: Place) -> bool {
        match self {
            Self::UserProperty(_) => true,
            Self::SubscriptionIdentifier(_) => place.within(Place::PUBLISH),
            _ => false,
        }
    }
}

/// A list of properties: the caller's slice, or received bytes that are read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Properties<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    List(&'a [Property<'a>]),
    Wire(&'a [u8]),
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::NONE
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

/// What is left of a list.
struct Iter<'a>(Source<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match &mut self.0 {
            Source::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            Source::Wire([]) => None,
            Source::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                // Received bytes were checked by `decode`, so an error can't come up again here.
                let property = Property::decode(&mut reader).ok()?;
                *bytes = reader.rest();
                Some(property)
            }
        }
    }
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const NONE: Self = Self(Source::List(&[]));

    /// The properties of `list`.
    #[must_use]
    pub const fn new(list: &'a [Property<'a>]) -> Self {
        Self(Source::List(list))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::List(list) => list.is_empty(),
            Source::Wire(bytes) => bytes.is_empty(),
        }
    }

    /// The properties in order.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        Iter(self.0)
    }

    /// The first property for which `pick` answers.
    pub fn find<T>(&self, pick: impl FnMut(Property<'a>) -> Option<T>) -> Option<T> {
        self.iter().find_map(pick)
    }

    /// The user properties in order.
    pub fn user(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|p| {
            if let Property::UserProperty(pair) = p {
                Some(pair)
            } else {
                None
            }
        })
    }

    /// Checks that each property is allowed in `place`, valid, not repeated against the rules, and accompanied by
    /// those that it needs.
    ///
    /// # Errors
    /// The clause that is broken.
    pub fn check(&self, place: Place) -> Result<(), Invalid> {
        if self.is_empty() {
            return Ok(());
        }
        let mut seen = Seen::default();
        self.iter().try_for_each(|property| {
            property.check_encodable()?;
            seen.admit(&property, place)
        })?;
        seen.complete(place)
    }

    /// Reads a property list with its length prefix and checks it for `place`.
    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'a>, place: Place) -> Result<Self, Invalid> {
        if let [0, rest @ ..] = reader.rest() {
            *reader = Reader::new(rest);
            return Ok(Self::NONE);
        }
        // By value, so that the reader of the caller can stay in registers.
        let (properties, rest) = Self::decode_some(*reader, place)?;
        *reader = rest;
        Ok(properties)
    }

    fn decode_some(mut reader: Reader<'a>, place: Place) -> Result<(Self, Reader<'a>), Invalid> {
        let len = read_varint(&mut reader)?;
        let bytes = reader.take(len as usize)?;
        check_wire(bytes, place)?;
        Ok((Self(Source::Wire(bytes)), reader))
    }

    /// Takes bytes that [`decode`](Self::decode) has checked.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(Source::Wire(bytes))
    }

    /// The bytes on the wire without the length prefix.
    #[must_use]
    pub(crate) fn body_len(&self) -> usize {
        match self.0 {
            Source::List(list) => list
                .iter()
                .fold(0usize, |sum, p| sum.saturating_add(p.len())),
            Source::Wire(bytes) => bytes.len(),
        }
    }

    /// The bytes on the wire with the length prefix, also of `extra` bytes more of properties.
    #[must_use]
    pub(crate) fn encoded_len(&self, extra: usize) -> usize {
        let body = self.body_len().saturating_add(extra);
        body.saturating_add(varint_len(u32::try_from(body).unwrap_or(u32::MAX)))
    }

    /// Writes the list with its length prefix; `extra` comes first.
    pub(crate) fn encode(
        &self,
        writer: &mut Writer<'_>,
        extra: Option<Property<'_>>,
    ) -> Result<(), Short> {
        let more = extra.as_ref().map_or(0, Property::len);
        let body = u32::try_from(self.body_len().saturating_add(more)).map_err(|_| Short)?;
        write_varint(writer, body)?;
        if let Some(extra) = extra {
            extra.encode(writer)?;
        }
        match self.0 {
            Source::List(list) => list.iter().try_for_each(|p| p.encode(writer)),
            Source::Wire(bytes) => writer.put(bytes),
        }
    }
}

fn check_wire(bytes: &[u8], place: Place) -> Result<(), Invalid> {
    let mut reader = Reader::new(bytes);
    let mut seen = Seen::default();
    while !reader.is_empty() {
        seen.admit(&Property::decode(&mut reader)?, place)?;
    }
    seen.complete(place)
}

/// The identifiers met so far, one bit each; all are below 0x2B.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    fn admit(&mut self, property: &Property<'_>, place: Place) -> Result<(), Invalid> {
        if !place.within(property.places()) {
            return Err(malformed!(
                "MQTT 5 2.2.2.2 a property that this packet can't have",
            ));
        }
        let bit = 1u64 << (property.id() & 63);
        if self.0 & bit != 0 && !property.repeats(place) {
            return Err(protocol!("MQTT 5 2.2.2.2 a property appears twice"));
        }
        self.0 |= bit;
        property.check()
    }

    /// Checks that what the properties need is there as well.
    fn complete(&self, place: Place) -> Result<(), Invalid> {
        const METHOD: u64 = 1 << 0x15;
        const DATA: u64 = 1 << 0x16;
        if self.0 & METHOD != 0 {
            return Ok(());
        }
        if place == Place::AUTH {
            return Err(protocol!(NO_METHOD));
        }
        if place == Place::CONNECT && self.0 & DATA != 0 {
            return Err(protocol!(
                "MQTT 5 3.1.2.11.10 authentication data without a method",
            ));
        }
        Ok(())
    }
}
