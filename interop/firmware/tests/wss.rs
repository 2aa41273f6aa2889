//! `wss` at real servers: Apache in front of Mosquitto, which asks for the client certificate by a renegotiation,
//! Mosquitto's own TLS, and front ends that stop where a test says. What the board says of a failure is what towpath on
//! a host says at the same server.
//!
//! Each test has a network namespace, where port 443 is free; QEMU's own network ends in it.

use std::{path::Path, process::Command};

use firmware::{Board, Ended, HOST};
use mqtt::Port;
use openssl::{pkey::PKey, x509::X509};
use tls::{
    apache::{self, Apache, PATH, Profile},
    connect,
    front::{
        Front, Setup,
        Step::{
            self, Agree, AnswerFlight, Ask, Connack, Connect, Flight, Handshake, Hear, Request,
            Serve, Swallow, Switch,
        },
    },
    mosquitto, namespace, options,
    pki::{Client, Pki, Server},
};
use towpath::{
    Fault, Options, Rung,
    tls::{Backend, Renegotiation, TlsOptions},
};

/// What the client may take of the board's memory: all of it, and the heap of Mbed TLS.
const RAM: usize = 72_000;
const HEAP: usize = 38_000;
/// What the application lends the heap, whether it is used or not.
const LENT: usize = 40 << 10;

fn board(pki: &Pki, client: Option<Client>) -> Board {
    let board = Board::new("wss")
        .setting("host", HOST)
        .setting("server", "localhost")
        .file("root.der", certificate(&pki.root()));
    match client {
        Some(client) => {
            let pair = pki.client(client);
            let key = std::fs::read(pair.key).expect("a key");
            let key = PKey::private_key_from_pem(&key).expect("a key in PEM");
            board
                .file("device.der", certificate(&pair.chain))
                .file("device.key", key.private_key_to_der().expect("DER"))
        }
        None => board,
    }
}

fn certificate(path: &Path) -> Vec<u8> {
    let pem = std::fs::read(path).expect("a certificate");
    X509::from_pem(&pem)
        .and_then(|certificate| certificate.to_der())
        .expect("a certificate in PEM")
}

fn over_wss(board: Board, port: u16) -> Board {
    board.setting("target", PATH).setting("port", port)
}

fn url(port: u16) -> String {
    format!("wss://localhost:{port}{PATH}")
}

fn host(pki: &Pki, client: Option<Client>) -> TlsOptions {
    tls::tls(pki, Backend::Mbed, client)
}

/// The board's last word, and that it is what a host says.
async fn said_by_both(ended: &Ended, host: Options) -> Fault {
    let fault = connect(host).await.map(drop).expect_err("a fault");
    let text = ended.with_code(1);
    let start = format!("{}: ", fault.rung);
    let line = text.lines().rfind(|line| line.contains("[TP-"));
    let line = line.unwrap_or_else(|| panic!("no fault in:\n{text}"));
    assert!(line.starts_with(&start), "{fault}\n{text}");
    let finding = format!("[{}]", fault.finding());
    assert!(line.ends_with(&finding), "{fault}\n{text}");
    let broke = format!("  {:<9} broke", fault.rung.name());
    assert!(text.contains(&broke), "{text}");
    fault
}

#[track_caller]
fn assert_ladder(text: &str, rungs: &[&str]) {
    let mut lines = text.lines();
    for rung in rungs {
        assert!(
            lines.any(|line| line.contains(rung)),
            "{rung} in its place in:\n{text}"
        );
    }
}

/// Static memory without the heap, the heap's peak and the deepest stack.
#[track_caller]
fn assert_memory(what: &str, ended: &Ended) {
    let (stack, heap) = (ended.measured("stack"), ended.measured("heap"));
    let fixed = sections(&[".data", ".bss", ".uninit"]) - LENT;
    let all = fixed + stack + heap;
    println!("{what}: {all} bytes: static {fixed}, stack {stack}, heap of Mbed TLS {heap}");
    assert!(all <= RAM, "{all}");
    assert!(heap <= HEAP, "{heap}");
    assert!(!ended.text().contains("requests failed"));
}

