//! The same over TLS: the simulation's toy, which has TLS's records and messages and no security.

use std::{future::pending, pin::pin, time::Duration};

use embedded_io_async::ErrorKind;
use towpath::{
    Code, Fault, QoS, Rung, Version,
    embedded::{Connection, Error},
    proto::{
        Event, Fact,
        client::Start,
        event::Outcome,
        tls::{self, Alert, Layer, Renegotiation, Side},
    },
};
use towpath_sim::{
    Asks, Direction, Inbox, Refused, Security, Seen, Terms, Toy, ToyProfile, ToyTerms, Weather,
};

use crate::{
    BOTH, Device, delivery, device,
    drops::STUTTERING,
    message, start, world,
    world::{Habits, World},
};

type Connected<'a> = world::Connected<'a, Layer<Toy>>;

const TEN: Duration = Duration::from_secs(10);

/// Buffers of a small device: 256 bytes of records each way.
fn small(asks: Asks) -> Security {
    Security {
        profile: ToyProfile {
            record: 100,
            rx: 256,
            tx: 256,
            ..ToyProfile::default()
        },
        terms: ToyTerms {
            record: 200,
            tickets: 1,
            ..ToyTerms::default()
        },
        asks,
        ..Security::default()
    }
}

fn tls13() -> Security {
    let mut security = small(Asks::BeforeAnswer);
    security.profile.version = tls::Version::Tls13;
    security.terms.version = tls::Version::Tls13;
    security.profile.post_handshake_auth = true;
    security
}

fn world(security: Security, habits: Habits) -> World {
    World::secured(Terms::default(), security, habits)
}

/// What opening came to, over a new stream.
fn opening<'a>(
    world: &'a World,
    client: &'a mut Device,
    start: &Start<'_>,
) -> Result<Connected<'a>, Error> {
    let tls = world.open_secured(start.upgrade.is_some());
    let (reader, writer) = world.halves();
    let opening = Connection::open_secured(client, tls, reader, writer, world, start);
    world.run(opening)
}

fn open<'a>(world: &'a World, client: &'a mut Device, start: &Start<'_>) -> Connected<'a> {
    let connection = opening(world, client, start).expect("CONNACK");
    assert!(connection.is_connected());
    connection
}

/// Why a connection to this world can't be opened, and after how long.
fn failed_opening(world: &World, ws: bool) -> (Fault, Duration) {
    let begin = *world.clock();
    match opening(world, &mut device(), &start(Version::V5, ws)).map(|_| ()) {
        Err(Error::Path(fault)) => (fault, world.clock().since(begin)),
        other => panic!("{other:?}"),
    }
}

/// The end, whatever comes before.
fn end(world: &World, connection: &mut Connected<'_>) -> Fault {
    loop {
        match world.run(connection.next()) {
            Event::Failed(fault) => break fault,
            Event::Disconnected => panic!("nobody asked for it"),
            _ => {}
        }
    }
}

fn is_connected(world: &World, connection: &mut Connected<'_>) {
    let event = world.run(connection.next());
    assert!(matches!(event, Event::Connected(_)), "{event:?}");
}

/// What is under way arrives.
fn arrives(world: &World) {
    world.poll_for(100, pending::<()>());
}

// Messages.

#[test]
fn every_message_arrives_once_though_futures_are_dropped_and_buffers_are_small() {
    let securities = [
        Security::default(),
        small(Asks::BeforeAnswer),
        small(Asks::AfterAnswer),
        tls13(),
    ];
    let mut turn = 0;
    for (version, ws) in [(Version::V311, false), (Version::V5, true)] {
        for habits in delivery::streams() {
            for most_polls in [1, 3, 100_000] {
                let security = &securities[turn % securities.len()];
                turn += 1;
                let terms = delivery::terms(version);
                let world = World::secured(terms, security.clone(), habits);
                converse(&world, version, ws, most_polls);
            }
        }
    }
}

/// The peer takes no bytes while it can't get rid of its own, so the client reads while it waits to write. It has room
/// for the answers to what the server may send at once; pings could be more.
#[test]
fn streams_that_take_little_lock_nobody_up() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for (narrow, most_polls) in [(1, 100_000), (30, 3), (300, 100_000)] {
            let habits = Habits {
                narrow: Some(narrow),
                ..Habits::default()
            };
            for security in [Security::default(), small(Asks::BeforeAnswer), tls13()] {
                let terms = Terms {
                    pings: 0,
                    ..delivery::terms(version)
                };
                let world = World::secured(terms, security, habits);
                converse(&world, version, ws, most_polls);
            }
        }
    }
}

