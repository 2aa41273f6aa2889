//! Publishing, receiving, retaining, wills, keep alive.

use std::time::{Duration, Instant};

use mqtt::{Peer, Setup, Way};
use towpath::{Outcome, Outgoing, QoS, ReasonCode, TopicName, Will};

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const SUCCESS: Outcome = Outcome::Acknowledged(ReasonCode::SUCCESS);

ways! {
    all:
        every_qos_arrives_as_the_lower_of_two
        a_retained_message_waits_and_is_cleared
        a_vanished_client_leaves_its_will
        a_farewell_revokes_the_will
        keep_alive_keeps_an_idle_connection;
    v5:
        a_farewell_may_ask_for_the_will
        a_delayed_will_waits_and_a_return_revokes_it;
}

async fn every_qos_arrives_as_the_lower_of_two(way: Way) {
    let broker = Setup::new().start();
    let mut publisher = Peer::connect(way.options(&broker)).await;
    let mut subscriber = Peer::connect(way.options(&broker)).await;
    for asked in LEVELS {
        let filter = format!("level/{}/+", asked as u8);
        let granted = subscriber.subscribe(&filter, asked).await;
        assert_eq!(granted.0, asked as u8, "mosquitto grants what is asked for");
        for qos in LEVELS {
            let topic = format!("level/{}/{}", asked as u8, qos as u8);
            let outcome = publisher.publish(&topic, topic.as_bytes(), qos).await;
            assert_eq!(outcome, SUCCESS, "{topic}");
            let message = subscriber.message().await;
            assert_eq!(
                (&message.topic, &message.payload[..]),
                (&topic, topic.as_bytes())
            );
            assert_eq!(message.qos, qos.min(asked), "{topic}");
            assert_eq!(message.packet_id.is_some(), message.qos != QoS::AtMostOnce);
            assert!(!message.retain && !message.dup, "{message:?}");
        }
    }
    publisher.close().await;
    subscriber.close().await;
}

async fn a_retained_message_waits_and_is_cleared(way: Way) {
    let broker = Setup::new().start();
    let mut publisher = Peer::connect(way.options(&broker)).await;
    let keep = |topic, payload| Outgoing {
        retain: true,
        ..Outgoing::new(TopicName::new(topic).unwrap(), payload, QoS::AtLeastOnce)
    };
    publisher.send(&keep("kept/a", b"old")).await;
    publisher.send(&keep("kept/a", b"new")).await;
    let mut subscriber = Peer::connect(way.options(&broker)).await;
    subscriber.subscribe("kept/#", QoS::AtLeastOnce).await;
    let message = subscriber.message().await;
    assert_eq!(
        (message.payload.as_slice(), message.retain),
        (b"new".as_slice(), true)
    );
    // To those who are there it comes as any other message does.
    publisher.send(&keep("kept/b", b"live")).await;
    let message = subscriber.message().await;
    assert_eq!(
        (message.payload.as_slice(), message.retain),
        (b"live".as_slice(), false)
    );

    publisher.send(&keep("kept/a", b"")).await;
    let mut late = Peer::connect(way.options(&broker)).await;
    late.subscribe("kept/#", QoS::AtLeastOnce).await;
    // Only what was not cleared is there.
    let message = late.message().await;
    assert_eq!((message.topic.as_str(), message.retain), ("kept/b", true));
    publisher
        .publish("kept/c", b"fence", QoS::AtLeastOnce)
        .await;
    assert_eq!(late.text().await, "fence");
}

fn will(delay: u32) -> Will {
    Will {
        topic: "gone/client".into(),
        payload: b"last words".to_vec(),
        qos: QoS::ExactlyOnce,
        retain: false,
        delay,
    }
}

async fn a_vanished_client_leaves_its_will(way: Way) {
    let broker = Setup::new().start();
    let mut heir = Peer::connect(way.options(&broker)).await;
    heir.subscribe("gone/#", QoS::ExactlyOnce).await;
    let client = Peer::connect(way.options(&broker).will(will(0))).await;
    // The TCP connection closes without DISCONNECT, and without a WebSocket close.
    drop(client);
    let message = heir.message().await;
    assert_eq!(
        (message.payload.as_slice(), message.qos),
        (b"last words".as_slice(), QoS::ExactlyOnce)
    );
}

async fn a_farewell_revokes_the_will(way: Way) {
    let broker = Setup::new().start();
    let mut heir = Peer::connect(way.options(&broker)).await;
    heir.subscribe("gone/#", QoS::ExactlyOnce).await;
    let options = way.options(&broker).client_id("leaver").will(will(0));
    let mut client = Peer::connect(options).await;
    client.close().await;
    broker
        .until_logged(&["Client leaver disconnected."], 1)
        .await;
    heir.publish("gone/fence", b"fence", QoS::AtLeastOnce).await;
    assert_eq!(heir.text().await, "fence");
}

async fn a_farewell_may_ask_for_the_will(way: Way) {
    let broker = Setup::new().start();
    let mut heir = Peer::connect(way.options(&broker)).await;
    heir.subscribe("gone/#", QoS::ExactlyOnce).await;
    let mut client = Peer::connect(way.options(&broker).will(will(0))).await;
    let farewell = client
        .face
        .disconnect_with(ReasonCode::DISCONNECT_WITH_WILL);
    farewell.await.unwrap();
    assert_eq!(heir.text().await, "last words");
}

/// Whole seconds are the broker's grain, so this takes one or two.
async fn a_delayed_will_waits_and_a_return_revokes_it(way: Way) {
    let broker = Setup::new().start();
    let mut heir = Peer::connect(way.options(&broker)).await;
    heir.subscribe("gone/#", QoS::ExactlyOnce).await;
    let delayed = |id| {
        way.options(&broker)
            .client_id(id)
            .session_expiry(60)
            .will(will(1))
    };
    // One comes back before its will is due and takes leave then; the other does not.
    let returning = Peer::connect(delayed("returning")).await;
    drop(returning);
    let mut returned = Peer::connect(delayed("returning").clean_start(false)).await;
    returned.close().await;
    let vanishing = Peer::connect(delayed("vanishing")).await;
    let dropped = Instant::now();
    drop(vanishing);
    assert_eq!(heir.text().await, "last words");
    // The broker counts whole seconds: a delay of 1 s lasts at least until the next one begins.
    let waited = dropped.elapsed();
    assert!(
        waited > Duration::from_millis(20),
        "the will came at once: {waited:?}"
    );
    heir.publish("gone/fence", b"fence", QoS::AtLeastOnce).await;
    assert_eq!(heir.text().await, "fence", "there was one will");
}

/// Mosquitto drops a client after one and a half times its keep alive, so 3.2 s of silence show that PINGREQ goes out.
async fn keep_alive_keeps_an_idle_connection(way: Way) {
    let broker = Setup::new().start();
    let options = way.options(&broker).client_id("idler").keep_alive(1);
    let mut idler = Peer::connect(options).await;
    let silence = tokio::time::timeout(Duration::from_millis(3200), idler.face.next());
    let connected = silence.await.map(|event| mqtt::described(&event));
    assert!(connected.is_ok_and(|event| event.starts_with("Connected")));
    let silence = tokio::time::timeout(Duration::from_millis(3200), idler.face.next());
    assert!(silence.await.is_err(), "nothing happens");
    let pings = broker.logged(&["Received PINGREQ from idler"]);
    assert!((2..=4).contains(&pings), "{pings} pings in 3.2 s");
    let outcome = idler.publish("any", b"", QoS::AtLeastOnce).await;
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
}
