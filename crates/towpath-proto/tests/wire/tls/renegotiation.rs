//! Renegotiation: done where it is allowed, refused and named where it is not.

use towpath_proto::{
    Code, Rung,
    tls::{Alert, Fact, Side},
};
use towpath_sim::{Chunks, Refused, Security, Seen, ToyTerms};

use super::{
    CONNACK, CONNECT, HANDSHAKE, TEN, WITH_CERTIFICATE, asked, begun, connected, never, refused,
    terms,
};
// Where it is allowed.

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
    script.hears(HANDSHAKE);
    script.hold();
    script.server().renegotiate();
    script.switch();
    script.deliver(28 + 5);
    script.hears("ClientHello");
    script.deliver(usize::MAX);
    script.hears("Certificate ClientKeyExchange CertificateVerify Finished");
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

// Where it is refused.

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

/// The request and what comes after it, in one chunk: the server goes on, so the refusal did not end it.
#[test]
fn data_behind_the_request_shows_that_life_goes_on() {
    let mut script = asked(&never());
    script.hold();
    script.server().renegotiate();
    script.switch();
    script.deliver(usize::MAX);
    script.close();
    script.fails(Code::Closed);
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
