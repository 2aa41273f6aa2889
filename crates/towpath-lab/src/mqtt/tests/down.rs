//! What a device is sent: cloud-to-device messages, method calls, changes of desired properties.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::hub::{C2d, Down};

const C2D: &str = "devices/dev1/messages/devicebound/#";

impl Bench {
    fn enqueue(&self, body: &str) -> u64 {
        let message = C2d {
            properties: [("color".to_owned(), "blue".to_owned())].into(),
            system: [("message-id".to_owned(), "m-1".to_owned())].into(),
            payload: Bytes::copy_from_slice(body.as_bytes()),
            ttl: None,
        };
        let queued = self.hub().enqueue(&Name::device("dev1"), message);
        queued.expect("queued").0
    }

    fn waiting(&self) -> usize {
        let queue = self.hub().queue(&Name::device("dev1"));
        queue.expect("a queue").len()
    }

    /// Hands a message to the connection, past the queue.
    fn hand(&self, down: Down) -> bool {
        let state = self.hub().lock();
        let entry = &state.entries[&Name::device("dev1")];
        entry.live.as_ref().expect("a connection").send(down)
    }
}

fn plain(topic: &str, qos: u8) -> Down {
    Down::Publish {
        topic: topic.into(),
        payload: Bytes::new(),
        qos,
        settles: None,
        redelivered: false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_settled_by_its_puback() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    bench.enqueue("hello c2d");
    client.nothing().await;
    client.subscribe(&[C2D], &[1]).await;
    let (first, topic, id, payload) = client.message().await;
    assert_eq!((first, &payload[..]), (0x32, &b"hello c2d"[..]));
    assert!(
        topic.starts_with("devices/dev1/messages/devicebound/%24.mid=m-1&"),
        "{topic}"
    );
    assert!(topic.ends_with("&color=blue"), "{topic}");
    assert_eq!(bench.waiting(), 1);
    client.puback(id + 1).await;
    client.nothing().await;
    assert_eq!(bench.waiting(), 1);
    client.puback(id).await;
    client.nothing().await;
    assert_eq!(bench.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_acknowledged_comes_again() {
    let bench = Bench::new();
    let mut client = bench
        .connected_as("dev1", |connect| connect.clean_start = false)
        .await;
    client.subscribe(&[C2D], &[1]).await;
    bench.enqueue("again");
    client.message().await;
    client.vanish().await;
    let mut client = bench
        .connected_as("dev1", |connect| connect.clean_start = false)
        .await;
    let (first, _, id, payload) = client.message().await;
    // [MQTT-3.3.1-1]: with DUP.
    assert_eq!((first, &payload[..]), (0x3A, &b"again"[..]));
    client.puback(id).await;
    client.disconnect().await;
    assert_eq!(bench.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_qos_0_sent_is_settled() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client.send(&subscribe(1, &[C2D], QoS::AtMostOnce)).await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
    bench.enqueue("x");
    let (first, _, _, _) = client.message().await;
    assert_eq!(first, 0x30);
    client.nothing().await;
    assert_eq!(bench.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_method_call_and_its_answer() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client
        .send(&subscribe(1, &["$iothub/methods/POST/#"], QoS::AtMostOnce))
        .await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
    let hub = Arc::clone(bench.hub());
    let call = tokio::spawn(async move {
        let (name, wait) = (Name::device("dev1"), Duration::from_secs(30));
        hub.invoke(&name, "reboot", json!({"delay": 3}), wait, wait)
            .await
    });
    let (first, topic, _, payload) = client.message().await;
    assert_eq!((first, &payload[..]), (0x30, &br#"{"delay":3}"#[..]));
    let rid = topic
        .strip_prefix("$iothub/methods/POST/reboot/?$rid=")
        .expect("a rid");
    let answer = format!("$iothub/methods/res/200/?$rid={rid}");
    client.publish(&answer, 9, br#"{"ok": true}"#).await;
    client.expect(&[0x40, 2, 0, 9]).await;
    let answer = call.await.expect("no panic").expect("an answer");
    assert_eq!(answer, (200, json!({"ok": true})));
    // Nobody waits for a second one, which is no reason to close.
    client
        .publish(&format!("$iothub/methods/res/200/?$rid={rid}"), 10, b"")
        .await;
    client.expect(&[0x40, 2, 0, 10]).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_desired_properties() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client
        .subscribe(&["$iothub/twin/PATCH/properties/desired/#"], &[1])
        .await;
    let change = json!({"properties": {"desired": {"interval": 7}}});
    let name = Name::device("dev1");
    drop(
        bench
            .hub()
            .patch_twin(&name, &change, None, false)
            .expect("patched"),
    );
    let (_, topic, _, payload) = client.message().await;
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    let patch: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(patch, json!({"interval": 7, "$version": 2}));
}

#[tokio::test(start_paused = true)]
async fn not_more_than_a_window_is_unacknowledged() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    for number in 0..90 {
        assert!(bench.hand(plain(&format!("t/{number}"), 1)));
    }
    let mut ids = Vec::new();
    for number in 0..32 {
        let (_, topic, id, _) = client.message().await;
        assert_eq!(topic, format!("t/{number}"));
        assert!(id != 0 && !ids.contains(&id));
        ids.push(id);
    }
    client.nothing().await;
    // What needs no acknowledgement goes past.
    assert!(bench.hand(plain("past", 0)));
    assert_eq!(client.message().await.1, "past");
    for number in 32..90 {
        client.puback(ids.remove(0)).await;
        let (_, topic, id, _) = client.message().await;
        assert_eq!(topic, format!("t/{number}"));
        ids.push(id);
    }
}

#[tokio::test(start_paused = true)]
async fn who_acknowledges_nothing_is_still_taken_over() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let mut handed = 0;
    while bench.hand(plain("t", 1)) {
        handed += 1;
        tokio::task::yield_now().await;
    }
    assert!(handed > 256, "{handed}");
    for _ in 0..32 {
        client.message().await;
    }
    let second = bench.connected("dev1").await;
    client.end().await;
    second.disconnect().await;
}

#[tokio::test(start_paused = true)]
async fn the_hub_closes_a_connection() {
    let bench = Bench::new();
    let client = bench.connected("dev1").await;
    let why = "the device was disabled".to_owned();
    assert!(bench.hand(Down::Close {
        code: Code::DeviceDisabled,
        why,
    }));
    assert_eq!(client.end().await, "the device was disabled");
    assert_eq!(bench.why(Code::DeviceDisabled), "the device was disabled");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_mqtt_can_not_carry_is_told() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    assert!(bench.hand(plain("a/+/b", 0)));
    tokio::task::yield_now().await;
    client.nothing().await;
    assert!(bench.why(Code::ServerError).contains("a/+/b"));
}

/// Hands messages to the connection until more of them wait to be written than the connection takes on.
async fn flood(bench: &Bench) {
    for _ in 0..4 {
        assert!(bench.hand(Down::Publish {
            topic: "t".into(),
            payload: Bytes::from_static(&[0; 40 << 10]),
            qos: 0,
            settles: None,
            redelivered: false,
        }));
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_still_taken_over() {
    let bench = Bench::new();
    let mut first = bench.dial_with(None, 256);
    let connect = bench.connect("dev1", |connect| connect.keep_alive = 0);
    first.send(&connect).await;
    first.expect(&[0x20, 2, 0, 0]).await;
    flood(&bench).await;
    let start = tokio::time::Instant::now();
    let second = bench.connected("dev1").await;
    // A second until it is noticed, and some for the last bytes.
    let why = timeout(LONG, first.task).await.expect("an end");
    let why = why.expect("no panic");
    assert!(why.contains("took over"), "{why}");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    second.disconnect().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_is_heard_behind_messages_that_can_not_be_sent() {
    let bench = Bench::new();
    let mut client = bench.dial_with(None, 256);
    let connect = bench.connect("dev1", |connect| connect.keep_alive = 0);
    client.send(&connect).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    flood(&bench).await;
    for _ in 0..200 {
        assert!(bench.hand(plain("t", 1)));
    }
    // The hub keeps its end of the channel.
    let name = Name::device("dev1");
    assert!(
        bench
            .hub()
            .disconnect(&name, Code::Maintenance, "maintenance")
    );
    let start = tokio::time::Instant::now();
    let why = timeout(LONG, client.task).await.expect("an end");
    assert_eq!(why.expect("no panic"), "maintenance");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_waited_while_nothing_was_read_is_sent_afterwards() {
    let bench = Bench::new();
    let mut client = bench.dial_with(None, 256);
    let connect = bench.connect("dev1", |connect| connect.keep_alive = 0);
    client.send(&connect).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    flood(&bench).await;
    for number in 0..100 {
        assert!(bench.hand(plain(&format!("t/{number}"), 1)));
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..4 {
        assert_eq!(client.message().await.3.len(), 40 << 10);
    }
    for number in 0..100 {
        let (_, topic, id, _) = client.message().await;
        assert_eq!(topic, format!("t/{number}"));
        client.puback(id).await;
    }
    client.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_closed() {
    let bench = Bench::new();
    let mut client = bench.dial_with(None, 256);
    let connect = bench.connect("dev1", |connect| connect.keep_alive = 0);
    client.send(&connect).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    let start = tokio::time::Instant::now();
    flood(&bench).await;
    // Who takes a little is not the one that is meant.
    tokio::time::sleep(Duration::from_secs(50)).await;
    let mut some = [0; 100];
    client.stream.read_exact(&mut some).await.expect("some");
    let why = timeout(LONG, client.task).await.expect("an end");
    let why = why.expect("no panic");
    assert!(why.contains("took nothing for 60 s"), "{why}");
    let seconds = start.elapsed().as_secs();
    assert!((110..120).contains(&seconds), "{seconds} s");
    assert_eq!(bench.why(Code::ClosedRemotely), why);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_connection_was_sent_says_so() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    for (qos, byte) in [(1, 0x3A), (0, 0x30)] {
        assert!(bench.hand(Down::Publish {
            topic: "t".into(),
            payload: Bytes::new(),
            qos,
            settles: Some(99),
            redelivered: true,
        }));
        assert_eq!(client.message().await.0, byte);
    }
}
