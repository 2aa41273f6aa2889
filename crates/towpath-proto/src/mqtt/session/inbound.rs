//! Packets from the server and what they do to the session (MQTT 5 sections 4.3 and 4.8 to 4.12).

use super::{
    Phase, Session, Settled,
    alias::Direction,
    store::{NO_EXPIRY, State, States},
};
use crate::{
    buffers::Buffer,
    bytes::{Reader, Short},
    clause,
    fault::{Cause, Code, Fault},
    mqtt::{
        Invalid, QoS,
        decode::{Header, Reply},
        packet::{Kind, PacketId, Publish},
        property::{Properties, id},
        reason::ReasonCode,
    },
    path::Wire,
    protocol,
};

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handled {
    /// Nothing that the application needs to know.
    Done,
    /// The packet itself is an event: CONNACK, SUBACK, UNSUBACK, AUTH.
    Report,
    /// A message is settled.
    Settled(Settled),
}

/// A stretch of a buffer. Half the size of a range of `usize`: a client holds several, and a host thousands of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// `len` bytes from `at` on. What lies beyond 4 GiB is empty.
    pub(crate) fn new(at: usize, len: usize) -> Self {
        match (u32::try_from(at), u32::try_from(len)) {
            (Ok(at), Ok(len)) => Self { at, len },
            _ => Self { at: 0, len: 0 },
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let at = self.at as usize;
        bytes
            .get(at..at.saturating_add(self.len as usize))
            .unwrap_or(&[])
    }
}

/// What a received message asks of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The length of the whole payload.
    pub(crate) payload_len: u32,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) qos: QoS,
    /// A QoS 2 message that was delivered already; its payload is skipped.
    pub(crate) repeated: bool,
}

/// A PUBLISH whose head was read, as places in the buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) delivery: Delivery,
    pub(crate) topic: Place,
    /// The properties without their length prefix; the payload follows them.
    pub(crate) properties: Span,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
}

/// Where a topic lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Rx(Span),
    Aliases(Span),
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Cause::from(invalid).into()
    }
}

impl From<Invalid> for Cause {
    #[cold]
    fn from(invalid: Invalid) -> Self {
        let code = match invalid.reason {
            ReasonCode::MALFORMED_PACKET => Code::Malformed,
            ReasonCode::PACKET_TOO_LARGE => Code::PacketTooLarge,
            ReasonCode::TOPIC_ALIAS_INVALID => Code::TopicAlias,
            ReasonCode::RECEIVE_MAXIMUM_EXCEEDED => Code::ReceiveMaximum,
            _ => Code::ProtocolError,
        };
        Self::new(code).clause(invalid.clause)
    }
}

impl Session {
    /// Takes in a packet other than PUBLISH. The transmit buffer has room for one control packet.
    pub(crate) fn packet(
        &mut self,
        packet: &Reply<'_>,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
    ) -> Result<Handled, Cause> {
        let (id, reason) = (packet.packet_id, packet.reason);
        if self.phase == Phase::Connecting {
            return match packet.kind {
                Kind::Connack => self.connack(packet, wire, store),
                Kind::Auth => Ok(Handled::Report),
                _ => Err(EARLY.into()),
            };
        }
        match packet.kind {
            // An acknowledgement of something unknown has no effect; there is no answer to it either.
            Kind::Puback => Ok(self.settle(id, reason, store, State::AwaitPuback.into())),
            Kind::Pubrec => self.pubrec(id, reason, wire, store),
            Kind::Pubrel => self.pubrel(id, wire, store),
            // Packet identifier not found: the server completed it earlier (MQTT 5 section 3.7.2.1).
            Kind::Pubcomp if reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND => {
                Ok(self.settle(id, ReasonCode::SUCCESS, store, State::AwaitPubcomp.into()))
            }
            Kind::Pubcomp => Ok(self.settle(id, reason, store, State::AwaitPubcomp.into())),
            Kind::Suback | Kind::Unsuback => {
                let asked = State::AwaitRequest.into();
                let Some(record) = self.store.find(store.bytes(), id.get(), asked) else {
                    return Ok(Handled::Done);
                };
                self.store.free(store.bytes_mut(), &record);
                Ok(Handled::Report)
            }
            Kind::Auth => Ok(Handled::Report),
            Kind::Disconnect => Err(Cause::numbered(Code::ServerDisconnected, reason.0.into())),
            Kind::Connack => Err(protocol!("[MQTT-3.2.0-2] a second CONNACK").into()),
            // PINGRESP: decoding lets nothing else pass.
            _ => Ok(Handled::Done),
        }
    }

