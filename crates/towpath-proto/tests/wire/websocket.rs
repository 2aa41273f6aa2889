//! MQTT in WebSocket frames (MQTT 5 section 6, RFC 6455).

use std::time::Duration;

use towpath_proto::{
    Code, Reason, Rung,
    client::Start,
    mqtt::{QoS, Version, property::Properties, reason::ReasonCode},
    ws::Opcode,
};
use towpath_sim::{Chunks, Memory, Script, Seen, hex};

use crate::{lasting, message};

fn connected() -> Script {
    let mut script = Script::new(Memory::host());
    script.start_ws(Start::new(lasting(Version::V5)));
    script.accept(Version::V5, false, "");
    script
}

/// A client that has sent its request.
fn asked() -> Script {
    let mut script = Script::new(Memory::host());
    let mut start = Start::new(lasting(Version::V5));
    start.upgrade = Some(Script::UPGRADE);
    script.start(&start);
    script
}

#[test]
fn the_upgrade_comes_before_connect() {
    let mut script = asked();
    script.waits(Reason::Upgrade, Some(Duration::from_secs(10)));
    script.switch();
    script.recv("10 [ <MQTT> 05 00 003c [] <boat> ]");
    script.waits(Reason::Connack, Some(Duration::from_secs(10)));
    script.send("20 03 00 00 00");
    assert!(matches!(script.event(), Seen::Connected { .. }));
    assert_eq!(script.client.rung(), Rung::Mqtt);
}

#[test]
fn an_upgrade_answered_byte_by_byte_is_the_same() {
    let mut script = asked();
    script.chunks = Chunks::Upto(1);
    script.switch();
    script.recv("10 [ <MQTT> 05 00 003c [] <boat> ]");
    script.send("20 03 00 00 00");
    assert!(matches!(script.event(), Seen::Connected { .. }));
}

#[test]
fn an_upgrade_that_is_refused_says_why() {
    for (status, code) in [
        ("401 Unauthorized", Code::Unauthorized),
        ("403 Forbidden", Code::Forbidden),
        ("404 Not Found", Code::NotFound),
        ("502 Bad Gateway", Code::ServerError),
        ("301 Moved", Code::Redirected),
        ("200 OK", Code::HttpStatus),
    ] {
        let mut script = asked();
        let answer = format!("HTTP/1.1 {status}\r\nServer: lock\r\n\r\n");
        script.send_bytes(answer.as_bytes());
        let fault = script.fails(code);
        assert_eq!(fault.rung, Rung::Upgrade);
        assert_eq!(fault.number.to_string(), status[..3]);
    }
}

#[test]
fn an_upgrade_without_an_answer_ends_in_time() {
    let mut script = asked();
    script.pass(Duration::from_secs(10));
    script.fails(Code::UpgradeTimeout);
}

#[test]
fn packets_may_share_frames_and_spread_over_them() {
    let mut script = connected();
    let bytes = hex("32 [ <a/b> 0001 [] 'one' ]  32 [ <a/b> 0002 [] 'two' ]");
    let (first, rest) = bytes.split_at(5);
    let (second, third) = rest.split_at(9);
    for part in [first, second, third] {
        script.send_frame(Opcode::Binary, part);
    }
    assert_eq!(script.message().payload, b"one");
    assert_eq!(script.message().payload, b"two");
    script.recv("40 02 0001  40 02 0002");
}

#[test]
fn a_ping_is_answered_with_its_payload_even_inside_a_packet() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        let mut script = connected();
        script.chunks = chunks;
        let bytes = hex("32 [ <a/b> 0001 [] 'one' ]");
        script.send_frame(Opcode::Binary, &bytes[..6]);
        script.send_frame(Opcode::Ping, b"are you there");
        script.recv_frame(Opcode::Pong, b"are you there");
        script.send_frame(Opcode::Pong, b"unasked");
        script.send_frame(Opcode::Binary, &bytes[6..]);
        assert_eq!(script.message().payload, b"one");
        script.recv("40 02 0001");
    }
}

