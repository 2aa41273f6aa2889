//! TLS below HTTP and MQTT. The peer is the simulation's toy, which has TLS's records and messages and no security;
//! `hears` is what the server heard of the handshake.

use std::time::Duration;

use towpath_proto::{
    Code, Reason, Rung,
    client::Start,
    mqtt::{QoS, Version, property::Properties, reason::ReasonCode},
    tls::{self, Alert, Fact, Renegotiation, Side},
};
use towpath_sim::{Arrived, Chunks, Memory, Refused, Script, Security, Seen, ToyProfile, ToyTerms};

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

// Renegotiation, where it is allowed.

#[test]
fn the_server_asks_for_the_certificate_after_the_request() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        let mut script = asked(&Security::default());
        script.chunks = chunks;
        script.hears(HANDSHAKE);
        script.server().renegotiate();
        script.hears(WITH_CERTIFICATE);
        script.switch();
        script.recv(CONNECT);
        script.send(CONNACK);
        assert!(matches!(script.event(), Seen::Connected { .. }));
        let facts = script.facts();
        assert!(facts.contains(&Fact::HelloRequest { len: 28 }));
        assert!(facts.contains(&Fact::Renegotiating));
        assert!(facts.contains(&Fact::Renegotiated));
        assert!(!facts.contains(&Fact::RenegotiationRefused));
    }
}

#[test]
fn the_server_asks_for_the_certificate_after_its_101() {
    let mut script = asked(&Security::default());
    script.hears(HANDSHAKE);
    script.switch();
    script.server().renegotiate();
    script.hears(WITH_CERTIFICATE);
    script.recv(CONNECT);
    script.send(CONNACK);
    assert!(matches!(script.event(), Seen::Connected { .. }));
}

/// The 101 and the request for the renegotiation in one chunk, and in pieces of each.
#[test]
fn the_101_and_the_request_come_together() {
    for chunks in [Chunks::Whole, Chunks::Upto(1), Chunks::Random(50)] {
        let mut script = asked(&Security::default());
        script.chunks = chunks;
        script.hold();
        script.hears(HANDSHAKE);
        script.switch();
        script.server().renegotiate();
        script.deliver(usize::MAX);
        script.hears(WITH_CERTIFICATE);
        script.recv(CONNECT);
        script.send(CONNACK);
        assert!(matches!(script.event(), Seen::Connected { .. }));
    }
}

#[test]
fn what_the_client_says_waits_for_the_end_of_the_renegotiation() {
    let mut script = asked(&Security::default());
    script.hears(HANDSHAKE);
    script.hold();
    script.server().renegotiate();
    script.deliver(28 + 5);
    script.hears("ClientHello");
    // Said before the renegotiation, read in the middle of it.
    script.switch();
    script.recv_nothing();
    script.deliver(usize::MAX);
    script.recv(CONNECT);
}

/// What the server had said already arrives inside the renegotiation and is no second request for one.
#[test]
fn data_of_the_server_inside_the_renegotiation_arrives() {
    let mut script = asked(&Security::default());
    script.hold();
    script.server().renegotiate();
    script.switch();
    script.deliver(usize::MAX);
    script.hears(&format!("{HANDSHAKE} {WITH_CERTIFICATE}"));
    script.recv(CONNECT);
    script.send(CONNACK);
    assert!(matches!(script.event(), Seen::Connected { .. }));
    let facts = script.facts();
    let requests = |fact: &&Fact| matches!(fact, Fact::HelloRequest { .. });
    assert_eq!(facts.iter().filter(requests).count(), 1, "{facts:?}");
    assert!(!facts.contains(&Fact::RenegotiationRefused));
    script.close();
    script.fails(Code::Closed);
}

#[test]
fn a_client_without_a_certificate_says_so_in_the_renegotiation() {
    let mut security = terms(ToyTerms {
        requires: true,
        ..ToyTerms::default()
    });
    security.profile.identity = false;
    let mut script = asked(&security);
    script.hears(HANDSHAKE);
    script.server().renegotiate();
    let fault = script.fails(Code::ClientCertificateMissing);
    assert_eq!(fault.rung, Rung::Tls);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
}

#[test]
fn a_server_that_comes_back_with_another_certificate_is_left() {
    let mut script = asked(&terms(ToyTerms {
        changes_certificate: true,
        ..ToyTerms::default()
    }));
    script.hears(HANDSHAKE);
    script.server().renegotiate();
    script.fails(Code::RenegotiationIdentity);
    script.hears("ClientHello alert 42");
}

