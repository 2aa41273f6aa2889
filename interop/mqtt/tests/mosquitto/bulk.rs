//! Ten thousand messages of mixed sizes at mixed QoS: nothing lost, nothing twice at QoS 2, in order, unchanged.
//!
//! Over TCP the largest have 1 MiB, and nothing holds the publisher back. Over WebSockets mosquitto 2.0 can't do that:
//! what the socket does not take at once goes on by 4 KiB in each turn of its loop, and an idle loop turns ten times a
//! second. So there the largest have 16 KiB, and the publisher waits while more than 64 KiB are on their way.

use std::{sync::Arc, time::Duration};

use mqtt::{Broker, Peer, Seeded, Setup, Source, Via, Way};
use tokio::sync::Semaphore;
use towpath::{
    Event, QoS, Version,
    tokio::{Client, Connection},
};

const COUNT: usize = 10_000;
const TOPICS: usize = 5;
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// How large the largest are, and the budget of what may be on its way, KiB.
#[derive(Clone)]
struct Scale {
    largest: usize,
    budget: Arc<Semaphore>,
}

impl Scale {
    fn of(way: Way) -> Self {
        let (largest, budget) = match way.via {
            Via::Tcp => (1 << 20, 1 << 20),
            Via::Ws => (16 << 10, 64),
        };
        Self {
            largest,
            budget: Arc::new(Semaphore::new(budget)),
        }
    }

    fn cost(plan: &Plan) -> usize {
        1 + plan.len / 1024
    }

    async fn spend(&self, plan: &Plan) {
        let cost = u32::try_from(Self::cost(plan)).unwrap();
        self.budget.acquire_many(cost).await.unwrap().forget();
    }
}

/// Message `number`: its topic, QoS and length. 1 in 40 is large, 1 in 10 has up to 8 KiB.
struct Plan {
    topic: usize,
    qos: QoS,
    seed: u64,
    len: usize,
}

impl Plan {
    fn new(number: usize, scale: &Scale) -> Self {
        let seed = u64::try_from(number).unwrap();
        let mut choice = Seeded::new(seed);
        let most = match number % 40 {
            0 => scale.largest,
            1..=4 => 8 << 10,
            _ => 200,
        };
        let len = if number.is_multiple_of(1000) {
            most
        } else {
            choice.below(most + 1)
        };
        Self {
            topic: choice.below(TOPICS),
            qos: LEVELS[choice.below(3)],
            seed,
            len,
        }
    }

    fn topic(&self) -> String {
        format!("bulk/{}/{}", self.topic, self.qos as u8)
    }

    /// The number, so that it can be looked up, and bytes that depend on it.
    fn payload(&self) -> Vec<u8> {
        let mut payload = self.seed.to_le_bytes().to_vec();
        payload.extend_from_slice(&Seeded::new(!self.seed).bytes(self.len));
        payload
    }
}

/// What a subscriber has seen.
struct Ledger {
    scale: Scale,
    seen: Vec<bool>,
    /// The last number of each topic and QoS.
    last: [[Option<usize>; 3]; TOPICS],
    count: usize,
}

impl Ledger {
    fn new(scale: Scale) -> Self {
        Self {
            scale,
            seen: vec![false; COUNT],
            last: [[None; 3]; TOPICS],
            count: 0,
        }
    }

    fn check(&mut self, message: &towpath::Message) {
        let (seed, _) = message.payload.split_first_chunk::<8>().expect("a number");
        let number = usize::try_from(u64::from_le_bytes(*seed)).unwrap();
        let plan = Plan::new(number, &self.scale);
        self.scale.budget.add_permits(Scale::cost(&plan));
        assert_eq!(
            (&message.topic, message.qos),
            (&plan.topic(), plan.qos),
            "{number}"
        );
        // Not assert_eq: a megabyte is no message.
        assert!(
            message.payload == plan.payload(),
            "the contents of {number} are wrong"
        );
        assert!(!self.seen[number], "{number} came twice");
        self.seen[number] = true;
        let last = &mut self.last[plan.topic][plan.qos as usize];
        assert!(
            last.is_none_or(|last| last < number),
            "{number} came after {last:?}"
        );
        *last = Some(number);
        self.count += 1;
    }

