//! Faults of the lab, one row each: what the doctor calls them as a device that is told of them by its hub, its
//! provisioning service, or only by silence.

use std::net::Ipv4Addr;

use doctor::{Cloud, Key, Report, SetUp, ignorant, play};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [
        HANDSHAKES,
        SILENCES,
        SILENT_TWIN,
        SILENT_DPS,
        RENEGOTIATIONS,
        PROFILES,
        UPGRADES,
        MQTT,
        STAYING,
        HUB,
        TWIN,
        DPS,
    ];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// A row: the fault, the finding and its rung, and who climbs with which options. `client` is the ordinary client with a
/// token, `certified` the same with a certificate, `device` and `enrolled` climb by a device's file.
macro_rules! row {
    ($fault:literal, $id:literal, $rung:ident, client $scheme:literal $($option:literal)*) => {
        SetUp::lab($fault, $id, Rung::$rung, |cloud: &mut Cloud| {
            cloud.faulty(&[$fault], |cloud| cloud.doctor($scheme, &[$($option),*]))
        })
    };
    ($fault:literal, $id:literal, $rung:ident, certified $scheme:literal $($option:literal)*) => {
        SetUp::lab($fault, $id, Rung::$rung, |cloud: &mut Cloud| {
            cloud.faulty(&[$fault], |cloud| cloud.doctor_by_certificate($scheme, &[$($option),*]))
        })
    };
    ($fault:literal, $id:literal, $rung:ident, $device:ident $($option:literal)*) => {
        SetUp::lab($fault, $id, Rung::$rung, |cloud: &mut Cloud| {
            cloud.faulty(&[$fault], |cloud| $device(cloud, &[$($option),*]))
        })
    };
}

fn device(cloud: &Cloud, options: &[&str]) -> Report {
    cloud.doctor_of_device(options)
}

/// Somebody whose user name is not that of a device.
fn stranger(cloud: &Cloud, options: &[&str]) -> Report {
    cloud.doctor_as("anna", "mqtts", options)
}

fn enrolled(cloud: &Cloud, options: &[&str]) -> Report {
    cloud.doctor_of_enrolled(options)
}

/// The client as a build whose settings say this.
fn as_build(cloud: &Cloud, profile: &str) -> Report {
    let file = cloud.file("profile.toml", profile);
    cloud.doctor("mqtts", &["--as", &file])
}

