//! Renegotiation, as a front end asks for it once it has seen the path.

use std::io::Write as _;

use openssl::ssl::SslVerifyMode;
use towpath_proto::{
    Code, Fault,
    tls::{Alert, Fact, Identity, Profile, Side, Tls as _},
};
use towpath_tls_openssl::server;

use crate::{
    certs::Template,
    world::{Pki, TLS12, World, builder, only12, profile, trust},
};

const REQUIRED: SslVerifyMode = SslVerifyMode::PEER.union(SslVerifyMode::FAIL_IF_NO_PEER_CERT);

/// A server that asks for nothing at first; the client trusts it.
fn world(pki: &Pki, identity: Option<Identity<'_>>, trace: bool) -> World {
    let roots = [&*pki.root_pem];
    let profile = Profile {
        versions: Some(TLS12),
        identity,
        trace,
        ..profile(&roots)
    };
    let mut builder = only12(pki.builder());
    trust(&mut builder, &pki.root, SslVerifyMode::NONE);
    let mut world = World::new(&profile, &builder.build());
    world.settle().unwrap();
    world.write(b"GET");
    world.settle().unwrap();
    world
}

fn ask(world: &mut World) -> Result<(), Fault> {
    server::set_verify(&mut world.server, REQUIRED);
    server::request_renegotiation(&mut world.server).unwrap();
    let _ = world.server.do_handshake();
    world.settle()
}

#[test]
fn it_is_done_when_allowed() {
    for (trace, chunk) in [(false, usize::MAX), (true, usize::MAX), (true, 1)] {
        let pki = Pki::new();
        let mut world = world(&pki, Some(pki.identity()), trace);
        world.client.allow_renegotiation(true);
        world.chunk = chunk;
        ask(&mut world).unwrap();
        assert!(!world.client.is_renegotiating());
        let shown = world.server.ssl().peer_certificate().unwrap();
        assert_eq!(shown.to_der().unwrap(), pki.device.cert.to_der().unwrap());
        world.server.write_all(b"101").unwrap();
        world.settle().unwrap();
        world.write(b"CONNECT");
        world.settle().unwrap();
        assert_eq!(world.at_client, b"101");
        assert_eq!(world.at_server, b"GETCONNECT");
        // The chain came encrypted, so no tap saw it.
        let chains = world
            .facts
            .iter()
            .filter(|fact| matches!(fact, Fact::Chain { .. }));
        assert_eq!(chains.count(), 1);
        // A session of after it.
        let mut saved = 0;
        world.client.take_session(&mut |bytes| saved = bytes.len());
        assert!(saved > 0);
    }
}

#[test]
fn it_shows_while_it_is_under_way() {
    let pki = Pki::new();
    let mut world = world(&pki, Some(pki.identity()), false);
    world.client.allow_renegotiation(true);
    server::request_renegotiation(&mut world.server).unwrap();
    let _ = world.server.do_handshake();
    world.carry();
    assert!(!world.client.is_renegotiating());
    world.step().unwrap();
    assert!(world.client.is_renegotiating());
    assert_eq!(world.client.write(b"not now").unwrap(), 0);
    world.settle().unwrap();
    assert!(!world.client.is_renegotiating());
}

#[test]
fn it_is_refused_by_a_warning() {
    for trace in [false, true] {
        let pki = Pki::new();
        let mut world = world(&pki, Some(pki.identity()), trace);
        let result = ask(&mut world);
        let warning = Alert {
            from: Side::Client,
            fatal: false,
            description: 100,
        };
        let told = world
            .facts
            .iter()
            .filter(|fact| **fact == Fact::Alert(warning));
        assert_eq!(told.count(), 1, "{:?}", world.facts);
        assert!(!world.client.is_renegotiating());
        assert_eq!(world.client.end_of_stream(), 0x7280);
        // OpenSSL takes the warning for the end.
        let fault = result.unwrap_err();
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
        assert_eq!(fault.number, 0x7780);
        let told = world
            .facts
            .iter()
            .filter(|fact| **fact == Fact::Alert(fault.alert.unwrap()));
        assert_eq!(told.count(), 1, "{:?}", world.facts);
    }
}

#[test]
fn another_server_certificate_is_refused() {
    for trace in [false, true] {
        let pki = Pki::new();
        let mut world = world(&pki, Some(pki.identity()), trace);
        world.client.allow_renegotiation(true);
        let other = Template::server().sign(Some(&pki.root));
        let mut other = only12(builder(&other, &[]));
        trust(&mut other, &pki.root, SslVerifyMode::NONE);
        server::switch_context(&mut world.server, &other.build());
        let fault = ask(&mut world).unwrap_err();
        assert_eq!(fault.code, Code::RenegotiationIdentity);
        assert_eq!(fault.number, 0x7a00);
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 49)));
    }
}

#[test]
fn without_a_certificate_the_server_ends_it() {
    for trace in [false, true] {
        let pki = Pki::new();
        let mut world = world(&pki, None, trace);
        world.client.allow_renegotiation(true);
        let fault = ask(&mut world).unwrap_err();
        assert_eq!(fault.code, Code::ClientCertificateMissing);
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
    }
}

#[test]
fn a_certificate_of_another_root_is_refused() {
    let pki = Pki::new();
    let rogue = Pki::new();
    let mut world = world(&pki, Some(rogue.identity()), false);
    world.client.allow_renegotiation(true);
    let fault = ask(&mut world).unwrap_err();
    assert_eq!(fault.code, Code::ClientCertificateUntrusted);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 48)));
}

#[test]
fn it_can_be_forbidden_again() {
    let pki = Pki::new();
    let mut world = world(&pki, Some(pki.identity()), false);
    world.client.allow_renegotiation(true);
    ask(&mut world).unwrap();
    world.client.allow_renegotiation(false);
    assert!(ask(&mut world).is_err());
}
