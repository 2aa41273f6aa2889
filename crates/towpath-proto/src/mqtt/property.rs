//! MQTT 5 properties: typed, read lazily from the wire (MQTT 5 section 2.2.2).

mod raw;
mod varint;

pub(crate) use raw::Raw;
use raw::{Entry, Shape};
pub use varint::{VARINT_MAX, varint_len};
pub(crate) use varint::{read_varint, write_varint};

use super::{Invalid, packet::NO_METHOD};
use crate::{
    bytes::{Reader, Short, Writer},
    malformed, protocol,
};

/// The packet (or the will inside CONNECT) that a property list belongs to, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

impl Place {
    /// CONNECT.
    pub const CONNECT: Self = Self(1 << 0);
    /// CONNACK.
    pub const CONNACK: Self = Self(1 << 1);
    /// PUBLISH.
    pub const PUBLISH: Self = Self(1 << 2);
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    pub const ACK: Self = Self(1 << 3);
    /// SUBSCRIBE.
    pub const SUBSCRIBE: Self = Self(1 << 4);
    /// SUBACK and UNSUBACK.
    pub const SUBACK: Self = Self(1 << 5);
    /// UNSUBSCRIBE.
    pub const UNSUBSCRIBE: Self = Self(1 << 6);
    /// DISCONNECT.
    pub const DISCONNECT: Self = Self(1 << 7);
    /// AUTH.
    pub const AUTH: Self = Self(1 << 8);
    /// The will properties of CONNECT.
    pub const WILL: Self = Self(1 << 9);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn within(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// How the values of a Rust type lie on the wire.
trait Value<'a>: Sized {
    const SHAPE: Shape;
    fn of(raw: &Raw<'a>) -> Self;
    fn parts(self) -> Parts<'a>;
}

/// A number, or one or two strings.
type Parts<'a> = (u32, &'a [u8], &'a [u8]);

macro_rules! numbers {
    ($( $kind:ty, $shape:ident; )*) => { $(
        impl<'a> Value<'a> for $kind {
            const SHAPE: Shape = Shape::$shape;
            fn of(raw: &Raw<'a>) -> Self {
                raw.number as Self
            }
            fn parts(self) -> Parts<'a> {
                (self.into(), &[], &[])
            }
        }
    )* };
}

numbers! { u8, Byte; u16, Two; u32, Four; }

/// A number of one to four bytes (MQTT 5 section 1.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VarInt(pub u32);

impl<'a> Value<'a> for VarInt {
    const SHAPE: Shape = Shape::VarInt;
    fn of(raw: &Raw<'a>) -> Self {
        Self(raw.number)
    }
    fn parts(self) -> Parts<'a> {
        (self.0, &[], &[])
    }
}

impl<'a> Value<'a> for &'a [u8] {
    const SHAPE: Shape = Shape::Binary;
    fn of(raw: &Raw<'a>) -> Self {
        raw.bytes
    }
    fn parts(self) -> Parts<'a> {
        (0, self, &[])
    }
}

/// Text that was checked when it was read; looking again is the price of `&str` without `unsafe`.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("")
}

impl<'a> Value<'a> for &'a str {
    const SHAPE: Shape = Shape::Text;
    fn of(raw: &Raw<'a>) -> Self {
        text(raw.bytes)
    }
    fn parts(self) -> Parts<'a> {
        (0, self.as_bytes(), &[])
    }
}

impl<'a> Value<'a> for (&'a str, &'a str) {
    const SHAPE: Shape = Shape::Pair;
    fn of(raw: &Raw<'a>) -> Self {
        (text(raw.bytes), text(raw.second))
    }
    fn parts(self) -> Parts<'a> {
        (0, self.0.as_bytes(), self.1.as_bytes())
    }
}

