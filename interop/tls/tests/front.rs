//! Where no program that is for sale would ask or stop: a front end that follows a list of steps.

use std::time::Duration;

use mqtt::Peer;
use tls::{
    Cell::{self, Connack},
    Legacy, assert_cell, backends, connect, connect_watched,
    front::{
        Front, Report, Setup,
        Step::{
            Agree, AnswerFlight, Ask, Connack as SayConnack, Connect, Flight, Handshake, Hear,
            Request, Serve, Show, Silence, Swallow, Switch,
        },
    },
    options,
    pki::{Client, Pki, Server},
};
use towpath::{
    Code, Event, Fault, Options, Rung,
    proto::trace,
    tls::{Backend, Fact, Renegotiation, Side, TlsOptions, Version},
};

backends! {
    asked_before_the_101
    asked_after_the_101
    asked_for_no_reason
    asked_twice
    asked_after_connack
    asked_with_another_certificate
    refused_and_cut
    never_answered
    closed_at_each_step
    without_rfc_5746
    the_trace_tells_it_in_order
    an_alert_is_read_in_spite_of_a_reset
}

const SAID: &[tls::front::Step] = &[Switch, Connect, SayConnack, Serve];

/// A front end and what towpath's way to it came to.
struct Run {
    came: Result<Peer, Fault>,
    report: Report,
}

async fn run(setup: Setup, steps: &[&[tls::front::Step]], tls: TlsOptions) -> Run {
    run_with(setup, steps, tls, |options| options).await
}

async fn run_with(
    setup: Setup,
    steps: &[&[tls::front::Step]],
    tls: TlsOptions,
    change: impl FnOnce(Options) -> Options,
) -> Run {
    let front = Front::start(&Pki::kept(), setup, &steps.concat());
    let came = connect(change(options(&url(front.port()), tls))).await;
    // The front end serves until the client is gone.
    let came = match came {
        Ok(mut peer) => {
            peer.close().await;
            Ok(peer)
        }
        Err(fault) => Err(fault),
    };
    let report = front.report();
    Run { came, report }
}

fn url(port: u16) -> String {
    format!("wss://localhost:{port}/$iothub/websocket")
}

fn good(backend: Backend) -> TlsOptions {
    tls::tls(&Pki::kept(), backend, Some(Client::Good))
}

const fn alert(code: Code, number: u8) -> Cell {
    Cell::Fault(Rung::Tls, code, Some((Side::Server, number)))
}

const V13: Setup = Setup {
    certificate: Server::Rsa,
    v13: true,
    first: false,
};

/// Both versions; the server sees the certificate, or says that it is missing.
async fn asked(backend: Backend, steps: &[&[tls::front::Step]]) {
    for setup in [Setup::default(), V13] {
        let cell = format!("{setup:?}");
        let too_new = setup.v13 && backend == Backend::Mbed;
        let run_good = run(setup, steps, good(backend)).await;
        let expected = if too_new {
            alert(Code::NoCommonVersion, 70)
        } else {
            Connack
        };
        assert_cell(&cell, &run_good.came, expected);
        if too_new {
            continue;
        }
        assert_eq!(run_good.report.failed, None, "{cell}");
        assert_eq!(run_good.report.client.as_deref(), Some("device-1"));
        let tls = tls::tls(&Pki::kept(), backend, None);
        let run_without = run(setup, steps, tls).await;
        let number = if setup.v13 { 116 } else { 40 };
        let expected = alert(Code::ClientCertificateMissing, number);
        assert_cell(&cell, &run_without.came, expected);
    }
}

async fn asked_before_the_101(backend: Backend) {
    asked(backend, &[&[Handshake, Request, Ask, Agree], SAID]).await;
}

/// CONNECT may be on its way already; it comes before, within or behind the renegotiation.
async fn asked_after_the_101(backend: Backend) {
    let steps = [
        Handshake, Request, Switch, Ask, Agree, Connect, SayConnack, Serve,
    ];
    asked(backend, &[&steps]).await;
}

