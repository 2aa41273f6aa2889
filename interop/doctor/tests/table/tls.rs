//! TLS up to the certificates: versions, suites, names, ports that speak something else.

use doctor::{
    Key, Machine, Report, SetUp,
    middlebox::{Act, Middlebox},
    play,
};
use tls::pki::Server;
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [HELLOS, NAMES, PORTS];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// What the doctor says of `openssl s_server` with these options, to a client with those.
fn of(machine: &Machine, server: Server, options: &[&str], client: &[&str]) -> Report {
    let server = machine.s_server(server, options);
    machine.doctor(&format!("mqtts://localhost:{}", server.port()), client)
}

const RSA_SUITE: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const ECDSA_SUITE: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";

const HELLOS: &[SetUp<Machine>] = &[
    SetUp::breaks("tls-no-suite", "TP-TLS-020", Rung::Tls, |machine| {
        let options = ["-cipher", "ECDHE-RSA-CHACHA20-POLY1305"];
        let client = ["--ciphers", RSA_SUITE, "--tls-max", "1.2"];
        of(machine, Server::Rsa, &options, &client)
    }),
    SetUp::breaks("tls-version-13", "TP-TLS-021", Rung::Tls, |machine| {
        of(machine, Server::Rsa, &["-tls1_3"], &["--tls-max", "1.2"])
    }),
    SetUp::breaks("tls-version-12", "TP-TLS-022", Rung::Tls, |machine| {
        of(machine, Server::Rsa, &["-tls1_2"], &["--tls-min", "1.3"])
    }),
    SetUp::breaks("tls-alpn", "TP-TLS-028", Rung::Tls, |machine| {
        of(
            machine,
            Server::Rsa,
            &["-alpn", "http/1.1"],
            &["--alpn", "mqtt"],
        )
    }),
    SetUp::breaks("tls-ecdsa-only", "TP-TLS-018", Rung::Tls, |machine| {
        let client = ["--ciphers", RSA_SUITE, "--tls-max", "1.2"];
        of(machine, Server::P256, &[], &client)
    }),
    SetUp::breaks("tls-rsa-only", "TP-TLS-018", Rung::Tls, |machine| {
        let client = ["--ciphers", ECDSA_SUITE, "--tls-max", "1.2"];
        of(machine, Server::Rsa, &[], &client)
    }),
    SetUp::breaks("tls-rsa-4096-profile", "TP-TLS-046", Rung::Tls, |machine| {
        let text = "platform = \"Zephyr / NCS\"\n[tls]\nmax_number = 256\n";
        let profile = machine.file("profile.toml", text);
        of(machine, Server::Rsa4096, &[], &["--as", &profile])
    }),
    SetUp::breaks("tls-13-blocked", "TP-TLS-051", Rung::Tls, |machine| {
        let broker = machine.mosquitto(&machine.listener(8883, Server::Rsa));
        let middlebox = Middlebox::start(&machine.namespace, Act::NoTls13(8883));
        let report = machine.doctor(&format!("mqtts://localhost:{}", middlebox.port()), &[]);
        drop(middlebox);
        drop(broker);
        report
    }),
];

#[test]
fn hellos() {
    play(&mut Machine::new(), HELLOS);
}

/// A front end that serves names, and picks by ALPN where there is none.
fn front(machine: &Machine) -> (net::Daemon, mqtt::Broker) {
    let broker = machine.mosquitto(&machine.listener(8883, Server::Rsa));
    let certificate = machine.nginx_tls(Server::Rsa);
    let stream = "map $ssl_preread_alpn_protocols $by_alpn {
         x-amzn-mqtt-ca 127.0.0.1:8883; default 127.0.0.1:9; }
         server { listen 443; ssl_preread on; proxy_pass $by_alpn; }";
    let http = format!(
        "server {{ listen 8443 ssl default_server; ssl_reject_handshake on; }}\n\
         server {{ listen 8443 ssl; server_name localhost; {certificate} return 404; }}\n",
    );
    (machine.nginx(&http, stream, 443), broker)
}

const NAMES: &[SetUp<Machine>] = &[
    SetUp::breaks("tls-unknown-name", "TP-TLS-027", Rung::Tls, |machine| {
        let _front = front(machine);
        machine.doctor("wss://localhost:8443/mqtt", &["--sni", "other.example"])
    }),
    SetUp::breaks("tls-no-sni", "TP-TLS-047", Rung::Tls, |machine| {
        let _front = front(machine);
        let text = "platform = \"Zephyr / NCS\"\n[tls]\nsni = false\n";
        let profile = machine.file("profile.toml", text);
        machine.doctor("wss://localhost:8443/mqtt", &["--as", &profile])
    }),
    SetUp::breaks("tls-alpn-front", "TP-TLS-049", Rung::Tls, |machine| {
        let _front = front(machine);
        machine.doctor("mqtts://localhost:443", &[])
    }),
];

#[test]
fn names() {
    play(&mut Machine::new(), NAMES);
}

const PORTS: &[SetUp<Machine>] = &[
    SetUp::breaks("tls-plain-port", "TP-TLS-003", Rung::Tls, |machine| {
        let _web = machine.nginx("server { listen 8080; return 404; }", "", 8080);
        machine.doctor("mqtts://localhost:8080", &[])
    }),
    // mosquitto ends the connection, or resets it.
    SetUp::breaks("tls-plain-to-tls", "TP-TLS-048", Rung::Mqtt, |machine| {
        let _broker = machine.mosquitto(&machine.listener(8883, Server::Rsa));
        machine.doctor("mqtt://localhost:8883", &[])
    }),
    SetUp::breaks(
        "tls-http-to-https",
        "TP-TLS-048",
        Rung::Upgrade,
        |machine| {
            let certificate = machine.nginx_tls(Server::Rsa);
            let web = format!("server {{ listen 8443 ssl; {certificate} return 404; }}");
            let _web = machine.nginx(&web, "", 8443);
            machine.doctor("ws://localhost:8443/mqtt", &[])
        },
    ),
];

#[test]
fn ports() {
    play(&mut Machine::new(), PORTS);
}
