//! MQTT 5 properties: every one in every packet, and every rule for their values.

use towpath_proto::mqtt::{
    Version::V5,
    packet::Packet,
    property::{Place, Properties, Property, VarInt},
    reason::ReasonCode,
};

use super::{
    broken::{breaks, refused},
    field, framed,
};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
const PROTOCOL: ReasonCode = ReasonCode::PROTOCOL_ERROR;

/// A packet of each place with this property list, its length included.
fn with_properties(place: &str, list: &[u8]) -> Vec<u8> {
    let c = field("c");
    let head = b"\x00\x04MQTT\x05";
    match place {
        "CONNECT" => framed(0x10, &[head, b"\x02\x00\x00", list, &c]),
        "WILL" => framed(0x10, &[head, b"\x06\x00\x00\x00", &c, list, &c, &c]),
        "CONNACK" => framed(0x20, &[b"\x00\x00", list]),
        "PUBLISH" => framed(0x30, &[&c, list]),
        "PUBACK" => framed(0x40, &[b"\x00\x01\x00", list]),
        "PUBREC" => framed(0x50, &[b"\x00\x01\x00", list]),
        "PUBREL" => framed(0x62, &[b"\x00\x01\x00", list]),
        "PUBCOMP" => framed(0x70, &[b"\x00\x01\x00", list]),
        "SUBSCRIBE" => framed(0x82, &[b"\x00\x01", list, &c, b"\x00"]),
        "SUBACK" => framed(0x90, &[b"\x00\x01", list, b"\x00"]),
        "UNSUBSCRIBE" => framed(0xA2, &[b"\x00\x01", list, &c]),
        "UNSUBACK" => framed(0xB0, &[b"\x00\x01", list, b"\x00"]),
        "DISCONNECT" => framed(0xE0, &[b"\x00", list]),
        _ => framed(0xF0, &[b"\x18", list]),
    }
}

/// One good example of each property.
const EXAMPLES: [&[u8]; 27] = [
    b"\x01\x01",
    b"\x02\x00\x00\x00\x01",
    b"\x03\x00\x01a",
    b"\x08\x00\x01a",
    b"\x09\x00\x01a",
    b"\x0b\x01",
    b"\x11\x00\x00\x00\x01",
    b"\x12\x00\x01a",
    b"\x13\x00\x01",
    b"\x15\x00\x01a",
    b"\x16\x00\x01a",
    b"\x17\x01",
    b"\x18\x00\x00\x00\x01",
    b"\x19\x01",
    b"\x1a\x00\x01a",
    b"\x1c\x00\x01a",
    b"\x1f\x00\x01a",
    b"\x21\x00\x01",
    b"\x22\x00\x01",
    b"\x23\x00\x01",
    b"\x24\x01",
    b"\x25\x01",
    b"\x26\x00\x01a\x00\x01b",
    b"\x27\x00\x00\x00\x01",
    b"\x28\x01",
    b"\x29\x01",
    b"\x2a\x01",
];

fn allowed(place: &str) -> Vec<u8> {
    use super::model::{ACK, AUTH, CONNACK, CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE, WILL};
    let list = match place {
        "CONNECT" => CONNECT,
        "WILL" => WILL,
        "CONNACK" => CONNACK,
        "PUBLISH" => PUBLISH,
        "SUBSCRIBE" => SUBSCRIBE,
        "UNSUBSCRIBE" => &[],
        "DISCONNECT" => DISCONNECT,
        "AUTH" => AUTH,
        _ => ACK,
    };
    [list, &[0x26]].concat()
}

const PLACES: [&str; 14] = [
    "CONNECT",
    "WILL",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "DISCONNECT",
    "AUTH",
];

/// MQTT 5 table 2-4 as a whole: every property in every packet, once and twice.
#[test]
fn every_property_in_every_place() {
    for place in PLACES {
        // AUTH and authentication data need the method beside them.
        let method: &[u8] = match place {
            "CONNECT" | "AUTH" => b"\x15\x00\x01m",
            _ => b"",
        };
        for example in EXAMPLES {
            let id = example[0];
            let beside = if id == 0x15 { b"" } else { method };
            let list = |parts: &[&[u8]]| {
                let body = parts.concat();
                with_properties(place, &[&[body.len() as u8][..], &body].concat())
            };
            let once = list(&[beside, example]);
            if !allowed(place).contains(&id) {
                breaks(&once, V5, "MQTT 5 2.2.2.2");
                // A property that is not valid for the packet type makes it malformed.
                assert_eq!(refused(&once, V5).reason, MALFORMED, "{id:#x} in {place}");
                continue;
            }
            assert!(
                matches!(Packet::decode(&once, V5), Ok(Some(_))),
                "{id:#x} in {place}"
            );
            let twice = list(&[beside, example, example]);
            if id == 0x26 || id == 0x0B && place == "PUBLISH" {
                assert!(matches!(Packet::decode(&twice, V5), Ok(Some(_))));
            } else {
                breaks(&twice, V5, "twice");
                assert_eq!(refused(&twice, V5).reason, PROTOCOL, "{id:#x} in {place}");
            }
        }
    }
}

