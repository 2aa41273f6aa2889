//! Topic aliases, both directions (MQTT 5 section 3.3.2.3.4).

use towpath_proto::{
    Code,
    client::{Outgoing, Start},
    mqtt::{
        QoS, Version,
        packet::Connect,
        property::{Properties, Property},
        topic::TopicName,
    },
};
use towpath_sim::{Memory, Script};

use crate::message;

/// A client that takes aliases up to 2.
fn taking_two() -> Script {
    let announced = [Property::TopicAliasMaximum(2)];
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(Connect {
        properties: Properties::new(&announced),
        ..Connect::default()
    }));
    script.recv("10 [ <MQTT> 05 02 003c [ 22 0002 ] <> ]");
    script.send("20 03 00 00 00");
    script.event();
    script
}

#[test]
fn a_topic_is_named_once_and_then_by_its_alias() {
    let mut script = Script::v5("22 0001");
    let other = TopicName::new("c").expect("a topic");
    for outgoing in [
        message(b"1", QoS::AtMostOnce),
        message(b"2", QoS::AtMostOnce),
        // There is no second alias.
        Outgoing::new(other, b"3", QoS::AtMostOnce),
        message(b"4", QoS::AtLeastOnce),
    ] {
        script.client.publish(&outgoing).expect("room");
    }
    script.recv(
        "30 [ <a/b> [ 23 0001 ] '1' ]
         30 [ <>    [ 23 0001 ] '2' ]
         30 [ <c>   [] '3' ]
         32 [ <> 0001 [ 23 0001 ] '4' ]",
    );
}

#[test]
fn without_the_servers_consent_no_alias_is_used() {
    let mut script = Script::connected(Version::V5);
    for _ in 0..2 {
        let sent = script.client.publish(&message(b"1", QoS::AtMostOnce));
        sent.expect("room");
    }
    script.recv("30 [ <a/b> [] '1' ]  30 [ <a/b> [] '1' ]");
}

/// [MQTT-3.3.2-7]: aliases end with their connection.
#[test]
fn what_is_sent_again_on_the_next_connection_has_its_name() {
    let mut script = Script::new(Memory::host());
    let start = Start::new(crate::lasting(Version::V5));
    script.start(&start);
    script.accept(Version::V5, false, "22 0005");
    for _ in 0..2 {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        sent.expect("room");
    }
    script.recv("32 [ <a/b> 0001 [ 23 0001 ] 'x' ]  32 [ <> 0002 [ 23 0001 ] 'x' ]");
    script.close();
    script.fails(Code::Closed);
    script.start(&start);
    script.accept(Version::V5, true, "22 0005");
    script.recv("3a [ <a/b> 0001 [] 'x' ]  3a [ <a/b> 0002 [] 'x' ]");
}

#[test]
fn the_servers_aliases_are_resolved() {
    let mut script = taking_two();
    script
        .send("30 [ <a> [ 23 0001 ] '1' ]  30 [ <b> [ 23 0002 ] '2' ]  30 [ <> [ 23 0001 ] '3' ]");
    for (topic, payload) in [("a", b"1"), ("b", b"2"), ("a", b"3")] {
        let arrived = script.message();
        assert_eq!(arrived.topic, topic);
        assert_eq!(arrived.payload, payload);
    }
    // An alias may come to stand for something else.
    script
        .send("30 [ <c/d> [ 23 0001 ] '4' ]  30 [ <> [ 23 0001 ] '5' ]  30 [ <> [ 23 0002 ] '6' ]");
    for topic in ["c/d", "c/d", "b"] {
        assert_eq!(script.message().topic, topic);
    }
}

/// [MQTT-3.3.2-8], [MQTT-3.3.2-9].
#[test]
fn alias_0_one_above_the_maximum_and_an_unknown_one_are_refused() {
    for packet in [
        "30 [ <a> [ 23 0000 ] '1' ]",
        "30 [ <a> [ 23 0003 ] '1' ]",
        "30 [ <> [ 23 0002 ] '1' ]",
    ] {
        let mut script = taking_two();
        script.send(packet);
        script.fails(Code::TopicAlias);
        script.recv("e0 01 94");
    }
}

#[test]
fn an_empty_topic_without_an_alias_is_refused() {
    for packet in ["30 [ <> [] '1' ]", "30 [ <> [ 01 01 ] '1' ]"] {
        let mut script = taking_two();
        script.send(packet);
        script.fails(Code::ProtocolError);
        script.recv("e0 01 82");
    }
}

/// The server was promised room for its aliases; the client's own are a saving and give way.
#[test]
fn aliases_of_the_client_make_room_for_those_of_the_server() {
    let announced = [Property::TopicAliasMaximum(1)];
    let mut script = Script::new(Memory::device(256, 512, 256, 12));
    script.start(&Start::new(Connect {
        properties: Properties::new(&announced),
        ..Connect::default()
    }));
    script.accept(Version::V5, false, "22 0005");
    let send = |script: &mut Script| {
        let sent = script.client.publish(&message(b"x", QoS::AtMostOnce));
        sent.expect("room");
    };
    send(&mut script);
    script.recv("30 [ <a/b> [ 23 0001 ] 'x' ]");
    script.send("30 [ <c/d/e> [ 23 0001 ] '1' ]  30 [ <> [ 23 0001 ] '2' ]");
    assert_eq!(script.message().topic, "c/d/e");
    assert_eq!(script.message().topic, "c/d/e");
    send(&mut script);
    script.recv("30 [ <a/b> [] 'x' ]");
}
