//! What the application asks for.

use super::{Client, Ending, Outgoing};
use crate::{
    buffers::{Buffer, Random},
    mqtt::{
        QoS, Version,
        encode::body_framed_len,
        packet::{Auth, Disconnect, PacketId, Publish, Subscription},
        property::{Place, Properties},
        reason::ReasonCode,
        session::{Phase, Refusal},
        topic::TopicFilter,
    },
};

/// The bytes of a masked close frame with its code.
const CLOSE_ROOM: usize = 8;

impl<B: Buffer, R: Random> Client<B, R> {
    /// Publishes. Without a connection the message waits in the session store.
    ///
    /// Answers the packet identifier, by which [`Event::Settled`](crate::Event::Settled) reports; `None` with QoS 0.
    ///
    /// # Errors
    /// Why the message can't be taken; nothing was changed then.
    #[inline]
    pub fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        self.let_go();
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic,
            packet_id: None,
            properties: message.properties,
            payload: message.payload,
        };
        let (session, mut wire, store, aliases) = self.split();
        session.publish(publish, &mut wire, store, aliases)
    }

    /// Subscribes, now or as soon as there is a connection. [`Event::Subscribed`](crate::Event::Subscribed) reports.
    ///
    /// # Errors
    /// Why it can't be done; nothing was changed then.
    pub fn subscribe(
        &mut self,
        list: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<PacketId, Refusal> {
        self.let_go();
        self.session
            .subscribe(list, properties, &mut self.buffers.store)
    }

    /// Unsubscribes, now or as soon as there is a connection. [`Event::Unsubscribed`](crate::Event::Unsubscribed) reports.
    ///
    /// # Errors
    /// Why it can't be done; nothing was changed then.
    pub fn unsubscribe(
        &mut self,
        list: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<PacketId, Refusal> {
        self.let_go();
        self.session
            .unsubscribe(list, properties, &mut self.buffers.store)
    }

    /// Acknowledges a received message when [`Start::manual_acks`](super::Start::manual_acks) is set: PUBACK for QoS 1, PUBREC for QoS 2. An
    /// identifier is worth nothing any more once its connection has ended.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], or [`Refusal::Full`] until bytes have left.
    pub fn acknowledge(&mut self, qos: QoS, packet_id: PacketId) -> Result<(), Refusal> {
        self.let_go();
        if !self.is_connected() {
            return Err(Refusal::NotConnected);
        }
        let (session, mut wire, _, _) = self.split();
        if !wire.reserve_control() {
            return Err(Refusal::Full);
        }
        session
            .acknowledge(qos, packet_id, &mut wire)
            .map_err(|_| Refusal::Full)
    }

    /// Sends AUTH: the next step of enhanced authentication, or its repetition (MQTT 5 section 4.12).
    ///
    /// # Errors
    /// [`Refusal::NeedsV5`], [`Refusal::NotConnected`], [`Refusal::Full`], or a property that is not allowed.
    pub fn auth(&mut self, reason: ReasonCode, properties: Properties<'_>) -> Result<(), Refusal> {
        self.let_go();
        if self.session.version == Version::V311 {
            return Err(Refusal::NeedsV5);
        }
        if self.session.phase == Phase::Offline || self.ending.is_some() {
            return Err(Refusal::NotConnected);
        }
        properties.check(Place::AUTH)?;
        let (session, mut wire, _, _) = self.split();
        wire.packet(&Auth { reason, properties }, session.version)
            .map_err(|_| Refusal::Full)
    }

    /// Says farewell: DISCONNECT and what closes the rungs below. [`Event::Disconnected`](crate::Event::Disconnected) follows when it has left.
    ///
    /// # Errors
    /// [`Refusal::NeedsV5`], [`Refusal::Full`], or a property that is not allowed.
    pub fn disconnect(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), Refusal> {
        self.let_go();
        if self.ending.is_some() {
            return Ok(());
        }
        if self.session.phase == Phase::Connected {
            if self.session.version == Version::V311
                && (reason != ReasonCode::SUCCESS || !properties.is_empty())
            {
                return Err(Refusal::NeedsV5);
            }
            properties.check(Place::DISCONNECT)?;
            let framed = self.path.is_framed();
            let packet = Disconnect { reason, properties };
            let (session, mut wire, _, _) = self.split();
            let len = body_framed_len(&packet, session.version).unwrap_or(usize::MAX);
            if !wire.reserve(len, CLOSE_ROOM) {
                return Err(Refusal::Full);
            }
            wire.packet(&packet, session.version)
                .map_err(|_| Refusal::Full)?;
            if framed {
                // RFC 6455 section 7.4.1: 1000, the purpose is fulfilled.
                self.close_frames(1000).map_err(|_| Refusal::Full)?;
            }
            self.session.phase = Phase::Closing;
        } else {
            self.path.tx = crate::path::Tx::EMPTY;
        }
        self.path.expect_by(self.now, self.patience);
        self.acknowledge_no_more();
        self.ending = Some(Ending::Disconnecting);
        Ok(())
    }
}
