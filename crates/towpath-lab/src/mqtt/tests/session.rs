//! Subscriptions, sessions, keep-alive and tokens that expire.

use super::*;
use crate::config::{KeepAlive0, UnknownFilter};

#[tokio::test(start_paused = true)]
async fn filters_are_granted_or_refused() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let filters = [
        "devices/+/messages/devicebound/#",
        "$iothub/methods/POST/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/twin/res/#",
        "#",
        "devices/dev2/messages/devicebound/#",
    ];
    client.subscribe(&filters, &[1, 1, 1, 1, 0x80, 0x80]).await;
    // What is asked for with QoS 2 is granted with 1.
    client
        .send(&subscribe(9, &["$iothub/methods/POST/#"], QoS::ExactlyOnce))
        .await;
    client.expect(&[0x90, 3, 0, 9, 1]).await;
    client
        .send(&subscribe(10, &["$iothub/methods/POST/#"], QoS::AtMostOnce))
        .await;
    client.expect(&[0x90, 3, 0, 10, 0]).await;
    client
        .send(&unsubscribe(11, "$iothub/methods/POST/#"))
        .await;
    client.expect(&[0xB0, 2, 0, 11]).await;
    client.send(&unsubscribe(12, "never/heard/of")).await;
    client.expect(&[0xB0, 2, 0, 12]).await;
    let state = bench.hub().lock();
    let entry = &state.entries[&Name::device("dev1")];
    assert_eq!(entry.session.subscriptions.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn as_many_subscriptions_as_are_allowed() {
    let bench = Bench::with(|hub| hub.limits.subscriptions = 2);
    let mut client = bench.connected("dev1").await;
    let filters = [
        "$iothub/methods/POST/#",
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/twin/res/#",
    ];
    client.subscribe(&filters, &[1, 1, 0x80, 1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_packet_full_of_filters_closes() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client
        .send(&subscribe(1, &["a"; 65], QoS::AtMostOnce))
        .await;
    client.end().await;
    bench.why(Code::ArgumentInvalid);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_filter_can_close() {
    let bench = Bench::with(|hub| hub.behaviour.unknown_filter = UnknownFilter::Close);
    let mut client = bench.connected("dev1").await;
    client.send(&subscribe(1, &["#"], QoS::AtMostOnce)).await;
    assert!(client.end().await.contains("\"#\""));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_found_again() {
    let bench = Bench::new();
    let open = async |clean: bool, present: u8| {
        let mut client = bench.dial();
        let connect = bench.connect("dev1", |connect| connect.clean_start = clean);
        client.send(&connect).await;
        client.expect(&[0x20, 2, present, 0]).await;
        client
    };
    let mut client = open(false, 0).await;
    client.subscribe(&["$iothub/twin/res/#"], &[1]).await;
    client.disconnect().await;
    let mut client = open(false, 1).await;
    client.publish("$iothub/twin/GET/?$rid=1", 0, b"").await;
    let (_, topic, _, _) = client.message().await;
    assert_eq!(topic, "$iothub/twin/res/200/?$rid=1");
    client.disconnect().await;
    open(true, 0).await.disconnect().await;
    open(false, 0).await.disconnect().await;
}

#[tokio::test(start_paused = true)]
async fn silence_of_one_and_a_half_times_the_keep_alive() {
    let bench = Bench::new();
    let mut client = bench
        .connected_as("dev1", |connect| connect.keep_alive = 60)
        .await;
    for _ in 0..5 {
        client.silent(60).await;
        client.nothing().await;
    }
    client.silent(89).await;
    assert!(client.end().await.contains("silent for 90 s"));
    assert_eq!(bench.told(Code::ClosedRemotely).len(), 1);
    assert!(!bench.is_connected(&Name::device("dev1")));
}

#[tokio::test(start_paused = true)]
async fn the_cap_of_the_keep_alive() {
    for keep_alive in [0, 65_535] {
        let bench = Bench::new();
        let mut client = bench
            .connected_as("dev1", |connect| connect.keep_alive = keep_alive)
            .await;
        client.silent(1766).await;
        client.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn keep_alive_0_can_be_for_ever() {
    let bench = Bench::with(|hub| hub.behaviour.keep_alive_0 = KeepAlive0::Never);
    let mut client = bench.connected("dev1").await;
    client.silent(50_000).await;
    client.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_by_the_clock_of_the_lab() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let clock = &bench.shared.means.clock;
    // The token is good for an hour, and the grace is ten minutes.
    clock.advance(3_600_000 + 599_000);
    client.silent(3).await;
    client.nothing().await;
    clock.advance(2_000);
    assert!(client.end().await.contains("expired"));
    let codes: Vec<_> = bench
        .shared
        .means
        .log
        .since(0)
        .iter()
        .map(|record| record.code.number())
        .filter(|number| *number > 400_000)
        .collect();
    assert_eq!(codes, [401_003, 404_104]);
}

#[tokio::test(start_paused = true)]
async fn packets_that_only_servers_send() {
    for bytes in [
        &[0x20, 2, 0, 0][..],
        &[0x90, 3, 0, 1, 0],
        &[0xB0, 2, 0, 1],
        &[0xD0, 0],
        &[0x50, 2, 0, 1],
        &[0x62, 2, 0, 1],
        &[0x70, 2, 0, 1],
        &[0xF0, 0],
        &[0x36, 5, 0, 1, b't', 0, 1],
        &[0x82, 2, 0, 1],
        &[0x32, 4, 0, 1, b't', 0],
        &[0x30, 4, 0, 2, b'a', b'+'],
    ] {
        let bench = Bench::new();
        let mut client = bench.connected("dev1").await;
        client.send(bytes).await;
        client.end().await;
        assert_eq!(bench.told(Code::ProtocolError).len(), 1, "{bytes:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_closed_in_time() {
    let bench = Bench::new();
    let mut client = bench.dial_with(None, 256);
    client
        .send(&bench.connect("dev1", |connect| connect.keep_alive = 10))
        .await;
    let flood = async {
        let pings = [0xC0, 0].repeat(64);
        while client.stream.write_all(&pings).await.is_ok() {}
    };
    timeout(LONG, flood).await.expect("closed");
    assert!(client.vanish().await.contains("silent for 15 s"));
}