macro_rules! properties {
    ($( $kind:ty { $( $id:literal $name:ident in $($place:ident)|+ , $doc:literal; )* } )*) => {
        /// One property. Times are in seconds, sizes in bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Property<'a> { $( $( #[doc = $doc] $name($kind), )* )* }

        impl<'a> Property<'a> {
            const ENTRIES: [Entry; 0x2B] = {
                let mut entries = [Entry::NONE; 0x2B];
                $( $( entries[$id] = Entry::new(
                    Place(0)$(.or(Place::$place))+,
                    <$kind as Value<'a>>::SHAPE,
                ); )* )*
                entries
            };

            /// The identifier on the wire (MQTT 5 section 2.2.2.2).
            // By itself, or a device's compiler builds it into each match of the values, at twice the size.
            #[must_use]
            #[cfg_attr(target_os = "none", inline(never))]
            pub const fn id(&self) -> u8 {
                match self { $( $( Self::$name(_) => $id, )* )* }
            }

            /// What `raw` says, `None` if its identifier is unknown.
            fn of(raw: &Raw<'a>) -> Option<Self> {
                Some(match raw.id {
                    $( $( $id => Self::$name(Value::of(raw)), )* )*
                    _ => return None,
                })
            }

            fn parts(&self) -> Parts<'a> {
                match *self { $( $( Self::$name(value) )|* => value.parts(), )* }
            }
        }

        /// The identifiers on the wire (MQTT 5 section 2.2.2.2).
        #[expect(non_upper_case_globals, reason = "the names are those of the properties")]
        #[allow(dead_code, reason = "not each is asked for")]
        pub(crate) mod id {
            $( $( pub(crate) const $name: u8 = $id; )* )*
        }
    };
}

properties! {
    u8 {
        0x01 PayloadFormatIndicator in PUBLISH|WILL, "0: bytes, 1: UTF-8 text.";
        0x17 RequestProblemInformation in CONNECT, "Whether reason strings are welcome.";
        0x19 RequestResponseInformation in CONNECT, "Whether response information is wanted.";
        0x24 MaximumQoS in CONNACK, "The highest QoS that the server takes.";
        0x25 RetainAvailable in CONNACK, "Whether retained messages are taken.";
        0x28 WildcardSubscriptionAvailable in CONNACK, "Whether wildcards work.";
        0x29 SubscriptionIdentifierAvailable in CONNACK, "Whether subscription identifiers work.";
        0x2A SharedSubscriptionAvailable in CONNACK, "Whether shared subscriptions work.";
    }
    u16 {
        0x13 ServerKeepAlive in CONNACK, "The keep alive that the server wants, seconds.";
        0x21 ReceiveMaximum in CONNECT|CONNACK, "How many QoS 1 and 2 messages may be unacknowledged.";
        0x22 TopicAliasMaximum in CONNECT|CONNACK, "The highest topic alias that is accepted.";
        0x23 TopicAlias in PUBLISH, "A number that stands for the topic.";
    }
    u32 {
        0x02 MessageExpiryInterval in PUBLISH|WILL, "Seconds until the message is worthless.";
        0x11 SessionExpiryInterval in CONNECT|CONNACK|DISCONNECT, "Seconds that the session outlives the connection; 0xFFFFFFFF: for ever.";
        0x18 WillDelayInterval in WILL, "Seconds before the will is published.";
        0x27 MaximumPacketSize in CONNECT|CONNACK, "The largest packet that is accepted.";
    }
    VarInt {
        0x0B SubscriptionIdentifier in PUBLISH|SUBSCRIBE, "The number that the subscriber gave to the subscription.";
    }
    &'a [u8] {
        0x09 CorrelationData in PUBLISH|WILL, "What ties an answer to its request.";
        0x16 AuthenticationData in CONNECT|CONNACK|AUTH, "The data of enhanced authentication.";
    }
    &'a str {
        0x03 ContentType in PUBLISH|WILL, "The MIME type of the payload.";
        0x08 ResponseTopic in PUBLISH|WILL, "The topic for an answer.";
        0x12 AssignedClientIdentifier in CONNACK, "The client identifier that the server made up.";
        0x15 AuthenticationMethod in CONNECT|CONNACK|AUTH, "The method of enhanced authentication.";
        0x1A ResponseInformation in CONNACK, "The base of response topics.";
        0x1C ServerReference in CONNACK|DISCONNECT, "Another server to use.";
        0x1F ReasonString in CONNACK|ACK|SUBACK|DISCONNECT|AUTH, "Words for a person.";
    }
    (&'a str, &'a str) {
        0x26 UserProperty in CONNECT|CONNACK|PUBLISH|WILL|ACK|SUBSCRIBE|SUBACK|UNSUBSCRIBE|DISCONNECT|AUTH, "A name and a value.";
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

/// Where each property may be and how it lies on the wire, by its identifier.
static ENTRIES: [Entry; 0x2B] = Property::ENTRIES;

/// What is left of a list.
struct Iter<'a>(Source<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        match &mut self.0 {
            Source::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Raw::new(first.id(), first.parts())
            }
            Source::Wire([]) => None,
            Source::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                // Received bytes were checked by `decode`, so an error can't come up again here.
                let raw = Raw::decode(&mut reader).ok()?;
                *bytes = reader.rest();
                Some(raw)
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
        self.raws().filter_map(|raw| Property::of(&raw))
    }

    /// The same without a type for each: what the session goes by, and the smaller way.
    pub(crate) fn raws(&self) -> impl Iterator<Item = Raw<'a>> + use<'a> {
        Iter(self.0)
    }

    /// The first property with this identifier.
    pub(crate) fn raw(&self, id: u8) -> Option<Raw<'a>> {
        self.raws().find(|raw| raw.id == id)
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
        let mut seen = Seen([false; ENTRIES.len()]);
        self.raws().try_for_each(|raw| {
            raw.check_encodable()?;
            seen.admit(&raw, place)
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
            Source::List(_) => self
                .raws()
                .fold(0usize, |sum, raw| sum.saturating_add(raw.len())),
            Source::Wire(bytes) => bytes.len(),
        }
    }

    /// The bytes on the wire with the length prefix, also of `extra` bytes more of properties.
    #[must_use]
    pub(crate) fn encoded_len(&self, extra: usize) -> usize {
        let body = self.body_len().saturating_add(extra);
        body.saturating_add(varint_len(u32::try_from(body).unwrap_or(u32::MAX)))
    }

    /// Writes the list with its length prefix; a topic alias comes first.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>, alias: Option<u16>) -> Result<(), Short> {
        let more = alias.map_or(0, |_| 3);
        let body = u32::try_from(self.body_len().saturating_add(more)).map_err(|_| Short)?;
        write_varint(writer, body)?;
        if let Some(alias) = alias {
            writer.u8(id::TopicAlias)?;
            writer.u16(alias)?;
        }
        match self.0 {
            Source::List(_) => self.raws().try_for_each(|raw| raw.encode(writer)),
            Source::Wire(bytes) => writer.put(bytes),
        }
    }
}

