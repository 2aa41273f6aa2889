//! A property by its identifier and the shape of its value.
//!
//! A table says of each property where it may be and how it lies on the wire, so that reading, writing and
//! checking are written once for seven shapes and not for each property.

use super::{
    ENTRIES, Parts, Place, id,
    varint::{VARINT_MAX, read_varint, varint_len, write_varint},
};
use crate::{
    bytes::{Reader, Short, Writer},
    malformed,
    mqtt::{
        Invalid,
        topic::{self, TopicName},
    },
    protocol,
};

/// How a value lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Shape {
    Byte = 1,
    Two,
    Four,
    VarInt,
    Binary,
    Text,
    /// Two texts.
    Pair,
}

/// The packets that a property may be in, one bit each, and the shape of its value above them.
#[derive(Clone, Copy)]
pub(super) struct Entry(u16);

impl Entry {
    /// No property.
    pub(super) const NONE: Self = Self(0);

    const SHAPE_AT: u16 = 10;

    pub(super) const fn new(places: Place, shape: Shape) -> Self {
        Self(places.0 | (shape as u16) << Self::SHAPE_AT)
    }

    fn of(id: u8) -> Self {
        ENTRIES.get(usize::from(id)).copied().unwrap_or(Self::NONE)
    }

    const fn shape(self) -> Option<Shape> {
        Some(match self.0 >> Self::SHAPE_AT {
            1 => Shape::Byte,
            2 => Shape::Two,
            3 => Shape::Four,
            4 => Shape::VarInt,
            5 => Shape::Binary,
            6 => Shape::Text,
            7 => Shape::Pair,
            _ => return None,
        })
    }
}

/// A property. Numbers lie in `number`, the others in `bytes`, the value of a user property in `second`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) id: u8,
    shape: Shape,
    pub(crate) number: u32,
    pub(crate) bytes: &'a [u8],
    pub(super) second: &'a [u8],
}

impl<'a> Raw<'a> {
    /// A property by its identifier and the parts of its value. `None` if there is none with this identifier.
    pub(super) fn new(id: u8, (number, bytes, second): Parts<'a>) -> Option<Self> {
        Some(Self {
            id,
            shape: Entry::of(id).shape()?,
            number,
            bytes,
            second,
        })
    }

