//! The codec against the specifications: figures, round trips, and every clause that a receiver has to enforce.

mod broken;
mod figures;
mod model;
mod properties;
mod round_trip;
mod topics;

use towpath_proto::{
    bytes::Writer,
    mqtt::{Version, packet::Packet},
};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// The bytes of a packet, in a buffer that is exactly as long as the packet says.
pub(crate) fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let len = packet
        .encoded_len(version)
        .expect("no test packet is too large");
    let mut bytes = vec![0; len];
    let mut writer = Writer::new(&mut bytes);
    packet
        .encode(version, &mut writer)
        .expect("the packet fits its own length");
    assert_eq!(writer.written(), len, "{packet:?}");
    bytes
}

/// A packet from its first byte and the parts of its body.
pub(crate) fn framed(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut packet = vec![first];
    let mut rest = body.len();
    while rest > 127 {
        packet.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    packet.push(rest as u8);
    packet.extend(body);
    packet
}

/// A length-prefixed field.
pub(crate) fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let len = u16::try_from(bytes.len()).expect("no test field is that long");
    [&len.to_be_bytes(), bytes].concat()
}
