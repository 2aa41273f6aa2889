//! Receive Maximum, both ways.

use mqtt::{Peer, Setup, Way};
use towpath::{Event, QoS};

ways! {
    v5:
        the_servers_receive_maximum_is_respected
        the_own_receive_maximum_is_announced;
}

/// The most PUBLISH packets of `sender` in the broker's log that were not completed.
fn most_open(log: &str, begins: &str, ends: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for line in log.lines() {
        if line.starts_with(begins) {
            open += 1;
            most = most.max(open);
        } else if line.starts_with(ends) {
            open = open.saturating_sub(1);
        }
    }
    most
}

/// Mosquitto ends a connection that goes beyond; that all arrives shows that none did.
async fn the_servers_receive_maximum_is_respected(way: Way) {
    let broker = Setup::new().line("max_inflight_messages 5").start();
    let mut client = Peer::connect(way.options(&broker).client_id("careful")).await;
    assert_eq!(client.face.limits().receive_maximum, 5);
    for number in 0..300 {
        let qos = [QoS::ExactlyOnce, QoS::AtLeastOnce][number % 2];
        client
            .face
            .publish("many", number.to_string(), qos)
            .await
            .unwrap();
    }
    client.face.settle().await.unwrap();
    let mut settled = 0;
    while settled < 300 {
        settled += client
            .find("300 acknowledgements", |event| match event {
                Event::Settled { .. } => Some(1),
                Event::Disconnected { fault, .. } => panic!("{fault}"),
                _ => None,
            })
            .await;
    }
    let log = broker.log();
    let most = most_open(
        &log,
        "Received PUBLISH from careful (d0, q2",
        "Sending PUBCOMP to careful",
    );
    assert!((1..=5).contains(&most), "{most} open at once");
}

/// Mosquitto 2.0 keeps to the maximum until the first acknowledgement; with each one it sends as many again. At QoS 1
/// nobody counts along. At QoS 2 towpath ends the connection, as MQTT 5 section 3.3.4 has it, so that such a maximum and
/// this broker do not go together.
async fn the_own_receive_maximum_is_announced(way: Way) {
    let broker = Setup::new().line("max_queued_messages 0").start();
    let options = way.options(&broker).client_id("slow").receive_maximum(3);
    let mut slow = Peer::connect(options).await;
    slow.subscribe("many", QoS::AtLeastOnce).await;
    let mut publisher = Peer::connect(way.options(&broker)).await;
    for number in 0..50 {
        let payload = number.to_string();
        publisher
            .publish("many", payload.as_bytes(), QoS::AtLeastOnce)
            .await;
    }
    let log = broker.log();
    let most = most_open(
        &log,
        "Sending PUBLISH to slow ",
        "Received PUBACK from slow ",
    );
    assert_eq!(most, 3, "before anything is acknowledged");
    for number in 0..50 {
        assert_eq!(slow.text().await, number.to_string());
    }
    let broke = |event: &&Event| matches!(event, Event::Disconnected { .. });
    assert_eq!(slow.kept().filter(broke).count(), 0);
}
