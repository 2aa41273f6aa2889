//! What happens in a schedule, decided before it runs.

use std::time::Duration;

use towpath_proto::{
    Buffers,
    mqtt::{QoS, Version, reason::ReasonCode},
};
use towpath_sim::{Chunks, Direction, Memory, Rng, Terms, Weather};

use crate::tls::Tls;

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Feeds every decision that is made while it runs.
    pub(crate) seed: u64,
    pub(crate) version: Version,
    /// Every other connection has the other version.
    pub(crate) changes_version: bool,
    pub(crate) ws: bool,
    pub(crate) tls: Option<Tls>,
    /// Receive, transmit, store and alias buffers of fixed size; none: they grow.
    pub(crate) device: Option<[usize; 4]>,
    pub(crate) terms: Terms,
    /// Send behind CONNECT.
    pub(crate) pipeline: bool,
    pub(crate) manual_acks: bool,
    /// What the client announces in MQTT 5.
    pub(crate) receive_maximum: u16,
    pub(crate) alias_maximum: u16,
    /// The messages each way, with their payload sizes in bytes.
    pub(crate) up: Vec<(QoS, usize)>,
    pub(crate) down: Vec<(QoS, usize)>,
    /// The weather of the first connections; then it is fair.
    pub(crate) weather: Vec<Weather>,
    /// Commands come one by one while bytes flow, not all at once.
    pub(crate) spread: bool,
    /// Ask for a subscription.
    pub(crate) subscribe: bool,
    /// In how many of 1000 cases the application says farewell between two commands.
    pub(crate) farewells: usize,
}

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

impl Plan {
    /// Two messages each way, in fair weather, on large buffers.
    pub(crate) fn fixed(version: Version, ws: bool, qos: QoS) -> Self {
        Self {
            seed: 7,
            version,
            changes_version: false,
            ws,
            tls: None,
            device: None,
            terms: Terms::default(),
            pipeline: false,
            manual_acks: false,
            receive_maximum: 10,
            alias_maximum: 0,
            up: vec![(qos, 6), (qos, 7)],
            down: vec![(qos, 6), (qos, 7)],
            weather: Vec::new(),
            spread: false,
            subscribe: false,
            farewells: 0,
        }
    }

    /// The schedule of `seed`.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let version = rng.pick(&[Version::V311, Version::V5]);
        let ws = rng.chance(50);
        let tls = rng.chance(50).then(|| Tls::random(rng));
        let device = rng.chance(50).then(|| sizes(rng, ws));
        let window = if rng.chance(50) {
            rng.between(1, 4)
        } else {
            10
        } as u16;
        let receive_maximum = if device.is_some() {
            window.min(4)
        } else {
            window
        };
        let (up, down) = match device {
            // What is sent has to fit the buffers, what is received need not.
            Some(_) => (messages(rng, 100), messages(rng, 500)),
            None => (messages(rng, 700), messages(rng, 1500)),
        };
        let weather = (0..rng.between(0, 4))
            .map(|_| weather(rng, ws, tls.is_some()))
            .collect();
        Self {
            seed,
            version,
            changes_version: rng.chance(10),
            ws,
            tls,
            device,
            terms: terms(rng, receive_maximum),
            pipeline: rng.chance(40),
            manual_acks: rng.chance(30),
            receive_maximum,
            alias_maximum: rng
                .pick(&[0, 1, 3])
                .min(if device.is_some() { 1 } else { 3 }),
            up,
            down,
            weather,
            spread: rng.chance(80),
            subscribe: rng.chance(20),
            farewells: rng.pick(&[0, 0, 0, 5]),
        }
    }

    pub(crate) fn buffers(&self) -> Buffers<Memory> {
        match self.device {
            None => Memory::host(),
            Some([rx, tx, store, aliases]) => Memory::device(rx, tx, store, aliases),
        }
    }

    /// Whether the server forgets a session on the way.
    pub(crate) const fn forgets(&self) -> bool {
        self.terms.forget > 0
    }
}

/// Buffers as a device has them: as small as the documentation allows, and somewhat larger.
fn sizes(rng: &mut Rng, ws: bool) -> [usize; 4] {
    let (rx, tx) = if ws { (192, 420) } else { (64, 320) };
    [
        rng.between(rx, rx + 200),
        rng.between(tx, tx + 300),
        rng.between(200, 700),
        rng.pick(&[32, 64]),
    ]
}

fn messages(rng: &mut Rng, max: usize) -> Vec<(QoS, usize)> {
    let favourite = rng.pick(&ALL);
    let mut list = Vec::new();
    for _ in 0..rng.below(8) {
        let qos = if rng.chance(50) {
            favourite
        } else {
            rng.pick(&ALL)
        };
        // Most messages are small; a large one is worth more than many of them.
        let size = if rng.chance(85) {
            rng.between(4, 20)
        } else {
            rng.between(4, max)
        };
        list.push((qos, size));
    }
    list
}

fn terms(rng: &mut Rng, window: u16) -> Terms {
    let refusal = rng.pick(&[ReasonCode::SERVER_UNAVAILABLE, ReasonCode::NOT_AUTHORIZED]);
    let small = rng.chance(50);
    let frame = rng.pick(&[1, 3, 20, 200, usize::MAX]);
    Terms {
        receive_maximum: small.then(|| rng.between(1, 5) as u16),
        topic_alias_maximum: rng.pick(&[0, 0, 1, 2, 10]),
        keep_alive: rng.chance(20).then_some(30),
        use_aliases: rng.chance(70),
        window,
        refuse: (rng.pick(&[0, 0, 0, 1, 2]), refusal),
        accept_first: rng.pick(&[0, 1, 1, 2]),
        forget: rng.pick(&[0, 0, 0, 0, 0, 1, 2, 3]),
        slow_acks: rng.pick(&[0, 50, 100]),
        frame,
        pings: rng.pick(&[0, 0, 10]),
        lenient: false,
    }
}

/// With TLS there are more bytes, and fewer of the schedules take them one by one.
fn chunks(rng: &mut Rng, tls: bool) -> Chunks {
    match rng.below(if tls { 12 } else { 4 }) {
        0 => Chunks::Upto(1),
        1 => Chunks::Random(7),
        2 | 4..=7 => Chunks::Whole,
        _ => Chunks::Random(100),
    }
}

fn weather(rng: &mut Rng, ws: bool, tls: bool) -> Weather {
    let direction = rng.pick(&[Direction::Up, Direction::Down]);
    // The upgrade takes about 170 bytes up and 130 down; most cuts are to come later. TLS takes 200 to 1200, and half
    // of the cuts are to come inside its handshakes.
    let mut from = if ws && rng.chance(80) { 130 } else { 0 };
    if tls {
        from += rng.pick(&[0, 150, 400, 800]);
    }
    let at = from + rng.below(rng.clone().pick(&[40, 120, 400]));
    let stalls = rng.chance(10);
    Weather {
        chunks: chunks(rng, tls),
        writes: chunks(rng, tls),
        delay: Duration::from_millis(rng.pick(&[0, 0, 0, 3, 40])),
        cut: (!stalls).then_some((direction, at as u64)),
        spares_the_other_way: rng.chance(50),
        stall: stalls.then_some((direction, at as u64)),
        flip: None,
    }
}
