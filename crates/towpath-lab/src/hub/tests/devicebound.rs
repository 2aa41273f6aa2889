//! Cloud-to-device messages: nothing is lost, the order holds, the bounds hold.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::hub::{Queued, Settle, inbox::Outcome};

fn dev1() -> Name {
    Name::device("dev1")
}

fn asking(text: &str, ack: &str) -> C2d {
    C2d {
        properties: [("iothub-ack".into(), ack.into())].into(),
        system: [("message-id".into(), text.into())].into(),
        ..message(text)
    }
}

fn send(bench: &Bench, text: &str) -> u64 {
    let (sequence, _durable) = bench
        .hub
        .enqueue(&dev1(), message(text))
        .expect("there is room");
    sequence
}

fn waiting(bench: &Bench) -> Vec<u64> {
    let queue = bench.hub.queue(&dev1()).expect("a device");
    queue.iter().map(|message| message.sequence).collect()
}

#[test]
fn queued_delivered_completed() {
    let bench = Bench::new(&config());
    assert_eq!((send(&bench, "a"), send(&bench, "b")), (1, 2));
    let (connection, mut admitted) = bench.enter("dev1", false);
    assert!(down(&mut admitted).is_empty(), "nobody has subscribed");
    bench.subscribe("dev1", &connection, Feature::CloudToDevice);
    let sent = down(&mut admitted);
    assert_eq!(
        messages(&sent),
        [("a".into(), Some(1)), ("b".into(), Some(2))]
    );
    send(&bench, "c");
    let sent = down(&mut admitted);
    assert_eq!(messages(&sent), [("c".into(), Some(3))]);
    match sent.as_slice() {
        [Down::Publish { topic, qos: 1, .. }] => assert_eq!(
            topic,
            "devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound"
        ),
        other => panic!("{other:?}"),
    }
    drop(bench.hub.complete(&dev1(), &connection, 2));
    assert_eq!(waiting(&bench), [1, 3]);
    // The connection breaks: what was not acknowledged comes again, in order.
    bench.hub.leave(&dev1(), &connection, None);
    let (connection, mut admitted) = bench.enter("dev1", false);
    assert_eq!(
        messages(&down(&mut admitted)),
        [("a".into(), Some(1)), ("c".into(), Some(3))]
    );
    drop(bench.hub.complete(&dev1(), &connection, 1));
    drop(bench.hub.complete(&dev1(), &connection, 3));
    drop(bench.hub.complete(&dev1(), &connection, 3));
    assert!(waiting(&bench).is_empty());
    assert_eq!(
        bench.told(Code::LockLost).len(),
        1,
        "the second PUBACK of 3"
    );
    bench.hub.leave(&dev1(), &connection, None);
}

#[test]
fn with_qos_0_sent_is_done() {
    let bench = Bench::new(&config());
    let (connection, mut admitted) = bench.enter("dev1", false);
    let granted = bench
        .hub
        .subscribe(&dev1(), &connection, Feature::CloudToDevice, 0);
    assert_eq!(granted, Ok(0));
    send(&bench, "a");
    assert_eq!(messages(&down(&mut admitted)), [("a".into(), Some(1))]);
    assert_eq!(waiting(&bench), [1], "it is not written yet");
    drop(bench.hub.complete(&dev1(), &connection, 1));
    assert!(waiting(&bench).is_empty());
}

#[test]
fn who_may_have_a_message_already_is_told() {
    let bench = Bench::new(&config());
    let redelivered = |admitted: &mut Admitted| -> Vec<bool> {
        let one = |down: Down| match down {
            Down::Publish { redelivered, .. } => Some(redelivered),
            Down::Close { .. } => None,
        };
        down(admitted).into_iter().filter_map(one).collect()
    };
    let (first, mut one) = bench.enter("dev1", false);
    bench.subscribe("dev1", &first, Feature::CloudToDevice);
    send(&bench, "a");
    assert_eq!(redelivered(&mut one), [false]);
    let (second, mut two) = bench.enter("dev1", false);
    send(&bench, "b");
    assert_eq!(redelivered(&mut two), [true, false]);
    // The connection that was taken over from has no say any more.
    drop(bench.hub.complete(&dev1(), &first, 1));
    assert_eq!(waiting(&bench), [1, 2]);
    drop(bench.hub.complete(&dev1(), &second, 1));
    assert_eq!(waiting(&bench), [2]);
    assert!(bench.told(Code::LockLost).is_empty());
}

