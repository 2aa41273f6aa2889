//! Packets from the client: what they ask for, and the rules they have to keep.

use std::{collections::BTreeMap, time::Duration};

use towpath_proto::{
    bytes::Writer,
    mqtt::{
        QoS, Version,
        packet::{
            Ack, Connack, Connect, Packet, PacketId, Publish, Suback, Subscribe, Unsubscribe,
        },
        property::{Properties, Property},
        reason::ReasonCode,
    },
};

use super::{
    Connection, Heard, Owed, Server,
    session::{Outbound, Session, Stage},
};

/// What a rule says when it is broken.
type Rule = Result<(), &'static str>;

impl Server {
    /// Works off the packets that are here as a whole.
    pub(super) fn packets(&mut self) {
        while let Some(connection) = &mut self.connection {
            if connection.closing {
                return;
            }
            let mut input = std::mem::take(&mut connection.input);
            let version = connection.version;
            connection.last_heard = self.now;
            match Packet::decode(&input, version) {
                Ok(None) => {
                    connection.input = input;
                    return;
                }
                Ok(Some((packet, len))) => {
                    self.log.line(self.now, || format!("client > {packet:?}"));
                    if let Err(clause) = self.packet(&packet) {
                        self.broken(clause);
                    }
                    input.drain(..len);
                    if let Some(connection) = &mut self.connection {
                        connection.input = input;
                    }
                }
                Err(invalid) => self.broken(invalid.clause),
            }
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) -> Rule {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        match packet {
            Packet::Connect(_) if connection.accepted => {
                return Err("[MQTT-3.1.0-2] a second CONNECT");
            }
            Packet::Connect(connect) => self.connect(connect),
            _ if !connection.accepted => {
                return Err("[MQTT-3.1.0-1] a packet before CONNECT");
            }
            Packet::Publish(publish) => return self.published(publish),
            Packet::Puback(ack) => return self.puback(ack),
            Packet::Pubrec(ack) => return self.pubrec(ack),
            Packet::Pubrel(ack) => return self.pubrel(ack),
            Packet::Pubcomp(ack) => return self.pubcomp(ack),
            Packet::Subscribe(subscribe) => return self.subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => return self.unsubscribe(unsubscribe),
            Packet::Pingreq => {
                self.pings += 1;
                self.say(&Packet::Pingresp);
            }
            Packet::Disconnect(_) => self.close(),
            _ => return Err("MQTT 5 2.1.2 a packet that clients do not send"),
        }
        Ok(())
    }

    /// Puts a packet on its way.
    pub(super) fn say(&mut self, packet: &Packet<'_>) {
        self.log.line(self.now, || format!("server > {packet:?}"));
        if let Some(connection) = &mut self.connection {
            let version = connection.version;
            let mut bytes = vec![0; packet.encoded_len(version).expect("a packet for MQTT")];
            let encoded = packet.encode(version, &mut Writer::new(&mut bytes));
            encoded.expect("a packet as long as it says");
            connection.staged.extend(bytes);
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        let (connection, terms) = (&mut self.connection, &mut self.terms);
        let Some(connection) = connection else {
            return;
        };
        connection.version = connect.version;
        connection.client_id = connect.client_id.to_owned();
        let mut keep_alive = connect.keep_alive;
        if connect.version == Version::V5 {
            keep_alive = terms.keep_alive.unwrap_or(keep_alive);
        }
        connection.keep_alive = Duration::from_secs(keep_alive.into());
        for property in connect.properties.iter() {
            match property {
                Property::ReceiveMaximum(n) => connection.client_window = n,
                Property::TopicAliasMaximum(n) => connection.client_alias_maximum = n,
                _ => {}
            }
        }
        if terms.refuse.0 > 0 && self.accepted >= terms.accept_first {
            terms.refuse.0 -= 1;
            let reason = terms.refuse.1;
            self.say(&Packet::Connack(Connack {
                reason,
                ..Connack::default()
            }));
            self.close();
            return;
        }
        connection.accepted = true;
        self.accepted += 1;
        let session_present = self.find_session(connect);
        let mut grants = Vec::new();
        if connect.version == Version::V5 {
            grants.extend(self.terms.receive_maximum.map(Property::ReceiveMaximum));
            grants.extend(self.terms.keep_alive.map(Property::ServerKeepAlive));
            if self.terms.topic_alias_maximum > 0 {
                grants.push(Property::TopicAliasMaximum(self.terms.topic_alias_maximum));
            }
        }
        self.say(&Packet::Connack(Connack {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&grants),
        }));
        self.send_due();
    }

    /// Finds or makes the session, and says whether there was one.
    fn find_session(&mut self, connect: &Connect<'_>) -> bool {
        let id = connect.client_id;
        let mut forget = self.sessions.get(id).is_some_and(|one| one.loss_unknown);
        if self.terms.forget > 0 {
            self.terms.forget -= 1;
            forget = true;
        }
        let lost = (forget || connect.clean_start)
            .then(|| self.sessions.remove(id))
            .flatten();
        let loss_unknown = forget && lost.is_some();
        self.forgotten.extend(
            lost.into_iter()
                .flat_map(|lost| lost.outbound)
                .map(|one| one.payload),
        );
        let present = self.sessions.contains_key(connect.client_id);
        let session = self
            .sessions
            .entry(connect.client_id.to_owned())
            .or_default();
        session.connections += 1;
        session.loss_unknown |= loss_unknown;
        present
    }

    fn parts(&mut self) -> Option<(&mut Connection, &mut Session)> {
        let connection = self.connection.as_mut()?;
        let session = self.sessions.get_mut(&connection.client_id)?;
        Some((connection, session))
    }

    fn published(&mut self, publish: &Publish<'_>) -> Rule {
        let number = self.connections;
        let terms = self.terms.clone();
        let Some((connection, session)) = self.parts() else {
            return Ok(());
        };
        let topic = resolve(connection, publish, terms.topic_alias_maximum)?;
        if publish.dup && session.connections == 1 {
            return Err("[MQTT-3.3.1-1] DUP on the first connection of a session");
        }
        let mut taken = true;
        if let Some(id) = publish.packet_id {
            let id = id.get();
            if !connection.unacknowledged.insert(id) {
                return Err("[MQTT-2.2.1-3] a packet identifier that is in use");
            }
            let window = terms.receive_maximum.unwrap_or(u16::MAX);
            let counts = connection.version == Version::V5;
            if counts && connection.unacknowledged.len() > usize::from(window) {
                return Err("[MQTT-3.3.4-7] more messages than the receive maximum");
            }
            connection.pubrels.remove(&id);
            if publish.qos == QoS::ExactlyOnce {
                taken = session.take_in(id, publish)?;
            }
            connection.owed.push_back(match publish.qos {
                QoS::ExactlyOnce => Owed::Pubrec(id),
                _ => Owed::Puback(id),
            });
        }
        self.heard.push(Heard {
            connection: number,
            topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id.map(PacketId::get),
            taken,
        });
        Ok(())
    }

    fn puback(&mut self, ack: &Ack<'_>) -> Rule {
        let id = ack.packet_id.get();
        let Some((connection, session)) = self.parts() else {
            return Ok(());
        };
        let (oldest, position) = session.awaiting(Stage::AwaitPuback, id);
        let position = position.ok_or("MQTT 5 4.3.2 a PUBACK for nothing")?;
        if oldest != Some(id) {
            return Err("[MQTT-4.6.0-2] PUBACKs in another order than the messages");
        }
        session.outbound.remove(position);
        connection.in_flight.remove(&id);
        Ok(())
    }

    fn pubrec(&mut self, ack: &Ack<'_>) -> Rule {
        let id = ack.packet_id.get();
        let Some((_, session)) = self.parts() else {
            return Ok(());
        };
        let (oldest, position) = session.awaiting(Stage::AwaitPubrec, id);
        let position = position.ok_or("MQTT 5 4.3.3 a PUBREC for nothing")?;
        if oldest != Some(id) {
            return Err("[MQTT-4.6.0-3] PUBRECs in another order than the messages");
        }
        session.outbound[position].stage = Stage::AwaitPubcomp;
        self.say(&Packet::Pubrel(Ack::success(ack.packet_id)));
        Ok(())
    }

    fn pubcomp(&mut self, ack: &Ack<'_>) -> Rule {
        let id = ack.packet_id.get();
        let Some((connection, session)) = self.parts() else {
            return Ok(());
        };
        let (_, position) = session.awaiting(Stage::AwaitPubcomp, id);
        let position = position.ok_or("MQTT 5 4.3.3 a PUBCOMP for nothing")?;
        session.outbound.remove(position);
        connection.in_flight.remove(&id);
        Ok(())
    }

    fn pubrel(&mut self, ack: &Ack<'_>) -> Rule {
        let id = ack.packet_id.get();
        let Some((connection, session)) = self.parts() else {
            return Ok(());
        };
        if !session.released.contains(&id) {
            return Err("[MQTT-4.3.3-4] a PUBREL before its PUBREC");
        }
        if !connection.pubrels.insert(id) {
            return Err("[MQTT-4.4.0-2] a PUBREL twice on one connection");
        }
        if connection.pubrecs.contains(&id) && connection.pubrecs.pop_front() != Some(id) {
            return Err("[MQTT-4.6.0-4] PUBRELs in another order than the PUBRECs");
        }
        let reason = match session.received.remove(&id) {
            Some(_) => ReasonCode::SUCCESS,
            None => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        };
        connection.owed.push_back(Owed::Pubcomp(id, reason));
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Rule {
        let Some((connection, session)) = self.parts() else {
            return Ok(());
        };
        if connection
            .unacknowledged
            .contains(&subscribe.packet_id.get())
        {
            return Err("[MQTT-2.2.1-3] a packet identifier that is in use");
        }
        let mut codes = Vec::new();
        for one in subscribe.iter() {
            session
                .subscriptions
                .insert(one.filter.as_str().to_owned(), one.qos);
            codes.push(one.qos as u8);
        }
        self.say(&Packet::Suback(Suback {
            packet_id: subscribe.packet_id,
            properties: Properties::NONE,
            codes: &codes,
        }));
        Ok(())
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) -> Rule {
        let Some((_, session)) = self.parts() else {
            return Ok(());
        };
        let mut codes = Vec::new();
        for filter in unsubscribe.iter() {
            let known = session.subscriptions.remove(filter.as_str()).is_some();
            let reason = if known {
                ReasonCode::SUCCESS
            } else {
                ReasonCode::NO_SUBSCRIPTION_EXISTED
            };
            codes.push(reason.0);
        }
        self.say(&Packet::Unsuback(Suback {
            packet_id: unsubscribe.packet_id,
            properties: Properties::NONE,
            codes: &codes,
        }));
        Ok(())
    }

    /// Sends the acknowledgements that it owes.
    pub(super) fn acknowledge(&mut self) {
        while let Some((connection, session)) = self.parts() {
            let Some(owed) = connection.owed.pop_front() else {
                return;
            };
            let (id, reason) = match owed {
                Owed::Puback(id) | Owed::Pubrec(id) => (id, ReasonCode::SUCCESS),
                Owed::Pubcomp(id, reason) => (id, reason),
            };
            if !matches!(owed, Owed::Pubrec(_)) {
                connection.unacknowledged.remove(&id);
            } else {
                session.released.insert(id);
                connection.pubrecs.push_back(id);
            }
            let mut ack = Ack::success(PacketId::new(id).expect("an identifier"));
            ack.reason = reason;
            self.say(&match owed {
                Owed::Puback(_) => Packet::Puback(ack),
                Owed::Pubrec(_) => Packet::Pubrec(ack),
                Owed::Pubcomp(..) => Packet::Pubcomp(ack),
            });
        }
    }

    /// Sends what the client is to get, in order, as far as its window allows.
    pub(super) fn send_due(&mut self) {
        let terms_window = self.terms.window;
        let (now, log, aliasing) = (self.now, self.log, self.terms.use_aliases);
        let Some((connection, session)) = self.parts() else {
            return;
        };
        if !connection.accepted || connection.closing {
            return;
        }
        let window = usize::from(terms_window.min(connection.client_window));
        let mut position = 0;
        while let Some(one) = session.outbound.get_mut(position) {
            position += 1;
            match one.stage {
                Stage::Due { again } => {
                    if one.qos != QoS::AtMostOnce && connection.in_flight.len() >= window {
                        return;
                    }
                    log.line(now, || format!("server > again: {again} {one:?}"));
                    push_publish(connection, one, again, aliasing);
                    one.stage = match one.qos {
                        QoS::AtMostOnce => {
                            position -= 1;
                            session.outbound.remove(position);
                            continue;
                        }
                        QoS::AtLeastOnce => Stage::AwaitPuback,
                        QoS::ExactlyOnce => Stage::AwaitPubrec,
                    };
                    connection.in_flight.insert(one.id);
                }
                Stage::DuePubrel => {
                    // Flow control begins anew with each connection (MQTT 5 4.9), so this does not count.
                    log.line(now, || format!("server > PUBREL again: {}", one.id));
                    let [a, b] = one.id.to_be_bytes();
                    connection.staged.extend([0x62, 2, a, b]);
                    one.stage = Stage::AwaitPubcomp;
                }
                _ => {}
            }
        }
    }
}

impl Session {
    /// Takes over a QoS 2 message, unless it has it: then this must be the same once more.
    fn take_in(&mut self, id: u16, publish: &Publish<'_>) -> Result<bool, &'static str> {
        if let Some(payload) = self.received.get(&id) {
            if !publish.dup || payload != publish.payload {
                return Err("[MQTT-4.3.3-2] another message under an identifier before its PUBREL");
            }
            return Ok(false);
        }
        self.received.insert(id, publish.payload.to_vec());
        self.released.remove(&id);
        Ok(true)
    }
}

/// The topic of a message from the client.
fn resolve(
    connection: &mut Connection,
    publish: &Publish<'_>,
    maximum: u16,
) -> Result<String, &'static str> {
    let name = publish.topic.as_str().to_owned();
    let alias = publish.properties.find(|property| match property {
        Property::TopicAlias(alias) => Some(alias),
        _ => None,
    });
    let Some(alias) = alias else {
        return Ok(name);
    };
    if alias > maximum {
        return Err("[MQTT-3.3.2-9] a topic alias above the maximum");
    }
    if name.is_empty() {
        let known = connection.aliases_in.get(&alias).cloned();
        return known.ok_or("MQTT 5 3.3.2.3.4 a topic alias that stands for nothing");
    }
    connection.aliases_in.insert(alias, name.clone());
    Ok(name)
}

/// Writes a PUBLISH byte by byte, so that a mistake of the encoder can't hide in the decoder of the same hand.
fn push_publish(connection: &mut Connection, one: &Outbound, again: bool, aliasing: bool) {
    let mut body = Vec::new();
    let mut properties = Vec::new();
    let mut name = one.topic.as_str();
    if aliasing && connection.version == Version::V5 {
        let alias = alias_for(
            &mut connection.aliases_out,
            name,
            connection.client_alias_maximum,
        );
        if let Some((alias, known)) = alias {
            let [a, b] = alias.to_be_bytes();
            properties.extend([0x23, a, b]);
            name = if known { "" } else { name };
        }
    }
    body.extend((name.len() as u16).to_be_bytes());
    body.extend(name.as_bytes());
    if one.qos != QoS::AtMostOnce {
        body.extend(one.id.to_be_bytes());
    }
    if connection.version == Version::V5 {
        body.push(properties.len() as u8);
        body.extend(properties);
    }
    body.extend(&one.payload);
    connection
        .staged
        .push(0x30 | (one.qos as u8) << 1 | u8::from(again) << 3);
    connection.staged.extend(crate::hex::varint(body.len()));
    connection.staged.extend(body);
}

/// The alias for `topic`, and whether the client knows it.
fn alias_for(aliases: &mut BTreeMap<String, u16>, topic: &str, max: u16) -> Option<(u16, bool)> {
    if let Some(alias) = aliases.get(topic) {
        return Some((*alias, true));
    }
    let next = aliases.len() as u16 + 1;
    if next > max {
        return None;
    }
    aliases.insert(topic.to_owned(), next);
    Some((next, false))
}
