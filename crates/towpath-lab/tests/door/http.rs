//! Requests of all kinds, each with its answer.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use towpath_lab::{Lab, config::Front};

use crate::{
    client::lab,
    raw::{ORDINARY, Raw, beside, head, upgrade},
};

const PATH: &str = "/$iothub/websocket";

/// Sends bytes, and reads the answer to its end, or only the head of a 101.
async fn ask(lab: &Lab, bytes: impl Into<Vec<u8>>) -> String {
    let (raw, port, bytes) = (Raw::new(lab), lab.https().port(), bytes.into());
    beside(move || {
        let mut stream = raw.connect(port);
        stream.write_all(&bytes).expect("a request");
        let mut answer = head(&mut stream).expect("an answer");
        if !answer.starts_with("HTTP/1.1 101") {
            stream.read_to_string(&mut answer).expect("a body");
        }
        answer
    })
    .await
}

#[tokio::test]
async fn upgrades() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let version = "Sec-WebSocket-Version: 13\r\n";
    let with = |protocol: &str| format!("{version}Sec-WebSocket-Protocol: {protocol}\r\n");
    let old = "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Protocol: mqtt\r\n";
    let deflate = format!(
        "{ORDINARY}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
         Origin: https://localhost:443\r\n"
    );
    let plain = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (request, status, words) in [
        (
            upgrade(PATH, ORDINARY),
            101,
            "Sec-WebSocket-Protocol: mqtt\r\n",
        ),
        (
            upgrade(PATH, &with("MQTT")),
            101,
            "Sec-WebSocket-Protocol: MQTT\r\n",
        ),
        (
            upgrade(PATH, &with("x, mqtt")),
            101,
            "Sec-WebSocket-Protocol: mqtt\r\n",
        ),
        (
            upgrade(PATH, &deflate),
            101,
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        ),
        (upgrade("/%24iothub/websocket?a=b", ORDINARY), 101, ""),
        (
            upgrade(PATH, version),
            400,
            "Sec-WebSocket-Protocol is missing",
        ),
        (
            upgrade(PATH, &with("AMQPWSB10")),
            400,
            "\"AMQPWSB10\"; this lab speaks mqtt only",
        ),
        (
            upgrade("/mqtt", ORDINARY),
            400,
            "WebSocket is at /$iothub/websocket",
        ),
        (
            upgrade(PATH, ORDINARY).replace("GET", "POST"),
            400,
            "method",
        ),
        (upgrade(PATH, ORDINARY).replace("Host", "Most"), 400, "Host"),
        (upgrade(PATH, old), 426, "Sec-WebSocket-Version: 13\r\n"),
        (plain, 426, "Upgrade: websocket\r\n"),
    ] {
        let answer = ask(&lab, request.clone()).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{request}\n{answer}");
        assert!(answer.contains(words), "{request}\n{answer}");
        assert!(!answer.contains("Extensions"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_request() {
    let lab = lab(|_| {}).await;
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(17 << 10));
    for (bytes, status, words) in [
        (
            &b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02ab"[..],
            400,
            "MQTT without WebSocket",
        ),
        (b"\x16\x03\x01\x02\0\x01", 400, "no HTTP"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "no request"),
        (
            b"GET / HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n",
            400,
            "no request",
        ),
        (b"NONSENSE\r\n\r\n", 400, "no request"),
        (b"\r\n\r\n", 400, "no request"),
        (long.as_bytes(), 431, "more than 16384 bytes"),
    ] {
        let answer = ask(&lab, bytes).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{answer}");
        assert!(answer.contains(words), "{answer}");
    }
    let log = lab.log().since(0);
    assert!(log.iter().any(|one| one.name == "HttpRefused"));
}

/// REST: several requests on one connection, whatever pieces they come in.
#[tokio::test]
async fn rest_goes_on_with_what_was_read() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let (raw, port) = (Raw::new(&lab), lab.https().port());
    let statuses = beside(move || {
        let mut stream = raw.connect(port);
        let mut statuses = Vec::new();
        let get = "GET /devices/key?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let put = "PUT /devices/x?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n\
                   Content-Length: 2\r\n\r\n{}";
        for (request, cut) in [(get, 10), (put, put.len() - 1), (get, 3)] {
            let (first, second) = request.split_at(cut);
            stream.write_all(first.as_bytes()).expect("a piece");
            stream.write_all(second.as_bytes()).expect("the rest");
            let head = head(&mut stream).expect("an answer").to_lowercase();
            let len = head.split("content-length: ").nth(1).expect("a length");
            let len = len
                .lines()
                .next()
                .expect("a line")
                .parse()
                .expect("a number");
            stream.read_exact(&mut vec![0; len]).expect("a body");
            statuses.push(head[9..12].to_owned());
        }
        statuses
    })
    .await;
    assert_eq!(statuses, ["401", "401", "401"]);
}

/// A device's own request over REST: the certificate is asked for before it is answered, with a body or without.
#[tokio::test]
async fn a_devices_request_shows_its_certificate() {
    let lab = lab(|config| config.tls.front = Front::Require).await;
    let path = "/devices/cert/messages/events?api-version=2021-04-12";
    for body in [&b""[..], b"hello"] {
        for apart in [false, true] {
            let (raw, port) = (Raw::new(&lab).certified(&lab), lab.https().port());
            let head = beside(move || {
                let mut stream = raw.connect(port);
                let mut request = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                )
                .into_bytes();
                if !apart {
                    request.extend_from_slice(body);
                }
                stream.write_all(&request).expect("a request");
                if apart {
                    stream.write_all(body).expect("a body");
                }
                head(&mut stream).expect("an answer")
            })
            .await;
            assert!(head.starts_with("HTTP/1.1 204"), "{body:?} {apart}: {head}");
        }
    }
}

