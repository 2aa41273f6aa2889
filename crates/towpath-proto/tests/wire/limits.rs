//! What the server grants and what the client announced (MQTT 5 sections 3.1.2.11 and 3.2.2.3).

use std::time::Duration;

use towpath_proto::{
    Code,
    client::{Outgoing, Start},
    event::Outcome,
    mqtt::{
        QoS, Version,
        packet::{Connect, Subscription},
        property::{Properties, Property, VarInt},
        reason::ReasonCode,
        session::Refusal,
        topic::TopicFilter,
    },
};
use towpath_sim::{Memory, Script, Seen};

use crate::{id, lasting, message};

/// [MQTT-3.3.4-7].
#[test]
fn no_more_messages_are_under_way_than_the_receive_maximum() {
    let mut script = Script::v5("21 0002");
    for n in 1..=4 {
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        assert_eq!(sent, Ok(Some(id(n))));
    }
    script.recv("32 [ <a/b> 0001 [] 'x' ]  32 [ <a/b> 0002 [] 'x' ]");
    assert_eq!(script.client.in_flight(), 2);
    script.send("40 02 0001");
    script.recv("32 [ <a/b> 0003 [] 'x' ]");
    script.send("40 02 0002  40 02 0003");
    script.recv("32 [ <a/b> 0004 [] 'x' ]");
}

#[test]
fn a_qos_2_message_takes_its_place_until_pubcomp() {
    let mut script = Script::v5("21 0001");
    for _ in 0..2 {
        let sent = script.client.publish(&message(b"x", QoS::ExactlyOnce));
        sent.expect("a message");
    }
    script.recv("34 [ <a/b> 0001 [] 'x' ]");
    script.send("50 02 0001");
    script.recv("62 02 0001");
    script.send("70 02 0001");
    script.recv("34 [ <a/b> 0002 [] 'x' ]");
}

/// A full window holds QoS 0 back as well: the application's order is kept.
#[test]
fn qos_0_does_not_overtake_what_waits_for_the_window() {
    let mut script = Script::v5("21 0001");
    for (payload, qos) in [
        (b"1", QoS::AtLeastOnce),
        (b"2", QoS::AtLeastOnce),
        (b"3", QoS::AtMostOnce),
    ] {
        script.client.publish(&message(payload, qos)).expect("room");
    }
    script.recv("32 [ <a/b> 0001 [] '1' ]");
    script.send("40 02 0001");
    script.recv("32 [ <a/b> 0002 [] '2' ]  30 [ <a/b> [] '3' ]");
}

/// [MQTT-3.3.4-9]: the client's own receive maximum.
#[test]
fn a_server_that_sends_more_than_the_clients_receive_maximum_is_refused() {
    let announced = [Property::ReceiveMaximum(1)];
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(Connect {
        properties: Properties::new(&announced),
        ..Connect::default()
    }));
    script.accept(Version::V5, false, "");
    script.send("34 [ <a/b> 0001 [] 'x' ]");
    script.recv("50 02 0001");
    script.message();
    script.send("34 [ <a/b> 0002 [] 'y' ]");
    script.fails(Code::ReceiveMaximum);
    script.recv("e0 01 93");
}

/// [MQTT-3.2.2-15].
#[test]
fn a_packet_larger_than_the_server_takes_is_refused_at_once() {
    let mut script = Script::v5("27 00000014");
    let payload = [b'x'; 20];
    // 2 of the fixed header, 5 of the topic, 1 of the properties: 12 are left.
    let sent = script
        .client
        .publish(&message(&payload[..13], QoS::AtMostOnce));
    assert_eq!(sent, Err(Refusal::PacketTooLarge(21)));
    script.recv_nothing();
    let sent = script
        .client
        .publish(&message(&payload[..12], QoS::AtMostOnce));
    assert_eq!(sent, Ok(None));
    script.recv("30 [ <a/b> [] 'xxxxxxxxxxxx' ]");
}

