//! `examples/c/publish` at a real broker, and where there is none.

use c::Program;
use mqtt::{Port, Setup, Via};

const MESSAGES: [&str; 3] = ["at most once", "at least once", "exactly once"];

fn exchange(via: Via, version: &str) {
    let broker = Setup::new().start();
    let port = broker.port(via).to_string();
    let mut arguments = vec!["127.0.0.1", &port, "c/greetings"];
    if via == Via::Ws {
        arguments.push("/mqtt");
    }
    let ended = Program::new("publish").variable("MQTT_VERSION", version);
    let ended = ended.run(&arguments);
    let text = ended.with_code(0);
    for message in MESSAGES {
        assert!(
            text.contains(&format!("message: c/greetings: {message}")),
            "{text}"
        );
    }
    assert_eq!(text.matches(", acknowledged").count(), 2, "{text}");
    let upgraded = text.lines().any(|line| line.contains("upgrade   reached"));
    assert_eq!(upgraded, via == Via::Ws, "{text}");
    // The farewell arrived: a lost connection has another line.
    assert_eq!(
        broker.logged(&["towpath-c-", "disconnected."]),
        1,
        "{}",
        broker.log()
    );
}

#[test]
fn tcp_with_3_1_1() {
    exchange(Via::Tcp, "4");
}

#[test]
fn tcp_with_5() {
    exchange(Via::Tcp, "5");
}

#[test]
fn websocket_with_3_1_1() {
    exchange(Via::Ws, "4");
}

#[test]
fn websocket_with_5() {
    exchange(Via::Ws, "5");
}

fn fails(arguments: &[&str], rung: &str, finding: &str) {
    let ended = Program::new("publish")
        .variable("ATTEMPTS", 2)
        .run(arguments);
    let text = ended.with_code(1);
    let of_it = |line: &&str| line.starts_with(rung) && line.ends_with(&format!("[{finding}]"));
    assert_eq!(text.lines().filter(of_it).count(), 2, "{text}");
}

#[test]
fn a_port_where_nothing_listens() {
    let port = Port::claim();
    fails(
        &["127.0.0.1", &port.number().to_string(), "t"],
        "tcp: ",
        "TP-TCP-010",
    );
}

#[test]
fn mqtt_at_a_websocket() {
    let broker = Setup::new().start();
    let port = broker.port(Via::Ws).to_string();
    fails(&["127.0.0.1", &port, "t"], "mqtt: ", "TP-MQTT-022");
}

#[test]
fn a_name_that_does_not_exist() {
    // RFC 6761 section 6.4: never in the DNS.
    fails(&["nowhere.invalid", "1883", "t"], "dns: ", "TP-DNS-005");
}

#[test]
fn a_broker_that_wants_a_password() {
    let broker = Setup::new().secured().start();
    let port = broker.port(Via::Tcp).to_string();
    fails(&["127.0.0.1", &port, "t"], "mqtt: ", "TP-MQTT-007");
}

#[test]
fn it_comes_back_with_the_broker() {
    let mut broker = Setup::new().start();
    broker.kill_hard();
    let port = broker.port(Via::Ws).to_string();
    let publish = Program::new("publish").variable("ATTEMPTS", 100);
    let run = publish.start(&["127.0.0.1", &port, "t", "/mqtt"]);
    broker.restart();
    let ended = run.wait();
    let text = ended.with_code(0);
    assert!(text.contains("message: t: exactly once"), "{text}");
}
