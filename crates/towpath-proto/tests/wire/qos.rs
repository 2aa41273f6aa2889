//! QoS 1 and 2 within one connection (MQTT 5 section 4.3).

use towpath_proto::{
    Code,
    client::Start,
    event::Outcome,
    mqtt::{QoS, Version, packet::Connect, reason::ReasonCode, session::Refusal},
};
use towpath_sim::{Arrived, Chunks, Memory, Script, Seen};

use crate::{BOTH, id, lasting, message, none};

const DONE: Outcome = Outcome::Acknowledged(ReasonCode::SUCCESS);

#[test]
fn qos_1_ends_with_puback_and_qos_2_with_pubcomp() {
    for version in BOTH {
        let none = none(version);
        let mut script = Script::connected(version);
        for (qos, n) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
            let sent = script.client.publish(&message(b"x", qos));
            assert_eq!(sent, Ok(Some(id(n))));
        }
        script.recv(&format!(
            "32 [ <a/b> 0001 {none} 'x' ]  34 [ <a/b> 0002 {none} 'x' ]"
        ));
        script.send("50 02 0002");
        script.no_event();
        script.recv("62 02 0002");
        script.send("40 02 0001");
        assert_eq!(script.event(), Seen::Settled(id(1), DONE));
        script.send("70 02 0002");
        assert_eq!(script.event(), Seen::Settled(id(2), DONE));
        assert!(script.client.is_settled());
        assert_eq!(script.client.stored(), 0);
    }
}

#[test]
fn a_reason_of_the_server_is_reported() {
    let mut script = Script::connected(Version::V5);
    for qos in [QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        script.client.publish(&message(b"x", qos)).expect("room");
    }
    script.take_received();
    script.send("40 03 0001 10  40 [ 0002 87 [ 1f <no> ] ]  50 03 0003 97");
    let nobody = Outcome::Acknowledged(ReasonCode::NO_MATCHING_SUBSCRIBERS);
    assert_eq!(script.event(), Seen::Settled(id(1), nobody));
    let refused = Outcome::Refused(ReasonCode::NOT_AUTHORIZED);
    assert_eq!(script.event(), Seen::Settled(id(2), refused));
    // MQTT 5 4.3.3: a PUBREC with an error ends it, there is no PUBREL.
    let refused = Outcome::Refused(ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(script.event(), Seen::Settled(id(3), refused));
    script.recv_nothing();
    assert_eq!(script.client.in_flight(), 0);
}

#[test]
fn received_messages_are_acknowledged_by_their_qos() {
    for version in BOTH {
        let none = none(version);
        let mut script = Script::connected(version);
        for (first, number) in [("30", ""), ("32", "0001"), ("34", "0002")] {
            script.send(&format!("{first} [ <a/b> {number} {none} 'x' ]"));
            assert_eq!(script.message().payload, b"x");
        }
        script.recv("40 02 0001  50 02 0002");
        script.send("62 02 0002");
        script.recv("70 02 0002");
        script.no_event();
        assert_eq!(script.client.stored(), 0);
    }
}

/// [MQTT-4.3.3-10].
#[test]
fn a_qos_2_message_that_comes_twice_is_delivered_once() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        let mut script = Script::connected(Version::V5);
        script.chunks = chunks;
        script.send("34 [ <a/b> 0005 [] 'x' ]");
        assert_eq!(script.message().payload, b"x");
        script.recv("50 02 0005");
        script.send("3c [ <a/b> 0005 [] 'x' ]");
        script.no_event();
        script.recv("50 02 0005");
        script.send("62 02 0005");
        script.recv("70 02 0005");
        // From here on the identifier stands for another message.
        script.send("34 [ <a/b> 0005 [] 'y' ]");
        assert_eq!(script.message().payload, b"y");
    }
}

#[test]
fn acknowledgements_of_something_unknown_are_answered_by_the_rules() {
    for version in BOTH {
        let unknown = |first: &str| match version {
            Version::V311 => format!("{first} 02 0009"),
            Version::V5 => format!("{first} 03 0009 92"),
        };
        let mut script = Script::connected(version);
        script.send("40 02 0009");
        script.recv_nothing();
        script.send("50 02 0009");
        script.recv(&unknown("62"));
        script.send("62 02 0009");
        script.recv(&unknown("70"));
        script.send("70 02 0009");
        script.recv_nothing();
        script.no_event();
        assert!(script.client.is_connected());
    }
}

