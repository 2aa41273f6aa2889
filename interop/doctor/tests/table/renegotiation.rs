//! A server that asks for the client's certificate when it has seen the path: Apache as it is, and a front end that does
//! what no program for sale does.

use doctor::{Doctor, Key, Machine, Report, SetUp, play};
use tls::{
    apache::{Apache, PATH, Profile},
    front::{Front, Setup, Step},
    pki::{Client, Server},
};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    ROWS.iter().map(SetUp::key).collect()
}

/// The arguments for this port, as somebody with a certificate.
fn arguments(machine: &Machine, port: u16) -> Vec<String> {
    let root = machine.pki.root().display().to_string();
    let url = format!("wss://localhost:{port}{PATH}");
    let mut arguments = vec![url, "--cafile".into(), root];
    arguments.extend(machine.showing(Client::Good));
    arguments
}

/// What the doctor says of Apache with this policy, with further options.
fn apache(machine: &Machine, profile: Profile, options: &[&str]) -> Report {
    let pki = machine.pki.clone();
    let _apache = machine.namespace.run(move || Apache::start(&pki, profile));
    let arguments = arguments(machine, tls::apache::PORT);
    let arguments = arguments.iter().map(String::as_str);
    let arguments: Vec<&str> = arguments.chain(options.iter().copied()).collect();
    Doctor::on(&machine.namespace).run(&arguments)
}

/// What the doctor says of a front end that does this.
fn front(machine: &Machine, steps: &'static [Step], options: &[&str]) -> Report {
    let pki = machine.pki.clone();
    let front = move || Front::start(&pki, Setup::default(), steps);
    let front = machine.namespace.run(front);
    let arguments = arguments(machine, front.port());
    let arguments = arguments.iter().map(String::as_str);
    let arguments: Vec<&str> = arguments.chain(options.iter().copied()).collect();
    Doctor::on(&machine.namespace).run(&arguments)
}

const ROWS: &[SetUp<Machine>] = &[
    SetUp::breaks("reneg-refused", "TP-TLS-031", Rung::Tls, |machine| {
        let config = machine.file("never.toml", "[tls]\nrenegotiation = \"never\"\n");
        apache(machine, Profile::V12Require, &["--config", &config])
    }),
    // What Apache asks after the handshake is answered by HTTP.
    SetUp::breaks("reneg-13-no-pha", "TP-TLS-039", Rung::Upgrade, |machine| {
        let config = machine.file("no-pha.toml", "[tls]\npost_handshake_auth = false\n");
        apache(machine, Profile::V13, &["--config", &config])
    }),
    SetUp::breaks("reneg-closed", "TP-TLS-034", Rung::Tls, |machine| {
        let steps = &[
            Step::Handshake,
            Step::Request,
            Step::Ask,
            Step::AnswerFlight,
        ];
        front(machine, steps, &[])
    }),
    SetUp::breaks(
        "reneg-other-certificate",
        "TP-TLS-038",
        Rung::Tls,
        |machine| {
            let steps = &[
                Step::Handshake,
                Step::Request,
                Step::Show(Server::P256),
                Step::Ask,
                Step::Agree,
            ];
            front(machine, steps, &[])
        },
    ),
    SetUp::breaks("reneg-after-connack", "TP-TLS-036", Rung::Tls, |machine| {
        let steps = &[
            Step::Handshake,
            Step::Request,
            Step::Switch,
            Step::Connect,
            Step::Connack,
            Step::Ask,
            Step::Agree,
        ];
        front(machine, steps, &["--watch", "10"])
    }),
];

#[test]
fn renegotiations() {
    play(&mut Machine::new(), ROWS);
}
