//! `publish` at Mosquitto, over QEMU's own network: it takes no rights.

use firmware::{Board, HOST};
use mqtt::{Broker, Port, Setup, Via};

fn board(broker: &Broker) -> Board {
    Board::new("publish")
        .setting("host", HOST)
        .setting("port", broker.port(Via::Tcp))
}

#[test]
fn messages_of_each_quality_come_back_in_both_versions() {
    let broker = Setup::new().start();
    for (version, protocol) in [("3.1.1", "p2"), ("5", "p5")] {
        let client = format!("board-{version}");
        let board = board(&broker)
            .setting("version", version)
            .setting("client", &client)
            .setting("topic", format!("echo/{client}"));
        let ended = board.run();
        let text = ended.done();
        for (number, qos) in [(0, 0), (1, 1), (2, 2)] {
            let line = format!("message {number} with QoS {qos}, there and back");
            assert!(text.contains(&line), "{text}");
            let received = format!("Received PUBLISH from {client} (d0, q{qos}, r0");
            assert_eq!(
                broker.log().matches(&received).count(),
                1,
                "{}",
                broker.log()
            );
        }
        assert!(
            broker
                .log()
                .contains(&format!("as {client} ({protocol}, c1, k10)"))
        );
        assert!(
            broker
                .log()
                .contains(&format!("Received DISCONNECT from {client}"))
        );
        for rung in ["tcp       reached", "mqtt      reached", "path      ready"] {
            assert!(text.contains(rung), "{rung}: {text}");
        }
        println!("version {version}: stack {} bytes", ended.measured("stack"));
    }
}

#[test]
fn it_goes_on_when_the_broker_comes_back() {
    let mut broker = Setup::new().start();
    let board = board(&broker)
        .setting("attempts", 100)
        .setting("count", 9)
        .setting("pause", 100);
    let run = board.start();
    for qos in 0..3 {
        run.until(&["publish", &format!("QoS {qos}, there and back")]);
        broker.kill_hard();
        // What it says first depends on whether it was just sending.
        run.until(&["broke"]);
        run.until(&["[TP-"]);
        broker.restart();
        run.until(&["path      ready"]);
    }
    let text = run.wait().done();
    for number in 0..9 {
        assert_eq!(
            text.matches(&format!("message {number} with")).count(),
            1,
            "{text}"
        );
    }
}

#[test]
fn a_port_where_nobody_listens_is_a_refusal_with_its_finding() {
    let nobody = Port::claim();
    let board = Board::new("publish")
        .setting("host", HOST)
        .setting("port", nobody.number())
        .setting("attempts", 2);
    let text = board.run().with_code(1);
    let refused = towpath::Fault::new(towpath::Rung::Tcp, towpath::Code::Refused);
    assert_eq!(text.matches("  tcp       broke").count(), 2, "{text}");
    assert_eq!(text.matches("  mqtt      not reached").count(), 2, "{text}");
    let said: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("tcp: "))
        .collect();
    assert_eq!(said, [refused.to_string(), refused.to_string()], "{text}");
    assert!(said[0].contains("[TP-TCP-"), "{text}");
}

#[test]
fn a_server_that_speaks_no_mqtt_breaks_the_rung_of_mqtt() {
    let broker = Setup::new().start();
    let board = board(&broker).setting("port", broker.port(Via::Ws));
    let text = board.run().with_code(1);
    assert!(text.contains("  tcp       reached"), "{text}");
    assert!(text.contains("  mqtt      broke"), "{text}");
    assert!(
        text.lines()
            .any(|line| line.starts_with("mqtt: ") && line.contains("[TP-")),
        "{text}"
    );
}
