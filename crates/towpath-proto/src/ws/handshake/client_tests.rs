extern crate std;
use std::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::fault::Blame;

const KEY: [u8; 16] = *b"the sample nonce";
const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const REQUEST: Request<'_> = Request {
    host: "hub.example:8080",
    target: "/mqtt?api-version=2021-04-12",
    subprotocols: "mqtt, mqttv3.1",
    headers: &[("Authorization", "Basic dTpw")],
    key: KEY,
};

/// How an answer ended: what follows it, the fault, or what a close in the middle would be reported as.
#[derive(Debug, PartialEq, Clone)]
enum End {
    Frames(Vec<u8>),
    Fault(Fault),
    Open(Option<Fault>),
}

/// Gives `wire` to an [`Answer`] in pieces of `size` through a buffer of `room` bytes.
fn answer(wire: &[u8], size: usize, room: usize) -> End {
    let mut answer = Answer::new(&KEY, "mqtt, mqttv3.1");
    let mut rx: Vec<u8> = Vec::new();
    let mut wire = wire;
    while !wire.is_empty() {
        let (piece, rest) = wire.split_at(size.min(wire.len()).min(room - rx.len()));
        wire = rest;
        rx.extend_from_slice(piece);
        match answer.absorb(&rx, rx.len() == room) {
            Err(fault) => return End::Fault(fault),
            Ok(progress) => {
                rx.drain(..progress.consumed);
                if progress.done {
                    return End::Frames([&rx, wire].concat());
                }
            }
        }
        assert!(rx.len() < room, "a full buffer must make progress");
    }
    End::Open(answer.eof())
}

/// The end of an answer, the same in any pieces and through a small buffer.
fn end(wire: &str) -> End {
    let whole = answer(wire.as_bytes(), usize::MAX, 1 << 20);
    for (size, room) in [(1, 128), (7, 1 << 20), (200, 128), (1, 300)] {
        assert_eq!(
            answer(wire.as_bytes(), size, room),
            whole,
            "pieces of {size} through {room}"
        );
    }
    whole
}

fn fault(wire: &str) -> Fault {
    match end(wire) {
        End::Fault(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn good_with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old));
    GOOD.replacen(old, new, 1)
}

#[test]
fn a_request_as_rfc_6455_4_1_wants_it() {
    let mut out = [0; 512];
    let len = REQUEST.encode(&mut out).unwrap();
    let expected = "GET /mqtt?api-version=2021-04-12 HTTP/1.1\r\nHost: hub.example:8080\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: mqtt, mqttv3.1\r\nAuthorization: Basic dTpw\r\n\r\n";
    assert_eq!(std::str::from_utf8(&out[..len]).unwrap(), expected);
    assert_eq!(REQUEST.encoded_len(), len);
    for short in 0..len {
        assert_eq!(REQUEST.encode(&mut out[..short]), Err(RequestError::Short));
    }
    let len = Request {
        subprotocols: "",
        ..REQUEST
    }
    .encode(&mut out)
    .unwrap();
    assert!(
        !std::str::from_utf8(&out[..len])
            .unwrap()
            .contains("Protocol")
    );
}

#[test]
fn nothing_the_caller_gives_can_add_a_line() {
    let bad = [
        Request {
            host: "",
            ..REQUEST
        },
        Request {
            host: "a\r\nX: y",
            ..REQUEST
        },
        Request {
            host: "a/b",
            ..REQUEST
        },
        Request {
            target: "",
            ..REQUEST
        },
        Request {
            target: "mqtt",
            ..REQUEST
        },
        Request {
            target: "/a b",
            ..REQUEST
        },
        Request {
            target: "/a\nb",
            ..REQUEST
        },
        Request {
            target: "/ü",
            ..REQUEST
        },
        Request {
            subprotocols: "mqtt, mqttv3.1, mqttv5, mqttv6, mqttv7, mqttv8, m",
            ..REQUEST
        },
        Request {
            subprotocols: "mqtt\r\nX: y",
            ..REQUEST
        },
        Request {
            headers: &[("X\r\n", "y")],
            ..REQUEST
        },
        Request {
            headers: &[("", "y")],
            ..REQUEST
        },
        Request {
            headers: &[("X", "y\r\nZ: z")],
            ..REQUEST
        },
        Request {
            headers: &[("X", "y\0")],
            ..REQUEST
        },
        Request {
            headers: &[("host", "other")],
            ..REQUEST
        },
        Request {
            headers: &[("sec-websocket-extensions", "permessage-deflate")],
            ..REQUEST
        },
        Request {
            headers: &[("Transfer-Encoding", "chunked")],
            ..REQUEST
        },
    ];
    for request in bad {
        let Err(RequestError::Field(fault)) = request.encode(&mut [0; 512]) else {
            panic!("{request:?}")
        };
        assert_eq!(
            (fault.code, fault.blame),
            (Code::RequestField, Blame::Usage)
        );
    }
    let tab_and_latin = Request {
        headers: &[("X", "a\tü")],
        ..REQUEST
    };
    assert!(tab_and_latin.encode(&mut [0; 512]).is_ok());
}

