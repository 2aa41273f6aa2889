//! Keep alive, flushing, farewells, refusals.

use std::time::Duration;

use towpath::{
    Properties, Property, QoS, ReasonCode, Refusal, TopicFilter, Version,
    embedded::{Connection, Error},
    proto::{Client, Event, Fact, Rung, mqtt::packet::Subscription},
};
use towpath_sim::{Memory, Rng, Terms, hex};

use crate::{
    BOTH, device, message, open, start,
    world::{Habits, Peer, World},
};

#[test]
fn a_silent_connection_is_kept_alive() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let world = World::serving(Terms::default(), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, ws));
        assert!(matches!(world.run(connection.next()), Event::Connected(_)));
        let begin = *world.clock();
        assert!(world.poll_for(100, connection.next()).is_none());
        assert!(world.clock().since(begin) > Duration::from_secs(600));
        assert!(world.server().pings >= 10);
    }
}

#[test]
fn flush_sends_what_was_published_and_asks_the_writer() {
    let hoarding = Habits {
        hoards: true,
        ..Habits::default()
    };
    let world = World::serving(Terms::default(), hoarding);
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    assert!(matches!(world.run(connection.next()), Event::Connected(_)));
    for _ in 0..3 {
        connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
    }
    assert!(world.run(connection.flush()));
    world.poll_for(10, std::future::pending::<()>());
    assert_eq!(world.server().heard.len(), 3);
    assert!(connection.is_settled());
}

#[test]
fn after_the_farewell_nothing_follows_but_itself() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let world = World::serving(Terms::default(), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, ws));
        world.run(connection.disconnect()).unwrap();
        assert!(
            *world.flushes.borrow() > 0,
            "a stack may forget what it has not sent"
        );
        assert_eq!(world.run(connection.next()), Event::Disconnected);
        assert_eq!(world.run(connection.next()), Event::Disconnected);
        assert!(world.run(connection.flush()));
        world.run(connection.disconnect()).unwrap();
    }
}

#[test]
fn a_farewell_that_nobody_hears_ends_when_patience_does() {
    let world = World::serving(Terms::default(), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    world.habits().never_flushes = true;
    let begin = *world.clock();
    world.run(connection.disconnect()).unwrap();
    assert_eq!(world.clock().since(begin), Duration::from_secs(10));
}

#[test]
fn a_farewell_waits_for_room() {
    let world = World::serving(Terms::default(), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    while connection
        .publish(&message(&[0; 100], QoS::AtMostOnce))
        .is_ok()
    {}
    let said = [Property::ReasonString(
        "so long and thanks for all the fish, which were good and many, and I'd like to have had more of them, though I have to leave now for good. Farewell; don't panic, it is mostly harmless where I am going.",
    )];
    let farewell = connection.disconnect_with(ReasonCode::SUCCESS, Properties::new(&said));
    world.run(farewell).unwrap();
    drop(connection);
    let said = "x".repeat(2000);
    let said = [Property::ReasonString(&said)];
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    let farewell = connection.disconnect_with(ReasonCode::SUCCESS, Properties::new(&said));
    assert_eq!(world.run(farewell), Err(Error::Refused(Refusal::Full)));
}

#[test]
fn a_connect_that_does_not_fit_is_refused() {
    let world = World::serving(Terms::default(), Habits::default());
    let mut client = Client::new(Memory::device(64, 8, 0, 0), Rng::new(1));
    let (reader, writer) = world.halves();
    let start = start(Version::V5, false);
    let opening = Connection::open(&mut client, reader, writer, &world, &start);
    let refused = world.run(opening).map(|_| ());
    assert_eq!(refused, Err(Error::Refused(Refusal::Full)));
}

#[test]
fn subscriptions_are_answered() {
    for version in BOTH {
        let world = World::serving(Terms::default(), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, false));
        assert!(matches!(world.run(connection.next()), Event::Connected(_)));
        let filter = TopicFilter::new("a/#").unwrap();
        let asked = connection.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)]);
        match world.run(connection.next()) {
            Event::Subscribed(answer) => assert_eq!(Ok(answer.packet_id), asked),
            other => panic!("{other:?}"),
        }
        let asked = connection.unsubscribe(&[filter]);
        match world.run(connection.next()) {
            Event::Unsubscribed(answer) => assert_eq!(Ok(answer.packet_id), asked),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn opening_answers_early_for_a_step_of_authentication() {
    let says = hex("f0 [ 18 [ 15 <m> ] ]");
    let closes = false;
    let world = World::new(Peer::Bytes { says, closes }, Habits::default());
    let mut client = device();
    let method = [Property::AuthenticationMethod("m")];
    let mut start = start(Version::V5, false);
    start.connect.properties = Properties::new(&method);
    let (reader, writer) = world.halves();
    let opening = Connection::open(&mut client, reader, writer, &world, &start);
    let mut connection = world.run(opening).unwrap();
    assert!(!connection.is_connected());
    assert!(matches!(world.run(connection.next()), Event::Auth(_)));
    connection
        .auth(
            ReasonCode::CONTINUE_AUTHENTICATION,
            Properties::new(&method),
        )
        .unwrap();
    assert!(world.run(connection.flush()));
    world.say(&hex("20 [ 00 00 [ 15 <m> ] ]"));
    assert!(matches!(world.run(connection.next()), Event::Connected(_)));
    assert_eq!(connection.limits().keep_alive, 60);
}

#[test]
fn facts_go_to_the_timer() {
    let world = World::serving(Terms::default(), Habits::default());
    let mut client = device();
    client.trace(true);
    client.entered(*world.clock(), Rung::Tcp);
    drop(open(&world, &mut client, &start(Version::V5, true)));
    let reached: Vec<_> = world
        .traces
        .borrow()
        .iter()
        .filter(|trace| trace.fact == Fact::Reached)
        .map(|trace| trace.rung)
        .collect();
    assert_eq!(reached, [Rung::Tcp, Rung::Upgrade, Rung::Ws, Rung::Mqtt]);
}
