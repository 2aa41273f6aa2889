//! A hub: identities with their keys, twins and sessions; and what it says to each packet.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use towpath_proto::{
    Instant,
    mqtt::{
        QoS,
        packet::{Ack, Connack, Connect, Packet, PacketId, Publish, Suback, Subscribe},
        property::Properties,
        reason::ReasonCode,
        topic::TopicName,
    },
};

use super::{
    Meter, Now, Peer,
    ledger::Ledger,
    token::{self, Untrusted, decoded},
    twin::Twin,
    wire::Wire,
};

/// How long a connection outlives its token, seconds.
const GRACE: u64 = 600;

/// A cloud-to-device message.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) number: u64,
    /// Under which identifier it was sent on this connection.
    sent: Option<PacketId>,
    /// It was sent on an earlier one.
    dup: bool,
}

/// What outlives a connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    subscriptions: BTreeSet<String>,
    last_id: u16,
}

/// A device as the hub knows it.
#[derive(Debug)]
pub(crate) struct Identity {
    key: Vec<u8>,
    pub(crate) twin: Twin,
    session: Option<Session>,
    pub(crate) letters: VecDeque<Letter>,
    /// Method calls that wait for their answers.
    pub(crate) calls: BTreeSet<u64>,
    next_call: u64,
}

/// What went on at a hub.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    /// CONNECT packets.
    pub(crate) connects: u64,
    pub(crate) accepted: u64,
    pub(crate) throttled: u64,
    /// Refused because the identity is not there.
    pub(crate) unknown: u64,
    /// Refused because of an expired token; of devices whose clock was right.
    pub(crate) expired: [u64; 2],
    /// Connections that outlived their token and its grace; of devices whose clock was right when they connected.
    pub(crate) outlived: [u64; 2],
    /// Connections that said nothing for one and a half keep-alive times.
    pub(crate) silent: u64,
    pub(crate) answered_calls: u64,
}

/// A hub.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) host: String,
    pub(crate) identities: HashMap<String, Identity>,
    pub(crate) meter: Meter,
    pub(crate) tally: Tally,
    /// Until when nothing listens.
    pub(crate) down_until: Instant,
    /// Until when every other connection is answered with return code 3.
    pub(crate) throttles_until: Instant,
}

/// What a hub keeps about a connection that it accepted.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) id: String,
    keep_alive: Duration,
    last_heard: Instant,
    /// When the token expires, Unix seconds.
    expires: u64,
    clock_is_right: bool,
}

impl Guest {
    /// When the hub looks whether it is still to be kept.
    pub(crate) fn deadline(&self, now: &Now) -> Instant {
        let left = (self.expires + GRACE + 1).saturating_sub(now.unix);
        let silent = self.last_heard.after(self.keep_alive * 3 / 2);
        silent.min(now.at.after(Duration::from_secs(left)))
    }
}

