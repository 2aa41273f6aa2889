//! CONNECT and what comes of it: mosquitto in many settings, and servers that speak something else.

use std::{
    net::{Ipv4Addr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use doctor::{
    Doctor, Key, Machine, Report, SetUp,
    middlebox::{Act, Middlebox},
    play,
};
use mqtt::{Broker, Setup, Via};
use net::towpath_with;
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [LOGINS, WATCHED];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// How long something may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the doctor says of a mosquitto with these lines.
fn of(machine: &Machine, lines: &str, options: &[&str]) -> Report {
    let broker = machine.mosquitto(lines);
    machine.doctor(&url(&broker), options)
}

fn url(broker: &Broker) -> String {
    format!("mqtt://localhost:{}", broker.port(Via::Tcp))
}

/// What the doctor says of a mosquitto that wants a password.
fn secured(machine: &Machine, options: &[&str], password: &str) -> Report {
    let broker = machine.namespace.run(|| Setup::new().secured().start());
    machine.doctor_with(&url(&broker), options, &[("TOWPATH_PASSWORD", password)])
}

const WILL: [&str; 4] = ["--will-topic", "state", "--will-payload", "gone"];

const LOGINS: &[SetUp<Machine>] = &[
    // Somebody else has the one place.
    SetUp::breaks("mqtt-max-connections", "TP-TCP-001", Rung::Tcp, |machine| {
        let _broker = machine.mosquitto("listener 1884\nmax_connections 1");
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, 1884));
        let _other = machine.namespace.run(connect).expect("a connection");
        machine.doctor("mqtt://localhost:1884", &[])
    }),
    SetUp::breaks("mqtt-empty-id", "TP-MQTT-004", Rung::Mqtt, |machine| {
        let lines = "allow_zero_length_clientid false";
        of(machine, lines, &["--mqtt", "3.1.1", "-i", ""])
    }),
    SetUp::breaks("mqtt-bad-password", "TP-MQTT-007", Rung::Mqtt, |machine| {
        secured(machine, &["-u", "anna"], "wrong")
    }),
    SetUp::breaks("mqtt-anonymous", "TP-MQTT-007", Rung::Mqtt, |machine| {
        secured(machine, &[], "")
    }),
    SetUp::breaks(
        "mqtt-other-protocol",
        "TP-MQTT-009",
        Rung::Mqtt,
        |machine| {
            let greeting = b"SSH-2.0-OpenSSH_9.6\r\n";
            let server = Middlebox::start(&machine.namespace, Act::Greet(greeting));
            machine.doctor(&format!("mqtt://localhost:{}", server.port()), &[])
        },
    ),
    SetUp::breaks("mqtt-http", "TP-MQTT-022", Rung::Mqtt, |machine| {
        let _web = machine.nginx("server { listen 80; return 404; }", "", 80);
        machine.doctor("mqtt://localhost:80", &[])
    }),
    SetUp::breaks("mqtt-id-rule", "TP-MQTT-025", Rung::Mqtt, |machine| {
        of(machine, "clientid_prefixes towpath-", &["-i", "meter-4"])
    }),
    // A firewall that reads what is said.
    SetUp::breaks("mqtt-reset", "TP-MQTT-032", Rung::Mqtt, |machine| {
        let broker = machine.mosquitto("");
        let port = broker.port(Via::Tcp);
        machine.namespace.nft(&format!(
            "add table inet reader\n\
             add chain inet reader out {{ type filter hook output priority 0 ; }}\n\
             add rule inet reader out tcp dport {port} tcp flags & psh == psh reject with tcp reset\n"
        ));
        let report = machine.doctor(&url(&broker), &[]);
        machine.namespace.nft("delete table inet reader\n");
        report
    }),
    SetUp::breaks("mqtt-retain", "TP-MQTT-028", Rung::Mqtt, |machine| {
        let options = [&WILL[..], &["--will-retain"]].concat();
        of(machine, "retain_available false", &options)
    }),
    SetUp::breaks("mqtt-max-qos", "TP-MQTT-028", Rung::Mqtt, |machine| {
        let options = [&WILL[..], &["--will-qos", "1"]].concat();
        let _broker = machine.mosquitto("listener 1884\nmax_qos 0");
        machine.doctor("mqtt://localhost:1884", &options)
    }),
];

#[test]
fn logins() {
    play(&mut Machine::new(), LOGINS);
}

/// What the doctor says who stays while something happens to the connection.
fn watched(
    machine: &Machine,
    broker: Broker,
    options: &[&str],
    happens: impl FnOnce(&str, &mut Broker),
) -> Report {
    let url = url(&broker);
    let mut broker = broker;
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let options = [&["--watch", "20", "-i", "meter-4"], options].concat();
            Doctor::on(&machine.namespace).run(&[&[url.as_str()], &options[..]].concat())
        });
        let until = Instant::now() + PATIENCE;
        while broker.logged(&["Sending CONNACK to meter-4"]) == 0 {
            assert!(Instant::now() < until, "no connection");
            thread::sleep(Duration::from_millis(5));
        }
        happens(&url, &mut broker);
        watching.join().expect("a report")
    })
}

const WATCHED: &[SetUp<Machine>] = &[
    // mosquitto 2.0.11 says no word to either.
    SetUp::breaks("mqtt-broker-ends", "TP-MQTT-015", Rung::Mqtt, |machine| {
        let broker = machine.mosquitto("");
        watched(machine, broker, &[], |_, broker| broker.end())
    }),
    SetUp::breaks("mqtt-takeover", "TP-MQTT-015", Rung::Mqtt, |machine| {
        let broker = machine.mosquitto("");
        let namespace = &machine.namespace;
        watched(machine, broker, &[], |url, _| {
            let arguments = ["pub", url, "state", "-m", "on", "-q", "1", "-i", "meter-4"];
            let _ = towpath_with(namespace, &[], &arguments);
        })
    }),
    SetUp::breaks("mqtt-proxy-idle", "TP-MQTT-024", Rung::Mqtt, |machine| {
        let broker = machine.mosquitto("");
        let http = format!(
            "server {{ listen 80; location /mqtt {{ proxy_pass http://127.0.0.1:{}; \
             proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
             proxy_set_header Connection \"upgrade\"; proxy_read_timeout 3s; }} }}",
            broker.port(Via::Ws)
        );
        let _front = machine.nginx(&http, "", 80);
        machine.doctor("ws://localhost/mqtt", &["--watch", "20"])
    }),
];

#[test]
fn who_stays() {
    play(&mut Machine::new(), WATCHED);
}
