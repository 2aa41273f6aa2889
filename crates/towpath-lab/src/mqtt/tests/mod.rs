//! Dialogues on the wire, with a lab behind them that has no door: a stream in memory, tokio's time standing still
//! until all wait, and a clock that is moved by hand.

mod captures;
mod connect;
mod down;
mod faults;
mod noise;
mod provisioning;
mod session;
mod up;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    task::JoinHandle,
    time::timeout,
};
use towpath_proto::{
    bytes::Writer,
    mqtt::{
        QoS, Version,
        packet::{
            Ack, Connect, Disconnect, Packet, PacketId, Publish, Subscribe, Subscription,
            Unsubscribe,
        },
        property::Properties,
        topic::{TopicFilter, TopicName},
    },
};

use super::{Arrival, serve};
use crate::{
    Config,
    certificate::ClientCertificate,
    clock::{Clock, Time},
    config::{Device, Module},
    connection::Listener,
    fault::{Kind, Setting},
    hub::{Hub, Name},
    key::Key,
    lab::behind_the_door,
    log::{Code, Record},
    sas,
    shared::Shared,
};

/// The key of the captures.
const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

/// Shortly before the captures were made; their tokens are good for an hour from then.
const START: Time = Time::from_millis(1_795_290_000_000);

/// A lab with `dev1`, its module `mod1`, `dev2`, and `x1` with a certificate.
struct Bench {
    shared: Arc<Shared>,
}