#[test]
fn a_close_is_answered_and_its_code_reported() {
    let mut script = connected();
    script.send_frame(Opcode::Close, b"\x03\xE9going down");
    let fault = script.fails(Code::WsClosed);
    assert_eq!(fault.number, 1001);
    assert_eq!(fault.detail.as_str(), "going down");
    script.recv_frame(Opcode::Close, b"\x03\xE9");
}

/// [MQTT-6.0.0-1], and RFC 6455 7.4.1: 1003 says that this kind of data can't be accepted.
#[test]
fn a_text_frame_is_refused() {
    let mut script = connected();
    script.send_frame(Opcode::Text, b"hello");
    let fault = script.fails(Code::FrameText);
    assert_eq!(fault.rung, Rung::Ws);
    assert!(fault.clause.contains("MQTT-6.0.0-1"));
    script.recv_frame(Opcode::Close, b"\x03\xEB");
}

#[test]
fn a_masked_frame_of_the_server_is_refused() {
    let mut script = connected();
    script.send_bytes(&hex("82 82 00000000 d000"));
    script.fails(Code::FrameMask);
    script.recv_frame(Opcode::Close, b"\x03\xEA");
}

#[test]
fn a_broken_packet_ends_mqtt_first_and_then_the_websocket() {
    let mut script = connected();
    script.send("36 [ <a> 0001 [] 'x' ]");
    script.fails(Code::Malformed);
    script.recv("e0 01 81");
    script.recv_frame(Opcode::Close, b"\x03\xEA");
}

#[test]
fn farewell_closes_mqtt_and_the_websocket() {
    let mut script = connected();
    let said = script
        .client
        .disconnect(ReasonCode::SUCCESS, Properties::NONE);
    said.expect("a farewell");
    assert_eq!(script.event(), Seen::Disconnected);
    script.recv("e0 00");
    script.recv_frame(Opcode::Close, b"\x03\xE8");
}

#[test]
fn a_packet_in_frames_of_one_byte_fits_the_buffer_it_needs() {
    let mut script = Script::new(Memory::device(260, 600, 256, 0));
    script.start_ws(Start::new(lasting(Version::V5)));
    script.accept(Version::V5, false, "");
    let payload = "x".repeat(100);
    for byte in hex(&format!("32 [ <a/b> 0001 [] '{payload}' ]")) {
        script.send_frame(Opcode::Binary, &[byte]);
    }
    assert_eq!(script.message().payload, payload.as_bytes());
    script.recv("40 02 0001");
}

#[test]
fn a_topic_larger_than_the_buffer_is_a_fault_and_no_standstill() {
    let mut script = Script::new(Memory::device(200, 600, 256, 0));
    script.start_ws(Start::new(lasting(Version::V5)));
    script.accept(Version::V5, false, "");
    let topic = "t".repeat(220);
    script.send(&format!("30 [ <{topic}> [] 'x' ]"));
    script.fails(Code::BufferTooSmall);
}

#[test]
fn a_payload_larger_than_the_buffer_comes_in_pieces_out_of_frames_too() {
    let mut script = Script::new(Memory::device(200, 600, 256, 0));
    script.start_ws(Start::new(lasting(Version::V5)));
    script.accept(Version::V5, false, "");
    let payload = "0123456789".repeat(90);
    script.send(&format!("34 [ <a/b> 0001 [] '{payload}' ]"));
    let whole = loop {
        match script.event() {
            Seen::Piece(..) => {}
            Seen::Message(whole) => break whole,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(whole.payload, payload.as_bytes());
    script.recv("50 02 0001");
}

#[test]
fn every_frame_has_a_mask_of_its_own() {
    let mut script = connected();
    let mut masks = Vec::new();
    for _ in 0..50 {
        let sent = script.client.publish(&message(b"x", QoS::AtMostOnce));
        sent.expect("room");
        let towpath_proto::Output::Transmit(frame) = script.client.poll_output(script.now) else {
            panic!("a frame to send");
        };
        assert_eq!(&frame[..2], [0x82, 0x80 | 9], "one whole masked frame");
        masks.push(frame[2..6].to_vec());
        let n = frame.len();
        script.client.transmitted(script.now, n);
    }
    masks.sort();
    masks.dedup();
    assert_eq!(masks.len(), 50);
}
