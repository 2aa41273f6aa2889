//! What the server asks for after the first handshake: renegotiation, and authentication in TLS 1.3.

use openssl::ssl::{SslOptions, SslVersion};
use towpath_proto::{
    Code, Fault,
    tls::{Alert, Fact, Message, Profile, PublicKey, Side, Tls as _},
};
use towpath_tls_openssl::server;

use crate::{
    TLS12, TLS13, World,
    authority::{Issued, Wish},
    connect,
    peer::{self, Server},
};

#[test]
fn an_allowed_renegotiation_shows_the_certificate() {
    let world = World::new();
    for piece in [1, 100_000] {
        let (mut client, mut server) = world.open(TLS12, true);
        let first = client.agreed();
        while client.next_fact().is_some() {}
        client.allow_renegotiation(true);
        assert!(!client.is_renegotiating());
        server.renegotiate();
        let mut under_way = 0;
        let mut space = [0; 100];
        while server.client().is_none() {
            peer::carry(&mut client, &mut server, piece);
            assert_eq!(client.read(&mut space), Ok(0));
            if client.is_renegotiating() {
                under_way += 1;
                assert_eq!(client.write(b"not now"), Ok(0));
            }
            server.turn();
        }
        assert!(under_way > 0, "visible between reads");
        assert_eq!(peer::run(&mut client, &mut server, piece), Ok(vec![]));
        assert!(!client.is_renegotiating());
        assert_eq!(server.client().as_deref(), Some("dev001"));
        assert_eq!(client.agreed(), first);
        check_facts(&mut client);
        // Life goes on.
        assert_eq!(client.write(b"up"), Ok(2));
        server.send(b"down");
        assert_eq!(
            peer::run(&mut client, &mut server, piece),
            Ok(b"down".to_vec())
        );
        assert_eq!(server.received, b"up");
    }
}

fn check_facts(client: &mut towpath_tls_openssl::Connection) {
    let mut messages = Vec::new();
    let mut chains = Vec::new();
    while let Some(fact) = client.next_fact() {
        match fact {
            Fact::Handshake { from, message, .. } => messages.push((from, message)),
            Fact::Chain {
                from,
                certificates,
                key,
                ..
            } => chains.push((from, certificates, key)),
            _ => {}
        }
    }
    assert_eq!(
        messages[..3],
        [
            (Side::Server, Message::HELLO_REQUEST),
            (Side::Client, Message::CLIENT_HELLO),
            (Side::Server, Message::SERVER_HELLO),
        ]
    );
    assert!(messages.contains(&(Side::Server, Message::CERTIFICATE_REQUEST)));
    assert!(messages.contains(&(Side::Client, Message::CERTIFICATE_VERIFY)));
    let key = Some(PublicKey::Ec(256));
    assert_eq!(chains, [(Side::Server, 1, key), (Side::Client, 1, key)]);
}

#[test]
fn data_before_the_request_comes_up_before_it() {
    let (mut client, mut server) = World::new().open(TLS12, true);
    client.allow_renegotiation(true);
    server.send(b"first");
    server.renegotiate();
    peer::carry(&mut client, &mut server, 100_000);
    let mut space = [0; 100];
    assert_eq!(client.read(&mut space), Ok(5));
    assert!(!client.is_renegotiating());
    assert_eq!(client.read(&mut space), Ok(0));
    assert!(client.is_renegotiating());
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.client().as_deref(), Some("dev001"));
}

/// OpenSSL's server gives up when it is refused; one that only asked may go on.
#[test]
fn a_renegotiation_that_is_not_allowed_gets_a_warning() {
    for ever_allowed in [false, true] {
        let (mut client, mut server) = World::new().open(TLS12, true);
        client.allow_renegotiation(ever_allowed);
        client.allow_renegotiation(false);
        while client.next_fact().is_some() {}
        server.renegotiate();
        let fault = peer::meet(&mut client, &mut server).unwrap_err();
        assert!(
            server
                .ended
                .is_some_and(|text| text.contains("no renegotiation"))
        );
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
        let mut alerts = Vec::new();
        while let Some(fact) = client.next_fact() {
            if let Fact::Alert(alert) = fact {
                alerts.push((alert.from, alert.fatal, alert.description));
            }
        }
        let expected = [(Side::Client, false, 100), (Side::Server, true, 40)];
        assert_eq!(alerts, expected);
    }
}

fn renegotiate_as(world: &World, other: &Issued) -> (Fault, Server) {
    let (mut client, mut server) = world.open(TLS12, true);
    client.allow_renegotiation(true);
    let context = peer::context(other, &[], Some(&world.devices)).build();
    server::switch_context(&mut server.stream, &context);
    server.renegotiate();
    let fault = peer::meet(&mut client, &mut server).unwrap_err();
    (fault, server)
}

