//! Events as the application keeps them: owned, and messages put together from their pieces.

use towpath_proto::{
    Event, Fault,
    event::{Message, Outcome, Piece},
    mqtt::{QoS, packet::PacketId, property::Properties, reason::ReasonCode, session::Limits},
};

/// An event that outlives the call. Properties are kept as `Debug` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Event")]
pub enum Seen {
    Connected {
        session_present: bool,
        limits: Limits,
        properties: Vec<String>,
    },
    Message(Arrived),
    /// The first piece of a message and each further one: offset and bytes.
    Piece(usize, Vec<u8>),
    Settled(PacketId, Outcome),
    Dropped(Outcome),
    Subscribed(PacketId, Vec<u8>, Vec<String>),
    Unsubscribed(PacketId, Vec<u8>, Vec<String>),
    Auth(ReasonCode, Vec<String>),
    Disconnected,
    Failed(Fault),
}

/// A message that has arrived as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Message")]
pub struct Arrived {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: Option<PacketId>,
    pub properties: Vec<String>,
}

fn properties(properties: &Properties<'_>) -> Vec<String> {
    properties.iter().map(|p| format!("{p:?}")).collect()
}

/// Turns events into [`Seen`].
#[derive(Debug, Default)]
pub struct Inbox {
    /// The message that is coming in pieces, and its length.
    partial: Option<(Arrived, usize)>,
    /// How many messages came in pieces.
    pub in_pieces: usize,
}

impl Inbox {
    /// Takes in an event: itself, and the message that it completes.
    ///
    /// # Panics
    /// If a piece belongs to no message, or not where it says.
    pub fn take(&mut self, event: &Event<'_>) -> (Option<Seen>, Option<Seen>) {
        match event {
            Event::Message(message) => self.message(message),
            Event::Piece(piece) => self.piece(piece),
            other => {
                if matches!(other, Event::Failed(_) | Event::Disconnected) {
                    // The rest will not come: the message comes again, or never.
                    self.partial = None;
                }
                (Some(owned(other)), None)
            }
        }
    }

    fn message(&mut self, message: &Message<'_>) -> (Option<Seen>, Option<Seen>) {
        assert!(self.partial.is_none(), "a message begins inside another");
        let arrived = Arrived {
            topic: message.topic.as_str().to_owned(),
            payload: message.payload.to_vec(),
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            packet_id: message.packet_id,
            properties: properties(&message.properties),
        };
        if message.is_whole() {
            return (None, Some(Seen::Message(arrived)));
        }
        self.in_pieces += 1;
        let first = Seen::Piece(0, message.payload.to_vec());
        self.partial = Some((arrived, message.payload_len));
        (Some(first), None)
    }

    fn piece(&mut self, piece: &Piece<'_>) -> (Option<Seen>, Option<Seen>) {
        let (mut arrived, len) = self.partial.take().expect("a piece belongs to a message");
        assert_eq!(piece.offset, arrived.payload.len(), "pieces follow closely");
        assert_eq!(piece.payload_len, len, "all pieces tell the same length");
        arrived.payload.extend(piece.bytes);
        let seen = Seen::Piece(piece.offset, piece.bytes.to_vec());
        assert_eq!(piece.is_last(), arrived.payload.len() == len);
        if piece.is_last() {
            return (Some(seen), Some(Seen::Message(arrived)));
        }
        self.partial = Some((arrived, len));
        (Some(seen), None)
    }
}

fn owned(event: &Event<'_>) -> Seen {
    match event {
        Event::Connected(connected) => Seen::Connected {
            session_present: connected.session_present,
            limits: connected.limits,
            properties: properties(&connected.properties),
        },
        Event::Settled { packet_id, outcome } => Seen::Settled(*packet_id, *outcome),
        Event::Dropped(outcome) => Seen::Dropped(*outcome),
        Event::Subscribed(ack) => Seen::Subscribed(
            ack.packet_id,
            ack.codes.to_vec(),
            properties(&ack.properties),
        ),
        Event::Unsubscribed(ack) => Seen::Unsubscribed(
            ack.packet_id,
            ack.codes.to_vec(),
            properties(&ack.properties),
        ),
        Event::Auth(auth) => Seen::Auth(auth.reason, properties(&auth.properties)),
        Event::Disconnected => Seen::Disconnected,
        Event::Failed(fault) => Seen::Failed(*fault),
        other => panic!("an event that this test does not know: {other:?}"),
    }
}
