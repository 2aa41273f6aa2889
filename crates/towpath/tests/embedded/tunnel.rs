//! A device behind a proxy.

use std::time::Duration;

use towpath::{
    Code, Fault, Rung, Version,
    embedded::{Connection, Tunnelled, tunnel},
    proto::proxy::{Ask, Credentials, ROOM, Scheme, Tunnel},
};
use towpath_sim::{Rng, hex};

use crate::{
    device, start,
    world::{Habits, Peer, World},
};

const PATIENCE: Duration = Duration::from_secs(10);
const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const ASKS: &[u8] = b"HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nConnection: close\r\n\r\n";

fn ask(scheme: Scheme) -> Ask<'static> {
    Ask {
        scheme,
        host: "broker.example",
        port: 1883,
        credentials: Some(Credentials {
            user: "anna",
            password: b"secret",
        }),
    }
}

/// The dialogue on a new stream, whose peer says this.
fn on(
    world: &World,
    dialogue: &mut Tunnel<'_>,
    says: &[u8],
    buffer: &mut [u8],
) -> Result<Tunnelled, Fault> {
    world.open(false);
    world.say(says);
    let (mut reader, mut writer) = world.halves();
    let halves = (&mut reader, &mut writer);
    let mut random = Rng::new(1);
    world.run(tunnel(
        dialogue,
        halves,
        &world,
        PATIENCE,
        &mut random,
        buffer,
    ))
}

fn world(closes: bool, habits: Habits) -> World {
    let says = Vec::new();
    World::new(Peer::Bytes { says, closes }, habits)
}

#[test]
fn the_servers_bytes_are_left_for_the_connection() {
    let connack = hex("20 03 00 00 00");
    let habits = [
        Habits::default(),
        Habits {
            stutter: 40,
            hoards: true,
            ..Habits::default()
        },
    ];
    for habits in habits {
        for (scheme, answers) in [
            (Scheme::Http, OPEN),
            (
                Scheme::Socks5,
                b"\x05\x02\x01\x00\x05\x00\x00\x01\0\0\0\0\0\0",
            ),
        ] {
            let world = world(false, habits);
            let mut dialogue = Tunnel::new(ask(scheme)).unwrap();
            // The server has spoken before the proxy's answer is read.
            let says = [answers, &connack].concat();
            let mut buffer = [0; ROOM];
            assert_eq!(
                on(&world, &mut dialogue, &says, &mut buffer),
                Ok(Tunnelled::Open)
            );
            let mut client = device();
            let (reader, writer) = world.halves();
            let start = start(Version::V5, false);
            let opening = Connection::open(&mut client, reader, writer, &world, &start);
            assert!(world.run(opening).expect("CONNACK").is_connected());
        }
    }
}

#[test]
fn a_proxy_that_closes_after_its_question_is_asked_again() {
    let world = world(false, Habits::default());
    let mut dialogue = Tunnel::new(ask(Scheme::Http)).unwrap();
    let mut buffer = [0; 700];
    assert_eq!(
        on(&world, &mut dialogue, ASKS, &mut buffer),
        Ok(Tunnelled::Again)
    );
    world.heard.borrow_mut().clear();
    assert_eq!(
        on(&world, &mut dialogue, OPEN, &mut buffer),
        Ok(Tunnelled::Open)
    );
    let heard = String::from_utf8(world.heard.borrow().clone()).unwrap();
    assert!(
        heard.starts_with("CONNECT broker.example:1883 HTTP/1.1\r\n"),
        "{heard}"
    );
    assert!(
        heard.contains("Proxy-Authorization: Basic YW5uYTpzZWNyZXQ="),
        "{heard}"
    );
}

#[test]
fn how_it_fails() {
    for (closes, says, code) in [
        (true, &b""[..], Code::ProxyClosed),
        (false, b"", Code::ProxyTimeout),
        (false, b"HTTP/1.1 200 OK\r\n", Code::ProxyTimeout),
        (false, b"HTTP/1.1 403 \r\n\r\n", Code::ProxyRefused),
        (false, b"220 mail", Code::NotProxy),
    ] {
        let world = world(closes, Habits::default());
        let mut dialogue = Tunnel::new(ask(Scheme::Http)).unwrap();
        let begin = *world.clock();
        let fault = on(&world, &mut dialogue, says, &mut [0; ROOM]).unwrap_err();
        assert_eq!((fault.rung, fault.code), (Rung::Proxy, code));
        if code == Code::ProxyTimeout {
            assert_eq!(world.clock().since(begin), PATIENCE);
        }
    }
    let broken = Habits {
        write_end: Some((10, Some(embedded_io_async::ErrorKind::ConnectionReset))),
        ..Habits::default()
    };
    let mut dialogue = Tunnel::new(ask(Scheme::Http)).unwrap();
    let fault = on(&world(false, broken), &mut dialogue, b"", &mut [0; ROOM]).unwrap_err();
    assert_eq!(fault.code, Code::ProxyClosed);
    let mut dialogue = Tunnel::new(ask(Scheme::Http)).unwrap();
    let world = world(false, Habits::default());
    let fault = on(&world, &mut dialogue, b"", &mut [0; 16]).unwrap_err();
    assert_eq!(fault.code, Code::ProxyName);
}
