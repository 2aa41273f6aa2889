//! The provisioning service: says which hub a device has, after a while, and not to everybody at once.

use std::{collections::HashMap, time::Duration};

use towpath_proto::{
    Instant,
    mqtt::{
        QoS,
        packet::{Ack, Connack, Connect, Packet, Publish, Suback},
        property::Properties,
        reason::ReasonCode,
        topic::TopicName,
    },
};

use super::{Meter, Now, Peer, token, wire::Wire};

/// The ID scope.
pub(crate) const SCOPE: &str = "0ne00000001";

/// What the service knows about a device.
#[derive(Debug)]
pub(crate) struct Enrolment {
    pub(crate) key: Vec<u8>,
    /// The host of its hub.
    pub(crate) hub: String,
    pub(crate) device_id: String,
    /// Until when the assignment takes.
    pub(crate) ready_at: Instant,
}

/// What went on there.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) connects: u64,
    pub(crate) assigned: u64,
    pub(crate) throttled: u64,
    /// Refused for an expired token, by CONNACK or by an answer.
    pub(crate) unauthorized: u64,
}

/// The service.
#[derive(Debug, Default)]
pub(crate) struct Dps {
    pub(crate) enrolments: HashMap<String, Enrolment>,
    pub(crate) meter: Meter,
    pub(crate) tally: Tally,
    /// Registrations that it takes in a minute.
    limit: u32,
    /// Until when it takes none.
    pub(crate) throttles_until: Instant,
    /// Until when it answers with 500.
    pub(crate) failing_until: Instant,
    minute: (u64, u32),
}

impl Dps {
    /// A service that takes `limit` registrations in a minute.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Answers CONNECT.
    pub(super) fn connect(&mut self, now: &Now, peer: &mut Peer, connect: &Connect<'_>) {
        self.tally.connects += 1;
        self.meter.count(now.at);
        let id = connect.client_id;
        let user = connect.user_name.expect("a user name");
        let names = format!("{SCOPE}/registrations/{id}/api-version=2019-03-31");
        assert!(user.starts_with(&names), "the user name {user}");
        let enrolment = self.enrolments.get(id).expect("an enrolment");
        let password = std::str::from_utf8(connect.password.expect("a token")).expect("text");
        let resource = format!("{SCOPE}/registrations/{id}");
        let checked = token::check(password, &enrolment.key, &resource, now.unix);
        assert!(
            matches!(checked, Ok(_) | Err(token::Untrusted::Expired)),
            "{checked:?}"
        );
        peer.trusted = checked.is_ok();
        peer.registration = Some(id.to_owned());
        // Whether a wrong token is refused here or in the answer is not documented: half of the devices meet either.
        let at_once = !peer.trusted && enrolment.key[0].is_multiple_of(2);
        self.tally.unauthorized += u64::from(at_once);
        peer.wire.say(&Packet::Connack(Connack {
            reason: if at_once {
                ReasonCode::NOT_AUTHORIZED
            } else {
                ReasonCode::SUCCESS
            },
            ..Connack::default()
        }));
        peer.wire.closing = at_once;
    }

    /// Answers any other packet.
    pub(super) fn packet(&mut self, now: &Now, peer: &mut Peer, packet: &Packet<'_>) {
        match packet {
            Packet::Subscribe(subscribe) => {
                for one in subscribe.iter() {
                    assert_eq!(one.filter.as_str(), "$dps/registrations/res/#");
                }
                peer.subscribed = true;
                peer.wire.say(&Packet::Suback(Suback {
                    packet_id: subscribe.packet_id,
                    properties: Properties::NONE,
                    codes: &[1],
                }));
            }
            Packet::Publish(publish) => {
                if let Some(packet_id) = publish.packet_id {
                    peer.wire.say(&Packet::Puback(Ack::success(packet_id)));
                }
                self.asked(now, peer, publish.topic.as_str());
            }
            Packet::Pingreq => peer.wire.say(&Packet::Pingresp),
            Packet::Disconnect(_) => peer.wire.closing = true,
            // The answers may come with QoS 1 one day; here they do not.
            other => panic!("a device does not send {other:?} to DPS"),
        }
    }

    fn asked(&mut self, now: &Now, peer: &mut Peer, topic: &str) {
        assert!(peer.subscribed, "nobody hears the answer");
        let id = peer.registration.clone().expect("CONNECT comes first");
        let (_, rid) = topic.split_once("$rid=").expect("a request identifier");
        let rid = rid.split('&').next().unwrap_or_default();
        if !peer.trusted {
            self.tally.unauthorized += 1;
            let body = r#"{"errorCode":401002,"trackingId":"t","message":"Unauthorized"}"#;
            return say(&mut peer.wire, 401, rid, "", body);
        }
        if now.at < self.failing_until {
            let body = r#"{"errorCode":500001,"trackingId":"t","message":"Try later."}"#;
            return say(&mut peer.wire, 500, rid, "", body);
        }
        let registers = topic.starts_with("$dps/registrations/PUT/iotdps-register/?");
        if registers && (now.at < self.throttles_until || self.is_over_limit(now.at)) {
            self.tally.throttled += 1;
            let body = r#"{"errorCode":429001,"trackingId":"t","message":"Too many requests."}"#;
            return say(&mut peer.wire, 429, rid, "&retry-after=60", body);
        }
        let enrolment = self.enrolments.get(&id).expect("an enrolment");
        if registers || now.at < enrolment.ready_at {
            let body = r#"{"operationId":"5.lab.op1","status":"assigning"}"#;
            return say(&mut peer.wire, 202, rid, "&retry-after=3", body);
        }
        assert!(
            topic.starts_with("$dps/registrations/GET/iotdps-get-operationstatus/?")
                && topic.ends_with("&operationId=5.lab.op1"),
            "DPS has no {topic}"
        );
        self.tally.assigned += 1;
        let Enrolment { hub, device_id, .. } = enrolment;
        let body = format!(
            r#"{{"operationId":"5.lab.op1","status":"assigned","registrationState":{{"registrationId":"{id}","assignedHub":"{hub}","deviceId":"{device_id}","status":"assigned","substatus":"initialAssignment"}}}}"#
        );
        say(&mut peer.wire, 200, rid, "", &body);
    }

    fn is_over_limit(&mut self, at: Instant) -> bool {
        let minute = at.since(Instant::ZERO).as_secs() / 60;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        self.minute.1 += 1;
        self.minute.1 > self.limit
    }

    /// The device's hub is another one from now on; it takes `takes` until that can be said.
    pub(crate) fn assign(&mut self, id: &str, hub: &str, now: Instant, takes: Duration) {
        let enrolment = self.enrolments.get_mut(id).expect("an enrolment");
        hub.clone_into(&mut enrolment.hub);
        enrolment.ready_at = now.after(takes);
    }
}

fn say(wire: &mut Wire, status: u16, rid: &str, more: &str, body: &str) {
    let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{more}");
    wire.say(&Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::new(&topic).expect("a topic"),
        packet_id: None,
        properties: Properties::NONE,
        payload: body.as_bytes(),
    }));
}