fn config() -> Config {
    let key = Key::from_base64(KEY);
    let module = Module {
        id: "mod1".into(),
        primary_key: key.clone(),
        secondary_key: key.clone(),
        ..Module::default()
    };
    let device = |id: &str, modules| Device {
        id: id.into(),
        primary_key: key.clone(),
        secondary_key: key.clone(),
        modules,
        ..Device::default()
    };
    Config::for_tests()
        .with(device("dev1", vec![module]))
        .with(device("dev2", Vec::new()))
        .x509_device("x1")
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A lab whose hub is changed.
    fn with(change: impl FnOnce(&mut crate::config::Hub)) -> Self {
        let mut config = config();
        change(config.hubs.first_mut().expect("a hub"));
        Self::of(config)
    }

    fn of(config: Config) -> Self {
        Self {
            shared: behind_the_door(config, Clock::manual(START)),
        }
    }

    fn hub(&self) -> &Arc<Hub> {
        self.shared.hub("localhost").expect("the hub")
    }

    fn switch_on(&self, setting: Setting) {
        self.shared
            .means
            .faults
            .switch_on(setting)
            .expect("a fault");
    }

    fn fault(&self, kind: Kind) {
        self.switch_on(Setting::new(kind));
    }

    /// A client that has reached MQTT.
    fn dial(&self) -> Client {
        self.dial_with(None, 64 << 10)
    }

    fn dial_with(&self, certificate: Option<ClientCertificate>, buffer: usize) -> Client {
        let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 40_000);
        let now = self.shared.means.clock.now();
        let connection = self.shared.connections.open(Listener::Mqtts, peer, now);
        let (stream, server) = tokio::io::duplex(buffer);
        let arrival = Arrival {
            connection: Arc::clone(&connection),
            host: Some("localhost".into()),
            certificate,
        };
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let why = serve(server, arrival, &shared).await;
            let now = shared.means.clock.now();
            shared.connections.close(&connection, now, &why);
            why
        });
        Client { stream, task }
    }

    /// A client that is in.
    async fn connected(&self, device: &str) -> Client {
        self.connected_as(device, |connect| connect.keep_alive = 0)
            .await
    }

    async fn connected_as(&self, device: &str, change: impl FnOnce(&mut Connect<'_>)) -> Client {
        let mut client = self.dial();
        client.send(&self.connect(device, change)).await;
        assert_eq!(client.packet().await[..2], [0x20, 2], "CONNACK");
        client
    }

    /// CONNECT with a token that is good for an hour.
    fn connect(&self, device: &str, change: impl FnOnce(&mut Connect<'_>)) -> Vec<u8> {
        let resource = match device.split_once('/') {
            Some((device, module)) => format!("localhost/devices/{device}/modules/{module}"),
            None => format!("localhost/devices/{device}"),
        };
        let key = Key::from_base64(KEY).expect("a key");
        let expires = self.shared.means.clock.now().plus(3_600_000);
        let token = sas::sign(&resource, &key, expires, None);
        let user_name = format!("localhost/{device}/?api-version=2021-04-12");
        let mut connect = Connect {
            version: Version::V311,
            client_id: device,
            user_name: Some(&user_name),
            password: Some(token.as_bytes()),
            ..Connect::default()
        };
        change(&mut connect);
        encoded(&Packet::Connect(connect))
    }

    /// The records about this, oldest first.
    fn told(&self, code: Code) -> Vec<Arc<Record>> {
        let mut all = self.shared.means.log.since(0);
        all.retain(|record| record.code == code);
        all
    }

    /// The text of the one record about this.
    #[track_caller]
    fn why(&self, code: Code) -> String {
        let told = self.told(code);
        let [one] = &told[..] else {
            panic!(
                "{code:?}: {told:#?} of {:#?}",
                self.shared.means.log.since(0)
            );
        };
        one.text.clone()
    }

    /// The rung that broke last, and why.
    fn broken_rung(&self) -> Option<(&'static str, String)> {
        let ladders = self.shared.connections.ladders(None, 1);
        let step = ladders.first()?.steps.iter().rev().find(|step| !step.ok)?;
        Some((step.rung, step.detail.clone()))
    }

    fn is_connected(&self, name: &Name) -> bool {
        let state = self.hub().lock();
        state
            .entries
            .get(name)
            .is_some_and(|entry| entry.live.is_some())
    }
}

/// The other end.
struct Client {
    stream: DuplexStream,
    task: JoinHandle<String>,
}

/// Long enough for everything that is to happen, in a time that costs nothing.
const LONG: Duration = Duration::from_secs(100_000);

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    async fn send_packet(&mut self, packet: &Packet<'_>) {
        self.send(&encoded(packet)).await;
    }

    /// The next packet as bytes.
    async fn packet(&mut self) -> Vec<u8> {
        let read = async {
            let mut bytes = vec![self.stream.read_u8().await.expect("a packet")];
            let mut len = 0;
            for shift in [0, 7, 14, 21] {
                let byte = self.stream.read_u8().await.expect("a length");
                bytes.push(byte);
                len |= usize::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            let start = bytes.len();
            bytes.resize(start + len, 0);
            self.stream
                .read_exact(&mut bytes[start..])
                .await
                .expect("a body");
            bytes
        };
        timeout(LONG, read).await.expect("a packet comes")
    }

    #[track_caller]
    fn expect(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let packet = self.packet().await;
            assert_eq!(packet, bytes, "{place}");
        }
    }

    /// The next packet, which is a PUBLISH: its first byte, topic, identifier and payload.
    async fn message(&mut self) -> (u8, String, u16, Vec<u8>) {
        let bytes = self.packet().await;
        let Ok(Some((Packet::Publish(publish), _))) = Packet::decode(&bytes, Version::V311) else {
            panic!("a PUBLISH: {bytes:02x?}");
        };
        (
            bytes[0],
            publish.topic.as_str().to_owned(),
            publish.packet_id.map_or(0, PacketId::get),
            publish.payload.to_vec(),
        )
    }

    /// Nothing comes: the answer to a PINGREQ is the next packet.
    async fn nothing(&mut self) {
        self.send(&[0xC0, 0]).await;
        self.expect(&[0xD0, 0]).await;
    }

    /// Nothing comes for so long.
    async fn silent(&mut self, seconds: u64) {
        let waited = timeout(Duration::from_secs(seconds), self.stream.read_u8()).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    /// Everything until the server closes, and the reason.
    async fn rest(mut self) -> (Vec<u8>, String) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        let _ = timeout(LONG, read).await.expect("an end");
        let why = timeout(LONG, self.task).await.expect("an end");
        (rest, why.expect("no panic"))
    }

    /// The reason why the server closes; nothing comes before.
    async fn end(self) -> String {
        let (rest, why) = self.rest().await;
        assert_eq!(rest, [0u8; 0], "{why}");
        why
    }

    /// Goes away without a word.
    async fn vanish(self) -> String {
        drop(self.stream);
        timeout(LONG, self.task)
            .await
            .expect("an end")
            .expect("no panic")
    }

    async fn disconnect(mut self) -> String {
        self.send_packet(&Packet::Disconnect(Disconnect::default()))
            .await;
        self.end().await
    }

    async fn publish(&mut self, topic: &str, id: u16, payload: &[u8]) {
        self.send(&publish(topic, id, payload)).await;
    }

    /// Subscribes with QoS 1 and expects SUBACK with these codes.
    async fn subscribe(&mut self, filters: &[&str], codes: &[u8]) {
        self.send(&subscribe(7, filters, QoS::AtLeastOnce)).await;
        let mut suback = vec![0x90, 2 + codes.len() as u8, 0, 7];
        suback.extend(codes);
        self.expect(&suback).await;
    }

    async fn puback(&mut self, id: u16) {
        let id = PacketId::new(id).expect("an identifier");
        self.send_packet(&Packet::Puback(Ack::success(id))).await;
    }
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let len = packet.encoded_len(Version::V311).expect("a packet");
    let mut bytes = vec![0; len];
    packet
        .encode(Version::V311, &mut Writer::new(&mut bytes))
        .expect("room");
    bytes
}

/// A PUBLISH with QoS 1, or 0 if the identifier is 0.
fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let packet_id = PacketId::new(id);
    encoded(&Packet::Publish(Publish {
        dup: false,
        qos: packet_id.map_or(QoS::AtMostOnce, |_| QoS::AtLeastOnce),
        retain: false,
        topic: TopicName::new(topic).expect("a topic"),
        packet_id,
        properties: Properties::NONE,
        payload,
    }))
}

fn subscribe(id: u16, filters: &[&str], qos: QoS) -> Vec<u8> {
    let list: Vec<_> = filters
        .iter()
        .map(|filter| Subscription::new(TopicFilter::new(filter).expect("a filter"), qos))
        .collect();
    let id = PacketId::new(id).expect("an identifier");
    encoded(&Packet::Subscribe(Subscribe::new(
        id,
        &list,
        Properties::NONE,
    )))
}

fn unsubscribe(id: u16, filter: &str) -> Vec<u8> {
    let list = [TopicFilter::new(filter).expect("a filter")];
    let id = PacketId::new(id).expect("an identifier");
    encoded(&Packet::Unsubscribe(Unsubscribe::new(
        id,
        &list,
        Properties::NONE,
    )))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(text, 16).expect("digits")
    };
    digits.chunks(2).map(pair).collect()
}