// Renegotiation, where it is refused.

#[test]
fn a_renegotiation_that_is_not_wanted_is_named_when_the_server_ends_it() {
    for (reaction, alert) in [
        (Refused::Alerts(40), Alert::fatal(Side::Server, 40)),
        (Refused::Closes, refused()),
    ] {
        let mut security = never();
        security.terms.refused = reaction;
        let mut script = asked(&security);
        script.hears(HANDSHAKE);
        script.server().renegotiate();
        script.hears("warning 100");
        if reaction == Refused::Closes {
            script.close();
        }
        let fault = script.fails(Code::RenegotiationOff);
        assert_eq!((fault.rung, fault.alert), (Rung::Tls, Some(alert)));
        assert!(script.facts().contains(&Fact::RenegotiationRefused));
    }
}

/// A server that waits for a renegotiation that does not come.
#[test]
fn a_refusal_that_the_server_does_not_answer_is_named_in_time() {
    let mut script = asked(&never());
    script.server().renegotiate();
    script.pass(TEN);
    let fault = script.fails(Code::RenegotiationOff);
    assert_eq!(fault.alert, Some(refused()));
}

#[test]
fn life_goes_on_after_a_refusal_if_the_server_does() {
    for together in [false, true] {
        let mut script = asked(&never());
        if together {
            script.hold();
        }
        script.server().renegotiate();
        script.switch();
        script.deliver(usize::MAX);
        script.recv(CONNECT);
        script.send(CONNACK);
        assert!(matches!(script.event(), Seen::Connected { .. }));
        assert!(script.facts().contains(&Fact::RenegotiationRefused));
        // What ends the connection later has another cause.
        script.close();
        let fault = script.fails(Code::Closed);
        assert_eq!(fault.alert, None);
    }
}

/// The refusal is what ends it, though data came in the same chunk before the request.
#[test]
fn a_101_before_the_request_does_not_hide_the_refusal() {
    let mut security = never();
    security.terms.refused = Refused::Closes;
    let mut script = asked(&security);
    script.hold();
    script.switch();
    script.server().renegotiate();
    script.deliver(usize::MAX);
    script.close();
    script.fails(Code::RenegotiationOff);
}

#[test]
fn a_second_renegotiation_is_refused() {
    let mut script = asked(&terms(ToyTerms {
        refused: Refused::Alerts(40),
        ..ToyTerms::default()
    }));
    script.hears(HANDSHAKE);
    script.server().renegotiate();
    script.hears(WITH_CERTIFICATE);
    script.server().renegotiate();
    script.hears("warning 100");
    script.fails(Code::RenegotiationAgain);
}

/// The end of the first renegotiation and the request for a second one, in one chunk, with a 101 in between or without.
#[test]
fn a_second_renegotiation_right_behind_the_first_is_refused() {
    for switches in [false, true] {
        let mut script = asked(&terms(ToyTerms {
            refused: Refused::Closes,
            ..ToyTerms::default()
        }));
        script.hears(HANDSHAKE);
        script.hold();
        script.server().renegotiate();
        script.deliver(28 + 5);
        script.hears("ClientHello");
        let flight = script.deliver(0);
        script.deliver(flight);
        script.hears("Certificate ClientKeyExchange CertificateVerify Finished");
        if switches {
            script.switch();
        }
        script.server().renegotiate();
        script.deliver(usize::MAX);
        script.hears("warning 100");
        script.close();
        script.fails(Code::RenegotiationAgain);
    }
}

#[test]
fn a_renegotiation_after_connack_is_refused() {
    let mut script = connected(&terms(ToyTerms {
        refused: Refused::Alerts(40),
        ..ToyTerms::default()
    }));
    script.server().renegotiate();
    script.hears("warning 100");
    let fault = script.fails(Code::RenegotiationLate);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
}

/// CONNACK is known before the request behind it is worked off, though both came in one chunk.
#[test]
fn connack_and_the_request_in_one_chunk_are_too_late() {
    for chunks in [Chunks::Whole, Chunks::Upto(1), Chunks::Upto(40)] {
        let mut script = begun(&terms(ToyTerms {
            refused: Refused::Closes,
            ..ToyTerms::default()
        }));
        script.chunks = chunks;
        script.hears(HANDSHAKE);
        script.recv(CONNECT);
        script.hold();
        script.send(CONNACK);
        script.server().renegotiate();
        script.deliver(usize::MAX);
        assert!(matches!(script.event(), Seen::Connected { .. }));
        script.hears("warning 100");
        script.close();
        script.fails(Code::RenegotiationLate);
    }
}

