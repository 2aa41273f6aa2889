//! What is written is read back, at every length and whatever the mask; what is not a packet is not taken for one.

use proptest::prelude::*;
use towpath_proto::{
    bytes::{Short, Writer},
    mqtt::{
        Version,
        decode::Header,
        packet::{Kind, Packet},
    },
};

use super::{VERSIONS, encode, model};

/// Whatever decodes is written so that it decodes to the same again.
fn stable(bytes: &[u8], version: Version) {
    let Ok(Some((packet, len))) = Packet::decode(bytes, version) else {
        return;
    };
    assert!(len <= bytes.len());
    // CONNECT brings its version along.
    let written = encode(&packet, version);
    let again = Packet::decode(&written, version);
    assert_eq!(again, Ok(Some((packet, written.len()))));
}

fn check(owned: &model::Owned, version: Version) {
    owned.with(version, |packet| {
        let bytes = encode(packet, version);
        let len = bytes.len();
        assert_eq!(Packet::decode(&bytes, version), Ok(Some((*packet, len))));
        // Bytes of the next packet do not matter.
        let more = [&bytes[..], b"\xff\xff"].concat();
        assert_eq!(Packet::decode(&more, version), Ok(Some((*packet, len))));
        for cut in 0..len {
            assert_eq!(Packet::decode(&bytes[..cut], version), Ok(None), "{cut}");
        }
        let header = Header::decode(&bytes, version);
        let header = header.expect("a good header").expect("a whole header");
        assert_eq!(header.kind, packet.kind());
        assert_eq!(header.packet_len(), len);
        for room in 0..len {
            let mut small = vec![0; room];
            let written = packet.encode(version, &mut Writer::new(&mut small));
            assert_eq!(written, Err(Short), "{room} of {len}");
        }
    });
}

fn check_masked(owned: &model::Owned, version: Version, key: [u8; 4]) {
    owned.with(version, |packet| {
        let plain = encode(packet, version);
        let mut masked = vec![0; plain.len() + 3];
        let mut writer = Writer::masked(&mut masked, key);
        packet.encode(version, &mut writer).expect("room enough");
        writer.put(b"xyz").expect("room enough");
        for (index, byte) in masked.iter_mut().enumerate() {
            *byte ^= key[index % 4];
        }
        assert_eq!(masked, [&plain[..], b"xyz"].concat());
    });
}

/// The kinds whose last field has a length, so that a byte behind it can't be taken for anything.
const fn ends_by_itself(kind: Kind, version: Version) -> bool {
    match kind {
        Kind::Publish | Kind::Suback => false,
        Kind::Unsuback => matches!(version, Version::V311),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn packets_of_5(owned in model::packet(Version::V5)) {
        check(&owned, Version::V5);
    }

    #[test]
    fn packets_of_3_1_1(owned in model::packet(Version::V311)) {
        check(&owned, Version::V311);
    }

    #[test]
    fn masked(owned in model::packet(Version::V5), key: [u8; 4]) {
        check_masked(&owned, Version::V5, key);
    }

    #[test]
    fn masked_of_3_1_1(owned in model::packet(Version::V311), key: [u8; 4]) {
        check_masked(&owned, Version::V311, key);
    }

    /// A byte that the remaining length counts and no field takes.
    #[test]
    fn a_byte_too_many_is_refused(owned in model::packet(Version::V311)) {
        owned.with(Version::V311, |packet| {
            let mut bytes = encode(packet, Version::V311);
            // Lengths of one byte suffice here.
            if bytes[1] < 127 && ends_by_itself(packet.kind(), Version::V311) {
                bytes[1] += 1;
                bytes.push(0x99);
                assert!(Packet::decode(&bytes, Version::V311).is_err(), "{packet:?}");
            }
        });
    }

    #[test]
    fn noise_never_panics_and_what_decodes_is_stable(bytes: Vec<u8>) {
        for version in VERSIONS {
            stable(&bytes, version);
        }
    }

    #[test]
    fn a_changed_byte_never_panics_and_what_decodes_is_stable(
        owned in model::packet(Version::V5), at: prop::sample::Index, value: u8
    ) {
        owned.with(Version::V5, |packet| {
            let mut bytes = encode(packet, Version::V5);
            let at = at.index(bytes.len());
            bytes[at] = value;
            for version in VERSIONS {
                stable(&bytes, version);
            }
        });
    }

    /// The remaining length says less than the fields need, or cuts a field that may be left out.
    #[test]
    fn a_shortened_packet_never_panics_and_what_decodes_is_stable(
        owned in model::packet(Version::V5), cut: prop::sample::Index
    ) {
        owned.with(Version::V5, |packet| {
            let mut bytes = encode(packet, Version::V5);
            if (1..128).contains(&bytes[1]) {
                let cut = cut.index(usize::from(bytes[1]));
                bytes[1] = cut as u8;
                bytes.truncate(2 + cut);
                stable(&bytes, Version::V5);
            }
        });
    }
}
