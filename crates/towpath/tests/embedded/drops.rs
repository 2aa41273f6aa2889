//! Futures dropped at a certain await point, and connections dropped as a whole.

use towpath::{
    QoS,
    embedded::Connection,
    proto::{Event, event::Outcome},
};
use towpath_sim::{Chunks, Inbox, Seen, Terms, Weather};

use crate::{
    BOTH, device, message, open, start,
    world::{Habits, World},
};

pub(crate) const STUTTERING: Habits = Habits {
    weather: Weather {
        chunks: Chunks::Upto(3),
        writes: Chunks::Upto(3),
        ..Weather::FAIR
    },
    stutter: 30,
    hoards: false,
    never_flushes: false,
    write_end: None,
    read_error: None,
    read_end: None,
    narrow: None,
};

#[test]
fn opening_can_be_dropped_anywhere_and_tried_again() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let mut polls = 0;
        loop {
            let world = World::serving(Terms::default(), STUTTERING);
            let mut client = device();
            client.publish(&message(b"x", QoS::AtLeastOnce)).unwrap();
            world.open(ws);
            let (reader, writer) = world.halves();
            let start = start(version, ws);
            let opening = Connection::open(&mut client, reader, writer, &world, &start);
            let opened = world.poll_for(polls, opening).is_some();
            assert!(!client.is_connected(), "its connection is dropped");
            let mut connection = open(&world, &mut client, &start);
            let settled = async {
                loop {
                    if let Event::Settled { outcome, .. } = connection.next().await {
                        return outcome;
                    }
                }
            };
            assert!(matches!(world.run(settled), Outcome::Acknowledged(_)));
            if opened {
                break;
            }
            polls += 1;
        }
        assert!(polls > 4, "{polls}: there are many points to drop it at");
    }
}

#[test]
fn a_farewell_can_be_dropped_anywhere_and_tried_again() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for polls in 0..30 {
            let world = World::serving(Terms::default(), STUTTERING);
            let mut client = device();
            let mut connection = open(&world, &mut client, &start(version, ws));
            world.poll_for(polls, connection.disconnect());
            world.run(connection.disconnect()).unwrap();
            // What is under way arrives.
            world.poll_for(100, std::future::pending::<()>());
            assert!(!world.server().is_connected());
        }
    }
}

/// A QoS 2 message is noted when it is found; one that nobody took has to come again.
#[test]
fn a_message_that_nobody_took_is_not_lost_with_its_connection() {
    for version in BOTH {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for farewell in [false, true] {
                let world = World::serving(Terms::default(), Habits::default());
                let mut client = device();
                let mut start = start(version, false);
                let expiry = [towpath::Property::SessionExpiryInterval(600)];
                if version == towpath::Version::V5 {
                    start.connect.properties = towpath::Properties::new(&expiry);
                }
                let mut connection = open(&world, &mut client, &start);
                assert!(matches!(world.run(connection.next()), Event::Connected(_)));
                world.server().publish("c", "t", b"precious", qos);
                connection
                    .publish(&message(b"x", QoS::AtLeastOnce))
                    .unwrap();
                world.habits().never_flushes = true;
                assert!(!world.run(connection.flush()), "an event comes first");
                world.habits().never_flushes = false;
                if farewell {
                    world.run(connection.disconnect()).unwrap();
                }
                drop(connection);
                let mut connection = open(&world, &mut client, &start);
                let mut inbox = Inbox::default();
                let arrived = world.run(async {
                    loop {
                        if let (_, Some(Seen::Message(arrived))) =
                            inbox.take(&connection.next().await)
                        {
                            return arrived;
                        }
                    }
                });
                assert_eq!(arrived.payload, b"precious");
            }
        }
    }
}

#[test]
fn a_dropped_connection_is_none() {
    let world = World::serving(Terms::default(), Habits::default());
    let mut client = device();
    drop(open(
        &world,
        &mut client,
        &start(towpath::Version::V5, false),
    ));
    assert!(!client.is_connected());
    client.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
    assert_ne!(client.stored(), 0, "it waits for the next connection");
}