#[test]
fn a_server_without_rfc_5746_gets_no_renegotiation() {
    let mut script = asked(&terms(ToyTerms {
        secure_renegotiation: false,
        refused: Refused::Alerts(40),
        ..ToyTerms::default()
    }));
    script.hears(HANDSHAKE);
    script.server().renegotiate();
    script.hears("warning 100");
    script.fails(Code::RenegotiationInsecure);
}

// The end of the stream.

/// Wherever the server's first flight breaks off, the fault says what came last.
#[test]
fn a_close_inside_the_handshake_says_what_came_last() {
    let mut seen = Vec::new();
    let mut at = 0;
    loop {
        let mut script = Script::new(Memory::host());
        script.hold();
        script.start_tls(Start::new(lasting(Version::V5)), &Security::default());
        let left = script.deliver(at);
        if left == 0 {
            break;
        }
        script.close();
        let fault = script.fails(Code::TlsClosed);
        assert_eq!((fault.rung, fault.alert), (Rung::Tls, None));
        seen.push(fault.detail.as_str().to_owned());
        at += 1;
    }
    seen.dedup();
    let received = ["nothing", "ServerHello", "Certificate", "ServerKeyExchange"];
    let expected = received.map(|last| format!("last sent ClientHello, received {last}"));
    assert_eq!(seen[..4], expected);
}

#[test]
fn a_close_inside_the_renegotiation_says_so() {
    let mut script = asked(&Security::default());
    script.hold();
    script.server().renegotiate();
    script.deliver(28 + 5);
    script.hears(&format!("{HANDSHAKE} ClientHello"));
    script.close();
    let fault = script.fails(Code::TlsClosed);
    let said = "renegotiating: last sent ClientHello, received HelloRequest";
    assert!(said.starts_with(fault.detail.as_str()), "{fault}");
    assert!(fault.detail.as_str().len() > 40, "{fault}");
}

/// The certificate was asked for and shown, and the answer is silence.
#[test]
fn a_close_after_the_certificate_was_asked_for_is_named() {
    let mut script = asked(&Security::default());
    script.server().renegotiate();
    script.hears(&format!("{HANDSHAKE} {WITH_CERTIFICATE}"));
    script.close();
    script.fails(Code::ClientCertificateUnanswered);
    // The same when the 101 came before the renegotiation.
    let mut script = asked(&Security::default());
    script.switch();
    script.server().renegotiate();
    script.close();
    script.fails(Code::ClientCertificateUnanswered);
    // And in the first handshake.
    let mut script = begun(&terms(ToyTerms {
        asks: true,
        ..ToyTerms::default()
    }));
    script.hears(WITH_CERTIFICATE);
    script.close();
    script.fails(Code::ClientCertificateUnanswered);
}

#[test]
fn silence_in_the_handshake_ends_in_time() {
    let mut script = Script::new(Memory::host());
    script.hold();
    script.start_tls(Start::new(lasting(Version::V5)), &Security::default());
    script.pass(TEN);
    let fault = script.fails(Code::TlsTimeout);
    assert_eq!((fault.rung, fault.number), (Rung::Tls, 10_000));
    assert_eq!(
        fault.detail.as_str(),
        "last sent ClientHello, received nothing"
    );
}

#[test]
fn silence_in_the_renegotiation_ends_in_time() {
    let mut script = asked(&Security::default());
    script.hold();
    script.server().renegotiate();
    script.deliver(28 + 5);
    script.pass(TEN);
    let fault = script.fails(Code::RenegotiationTimeout);
    assert_eq!((fault.rung, fault.number), (Rung::Tls, 10_000));
}

#[test]
fn close_notify_of_the_server_is_a_close() {
    let mut script = connected(&Security::default());
    script.server().alert(false, 0);
    let fault = script.fails(Code::Closed);
    assert!(!fault.alert.is_some_and(|alert| alert.fatal));
    script.hears("warning 0");
}

#[test]
fn a_farewell_ends_with_close_notify() {
    let mut script = connected(&Security::default());
    let said = script
        .client
        .disconnect(ReasonCode::SUCCESS, Properties::NONE);
    said.expect("a farewell");
    assert_eq!(script.event(), Seen::Disconnected);
    script.recv("e0 00");
    script.hears("warning 0");
}

