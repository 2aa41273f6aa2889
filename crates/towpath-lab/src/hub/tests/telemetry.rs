//! Messages of devices: order, sizes, quota, what is kept, who is told.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{config::Oversize, hub::Incoming};

fn dev1() -> Name {
    Name::device("dev1")
}

fn incoming(payload: &[u8]) -> Incoming {
    Incoming {
        payload: Bytes::copy_from_slice(payload),
        ..Incoming::default()
    }
}

#[test]
fn stored_in_order_and_told() {
    let bench = Bench::new(&config());
    let connection = bench.connection(Listener::Mqtts);
    let mut listener = bench.hub.telemetry.listen();
    let module = Name::module("dev1", "mod1");
    for (name, text) in [(&dev1(), "1"), (&module, "2"), (&dev1(), "3")] {
        let stored = bench
            .hub
            .telemetry(name, &connection, incoming(text.as_bytes()));
        assert!(
            stored.expect("it is stored").is_done(),
            "nothing is written"
        );
        assert_eq!(
            &listener.try_recv().expect("it is told").body.0[..],
            text.as_bytes()
        );
    }
    let sequences = |messages: Vec<Arc<super::super::Message>>| -> Vec<u64> {
        messages.iter().map(|message| message.sequence).collect()
    };
    let kept = &bench.hub.telemetry;
    assert_eq!(sequences(kept.since(0, None, 10)), [1, 2, 3]);
    assert_eq!(sequences(kept.since(1, None, 1)), [2]);
    assert_eq!(sequences(kept.since(0, Some("dev1"), 10)), [1, 3]);
    assert_eq!(sequences(kept.since(0, Some("dev1/mod1"), 10)), [2]);
    assert!(kept.since(u64::MAX, None, 10).is_empty());
    assert_eq!(sequences(kept.newest(Some("dev1"), 1)), [3]);
    assert_eq!(sequences(kept.newest(None, 2)), [2, 3]);
    assert_eq!(kept.last(), 3);
}

/// Who sent a message is not for the message to say.
#[test]
fn nobody_is_another_device() {
    let bench = Bench::new(&config());
    let connection = bench.connection(Listener::Mqtts);
    let bag = super::super::topic::Bag::parse("%24.cdid=other&%24.cmid=mod9&%24.mid=1");
    for name in [dev1(), Name::module("dev1", "mod1")] {
        let message = Incoming {
            system: bag.system.clone(),
            ..Incoming::default()
        };
        drop(bench.hub.telemetry(&name, &connection, message));
    }
    let kept = bench.hub.telemetry.since(0, None, 10);
    let system = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        pairs.iter().map(own).collect()
    };
    let device = ("iothub-connection-device-id", "dev1");
    assert_eq!(kept[0].system, system(&[device, ("message-id", "1")]));
    let module = ("iothub-connection-module-id", "mod1");
    assert_eq!(
        kept[1].system,
        system(&[device, module, ("message-id", "1")])
    );
}

#[test]
fn sizes_and_the_quota() {
    let mut config = config();
    config.limits.telemetry_bytes = 10_000;
    config.limits.messages_per_day = 4;
    let bench = Bench::new(&config);
    let connection = bench.connection(Listener::Mqtts);
    let mut large = incoming(&[7; 9_990]);
    large.properties = [("name".into(), "value".into())].into();
    large.system = [("message-id".into(), "1".into())].into();
    let size = bench.hub.telemetry(&dev1(), &connection, large.clone());
    assert!(
        size.is_ok(),
        "10,000 bytes: the name of a system property does not count"
    );
    large.properties = [("name".into(), "value!".into())].into();
    let refused = bench
        .hub
        .telemetry(&dev1(), &connection, large)
        .expect_err("10,001");
    assert_eq!((refused.close, refused.code), (true, Code::TooLarge));
    // The first one was three pieces of 4 kB.
    assert!(
        bench
            .hub
            .telemetry(&dev1(), &connection, incoming(b""))
            .is_ok()
    );
    let refused = bench
        .hub
        .telemetry(&dev1(), &connection, incoming(b""))
        .expect_err("the fifth");
    assert_eq!(refused.code, Code::QuotaExceeded);
    bench.clock.advance(24 * HOUR);
    assert!(
        bench
            .hub
            .telemetry(&dev1(), &connection, incoming(b""))
            .is_ok(),
        "the next day"
    );
    bench.fault("hub-quota");
    let refused = bench
        .hub
        .telemetry(&dev1(), &connection, incoming(b""))
        .expect_err("the fault");
    assert_eq!((refused.close, refused.code), (true, Code::QuotaExceeded));
    assert_eq!(bench.hub.telemetry.last(), 3);
    config.behaviour.oversize = Oversize::Drop;
    let bench = Bench::new(&config);
    let refused = bench
        .hub
        .telemetry(&dev1(), &connection, incoming(&[0; 10_001]));
    assert!(!refused.expect_err("too large").close);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut config = config();
    config.limits.telemetry_kept = 3;
    let bench = Bench::new(&config);
    let connection = bench.connection(Listener::Mqtts);
    for number in 0..10_u8 {
        drop(
            bench
                .hub
                .telemetry(&dev1(), &connection, incoming(&[number])),
        );
    }
    let kept = bench.hub.telemetry.since(0, None, 100);
    assert_eq!(
        kept.iter()
            .map(|message| message.sequence)
            .collect::<Vec<_>>(),
        [8, 9, 10]
    );
    // Properties take memory whatever is in them.
    let bench = Bench::new(&super::config());
    let mut many = incoming(b"");
    many.properties = (0..10_000_u32)
        .map(|number| (format!("{number:x}"), String::new()))
        .collect();
    for _ in 0..100 {
        drop(bench.hub.telemetry(&dev1(), &connection, many.clone()));
    }
    let kept = bench.hub.telemetry.since(0, None, 1000).len();
    assert!((60..70).contains(&kept), "{kept} of a megabyte each");
    let bench = Bench::new(&super::config());
    for _ in 0..400 {
        drop(
            bench
                .hub
                .telemetry(&dev1(), &connection, incoming(&[0; 256 << 10])),
        );
    }
    let kept = bench.hub.telemetry.since(0, None, 1000);
    assert_eq!(
        (kept.len(), kept.last().map(|last| last.sequence)),
        (255, Some(400)),
        "64 MiB of them"
    );
}