#[test]
fn a_clean_session_drops_what_is_queued() {
    let bench = Bench::new(&config());
    drop(
        bench
            .hub
            .enqueue(&dev1(), asking("a", "full"))
            .expect("there is room"),
    );
    let (connection, mut admitted) = bench.enter("dev1", true);
    bench.subscribe("dev1", &connection, Feature::CloudToDevice);
    assert!(down(&mut admitted).is_empty() && waiting(&bench).is_empty());
    let (feedback, _durable) = bench.hub.take_feedback(10);
    assert_eq!(feedback.len(), 1);
    assert_eq!(feedback[0].status_code, Outcome::Purged);
}

#[test]
fn messages_expire_and_those_of_a_connection_do_not() {
    let bench = Bench::new(&config());
    let (connection, mut admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::CloudToDevice);
    send(&bench, "a");
    assert_eq!(down(&mut admitted).len(), 1);
    bench.clock.advance(2 * HOUR);
    bench.hub.tick();
    assert!(
        down(&mut admitted).is_empty(),
        "it stays with its connection"
    );
    assert_eq!(waiting(&bench), [1]);
    bench.clock.advance(-2 * HOUR);
    bench.hub.leave(&dev1(), &connection, None);
    let mut short = asking("b", "negative");
    short.ttl = Some(5000);
    drop(bench.hub.enqueue(&dev1(), short).expect("there is room"));
    bench.clock.advance(5000);
    bench.hub.tick();
    assert_eq!(waiting(&bench), [1]);
    // The hub's own time to live is an hour.
    bench.clock.advance(HOUR);
    bench.hub.tick();
    assert!(waiting(&bench).is_empty());
    let (feedback, _durable) = bench.hub.take_feedback(10);
    assert_eq!(feedback.len(), 1, "only one asked for it");
    assert_eq!(
        (feedback[0].status_code, &*feedback[0].original_message_id),
        (Outcome::Expired, "b")
    );
}

#[test]
fn feedback_for_who_asks() {
    let bench = Bench::new(&config());
    let (connection, mut admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::CloudToDevice);
    for ack in ["none", "positive", "negative", "full"] {
        let (sequence, _durable) = bench.hub.enqueue(&dev1(), asking(ack, ack)).expect("room");
        drop(bench.hub.complete(&dev1(), &connection, sequence));
    }
    assert_eq!(down(&mut admitted).len(), 4);
    let (feedback, _durable) = bench.hub.take_feedback(1);
    assert_eq!(
        serde_json::to_value(&feedback).expect("JSON"),
        serde_json::json!([{
            "originalMessageId": "positive",
            "enqueuedTimeUtc": NOW.rfc3339(),
            "statusCode": "Success",
            "description": "Success",
            "deviceId": "dev1",
            "deviceGenerationId": bench.hub.lock().entries[&dev1()].identity.generation,
        }])
    );
    assert_eq!(
        bench.hub.take_feedback(10).0.len(),
        1,
        "of the one with full"
    );
}

#[test]
fn what_is_refused() {
    let mut config = config();
    (config.limits.c2d_queue, config.limits.c2d_bytes) = (2, 100);
    let bench = Bench::new(&config);
    let code = |name: &Name, message: C2d| {
        let refused = bench.hub.enqueue(name, message);
        refused.map(|_| ()).map_err(|rejected| rejected.code)
    };
    assert_eq!(
        code(&Name::device("none"), message("")),
        Err(Code::DeviceNotFound)
    );
    assert_eq!(
        code(&Name::module("dev1", "mod1"), message("")),
        Err(Code::ArgumentInvalid)
    );
    assert_eq!(
        code(&dev1(), message(&"x".repeat(101))),
        Err(Code::TooLarge)
    );
    assert_eq!(code(&dev1(), message(&"x".repeat(100))), Ok(()));
    let mut short = message("");
    short.ttl = Some(1);
    assert_eq!(code(&dev1(), short), Ok(()));
    assert_eq!(code(&dev1(), message("")), Err(Code::QueueFull));
    bench.clock.advance(1);
    assert_eq!(
        code(&dev1(), message("")),
        Ok(()),
        "what has expired makes room"
    );
    let (purged, _durable) = bench.hub.purge(&dev1()).expect("a device");
    assert_eq!(purged, 2);
    assert!(bench.hub.purge(&Name::device("none")).is_none());
}

