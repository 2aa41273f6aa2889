//! TLS below HTTP and MQTT. The peer is the simulation's toy, which has TLS's records and messages and no security;
//! `hears` is what the server heard of the handshake.

mod ends;
mod renegotiation;

use std::time::Duration;

use towpath_proto::{
    Code, Reason, Rung,
    client::Start,
    mqtt::{QoS, Version},
    tls::{self, Alert, Fact, Renegotiation, Side},
};
use towpath_sim::{Arrived, Chunks, Memory, Script, Security, Seen, ToyProfile, ToyTerms};

use crate::{lasting, message};

const HANDSHAKE: &str = "ClientHello ClientKeyExchange Finished";
const WITH_CERTIFICATE: &str =
    "ClientHello Certificate ClientKeyExchange CertificateVerify Finished";
const CONNECT: &str = "10 [ <MQTT> 05 00 003c [] <boat> ]";
const CONNACK: &str = "20 03 00 00 00";
const TEN: Duration = Duration::from_secs(10);

/// A client that goes on by TLS and WebSocket, up to its request.
fn asked(security: &Security) -> Script {
    let mut script = Script::new(Memory::host());
    begin_wss(&mut script, security);
    script
}

fn begin_wss(script: &mut Script, security: &Security) {
    let mut start = Start::new(lasting(Version::V5));
    start.upgrade = Some(Script::UPGRADE);
    script.start_tls(start, security);
}

/// A client that goes on by TLS alone, up to CONNECT.
fn begun(security: &Security) -> Script {
    let mut script = Script::new(Memory::host());
    script.start_tls(Start::new(lasting(Version::V5)), security);
    script
}

/// The same, accepted.
fn connected(security: &Security) -> Script {
    let mut script = begun(security);
    script.hears(HANDSHAKE);
    script.accept(Version::V5, false, "");
    script
}

fn terms(terms: ToyTerms) -> Security {
    Security {
        terms,
        ..Security::default()
    }
}

fn never() -> Security {
    Security {
        renegotiation: Renegotiation::Never,
        ..Security::default()
    }
}

const fn refused() -> Alert {
    Alert {
        from: Side::Client,
        fatal: false,
        description: tls::alert::description::NO_RENEGOTIATION,
    }
}

// The rungs in their order.

#[test]
fn nothing_of_mqtt_leaves_before_the_handshake_is_complete() {
    let mut script = Script::new(Memory::host());
    script.hold();
    script.start_tls(Start::new(lasting(Version::V5)), &Security::default());
    script.hears("ClientHello");
    assert_eq!(script.client.rung(), Rung::Tls);
    script.waits(Reason::Transport, Some(TEN));
    script.recv_nothing();
    script.deliver(usize::MAX);
    script.hears("ClientKeyExchange Finished");
    script.recv(CONNECT);
    script.waits(Reason::Connack, Some(TEN));
    script.send(CONNACK);
    assert!(matches!(script.event(), Seen::Connected { .. }));
    assert_eq!(script.client.rung(), Rung::Mqtt);
}

#[test]
fn the_request_waits_for_tls_and_connect_for_the_101() {
    let mut script = Script::new(Memory::host());
    script.hold();
    begin_wss(&mut script, &Security::default());
    script.hears("ClientHello");
    script.recv_nothing();
    script.deliver(usize::MAX);
    assert_eq!(script.client.rung(), Rung::Upgrade);
    script.waits(Reason::Upgrade, Some(TEN));
    script.switch();
    script.recv(CONNECT);
    script.send(CONNACK);
    assert!(matches!(script.event(), Seen::Connected { .. }));
}

/// Each rung has the whole patience, so a slow handshake does not shorten the upgrade.
#[test]
fn each_rung_has_its_own_time() {
    let mut script = Script::new(Memory::host());
    script.hold();
    begin_wss(&mut script, &Security::default());
    script.pass(Duration::from_secs(9));
    script.deliver(usize::MAX);
    script.waits(Reason::Upgrade, Some(TEN));
    script.pass(Duration::from_secs(9));
    script.switch();
    script.waits(Reason::Connack, Some(TEN));
}