fn tool(name: &str, arguments: &[&str]) -> String {
    let board = Board::new("wss");
    let output = Command::new(name)
        .args(arguments)
        .arg(board.image())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
    String::from_utf8(output.stdout).expect("text")
}

/// The length of these sections of the program.
fn sections(names: &[&str]) -> usize {
    let table = tool("arm-none-eabi-size", &["-A"]);
    let lines = table.lines().map(str::split_whitespace);
    lines
        .filter_map(|mut line| names.contains(&line.next()?).then(|| line.next()))
        .map(|len| {
            len.and_then(|len| len.parse::<usize>().ok())
                .expect("a length")
        })
        .sum()
}

/// There is no allocator of Rust's in the program, and of C's only `calloc` and `free` over the lent memory.
#[test]
fn nothing_but_mbed_tls_can_allocate() {
    let table = tool("arm-none-eabi-nm", &[]);
    let names: Vec<_> = table
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert!(names.contains(&"calloc") && names.contains(&"mbedtls_calloc"));
    for name in names {
        let allocates = ["malloc", "realloc", "_sbrk", "__rust_alloc", "__rdl_alloc"];
        assert!(!allocates.contains(&name), "{name}");
        assert!(!name.contains("___rust_alloc"), "{name}");
    }
}

#[tokio::test]
async fn apache_asks_for_the_certificate_by_a_renegotiation() {
    namespace::enter();
    let pki = Pki::kept();
    let apache = Apache::start(&pki, Profile::V12Require);
    for version in ["3.1.1", "5"] {
        let board = over_wss(board(&pki, Some(Client::Good)), apache::PORT);
        let ended = board.setting("version", version).run();
        let text = ended.done();
        assert_ladder(
            &text,
            &[
                "  tcp       reached",
                "  tls       reached",
                "chain of 2",
                "renegotiated, as the server asked",
                "  upgrade   reached",
                "  mqtt      reached",
                "  path      ready",
                "  publish   done",
            ],
        );
        assert_memory(&format!("version {version}"), &ended);
    }
    let log = apache.log();
    assert!(log.contains("AH02226: Awaiting re-negotiation"), "{log}");
}

#[tokio::test]
async fn the_next_connection_resumes_the_session() {
    namespace::enter();
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Server::Rsa, true);
    let board = board(&pki, Some(Client::Good)).setting("rounds", 3);
    let ended = board.run();
    let text = ended.done();
    assert_eq!(text.matches("  publish   done").count(), 3, "{text}");
    assert_eq!(text.matches(", resumed").count(), 2, "{text}");
    assert_memory("resumed", &ended);
}

/// Keys of each kind that a server may have. `Long` has a Certificate message that does not fit the buffers.
#[tokio::test]
async fn keys_of_servers() {
    for server in [Server::Rsa4096, Server::P256, Server::P384] {
        namespace::enter();
        let pki = Pki::kept();
        let _broker = mosquitto::start(&pki, server, false);
        let ended = board(&pki, None).run();
        assert_ladder(&ended.done(), &["  tls       reached", "  publish   done"]);
        assert_memory(&format!("{server:?}"), &ended);
    }
}

