//! Alerts of the server, and peers that are no TLS server.

use openssl::ssl::{AlpnError, NameType, SniError, SslAlert, SslVerifyMode, SslVersion};
use towpath_proto::{
    Code, Fault,
    tls::{Alert, Profile, Side, Tls as _},
};

use crate::{
    TLS12, TLS13, World,
    authority::{Issued, Wish},
    connect, fault, peer,
    peer::Server,
};

fn theirs(number: u8) -> Option<Alert> {
    Some(Alert::fatal(Side::Server, number))
}

#[test]
fn versions_without_overlap() {
    let world = World::new();
    for (ours, theirs_is) in [(TLS12, SslVersion::TLS1_3), (TLS13, SslVersion::TLS1_2)] {
        let fault = world.profile(|profile| {
            let versions = Some(ours);
            fault(
                &Profile {
                    versions,
                    ..profile
                },
                &world.context(Some(theirs_is)),
            )
        });
        assert_eq!(fault.code, Code::NoCommonVersion);
        assert_eq!(fault.alert, theirs(70));
    }
}

#[test]
fn suites_without_overlap() {
    let world = World::new();
    // The server's key is P-256.
    let fault = world.profile(|profile| {
        let suites: &[&str] = &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        fault(
            &Profile { suites, ..profile },
            &world.context(Some(SslVersion::TLS1_2)),
        )
    });
    assert_eq!(fault.code, Code::NoCommonSuite);
    assert_eq!(fault.alert, theirs(40));
}

#[test]
fn a_server_that_wants_another_name_or_protocol() {
    let world = World::new();
    let mut builder = peer::context(&world.server, &[], None);
    builder.set_servername_callback(|ssl, alert| {
        if ssl.servername(NameType::HOST_NAME) == Some("known.test") {
            return Ok(());
        }
        *alert = SslAlert::UNRECOGNIZED_NAME;
        Err(SniError::ALERT_FATAL)
    });
    builder.set_alpn_select_callback(|_, _| Err(AlpnError::ALERT_FATAL));
    let context = builder.build();
    world.profile(|profile| {
        let found = fault(&profile, &context);
        assert_eq!(found.code, Code::UnknownServerName);
        assert_eq!(found.alert, theirs(112));
        let found = fault(
            &Profile {
                server_name: Some("known.test"),
                alpn: &["mqtt"],
                ..profile
            },
            &context,
        );
        assert_eq!(found.code, Code::NoCommonAlpn);
        assert_eq!(found.alert, theirs(120));
    });
}

/// What a server that demands a certificate says to this one.
fn demanded(world: &World, version: SslVersion, shown: Option<&Issued>, roots: &Issued) -> Fault {
    let mut builder = peer::context(&world.server, &[], Some(roots));
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let context = peer::only(builder, version).build();
    let (chain, key) = shown.map_or_else(Default::default, |shown| (shown.pem(), shown.key_pem()));
    world.profile(|profile| {
        let identity = towpath_proto::tls::Identity {
            chain: &chain,
            key: &key,
            password: None,
        };
        fault(
            &Profile {
                identity: shown.is_some().then_some(identity),
                ..profile
            },
            &context,
        )
    })
}

#[test]
fn what_servers_say_about_client_certificates() {
    let world = World::new();
    let old = world.devices.sign(Wish {
        client: true,
        from: -10,
        until: -1,
        ..Wish::default()
    });
    let purpose = world.devices.sign(Wish::default());
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let missing = demanded(&world, version, None, &world.devices);
        assert_eq!(missing.code, Code::ClientCertificateMissing);
        let number = if version == SslVersion::TLS1_2 {
            40
        } else {
            116
        };
        assert_eq!(missing.alert, theirs(number));
        let strange = demanded(&world, version, Some(&world.device), &world.root);
        assert_eq!(strange.code, Code::ClientCertificateUntrusted);
        assert_eq!(strange.alert, theirs(48));
        let expired = demanded(&world, version, Some(&old), &world.devices);
        assert_eq!(expired.code, Code::ClientCertificateExpired);
        assert_eq!(expired.alert, theirs(45));
        let refused = demanded(&world, version, Some(&purpose), &world.devices);
        assert_eq!(refused.code, Code::ClientCertificateRefused);
        assert_eq!(refused.alert, theirs(43));
    }
}