/// Over `mqtts` there is no path that a server would have to see first, therefore the default is to refuse.
async fn asked_for_no_reason(backend: Backend) {
    let front = Front::start(
        &Pki::kept(),
        Setup::default(),
        &[Handshake, Connect, Ask, Agree, SayConnack, Serve],
    );
    let url = format!("mqtts://localhost:{}", front.port());
    let came = connect(options(&url, good(backend))).await;
    assert_cell("mqtts", &came, alert(Code::RenegotiationOff, 40));
    let failed = front.report().failed.expect("a refusal");
    assert!(failed.contains("no renegotiation"), "{failed}");
}

async fn asked_twice(backend: Backend) {
    let twice = [Handshake, Request, Ask, Agree, Ask, Agree];
    let Run { came, report } = run(Setup::default(), &[&twice, SAID], good(backend)).await;
    assert_cell("twice", &came, alert(Code::RenegotiationAgain, 40));
    assert_eq!(report.done, 5, "{report:?}");
}

async fn asked_after_connack(backend: Backend) {
    let late = [
        Handshake, Request, Switch, Connect, SayConnack, Ask, Agree, Serve,
    ];
    let front = Front::start(&Pki::kept(), Setup::default(), &late);
    let mut peer = connect(options(&url(front.port()), good(backend)))
        .await
        .expect("CONNACK");
    let fault: Result<(), _> = Err(peer.fault().await);
    assert_cell("late", &fault, alert(Code::RenegotiationLate, 40));
    assert_eq!(front.report().done, 6);
}

/// Another certificate for the same name, by the same CA, and still not the server that the request went to.
async fn asked_with_another_certificate(backend: Backend) {
    let other = [Handshake, Request, Show(Server::P256), Ask, Agree];
    let Run { came, report } = run(Setup::default(), &[&other, SAID], good(backend)).await;
    let fault = came.expect_err("another certificate");
    assert_eq!(
        (fault.rung, fault.code),
        (Rung::Tls, Code::RenegotiationIdentity),
        "{fault}"
    );
    assert_eq!(report.done, 4, "nothing was shown to it: {report:?}");
    assert_eq!(report.client, None);
}

/// A front end that takes the refusal for the end and says nothing.
async fn refused_and_cut(backend: Backend) {
    let steps = [Handshake, Request, Ask, Swallow];
    let tls = good(backend).renegotiation(Renegotiation::Never);
    let Run { came, .. } = run(Setup::default(), &[&steps], tls).await;
    let expected = Cell::Fault(Rung::Tls, Code::RenegotiationOff, Some((Side::Client, 100)));
    assert_cell("cut", &came, expected);
    if backend == Backend::Mbed {
        // What a device logs, and nothing else.
        let line = came.map(|_| ()).expect_err("a fault").to_string();
        assert!(line.contains("Mbed TLS error -0x7280"), "{line}");
    }
}

async fn never_answered(backend: Backend) {
    let cells: [(&[tls::front::Step], Code); 3] = [
        (&[Silence], Code::TlsTimeout),
        (&[Flight, Silence], Code::TlsTimeout),
        (
            &[Handshake, Request, Ask, Silence],
            Code::RenegotiationTimeout,
        ),
    ];
    for (steps, code) in cells {
        let hasty = |options: Options| options.patience(Duration::from_millis(1000));
        let Run { came, .. } = run_with(Setup::default(), &[steps], good(backend), hasty).await;
        assert_cell(
            &format!("{steps:?}"),
            &came,
            Cell::Fault(Rung::Tls, code, None),
        );
        assert_eq!(came.expect_err("a timeout").number, 1000);
    }
}

