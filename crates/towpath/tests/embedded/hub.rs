//! A device of IoT Hub on the embedded face: telemetry from its outbox, over TLS in memory, with the future of its run
//! dropped after any number of polls.

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use towpath::{
    Version,
    azure::{self, Entry, Key, Proof, Settings, Stop},
    embedded::hub::{Access, Clock, Commands, Event, Hub, Opened, Outbox, Ram, To},
    proto::{Buffers, Fault, tls::Layer},
};
use towpath_sim::{Security, Terms, Toy};

use crate::{
    delivery,
    world::{Habits, Reader, World, Writer},
};

const ENTRY: Entry<'static> = Entry::Hub {
    hub: "hub.example",
    device_id: "lamp",
};
const MESSAGES: u64 = 12;

impl Clock for World {
    fn unix(&self) -> Option<u64> {
        Some(1_795_000_000 + self.clock().as_micros() / 1_000_000)
    }
}

/// The way to the server of a world.
struct Way<'w> {
    world: &'w World,
    opened: u32,
}

impl Access for Way<'_> {
    type Reader<'s>
        = Reader<'s>
    where
        Self: 's;
    type Writer<'s>
        = Writer<'s>
    where
        Self: 's;
    type Tls<'s>
        = Toy
    where
        Self: 's;

    async fn open(&mut self, to: &To<'_>) -> Result<Opened<Reader<'_>, Writer<'_>, Toy>, Fault> {
        assert_eq!((to.host, to.port), ("hub.example", 8883));
        assert!(!to.shows_certificate);
        self.opened += 1;
        let tls: Layer<Toy> = self.world.open_secured(false);
        let (reader, writer) = self.world.halves();
        Ok(Opened {
            reader,
            writer,
            tls,
        })
    }
}

fn key() -> Key {
    Key::from_base64("bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==").expect("base64")
}

fn settings(key: &Key) -> Settings<'_> {
    let mut settings = Settings::new(ENTRY, Proof::Key(key));
    settings.transports = azure::Transports::Only(azure::Transport::Mqtts);
    settings
}

/// Runs a device until its outbox is empty, each run dropped after at most so many polls; how many connections it took.
fn deliver(habits: Habits, polls: &[usize]) -> u32 {
    let terms = Terms {
        slow_acks: 30,
        ..delivery::terms(Version::V311)
    };
    let world = World::secured(terms, Security::default(), habits);
    let (mut rx, mut tx, mut store, mut memory) = ([0; 2048], [0; 1024], [0; 2048], [0; 2048]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let key = key();
    let random: fn() -> u32 = || 4;
    let mut hub = Hub::<_>::new(settings(&key), None, buffers, random);
    let commands = Commands::<_>::new(Ram::new(&mut memory));
    let delivered = RefCell::new(BTreeSet::new());
    let mut way = Way {
        world: &world,
        opened: 0,
    };
    for number in 1..=MESSAGES {
        let body = number.to_string();
        let sent = world.run(commands.send(world.unix(), None, "", body.as_bytes()));
        assert_eq!(sent, Ok(number));
    }
    for polls in polls.iter().cycle().take(10_000) {
        let told = |event: Event<'_>| {
            if let Event::Delivered(sequence) = event {
                assert!(delivered.borrow_mut().insert(sequence), "{sequence} twice");
            }
        };
        let done = async {
            while commands.waiting().await > 0 {
                embassy_futures::yield_now().await;
            }
        };
        let run = hub.run(&mut way, &world, &commands, told);
        if world
            .poll_for(*polls, embassy_futures::select::select(run, done))
            .is_some()
        {
            break;
        }
    }
    assert_eq!(
        delivered.borrow().len(),
        MESSAGES as usize,
        "{habits:?} {polls:?}"
    );
    let server = world.server();
    let heard = server
        .heard
        .iter()
        .filter(|heard| heard.topic == "devices/lamp/messages/events/");
    let heard: BTreeSet<String> = heard
        .map(|heard| String::from_utf8(heard.payload.clone()).expect("a number"))
        .collect();
    assert_eq!(heard.len(), MESSAGES as usize, "{habits:?} {polls:?}");
    way.opened
}

#[test]
fn telemetry_arrives_over_every_stream() {
    for habits in delivery::streams() {
        assert_eq!(deliver(habits, &[100_000]), 1, "{habits:?}");
    }
}

#[test]
fn telemetry_arrives_though_runs_are_dropped_after_any_number_of_polls() {
    for habits in delivery::streams() {
        // A dropped run costs the connection, so there has to be one that lives long enough on the slowest stream.
        let opened = deliver(habits, &[1, 2, 3, 7, 40, 90, 150, 260, 700, 100_000]);
        assert!(opened > 1, "{habits:?}");
    }
}

#[test]
fn it_stops_when_it_is_asked_to_with_a_farewell() {
    let world = World::secured(Terms::default(), Security::default(), Habits::default());
    let (mut rx, mut tx, mut store) = ([0; 2048], [0; 1024], [0; 512]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let key = key();
    let random: fn() -> u32 = || 4;
    let mut hub = Hub::<_>::new(settings(&key), None, buffers, random);
    let mut memory = [0; 64];
    let commands = Commands::<_>::new(Ram::new(&mut memory));
    let mut way = Way {
        world: &world,
        opened: 0,
    };
    let told = |event: Event<'_>| {
        if let Event::Device(azure::Event::Connected { .. }) = event {
            commands.stop();
        }
    };
    let stop = world.run(hub.run(&mut way, &world, &commands, told));
    assert_eq!(stop, Stop::Asked);
    assert_eq!(world.server().accepted, 1);
    let reported = world.run(commands.report(b"{}"));
    assert_eq!(reported, Err(towpath::embedded::hub::ReportError::Stopped));
}

#[test]
fn the_outbox_in_memory_keeps_order_and_lets_the_oldest_go() {
    let world = World::secured(Terms::default(), Security::default(), Habits::default());
    let mut memory = [0; 128];
    let mut outbox = Ram::new(&mut memory);
    world.run(async {
        // 34 bytes each beside the body.
        for number in 1..=5 {
            assert_eq!(outbox.push(Some(10), None, "", b"abcd").await, Ok(number));
        }
        assert_eq!((outbox.len(), outbox.displaced()), (3, 2));
        let first = outbox
            .next_after(None, None)
            .await
            .unwrap()
            .map(|stored| stored.sequence);
        assert_eq!(first, Some(3));
        assert_eq!(outbox.remove(4).await, Ok(true));
        assert_eq!(outbox.remove(4).await, Ok(false));
        let next = outbox.next_after(Some(3), None).await.unwrap();
        assert_eq!(next.map(|stored| stored.sequence), Some(5));
        assert!(outbox.push(None, None, "", &[0; 128]).await.is_err());
        assert_eq!(outbox.push(None, Some(20), "a=b", b"").await, Ok(6));
        let expired = outbox.next_after(Some(5), Some(20)).await.unwrap();
        assert_eq!(expired.map(|stored| stored.sequence), None);
        assert_eq!(outbox.age(), None::<Duration>);
    });
}
