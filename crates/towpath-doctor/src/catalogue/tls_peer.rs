//! Findings of TLS: a port that speaks something else, and boxes in between.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-003",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the peer does not speak TLS on this port",
        fix: "Use mqtt:// or ws:// for this port, or the server's TLS port (often 8883 or 443).",
        about: "The first byte that came back is not that of a TLS record: an HTTP error, an \
                MQTT packet, a banner. The URL says TLS and the port has none. Plain MQTT \
                usually lives on 1883, MQTT with TLS on 8883, HTTPS and wss on 443. A plain \
                Mosquitto listener resets the connection instead (TP-TLS-001 or TP-TCP-002).",
        decided_by: "Bytes came in answer to ClientHello and are no TLS record. The reverse, \
                     plain bytes to a TLS port, is TP-TLS-048.",
        remedies: &[
            linux(
                "Ask without TLS, or on the TLS port.",
                "towpath doctor mqtt://broker.example:1883\n\
                 towpath doctor mqtts://broker.example:8883",
            ),
            zephyr(
                "The port has to match the security of the transport. With NCS:",
                "CONFIG_MQTT_LIB_TLS=y\n\
                 CONFIG_MQTT_HELPER_PORT=8883",
            ),
            esp_idf(
                "Let scheme and port in the URI agree: mqtts:// with 8883, wss:// with 443.",
                "",
            ),
            server(
                "Give Mosquitto a TLS listener.",
                "listener 8883\n\
                 certfile /etc/mosquitto/certs/fullchain.pem\n\
                 keyfile /etc/mosquitto/certs/server.key",
            ),
        ],
        administrator: "",
        symptoms: &[
            "wrong version number",
            "-0x7200",
            "packet length too long",
            "http request",
            "PeerNotTls",
        ],
        proofs: &[
            Proof::Lab("hello-plain"),
            Proof::SetUp("tls-plain-port"),
            Proof::Code("wrong version number"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-045",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "a broken TLS record",
        fix: "Try from another network: a box in between may damage what passes, or the port may \
              speak no TLS.",
        about: "Bytes came in the place of a TLS record that cannot be one, or a record failed \
                its integrity check. Real networks don't do that to TCP, whose checksum would \
                catch it: a middlebox that rewrites, a proxy that adds its own text, or a server \
                with a broken TLS are left. On a device, a record that is larger than its buffer \
                gives the same code.",
        decided_by: "The TLS library refuses a record after the handshake began, or alert 20 \
                     (bad_record_mac) passes. If the record is longer than the device's buffer \
                     it is TP-TLS-024; if the very first bytes are no TLS it is TP-TLS-003.",
        remedies: &[
            linux(
                "Compare with another network and with the other back-end.",
                "towpath doctor URL --tls mbed --verbose",
            ),
            network("Exempt the server from boxes that rewrite TCP payload.", ""),
        ],
        administrator: "Please exempt connections to this server from any device that rewrites \
                        or inspects TCP payload.",
        symptoms: &[
            "bad record mac",
            "alert 20",
            "decryption failed or bad record mac",
            "-0x7180",
            "-0x7200",
        ],
        proofs: &[Proof::Code("alert 20")],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-048",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the peer speaks TLS on this port",
        fix: "Use mqtts:// or wss:// for this port, or the server's plain port (often 1883).",
        about: "Plain MQTT or HTTP was sent to a port that expects TLS. Some servers answer with \
                a TLS alert or with an HTTP 400 that says so; Mosquitto resets the connection, \
                which looks like a network fault until the port is asked with TLS.",
        decided_by: "A TLS record came back to plain bytes, or the connection ended and a \
                     ClientHello to the same port gets a ServerHello. nginx answers 400 with \
                     \"The plain HTTP request was sent to HTTPS port\".",
        remedies: &[
            linux(
                "Ask with TLS.",
                "towpath doctor mqtts://broker.example:8883",
            ),
            zephyr(
                "Transport and port have to agree. With NCS:",
                "CONFIG_MQTT_LIB_TLS=y\n\
                 CONFIG_MQTT_HELPER_PORT=8883",
            ),
            esp_idf(
                "Write the scheme with its s: mqtts:// or wss://.",
                "CONFIG_MQTT_TRANSPORT_SSL=y\n\
                 CONFIG_MQTT_TRANSPORT_WEBSOCKET_SECURE=y",
            ),
            server(
                "Or open a plain listener for trusted networks only; Mosquitto:",
                "listener 1883 127.0.0.1",
            ),
        ],
        administrator: "",
        symptoms: &[
            "wrong version number",
            "unknown protocol",
            "The plain HTTP request was sent to HTTPS port",
            "WebSocket handshake error, connection not upgraded",
            "PeerSpeaksTls",
        ],
        proofs: &[
            Proof::SetUp("tls-plain-to-tls"),
            Proof::SetUp("tls-http-to-https"),
            Proof::Capture("tls-plain-to-tls"),
            Proof::Code("PeerSpeaksTls"),
        ],
        sources: &[
            "https://github.com/eclipse-mosquitto/mosquitto/issues/2600",
            "https://github.com/Koenkk/zigbee2mqtt/issues/3270",
            "https://github.com/eclipse-paho/paho.mqtt.python/issues/745",
        ],
    },
    Finding {
        id: "TP-TLS-051",
        rung: Rung::Tls,
        side: Side::Network,
        cause: "TLS 1.3 fails on this path where TLS 1.2 works",
        fix: "Set the highest version to TLS 1.2 here, and have the box in between brought up to \
              date.",
        about: "Some older firewalls and proxies read TLS handshakes and end or damage those \
                they do not understand. TLS 1.3 looks different enough to trip them, above all \
                without its compatibility mode. The server is not the cause if it takes TLS 1.3 \
                from elsewhere.",
        decided_by: "The climb ends in the handshake without an alert that would explain it, and \
                     the same climb with TLS 1.2 only is complete. It is likely, not certain, \
                     that a middlebox does it: the same two climbs from another network decide.",
        remedies: &[
            linux(
                "Stay with TLS 1.2 on this path.",
                "towpath doctor URL --tls-max 1.2",
            ),
            zephyr(
                "Leave TLS 1.3 out of the build.",
                "CONFIG_MBEDTLS_TLS_VERSION_1_3=n",
            ),
            esp_idf(
                "Leave TLS 1.3 out of the build, or switch its compatibility mode on.",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=n",
            ),
            network(
                "Update the inspecting device, or exempt the server from it.",
                "",
            ),
        ],
        administrator: "Please check whether a firewall ends TLS 1.3 connections to this server; \
                        TLS 1.2 passes and TLS 1.3 does not.",
        symptoms: &["unexpected eof while reading"],
        proofs: &[Proof::SetUp("tls-13-blocked")],
        sources: &[],
    },
];