#[tokio::test]
async fn certificates_that_are_no_good() {
    use Server::{Expired, Future, Long, Rsa, Stranger, WrongName};
    for (server, finding) in [
        (Expired, "TP-TLS-010"),
        (Future, "TP-TLS-011"),
        (WrongName, "TP-TLS-012"),
        (Stranger, "TP-TLS-013"),
        (Long, "TP-TLS-017"),
    ] {
        namespace::enter();
        let pki = Pki::kept();
        let _broker = mosquitto::start(&pki, server, false);
        let ended = board(&pki, None).run();
        if server == Long {
            // A host's Mbed TLS has larger buffers.
            let text = ended.with_code(1);
            assert!(text.contains("[TP-TLS-017]"), "{text}");
            continue;
        }
        let host = options("mqtts://localhost", host(&pki, None));
        let fault = said_by_both(&ended, host).await;
        assert_eq!(fault.finding(), finding, "{server:?}");
    }
    namespace::enter();
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Rsa, false);
    let wrong_root = board(&pki, None).file("root.der", certificate(&pki.devices()));
    let tls = TlsOptions::new().backend(Backend::Mbed);
    let tls = tls.ca_file(pki.devices()).expect("a CA");
    let fault = said_by_both(&wrong_root.run(), options("mqtts://localhost", tls)).await;
    assert_eq!(fault.finding(), "TP-TLS-013");
}

#[tokio::test]
async fn what_apache_refuses() {
    namespace::enter();
    let pki = Pki::kept();
    let _apache = Apache::start(&pki, Profile::V12Require);
    for (client, finding) in [
        (None, "TP-TLS-026"),
        (Some(Client::OtherCa), "TP-TLS-040"),
        (Some(Client::Expired), "TP-TLS-041"),
    ] {
        let ended = over_wss(board(&pki, client), apache::PORT).run();
        let host = options(&url(apache::PORT), host(&pki, client));
        let fault = said_by_both(&ended, host).await;
        assert_eq!(fault.finding(), finding, "{client:?}");
    }
    // What the settings do not allow is refused, and the fault says so.
    let board = over_wss(board(&pki, Some(Client::Good)), apache::PORT);
    let ended = board.setting("renegotiation", "never").run();
    let never = host(&pki, Some(Client::Good)).renegotiation(Renegotiation::Never);
    let fault = said_by_both(&ended, options(&url(apache::PORT), never)).await;
    assert_eq!(fault.finding(), "TP-TLS-031");
}

#[tokio::test]
async fn no_101() {
    namespace::enter();
    let pki = Pki::kept();
    let _apache = Apache::start(&pki, Profile::V12Optional);
    let board = board(&pki, None).setting("target", "/nowhere");
    let tls = host(&pki, None);
    let elsewhere = options("wss://localhost/nowhere", tls);
    let fault = said_by_both(&board.run(), elsewhere).await;
    assert_eq!(fault.rung, Rung::Upgrade);
    assert_eq!(fault.number, 404);
}

#[tokio::test]
async fn a_server_of_tls_13_alone() {
    namespace::enter();
    let pki = Pki::kept();
    let _apache = Apache::start(&pki, Profile::V13);
    let ended = over_wss(board(&pki, Some(Client::Good)), apache::PORT).run();
    let host = options(&url(apache::PORT), host(&pki, Some(Client::Good)));
    let fault = said_by_both(&ended, host).await;
    assert_eq!(fault.finding(), "TP-TLS-021");
}

