//! Bytes as the specifications print them, and the shortest and longest forms of each packet.

use towpath_proto::mqtt::{
    QoS, Version,
    Version::{V5, V311},
    packet::{
        Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, Publish, RetainHandling, Suback,
        Subscribe, Subscription, Unsubscribe, Will,
    },
    property::{Properties, Property, VarInt},
    reason::ReasonCode,
    topic::{TopicFilter, TopicName},
};

use super::{encode, field, framed};

fn same(packet: Packet<'_>, version: Version, bytes: &[u8]) {
    assert_eq!(encode(&packet, version), bytes, "{packet:?}");
    assert_eq!(
        Packet::decode(bytes, version),
        Ok(Some((packet, bytes.len())))
    );
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not 0")
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("a good filter")
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).expect("a good name")
}

/// MQTT 3.1.1 figure 3.6 and MQTT 5 figure 3-6: the variable header of CONNECT.
#[test]
fn connect() {
    let connect = Connect {
        version: V311,
        clean_start: true,
        keep_alive: 10,
        client_id: "c",
        will: Some(Will {
            topic: name("w"),
            payload: b"bye",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::NONE,
        }),
        user_name: Some("u"),
        password: Some(&[0, 0xFF]),
        properties: Properties::NONE,
    };
    let payload = b"\x00\x01c\x00\x01w\x00\x03bye\x00\x01u\x00\x02\x00\xff";
    let bytes = framed(0x10, &[b"\x00\x04MQTT\x04\xce\x00\x0a", payload]);
    same(Packet::Connect(connect), V311, &bytes);

    let properties = [Property::SessionExpiryInterval(10)];
    let will_properties = [Property::WillDelayInterval(1)];
    let connect = Connect {
        version: V5,
        properties: Properties::new(&properties),
        will: connect.will.map(|will| Will {
            properties: Properties::new(&will_properties),
            ..will
        }),
        ..connect
    };
    let bytes = framed(
        0x10,
        &[
            b"\x00\x04MQTT\x05\xce\x00\x0a\x05\x11\x00\x00\x00\x0a\x00\x01c",
            b"\x05\x18\x00\x00\x00\x01\x00\x01w\x00\x03bye\x00\x01u\x00\x02\x00\xff",
        ],
    );
    same(Packet::Connect(connect), V5, &bytes);
}

#[test]
fn the_shortest_connect() {
    let mut connect = Connect::default();
    let bytes = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00";
    same(Packet::Connect(connect), V5, bytes);
    connect.version = V311;
    let bytes = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
    same(Packet::Connect(connect), V311, bytes);
    // MQTT 5 section 3.1.2.9 allows a password without a user name.
    let connect = Connect {
        password: Some(b"p"),
        ..Connect::default()
    };
    let bytes = b"\x10\x10\x00\x04MQTT\x05\x42\x00\x3c\x00\x00\x00\x00\x01p";
    same(Packet::Connect(connect), V5, bytes);
}

#[test]
fn connack() {
    let mut connack = Connack {
        session_present: true,
        ..Connack::default()
    };
    same(Packet::Connack(connack), V311, b"\x20\x02\x01\x00");
    same(Packet::Connack(connack), V5, b"\x20\x03\x01\x00\x00");
    connack.session_present = false;
    connack.reason = ReasonCode::NOT_AUTHORIZED;
    same(Packet::Connack(connack), V311, b"\x20\x02\x00\x05");
    let properties = [
        Property::ServerKeepAlive(5),
        Property::ReasonString("no"),
        Property::UserProperty(("a", "b")),
    ];
    connack.properties = Properties::new(&properties);
    let bytes = b"\x20\x12\x00\x87\x0f\x13\x00\x05\x1f\x00\x02no\x26\x00\x01a\x00\x01b";
    same(Packet::Connack(connack), V5, bytes);
}

/// A server of 3.1.1 refuses a CONNECT of version 5 in its own form (MQTT 3.1.1 [MQTT-3.1.2-2]), others leave the empty
/// property list away.
#[test]
fn a_refusal_in_the_form_of_3_1_1() {
    for (bytes, reason) in [
        (
            b"\x20\x02\x00\x01",
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ),
        (
            b"\x20\x02\x00\x84",
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ),
        (b"\x20\x02\x00\x87", ReasonCode::NOT_AUTHORIZED),
    ] {
        let Ok(Some((Packet::Connack(connack), 4))) = Packet::decode(bytes, V5) else {
            panic!("{bytes:?}");
        };
        assert_eq!(connack.reason, reason);
    }
}

