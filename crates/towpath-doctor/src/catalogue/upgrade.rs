//! Findings of the HTTP upgrade: no answer, half an answer, an answer that is no upgrade.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-UPG-001",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the peer closed the connection instead of answering the upgrade request",
        fix: "Point the URL to the server's WebSocket listener, and check path and subprotocol.",
        about: "The GET was sent and the server hung up without a line of HTTP. A raw MQTT \
                listener does that: it reads \"GET\" as a broken MQTT packet. Mosquitto's \
                WebSocket listener does it to an unknown subprotocol. Behind TLS it can also be \
                a refused client certificate.",
        decided_by: "Last sent is the GET, last received nothing, then the end. If CONNECT on \
                     the same port gets a CONNACK, it is a raw listener. If a TLS renegotiation \
                     was refused just before it is TP-TLS-031; half a head is TP-UPG-010.",
        remedies: &[
            linux(
                "Ask the port for plain MQTT.",
                "towpath doctor mqtt://broker.example:1883",
            ),
            zephyr(
                "Port and transport have to agree: with MQTT_TRANSPORT_NON_SECURE the port of \
                 plain MQTT, with the WebSocket transport that of WebSocket.",
                "",
            ),
            esp_idf(
                "Let scheme and port in the URI agree: ws:// with the WebSocket port.",
                "",
            ),
            server(
                "Give Mosquitto a WebSocket listener.",
                "listener 8080\n\
                 protocol websockets",
            ),
        ],
        administrator: "",
        symptoms: &[
            "transport_ws: Error read response for Upgrade header GET /mqtt",
            "Error read response for Upgrade header",
            "WebSocket connection to failed: Connection closed before receiving a handshake response",
            "Empty reply from server",
        ],
        proofs: &[
            Proof::Lab("get-close"),
            Proof::SetUp("upgrade-raw-mqtt"),
            Proof::SetUp("upgrade-mosquitto-subprotocol"),
            Proof::Capture("upgrade-closed"),
            Proof::Log("esp-idf-ws-raw.log"),
        ],
        sources: &[
            "https://github.com/cesanta/mongoose-os/issues/609",
            "https://github.com/espressif/esp-idf/issues/4338",
        ],
    },
    Finding {
        id: "TP-UPG-002",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "no complete answer to the upgrade request",
        fix: "Look whether the server or a proxy holds the request; check host, port and path.",
        about: "The GET was sent, the connection stands, and no answer came. A raw MQTT listener \
                that waits for more bytes, a front end whose broker hangs, and an inspecting \
                proxy that knows no WebSocket behave like this.",
        decided_by: "Last sent is the GET and nothing was received in the time for a rung. If a \
                     part of the head came it is TP-UPG-010; if a second TLS handshake is under \
                     way it is TP-TLS-035.",
        remedies: &[
            linux(
                "Wait longer, then ask past the proxy.",
                "towpath doctor URL --timeout 30\n\
                 towpath doctor URL --proxy none",
            ),
            zephyr(
                "Give the handshake more time: the timeout argument of websocket_connect(), in \
                 milliseconds.",
                "",
            ),
            esp_idf(
                "Give the transport more time: network.timeout_ms of the MQTT client.",
                "",
            ),
            server(
                "Let the front end say so when its broker is silent; nginx:",
                "proxy_connect_timeout 5s;\n\
                 proxy_read_timeout 3600s;",
            ),
        ],
        administrator: "Please let WebSocket connections (HTTP Upgrade) to this server pass \
                        without inspection.",
        symptoms: &["UpgradeTimeout", "WebSocket opening handshake timed out"],
        proofs: &[
            Proof::Lab("get-silent"),
            Proof::Code("UpgradeTimeout"),
            Proof::Log("ncs-upgrade-silent.log"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-006",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the HTTP answer has a head without end",
        fix: "Check that this is the WebSocket server; if it is, have the proxy in front add \
              fewer headers.",
        about: "The head of the answer is larger than what a client has to take. Cookies, \
                tracing and security headers of a front end add up; a device's buffer is full \
                after a kilobyte (TP-DEV-040).",
        decided_by: "More bytes of head came than the limit and no empty line. On a device whose \
                     buffer is smaller than the head it is TP-DEV-040.",
        remedies: &[
            server(
                "Take headers away that nobody reads; nginx:",
                "proxy_hide_header Set-Cookie;",
            ),
            esp_idf(
                "Give the transport a larger buffer.",
                "CONFIG_WS_BUFFER_SIZE=4096",
            ),
            linux("See the head.", "towpath doctor URL --verbose"),
        ],
        administrator: "",
        symptoms: &["HeadTooLarge", "buffer is full"],
        proofs: &[
            Proof::Lab("upgrade-large=131072"),
            Proof::Code("HeadTooLarge"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-007",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server did not take the subprotocol mqtt",
        fix: "Check the path: this is a WebSocket, but not one that speaks MQTT.",
        about: "The request offers the subprotocol mqtt and the answer names none. MQTT over \
                WebSocket has to agree on it (MQTT-6.0.0-3). A chat or a live page at that path \
                upgrades anything; some proxies drop the header.",
        decided_by: "Status 101 without Sec-WebSocket-Protocol. With another name than offered \
                     it is TP-UPG-008.",
        remedies: &[
            linux(
                "Try the broker's own path.",
                "towpath doctor wss://broker.example/mqtt",
            ),
            server(
                "nginx passes the header by default; don't overwrite it.",
                "proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;",
            ),
            esp_idf(
                "Set the subprotocol of the transport if it was built by hand: \
                 esp_transport_ws_set_subprotocol(ws, \"mqtt\").",
                "",
            ),
            zephyr(
                "Name it in the headers of websocket_connect(): optional_headers with \
                 \"Sec-WebSocket-Protocol: mqtt\".",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "NoSubprotocol",
            "Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received",
        ],
        proofs: &[
            Proof::Lab("upgrade-no-subprotocol"),
            Proof::Code("NoSubprotocol"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-008",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server chose a subprotocol that was not offered",
        fix: "Offer the subprotocol that this server knows (mqtt, mqttv3.1), or stop the proxy \
              from setting one.",
        about: "The answer names a subprotocol that is not in the request. Old servers know \
                mqttv3.1 only; a reverse proxy with the header written into its configuration \
                answers the same to everybody.",
        decided_by: "Status 101 with a Sec-WebSocket-Protocol that was not offered; both stand \
                     in the evidence.",
        remedies: &[
            linux(
                "Offer what it knows.",
                "towpath doctor URL --subprotocol mqttv3.1",
            ),
            server(
                "Take a fixed add_header Sec-WebSocket-Protocol out of the proxy, and pass the \
                 broker's own on.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "does not match any of sent values",
            "Sec-WebSocket-Protocol",
            "WrongSubprotocol",
        ],
        proofs: &[
            Proof::Lab("upgrade-subprotocol"),
            Proof::SetUp("upgrade-wrong-subprotocol"),
            Proof::Code("WrongSubprotocol"),
        ],
        sources: &["https://github.com/bastlirna/mqtt-wall/issues/5"],
    },
    Finding {
        id: "TP-UPG-009",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the answer's accept hash is wrong",
        fix: "Take the cache or proxy out of the way that answers in place of the server.",
        about: "Sec-WebSocket-Accept is computed from a random key of this very request. A wrong \
                one means that the answer belongs to another request or to nobody: a cache, or a \
                server that only looks like WebSocket.",
        decided_by: "Status 101 and a hash that does not fit RFC 6455 section 4.2.2.",
        remedies: &[
            server("Never cache upgrades; nginx:", "proxy_cache off;"),
            network("Exempt the server from the cache.", ""),
            linux("See the head.", "towpath doctor URL --verbose"),
        ],
        administrator: "",
        symptoms: &[
            "Sec-WebSocket-Accept not found",
            "Incorrect 'Sec-WebSocket-Accept' header value",
            "WrongAccept",
        ],
        proofs: &[Proof::Lab("upgrade-accept"), Proof::Code("WrongAccept")],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-010",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the answer to the upgrade began and never came to its end",
        fix: "Look whether a proxy holds the end of the head back, or the device's buffer is too \
              small for it.",
        about: "A part of the HTTP answer came, without the empty line that ends it, and then \
                nothing. A proxy that buffers until it has a whole block, or that waits for a \
                body that a 101 does not have, holds the rest back. On a device the same is seen \
                when its receive buffer is smaller than the head. In a public case of a device \
                behind a hub's renegotiation the reason was never found; what to try is below.",
        decided_by: "The GET is out, the first bytes of an HTTP head came, and the rest did not \
                     within the time for a rung. With no byte at all it is TP-UPG-002. On a \
                     device, compare the length of the head as seen from here with its buffer: \
                     then it is TP-DEV-040. When the log shows a renegotiation before it, \
                     TP-TLS-035 is possible too. The same request from here decides whether it \
                     is server or device.",
        remedies: &[
            linux(
                "See how far the answer comes from here, with the device's certificate.",
                "towpath doctor URL --cert device.pem --key device.key --verbose",
            ),
            server(
                "nginx in front has to pass the upgrade on at once.",
                "proxy_http_version 1.1;\n\
                 proxy_set_header Upgrade $http_upgrade;\n\
                 proxy_set_header Connection \"upgrade\";\n\
                 proxy_buffering off;",
            ),
            zephyr(
                "Give websocket_connect() a larger tmp_buf and more time; with TLS renegotiation \
                 also room for the chain.",
                "CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=8192",
            ),
            esp_idf(
                "Give the transport a larger buffer.",
                "CONFIG_WS_BUFFER_SIZE=4096",
            ),
            network(
                "Exempt the server from the proxy, or let the proxy pass Upgrade.",
                "",
            ),
        ],
        administrator: "Please let WebSocket connections (HTTP Upgrade) to this server pass \
                        without buffering or inspection.",
        symptoms: &[
            "net_http_client",
            "Error read response for Upgrade header",
            "HTTP timeout",
        ],
        proofs: &[
            Proof::Lab("upgrade-lost"),
            Proof::Log("ncs-upgrade-timeout.log"),
            Proof::Capture("upgrade-lost"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/118802/trying-to-get-azure-iot-hub-sample-working-with-mqtt-over-websockets/522983",
        ],
    },
    Finding {
        id: "TP-UPG-019",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the answer is not HTTP/1.1",
        fix: "Check port and scheme: this port is no WebSocket server.",
        about: "Bytes came in answer to the GET and are not the head of an HTTP/1.1 answer: a \
                banner of another service, MQTT, or HTTP/1.0, which can't be upgraded.",
        decided_by: "The first line is no HTTP/1.1 status line; its beginning stands in the \
                     evidence.",
        remedies: &[
            linux(
                "See who answers.",
                "curl -v http://broker.example:8080/mqtt",
            ),
            server(
                "Mosquitto's WebSocket listener:",
                "listener 8080\n\
                 protocol websockets",
            ),
            esp_idf(
                "Let scheme and port in the URI agree: ws:// with the WebSocket port.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["NotHttp", "HTTP/1.0 404"],
        proofs: &[Proof::SetUp("upgrade-http-10"), Proof::Code("NotHttp")],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-020",
        rung: Rung::Upgrade,
        side: Side::Network,
        cause: "the HTTP answer is malformed",
        fix: "Try from another network: a box in between may have damaged it.",
        about: "The answer begins as HTTP and then breaks the rules of its head: a line without \
                a colon, characters that may not stand there, two lengths that disagree. Servers \
                in use don't do that; boxes that rewrite headers do.",
        decided_by: "A line of the head breaks RFC 9112. If the first line is wrong already it \
                     is TP-UPG-019.",
        remedies: &[
            linux(
                "Compare with another network.",
                "towpath doctor URL --verbose",
            ),
            network("Exempt the server from the box that rewrites headers.", ""),
            server(
                "Look for a header that is set by hand with a line break in it.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["HeadMalformed"],
        proofs: &[
            Proof::SetUp("upgrade-malformed"),
            Proof::Code("HeadMalformed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-021",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the answer says 101 but not `Upgrade: websocket`",
        fix: "Have the proxy in front pass the Upgrade and Connection headers on.",
        about: "The server switched protocols and did not say to which. A proxy that strips \
                hop-by-hop headers, as HTTP tells it to, takes Upgrade and Connection out unless \
                it is told otherwise.",
        decided_by: "Status 101 without the header Upgrade: websocket or without Connection: \
                     Upgrade.",
        remedies: &[
            server(
                "nginx:",
                "proxy_http_version 1.1;\n\
                 proxy_set_header Upgrade $http_upgrade;\n\
                 proxy_set_header Connection \"upgrade\";",
            ),
            server(
                "Apache (mod_proxy_http of 2.4.47 or later):",
                "ProxyPass \"/mqtt\" \"http://127.0.0.1:8080/mqtt\" upgrade=websocket",
            ),
            linux("See the head.", "towpath doctor URL --verbose"),
        ],
        administrator: "",
        symptoms: &["'Upgrade' header is missing", "UpgradeHeader"],
        proofs: &[
            Proof::SetUp("upgrade-header-stripped"),
            Proof::Code("UpgradeHeader"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-022",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server uses an extension that was not offered",
        fix: "Take the extension out of the server's answer, or the proxy out of the way.",
        about: "The answer names a WebSocket extension, such as permessage-deflate, that the \
                client did not offer. Its frames could not be read. A proxy that offers \
                extensions of its own and passes the answer back does this.",
        decided_by: "Sec-WebSocket-Extensions in the answer, none in the request.",
        remedies: &[
            server(
                "Switch compression off at the server; EMQX:",
                "listeners.ws.default.websocket.compress = false",
            ),
            network("Let the proxy pass the request on as it is.", ""),
            linux("See the head.", "towpath doctor URL --verbose"),
        ],
        administrator: "",
        symptoms: &["UnaskedExtension", "permessage-deflate"],
        proofs: &[
            Proof::SetUp("upgrade-extension"),
            Proof::Code("UnaskedExtension"),
        ],
        sources: &[],
    },
];