impl Hub {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            host: format!("{name}.azure-devices.net"),
            identities: HashMap::new(),
            meter: Meter::default(),
            tally: Tally::default(),
            down_until: Instant::ZERO,
            throttles_until: Instant::ZERO,
        }
    }

    pub(crate) fn enrol(&mut self, id: &str, key: &[u8], twin: Twin) {
        let identity = Identity {
            key: key.to_vec(),
            twin,
            session: None,
            letters: VecDeque::new(),
            calls: BTreeSet::new(),
            next_call: 0,
        };
        self.identities.insert(id.to_owned(), identity);
    }

    /// Answers CONNECT.
    pub(super) fn connect(&mut self, now: &Now, peer: &mut Peer, connect: &Connect<'_>) {
        self.tally.connects += 1;
        self.meter.count(now.at);
        let refusal = self.judge(now, connect);
        let code = match refusal {
            Ok(guest) => {
                let identity = self.identities.get_mut(&guest.id).expect("a device");
                let kept = identity.session.is_some() && !connect.clean_start;
                if !kept {
                    identity.session = Some(Session::default());
                }
                for letter in &mut identity.letters {
                    letter.dup |= letter.sent.take().is_some();
                }
                self.tally.accepted += 1;
                peer.wire.say(&Packet::Connack(Connack {
                    session_present: kept,
                    ..Connack::default()
                }));
                let id = guest.id.clone();
                peer.guest = Some(guest);
                return self.deliver(&id, &mut peer.wire);
            }
            Err(code) => code,
        };
        peer.wire.say(&Packet::Connack(Connack {
            reason: code,
            ..Connack::default()
        }));
        peer.wire.closing = true;
    }

    fn judge(&mut self, now: &Now, connect: &Connect<'_>) -> Result<Guest, ReasonCode> {
        if now.at < self.throttles_until && self.tally.connects.is_multiple_of(2) {
            self.tally.throttled += 1;
            return Err(ReasonCode::SERVER_UNAVAILABLE);
        }
        let id = connect.client_id;
        let user = connect.user_name.expect("a user name");
        let names = format!("{}/{id}/?api-version=2021-04-12", self.host);
        assert!(user.starts_with(&names), "the user name {user}");
        let Some(identity) = self.identities.get(id) else {
            self.tally.unknown += 1;
            return Err(ReasonCode::NOT_AUTHORIZED);
        };
        let password = std::str::from_utf8(connect.password.expect("a token")).expect("text");
        let resource = format!("{}/devices/{id}", self.host);
        match token::check(password, &identity.key, &resource, now.unix) {
            Ok(expires) => Ok(Guest {
                id: id.to_owned(),
                keep_alive: Duration::from_secs(connect.keep_alive.into()),
                last_heard: now.at,
                expires,
                clock_is_right: now.clock_is_right(),
            }),
            Err(Untrusted::Expired) => {
                self.tally.expired[usize::from(now.clock_is_right())] += 1;
                Err(ReasonCode::NOT_AUTHORIZED)
            }
            Err(other) => panic!("the token of {id}: {other:?}"),
        }
    }

    /// Answers any other packet.
    pub(super) fn packet(
        &mut self,
        now: &Now,
        peer: &mut Peer,
        packet: &Packet<'_>,
        ledger: &mut Ledger,
    ) {
        let Peer { wire, guest, .. } = peer;
        let guest = guest.as_mut().expect("CONNECT comes first");
        guest.last_heard = now.at;
        let id = guest.id.clone();
        match packet {
            Packet::Publish(publish) => {
                self.published(now, &id, wire, publish, ledger);
                if let Some(packet_id) = publish.packet_id {
                    assert_eq!(publish.qos, QoS::AtLeastOnce, "the hub cuts QoS 2");
                    wire.say(&Packet::Puback(Ack::success(packet_id)));
                }
            }
            Packet::Puback(ack) => {
                if let Some(identity) = self.identities.get_mut(&id) {
                    let front = identity.letters.front().and_then(|letter| letter.sent);
                    assert_eq!(front, Some(ack.packet_id), "[MQTT-4.6.0-2]");
                    identity.letters.pop_front();
                }
            }
            Packet::Subscribe(subscribe) => self.subscribe(&id, wire, subscribe),
            Packet::Pingreq => wire.say(&Packet::Pingresp),
            Packet::Disconnect(_) => wire.closing = true,
            other => panic!("a device does not send {other:?}"),
        }
    }

    fn subscribe(&mut self, id: &str, wire: &mut Wire, subscribe: &Subscribe<'_>) {
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        let session = identity.session.as_mut().expect("a session");
        let own = format!("devices/{id}/messages/devicebound/#");
        let mut codes = Vec::new();
        for one in subscribe.iter() {
            let filter = one.filter.as_str();
            let known = [
                own.as_str(),
                "$iothub/methods/POST/#",
                "$iothub/twin/res/#",
                "$iothub/twin/PATCH/properties/desired/#",
            ];
            assert!(known.contains(&filter), "the hub has no {filter}");
            session.subscriptions.insert(filter.to_owned());
            codes.push(one.qos.min(QoS::AtLeastOnce) as u8);
        }
        wire.say(&Packet::Suback(Suback {
            packet_id: subscribe.packet_id,
            properties: Properties::NONE,
            codes: &codes,
        }));
        self.deliver(id, wire);
    }

    fn published(
        &mut self,
        now: &Now,
        id: &str,
        wire: &mut Wire,
        publish: &Publish<'_>,
        ledger: &mut Ledger,
    ) {
        let topic = publish.topic.as_str();
        if let Some(bag) = topic.strip_prefix(&format!("devices/{id}/messages/events/")) {
            let number: usize = std::str::from_utf8(publish.payload)
                .ok()
                .and_then(|text| text.parse().ok())
                .expect("a number");
            // The properties came along with their message.
            assert_eq!(decoded(bag), format!("$.mid={number}&of=a canal"));
            ledger.arrive(number, now.device);
            return;
        }
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        let rid = topic.split_once("?$rid=").map_or("", |(_, rid)| rid);
        if topic.starts_with("$iothub/twin/GET/?") {
            let document = identity.twin.document();
            identity.say(
                wire,
                &format!("$iothub/twin/res/200/?$rid={rid}"),
                &document,
            );
        } else if topic.starts_with("$iothub/twin/PATCH/properties/reported/?") {
            identity.twin.report(publish.payload);
            let version = identity.twin.reported_version;
            let topic = format!("$iothub/twin/res/204/?$rid={rid}&$version={version}");
            identity.say(wire, &topic, "");
        } else if topic.starts_with("$iothub/methods/res/200/?") {
            let call = u64::from_str_radix(rid, 16).expect("a number");
            // An answer to a call of an earlier connection finds nobody waiting.
            if identity.calls.remove(&call) {
                self.tally.answered_calls += 1;
            }
        } else {
            panic!("the hub has no {topic}");
        }
    }

    /// The service changes the desired property.
    pub(crate) fn desire(&mut self, id: &str, wire: Option<&mut Wire>) {
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        identity.twin.level += 1;
        identity.twin.desired_version += 1;
        let (version, patch) = (identity.twin.desired_version, identity.twin.patch());
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        if let Some(wire) = wire {
            identity.say(wire, &topic, &patch);
        }
    }

    /// The service calls a method, if the device listens.
    pub(crate) fn call(&mut self, id: &str, wire: &mut Wire) {
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        let call = identity.next_call;
        identity.next_call += 1;
        let topic = format!("$iothub/methods/POST/lift/?$rid={call:x}");
        if identity.say(wire, &topic, r#"{"gate":1}"#) {
            identity.calls.insert(call);
        }
    }

    /// The service sends a message to the device.
    pub(crate) fn post(&mut self, id: &str, number: u64, wire: Option<&mut Wire>) {
        if let Some(identity) = self.identities.get_mut(id) {
            identity.letters.push_back(Letter {
                number,
                sent: None,
                dup: false,
            });
        }
        if let Some(wire) = wire {
            self.deliver(id, wire);
        }
    }

    /// Sends what waits for a device that listens.
    fn deliver(&mut self, id: &str, wire: &mut Wire) {
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        let own = format!("devices/{id}/messages/devicebound/");
        let session = identity.session.as_mut().expect("a session");
        if !session.subscriptions.contains(&format!("{own}#")) {
            return;
        }
        for letter in identity.letters.iter_mut().filter(|one| one.sent.is_none()) {
            session.last_id = session.last_id % 1000 + 1;
            letter.sent = PacketId::new(session.last_id);
            let topic = format!("{own}%24.mid={}&%24.to=%2Fdevices%2F{id}", letter.number);
            wire.say(&Packet::Publish(Publish {
                dup: letter.dup,
                qos: QoS::AtLeastOnce,
                retain: false,
                topic: TopicName::new(&topic).expect("a topic"),
                packet_id: letter.sent,
                properties: Properties::NONE,
                payload: letter.number.to_string().as_bytes(),
            }));
        }
    }

    /// Lets a connection go that is silent, or whose token is over.
    pub(super) fn look_after(&mut self, now: &Now, peer: &mut Peer) {
        let Some(guest) = &peer.guest else {
            return;
        };
        if guest.expires + GRACE < now.unix {
            self.tally.outlived[usize::from(guest.clock_is_right)] += 1;
            peer.wire.closing = true;
        } else if guest.last_heard.after(guest.keep_alive * 3 / 2) <= now.at {
            self.tally.silent += 1;
            peer.wire.closing = true;
        }
    }
}

impl Identity {
    /// Publishes to the device at QoS 0, if it listens.
    fn say(&self, wire: &mut Wire, topic: &str, payload: &str) -> bool {
        let topic = TopicName::new(topic).expect("a topic");
        let session = self.session.as_ref().expect("a session");
        let listens = session.subscriptions.iter().any(|filter| {
            towpath_proto::mqtt::topic::TopicFilter::new(filter)
                .is_ok_and(|filter| filter.matches(topic))
        });
        if listens {
            wire.say(&Packet::Publish(Publish {
                dup: false,
                qos: QoS::AtMostOnce,
                retain: false,
                topic,
                packet_id: None,
                properties: Properties::NONE,
                payload: payload.as_bytes(),
            }));
        }
        listens
    }
}