    /// Reads a property.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let id = read_varint(reader)?;
        let Some(mut raw) = Self::new(u8::try_from(id).unwrap_or(0), (0, &[], &[])) else {
            return Err(malformed!("MQTT 5 2.2.2.2 an unknown property"));
        };
        match raw.shape {
            Shape::Byte => raw.number = reader.u8()?.into(),
            Shape::Two => raw.number = reader.u16()?.into(),
            Shape::Four => raw.number = reader.u32()?,
            Shape::VarInt => raw.number = read_varint(reader)?,
            Shape::Binary | Shape::Text | Shape::Pair => {
                raw.bytes = reader.binary()?;
                if raw.shape == Shape::Pair {
                    raw.second = reader.binary()?;
                }
                raw.check_text()?;
            }
        }
        Ok(raw)
    }

    fn check_text(&self) -> Result<(), Invalid> {
        if self.shape == Shape::Binary {
            return Ok(());
        }
        topic::check_utf8(self.bytes)?;
        topic::check_utf8(self.second)
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Short> {
        writer.u8(self.id)?;
        match self.shape {
            Shape::Byte => writer.u8(self.number as u8),
            Shape::Two => writer.u16(self.number as u16),
            Shape::Four => writer.u32(self.number),
            Shape::VarInt => write_varint(writer, self.number),
            Shape::Binary | Shape::Text => writer.binary(self.bytes),
            Shape::Pair => {
                writer.binary(self.bytes)?;
                writer.binary(self.second)
            }
        }
    }

    /// The bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        let value = match self.shape {
            Shape::Byte => 1,
            Shape::Two => 2,
            Shape::Four => 4,
            Shape::VarInt => varint_len(self.number),
            Shape::Binary | Shape::Text => 2,
            Shape::Pair => 4,
        };
        self.bytes
            .len()
            .saturating_add(self.second.len())
            .saturating_add(1 + value)
    }

    /// Checks what reading from the wire makes sure of, for a value that the caller made.
    pub(super) fn check_encodable(&self) -> Result<(), Invalid> {
        if self.shape == Shape::VarInt && self.number > VARINT_MAX {
            return Err(malformed!(
                "MQTT 5 1.5.5 a number above 268,435,455 has no encoding",
            ));
        }
        if self.bytes.len().max(self.second.len()) > usize::from(u16::MAX) {
            return Err(malformed!(
                "MQTT 5 1.5.4, 1.5.6 a field is longer than 65,535 bytes",
            ));
        }
        self.check_text()
    }

    pub(super) fn places(&self) -> Place {
        Place(Entry::of(self.id).0 & ((1 << Entry::SHAPE_AT) - 1))
    }

    /// Whether the property may appear several times (MQTT 5 sections 3.1.2.11.8 and 3.3.2.3.8).
    pub(super) const fn repeats(&self, place: Place) -> bool {
        match self.id {
            id::UserProperty => true,
            id::SubscriptionIdentifier => place.within(Place::PUBLISH),
            _ => false,
        }
    }

    /// Checks the value by itself.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let bad = match self.id {
            id::ReceiveMaximum
            | id::MaximumPacketSize
            | id::SubscriptionIdentifier
            | id::TopicAlias => self.number == 0,
            id::ResponseTopic => self.bytes.is_empty() || TopicName::from_wire(self.bytes).is_err(),
            // All that have one byte are 0 or 1.
            _ => self.shape == Shape::Byte && self.number > 1,
        };
        if bad { Err(self.wrong()) } else { Ok(()) }
    }

    /// The clause that a wrong value breaks.
    #[cold]
    const fn wrong(&self) -> Invalid {
        match self.id {
            // Flags are 0 or 1.
            id::PayloadFormatIndicator => {
                protocol!("MQTT 5 3.3.2.3.2 the payload format is no flag")
            }
            id::RequestResponseInformation => {
                protocol!("MQTT 5 3.1.2.11.6 request response information is no flag")
            }
            id::RequestProblemInformation => {
                protocol!("MQTT 5 3.1.2.11.7 request problem information is no flag")
            }
            id::MaximumQoS => protocol!("MQTT 5 3.2.2.3.4 maximum QoS is neither 0 nor 1"),
            id::RetainAvailable => protocol!("MQTT 5 3.2.2.3.5 retain available is no flag"),
            id::WildcardSubscriptionAvailable => {
                protocol!("MQTT 5 3.2.2.3.11 wildcard subscription available is no flag")
            }
            id::SubscriptionIdentifierAvailable => {
                protocol!("MQTT 5 3.2.2.3.12 subscription identifiers available is no flag")
            }
            id::SharedSubscriptionAvailable => {
                protocol!("MQTT 5 3.2.2.3.13 shared subscription available is no flag")
            }
            id::ReceiveMaximum => protocol!("MQTT 5 3.1.2.11.3, 3.2.2.3.3 receive maximum is 0"),
            id::MaximumPacketSize => {
                protocol!("MQTT 5 3.1.2.11.4, 3.2.2.3.6 maximum packet size is 0")
            }
            id::SubscriptionIdentifier => {
                protocol!("MQTT 5 3.3.2.3.8, 3.8.2.1.2 a subscription identifier is 0")
            }
            // An alias of 0 has its own reason code, so that a server can say what is wrong.
            id::TopicAlias => {
                crate::invalid!(TOPIC_ALIAS_INVALID, "[MQTT-3.3.2-8] a topic alias is 0")
            }
            _ => protocol!("[MQTT-3.3.2-14] a response topic is no topic name"),
        }
    }
}
