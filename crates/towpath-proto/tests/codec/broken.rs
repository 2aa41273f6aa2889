//! Packets that break one clause each, and the clause that the codec names for it.

use towpath_proto::mqtt::{
    Invalid,
    Version::{self, V5, V311},
    packet::Packet,
    reason::ReasonCode,
};

use super::{VERSIONS, field, framed};

pub(crate) fn refused(bytes: &[u8], version: Version) -> Invalid {
    match Packet::decode(bytes, version) {
        Err(invalid) => invalid,
        other => panic!("{bytes:02x?} gives {other:?}"),
    }
}

pub(crate) fn breaks(bytes: &[u8], version: Version, clause: &str) {
    let invalid = refused(bytes, version);
    assert!(
        invalid.clause.contains(clause),
        "{bytes:02x?} breaks {clause}, not {}",
        invalid.clause
    );
}

const PROTOCOL: ReasonCode = ReasonCode::PROTOCOL_ERROR;

#[test]
fn the_fixed_header() {
    for version in VERSIONS {
        breaks(b"\x00\x00", version, "MQTT 5 2.1.2");
        breaks(b"\x0f", version, "MQTT 5 2.1.2");
        breaks(b"\xc0\xff\xff\xff\xff\x01", version, "MQTT 5 2.1.4");
        breaks(b"\xc0\xff\xff\xff\xff", version, "MQTT 5 2.1.4");
        // The reserved flags of every type that has them (table 2-2).
        for kind in 1..=15u8 {
            let wanted = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
            for flags in (0..16).filter(|flags| *flags != wanted && kind != 3) {
                breaks(&[kind << 4 | flags, 0], version, "[MQTT-2.1.3-1]");
            }
        }
    }
    for long in [&b"\xc0\x80\x00"[..], b"\xc0\x80\x80\x80\x00"] {
        breaks(long, V5, "[MQTT-1.5.5-1]");
        // 3.1.1 has no such rule.
        let decoded = Packet::decode(long, V311);
        assert_eq!(decoded, Ok(Some((Packet::Pingreq, long.len()))));
    }
    breaks(b"\xf0\x00", V311, "MQTT 3.1.1 2.2.1");
    breaks(b"\xc0\x01\x00", V5, "MQTT 5 2.1.4");
    breaks(b"\xd0\x01\x00", V311, "MQTT 5 2.1.4");
}

#[test]
fn strings() {
    let ill_formed: [&[u8]; 9] = [
        b"\xc0\x80",         // U+0000, overlong
        b"\xc0\xaf",         // '/', overlong
        b"\xe0\x80\xaf",     // the same in three bytes
        b"\xf0\x80\x80\xaf", // and in four
        b"\xed\xa0\x80",     // U+D800
        b"\xed\xbf\xbf",     // U+DFFF
        b"\xf4\x90\x80\x80", // above U+10FFFF
        b"\xe2\x82",         // cut
        b"\x80",             // a continuation alone
    ];
    for version in VERSIONS {
        let none: &[u8] = if version == V5 { b"\x00" } else { b"" };
        let level = version.level();
        let connect = |flags: u8, payload: &[u8]| {
            let head = [&b"\x00\x04MQTT"[..], &[level, flags, 0, 0], none].concat();
            framed(0x10, &[&head, payload])
        };
        let cases = ill_formed
            .map(|bytes| (bytes, "[MQTT-1.5.4-1]"))
            .into_iter()
            .chain([(&b"\x00"[..], "[MQTT-1.5.4-2]")]);
        for (bad, clause) in cases {
            for text in [bad.to_vec(), [b"a long beginning ", bad].concat()] {
                let text = field(text);
                breaks(&framed(0x30, &[&text, none]), version, clause);
                breaks(
                    &framed(0x82, &[b"\x00\x01", none, &text, b"\x00"]),
                    version,
                    clause,
                );
                breaks(&framed(0xA2, &[b"\x00\x01", none, &text]), version, clause);
                breaks(&connect(2, &text), version, clause);
                breaks(
                    &connect(0x82, &[&field("c"), &text[..]].concat()),
                    version,
                    clause,
                );
                let will = [&field("c"), none, &text, &field("p")].concat();
                breaks(&connect(6, &will), version, clause);
            }
        }
    }
}

/// CONNECT from its flags and what follows the keep alive.
fn connect(version: Version, flags: u8, rest: &[u8]) -> Vec<u8> {
    let head = [&b"\x00\x04MQTT"[..], &[version.level(), flags, 0, 60]].concat();
    framed(0x10, &[&head, rest])
}

