//! When 443 asks for the client's certificate, and what comes of it.

use std::time::Duration;

use towpath::{
    Code, Fault, Rung,
    tls::{Backend, Renegotiation, Side, TlsOptions, Version},
};
use towpath_lab::config::{Front, TlsVersion};

use crate::client::{As, BACKENDS, Way, attempt, lab, options, options_with};

const WAYS: [(Way, As); 6] = [
    (Way::Mqtts, As::Key),
    (Way::Mqtts, As::Certificate),
    (Way::Wss, As::Key),
    (Way::Wss, As::Certificate),
    (Way::WssUnasked, As::Key),
    (Way::WssUnasked, As::Certificate),
];

fn code(came: Result<(), Fault>) -> Option<Code> {
    came.err().map(|fault| fault.code)
}

#[tokio::test]
async fn each_front_with_key_and_certificate() {
    // What comes of key and certificate on 443, where the client is asked; unasked, a key is enough and a certificate
    // does not come.
    let refused = Some(Code::ConnectRefused);
    let cells = [
        (Front::None, None, refused),
        (Front::Renegotiate, None, None),
        (Front::Require, Some(Code::ClientCertificateMissing), None),
        (Front::Drop, None, None),
        (Front::Delay, None, None),
        (
            Front::Legacy,
            Some(Code::RenegotiationInsecure),
            Some(Code::RenegotiationInsecure),
        ),
    ];
    for (front, key, certificate) in cells {
        let lab = lab(|config| {
            config.tls.front = front;
            config.tls.front_delay_ms = 50;
        })
        .await;
        for backend in BACKENDS {
            for (way, proof) in WAYS {
                // OpenSSL's client does not even begin with a server without RFC 5746.
                let at_once = front == Front::Legacy && backend == Backend::OpenSsl;
                let expected = match (way, proof) {
                    (Way::Mqtts, _) => None,
                    (Way::WssUnasked, _) if at_once => Some(Code::RenegotiationInsecure),
                    (Way::WssUnasked, As::Key) => None,
                    (Way::WssUnasked, As::Certificate) => refused,
                    (Way::Wss, As::Key) => key,
                    (Way::Wss, As::Certificate) => certificate,
                };
                let came = attempt(options(&lab, way, proof, backend)).await;
                assert_eq!(
                    code(came),
                    expected,
                    "{front:?} {backend:?} {way:?} {proof:?}"
                );
            }
        }
    }
}

/// A client that does not renegotiate, as device SDKs with such a build do not.
fn refusing(tls: TlsOptions) -> TlsOptions {
    tls.renegotiation(Renegotiation::Never)
}

#[tokio::test]
async fn a_client_that_refuses_is_told_or_cut_off() {
    // The last alert: the server's, or the client's own warning.
    for (front, last) in [
        (Front::Renegotiate, (Side::Server, 40)),
        (Front::Require, (Side::Server, 40)),
        (Front::Drop, (Side::Client, 100)),
    ] {
        let lab = lab(|config| config.tls.front = front).await;
        for backend in BACKENDS {
            let options = options_with(&lab, Way::Wss, As::Certificate, backend, refusing);
            let fault = attempt(options).await.expect_err("a refusal");
            assert_eq!(
                (fault.rung, fault.code),
                (Rung::Tls, Code::RenegotiationOff),
                "{front:?} {backend:?}: {fault}"
            );
            let alert = fault.alert.map(|alert| (alert.from, alert.description));
            assert_eq!(alert, Some(last), "{front:?} {backend:?}: {fault}");
            let log = lab.log().since(0);
            let told = log.iter().rev().find(|one| one.name == "TlsFailed");
            let told = told.expect("a record");
            assert!(
                told.text.contains("refuses to renegotiate"),
                "{}",
                told.text
            );
        }
    }
}

#[tokio::test]
async fn a_delay_meets_the_clients_patience() {
    let lab = lab(|config| config.tls.front = Front::Delay).await;
    for backend in BACKENDS {
        let options = options(&lab, Way::Wss, As::Certificate, backend);
        let options = options.patience(Duration::from_secs(1));
        let fault = attempt(options).await.expect_err("impatience");
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Tls, Code::RenegotiationTimeout),
            "{backend:?}: {fault}"
        );
    }
}

/// TLS 1.3 has authentication after the handshake in place of renegotiation, if the client offers it.
#[tokio::test]
async fn tls_13() {
    for (front, unoffered) in [
        (Front::Renegotiate, Code::ConnectRefused),
        (Front::Require, Code::PostHandshakeMissing),
    ] {
        let lab = lab(|config| {
            config.tls.front = front;
            config.tls.max = TlsVersion::V13;
        })
        .await;
        let new = |tls: TlsOptions| tls.versions(Some(Version::Tls13), Some(Version::Tls13));
        for (offered, expected) in [(true, None), (false, Some(unoffered))] {
            let change = |tls| new(tls).post_handshake_auth(offered);
            let options = options_with(&lab, Way::Wss, As::Certificate, Backend::OpenSsl, change);
            let came = code(attempt(options).await);
            assert_eq!(came, expected, "{front:?} {offered}");
        }
        // A client with a key is asked too, and answers with nothing.
        let key = options_with(&lab, Way::Wss, As::Key, Backend::OpenSsl, new);
        let came = code(attempt(key).await);
        match front {
            Front::Require => assert_eq!(came, Some(Code::ClientCertificateMissing)),
            _ => assert_eq!(came, None),
        }
        // Mbed TLS can't, and stays at 1.2.
        let mbed = options(&lab, Way::Wss, As::Certificate, Backend::Mbed);
        assert_eq!(attempt(mbed).await, Ok(()), "{front:?}");
    }
}

#[tokio::test]
async fn a_session_is_taken_up_again_without_a_certificate_only() {
    for ticketless in [false, true] {
        for max in [TlsVersion::V12, TlsVersion::V13] {
            let lab = lab(|config| config.tls.max = max).await;
            let mut seen = 0;
            for (way, proof, resumed) in [
                (Way::Mqtts, As::Key, true),
                (Way::Mqtts, As::Certificate, false),
                (Way::WssUnasked, As::Key, true),
                (Way::Wss, As::Certificate, false),
            ] {
                let sessions = std::sync::Arc::default();
                for again in [false, true] {
                    let sessions = std::sync::Arc::clone(&sessions);
                    let keep = |tls: TlsOptions| tls.sessions(sessions).ticketless(ticketless);
                    let options = options_with(&lab, way, proof, Backend::OpenSsl, keep);
                    let cell = format!("{ticketless} {max:?} {way:?} {proof:?} {again}");
                    assert_eq!(attempt(options).await, Ok(()), "{cell}");
                    let log = lab.log().since(seen);
                    seen = log.last().expect("records").sequence;
                    let told = log.iter().find(|one| one.name == "TlsEstablished");
                    let told = told.expect("a handshake");
                    let is = told.text.contains(", resumed");
                    assert_eq!(is, again && resumed, "{cell}: {}", told.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_session_of_one_listener_is_none_of_the_other() {
    let lab = lab(|_| {}).await;
    let sessions = std::sync::Arc::default();
    for way in [Way::Mqtts, Way::WssUnasked] {
        let sessions = std::sync::Arc::clone(&sessions);
        let keep = |tls: TlsOptions| tls.sessions(sessions);
        let options = options_with(&lab, way, As::Key, Backend::OpenSsl, keep);
        assert_eq!(attempt(options).await, Ok(()));
    }
    let log = lab.log().since(0);
    assert!(!log.iter().any(|one| one.text.contains(", resumed")));
}
