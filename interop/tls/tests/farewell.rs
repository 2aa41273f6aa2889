//! What was published before a farewell arrives, however slowly the server reads.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
};

use ::openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use tls::{
    backends, options,
    pki::{Pki, Server},
};
use towpath::{Event, QoS, Version, tls::Backend, tokio::Client};

backends! {
    everything_leaves_before_the_end
}

const MESSAGES: usize = 60;
const PAYLOAD: usize = 1000;
/// A PUBLISH to `t` with QoS 0: head of 3, topic of 3, payload.
const PUBLISH: usize = 3 + 3 + PAYLOAD;
const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A server that reads nothing behind CONNECT before it is told to. Answers all that came then.
fn serve(pki: &Pki, listener: TcpListener, go: Receiver<()>) -> JoinHandle<Vec<u8>> {
    let pair = pki.server(Server::Rsa);
    thread::spawn(move || {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        acceptor
            .set_certificate_chain_file(pair.chain)
            .expect("a chain");
        acceptor
            .set_private_key_file(pair.key, SslFiletype::PEM)
            .expect("a key");
        let (stream, _) = listener.accept().expect("a client");
        let mut stream = acceptor.build().accept(stream).expect("a handshake");
        let mut connect = [0; 512];
        assert!(stream.read(&mut connect).expect("CONNECT") > 0);
        stream.write_all(&CONNACK).expect("CONNACK leaves");
        go.recv().expect("the client goes on");
        let mut came = Vec::new();
        stream.read_to_end(&mut came).expect("all of it");
        came
    })
}

async fn everything_leaves_before_the_end(backend: Backend) {
    // Of this network alone: small enough that a farewell has to wait for the server.
    for (name, sizes) in [
        ("tcp_wmem", "4096 8192 8192"),
        ("tcp_rmem", "4096 8192 8192"),
    ] {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), sizes).expect("a network of its own");
    }
    let pki = Pki::kept();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (go, gone) = mpsc::channel();
    let server = serve(&pki, listener, gone);
    let url = format!("mqtts://localhost:{port}");
    let options = options(&url, tls::tls(&pki, backend, None)).version(Version::V311);
    let (client, mut events) = Client::spawn(options);
    assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    for _ in 0..MESSAGES {
        drop(client.publish("t", vec![7; PAYLOAD], QoS::AtMostOnce).await);
    }
    go.send(()).expect("the server waits");
    client.disconnect().await.expect("a farewell");
    let came = server.join().expect("no panic");
    assert_eq!(came.len(), MESSAGES * PUBLISH + DISCONNECT.len());
    assert!(came.ends_with(&DISCONNECT));
}
