//! Which of several causes is the verdict: the earlier one, and what the lint knew before.

use towpath_proto::{Code, Fault, Rung};

use super::made::*;
use crate::{
    diagnosis::{State, Verdict},
    evidence::Scheme::*,
    probe::Change,
    verdict::diagnose,
};

/// The id of the verdict, and those of the warnings behind it.
fn ids(made: &Made) -> (Option<&'static str>, Vec<&'static str>) {
    let found = diagnose(&made.evidence).found;
    let mut ids = found.iter();
    let broke = ids
        .next()
        .filter(|found| found.breaks)
        .map(|found| found.finding.id);
    (
        broke,
        found
            .iter()
            .filter(|found| !found.breaks)
            .map(|found| found.finding.id)
            .collect(),
    )
}

/// The ids of all that breaks.
fn problems(made: &Made) -> Vec<&'static str> {
    let found = diagnose(&made.evidence).found;
    let breaks = found.iter().filter(|found| found.breaks);
    breaks.map(|found| found.finding.id).collect()
}

#[test]
fn a_file_that_can_not_be_loaded_comes_before_a_packet() {
    let dead = broke(Mqtts, 8883, Rung::Tcp, Code::Refused).lint("TP-DEV-027", true);
    assert_eq!(problems(&dead), ["TP-DEV-027", "TP-TCP-010"]);
    let told = diagnose(&dead.evidence);
    let state = |rung| {
        told.ladder
            .iter()
            .find(|step| step.rung == rung)
            .unwrap()
            .state
    };
    assert_eq!(
        state(Rung::Tcp),
        State::Problem,
        "that is what was measured"
    );
    assert_eq!(state(Rung::Tls), State::NotReached);
    assert!(told.notes.iter().all(|note| !note.contains("came further")));

    let over =
        broke(Mqtts, 8883, Rung::Tls, Code::ServerCertificateExpired).lint("TP-DEV-027", true);
    assert_eq!(problems(&over), ["TP-DEV-027", "TP-TLS-010"]);
    let mismatch = broke(Mqtts, 8883, Rung::Tls, Code::ClientCertificateRefused)
        .alert(towpath_proto::tls::Side::Server, 51)
        .lint("TP-DEV-028", true);
    assert_eq!(
        problems(&mismatch),
        ["TP-DEV-028"],
        "one explains the other"
    );
}

#[test]
fn rungs_beyond_the_break_are_not_reached() {
    let made = broke(Wss, 443, Rung::Tls, Code::ServerCertificateExpired);
    let ladder = diagnose(&made.evidence).ladder;
    let states: Vec<_> = ladder.iter().map(|step| (step.rung, step.state)).collect();
    assert_eq!(
        states,
        [
            (Rung::Dns, State::Ok),
            (Rung::Tcp, State::Ok),
            (Rung::Tls, State::Problem),
            (Rung::Upgrade, State::NotReached),
            (Rung::Ws, State::NotReached),
            (Rung::Mqtt, State::NotReached),
        ]
    );
}

#[test]
fn of_two_faults_the_earlier_rung_is_the_verdict() {
    // The second fault of each pair shows in a probe that came further.
    let pairs = [
        (
            Rung::Dns,
            Code::NameNotFound,
            Rung::Tcp,
            Code::Refused,
            "TP-DNS-005",
        ),
        (
            Rung::Tcp,
            Code::ConnectTimeout,
            Rung::Tls,
            Code::ServerCertificateExpired,
            "TP-TCP-013",
        ),
        (
            Rung::Tcp,
            Code::Refused,
            Rung::Mqtt,
            Code::ConnectRefused,
            "TP-TCP-010",
        ),
        (
            Rung::Tls,
            Code::ServerCertificateExpired,
            Rung::Mqtt,
            Code::ConnectRefused,
            "TP-TLS-010",
        ),
        (
            Rung::Tls,
            Code::NoCommonSuite,
            Rung::Upgrade,
            Code::NotFound,
            "TP-TLS-020",
        ),
        (
            Rung::Upgrade,
            Code::NotFound,
            Rung::Mqtt,
            Code::ConnectRefused,
            "TP-UPG-014",
        ),
        (
            Rung::Upgrade,
            Code::UpgradeTimeout,
            Rung::Ws,
            Code::WsClosed,
            "TP-UPG-002",
        ),
    ];
    for (rung, code, later, other, expected) in pairs {
        let made = broke(Wss, 443, rung, code).fails(Change::Nothing, later, other);
        assert_eq!(ids(&made).0, Some(expected), "{code:?} and {other:?}");
    }
}

