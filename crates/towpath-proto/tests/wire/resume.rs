//! What the next connection does about the last one (MQTT 5 section 4.4).

use towpath_proto::{
    Code, Fault, Rung,
    client::Start,
    event::Outcome,
    mqtt::{QoS, Version, reason::ReasonCode},
};
use towpath_sim::{Memory, Script, Seen};

use crate::{BOTH, connected, id, lasting, message, none};

const DONE: Outcome = Outcome::Acknowledged(ReasonCode::SUCCESS);

/// A client that has a message in each state, and whose connection is gone: 1 awaits PUBACK, 2 PUBREC, 3 PUBCOMP,
/// 4 PUBACK; the server's message 9 awaits its PUBREL.
fn cut_in_the_middle(version: Version) -> Script {
    let mut script = connected(version);
    for qos in [1, 2, 2, 1] {
        let qos = QoS::from_bits(qos).expect("a QoS");
        script.client.publish(&message(b"x", qos)).expect("room");
    }
    script.take_received();
    script.send("50 02 0003");
    script.recv("62 02 0003");
    script.send(&format!("34 [ <a/b> 0009 {} 'y' ]", none(version)));
    script.message();
    script.recv("50 02 0009");
    script.close();
    script.fails(Code::Closed);
    script.start(&Start::new(lasting(version)));
    script
}

/// [MQTT-4.4.0-1], [MQTT-4.6.0-1].
#[test]
fn a_kept_session_goes_on_where_it_was_in_the_old_order() {
    for version in BOTH {
        let none = none(version);
        let mut script = cut_in_the_middle(version);
        script.accept(version, true, "");
        script.recv(&format!(
            "3a [ <a/b> 0001 {none} 'x' ]
             3c [ <a/b> 0002 {none} 'x' ]
             62 02 0003
             3a [ <a/b> 0004 {none} 'x' ]"
        ));
        script.send("70 02 0003");
        assert_eq!(script.event(), Seen::Settled(id(3), DONE));
        // The server repeats what it has no PUBREC for; the application has it already.
        script.send(&format!("3c [ <a/b> 0009 {none} 'y' ]"));
        script.no_event();
        script.recv("50 02 0009");
    }
}

/// [MQTT-4.1.0-1]: what the server had taken over is its own, the rest is sent as new.
#[test]
fn a_lost_session_begins_anew_without_dup() {
    for version in BOTH {
        let none = none(version);
        let mut script = cut_in_the_middle(version);
        script.accept(version, false, "");
        script.recv(&format!(
            "32 [ <a/b> 0001 {none} 'x' ]
             34 [ <a/b> 0002 {none} 'x' ]
             32 [ <a/b> 0004 {none} 'x' ]"
        ));
        assert_eq!(script.event(), Seen::Settled(id(3), DONE));
        // The identifier of a session that is gone says nothing about this message.
        script.send(&format!("34 [ <a/b> 0009 {none} 'z' ]"));
        assert_eq!(script.message().payload, b"z");
        script.recv("50 02 0009");
    }
}

#[test]
fn a_pubcomp_that_does_not_know_the_identifier_settles_the_message() {
    let mut script = cut_in_the_middle(Version::V5);
    script.accept(Version::V5, true, "");
    script.take_received();
    script.send("70 03 0003 92");
    assert_eq!(script.event(), Seen::Settled(id(3), DONE));
}

#[test]
fn an_identifier_is_not_used_again_before_its_message_is_settled() {
    let mut script = cut_in_the_middle(Version::V5);
    script.accept(Version::V5, true, "");
    script.take_received();
    script.send("40 02 0001  70 02 0003");
    for n in [5, 6] {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        assert_eq!(sent, Ok(Some(id(n))));
    }
}

/// [MQTT-2.2.1-3], all 65,535 identifiers round.
#[test]
fn identifiers_come_round_without_meeting_one_in_use() {
    let mut script = connected(Version::V311);
    let sent = script.client.publish(&message(b"x", QoS::ExactlyOnce));
    assert_eq!(sent, Ok(Some(id(1))));
    for n in 2..=u16::MAX {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        assert_eq!(sent, Ok(Some(id(n))));
        script.pump();
        script.send_bytes(&[0x40, 2, (n >> 8) as u8, n as u8]);
        assert_eq!(script.event(), Seen::Settled(id(n), DONE));
    }
    let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
    assert_eq!(sent, Ok(Some(id(2))), "0 does not exist and 1 is in use");
}

/// What never left is no repetition, whatever it was written for.
#[test]
fn a_connection_that_never_opened_counts_for_nothing() {
    for end in [Rung::Tcp, Rung::Upgrade] {
        let mut script = Script::new(Memory::host());
        for qos in [QoS::AtLeastOnce, QoS::AtMostOnce] {
            script.client.publish(&message(b"x", qos)).expect("room");
        }
        let mut start = Start::new(lasting(Version::V5));
        start.pipeline = true;
        let mut first = start;
        first.upgrade = Some(Script::UPGRADE);
        script.client.start(script.now, &first).expect("a start");
        script.client.entered(script.now, Rung::Tcp);
        script.pump();
        if end == Rung::Upgrade {
            script.client.reached(script.now, Rung::Tcp);
            // The bytes of the request do leave.
            while let towpath_proto::Output::Transmit(bytes) = script.client.poll_output(script.now)
            {
                let n = bytes.len();
                script.client.transmitted(script.now, n);
            }
        }
        let fault = Fault::new(Rung::Tcp, Code::Refused);
        script.client.closed(script.now, fault);
        script.pump();
        assert!(matches!(script.event(), Seen::Failed(_)));
        start.pipeline = false;
        script.start(&start);
        script.accept(Version::V5, false, "");
        script.recv("32 [ <a/b> 0001 [] 'x' ]  30 [ <a/b> [] 'x' ]");
    }
}

/// A client that falls back to 3.1.1 because the server knows no MQTT 5 has messages of the other kind in its store.
#[test]
fn what_was_kept_for_one_version_goes_out_in_the_other() {
    for (first, second) in [(Version::V5, Version::V311), (Version::V311, Version::V5)] {
        let mut script = connected(first);
        let filter = towpath_proto::mqtt::topic::TopicFilter::new("a").expect("a filter");
        let list = [towpath_proto::mqtt::packet::Subscription::new(
            filter,
            QoS::AtLeastOnce,
        )];
        let none_at_all = towpath_proto::mqtt::property::Properties::NONE;
        script.client.subscribe(&list, none_at_all).expect("room");
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        sent.expect("room");
        script.take_received();
        script.close();
        script.fails(Code::Closed);
        let sent = script.client.publish(&message(b"y", QoS::ExactlyOnce));
        sent.expect("room");
        script.start(&Start::new(lasting(second)));
        script.accept(second, true, "");
        let none = none(second);
        script.recv(&format!(
            "82 [ 0001 {none} <a> 01 ]  3a [ <a/b> 0002 {none} 'x' ]  34 [ <a/b> 0003 {none} 'y' ]"
        ));
    }
}
