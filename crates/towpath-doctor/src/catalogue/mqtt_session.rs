//! Findings of MQTT: the life of a connection behind CONNACK.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-MQTT-010",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server does not acknowledge messages",
        fix: "Look at the server; it took the connection and leaves QoS 1 messages unanswered.",
        about: "A message of QoS 1 is done when its PUBACK comes. Here the connection stands, \
                pings are answered, and PUBACK stays away: the server, or a proxy that speaks \
                MQTT, is stuck behind. The message is sent again on the next connection, so \
                nothing is lost, but nothing gets on either.",
        decided_by: "PUBLISH with QoS 1 was sent, no PUBACK within the time, and PINGRESP comes. \
                     If pings stay unanswered too it is TP-MQTT-013; a hub that slows a device \
                     down acknowledges late: TP-HUB-011.",
        remedies: &[
            linux(
                "Publish one message and watch.",
                "towpath pub URL test/topic -m 1 -q 1 --trace",
            ),
            server(
                "Look at the server's queue and disk; at a hub at its metrics for throttling.",
                "",
            ),
            zephyr(
                "Wait for MQTT_EVT_PUBACK with a limit, then reconnect and send it again with DUP.",
                "",
            ),
            esp_idf(
                "Resend later than this many milliseconds: session.message_retransmit_timeout.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["MQTT_EVT_PUBACK"],
        proofs: &[Proof::Log("towpath-no-puback.log")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-013",
        rung: Rung::Mqtt,
        side: Side::Network,
        cause: "the server stopped answering",
        fix: "Look at the network; a shorter keep-alive notices such a break sooner.",
        about: "A PINGREQ went out and no PINGRESP came, while TCP still looks open. A router \
                forgot the connection, the radio left its cell, or the server died without a \
                word: nobody told this side. Clients without a limit for PINGRESP stay \
                \"connected\" for up to half an hour.",
        decided_by: "PINGREQ was sent, nothing came within the time, and there was no end and no \
                     reset. If it happens after the same idle time again and again it is \
                     TP-MQTT-023; if PINGRESP came after this side had given up, TP-MQTT-033.",
        remedies: &[
            linux(
                "Watch with a short keep-alive.",
                "towpath doctor URL --keepalive 30 --watch 120",
            ),
            zephyr(
                "A shorter keep-alive, in seconds.",
                "CONFIG_MQTT_KEEPALIVE=60",
            ),
            esp_idf(
                "A shorter keep-alive: session.keepalive of the MQTT client, in seconds.",
                "",
            ),
            server(
                "Let the server's TCP notice it too.",
                "sysctl -w net.ipv4.tcp_keepalive_time=120",
            ),
            network(
                "Keep idle TCP connections longer than devices are silent.",
                "",
            ),
        ],
        administrator: "Please keep idle TCP connections of these devices for at least 5 minutes.",
        symptoms: &[
            "PingTimeout",
            "No PING_RESP, disconnected",
            "Ping timeout",
            "Client has exceeded timeout, disconnecting",
        ],
        proofs: &[
            Proof::Lab("ping-silent"),
            Proof::Lab("silent-drop"),
            Proof::Code("PingTimeout"),
            Proof::Log("esp-ping.log"),
        ],
        sources: &["https://github.com/hivemq/hivemq-mqtt-client-dotnet/issues/357"],
    },
    Finding {
        id: "TP-MQTT-015",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server closed an accepted connection without a word",
        fix: "Look at the server's log; note after how long and after which packet it happens.",
        about: "MQTT 3.1.1 has no word for the reason of an end, so the server just hangs up: \
                another client with the same id, a topic that is not allowed, a packet that is \
                too large, a token that ran out, an idle limit, a restart. Time and the last \
                packet tell them apart.",
        decided_by: "CONNACK 0 came, then an end without DISCONNECT. Directly after PUBLISH or \
                     SUBSCRIBE: TP-MQTT-026, TP-MQTT-019, at a hub TP-HUB-024. After a constant \
                     idle time: TP-MQTT-023, TP-MQTT-024. Every few seconds: TP-MQTT-018. Each \
                     hour at a hub: TP-HUB-029.",
        remedies: &[
            linux(
                "Stay connected and see what ends it.",
                "towpath doctor URL --watch 120",
            ),
            server(
                "Mosquitto says it in a line.",
                "log_type all\n\
                 connection_messages true",
            ),
            zephyr(
                "MQTT 5 has reasons; Zephyr's library has it in newer versions.",
                "CONFIG_MQTT_VERSION_5_0=y",
            ),
            esp_idf(
                "MQTT 5 has reasons: session.protocol_ver = MQTT_PROTOCOL_V_5.",
                "CONFIG_MQTT_PROTOCOL_5=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "The connection was lost",
            "rc=7",
            "disconnected rc 7",
            "MQTT_EVT_DISCONNECT",
            "-128",
            "ENOTCONN",
        ],
        proofs: &[
            Proof::Lab("drop-after"),
            Proof::SetUp("mqtt-takeover"),
            Proof::SetUp("mqtt-broker-ends"),
            Proof::Log("zephyr-disconnect.log"),
            Proof::Capture("mqtt-dropped"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-017",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server ended the connection",
        fix: "Look at the reason code, and at the server's log.",
        about: "MQTT 5 lets a server say why it ends a connection, by DISCONNECT with a reason. \
                This one has no entry of its own here: 0x8b shutting down, 0x98 an administrator \
                did it, 0x80 unspecified, 0xa0 maximum connect time.",
        decided_by: "DISCONNECT came from the server; number and text stand in the evidence. \
                     0x8e is TP-MQTT-018, 0x8d TP-MQTT-027, 0x95 TP-MQTT-019, 0x9c and 0x9d \
                     TP-MQTT-029.",
        remedies: &[
            linux(
                "See the reason.",
                "towpath doctor URL --watch 120 --verbose",
            ),
            server("Look into the broker's log.", "log_type all"),
            zephyr(
                "Read the reason in MQTT_EVT_DISCONNECT and wait before the next attempt.",
                "",
            ),
            esp_idf(
                "Read it in event->error_handle, and wait before the next attempt.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "ServerDisconnected",
            "0x8b",
            "0x98",
            "Server shutting down",
            "Administrative action",
        ],
        proofs: &[Proof::Code("ServerDisconnected"), Proof::Code("0x98")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-018",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "another client took over the connection with the same client id",
        fix: "Give every device and program a client id of its own; stop the one that is \
              forgotten.",
        about: "A client id may be connected once; the newer connection wins and the older one \
                is closed. Two programs with one id throw each other out every few seconds for \
                ever. A test on a laptop with the device's identity does it too, and so does a \
                device whose old connection the server still believes in.",
        decided_by: "DISCONNECT 0x8e (session taken over) in MQTT 5. In 3.1.1 only an end, again \
                     and again a moment after each CONNACK, and another client id stays \
                     connected. At an IoT hub the log says 400027: TP-HUB-001.",
        remedies: &[
            linux(
                "Use another id for tests.",
                "towpath doctor URL -i test-from-laptop",
            ),
            server(
                "Mosquitto's log shows both addresses: \"already connected, closing old \
                 connection\".",
                "connection_messages true",
            ),
            zephyr(
                "Make the id of the chip's own number: hwinfo_get_device_id(). With NCS and the \
                 modem, of its IMEI.",
                "",
            ),
            esp_idf(
                "Leave credentials.client_id out: it is made from the chip's address then.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "0x8e",
            "Session taken over",
            "already connected, closing old connection",
            "rc=7",
            "400027",
        ],
        proofs: &[
            Proof::Log("mosquitto-takeover.log"),
            Proof::Capture("mqtt-takeover"),
            Proof::Code("0x8e"),
        ],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-MQTT-023",
        rung: Rung::Mqtt,
        side: Side::Network,
        cause: "something on the way forgets the connection sooner than the keep-alive renews it",
        fix: "Set the keep-alive below the idle time that the network allows.",
        about: "Routers, NAT and carriers remember an idle TCP connection for a time, from one \
                minute to an hour, and then drop it silently or with a reset. A device with a \
                keep-alive of 20 minutes behind a NAT of 5 loses the connection each time it is \
                quiet. Clouds do it too: an IoT hub takes a keep-alive of 1177 s at most.",
        decided_by: "The connection breaks after the same idle time again and again, never while \
                     messages flow, and a shorter keep-alive cures it. If an orderly end comes \
                     from a server with a Server header, it is TP-MQTT-024.",
        remedies: &[
            linux(
                "Watch with two values.",
                "towpath doctor URL --keepalive 60 --watch 600",
            ),
            zephyr(
                "Seconds; below the shortest that was measured.",
                "CONFIG_MQTT_KEEPALIVE=60",
            ),
            esp_idf(
                "Seconds: session.keepalive of the MQTT client; it pings at half of that.",
                "",
            ),
            network(
                "Keep idle TCP connections for at least an hour; Linux with nftables or iptables:",
                "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=7440",
            ),
        ],
        administrator: "Please keep idle TCP connections of these devices for at least 20 \
                        minutes (RFC 5382 asks for two hours and four minutes).",
        symptoms: &["Connection reset by peer", "-104", "ECONNRESET"],
        proofs: &[
            Proof::Log("idle-reset.log"),
            Proof::Capture("mqtt-idle-reset"),
            Proof::Lint("hub-keep-alive"),
        ],
        sources: &[
            "https://github.com/eclipse-paho/paho.mqtt.c/issues/581",
            "https://github.com/micropython/micropython/issues/5566",
        ],
    },
    Finding {
        id: "TP-MQTT-024",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "a reverse proxy ends connections that are idle",
        fix: "Raise the proxy's idle limit (nginx: proxy_read_timeout), or ping more often than \
              it.",
        about: "nginx closes a connection on which its upstream has sent nothing for 60 seconds; \
                load balancers have the like. MQTT is quiet for longer than that, so the \
                connection ends exactly then, without a close frame and without DISCONNECT.",
        decided_by: "An orderly end after a constant idle time, close to 60 s with nginx's \
                     default, and the head of the upgrade names a proxy in Server. On a \
                     connection without a proxy it lives on. A reset or silence is TP-MQTT-023.",
        remedies: &[
            linux(
                "Ping more often than the limit.",
                "towpath doctor URL --keepalive 45 --watch 120",
            ),
            server(
                "nginx, in the location of the WebSocket:",
                "proxy_read_timeout 3600s;\n\
                 proxy_send_timeout 3600s;",
            ),
            server("Apache:", "ProxyTimeout 3600"),
            server("HAProxy:", "timeout tunnel 1h"),
            zephyr(
                "Seconds; below the proxy's limit.",
                "CONFIG_MQTT_KEEPALIVE=45",
            ),
            esp_idf("Seconds: session.keepalive of the MQTT client.", ""),
        ],
        administrator: "",
        symptoms: &[
            "upstream timed out (110: Connection timed out) while proxying upgraded connection",
            "WebSocket connection closed: code 1006",
            "The connection was lost",
        ],
        proofs: &[
            Proof::SetUp("mqtt-proxy-idle"),
            Proof::Log("nginx-idle-60.log"),
        ],
        sources: &[
            "https://github.com/World-Meteorological-Organization/wis2box/issues/1133",
            "https://github.com/eclipse-paho/paho.mqtt.c/issues/724",
        ],
    },
    Finding {
        id: "TP-MQTT-027",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "the server has not heard from the client within its keep-alive",
        fix: "Have the client send PINGREQ in time; on Zephyr call mqtt_live().",
        about: "The client promised to be heard from within its keep-alive, and was not within \
                one and a half times that. The loop that sends pings is blocked, or asleep, or \
                never called.",
        decided_by: "DISCONNECT 0x8d (keep alive timeout), or the broker's log \"has exceeded \
                     timeout\", and no PINGREQ in the last one and a half periods of the \
                     capture. If PINGREQ was sent and lost it is TP-MQTT-013.",
        remedies: &[
            zephyr(
                "Call mqtt_live() and mqtt_input() more often than the keep-alive: poll with \
                 mqtt_keepalive_time_left().",
                "CONFIG_MQTT_KEEPALIVE=60",
            ),
            esp_idf("Don't block the MQTT task in its event handler.", ""),
            server("Mosquitto's log shows it.", "log_type all"),
            linux(
                "Let the doctor stay connected as a comparison.",
                "towpath doctor URL --keepalive 60 --watch 120",
            ),
        ],
        administrator: "",
        symptoms: &[
            "0x8d",
            "Keep alive timeout",
            "has exceeded timeout, disconnecting",
            "404104",
        ],
        proofs: &[
            Proof::Log("mosquitto-exceeded-timeout.log"),
            Proof::Capture("mqtt-no-ping"),
            Proof::Code("0x8d"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-033",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "the device gave the server up too early",
        fix: "Give PINGRESP more time than a lost packet needs to be sent again (10 s or more).",
        about: "A lost TCP segment is sent again after a second, then two, four ... A client \
                that waits two seconds for PINGRESP ends connections that TCP would have saved, \
                on radio several times a day.",
        decided_by: "The client closed, and its PINGRESP (2 bytes: d0 00) came afterwards, or \
                     was on its way again. If it never came it is TP-MQTT-013.",
        remedies: &[
            zephyr("Wait for PINGRESP longer before mqtt_abort().", ""),
            esp_idf(
                "Give the network more time: network.timeout_ms of the MQTT client.",
                "",
            ),
            linux(
                "The time for an answer, in seconds.",
                "towpath sub URL 'plant/#' --timeout 20",
            ),
            server("Nothing is wrong with the server.", ""),
        ],
        administrator: "",
        symptoms: &["Ping timeout", "No PING_RESP, disconnected"],
        proofs: &[Proof::Capture("mqtt-late-pingresp")],
        sources: &["https://github.com/arendst/Tasmota/issues/24985"],
    },
];
