//! Any bytes at all: nothing panics, and the lab goes on.

use proptest::prelude::*;

use super::{captures::PYTHON_SAS, *};

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

/// Packets that are nearly right are more telling than noise.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let topic = prop_oneof![
        Just("devices/dev1/messages/events/".to_owned()),
        Just("$iothub/twin/GET/?$rid=1".to_owned()),
        Just("$iothub/twin/PATCH/properties/reported/?$rid=1".to_owned()),
        Just("$iothub/methods/res/200/?$rid=1".to_owned()),
        "[a-z$/?=%&]{1,20}",
    ];
    let payload = prop_oneof![
        Just(b"{}".to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    prop_oneof![
        (topic, 0..4u16, payload).prop_map(|(topic, id, payload)| publish(&topic, id, &payload)),
        Just(subscribe(1, &["$iothub/twin/res/#"], QoS::AtMostOnce)),
        Just(unsubscribe(1, "$iothub/twin/res/#")),
        Just(vec![0xC0, 0]),
        (1u8..9).prop_map(|id| vec![0x40, 2, 0, id]),
        prop::collection::vec(any::<u8>(), 1..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_conversation_of_any_packets(
        packets in prop::collection::vec(packet(), 0..30),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        admitted in any::<bool>(),
        buffer in 1usize..300,
    ) {
        run(async move {
            let bench = Bench::with(|hub| {
                hub.behaviour.unknown_topic = crate::config::UnknownTopic::Drop;
            });
            let mut client = bench.dial_with(None, buffer);
            let mut all = if admitted { unhex(PYTHON_SAS) } else { Vec::new() };
            let start = all.len();
            all.extend(packets.concat());
            for (at, value) in flips {
                if all.len() > start {
                    let at = start + at.index(all.len() - start);
                    all[at] = value;
                }
            }
            let (mut read, mut write) = tokio::io::split(client.stream);
            let reader = tokio::spawn(async move {
                let mut all = Vec::new();
                let _ = read.read_to_end(&mut all).await;
            });
            let _ = write.write_all(&all).await;
            let _ = write.shutdown().await;
            timeout(LONG, &mut client.task).await.expect("an end").expect("no panic");
            reader.await.expect("no panic");
            prop_assert_eq!(bench.shared.connections.live(), 0);
            prop_assert!(!bench.is_connected(&Name::device("dev1")));
            // It serves the next one.
            bench.connected("dev1").await.disconnect().await;
            Ok(())
        })?;
    }
}

/// Many first packets that are no CONNECT, or nearly one: a small generator of its own, the same in each run.
async fn malformed_first_packets(bench: &Bench, count: u64) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let connect = unhex(PYTHON_SAS);
    for number in 0..count {
        let mut bytes = if number % 2 == 0 {
            (0..random() % 64).map(|_| random() as u8).collect()
        } else {
            connect.clone()
        };
        for _ in 0..4 {
            let at = random() as usize % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random() as u8;
            }
        }
        let mut client = bench.dial_with(None, 256);
        let _ = client.stream.write_all(&bytes).await;
        client.vanish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_malformed_first_packets() {
    let bench = Bench::new();
    malformed_first_packets(&bench, 2000).await;
    assert_eq!(bench.shared.connections.live(), 0);
    bench.connected("dev2").await.disconnect().await;
}
