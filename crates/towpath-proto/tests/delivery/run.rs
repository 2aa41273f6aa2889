//! Runs a plan: the application's side of both ends, and the reconnecting.

use std::time::Duration;

use towpath_proto::{
    Code, Fault, Rung, Upgrade,
    client::{Outgoing, Start},
    mqtt::{
        QoS, Version,
        packet::{Connect, PacketId, Subscription},
        property::{Properties, Property},
        session::Refusal,
        topic::{TopicFilter, TopicName},
    },
};
use towpath_sim::{Direction, Log, Pair, Rng, Seen, Weather};

use crate::{plan::Plan, promise};

/// What a run, or many, went through: a test that passes because nothing happened is found out by this.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) schedules: u64,
    pub(crate) connections: u64,
    /// Links that broke or stalled under an open connection.
    pub(crate) broken: u64,
    pub(crate) refused: u64,
    /// Attempts that broke inside a handshake or a renegotiation.
    pub(crate) broken_tls: u64,
    /// Attempts that one side ended with an alert or because of a renegotiation.
    pub(crate) refused_tls: u64,
    /// Renegotiations that were completed.
    pub(crate) renegotiated: u64,
    pub(crate) timeouts: u64,
    pub(crate) farewells: u64,
    /// Messages that arrived as a whole, each way, repetitions included.
    pub(crate) arrived: [u64; 2],
    /// PUBLISH with DUP that reached the server.
    pub(crate) again: u64,
    /// QoS 2 messages that reached the server a second time and were not taken twice.
    pub(crate) repeated: u64,
    /// Messages of QoS 1 that arrived twice.
    pub(crate) twice: u64,
    /// Messages that came in pieces.
    pub(crate) in_pieces: u64,
    /// Messages to the client that were lost with their session.
    pub(crate) forgotten: u64,
    /// Commands that had to wait for room.
    pub(crate) full: u64,
    /// Bytes of the last connection, each way.
    pub(crate) up: u64,
    pub(crate) down: u64,
}

impl Tally {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.connections += other.connections;
        self.broken += other.broken;
        self.refused += other.refused;
        self.broken_tls += other.broken_tls;
        self.refused_tls += other.refused_tls;
        self.renegotiated += other.renegotiated;
        self.timeouts += other.timeouts;
        self.farewells += other.farewells;
        self.arrived[0] += other.arrived[0];
        self.arrived[1] += other.arrived[1];
        self.again += other.again;
        self.repeated += other.repeated;
        self.twice += other.twice;
        self.in_pieces += other.in_pieces;
        self.forgotten += other.forgotten;
        self.full += other.full;
    }

    /// Many random schedules meet everything that they are for.
    pub(crate) fn assert_varied(&self) {
        let a_few = self.schedules / 200;
        for (what, count) in [
            ("broken links", self.broken),
            ("refusals", self.refused),
            ("handshakes that broke", self.broken_tls),
            ("refusals by TLS", self.refused_tls),
            ("renegotiations", self.renegotiated),
            ("timeouts", self.timeouts),
            ("farewells", self.farewells),
            ("messages up", self.arrived[0]),
            ("messages down", self.arrived[1]),
            ("retransmissions", self.again),
            ("repeated QoS 2 messages", self.repeated),
            ("QoS 1 messages that came twice", self.twice),
            ("messages in pieces", self.in_pieces),
            ("messages lost with a session", self.forgotten),
            ("commands that waited for room", self.full),
        ] {
            assert!(count >= a_few, "too few {what}: {count} of {self:?}");
        }
    }
}

/// A message that the client took from its application.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) qos: QoS,
    /// The number of connections begun when it was taken.
    pub(crate) connection: u32,
    /// Until it is settled.
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) settled: bool,
}

/// A message that the server took from its application.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) qos: QoS,
    /// Whether the server took it; QoS 0 without a connection it does not.
    pub(crate) taken: bool,
}

/// A plan under way.
pub(crate) struct Run<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) pair: Pair,
    rng: Rng,
    pub(crate) sent: Vec<Sent>,
    pub(crate) queued: Vec<Queued>,
    /// The connections that the server refused and the client knows of.
    pub(crate) refused: Vec<u32>,
    pub(crate) subscribed: usize,
    asked: bool,
    /// How many of the client's events were looked at.
    looked: usize,
    tally: Tally,
}

pub(crate) const CLIENT: &str = "boat";

/// The payload of message number `serial` of `len` bytes: it tells the number, and no two are alike.
pub(crate) fn payload(direction: Direction, serial: usize, len: usize) -> Vec<u8> {
    let letter = match direction {
        Direction::Up => b'u',
        Direction::Down => b'd',
    };
    let mut bytes = vec![letter, serial as u8, serial as u8 ^ 0x5A, len as u8];
    for at in bytes.len()..len {
        bytes.push((at.wrapping_mul(31) + serial) as u8);
    }
    bytes
}

