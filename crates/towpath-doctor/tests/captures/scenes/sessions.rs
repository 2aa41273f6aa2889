//! Sessions that stood: how they ended.

use super::{Row, mqtt::HUB, row};
use crate::{
    mqtt::{
        PINGREQ, PINGRESP, connack, connack5, connect, connect5, packet, puback, publish, suback,
        subscribe,
    },
    scene::{From, Scene},
};

/// A session with this keep-alive, of a hub's device or another.
fn session(user: Option<&str>, keep_alive: u16) -> Scene {
    let mut scene = Scene::v4();
    begin(&mut scene, user, keep_alive);
    scene
}

fn begin(scene: &mut Scene, user: Option<&str>, keep_alive: u16) {
    scene
        .open(1883)
        .client(&connect("lock", user, keep_alive))
        .server(&connack(0));
}

/// The server ends it at once with what the device says.
fn forbidden(user: Option<&str>, said: &[u8]) -> Scene {
    let mut scene = session(user, 60);
    scene.client(said).wait(3).server_fin();
    scene
}

/// Connections that end out of the same silence.
fn idle(ends: fn(&mut Scene)) -> Scene {
    let mut scene = Scene::v4();
    for _ in 0..3 {
        begin(&mut scene, None, 1200);
        scene.client(&publish("up", 1, 1, 20)).server(&puback(1));
        scene.wait(150_000);
        ends(&mut scene);
        scene.wait(1000);
    }
    scene
}

/// The server takes its leave for this reason.
fn disconnected(reason: u8) -> Scene {
    let mut scene = Scene::v4();
    scene
        .open(1883)
        .client(&connect5("lock"))
        .server(&connack5(0));
    scene
        .wait(1000)
        .server(&packet(0xe0, &[reason, 0]))
        .server_fin();
    scene
}

pub(super) const ROWS: &[Row] = &[
    row("mqtt-suback-refused", "TP-MQTT-012", || {
        let mut scene = session(None, 60);
        scene.client(&subscribe("secret/#")).server(&suback(0x80));
        scene
    }),
    row("mqtt-suback-87", "TP-MQTT-026", || {
        let mut scene = Scene::v4();
        scene
            .open(1883)
            .client(&connect5("lock"))
            .server(&connack5(0));
        let subscribe = packet(0x82, b"\x00\x07\x00\x00\x01#\x01");
        scene
            .client(&subscribe)
            .server(&packet(0x90, &[0, 7, 0, 0x87]));
        scene
    }),
    row("mqtt-subscribe-closed", "TP-MQTT-026", || {
        forbidden(None, &subscribe("secret/#"))
    }),
    row("mqtt-too-large", "TP-MQTT-019", || {
        forbidden(None, &publish("up", 1, 1, 70_000))
    }),
    row("mqtt-publish-closed", "TP-MQTT-026", || {
        forbidden(None, &publish("up", 1, 1, 20))
    }),
    row("hub-wrong-topic", "TP-HUB-024", || {
        forbidden(Some(HUB), &publish("telemetry", 1, 1, 20))
    }),
    row("hub-wrong-filter", "TP-HUB-024", || {
        forbidden(Some(HUB), &subscribe("telemetry/#"))
    }),
    row("hub-qos2", "TP-HUB-025", || {
        forbidden(
            Some(HUB),
            &publish("devices/lock/messages/events/", 2, 1, 20),
        )
    }),
    row("hub-downlink-asleep", "TP-HUB-035", || {
        let mut scene = session(Some(HUB), 1200);
        scene.wait(5000);
        scene.lost(
            From::Server,
            &publish("devices/lock/messages/devicebound/", 1, 9, 20),
            6,
        );
        scene.wait(20_000).server_rst();
        scene
    }),
    row("mqtt-dropped", "TP-MQTT-015", || {
        let mut scene = session(None, 60);
        scene
            .wait(5000)
            .client(PINGREQ)
            .server(PINGRESP)
            .wait(5000)
            .server_fin();
        scene
    }),
    row("mqtt-takeover", "TP-MQTT-018", || {
        let mut scene = session(None, 60);
        scene.wait(5000);
        begin(&mut scene, None, 60);
        scene.on(0).server_fin().client_fin();
        scene.on(1).wait(4000);
        begin(&mut scene, None, 60);
        scene.on(1).server_fin().client_fin();
        scene
    }),
    row("mqtt5-takeover", "TP-MQTT-018", || {
        let mut scene = Scene::v4();
        scene
            .open(1883)
            .client(&connect5("lock"))
            .server(&connack5(0));
        scene
            .wait(1000)
            .server(&packet(0xe0, &[0x8e, 0]))
            .server_fin();
        scene
    }),
    row("mqtt-ping-silent", "TP-MQTT-013", || {
        let mut scene = session(None, 10);
        scene.wait(10_000).client(PINGREQ).wait(10_000).client_fin();
        scene.later(3000);
        scene
    }),
    row("mqtt-late-pingresp", "TP-MQTT-033", || {
        let mut scene = session(None, 10);
        scene.wait(10_000).client(PINGREQ).wait(1500).client_fin();
        scene.wait(400).server(PINGRESP).later(1000);
        scene
    }),
    row("mqtt5-malformed", "TP-MQTT-009", || disconnected(0x81)),
    row("mqtt5-protocol", "TP-MQTT-020", || disconnected(0x82)),
    row("mqtt5-keep-alive", "TP-MQTT-027", || disconnected(0x8d)),
    row("mqtt5-receive-maximum", "TP-MQTT-021", || {
        disconnected(0x93)
    }),
    row("mqtt5-too-large", "TP-MQTT-019", || disconnected(0x95)),
    row("mqtt5-quota", "TP-MQTT-034", || disconnected(0x97)),
    row("mqtt5-feature", "TP-MQTT-028", || disconnected(0x9b)),
    row("mqtt5-moved", "TP-MQTT-029", || disconnected(0x9d)),
    row("mqtt5-shutdown", "TP-MQTT-017", || disconnected(0x8b)),
    row("mqtt-no-puback", "TP-MQTT-010", || {
        let mut scene = session(None, 10);
        scene.client(&publish("up", 1, 1, 20));
        for _ in 0..3 {
            scene.wait(8000).client(PINGREQ).server(PINGRESP);
        }
        scene
    }),
    row("mqtt-idle-reset", "TP-MQTT-023", || {
        idle(|scene| {
            scene.client(PINGREQ).server_rst();
        })
    }),
    row("mqtt-idle-closed", "TP-MQTT-024", || {
        idle(|scene| {
            scene.server_fin().client_fin();
        })
    }),
    row("mqtt-no-ping", "TP-MQTT-027", || {
        let mut scene = session(None, 30);
        scene.wait(45_200).server_fin();
        scene
    }),
    row("hub-hourly", "TP-HUB-029", || {
        let mut scene = Scene::v4();
        for _ in 0..2 {
            begin(&mut scene, Some(HUB), 240);
            for _ in 0..15 {
                scene.wait(239_000).client(PINGREQ).server(PINGRESP);
            }
            scene.wait(15_000).server_fin().client_fin().wait(3000);
        }
        scene
    }),
];
