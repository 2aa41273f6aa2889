//! No false alarms: what stands is ready; and whatever the evidence, the answer has its form.

use std::time::Duration;

use proptest::prelude::*;
use towpath_proto::{
    Code, Fault, Rung,
    net::Ended,
    tls::{Alert, Message, PublicKey, Side, Version},
};

use super::made::*;
use crate::{
    diagnosis::{State, Verdict},
    evidence::{HttpHead, Scheme, Scheme::*, Service},
    probe::{self, Change, Probe},
    verdict::diagnose,
};

#[test]
fn what_stands_is_ready() {
    for scheme in [Mqtt, Mqtts, Ws, Wss] {
        let told = diagnose(&stands(scheme, 443).evidence);
        assert_eq!(told.verdict, Verdict::Ready(Duration::from_millis(70)));
        assert!(told.found.is_empty());
        assert!(told.notes.is_empty());
        assert!(
            told.ladder.iter().all(|step| step.state == State::Ok),
            "{told:?}"
        );
    }
}

#[test]
fn odd_and_legal_is_no_warning() {
    let sound = [
        stands(Mqtts, 8883).chain(&[valid(certificate("broker.example", "Root"), -1, 15)]),
        // Made for six days, four are left.
        stands(Mqtts, 8883).chain(&[valid(certificate("broker.example", "Root"), -2, 4)]),
        stands(Mqtts, 8883).tried(&[("192.0.2.1", Ended::Won)]),
        // Slower, not dead.
        stands(Mqtts, 8883).tried(&[("2001:db8::1", Ended::Lost), ("192.0.2.1", Ended::Won)]),
        // A program that listens on one loopback address.
        stands(Mqtt, 1883).tried(&[
            ("::1", Ended::Failed(Code::Refused)),
            ("127.0.0.1", Ended::Won),
        ]),
        // One of two addresses of the family works.
        stands(Mqtts, 8883).tried(&[
            ("2001:db8::1", Ended::Failed(Code::Refused)),
            ("2001:db8::2", Ended::Won),
        ]),
        stands(Wss, 443)
            .http(head(101))
            .tls(&[server_chain(PublicKey::Rsa(4096), 9000)]),
    ];
    for made in sound {
        let told = diagnose(&made.evidence);
        assert!(
            matches!(told.verdict, Verdict::Ready(_)),
            "{:?}",
            told.found
        );
    }
}

#[test]
fn what_will_break_is_a_warning() {
    let ends = stands(Mqtts, 8883).chain(&[valid(certificate("broker.example", "Root"), -80, 9)]);
    let short = stands(Mqtts, 8883).chain(&[valid(certificate("broker.example", "Root"), -5, 1)]);
    let dead = stands(Mqtts, 8883).tried(&[
        ("2001:db8::1", Ended::Failed(Code::HostUnreachable)),
        ("192.0.2.1", Ended::Won),
    ]);
    for (made, id, cause) in [
        (
            ends,
            "TP-TLS-010",
            "the server's certificate ends on 2026-11-10, in 9 days",
        ),
        (short, "TP-TLS-010", ""),
        (
            dead,
            "TP-TCP-017",
            "over IPv6 the server is not reached, over IPv4 it is",
        ),
        (
            stands(Mqtts, 8883).lint("TP-DEV-031", false),
            "TP-DEV-031",
            "",
        ),
    ] {
        let told = diagnose(&made.evidence);
        assert!(matches!(told.verdict, Verdict::Warning(_)), "{id}");
        let found = &told.found[0];
        assert_eq!(found.finding.id, id);
        assert!(!found.breaks);
        assert!(
            cause.is_empty() || found.cause() == cause,
            "{}",
            found.cause()
        );
        let marked = told
            .ladder
            .iter()
            .filter(|step| step.state == State::Warning);
        assert_eq!(marked.count(), 1, "{id}");
    }
}

#[test]
fn a_hub_whose_twin_was_not_asked_for_is_not_called_ok_on_that_rung() {
    let told = diagnose(&stands(Mqtts, 8883).hub(true).evidence);
    let hub = told.ladder.last().unwrap();
    assert_eq!((hub.rung, hub.state), (Rung::Hub, State::NotMeasured));
}

fn rung() -> impl Strategy<Value = Rung> {
    prop::sample::select(vec![
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
    ])
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(vec![Mqtt, Mqtts, Ws, Wss])
}

fn fault() -> impl Strategy<Value = Fault> {
    let numbers = prop_oneof![0u32..0x110, 100u32..600, 400_000u32..430_000, any::<u32>()];
    (
        rung(),
        prop::sample::select(Code::ALL),
        numbers,
        any::<Option<u8>>(),
        any::<bool>(),
        ".{0,40}",
    )
        .prop_map(|(rung, code, number, alert, ours, said)| {
            let from = if ours { Side::Client } else { Side::Server };
            let fault = Fault::new(rung, code)
                .number(number)
                .detail(said.as_bytes());
            alert.map_or(fault, |number| fault.alert(Alert::fatal(from, number)))
        })
}

fn change() -> impl Strategy<Value = Change> {
    prop::sample::select(vec![
        Change::Nothing,
        Change::Direct,
        Change::EnvironmentProxy,
        Change::ServerName,
        Change::NoAlpn,
        Change::EverySuite,
        Change::TlsVersion(Version::Tls12),
        Change::TlsVersion(Version::Tls13),
        Change::Transport(Wss, 443),
        Change::Transport(Mqtts, 8883),
        Change::Mss(400),
        Change::ClientId,
        Change::AnySource,
        Change::AnnouncedPrefix,
        Change::OneSubprotocol,
        Change::Path("/mqtt"),
        Change::Resolver(socket("10.0.0.2:53")),
    ])
}

