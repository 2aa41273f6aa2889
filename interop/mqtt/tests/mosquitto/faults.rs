//! What real peers that are not what was asked for come to: one fault each, with the rung and the cause.
//!
//! | asked | who is there                            | rung    | code             |
//! |-------|-----------------------------------------|---------|------------------|
//! | mqtt  | nobody                                  | tcp     | Refused          |
//! | ws    | nobody                                  | tcp     | Refused          |
//! | mqtt  | a name that does not exist              | dns     | NameNotFound     |
//! | mqtt  | mosquitto's TLS listener                | mqtt    | Reset or Closed  |
//! | ws    | mosquitto's TLS listener                | upgrade | Reset or Closed  |
//! | mqtt  | mosquitto's WebSocket listener          | mqtt    | PeerSpeaksHttp   |
//! | ws    | mosquitto's MQTT listener               | upgrade | Reset or Closed  |
//! | ws    | mosquitto, another subprotocol          | upgrade | Closed           |
//! | mqtt  | an HTTP server                          | mqtt    | ConnackTimeout   |
//! | ws    | an HTTP/1.0 server                      | upgrade | NotHttp          |
//! | ws    | an HTTP server, path that is there      | upgrade | HttpStatus       |
//! | ws    | an HTTP server, path that is not there  | upgrade | NotFound         |
//!
//! A wrong path is no fault for mosquitto: its WebSocket listener takes any. OpenSSL sends no alert when the first bytes
//! are no TLS, so a TLS port just closes; whether that comes as an end or as a reset is a matter of time. An HTTP
//! server waits for the end of a line that CONNECT does not have. A library of mosquitto answers unknown subprotocols by
//! closing.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use mqtt::{Broker, Peer, Port, Setup, Source, Via, wait_for};
use towpath::{Code, Event, Fault, Options, Reconnect, Rung, Version, tokio::Connection};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// Tries `url` with both versions: one fault, then the end.
async fn one_fault(url: &str) -> Fault {
    let mut faults = Vec::new();
    for version in VERSIONS {
        faults.push(one_fault_of(Options::new(url).unwrap().version(version)).await);
    }
    assert_eq!(faults[0], faults[1], "the version does not matter");
    faults[0]
}

async fn one_fault_of(options: Options) -> Fault {
    let options = options.reconnect(Reconnect::Never);
    let mut peer = Peer::new(Connection::new(options));
    let fault = peer.fault().await;
    assert_eq!(peer.kept().count(), 0, "nothing before the fault");
    assert_eq!(peer.face.event().await, Event::Closed, "nothing after it");
    println!("{fault}");
    fault
}

fn is(fault: &Fault, rung: Rung, code: Code) {
    assert_eq!((fault.rung, fault.code), (rung, code), "{fault}");
}

/// The peer ends the connection while it has bytes unread: by an end or a reset, as it happens.
async fn cut_off(url: &str, rung: Rung) {
    for version in VERSIONS {
        let fault = one_fault_of(Options::new(url).unwrap().version(version)).await;
        let code = if fault.code == Code::Reset {
            Code::Reset
        } else {
            Code::Closed
        };
        is(&fault, rung, code);
    }
}

fn urls(port: u16) -> [String; 2] {
    ["mqtt", "ws"].map(|scheme| format!("{scheme}://127.0.0.1:{port}"))
}

#[tokio::test]
async fn nobody_listens() {
    let port = Port::claim();
    for url in urls(port.number()) {
        let fault = one_fault(&url).await;
        is(&fault, Rung::Tcp, Code::Refused);
        assert!(fault.detail.as_str().starts_with("127.0.0.1:"), "{fault}");
    }
}

#[tokio::test]
async fn the_name_does_not_exist() {
    // RFC 6761 section 6.4: no resolver answers a name in `invalid`.
    let fault = one_fault("mqtt://towpath.invalid").await;
    // Without a network there is no resolver to say so.
    let without_network = fault.code == Code::ResolverFailed;
    assert_eq!(fault.rung, Rung::Dns);
    assert!(
        fault.code == Code::NameNotFound || without_network,
        "{fault}"
    );
}

#[tokio::test]
async fn the_port_speaks_tls() {
    let broker = Setup::new().tls().start();
    let [mqtt, ws] = urls(broker.tls_port());
    cut_off(&mqtt, Rung::Mqtt).await;
    cut_off(&ws, Rung::Upgrade).await;
}

