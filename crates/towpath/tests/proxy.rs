//! The host faces behind a proxy that this test plays by hand.
#![cfg(feature = "std")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use towpath::{Code, Error, Options, Proxy, Reconnect, Rung, blocking::Connection};

/// Session not present, success, no properties.
const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";
const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
/// The proxy closes after it.
const CLOSING: &[u8] =
    b"HTTP/1.1 407 \r\nProxy-Authenticate: Basic realm=\"r\"\r\nConnection: close\r\n\r\n";
const REQUEST: &str = "CONNECT broker.invalid:1883 HTTP/1.1\r\nHost: broker.invalid:1883\r\n";

/// Reads a head of HTTP.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    String::from_utf8(head).expect("text")
}

/// A proxy with one answer for each connection, in this order. It gives the heads that it received.
fn play(answers: &'static [&'static [&'static [u8]]]) -> (Proxy, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://anna:secret@{}",
        listener.local_addr().expect("its address")
    );
    let thread = thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            heads.push(head(&mut stream));
            stream.write_all(&answer.concat()).expect("an answer");
            if answer.len() > 1 {
                // What follows is a server's: it keeps the connection until the client goes.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
        heads
    });
    (Proxy::parse(&url).expect("a good URL"), thread)
}

fn options(proxy: Proxy) -> Options {
    let options = Options::new("mqtt://broker.invalid").expect("a good URL");
    options.proxy(proxy).reconnect(Reconnect::Never)
}

#[test]
fn the_connection_is_opened_again_and_what_is_behind_the_answer_is_the_servers() {
    // CONNACK comes with the answer, before CONNECT was even sent.
    let (proxy, thread) = play(&[&[CLOSING], &[OPEN, CONNACK]]);
    let connection = Connection::connect(options(proxy)).expect("CONNACK");
    drop(connection);
    let heads = thread.join().expect("two connections");
    assert_eq!(
        heads[0],
        format!("{REQUEST}\r\n"),
        "no credentials before they are asked for"
    );
    let credentials = "Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n";
    assert_eq!(heads[1], format!("{REQUEST}{credentials}"));
}

#[test]
fn a_refusal_is_on_the_rung_of_the_proxy() {
    let (proxy, thread) = play(&[&[b"HTTP/1.1 403 Forbidden\r\n\r\n"]]);
    match Connection::connect(options(proxy)) {
        Err(Error::Path(fault)) => {
            assert_eq!(
                (fault.rung, fault.code, fault.number),
                (Rung::Proxy, Code::ProxyRefused, 403)
            );
        }
        other => panic!("{other:?}"),
    }
    thread.join().expect("one connection");
}

#[test]
fn options_keep_the_password_to_themselves() {
    let proxy = Proxy::parse("http://anna:hunter2@proxy.example").expect("a good URL");
    let shown = format!("{:?} {proxy:?} {proxy}", options(proxy.clone()));
    assert!(!shown.contains("hunter2"), "{shown}");
}