const HANDSHAKES: &[SetUp<Cloud>] = &[
    row!("hello-close", "TP-TLS-001", Tls, client "mqtts"),
    row!("hello-plain", "TP-TLS-003", Tls, client "mqtts"),
    row!("certificate-close", "TP-TLS-004", Tls, client "mqtts"),
    row!("handshake-close", "TP-TLS-005", Tls, client "mqtts"),
    row!("cert-expired", "TP-TLS-010", Tls, client "mqtts"),
    row!("cert-not-yet", "TP-TLS-011", Tls, client "mqtts"),
    row!("cert-wrong-name", "TP-TLS-012", Tls, client "mqtts"),
    row!("cert-unknown-root", "TP-TLS-013", Tls, client "mqtts"),
    row!("cert-self-signed", "TP-TLS-014", Tls, client "mqtts"),
    row!("cert-no-chain", "TP-TLS-015", Tls, client "mqtts"),
    row!("certificate-required", "TP-TLS-026", Tls, client "mqtts"),
    row!(
        "suite-only", "TP-TLS-020", Tls,
        client "mqtts" "--ciphers" "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    ),
    row!("tls13-only", "TP-TLS-021", Tls, client "mqtts" "--tls-max" "1.2"),
    row!("tls12-only", "TP-TLS-022", Tls, client "mqtts" "--tls-min" "1.3"),
    row!(
        "cert-ecdsa", "TP-TLS-018", Tls,
        client "mqtts" "--ciphers" "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" "--tls-max" "1.2"
    ),
];

#[test]
fn handshakes() {
    play(&mut Cloud::start(), HANDSHAKES);
}

const SILENCES: &[SetUp<Cloud>] = &[
    row!("hello-silent", "TP-TLS-002", Tls, client "mqtts" "--timeout" "1"),
    row!("handshake-slow", "TP-TLS-002", Tls, client "mqtts" "--timeout" "1"),
    row!("renegotiate-delay", "TP-TLS-035", Tls, certified "wss" "--timeout" "2"),
    row!("get-silent", "TP-UPG-002", Upgrade, client "wss" "--timeout" "1"),
    row!("upgrade-lost", "TP-UPG-010", Upgrade, client "wss" "--timeout" "1"),
    row!("connect-silent", "TP-MQTT-002", Mqtt, client "mqtts" "--timeout" "1"),
    row!("connack-slow", "TP-MQTT-002", Mqtt, client "mqtts" "--timeout" "1"),
];

#[test]
fn silences() {
    play(&mut Cloud::start(), SILENCES);
}

/// With the patience that the doctor has by itself.
const SILENT_TWIN: &[SetUp<Cloud>] = &[row!("twin-silent", "TP-HUB-016", Hub, device)];

#[test]
fn a_silent_twin() {
    play(&mut Cloud::start(), SILENT_TWIN);
}

const SILENT_DPS: &[SetUp<Cloud>] = &[row!("dps-silent", "TP-DPS-012", Hub, enrolled)];

#[test]
fn a_silent_provisioning_service() {
    play(&mut Cloud::start(), SILENT_DPS);
}

const RENEGOTIATIONS: &[SetUp<Cloud>] = &[
    row!("renegotiate-legacy", "TP-TLS-033", Tls, certified "wss"),
    row!("renegotiate-twice", "TP-TLS-037", Tls, certified "wss"),
    row!("renegotiate-require", "TP-TLS-026", Tls, client "wss"),
    row!("renegotiate-none", "TP-HUB-022", Mqtt, certified "wss"),
    SetUp::lab("renegotiate", "TP-TLS-031", Rung::Tls, |cloud| {
        cloud.faulty(&["renegotiate"], never)
    }),
    SetUp::lab("renegotiate-drop", "TP-TLS-031", Rung::Tls, |cloud| {
        cloud.faulty(&["renegotiate-drop"], never)
    }),
];

/// A device with a certificate, whose TLS does no renegotiation.
fn never(cloud: &Cloud) -> Report {
    cloud.doctor_of_certificate("wss", "renegotiation = \"never\"", &[])
}

#[test]
fn renegotiations() {
    play(&mut Cloud::start(), RENEGOTIATIONS);
}

/// What is too much for the settings of a build.
const PROFILES: &[SetUp<Cloud>] = &[
    SetUp::lab("cert-large", "TP-TLS-017", Rung::Tls, |cloud| {
        cloud.faulty(&["cert-large"], |cloud| {
            as_build(
                cloud,
                "platform = \"Zephyr / NCS\"\n[tls]\nin_buffer = 4096\n",
            )
        })
    }),
    SetUp::lab("cert-sha384", "TP-TLS-050", Rung::Tls, |cloud| {
        cloud.faulty(&["cert-sha384"], |cloud| {
            as_build(
                cloud,
                "platform = \"Zephyr / NCS\"\n[tls]\nsha384 = false\n",
            )
        })
    }),
];

#[test]
fn what_builds_can_t_take() {
    play(&mut Cloud::start(), PROFILES);
}

const UPGRADES: &[SetUp<Cloud>] = &[
    row!("get-close", "TP-UPG-001", Upgrade, client "wss"),
    row!("upgrade-large=131072", "TP-UPG-006", Upgrade, client "wss"),
    row!("upgrade-no-subprotocol", "TP-UPG-007", Upgrade, client "wss"),
    row!("upgrade-subprotocol", "TP-UPG-008", Upgrade, client "wss"),
    row!("upgrade-accept", "TP-UPG-009", Upgrade, client "wss"),
    row!("upgrade-status=200", "TP-UPG-003", Upgrade, client "wss"),
    row!("upgrade-status=302", "TP-UPG-017", Upgrade, client "wss"),
    row!("upgrade-status=400", "TP-UPG-011", Upgrade, client "wss"),
    row!("upgrade-status=401", "TP-UPG-012", Upgrade, client "wss"),
    row!("upgrade-status=403", "TP-UPG-013", Upgrade, client "wss"),
    row!("upgrade-status=404", "TP-UPG-014", Upgrade, client "wss"),
    row!("upgrade-status=407", "TP-PROXY-013", Upgrade, client "wss"),
    row!("upgrade-status=503", "TP-UPG-018", Upgrade, client "wss"),
    row!("upgraded-close", "TP-WS-001", Ws, client "wss"),
    row!("frames-text", "TP-WS-004", Ws, client "wss"),
    row!("frames-masked", "TP-WS-005", Ws, client "wss"),
    row!("close-code", "TP-WS-007", Ws, client "wss"),
    row!("close-code=1002", "TP-WS-007", Ws, client "wss"),
];

#[test]
fn upgrades_and_frames() {
    play(&mut Cloud::start(), UPGRADES);
}

const MQTT: &[SetUp<Cloud>] = &[
    row!("connect-close", "TP-MQTT-001", Mqtt, client "mqtts"),
    row!("connack-1", "TP-MQTT-003", Mqtt, client "mqtts"),
    row!("connack-2", "TP-MQTT-004", Mqtt, client "mqtts"),
    row!("connack-3", "TP-MQTT-005", Mqtt, client "mqtts"),
    row!("connack-4", "TP-MQTT-006", Mqtt, stranger),
    row!("connack-5", "TP-MQTT-007", Mqtt, stranger),
    row!("connack-garbage", "TP-MQTT-022", Mqtt, client "mqtts"),
    // As AWS does with a certificate that has no policy.
    SetUp::breaks("mqtt-no-policy", "TP-MQTT-030", Rung::Mqtt, |cloud| {
        cloud.faulty(&["connect-close"], |cloud| {
            cloud.doctor_as_certified("anna", "mqtts", &[])
        })
    }),
];

#[test]
fn logins() {
    play(&mut Cloud::start(), MQTT);
}

/// What shows only to somebody who stays.
const STAYING: &[SetUp<Cloud>] = &[
    row!("ping-silent", "TP-MQTT-013", Mqtt, client "mqtts" "--watch" "20" "-k" "2" "--timeout" "1"),
    row!("silent-drop", "TP-MQTT-013", Mqtt, client "mqtts" "--watch" "20" "-k" "2" "--timeout" "1"),
    row!("drop-after", "TP-MQTT-015", Mqtt, client "mqtts" "--watch" "20"),
];

#[test]
fn who_stays() {
    play(&mut Cloud::start(), STAYING);
}

const HUB: &[SetUp<Cloud>] = &[
    // Its token is good, so that nobody but the hub knows better: that says no more over HTTP.
    row!("token-expired", "TP-HUB-021", Hub, device),
    row!("clock-skew=604800", "TP-HUB-005", Hub, device),
    // Both are said by CONNACK.
    row!("hub-not-found", "TP-HUB-006", Mqtt, device),
    row!("hub-suspended", "TP-HUB-007", Mqtt, device),
    row!("device-disabled", "TP-HUB-009", Hub, device),
    // Who is not let in is not told whether there is such a device.
    row!("device-unknown", "TP-HUB-021", Hub, device),
];

#[test]
fn what_a_hub_refuses() {
    play(&mut Cloud::start(), HUB);
}

const TWIN: &[SetUp<Cloud>] = &[
    row!("twin-400", "TP-HUB-012", Hub, device),
    row!("twin-429", "TP-HUB-014", Hub, device),
    row!("twin-500", "TP-HUB-015", Hub, device),
];

#[test]
fn what_a_twin_answers() {
    play(&mut Cloud::start(), TWIN);
}

const DPS: &[SetUp<Cloud>] = &[
    row!("dps-unauthorized", "TP-DPS-003", Hub, enrolled),
    row!("dps-not-found", "TP-DPS-004", Hub, enrolled),
    row!("dps-conflict", "TP-DPS-005", Hub, enrolled),
    row!("dps-throttle", "TP-DPS-006", Hub, enrolled),
    row!("dps-500", "TP-DPS-007", Hub, enrolled),
    row!("dps-disabled", "TP-DPS-008", Hub, enrolled),
    row!("dps-failed", "TP-DPS-009", Hub, enrolled),
    row!("dps-unassigned", "TP-DPS-010", Hub, enrolled),
    SetUp::lab("dps-wrong-hub", "TP-DPS-011", Rung::Dns, |cloud| {
        let here = Ipv4Addr::LOCALHOST;
        let _names = ignorant::start(&cloud.namespace, here.into());
        cloud.namespace.resolv_conf(&format!("nameserver {here}\n"));
        cloud.faulty(&["dps-wrong-hub"], |cloud| enrolled(cloud, &[]))
    }),
    row!("dps-400", "TP-DPS-013", Hub, enrolled),
];

#[test]
fn what_provisioning_answers() {
    play(&mut Cloud::start(), DPS);
}
