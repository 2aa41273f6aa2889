//! Keep alive (MQTT 5 sections 3.1.2.10 and 3.12).

use std::time::Duration;

use towpath_proto::{
    Code, Reason,
    client::Start,
    mqtt::{QoS, Version},
};
use towpath_sim::{Log, Memory, Pair, Script, Terms, Weather};

use crate::{BOTH, message};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_ping_goes_out_after_a_silence_and_not_before() {
    for version in BOTH {
        let mut script = Script::connected(version);
        script.waits(Reason::KeepAlive, Some(secs(60)));
        script.pass(Duration::from_millis(59_999));
        script.recv_nothing();
        script.pass(Duration::from_millis(1));
        script.recv("c0 00");
        script.waits(Reason::PingAnswer, Some(secs(10)));
        script.pass(secs(3));
        script.send("d0 00");
        script.waits(Reason::KeepAlive, Some(secs(57)));
        script.no_event();
    }
}

#[test]
fn traffic_both_ways_takes_the_place_of_pings() {
    let mut script = Script::connected(Version::V5);
    for round in 1..=20u16 {
        script.pass(secs(30));
        let sent = script.client.publish(&message(b"x", QoS::AtLeastOnce));
        sent.expect("a message");
        script.recv(&format!("32 [ <a/b> {round:04x} [] 'x' ]"));
        script.send(&format!("40 02 {round:04x}"));
        assert!(matches!(script.event(), towpath_sim::Seen::Settled(..)));
    }
    script.recv_nothing();
}

/// A client that only sends QoS 0 hears nothing, so it asks: else it would not notice that nobody is there.
#[test]
fn a_server_that_never_speaks_is_asked_even_while_messages_are_sent() {
    let mut script = Script::connected(Version::V5);
    for _ in 0..3 {
        script.pass(secs(15));
        let sent = script.client.publish(&message(b"x", QoS::AtMostOnce));
        sent.expect("a message");
        script.recv("30 [ <a/b> [] 'x' ]");
    }
    script.pass(secs(15));
    script.recv("c0 00");
}

#[test]
fn a_ping_without_an_answer_ends_the_connection() {
    for version in BOTH {
        let mut script = Script::connected(version);
        script.pass(secs(60));
        script.recv("c0 00");
        script.pass(Duration::from_millis(9_999));
        script.no_event();
        script.pass(Duration::from_millis(1));
        let fault = script.fails(Code::PingTimeout);
        assert_eq!(fault.number, 10_000);
    }
}

#[test]
fn anything_received_answers_a_ping() {
    let mut script = Script::connected(Version::V5);
    script.pass(secs(60));
    script.recv("c0 00");
    script.send("30 [ <a/b> [] 'x' ]");
    assert_eq!(script.message().payload, b"x");
    script.waits(Reason::KeepAlive, Some(secs(60)));
}

/// [MQTT-3.1.2-21]: the server's keep alive counts, not the client's.
#[test]
fn the_servers_keep_alive_takes_the_place_of_the_clients() {
    let mut script = Script::v5("13 0005");
    assert_eq!(script.client.limits().keep_alive, 5);
    script.pass(secs(5));
    script.recv("c0 00");
}

#[test]
fn keep_alive_zero_switches_pings_off() {
    let mut script = Script::v5("13 0000");
    script.waits(Reason::KeepAlive, None);
    script.pass(secs(100_000));
    script.recv_nothing();
    script.no_event();
}

/// The server of the pair panics if it hears nothing for one and a half times the keep alive.
#[test]
fn a_silent_hour_on_a_slow_link_breaks_nothing() {
    for version in BOTH {
        let mut pair = Pair::new(Memory::host(), Terms::default(), 1, Log::Off);
        let weather = Weather {
            delay: Duration::from_millis(2_500),
            ..Weather::FAIR
        };
        pair.connect(&Start::new(crate::lasting(version)), weather, 1);
        pair.advance(secs(3_600));
        assert!(pair.client.is_connected() && pair.server.is_connected());
        assert!(
            (50..=60).contains(&pair.server.pings),
            "{}",
            pair.server.pings
        );
    }
}
