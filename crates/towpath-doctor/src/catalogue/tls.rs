//! Findings of TLS: the handshake, up to the certificates.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-001",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the connection ended inside the TLS handshake",
        fix: "Look at the server's log; the server may want another name (SNI), ALPN, version or \
              certificate.",
        about: "TCP stood, a ClientHello left, and the other side hung up without a TLS alert. \
                Servers do that when the port speaks something else, when no site of theirs has \
                the name that was asked for, or when a front end sorts connections by ALPN and \
                knows nothing of this one. A firewall that dislikes TLS to this host does it \
                too.",
        decided_by: "Last sent is ClientHello, last received is nothing, and no alert came. If \
                     the port answers plain bytes it is TP-TLS-003; if the server's certificate \
                     came first, TP-TLS-004; if the same climb with the server's name or with an \
                     ALPN name gets further, TP-TLS-047 or TP-TLS-049.",
        remedies: &[
            linux(
                "Show what was sent and received, then try the TLS versions one by one.",
                "towpath doctor URL --verbose\n\
                 towpath doctor URL --tls-max 1.2",
            ),
            zephyr(
                "Send the server's name, and set TLS_HOSTNAME on the socket. Plain Zephyr:",
                "CONFIG_MBEDTLS_SERVER_NAME_INDICATION=y",
            ),
            zephyr(
                "The same with NCS (nrf_security):",
                "CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION=y",
            ),
            server(
                "Look for this connection in the server's log; Mosquitto says why with these \
                 lines.",
                "log_type all\n\
                 connection_messages true",
            ),
        ],
        administrator: "Please check whether a firewall ends TLS connections from this device to \
                        the server's name and port.",
        symptoms: &[
            "-0x7280",
            "-29312",
            "mbedtls_ssl_handshake returned -0x7280",
            "unexpected eof while reading",
            "SSL_ERROR_SYSCALL",
            "A TLS error occurred",
        ],
        proofs: &[
            Proof::Lab("hello-close"),
            Proof::Lab("accept-close"),
            Proof::Code("TlsClosed"),
            Proof::Log("mbedtls-eof-hello.log"),
            Proof::Log("mosquitto-tls.log"),
        ],
        sources: &["https://github.com/aws/aws-iot-device-sdk-embedded-C/issues/1695"],
    },
    Finding {
        id: "TP-TLS-002",
        rung: Rung::Tls,
        side: Side::Network,
        cause: "no answer in the TLS handshake",
        fix: "Check that this port speaks TLS, and whether the network swallows large packets \
              (try a smaller --mss).",
        about: "TCP was set up at once, then the ClientHello got no answer of any kind. A server \
                that waits for the client to speak another protocol is silent like this. So is a \
                path that carries small packets only: the ClientHello or the server's flight is \
                too large for it and nobody says so. A server that is out of processes also \
                accepts and then waits.",
        decided_by: "Last sent is ClientHello and nothing came within the time for a rung, with \
                     TCP open. If the same climb with small segments works it is TP-TCP-015. If \
                     an answer comes late, the server is slow and the time is short.",
        remedies: &[
            linux(
                "Try small segments, then more patience.",
                "towpath doctor URL --mss 400\n\
                 towpath doctor URL --timeout 30",
            ),
            server(
                "See whether the ClientHello arrives (port as in the URL).",
                "tcpdump -ni any 'tcp port 8883'",
            ),
            network(
                "Clamp the segment size on the router to what its path carries.",
                "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
            ),
        ],
        administrator: "Please clamp the TCP MSS on the router to the path's MTU, and let ICMP \
                        \"packet too big\" through.",
        symptoms: &[
            "-0x6800",
            "-26624",
            "ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT",
            "0x8006",
            "TlsTimeout",
        ],
        proofs: &[
            Proof::Lab("hello-silent"),
            Proof::Lab("accept-silent"),
            Proof::Lab("handshake-slow"),
            Proof::Code("TlsTimeout"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-004",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the connection ended after the server had sent its certificate",
        fix: "Look at the server's log and at what this side answered; often this side gave up \
              on the certificate.",
        about: "The server showed its certificate and the connection ended before the handshake \
                was done, with no alert. The end comes from whoever could not go on: a server \
                that has a time limit and found the client too slow, or a client (a device) that \
                ran out of memory or time while it checked the chain.",
        decided_by: "Last received is the server's Certificate or ServerHelloDone, then the end \
                     without an alert. An alert says more: 80 from the client is memory \
                     (TP-DEV-010), 48 from the client is a missing root (TP-TLS-013). Seconds \
                     between the certificate and the end point to a slow client (TP-DEV-021).",
        remedies: &[
            linux(
                "Do it from a fast machine: if it works there, the device is too slow or too \
                 small.",
                "towpath doctor URL --verbose",
            ),
            zephyr(
                "Give the checks room and time.",
                "CONFIG_MBEDTLS_ENABLE_HEAP=y\n\
                 CONFIG_MBEDTLS_HEAP_SIZE=60000",
            ),
            server(
                "Give slow devices time in the handshake; nginx as a stream in front of a broker:",
                "ssl_handshake_timeout 60s;",
            ),
        ],
        administrator: "",
        symptoms: &["-0x7280"],
        proofs: &[
            Proof::Lab("certificate-close"),
            Proof::Log("mbedtls-eof-certificate.log"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-005",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server closed the connection right after the TLS handshake",
        fix: "Check the client certificate first: in TLS 1.3 a server refuses it only after the \
              handshake seems done.",
        about: "The handshake completed and then the server hung up before a byte of MQTT or \
                HTTP came. In TLS 1.3 the server looks at the client's certificate last, so a \
                missing or refused one shows only now. A front end that sorts by name or ALPN, \
                and a broker that is full, close here too.",
        decided_by: "TLS was reached, nothing came behind it, and the end followed within \
                     milliseconds without an alert. With TLS 1.2 the same fault comes inside the \
                     handshake as an alert, so one climb with TLS 1.2 decides: TP-TLS-026, \
                     TP-TLS-040 or TP-TLS-042. An end after CONNECT was sent is TP-MQTT-001.",
        remedies: &[
            linux(
                "Bring the certificate along, and let TLS 1.2 say what is wrong.",
                "towpath doctor URL --cert device.pem --key device.key\n\
                 towpath doctor URL --tls-max 1.2",
            ),
            zephyr(
                "Both halves of the credential belong under the same tag in the list of sec_tags \
                 of the client. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
            server(
                "Mosquitto's log says it in a line (peer did not return a certificate; \
                 max_connections exceeded).",
                "log_type all",
            ),
        ],
        administrator: "",
        symptoms: &[
            "ssl.SSLEOFError: EOF occurred in violation of protocol",
            "tlsv13 alert certificate required",
        ],
        proofs: &[
            Proof::Lab("handshake-close"),
            Proof::SetUp("tls-client-late"),
        ],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/3352"],
    },
    Finding {
        id: "TP-TLS-020",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "client and server have no cipher suite or group in common",
        fix: "Offer a suite that fits the server's key (RSA or ECDSA) and a group that it takes.",
        about: "The server read the ClientHello and found nothing in its lists that it may use. \
                On a device the list is short, because each suite costs flash: key exchange, \
                cipher, hash and curve all have to be in the build. OpenSSL servers call it \"no \
                shared cipher\" and send alert 40 (handshake_failure).",
        decided_by: "Alert 40 from the server directly after ClientHello. The same host answers \
                     a client that offers every suite, which decides it. If only the kind of the \
                     server's key is wrong it is TP-TLS-018; alert 40 after the server asked for \
                     a certificate is TP-TLS-026; alert 70 is TP-TLS-021.",
        remedies: &[
            linux(
                "See what a full list gets, then narrow it to the device's.",
                "towpath doctor URL --verbose\n\
                 towpath doctor URL --tls mbed --ciphers TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            zephyr(
                "Most public servers need ECDHE-RSA with AES-GCM and P-256. Plain Zephyr:",
                "CONFIG_MBEDTLS_RSA_C=y\n\
                 CONFIG_MBEDTLS_PKCS1_V15=y\n\
                 CONFIG_MBEDTLS_ECP_C=y\n\
                 CONFIG_MBEDTLS_ECDH_C=y\n\
                 CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED=y\n\
                 CONFIG_MBEDTLS_CIPHER_GCM_ENABLED=y",
            ),
            zephyr(
                "NCS (nrf_security), where ECDHE-RSA is off as soon as OpenThread is on:",
                "CONFIG_MBEDTLS_RSA_C=y\n\
                 CONFIG_MBEDTLS_PKCS1_V15=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED=y\n\
                 CONFIG_PSA_WANT_ALG_ECDH=y\n\
                 CONFIG_PSA_WANT_ALG_GCM=y",
            ),
            esp_idf(
                "Keep the defaults, or switch these on again.",
                "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA=y\n\
                 CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED=y\n\
                 CONFIG_MBEDTLS_GCM_C=y",
            ),
            server(
                "Let Mosquitto take what the device has.",
                "ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:HIGH",
            ),
        ],
        administrator: "",
        symptoms: &[
            "no shared cipher",
            "sslv3 alert handshake failure",
            "alert 40",
            "handshake_failure",
            "AlertReceived(HandshakeFailure)",
            "-0x7780",
            "-30592",
        ],
        proofs: &[
            Proof::Lab("suite-only"),
            Proof::SetUp("tls-no-suite"),
            Proof::Capture("tls-no-suite"),
            Proof::Lint("hub-suites"),
            Proof::Code("alert 40"),
            Proof::Code("handshake_failure"),
        ],
        sources: &[
            "https://github.com/Mbed-TLS/mbedtls/issues/1235",
            "https://github.com/zephyrproject-rtos/zephyr/pull/108855",
        ],
    },
    Finding {
        id: "TP-TLS-021",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "client and server have no TLS version in common",
        fix: "Allow the version that the server wants: widen --tls-min and --tls-max, or enable \
              it in the build.",
        about: "Each side has a lowest and a highest TLS version, and the two ranges do not \
                meet. Old firmware ends at TLS 1.2, and some brokers and cloud endpoints have a \
                policy that begins at 1.3. The server says it with alert 70 (protocol_version).",
        decided_by: "Alert 70, from the server after ClientHello or from this side after \
                     ServerHello. One climb for each version shows which one the server has. If \
                     the server only has TLS 1.2 and the client begins at 1.3, it is TP-TLS-022.",
        remedies: &[
            linux(
                "Ask for each version in turn.",
                "towpath doctor URL --tls-min 1.2 --tls-max 1.2\n\
                 towpath doctor URL --tls-min 1.3",
            ),
            zephyr(
                "Switch TLS 1.3 on as well, in Zephyr and NCS alike.",
                "CONFIG_MBEDTLS_TLS_VERSION_1_3=y\n\
                 CONFIG_MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED=y",
            ),
            esp_idf(
                "Switch TLS 1.3 on as well (not together with dynamic buffers).",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=y\n\
                 CONFIG_MBEDTLS_SSL_PROTO_TLS1_2=y",
            ),
            server(
                "Let Mosquitto take TLS 1.2 too; the option names the lowest version.",
                "tls_version tlsv1.2",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 70",
            "protocol_version",
            "tlsv1 alert protocol version",
            "unsupported protocol",
            "is a fatal alert message (msg 70)",
            "-0x6E80",
            "-28288",
        ],
        proofs: &[
            Proof::Lab("tls13-only"),
            Proof::SetUp("tls-version-13"),
            Proof::Capture("tls-version"),
            Proof::Code("alert 70"),
            Proof::Log("mbedtls-alert-70.log"),
        ],
        sources: &["https://github.com/aws/aws-iot-device-sdk-embedded-C/issues/1898"],
    },
    Finding {
        id: "TP-TLS-022",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server has TLS 1.2 at most, and this client begins at TLS 1.3",
        fix: "Allow TLS 1.2 again on the client.",
        about: "The client was told to accept TLS 1.3 only. Many brokers, hubs and most boxes \
                between end at TLS 1.2, which is still sound with modern suites.",
        decided_by: "Alert 70 or a ServerHello with 1.2, while the client's lowest version is \
                     1.3 and a climb with 1.2 gets further. The other way round is TP-TLS-021.",
        remedies: &[
            linux(
                "Lower the lowest version.",
                "towpath doctor URL --tls-min 1.2",
            ),
            zephyr(
                "Leave TLS 1.2 in the build. Plain Zephyr:",
                "CONFIG_MBEDTLS_TLS_VERSION_1_2=y",
            ),
            zephyr("NCS (nrf_security):", "CONFIG_MBEDTLS_SSL_PROTO_TLS1_2=y"),
            esp_idf(
                "Leave TLS 1.2 in the build.",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_2=y",
            ),
            server(
                "Or give the server TLS 1.3: Mosquitto 2 has it with OpenSSL 1.1.1 or later, \
                 unless tls_version says otherwise.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["alert 70", "unsupported protocol", "no protocols available"],
        proofs: &[Proof::Lab("tls12-only"), Proof::SetUp("tls-version-12")],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-027",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server does not know the name it was asked for",
        fix: "Check the host name, or give the one that the server knows with --sni.",
        about: "The ClientHello says which host is wanted (SNI, server name indication), because \
                many hosts share one address. This server has no site of that name and said so \
                with alert 112 (unrecognized_name). A typing error, an alias that the server was \
                not told of, and a gateway that is dialled by its own name are the usual causes.",
        decided_by: "Alert 112 from the server. If no name was sent at all it is TP-TLS-047. If \
                     another certificate is shown instead of an alert it is TP-TLS-012.",
        remedies: &[
            linux(
                "Ask for the name that the server knows.",
                "towpath doctor URL --sni broker.example",
            ),
            zephyr(
                "Set the name on the socket: zsock_setsockopt(fd, SOL_TLS, TLS_HOSTNAME, name, \
                 len).",
                "",
            ),
            esp_idf(
                "Name the host in the client's configuration: broker.verification.common_name.",
                "",
            ),
            server(
                "Add the name to the server's sites; nginx:",
                "server_name broker.example;",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 112",
            "unrecognized_name",
            "tlsv1 unrecognized name",
            "-0x7800",
        ],
        proofs: &[Proof::SetUp("tls-unknown-name"), Proof::Code("alert 112")],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-028",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server takes none of the application protocols offered",
        fix: "Offer the ALPN name that this server wants, or none.",
        about: "With ALPN a client says in the ClientHello which protocol it means to speak \
                behind TLS. This server has a list too, the lists do not meet, and it ended the \
                handshake with alert 120 (no_application_protocol). MQTT's own name is mqtt; \
                HTTP/1.1 and with it WebSocket is http/1.1; AWS IoT wants x-amzn-mqtt-ca on 443.",
        decided_by: "Alert 120 from the server; a climb without ALPN that gets further decides \
                     it. A silent end where no ALPN was offered is TP-TLS-049.",
        remedies: &[
            linux(
                "Offer another name, or none.",
                "towpath doctor URL --alpn mqtt",
            ),
            zephyr(
                "Offer it on the socket with TLS_ALPN_LIST.",
                "CONFIG_MBEDTLS_SSL_ALPN=y\n\
                 CONFIG_NET_SOCKETS_TLS_MAX_APP_PROTOCOLS=1",
            ),
            esp_idf(
                "Set broker.verification.alpn_protos of the MQTT client.",
                "CONFIG_MBEDTLS_SSL_ALPN=y",
            ),
            server(
                "Let the front end accept mqtt; HAProxy on the bind line:",
                "bind :443 ssl crt /etc/haproxy/broker.pem alpn mqtt,http/1.1",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 120",
            "no_application_protocol",
            "tlsv1 alert no application protocol",
            "-0x7580",
        ],
        proofs: &[Proof::SetUp("tls-alpn"), Proof::Code("alert 120")],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-029",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server ended TLS with an alert",
        fix: "Look at the server's log for the reason; the alert's number is in the evidence.",
        about: "The server ended the connection with a TLS alert that has no entry of its own \
                here. Alert 80 (internal_error) is the server's own trouble, or a hello that \
                lacks something it relies on, such as the name. 47 (illegal_parameter), 50 \
                (decode_error) and 10 (unexpected_message) mean that one side sent what the \
                other could not accept.",
        decided_by: "An alert came from the server (its direction matters: one that this side \
                     sent is about the server's certificate or this side's own limits), and its \
                     number is none of 40, 42 to 46, 48, 51, 70, 112, 116, 120.",
        remedies: &[
            linux(
                "See the alert, who sent it and what came before.",
                "towpath doctor URL --verbose",
            ),
            zephyr(
                "Make the device say it too. Plain Zephyr:",
                "CONFIG_MBEDTLS_DEBUG=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL=3",
            ),
            zephyr(
                "NCS (nrf_security):",
                "CONFIG_MBEDTLS_DEBUG_C=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL=3",
            ),
            server(
                "Mosquitto writes OpenSSL's reason into its log.",
                "log_type all",
            ),
        ],
        administrator: "",
        symptoms: &[
            "TlsAlert",
            "alert 80",
            "internal_error",
            "tlsv1 alert internal error",
            "is a fatal alert message (msg 80)",
            "-0x7780",
        ],
        proofs: &[Proof::Code("TlsAlert")],
        sources: &["https://github.com/Mbed-TLS/mbedtls/issues/10957"],
    },
];