#[test]
fn a_101_is_followed_by_frames() {
    assert_eq!(
        end(&format!("{GOOD}\u{2}frames")),
        End::Frames(b"\x02frames".to_vec())
    );
    assert_eq!(end(GOOD), End::Frames(Vec::new()));
}

#[test]
fn servers_write_their_101_in_many_ways() {
    for wire in [
        GOOD.replace("\r\n", "\n"),
        good_with("Upgrade: websocket", "UPGRADE:WebSocket"),
        good_with("Connection: Upgrade", "connection: keep-alive,  upgrade \t"),
        good_with(
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: upgrade",
        ),
        good_with("Connection: Upgrade", "Connection : Upgrade"),
        good_with(
            "Connection: Upgrade",
            "Connection: keep-alive,\r\n\tUpgrade",
        ),
        good_with("Accept: ", "Accept:\r\n   "),
        good_with("Protocol: mqtt", "Protocol: MQTT"),
        good_with("Protocol: mqtt", "Protocol: mqttv3.1"),
        good_with(" Switching Protocols", ""),
        good_with(
            "\r\n\r\n",
            &format!("\r\nSet-Cookie: {}\r\n\r\n", "x".repeat(5000)),
        ),
        good_with("101 Switching", &format!("101 {}", "x".repeat(200))),
        format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nServer: a\r\n\r\n{GOOD}"),
    ] {
        assert_eq!(end(&wire), End::Frames(Vec::new()), "{wire}");
    }
}

#[test]
fn a_chunked_101_is_noted_and_taken() {
    for field in ["Transfer-Encoding: chunked", "Content-Length: 0"] {
        let wire = good_with("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"));
        assert_eq!(end(&wire), End::Frames(Vec::new()));
        let mut answer = Answer::new(&KEY, "mqtt");
        assert!(answer.absorb(wire.as_bytes(), false).unwrap().done && answer.chunked());
    }
}

#[test]
fn a_101_that_is_none() {
    let cases = [
        ("Upgrade: websocket\r\n", "", Code::UpgradeHeader),
        ("Upgrade: websocket", "Upgrade: h2c", Code::UpgradeHeader),
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            Code::UpgradeHeader,
        ),
        ("xOo=", "xOo", Code::WrongAccept),
        ("Sec-WebSocket-Accept", "X", Code::WrongAccept),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Accept: other\r\n\r\n",
            Code::WrongAccept,
        ),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            Code::UnaskedExtension,
        ),
        ("Sec-WebSocket-Protocol: mqtt\r\n", "", Code::NoSubprotocol),
        ("Protocol: mqtt", "Protocol: amqp", Code::WrongSubprotocol),
        (
            "Protocol: mqtt",
            "Protocol: mqtt, mqttv3.1",
            Code::WrongSubprotocol,
        ),
    ];
    for (old, new, code) in cases {
        let fault = fault(&good_with(old, new));
        assert_eq!(
            (fault.code, fault.number, fault.rung),
            (code, 101, Rung::Upgrade),
            "{new}"
        );
        assert!(!fault.clause.is_empty());
    }
    assert_eq!(
        fault(&good_with("Protocol: mqtt", "Protocol: amqp"))
            .detail
            .as_str(),
        "amqp"
    );
}

#[test]
fn each_status_has_its_cause_and_the_server_is_quoted() {
    let cases = [
        (400, Code::BadRequest),
        (401, Code::Unauthorized),
        (403, Code::Forbidden),
        (404, Code::NotFound),
        (407, Code::ProxyAuthRequired),
        (426, Code::UpgradeRequired),
        (301, Code::Redirected),
        (307, Code::Redirected),
        (500, Code::ServerError),
        (503, Code::ServerError),
        (200, Code::HttpStatus),
        (418, Code::HttpStatus),
    ];
    for (status, code) in cases {
        let wire = format!(
            "HTTP/1.1 {status} x\r\nserver: nginx/1.22.1\r\nLocation: /login\r\n\r\n<html>"
        );
        let fault = fault(&wire);
        assert_eq!((fault.code, fault.number), (code, status));
        let said = if code == Code::Redirected {
            "/login"
        } else {
            "nginx/1.22.1"
        };
        assert_eq!(fault.detail.as_str(), said, "{status}");
    }
}