/// Closed by an end where everything was read, by a reset where something was left.
async fn closed_at_each_step(backend: Backend) {
    let cells: [(&[tls::front::Step], Rung, &[Code]); 8] = [
        (&[Hear], Rung::Tls, &[Code::TlsClosed]),
        (&[Swallow], Rung::Tls, &[Code::TlsClosed]),
        (&[Flight, Swallow], Rung::Tls, &[Code::TlsClosed]),
        (&[Handshake, Request], Rung::Upgrade, &[Code::Closed]),
        (
            &[Handshake, Request, Ask, Swallow],
            Rung::Tls,
            &[Code::RenegotiationClosed],
        ),
        (
            &[Handshake, Request, Ask, AnswerFlight, Swallow],
            Rung::Tls,
            &[Code::RenegotiationClosed],
        ),
        // CONNECT may be on its way when the connection ends.
        (
            &[Handshake, Request, Switch],
            Rung::Mqtt,
            &[Code::Closed, Code::Reset],
        ),
        (
            &[Handshake, Request, Switch, Connect],
            Rung::Mqtt,
            &[Code::Closed],
        ),
    ];
    for (steps, rung, codes) in cells {
        let Run { came, .. } = run(Setup::default(), &[steps], good(backend)).await;
        let fault = came.expect_err("a closed connection");
        let cell = format!("{steps:?}: {fault}");
        assert_eq!(fault.rung, rung, "{cell}");
        assert!(codes.contains(&fault.code), "{cell}");
        assert_eq!(fault.alert, None, "{cell}");
    }
}

/// GnuTLS with RFC 5746 switched off. OpenSSL does not even begin with such a server.
async fn without_rfc_5746(backend: Backend) {
    let pki = Pki::kept();
    let legacy = Legacy::start(&pki, true);
    let came = connect(options(&url(legacy.port()), good(backend))).await;
    let fault = came.map(|_| ()).expect_err("an unsafe renegotiation");
    assert_eq!(
        (fault.rung, fault.code),
        (Rung::Tls, Code::RenegotiationInsecure),
        "{fault}"
    );
    assert!(!legacy.log().contains("renegotiated"));
}

/// Whether a fact is the one that is looked for.
type Is = fn(&trace::Trace) -> bool;

async fn the_trace_tells_it_in_order(backend: Backend) {
    let steps = [&[Handshake, Request, Ask, Agree], SAID].concat();
    let front = Front::start(&Pki::kept(), Setup::default(), &steps);
    let options = options(&url(front.port()), good(backend)).trace(true);
    let mut told = Vec::new();
    let came = connect_watched(options, |event| {
        if let Event::Trace(trace) = event {
            told.push(*trace);
        }
    });
    came.await.expect("CONNACK").close().await;
    let expected: [(&str, Is); 8] = [
        ("agreed", |t| {
            is(t, |fact| matches!(fact, Fact::Agreed { .. }))
        }),
        ("reached", |t| {
            t.rung == Rung::Tls && t.fact == trace::Fact::Reached
        }),
        ("GET", |t| matches!(t.fact, trace::Fact::Sent("GET", _))),
        ("HelloRequest", |t| {
            is(t, |fact| matches!(fact, Fact::HelloRequest { .. }))
        }),
        ("taken up", |t| is(t, |fact| fact == Fact::Renegotiating)),
        ("complete", |t| is(t, |fact| fact == Fact::Renegotiated)),
        ("101", |t| matches!(t.fact, trace::Fact::Received("101", _))),
        ("CONNACK", |t| {
            matches!(t.fact, trace::Fact::Received("CONNACK", _))
        }),
    ];
    let mut rest = told.iter();
    for (name, is_it) in expected {
        assert!(rest.any(is_it), "{name} in its place in {told:#?}");
    }
}

fn is(trace: &trace::Trace, what: impl Fn(Fact) -> bool) -> bool {
    matches!(trace.fact, trace::Fact::Tls(fact) if what(fact))
}

/// In TLS 1.3 the server finds out about the certificate when the request is behind it already. It closes with bytes
/// unread, so that a reset follows the alert.
async fn an_alert_is_read_in_spite_of_a_reset(backend: Backend) {
    let tls = || {
        let tls = tls::tls(&Pki::kept(), backend, None);
        tls.versions(Some(Version::Tls13), Some(Version::Tls13))
    };
    for _ in 0..20 {
        let setup = Setup { first: true, ..V13 };
        let Run { came, report } = run(setup, &[&[Handshake, Request], SAID], tls()).await;
        assert_eq!(report.done, 0, "{report:?}");
        assert_cell("reset", &came, alert(Code::ClientCertificateMissing, 116));
    }
}