#[test]
fn property_values() {
    for (place, property, clause) in [
        ("PUBLISH", &b"\x01\x02"[..], "3.3.2.3.2"),
        ("WILL", b"\x01\xff", "3.3.2.3.2"),
        ("CONNECT", b"\x17\x02", "3.1.2.11.7"),
        ("CONNECT", b"\x19\x02", "3.1.2.11.6"),
        ("CONNECT", b"\x21\x00\x00", "3.1.2.11.3"),
        ("CONNACK", b"\x21\x00\x00", "3.2.2.3.3"),
        ("CONNECT", b"\x27\x00\x00\x00\x00", "3.1.2.11.4"),
        ("CONNACK", b"\x27\x00\x00\x00\x00", "3.2.2.3.6"),
        ("CONNECT", b"\x16\x00\x01d", "3.1.2.11.10"),
        ("CONNACK", b"\x24\x02", "3.2.2.3.4"),
        ("CONNACK", b"\x25\x02", "3.2.2.3.5"),
        ("CONNACK", b"\x28\x02", "3.2.2.3.11"),
        ("CONNACK", b"\x29\x02", "3.2.2.3.12"),
        ("CONNACK", b"\x2a\x02", "3.2.2.3.13"),
        ("PUBLISH", b"\x0b\x00", "3.3.2.3.8"),
        ("SUBSCRIBE", b"\x0b\x00", "3.8.2.1.2"),
        ("PUBLISH", b"\x23\x00\x00", "[MQTT-3.3.2-8]"),
        ("PUBLISH", b"\x08\x00\x03a/#", "[MQTT-3.3.2-14]"),
        ("WILL", b"\x08\x00\x01+", "[MQTT-3.3.2-14]"),
        ("PUBLISH", b"\x08\x00\x00", "[MQTT-3.3.2-14]"),
        ("PUBLISH", b"\x03\x00\x01\xff", "[MQTT-1.5.4-1]"),
        ("PUBLISH", b"\x26\x00\x01\x00\x00\x01a", "[MQTT-1.5.4-2]"),
        (
            "PUBLISH",
            b"\x26\x00\x01a\x00\x02\xed\xa0",
            "[MQTT-1.5.4-1]",
        ),
        ("PUBLISH", b"\x0b\xff\xff\xff\xff\x01", "MQTT 5 1.5.5"),
        ("PUBLISH", b"\x0b\x81\x00", "[MQTT-1.5.5-1]"),
        ("PUBLISH", b"\x83\x00\x00\x00", "[MQTT-1.5.5-1]"),
        ("PUBLISH", b"\x00", "MQTT 5 2.2.2.2"),
        ("PUBLISH", b"\x7f\x00", "MQTT 5 2.2.2.2"),
        ("PUBLISH", b"\x80\x01", "MQTT 5 2.2.2.2"),
        // The value is longer than the list.
        ("PUBLISH", b"\x02\x00", "MQTT 5 2.1.4"),
        ("PUBLISH", b"\x03\x00\x05a", "MQTT 5 2.1.4"),
    ] {
        let list = [&[property.len() as u8][..], property].concat();
        breaks(&with_properties(place, &list), V5, clause);
    }
    // The list is longer than the packet; its length takes more bytes than needed, or too many.
    breaks(b"\x30\x05\x00\x01t\x02\x01", V5, "MQTT 5 2.1.4");
    breaks(b"\x30\x05\x00\x01t\x80\x00", V5, "[MQTT-1.5.5-1]");
    breaks(b"\x30\x08\x00\x01t\xff\xff\xff\xff\x01", V5, "MQTT 5 1.5.5");
}

/// What the caller gives is held to the same rules as what the peer sends.
#[test]
fn the_callers_properties() {
    let long = "x".repeat(65_536);
    let cases = [
        (
            Place::PUBLISH,
            Property::ContentType("a\0"),
            "[MQTT-1.5.4-2]",
        ),
        (
            Place::CONNACK,
            Property::UserProperty(("a", "\0")),
            "[MQTT-1.5.4-2]",
        ),
        (
            Place::CONNACK,
            Property::ReasonString(&long),
            "MQTT 5 1.5.4",
        ),
        (
            Place::WILL,
            Property::CorrelationData(long.as_bytes()),
            "MQTT 5 1.5.4, 1.5.6",
        ),
        (
            Place::SUBSCRIBE,
            Property::SubscriptionIdentifier(VarInt(268_435_456)),
            "MQTT 5 1.5.5",
        ),
        (Place::PUBLISH, Property::TopicAlias(0), "[MQTT-3.3.2-8]"),
        (
            Place::PUBLISH,
            Property::ServerKeepAlive(1),
            "MQTT 5 2.2.2.2",
        ),
        (
            Place::CONNECT,
            Property::AuthenticationData(b"d"),
            "MQTT 5 3.1.2.11.10",
        ),
        (
            Place::AUTH,
            Property::ReasonString("r"),
            "MQTT 5 3.15.2.2.2",
        ),
    ];
    for (place, property, clause) in cases {
        let invalid = Properties::new(&[property]).check(place).expect_err(clause);
        assert!(invalid.clause.contains(clause), "{invalid:?}");
    }
    let fits = &long[1..];
    for property in [
        Property::ReasonString(fits),
        Property::UserProperty((fits, fits)),
    ] {
        assert_eq!(Properties::new(&[property]).check(Place::CONNACK), Ok(()));
    }
}