/// The topic of message number `serial`: few enough that aliases are used, more than there are aliases.
pub(crate) const fn topic(serial: usize) -> &'static str {
    ["canal/lock", "canal/level", "canal/towpath/horse"][serial % 3]
}

/// Runs `plan` to its end, checks the promises, and tells what it went through.
pub(crate) fn run(plan: &Plan, log: Log) -> Tally {
    let mut run = Run::new(plan, log);
    run.finish();
    promise::check(&run);
    run.tally()
}

/// Runs one connection of `plan`, on which bytes may change: nothing can be promised then, except that both ends come
/// to rest and the attempt ends. Tells how many messages arrived, and the fault if there was one.
pub(crate) fn survive(plan: &Plan) -> (usize, Option<Fault>) {
    let mut run = Run::new(plan, Log::Off);
    run.connect();
    while !run.pair.is_over() && run.act() {
        run.pair.drive();
    }
    run.pair.drive();
    run.pair.advance(Duration::from_secs(200));
    let fault = run.pair.seen.iter().find_map(|seen| match seen {
        Seen::Failed(fault) => Some(*fault),
        _ => None,
    });
    if !run.pair.is_over() {
        run.pair.break_up();
    }
    if plan.tls.is_some() {
        promise::intact(&run);
    }
    (run.pair.messages.len(), fault)
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, log: Log) -> Self {
        Self {
            plan,
            pair: Pair::new(plan.buffers(), plan.terms.clone(), plan.seed, log),
            rng: Rng::new(plan.seed ^ 0xCAFE),
            sent: Vec::new(),
            queued: Vec::new(),
            refused: Vec::new(),
            subscribed: 0,
            asked: false,
            looked: 0,
            tally: Tally::default(),
        }
    }
    fn finish(&mut self) {
        for _ in 0..3_000 {
            if self.pair.is_over() {
                if self.nothing_to_do() {
                    return;
                }
                self.connect();
            }
            let acted = self.act();
            self.flow(acted);
            self.look();
            if !acted && !self.pair.is_over() && self.nothing_to_do() {
                return;
            }
        }
        panic!("no end: {:?}", self.pair);
    }

    fn nothing_to_do(&self) -> bool {
        self.sent.len() == self.plan.up.len()
            && self.queued.len() == self.plan.down.len()
            && self.asked == self.plan.subscribe
            && self.pair.to_acknowledge.is_empty()
            && self.pair.client.is_settled()
            // Nor does it keep an identifier of a message that the server has done with.
            && self.pair.client.stored() == 0
            && self.pair.server.is_settled()
    }

    fn connect(&mut self) {
        let plan = self.plan;
        let number = self.pair.connections as usize;
        let version = match plan.version {
            same if !plan.changes_version || number.is_multiple_of(2) => same,
            Version::V311 => Version::V5,
            Version::V5 => Version::V311,
        };
        let announced = [
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(plan.receive_maximum),
            Property::TopicAliasMaximum(plan.alias_maximum),
        ];
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => Properties::new(&announced),
        };
        let mut start = Start::new(Connect {
            version,
            clean_start: false,
            client_id: CLIENT,
            properties,
            ..Connect::default()
        });
        start.upgrade = plan.ws.then_some(Upgrade {
            host: "broker",
            target: "/mqtt",
            subprotocols: "mqtt",
            headers: &[],
        });
        if let Some(tls) = &plan.tls {
            start.secured = true;
            self.tally.renegotiated += u64::from(self.pair.renegotiations());
            self.pair.security = tls.of(number).clone();
        }
        start.pipeline = plan.pipeline;
        start.manual_acks = plan.manual_acks;
        // Chunks stay as they were when nothing breaks any more.
        let last = plan.weather.last().map_or(Weather::FAIR, |last| Weather {
            cut: None,
            stall: None,
            ..*last
        });
        let weather = plan.weather.get(number).copied().unwrap_or(last);
        let seed = self.rng.next_u64();
        self.pair.connect(&start, weather, seed);
    }

    /// Does what the applications want to do now. Answers whether anything was done.
    fn act(&mut self) -> bool {
        let mut acted = false;
        loop {
            let did = match self.rng.below(4) {
                0 => self.publish(),
                1 => self.queue(),
                2 => self.pair.acknowledge(),
                _ => self.subscribe(),
            } || self.publish()
                || self.queue()
                || self.pair.acknowledge();
            acted |= did;
            if !did || self.plan.spread {
                break;
            }
        }
        if self.rng.chance(5) {
            self.pair.client.release_idle();
        }
        if self.rng.below(1000) < self.plan.farewells {
            let farewell = self.pair.client.disconnect(
                towpath_proto::mqtt::reason::ReasonCode::SUCCESS,
                Properties::NONE,
            );
            self.tally.farewells += u64::from(farewell.is_ok());
        }
        acted
    }

    fn publish(&mut self) -> bool {
        let serial = self.sent.len();
        let Some((qos, len)) = self.plan.up.get(serial).copied() else {
            return false;
        };
        let payload = payload(Direction::Up, serial, len);
        let topic = TopicName::new(topic(serial)).expect("a topic");
        let message = Outgoing::new(topic, &payload, qos);
        match self.pair.client.publish(&message) {
            Ok(packet_id) => {
                assert_eq!(packet_id.is_some(), qos != QoS::AtMostOnce);
                self.sent.push(Sent {
                    qos,
                    connection: self.pair.connections,
                    packet_id,
                    settled: false,
                });
                true
            }
            Err(Refusal::Full) => {
                self.tally.full += 1;
                false
            }
            Err(other) => panic!("a refusal: {other}"),
        }
    }

    fn queue(&mut self) -> bool {
        let serial = self.queued.len();
        let Some((qos, len)) = self.plan.down.get(serial).copied() else {
            return false;
        };
        let payload = payload(Direction::Down, serial, len);
        let server = &mut self.pair.server;
        let taken = server.publish(CLIENT, topic(serial), &payload, qos);
        if !taken && qos != QoS::AtMostOnce {
            return false;
        }
        self.queued.push(Queued { qos, taken });
        true
    }

    fn subscribe(&mut self) -> bool {
        if self.asked || !self.plan.subscribe {
            return false;
        }
        let filter = TopicFilter::new("canal/#").expect("a filter");
        let wanted = [Subscription::new(filter, QoS::ExactlyOnce)];
        self.asked = self
            .pair
            .client
            .subscribe(&wanted, Properties::NONE)
            .is_ok();
        self.asked
    }

    /// Lets bytes flow: some steps while there is more to do, to the end otherwise.
    fn flow(&mut self, acted: bool) {
        if acted && self.plan.spread {
            for _ in 0..self.rng.below(60) {
                self.pair.step();
                self.look();
            }
            return;
        }
        self.pair.drive();
        let stalled = self.plan.weather.get(self.pair.connections as usize - 1);
        let stalled = stalled.is_some_and(|weather| weather.stall.is_some());
        if stalled && !self.pair.is_over() && !(self.nothing_to_do()) {
            // Whichever side notices first ends it; a server that is not heard closes, and is not heard either.
            self.pair.advance(Duration::from_secs(200));
            self.tally.timeouts += 1;
            if !self.pair.is_over() {
                self.pair.break_up();
            }
        }
    }

    /// Looks at new events.
    fn look(&mut self) {
        while let Some(seen) = self.pair.seen.get(self.looked) {
            self.looked += 1;
            match seen {
                Seen::Settled(id, outcome) => {
                    let sent = self
                        .sent
                        .iter_mut()
                        .enumerate()
                        .find(|(_, sent)| sent.packet_id == Some(*id) && !sent.settled);
                    let (serial, sent) = sent.expect("a message that is not settled");
                    promise::settled(&self.pair, serial, *outcome);
                    sent.settled = true;
                }
                Seen::Subscribed(..) => self.subscribed += 1,
                Seen::Failed(fault) => match fault.code {
                    Code::ConnectRefused => {
                        self.tally.refused += 1;
                        self.refused.push(self.pair.connections);
                    }
                    Code::Reset | Code::Closed => self.tally.broken += 1,
                    Code::ConnackTimeout | Code::PingTimeout | Code::UpgradeTimeout => {
                        self.tally.broken += 1;
                    }
                    code if fault.rung == Rung::Tls => self.tls_failed(code),
                    _ => panic!("the attempt failed: {fault}"),
                },
                Seen::Connected { .. } | Seen::Disconnected => {}
                other => panic!("an event that nobody asked for: {other:?}"),
            }
        }
    }

    fn tls_failed(&mut self, code: Code) {
        match code {
            Code::TlsClosed
            | Code::TlsTimeout
            | Code::RenegotiationClosed
            | Code::RenegotiationTimeout
            | Code::ClientCertificateUnanswered => {
                self.tally.broken += 1;
                self.tally.broken_tls += 1;
            }
            Code::TlsAlert
            | Code::NoCommonSuite
            | Code::NoCommonVersion
            | Code::ClientCertificateMissing
            | Code::RenegotiationOff
            | Code::RenegotiationLate
            | Code::RenegotiationInsecure
            | Code::RenegotiationIdentity => self.tally.refused_tls += 1,
            _ => panic!("TLS failed: {code:?}"),
        }
    }

    fn tally(mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.renegotiated += u64::from(self.pair.renegotiations());
        tally.schedules = 1;
        tally.connections = self.pair.connections.into();
        let heard = &self.pair.server.heard;
        tally.arrived = [heard.len() as u64, self.pair.messages.len() as u64];
        tally.again = heard.iter().filter(|heard| heard.dup).count() as u64;
        tally.repeated = heard.iter().filter(|heard| !heard.taken).count() as u64;
        tally.twice = promise::twice(&self);
        tally.in_pieces = self.pair.inbox.in_pieces as u64;
        tally.forgotten = self.pair.server.forgotten.len() as u64;
        tally.up = self.pair.link.sent(Direction::Up);
        tally.down = self.pair.link.sent(Direction::Down);
        tally
    }
}