fn check_wire(bytes: &[u8], place: Place) -> Result<(), Invalid> {
    let mut reader = Reader::new(bytes);
    let mut seen = Seen([false; ENTRIES.len()]);
    while !reader.is_empty() {
        seen.admit(&Raw::decode(&mut reader)?, place)?;
    }
    seen.complete(place)
}

/// The identifiers met so far.
struct Seen([bool; ENTRIES.len()]);

impl Seen {
    fn admit(&mut self, raw: &Raw<'_>, place: Place) -> Result<(), Invalid> {
        if !place.within(raw.places()) {
            return Err(malformed!(
                "MQTT 5 2.2.2.2 a property that this packet can't have",
            ));
        }
        if let Some(seen) = self.0.get_mut(usize::from(raw.id)) {
            if *seen && !raw.repeats(place) {
                return Err(protocol!("MQTT 5 2.2.2.2 a property appears twice"));
            }
            *seen = true;
        }
        raw.check()
    }

    fn has(&self, id: u8) -> bool {
        self.0.get(usize::from(id)).copied().unwrap_or(false)
    }

    /// Checks that what the properties need is there as well.
    fn complete(&self, place: Place) -> Result<(), Invalid> {
        if self.has(id::AuthenticationMethod) {
            return Ok(());
        }
        if place == Place::AUTH {
            return Err(protocol!(NO_METHOD));
        }
        if place == Place::CONNECT && self.has(id::AuthenticationData) {
            return Err(protocol!(
                "MQTT 5 3.1.2.11.10 authentication data without a method",
            ));
        }
        Ok(())
    }
}
