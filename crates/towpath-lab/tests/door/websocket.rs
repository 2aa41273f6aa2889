//! Frames of all kinds.

use std::io::{Read as _, Write as _};

use openssl::ssl::SslStream;
use towpath::proto::ws::{Opcode, frame};
use towpath_lab::{Lab, config::Front};

use crate::{
    client::lab,
    raw::{ORDINARY, Raw, Tap, beside, head, upgrade},
};

const MASK: [u8; 4] = [1, 2, 3, 4];

fn framed(fin: bool, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = vec![0; payload.len() + frame::HEADER_MAX];
    let len = frame::write(&mut out, fin, opcode, payload, mask).expect("room");
    out.truncate(len);
    out
}

/// A client behind the 101.
fn open(raw: Raw, port: u16) -> SslStream<Tap> {
    let mut stream = raw.connect(port);
    let request = upgrade("/$iothub/websocket", ORDINARY);
    stream.write_all(request.as_bytes()).expect("a request");
    assert!(
        head(&mut stream)
            .expect("an answer")
            .starts_with("HTTP/1.1 101")
    );
    stream
}

/// Sends bytes and gives everything that comes until the end.
async fn say(lab: &Lab, bytes: Vec<u8>) -> Vec<u8> {
    let (raw, port) = (Raw::new(lab), lab.https().port());
    beside(move || {
        let mut stream = open(raw, port);
        stream.write_all(&bytes).expect("frames");
        let mut came = Vec::new();
        stream.read_to_end(&mut came).expect("an end");
        came
    })
    .await
}

#[tokio::test]
async fn a_rule_that_is_broken_has_its_code() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    for (bytes, code) in [
        (framed(true, Opcode::Text, b"x", Some(MASK)), 1003),
        (framed(true, Opcode::Binary, b"x", None), 1002),
        (framed(true, Opcode::Continuation, b"x", Some(MASK)), 1002),
        (framed(false, Opcode::Ping, b"x", Some(MASK)), 1002),
        (vec![0xc2, 0x81, 0, 0, 0, 0, 0], 1002),
        (framed(true, Opcode::Close, b"\x03", Some(MASK)), 1002),
        // Answered in kind.
        (framed(true, Opcode::Close, b"\x03\xe9", Some(MASK)), 1001),
    ] {
        let [high, low] = u16::to_be_bytes(code);
        assert_eq!(
            say(&lab, bytes.clone()).await,
            [0x88, 2, high, low],
            "{bytes:?}"
        );
    }
    let log = lab.log().since(0);
    let told = log.iter().filter(|one| one.name == "ProtocolError");
    assert_eq!(told.count(), 6);
}

#[tokio::test]
async fn a_close_without_a_code_is_answered_with_none() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let close = framed(true, Opcode::Close, b"", Some(MASK));
    assert_eq!(say(&lab, close).await, [0x88, 0]);
}

/// CONNECT in frames of a few bytes, with pings between them and a message of fragments, as one of the SDKs does.
#[tokio::test]
async fn frames_are_a_stream() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let login = lab.login("key").expect("a key");
    let mut body = b"\0\x04MQTT\x04\xc2\0\x3c".to_vec();
    for text in [&login.client_id, &login.user_name, &login.password] {
        body.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut connect = vec![0x10];
    let (low, high) = (body.len() % 128, body.len() / 128);
    connect.extend([
        u8::try_from(low | 128).unwrap(),
        u8::try_from(high).unwrap(),
    ]);
    connect.extend(&body);
    let mut bytes = Vec::new();
    let (first, rest) = connect.split_at(9);
    for piece in [&first[..1], &first[1..2], &[], &first[2..]] {
        bytes.extend(framed(true, Opcode::Binary, piece, Some(MASK)));
        bytes.extend(framed(true, Opcode::Ping, b"p", Some(MASK)));
    }
    for (at, piece) in rest.chunks(100).enumerate() {
        let opcode = if at == 0 {
            Opcode::Binary
        } else {
            Opcode::Continuation
        };
        let fin = (at + 1) * 100 >= rest.len();
        bytes.extend(framed(fin, opcode, piece, Some(MASK)));
    }
    let (raw, port) = (Raw::new(&lab), lab.https().port());
    let came = beside(move || {
        let mut stream = open(raw, port);
        stream.write_all(&bytes).expect("frames");
        let mut came = vec![0; 4 * 3 + 6];
        stream.read_exact(&mut came).expect("pongs and CONNACK");
        stream
            .write_all(&framed(true, Opcode::Binary, b"\xe0\0", Some(MASK)))
            .expect("DISCONNECT");
        let mut end = Vec::new();
        stream.read_to_end(&mut end).expect("an end");
        (came, end)
    })
    .await;
    let expected = [b"\x8a\x01p".repeat(4), b"\x82\x04\x20\x02\0\0".to_vec()].concat();
    assert_eq!(came.0, expected);
    assert_eq!(came.1, [0x88, 2, 0x03, 0xe8]);
}

/// A client that pings and never reads: the lab's memory does not grow, and the lab lives.
#[tokio::test]
async fn a_flood_of_pings_meets_back_pressure() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let (raw, port) = (Raw::new(&lab), lab.https().port());
    let blocked = beside(move || {
        let mut stream = open(raw, port);
        let tcp = &stream.get_ref().tcp();
        tcp.set_write_timeout(Some(std::time::Duration::from_millis(500)))
            .expect("a socket");
        let ping = framed(true, Opcode::Ping, &[0; 125], Some(MASK)).repeat(100);
        // Far more than all buffers of two sockets.
        (0..20_000).any(|_| stream.write_all(&ping).is_err())
    })
    .await;
    assert!(blocked, "everything was read");
    assert_eq!(
        say(&lab, framed(true, Opcode::Close, b"", Some(MASK))).await,
        [0x88, 0]
    );
}