/// MQTT 5 figure 3-9, MQTT 3.1.1 figure 3.11: topic a/b, packet identifier 10.
#[test]
fn publish() {
    let mut publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: name("a/b"),
        packet_id: Some(id(10)),
        properties: Properties::NONE,
        payload: b"hi",
    };
    let packet = Packet::Publish(publish);
    same(packet, V311, b"\x32\x09\x00\x03a/b\x00\x0ahi");
    same(packet, V5, b"\x32\x0a\x00\x03a/b\x00\x0a\x00hi");
    publish.dup = true;
    publish.retain = true;
    publish.qos = QoS::ExactlyOnce;
    let properties = [
        Property::SubscriptionIdentifier(VarInt(300)),
        Property::SubscriptionIdentifier(VarInt(1)),
    ];
    publish.properties = Properties::new(&properties);
    let bytes = b"\x3d\x0f\x00\x03a/b\x00\x0a\x05\x0b\xac\x02\x0b\x01hi";
    same(Packet::Publish(publish), V5, bytes);
    publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        packet_id: None,
        properties: Properties::NONE,
        payload: b"",
        ..publish
    };
    same(Packet::Publish(publish), V311, b"\x30\x05\x00\x03a/b");
    same(Packet::Publish(publish), V5, b"\x30\x06\x00\x03a/b\x00");
}

/// Payloads at which the remaining length takes one byte more (MQTT 5 table 2-1).
#[test]
fn remaining_lengths() {
    for (remaining, prefix) in [
        (127, &b"\x7f"[..]),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ] {
        let payload = vec![7; remaining - 3];
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: true,
            topic: name("t"),
            packet_id: None,
            properties: Properties::NONE,
            payload: &payload,
        };
        let bytes = [&b"\x31"[..], prefix, b"\x00\x01t", &payload].concat();
        same(Packet::Publish(publish), V311, &bytes);
    }
}

#[test]
fn a_packet_beyond_the_largest_remaining_length_has_no_encoding() {
    let payload = vec![0; 268_435_455 - 2];
    let publish = |payload| {
        Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: name("t"),
            packet_id: None,
            properties: Properties::NONE,
            payload,
        })
    };
    assert_eq!(publish(&payload).encoded_len(V311), None);
    assert_eq!(publish(&payload[1..]).encoded_len(V311), Some(268_435_460));
    assert_eq!(publish(&payload[1..]).encoded_len(V5), None);
}