fn converse(world: &World, version: Version, ws: bool, most_polls: usize) {
    let mut client = device();
    let connection = open(world, &mut client, &start(version, ws));
    let what = format!("{version:?} ws {ws} {:?} {most_polls}", *world.habits());
    delivery::converse(world, connection, most_polls, &what);
}

/// A message that can't leave does not keep back what comes.
#[test]
fn a_message_arrives_while_another_one_is_stuck() {
    let world = world(small(Asks::Never), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    is_connected(&world, &mut connection);
    world.habits().write_end = Some((0, None));
    while connection
        .publish(&message(&[0; 100], QoS::AtMostOnce))
        .is_ok()
    {}
    world.server().publish("c", "to/c", b"x", QoS::AtMostOnce);
    assert!(!world.run(connection.flush()), "an event came first");
    assert!(matches!(world.run(connection.next()), Event::Message(_)));
}

#[test]
fn what_waits_as_a_record_has_not_left() {
    let world = world(Security::default(), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    is_connected(&world, &mut connection);
    world.habits().write_end = Some((0, None));
    connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
    assert!(world.poll_for(1, connection.flush()).is_none());
    assert!(!connection.is_settled());
    world.habits().write_end = None;
    assert!(world.run(connection.flush()));
    assert!(connection.is_settled());
    arrives(&world);
    assert_eq!(world.server().heard.len(), 1);
}

// Renegotiation.

#[test]
fn the_server_may_ask_once_before_connack() {
    for version in BOTH {
        for (ws, asks) in [
            (false, Asks::BeforeAnswer),
            (true, Asks::BeforeAnswer),
            // Behind the 101.
            (true, Asks::AfterAnswer),
        ] {
            for security in [
                small(asks),
                Security {
                    asks,
                    ..Security::default()
                },
            ] {
                let world = world(security, Habits::default());
                let mut client = device();
                let mut connection = open(&world, &mut client, &start(version, ws));
                is_connected(&world, &mut connection);
                assert_eq!(world.front().tls.renegotiations, 1);
                let heard = world.front().tls.heard.join(" ");
                let last = "ClientHello Certificate ClientKeyExchange CertificateVerify Finished";
                assert!(heard.ends_with(last), "{heard}");
                let traces = world.traces.borrow();
                let renegotiated = Fact::Tls(tls::Fact::Renegotiated);
                assert!(traces.iter().any(|trace| trace.fact == renegotiated));
            }
        }
    }
}

#[test]
fn one_that_is_asked_for_after_connack_is_too_late() {
    for version in BOTH {
        for ws in [false, true] {
            for refused in [Refused::Alerts(40), Refused::Closes] {
                let mut security = small(Asks::Never);
                security.terms.refused = refused;
                let world = world(security, Habits::default());
                let mut client = device();
                let mut connection = open(&world, &mut client, &start(version, ws));
                is_connected(&world, &mut connection);
                world.front().tls.renegotiate();
                let fault = end(&world, &mut connection);
                assert_eq!(
                    (fault.rung, fault.code),
                    (Rung::Tls, Code::RenegotiationLate)
                );
                assert_eq!(world.front().tls.refusals, 1);
                assert_eq!(world.run(connection.next()), Event::Disconnected);
            }
        }
    }
}

/// CONNACK and the request come together: CONNACK is known first.
#[test]
fn one_that_comes_with_connack_is_too_late_and_life_goes_on_if_the_server_does() {
    let world = world(small(Asks::AfterAnswer), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    is_connected(&world, &mut connection);
    connection
        .publish(&message(b"x", QoS::AtLeastOnce))
        .unwrap();
    assert!(matches!(
        world.run(connection.next()),
        Event::Settled { .. }
    ));
    assert_eq!(world.front().tls.refusals, 1);
    assert_eq!(world.front().tls.renegotiations, 0);
}

#[test]
fn one_that_is_not_wanted_is_named() {
    for ws in [false, true] {
        let mut security = small(Asks::BeforeAnswer);
        security.renegotiation = Renegotiation::Never;
        security.terms.refused = Refused::Closes;
        let (fault, _) = failed_opening(&world(security, Habits::default()), ws);
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Tls, Code::RenegotiationOff)
        );
    }
}

// Dropped futures.

#[test]
fn opening_can_be_dropped_anywhere_and_tried_again() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for security in [small(Asks::BeforeAnswer), tls13()] {
            let mut polls = 0;
            loop {
                let world = world(security.clone(), STUTTERING);
                let mut client = device();
                client.publish(&message(b"x", QoS::AtLeastOnce)).unwrap();
                let tls = world.open_secured(ws);
                let (reader, writer) = world.halves();
                let start = start(version, ws);
                let opening =
                    Connection::open_secured(&mut client, tls, reader, writer, &world, &start);
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
            assert!(polls > 20, "{polls}: there are many points to drop it at");
        }
    }
}