#[test]
fn bytes_one_by_one_are_the_same() {
    for version in [tls::Version::Tls12, tls::Version::Tls13] {
        let mut security = terms(ToyTerms {
            version,
            asks: true,
            tickets: 2,
            ..ToyTerms::default()
        });
        security.profile.version = version;
        let mut all = Vec::new();
        for chunks in [Chunks::Whole, Chunks::Upto(1), Chunks::Random(7)] {
            let mut script = Script::new(Memory::host());
            script.chunks = chunks;
            begin_wss(&mut script, &security);
            script.switch();
            script.recv(CONNECT);
            script.send(CONNACK);
            assert!(matches!(script.event(), Seen::Connected { .. }));
            all.push(sorted(script.facts()));
        }
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[2]);
    }
}

/// In which order both directions are told depends on how they were cut; what is told does not.
fn sorted(facts: Vec<Fact>) -> Vec<String> {
    let mut list: Vec<_> = facts.iter().map(|fact| format!("{fact:?}")).collect();
    list.sort();
    list
}

#[test]
fn what_a_handshake_comes_to_is_told() {
    let mut script = begun(&Security::default());
    let facts = script.facts();
    let agreed = Fact::Agreed {
        version: tls::Version::Tls12,
        suite: 0xc02f,
        resumed: false,
    };
    assert!(facts.contains(&agreed), "{facts:?}");
    assert!(facts.contains(&Fact::RoundTrips(2)), "{facts:?}");
    assert_eq!(
        messages(&facts),
        "c:ClientHello s:ServerHello s:Certificate s:ServerKeyExchange s:ServerHelloDone \
         c:ClientKeyExchange c:Finished s:Finished"
    );
}

/// The messages that were told, in order.
fn messages(facts: &[Fact]) -> String {
    let names = facts.iter().filter_map(|fact| match fact {
        Fact::Handshake { from, message, .. } => {
            Some(format!("{}:{}", &from.name()[..1], message.name()))
        }
        _ => None,
    });
    names.collect::<Vec<_>>().join(" ")
}

/// What a tap can see is told once, whether the library tells it too or not.
#[test]
fn a_library_that_tells_nothing_leaves_what_the_tap_sees() {
    let mut security = Security::default();
    security.profile.tells = false;
    let mut script = begun(&security);
    assert_eq!(
        messages(&script.facts()),
        "c:ClientHello s:ServerHello s:Certificate s:ServerKeyExchange s:ServerHelloDone \
         c:ClientKeyExchange"
    );
}

#[test]
fn a_resumed_session_and_tls_1_3_take_one_round_trip() {
    let mut security = terms(ToyTerms {
        resumes: true,
        ..ToyTerms::default()
    });
    security.profile.session = b"earlier".to_vec();
    let mut script = begun(&security);
    script.hears("ClientHello Finished");
    let facts = script.facts();
    assert!(facts.contains(&Fact::RoundTrips(1)), "{facts:?}");
    script.recv(CONNECT);

    let mut script = begun(&tls13());
    script.hears("ClientHello Finished");
    let facts = script.facts();
    assert!(facts.contains(&Fact::RoundTrips(1)), "{facts:?}");
    script.recv(CONNECT);
}

fn tls13() -> Security {
    Security {
        profile: ToyProfile {
            version: tls::Version::Tls13,
            ..ToyProfile::default()
        },
        terms: ToyTerms {
            version: tls::Version::Tls13,
            ..ToyTerms::default()
        },
        ..Security::default()
    }
}

// TLS 1.3.

#[test]
fn a_403_without_post_handshake_authentication_is_named() {
    let mut script = asked(&tls13());
    script.send_bytes(b"HTTP/1.1 403 Forbidden\r\nServer: lock\r\n\r\n");
    let fault = script.fails(Code::PostHandshakeMissing);
    assert_eq!(fault.number, 403);

    // Without a certificate there is nothing to ask for.
    let mut security = tls13();
    security.profile.identity = false;
    let mut script = asked(&security);
    script.send_bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    script.fails(Code::Forbidden);

    // Nor does TLS 1.2 have it.
    let mut script = asked(&Security::default());
    script.send_bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    script.fails(Code::Forbidden);
}

