//! What the faces tell the application, as values of its own.

use std::time::Duration;

use towpath_proto::{
    Trace,
    event::Message as Lent,
    mqtt::property::{Properties, Property, VarInt},
};

use crate::{Fault, Limits, Outcome, PacketId, QoS, ReasonCode, Refusal};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted the connection. Subscriptions that it forgot are being made again.
    Connected {
        /// Whether the server kept the session.
        session_present: bool,
        /// What the server grants.
        limits: Limits,
    },
    /// A message came.
    Message(Message),
    /// A message came that is larger than the receive limit; its payload was not kept.
    Oversized {
        /// Its topic.
        topic: String,
        /// The length of its payload, bytes.
        payload_len: usize,
    },
    /// A QoS 1 or 2 message that was published is settled.
    Settled {
        /// The identifier that publishing answered.
        packet_id: PacketId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A QoS 0 message that waited for a connection was dropped.
    Dropped(Outcome),
    /// The server answered a subscription.
    Subscribed {
        /// The identifier that subscribing answered.
        packet_id: PacketId,
        /// One code a filter.
        reasons: Vec<ReasonCode>,
    },
    /// The server answered an unsubscription.
    Unsubscribed {
        /// The identifier that unsubscribing answered.
        packet_id: PacketId,
        /// One code a filter; none in 3.1.1.
        reasons: Vec<ReasonCode>,
    },
    /// A step of enhanced authentication.
    Auth {
        /// Continue, or success of a re-authentication.
        reason: ReasonCode,
        /// The authentication data.
        data: Vec<u8>,
    },
    /// The path broke.
    Disconnected {
        /// Where and why.
        fault: Fault,
        /// When it is tried again; `None`: not any more.
        retry_in: Option<Duration>,
    },
    /// The options say what can't be, so there was no attempt. Nothing follows.
    Refused(Refusal),
    /// The connection was closed as asked. Nothing follows.
    Closed,
    /// A fact about the climb, if tracing is on.
    Trace(Trace),
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The QoS it came with.
    pub qos: QoS,
    /// Whether the server had kept it.
    pub retain: bool,
    /// Whether the server had sent it before.
    pub dup: bool,
    /// The packet identifier, with QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties, if it had any.
    pub details: Option<Box<Details>>,
}

/// The MQTT 5 properties of a message (MQTT 5 section 3.3.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// The payload is UTF-8 text.
    pub is_text: bool,
    /// Seconds left until the message is worthless.
    pub expiry: Option<u32>,
    /// The MIME type of the payload.
    pub content_type: Option<String>,
    /// The topic for an answer.
    pub response_topic: Option<String>,
    /// What ties an answer to its request.
    pub correlation_data: Option<Vec<u8>>,
    /// The identifiers of the subscriptions that matched.
    pub subscription_identifiers: Vec<u32>,
    /// Names and values.
    pub user_properties: Vec<(String, String)>,
}

impl Message {
    /// An owned copy of a message; the payload may be a first piece.
    pub(crate) fn keep(lent: &Lent<'_>) -> Self {
        let mut payload = Vec::with_capacity(lent.payload_len.min(lent.payload.len()));
        payload.extend_from_slice(lent.payload);
        let details = if lent.properties.is_empty() {
            None
        } else {
            Some(Box::new(Details::keep(&lent.properties)))
        };
        Self {
            topic: lent.topic.as_str().to_owned(),
            payload,
            qos: lent.qos,
            retain: lent.retain,
            dup: lent.dup,
            packet_id: lent.packet_id,
            details,
        }
    }
}

impl Details {
    fn keep(properties: &Properties<'_>) -> Self {
        let mut details = Self::default();
        for property in properties.iter() {
            match property {
                Property::PayloadFormatIndicator(format) => details.is_text = format == 1,
                Property::MessageExpiryInterval(seconds) => details.expiry = Some(seconds),
                Property::ContentType(text) => details.content_type = Some(text.to_owned()),
                Property::ResponseTopic(text) => details.response_topic = Some(text.to_owned()),
                Property::CorrelationData(data) => details.correlation_data = Some(data.to_vec()),
                Property::SubscriptionIdentifier(VarInt(id)) => {
                    details.subscription_identifiers.push(id);
                }
                Property::UserProperty((name, value)) => {
                    details
                        .user_properties
                        .push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        details
    }
}