#[test]
fn connect_rules() {
    for version in VERSIONS {
        let c: &[u8] = if version == V5 {
            b"\x00\x00\x01c"
        } else {
            b"\x00\x01c"
        };
        breaks(&connect(version, 0x03, c), version, "[MQTT-3.1.2-3]");
        breaks(&connect(version, 0x0A, c), version, "[MQTT-3.1.2-11]");
        breaks(&connect(version, 0x12, c), version, "[MQTT-3.1.2-11]");
        breaks(&connect(version, 0x22, c), version, "[MQTT-3.1.2-13]");
        breaks(&connect(version, 0x1E, c), version, "[MQTT-3.1.2-12]");
        for promised in [0x82, 0xC2, 0x06] {
            breaks(&connect(version, promised, c), version, "MQTT 5 2.1.4");
        }
        breaks(
            &connect(version, 2, &[c, b"x"].concat()),
            version,
            "MQTT 5 2.1.4",
        );
        let none: &[u8] = if version == V5 { b"\x00" } else { b"" };
        for (topic, clause) in [("", "[MQTT-4.7.3-1]"), ("a/#", "[MQTT-4.7.0-1]")] {
            let will = [c, none, &field(topic), &field("p")].concat();
            breaks(&connect(version, 6, &will), version, clause);
        }
    }
    breaks(
        &connect(V311, 0x42, b"\x00\x01c\x00\x01p"),
        V311,
        "[MQTT-3.1.2-22]",
    );
    let nameless = connect(V311, 0, b"\x00\x00");
    breaks(&nameless, V311, "MQTT 3.1.1 [MQTT-3.1.3-8]");
    assert_eq!(
        refused(&nameless, V311).reason,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
    );

    for (body, clause) in [
        (
            &b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00"[..],
            "[MQTT-3.1.2-1]",
        ),
        (b"\x00\x04mqtt\x04\x02\x00\x3c\x00\x00", "[MQTT-3.1.2-1]"),
        (b"\x00\x04MQTT\x03\x02\x00\x3c\x00\x00", "[MQTT-3.1.2-2]"),
        (
            b"\x00\x04MQTT\x06\x02\x00\x3c\x00\x00\x00",
            "[MQTT-3.1.2-2]",
        ),
    ] {
        let bytes = framed(0x10, &[body]);
        breaks(&bytes, V5, clause);
        assert_eq!(
            refused(&bytes, V5).reason,
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
        );
    }
}

#[test]
fn connack_rules() {
    for (body, clause) in [
        (&b"\x02\x00\x00"[..], "[MQTT-3.2.2-1]"),
        (b"\x01\x87\x00", "[MQTT-3.2.2-6]"),
        (b"\x00\x02\x00", "[MQTT-3.2.2-8]"),
        (b"\x00\x18\x00", "[MQTT-3.2.2-8]"),
        (b"\x00\x00", "MQTT 5 2.1.4"),
        (b"\x00", "MQTT 5 2.1.4"),
        (b"\x00\x00\x00\x00", "MQTT 5 2.1.4"),
    ] {
        breaks(&framed(0x20, &[body]), V5, clause);
    }
    for (body, clause) in [
        (&b"\x80\x00"[..], "[MQTT-3.2.2-1]"),
        (b"\x01\x01", "[MQTT-3.2.2-6]"),
        (b"\x00\x06", "MQTT 3.1.1 3.2.2.3"),
        (b"\x00\x87", "MQTT 3.1.1 3.2.2.3"),
        (b"\x00\x00\x00", "MQTT 5 2.1.4"),
    ] {
        breaks(&framed(0x20, &[body]), V311, clause);
    }
}

