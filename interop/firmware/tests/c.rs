//! The C example on the board: `examples/c/exchange.c` over the C face.

use firmware::{Board, HOST};
use mqtt::{Port, Setup, Via};

fn board(port: u16) -> Board {
    Board::new("c").setting("host", HOST).setting("port", port)
}

fn exchange(via: Via, version: &str) {
    let broker = Setup::new().start();
    let mut board = board(broker.port(via)).setting("version", version);
    if via == Via::Ws {
        board.set("path", "/mqtt");
    }
    let ended = board.run();
    let text = ended.done();
    for message in ["at most once", "at least once", "exactly once"] {
        assert!(
            text.contains(&format!("message: towpath/c: {message}")),
            "{text}"
        );
    }
    assert_eq!(text.matches(", acknowledged").count(), 2, "{text}");
    assert_eq!(text.contains("upgrade   reached"), via == Via::Ws, "{text}");
    assert!(ended.measured("stack") < 8192, "{text}");
}

#[test]
fn tcp_with_3_1_1() {
    exchange(Via::Tcp, "3.1.1");
}

#[test]
fn tcp_with_5() {
    exchange(Via::Tcp, "5");
}

#[test]
fn websocket_with_3_1_1() {
    exchange(Via::Ws, "3.1.1");
}

#[test]
fn websocket_with_5() {
    exchange(Via::Ws, "5");
}

#[test]
fn a_port_where_nothing_listens() {
    let port = Port::claim();
    let text = board(port.number())
        .setting("attempts", 2)
        .run()
        .with_code(1);
    let of_it = |line: &&str| line.starts_with("tcp: ") && line.ends_with("[TP-TCP-010]");
    assert_eq!(text.lines().filter(of_it).count(), 2, "{text}");
}

#[test]
fn it_comes_back_with_the_broker() {
    let mut broker = Setup::new().start();
    broker.kill_hard();
    let board = board(broker.port(Via::Ws))
        .setting("path", "/mqtt")
        .setting("attempts", 100);
    let run = board.start();
    run.until(&["[TP-TCP-010]"]);
    broker.restart();
    let text = run.wait().done();
    assert!(text.contains("message: towpath/c: exactly once"), "{text}");
}
