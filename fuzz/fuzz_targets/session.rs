//! A whole client over small fixed buffers: the input is a list of actions of the application, the network and the
//! server. No panic, every drain of the outputs ends, and no identifier is given out twice while it is in use.
#![no_main]

#[path = "session/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    Buffers, Client, Code, Event, Fault, Instant, Output, Rung, Upgrade,
    bytes::Reader,
    client::{Outgoing, Start},
    mqtt::{
        QoS, Version,
        packet::{Connect, PacketId, Subscription},
        property::{Properties, Property},
        reason::ReasonCode,
        topic::{TopicFilter, TopicName},
    },
};

use server::Server;

const RX: usize = 320;
const TX: usize = 512;
const STORE: usize = 400;
const ALIASES: usize = 48;

/// Outputs between two actions: far more than the buffers can give rise to.
const OUTPUTS: usize = 2_000;

/// What a buffer of any of these sizes is: the same type for all four.
type Room = Vec<u8>;

#[derive(Debug)]
struct Fixed(Room);

impl towpath_proto::Buffer for Fixed {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

struct World {
    client: Client<Fixed, fn() -> u32>,
    server: Server,
    now: Instant,
    version: Version,
    /// Identifiers that the client gave out and has not reported on.
    used: BTreeSet<PacketId>,
    /// Messages that the application may acknowledge.
    received: Vec<(QoS, PacketId)>,
    /// The network takes no bytes for now.
    stalled: bool,
}

fuzz_target!(|input: &[u8]| {
    let mut reader = Reader::new(input);
    let Ok(setup) = reader.u8() else { return };
    let mut world = World::new(setup);
    while !reader.is_empty() {
        if world.act(&mut reader).is_none() {
            break;
        }
        world.drain();
    }
});

impl World {
    fn new(setup: u8) -> Self {
        let room = |len| Fixed(vec![0; len]);
        let buffers = Buffers {
            rx: room(RX),
            tx: room(TX),
            store: room(STORE),
            aliases: room(ALIASES),
        };
        // Nobody has to guess here; zero is a mask as well.
        let random: fn() -> u32 = || 0x0102_0304;
        let mut client = Client::new(buffers, random);
        client.trace(setup & 1 != 0);
        Self {
            client,
            server: Server::default(),
            now: Instant::ZERO,
            version: Version::V5,
            used: BTreeSet::new(),
            received: Vec::new(),
            stalled: false,
        }
    }

    /// One action. `None` if the input ends within it.
    fn act(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let action = reader.u8().ok()?;
        match action & 15 {
            0 => self.start(reader.u8().ok()?),
            1 => self
                .client
                .closed(self.now, Fault::new(Rung::Tcp, Code::Closed)),
            2 => {
                let step = Duration::from_millis(u64::from(reader.u16().ok()?) * 10);
                self.now = self.now.after(step);
                self.client.handle_timeout(self.now);
            }
            3 => self.publish(reader)?,
            4 => self.subscribe(reader)?,
            5 => self.disconnect(reader.u8().ok()?),
            6 => self.acknowledge(),
            7 => self.stalled = !self.stalled,
            8 => self.client.release_idle(),
            9 => {
                let how = reader.u8().ok()?;
                let properties = [Property::AuthenticationMethod("m")];
                let _ = self
                    .client
                    .auth(ReasonCode(how), Properties::new(&properties));
            }
            10 => {
                let len = usize::from(reader.u8().ok()?);
                let bytes = reader.take(len).ok()?.to_vec();
                self.receive(&bytes, usize::from(action >> 4));
            }
            _ => {
                let bytes = self.server.packet(action & 15, self.version, reader)?;
                self.receive(&bytes, usize::from(action >> 4));
            }
        }
        Some(())
    }

    fn start(&mut self, how: u8) {
        self.version = if how & 1 == 0 {
            Version::V5
        } else {
            Version::V311
        };
        let limits = [
            Property::ReceiveMaximum(2),
            Property::TopicAliasMaximum(2),
            Property::MaximumPacketSize(600),
            Property::SessionExpiryInterval(60),
        ];
        let taken = if how & 2 != 0 && self.version == Version::V5 {
            &limits[..]
        } else {
            &[]
        };
        let connect = Connect {
            version: self.version,
            clean_start: how & 4 != 0,
            keep_alive: 5,
            client_id: "c",
            properties: Properties::new(taken),
            ..Connect::default()
        };
        let mut start = Start::new(connect);
        start.pipeline = how & 8 != 0;
        start.manual_acks = how & 16 != 0;
        if how & 32 != 0 {
            start.upgrade = Some(Upgrade {
                host: "h",
                target: "/",
                subprotocols: "mqtt",
                headers: &[],
            });
        }
        self.received.clear();
        self.server.begin(how & 32 != 0);
        self.stalled = false;
        if self.client.start(self.now, &start).is_ok() {
            self.client.entered(self.now, Rung::Tcp);
            self.client.reached(self.now, Rung::Tcp);
        }
    }