#[test]
fn publish_rules() {
    for version in VERSIONS {
        let none: &[u8] = if version == V5 { b"\x00" } else { b"" };
        let body = [b"\x00\x01t\x00\x01", none].concat();
        for flags in [6, 7, 14, 15] {
            breaks(&framed(0x30 | flags, &[&body]), version, "[MQTT-3.3.1-4]");
        }
        for flags in [8, 9] {
            breaks(&framed(0x30 | flags, &[&body]), version, "[MQTT-3.3.1-2]");
        }
        for first in [0x32, 0x34, 0x3A] {
            let zero = [b"\x00\x01t\x00\x00", none].concat();
            breaks(&framed(first, &[&zero]), version, "[MQTT-2.2.1-3]");
            breaks(&framed(first, &[b"\x00\x01t\x00"]), version, "MQTT 5 2.1.4");
        }
        for wild in ["#", "a/+", "+/and/something/longer"] {
            breaks(
                &framed(0x30, &[&field(wild), none]),
                version,
                "[MQTT-3.3.2-2]",
            );
        }
        breaks(
            &framed(0x30, &[b"\x00\x00", none]),
            version,
            "[MQTT-4.7.3-1]",
        );
        breaks(&framed(0x30, &[b"\x00\x05abcd"]), version, "MQTT 5 2.1.4");
        breaks(&framed(0x30, &[b"\x00"]), version, "MQTT 5 2.1.4");
    }
    // Another property than the alias does not stand for a name.
    breaks(
        &framed(0x30, &[b"\x00\x00\x02\x01\x00"]),
        V5,
        "[MQTT-4.7.3-1]",
    );
    let aliased = framed(0x30, &[b"\x00\x00\x05\x01\x00\x23\x00\x01"]);
    assert!(matches!(Packet::decode(&aliased, V5), Ok(Some(_))));
    breaks(&framed(0x30, &[b"\x00\x01t"]), V5, "MQTT 5 2.1.4");
}

#[test]
fn acknowledgement_rules() {
    for version in VERSIONS {
        for first in [0x40, 0x50, 0x62, 0x70] {
            breaks(&[first, 2, 0, 0], version, "[MQTT-2.2.1-3]");
            breaks(&[first, 1, 0], version, "MQTT 5 2.1.4");
        }
    }
    for first in [0x40, 0x50, 0x62, 0x70] {
        breaks(&[first, 3, 0, 1, 0], V311, "MQTT 5 2.1.4");
        breaks(&[first, 5, 0, 1, 0, 0, 0], V5, "MQTT 5 2.1.4");
        breaks(&[first, 5, 0, 1, 0, 1, 0], V5, "MQTT 5 2.2.2.2");
    }
    for (first, clause) in [
        (0x40, "[MQTT-3.4.2-1]"),
        (0x50, "[MQTT-3.5.2-1]"),
        (0x62, "[MQTT-3.6.2-1]"),
        (0x70, "[MQTT-3.7.2-1]"),
    ] {
        breaks(&[first, 3, 0, 1, 1], V5, clause);
        breaks(&[first, 4, 0, 1, 0x7F, 0], V5, clause);
    }
    breaks(&[0x62, 3, 0, 1, 0x10], V5, "[MQTT-3.6.2-1]");
}

#[test]
fn subscribe_rules() {
    for version in VERSIONS {
        let none: &[u8] = if version == V5 { b"\x00" } else { b"" };
        let sub = |rest: &[u8]| framed(0x82, &[b"\x00\x01", none, rest]);
        breaks(&sub(b""), version, "[MQTT-3.8.3-2]");
        breaks(&sub(b"\x00\x01a"), version, "MQTT 5 2.1.4");
        breaks(&sub(b"\x00\x01a\x03"), version, "MQTT 5 3.8.3.1");
        breaks(&sub(b"\x00\x01a\x40"), version, "[MQTT-3.8.3-5]");
        breaks(&sub(b"\x00\x01a\x80"), version, "[MQTT-3.8.3-5]");
        // The second of two is looked at as well.
        breaks(
            &sub(b"\x00\x01a\x00\x00\x01b\x80"),
            version,
            "[MQTT-3.8.3-5]",
        );
        breaks(
            &framed(0x82, &[b"\x00\x00", none, b"\x00\x01a\x00"]),
            version,
            "[MQTT-2.2.1-3]",
        );
        let unsub = |rest: &[u8]| framed(0xA2, &[b"\x00\x01", none, rest]);
        breaks(&unsub(b""), version, "[MQTT-3.10.3-2]");
        breaks(&unsub(b"\x00\x02a"), version, "MQTT 5 2.1.4");
        breaks(
            &framed(0xA2, &[b"\x00\x00", none, b"\x00\x01a"]),
            version,
            "[MQTT-2.2.1-3]",
        );
        for (filter, clause) in [
            ("", "[MQTT-4.7.3-1]"),
            ("a#", "[MQTT-4.7.1-1]"),
            ("#/a", "[MQTT-4.7.1-1]"),
            ("a+", "[MQTT-4.7.1-2]"),
            ("$share//a", "[MQTT-4.8.2-1]"),
            ("$share/a+/b", "[MQTT-4.8.2-2]"),
            ("$share/a", "[MQTT-4.8.2-2]"),
        ] {
            breaks(
                &sub(&[&field(filter)[..], b"\x00"].concat()),
                version,
                clause,
            );
            breaks(&unsub(&field(filter)), version, clause);
        }
    }
    for v5_only in [0x04, 0x08, 0x10] {
        let bytes = framed(0x82, &[b"\x00\x01\x00\x01a", &[v5_only]]);
        breaks(&bytes, V311, "[MQTT-3.8.3-5]");
    }
    breaks(
        &framed(0x82, &[b"\x00\x01\x00\x00\x01a\x30"]),
        V5,
        "MQTT 5 3.8.3.1",
    );
    let shared = [&field("$share/g/a")[..], b"\x04"].concat();
    breaks(
        &framed(0x82, &[b"\x00\x01\x00", &shared]),
        V5,
        "[MQTT-3.8.3-4]",
    );
    // Section 3.8.3.1 calls QoS 3 and retain handling 3 protocol errors.
    for options in [0x03, 0x30] {
        let bytes = framed(0x82, &[b"\x00\x01\x00\x00\x01a", &[options]]);
        assert_eq!(refused(&bytes, V5).reason, PROTOCOL);
    }
}

