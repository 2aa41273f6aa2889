//! The first handshake and data both ways.

use openssl::ssl::SslVersion;
use towpath_proto::tls::{Alert, Fact, Message, Profile, PublicKey, Side, Tls as _, Version};

use crate::{TLS12, TLS13, World, connect, peer};

#[test]
fn both_versions_carry_data_however_the_wire_cuts_it() {
    let world = World::new();
    for (versions, version) in [(TLS12, Version::Tls12), (TLS13, Version::Tls13)] {
        for piece in [1, 7, 1000, 100_000] {
            let mut client = world.profile(|profile| {
                let versions = Some(versions);
                connect(&Profile {
                    versions,
                    ..profile
                })
                .unwrap()
            });
            let mut server = peer::Server::new(&world.context(None));
            peer::run(&mut client, &mut server, piece).unwrap();
            let agreed = client.agreed().unwrap();
            assert_eq!(agreed.version, version);
            assert!(!agreed.resumed && agreed.secure_renegotiation && !agreed.alpn);
            let expected: &[u16] = match version {
                Version::Tls12 => &[0xc02c, 0xc02b],
                Version::Tls13 => &[0x1302, 0x1301],
            };
            assert!(expected.contains(&agreed.suite), "{:04x}", agreed.suite);

            let up: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
            let mut left = &up[..];
            let mut down = Vec::new();
            while !left.is_empty() {
                let taken = client.write(left).unwrap();
                assert!(taken > 0);
                left = &left[taken..];
                down.extend(peer::run(&mut client, &mut server, piece).unwrap());
            }
            assert!(server.received == up);
            server.send(&up);
            down.extend(peer::run(&mut client, &mut server, piece).unwrap());
            assert!(down == up);
        }
    }
}

#[test]
fn a_read_gives_at_most_one_record() {
    let (mut client, mut server) = World::new().open(TLS12, false);
    server.send(b"one");
    server.send(b"two");
    peer::carry(&mut client, &mut server, 100_000);
    let mut space = [0; 100];
    assert_eq!(client.read(&mut space), Ok(3));
    assert_eq!(client.read(&mut space[..2]), Ok(2));
    assert_eq!(client.read(&mut space), Ok(1));
    assert_eq!(client.read(&mut space), Ok(0));
}

#[test]
fn no_more_is_taken_than_leaves() {
    let (mut client, mut server) = World::new().open(TLS13, false);
    let plain = vec![7; 1 << 20];
    let taken = client.write(&plain).unwrap();
    assert!((64 << 10..=96 << 10).contains(&taken), "{taken}");
    assert_eq!(client.write(&plain), Ok(0));
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.received.len(), taken);
    assert!(client.write(&plain).unwrap() > 0);
}

#[test]
fn room_is_the_same_until_something_comes() {
    let (mut client, mut server) = World::new().open(TLS13, false);
    server.send(&[1; 3000]);
    let records = server.stream.get_ref().outgoing.clone();
    let n = records.len().min(client.rx_space().len());
    client.rx_space()[..n].copy_from_slice(&records[..n]);
    // A driver may ask again before it says how much came.
    assert_eq!(client.rx_space()[..n], records[..n]);
    let (room, _) = client.both_ways();
    assert_eq!(room[..n], records[..n]);
}

#[test]
fn every_message_is_told() {
    let world = World::new();
    for versions in [TLS12, TLS13] {
        let (mut client, mut server) = world.open(versions, true);
        peer::meet(&mut client, &mut server).unwrap();
        let mut told = Vec::new();
        let mut chains = Vec::new();
        while let Some(fact) = client.next_fact() {
            match fact {
                Fact::Handshake { from, message, len } => {
                    assert!(len > 0 || message == Message::SERVER_HELLO_DONE);
                    told.push((from, message.0));
                }
                Fact::Chain { .. } => chains.push(fact),
                Fact::Ticket => {}
                other => panic!("{other:?}"),
            }
        }
        let (client, server) = (Side::Client, Side::Server);
        if versions == TLS12 {
            let expected = [
                (client, 1),
                (server, 2),
                (server, 11),
                (server, 12),
                (server, 14),
                (client, 16),
                (client, 20),
                (server, 4),
                (server, 20),
            ];
            assert_eq!(told, expected);
            // In clear: the tap tells it.
            assert_eq!(chains, []);
        } else {
            let expected = [
                (client, 1),
                (server, 2),
                (server, 8),
                (server, 11),
                (server, 15),
                (server, 20),
                (client, 20),
                (server, 4),
                (server, 4),
            ];
            assert_eq!(told, expected);
            assert!(matches!(
                chains[..],
                [Fact::Chain {
                    from: Side::Server,
                    certificates: 1,
                    key: Some(PublicKey::Ec(256)),
                    ..
                }]
            ));
        }
    }
}

#[test]
fn both_sides_can_say_goodbye() {
    for versions in [TLS12, TLS13] {
        let (mut client, mut server) = World::new().open(versions, false);
        client.close();
        assert!(!client.sendable().is_empty());
        assert_eq!(client.write(b"late"), Ok(0));
        peer::carry(&mut client, &mut server, 100_000);
        server.turn();
        assert_eq!(
            server.ended.as_deref(),
            Some("the SSL session has been shut down")
        );

        let (mut client, mut server) = World::new().open(versions, false);
        server.send(b"last words");
        server.stream.shutdown().unwrap();
        peer::carry(&mut client, &mut server, 100_000);
        let mut space = [0; 100];
        assert_eq!(client.read(&mut space), Ok(10));
        let fault = client.read(&mut space).unwrap_err();
        assert_eq!(fault.code, towpath_proto::Code::Closed);
        let said = Alert {
            from: Side::Server,
            fatal: false,
            description: 0,
        };
        assert_eq!(fault.alert, Some(said));
    }
}

#[test]
fn the_highest_common_version_is_taken() {
    let world = World::new();
    let mut client = world.profile(|profile| connect(&profile).unwrap());
    let mut server = peer::Server::new(&world.context(Some(SslVersion::TLS1_2)));
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(client.agreed().unwrap().version, Version::Tls12);
    let mut client = world.profile(|profile| connect(&profile).unwrap());
    let mut server = peer::Server::new(&world.context(None));
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(client.agreed().unwrap().version, Version::Tls13);
}