#[test]
fn a_farewell_can_be_dropped_anywhere_and_is_said_below_mqtt_too() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for polls in 0..60 {
            let world = world(small(Asks::Never), STUTTERING);
            let mut client = device();
            let mut connection = open(&world, &mut client, &start(version, ws));
            world.poll_for(polls, connection.disconnect());
            world.run(connection.disconnect()).unwrap();
            assert!(*world.flushes.borrow() > 0, "a stack may forget the rest");
            arrives(&world);
            assert!(!world.server().is_connected());
            let heard = std::mem::take(&mut world.front().tls.heard);
            let notifies = heard.iter().filter(|heard| *heard == "warning 0").count();
            assert_eq!(notifies, 1, "{heard:?}");
            assert_eq!(world.run(connection.next()), Event::Disconnected);
        }
    }
}

#[test]
fn a_message_that_nobody_took_is_not_lost_with_its_connection() {
    for version in BOTH {
        for farewell in [false, true] {
            let world = world(small(Asks::Never), Habits::default());
            let mut client = device();
            let mut start = start(version, false);
            let expiry = [towpath::Property::SessionExpiryInterval(600)];
            if version == Version::V5 {
                start.connect.properties = towpath::Properties::new(&expiry);
            }
            let mut connection = open(&world, &mut client, &start);
            is_connected(&world, &mut connection);
            world
                .server()
                .publish("c", "t", b"precious", QoS::ExactlyOnce);
            world.habits().write_end = Some((0, None));
            connection
                .publish(&message(b"x", QoS::AtLeastOnce))
                .unwrap();
            assert!(!world.run(connection.flush()), "an event comes first");
            world.habits().write_end = None;
            if farewell {
                world.run(connection.disconnect()).unwrap();
            }
            drop(connection);
            let mut connection = open(&world, &mut client, &start);
            let mut inbox = Inbox::default();
            let arrived = world.run(async {
                loop {
                    if let (_, Some(Seen::Message(arrived))) = inbox.take(&connection.next().await)
                    {
                        return arrived;
                    }
                }
            });
            assert_eq!(arrived.payload, b"precious");
        }
    }
}

// How it ends.

