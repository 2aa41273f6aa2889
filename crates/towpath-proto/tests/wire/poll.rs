//! Polling in two steps: an event that nobody has taken yet stays, whatever happens in between.

use std::time::Duration;

use towpath_proto::{
    Code, Event, Ready, Reason,
    client::Start,
    mqtt::{QoS, Version, packet::Connect, property::Properties, reason::ReasonCode},
};
use towpath_sim::{Script, hex};

use crate::{BOTH, message};

/// The client has received these bytes and polling has found an event, which nobody took.
fn found(script: &mut Script, notation: &str) {
    let bytes = hex(notation);
    script.client.rx_space()[..bytes.len()].copy_from_slice(&bytes);
    script.client.commit(script.now, bytes.len());
    assert_eq!(script.client.poll(script.now), Ready::Event);
}

const fn qos2(version: Version) -> &'static str {
    match version {
        Version::V311 => "34 [ <t> 0007 'x' ]",
        Version::V5 => "34 [ <t> 0007 [] 'x' ]",
    }
}

#[test]
fn the_answer_stays_until_it_is_taken() {
    for version in BOTH {
        let mut script = Script::connected(version);
        assert_eq!(script.client.take_event(), None);
        found(&mut script, qos2(version));
        script
            .client
            .publish(&message(b"y", QoS::AtMostOnce))
            .unwrap();
        assert_eq!(script.client.poll(script.now), Ready::Event);
        assert!(
            script.client.rx_space().is_empty(),
            "its bytes are not overwritten"
        );
        assert!(matches!(
            script.client.take_event(),
            Some(Event::Message(_))
        ));
        assert_eq!(script.client.take_event(), None);
        assert_eq!(script.client.poll(script.now), Ready::Transmit);
        let len = script.client.sendable().len();
        assert!(script.client.both_ways().1.len() == len && len > 0);
        script.pump();
        let waits = Ready::Wait {
            until: script.client.deadline(),
            reason: Reason::KeepAlive,
        };
        assert_eq!(script.client.poll(script.now), waits);
    }
}

/// [MQTT-3.14.4-2]: no packet follows DISCONNECT, not even the acknowledgement of a message that is still handed out.
#[test]
fn a_message_found_before_the_farewell_is_handed_out_and_not_acknowledged() {
    for version in BOTH {
        let mut script = Script::connected(version);
        found(&mut script, qos2(version));
        script
            .client
            .disconnect(ReasonCode::SUCCESS, Properties::NONE)
            .unwrap();
        assert_eq!(script.message().payload, b"x");
        assert_eq!(script.event(), towpath_sim::Seen::Disconnected);
        script.recv("e0 00");
    }
}

#[test]
fn a_message_found_before_a_timeout_is_handed_out_before_the_end() {
    for version in BOTH {
        let mut script = Script::connected(version);
        script.pass(Duration::from_secs(60));
        script.recv("c0 00");
        let before = script.client.deadline().unwrap();
        found(&mut script, qos2(version));
        // Receiving proves that the server lives; say that it was long ago.
        script.now = before.after(Duration::from_secs(120));
        script.client.handle_timeout(script.now);
        script
            .client
            .handle_timeout(script.now.after(Duration::from_secs(10)));
        assert_eq!(script.message().payload, b"x");
        script.fails(Code::PingTimeout);
    }
}

#[test]
fn a_message_that_nobody_took_before_the_connection_was_let_go_is_taken_when_it_comes_again() {
    for version in BOTH {
        let mut script = Script::connected(version);
        found(&mut script, qos2(version));
        script.client.abandon();
        assert!(!script.client.is_connected() && script.client.is_ending());
        let ended = Ready::Wait {
            until: None,
            reason: Reason::Ended,
        };
        assert_eq!(script.client.poll(script.now), ended);
        script.start(&Start::new(Connect {
            version,
            clean_start: false,
            ..Connect::default()
        }));
        script.accept(version, true, "");
        script.send(&qos2(version).replace("34", "3c"));
        assert_eq!(script.message().payload, b"x");
        script.recv("50 02 0007");
    }
}
