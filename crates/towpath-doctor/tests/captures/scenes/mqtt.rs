//! CONNECT and what answers it, in clear.

use super::{Row, row};
use crate::{
    mqtt::{connack, connack5, connect, connect5, packet, publish},
    scene::Scene,
};

/// A user name of a hub's device.
pub(super) const HUB: &str = "hub.example/lock/?api-version=2021-04-12";
const DPS: &str = "0ne00000000/registrations/lock/api-version=2019-03-31";

/// A CONNECT with this answer.
fn answered(connect: &[u8], said: &[u8]) -> Scene {
    let mut scene = Scene::v4();
    scene.open(1883).client(connect);
    if !said.is_empty() {
        scene.server(said);
    }
    scene
}

fn plain(code: u8) -> Scene {
    answered(&connect("lock", None, 60), &connack(code))
}

/// The provisioning service answers a registration with this status.
fn provisioned(status: &str) -> Scene {
    let mut scene = answered(&connect("lock", Some(DPS), 60), &connack(0));
    let topic = format!("$dps/registrations/res/{status}/?$rid=1");
    scene.server(&publish(&topic, 0, 0, 30));
    scene
}

pub(super) const ROWS: &[Row] = &[
    row("mqtt-closed", "TP-MQTT-001", || {
        let mut scene = answered(&connect("lock", None, 60), b"");
        scene.server_fin();
        scene
    }),
    row("mqtt-reset", "TP-MQTT-032", || {
        let mut scene = answered(&connect("lock", None, 60), b"");
        scene.server_rst();
        scene
    }),
    row("mqtt-silent", "TP-MQTT-002", || {
        let mut scene = answered(&connect("lock", None, 60), b"");
        scene.later(9000);
        scene
    }),
    row("mqtt-connack-1", "TP-MQTT-003", || plain(1)),
    row("mqtt-connack-2", "TP-MQTT-004", || plain(2)),
    row("mqtt-connack-3", "TP-MQTT-005", || plain(3)),
    row("mqtt-connack-4", "TP-MQTT-006", || plain(4)),
    row("mqtt-connack-5", "TP-MQTT-007", || plain(5)),
    row("mqtt-connack-84", "TP-MQTT-031", || plain(0x84)),
    row("mqtt5-connack-87", "TP-MQTT-007", || {
        answered(&connect5("lock"), &connack5(0x87))
    }),
    row("mqtt5-connack-9c", "TP-MQTT-016", || {
        answered(&connect5("lock"), &connack5(0x9c))
    }),
    row("mqtt-garbage", "TP-MQTT-009", || {
        answered(&connect("lock", None, 60), b"\xff\xff\xff\xff")
    }),
    row("mqtt-http", "TP-MQTT-022", || {
        answered(
            &connect("lock", None, 60),
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
        )
    }),
    row("tls-plain-to-tls", "TP-TLS-048", || {
        let mut scene = Scene::v4();
        scene
            .open(8883)
            .client(&connect("lock", None, 60))
            .server_rst();
        scene
    }),
    row("mqtt-tls-alert", "TP-TLS-048", || {
        answered(&connect("lock", None, 60), &crate::tls::alert(70))
    }),
    row("hub-unauthorized", "TP-HUB-021", || {
        answered(&connect("lock", Some(HUB), 60), &connack(5))
    }),
    row("dps-unauthorized", "TP-DPS-003", || {
        answered(&connect("lock", Some(DPS), 60), &connack(5))
    }),
    row("dps-not-found", "TP-DPS-004", || provisioned("404")),
    row("dps-400", "TP-DPS-013", || provisioned("400")),
    row("dps-401", "TP-DPS-003", || provisioned("401")),
    row("dps-403", "TP-DPS-008", || provisioned("403")),
    row("dps-409", "TP-DPS-005", || provisioned("409")),
    row("dps-429", "TP-DPS-006", || provisioned("429")),
    row("dps-503", "TP-DPS-007", || provisioned("503")),
    row("mqtt-long-connack", "TP-MQTT-004", || {
        // Two packets in one segment, one of them in two segments.
        let mut scene = answered(&connect("lock", None, 60), &connack(2)[..1]);
        scene.server(&[&connack(2)[1..], &packet(0xd0, &[])].concat());
        scene
    }),
];