#[test]
fn rates() {
    let mut config = config();
    (config.limits.telemetry_per_s, config.limits.twins_per_s) = (10, 2);
    let bench = Bench::new(&config);
    let connection = bench.connection(Listener::Mqtts);
    let delays = |count: usize| -> Vec<u64> {
        let delay = || {
            bench
                .hub
                .telemetry_delay(&dev1(), &connection)
                .unwrap_or_default()
                .as_millis() as u64
        };
        std::iter::repeat_with(delay).take(count).collect()
    };
    assert_eq!(delays(12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
    bench.clock.advance(10_000);
    assert_eq!(delays(11).last(), Some(&100));
    // The clock is set back: nobody waits longer than the rate says.
    bench.clock.advance(-HOUR);
    assert!(delays(1)[0] <= 61_000);
    assert_eq!(bench.told(Code::Throttled).len(), 2, "told once a second");
    let twins = || bench.hub.twin_admitted(&dev1(), &connection);
    assert_eq!([twins(), twins(), twins()], [true, true, false]);
    bench.clock.advance(1000);
    assert!(twins());
    bench.fault("throttle=2");
    assert!(!twins(), "each is answered with 429");
    assert_eq!(delays(4), [0, 0, 500, 1000]);
    let longest = delays(1000);
    assert_eq!(longest.iter().max(), Some(&60_000), "nobody waits for ever");
}

/// From the disk, without the oldest.
#[test]
fn messages_survive() {
    let folder = Folder::new();
    let mut config = config();
    config.limits.telemetry_kept = 50;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let before = {
        let bench = Bench::with(&config, folder.store()).expect("a hub");
        let connection = bench.connection(Listener::Mqtts);
        let store = |number: u8| {
            let mut message = incoming(&[number, 0xff]);
            message.system = [("content-type".into(), "a".into())].into();
            let stored = bench.hub.telemetry(&dev1(), &connection, message);
            stored.expect("it is stored")
        };
        let all: Vec<_> = (0..120).map(store).collect();
        for durable in all {
            assert!(runtime.block_on(durable.wait()));
        }
        bench.hub.telemetry.since(0, None, 1000)
    };
    let bench = Bench::with(&config, folder.store()).expect("a hub");
    let after = bench.hub.telemetry.since(0, None, 1000);
    assert_eq!((after.len(), &after), (50, &before));
    let connection = bench.connection(Listener::Mqtts);
    drop(bench.hub.telemetry(&dev1(), &connection, incoming(b"x")));
    assert_eq!(bench.hub.telemetry.last(), 121, "the numbers go on");
}

/// The disk as it is when the lab is killed between a message and the next: no number is used again.
#[test]
fn numbers_after_a_kill() {
    let (folder, killed) = (Folder::new(), Folder::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let seen = {
        let bench = Bench::with(&config(), folder.store()).expect("a hub");
        let connection = bench.connection(Listener::Mqtts);
        let store = || {
            let stored = bench.hub.telemetry(&dev1(), &connection, incoming(b"x"));
            stored.expect("it is stored")
        };
        assert!(runtime.block_on(store().wait()));
        std::fs::copy(folder.file("lab.redb"), killed.file("lab.redb")).expect("a copy");
        drop(store());
        bench.hub.telemetry.last()
    };
    assert_eq!(seen, 2);
    for store in [killed.store(), folder.store()] {
        let bench = Bench::with(&config(), store).expect("a hub");
        let connection = bench.connection(Listener::Mqtts);
        drop(bench.hub.telemetry(&dev1(), &connection, incoming(b"y")));
        let last = bench.hub.telemetry.last();
        assert!(last > seen);
        let kept = bench.hub.telemetry.since(seen, None, 10);
        assert_eq!(kept.len(), 1, "a gap is no matter");
        assert_eq!(kept[0].sequence, last);
    }
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    assert_eq!(bench.hub.telemetry.last(), 3, "no gap without a kill");
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,8}"
}

proptest! {
    /// What is written as JSON is what is read again, be it text or not.
    #[test]
    fn json_and_back(
        payload in prop_oneof![text().prop_map(String::into_bytes), any::<Vec<u8>>()],
        properties in prop::collection::btree_map(text(), text(), 0..4),
        module in prop::option::of(text()),
        sequence: u64,
    ) {
        let message = crate::hub::Message {
            sequence,
            enqueued: NOW.plus(7),
            device: "dev1".into(),
            module,
            connection: 3,
            properties,
            system: BTreeMap::new(),
            body: super::super::body::Body(payload.into()),
        };
        let json = serde_json::to_value(&message).expect("JSON");
        let text = std::str::from_utf8(&message.body.0).is_ok();
        prop_assert_eq!(json.get("body").is_some(), text);
        prop_assert_eq!(json.get("body_base64").is_some(), !text);
        prop_assert_eq!(serde_json::from_value::<crate::hub::Message>(json).expect("read"), message);
    }
}