#[test]
fn suback_rules() {
    for version in VERSIONS {
        let none: &[u8] = if version == V5 { b"\x00" } else { b"" };
        for code in [3, 0x7F] {
            let bytes = framed(0x90, &[b"\x00\x01", none, &[0, code]]);
            breaks(&bytes, version, "[MQTT-3.9.3-2]");
        }
        breaks(
            &framed(0x90, &[b"\x00\x01", none]),
            version,
            "[MQTT-3.9.3-2]",
        );
        breaks(
            &framed(0x90, &[b"\x00\x00", none, b"\x00"]),
            version,
            "[MQTT-2.2.1-3]",
        );
        breaks(
            &framed(0xB0, &[b"\x00\x00", none]),
            version,
            "[MQTT-2.2.1-3]",
        );
    }
    breaks(b"\x90\x03\x00\x01\x87", V311, "[MQTT-3.9.3-2]");
    breaks(b"\xb0\x03\x00\x01\x00", V311, "MQTT 3.1.1 3.11.3");
    breaks(b"\xb0\x03\x00\x01\x00", V5, "[MQTT-3.11.3-2]");
    breaks(b"\xb0\x04\x00\x01\x00\x02", V5, "[MQTT-3.11.3-2]");
}

#[test]
fn disconnect_and_auth_rules() {
    breaks(b"\xe0\x01\x00", V311, "MQTT 5 2.1.4");
    breaks(b"\xe0\x01\x01", V5, "[MQTT-3.14.2-1]");
    breaks(b"\xe0\x03\x00\x00\x00", V5, "MQTT 5 2.1.4");
    for code in [1, 0x17, 0x80, 0x8C] {
        breaks(&[0xF0, 2, code, 0], V5, "[MQTT-3.15.2-1]");
    }
    // The method is what AUTH is about.
    for bytes in [
        &b"\xf0\x01\x18"[..],
        b"\xf0\x02\x19\x00",
        b"\xf0\x06\x00\x04\x16\x00\x01x",
    ] {
        breaks(bytes, V5, "MQTT 5 3.15.2.2.2");
    }
}

/// A failure that its table does not name is a failure all the same (section 2.4).
#[test]
fn unlisted_failures_pass() {
    for bytes in [
        &b"\x20\x03\x00\xff\x00"[..],
        b"\x40\x03\x00\x01\xff",
        b"\x62\x03\x00\x01\x80",
        b"\x90\x04\x00\x01\x00\xff",
        b"\xb0\x04\x00\x01\x00\xa0",
        b"\xe0\x01\xff",
    ] {
        assert!(
            matches!(Packet::decode(bytes, V5), Ok(Some(_))),
            "{bytes:02x?}"
        );
    }
}

/// Each code that a table names is taken.
#[test]
fn listed_codes_pass() {
    for kind in [2u8, 4, 5, 6, 7, 9, 11, 14] {
        for code in super::model::codes(kind) {
            let first = kind << 4 | if kind == 6 { 2 } else { 0 };
            let body = match kind {
                2 => vec![0, *code, 0],
                9 | 11 => vec![0, 1, 0, *code],
                14 => vec![*code],
                _ => vec![0, 1, *code],
            };
            let bytes = framed(first, &[&body]);
            assert!(
                matches!(Packet::decode(&bytes, V5), Ok(Some(_))),
                "{bytes:02x?}"
            );
        }
    }
}
