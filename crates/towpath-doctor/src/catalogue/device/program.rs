//! Findings of the family `DEV` about the program: its buffers, what it was asked for, the system under it.

use towpath_proto::Rung;

use crate::catalogue::{esp_idf, linux, zephyr};
use crate::{Finding, Proof, Side};

pub(in crate::catalogue) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DEV-017",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "a message is larger than the device's MQTT buffer",
        fix: "Enlarge the MQTT receive buffer, or announce a maximum packet size (MQTT 5).",
        about: "The library on the device has a buffer of fixed size and gives the connection up when a message does not fit. If that \
                message is retained or queued, it comes again after each reconnect, and the device never gets rid of it.",
        decided_by: "The connection ends each time an incoming PUBLISH of about the same size arrives, and the device closes it, not the \
                     server. If the server closes after a PUBLISH of the device, its own limit is the cause (TP-MQTT-019).",
        remedies: &[
            zephyr(
                "The buffers that are given to mqtt_client (rx_buf, tx_buf); with the nRF Connect SDK's MQTT helper:",
                "CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE=4096\nCONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN=4096",
            ),
            esp_idf(
                "ESP-MQTT delivers larger messages in parts: put them together in the program, or enlarge the buffer.",
                "CONFIG_MQTT_USE_CUSTOM_CONFIG=y\nCONFIG_MQTT_BUFFER_SIZE=4096",
            ),
            linux(
                "Delete a retained message that is too large.",
                "towpath pub --retain --null-message URL TOPIC",
            ),
        ],
        administrator: "",
        symptoms: &["LWMQTT_BUFFER_TOO_SHORT", "-ENOMEM from mqtt_input()"],
        proofs: &[
            Proof::Log("arduino-buffer.log"),
            Proof::Lint("small-mqtt-buffer"),
        ],
        sources: &["https://github.com/256dpi/arduino-mqtt/issues/199"],
    },
    Finding {
        id: "TP-DEV-022",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "a buffer or store of this program is full",
        fix: "Enlarge the buffer that is named, or let the other side send less.",
        about: "towpath works in memory of a fixed size on devices and with limits on hosts: for an answer of DNS or HTTP, a packet's head, \
                the session's unacknowledged messages, topic aliases. Something came that does not fit.",
        decided_by: "The fault names the buffer and the number of bytes. Nothing is wrong with the network.",
        remedies: &[linux("Raise the limit that is named in the config.", "")],
        administrator: "",
        symptoms: &[
            "AnswerTooLarge",
            "HttpTooLarge",
            "BufferTooSmall",
            "SessionFull",
            "AliasesFull",
        ],
        proofs: &[
            Proof::Code("AnswerTooLarge"),
            Proof::Code("HttpTooLarge"),
            Proof::Code("BufferTooSmall"),
            Proof::Code("SessionFull"),
            Proof::Code("AliasesFull"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-023",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the operating system reported an error",
        fix: "Look at the system's error number that is named.",
        about: "A call to the operating system failed with an error that has no finding of its own: a permission, a limit, a \
                missing device. The text of the system stands beside its number.",
        decided_by: "The error number. Refusals, time-outs and missing routes have findings of their own (TP-TCP-010 to TP-TCP-013).",
        remedies: &[linux(
            "See which call fails.",
            "strace -f -e trace=network towpath doctor URL",
        )],
        administrator: "",
        symptoms: &["Operation not permitted", "EPERM", "EACCES"],
        proofs: &[Proof::Code("Io")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-024",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the source address cannot be used",
        fix: "Give --bind an address that this machine has.",
        about: "The client was told from which address to connect, and this machine has no such address (any more), or \
                not of the family of the server's address. Addresses of modems and of privacy extensions change.",
        decided_by: "It is said before the first packet. An address that exists and has no way to the server is TP-TCP-018.",
        remedies: &[linux("List the addresses.", "ip -brief address")],
        administrator: "",
        symptoms: &["Cannot assign requested address", "EADDRNOTAVAIL"],
        proofs: &[Proof::SetUp("tcp-bind"), Proof::Code("BindFailed")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-035",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "a part of the upgrade request may not be sent",
        fix: "Take line breaks, control characters and the handshake's own headers out of host, path, subprotocol and headers.",
        about: "Host, path, subprotocol and added headers go into an HTTP request. A line break in one of them would begin \
                another header, and a second Upgrade or Sec-WebSocket-Key would contradict the first, so such a request is not sent at all.",
        decided_by: "It is said before the GET, and names the part. What the server thinks of a request that was sent is TP-UPG-011.",
        remedies: &[linux(
            "Look for line ends in values that come from files or variables.",
            "printf '%s' \"$VALUE\" | od -c | tail",
        )],
        administrator: "",
        symptoms: &["RequestField"],
        proofs: &[Proof::Code("RequestField")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-040",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the device's buffer for HTTP is too small for the answer to the upgrade",
        fix: "Enlarge the WebSocket buffer of the build.",
        about: "The answer 101 comes with headers: of the server, of a load balancer, of a proxy, cookies among them. ESP-IDF's WebSocket transport \
                reads them into one buffer of 1024 bytes by default, which also has to hold the request; Zephyr's MQTT takes the \
                temporary buffer that the program gives it. What does not fit ends the attempt.",
        decided_by: "The GET was sent, an answer came, and the device complains about the header's size or waits for an end that it can't \
                     hold. If towpath reads the same answer, its length is named and decides. An answer without an end is TP-UPG-010.",
        remedies: &[
            esp_idf(
                "One buffer for request and answer.",
                "CONFIG_WS_BUFFER_SIZE=4096",
            ),
            zephyr(
                "Give mqtt_client.transport.websocket.config.tmp_buf more room (2048 bytes).",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["transport_ws: Header size exceeded buffer size"],
        proofs: &[
            Proof::Log("esp-idf-ws-header.log"),
            Proof::Lint("small-ws-buffer"),
        ],
        sources: &[],
    },
];
