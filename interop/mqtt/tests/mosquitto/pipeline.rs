//! `Options::pipeline`: commands that leave behind CONNECT, before CONNACK.

use mqtt::{Peer, Relay, Setup, Way};
use towpath::{
    Code, Error, Event, Outcome, QoS,
    tokio::{Client, Connection},
};

ways! {
    all:
        what_is_published_before_connack_arrives
        pipelining_saves_the_round_trip
        a_refused_connack_acknowledges_nothing;
}

async fn what_is_published_before_connack_arrives(way: Way) {
    let broker = Setup::new().start();
    let mut subscriber = Peer::connect(way.options(&broker)).await;
    subscriber.subscribe("early/+", QoS::ExactlyOnce).await;
    let mut connection = Connection::new(way.options(&broker).pipeline(true));
    let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let mut ids = Vec::new();
    for (number, qos) in levels.into_iter().cycle().take(30).enumerate() {
        let id = connection
            .publish("early/bird", number.to_string(), qos)
            .await;
        ids.extend(id.unwrap());
    }
    let mut early = Peer::new(connection);
    for id in ids {
        let outcome = early.find("an acknowledgement", |event| match event {
            Event::Settled { packet_id, outcome } if *packet_id == id => Some(*outcome),
            _ => None,
        });
        assert!(matches!(outcome.await, Outcome::Acknowledged(_)));
    }
    // Mosquitto passes a QoS 2 message on only when PUBREL has come, so the order is that of each QoS by itself.
    let mut next = [0, 1, 2];
    for _ in 0..30 {
        let message = subscriber.message().await;
        let next = &mut next[message.qos as usize];
        assert_eq!(message.payload, next.to_string().into_bytes());
        *next += 3;
    }
    early.close().await;
}

/// The bytes of CONNECT and PUBLISH reach the broker while its answer is held back.
async fn pipelining_saves_the_round_trip(way: Way) {
    let broker = Setup::new().start();
    let relay = Relay::before(broker.port(way.via)).await;
    let mut subscriber = Peer::connect(way.options(&broker)).await;
    subscriber.subscribe("early/+", QoS::AtLeastOnce).await;
    // What the WebSocket needs has to come through; CONNACK is what is held back.
    if way.via == mqtt::Via::Tcp {
        relay.swallow_answers();
    } else {
        relay.swallow_mqtt_answers();
    }
    let options = way.options_to(relay.port()).pipeline(true);
    let (client, _events) = Client::spawn(options.client_id("early"));
    let receipt = client.publish("early/bird", "worm", QoS::AtLeastOnce).await;
    let receipt = receipt.unwrap();
    assert_eq!(subscriber.text().await, "worm");
    assert!(!client.is_connected());
    // The acknowledgement was swallowed as well; after the next CONNACK the message goes out again.
    relay.cut();
    assert!(matches!(receipt.await, Ok(Outcome::Acknowledged(_))));
    assert_eq!(subscriber.text().await, "worm");
}

async fn a_refused_connack_acknowledges_nothing(way: Way) {
    let broker = Setup::new().secured().start();
    let mut subscriber = Peer::connect(way.options(&broker).credentials("anna", "secret")).await;
    subscriber.subscribe("early/+", QoS::AtLeastOnce).await;
    let options = way.options(&broker).credentials("anna", "guessed");
    let (client, events) = Client::spawn(options.pipeline(true));
    let mut receipts = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        receipts.push(client.publish("early/bird", "worm", qos).await.unwrap());
    }
    let mut events = Peer::new(events);
    for _ in 0..3 {
        assert_eq!(events.fault().await.code, Code::ConnectRefused);
    }
    for event in events.kept() {
        assert!(
            !matches!(event, Event::Dropped(_)),
            "the store keeps QoS 0: {event:?}"
        );
    }
    // Nothing got through, and nobody is told that it did.
    subscriber
        .publish("early/fence", b"fence", QoS::AtLeastOnce)
        .await;
    assert_eq!(subscriber.text().await, "fence");
    drop(client);
    // QoS 0 is not acknowledged by anybody; its receipt says only that it was taken.
    assert!(matches!(
        receipts.remove(0).await,
        Ok(Outcome::Acknowledged(_))
    ));
    for receipt in receipts {
        assert_eq!(receipt.await, Err(Error::Closed));
    }
}