#[test]
fn what_the_lint_knew_explains_the_fault() {
    let refused = || broke(Wss, 443, Rung::Tls, Code::RenegotiationOff).lint("TP-TLS-031", true);
    assert_eq!(
        ids(&refused()),
        (Some("TP-TLS-031"), vec![]),
        "once, not twice"
    );
    let found = diagnose(&refused().evidence).found.remove(0);
    assert!(
        found
            .evidence
            .iter()
            .any(|evidence| evidence.what == "prj.conf line 3")
    );
    assert!(
        found
            .evidence
            .iter()
            .any(|evidence| evidence.what == "last sent")
    );
    assert_eq!(
        found.fault.map(|fault| fault.code),
        Some(Code::RenegotiationOff)
    );

    let hinted = broke(Wss, 443, Rung::Tls, Code::RenegotiationOff).lint("TP-TLS-031", false);
    assert_eq!(ids(&hinted), (Some("TP-TLS-031"), vec![]));
    assert!(
        diagnose(&hinted.evidence).found[0]
            .evidence
            .iter()
            .any(|e| e.what == "prj.conf line 3")
    );

    let tcp = broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
        .number(0x87)
        .lint("TP-DEV-001", true);
    assert_eq!(
        ids(&tcp).0,
        Some("TP-DEV-001"),
        "the device does not come so far"
    );
    let told = diagnose(&tcp.evidence);
    assert!(
        told.notes.iter().any(|note| note.contains("TP-MQTT-007")),
        "and this is said too"
    );

    let later = broke(Mqtts, 8883, Rung::Tcp, Code::Refused).lint("TP-TLS-046", true);
    assert_eq!(ids(&later), (Some("TP-TCP-010"), vec![]));
    assert_eq!(
        problems(&later),
        ["TP-TCP-010", "TP-TLS-046"],
        "what breaks for certain stays a problem behind another one"
    );

    let token = broke(Mqtts, 8883, Rung::Mqtt, Code::ConnectRefused)
        .number(0x87)
        .hub(true)
        .lint("TP-HUB-004", true);
    assert_eq!(ids(&token), (Some("TP-HUB-004"), vec![]));
}

#[test]
fn what_can_not_work_is_said_without_a_packet() {
    let mut made = stands(Mqtts, 8883)
        .lint("TP-TLS-046", true)
        .lint("TP-DEV-001", true)
        .lint("TP-MQTT-023", false);
    made.evidence.climb = None;
    assert_eq!(ids(&made), (Some("TP-DEV-001"), vec!["TP-MQTT-023"]));
    assert_eq!(problems(&made), ["TP-DEV-001", "TP-TLS-046"]);
    let told = diagnose(&made.evidence);
    assert_eq!(told.verdict, Verdict::Broken);
    assert!(
        told.ladder.iter().all(|step| step.state != State::Ok),
        "nothing was measured"
    );
    assert_eq!(
        told.ladder
            .iter()
            .filter(|step| step.state == State::Problem)
            .count(),
        1
    );
}

#[test]
fn what_the_device_can_not_breaks_also_where_this_machine_can() {
    let made = stands(Mqtts, 8883).lint("TP-DEV-002", true);
    let told = diagnose(&made.evidence);
    assert_eq!(told.verdict, Verdict::Broken);
    assert_eq!(told.found[0].finding.id, "TP-DEV-002");
}

#[test]
fn the_evidence_of_a_claim_says_who_said_what_and_from_where() {
    let mut made = broke(Mqtts, 8883, Rung::Tls, Code::ClientCertificateUntrusted)
        .alert(towpath_proto::tls::Side::Server, 48)
        .tried(&[("192.0.2.1", towpath_proto::net::Ended::Won)])
        .chain(&[certificate("broker.example", "Root")]);
    made.climb().local = Some(socket("198.51.100.4:40000"));
    let found = diagnose(&made.evidence).found.remove(0);
    let seen = |what: &str| {
        let mut evidence = found.evidence.iter();
        evidence
            .find(|evidence| evidence.what == what)
            .map(|evidence| evidence.seen.as_str())
    };
    assert_eq!(seen("alert"), Some("server sent alert 48 unknown_ca"));
    assert_eq!(seen("address"), Some("192.0.2.1 (A record)"));
    assert_eq!(seen("source address"), Some("198.51.100.4"));
    assert_eq!(
        seen("chain"),
        Some("broker.example by Root, 2026-07-24 to 2027-02-09")
    );
    assert_eq!(seen("last sent"), Some("nothing"));
    assert_eq!(seen("after"), Some("50 ms"));
}

#[test]
fn every_fault_of_the_client_has_a_verdict() {
    for code in Code::ALL {
        for rung in [
            Rung::Address,
            Rung::Dns,
            Rung::Nat64,
            Rung::Tcp,
            Rung::Proxy,
            Rung::Tls,
            Rung::Upgrade,
            Rung::Ws,
            Rung::Mqtt,
            Rung::Hub,
        ] {
            let made = broke(Wss, 443, rung, *code);
            let told = diagnose(&made.evidence);
            assert_eq!(told.verdict, Verdict::Broken, "{code:?} on {rung}");
            assert!(
                told.ladder.iter().any(|step| step.state == State::Problem),
                "{code:?} on {rung}"
            );
            assert_eq!(told.found[0].fault, Some(Fault::new(rung, *code)));
        }
    }
}
