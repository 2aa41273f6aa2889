//! Packets, both versions: no panic, and what decodes is written to bytes that decode to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    bytes::Writer,
    mqtt::{Version, decode::Header, packet::Packet},
};

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::V311, Version::V5] {
        let Ok(Some((packet, len))) = Packet::decode(bytes, version) else {
            continue;
        };
        let header = Header::decode(bytes, version).expect("decoded once");
        assert_eq!(header.map(|header| header.packet_len()), Some(len));
        let written = encode(&packet, version);
        let again = Packet::decode(&written, version).expect("what is written is valid");
        assert_eq!(again, Some((packet, written.len())));
        assert_eq!(encode(&packet, version), written);
        // Everything before the last byte is not a packet yet.
        assert_eq!(
            Packet::decode(&written[..written.len() - 1], version),
            Ok(None)
        );
        check_masked(&packet, version, &written);
    }
});

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let len = packet
        .encoded_len(version)
        .expect("no larger than what was read");
    let mut bytes = vec![0; len];
    let mut writer = Writer::new(&mut bytes);
    packet
        .encode(version, &mut writer)
        .expect("as long as announced");
    assert_eq!(writer.written(), len);
    bytes
}

fn check_masked(packet: &Packet<'_>, version: Version, plain: &[u8]) {
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = vec![0; plain.len()];
    let mut writer = Writer::masked(&mut bytes, KEY);
    packet
        .encode(version, &mut writer)
        .expect("as long as announced");
    for (byte, key) in bytes.iter_mut().zip(KEY.iter().cycle()) {
        *byte ^= key;
    }
    assert_eq!(bytes, plain);
}
