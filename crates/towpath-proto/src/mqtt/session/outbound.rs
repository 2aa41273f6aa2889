//! Commands and everything that this side sends: publish, subscribe, retransmission (MQTT 5 sections 4.3 and 4.4).

use super::{
    Phase, Refusal, Session, Settled,
    alias::{Direction, Naming},
    store::{NO_EXPIRY, RECORD, Record, State, States, Store, seconds},
};
use crate::{
    buffers::Buffer,
    bytes::{Reader, Short, Writer},
    event::Outcome,
    mqtt::{
        QoS, Version,
        decode::Header,
        encode::{Body, Request, body_framed_len, encode_body, first_byte, framed_len},
        packet::{Kind, PacketId, Publish, Subscription},
        property::{Place, Properties, id, read_varint, write_varint},
        reason::ReasonCode,
        topic::{TopicFilter, TopicName},
    },
    path::{CONTROL_ROOM, Wire},
    protocol,
};

/// The largest packet that goes behind CONNECT before the server's maximum is known.
const PIPELINED_MAX: usize = 1024;

/// Store room kept for the identifiers of QoS 2 messages that may come in.
const RECEIVED_ROOM: usize = 4 * RECORD;

/// The DUP flag in the first byte of PUBLISH.
const DUP: u8 = 0x08;