#[test]
fn a_renegotiation_with_another_certificate_is_refused_before_ours_is_shown() {
    let world = World::new();
    // As good as the first, of the same name and root.
    let twin = world.root.sign(Wish::default());
    let (fault, server) = renegotiate_as(&world, &twin);
    assert_eq!(fault.code, Code::RenegotiationIdentity);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 40)));
    assert_eq!(server.client(), None);
    // One that would not have been taken in the first handshake either.
    let rogue = Issued::root("Rogue").sign(Wish::default());
    let (fault, server) = renegotiate_as(&world, &rogue);
    assert_eq!(fault.code, Code::RenegotiationIdentity);
    assert_eq!(server.client(), None);
}

#[test]
fn the_same_certificate_from_another_context_is_the_same_server() {
    let world = World::new();
    let (mut client, mut server) = world.open(TLS12, true);
    client.allow_renegotiation(true);
    let context = peer::context(&world.server, &[], Some(&world.devices)).build();
    server::switch_context(&mut server.stream, &context);
    server.renegotiate();
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.client().as_deref(), Some("dev001"));
}

#[test]
fn a_renegotiation_may_resume_the_session() {
    let world = World::new();
    let mut builder = peer::context(&world.server, &[], Some(&world.devices));
    builder.clear_options(SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    let context = peer::only(builder, SslVersion::TLS1_2).build();
    let mut client = world.profile(|profile| connect(&profile).unwrap());
    let mut server = Server::new(&context);
    peer::meet(&mut client, &mut server).unwrap();
    while client.next_fact().is_some() {}
    client.allow_renegotiation(true);
    server::request_renegotiation(&mut server.stream).unwrap();
    drop(server.stream.do_handshake());
    peer::meet(&mut client, &mut server).unwrap();
    assert!(!server::is_renegotiation_pending(&mut server.stream));
    let mut certificates = 0;
    while let Some(fact) = client.next_fact() {
        certificates += usize::from(matches!(fact, Fact::Chain { .. }));
    }
    assert_eq!(certificates, 0, "resumed");
    assert_eq!(client.write(b"up"), Ok(2));
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.received, b"up");
}

#[test]
fn a_renegotiation_without_certificate_or_with_a_strange_one_fails_as_the_server_says() {
    let world = World::new();
    let (mut client, mut server) = world.open(TLS12, false);
    client.allow_renegotiation(true);
    server.renegotiate();
    let fault = peer::meet(&mut client, &mut server).unwrap_err();
    assert_eq!(fault.code, Code::ClientCertificateMissing);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));

    let context = peer::context(&world.server, &[], Some(&world.root));
    let context = peer::only(context, SslVersion::TLS1_2).build();
    let mut client = world.profile(|profile| {
        let identity = Some(world.identity());
        connect(&Profile {
            identity,
            ..profile
        })
        .unwrap()
    });
    let mut server = Server::new(&context);
    peer::meet(&mut client, &mut server).unwrap();
    client.allow_renegotiation(true);
    server.renegotiate();
    let fault = peer::meet(&mut client, &mut server).unwrap_err();
    assert_eq!(fault.code, Code::ClientCertificateUntrusted);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 48)));
}

#[test]
fn closing_inside_a_renegotiation_harms_nothing() {
    let (mut client, mut server) = World::new().open(TLS12, true);
    client.allow_renegotiation(true);
    server.renegotiate();
    peer::carry(&mut client, &mut server, 100_000);
    assert_eq!(client.read(&mut [0; 10]), Ok(0));
    assert!(client.is_renegotiating());
    client.close();
    assert_eq!(client.write(b"x"), Ok(0));
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
}

#[test]
fn the_server_can_ask_after_the_handshake() {
    let world = World::new();
    let (mut client, mut server) = world.open(TLS13, true);
    server.ask_after_handshake();
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.client().as_deref(), Some("dev001"));
    assert!(!client.is_renegotiating());
    let mut asked = false;
    while let Some(fact) = client.next_fact() {
        asked |= matches!(
            fact,
            Fact::Handshake { message, .. } if message == Message::CERTIFICATE_REQUEST
        );
    }
    assert!(asked);

    let (mut client, mut server) = world.open(TLS13, false);
    server.ask_after_handshake();
    let fault = peer::meet(&mut client, &mut server).unwrap_err();
    assert_eq!(fault.code, Code::ClientCertificateMissing);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 116)));
}

#[test]
fn authentication_after_the_handshake_is_offered_only_if_asked_for() {
    let world = World::new();
    let mut client = world.profile(|profile| {
        let identity = Some(world.identity());
        connect(&Profile {
            identity,
            ..profile
        })
        .unwrap()
    });
    let mut server = Server::new(&world.context(None));
    peer::meet(&mut client, &mut server).unwrap();
    let answer = server::request_post_handshake_auth(&mut server.stream);
    assert!(answer.is_err());
    let answer = server::request_renegotiation(&mut server.stream);
    assert!(answer.is_err(), "TLS 1.3 has none");
}
