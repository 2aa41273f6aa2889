//! Futures dropped at any point, consumers that do not read: nothing lost, nothing twice.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use mqtt::{Broker, Peer, Seeded, Setup, Via, Way};
use towpath::{
    Event, QoS, Version,
    tokio::{Client, Connection, Events},
};

ways! {
    all:
        dropped_futures_of_a_connection_lose_nothing
        dropped_futures_of_a_client_lose_nothing;
}

const COUNT: usize = 3000;
const LEVELS: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

fn broker() -> Broker {
    Setup::new().unlimited().line("log_type error").start()
}

/// Polls `future` up to `most` times and then drops it. `None` if it was not ready by then.
async fn some_polls<T>(future: impl Future<Output = T>, most: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..most {
        let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if let Poll::Ready(output) = polled.await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Which numbers came, and in order for each QoS.
struct Seen {
    next: [usize; 2],
    count: usize,
}

impl Seen {
    const fn new() -> Self {
        Self {
            next: [0, 1],
            count: 0,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Message(message) => {
                let number: usize = String::from_utf8(message.payload).unwrap().parse().unwrap();
                assert_eq!(number, self.next[number % 2], "of {:?}", message.qos);
                self.next[number % 2] += 2;
                self.count += 1;
            }
            Event::Disconnected { fault, .. } => panic!("{fault}"),
            _ => {}
        }
    }
}

/// One connection publishes to itself; every future gets a few polls only. A publish that was dropped before it was
/// ready was not accepted, so it is tried again.
async fn dropped_futures_of_a_connection_lose_nothing(way: Way) {
    let broker = broker();
    let mut choice = Seeded::new(5);
    let mut peer = Peer::connect(way.options(&broker).window(50)).await;
    peer.subscribe("cancel", QoS::ExactlyOnce).await;
    let mut connection: Connection = peer.face;
    let (mut sent, mut seen) = (0, Seen::new());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while seen.count < COUNT {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{sent} sent, {} came",
            seen.count
        );
        let polls = choice.below(3) + 1;
        match choice.below(4) {
            0 | 1 if sent < COUNT => {
                let publish = connection.publish("cancel", sent.to_string(), LEVELS[sent % 2]);
                if let Some(accepted) = some_polls(publish, polls).await {
                    accepted.unwrap();
                    sent += 1;
                }
            }
            2 => drop(some_polls(connection.flush(), polls).await),
            _ => {
                if let Some(event) = some_polls(connection.next(), polls).await {
                    seen.take(event);
                }
            }
        }
    }
    assert_eq!(
        some_polls(connection.settle(), 1_000_000).await,
        Some(Ok(()))
    );
}

async fn dropped_futures_of_a_client_lose_nothing(way: Way) {
    let broker = broker();
    let mut choice = Seeded::new(6);
    let (client, mut events) = Client::spawn(way.options(&broker).window(50));
    client.subscribe("cancel", QoS::ExactlyOnce).await.unwrap();
    let (mut sent, mut seen) = (0, Seen::new());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while seen.count < COUNT {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{sent} sent, {} came",
            seen.count
        );
        let polls = choice.below(3) + 1;
        if sent < COUNT && choice.below(2) == 0 {
            let publish = client.publish("cancel", sent.to_string(), LEVELS[sent % 2]);
            if let Some(accepted) = some_polls(publish, polls).await {
                drop(accepted.unwrap());
                sent += 1;
            }
        } else if let Some(event) = some_polls(events.next(), polls).await {
            seen.take(event.unwrap());
        }
    }
    let patience = tokio::time::timeout(Duration::from_secs(20), client.disconnect());
    assert_eq!(patience.await, Ok(Ok(())));
}

/// Over WebSockets mosquitto 2.0 takes minutes to pass on what a slow consumer left with it; see `bulk`.
#[tokio::test]
async fn a_slow_consumer_holds_the_server_back() {
    for version in [Version::V311, Version::V5] {
        slow_consumer(Way::new(Via::Tcp, version)).await;
    }
}

/// 64 MiB in messages of 16 KiB wait while nobody takes events. 1024 of them may be kept here; what is acknowledged is
/// what was taken in, so the broker's log says how many those are. All else waits in the system's buffers or with the
/// broker.
async fn slow_consumer(way: Way) {
    const MESSAGES: usize = 4096;
    let broker = Setup::new().unlimited().start();
    let (client, events) = Client::spawn(way.options(&broker).client_id("slow"));
    client.subscribe("slow", QoS::AtLeastOnce).await.unwrap();
    let options = way.options(&broker).report_settled(false);
    let mut publisher = Peer::connect(options).await;
    for number in 0..MESSAGES {
        let mut payload = vec![0; 16 << 10];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        let published = publisher.face.publish("slow", payload, QoS::AtLeastOnce);
        published.await.unwrap();
    }
    publisher.face.settle().await.unwrap();
    broker
        .until_logged(&["Received PUBACK from slow"], 1000)
        .await;
    let taken = broker.logged(&["Received PUBACK from slow"]);
    assert!(taken <= 1030, "{taken} messages are kept");
    all_in_order(events, MESSAGES).await;
}

async fn all_in_order(events: Events, count: usize) {
    let mut events = Peer::new(events);
    for number in 0..count {
        let message = events.message().await;
        assert_eq!(message.payload[..8], number.to_le_bytes());
    }
}
