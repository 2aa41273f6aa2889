//! CONNECT and CONNACK (MQTT 5 sections 3.1 and 3.2).

use std::time::Duration;

use towpath_proto::{
    Blame, Code, Fault, Reason, Rung,
    client::Start,
    mqtt::{QoS, Version, packet::Connect, property::Properties, reason::ReasonCode},
};
use towpath_sim::{Chunks, Memory, Script, Seen, hex};

use crate::{BOTH, begun, lasting, message, none};

#[test]
fn connect_is_the_first_packet_in_both_versions() {
    for (version, level) in [(Version::V311, "04"), (Version::V5, "05")] {
        let mut script = Script::new(Memory::host());
        script.start(&Start::new(Connect {
            version,
            client_id: "boat",
            user_name: Some("horse"),
            password: Some(b"oats"),
            ..Connect::default()
        }));
        let none = none(version);
        script.recv(&format!(
            "10 [ <MQTT> {level} c2 003c {none} <boat> <horse> <oats> ]"
        ));
        script.waits(Reason::Connack, Some(Duration::from_secs(10)));
        script.send(&format!("20 [ 00 00 {none} ]"));
        assert!(matches!(
            script.event(),
            Seen::Connected {
                session_present: false,
                ..
            }
        ));
        assert!(script.client.is_connected());
        script.recv_nothing();
    }
}

