//! The Zephyr glue over POSIX sockets, at a real broker, and where there is none.

use c::Program;
use mqtt::{Port, Setup, Via};

fn exchange(name: &str, via: Via) {
    let broker = Setup::new().start();
    let port = broker.port(via).to_string();
    let ended = Program::new("glue").run(&[name, "127.0.0.1", &port, "z"]);
    let text = ended.with_code(0);
    for message in ["at most once", "at least once", "exactly once"] {
        assert!(text.contains(&format!("message: {message}")), "{text}");
    }
    assert!(text.contains("disconnected\n"), "{text}");
    assert_eq!(
        broker.logged(&["towpath-zephyr", "disconnected."]),
        1,
        "{}",
        broker.log()
    );
}

#[test]
fn tcp() {
    exchange("tcp", Via::Tcp);
}

#[test]
fn websocket() {
    exchange("ws", Via::Ws);
}

fn fails(arguments: &[&str], finding: &str) {
    let ended = Program::new("glue").run(arguments);
    let text = ended.with_code(1);
    assert!(text.contains(&format!("fault {finding}: ")), "{text}");
    assert!(text.contains(&format!("[{finding}]")), "{text}");
}

#[test]
fn a_port_where_nothing_listens() {
    let port = Port::claim();
    fails(
        &["tcp", "127.0.0.1", &port.number().to_string(), "z"],
        "TP-TCP-010",
    );
}

#[test]
fn a_name_that_does_not_exist() {
    fails(&["tcp", "nowhere.invalid", "1883", "z"], "TP-DNS-005");
}

#[test]
fn mqtt_at_a_websocket() {
    let broker = Setup::new().start();
    fails(
        &["tcp", "127.0.0.1", &broker.port(Via::Ws).to_string(), "z"],
        "TP-MQTT-022",
    );
}

#[test]
fn a_websocket_at_mqtt() {
    let broker = Setup::new().start();
    let port = broker.port(Via::Tcp).to_string();
    let ended = Program::new("glue").run(&["ws", "127.0.0.1", &port, "z"]);
    // Closed or reset: mosquitto hangs up without having read all of the request.
    let text = ended.with_code(1);
    assert!(text.contains(": upgrade: the "), "{text}");
}
