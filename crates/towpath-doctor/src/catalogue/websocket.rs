//! Findings of WebSocket: the frames behind the 101.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-WS-001",
        rung: Rung::Ws,
        side: Side::Server,
        cause: "the peer closed the connection on the WebSocket",
        fix: "Look at the log of the broker behind the front end: it took the upgrade and hung up.",
        about: "The upgrade went well and the connection ended without a close frame before MQTT \
                answered. A front end that answers the upgrade by itself and then can't reach \
                its broker does that, and so does a broker that dislikes the first frame.",
        decided_by: "101 came, then the end without a close frame. If CONNECT was sent and a \
                     broker without front end closed, it is TP-MQTT-001; a close frame with a \
                     code is TP-WS-007.",
        remedies: &[
            linux(
                "Ask the broker directly, past the front end.",
                "towpath doctor mqtt://broker.example:1883",
            ),
            server(
                "Check that the front end reaches the WebSocket port of the broker, not its raw \
                 MQTT port; nginx:",
                "proxy_pass http://127.0.0.1:8080;",
            ),
            server(
                "EMQX's log names the reason at this level.",
                "log.console.level = debug",
            ),
            network(
                "Exempt the server from inspection: some proxies pass the upgrade and drop the \
                 frames.",
                "",
            ),
        ],
        administrator: "Please let WebSocket frames pass to this server; the upgrade passes and \
                        the connection is cut right after.",
        symptoms: &[
            "The connection was lost",
            "WebSocket connection closed: code 1006",
            "1006",
        ],
        proofs: &[Proof::Lab("upgraded-close")],
        sources: &[],
    },
    Finding {
        id: "TP-WS-004",
        rung: Rung::Ws,
        side: Side::Server,
        cause: "a text frame where MQTT needs binary",
        fix: "Check the path: this WebSocket does not speak MQTT.",
        about: "MQTT goes in binary frames only (MQTT-6.0.0-1), and the server sent text. A \
                chat, a live log or a JSON interface at that path does.",
        decided_by: "The first frames from the server have opcode 1. Text frames by the device \
                     are TP-WS-010.",
        remedies: &[
            linux(
                "Try the broker's path.",
                "towpath doctor wss://broker.example/mqtt",
            ),
            server("Let the path lead to the broker's WebSocket listener.", ""),
        ],
        administrator: "",
        symptoms: &["FrameText", "MQTT-6.0.0-1"],
        proofs: &[Proof::Lab("frames-text"), Proof::Code("FrameText")],
        sources: &[],
    },
    Finding {
        id: "TP-WS-005",
        rung: Rung::Ws,
        side: Side::Server,
        cause: "a frame is masked the wrong way",
        fix: "Update the server's WebSocket library.",
        about: "Frames of a client are masked and those of a server never are (RFC 6455 section \
                5.1). A peer that does it the other way round is a client that plays the server, \
                or a library with a fault.",
        decided_by: "The mask bit is set in a frame from the server. A device that does not mask \
                     is TP-WS-011.",
        remedies: &[
            server(
                "Update the broker or its WebSocket library; use Mosquitto, EMQX or a front end \
                 in front of it.",
                "",
            ),
            linux(
                "Compare with another server.",
                "towpath doctor URL --verbose",
            ),
        ],
        administrator: "",
        symptoms: &[
            "FrameMask",
            "A server must not mask any frames that it sends to the client",
        ],
        proofs: &[Proof::Lab("frames-masked"), Proof::Code("FrameMask")],
        sources: &[],
    },
    Finding {
        id: "TP-WS-007",
        rung: Rung::Ws,
        side: Side::Server,
        cause: "the peer closed the WebSocket",
        fix: "Look at the close code and at the server's log.",
        about: "The server said goodbye with a close frame. Its code is the reason: 1000 and \
                1001 normal end or going away, 1002 and 1003 something in the frames was not \
                accepted, 1008 policy, 1009 a message that is too large, 1011 and 1013 trouble \
                at the server.",
        decided_by: "A close frame came; code and text stand in the evidence. Without one it is \
                     TP-WS-001 (code 1006 in browsers stands for \"no close frame\").",
        remedies: &[
            linux("See code and text.", "towpath doctor URL --verbose"),
            server(
                "1009: allow larger messages; EMQX:",
                "listeners.ws.default.websocket.max_frame_size = infinity",
            ),
            esp_idf(
                "1009 and 1003 on a device: send smaller messages, in binary frames.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "close code",
            "close 1002",
            "close 1008",
            "close 1011",
            "WsClosed",
        ],
        proofs: &[
            Proof::Lab("close-code"),
            Proof::Lab("close-code=1002"),
            Proof::Code("close 1011"),
            Proof::Code("WsClosed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-WS-008",
        rung: Rung::Ws,
        side: Side::Server,
        cause: "a frame breaks the rules of WebSocket",
        fix: "Update the server, or take the proxy out of the way that rewrites frames.",
        about: "Reserved bits without an extension, a control frame in pieces, a continuation of \
                nothing, or a length that can't be: the stream of frames is out of step and \
                can't be read on. When a proxy adds compression that nobody asked for, the \
                reserved bits show it.",
        decided_by: "The client says which rule of RFC 6455 section 5 was broken; the clause \
                     stands in the evidence.",
        remedies: &[
            linux(
                "See the clause, then ask past the proxy.",
                "towpath doctor URL --verbose\n\
                 towpath doctor URL --proxy none",
            ),
            server(
                "Update the WebSocket library of the server, and switch compression off; EMQX:",
                "listeners.ws.default.websocket.compress = false",
            ),
            network("Exempt the server from the proxy.", ""),
        ],
        administrator: "",
        symptoms: &[
            "FrameReserved",
            "FrameControl",
            "FrameOrder",
            "FrameLength",
            "RSV1 must be clear",
            "close 1002",
        ],
        proofs: &[Proof::Code("FrameReserved"), Proof::Code("FrameOrder")],
        sources: &[],
    },
    Finding {
        id: "TP-WS-009",
        rung: Rung::Ws,
        side: Side::Device,
        cause: "the device takes one WebSocket frame for one MQTT packet, and the server splits \
                packets",
        fix: "Let the client put MQTT packets together from frames.",
        about: "A server may cut an MQTT packet into several frames and put several packets into \
                one (MQTT-6.0.0-2). A client that reads a packet from each frame works until the \
                first large message, and then takes the rest of it for a new packet.",
        decided_by: "In the capture a packet from the server spans frames, and the client ends \
                     the connection or reports a bad packet right after. A healthy client reads \
                     on.",
        remedies: &[
            esp_idf(
                "Update the MQTT component: the transport hands bytes on, not frames.",
                "",
            ),
            zephyr(
                "Read with mqtt_live() and mqtt_input() of the library, not frame by frame from \
                 websocket_recv_msg().",
                "",
            ),
            server(
                "As a way round, send whole packets: a larger frame size at the broker; EMQX:",
                "listeners.ws.default.websocket.max_frame_size = infinity",
            ),
        ],
        administrator: "",
        symptoms: &["bad CONNACK", "AMQJS0005E Internal error"],
        proofs: &[
            Proof::Capture("ws-split"),
            Proof::Log("hivemq-web-split.log"),
        ],
        sources: &["https://github.com/hivemq/hivemq-mqtt-web-client/issues/22"],
    },
    Finding {
        id: "TP-WS-010",
        rung: Rung::Ws,
        side: Side::Device,
        cause: "the device sends MQTT in text frames",
        fix: "Send binary frames (opcode 2).",
        about: "MQTT has to be sent in binary frames (MQTT-6.0.0-1). Mosquitto takes text too, \
                EMQX and others close: so it works against one broker and not against another.",
        decided_by: "Frames from the client have opcode 1 in the capture, and the server ends \
                     the connection. Text from the server is TP-WS-004.",
        remedies: &[
            zephyr(
                "Send with the opcode for binary: websocket_send_msg(sock, data, len, \
                 WEBSOCKET_OPCODE_DATA_BINARY, true, true, timeout).",
                "",
            ),
            esp_idf(
                "Use the MQTT client's own ws:// transport; with the WebSocket component use \
                 esp_websocket_client_send_bin().",
                "",
            ),
            linux(
                "Paho and other libraries send binary; look for code that passes a string to the \
                 socket.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["function_clause", "frame_error"],
        proofs: &[Proof::Capture("ws-text")],
        sources: &[
            "https://github.com/emqx/emqx/issues/2619",
            "https://github.com/mqttjs/MQTT.js/issues/480",
        ],
    },
    Finding {
        id: "TP-WS-011",
        rung: Rung::Ws,
        side: Side::Device,
        cause: "the device does not mask its WebSocket frames",
        fix: "Mask every frame with a fresh random key (RFC 6455 section 5.3).",
        about: "A client has to mask what it sends, and a server has to close when it does not. \
                Some, Mosquitto 2.0 among them, are lenient; a hub or a cloud front end is not.",
        decided_by: "Frames from the client lack the mask bit in the capture, and the server \
                     closes, often with code 1002. A mask by the server is TP-WS-005.",
        remedies: &[
            zephyr("Pass true for mask in websocket_send_msg().", ""),
            esp_idf("Use the transport of the MQTT client, which masks.", ""),
            linux(
                "Use a WebSocket library of a client; a library of a server does not mask.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["close 1002", "MASK must be set"],
        proofs: &[Proof::Capture("ws-unmasked")],
        sources: &[],
    },
];