    fn publish(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let [how, len] = reader.array().ok()?;
        let topic =
            TopicName::new(["a", "b/c", "a/longer/topic/than/others"][usize::from(how % 3)])
                .expect("a good name");
        let payload = vec![how; usize::from(len)];
        let qos = QoS::from_bits(how >> 2 & 3).unwrap_or_default();
        let expiry = [Property::MessageExpiryInterval(u32::from(how >> 4))];
        let mut message = Outgoing::new(topic, &payload, qos);
        message.retain = how & 0x10 != 0;
        if how & 0x20 != 0 {
            message.properties = Properties::new(&expiry);
        }
        if let Ok(Some(id)) = self.client.publish(&message) {
            assert!(self.used.insert(id), "{id} is given out twice");
        }
        Some(())
    }

    fn subscribe(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let how = reader.u8().ok()?;
        let filter = TopicFilter::new(["#", "a/+", "$share/g/a"][usize::from(how % 3)])
            .expect("a good filter");
        let given = if how & 0x80 == 0 {
            let list = [Subscription::new(filter, QoS::ExactlyOnce)];
            self.client.subscribe(&list, Properties::NONE)
        } else {
            self.client.unsubscribe(&[filter], Properties::NONE)
        };
        if let Ok(id) = given {
            assert!(self.used.insert(id), "{id} is given out twice");
        }
        Some(())
    }

    fn disconnect(&mut self, how: u8) {
        let _ = self.client.disconnect(ReasonCode(how), Properties::NONE);
    }

    fn acknowledge(&mut self) {
        if let Some((qos, id)) = self.received.pop() {
            let _ = self.client.acknowledge(qos, id);
        }
    }

    /// Hands bytes of the server over, in pieces of at most `piece` bytes if it is not 0, as far as there is room.
    fn receive(&mut self, bytes: &[u8], piece: usize) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = self.client.rx_space();
            let len = rest.len().min(space.len());
            let len = if piece == 0 { len } else { len.min(piece) };
            if len == 0 {
                return;
            }
            let (now, behind) = rest.split_at(len);
            space[..len].copy_from_slice(now);
            self.client.commit(self.now, len);
            rest = behind;
            self.drain();
        }
    }

    /// Takes outputs until there is nothing to do, and plays the server's part of the upgrade.
    fn drain(&mut self) {
        loop {
            self.drain_once();
            let Some(answer) = self.server.upgrade() else {
                return;
            };
            let space = self.client.rx_space();
            let len = answer.len().min(space.len());
            space[..len].copy_from_slice(&answer[..len]);
            self.client.commit(self.now, len);
        }
    }

    fn drain_once(&mut self) {
        for _ in 0..OUTPUTS {
            let sent = match self.client.poll_output(self.now) {
                Output::Wait { .. } => {
                    self.check();
                    return;
                }
                Output::Transmit(_) if self.stalled => return,
                Output::Transmit(bytes) => {
                    assert!(!bytes.is_empty());
                    self.server.take(bytes);
                    bytes.len()
                }
                Output::Event(event) => {
                    note(&event, &mut self.used, &mut self.received);
                    continue;
                }
                Output::Trace(_) => continue,
            };
            self.client.transmitted(self.now, sent);
        }
        panic!("the outputs do not end");
    }

    fn check(&self) {
        assert!(self.client.unsent() <= TX);
        assert!(self.client.stored() <= STORE);
        assert!(usize::from(self.client.in_flight()) <= self.used.len());
    }
}

fn note(event: &Event<'_>, used: &mut BTreeSet<PacketId>, received: &mut Vec<(QoS, PacketId)>) {
    match event {
        Event::Settled { packet_id, .. } => {
            assert!(used.remove(packet_id), "{packet_id} is settled twice");
        }
        Event::Subscribed(ack) | Event::Unsubscribed(ack) => {
            assert!(used.remove(&ack.packet_id), "an answer to nothing");
        }
        Event::Message(message) => {
            assert!(!message.topic.is_empty());
            assert!(message.payload.len() <= message.payload_len);
            received.extend(message.packet_id.map(|id| (message.qos, id)));
        }
        Event::Piece(piece) => {
            assert!(piece.offset + piece.bytes.len() <= piece.payload_len);
        }
        _ => {}
    }
}