#[test]
fn a_redirect_is_told_without_what_may_be_a_secret() {
    for (location, said) in [
        ("https://a.example/x?session=s3cret", "https://a.example/x"),
        ("/login#token=s3cret", "/login"),
        ("?s3cret", ""),
    ] {
        let wire = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
        let fault = fault(&wire);
        assert_eq!(fault.detail.as_str(), said, "{location}");
    }
}

#[test]
fn a_close_in_the_middle_reports_what_is_known() {
    assert_eq!(end(""), End::Open(None));
    assert_eq!(end("HTTP/1.1 1"), End::Open(None));
    assert_eq!(end(&GOOD[..100]), End::Open(None));
    for cut in [
        "HTTP/1.1 403",
        "HTTP/1.1 403 Forbid",
        "HTTP/1.1 403 Forbidden\r\nServer: a\r\nX",
    ] {
        let End::Open(Some(fault)) = end(cut) else {
            panic!("{cut}")
        };
        assert_eq!((fault.code, fault.number), (Code::Forbidden, 403));
    }
    let End::Open(Some(fault)) = end("220 mail") else {
        panic!()
    };
    assert_eq!(
        (fault.code, fault.detail.as_str()),
        (Code::NotHttp, "220 mail")
    );
}

#[test]
fn peers_that_do_not_speak_http() {
    let ssh = fault("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    assert_eq!(
        (ssh.code, ssh.detail.as_str()),
        (Code::NotHttp, "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    );
    let old = fault("HTTP/1.0 404 File not found\r\nServer: SimpleHTTP/0.6\r\n\r\n");
    assert_eq!(
        (old.code, old.detail.as_str()),
        (Code::NotHttp, "HTTP/1.0 404 File not found")
    );
    let endless = fault(&"x".repeat(100));
    assert_eq!(endless.code, Code::NotHttp);
    for record in ["\x15\x03\x01\0\x02\x02\x46", "\x16\x03\x03\0\x7a"] {
        let tls = fault(record);
        assert_eq!((tls.code, tls.blame), (Code::PeerSpeaksTls, Blame::Usage));
    }
    assert_eq!(fault("\x16something else\r\n").code, Code::NotHttp);
}

#[test]
fn malformed_heads() {
    assert_eq!(fault("HTTP/1.1 abc\r\n").code, Code::HeadMalformed);
    let no_colon = fault("HTTP/1.1 101 x\r\nno colon\r\n");
    assert_eq!(
        (no_colon.code, no_colon.detail.as_str()),
        (Code::HeadMalformed, "no colon")
    );
    assert_eq!(
        fault("HTTP/1.1 101 x\r\n: no name\r\n").code,
        Code::HeadMalformed
    );
}

#[test]
fn a_head_without_end_is_given_up() {
    let line = format!("X: {}\r\n", "y".repeat(994));
    let endless = format!("HTTP/1.1 101 x\r\n{}", line.repeat(70));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000);
    let one_line = format!("HTTP/1.1 101 {}", "x".repeat(70_000));
    for wire in [&endless, &interim] {
        let End::Fault(fault) = answer(wire.as_bytes(), 1000, 1500) else {
            panic!()
        };
        assert_eq!((fault.code, fault.blame), (Code::HeadTooLarge, Blame::Peer));
    }
    let End::Fault(fault) = answer(one_line.as_bytes(), 100, 128) else {
        panic!()
    };
    assert_eq!(fault.code, Code::HeadTooLarge);
}

proptest! {
    #[test]
    fn noise_never_panics(noise: Vec<u8>, size in 1_usize..20) {
        answer(&noise, size, 128);
    }

    #[test]
    fn a_damaged_answer_is_judged_alike_in_any_pieces(at in 0..GOOD.len(), byte: u8, size in 1_usize..50) {
        let mut wire = GOOD.as_bytes().to_vec();
        wire[at] = byte;
        let whole = answer(&wire, usize::MAX, 1 << 12);
        prop_assert_eq!(answer(&wire, size, 1 << 12), whole);
    }
}