#[tokio::test]
async fn the_two_listeners_are_mixed_up() {
    let broker = Setup::new().start();
    let [mqtt, _] = urls(broker.port(Via::Ws));
    is(&one_fault(&mqtt).await, Rung::Mqtt, Code::PeerSpeaksHttp);
    let [_, ws] = urls(broker.port(Via::Tcp));
    cut_off(&ws, Rung::Upgrade).await;
}

fn ws_options(broker: &Broker, path: &str, version: Version) -> Options {
    let port = broker.port(Via::Ws);
    let options = Options::new(&format!("ws://127.0.0.1:{port}/{path}")).unwrap();
    options.version(version)
}

#[tokio::test]
async fn any_path_is_right_for_mosquitto() {
    let broker = Setup::new().start();
    for version in VERSIONS {
        for path in ["", "mqtt", "no/such/path?a=b"] {
            Peer::connect(ws_options(&broker, path, version))
                .await
                .close()
                .await;
        }
    }
}

#[tokio::test]
async fn the_subprotocol_is_not_taken() {
    let broker = Setup::new().start();
    for version in VERSIONS {
        let options = ws_options(&broker, "mqtt", version).subprotocols("amqp");
        is(&one_fault_of(options).await, Rung::Upgrade, Code::Closed);
    }
    // The old name is taken, and so is a list.
    for offer in ["mqttv3.1", "amqp, mqtt"] {
        let options = ws_options(&broker, "mqtt", Version::V5).subprotocols(offer);
        Peer::connect(options).await.close().await;
    }
}

/// `python3 -m http.server`, ended with this value.
struct HttpServer(Child);

impl HttpServer {
    async fn start(port: &Port, protocol: &str) -> Self {
        let server = Command::new("python3")
            .args([
                "-m",
                "http.server",
                "--bind",
                "127.0.0.1",
                "--protocol",
                protocol,
            ])
            .arg(port.number().to_string())
            // Nothing of value is served: there is no such folder to list.
            .args(["--directory", "/proc/self/task"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = Self(server.expect("python3 is installed"));
        let address = port.address();
        let open = || std::net::TcpStream::connect(address).is_ok();
        wait_for("the HTTP server", open).await;
        server
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_http_server_is_no_broker() {
    let port = Port::claim();
    let _server = HttpServer::start(&port, "HTTP/1.1").await;
    let [mqtt, ws] = urls(port.number());
    let hasty = Options::new(&mqtt)
        .unwrap()
        .patience(Duration::from_millis(300));
    let fault = one_fault_of(hasty).await;
    is(&fault, Rung::Mqtt, Code::ConnackTimeout);
    assert_eq!(fault.number, 300, "{fault}");
    let fault = one_fault(&ws).await;
    is(&fault, Rung::Upgrade, Code::HttpStatus);
    assert_eq!(fault.number, 200, "{fault}");
    let fault = one_fault(&format!("{ws}/no/such/path")).await;
    is(&fault, Rung::Upgrade, Code::NotFound);
    assert_eq!(fault.number, 404, "{fault}");
    assert!(fault.detail.as_str().contains("SimpleHTTP"), "{fault}");
}

/// RFC 6455 section 4.1 wants at least 1.1.
#[tokio::test]
async fn an_old_http_server_is_no_broker() {
    let port = Port::claim();
    let _server = HttpServer::start(&port, "HTTP/1.0").await;
    let [_, ws] = urls(port.number());
    let fault = one_fault(&ws).await;
    is(&fault, Rung::Upgrade, Code::NotHttp);
    assert!(fault.detail.as_str().starts_with("HTTP/1.0 200"), "{fault}");
}

/// A broker that is not there at first: one fault for each attempt, and then it works.
#[tokio::test]
async fn each_attempt_has_one_fault() {
    let mut broker = Setup::new().start();
    broker.kill_hard();
    let way = mqtt::Way::new(Via::Tcp, Version::V5);
    let mut peer = Peer::new(Connection::new(way.options(&broker)));
    for _ in 0..3 {
        is(&peer.fault().await, Rung::Tcp, Code::Refused);
    }
    broker.restart();
    let restarted = tokio::time::Instant::now();
    assert!(!peer.connected().await);
    assert!(restarted.elapsed() < Duration::from_secs(10));
}
