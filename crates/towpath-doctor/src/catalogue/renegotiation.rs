//! Findings of TLS: the client certificate that is asked for late, by renegotiation or after a TLS 1.3 handshake.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-031",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server asked for a TLS renegotiation, which this side does not allow",
        fix: "Enable renegotiation (MBEDTLS_SSL_RENEGOTIATION) and switch it on at run time, or \
              use port 8883 or a token.",
        about: "The front end shows its certificate first and reads the HTTP request; only then \
                it knows that this path needs a client certificate, and asks for a second \
                handshake (HelloRequest). TLS libraries refuse that by default: Mbed TLS writes \
                \"refusing renegotiation\" at debug level 3 only, sends a warning alert 100, and \
                the server hangs up. What the application sees is a bare end of the connection, \
                -0x7280, which looks like a network fault.",
        decided_by: "The request was sent, then a handshake record came instead of an HTTP \
                     answer, this side sent alert 100 (no_renegotiation), and the end followed. \
                     If the second handshake ran and the end came in it, it is TP-TLS-034; if \
                     TLS 1.3 was spoken and HTTP 403 came, TP-TLS-039. That 8883 works with the \
                     same certificate fits.",
        remedies: &[
            linux(
                "Give the certificate: then one renegotiation until CONNACK is allowed.",
                "towpath doctor URL --cert device.pem --key device.key",
            ),
            zephyr(
                "NCS (nrf_security); Zephyr's sockets then switch it on by themselves. The \
                 second handshake needs room for the chain.",
                "CONFIG_MBEDTLS_SSL_RENEGOTIATION=y\n\
                 CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=8192",
            ),
            zephyr(
                "Plain Zephyr has no symbol: put #define MBEDTLS_SSL_RENEGOTIATION into a file \
                 of your own.",
                "CONFIG_MBEDTLS_USER_CONFIG_ENABLE=y\n\
                 CONFIG_MBEDTLS_USER_CONFIG_FILE=\"mbedtls_renegotiation.h\"",
            ),
            esp_idf(
                "esp-tls switches it on when it is in the build.",
                "CONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
            ),
            server(
                "Apache: ask in the first handshake, by SSLVerifyClient for the whole host and \
                 not in a Location.",
                "SSLVerifyClient require",
            ),
            server(
                "Azure IoT Hub: use 8883 with the certificate, or a SAS token on 443.",
                "mqtts://contoso.azure-devices.net:8883",
            ),
        ],
        administrator: "",
        symptoms: &[
            "refusing renegotiation, sending alert",
            "mbedtls_ssl_fetch_input() returned -29312 (-0x7280)",
            "-0x7280",
            "-29312",
            "no renegotiation",
            "local error: tls: no renegotiation",
            "alert 100",
            "no_renegotiation",
        ],
        proofs: &[
            Proof::Lab("renegotiate"),
            Proof::Lab("renegotiate-drop"),
            Proof::SetUp("reneg-refused"),
            Proof::Log("ncs-renegotiation.log"),
            Proof::Capture("reneg-refused"),
            Proof::Log("go-renegotiation.log"),
            Proof::Lint("no-renegotiation"),
            Proof::Code("RenegotiationOff"),
            Proof::Code("alert 100"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/118802/trying-to-get-azure-iot-hub-sample-working-with-mqtt-over-websockets/522983",
            "https://github.com/Azure/azure-iot-sdk-c/issues/694",
            "https://github.com/lf-edge/ekuiper/issues/2241",
            "https://github.com/amenzhinsky/iothub/pull/18",
            "https://github.com/wolfSSL/wolfssl/issues/3270",
            "https://github.com/Azure/azure-iot-sdk-c/pull/2032",
        ],
    },
    Finding {
        id: "TP-TLS-033",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's TLS has no secure renegotiation (RFC 5746)",
        fix: "Update the server's TLS, or have it ask for the certificate in the first handshake.",
        about: "The old form of renegotiation lets somebody in the middle put bytes of their own \
                in front of a connection. RFC 5746 of 2010 closed that hole, and both sides have \
                to have it. A server without it asked for a renegotiation, and it was refused \
                for good reason.",
        decided_by: "The server's first ServerHello lacks the renegotiation_info extension, and \
                     a HelloRequest follows. With the extension it would be TP-TLS-031 or go \
                     well.",
        remedies: &[
            server(
                "Update the front end; every TLS library since about 2010 has RFC 5746. Or let \
                 it ask at once; Apache:",
                "SSLVerifyClient require",
            ),
            linux(
                "Use a port where nothing is renegotiated.",
                "towpath doctor mqtts://broker.example:8883 --cert device.pem --key device.key",
            ),
            zephyr(
                "Use the port that asks in the first handshake. With NCS:",
                "CONFIG_MQTT_HELPER_PORT=8883",
            ),
        ],
        administrator: "",
        symptoms: &[
            "unsafe legacy renegotiation disabled",
            "RenegotiationInsecure",
        ],
        proofs: &[
            Proof::Lab("renegotiate-legacy"),
            Proof::Code("RenegotiationInsecure"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-034",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the connection ended inside the TLS renegotiation",
        fix: "Check the client certificate against the server's log; it may be missing or \
              refused without a word.",
        about: "The server asked for a second handshake, it began, and then the connection ended \
                without an alert. Servers do that when they take no certificate for an answer \
                but don't say so, and boxes in between do it because a handshake in the middle \
                of a connection looks odd to them.",
        decided_by: "HelloRequest came, a second ClientHello left, and the end followed without \
                     an alert. With alert 40 and no certificate it is TP-TLS-026, with alert 48 \
                     TP-TLS-040, with a refusal by this side TP-TLS-031.",
        remedies: &[
            linux(
                "Show the climb with the certificate.",
                "towpath doctor URL --cert device.pem --key device.key --verbose",
            ),
            zephyr(
                "Certificate and key belong under a tag that the socket has. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
            server(
                "Apache says why in its error log at this level.",
                "LogLevel ssl:debug",
            ),
            network(
                "Exempt the server from TLS inspection, which can't carry a renegotiation.",
                "",
            ),
        ],
        administrator: "Please exempt connections to this server from TLS inspection: it \
                        authenticates devices inside the TLS connection.",
        symptoms: &["-0x7280", "AH02261", "RenegotiationClosed"],
        proofs: &[
            Proof::SetUp("reneg-closed"),
            Proof::Code("RenegotiationClosed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-035",
        rung: Rung::Tls,
        side: Side::Network,
        cause: "the TLS renegotiation did not come to its end",
        fix: "Raise the time for a rung; a slow device, or a server that waits for more, is the \
              usual cause.",
        about: "A second handshake began after the upgrade request and did not finish in time. \
                The device's HTTP or WebSocket client counts it as time without an answer, often \
                with a limit of a few seconds, while the device verifies a chain and signs.",
        decided_by: "HelloRequest came, the second handshake is under way, and nothing more came \
                     within the time for a rung. If the second handshake is done and the 101 is \
                     missing it is TP-UPG-002 or TP-UPG-010.",
        remedies: &[
            linux(
                "Give it more time.",
                "towpath doctor URL --cert device.pem --key device.key --timeout 30",
            ),
            zephyr(
                "Give the WebSocket handshake more time: the timeout argument of \
                 websocket_connect(), in milliseconds. An EC key signs much faster than RSA.",
                "",
            ),
            esp_idf(
                "Give the transport more time: network.timeout_ms of the MQTT client.",
                "",
            ),
            server(
                "Use P-256 certificates for devices; let the front end wait. Apache:",
                "Timeout 60",
            ),
        ],
        administrator: "",
        symptoms: &["RenegotiationTimeout"],
        proofs: &[
            Proof::Lab("renegotiate-delay"),
            Proof::Code("RenegotiationTimeout"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/118802/trying-to-get-azure-iot-hub-sample-working-with-mqtt-over-websockets/522983",
        ],
    },
    Finding {
        id: "TP-TLS-036",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server asked for a TLS renegotiation after CONNACK",
        fix: "Let the server ask for the certificate before it accepts the connection.",
        about: "One renegotiation is allowed while the connection is being set up. Once CONNACK \
                has come, messages are on their way and a second handshake could mix who said \
                what, so it is refused.",
        decided_by: "CONNACK was read, then a handshake record came. Before CONNACK it is \
                     TP-TLS-031, a second one TP-TLS-037.",
        remedies: &[
            server(
                "Ask in the first handshake or before the 101; Apache:",
                "SSLVerifyClient require",
            ),
            linux(
                "Use a port where nothing is renegotiated.",
                "towpath doctor mqtts://broker.example:8883 --cert device.pem --key device.key",
            ),
            zephyr(
                "Use the port that asks in the first handshake. With NCS:",
                "CONFIG_MQTT_HELPER_PORT=8883",
            ),
        ],
        administrator: "",
        symptoms: &["RenegotiationLate"],
        proofs: &[
            Proof::SetUp("reneg-after-connack"),
            Proof::Code("RenegotiationLate"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-037",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server asked for a second TLS renegotiation",
        fix: "Let the server ask for the certificate once.",
        about: "The certificate was asked for and shown, and then the server wanted another \
                handshake. One is allowed; more are a way to keep a client busy, and no front \
                end needs them.",
        decided_by: "A second HelloRequest on the same connection.",
        remedies: &[
            server(
                "Look for two rules that both ask: one for the host and one for the path. \
                 Apache: one SSLVerifyClient is enough.",
                "SSLVerifyClient require",
            ),
            linux(
                "Use a port where nothing is renegotiated.",
                "towpath doctor mqtts://broker.example:8883 --cert device.pem --key device.key",
            ),
            zephyr(
                "Use the port that asks in the first handshake. With NCS:",
                "CONFIG_MQTT_HELPER_PORT=8883",
            ),
        ],
        administrator: "",
        symptoms: &["RenegotiationAgain"],
        proofs: &[
            Proof::Lab("renegotiate-twice"),
            Proof::Code("RenegotiationAgain"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-038",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server came to the TLS renegotiation with another certificate",
        fix: "Give every server behind the load balancer the same certificate; if nobody runs \
              one, somebody may stand in between.",
        about: "In a renegotiation the server shows its certificate again. It has to be the one \
                of the first handshake, because only that one was checked against the name. A \
                load balancer over servers with different certificates trips this; so would \
                somebody in between.",
        decided_by: "The leaf of the second handshake differs from that of the first. Compare \
                     the two in the evidence: two of your own are a load balancer, a stranger's \
                     is an attack.",
        remedies: &[
            server(
                "Roll the same certificate out to all servers, then reload them.",
                "nginx -s reload",
            ),
            linux(
                "See the chains.",
                "towpath doctor URL --cert device.pem --key device.key --verbose",
            ),
            network(
                "Keep connections on one server for their life; no per-request balancing of TLS.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["RenegotiationIdentity"],
        proofs: &[
            Proof::SetUp("reneg-other-certificate"),
            Proof::Code("RenegotiationIdentity"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-039",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server could not ask for the client certificate after the TLS 1.3 handshake",
        fix: "Set the highest version to TLS 1.2, or use a TLS library with post-handshake \
              authentication (OpenSSL).",
        about: "TLS 1.3 has no renegotiation. A server that learns from the HTTP path that it \
                needs a certificate asks after the handshake, and only a client that offered \
                this (post_handshake_auth) may be asked. Mbed TLS does not have it. The server \
                then answers HTTP 403, and no TLS error is seen anywhere.",
        decided_by: "TLS 1.3, no post_handshake_auth in ClientHello, a client certificate \
                     configured, and HTTP 403 to the upgrade. The same climb with TLS 1.2 is \
                     upgraded. If TLS 1.2 gets 403 as well it is TP-UPG-013.",
        remedies: &[
            linux(
                "Go down to TLS 1.2.",
                "towpath doctor URL --cert device.pem --key device.key --tls-max 1.2",
            ),
            zephyr(
                "Leave TLS 1.3 out and let NCS renegotiate.",
                "CONFIG_MBEDTLS_TLS_VERSION_1_3=n\n\
                 CONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
            ),
            esp_idf(
                "Leave TLS 1.3 out and renegotiate.",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=n\n\
                 CONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
            ),
            server(
                "Apache: ask in the first handshake, or end this host at TLS 1.2.",
                "SSLProtocol TLSv1.2\n\
                 SSLVerifyClient require",
            ),
        ],
        administrator: "",
        symptoms: &[
            "cannot perform post-handshake authentication",
            "AH10158",
            "HTTP 403",
        ],
        proofs: &[
            Proof::SetUp("reneg-13-no-pha"),
            Proof::Code("PostHandshakeMissing"),
        ],
        sources: &[],
    },
];
