//! The cloud played by hand: a test reads as a dialogue on the wire, packet by packet, whatever carries it.

use std::{collections::VecDeque, time::Duration};

use towpath_azure::{Assignment, Key, Name, Now, Settings, Target, Transport};
use towpath_proto::{
    Code, Fault, Instant, Rung,
    mqtt::{
        QoS, Version,
        packet::{Ack, Connack, Packet, PacketId, Publish, Suback},
        property::Properties,
        reason::ReasonCode,
        topic::TopicName,
    },
};

use crate::{
    cloud::{self, token},
    rig::{Dial, Rig, Stored, Told, Wire},
};

/// The key of the device, as text and as bytes.
pub(crate) const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";
const KEY_BYTES: &[u8] = b"lab-device-key-0123456789abcdef";

/// The key, for settings that live as long as a test.
pub(crate) fn key() -> &'static Key {
    Box::leak(Box::new(Key::from_base64(KEY).expect("a key")))
}

/// What was kept from an earlier run.
pub(crate) fn assigned(hub: &str) -> Option<Assignment> {
    Some(Assignment {
        hub: Name::try_from(hub).expect("a name"),
        device_id: Name::try_from("dev1").expect("a name"),
    })
}

#[derive(Default)]
struct Below {
    dialled: VecDeque<Dial>,
    sent: Vec<u8>,
}

impl Wire for Below {
    fn dial(&mut self, dial: Dial) {
        self.dialled.push_back(dial);
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.sent.extend(bytes);
        bytes.len()
    }

    fn hang_up(&mut self) {}
}

/// A device and whoever plays the cloud.
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    below: Below,
    peer: cloud::Wire,
    at: Instant,
    /// What the device's clock says, if it is set.
    pub(crate) unix: Option<u64>,
    /// How many messages the application has handed over.
    accepted: u64,
    /// The identifiers of messages that wait for their acknowledgement here, by what is in them.
    received: VecDeque<PacketId>,
    /// The identifier of the last question.
    pub(crate) rid: Option<String>,
}

impl Stage {
    /// The time at which it begins.
    pub(crate) const UNIX: u64 = 1_795_305_600;

    pub(crate) fn new(
        settings: &Settings<'static>,
        assignment: Option<Assignment>,
        transport: Option<Transport>,
    ) -> Self {
        Self {
            rig: Rig::new(settings, (assignment, transport), VecDeque::new(), 1),
            below: Below::default(),
            peer: cloud::Wire::new(false),
            at: Instant::from_millis(1000),
            unix: Some(Self::UNIX),
            accepted: 0,
            received: VecDeque::new(),
            rid: None,
        }
    }

    fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: self.unix,
        }
    }

    fn pump(&mut self) {
        let now = self.now();
        loop {
            self.rig.pump(now, &mut self.below);
            let sent = std::mem::take(&mut self.below.sent);
            self.peer.receive(&sent);
            // Signs of life are answered unseen.
            if self.peer.input.starts_with(&[0xC0, 0]) {
                self.peer.input.drain(..2);
                self.peer.say(&Packet::Pingresp);
            }
            let output = std::mem::take(&mut self.peer.output);
            if sent.is_empty() && output.is_empty() {
                return;
            }
            if !output.is_empty() {
                self.rig.space()[..output.len()].copy_from_slice(&output);
                self.rig.commit(now, output.len());
            }
        }
    }

    /// The application hands over telemetry, numbered from 0.
    pub(crate) fn accept(&mut self, expires: Option<u64>) {
        let sequence = self.accepted;
        self.accepted += 1;
        self.rig.outbox.push_back(Stored { sequence, expires });
        self.pump();
    }

    #[track_caller]
    fn dialled(&mut self, expected: &str) -> Dial {
        self.pump();
        let dial = self.below.dialled.pop_front();
        let Some(dial) = dial else {
            panic!("no attempt; it waits for {:?}", self.rig.waiting);
        };
        let Dial {
            host,
            port,
            transport,
        } = &dial;
        assert_eq!(format!("{} {host} {port}", transport.name()), expected);
        dial
    }

    /// The device dials, and somebody answers.
    #[track_caller]
    pub(crate) fn climbs(&mut self, expected: &str) {
        let dial = self.dialled(expected);
        self.peer = cloud::Wire::new(dial.transport == Transport::Wss);
        self.received.clear();
        let now = self.now();
        self.rig.opened(now);
        self.pump();
    }

    /// The device dials in vain.
    #[track_caller]
    pub(crate) fn fails_to_climb(&mut self, expected: &str, rung: Rung, code: Code) -> Duration {
        self.dialled(expected);
        self.ends(rung, code)
    }

    /// The byte stream ends; the pause until the next attempt.
    #[track_caller]
    pub(crate) fn ends(&mut self, rung: Rung, code: Code) -> Duration {
        self.pump();
        let now = self.now();
        self.rig.closed(now, Fault::new(rung, code));
        self.pump();
        self.disconnected(code)
    }

    /// The application learns that the path broke; the pause until the next attempt.
    #[track_caller]
    pub(crate) fn disconnected(&mut self, code: Code) -> Duration {
        match self.told() {
            Told::Disconnected(fault, pause) => {
                assert_eq!(fault.code, code, "{fault}");
                pause
            }
            other => panic!("{other:?}"),
        }
    }

    /// No attempt is made.
    #[track_caller]
    pub(crate) fn dials_nobody(&mut self) {
        self.pump();
        assert_eq!(self.below.dialled.pop_front(), None);
    }

    /// Path and query that the upgrade asked for.
    pub(crate) fn target(&self) -> &str {
        &self.peer.target
    }

    /// The next packet from the device reads like this, where `*` is anything.
    #[track_caller]
    pub(crate) fn hears(&mut self, expected: &str) {
        self.pump();
        let decoded = Packet::decode(&self.peer.input, Version::V311).expect("a packet");
        let Some((packet, len)) = decoded else {
            panic!("nothing is heard, and this was expected: {expected}");
        };
        let (heard, id) = self.read(&packet);
        self.received.extend(id);
        if let Some((_, rid)) = heard.split_once("$rid=") {
            let end = rid.find(['&', ' ']).unwrap_or(rid.len());
            self.rid = Some(rid[..end].to_owned());
        }
        assert!(
            is_like(&heard, expected),
            "heard {heard}, expected {expected}"
        );
        self.peer.input.drain(..len);
    }

    /// The device has said nothing more.
    #[track_caller]
    pub(crate) fn hears_nothing(&mut self) {
        self.pump();
        let decoded = Packet::decode(&self.peer.input, Version::V311).expect("a packet");
        let more = decoded.map(|(packet, _)| self.read(&packet).0);
        assert_eq!(more, None);
    }

    fn read(&self, packet: &Packet<'_>) -> (String, Option<PacketId>) {
        match packet {
            Packet::Connect(connect) => {
                let user = connect.user_name.unwrap_or_default();
                let heard = format!("CONNECT {} {user}", connect.client_id);
                let Some(password) = connect.password else {
                    return (heard, None);
                };
                let password = std::str::from_utf8(password).expect("text");
                let resource = match user.split_once("/registrations/") {
                    Some((scope, _)) => format!("{scope}/registrations/{}", connect.client_id),
                    None => format!(
                        "{}/devices/{}",
                        user.split('/').next().unwrap_or_default(),
                        connect.client_id
                    ),
                };
                let expires = token::check(password, KEY_BYTES, &resource, 0).expect("a token");
                (format!("{heard} until {}", expires - Self::UNIX), None)
            }
            Packet::Subscribe(subscribe) => {
                let filters: Vec<_> = subscribe.iter().map(|one| one.filter.as_str()).collect();
                let heard = format!("SUBSCRIBE {}", filters.join(" "));
                (heard, Some(subscribe.packet_id))
            }
            Packet::Publish(publish) => {
                let body = String::from_utf8_lossy(publish.payload);
                let again = if publish.dup { " again" } else { "" };
                let heard = format!("PUBLISH{again} {} {body}", publish.topic);
                (heard, publish.packet_id)
            }
            Packet::Disconnect(_) => ("DISCONNECT".to_owned(), None),
            other => (format!("{other:?}"), None),
        }
    }

    fn say(&mut self, packet: &Packet<'_>) {
        self.peer.say(packet);
        self.pump();
    }

    /// CONNACK 0.
    pub(crate) fn accepts(&mut self, session_present: bool) {
        self.say(&Packet::Connack(Connack {
            session_present,
            ..Connack::default()
        }));
    }

    /// CONNACK with a return code, and the end; the pause until the next attempt.
    #[track_caller]
    pub(crate) fn refuses(&mut self, code: u8) -> Duration {
        let denied = matches!(code, 4 | 5) && self.rig.device.target() == Target::Hub;
        let reason = ReasonCode::from_v311_connack(code).expect("a return code");
        self.say(&Packet::Connack(Connack {
            reason,
            ..Connack::default()
        }));
        self.disconnected(if denied {
            Code::HubUnauthorized
        } else {
            Code::ConnectRefused
        })
    }

    /// How long this device, that was just accepted, will keep its token.
    pub(crate) fn renews_after(mut self) -> Duration {
        let begin = self.at;
        self.passes_until_told(Duration::from_secs(3600));
        self.tells(&Told::Renewing);
        self.at.since(begin)
    }

    /// SUBACK for the oldest packet that was heard and not acknowledged.
    pub(crate) fn grants(&mut self, codes: &[u8]) {
        let packet_id = self.received.pop_front().expect("a SUBSCRIBE");
        self.say(&Packet::Suback(Suback {
            packet_id,
            properties: Properties::NONE,
            codes,
        }));
    }

    /// PUBACK for the oldest packet that was heard and not acknowledged.
    pub(crate) fn acknowledges(&mut self) {
        let packet_id = self.received.pop_front().expect("a PUBLISH");
        self.say(&Packet::Puback(Ack::success(packet_id)));
    }

    /// PUBLISH with QoS 0.
    pub(crate) fn publishes(&mut self, topic: &str, body: &str) {
        self.say(&Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: TopicName::new(topic).expect("a topic"),
            packet_id: None,
            properties: Properties::NONE,
            payload: body.as_bytes(),
        }));
    }

    /// Time passes until the application is told something, at most so long.
    pub(crate) fn passes_until_told(&mut self, most: Duration) {
        let end = self.at.after(most);
        while self.rig.told.is_empty() && self.at < end {
            self.passes(Duration::from_secs(1));
        }
    }

    /// What the application is told next.
    #[track_caller]
    pub(crate) fn told(&mut self) -> Told {
        self.pump();
        let told = self.rig.told.pop_front().expect("an event");
        if let Told::Delivered(sequence) | Told::Expired(sequence) = told {
            self.rig.remove(sequence);
        }
        told
    }

    /// The application is told exactly this.
    #[track_caller]
    pub(crate) fn tells(&mut self, expected: &Told) {
        assert_eq!(&self.told(), expected);
    }

    /// The application is told nothing more.
    #[track_caller]
    pub(crate) fn tells_nothing(&mut self) {
        self.pump();
        assert_eq!(self.rig.told.pop_front(), None);
    }

    /// Time passes; what falls due on the way is done.
    pub(crate) fn passes(&mut self, span: Duration) {
        self.pump();
        let end = self.at.after(span);
        for _ in 0..100_000 {
            let next = self.rig.until.filter(|until| *until <= end);
            let to = next.map_or(end, |next| next.max(self.at));
            let before = self.at.as_micros() / 1_000_000;
            self.at = to;
            let seconds = self.at.as_micros() / 1_000_000 - before;
            self.unix = self.unix.map(|unix| unix + seconds);
            let now = self.now();
            self.rig.handle_timeout(now);
            self.pump();
            if next.is_none() {
                return;
            }
        }
        panic!("a deadline that was met stays where it is");
    }
}

/// Whether a text is like a pattern in which `*` is anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}
