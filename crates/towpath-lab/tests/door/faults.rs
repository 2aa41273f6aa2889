//! Each fault up to WebSocket: what the client makes of it, with both back-ends, on both listeners.

use std::time::Duration;

use towpath::{
    Code, Rung,
    tls::{Backend, TlsOptions},
};
use towpath_lab::{
    Lab,
    config::Front,
    fault::{Kind, Setting},
};

use crate::client::{As, BACKENDS, Way, attempt, lab, options, options_with};

/// How long a client waits for a server that is silent at once.
const SHORT: Duration = Duration::from_millis(1000);

/// The same for one that becomes silent when much has been said.
const LONGER: Duration = Duration::from_millis(3000);

/// What a connection came to: CONNACK, or one of these.
type Came = &'static [(Rung, Code)];

const FINE: Came = &[];

/// What a fault does to a device with a certificate: over MQTTS, and over WebSocket.
fn expected(kind: Kind, backend: Backend) -> (Came, Came) {
    use Rung::{Mqtt, Tcp, Tls, Upgrade, Ws};
    let both = |came: Came| (came, came);
    let ws = |came: Came| (FINE, came);
    match kind {
        // The reset may come before the client has taken the connection for open.
        Kind::AcceptReset => both(&[
            (Tcp, Code::Refused),
            (Tcp, Code::Reset),
            (Tls, Code::TlsClosed),
        ]),
        Kind::AcceptClose | Kind::HelloClose | Kind::CertificateClose => {
            both(&[(Tls, Code::TlsClosed)])
        }
        Kind::AcceptSilent | Kind::HelloSilent | Kind::Drip => both(&[(Tls, Code::TlsTimeout)]),
        Kind::HelloPlain => both(&[(Tls, Code::PeerNotTls)]),
        Kind::HandshakeClose => (
            &[(Tls, Code::ClientCertificateUnanswered)],
            &[(Upgrade, Code::Closed)],
        ),
        Kind::CertExpired => both(&[(Tls, Code::ServerCertificateExpired)]),
        Kind::CertNotYet => both(&[(Tls, Code::ServerCertificateFuture)]),
        Kind::CertWrongName => both(&[(Tls, Code::ServerCertificateName)]),
        Kind::CertUnknownRoot | Kind::CertSelfSigned => {
            both(&[(Tls, Code::ServerCertificateUntrusted)])
        }
        Kind::CertNoChain => both(&[(Tls, Code::ServerChainIncomplete)]),
        // With a certificate to show, Mbed TLS stays at 1.2 on 443.
        Kind::Tls13Only if backend == Backend::Mbed => ws(&[(Tls, Code::NoCommonVersion)]),
        Kind::RenegotiateNone => ws(&[(Mqtt, Code::ConnectRefused)]),
        Kind::RenegotiateLegacy => ws(&[(Tls, Code::RenegotiationInsecure)]),
        Kind::RenegotiateDelay => ws(&[(Tls, Code::RenegotiationTimeout)]),
        Kind::RenegotiateTwice => ws(&[(Tls, Code::RenegotiationAgain)]),
        Kind::GetClose => ws(&[(Upgrade, Code::Closed)]),
        Kind::GetSilent | Kind::UpgradeLost => ws(&[(Upgrade, Code::UpgradeTimeout)]),
        Kind::UpgradeStatus => ws(&[(Upgrade, Code::ServerError)]),
        Kind::UpgradeNoSubprotocol => ws(&[(Upgrade, Code::NoSubprotocol)]),
        Kind::UpgradeSubprotocol => ws(&[(Upgrade, Code::WrongSubprotocol)]),
        Kind::UpgradeAccept => ws(&[(Upgrade, Code::WrongAccept)]),
        Kind::UpgradedClose => ws(&[(Mqtt, Code::Closed)]),
        Kind::FramesText => ws(&[(Ws, Code::FrameText)]),
        Kind::FramesMasked => ws(&[(Ws, Code::FrameMask)]),
        Kind::CloseCode => ws(&[(Ws, Code::WsClosed)]),
        _ => (FINE, FINE),
    }
}

/// Whether the client has to lose its patience with it.
const fn is_silent(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AcceptSilent
            | Kind::HelloSilent
            | Kind::Drip
            | Kind::RenegotiateDelay
            | Kind::GetSilent
            | Kind::UpgradeLost
    )
}

fn setting(kind: Kind) -> Setting {
    let setting = Setting::new(kind);
    match kind {
        Kind::HandshakeSlow => setting.number(100),
        _ => setting,
    }
}

async fn suffer(lab: &Lab, kind: Kind) {
    for backend in BACKENDS {
        let (mqtts, wss) = expected(kind, backend);
        for (way, expected) in [(Way::Mqtts, mqtts), (Way::Wss, wss)] {
            let mut options = options(lab, way, As::Certificate, backend);
            if is_silent(kind) {
                options = options.patience(if is_of_443(kind) { LONGER } else { SHORT });
            }
            let came = attempt(options).await;
            let cell = format!("{kind} {backend:?} {way:?}: {came:?}");
            match came {
                Ok(()) => assert!(expected.is_empty(), "{cell}"),
                Err(fault) => assert!(expected.contains(&(fault.rung, fault.code)), "{cell}"),
            }
        }
    }
}

/// Whether it is done on 443 only.
fn is_of_443(kind: Kind) -> bool {
    kind.rung() >= Rung::Upgrade || kind.name().starts_with("renegotiate")
}

