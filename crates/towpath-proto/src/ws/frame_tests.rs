extern crate std;
use std::{format, vec, vec::Vec};

use proptest::prelude::*;

use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Frames as bytes and what they mean, both from the examples of RFC 6455 5.7.
#[test]
fn the_examples_of_rfc_6455_5_7() {
    let mut out = [0; 300];
    let mut frame = |fin, opcode, payload: &[u8], mask| {
        let len = write(&mut out, fin, opcode, payload, mask).unwrap();
        out[..len].to_vec()
    };
    assert_eq!(frame(true, Opcode::Text, b"Hello", None), b"\x81\x05Hello");
    assert_eq!(
        frame(true, Opcode::Text, b"Hello", Some(KEY)),
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
    assert_eq!(frame(false, Opcode::Text, b"Hel", None), b"\x01\x03Hel");
    assert_eq!(
        frame(true, Opcode::Continuation, b"lo", None),
        b"\x80\x02lo"
    );
    assert_eq!(frame(true, Opcode::Ping, b"Hello", None), b"\x89\x05Hello");
    assert_eq!(
        frame(true, Opcode::Pong, b"Hello", Some(KEY)),
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
    assert_eq!(
        frame(true, Opcode::Binary, &[7; 256], None)[..4],
        *b"\x82\x7E\x01\x00"
    );
    let mut out = vec![0; 65546];
    assert_eq!(
        write(&mut out, true, Opcode::Binary, &vec![7; 65536], None),
        Ok(65546)
    );
    assert_eq!(out[..10], *b"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00");
}

#[test]
fn a_frame_that_does_not_fit_is_refused_at_every_size() {
    for len in [0, 1, 125, 126, 300, 70_000] {
        for mask in [None, Some(KEY)] {
            let whole = header_len(len, mask.is_some()) + len;
            let payload = vec![1; len];
            let mut out = vec![0; whole];
            assert_eq!(
                write(&mut out, true, Opcode::Binary, &payload, mask),
                Ok(whole)
            );
            assert_eq!(
                write(&mut out[1..], true, Opcode::Binary, &payload, mask),
                Err(Short)
            );
            assert_eq!(
                write(&mut [], true, Opcode::Binary, &payload, mask),
                Err(Short)
            );
        }
    }
    assert_eq!(
        write(&mut [0; 200], true, Opcode::Ping, &[0; 126], Some(KEY)),
        Err(Short)
    );
    assert_eq!(
        write_header(
            &mut [0; HEADER_MAX],
            true,
            Opcode::Binary,
            usize::MAX,
            Some(KEY)
        ),
        Ok(14)
    );
}

/// What a connection received, with the payload of the pieces of a message put together.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Got {
    Message(Opcode, Vec<u8>),
    Control(Opcode, Vec<u8>),
}

/// Feeds `wire` in pieces of the sizes that `sizes` gives in turn.
fn receive(role: Role, wire: &[u8], sizes: &[usize]) -> Result<Vec<Got>, Fault> {
    let mut deframer = Deframer::new(role);
    let (mut got, mut message, mut rx) = (Vec::new(), Vec::new(), Vec::new());
    let mut sizes = sizes.iter().cycle();
    let mut wire = wire;
    while !wire.is_empty() {
        let (piece, rest) = wire.split_at((*sizes.next().unwrap()).clamp(1, wire.len()));
        wire = rest;
        rx.extend_from_slice(piece);
        loop {
            let (skip, take) = match deframer.next(&mut rx)? {
                Step::Need => break,
                Step::Data {
                    skip,
                    take,
                    opcode,
                    end_of_message,
                } => {
                    message.extend_from_slice(&rx[skip..skip + take]);
                    if end_of_message {
                        got.push(Got::Message(opcode, std::mem::take(&mut message)));
                    }
                    (skip, take)
                }
                Step::Control { skip, take, opcode } => {
                    got.push(Got::Control(opcode, rx[skip..skip + take].to_vec()));
                    (skip, take)
                }
            };
            rx.drain(..skip + take);
        }
    }
    Ok(got)
}

fn refusal(role: Role, wire: &[u8]) -> (Code, &'static str) {
    let whole = receive(role, wire, &[wire.len()]).unwrap_err();
    let bytewise = receive(role, wire, &[1]).unwrap_err();
    assert_eq!(whole, bytewise);
    assert_eq!(whole.rung, Rung::Ws);
    (whole.code, whole.clause)
}

#[test]
fn a_message_in_fragments_with_a_ping_between_them() {
    let wire = b"\x01\x03Hel\x89\x00\x80\x02lo\x82\x00";
    for size in 1..=wire.len() {
        let got = receive(Role::Client, wire, &[size]).unwrap();
        let expected = [
            Got::Control(Opcode::Ping, vec![]),
            Got::Message(Opcode::Text, b"Hello".to_vec()),
            Got::Message(Opcode::Binary, vec![]),
        ];
        assert_eq!(got, expected, "pieces of {size}");
    }
}

#[test]
fn an_empty_frame_is_a_step_of_its_own() {
    let mut deframer = Deframer::new(Role::Client);
    let step = deframer.next(&mut [0x02, 0x00]).unwrap();
    assert_eq!(
        step,
        Step::Data {
            skip: 2,
            take: 0,
            opcode: Opcode::Binary,
            end_of_message: false
        }
    );
    assert!(!deframer.between_messages());
    let step = deframer.next(&mut [0x80, 0x00]).unwrap();
    assert_eq!(
        step,
        Step::Data {
            skip: 2,
            take: 0,
            opcode: Opcode::Binary,
            end_of_message: true
        }
    );
    assert!(deframer.between_messages());
}

#[test]
fn a_server_unmasks_in_place_across_pieces() {
    let wire = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    for size in 1..=wire.len() {
        let got = receive(Role::Server, wire, &[size]).unwrap();
        assert_eq!(
            got,
            [Got::Message(Opcode::Text, b"Hello".to_vec())],
            "pieces of {size}"
        );
    }
}

#[test]
fn a_control_frame_waits_until_it_is_complete() {
    let mut deframer = Deframer::new(Role::Client);
    assert_eq!(deframer.next(&mut [0x89, 2, b'a']), Ok(Step::Need));
    let step = deframer.next(&mut [0x89, 2, b'a', b'b', 0x82]);
    assert_eq!(
        step,
        Ok(Step::Control {
            skip: 2,
            take: 2,
            opcode: Opcode::Ping
        })
    );
}

#[test]
fn what_rfc_6455_forbids_is_refused_with_its_clause() {
    let client = |wire: &[u8]| refusal(Role::Client, wire);
    for rsv in [0xC2, 0xA2, 0x92] {
        assert_eq!(client(&[rsv, 0]), (Code::FrameReserved, "RFC 6455 5.2"));
    }
    for opcode in [0x83, 0x87, 0x8B, 0x8F] {
        assert_eq!(client(&[opcode, 0]), (Code::FrameReserved, "RFC 6455 5.2"));
    }
    assert_eq!(
        client(&[0x09, 0]),
        (Code::FrameControl, "RFC 6455 5.5"),
        "a fragmented ping"
    );
    assert_eq!(
        client(&[0x88, 126]),
        (Code::FrameControl, "RFC 6455 5.5"),
        "a long close"
    );
    assert_eq!(
        client(&[0x80, 0]),
        (Code::FrameOrder, "RFC 6455 5.4"),
        "continues nothing"
    );
    assert_eq!(
        client(&[0x02, 0, 0x82, 0]),
        (Code::FrameOrder, "RFC 6455 5.4"),
        "not continued"
    );
    assert_eq!(client(&[0x82, 0x80]), (Code::FrameMask, "RFC 6455 5.1"));
    assert_eq!(
        refusal(Role::Server, &[0x82, 0]),
        (Code::FrameMask, "RFC 6455 5.1")
    );
    assert_eq!(
        client(&[0x82, 126, 0, 125]),
        (Code::FrameLength, "RFC 6455 5.2"),
        "not minimal"
    );
    let not_minimal = [0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
    assert_eq!(client(&not_minimal), (Code::FrameLength, "RFC 6455 5.2"));
    let negative = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(client(&negative), (Code::FrameLength, "RFC 6455 5.2"));
}

#[test]
fn the_longest_frame_is_followed_without_overflow() {
    let mut deframer = Deframer::new(Role::Client);
    let mut wire = [
        0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2,
    ];
    let step = deframer.next(&mut wire).unwrap();
    assert_eq!(
        step,
        Step::Data {
            skip: 10,
            take: 2,
            opcode: Opcode::Binary,
            end_of_message: false
        }
    );
}

/// Each entry is one frame: what it is, its payload, and in how many frames a message goes out.
fn messages() -> impl Strategy<Value = Vec<(Opcode, Vec<u8>, usize)>> {
    let opcode = prop_oneof![Just(Opcode::Binary), Just(Opcode::Text)];
    let data = (
        opcode,
        proptest::collection::vec(any::<u8>(), 0..300),
        1_usize..4,
    );
    let opcode = prop_oneof![Just(Opcode::Ping), Just(Opcode::Pong), Just(Opcode::Close)];
    let control = (
        opcode,
        proptest::collection::vec(any::<u8>(), 0..=125),
        Just(1),
    );
    proptest::collection::vec(prop_oneof![data, control], 0..6)
}

fn encode(messages: &[(Opcode, Vec<u8>, usize)], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for (opcode, payload, frames) in messages {
        for frame in 0..*frames {
            let (from, to) = (
                payload.len() * frame / frames,
                payload.len() * (frame + 1) / frames,
            );
            let opcode = if frame == 0 {
                *opcode
            } else {
                Opcode::Continuation
            };
            let mut out = vec![0; HEADER_MAX + to - from];
            let fin = frame + 1 == *frames;
            let len = write(&mut out, fin, opcode, &payload[from..to], mask).unwrap();
            wire.extend_from_slice(&out[..len]);
        }
    }
    wire
}

proptest! {
    #[test]
    fn masking_is_the_xor_of_rfc_6455_5_3(payload in proptest::collection::vec(any::<u8>(), 0..400), key: [u8; 4]) {
        let mut out = vec![0; HEADER_MAX + payload.len()];
        let len = write(&mut out, true, Opcode::Binary, &payload, Some(key)).unwrap();
        let plain: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        prop_assert_eq!(&out[header_len(payload.len(), true)..len], &plain[..]);
    }

    #[test]
    fn frames_come_out_as_they_went_in(
        messages in messages(),
        mask in any::<Option<[u8; 4]>>(),
        sizes in proptest::collection::vec(1_usize..200, 1..8),
    ) {
        let role = if mask.is_some() { Role::Server } else { Role::Client };
        let expected: Vec<Got> = messages
            .iter()
            .map(|(opcode, payload, _)| match opcode.is_control() {
                true => Got::Control(*opcode, payload.clone()),
                false => Got::Message(*opcode, payload.clone()),
            })
            .collect();
        let wire = encode(&messages, mask);
        prop_assert_eq!(&receive(role, &wire, &[usize::MAX]).unwrap(), &expected);
        prop_assert_eq!(&receive(role, &wire, &sizes).unwrap(), &expected);
        prop_assert_eq!(receive(role, &wire, &[1]).unwrap(), expected);
    }

    #[test]
    fn noise_never_panics_and_is_judged_alike_in_any_pieces(
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0x8B, Just(0)], 0..80),
        server: bool,
        sizes in proptest::collection::vec(1_usize..9, 1..4),
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let whole = receive(role, &noise, &[usize::MAX]);
        prop_assert_eq!(format!("{:?}", receive(role, &noise, &sizes)), format!("{whole:?}"));
    }
}