#[test]
fn over_http() {
    let mut config = config();
    config.limits.c2d_deliveries = 2;
    let bench = Bench::new(&config);
    send(&bench, "a");
    send(&bench, "b");
    let receive = || {
        let (message, _durable) = bench.hub.receive(&dev1());
        message.map(|(message, token)| (message.sequence, token))
    };
    let settle = |token: &str, how| bench.hub.settle(&dev1(), token, how).map(|_| ());
    let (sequence, token) = receive().expect("a message");
    assert_eq!(
        (sequence, receive().map(|(sequence, _)| sequence)),
        (1, Some(2))
    );
    assert!(receive().is_none(), "both are locked");
    let lost = settle("00000000-0000-0000-0000-000000000000", Settle::Complete);
    assert_eq!(lost.map_err(|lost| lost.code), Err(Code::LockLost));
    assert_eq!(settle(&token, Settle::Abandon), Ok(()));
    let (sequence, token) = receive().expect("it is back");
    assert_eq!(sequence, 1);
    assert_eq!(
        settle(&token, Settle::Abandon),
        Ok(()),
        "for the second time"
    );
    assert_eq!(waiting(&bench), [2], "which was once too often");
    bench.clock.advance(60_000);
    let (sequence, token) = receive().expect("its lock has run out");
    assert_eq!((sequence, settle(&token, Settle::Reject)), (2, Ok(())));
    assert!(waiting(&bench).is_empty());
    assert!(settle(&token, Settle::Complete).is_err());
}

/// What a look at the queue has changed is written, whatever comes of the look; a look that changes nothing writes
/// nothing.
#[test]
fn a_look_is_written_if_it_changed_something() {
    let folder = Folder::new();
    {
        let bench = Bench::with(&config(), folder.store()).expect("a hub");
        let mut short = message("a");
        short.ttl = Some(1000);
        for message in [short.clone(), short, message("c")] {
            drop(bench.hub.enqueue(&dev1(), message).expect("room"));
        }
        let (first, durable) = bench.hub.receive(&dev1());
        assert!(first.is_some() && durable.is_done(), "nothing has changed");
        bench.clock.advance(1000);
        let (third, durable) = bench.hub.receive(&dev1());
        let third = third.map(|(message, _)| message.sequence);
        assert_eq!((third, durable.is_done()), (Some(3), false));
        bench.clock.advance(60_000);
        let lost = bench.hub.settle(&dev1(), "no token", Settle::Complete);
        assert!(lost.is_err());
        assert_eq!(waiting(&bench), [3]);
    }
    // The clock of this one is back at the start.
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    assert_eq!(waiting(&bench), [3]);
}

/// A connection that takes nothing: the hub holds what its channel does not, and goes on when there is room.
#[test]
fn a_slow_connection() {
    let mut config = config();
    config.limits.c2d_queue = 300;
    let bench = Bench::new(&config);
    let (connection, mut admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::CloudToDevice);
    for number in 0..300 {
        send(&bench, &number.to_string());
    }
    let first = messages(&down(&mut admitted));
    assert_eq!(first.len(), super::super::live::WAITING);
    bench.clock.advance(1000);
    bench.hub.tick();
    let rest = messages(&down(&mut admitted));
    let numbers: Vec<_> = first
        .iter()
        .chain(&rest)
        .filter_map(|(_, number)| *number)
        .collect();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
}

#[test]
fn queues_and_feedback_survive() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    {
        let bench = Bench::with(&config(), folder.store()).expect("a hub");
        let (connection, mut admitted) = bench.enter("dev1", false);
        bench.subscribe("dev1", &connection, Feature::CloudToDevice);
        for text in ["a", "b", "c"] {
            let (_, durable) = bench
                .hub
                .enqueue(&dev1(), asking(text, "full"))
                .expect("room");
            assert!(runtime.block_on(durable.wait()));
        }
        assert_eq!(down(&mut admitted).len(), 3);
        assert!(runtime.block_on(bench.hub.complete(&dev1(), &connection, 2).wait()));
    }
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    assert_eq!(waiting(&bench), [1, 3]);
    let (_connection, mut admitted) = bench.enter("dev1", false);
    assert!(admitted.session_present, "with the subscription");
    let sent = messages(&down(&mut admitted));
    assert_eq!(sent, [("a".into(), Some(1)), ("c".into(), Some(3))]);
    assert_eq!(send(&bench, "d"), 4, "the numbers go on");
    assert_eq!(bench.hub.take_feedback(10).0.len(), 1);
    drop(bench);
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    assert!(bench.hub.take_feedback(10).0.is_empty(), "it was taken");
    bench.clock.advance(HOUR);
    bench.hub.tick();
    assert!(waiting(&bench).is_empty(), "times to live go on");
}

