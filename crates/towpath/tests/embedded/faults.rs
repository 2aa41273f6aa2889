//! How connections break, and by which name.

use std::time::Duration;

use embedded_io_async::ErrorKind;
use towpath::{
    Code, Fault, QoS, ReasonCode, Rung, Version,
    embedded::{Connection, Error, fault},
    proto::Event,
};
use towpath_sim::{Chunks, Direction, Terms, Weather, hex};

use crate::{
    BOTH, device, message, open, start,
    world::{Habits, Peer, World},
};

/// Why a connection to this world can't be opened, and after how long.
fn failed_opening(world: &World, version: Version, ws: bool) -> (Fault, Duration) {
    let mut client = device();
    let begin = *world.clock();
    world.open(ws);
    let (reader, writer) = world.halves();
    let start = start(version, ws);
    let opening = Connection::open(&mut client, reader, writer, world, &start);
    match world.run(opening).map(|_| ()) {
        Err(Error::Path(fault)) => (fault, world.clock().since(begin)),
        other => panic!("{other:?}"),
    }
}

fn saying(bytes: &[u8], closes: bool) -> World {
    let says = bytes.to_vec();
    World::new(Peer::Bytes { says, closes }, Habits::default())
}

#[test]
fn a_peer_that_says_nothing_is_named_by_the_rung() {
    for version in BOTH {
        let (fault, took) = failed_opening(&saying(b"", false), version, false);
        assert_eq!((fault.rung, fault.code), (Rung::Mqtt, Code::ConnackTimeout));
        assert_eq!(took, Duration::from_secs(10));
        let (fault, took) = failed_opening(&saying(b"", false), version, true);
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Upgrade, Code::UpgradeTimeout)
        );
        assert_eq!(took, Duration::from_secs(10));
    }
}

#[test]
fn what_the_peer_said_before_it_went_tells_more_than_its_going() {
    let code = |said: &[u8], ws| failed_opening(&saying(said, true), Version::V5, ws).0.code;
    assert_eq!(code(b"", false), Code::Closed);
    assert_eq!(
        code(b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        Code::PeerSpeaksHttp
    );
    assert_eq!(
        code(b"HTTP/1.1 404 Not Found\r\n\r\n", true),
        Code::NotFound
    );
    assert_eq!(code(&hex("20 [ 00 87 [] ]"), false), Code::ConnectRefused);
}

#[test]
fn a_refusal_by_the_server_is_its_reason() {
    for version in BOTH {
        let terms = Terms {
            refuse: (1, ReasonCode::SERVER_UNAVAILABLE),
            ..Terms::default()
        };
        let world = World::serving(terms, Habits::default());
        assert_eq!(
            failed_opening(&world, version, false).0.code,
            Code::ConnectRefused
        );
    }
}

#[test]
fn an_error_of_the_stream_has_a_name() {
    for (kind, code) in [
        (ErrorKind::ConnectionReset, Code::Reset),
        (ErrorKind::BrokenPipe, Code::Reset),
        (ErrorKind::NotConnected, Code::Closed),
        (ErrorKind::TimedOut, Code::ConnectTimeout),
        (ErrorKind::ConnectionRefused, Code::Refused),
        (ErrorKind::AddrInUse, Code::BindFailed),
        (ErrorKind::OutOfMemory, Code::Io),
        (ErrorKind::Other, Code::Io),
    ] {
        assert_eq!(fault(Rung::Tcp, kind).code, code);
        let world = saying(b"", true);
        world.habits().read_error = Some(kind);
        let found = failed_opening(&world, Version::V5, false).0;
        assert_eq!((found.rung, found.code), (Rung::Mqtt, code));
    }
}

/// Every event up to the end, and the end.
fn end(world: &World, connection: &mut crate::world::Connected<'_>) -> Fault {
    loop {
        match world.run(connection.next()) {
            Event::Failed(fault) => break fault,
            Event::Disconnected => panic!("nobody asked for it"),
            _ => {}
        }
    }
}

#[test]
fn writing_fails_but_what_the_server_said_before_is_read() {
    for said in [&b""[..], &hex("e0 [ 8b [] ]")] {
        let world = saying(&hex("20 [ 00 00 [] ]"), false);
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(Version::V5, false));
        assert!(matches!(world.run(connection.next()), Event::Connected(_)));
        world.habits().write_end = Some((0, Some(ErrorKind::ConnectionReset)));
        world.say(said);
        // What the server said is on its way before the next write.
        world.poll_for(1, std::future::pending::<()>());
        connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
        let code = if said.is_empty() {
            Code::Reset
        } else {
            Code::ServerDisconnected
        };
        assert_eq!(end(&world, &mut connection).code, code);
        assert_eq!(world.run(connection.next()), Event::Disconnected);
        assert!(world.run(connection.flush()));
    }
}

#[test]
fn a_server_that_stops_answering_is_noticed() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let stalls = Habits {
            weather: Weather {
                stall: Some((Direction::Up, 400)),
                ..Weather::FAIR
            },
            ..Habits::default()
        };
        let terms = Terms {
            lenient: true,
            ..Terms::default()
        };
        let world = World::serving(terms, stalls);
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, ws));
        connection
            .publish(&message(&[0; 400], QoS::AtLeastOnce))
            .unwrap();
        assert_eq!(end(&world, &mut connection).code, Code::PingTimeout);
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
        let world = World::serving(terms, Habits::default());
        let mut client = device();
        let mut connection = open(&world, &mut client, &start(version, false));
        assert!(matches!(world.run(connection.next()), Event::Connected(_)));
        world.habits().write_end = Some((0, None));
        let begin = *world.clock();
        connection.publish(&message(b"x", QoS::AtMostOnce)).unwrap();
        assert_eq!(end(&world, &mut connection).code, Code::PingTimeout);
        assert!(world.clock().since(begin) <= Duration::from_secs(80));
    }
}

#[test]
fn a_peer_that_never_stops_sending_does_not_stop_the_clock() {
    let says = hex("20 [ 00 00 [] ]");
    let closes = false;
    // Reading is always ready and never gives more than one message.
    let habits = Habits {
        weather: Weather {
            chunks: Chunks::Upto(7),
            ..Weather::FAIR
        },
        ..Habits::default()
    };
    let world = World::new(Peer::Bytes { says, closes }, habits);
    let mut client = device();
    let mut connection = open(&world, &mut client, &start(Version::V5, false));
    assert!(matches!(world.run(connection.next()), Event::Connected(_)));
    world.say(&hex("30 [ <t> [] 'x' ]").repeat(300));
    world.poll_for(1, std::future::pending::<()>());
    for _ in 0..200 {
        assert!(matches!(world.run(connection.next()), Event::Message(_)));
        world.advance(Duration::from_secs(1));
    }
    world.poll_for(1, std::future::pending::<()>());
    let pings = world
        .heard
        .borrow()
        .windows(2)
        .filter(|two| two == b"\xc0\x00")
        .count();
    assert!((2..=4).contains(&pings), "{pings}");
}