impl Session {
    /// Publishes now if the connection takes it, else keeps it in the store.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn publish(
        &mut self,
        mut publish: Publish<'_>,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
        aliases: &mut dyn Buffer,
    ) -> Result<Option<PacketId>, Refusal> {
        self.admit(&publish)?;
        // Any identifier has the same length; the real one is taken once the message is admitted.
        publish.packet_id = (publish.qos != QoS::AtMostOnce).then_some(PacketId::MIN);
        let len = publish
            .encoded_len(self.version, None)
            .ok_or(Refusal::PacketTooLarge(usize::MAX))?;
        if len > self.limits.maximum_packet_size as usize {
            return Err(Refusal::PacketTooLarge(len));
        }
        if publish.qos == QoS::AtMostOnce
            && self.phase == Phase::Connected
            && !self.store.may_be_due()
        {
            if !wire.reserve(len, CONTROL_ROOM) {
                return Err(Refusal::Full);
            }
            self.write_publish(&publish, len, wire, aliases)
                .map_err(|Short| Refusal::Full)?;
            return Ok(None);
        }
        self.keep(publish, len, wire, store)
    }

    /// Keeps a message until the server has it, or until there is a connection.
    #[inline(never)]
    fn keep(
        &mut self,
        mut publish: Publish<'_>,
        len: usize,
        wire: &Wire<'_>,
        store: &mut dyn Buffer,
    ) -> Result<Option<PacketId>, Refusal> {
        if publish.qos != QoS::AtMostOnce {
            publish.packet_id = Some(self.next_id(store.bytes())?);
        }
        let id = publish.packet_id.map_or(0, PacketId::get);
        let expires = if publish.properties.is_empty() {
            NO_EXPIRY
        } else {
            self.expiry(&publish.properties, wire)
        };
        let record = self
            .store
            .push(
                store,
                (id, State::Due, expires, self.version),
                len,
                RECEIVED_ROOM,
            )
            .ok_or(Refusal::Full)?;
        let body = Store::body_mut(store.bytes_mut(), &record);
        publish
            .encode(self.version, None, &mut Writer::new(body))
            .map_err(|Short| Refusal::Full)?;
        self.unsettled = self.unsettled.saturating_add(usize::from(id != 0));
        Ok(publish.packet_id)
    }

    /// Drops the oldest message that no connection has carried yet.
    pub(crate) fn drop_oldest(&mut self, store: &mut dyn Buffer) -> Option<Settled> {
        let record = self
            .store
            .iter(store.bytes())
            .find(|record| record.state == State::Due)?;
        self.store.free(store.bytes_mut(), &record);
        self.unsettled = self.unsettled.saturating_sub(usize::from(record.id != 0));
        Some(Settled::new(record.id, Outcome::Displaced))
    }

    /// Takes back a PUBLISH that was kept and is not acknowledged. What this connection has sent stays.
    pub(crate) fn withdraw(&mut self, packet_id: PacketId, store: &mut dyn Buffer) -> bool {
        let mut kept = States::from(State::Due).or(State::DueAgain);
        if self.phase == Phase::Offline {
            kept = kept.or(State::AwaitPuback);
        }
        let Some(record) = self.store.find(store.bytes(), packet_id.get(), kept) else {
            return false;
        };
        self.store.free(store.bytes_mut(), &record);
        self.unsettled = self.unsettled.saturating_sub(1);
        true
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn admit(&self, publish: &Publish<'_>) -> Result<(), Refusal> {
        if publish.qos > self.limits.maximum_qos {
            return Err(Refusal::QoS(self.limits.maximum_qos));
        }
        if publish.retain && !self.limits.retain_available {
            return Err(Refusal::Retain);
        }
        if publish.properties.is_empty() {
            Ok(())
        } else {
            self.admit_properties(publish)
        }
    }

    #[inline(never)]
    fn admit_properties(&self, publish: &Publish<'_>) -> Result<(), Refusal> {
        if self.version == Version::V311 {
            return Err(Refusal::NeedsV5);
        }
        publish.properties.check(Place::PUBLISH)?;
        // Topic aliases are the session's business, subscription identifiers the server's ([MQTT-3.3.4-6]).
        let mut raws = publish.properties.raws();
        if raws.any(|raw| matches!(raw.id, id::TopicAlias | id::SubscriptionIdentifier)) {
            return Err(Refusal::Invalid(protocol!(
                "[MQTT-3.3.4-6] not for a client's PUBLISH",
            )));
        }
        Ok(())
    }

    /// The second at which the message expires (MQTT 5 section 3.3.2.3.3).
    fn expiry(&self, properties: &Properties<'_>, wire: &Wire<'_>) -> u32 {
        properties
            .raw(id::MessageExpiryInterval)
            .map_or(NO_EXPIRY, |raw| {
                seconds(wire.now).saturating_add(raw.number)
            })
    }

    /// Writes a PUBLISH, by topic alias where the server takes one. `len` is its length without alias.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn write_publish(
        &mut self,
        publish: &Publish<'_>,
        len: usize,
        wire: &mut Wire<'_>,
        aliases: &mut dyn Buffer,
    ) -> Result<(), Short> {
        if cfg!(not(feature = "aliases")) || self.limits.topic_alias_maximum == 0 {
            return wire.publish(publish, self.version, None, len);
        }
        self.write_aliased(publish, wire, aliases)
    }

    #[cold]
    fn write_aliased(
        &mut self,
        publish: &Publish<'_>,
        wire: &mut Wire<'_>,
        aliases: &mut dyn Buffer,
    ) -> Result<(), Short> {
        let topic = publish.topic.as_bytes();
        let mut naming =
            self.aliases
                .naming(aliases.bytes(), topic, self.limits.topic_alias_maximum);
        if matches!(naming, Naming::NameAndAlias(_)) && !self.aliases.fits(aliases, topic) {
            naming = Naming::Name;
        }
        let (named, alias) = match naming {
            Naming::Name => (*publish, None),
            Naming::NameAndAlias(alias) => (*publish, Some(alias)),
            Naming::Alias(alias) => (
                Publish {
                    topic: TopicName::ALIASED,
                    ..*publish
                },
                Some(alias),
            ),
        };
        let len = named.encoded_len(self.version, alias).ok_or(Short)?;
        if len > self.limits.maximum_packet_size as usize {
            let len = publish.encoded_len(self.version, None).ok_or(Short)?;
            return wire.publish(publish, self.version, None, len);
        }
        wire.publish(&named, self.version, alias, len)?;
        if let Naming::NameAndAlias(alias) = naming {
            self.aliases.learn(aliases, Direction::Out, alias, topic);
        }
        Ok(())
    }

    /// Subscribes, now or as soon as there is a connection.
    pub(crate) fn subscribe(
        &mut self,
        list: &[Subscription<'_>],
        properties: Properties<'_>,
        store: &mut dyn Buffer,
    ) -> Result<PacketId, Refusal> {
        self.admit_subscriptions(list, &properties)?;
        let packet_id = self.next_id(store.bytes())?;
        self.keep_request(
            &Request {
                packet_id,
                properties,
                list,
            },
            packet_id,
            store,
        )
    }

    fn admit_subscriptions(
        &self,
        list: &[Subscription<'_>],
        properties: &Properties<'_>,
    ) -> Result<(), Refusal> {
        if list.is_empty() {
            return Err(Refusal::Invalid(protocol!(
                "[MQTT-3.8.3-2] no topic filter",
            )));
        }
        properties.check(Place::SUBSCRIBE)?;
        let identified = properties.raw(id::SubscriptionIdentifier).is_some();
        if identified && !self.limits.subscription_identifiers {
            return Err(Refusal::SubscriptionIdentifier);
        }
        for subscription in list {
            let beyond_qos = subscription.options() & !3 != 0;
            if self.version == Version::V311 && (beyond_qos || !properties.is_empty()) {
                return Err(Refusal::NeedsV5);
            }
            if subscription.no_local && subscription.filter.is_shared() {
                return Err(Refusal::Invalid(protocol!(
                    "[MQTT-3.8.3-4] no local on a shared subscription"
                )));
            }
            self.admit_filter(subscription.filter)?;
        }
        Ok(())
    }

    fn admit_filter(&self, filter: TopicFilter<'_>) -> Result<(), Refusal> {
        if filter.is_shared() && !self.limits.shared_subscriptions {
            return Err(Refusal::Shared);
        }
        if filter.has_wildcard() && !self.limits.wildcard_subscriptions {
            return Err(Refusal::Wildcard);
        }
        Ok(())
    }

    /// Unsubscribes, now or as soon as there is a connection.
    pub(crate) fn unsubscribe(
        &mut self,
        list: &[TopicFilter<'_>],
        properties: Properties<'_>,
        store: &mut dyn Buffer,
    ) -> Result<PacketId, Refusal> {
        if list.is_empty() {
            return Err(Refusal::Invalid(protocol!(
                "[MQTT-3.10.3-2] no topic filter",
            )));
        }
        if self.version == Version::V311 && !properties.is_empty() {
            return Err(Refusal::NeedsV5);
        }
        properties.check(Place::UNSUBSCRIBE)?;
        let packet_id = self.next_id(store.bytes())?;
        self.keep_request(
            &Request {
                packet_id,
                properties,
                list,
            },
            packet_id,
            store,
        )
    }

    fn keep_request(
        &mut self,
        packet: &dyn Body,
        packet_id: PacketId,
        store: &mut dyn Buffer,
    ) -> Result<PacketId, Refusal> {
        let len =
            body_framed_len(packet, self.version).ok_or(Refusal::PacketTooLarge(usize::MAX))?;
        if len > self.limits.maximum_packet_size as usize {
            return Err(Refusal::PacketTooLarge(len));
        }
        let head = (packet_id.get(), State::DueRequest, NO_EXPIRY, self.version);
        let record = self
            .store
            .push(store, head, len, RECEIVED_ROOM)
            .ok_or(Refusal::Full)?;
        let body = Store::body_mut(store.bytes_mut(), &record);
        encode_body(packet, self.version, &mut Writer::new(body)).map_err(|Short| Refusal::Full)?;
        Ok(packet_id)
    }

    /// Sends what is due as far as the connection, the window and the transmit buffer take it. Answers a message that
    /// can't be sent at all, which is gone from the store then.
    pub(crate) fn send_due(
        &mut self,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
        aliases: &mut dyn Buffer,
    ) -> Option<Settled> {
        if !self.store.may_be_due() || matches!(self.phase, Phase::Offline | Phase::Closing) {
            return None;
        }
        while let Some(record) = self.store.next_due(store.bytes()) {
            if !self.may_send(&record, store.bytes()) {
                return None;
            }
            let hopeless = self.hopeless(&record, store.bytes(), wire);
            if let Some(outcome) = hopeless {
                self.store.free(store.bytes_mut(), &record);
                self.unsettled = self.unsettled.saturating_sub(usize::from(record.id != 0));
                return Some(Settled::new(record.id, outcome));
            }
            if self.send_record(&record, wire, store, aliases).is_err() {
                return None;
            }
        }
        None
    }

    /// Whether this record may go out now. Those behind it wait as well: order is kept.
    fn may_send(&self, record: &Record, store: &[u8]) -> bool {
        let (_, qos) = start_of(Store::body(store, record));
        if self.phase == Phase::Connecting {
            let plain = qos <= QoS::AtLeastOnce as u8 && record.len <= PIPELINED_MAX;
            // [MQTT-3.3.4-7] holds before CONNACK as well; 3.1.1 knows no such limit.
            let room =
                self.version == Version::V311 || qos == 0 || self.in_flight < self.pipeline_window;
            return self.habits.pipeline
                && plain
                && room
                && matches!(record.state, State::Due | State::DueRequest);
        }
        let counts = qos > 0 && matches!(record.state, State::Due | State::DueAgain);
        !counts || self.in_flight < self.window()
    }

    /// How many messages may be unacknowledged: what the server takes, or fewer if the caller wants so.
    fn window(&self) -> u16 {
        match self.habits.window {
            0 => self.limits.receive_maximum,
            own => own.min(self.limits.receive_maximum),
        }
    }

    /// Why a record will never be sent on this connection, if so.
    fn hopeless(&self, record: &Record, store: &[u8], wire: &Wire<'_>) -> Option<Outcome> {
        if record.state == State::Accepted {
            return Some(Outcome::Acknowledged(ReasonCode::SUCCESS));
        }
        if !matches!(record.state, State::Due | State::DueAgain) {
            return None;
        }
        if record.state == State::Due && record.is_expired(wire.now) {
            return Some(Outcome::Expired);
        }
        let (first, qos) = start_of(Store::body(store, record));
        // A packet of 3.1.1 gets the length of its properties, none, in MQTT 5.
        let more = usize::from(record.version != self.version);
        if record.len.saturating_add(more) > self.limits.maximum_packet_size as usize {
            return Some(Outcome::NotAdmitted(ReasonCode::PACKET_TOO_LARGE));
        }
        if qos > self.limits.maximum_qos as u8 {
            return Some(Outcome::NotAdmitted(ReasonCode::QOS_NOT_SUPPORTED));
        }
        if first & 1 != 0 && !self.limits.retain_available {
            return Some(Outcome::NotAdmitted(ReasonCode::RETAIN_NOT_SUPPORTED));
        }
        None
    }

    fn send_record(
        &mut self,
        record: &Record,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
        aliases: &mut dyn Buffer,
    ) -> Result<(), Short> {
        match record.state {
            State::Due | State::DueAgain => self.send_publish(record, wire, store, aliases),
            State::DuePubrel => {
                let id = PacketId::new(record.id).ok_or(Short)?;
                wire.acknowledge(Kind::Pubrel, id, ReasonCode::SUCCESS, self.version)?;
                self.in_flight = self.in_flight.saturating_add(1);
                self.store
                    .set_state(store.bytes_mut(), record, State::AwaitPubcomp);
                Ok(())
            }
            _ => {
                let body = Store::body(store.bytes(), record);
                let kind = body
                    .first()
                    .and_then(|first| Kind::from_bits(first >> 4))
                    .unwrap_or(Kind::Subscribe);
                if record.version == self.version {
                    if !wire.reserve(body.len(), CONTROL_ROOM) {
                        return Err(Short);
                    }
                    wire.encoded(body, 0, kind)?;
                } else {
                    translate(body, kind, record.version, wire)?;
                }
                self.store
                    .set_state(store.bytes_mut(), record, State::AwaitRequest);
                Ok(())
            }
        }
    }

    fn send_publish(
        &mut self,
        record: &Record,
        wire: &mut Wire<'_>,
        store: &mut dyn Buffer,
        aliases: &mut dyn Buffer,
    ) -> Result<(), Short> {
        if record.expires != NO_EXPIRY {
            let left = record.expires.saturating_sub(seconds(wire.now));
            set_expiry(Store::body_mut(store.bytes_mut(), record), left);
        }
        let body = Store::body(store.bytes(), record);
        let (_, qos) = start_of(body);
        if !wire.reserve(body.len(), CONTROL_ROOM) {
            return Err(Short);
        }
        let again = record.state == State::DueAgain && qos > 0;
        let aliased = cfg!(feature = "aliases")
            && self.limits.topic_alias_maximum > 0
            && record.state == State::Due;
        if aliased || record.version != self.version {
            let mut publish = Publish::decode_kept(body, record.version).ok_or(Short)?;
            publish.dup = again;
            let len = publish.encoded_len(self.version, None).ok_or(Short)?;
            self.write_publish(&publish, len, wire, aliases)?;
        } else {
            wire.encoded(body, if again { DUP } else { 0 }, Kind::Publish)?;
        }
        let awaits = match qos {
            0 if self.phase == Phase::Connecting => State::AwaitConnack,
            0 => {
                self.store.free(store.bytes_mut(), record);
                return Ok(());
            }
            1 => State::AwaitPuback,
            _ => State::AwaitPubrec,
        };
        self.in_flight = self.in_flight.saturating_add(u16::from(qos > 0));
        self.store.set_state(store.bytes_mut(), record, awaits);
        Ok(())
    }
}

/// Writes a SUBSCRIBE or UNSUBSCRIBE that is encoded in version `from` in the other one. What 3.1.1 can't say is left
/// out.
fn translate(packet: &[u8], kind: Kind, from: Version, wire: &mut Wire<'_>) -> Result<(), Short> {
    let header = Header::decode(packet, from)
        .map_err(|_| Short)?
        .ok_or(Short)?;
    let mut reader = Reader::new(packet.get(usize::from(header.len)..).ok_or(Short)?);
    let id = reader.u16()?;
    if from == Version::V5 {
        let properties = read_varint(&mut reader).map_err(|_| Short)?;
        reader.take(properties as usize)?;
    }
    let list = reader.rest();
    let body = list
        .len()
        .saturating_add(if from == Version::V5 { 2 } else { 3 });
    let len = framed_len(body).ok_or(Short)?;
    wire.filled(kind, len, &mut |writer| {
        writer.u8(first_byte(kind))?;
        write_varint(writer, u32::try_from(body).map_err(|_| Short)?)?;
        writer.u16(id)?;
        if from == Version::V311 {
            // No properties; the options of 3.1.1 are valid ones of MQTT 5.
            writer.u8(0)?;
            return writer.put(list);
        }
        if kind == Kind::Unsubscribe {
            return writer.put(list);
        }
        let mut list = Reader::new(list);
        while !list.is_empty() {
            writer.binary(list.binary()?)?;
            writer.u8(list.u8()? & 3)?;
        }
        Ok(())
    })
}

/// The first byte of an encoded packet, and its QoS if it is a PUBLISH.
fn start_of(packet: &[u8]) -> (u8, u8) {
    let first = packet.first().copied().unwrap_or(0);
    (
        first,
        if first >> 4 == Kind::Publish as u8 {
            first >> 1 & 3
        } else {
            0
        },
    )
}

/// Sets the message expiry interval of an encoded MQTT 5 PUBLISH to `left` seconds.
fn set_expiry(packet: &mut [u8], left: u32) {
    if let Some(at) = expiry_at(packet)
        && let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
    {
        *field = left.to_be_bytes();
    }
}

/// Where the value of the message expiry interval begins in an encoded PUBLISH.
fn expiry_at(packet: &[u8]) -> Option<usize> {
    let header = Header::decode(packet, Version::V5).ok()??;
    let mut reader = Reader::new(packet.get(usize::from(header.len)..)?);
    let publish = Publish::decode_head(header.flags, &mut reader, Version::V5).ok()?;
    let properties_end = packet.len().checked_sub(reader.rest().len())?;
    let mut at = properties_end.checked_sub(publish.properties.body_len())?;
    for raw in publish.properties.raws() {
        if raw.id == id::MessageExpiryInterval {
            return at.checked_add(1);
        }
        at = at.checked_add(raw.len())?;
    }
    None
}
