//! What a device sends: telemetry, answers, requests about its twin.

use super::*;
use crate::config::{Oversize, Qos2, UnknownTopic};

/// The messages of the hub: of whom, properties, system properties, body.
fn messages(bench: &Bench) -> Vec<serde_json::Value> {
    let all = bench.hub().telemetry.since(0, None, 100);
    all.iter()
        .map(|message| serde_json::to_value(&**message).expect("JSON"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_whole_session_of_the_python_client() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client.subscribe(&["$iothub/methods/POST/#"], &[1]).await;
    client
        .subscribe(&["$iothub/twin/PATCH/properties/desired/#"], &[1])
        .await;
    client
        .subscribe(&["devices/dev1/messages/devicebound/#"], &[1])
        .await;
    let topic = "devices/dev1/messages/events/%24.mid=m-1&%24.cid=c-1&%24.ct=application%2Fjson\
                 &%24.ce=utf-8&alert%20key=yes%2Fno%20%26";
    client.publish(topic, 4, br#"{"temperature": 21.5}"#).await;
    client.expect(&[0x40, 2, 0, 4]).await;
    let [message] = &messages(&bench)[..] else {
        panic!("one message");
    };
    assert_eq!(message["device"], "dev1");
    assert_eq!(message["properties"]["alert key"], "yes/no &");
    assert_eq!(message["system"]["message-id"], "m-1");
    assert_eq!(message["system"]["content-type"], "application/json");

    client.subscribe(&["$iothub/twin/res/#"], &[1]).await;
    let rid = "8985b284-f9c8-451c-8634-db21d47b5514";
    client
        .publish(&format!("$iothub/twin/GET/?$rid={rid}"), 6, b" ")
        .await;
    client.expect(&[0x40, 2, 0, 6]).await;
    let (first, topic, _, payload) = client.message().await;
    assert_eq!(
        (first, topic),
        (0x30, format!("$iothub/twin/res/200/?$rid={rid}"))
    );
    let twin: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(twin["reported"]["$version"], 1);

    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=701bf3af";
    client
        .publish(topic, 7, br#"{"fw": "1.2.3", "n": {"a": 1}}"#)
        .await;
    client.expect(&[0x40, 2, 0, 7]).await;
    let (first, topic, _, payload) = client.message().await;
    assert_eq!((first, &payload[..]), (0x30, &b""[..]));
    assert_eq!(topic, "$iothub/twin/res/204/?$rid=701bf3af&$version=2");
    assert_eq!(client.disconnect().await, "the client sent DISCONNECT");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_come_in_order() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let mut all = Vec::new();
    for id in 1..=600u16 {
        all.extend(publish("devices/dev1/messages/events/", id, b"x"));
        all.extend(publish("devices/dev1/messages/events/", 0, b"y"));
    }
    client.send(&all).await;
    for id in 1..=600u16 {
        let [high, low] = id.to_be_bytes();
        client.expect(&[0x40, 2, high, low]).await;
    }
    client.nothing().await;
    let ladder = bench.shared.connections.ladders(None, 1).remove(0);
    assert_eq!(ladder.up, 1200);
}

#[tokio::test]
async fn what_is_acknowledged_is_on_the_disk() {
    let folder = std::env::temp_dir().join(format!("towpath-lab-mqtt-{}", std::process::id()));
    let mut config = config();
    config.state = Some(folder.clone());
    let bench = Bench::of(config.clone());
    let mut client = bench.connected("dev1").await;
    let mut all = Vec::new();
    for id in 1..=300u16 {
        all.extend(publish("devices/dev1/messages/events/", id, b"x"));
    }
    client.send(&all).await;
    for id in 1..=300u16 {
        let [high, low] = id.to_be_bytes();
        client.expect(&[0x40, 2, high, low]).await;
    }
    client.disconnect().await;
    drop(bench);
    let again = Bench::of(config);
    assert_eq!(again.hub().telemetry.last(), 300);
    drop(again);
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// One message at a time, so that nothing but the disk can wake the connection.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_waits_for_the_disk_and_for_no_timer() {
    let folder = std::env::temp_dir().join(format!("towpath-lab-puback-{}", std::process::id()));
    let bench = Bench::of(Config {
        state: Some(folder.clone()),
        ..config()
    });
    let mut client = bench.connected("dev1").await;
    // Tokio's time stands still while a blocking task runs, and this one gives up after a real while.
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let still = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
    let before = tokio::time::Instant::now();
    for id in 1..=3 {
        client
            .publish("devices/dev1/messages/events/", id, b"x")
            .await;
        let [high, low] = id.to_be_bytes();
        client.expect(&[0x40, 2, high, low]).await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    drop(end);
    still.await.expect("no panic").expect_err("no message");
    client.disconnect().await;
    drop(bench);
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[tokio::test(start_paused = true)]
async fn retain_becomes_a_property() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let mut packet = publish("devices/dev1/messages/events/", 1, b"x");
    packet[0] |= 1;
    client.send(&packet).await;
    client.expect(&[0x40, 2, 0, 1]).await;
    assert_eq!(messages(&bench)[0]["properties"]["mqtt-retain"], "true");
}

#[tokio::test(start_paused = true)]
async fn qos_2_closes_or_is_acknowledged() {
    for (qos2, acknowledged) in [(Qos2::Close, false), (Qos2::Puback, true)] {
        let bench = Bench::with(|hub| hub.behaviour.qos2 = qos2);
        let mut client = bench.connected("dev1").await;
        let mut packet = publish("devices/dev1/messages/events/", 1, b"x");
        packet[0] = 0x34;
        client.send(&packet).await;
        if acknowledged {
            client.expect(&[0x40, 2, 0, 1]).await;
            assert_eq!(messages(&bench).len(), 1);
        } else {
            assert!(client.end().await.contains("QoS 2"));
            assert_eq!(bench.told(Code::ArgumentInvalid).len(), 1);
            assert!(messages(&bench).is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_none() {
    for (unknown_topic, closes) in [(UnknownTopic::Close, true), (UnknownTopic::Drop, false)] {
        let bench = Bench::with(|hub| hub.behaviour.unknown_topic = unknown_topic);
        let mut client = bench.connected("dev1").await;
        client
            .publish("devices/dev2/messages/events/", 1, b"x")
            .await;
        if closes {
            client.end().await;
        } else {
            client.expect(&[0x40, 2, 0, 1]).await;
        }
        let why = bench.why(Code::ArgumentInvalid);
        assert!(why.contains("dev2") && why.contains("dev1"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_too_large() {
    // Some larger than can be held.
    for payload in [300_000, 700_000] {
        for (oversize, closes) in [(Oversize::Close, true), (Oversize::Drop, false)] {
            let bench = Bench::with(|hub| hub.behaviour.oversize = oversize);
            let mut client = bench.connected("dev1").await;
            let bytes = publish("devices/dev1/messages/events/", 1, &vec![b'x'; payload]);
            // The server closes while this is on its way.
            let _ = client.stream.write_all(&bytes).await;
            if closes {
                client.end().await;
            } else {
                client.expect(&[0x40, 2, 0, 1]).await;
                client.nothing().await;
            }
            bench.why(Code::TooLarge);
            assert!(messages(&bench).is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_has_its_own_topics() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1/mod1").await;
    client
        .subscribe(&["devices/dev1/modules/mod1/inputs/#"], &[1])
        .await;
    client
        .publish("devices/dev1/modules/mod1/messages/events/a=b", 1, b"x")
        .await;
    client.expect(&[0x40, 2, 0, 1]).await;
    assert_eq!(messages(&bench)[0]["module"], "mod1");
    client
        .publish("devices/dev1/messages/events/", 2, b"x")
        .await;
    client.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_twin_request_without_subscription_is_not_answered() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client.publish("$iothub/twin/GET/?$rid=1", 1, b"").await;
    client.expect(&[0x40, 2, 0, 1]).await;
    client.nothing().await;
    assert!(bench.why(Code::TwinChanged).contains("$iothub/twin/res/#"));
}

#[tokio::test(start_paused = true)]
async fn the_will_of_a_client_that_vanishes() {
    use towpath_proto::mqtt::packet::Will;
    let bench = Bench::new();
    let will = |topic| {
        Some(Will {
            topic: TopicName::new(topic).expect("a topic"),
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::NONE,
        })
    };
    let topic = "devices/dev1/messages/events/a=b";
    let client = bench
        .connected_as("dev1", |connect| connect.will = will(topic))
        .await;
    client.vanish().await;
    let [message] = &messages(&bench)[..] else {
        panic!("one message");
    };
    assert_eq!(message["properties"]["iothub-MessageType"], "Will");
    assert_eq!(message["properties"]["a"], "b");

    let client = bench
        .connected_as("dev1", |connect| connect.will = will(topic))
        .await;
    client.disconnect().await;
    assert_eq!(messages(&bench).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn too_many_messages_wait() {
    let bench = Bench::with(|hub| hub.limits.telemetry_per_s = 10);
    let mut client = bench
        .connected_as("dev1", |connect| connect.keep_alive = 1)
        .await;
    let start = tokio::time::Instant::now();
    let mut all = Vec::new();
    for id in 1..=15u16 {
        all.extend(publish("devices/dev1/messages/events/", id, b"x"));
    }
    client.send(&all).await;
    for id in 1..=15u8 {
        client.expect(&[0x40, 2, 0, id]).await;
    }
    // Ten at once; the lab's clock stands still, so that the later ones wait longer and longer.
    assert!(
        start.elapsed() >= Duration::from_millis(400),
        "{:?}",
        start.elapsed()
    );
    assert!(!bench.told(Code::Throttled).is_empty());
    client.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_behind_slows_down_whatever_is_written() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let patch = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    let mut seconds = async |topic: &str| {
        let start = tokio::time::Instant::now();
        client.publish(topic, 1, b"{}").await;
        client.publish(topic, 2, b"{}").await;
        client.expect(&[0x40, 2, 0, 1]).await;
        client.expect(&[0x40, 2, 0, 2]).await;
        // Read when the second one's time is over too.
        client.nothing().await;
        start.elapsed().as_secs()
    };
    assert_eq!(seconds(patch).await, 0);
    bench.shared.means.store.fall_behind(64 << 20);
    assert_eq!(seconds(patch).await, 2);
    assert_eq!(seconds("devices/dev1/messages/events/").await, 2);
}
