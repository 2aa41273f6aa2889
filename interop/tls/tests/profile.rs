//! What can't be honoured is refused before the first packet, and the line says what to change.

use std::{fs, io::ErrorKind, net::TcpListener};

use mqtt::Folder;
use tls::{
    backends, connect, mosquitto, options,
    pki::{Client, Pki, Server},
};
use towpath::{
    Code, Rung,
    tls::{Backend, Clock, TlsOptions, Version},
};

backends! {
    refused_before_the_first_packet
    only_openssl_knows_the_systems_roots
    a_clock_that_is_not_set
    the_key_log
}

/// The line of a refusal; nobody was called.
async fn refused(tls: TlsOptions, code: Code) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("no waiting");
    let port = listener.local_addr().expect("an address").port();
    let came = connect(options(&format!("mqtts://127.0.0.1:{port}"), tls)).await;
    let fault = came.map(|_| ()).expect_err("a refusal");
    assert_eq!((fault.rung, fault.code), (Rung::Tls, code), "{fault}");
    let call = listener.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(call, Err(ErrorKind::WouldBlock), "somebody called");
    fault.to_string()
}

async fn refused_before_the_first_packet(backend: Backend) {
    let pki = Pki::kept();
    let plain = || tls::tls(&pki, backend, None);
    let (old, new) = (Some(Version::Tls12), Some(Version::Tls13));
    let pair = |name| fs::read(name).expect("a file");
    let good = pki.client(Client::Good);
    let name = Code::TlsProfile;
    let ca = if backend == Backend::OpenSsl {
        "root 2: no certificate"
    } else {
        "CA certificate"
    };
    let cells = [
        (plain().versions(new, old), Code::TlsProfile, "version"),
        (plain().suites(["TLS_MADE_UP"]), name, "TLS_MADE_UP"),
        (plain().groups(["made-up"]), name, "made-up"),
        (plain().signature_algorithms(["made-up"]), name, "made-up"),
        (plain().max_fragment(1000), Code::TlsProfile, "1024"),
        (plain().alpn([""]), Code::TlsProfile, "ALPN"),
        (plain().ca("no certificate"), Code::TlsMaterial, ca),
        (
            plain().identity("no certificate", pair(&good.key)),
            Code::TlsMaterial,
            "client certificate",
        ),
        (
            plain().identity(pair(&good.chain), "no key"),
            Code::TlsMaterial,
            "client key",
        ),
        (
            plain().identity(pair(&good.chain), pair(&pki.locked().key)),
            Code::TlsMaterial,
            "password",
        ),
    ];
    for (tls, code, word) in cells {
        let line = refused(tls, code).await;
        assert!(line.contains(word), "{word}: {line}");
    }
    if backend == Backend::Mbed {
        let line = refused(plain().post_handshake_auth(true), Code::TlsProfile).await;
        assert!(line.contains("1.2"), "{line}");
    }
}

/// Those do not trust the test's root, which is the proof that they were read.
async fn only_openssl_knows_the_systems_roots(backend: Backend) {
    let pki = Pki::kept();
    let tls = TlsOptions::new().backend(backend);
    if backend == Backend::Mbed {
        let line = refused(tls, Code::TlsProfile).await;
        assert!(line.contains("CA certificates"), "{line}");
        return;
    }
    let _broker = mosquitto::start(&pki, Server::Rsa, false);
    let came = connect(options("mqtts://localhost", tls)).await;
    let fault = came.map(|_| ()).expect_err("a root that nobody knows");
    assert_eq!(fault.rung, Rung::Tls, "{fault}");
    let known = [
        Code::ServerCertificateUntrusted,
        Code::ServerChainIncomplete,
    ];
    assert!(known.contains(&fault.code), "{fault}");
}

/// A device before its clock is set does not connect, unless it was told to go without dates.
async fn a_clock_that_is_not_set(backend: Backend) {
    let pki = Pki::kept();
    let plain = || tls::tls(&pki, backend, None);
    let _broker = mosquitto::start(&pki, Server::Expired, false);
    let came = |clock| connect(options("mqtts://localhost", plain().clock(clock)));
    let code = |came: Result<_, towpath::Fault>| came.map(|_| ()).map_err(|fault| fault.code);
    let unset = code(came(Clock::Given(|| None)).await);
    assert_eq!(unset, Err(Code::ClockUnset));
    // The certificate is valid in 2019.
    let in_2019 = code(came(Clock::Given(|| Some(1_560_000_000))).await);
    let root_is_younger = Err(Code::ServerCertificateFuture);
    assert_eq!(in_2019, root_is_younger);
    let now = code(came(Clock::System).await);
    assert_eq!(now, Err(Code::ServerCertificateExpired));
    assert_eq!(code(came(Clock::Unchecked).await), Ok(()));
}

async fn the_key_log(backend: Backend) {
    let pki = Pki::kept();
    let folder = Folder::new("key-log");
    let file = folder.file("keys");
    let tls = tls::tls(&pki, backend, None).key_log(&file);
    if backend == Backend::Mbed {
        let line = refused(tls, Code::TlsProfile).await;
        assert!(line.contains("key log"), "{line}");
        return;
    }
    let _broker = mosquitto::start(&pki, Server::Rsa, false);
    for (version, label) in [
        (Version::Tls12, "CLIENT_RANDOM "),
        (Version::Tls13, "CLIENT_TRAFFIC_SECRET_0 "),
    ] {
        let tls = tls.clone().versions(Some(version), Some(version));
        let came = connect(options("mqtts://localhost", tls)).await;
        came.expect("CONNACK").close().await;
        let text = fs::read_to_string(&file).expect("the key log");
        assert!(text.lines().any(|line| line.starts_with(label)), "{text}");
    }
}
