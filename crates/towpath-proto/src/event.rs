//! What the core tells the application.

use crate::{
    fault::Fault,
    mqtt::{
        QoS,
        packet::{Auth, PacketId, Suback},
        property::Properties,
        reason::ReasonCode,
        session::Limits,
        topic::TopicName,
    },
};

/// Something for the application. It borrows the client's buffers: finish with it before the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server accepted the connection.
    Connected(Connected<'a>),
    /// A message, or the first piece of one that does not fit the receive buffer.
    Message(Message<'a>),
    /// A further piece of a message.
    Piece(Piece<'a>),
    /// A QoS 1 or 2 message is settled: acknowledged, refused, or dropped because it can't be sent.
    Settled {
        /// The identifier that the publish command answered.
        packet_id: PacketId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A QoS 0 message that waited for a connection was dropped.
    Dropped(Outcome),
    /// SUBACK.
    Subscribed(Suback<'a>),
    /// UNSUBACK.
    Unsubscribed(Suback<'a>),
    /// AUTH: a step of enhanced authentication, to be answered with [`auth`](crate::client::Client::auth).
    Auth(Auth<'a>),
    /// The connection ended because the application asked for it. All bytes have left; close the transport.
    Disconnected,
    /// The attempt ended. Close the transport; the session is kept for the next attempt.
    Failed(Fault),
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it (PUBACK or PUBCOMP with success).
    Acknowledged(ReasonCode),
    /// The server refused it.
    Refused(ReasonCode),
    /// Its expiry interval passed before it could be sent.
    Expired,
    /// It made room for newer messages ([`drop_oldest`](crate::client::Client::drop_oldest)).
    Displaced,
    /// The server's limits do not admit it; the reason code says which.
    NotAdmitted(ReasonCode),
}

/// The contents of CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected<'a> {
    /// Whether the server kept the session.
    pub session_present: bool,
    /// What the server grants.
    pub limits: Limits,
    /// The properties, the assigned client identifier among them.
    pub properties: Properties<'a>,
}

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it was published; topic aliases are resolved.
    pub topic: TopicName<'a>,
    /// The payload, or its first piece.
    pub payload: &'a [u8],
    /// The length of the whole payload, bytes.
    pub payload_len: usize,
    /// The QoS it came with.
    pub qos: QoS,
    /// Whether the server had kept it.
    pub retain: bool,
    /// Whether the server had sent it before.
    pub dup: bool,
    /// The packet identifier, with QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

impl Message<'_> {
    /// Whether the payload is here as a whole.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.payload.len() == self.payload_len
    }
}

/// A further piece of a message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where the piece begins in the payload, bytes.
    pub offset: usize,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The length of the whole payload, bytes.
    pub payload_len: usize,
}

impl Piece<'_> {
    /// Whether this is the last piece.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.offset.saturating_add(self.bytes.len()) >= self.payload_len
    }
}
