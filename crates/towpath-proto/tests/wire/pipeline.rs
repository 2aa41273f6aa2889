//! Packets behind CONNECT that do not wait for CONNACK (MQTT 5 section 3.1.4).

use towpath_proto::{
    Code,
    client::Start,
    event::Outcome,
    mqtt::{
        QoS, Version, packet::Subscription, property::Properties, reason::ReasonCode,
        topic::TopicFilter,
    },
};
use towpath_sim::{Memory, Script, Seen};

use crate::{BOTH, id, lasting, message, none};

const fn eager(version: Version) -> Start<'static> {
    let mut start = Start::new(towpath_proto::mqtt::packet::Connect {
        version,
        clean_start: false,
        keep_alive: 60,
        client_id: "boat",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::NONE,
    });
    start.pipeline = true;
    start
}

/// A client with a subscription, a QoS 0 and a QoS 1 message that has begun to connect.
fn with_three(version: Version) -> Script {
    let mut script = Script::new(Memory::host());
    let filter = TopicFilter::new("a").expect("a filter");
    let list = [Subscription::new(filter, QoS::AtMostOnce)];
    let asked = script.client.subscribe(&list, Properties::NONE);
    asked.expect("a request");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        script.client.publish(&message(b"x", qos)).expect("room");
    }
    script.start(&eager(version));
    script
}

fn three(version: Version) -> String {
    let none = none(version);
    format!("82 [ 0001 {none} <a> 00 ]  30 [ <a/b> {none} 'x' ]  32 [ <a/b> 0002 {none} 'x' ]")
}

#[test]
fn commands_leave_with_connect_and_save_a_round_trip() {
    for version in BOTH {
        let mut script = with_three(version);
        let level = version.level();
        let none = none(version);
        let connect = format!("10 [ <MQTT> {level:02x} 00 003c {none} <boat> ]");
        script.recv(&format!("{connect} {}", three(version)));
        script.send(&format!("20 [ 00 00 {none} ]  40 02 0002"));
        assert!(matches!(script.event(), Seen::Connected { .. }));
        let done = Outcome::Acknowledged(ReasonCode::SUCCESS);
        assert_eq!(script.event(), Seen::Settled(id(2), done));
        script.recv_nothing();
    }
}

/// A server that refuses has not processed what came behind CONNECT ([MQTT-3.1.4-6]).
#[test]
fn a_refusal_takes_everything_back_and_it_goes_out_as_new() {
    for version in BOTH {
        let mut script = with_three(version);
        script.take_received();
        let code = match version {
            Version::V311 => "05",
            Version::V5 => "87",
        };
        script.send(&format!("20 [ 00 {code} {} ]", none(version)));
        script.fails(Code::ConnectRefused);
        script.start(&Start::new(lasting(version)));
        script.accept(version, false, "");
        script.recv(&three(version));
    }
}

/// Nobody knows whether it arrived: QoS 0 must not come twice, QoS 1 must not be lost.
#[test]
fn a_cut_before_connack_leaves_the_question_open() {
    let mut script = with_three(Version::V5);
    script.take_received();
    script.close();
    script.fails(Code::Closed);
    script.start(&Start::new(lasting(Version::V5)));
    script.accept(Version::V5, true, "");
    script.recv("82 [ 0001 [] <a> 00 ]  3a [ <a/b> 0002 [] 'x' ]");
}

#[test]
fn qos_2_and_large_messages_wait_for_connack() {
    let large = vec![b'x'; 2000];
    for (payload, qos) in [(&b"x"[..], QoS::ExactlyOnce), (&large, QoS::AtMostOnce)] {
        let mut script = Script::new(Memory::host());
        script.client.publish(&message(payload, qos)).expect("room");
        // What comes behind waits as well, because order is kept.
        let sent = script.client.publish(&message(b"y", QoS::AtMostOnce));
        sent.expect("room");
        script.start(&eager(Version::V5));
        script.recv("10 [ <MQTT> 05 00 003c [] <boat> ]");
        script.send("20 03 00 00 00");
        let said = script.take_received();
        assert!(said.len() >= 20 && said.ends_with(b"y"), "both leave then");
    }
}

/// [MQTT-3.3.4-7] holds before CONNACK too, and any server takes one message.
#[test]
fn no_more_goes_behind_connect_than_the_server_is_known_to_take() {
    let mut script = Script::new(Memory::host());
    for _ in 0..4 {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        sent.expect("room");
    }
    script.start(&eager(Version::V5));
    let connect = "10 [ <MQTT> 05 00 003c [] <boat> ]";
    script.recv(&format!("{connect}  32 [ <a/b> 0001 [] 'x' ]"));
    script.send("20 [ 00 00 [ 21 0003 ] ]");
    script.recv("32 [ <a/b> 0002 [] 'x' ]  32 [ <a/b> 0003 [] 'x' ]");
    script.send("40 02 0001  40 02 0002  40 02 0003");
    script.recv("32 [ <a/b> 0004 [] 'x' ]");
    script.send("40 02 0004");
    script.close();

    for _ in 0..4 {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        sent.expect("room");
    }
    script.start(&eager(Version::V5));
    let said = script.take_received();
    let publishes = said.iter().filter(|byte| **byte == 0x32).count();
    assert_eq!(publishes, 3, "what the last CONNACK granted");
}