/// The connection ends at each rung, and in the middle of a renegotiation; the front end that takes the refusal for the
/// end says nothing at all.
#[tokio::test]
async fn cut_at_each_step() {
    let pki = Pki::kept();
    let cuts: [(&[Step], Rung); 8] = [
        (&[Hear], Rung::Tls),
        (&[Swallow], Rung::Tls),
        (&[Flight, Swallow], Rung::Tls),
        (&[Handshake, Request], Rung::Upgrade),
        (&[Handshake, Request, Ask, Swallow], Rung::Tls),
        (&[Handshake, Request, Ask, AnswerFlight, Swallow], Rung::Tls),
        (&[Handshake, Request, Switch], Rung::Mqtt),
        (&[Handshake, Request, Switch, Connect], Rung::Mqtt),
    ];
    for (steps, rung) in cuts {
        let front = |port| over_wss(board(&pki, Some(Client::Good)), port);
        let for_board = Front::start(&pki, Setup::default(), steps);
        let ended = front(for_board.port()).run();
        let _ = for_board.report();
        let for_host = Front::start(&pki, Setup::default(), steps);
        let host = options(&url(for_host.port()), host(&pki, Some(Client::Good)));
        // Between an end and a reset the two may differ, on the rung that stands there not.
        if rung == Rung::Mqtt || matches!(steps, [Hear]) {
            let fault = connect(host).await.map(drop).expect_err("a fault");
            assert_eq!(fault.rung, rung);
            let text = ended.with_code(1);
            let broke = format!("  {:<9} broke", rung.name());
            assert!(text.contains(&broke), "{steps:?}: {text}");
        } else {
            let fault = said_by_both(&ended, host).await;
            assert_eq!(fault.rung, rung, "{steps:?}");
        }
        let _ = for_host.report();
    }
    let steps = [Handshake, Request, Ask, Swallow];
    let for_board = Front::start(&pki, Setup::default(), &steps);
    let silent = over_wss(board(&pki, Some(Client::Good)), for_board.port());
    let ended = silent.setting("renegotiation", "never").run();
    let for_host = Front::start(&pki, Setup::default(), &steps);
    let never = host(&pki, Some(Client::Good)).renegotiation(Renegotiation::Never);
    let fault = said_by_both(&ended, options(&url(for_host.port()), never)).await;
    assert_eq!(fault.finding(), "TP-TLS-031");
    // What a device logs, and nothing else.
    assert!(ended.text().contains("Mbed TLS error -0x7280"));
}

/// A renegotiation that comes behind the 101, where the front end looks for the certificate late.
#[tokio::test]
async fn asked_behind_the_101() {
    let pki = Pki::kept();
    let steps = [
        Handshake, Request, Switch, Ask, Agree, Connect, Connack, Serve,
    ];
    let front = Front::start(&pki, Setup::default(), &steps);
    let board = over_wss(board(&pki, Some(Client::Good)), front.port());
    let run = board.start();
    run.until(&["path      ready"]);
    let _ = run.cut();
    let report = front.report();
    assert_eq!(report.client.as_deref(), Some("device-1"), "{report:?}");
}

#[tokio::test]
async fn nobody_there_and_then_somebody() {
    namespace::enter();
    let pki = Pki::kept();
    let board = over_wss(board(&pki, Some(Client::Good)), apache::PORT)
        .setting("attempts", 1000)
        .setting("rounds", 2);
    let run = board.start();
    run.until(&["  tcp       broke"]);
    run.until(&["tcp: ", "[TP-TCP-010]"]);
    let apache = Apache::start(&pki, Profile::V12Require);
    run.until(&["  path      ready"]);
    run.until(&["  publish   done"]);
    let text = run.wait().done();
    assert_eq!(text.matches("  publish   done").count(), 2, "{text}");
    drop(apache);
}

#[tokio::test]
async fn a_port_without_tls_and_one_where_nobody_listens() {
    let pki = Pki::kept();
    let broker = mqtt::Setup::new().start();
    for via in [mqtt::Via::Ws, mqtt::Via::Tcp] {
        let port = broker.port(via);
        let ended = over_wss(board(&pki, None), port).run();
        let fault = said_by_both(&ended, options(&url(port), host(&pki, None))).await;
        assert_eq!(fault.rung, Rung::Tls);
    }
    let nobody = Port::claim();
    let ended = over_wss(board(&pki, None), nobody.number()).run();
    let host = options(&url(nobody.number()), host(&pki, None));
    let fault = said_by_both(&ended, host).await;
    assert_eq!(fault.finding(), "TP-TCP-010");
    assert_ladder(
        &ended.text(),
        &[
            "  tcp       broke",
            "  tls       not reached",
            "  upgrade   not reached",
            "  mqtt      not reached",
            "tcp: ",
        ],
    );
}
