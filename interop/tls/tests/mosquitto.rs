//! Mosquitto's own TLS listeners, `mqtts` and `wss`.

use std::{sync::Arc, thread};

use tls::{
    Cell::{self, Connack},
    assert_cell, backends, connect, connect_watched, exchange, mosquitto, options,
    pki::{Client, Pki, Server},
};
use towpath::{
    Code, Event, Rung, blocking,
    proto::trace,
    tls::{Backend, Fact, Sessions, Side, TlsOptions, Version},
};

backends! {
    without_a_question
    certificate_required_12
    certificate_required_13
    keys_of_servers
    the_blocking_face
    a_session_is_resumed
    a_session_that_cannot_be_used_is_ignored
}

const URLS: [&str; 2] = ["mqtts://localhost", "wss://localhost/mqtt"];

async fn run(backend: Backend, require: bool, version: Version, cells: &[(Option<Client>, Cell)]) {
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Server::Rsa, require);
    for url in URLS {
        for (client, expected) in cells {
            let tls = tls::tls(&pki, backend, *client).versions(Some(version), Some(version));
            let tls = tls.post_handshake_auth(false);
            let mut came = connect(options(url, tls)).await;
            assert_cell(&format!("{url}, {client:?}, {version}"), &came, *expected);
            if let Ok(peer) = &mut came {
                exchange(peer).await;
                peer.close().await;
            }
        }
    }
}

const fn alert(code: Code, number: u8) -> Cell {
    Cell::Fault(Rung::Tls, code, Some((Side::Server, number)))
}

async fn without_a_question(backend: Backend) {
    for version in [Version::Tls12, Version::Tls13] {
        let cells = [(None, Connack), (Some(Client::Good), Connack)];
        run(backend, false, version, &cells).await;
    }
}

async fn certificate_required_12(backend: Backend) {
    let cells = [
        (Some(Client::Good), Connack),
        (None, alert(Code::ClientCertificateMissing, 40)),
        (
            Some(Client::OtherCa),
            alert(Code::ClientCertificateUntrusted, 48),
        ),
        (
            Some(Client::Expired),
            alert(Code::ClientCertificateExpired, 45),
        ),
    ];
    run(backend, true, Version::Tls12, &cells).await;
}

/// The alert comes when this side takes the handshake to be complete; what was sent behind it must not hide it.
async fn certificate_required_13(backend: Backend) {
    let cells = [
        (Some(Client::Good), Connack),
        (None, alert(Code::ClientCertificateMissing, 116)),
        (
            Some(Client::OtherCa),
            alert(Code::ClientCertificateUntrusted, 48),
        ),
        (
            Some(Client::Expired),
            alert(Code::ClientCertificateExpired, 45),
        ),
    ];
    run(backend, true, Version::Tls13, &cells).await;
}

async fn keys_of_servers(backend: Backend) {
    let pki = Pki::kept();
    for server in [Server::Rsa4096, Server::P256, Server::P384, Server::Long] {
        let _broker = mosquitto::start(&pki, server, false);
        for url in URLS {
            let came = connect(options(url, tls::tls(&pki, backend, None))).await;
            assert_cell(&format!("{url}, {server:?}"), &came, Connack);
        }
    }
}

async fn the_blocking_face(backend: Backend) {
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Server::Rsa, true);
    for url in URLS {
        let options = options(url, tls::tls(&pki, backend, Some(Client::Good)));
        // A runtime can't be in a runtime, and this face has its own. The thread is in the same network.
        let face = thread::spawn(|| {
            let mut face = blocking::Connection::connect(options).expect("CONNACK");
            face.disconnect().expect("a farewell");
        });
        face.join().expect("no panic");
    }
}

/// What the trace tells of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shake {
    version: Version,
    resumed: bool,
    round_trips: u8,
}

async fn shake(url: &str, version: Version, tls: TlsOptions) -> Shake {
    let mut shake = Shake {
        version: Version::Tls12,
        resumed: false,
        round_trips: 0,
    };
    let tls = tls.versions(Some(version), Some(version));
    let watch = |event: &Event| {
        let Event::Trace(trace) = event else { return };
        match trace.fact {
            trace::Fact::Tls(Fact::Agreed {
                version, resumed, ..
            }) => (shake.version, shake.resumed) = (version, resumed),
            trace::Fact::Tls(Fact::RoundTrips(count)) => shake.round_trips = count,
            _ => {}
        }
    };
    let came = connect_watched(options(url, tls).trace(true), watch).await;
    came.expect("CONNACK").close().await;
    shake
}

/// One round trip less in TLS 1.2, and the same number in TLS 1.3; across processes too.
async fn a_session_is_resumed(backend: Backend) {
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Server::Rsa, true);
    for (version, full, short) in [(Version::Tls12, 2, 1), (Version::Tls13, 1, 1)] {
        for url in URLS {
            let tls = tls::tls(&pki, backend, Some(Client::Good)).post_handshake_auth(false);
            let kept = Arc::new(Sessions::new());
            let first = shake(url, version, tls.clone().sessions(Arc::clone(&kept))).await;
            let second = shake(url, version, tls.clone().sessions(Arc::clone(&kept))).await;
            let bytes = kept.bytes().expect("a session");
            let elsewhere = Arc::new(Sessions::from_bytes(bytes));
            let third = shake(url, version, tls.sessions(elsewhere)).await;
            let expected = |resumed, round_trips| Shake {
                version,
                resumed,
                round_trips,
            };
            assert_eq!(first, expected(false, full), "{url}");
            assert_eq!(second, expected(true, short), "{url}");
            assert_eq!(third, expected(true, short), "{url}");
        }
    }
}

async fn a_session_that_cannot_be_used_is_ignored(backend: Backend) {
    let pki = Pki::kept();
    let _broker = mosquitto::start(&pki, Server::Rsa, false);
    let [url, _] = URLS;
    let tls = tls::tls(&pki, backend, None);
    let kept = Arc::new(Sessions::new());
    shake(url, Version::Tls12, tls.clone().sessions(Arc::clone(&kept))).await;
    let mut cut = kept.bytes().expect("a session");
    cut.truncate(cut.len() / 2);
    for bytes in [Vec::new(), b"nonsense".to_vec(), vec![0; 4096], cut] {
        let sessions = Arc::new(Sessions::from_bytes(bytes));
        let shake = shake(url, Version::Tls12, tls.clone().sessions(sessions)).await;
        assert!(!shake.resumed);
    }
}
