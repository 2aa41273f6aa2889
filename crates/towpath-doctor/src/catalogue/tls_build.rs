//! Findings of TLS: what the device's build lacks for this server.

use towpath_proto::Rung;

use super::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-017",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "a handshake message is larger than the TLS input buffer",
        fix: "Raise the input buffer (MBEDTLS_SSL_IN_CONTENT_LEN) above the server's Certificate \
              message.",
        about: "Mbed TLS puts a handshake message together in its input buffer before it reads \
                it. The server's Certificate message is the largest: two or three certificates, \
                2 to 6 kB. A maximum fragment length does not help, because it cuts records and \
                not messages. NCS sets this buffer to 900 bytes as soon as OpenThread uses \
                nrf_security.",
        decided_by: "-0x7100 from mbedtls_ssl_fetch_input in the handshake, or the sizes \
                     themselves: Certificate message as measured, buffer as in the build. If a \
                     later record is too large the code is -0x7200 and it is TP-TLS-024; -0x7F00 \
                     is the heap (TP-DEV-008).",
        remedies: &[
            zephyr(
                "NCS (nrf_security). 4096 takes most chains; the evidence has the size that is \
                 needed.",
                "CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=8192\n\
                 CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096",
            ),
            zephyr(
                "Plain Zephyr has one symbol for both directions; the heap has to grow with it.",
                "CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN=8192\n\
                 CONFIG_MBEDTLS_ENABLE_HEAP=y\n\
                 CONFIG_MBEDTLS_HEAP_SIZE=65536",
            ),
            esp_idf(
                "Keep the input buffer at its default.",
                "CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN=y\n\
                 CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=16384",
            ),
            server(
                "Or send a shorter chain: without the root, and with P-256 keys instead of \
                 RSA-4096.",
                "",
            ),
            linux(
                "See how large the chain is.",
                "towpath doctor URL --tls mbed --verbose",
            ),
        ],
        administrator: "",
        symptoms: &[
            "-0x7100",
            "-28928",
            "mbedtls_ssl_fetch_input() returned -28928",
            "requesting more data than fits",
        ],
        proofs: &[
            Proof::Lab("cert-large"),
            Proof::Log("mbedtls-fetch-7100.log"),
            Proof::Lint("in-buffer"),
            Proof::Code("-0x7100"),
        ],
        sources: &["https://github.com/nodemcu/nodemcu-firmware/issues/2873"],
    },
    Finding {
        id: "TP-TLS-018",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's key is of a kind for which the client offers no suite",
        fix: "Give the server a certificate of the other kind (RSA or ECDSA), or put the suites \
              for this kind into the client.",
        about: "In TLS 1.2 a suite names the kind of key that the server signs with: ECDHE_RSA \
                needs an RSA certificate, ECDHE_ECDSA one with an elliptic curve. A device with \
                one kind only meets a server with the other, and the server ends it with alert \
                40. Its log says \"no shared cipher\", which hides that it is about the \
                certificate.",
        decided_by: "Alert 40 after ClientHello, and the server shows a certificate of the other \
                     kind to a client that offers both. If that client fails as well it is \
                     TP-TLS-020.",
        remedies: &[
            zephyr(
                "For an ECDSA server. Plain Zephyr:",
                "CONFIG_MBEDTLS_ECP_C=y\n\
                 CONFIG_MBEDTLS_ECDH_C=y\n\
                 CONFIG_MBEDTLS_ECDSA_C=y\n\
                 CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED=y",
            ),
            zephyr(
                "For an RSA server. Plain Zephyr:",
                "CONFIG_MBEDTLS_RSA_C=y\n\
                 CONFIG_MBEDTLS_PKCS1_V15=y\n\
                 CONFIG_MBEDTLS_ECP_C=y\n\
                 CONFIG_MBEDTLS_ECDH_C=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED=y",
            ),
            esp_idf(
                "Both kinds are on by default; switch them on again.",
                "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA=y",
            ),
            server(
                "Make a key of the other kind and have a certificate issued for it.",
                "openssl ecparam -name prime256v1 -genkey -noout -out server.key",
            ),
            linux(
                "Offer both kinds.",
                "towpath doctor URL --ciphers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
        ],
        administrator: "",
        symptoms: &[
            "no shared cipher",
            "alert 40",
            "sslv3 alert handshake failure",
            "-0x7780",
        ],
        proofs: &[
            Proof::Lab("cert-ecdsa"),
            Proof::SetUp("tls-ecdsa-only"),
            Proof::SetUp("tls-rsa-only"),
            Proof::Lint("ecdsa-server"),
        ],
        sources: &[
            "https://github.com/eclipse-mosquitto/mosquitto/issues/2046",
            "https://github.com/Mbed-TLS/mbedtls/issues/1235",
        ],
    },
    Finding {
        id: "TP-TLS-024",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server sends TLS records that are larger than the device's input buffer",
        fix: "Raise the input buffer to 16384, or have the server send smaller records.",
        about: "A TLS record may carry up to 16 kB. A device with a smaller input buffer works \
                as long as the server sends little at once, and fails with the first large \
                message, often much later: a retained message, a twin, a firmware block. A \
                maximum fragment length that was negotiated prevents it; many servers ignore the \
                wish.",
        decided_by: "The largest record that the server sent is longer than the device's buffer; \
                     on the device -0x7200 from reading after a handshake that went well. If the \
                     handshake itself fails it is TP-TLS-017.",
        remedies: &[
            zephyr(
                "NCS (nrf_security):",
                "CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=16384",
            ),
            zephyr(
                "Plain Zephyr:",
                "CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN=16384\n\
                 CONFIG_MBEDTLS_ENABLE_HEAP=y\n\
                 CONFIG_MBEDTLS_HEAP_SIZE=81920",
            ),
            esp_idf(
                "Keep the input buffer at its default and make the output small.",
                "CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN=y\n\
                 CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=16384\n\
                 CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096",
            ),
            linux(
                "Ask for small records as the device does, and see whether the server obeys.",
                "towpath doctor URL --tls mbed --mfl 4096",
            ),
            server(
                "Let nginx send small records (4 kB in place of 16 kB).",
                "ssl_buffer_size 4k;",
            ),
        ],
        administrator: "",
        symptoms: &[
            "-0x7200",
            "-29184",
            "mbedtls_ssl_read returned -0x7200",
            "bad message length",
        ],
        proofs: &[
            Proof::Log("mbedtls-record-7200.log"),
            Proof::Code("-0x7200"),
        ],
        sources: &[
            "https://github.com/SuperHouse/esp-open-rtos/issues/729",
            "https://github.com/civetweb/civetweb/issues/839",
        ],
    },
    Finding {
        id: "TP-TLS-046",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "an RSA key is larger than the TLS library's numbers",
        fix: "Raise MBEDTLS_MPI_MAX_SIZE; RSA-4096 needs 512.",
        about: "Mbed TLS has an upper size for its large numbers, so that a server can't fill \
                the heap. With 256 bytes it reads keys up to RSA-2048, and public roots are \
                often RSA-4096: the root or a certificate of the chain can't even be parsed. NCS \
                sets 384, or 256 with CC310; plain Zephyr sets 32 when OpenThread's savings are \
                on, which rules out RSA altogether.",
        decided_by: "-0x3b00 (PK_INVALID_PUBKEY) while a certificate is parsed, before or in the \
                     handshake, and a key in the roots or the chain has more bits than eight \
                     times the limit. If the file itself is broken it is TP-DEV-012.",
        remedies: &[
            zephyr("NCS (nrf_security):", "CONFIG_MBEDTLS_MPI_MAX_SIZE=512"),
            zephyr(
                "Plain Zephyr with OpenThread:",
                "CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED=n",
            ),
            esp_idf(
                "The limit is 1024 bytes there. If the chip's accelerator is smaller than the key:",
                "CONFIG_MBEDTLS_LARGE_KEY_SOFTWARE_MPI=y",
            ),
            server(
                "Or let the chain have smaller keys: RSA-2048 or P-256 from leaf to root.",
                "",
            ),
            linux("See the keys of the chain.", "towpath doctor URL --verbose"),
        ],
        administrator: "",
        symptoms: &[
            "-0x3b00",
            "-0x3B00",
            "-15104",
            "PK_INVALID_PUBKEY",
            "Failed to parse CA certificate",
        ],
        proofs: &[
            Proof::SetUp("tls-rsa-4096-profile"),
            Proof::Log("mbedtls-3b00.log"),
            Proof::Lint("mpi-size"),
            Proof::Code("-0x3b00"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-047",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device does not tell the server's name (SNI)",
        fix: "Switch server name indication on and set the host name on the socket.",
        about: "One address often serves many names, and the name in the ClientHello picks the \
                certificate. Without it the server closes, sends an alert, or shows the \
                certificate of whoever is first in its list. AWS IoT, Azure and most hosted \
                brokers need it. On Zephyr it is a switch that is off by default; on lwIP the \
                host name has to be set by hand.",
        decided_by: "The ClientHello has no server_name extension, and the same climb with the \
                     name gets further or gets another certificate. If it fails with the name as \
                     well, the cause is elsewhere.",
        remedies: &[
            zephyr(
                "Switch it on, and set TLS_HOSTNAME on the socket. Plain Zephyr:",
                "CONFIG_MBEDTLS_SERVER_NAME_INDICATION=y",
            ),
            zephyr(
                "NCS (nrf_security):",
                "CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION=y",
            ),
            esp_idf(
                "esp-tls sends the name by itself from the URI; with an address in the URI set \
                 broker.verification.common_name.",
                "",
            ),
            linux(
                "towpath sends the name of the URL; --sni gives another one.",
                "towpath doctor URL --sni broker.example",
            ),
            server(
                "Where devices can't send it, let the first site be the broker's; nginx:",
                "listen 8883 ssl default_server;",
            ),
        ],
        administrator: "",
        symptoms: &[
            "TLS handshake error",
            "unrecognized_name",
            "alert 80",
            "alert 112",
            "-0x7780",
        ],
        proofs: &[
            Proof::SetUp("tls-no-sni"),
            Proof::Capture("tls-no-sni"),
            Proof::Lint("no-sni"),
        ],
        sources: &[
            "https://github.com/zephyrproject-rtos/zephyr/issues/27783",
            "https://github.com/cniles/picow-iot/issues/3",
            "https://github.com/Mbed-TLS/mbedtls/issues/10957",
        ],
    },
    Finding {
        id: "TP-TLS-049",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server's front end sorts connections by ALPN, and the device offers none",
        fix: "Offer the ALPN name that the front end wants on this port (AWS IoT on 443: \
              x-amzn-mqtt-ca).",
        about: "On port 443 one front end serves HTTPS and MQTT, and tells them apart by the \
                protocol name in the ClientHello (ALPN). Without it the connection is taken for \
                HTTPS, or closed. The same certificates work on 8883, where there is nothing to \
                sort.",
        decided_by: "Without ALPN the connection ends in or right after the handshake or answers \
                     HTTP, and with the front end's name it gets further. If the server answers \
                     alert 120 it is TP-TLS-028.",
        remedies: &[
            linux(
                "Offer the name.",
                "towpath doctor mqtts://broker.example:443 --alpn x-amzn-mqtt-ca",
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
                "HAProxy can take connections without ALPN for MQTT:",
                "use_backend mqtt unless { ssl_fc_alpn -m found }",
            ),
        ],
        administrator: "",
        symptoms: &[
            "SSL_connect failed",
            "x-amzn-mqtt-ca",
            "unexpected eof while reading",
        ],
        proofs: &[Proof::SetUp("tls-alpn-front"), Proof::Lint("no-alpn")],
        sources: &[
            "https://github.com/aws/aws-iot-device-sdk-embedded-C/issues/1695",
            "https://github.com/aws/aws-iot-device-sdk-swift/pull/80",
        ],
    },
    Finding {
        id: "TP-TLS-050",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's build has no SHA-384, and the server's chain is signed with it",
        fix: "Put SHA-384 into the build.",
        about: "Public CAs sign with SHA-384 when their own key is P-384 or large RSA. A build \
                without that hash can't check the signature, and can't use suites whose names \
                end in SHA384. It shows when a CA changes its intermediate, without a change on \
                the device.",
        decided_by: "-0x262E (unsupported signature algorithm) while the chain is read, or a \
                     chain with ecdsa-with-SHA384 or sha384WithRSAEncryption against a build \
                     without the hash.",
        remedies: &[
            zephyr("Plain Zephyr:", "CONFIG_MBEDTLS_SHA384=y"),
            zephyr("NCS (nrf_security):", "CONFIG_PSA_WANT_ALG_SHA_384=y"),
            esp_idf(
                "One symbol switches SHA-384 and SHA-512 on.",
                "CONFIG_MBEDTLS_SHA512_C=y",
            ),
            server(
                "Or take a chain that is signed with SHA-256 from leaf to root.",
                "",
            ),
            linux(
                "See how the chain is signed.",
                "towpath doctor URL --verbose",
            ),
        ],
        administrator: "",
        symptoms: &[
            "-0x262E",
            "-0x262e",
            "-9774",
            "Signature algorithm (oid) is unsupported",
        ],
        proofs: &[
            Proof::Lab("cert-sha384"),
            Proof::Log("mbedtls-262e.log"),
            Proof::Lint("no-sha384"),
            Proof::Code("-0x262E"),
        ],
        sources: &[],
    },
];
