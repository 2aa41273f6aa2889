//! What answers to the upgrade request: nginx in many settings, mosquitto, a server of HTTP/1.0.

use std::net::{Ipv4Addr, TcpStream};

use doctor::{
    Key, Machine, Report, SetUp,
    middlebox::{Act, Middlebox},
    play,
};
use mqtt::{Broker, Folder, Via};
use net::Daemon;
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let alone = ALONE.iter().map(SetUp::key);
    WEB.iter().map(SetUp::key).chain(alone).collect()
}

/// nginx on port 80, one location for each row, and mosquitto behind it.
struct Web {
    machine: Machine,
    broker: Broker,
    _nginx: Daemon,
}

impl Web {
    fn start() -> Self {
        let machine = Machine::new();
        let broker = machine.mosquitto("");
        let pass = format!(
            "proxy_pass http://127.0.0.1:{}; proxy_http_version 1.1;\n\
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";",
            broker.port(Via::Ws)
        );
        let http = format!(
            "server {{ listen 80; server_name localhost;\n\
             location = /mqtt {{ {pass} }}\n\
             location = /login {{ return 401; }}\n\
             location = /forbidden {{ return 403; }}\n\
             location = /moved {{ return 301 /mqtt; }}\n\
             location = /portal {{ return 302 http://portal.example/login; }}\n\
             location = /dead {{ proxy_pass http://127.0.0.1:9; }}\n\
             location = /subprotocol {{ {pass} proxy_hide_header Sec-WebSocket-Protocol; \
             add_header Sec-WebSocket-Protocol amqp always; }}\n\
             location = /stripped {{ {pass} proxy_hide_header Upgrade; }}\n\
             location = /extension {{ {pass} \
             add_header Sec-WebSocket-Extensions permessage-deflate always; }}\n\
             location = /one {{ if ($http_sec_websocket_protocol != \"mqtt\") {{ return 400; }} {pass} }}\n\
             location / {{ return 404; }} }}\n\
             server {{ listen 81; location / {{ return 404; }} }}\n\
             server {{ listen 82; location / {{ return 200 hello; }} }}\n"
        );
        let nginx = machine.nginx(&http, "", 80);
        Self {
            machine,
            broker,
            _nginx: nginx,
        }
    }

    fn doctor(&self, path: &str) -> Report {
        let url = format!("ws://localhost{path}");
        self.machine.doctor(&url, &[])
    }
}

const WEB: &[SetUp<Web>] = &[
    SetUp::breaks("upgrade-200", "TP-UPG-003", Rung::Upgrade, |web| {
        web.machine.doctor("ws://localhost:82/mqtt", &[])
    }),
    SetUp::breaks("upgrade-401", "TP-UPG-012", Rung::Upgrade, |web| {
        web.doctor("/login")
    }),
    SetUp::breaks("upgrade-403", "TP-UPG-013", Rung::Upgrade, |web| {
        web.doctor("/forbidden")
    }),
    SetUp::breaks("upgrade-404", "TP-UPG-014", Rung::Upgrade, |web| {
        web.machine.doctor("ws://localhost:81/mqtt", &[])
    }),
    SetUp::breaks("upgrade-301", "TP-UPG-017", Rung::Upgrade, |web| {
        web.doctor("/moved")
    }),
    SetUp::breaks("upgrade-502", "TP-UPG-018", Rung::Upgrade, |web| {
        web.doctor("/dead")
    }),
    SetUp::breaks("upgrade-other-path", "TP-UPG-023", Rung::Upgrade, |web| {
        web.doctor("/ws")
    }),
    SetUp::breaks(
        "upgrade-captive-portal",
        "TP-UPG-024",
        Rung::Upgrade,
        |web| web.doctor("/portal"),
    ),
    SetUp::breaks(
        "upgrade-many-subprotocols",
        "TP-UPG-025",
        Rung::Upgrade,
        |web| {
            let options = ["--subprotocol", "mqtt,mqttv3.1"];
            web.machine.doctor("ws://localhost/one", &options)
        },
    ),
    SetUp::breaks(
        "upgrade-wrong-subprotocol",
        "TP-UPG-008",
        Rung::Upgrade,
        |web| web.doctor("/subprotocol"),
    ),
    SetUp::breaks(
        "upgrade-header-stripped",
        "TP-UPG-021",
        Rung::Upgrade,
        |web| web.doctor("/stripped"),
    ),
    SetUp::breaks("upgrade-extension", "TP-UPG-022", Rung::Upgrade, |web| {
        web.doctor("/extension")
    }),
    SetUp::breaks("upgrade-raw-mqtt", "TP-UPG-001", Rung::Upgrade, |web| {
        let port = web.broker.port(Via::Tcp);
        let url = format!("ws://localhost:{port}/mqtt");
        web.machine.doctor(&url, &[])
    }),
    SetUp::breaks(
        "upgrade-mosquitto-subprotocol",
        "TP-UPG-001",
        Rung::Upgrade,
        |web| {
            let port = web.broker.port(Via::Ws);
            let url = format!("ws://localhost:{port}/mqtt");
            web.machine.doctor(&url, &["--subprotocol", "amqp"])
        },
    ),
];

#[test]
fn a_web_server() {
    play(&mut Web::start(), WEB);
}

const ALONE: &[SetUp<Machine>] = &[
    SetUp::breaks("upgrade-400", "TP-UPG-011", Rung::Upgrade, |machine| {
        let _web = machine.nginx("server { listen 80; return 400; }", "", 80);
        machine.doctor("ws://localhost/mqtt", &[])
    }),
    SetUp::breaks("upgrade-426", "TP-UPG-016", Rung::Upgrade, |machine| {
        let _web = machine.nginx("server { listen 80; return 426; }", "", 80);
        machine.doctor("ws://localhost/mqtt", &[])
    }),
    // Python's own web server speaks HTTP/1.0.
    SetUp::breaks("upgrade-http-10", "TP-UPG-019", Rung::Upgrade, |machine| {
        let arguments = ["-m", "http.server", "8000", "--bind", "127.0.0.1"];
        let daemon = Daemon::start(
            &machine.namespace,
            "python3",
            &arguments,
            Folder::new("web"),
        );
        let accepts = || TcpStream::connect((Ipv4Addr::LOCALHOST, 8000)).is_ok();
        let _web = daemon.until("it does not accept", || machine.namespace.run(accepts));
        machine.doctor("ws://localhost:8000/mqtt", &[])
    }),
    // A box that breaks a header into two lines.
    SetUp::breaks(
        "upgrade-malformed",
        "TP-UPG-020",
        Rung::Upgrade,
        |machine| {
            let words =
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nVia a box\r\n\r\n";
            let middlebox = Middlebox::start(&machine.namespace, Act::Answer(words));
            machine.doctor(&format!("ws://localhost:{}/mqtt", middlebox.port()), &[])
        },
    ),
];

#[test]
fn web_servers_with_one_answer() {
    play(&mut Machine::new(), ALONE);
}
