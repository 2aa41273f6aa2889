//! Names, addresses, NAT64, TCP, proxies.

use super::{Row, row};
use crate::scene::{From, Scene, pref64, rdnss};

pub(super) const ROWS: &[Row] = &[
    row("dns-silent", "TP-DNS-002", || {
        let mut scene = Scene::v4();
        scene.ask(1).wait(2000).ask(1).wait(2000).ask(1).later(3000);
        scene
    }),
    row("dns-refused", "TP-DNS-003", || {
        let mut scene = Scene::v4();
        scene.ask(1).answer(1, 5, &[]).later(1000);
        scene
    }),
    row("dns-failed", "TP-DNS-004", || {
        let mut scene = Scene::v4();
        scene.ask(1).answer(1, 2, &[]).later(1000);
        scene
    }),
    row("dns-no-name", "TP-DNS-005", || {
        let mut scene = Scene::v4();
        scene.ask(1).answer(1, 3, &[]).later(1000);
        scene
    }),
    row("dns-no-address", "TP-DNS-006", || {
        let mut scene = Scene::v4();
        scene
            .ask(28)
            .answer(28, 0, &[])
            .ask(1)
            .answer(1, 0, &[])
            .later(4000);
        scene
    }),
    row("dns-large-answer", "TP-DNS-009", || {
        let mut scene = Scene::v4();
        let many = vec![scene.host; 40];
        scene
            .ask(1)
            .answer(1, 0, &many)
            .wait(2000)
            .ask(1)
            .answer(1, 0, &many)
            .later(4000);
        scene
    }),
    row("rdnss-ignored", "TP-DNS-012", || {
        let mut scene = Scene::v6();
        scene.advertise(&rdnss("2001:db8::53"));
        scene.ask(28).wait(2000).ask(28).later(4000);
        scene
    }),
    row("ipv4-without-ipv4", "TP-ADDR-004", || {
        let mut scene = Scene::v6();
        let v4 = "198.51.100.7".parse().expect("an address");
        let v6 = scene.host;
        scene
            .ask(1)
            .answer(1, 0, &[v4])
            .ask(28)
            .answer(28, 0, &[v6])
            .later(5000);
        scene
    }),
    row("nat64-unknown", "TP-NAT64-001", || {
        let mut scene = Scene::v6();
        let v4 = "198.51.100.7".parse().expect("an address");
        scene
            .ask(28)
            .answer(28, 0, &[])
            .ask(1)
            .answer(1, 0, &[v4])
            .later(5000);
        scene
    }),
    row("nat64-silent", "TP-NAT64-004", || {
        let mut scene = Scene::v6().to("64:ff9b::3423:1507");
        scene
            .connection(8883)
            .syn()
            .wait(1000)
            .syn()
            .wait(2000)
            .syn()
            .later(2000);
        scene
    }),
    row("nat64-private", "TP-NAT64-003", || {
        let mut scene = Scene::v6().to("64:ff9b::c0a8:107");
        scene.connection(1883).syn().wait(1000).syn().later(4000);
        scene
    }),
    row("nat64-no-route", "TP-NAT64-005", || {
        let mut scene = Scene::v6().to("64:ff9b::3423:1507");
        scene.connection(8883).syn().complain(1, 0, 0);
        scene
    }),
    row("nat64-other-prefix", "TP-NAT64-006", || {
        let mut scene = Scene::v6().to("64:ff9b::3423:1507");
        scene.advertise(&pref64("fd00:64::"));
        scene.connection(8883).syn().wait(1000).syn().later(4000);
        scene
    }),
    row("refused", "TP-TCP-010", || {
        let mut scene = Scene::v4();
        scene.connection(1883).syn().refuse();
        scene
    }),
    row("prohibited", "TP-TCP-011", || {
        let mut scene = Scene::v4();
        scene.connection(8883).syn().complain(3, 13, 0);
        scene
    }),
    row("no-network", "TP-TCP-012", || {
        let mut scene = Scene::v4();
        scene.connection(8883).syn().complain(3, 0, 0);
        scene
    }),
    row("syn-silent", "TP-TCP-013", || {
        let mut scene = Scene::v4();
        scene
            .connection(8883)
            .syn()
            .wait(1000)
            .syn()
            .wait(2000)
            .syn()
            .later(3000);
        scene
    }),
    row("port-blocked", "TP-TCP-014", || {
        let mut scene = Scene::v4();
        scene
            .connection(8883)
            .syn()
            .wait(1000)
            .syn()
            .wait(2000)
            .syn();
        scene.open(443).client_fin();
        scene.later(3000);
        scene
    }),
    row("large-lost", "TP-TCP-015", || {
        let mut scene = Scene::v4();
        scene
            .open(8883)
            .lost(From::Client, &crate::tls::record(22, 1300), 4);
        scene.later(3000);
        scene
    }),
    row("large-lost-inwards", "TP-TCP-015", || {
        let mut scene = Scene::v4();
        scene.open(8883).client(&[22, 3, 1, 0, 4, 1, 0, 0, 0]);
        scene.unseen(From::Server, 1220).server(&[7; 300]);
        scene.later(5000);
        scene
    }),
    row("large-lost-told", "TP-TCP-015", || {
        let mut scene = Scene::v4();
        scene
            .open(8883)
            .lost(From::Client, &crate::tls::record(22, 1300), 1);
        scene.complain(3, 4, 576);
        scene
            .lost(From::Client, &crate::tls::record(22, 1300), 1)
            .later(3000);
        scene
    }),
    row("ecn-syn", "TP-TCP-016", || {
        let mut scene = Scene::v6();
        scene
            .connection(8883)
            .ecn_syn()
            .wait(1000)
            .ecn_syn()
            .wait(2000)
            .ecn_syn();
        scene.later(3000);
        scene
    }),
    row("proxy-silent", "TP-PROXY-003", || proxy(b"", 5000)),
    row("proxy-closed", "TP-PROXY-004", || {
        let mut scene = proxy(b"", 0);
        scene.server_fin();
        scene
    }),
    row("proxy-refused", "TP-PROXY-005", || {
        proxy(b"HTTP/1.1 403 Forbidden\r\nServer: squid\r\n\r\n", 0)
    }),
    row("proxy-password", "TP-PROXY-006", || {
        let mut scene = Scene::v4();
        scene.open(3128).client(
            b"CONNECT hub.example:8883 HTTP/1.1\r\nHost: hub.example\r\nProxy-Authorization: Basic Zm9vOmJhcg==\r\n\r\n",
        );
        scene.server(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        scene
    }),
    row("proxy-gateway", "TP-PROXY-008", || {
        proxy(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 0)
    }),
    row("proxy-status", "TP-PROXY-009", || {
        proxy(b"HTTP/1.1 418 Teapot\r\n\r\n", 0)
    }),
    row("proxy-foreign", "TP-PROXY-002", || {
        proxy(b"\x15\x03\x03\x00\x02\x02\x28", 0)
    }),
    row("socks-method", "TP-PROXY-011", || {
        let mut scene = Scene::v4();
        scene.open(1080).client(&[5, 1, 0]).server(&[5, 0xff]);
        scene
    }),
    row("socks-password", "TP-PROXY-012", || {
        let mut scene = Scene::v4();
        scene.open(1080).client(&[5, 1, 2]).server(&[5, 2]);
        scene.client(b"\x01\x01u\x01p").server(&[1, 1]);
        scene
    }),
    row("socks-failed", "TP-PROXY-010", || {
        let mut scene = Scene::v4();
        scene.open(1080).client(&[5, 1, 0]).server(&[5, 0]);
        scene.client(b"\x05\x01\x00\x03\x0bhub.example\x22\xb3");
        scene.server(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
        scene
    }),
];

/// A proxy that answers so, and then nothing for so long.
fn proxy(answer: &[u8], millis: u64) -> Scene {
    let mut scene = Scene::v4();
    scene
        .open(3128)
        .client(b"CONNECT hub.example:8883 HTTP/1.1\r\nHost: hub.example:8883\r\n\r\n");
    if !answer.is_empty() {
        scene.server(answer);
    }
    if millis > 0 {
        scene.later(millis);
    }
    scene
}