#[test]
fn a_server_that_closes_inside_the_handshake_is_named_at_once() {
    let mut seen = Vec::new();
    for n in 0.. {
        let habits = Habits {
            read_end: Some(n),
            ..Habits::default()
        };
        let world = world(small(Asks::Never), habits);
        let (fault, took) = failed_opening(&world, true);
        assert_eq!(took, Duration::ZERO, "{n}: {fault}");
        if fault.code != Code::TlsClosed {
            assert_eq!((fault.rung, fault.code), (Rung::Upgrade, Code::Closed));
            break;
        }
        assert_eq!(fault.rung, Rung::Tls);
        seen.push(fault.detail.as_str().to_owned());
    }
    seen.dedup();
    assert_eq!(seen[0], "last sent ClientHello, received nothing");
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn a_server_that_says_nothing_is_named_by_the_rung() {
    let stalls = |at| Habits {
        weather: Weather {
            stall: Some((Direction::Down, at)),
            ..Weather::FAIR
        },
        ..Habits::default()
    };
    for ws in [false, true] {
        let world = world(small(Asks::Never), stalls(100));
        let (fault, took) = failed_opening(&world, ws);
        assert_eq!((fault.rung, fault.code), (Rung::Tls, Code::TlsTimeout));
        assert_eq!(took, TEN);
    }
}

/// The alert comes while a write waits that then fails; it is the evidence.
#[test]
fn writing_fails_but_the_alert_that_came_before_is_read() {
    for said in [None, Some(49)] {
        let world = world(small(Asks::Never), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(Version::V5, false));
        is_connected(&world, &mut connection);
        world.habits().write_end = Some((0, Some(ErrorKind::ConnectionReset)));
        if let Some(number) = said {
            world.front().tls.alert(true, number);
        }
        // What the server said is on its way before the next write.
        world.poll_for(1, pending::<()>());
        connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
        let fault = end(&world, &mut connection);
        let code = said.map_or(Code::Reset, |_| Code::TlsAlert);
        assert_eq!(fault.code, code);
        let alert = said.map(|number| Alert::fatal(Side::Server, number));
        assert_eq!(fault.alert, alert);
    }
}

/// The same inside the handshake: the server has heard that there is no certificate, and says so and goes.
#[test]
fn writing_fails_inside_the_handshake_but_the_alert_is_read() {
    let mut security = Security::default();
    security.profile.identity = false;
    security.terms.asks = true;
    security.terms.requires = true;
    let (mut named, mut unnamed) = (0, 0);
    for after in 1.. {
        let world = world(security.clone(), Habits::default());
        let mut client = device();
        let tls = world.open_secured(false);
        let (reader, writer) = world.halves();
        let start = start(Version::V5, false);
        let opening = Connection::open_secured(&mut client, tls, reader, writer, &world, &start);
        let mut opening = pin!(opening);
        // ClientHello, and so much of the second flight.
        assert!(world.poll_for(1, opening.as_mut()).is_none());
        let sent = world.sent();
        world.habits().write_end = Some((sent + after, None));
        assert!(world.poll_for(1, opening.as_mut()).is_none());
        if world.sent() < sent + after {
            break;
        }
        world.habits().write_end = Some((sent + after, Some(ErrorKind::ConnectionReset)));
        let Err(Error::Path(fault)) = world.run(opening).map(|_| ()) else {
            panic!("nothing was written any more");
        };
        if world.front().tls.is_closing() {
            assert_eq!(fault.code, Code::ClientCertificateMissing, "{after}");
            assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
            named += 1;
        } else {
            assert_eq!(fault.code, Code::TlsClosed, "{after}");
            unnamed += 1;
        }
    }
    assert!(named > 20 && unnamed > 5, "{named} {unnamed}");
}

/// The server comes back with another certificate: this side says why it goes, and the device's log has it.
#[test]
fn an_alert_of_this_side_leaves_and_is_told() {
    for tells in [false, true] {
        let mut security = small(Asks::BeforeAnswer);
        security.profile.tells = tells;
        security.terms.changes_certificate = true;
        let world = world(security, Habits::default());
        let (fault, took) = failed_opening(&world, true);
        assert_eq!(fault.code, Code::RenegotiationIdentity);
        assert_eq!(took, Duration::ZERO);
        arrives(&world);
        let heard = world.front().tls.heard.last().cloned();
        assert_eq!(heard.as_deref(), Some("alert 42"));
        let traces = world.traces.borrow();
        let told = traces.iter().any(|trace| match trace.fact {
            Fact::Tls(tls::Fact::Alert(alert)) => alert == Alert::fatal(Side::Client, 42),
            Fact::Tls(tls::Fact::HiddenAlert(side)) => side == Side::Client,
            _ => false,
        });
        assert!(told, "{tells}: {traces:?}");
    }
}

#[test]
fn close_notify_of_the_server_is_a_close_and_is_answered() {
    let world = world(small(Asks::Never), Habits::default());
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    is_connected(&world, &mut connection);
    world.front().tls.alert(false, 0);
    assert_eq!(end(&world, &mut connection).code, Code::Closed);
    arrives(&world);
    let heard = world.front().tls.heard.last().cloned();
    assert_eq!(heard.as_deref(), Some("warning 0"));
}

/// The stream has ended, so nobody takes what waits to leave.
#[test]
fn the_end_of_the_stream_does_not_wait_for_a_writer_that_is_stuck() {
    for version in BOTH {
        let world = world(small(Asks::Never), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, false));
        is_connected(&world, &mut connection);
        world.habits().write_end = Some((0, None));
        connection
            .publish(&message(&[0; 100], QoS::AtLeastOnce))
            .unwrap();
        assert!(world.poll_for(1, connection.flush()).is_none());
        let begin = *world.clock();
        world.habits().read_end = Some(0);
        assert_eq!(end(&world, &mut connection).code, Code::Closed);
        assert_eq!(*world.clock(), begin);
    }
}

/// Nothing can be written, not even the ping: the clock runs all the same.
#[test]
fn a_peer_that_takes_no_bytes_is_noticed() {
    for version in BOTH {
        let terms = Terms {
            lenient: true,
            ..Terms::default()
        };
        let world = World::secured(terms, small(Asks::Never), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, false));
        is_connected(&world, &mut connection);
        world.habits().write_end = Some((0, None));
        let begin = *world.clock();
        connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
        assert_eq!(end(&world, &mut connection).code, Code::PingTimeout);
        assert!(world.clock().since(begin) <= Duration::from_secs(80));
    }
}

#[test]
fn a_farewell_that_nobody_takes_ends_when_patience_does() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let world = world(small(Asks::Never), Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, ws));
        world.habits().write_end = Some((0, None));
        let begin = *world.clock();
        world.run(connection.disconnect()).unwrap();
        assert_eq!(world.clock().since(begin), TEN);
    }
}