#[test]
fn return_codes_of_3_1_1_become_faults() {
    let codes = [
        (1, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
        (2, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
        (3, ReasonCode::SERVER_UNAVAILABLE),
        (4, ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        (5, ReasonCode::NOT_AUTHORIZED),
    ];
    for (code, reason) in codes {
        let mut script = begun(Version::V311);
        script.send(&format!("20 02 00 {code:02x}"));
        let fault = script.fails(Code::ConnectRefused);
        assert_eq!(fault.number, u32::from(reason.0));
        assert_eq!(fault.blame, Blame::Peer);
        assert_eq!(fault.rung, Rung::Mqtt);
        assert!(fault.clause.contains(&format!("CONNACK {code}")), "{fault}");
        script.recv_nothing();
    }
}

#[test]
fn a_reserved_return_code_is_malformed() {
    let mut script = begun(Version::V311);
    script.send("20 02 00 06");
    script.fails(Code::Malformed);
}

#[test]
fn reasons_of_mqtt_5_become_faults_with_the_servers_words() {
    for reason in [
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::BANNED,
        ReasonCode::SERVER_BUSY,
        ReasonCode::USE_ANOTHER_SERVER,
    ] {
        let mut script = begun(Version::V5);
        script.send(&format!("20 [ 00 {:02x} [ 1f <lock closed> ] ]", reason.0));
        let fault = script.fails(Code::ConnectRefused);
        assert_eq!(fault.number, u32::from(reason.0));
        assert_eq!(fault.detail.as_str(), "lock closed");
        assert!(!script.client.is_connected());
    }
}

#[test]
fn a_server_that_knows_only_3_1_1_answers_in_its_form() {
    let mut script = begun(Version::V5);
    script.send("20 02 00 01");
    let fault = script.fails(Code::ConnectRefused);
    assert_eq!(
        fault.number,
        u32::from(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION.0)
    );
}

#[test]
fn no_packet_comes_before_connack() {
    for version in BOTH {
        for packet in ["d0 00", "40 02 0001", "30 [ <a> 00 ]"] {
            let mut script = begun(version);
            script.send(packet);
            let fault = script.fails(Code::ProtocolError);
            assert!(fault.clause.contains("MQTT-3.2.0-1"), "{fault}");
        }
    }
}

#[test]
fn connack_comes_once() {
    let mut script = Script::connected(Version::V5);
    script.send("20 03 00 00 00");
    script.fails(Code::ProtocolError);
    script.recv("e0 01 82");
}

#[test]
fn packets_that_only_clients_send_are_refused() {
    for packet in ["c0 00", "82 [ 0001 [] <a> 00 ]", "a2 [ 0001 [] <a> ]"] {
        let mut script = Script::connected(Version::V5);
        script.send(packet);
        script.fails(Code::ProtocolError);
        script.recv("e0 01 82");
    }
}

/// [MQTT-3.2.2-4] (3.2.2-2 in 3.1.1): a server can't have kept what it was told to drop.
#[test]
fn session_present_after_a_clean_start_ends_the_connection() {
    for version in BOTH {
        let mut script = Script::new(Memory::host());
        script.start(&Start::new(Connect {
            version,
            ..Connect::default()
        }));
        script.send(&format!("20 [ 01 00 {} ]", none(version)));
        let fault = script.fails(Code::ProtocolError);
        assert!(fault.clause.contains("MQTT-3.2.2-4"), "{fault}");
    }
}

#[test]
fn without_connack_the_attempt_ends_in_time() {
    let mut script = begun(Version::V5);
    script.pass(Duration::from_millis(9_999));
    script.no_event();
    script.pass(Duration::from_millis(1));
    let fault = script.fails(Code::ConnackTimeout);
    assert_eq!(fault.number, 10_000);
    script.waits(Reason::Ended, None);
}

#[test]
fn an_end_of_the_stream_is_reported_after_what_came_before_it() {
    let mut script = Script::connected(Version::V5);
    script.send("32 [ <a/b> 0001 [] 'x' ]");
    script.recv("40 02 0001");
    script.message();
    script.send("e0 02 8b 00");
    let fault = script.fails(Code::ServerDisconnected);
    assert_eq!(fault.number, 0x8B);
}

#[test]
fn a_stream_that_ends_fails_the_attempt_and_nothing_leaves_any_more() {
    let mut script = Script::connected(Version::V5);
    let bytes = hex("32 [ <a/b> 0001 [] 'x' ]");
    script.client.rx_space()[..bytes.len()].copy_from_slice(&bytes);
    script.client.commit(script.now, bytes.len());
    let fault = Fault::new(Rung::Tcp, Code::Closed);
    script.client.closed(script.now, fault);
    assert_eq!(script.message().payload, b"x");
    script.fails(Code::Closed);
    script.recv_nothing();
}

#[test]
fn a_peer_that_speaks_tls_is_recognized() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        // An alert: handshake failure.
        for answer in ["15 0303 0002 0228", "15 0301 0002 0246", "16 0303 0050"] {
            let mut script = begun(Version::V5);
            script.chunks = chunks;
            script.send_bytes(&hex(answer));
            script.fails(Code::PeerSpeaksTls);
        }
    }
}

#[test]
fn a_peer_that_speaks_http_is_recognized() {
    for chunks in [Chunks::Whole, Chunks::Upto(1)] {
        let mut script = begun(Version::V5);
        script.chunks = chunks;
        script.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        script.fails(Code::PeerSpeaksHttp);
    }
}

#[test]
fn noise_is_malformed() {
    for (noise, code) in [
        ("'SSH-2.0-OpenSSH'", Code::Malformed),
        ("00", Code::Malformed),
        ("'HELO'", Code::Malformed),
        // A length of five bytes.
        ("20 ffffffff 01", Code::Malformed),
    ] {
        let mut script = begun(Version::V5);
        script.send(noise);
        script.fails(code);
    }
}

#[test]
fn farewell_is_a_disconnect_and_then_the_end() {
    for version in BOTH {
        let mut script = Script::connected(version);
        let said = script
            .client
            .disconnect(ReasonCode::SUCCESS, Properties::NONE);
        said.expect("a farewell");
        assert_eq!(script.event(), Seen::Disconnected);
        script.recv("e0 00");
        script.waits(Reason::Ended, None);
    }
}

#[test]
fn a_farewell_that_does_not_leave_ends_in_time() {
    let mut script = Script::connected(Version::V5);
    let said = script
        .client
        .disconnect(ReasonCode::SUCCESS, Properties::NONE);
    said.expect("a farewell");
    let late = script.now.after(Duration::from_secs(10));
    script.client.handle_timeout(late);
    assert_eq!(script.event(), Seen::Disconnected);
    script.recv_nothing();
}

#[test]
fn what_waits_for_a_connection_goes_out_when_there_is_one() {
    let mut script = Script::new(Memory::host());
    let early = script.client.publish(&message(b"x", QoS::AtLeastOnce));
    assert_eq!(early, Ok(Some(crate::id(1))));
    script.start(&Start::new(lasting(Version::V5)));
    assert_eq!(script.take_received()[0], 0x10);
    script.recv_nothing();
    script.send("20 03 00 00 00");
    script.recv("32 [ <a/b> 0001 [] 'x' ]");
}