    async fn fill(mut self, source: &mut impl Source) {
        while self.count < COUNT {
            let event = tokio::time::timeout(Duration::from_secs(30), source.event()).await;
            match event {
                Ok(Event::Message(message)) => self.check(&message),
                Ok(Event::Disconnected { fault, .. }) => panic!("{fault} after {}", self.count),
                Ok(_) => {}
                Err(_) => panic!("{} of {COUNT} came", self.count),
            }
        }
    }
}

fn broker() -> Broker {
    // To log every packet would be half of the work.
    Setup::new().unlimited().line("log_type error").start()
}

/// A subscriber in its own task through `Client`, a publisher through `Client` from three tasks' worth of clones.
async fn through_clients(way: Way) {
    let broker = broker();
    let (listener, mut events) = Client::spawn(way.options(&broker));
    listener
        .subscribe("bulk/#", QoS::ExactlyOnce)
        .await
        .unwrap();
    let scale = Scale::of(way);
    let ledger = Ledger::new(scale.clone());
    let reader = tokio::spawn(async move {
        ledger.fill(&mut events).await;
    });
    let (client, _events) = Client::spawn(way.options(&broker));
    // One clone for each topic keeps the order in it.
    let writers: Vec<_> = (0..TOPICS)
        .map(|topic| tokio::spawn(write(client.clone(), topic, scale.clone())))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    client.disconnect().await.unwrap();
    reader.await.unwrap();
    listener.disconnect().await.unwrap();
}

async fn write(client: Client, topic: usize, scale: Scale) {
    for number in 0..COUNT {
        let plan = Plan::new(number, &scale);
        if plan.topic == topic {
            scale.spend(&plan).await;
            client
                .publish(&plan.topic(), plan.payload(), plan.qos)
                .await
                .unwrap();
        }
    }
}

/// The same through `Connection` on both sides.
async fn through_connections(way: Way) {
    let broker = broker();
    let mut subscriber = Peer::connect(way.options(&broker)).await;
    subscriber.subscribe("bulk/#", QoS::ExactlyOnce).await;
    let scale = Scale::of(way);
    let ledger = Ledger::new(scale.clone());
    let reader = tokio::spawn(async move {
        ledger.fill(&mut subscriber.face).await;
    });
    // Ten thousand acknowledgements would have to be read.
    let options = way.options(&broker).report_settled(false);
    let mut publisher = Connection::connect(options).await.unwrap();
    for number in 0..COUNT {
        let plan = Plan::new(number, &scale);
        while scale.budget.available_permits() < Scale::cost(&plan) {
            // Nobody else moves what was published.
            publisher.flush().await.unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(1), publisher.next()).await;
        }
        scale.spend(&plan).await;
        publisher
            .publish(&plan.topic(), plan.payload(), plan.qos)
            .await
            .unwrap();
    }
    publisher.settle().await.unwrap();
    publisher.disconnect().await.unwrap();
    reader.await.unwrap();
}

macro_rules! bulk {
    ($($name:ident, $run:ident, $via:ident, $version:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $run(Way::new(Via::$via, Version::$version)).await;
            }
        )*
    };
}

bulk! {
    tcp_v311_clients, through_clients, Tcp, V311;
    tcp_v5_clients, through_clients, Tcp, V5;
    ws_v311_clients, through_clients, Ws, V311;
    ws_v5_clients, through_clients, Ws, V5;
    tcp_v311_connections, through_connections, Tcp, V311;
    tcp_v5_connections, through_connections, Tcp, V5;
    ws_v311_connections, through_connections, Ws, V311;
    ws_v5_connections, through_connections, Ws, V5;
}