#[test]
fn acknowledgements() {
    let success = Ack::success(id(258));
    let refused = Ack {
        reason: ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        ..success
    };
    let properties = [Property::ReasonString("x")];
    let explained = Ack {
        properties: Properties::new(&properties),
        ..success
    };
    type Kind = fn(Ack<'static>) -> Packet<'static>;
    let kinds: [(Kind, u8); 4] = [
        (Packet::Puback, 0x40),
        (Packet::Pubrec, 0x50),
        (Packet::Pubrel, 0x62),
        (Packet::Pubcomp, 0x70),
    ];
    for (packet, first) in kinds {
        for version in [V311, V5] {
            same(packet(success), version, &[first, 2, 1, 2]);
        }
        same(packet(refused), V5, &[first, 3, 1, 2, 0x92]);
    }
    let bytes = b"\x40\x08\x01\x02\x00\x04\x1f\x00\x01x";
    same(Packet::Puback(explained), V5, bytes);
    // An empty property list may be written out (MQTT 5 section 3.4.2.2.1).
    assert_eq!(
        Packet::decode(b"\x40\x04\x01\x02\x00\x00", V5),
        Ok(Some((Packet::Puback(success), 6)))
    );
}

/// MQTT 5 figure 3-21, MQTT 3.1.1 figure 3.23: a/b with QoS 1, c/d with QoS 2, packet identifier 10.
#[test]
fn subscribe() {
    let mut list = [
        Subscription::new(filter("a/b"), QoS::AtLeastOnce),
        Subscription::new(filter("c/d"), QoS::ExactlyOnce),
    ];
    let payload = b"\x00\x03a/b\x01\x00\x03c/d\x02";
    let packet = Packet::Subscribe(Subscribe::new(id(10), &list, Properties::NONE));
    same(packet, V311, &framed(0x82, &[b"\x00\x0a", payload]));
    same(packet, V5, &framed(0x82, &[b"\x00\x0a\x00", payload]));

    list[1].no_local = true;
    list[1].retain_as_published = true;
    list[1].retain_handling = RetainHandling::DoNotSend;
    let properties = [Property::SubscriptionIdentifier(VarInt(268_435_455))];
    let packet = Packet::Subscribe(Subscribe::new(id(10), &list, Properties::new(&properties)));
    let head = b"\x00\x0a\x05\x0b\xff\xff\xff\x7f";
    let payload = b"\x00\x03a/b\x01\x00\x03c/d\x2e";
    same(packet, V5, &framed(0x82, &[head, payload]));
}

#[test]
fn unsubscribe() {
    let list = [filter("a/b"), filter("c/d")];
    let packet = Packet::Unsubscribe(Unsubscribe::new(id(10), &list, Properties::NONE));
    let payload = b"\x00\x03a/b\x00\x03c/d";
    same(packet, V311, &framed(0xA2, &[b"\x00\x0a", payload]));
    same(packet, V5, &framed(0xA2, &[b"\x00\x0a\x00", payload]));
}

/// MQTT 3.1.1 figure 3.26: granted QoS 0, granted QoS 2, failure.
#[test]
fn suback_and_unsuback() {
    let mut suback = Suback {
        packet_id: id(10),
        properties: Properties::NONE,
        codes: &[0, 2, 0x80],
    };
    same(
        Packet::Suback(suback),
        V311,
        b"\x90\x05\x00\x0a\x00\x02\x80",
    );
    suback.codes = &[0, 2, 0x80, 0xA2];
    let bytes = b"\x90\x07\x00\x0a\x00\x00\x02\x80\xa2";
    same(Packet::Suback(suback), V5, bytes);
    suback.codes = &[0, 0x11, 0x8F];
    let bytes = b"\xb0\x06\x00\x0a\x00\x00\x11\x8f";
    same(Packet::Unsuback(suback), V5, bytes);
    // 3.1.1 has no payload: what the model says is left out.
    assert_eq!(encode(&Packet::Unsuback(suback), V311), b"\xb0\x02\x00\x0a");
    suback.codes = &[];
    same(Packet::Unsuback(suback), V311, b"\xb0\x02\x00\x0a");
}

#[test]
fn the_packets_without_a_body() {
    for version in [V311, V5] {
        same(Packet::Pingreq, version, b"\xc0\x00");
        same(Packet::Pingresp, version, b"\xd0\x00");
        same(
            Packet::Disconnect(Disconnect::default()),
            version,
            b"\xe0\x00",
        );
    }
    same(Packet::Auth(Auth::default()), V5, b"\xf0\x00");
}

#[test]
fn disconnect_and_auth() {
    let mut disconnect = Disconnect {
        reason: ReasonCode::DISCONNECT_WITH_WILL,
        properties: Properties::NONE,
    };
    same(Packet::Disconnect(disconnect), V5, b"\xe0\x01\x04");
    let properties = [Property::SessionExpiryInterval(0)];
    disconnect.properties = Properties::new(&properties);
    let bytes = b"\xe0\x07\x04\x05\x11\x00\x00\x00\x00";
    same(Packet::Disconnect(disconnect), V5, bytes);
    let properties = [
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(b"\x00"),
    ];
    let auth = Auth {
        reason: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: Properties::new(&properties),
    };
    let bytes = b"\xf0\x0a\x18\x08\x15\x00\x01m\x16\x00\x01\x00";
    same(Packet::Auth(auth), V5, bytes);
}

/// MQTT 5 figure 1-1: "A" and U+2A6D4. U+FEFF is kept ([MQTT-1.5.4-3]).
#[test]
fn strings() {
    for text in ["A\u{2A6D4}", "\u{FEFF}x", "\u{10FFFF}", "\u{7f}\u{80}"] {
        let bytes = framed(0x30, &[&field(text)]);
        let Ok(Some((Packet::Publish(publish), _))) = Packet::decode(&bytes, V311) else {
            panic!("{text:?}");
        };
        assert_eq!(publish.topic.as_str(), text);
    }
    assert_eq!(field("A\u{2A6D4}"), b"\x00\x05\x41\xf0\xaa\x9b\x94");
}