    fn connack(
        &mut self,
        connack: &Reply<'_>,
        wire: &Wire<'_>,
        store: &mut dyn Buffer,
    ) -> Result<Handled, Cause> {
        if connack.reason != ReasonCode::SUCCESS {
            // What an MQTT 5 server says about it is in the packet.
            return Err(
                Cause::numbered(Code::ConnectRefused, connack.reason.0.into())
                    .clause(v311_clause(connack.reason, self.version)),
            );
        }
        if connack.session_present && self.clean_start {
            return Err(
                protocol!("[MQTT-3.2.2-4] a session is present after a clean start").into(),
            );
        }
        self.limits.apply(&connack.properties);
        self.keep_alive = super::KeepAlive::new(self.limits.keep_alive, wire.now);
        self.connected(connack.session_present, store);
        Ok(Handled::Report)
    }

    /// A message is settled if it waits for this acknowledgement.
    fn settle(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
        store: &mut dyn Buffer,
        states: States,
    ) -> Handled {
        let Some(record) = self.store.find(store.bytes(), id.get(), states) else {
            return Handled::Done;
        };
        self.store.free(store.bytes_mut(), &record);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.unsettled = self.unsettled.saturating_sub(1);
        Handled::Settled(Settled::answered(id, reason))
    }

    fn pubrec(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
    ) -> Result<Handled, Cause> {
        let sent = States::from(State::AwaitPubrec).or(State::AwaitPubcomp);
        if reason.is_error() {
            // MQTT 5 section 4.3.3: a PUBREC with an error ends the exchange.
            return Ok(self.settle(id, reason, store, sent));
        }
        let mut reason = ReasonCode::SUCCESS;
        match self.store.find(store.bytes(), id.get(), sent) {
            Some(record) => self
                .store
                .set_state(store.bytes_mut(), &record, State::AwaitPubcomp),
            None => reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        }
        self.answer(Kind::Pubrel, id, reason, wire)
    }