fn probe_of() -> impl Strategy<Value = Probe> {
    prop_oneof![
        (change(), rung()).prop_map(|(change, until)| Probe::Climb { change, until }),
        rung().prop_map(|on| Probe::Linger { on }),
        Just(Probe::Date),
        Just(Probe::Rest),
    ]
}

fn answer() -> impl Strategy<Value = crate::evidence::Climb> {
    (
        rung(),
        prop::option::of(fault()),
        any::<bool>(),
        any::<Option<i64>>(),
        any::<u32>(),
    )
        .prop_map(|(until, fault, http, date, hub_code)| {
            let mut climb = came_to(until);
            climb.fault = fault;
            climb.http = http.then(|| HttpHead {
                date,
                hub_code,
                ..head(401)
            });
            climb.chain = vec![certificate("broker.example", "Other CA")];
            climb
        })
}

/// Whatever a client may have seen, sensible or not.
fn made() -> impl Strategy<Value = Made> {
    let base = (
        scheme(),
        any::<u16>(),
        prop::option::of(fault()),
        prop::option::of(0i64..1 << 40),
    );
    let probes = prop::collection::vec((probe_of(), answer()), 0..5);
    let lint = prop::collection::vec(
        (
            prop::sample::select(vec![
                "TP-DEV-001",
                "TP-DEV-027",
                "TP-TLS-031",
                "TP-HUB-004",
                "TP-MQTT-023",
                "TP-TLS-046",
            ]),
            any::<bool>(),
        ),
        0..3,
    );
    (base, probes, lint, any::<[bool; 8]>(), "[ -~]{0,20}").prop_map(
        |((scheme, port, fault, clock_at), probes, lint, flags, text)| {
            let [
                proxied,
                hub,
                dps,
                token,
                certificates,
                asked,
                cut_short,
                lint_only,
            ] = flags;
            let mut made = stands(scheme, port);
            if let Some(fault) = fault {
                made.evidence.climb = Some(climb(scheme, Some((fault.rung, fault.code))));
                made.climb().fault = Some(fault);
            }
            made = made.target(|target| {
                target.host.clone_from(&text);
                target.path = format!("/{text}");
                target.mqtt5 = token;
                target.password = token;
                target.client_certificate = certificates;
                target.service = match (hub, dps) {
                    (true, _) => Service::Hub,
                    (_, true) => Service::Provisioning,
                    _ => Service::Broker,
                };
            });
            if proxied {
                made = made.proxied();
            }
            if certificates {
                let mut odd = certificate(&text, "Middle");
                odd.not_before = i64::MAX;
                odd.not_after = i64::MIN;
                made = made.chain(&[odd, certificate("Middle", "Root")]);
            }
            if asked {
                made = made.tls(&[
                    agreed(Version::Tls13),
                    handshake(Side::Server, Message::CERTIFICATE_REQUEST),
                ]);
            }
            if let Some(seconds) = clock_at {
                made.evidence.clock = clock(seconds);
            }
            if cut_short {
                made.climb().steps.clear();
            }
            if lint_only {
                made.evidence.climb = None;
            }
            for (id, breaks) in lint {
                made = made.lint(id, breaks);
            }
            made.evidence.probes = probes;
            made
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_evidence_the_diagnosis_has_its_form(made in made()) {
        let told = diagnose(&made.evidence);
        let fault = made.evidence.climb.as_ref().and_then(|climb| climb.fault);
        let lint = made.evidence.lint.iter().any(|found| found.breaks);
        let breaks = told.found.iter().filter(|found| found.breaks).count();
        prop_assert_eq!(breaks > 0, fault.is_some() || lint);
        prop_assert_eq!(told.verdict == Verdict::Broken, breaks > 0);
        prop_assert!(told.found.iter().skip(breaks).all(|found| !found.breaks));
        // Each id once.
        for (at, found) in told.found.iter().enumerate() {
            let id = found.finding.id;
            let again = told.found.iter().skip(at + 1).any(|other| other.finding.id == id);
            prop_assert!(!again);
        }
        // Upwards: what stands, at most one problem, what was not reached.
        let problem = told.ladder.iter().position(|step| step.state == State::Problem);
        prop_assert_eq!(problem.is_some(), breaks > 0);
        for (at, step) in told.ladder.iter().enumerate() {
            let beyond = problem.is_some_and(|problem| at > problem);
            prop_assert_eq!(step.state == State::NotReached, beyond);
        }
        prop_assert!(told.ladder.windows(2).all(|pair| pair[0].rung < pair[1].rung));
        prop_assert_eq!(told.probes.len(), made.evidence.probes.len());
    }

    #[test]
    fn questions_come_to_an_end_and_none_is_asked_twice(
        mut made in made(),
        answers in prop::collection::vec(answer(), 12),
    ) {
        made.evidence.probes.clear();
        let mut answers = answers.into_iter().cycle();
        for _ in 0..13 {
            let questions = probe::next(&made.evidence);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let asked = made.evidence.probes.iter().any(|(asked, _)| *asked == question);
                prop_assert!(!asked, "{:?} twice", question);
                made.evidence.probes.push((question, answers.next().unwrap()));
            }
        }
        prop_assert!(probe::next(&made.evidence).is_empty());
        prop_assert!(made.evidence.probes.len() <= 12);
    }
}
