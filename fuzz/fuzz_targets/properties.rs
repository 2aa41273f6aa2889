//! Property lists in every packet that has one: no panic, each property comes out as it went in, and a list made of
//! them is judged and written like the one that was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    bytes::Writer,
    mqtt::{
        Version,
        packet::{Ack, Packet, PacketId},
        property::{Place, Properties, Property, VARINT_MAX},
    },
};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, list)) = bytes.split_first() else {
        return;
    };
    let (place, packet) = in_a_packet(which % 12, list);
    let Ok(Some((packet, _))) = Packet::decode(&packet, Version::V5) else {
        return;
    };
    let properties = properties_of(&packet);
    let owned: Vec<Property<'_>> = properties.iter().collect();
    let copy = Properties::new(&owned);
    assert_eq!(copy, properties);
    assert_eq!(copy.is_empty(), properties.is_empty());
    assert_eq!(copy.check(place), Ok(()));
    assert_eq!(written(copy), written(properties));
    assert_eq!(
        properties.user().count(),
        owned
            .iter()
            .filter(|property| property.id() == 0x26)
            .count()
    );
    for property in &owned {
        if let Property::SubscriptionIdentifier(number) = property {
            assert!((1..=VARINT_MAX).contains(&number.0));
        }
    }
});

fn written(properties: Properties<'_>) -> Vec<u8> {
    // Any packet will do: writing does not ask whether a property belongs there.
    let packet = Packet::Puback(Ack {
        properties,
        ..Ack::success(PacketId::MIN)
    });
    let len = packet.encoded_len(Version::V5).expect("small");
    let mut bytes = vec![0; len];
    let mut writer = Writer::new(&mut bytes);
    packet
        .encode(Version::V5, &mut writer)
        .expect("as long as announced");
    bytes
}

/// The list with its length, inside a packet of a kind.
fn in_a_packet(which: u8, list: &[u8]) -> (Place, Vec<u8>) {
    let mut prefixed = length(list.len());
    prefixed.extend(list);
    let c = &b"\x00\x01c"[..];
    let (place, first, before, after): (_, u8, &[&[u8]], &[&[u8]]) = match which {
        0 => (
            Place::CONNECT,
            0x10,
            &[b"\x00\x04MQTT\x05\x02\x00\x00"],
            &[c],
        ),
        1 => (
            Place::WILL,
            0x10,
            &[b"\x00\x04MQTT\x05\x06\x00\x00\x00", c],
            &[c, c],
        ),
        2 => (Place::CONNACK, 0x20, &[b"\x00\x00"], &[]),
        3 => (Place::ACK, 0x40, &[b"\x00\x01\x00"], &[]),
        4 => (Place::ACK, 0x62, &[b"\x00\x01\x00"], &[]),
        5 => (Place::SUBSCRIBE, 0x82, &[b"\x00\x01"], &[c, b"\x00"]),
        6 => (Place::SUBACK, 0x90, &[b"\x00\x01"], &[b"\x00"]),
        7 => (Place::UNSUBSCRIBE, 0xA2, &[b"\x00\x01"], &[c]),
        8 => (Place::SUBACK, 0xB0, &[b"\x00\x01"], &[b"\x00"]),
        9 => (Place::DISCONNECT, 0xE0, &[b"\x00"], &[]),
        10 => (Place::AUTH, 0xF0, &[b"\x18"], &[]),
        _ => (Place::PUBLISH, 0x30, &[c], &[]),
    };
    let body = [&before.concat()[..], &prefixed, &after.concat()].concat();
    (place, [&[first][..], &length(body.len()), &body].concat())
}

fn length(mut rest: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest > 127 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn properties_of<'a>(packet: &Packet<'a>) -> Properties<'a> {
    match packet {
        Packet::Connect(p) => p.will.map_or(p.properties, |will| will.properties),
        Packet::Connack(p) => p.properties,
        Packet::Publish(p) => p.properties,
        Packet::Puback(p) | Packet::Pubrec(p) | Packet::Pubrel(p) | Packet::Pubcomp(p) => {
            p.properties
        }
        Packet::Subscribe(p) => p.properties,
        Packet::Suback(p) | Packet::Unsuback(p) => p.properties,
        Packet::Unsubscribe(p) => p.properties,
        Packet::Disconnect(p) => p.properties,
        Packet::Auth(p) => p.properties,
        Packet::Pingreq | Packet::Pingresp => Properties::NONE,
    }
}