#[test]
fn what_came_before_the_end_is_still_read() {
    let mut script = connected(&Security::default());
    script.hold();
    script.send("30 [ <a/b> [] 'one' ] 30 [ <a/b> [] 'two' ]");
    script.client.pause(true);
    script.deliver(usize::MAX);
    script.server().alert(false, 0);
    script.client.pause(false);
    assert_eq!(script.message().payload, b"one");
    assert_eq!(script.message().payload, b"two");
    script.fails(Code::Closed);
}

/// A client that is paused when the stream ends gets the rest when it goes on.
#[test]
fn the_end_waits_for_a_client_that_is_paused() {
    let mut script = connected(&Security::default());
    script.client.pause(true);
    script.send("30 [ <a/b> [] 'one' ]");
    script.end();
    script.no_event();
    script.client.pause(false);
    assert_eq!(script.message().payload, b"one");
    script.fails(Code::Closed);
}

// Alerts.

#[test]
fn an_alert_that_answers_clienthello_is_explained() {
    for (number, code) in [
        (40, Code::NoCommonSuite),
        (70, Code::NoCommonVersion),
        (112, Code::UnknownServerName),
        (120, Code::NoCommonAlpn),
        (80, Code::TlsAlert),
    ] {
        let mut script = begun(&terms(ToyTerms {
            refuses: Some(number),
            ..ToyTerms::default()
        }));
        let fault = script.fails(code);
        let alert = Alert::fatal(Side::Server, number);
        assert_eq!((fault.rung, fault.alert), (Rung::Tls, Some(alert)));
        let told = script.facts();
        assert_eq!(
            told.iter()
                .filter(|fact| **fact == Fact::Alert(alert))
                .count(),
            1
        );
    }
}

#[test]
fn an_alert_in_an_encrypted_record_gets_its_number_from_the_library() {
    let mut script = connected(&Security::default());
    script.server().alert(true, 80);
    let fault = script.fails(Code::TlsAlert);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 80)));
    let facts = script.facts();
    assert!(facts.contains(&Fact::HiddenAlert(Side::Server)));
    assert!(facts.contains(&Fact::Alert(Alert::fatal(Side::Server, 80))));
}

/// An alert of this side reaches the server, and it is told which one it was.
#[test]
fn an_alert_of_this_side_leaves_before_the_end() {
    let mut security = Security::default();
    security.profile.rx = 300;
    security.terms.certificate = 1000;
    let mut script = begun(&security);
    let fault = script.fails(Code::TlsRecord);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, 22)));
    script.hears("ClientHello alert 22");
}

#[test]
fn a_handshake_message_larger_than_the_buffer_is_named() {
    let mut security = Security::default();
    security.profile.handshake = 512;
    security.terms.certificate = 1000;
    security.terms.record = 200;
    let mut script = begun(&security);
    let fault = script.fails(Code::TlsMessageTooLarge);
    assert_eq!(fault.rung, Rung::Tls);
}

/// The server closed while this side was still writing: what it said before is the evidence.
#[test]
fn the_alert_is_read_after_a_write_that_failed() {
    let mut security = terms(ToyTerms {
        asks: true,
        requires: true,
        ..ToyTerms::default()
    });
    security.profile.identity = false;
    let mut script = begun(&security);
    // The request for a certificate, no certificate, and the alert.
    let fault = script.fails(Code::ClientCertificateMissing);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));

    let mut script = connected(&Security::default());
    script.hold();
    script.server().alert(true, 49);
    script.break_writes();
    let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
    sent.expect("room");
    script.deliver(usize::MAX);
    let fault = script.fails(Code::TlsAlert);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 49)));
}

#[test]
fn a_write_that_failed_with_nothing_to_read_is_a_reset() {
    let mut script = connected(&Security::default());
    script.break_writes();
    script.fails(Code::Reset);
}

// What the peer is.

#[test]
fn a_peer_that_does_not_speak_tls_is_named() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"\x20\x02\x00\x00",
        ] {
            let mut script = Script::new(Memory::host());
            script.chunks = chunks;
            script.hold();
            script.start_tls(Start::new(lasting(Version::V5)), &Security::default());
            script.send_raw(answer);
            let fault = script.fails(Code::PeerNotTls);
            assert_eq!(fault.rung, Rung::Tls);
        }
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
