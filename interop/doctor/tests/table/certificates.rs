//! The server's certificate and the client's.

use std::fs;

use doctor::{Key, Machine, Report, SetUp, play};
use mqtt::run;
use tls::pki::{Client, Server};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [SERVERS, CLOCKS, CLIENTS];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// What the doctor says of a server with this certificate.
fn of(machine: &Machine, server: Server, client: &[&str]) -> Report {
    let server = machine.s_server(server, &["-cipher", "DEFAULT:@SECLEVEL=0"]);
    machine.doctor(&format!("mqtts://localhost:{}", server.port()), client)
}

const SERVERS: &[SetUp<Machine>] = &[
    SetUp::breaks("tls-expired", "TP-TLS-010", Rung::Tls, |machine| {
        of(machine, Server::Expired, &[])
    }),
    SetUp::breaks("tls-not-yet", "TP-TLS-011", Rung::Tls, |machine| {
        of(machine, Server::Future, &[])
    }),
    SetUp::breaks("tls-wrong-name", "TP-TLS-012", Rung::Tls, |machine| {
        of(machine, Server::WrongName, &[])
    }),
    SetUp::breaks("tls-unknown-root", "TP-TLS-013", Rung::Tls, |machine| {
        of(machine, Server::Stranger, &[])
    }),
    SetUp::breaks("tls-self-signed", "TP-TLS-014", Rung::Tls, self_signed),
    SetUp::breaks("tls-leaf-only", "TP-TLS-015", Rung::Tls, |machine| {
        of(machine, Server::LeafOnly, &[])
    }),
    SetUp::breaks("tls-weak", "TP-TLS-016", Rung::Tls, |machine| {
        of(machine, Server::Weak, &[])
    }),
    // A client's certificate.
    SetUp::breaks("tls-wrong-purpose", "TP-TLS-019", Rung::Tls, |machine| {
        let pair = machine.pki.client(Client::Good);
        let [cert, key] = [&pair.chain, &pair.key].map(|path| path.display().to_string());
        let server = machine.s_server(Server::LeafOnly, &["-cert", &cert, "-key", &key]);
        let roots = machine.pki.devices().display().to_string();
        let url = format!("mqtts://localhost:{}", server.port());
        machine.doctor(&url, &["--cafile", &roots])
    }),
    SetUp::breaks("tls-by-address", "TP-TLS-052", Rung::Tls, |machine| {
        let server = machine.s_server(Server::Rsa, &[]);
        machine.doctor(&format!("mqtts://127.0.0.1:{}", server.port()), &[])
    }),
    SetUp::breaks("tls-cafile-no-root", "TP-TLS-054", Rung::Tls, |machine| {
        let issuers = machine.pki.server(Server::Rsa).issuers;
        of(
            machine,
            Server::Rsa,
            &["--cafile", &issuers.display().to_string()],
        )
    }),
];

fn self_signed(machine: &mut Machine) -> Report {
    let [cert, key] = ["own.pem", "own.key"].map(|name| machine.path(name).display().to_string());
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        &key,
        "-out",
        &cert,
    ];
    run("openssl", &arguments);
    let server = machine.s_server(Server::LeafOnly, &["-cert", &cert, "-key", &key]);
    machine.doctor(&format!("mqtts://localhost:{}", server.port()), &[])
}

#[test]
fn certificates_of_servers() {
    play(&mut Machine::new(), SERVERS);
}

/// The clock of the client alone is wrong.
fn at(machine: &Machine, time: &str) -> Report {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(fs::exists(library).is_ok_and(|there| there), "faketime");
    let server = machine.s_server(Server::Rsa, &[]);
    let url = format!("mqtts://localhost:{}", server.port());
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME", time),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    machine.doctor_with(&url, &[], &variables)
}

const CLOCKS: &[SetUp<Machine>] = &[
    SetUp::breaks("tls-clock-behind", "TP-TLS-055", Rung::Tls, |machine| {
        at(machine, "@2000-01-01 00:00:00")
    }),
    // The certificates may really have ended: nothing that the server says tells the time.
    SetUp::breaks("tls-clock-ahead", "TP-TLS-010", Rung::Tls, |machine| {
        at(machine, "@2060-01-01 00:00:00")
    }),
];

#[test]
fn clocks() {
    play(&mut Machine::new(), CLOCKS);
}

/// What the doctor says of a mosquitto that wants a certificate, with further options.
fn required(machine: &Machine, client: Option<Client>, options: &[&str]) -> Report {
    let tls = machine.listener(8883, Server::Rsa);
    let _broker = machine.mosquitto(&format!("{tls}require_certificate true"));
    let shown = client.map(|client| machine.showing(client));
    let shown = shown.iter().flatten().map(String::as_str);
    let options: Vec<&str> = shown.chain(options.iter().copied()).collect();
    machine.doctor("mqtts://localhost:8883", &options)
}

/// What the doctor says of nginx with these versions, to a certificate that it does not take.
fn verified_late(machine: &Machine, versions: &str) -> Report {
    let certificate = machine.nginx_tls(Server::Rsa);
    let stream = format!(
        "server {{ listen 8884 ssl; ssl_protocols {versions}; ssl_verify_client on; {certificate} \
         proxy_pass 127.0.0.1:9; }}"
    );
    let _front = machine.nginx("", &stream, 8884);
    let shown = machine.showing(Client::OtherCa);
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    machine.doctor("mqtts://localhost:8884", &shown)
}

const CLIENTS: &[SetUp<Machine>] = &[
    SetUp::breaks(
        "tls-client-required-12",
        "TP-TLS-026",
        Rung::Tls,
        |machine| required(machine, None, &["--tls-max", "1.2"]),
    ),
    SetUp::breaks(
        "tls-client-required-13",
        "TP-TLS-026",
        Rung::Tls,
        |machine| required(machine, None, &["--tls-min", "1.3"]),
    ),
    SetUp::breaks(
        "tls-client-unknown-ca",
        "TP-TLS-040",
        Rung::Tls,
        |machine| required(machine, Some(Client::OtherCa), &[]),
    ),
    SetUp::breaks("tls-client-expired", "TP-TLS-041", Rung::Tls, |machine| {
        required(machine, Some(Client::Expired), &[])
    }),
    // A certificate that is for servers.
    SetUp::breaks("tls-client-refused", "TP-TLS-042", Rung::Tls, |machine| {
        let roots = machine.pki.root().display().to_string();
        let verify = ["-Verify", "2", "-verify_return_error", "-CAfile", &roots];
        let server = machine.s_server(Server::Rsa, &verify);
        let pair = machine.pki.server(Server::Rsa);
        let [cert, key] = [&pair.chain, &pair.key].map(|path| path.display().to_string());
        let url = format!("mqtts://localhost:{}", server.port());
        machine.doctor(&url, &["--cert", &cert, "--key", &key, "--tls-max", "1.2"])
    }),
    // nginx closes behind the handshake, and says why in its log alone.
    SetUp::breaks(
        "tls-client-unanswered",
        "TP-TLS-043",
        Rung::Tls,
        |machine| verified_late(machine, "TLSv1.3"),
    ),
    // With TLS 1.2 as well, so that it could be something else.
    SetUp::breaks("tls-client-late", "TP-TLS-005", Rung::Tls, |machine| {
        verified_late(machine, "TLSv1.2 TLSv1.3")
    }),
];

#[test]
fn certificates_of_clients() {
    play(&mut Machine::new(), CLIENTS);
}
