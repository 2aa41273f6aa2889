extern crate std;
use std::{string::String, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::ws::handshake::{Answer, Request};

const GOOD: &str = "GET /chat?a=b HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, MQTT\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn encoded(encode: impl FnOnce(&mut [u8]) -> Result<usize, Short>) -> String {
    let mut out = [0; 512];
    let len = encode(&mut out).unwrap();
    String::from_utf8(out[..len].to_vec()).unwrap()
}

#[test]
fn the_example_of_rfc_6455_1_3_is_answered() {
    let upgrade = Upgrade::parse(GOOD.as_bytes(), &["mqttv3.1", "mqtt"]).unwrap();
    assert_eq!(
        (upgrade.target, upgrade.subprotocol),
        ("/chat?a=b", Some("MQTT"))
    );
    assert_eq!(
        upgrade.head().only("host"),
        Some(&b"server.example.com"[..])
    );
    assert_eq!(
        encoded(|out| upgrade.encode(out)),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: MQTT\r\n\r\n"
    );
    let upgrade = Upgrade::parse(GOOD.as_bytes(), &["amqp"]).unwrap();
    assert_eq!(upgrade.subprotocol, None);
    assert!(!encoded(|out| upgrade.encode(out)).contains("Protocol:"));
}

#[test]
fn requests_that_are_turned_down() {
    let cases = [
        ("GET /chat?a=b HTTP/1.1", "GET /chat?a=b HTTP/1.0", 400),
        ("GET ", "POST ", 400),
        ("/chat", "chat", 400),
        ("Host: server.example.com\r\n", "", 400),
        ("Host:", "Host: a\r\nHost:", 400),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        (", Upgrade", "", 400),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("ZQ==", "ZQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQQQ", 400),
        ("dGhl", "d!hl", 400),
        ("Host:", "Host", 400),
        ("\r\n\r\n", "", 400),
    ];
    for (old, new, status) in cases {
        assert!(GOOD.contains(old));
        let rejection = Upgrade::parse(GOOD.replacen(old, new, 1).as_bytes(), &[]).unwrap_err();
        assert_eq!(
            rejection.status, status,
            "{old:?} -> {new:?}: {rejection:?}"
        );
        assert!(!rejection.clause.is_empty());
    }
}

#[test]
fn rejections_on_the_wire() {
    assert_eq!(
        encoded(|out| Rejection::NOT_FOUND.encode(out)),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 013\r\n\r\nno such path\n"
    );
    let old = GOOD.replace("Version: 13", "Version: 8");
    let rejection = Upgrade::parse(old.as_bytes(), &[]).unwrap_err();
    let wire = encoded(|out| rejection.encode(out));
    assert!(wire.starts_with(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    ));
}

#[test]
fn a_client_and_a_server_of_this_crate_understand_each_other() {
    let key = [7; 16];
    let request = Request {
        host: "a",
        target: "/mqtt",
        subprotocols: "mqtt",
        headers: &[],
        key,
    };
    let (mut up, mut down) = ([0; 512], [0; 512]);
    let len = request.encode(&mut up).unwrap();
    let upgrade = Upgrade::parse(&up[..len], &["mqtt"]).unwrap();
    let len = upgrade.encode(&mut down).unwrap();
    let progress = Answer::new(&key, "mqtt")
        .absorb(&down[..len], false)
        .unwrap();
    assert!(progress.done && progress.consumed == len);
}

proptest! {
    #[test]
    fn noise_never_panics(at in 0..GOOD.len(), noise: Vec<u8>) {
        let mut wire = GOOD.as_bytes().to_vec();
        wire.splice(at..at, noise);
        let _ = Upgrade::parse(&wire, &["mqtt"]);
    }
}
