//! How a connection with TLS ends: closes, silence, alerts, writes that fail, peers that are something else.

use towpath_proto::{
    Code, Rung,
    client::Start,
    mqtt::{QoS, Version, property::Properties, reason::ReasonCode},
    tls::{Alert, Fact, Side},
};
use towpath_sim::{Chunks, Memory, Script, Security, Seen, ToyTerms};

use super::{HANDSHAKE, TEN, WITH_CERTIFICATE, asked, begun, connected, terms};
use crate::{lasting, message};

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
    let fault = script.fails(Code::RenegotiationClosed);
    let said = "last sent ClientHello, received HelloRequest";
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
    assert_eq!(fault.rung, Rung::Mqtt);
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