/// What happens to a queue.
#[derive(Debug, Clone)]
enum Event {
    Enqueue(i64),
    Connect {
        clean: bool,
    },
    Break,
    /// The device takes what was sent and acknowledges so many of it.
    Acknowledge(usize),
    Wait(i64),
    Receive,
    Settle(Settle),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_000_i64..200_000).prop_map(Event::Enqueue),
        1 => prop::bool::weighted(0.2).prop_map(|clean| Event::Connect { clean }),
        1 => Just(Event::Break),
        3 => (0_usize..4).prop_map(Event::Acknowledge),
        2 => (0_i64..90_000).prop_map(Event::Wait),
        1 => Just(Event::Receive),
        1 => prop_oneof![Just(Settle::Complete), Just(Settle::Reject), Just(Settle::Abandon)].prop_map(Event::Settle),
    ]
}

/// A device and a service with their memory of what was promised.
struct Story {
    bench: Bench,
    live: Option<(Arc<Connection>, Admitted)>,
    /// Sent over this connection and not acknowledged.
    sent: VecDeque<u64>,
    token: Option<String>,
    enqueued: u64,
}

impl Story {
    fn connect(&mut self, clean: bool) {
        let (connection, admitted) = self.bench.enter("dev1", clean);
        self.bench
            .subscribe("dev1", &connection, Feature::CloudToDevice);
        self.live = Some((connection, admitted));
        self.sent.clear();
    }

    fn step(&mut self, event: &Event) {
        let hub = &self.bench.hub;
        match event {
            Event::Enqueue(ttl) => {
                let full = waiting(&self.bench).len() >= 5;
                let message = C2d {
                    ttl: Some(*ttl),
                    ..asking("m", "full")
                };
                let queued = hub.enqueue(&dev1(), message);
                assert_eq!(queued.is_err(), full);
                self.enqueued += u64::from(!full);
            }
            Event::Connect { clean } => self.connect(*clean),
            Event::Break => {
                if let Some((connection, _)) = self.live.take() {
                    hub.leave(&dev1(), &connection, None);
                }
            }
            Event::Acknowledge(count) => {
                let Some((connection, admitted)) = &mut self.live else {
                    return;
                };
                for (_, sequence) in messages(&down(admitted)) {
                    self.sent.push_back(sequence.expect("QoS 1"));
                }
                for _ in 0..*count {
                    let Some(sequence) = self.sent.pop_front() else {
                        return;
                    };
                    drop(hub.complete(&dev1(), connection, sequence));
                }
            }
            Event::Wait(millis) => {
                self.bench.clock.advance(*millis);
                hub.tick();
            }
            Event::Receive => {
                if let (Some((_, token)), _durable) = hub.receive(&dev1()) {
                    self.token = Some(token);
                }
            }
            Event::Settle(how) => {
                if let Some(token) = self.token.take() {
                    drop(hub.settle(&dev1(), &token, *how));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Each message that was taken on leaves the queue once, with feedback that says how; until then it is in the queue;
    /// the queue is in order and bounded; and what has its time is in the hub's list.
    #[test]
    fn nothing_is_lost(events in prop::collection::vec(event(), 0..60)) {
        let mut config = config();
        (config.limits.c2d_queue, config.limits.c2d_deliveries) = (5, 2);
        let mut story = Story {
            bench: Bench::new(&config),
            live: None,
            sent: VecDeque::new(),
            token: None,
            enqueued: 0,
        };
        let mut settled = 0;
        for event in &events {
            story.step(event);
            let left = waiting(&story.bench);
            prop_assert!(left.len() <= 5 && left.is_sorted_by(|a, b| a < b), "{:?}", left);
            settled += story.bench.hub.take_feedback(1000).0.len() as u64;
            prop_assert_eq!(settled + left.len() as u64, story.enqueued);
            let state = story.bench.hub.lock();
            let due = state.entries[&dev1()].inbox.due;
            let mut queue = state.entries[&dev1()].inbox.iter();
            let held = |message: &Queued| {
                let lock = message.lock.as_ref();
                lock.is_some_and(|lock| lock.connection.is_some())
            };
            prop_assert_eq!(due.is_none(), queue.all(held));
        }
        // In the end everything is delivered, or has expired.
        story.connect(false);
        for _ in 0..10 {
            story.step(&Event::Acknowledge(5));
            story.step(&Event::Wait(60_000));
        }
        prop_assert!(waiting(&story.bench).is_empty());
    }
}
