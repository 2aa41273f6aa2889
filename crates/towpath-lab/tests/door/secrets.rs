//! What must not pass: a renegotiation without its question.

use std::io::Write as _;

use openssl::ssl::SslOptions;
use towpath_lab::{
    Lab,
    config::Front,
    fault::{Kind, Setting},
};

use crate::{
    client::lab,
    raw::{ORDINARY, Raw, beside, head, upgrade},
};

/// Asks for WebSocket: the head of the answer, or OpenSSL's words.
async fn ask(raw: Raw, port: u16) -> Result<String, String> {
    beside(move || {
        let mut stream = raw.connect(port);
        let request = upgrade("/$iothub/websocket", ORDINARY);
        stream.write_all(request.as_bytes()).expect("a request");
        head(&mut stream).map_err(|error| error.to_string())
    })
    .await
}

fn renegotiated(lab: &Lab) -> Vec<String> {
    let log = lab.log().since(0);
    let ours = log.iter().filter(|one| one.name == "Renegotiated");
    ours.map(|one| one.text.clone()).collect()
}

/// OpenSSL's client offers its session again in a renegotiation. A server that took it up would ask for no
/// certificate.
#[tokio::test]
async fn no_certificate_passes_by_resumption_in_the_renegotiation() {
    let required = lab(|config| config.tls.front = Front::Require).await;
    let port = required.https().port();
    let refused = ask(Raw::new(&required), port).await;
    let refused = refused.expect_err("a client without a certificate");
    assert!(refused.contains("handshake failure"), "{refused}");
    let granted = ask(Raw::new(&required).certified(&required), port).await;
    assert!(granted.expect("an answer").starts_with("HTTP/1.1 101"));
    let told = renegotiated(&required);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("client certificate CN=cert"), "{told:?}");
}

/// A client that allows it renegotiates with a server that seems to know nothing of RFC 5746: both have the same view
/// of what was said.
#[tokio::test]
async fn the_old_renegotiation_works_for_those_who_want_it() {
    let plain = lab(|_| {}).await;
    plain
        .faults()
        .switch_on(Setting::new(Kind::RenegotiateLegacy))
        .expect("a switch");
    let legacy = || {
        Raw::new(&plain).certified(&plain).change(|builder| {
            builder.set_options(SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
        })
    };
    let answer = ask(legacy(), plain.https().port()).await;
    assert!(answer.expect("an answer").starts_with("HTTP/1.1 101"));
    let told = renegotiated(&plain);
    assert!(told[0].ends_with("client certificate CN=cert"), "{told:?}");
    // The same client knows it for an old server.
    plain.faults().clear();
    let strict = ask(Raw::new(&plain).certified(&plain), plain.https().port()).await;
    assert!(strict.expect("an answer").starts_with("HTTP/1.1 101"));
}

/// Records as a fault wants them.
#[tokio::test]
async fn records_are_small_or_large() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    for (fault, check) in [
        (
            "record-small=100",
            (|len| len <= 100 + 24) as fn(usize) -> bool,
        ),
        ("record-small=600", |len| len <= 600 + 24),
        ("record-large", |len| len > 8000),
    ] {
        for fault in [fault, "upgrade-large=8192"] {
            let setting = fault.parse().expect("a setting");
            lab.faults().switch_on(setting).expect("a switch");
        }
        let (raw, port) = (Raw::new(&lab), lab.https().port());
        let records = beside(move || {
            let mut stream = raw.connect(port);
            let request = upgrade("/$iothub/websocket", ORDINARY);
            stream.write_all(request.as_bytes()).expect("a request");
            let head = head(&mut stream).expect("an answer");
            assert!((8170..=8192).contains(&head.len()), "{}", head.len());
            stream.get_ref().records()
        })
        .await;
        let data = records.iter().filter(|(kind, _)| *kind == 23);
        let lens: Vec<_> = data.map(|(_, len)| *len).collect();
        assert!(
            !lens.is_empty() && lens.iter().all(|len| check(*len)),
            "{fault}: {lens:?}"
        );
        lab.faults().clear();
    }
}