/// Nobody is asked for a certificate between two requests: where the first was not asked, there is no second one.
#[tokio::test]
async fn a_connection_goes_on_only_if_it_was_asked() {
    let lab = lab(|_| {}).await;
    let service = "GET /devices/cert?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = ask(&lab, service).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 401"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let (raw, port) = (Raw::new(&lab).certified(&lab), lab.https().port());
    let heads = beside(move || {
        let mut stream = raw.connect(port);
        let request = "POST /devices/cert/messages/events?api-version=2021-04-12 HTTP/1.1\r\n\
                       Host: localhost\r\nContent-Length: 0\r\n\r\n";
        [(), ()].map(|()| {
            stream.write_all(request.as_bytes()).expect("a request");
            head(&mut stream).expect("an answer")
        })
    })
    .await;
    for head in heads {
        assert!(head.starts_with("HTTP/1.1 204"), "{head}");
    }
}

/// A request is refused before its body is read, and the answer arrives all the same. What the log shows of it has no
/// query.
#[tokio::test]
async fn a_body_that_nobody_reads() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let mut request = format!(
        "PUT /lab-uploads/key/x?sig=not-for-the-log HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {}\r\n\r\n",
        300 << 10
    )
    .into_bytes();
    request.resize(request.len() + (300 << 10), b'x');
    let answer = ask(&lab, request).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let all = format!("{:?}", lab.log().since(0));
    assert!(all.contains("/lab-uploads/key/x"), "{all}");
    assert!(!all.contains("not-for-the-log"), "{all}");
}

/// Frames that are sent with the request are not lost.
#[tokio::test]
async fn frames_behind_the_request() {
    let lab = lab(|config| config.tls.front = Front::None).await;
    let mut bytes = upgrade(PATH, ORDINARY).into_bytes();
    // A ping with the mask 0.
    bytes.extend_from_slice(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
    let (raw, port) = (Raw::new(&lab), lab.https().port());
    let pong = beside(move || {
        let mut stream = raw.connect(port);
        stream.write_all(&bytes).expect("a request");
        head(&mut stream).expect("an answer");
        let mut pong = [0; 4];
        stream.read_exact(&mut pong).expect("a pong");
        pong
    })
    .await;
    assert_eq!(&pong, b"\x8a\x02hi");
}

/// On 8883, what is no TLS is closed with a word in the log.
#[tokio::test]
async fn no_tls() {
    let lab = lab(|_| {}).await;
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP request, without TLS"),
        (
            b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02ab",
            "MQTT CONNECT without TLS",
        ),
        (b"\x16\x03\x01\0\x04\x01\0\0\0", ""),
    ] {
        let port = lab.mqtts().port();
        let came = beside(move || {
            let mut stream = crate::raw::tcp(port);
            stream.write_all(bytes).expect("bytes");
            let mut came = Vec::new();
            stream.read_to_end(&mut came).expect("an end");
            came
        });
        let came = tokio::time::timeout(Duration::from_secs(60), came).await;
        // An alert at most.
        assert!(came.expect("an end").len() <= 7);
        let log = lab.log().since(0);
        assert!(
            log.iter()
                .any(|one| one.name == "TlsFailed" && one.text.contains(words)),
            "{words}"
        );
    }
}