    fn pubrel(
        &mut self,
        id: PacketId,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
    ) -> Result<Handled, Cause> {
        let reason = if self.undelivered(id, store) {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.answer(Kind::Pubcomp, id, reason, wire)
    }

    fn answer(
        &self,
        kind: Kind,
        id: PacketId,
        reason: ReasonCode,
        wire: &mut Wire<'_>,
    ) -> Result<Handled, Cause> {
        match wire.acknowledge(kind, id, reason, self.version) {
            Ok(()) => Ok(Handled::Done),
            Err(Short) => Err(Cause::new(Code::SessionFull)),
        }
    }

    /// Reads the head of a PUBLISH from `bytes`, which begin with its fixed header at `at` in the receive buffer.
    /// Answers it with the length of its head; `None` if that is not complete.
    #[inline]
    pub(crate) fn publish_head(
        &mut self,
        header: &Header,
        bytes: &[u8],
        at: usize,
        store: &dyn Buffer,
        aliases: &mut dyn Buffer,
    ) -> Result<Option<(Incoming, usize)>, Cause> {
        if self.phase == Phase::Connecting {
            return Err(EARLY.into());
        }
        let whole = header.packet_len();
        let end = whole.min(bytes.len());
        let here = bytes.get(usize::from(header.len)..end).unwrap_or(&[]);
        let mut reader = Reader::new(here);
        let publish = match Publish::decode_head(header.flags, &mut reader, self.version) {
            Ok(publish) => publish,
            // Short, and more is to come: not wrong yet.
            Err(invalid) if bytes.len() < whole && invalid == Invalid::from(Short) => {
                return Ok(None);
            }
            Err(invalid) => return Err(invalid.into()),
        };
        let head = end.saturating_sub(reader.rest().len());
        let topic_at = at.saturating_add(usize::from(header.len) + 2);
        let properties = publish.properties.body_len();
        let properties_at = at.saturating_add(head).saturating_sub(properties);
        let mut incoming = Incoming {
            delivery: Delivery {
                payload_len: u32::try_from(whole.saturating_sub(head)).unwrap_or(u32::MAX),
                packet_id: publish.packet_id,
                qos: publish.qos,
                repeated: false,
            },
            topic: Place::Rx(Span::new(topic_at, publish.topic.as_bytes().len())),
            properties: Span::new(properties_at, properties),
            dup: publish.dup,
            retain: publish.retain,
        };
        if !publish.properties.is_empty() {
            self.resolve_alias(&publish, &mut incoming, aliases)?;
        }
        if publish.qos == QoS::ExactlyOnce {
            incoming.delivery.repeated = self.was_received(publish.packet_id, store)?;
        }
        Ok(Some((incoming, head)))
    }

    fn resolve_alias(
        &mut self,
        publish: &Publish<'_>,
        incoming: &mut Incoming,
        aliases: &mut dyn Buffer,
    ) -> Result<(), Cause> {
        let Some(alias) = publish.properties.raw(id::TopicAlias) else {
            if publish.topic.is_empty() {
                return Err(
                    protocol!("[MQTT-4.7.3-1] a topic name is empty and has no alias").into(),
                );
            }
            return Ok(());
        };
        let alias = alias.number as u16;
        if cfg!(not(feature = "aliases")) || alias > self.own_alias_maximum {
            return Err(Cause::new(Code::TopicAlias)
                .clause(clause!("[MQTT-3.3.2-9] an alias above the maximum")));
        }
        if !publish.topic.is_empty() {
            if !self
                .aliases
                .learn(aliases, Direction::In, alias, publish.topic.as_bytes())
            {
                return Err(Cause::new(Code::AliasesFull));
            }
            return Ok(());
        }
        let (from, to) = self.aliases.lookup(aliases.bytes(), alias).ok_or(
            Cause::new(Code::TopicAlias)
                .clause(clause!("MQTT 5 3.3.2.3.4 an alias that stands for nothing")),
        )?;
        incoming.topic = Place::Aliases(Span::new(from, to.saturating_sub(from)));
        Ok(())
    }

    /// Whether a QoS 2 message was delivered before.
    fn was_received(&self, packet_id: Option<PacketId>, store: &dyn Buffer) -> Result<bool, Cause> {
        let id = packet_id.map_or(0, PacketId::get);
        if self
            .store
            .find(store.bytes(), id, State::Received.into())
            .is_some()
        {
            return Ok(true);
        }
        if self.received >= self.own_receive_maximum {
            return Err(Cause::new(Code::ReceiveMaximum).clause(clause!("[MQTT-3.3.4-9]")));
        }
        Ok(false)
    }

    /// The application has the message as a whole from now on: a QoS 2 identifier is kept until its PUBREL.
    pub(crate) fn delivered(
        &mut self,
        delivery: &Delivery,
        store: &mut dyn Buffer,
    ) -> Result<(), Cause> {
        if delivery.qos != QoS::ExactlyOnce || delivery.repeated {
            return Ok(());
        }
        let id = delivery.packet_id.map_or(0, PacketId::get);
        if self
            .store
            .push(store, (id, State::Received, NO_EXPIRY, self.version), 0, 0)
            .is_none()
        {
            return Err(Cause::new(Code::SessionFull));
        }
        self.received = self.received.saturating_add(1);
        Ok(())
    }

    /// Takes back [`delivered`](Self::delivered): the application did not get the message, or the server knows that it
    /// did. False if it was not noted.
    pub(crate) fn undelivered(&mut self, id: PacketId, store: &mut dyn Buffer) -> bool {
        let noted = self
            .store
            .find(store.bytes(), id.get(), State::Received.into());
        if let Some(record) = &noted {
            self.store.free(store.bytes_mut(), record);
            self.received = self.received.saturating_sub(1);
        }
        noted.is_some()
    }

    /// Whether the session acknowledges this message by itself.
    pub(crate) const fn acknowledges(&self, delivery: &Delivery) -> bool {
        !self.habits.manual_acks || delivery.repeated
    }

    /// Acknowledges a received message: PUBACK for QoS 1, PUBREC for QoS 2.
    pub(crate) fn acknowledge(
        &self,
        qos: QoS,
        packet_id: PacketId,
        wire: &mut Wire<'_>,
    ) -> Result<(), Cause> {
        let kind = match qos {
            QoS::AtMostOnce => return Ok(()),
            QoS::AtLeastOnce => Kind::Puback,
            QoS::ExactlyOnce => Kind::Pubrec,
        };
        self.answer(kind, packet_id, ReasonCode::SUCCESS, wire)
            .map(drop)
    }
}

/// A packet that is out of turn.
const EARLY: Invalid = protocol!("[MQTT-3.2.0-1] a packet before CONNACK");

/// What a server says about a refusal or a farewell.
pub(crate) fn reason_string<'a>(properties: &Properties<'a>) -> &'a [u8] {
    properties
        .raw(id::ReasonString)
        .map_or(b"", |raw| raw.bytes)
}

/// The return code as people who read 3.1.1 know it.
const fn v311_clause(reason: ReasonCode, version: crate::mqtt::Version) -> &'static str {
    if matches!(version, crate::mqtt::Version::V5) || cfg!(not(feature = "texts")) {
        return "";
    }
    match reason.to_v311_connack() {
        1 => "CONNACK 1, MQTT 3.1.1 3.2.2.3",
        2 => "CONNACK 2, MQTT 3.1.1 3.2.2.3",
        3 => "CONNACK 3, MQTT 3.1.1 3.2.2.3",
        4 => "CONNACK 4, MQTT 3.1.1 3.2.2.3",
        _ => "CONNACK 5, MQTT 3.1.1 3.2.2.3",
    }
}