#[test]
fn tls_1_3_asks_for_the_certificate_after_the_handshake() {
    let mut security = tls13();
    security.profile.post_handshake_auth = true;
    let mut script = asked(&security);
    script.hears("ClientHello Finished");
    script.server().renegotiate();
    script.hears("Certificate CertificateVerify Finished");
    script.switch();
    script.recv(CONNECT);
    // The certificate was shown, so a 403 is about something else.
    let mut script = asked(&security);
    script.server().renegotiate();
    script.send_bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    script.fails(Code::Forbidden);
}

// Small buffers.

/// Records that hold a few bytes, buffers that hold a record: nothing stops for good.
#[test]
fn small_buffers_do_not_lock_up() {
    for (record, chunk) in [(1, 1), (7, 3), (64, 200)] {
        let security = Security {
            profile: ToyProfile {
                record,
                rx: record + 29,
                tx: 40,
                ..ToyProfile::default()
            },
            terms: ToyTerms {
                record,
                certificate: 500,
                ..ToyTerms::default()
            },
            ..Security::default()
        };
        let mut script = Script::new(Memory::device(192, 420, 700, 0));
        script.chunks = Chunks::Upto(chunk);
        begin_wss(&mut script, &security);
        script.server().renegotiate();
        script.switch();
        script.recv(CONNECT);
        script.send(CONNACK);
        assert!(matches!(script.event(), Seen::Connected { .. }));
        let payload = "x".repeat(100);
        for id in 1..=20u16 {
            let sent = script
                .client
                .publish(&message(payload.as_bytes(), QoS::AtLeastOnce));
            sent.expect("room");
            script.send(&format!("32 [ <a/b> {id:04x} [] '{payload}' ]"));
            script.send(&format!("40 02 {id:04x}"));
            assert_eq!(whole(&mut script).payload.len(), 100);
            assert!(matches!(script.event(), Seen::Settled(..)));
        }
        script.take_received();
    }
}

/// Buffers that begin empty grow, and more so when there is much to read.
#[test]
fn buffers_that_begin_empty_grow() {
    let mut buffers = Memory::host();
    buffers.rx = Memory::growing(0);
    let mut script = Script::new(buffers);
    script.start_tls(Start::new(lasting(Version::V5)), &Security::default());
    script.accept(Version::V5, false, "");
    let payload = "x".repeat(20_000);
    script.send(&format!("30 [ <a/b> [] '{payload}' ]"));
    assert_eq!(whole(&mut script).payload.len(), 20_000);
}

/// The next message, whether it came in pieces or not.
fn whole(script: &mut Script) -> Arrived {
    loop {
        match script.event() {
            Seen::Piece(..) => {}
            Seen::Message(arrived) => return arrived,
            other => panic!("{other:?}"),
        }
    }
}

/// A server that sends more than the client can answer, and hears nothing: the client's buffers fill. When the
/// stream ends, what had come is still handed on.
#[test]
fn full_buffers_both_ways_do_not_swallow_the_end() {
    let security = Security {
        profile: ToyProfile {
            rx: 600,
            tx: 60,
            ..ToyProfile::default()
        },
        ..Security::default()
    };
    let mut script = Script::new(Memory::device(64, 320, 256, 0));
    script.start_tls(Start::new(lasting(Version::V5)), &security);
    script.accept(Version::V5, false, "");
    script.block_writes();
    for id in 1..=200u16 {
        script.send(&format!("32 [ <a/b> {id:04x} [] 'x' ]"));
    }
    let mut arrived = 0;
    while let Some(Seen::Message(_)) = script.next_event() {
        arrived += 1;
    }
    assert!(arrived > 10, "{arrived}");
    script.end();
    let mut rest = 0;
    loop {
        match script.event() {
            Seen::Message(_) => rest += 1,
            Seen::Failed(fault) => break assert_eq!(fault.code, Code::Closed),
            other => panic!("{other:?}"),
        }
    }
    assert!(rest > 0, "what had come before the end");
}