#[test]
fn a_message_that_waited_and_is_too_large_for_the_server_is_reported() {
    let mut script = Script::new(Memory::host());
    let sent = script
        .client
        .publish(&message(&[b'x'; 20], QoS::AtLeastOnce));
    assert_eq!(sent, Ok(Some(id(1))));
    script.start(&Start::new(lasting(Version::V5)));
    script.take_received();
    script.send("20 [ 00 00 [ 27 00000014 ] ]");
    assert!(matches!(script.event(), Seen::Connected { .. }));
    let outcome = Outcome::NotAdmitted(ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(script.event(), Seen::Settled(id(1), outcome));
    script.recv_nothing();
    assert_eq!(script.client.stored(), 0);
}

/// [MQTT-3.1.2-24].
#[test]
fn a_packet_larger_than_announced_is_refused_with_0x95() {
    let announced = [Property::MaximumPacketSize(20)];
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(Connect {
        properties: Properties::new(&announced),
        ..Connect::default()
    }));
    script.accept(Version::V5, false, "");
    script.send("30 [ <a/b> [] 'xxxxxxxxxxxx' ]");
    assert_eq!(script.message().payload.len(), 12);
    // The first bytes are enough to tell.
    script.send("30 7f");
    let fault = script.fails(Code::PacketTooLarge);
    assert_eq!(fault.number, 129);
    script.recv("e0 01 95");
}

#[test]
fn what_the_server_does_not_have_is_refused_at_once() {
    let mut script = Script::v5("24 01  25 00  28 00  29 00  2a 00");
    let sent = script.client.publish(&message(b"x", QoS::ExactlyOnce));
    assert_eq!(sent, Err(Refusal::QoS(QoS::AtLeastOnce)));
    let sent = script.client.publish(&Outgoing {
        retain: true,
        ..message(b"x", QoS::AtMostOnce)
    });
    assert_eq!(sent, Err(Refusal::Retain));
    let numbered = [Property::SubscriptionIdentifier(VarInt(1))];
    for (filter, properties, refusal) in [
        ("a/#", &[][..], Refusal::Wildcard),
        ("$share/g/a", &[], Refusal::Shared),
        ("a", &numbered, Refusal::SubscriptionIdentifier),
    ] {
        let filter = TopicFilter::new(filter).expect("a filter");
        let list = [Subscription::new(filter, QoS::AtMostOnce)];
        let asked = script.client.subscribe(&list, Properties::new(properties));
        assert_eq!(asked, Err(refusal));
    }
    script.recv_nothing();
}

/// [MQTT-3.3.2-6] by way of the sender's own queue.
#[test]
fn the_expiry_of_a_message_that_waits_runs_down() {
    let mut script = Script::new(Memory::host());
    script.pump();
    for seconds in [30, 300] {
        let properties = [Property::MessageExpiryInterval(seconds)];
        let sent = script.client.publish(&Outgoing {
            properties: Properties::new(&properties),
            ..message(b"x", QoS::AtLeastOnce)
        });
        sent.expect("a message");
    }
    script.pass(Duration::from_secs(100));
    script.start(&Start::new(lasting(Version::V5)));
    script.take_received();
    script.send("20 03 00 00 00");
    assert!(matches!(script.event(), Seen::Connected { .. }));
    assert_eq!(script.event(), Seen::Settled(id(1), Outcome::Expired));
    // 300 less the 100 that passed.
    script.recv("32 [ <a/b> 0002 [ 02 000000c8 ] 'x' ]");
}

#[test]
fn properties_need_mqtt_5() {
    let mut script = Script::connected(Version::V311);
    let properties = [Property::ContentType("text/plain")];
    let sent = script.client.publish(&Outgoing {
        properties: Properties::new(&properties),
        ..message(b"x", QoS::AtMostOnce)
    });
    assert_eq!(sent, Err(Refusal::NeedsV5));
    script.recv_nothing();
}