/// The fault of a peer that says this to a ClientHello.
fn said(bytes: &[u8]) -> Option<Fault> {
    let world = World::new();
    let mut client = world.profile(|profile| connect(&profile).unwrap());
    assert_eq!(client.handshake(), Ok(false));
    for byte in bytes {
        client.rx_space()[0] = *byte;
        client.commit(1);
        if let Err(fault) = client.handshake() {
            assert!(openssl::error::ErrorStack::get().errors().is_empty());
            return Some(fault);
        }
    }
    None
}

#[test]
fn a_peer_that_is_no_tls_server_is_named() {
    let http = said(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n").unwrap();
    assert_eq!(http.code, Code::PeerNotTls);
    // CONNACK is shorter than the head of a record.
    let mqtt = said(&[0x20, 2, 0, 5]).unwrap();
    assert_eq!(mqtt.code, Code::PeerNotTls);
    assert!(mqtt.detail.as_str().starts_with("first bytes 20"));
    let mut client = World::new().profile(|profile| connect(&profile).unwrap());
    client.handshake().unwrap();
    let page = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    client.rx_space()[..page.len()].copy_from_slice(page);
    client.commit(page.len());
    let fault = client.handshake().unwrap_err();
    assert_eq!(fault.code, Code::PeerNotTls);
    assert_eq!(fault.detail.as_str(), "it says HTTP/1.1 400 Bad Request");
}

#[test]
fn an_alert_in_place_of_server_hello() {
    let fault = said(&[21, 3, 3, 0, 2, 2, 40]).unwrap();
    assert_eq!(fault.code, Code::NoCommonSuite);
    assert_eq!(fault.alert, theirs(40));
    let fault = said(&[21, 3, 1, 0, 2, 2, 80]).unwrap();
    assert_eq!(fault.code, Code::TlsAlert);
    assert_eq!(fault.alert, theirs(80));
    let fault = said(&[21, 3, 3, 0, 2, 1, 0]).unwrap();
    assert_eq!(fault.code, Code::TlsClosed);
}

#[test]
fn a_server_without_secure_renegotiation_is_refused() {
    // ServerHello of TLS 1.2 with ECDHE_RSA_WITH_AES_128_GCM_SHA256 and not one extension.
    let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x2f, 0]);
    let fault = said(&hello).unwrap();
    assert_eq!(fault.code, Code::RenegotiationInsecure);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 40)));
    assert_eq!(fault.clause, "RFC 5746");
}

#[test]
fn broken_records_are_named() {
    // A handshake message of a type that may not come.
    let fault = said(&[22, 3, 3, 0, 4, 14, 0, 0, 0]).unwrap();
    assert_eq!(fault.code, Code::TlsRecord);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 10)));
    assert!(!fault.detail.is_empty());
    for versions in [TLS12, TLS13] {
        let (mut client, mut server) = World::new().open(versions, false);
        server.send(b"to be damaged");
        *server.stream.get_mut().outgoing.last_mut().unwrap() ^= 1;
        peer::carry(&mut client, &mut server, 100_000);
        let fault = client.read(&mut [0; 100]).unwrap_err();
        assert_eq!(fault.code, Code::TlsRecord);
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 20)));
        assert!(!client.sendable().is_empty(), "the alert is to leave");
        assert_eq!(client.read(&mut [0; 100]), Err(fault));
    }
}

/// Whatever is cut or damaged anywhere in the first handshake ends in a fault or waits; it does not panic.
#[test]
fn damage_anywhere_ends_in_a_fault() {
    let world = World::new();
    for versions in [TLS12, TLS13] {
        for at in (0..1200).step_by(13) {
            let mut client = world.profile(|profile| {
                let versions = Some(versions);
                connect(&Profile {
                    versions,
                    ..profile
                })
                .unwrap()
            });
            let mut server = Server::new(&world.context(None));
            client.handshake().unwrap();
            peer::carry(&mut client, &mut server, 100_000);
            server.turn();
            let flight = &mut server.stream.get_mut().outgoing;
            let Some(byte) = flight.get_mut(at) else {
                break;
            };
            *byte ^= 0x55;
            let open = peer::meet(&mut client, &mut server).is_ok() && client.agreed().is_some();
            assert!(!open, "{at}");
        }
    }
}
