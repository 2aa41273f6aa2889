//! Each fault of this rung, as a client meets it.

use super::*;
use crate::hub::C2d;

async fn met(kind: Kind) -> (Bench, Vec<u8>, String) {
    let bench = Bench::new();
    bench.switch_on(Setting::new(kind).device("dev1").times(1));
    let mut client = bench.dial();
    client.send(&bench.connect("dev1", |_| {})).await;
    let (rest, why) = client.rest().await;
    assert_eq!(bench.broken_rung().map(|(rung, _)| rung), Some("mqtt"));
    assert_eq!(
        bench.why(Code::FaultApplied).split(':').next(),
        Some(kind.name())
    );
    // The device was not let in, and is the next time.
    assert!(bench.told(Code::DeviceConnected).is_empty());
    bench.connected("dev1").await.disconnect().await;
    (bench, rest, why)
}

#[tokio::test(start_paused = true)]
async fn faults_at_connect() {
    for (kind, sent) in [
        (Kind::ConnectClose, &[][..]),
        (Kind::Connack1, &[0x20, 2, 0, 1]),
        (Kind::Connack2, &[0x20, 2, 0, 2]),
        (Kind::Connack3, &[0x20, 2, 0, 3]),
        (Kind::Connack4, &[0x20, 2, 0, 4]),
        (Kind::Connack5, &[0x20, 2, 0, 5]),
    ] {
        let (_, rest, why) = met(kind).await;
        assert_eq!(rest, sent);
        assert!(why.contains(kind.name()), "{why}");
    }
    let (_, rest, _) = met(Kind::ConnackGarbage).await;
    assert!(Packet::decode(&rest, Version::V311).is_err());
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_connect() {
    let bench = Bench::new();
    bench.fault(Kind::ConnectSilent);
    let mut client = bench.dial();
    client.send(&bench.connect("dev1", |_| {})).await;
    client.silent(300).await;
    client.send(&[0xC0, 0]).await;
    client.silent(300).await;
    assert!(!bench.is_connected(&Name::device("dev1")));
    client.vanish().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_to_connect() {
    let bench = Bench::new();
    bench.switch_on(Setting::new(Kind::ConnackSlow).number(20_000));
    let mut client = bench.dial();
    client
        .send(&bench.connect("dev1", |connect| connect.keep_alive = 10))
        .await;
    client.silent(19).await;
    assert!(!bench.is_connected(&Name::device("dev1")));
    client.expect(&[0x20, 2, 0, 0]).await;
    // Its silence is counted from CONNACK on.
    client.silent(14).await;
    client.nothing().await;

    // The time for CONNECT is over by then, but CONNECT was in time.
    bench.switch_on(Setting::new(Kind::ConnackSlow).number(90_000).times(1));
    let mut slow = bench.dial();
    slow.send(&bench.connect("dev1/mod1", |_| {})).await;
    slow.silent(89).await;
    slow.expect(&[0x20, 2, 0, 0]).await;

    // Who gives up meanwhile is not let in.
    let mut client = bench.dial();
    client.send(&bench.connect("dev2", |_| {})).await;
    client.silent(1).await;
    client.vanish().await;
    assert_eq!(bench.told(Code::DeviceConnected).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_counted_and_meets_whom_it_means() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let done = || {
        bench
            .shared
            .means
            .faults
            .on()
            .first()
            .map(|switch| switch.done)
    };
    let telemetry = async |client: &mut Client, count: u8| {
        let start = tokio::time::Instant::now();
        for id in 1..=count {
            let topic = "devices/dev1/messages/events/";
            client.publish(topic, id.into(), b"").await;
            client.expect(&[0x40, 2, 0, id]).await;
        }
        start.elapsed().as_secs()
    };
    client.subscribe(&["$iothub/twin/res/#"], &[1]).await;
    // Of another listener.
    let other = Setting {
        listener: Some("https".into()),
        ..Setting::new(Kind::Throttle)
    };
    bench.switch_on(other);
    assert_eq!(telemetry(&mut client, 3).await, 0);
    client.publish("$iothub/twin/GET/?$rid=1", 0, b"").await;
    assert_eq!(client.message().await.1, "$iothub/twin/res/200/?$rid=1");
    assert_eq!(done(), Some(0));

    bench.shared.means.faults.clear();
    bench.switch_on(Setting::new(Kind::Throttle).device("dev1").times(3));
    // The lab's clock stands still: the second waits a second, the third two.
    assert_eq!(telemetry(&mut client, 1).await, 0);
    assert_eq!(done(), Some(0), "the first is let through");
    assert_eq!(telemetry(&mut client, 2).await, 3);
    assert_eq!(done(), Some(2));
    client.publish("$iothub/twin/GET/?$rid=2", 0, b"").await;
    assert_eq!(client.message().await.1, "$iothub/twin/res/429/?$rid=2");
    assert_eq!(done(), None, "it was done three times");
    let ladder = bench.shared.connections.ladders(None, 1).remove(0);
    assert_eq!(ladder.faults, [Kind::Throttle.name()]);
    assert_eq!(bench.told(Code::FaultApplied).len(), 3);
    assert_eq!(telemetry(&mut client, 5).await, 0);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_are_late_or_never_come() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    bench.switch_on(Setting::new(Kind::PubackSlow).number(5000).times(1));
    client
        .publish("devices/dev1/messages/events/", 1, b"")
        .await;
    client
        .publish("devices/dev1/messages/events/", 2, b"")
        .await;
    // Both wait, since they come in order; PINGRESP does not.
    client.nothing().await;
    client.silent(4).await;
    client.expect(&[0x40, 2, 0, 1]).await;
    client.expect(&[0x40, 2, 0, 2]).await;
    bench.fault(Kind::PubackNone);
    client
        .publish("devices/dev1/messages/events/", 3, b"")
        .await;
    client.nothing().await;
    client.silent(100).await;
    assert_eq!(bench.hub().telemetry.last(), 3);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_and_pings() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    bench.switch_on(Setting::new(Kind::SubackRefused).times(1));
    client
        .subscribe(
            &["$iothub/twin/res/#", "$iothub/methods/POST/#"],
            &[0x80, 1],
        )
        .await;
    bench.switch_on(Setting::new(Kind::PingSilent).times(1));
    client.send(&[0xC0, 0]).await;
    client.silent(10).await;
    client.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_closed_after_a_while() {
    for (kind, code) in [
        (Kind::DropAfter, None),
        (Kind::Takeover, Some(Code::LinkStolen)),
        (Kind::Maintenance, Some(Code::Maintenance)),
        (Kind::Failover, Some(Code::Failover)),
    ] {
        let bench = Bench::new();
        bench.switch_on(Setting::new(kind).number(7000));
        let mut client = bench.connected("dev1").await;
        client.silent(6).await;
        client.nothing().await;
        let why = client.end().await;
        assert!(why.contains(kind.name()), "{why}");
        if let Some(code) = code {
            assert_eq!(bench.why(code), why);
        }
        assert!(!bench.is_connected(&Name::device("dev1")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent() {
    let bench = Bench::new();
    bench.switch_on(Setting::new(Kind::SilentDrop).number(2000));
    let mut client = bench
        .connected_as("dev1", |connect| connect.keep_alive = 10)
        .await;
    client.nothing().await;
    client.silent(3).await;
    client
        .publish("devices/dev1/messages/events/", 1, b"")
        .await;
    client.send(&[0xC0, 0]).await;
    client.silent(60).await;
    // The hub has given the client up by then; the client has to notice by itself.
    assert_eq!(bench.hub().telemetry.last(), 0);
    assert!(!bench.is_connected(&Name::device("dev1")));
    assert!(bench.why(Code::ClosedRemotely).contains("silent for 15 s"));
    client.silent(600).await;
    client.vanish().await;
}

#[tokio::test(start_paused = true)]
async fn answers_to_twin_requests() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    client.subscribe(&["$iothub/twin/res/#"], &[1]).await;
    let (get, patch) = (
        "$iothub/twin/GET/?$rid=1",
        "$iothub/twin/PATCH/properties/reported/?$rid=2",
    );
    for (setting, topic, answer) in [
        (
            Setting::new(Kind::Twin400),
            get,
            "$iothub/twin/res/400/?$rid=1",
        ),
        (
            Setting::new(Kind::Twin413),
            patch,
            "$iothub/twin/res/413/?$rid=2",
        ),
        (
            Setting::new(Kind::Twin429),
            patch,
            "$iothub/twin/res/429/?$rid=2",
        ),
        (
            Setting::new(Kind::Twin500).number(503),
            get,
            "$iothub/twin/res/503/?$rid=1",
        ),
    ] {
        bench.switch_on(setting.times(1));
        client.publish(topic, 0, b"{}").await;
        let (_, topic, _, payload) = client.message().await;
        assert_eq!(topic, answer);
        let body: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        assert!(
            body["errorCode"].is_number() && body["trackingId"].is_string(),
            "{body}"
        );
    }
    bench.switch_on(Setting::new(Kind::TwinSilent).times(1));
    client.publish(get, 3, b"").await;
    client.expect(&[0x40, 2, 0, 3]).await;
    client.nothing().await;
    client.publish(get, 0, b"").await;
    assert_eq!(client.message().await.1, "$iothub/twin/res/200/?$rid=1");
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_twice() {
    let bench = Bench::new();
    let mut client = bench.connected("dev1").await;
    let filters = [
        "devices/dev1/messages/devicebound/#",
        "$iothub/twin/PATCH/properties/desired/#",
    ];
    client.subscribe(&filters, &[1, 1]).await;
    bench.fault(Kind::C2dTwice);
    bench.fault(Kind::DesiredTwice);
    let name = Name::device("dev1");
    drop(bench.hub().enqueue(&name, C2d::default()).expect("queued"));
    let first = client.message().await;
    let second = client.message().await;
    assert_eq!((first.0, second.0), (0x32, 0x3A));
    assert_eq!((first.1, first.2), (second.1, second.2));
    client.puback(first.2).await;

    let mut versions = Vec::new();
    for interval in [7, 8] {
        let change = serde_json::json!({"properties": {"desired": {"interval": interval}}});
        drop(
            bench
                .hub()
                .patch_twin(&name, &change, None, false)
                .expect("patched"),
        );
        for _ in 0..2 {
            let (_, topic, id, _) = client.message().await;
            versions.push(topic.rsplit('=').next().unwrap_or_default().to_owned());
            client.puback(id).await;
        }
    }
    assert_eq!(versions, ["2", "2", "3", "2"]);
}
