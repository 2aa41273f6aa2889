//! Attempts that end on a rung of choice: nothing of the rungs above is sent, and what the peer shows is seen.
#![cfg(feature = "openssl")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod},
    x509::{X509, X509Name},
};
use towpath::{
    Code, Event, Fault, Options, Rung, Seen, TlsOptions, Witness,
    proto::{Fact, Trace},
    tokio::Connection,
};

/// How an attempt ended, what it climbed, and what was seen.
struct Ended {
    fault: Option<Fault>,
    reached: Vec<Rung>,
    seen: Seen,
}

fn climb(options: Options) -> Ended {
    let witness = Arc::new(Witness::new());
    let options = options.witness(Arc::clone(&witness)).trace(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut reached = Vec::new();
    let fault = runtime.block_on(async {
        let mut connection = Connection::new(options);
        loop {
            match connection.next().await {
                Event::Trace(Trace {
                    rung,
                    fact: Fact::Reached,
                    ..
                }) => reached.push(rung),
                Event::Disconnected { fault, .. } => return Some(fault),
                Event::Closed => return None,
                Event::Trace(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    let seen = witness.seen();
    Ended {
        fault,
        reached,
        seen,
    }
}

/// A server of one connection. Answers its port, and what `serve` makes of the connection.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || serve(listener.accept().unwrap().0));
    (port, thread)
}

/// All that comes until the other side closes.
fn all(mut stream: impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn up_to_tcp_nothing_is_sent_whatever_lies_above() {
    for scheme in ["mqtt", "ws", "mqtts", "wss"] {
        let (port, came) = server(all);
        let url = format!("{scheme}://127.0.0.1:{port}");
        let ended = climb(Options::new(&url).unwrap().up_to(Rung::Tcp));
        assert_eq!(ended.fault, None, "{scheme}");
        assert_eq!(ended.reached, [Rung::Tcp], "{scheme}");
        assert_eq!(ended.seen.peer.unwrap().port(), port);
        assert!(ended.seen.local.is_some());
        assert_eq!(came.join().unwrap(), b"", "{scheme}");
    }
}

#[test]
fn up_to_the_name_there_is_no_connection() {
    // Port 1 has no server on any machine of sense, so that a connection would break.
    let options = Options::new("mqtt://localhost:1").unwrap().up_to(Rung::Dns);
    let ended = climb(options);
    assert_eq!((ended.fault, &*ended.reached), (None, &[Rung::Dns][..]));
    assert_eq!(ended.seen, Seen::default());
}

#[test]
fn up_to_the_upgrade_no_packet_is_sent_and_the_answer_is_seen() {
    let (port, came) = server(|mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            .unwrap();
        let accept =
            openssl::sha::sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
        let accept = openssl::base64::encode_block(&accept);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nServer: here\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).unwrap();
        all(stream)
    });
    let url = format!("ws://127.0.0.1:{port}/mqtt");
    let ended = climb(Options::new(&url).unwrap().up_to(Rung::Upgrade));
    assert_eq!(ended.fault, None);
    assert_eq!(ended.reached, [Rung::Tcp, Rung::Upgrade, Rung::Ws]);
    let answer = String::from_utf8(ended.seen.answer).unwrap();
    assert!(answer.contains("Server: here"), "{answer}");
    // A close frame, masked, with its code of two bytes.
    let came = came.join().unwrap();
    assert_eq!((came.len(), came.first()), (8, Some(&0x88)), "{came:?}");
}

#[test]
fn an_answer_that_never_completes_is_seen_as_far_as_it_came() {
    let (port, came) = server(|mut stream| {
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes);
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nServer: here\r\n");
        all(stream)
    });
    let options = Options::new(&format!("ws://127.0.0.1:{port}/mqtt")).unwrap();
    let ended = climb(
        options
            .patience(Duration::from_millis(300))
            .reconnect(towpath::Reconnect::Never),
    );
    assert_eq!(ended.fault.unwrap().code, Code::UpgradeTimeout);
    assert!(ended.seen.answer.ends_with(b"Server: here\r\n"));
    came.join().unwrap();
}

#[test]
fn a_silence_shows_whether_the_peer_closes_by_itself() {
    for scheme in ["mqtt", "ws", "mqtts", "wss"] {
        let (port, came) = server(|stream| {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            all(stream)
        });
        let url = format!("{scheme}://127.0.0.1:{port}");
        let patient = Options::new(&url)
            .unwrap()
            .reconnect(towpath::Reconnect::Never)
            .linger_on(Rung::Tcp, Duration::from_secs(30));
        let ended = climb(patient);
        assert_eq!(ended.fault.unwrap().code, Code::Closed, "{scheme}");
        assert_eq!(came.join().unwrap(), b"", "{scheme}");

        let (port, came) = server(all);
        let url = format!("{scheme}://127.0.0.1:{port}");
        let silence = Duration::from_millis(20);
        let ended = climb(Options::new(&url).unwrap().linger_on(Rung::Tcp, silence));
        assert_eq!(ended.fault, None, "{scheme}");
        assert_eq!(came.join().unwrap(), b"", "{scheme}");
    }
}

/// A certificate that signed itself, for localhost, and its key.
fn certificate() -> (X509, PKey<openssl::pkey::Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    let extension = openssl::x509::extension::SubjectAlternativeName::new()
        .dns("localhost")
        .build(&builder.x509v3_context(None, None))
        .unwrap();
    builder.append_extension(extension).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// A TLS server of one connection that tells whether the handshake was completed, and what came inside.
fn secure() -> (X509, u16, JoinHandle<Option<Vec<u8>>>) {
    let (certificate, key) = certificate();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    let acceptor = acceptor.build();
    let (port, came) = server(move |stream| acceptor.accept(stream).ok().map(all));
    (certificate, port, came)
}

fn backends() -> &'static [towpath::tls::Backend] {
    towpath::tls::Backend::ALL
}

#[test]
fn up_to_tls_no_request_is_sent_and_the_chain_is_seen() {
    for backend in backends() {
        for scheme in ["mqtts", "wss"] {
            let (certificate, port, came) = secure();
            let tls = TlsOptions::new()
                .backend(*backend)
                .ca(certificate.to_pem().unwrap());
            let url = format!("{scheme}://localhost:{port}");
            let options = Options::new(&url).unwrap().tls(tls);
            let ended = climb(
                options
                    .families(towpath::net::Families::V4)
                    .up_to(Rung::Tls),
            );
            assert_eq!(ended.fault, None, "{backend:?} {scheme}");
            assert_eq!(ended.reached.last(), Some(&Rung::Tls));
            assert_eq!(ended.seen.chain, [certificate.to_der().unwrap()]);
            assert_eq!(
                came.join().unwrap(),
                Some(Vec::new()),
                "{backend:?} {scheme}"
            );
        }
    }
}

#[test]
fn a_certificate_that_is_refused_is_seen_too() {
    for backend in backends() {
        let (certificate, port, came) = secure();
        let (other, _) = self::certificate();
        let tls = TlsOptions::new()
            .backend(*backend)
            .ca(other.to_pem().unwrap());
        let options = Options::new(&format!("mqtts://localhost:{port}")).unwrap();
        let options = options
            .tls(tls)
            .families(towpath::net::Families::V4)
            .reconnect(towpath::Reconnect::Never);
        let ended = climb(options);
        assert!(ended.fault.is_some(), "{backend:?}");
        assert_eq!(
            ended.seen.chain,
            [certificate.to_der().unwrap()],
            "{backend:?}"
        );
        let _ = came.join();
    }
}

#[test]
fn a_name_that_is_not_told_is_verified_all_the_same() {
    for backend in backends() {
        for host in ["localhost", "127.0.0.1"] {
            let (certificate, port, came) = secure();
            let tls = TlsOptions::new()
                .backend(*backend)
                .ca(certificate.to_pem().unwrap())
                .tells_name(false);
            let options = Options::new(&format!("mqtts://{host}:{port}")).unwrap();
            let options = options
                .tls(tls)
                .families(towpath::net::Families::V4)
                .reconnect(towpath::Reconnect::Never)
                .up_to(Rung::Tls);
            let fault = climb(options).fault.map(|fault| fault.code);
            let expected = (host != "localhost").then_some(Code::ServerCertificateName);
            assert_eq!(fault, expected, "{backend:?} {host}");
            let _ = came.join();
        }
    }
}
