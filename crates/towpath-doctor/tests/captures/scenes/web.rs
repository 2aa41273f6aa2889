//! The HTTP upgrade and WebSocket, in clear.

use super::{Row, row};
use crate::{
    mqtt::{SWITCHES, answer, connack, connect, frame, publish, upgrade},
    scene::Scene,
};

/// A request for this path, and this in answer.
fn asked(path: &str, said: &[u8]) -> Scene {
    let mut scene = Scene::v4();
    scene.open(80).client(&upgrade(path));
    if !said.is_empty() {
        scene.server(said);
    }
    scene
}

fn status(status: &str, fields: &str) -> Scene {
    asked("/mqtt", &answer(status, fields))
}

/// A WebSocket, with CONNECT in a frame of the client.
fn framed(opcode: u8, masked: bool) -> Scene {
    let mut scene = asked("/mqtt", SWITCHES);
    scene.client(&frame(opcode, masked, &connect("lock", None, 60)));
    scene
}

fn ended(mut scene: Scene) -> Scene {
    scene.server_fin();
    scene
}

pub(super) const ROWS: &[Row] = &[
    row("upgrade-closed", "TP-UPG-001", || {
        ended(asked("/mqtt", b""))
    }),
    row("upgrade-silent", "TP-UPG-002", || {
        let mut scene = asked("/mqtt", b"");
        scene.later(6000);
        scene
    }),
    row("upgrade-200", "TP-UPG-003", || {
        status("200 OK", "Content-Type: text/html\r\n")
    }),
    row("upgrade-lost", "TP-UPG-010", || {
        let mut scene = asked("/mqtt", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web");
        scene.later(6000);
        scene
    }),
    row("upgrade-no-subprotocol", "TP-UPG-007", || {
        ended(asked(
            "/mqtt",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        ))
    }),
    row("upgrade-subprotocol", "TP-UPG-008", || {
        asked(
            "/mqtt",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqttv3.1\r\n\r\n",
        )
    }),
    row("upgrade-400", "TP-UPG-011", || {
        status("400 Bad Request", "")
    }),
    row("upgrade-401", "TP-UPG-012", || {
        status("401 Unauthorized", "")
    }),
    row("upgrade-403", "TP-UPG-013", || status("403 Forbidden", "")),
    row("upgrade-endless", "TP-UPG-006", || {
        asked(
            "/mqtt",
            &[
                &b"HTTP/1.1 101 Switching Protocols\r\nX: "[..],
                &[b'x'; 14_000],
            ]
            .concat(),
        )
    }),
    row("upgrade-extension", "TP-UPG-022", || {
        let fields =
            "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
        let head =
            format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{fields}\r\n");
        asked("/mqtt", head.as_bytes())
    }),
    row("upgrade-404", "TP-UPG-014", || status("404 Not Found", "")),
    row("upgrade-426", "TP-UPG-016", || {
        status("426 Upgrade Required", "")
    }),
    row("upgrade-moved", "TP-UPG-017", || {
        status("302 Found", "Location: /other?token=secret\r\n")
    }),
    row("upgrade-portal", "TP-UPG-024", || {
        status("302 Found", "Location: http://portal.example/login\r\n")
    }),
    row("upgrade-502", "TP-UPG-018", || {
        status("502 Bad Gateway", "")
    }),
    row("upgrade-407", "TP-PROXY-013", || {
        status("407 Proxy Authentication Required", "")
    }),
    row("upgrade-header", "TP-UPG-021", || {
        asked(
            "/mqtt",
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        )
    }),
    row("upgrade-not-http", "TP-UPG-019", || {
        asked("/mqtt", b"SSH-2.0-OpenSSH_9.2\r\n")
    }),
    row("upgrade-no-path", "TP-UPG-026", || {
        asked("", &answer("400 Bad Request", ""))
    }),
    row("upgrade-tls", "TP-TLS-048", || {
        asked("/mqtt", &crate::tls::alert(50))
    }),
    row("upgraded-close", "TP-WS-001", || {
        ended(asked("/mqtt", SWITCHES))
    }),
    row("ws-text", "TP-WS-010", || ended(framed(1, true))),
    row("ws-unmasked", "TP-WS-011", || ended(framed(2, false))),
    row("ws-server-text", "TP-WS-004", || {
        let mut scene = framed(2, true);
        scene.server(&frame(1, false, b"welcome"));
        scene
    }),
    row("ws-server-masked", "TP-WS-005", || {
        let mut scene = framed(2, true);
        scene.server(&frame(2, true, &connack(0)));
        scene
    }),
    row("ws-close-code", "TP-WS-007", || {
        let mut scene = framed(2, true);
        scene.server(&frame(8, false, &[3, 240])).server_fin();
        scene
    }),
    row("ws-reserved", "TP-WS-008", || {
        let mut scene = framed(2, true);
        scene.server(&frame(5, false, b"?")).server_fin();
        scene
    }),
    row("ws-split", "TP-WS-009", || {
        let mut scene = framed(2, true);
        scene.server(&frame(2, false, &connack(0)));
        let message = publish("down", 0, 0, 40);
        scene
            .server(&frame(2, false, &message[..10]))
            .wait(20)
            .client_fin();
        scene
    }),
];
