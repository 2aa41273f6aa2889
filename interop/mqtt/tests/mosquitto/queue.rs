//! Publishing without a connection, and how handles end.

use std::{collections::HashMap, time::Duration};

use mqtt::{Broker, Peer, Setup, Source, Way, wait_for};
use towpath::{
    Error, Event, Full, Outcome, PacketId, QoS, Refusal,
    tokio::{Client, Connection},
};

ways! {
    all:
        what_is_published_offline_arrives
        a_full_store_refuses
        a_full_store_drops_the_oldest
        a_full_store_lets_wait
        the_last_handle_closes_the_connection
        the_last_handle_ends_the_task_without_a_broker
        a_farewell_without_a_broker_ends;
}

const QOS: QoS = QoS::AtLeastOnce;

/// A broker whose ports are known and closed, with a subscriber's session waiting in its database.
async fn sleeping_broker(way: Way) -> Broker {
    let mut broker = Setup::new().unlimited().persistent().start();
    let options = way.keeping(way.options(&broker), "subscriber");
    let mut subscriber = Peer::connect(options).await;
    subscriber.subscribe("q", QoS::ExactlyOnce).await;
    subscriber.close().await;
    broker.save().await;
    broker.kill_hard();
    broker
}

/// The numbers that the subscriber gets up to a fence.
async fn received(way: Way, broker: &Broker) -> Vec<usize> {
    let options = way.keeping(way.options(broker), "subscriber");
    let mut subscriber = Peer::connect(options).await;
    subscriber.publish("q", b"end", QoS::ExactlyOnce).await;
    let mut numbers = Vec::new();
    loop {
        match subscriber.text().await.trim().parse() {
            Ok(number) => numbers.push(number),
            Err(_) => return numbers,
        }
    }
}

async fn what_is_published_offline_arrives(way: Way) {
    let mut broker = sleeping_broker(way).await;
    let (client, _events) = Client::spawn(way.options(&broker));
    let mut receipts = Vec::new();
    for number in 0..300 {
        let qos = [QoS::AtMostOnce, QOS, QoS::ExactlyOnce][number % 3];
        receipts.push(client.publish("q", number.to_string(), qos).await.unwrap());
    }
    broker.restart();
    for receipt in receipts {
        assert!(matches!(receipt.await, Ok(Outcome::Acknowledged(_))));
    }
    client.disconnect().await.unwrap();
    let mut numbers = received(way, &broker).await;
    for qos in 0..3 {
        let of_qos = numbers.iter().filter(|number| *number % 3 == qos);
        assert!(of_qos.is_sorted(), "{numbers:?}");
    }
    numbers.sort_unstable();
    // Mosquitto queues QoS 0 for nobody who is away.
    let expected: Vec<_> = (0..300).filter(|number| number % 3 != 0).collect();
    assert_eq!(numbers, expected);
}

/// 100 bytes of payload, so that about 30 fit into the 4 KiB used below.
fn padded(number: usize) -> String {
    format!("{number:100}")
}

async fn a_full_store_refuses(way: Way) {
    let mut broker = sleeping_broker(way).await;
    let options = way.options(&broker).store_limit(4096).full(Full::Refuse);
    let (client, _events) = Client::spawn(options);
    let mut receipts = Vec::new();
    let refused = loop {
        match client.publish("q", padded(receipts.len()), QOS).await {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Refused(Refusal::Full));
    assert!((20..40).contains(&receipts.len()), "{}", receipts.len());
    broker.restart();
    let accepted: Vec<_> = (0..receipts.len()).collect();
    for receipt in receipts {
        assert!(matches!(receipt.await, Ok(Outcome::Acknowledged(_))));
    }
    assert_eq!(received(way, &broker).await, accepted);
}

async fn a_full_store_drops_the_oldest(way: Way) {
    let mut broker = sleeping_broker(way).await;
    let options = way
        .options(&broker)
        .store_limit(4096)
        .full(Full::DropOldest);
    let mut connection = Connection::new(options);
    let mut numbers: HashMap<PacketId, usize> = HashMap::new();
    for number in 0..200 {
        let id = connection
            .publish("q", padded(number), QOS)
            .await
            .unwrap()
            .unwrap();
        numbers.insert(id, number);
    }
    broker.restart();
    let mut peer = Peer::new(connection);
    let (mut displaced, mut sent) = (Vec::new(), Vec::new());
    while displaced.len() + sent.len() < 200 {
        let (id, outcome) = peer
            .find("200 outcomes", |event| match event {
                Event::Settled { packet_id, outcome } => Some((*packet_id, *outcome)),
                _ => None,
            })
            .await;
        match outcome {
            Outcome::Displaced => displaced.push(numbers[&id]),
            Outcome::Acknowledged(_) => sent.push(numbers[&id]),
            other => panic!("{other:?}"),
        }
    }
    assert!((20..40).contains(&sent.len()), "{}", sent.len());
    assert_eq!(
        displaced,
        (0..200 - sent.len()).collect::<Vec<_>>(),
        "the oldest go"
    );
    assert_eq!(
        sent,
        (200 - sent.len()..200).collect::<Vec<_>>(),
        "the newest stay"
    );
    peer.close().await;
    assert_eq!(received(way, &broker).await, sent);
}

async fn a_full_store_lets_wait(way: Way) {
    let mut broker = sleeping_broker(way).await;
    let options = way.options(&broker).store_limit(4096).full(Full::Wait);
    let (client, _events) = Client::spawn(options);
    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            for number in 0..100 {
                client.publish("q", padded(number), QOS).await.unwrap();
            }
        }
    });
    // It stops somewhere; that it has not gone through is all that can be seen from here.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!writer.is_finished());
    broker.restart();
    writer.await.unwrap();
    client.disconnect().await.unwrap();
    assert_eq!(received(way, &broker).await, (0..100).collect::<Vec<_>>());
}

async fn the_last_handle_closes_the_connection(way: Way) {
    let broker = Setup::new().start();
    let (client, events) = Client::spawn(way.options(&broker).client_id("handle"));
    let mut events = Peer::new(events);
    events.connected().await;
    let other = client.clone();
    drop(client);
    assert!(other.is_connected());
    drop(other);
    events
        .find("the end", |event| (*event == Event::Closed).then_some(()))
        .await;
    assert!(events.face.next().await.is_none());
    broker
        .until_logged(&["Received DISCONNECT from handle"], 1)
        .await;
}

async fn the_last_handle_ends_the_task_without_a_broker(way: Way) {
    let broker = sleeping_broker(way).await;
    let (client, events) = Client::spawn(way.options(&broker));
    let receipt = client.publish("q", "1", QOS).await.unwrap();
    let mut events = Peer::new(events);
    events.fault().await;
    drop(client);
    events
        .find("the end", |event| (*event == Event::Closed).then_some(()))
        .await;
    assert_eq!(receipt.await, Err(Error::Closed));
    assert_eq!(events.face.event().await, Event::Closed);
}

async fn a_farewell_without_a_broker_ends(way: Way) {
    let broker = sleeping_broker(way).await;
    let (client, events) = Client::spawn(way.options(&broker));
    let mut events = Peer::new(events);
    events.fault().await;
    let farewell = tokio::time::timeout(Duration::from_secs(10), client.disconnect());
    assert_eq!(farewell.await, Ok(Ok(())));
    let mut connection = Connection::new(way.options(&broker));
    let farewell = tokio::time::timeout(Duration::from_secs(10), connection.disconnect());
    assert_eq!(farewell.await, Ok(Ok(())));
    wait_for("the end", || !client.is_connected()).await;
}