#[test]
fn a_pubrec_that_comes_twice_gets_two_pubrels() {
    let mut script = Script::connected(Version::V5);
    let sent = script.client.publish(&message(b"x", QoS::ExactlyOnce));
    sent.expect("room");
    script.take_received();
    script.send("50 02 0001  50 02 0001");
    script.recv("62 02 0001  62 02 0001");
    script.send("70 02 0001  70 02 0001");
    assert_eq!(script.event(), Seen::Settled(id(1), DONE));
    script.no_event();
}

#[test]
fn the_application_may_acknowledge_itself() {
    let mut script = Script::new(Memory::host());
    let mut start = Start::new(lasting(Version::V5));
    start.manual_acks = true;
    script.start(&start);
    script.accept(Version::V5, false, "");
    script.send("32 [ <a/b> 0001 [] 'x' ]  34 [ <a/b> 0002 [] 'y' ]");
    script.message();
    script.message();
    script.recv_nothing();
    let first = script.client.acknowledge(QoS::AtLeastOnce, id(1));
    first.expect("an acknowledgement");
    script.recv("40 02 0001");
    let second = script.client.acknowledge(QoS::ExactlyOnce, id(2));
    second.expect("an acknowledgement");
    script.recv("50 02 0002");
    script.close();
    let late = script.client.acknowledge(QoS::AtLeastOnce, id(1));
    assert_eq!(late, Err(Refusal::NotConnected));
}

#[test]
fn a_payload_larger_than_the_receive_buffer_comes_in_pieces() {
    for chunks in [Chunks::Whole, Chunks::Upto(1), Chunks::Random(9)] {
        let mut script = Script::new(Memory::device(32, 256, 256, 0));
        script.start(&Start::new(Connect {
            version: Version::V311,
            ..Connect::default()
        }));
        script.accept(Version::V311, false, "");
        script.chunks = chunks;
        let long = "0123456789".repeat(20);
        script.send(&format!("34 [ <a/b> 0001 '{long}' ]  30 [ <a/b> 'next' ]"));
        let mut bytes = Vec::new();
        let whole = loop {
            match script.event() {
                Seen::Piece(offset, piece) => {
                    assert_eq!(offset, bytes.len());
                    bytes.extend(piece);
                }
                Seen::Message(whole) => break whole,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(bytes, long.as_bytes());
        assert_eq!(whole.payload, bytes);
        // The acknowledgement is one of the whole.
        script.recv("50 02 0001");
        assert_eq!(script.message().payload, b"next");
    }
}

#[test]
fn a_topic_larger_than_the_receive_buffer_is_a_fault_of_this_side() {
    let mut script = Script::new(Memory::device(32, 256, 256, 0));
    script.start(&Start::new(Connect::default()));
    script.accept(Version::V5, false, "");
    let long = "t".repeat(40);
    script.send(&format!("30 [ <{long}> [] 'x' ]"));
    let fault = script.fails(Code::BufferTooSmall);
    assert_eq!(fault.blame, towpath_proto::Blame::Local);
    script.recv("e0 01 95");
}

#[test]
fn retain_and_dup_are_told() {
    let mut script = Script::connected(Version::V5);
    script.send("3b [ <a/b> 0001 [] 'x' ]");
    let expected = Arrived {
        topic: "a/b".to_owned(),
        payload: b"x".to_vec(),
        qos: QoS::AtLeastOnce,
        retain: true,
        dup: true,
        packet_id: Some(id(1)),
        properties: vec![],
    };
    assert_eq!(script.message(), expected);
}

#[test]
fn malformed_publishes_end_the_connection() {
    for (packet, code) in [
        ("36 [ <a> 0001 [] 'x' ]", Code::Malformed),
        ("38 [ <a> [] 'x' ]", Code::Malformed),
        ("32 [ <a> 0000 [] 'x' ]", Code::Malformed),
        ("30 [ <a/#> [] 'x' ]", Code::Malformed),
        ("30 [ <a> [ 23 ] ]", Code::Malformed),
        ("30 [ <a> [ 21 0001 ] ]", Code::Malformed),
        ("30 [ <a> [ 01 00 01 00 ] ]", Code::ProtocolError),
    ] {
        let mut script = Script::connected(Version::V5);
        script.send(packet);
        script.fails(code);
        let said = script.take_received();
        assert_eq!(said.first(), Some(&0xE0), "DISCONNECT says why: {packet}");
    }
}