async fn each(of: impl Fn(Kind) -> bool) {
    let lab = lab(|_| {}).await;
    for kind in Kind::ALL.iter().copied().filter(|kind| of(*kind)) {
        let number = lab.faults().switch_on(setting(kind)).expect("a switch");
        suffer(&lab, kind).await;
        let done = lab.faults().on().first().expect("the switch").done;
        let expected = if is_of_443(kind) { 2 } else { 4 };
        assert_eq!(done, expected, "{kind} was done");
        assert!(lab.faults().switch_off(number));
    }
    for way in [Way::Mqtts, Way::Wss] {
        let came = attempt(options(&lab, way, As::Certificate, Backend::OpenSsl)).await;
        assert_eq!(came, Ok(()), "{way:?} as it was before");
    }
}

#[tokio::test]
async fn of_tcp() {
    // When a reset comes it meets the client anywhere: see `a_reset_is_one`.
    each(|kind| kind.rung() == Rung::Tcp && kind != Kind::ResetAfter).await;
}

#[tokio::test]
async fn of_tls() {
    each(|kind| kind.rung() == Rung::Tls && !is_of_443(kind)).await;
}

#[tokio::test]
async fn of_renegotiation() {
    each(|kind| kind.rung() == Rung::Tls && is_of_443(kind)).await;
}

#[tokio::test]
async fn of_the_upgrade() {
    each(|kind| kind.rung() == Rung::Upgrade).await;
}

#[tokio::test]
async fn of_websocket() {
    each(|kind| kind.rung() == Rung::Ws).await;
}

#[tokio::test]
async fn each_status_of_the_upgrade() {
    let lab = lab(|_| {}).await;
    for (status, code) in [
        (200, Code::HttpStatus),
        (302, Code::Redirected),
        (400, Code::BadRequest),
        (401, Code::Unauthorized),
        (403, Code::Forbidden),
        (404, Code::NotFound),
        (407, Code::ProxyAuthRequired),
        (500, Code::ServerError),
        (502, Code::ServerError),
    ] {
        let setting = Setting::new(Kind::UpgradeStatus).number(status).times(1);
        lab.faults().switch_on(setting).expect("a switch");
        let came = attempt(options(&lab, Way::Wss, As::Key, Backend::OpenSsl)).await;
        let fault = came.expect_err("a refusal");
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Upgrade, code),
            "{status}: {fault}"
        );
    }
}

/// Late is instead of before: who would not be asked before is not asked late.
#[tokio::test]
async fn late_questions_are_for_those_who_would_be_asked() {
    for (front, way, expected) in [
        (Front::None, Way::Wss, 0),
        (Front::Renegotiate, Way::WssUnasked, 0),
        (Front::Renegotiate, Way::Wss, 1),
    ] {
        let lab = lab(|config| config.tls.front = front).await;
        let late = Setting::new(Kind::RenegotiateLate);
        lab.faults().switch_on(late).expect("a switch");
        let came = attempt(options(&lab, way, As::Key, Backend::OpenSsl)).await;
        assert_eq!(came, Ok(()), "{front:?} {way:?}");
        let done = lab.faults().on().first().expect("the switch").done;
        assert_eq!(done, expected, "{front:?} {way:?}");
    }
}

#[tokio::test]
async fn one_suite_only() {
    let lab = lab(|_| {}).await;
    let only = |suite: &str| format!("suite-only={suite}").parse::<Setting>();
    for (suite, code) in [
        ("ECDHE-RSA-AES128-SHA256", None),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", None),
        ("ECDHE-RSA-AES256-SHA384", Some(Code::NoCommonSuite)),
    ] {
        let number = lab.faults().switch_on(only(suite).expect("a setting"));
        let number = number.expect("a switch");
        let change = |tls: TlsOptions| {
            tls.suites([
                "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            ])
        };
        let options = options_with(&lab, Way::Mqtts, As::Key, Backend::OpenSsl, change);
        let came = attempt(options).await;
        assert_eq!(came.err().map(|fault| fault.code), code, "{suite}");
        lab.faults().switch_off(number);
    }
    // One that nobody has heard of ends that connection, and the log says why.
    let setting = only("NO-SUCH-SUITE").expect("a setting");
    lab.faults().switch_on(setting).expect("a switch");
    let came = attempt(options(&lab, Way::Mqtts, As::Key, Backend::OpenSsl)).await;
    assert_eq!(came.expect_err("no handshake").code, Code::TlsClosed);
    let log = lab.log().since(0);
    assert!(log.iter().any(|one| one.text.contains("NO-SUCH-SUITE")));
}

/// A fault of one host waits for the server's name, and then is done all the same.
#[tokio::test]
async fn for_one_host_only() {
    let lab = lab(|_| {}).await;
    for (kind, code) in [
        (Kind::CertExpired, Code::ServerCertificateExpired),
        (Kind::Drip, Code::TlsTimeout),
        (Kind::HelloClose, Code::TlsClosed),
    ] {
        for (host, expected) in [("other.example", None), ("localhost", Some(code))] {
            let setting = Setting {
                host: Some(host.into()),
                ..setting(kind)
            };
            let number = lab.faults().switch_on(setting).expect("a switch");
            let mut options = options(&lab, Way::Mqtts, As::Key, Backend::OpenSsl);
            if is_silent(kind) && expected.is_some() {
                options = options.patience(SHORT);
            }
            let came = attempt(options).await;
            assert_eq!(
                came.err().map(|fault| fault.code),
                expected,
                "{kind} {host}"
            );
            lab.faults().switch_off(number);
        }
    }
}
