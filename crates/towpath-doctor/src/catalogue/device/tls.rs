//! Findings of the family `DEV` about TLS as it is in the build: buffers, heap, suites, libraries' own traps.

use towpath_proto::Rung;

use crate::catalogue::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(in crate::catalogue) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DEV-008",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the buffers of TLS do not fit the heap",
        fix: "Give TLS more heap, or buffers of unequal size.",
        about: "Mbed TLS takes a buffer for receiving and one for sending when a connection is set up, 16 kB and a few \
                hundred bytes each unless the build says less. When the heap can't give them, the set-up fails before a packet. \
                A server may send records up to 16 kB, so it is the sending buffer that can be made small without risk.",
        decided_by: "-0x7F00, or \"alloc(16717 bytes) failed\", before ClientHello. If much more is free than is asked \
                     for, the heap is in pieces (TP-DEV-009). A failure after the server's certificate came is TP-DEV-010.",
        remedies: &[
            esp_idf(
                "A small buffer for sending; or buffers that exist only while they are needed (not with TLS 1.3); or external RAM.",
                "CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN=y\n\
                 CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=16384\n\
                 CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096\n\
                 CONFIG_MBEDTLS_DYNAMIC_BUFFER=y",
            ),
            zephyr(
                "A heap for Mbed TLS of its own, large enough for both buffers and the certificates.",
                "CONFIG_MBEDTLS_ENABLE_HEAP=y\nCONFIG_MBEDTLS_HEAP_SIZE=60000",
            ),
        ],
        administrator: "",
        symptoms: &[
            "mbedtls_ssl_setup returned -0x7F00",
            "-0x7F00",
            "-32512",
            "alloc(16717 bytes) failed",
            "MBEDTLS_ERR_SSL_ALLOC_FAILED",
        ],
        proofs: &[Proof::Log("esp-idf-alloc.log"), Proof::Code("-0x7F00")],
        sources: &[
            "https://github.com/espressif/esp-idf/issues/2673",
            "https://github.com/espressif/esp-idf/issues/13424",
        ],
    },
    Finding {
        id: "TP-DEV-009",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the heap is free enough and in pieces: no block is large enough for TLS",
        fix: "Take the buffers of TLS once at the start, and keep them.",
        about: "Buffers that come and go (dynamic buffers, several sessions, reconnects) cut the heap into pieces. There are \
                tens of kilobytes free and still no block of the size that is asked for, so that each new attempt fails \
                until the device restarts.",
        decided_by: "An allocation of a few kilobytes fails, and the log shows far more free heap than that; it worked after the \
                     start and fails for good later. If less is free than is asked for, it is TP-DEV-008.",
        remedies: &[
            esp_idf(
                "Fixed buffers instead of dynamic ones; watch heap_caps_get_largest_free_block() beside the free size.",
                "CONFIG_MBEDTLS_DYNAMIC_BUFFER=n\n\
                 CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN=y\n\
                 CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096",
            ),
            zephyr(
                "A heap that only Mbed TLS uses does not get other people's pieces.",
                "CONFIG_MBEDTLS_ENABLE_HEAP=y\nCONFIG_MBEDTLS_HEAP_SIZE=60000",
            ),
        ],
        administrator: "",
        symptoms: &["alloc(4437 bytes) failed", "Dynamic Impl: alloc failed"],
        proofs: &[Proof::Log("esp-idf-fragmented.log")],
        sources: &[
            "https://github.com/espressif/esp-idf/issues/19107",
            "https://github.com/SensESP/BLE-gateway/issues/22",
        ],
    },
    Finding {
        id: "TP-DEV-010",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the heap is too small to read the server's certificates",
        fix: "Give TLS more heap, or let the server show a shorter chain.",
        about: "The server's certificates came in, and the device could not allocate what reading them takes. It ends the handshake with \
                alert 80 (internal_error), which a reader of the server's log takes for the server's own fault. A chain of \
                several RSA certificates easily has 5 kB and takes more than that in memory.",
        decided_by: "-0x2880 right after the Certificate message, and alert 80 sent by the device, not by the server. An alert 80 from \
                     the server after ClientHello is often a missing server name (TP-TLS-047).",
        remedies: &[
            esp_idf(
                "Free what is held at that moment, or use external RAM.",
                "CONFIG_MBEDTLS_EXTERNAL_MEM_ALLOC=y",
            ),
            zephyr(
                "Enlarge the heap of Mbed TLS.",
                "CONFIG_MBEDTLS_ENABLE_HEAP=y\nCONFIG_MBEDTLS_HEAP_SIZE=80000",
            ),
            server(
                "Send leaf and intermediates only, never the root, and prefer ECDSA certificates: they are a third as long.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "-0x2880",
            "-10368",
            "MBEDTLS_ERR_X509_ALLOC_FAILED",
            "tlsv1 alert internal error",
        ],
        proofs: &[
            Proof::Log("mbedtls-x509-alloc.log"),
            Proof::Capture("client-alert-80"),
            Proof::Code("-0x2880"),
        ],
        sources: &["https://github.com/Mbed-TLS/mbedtls/issues/2590"],
    },
    Finding {
        id: "TP-DEV-013",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "PSA crypto was not initialised before TLS 1.3 needed it",
        fix: "Call psa_crypto_init() before the first TLS connection.",
        about: "From Mbed TLS 3.6 on TLS 1.3 is on by default, and it makes its keys by PSA crypto. A program that was \
                written for an older version never calls psa_crypto_init(), so the key for ClientHello can't be made, and \
                an internal error comes back before any byte is sent.",
        decided_by: "-0x6C00 (or psa_generate_key -27648) before ClientHello, and it goes away with TLS 1.2 as the highest version. \
                     Versions from 3.6.1 on start PSA by themselves.",
        remedies: &[
            zephyr(
                "Recent Zephyr starts PSA crypto at boot when it is in the build; with Mbed TLS 3.6.0 leave TLS 1.3 out, or update.",
                "CONFIG_MBEDTLS_PSA_CRYPTO_C=y",
            ),
            esp_idf(
                "Call psa_crypto_init() in app_main, or leave TLS 1.3 out.",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=n",
            ),
            linux(
                "In a program of your own with Mbed TLS 3.6.0: call psa_crypto_init() first, or update the library.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "psa_generate_key() returned -27648",
            "-0x6C00",
            "-27648",
            "MBEDTLS_ERR_SSL_INTERNAL_ERROR",
        ],
        proofs: &[Proof::Log("mbedtls-psa.log"), Proof::Code("-0x6C00")],
        sources: &[
            "https://github.com/Mbed-TLS/mbedtls/issues/9223",
            "https://github.com/Mbed-TLS/mbedtls/issues/9072",
        ],
    },
    Finding {
        id: "TP-DEV-014",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "the program takes a session ticket of TLS 1.3 for an error",
        fix: "Read again when mbedtls_ssl_read() answers MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET.",
        about: "After a handshake of TLS 1.3 servers send session tickets. Mbed TLS reports each by a negative number from \
                mbedtls_ssl_read(), which is no failure: the next call gives the data. A program that closes on every negative \
                number loses a good connection right after the handshake.",
        decided_by: "The handshake succeeds, and the first read gives -0x7B00. With TLS 1.2 the same program works.",
        remedies: &[
            zephyr(
                "Treat it as \"read again\" in the program; or leave tickets out.",
                "CONFIG_MBEDTLS_SSL_SESSION_TICKETS=n",
            ),
            esp_idf(
                "ESP-TLS of recent versions reads again by itself; else leave tickets out.",
                "CONFIG_MBEDTLS_CLIENT_SSL_SESSION_TICKETS=n",
            ),
        ],
        administrator: "",
        symptoms: &[
            "mbedtls_ssl_read returned -0x7B00",
            "-0x7B00",
            "-31488",
            "MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET",
        ],
        proofs: &[Proof::Log("mbedtls-ticket.log"), Proof::Code("-0x7B00")],
        sources: &["https://github.com/Mbed-TLS/mbedtls/issues/6489"],
    },
    Finding {
        id: "TP-DEV-015",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build has no cipher suite that can be used",
        fix: "Enable a key exchange and a cipher for TLS in the build.",
        about: "A suite needs a key exchange, a cipher, a hash and a curve, each a setting of its own. If one is missing, the suite \
                silently drops out of ClientHello. Some releases of Zephyr enabled none by default: the device then offers \
                nothing, or only the marker for renegotiation, and each server refuses it.",
        decided_by: "ClientHello offers no suite, or one that is no suite (the renegotiation marker 0x00ff), or it is not sent at \
                     all. If real suites are offered and the server takes none, it is TP-TLS-020.",
        remedies: &[
            zephyr(
                "Recent Zephyr names whole suites; older ones and the nRF Connect SDK name the key exchange.",
                "CONFIG_MBEDTLS_CIPHERSUITE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256=y\n\
                 CONFIG_MBEDTLS_CIPHERSUITE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256=y",
            ),
            zephyr(
                "Older Zephyr, nRF Connect SDK:",
                "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED=y\n\
                 CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED=y",
            ),
            esp_idf(
                "Both are on by default; somebody switched them off.",
                "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA=y\nCONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "no cipher suite in ClientHello",
            "no shared cipher",
            "got no ciphersuites in common",
        ],
        proofs: &[
            Proof::Log("zephyr-no-suite.log"),
            Proof::Capture("hello-without-suites"),
            Proof::Lint("no-suite"),
        ],
        sources: &["https://github.com/zephyrproject-rtos/zephyr/pull/108855"],
    },
    Finding {
        id: "TP-DEV-019",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build is cut down for OpenThread and has no room for RSA numbers",
        fix: "Set CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED=n.",
        about: "OpenThread itself needs small elliptic curves only, and a setting of Zephyr cuts Mbed TLS down to that: its largest \
                number then has 32 bytes, while an RSA key of 2048 bits has 256. Certificates with RSA keys, which are most of the public \
                ones, can't be read then.",
        decided_by: "CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED=y while MQTT goes over TLS, or -0x3b00 for each RSA \
                     certificate. With larger but still too small numbers, such as 256 bytes for RSA 4096, it is TP-TLS-046.",
        remedies: &[zephyr(
            "Leave the cuts out as soon as the application uses TLS.",
            "CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED=n\nCONFIG_NET_SOCKETS_SOCKOPT_TLS=y",
        )],
        administrator: "",
        symptoms: &[
            "MBEDTLS_MPI_MAX_SIZE 32",
            "x509_crt_parse_der -0x3b00 on Thread",
        ],
        proofs: &[
            Proof::Lint("openthread-optimizations"),
            Proof::Log("zephyr-openthread-rsa.log"),
        ],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109"],
    },
    Finding {
        id: "TP-DEV-020",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build asks for legacy crypto, which does not go together with OpenThread",
        fix: "Take RSA from PSA crypto, or give the server an ECDSA certificate.",
        about: "In the nRF Connect SDK the suites with RSA could once be had only with CONFIG_MBEDTLS_LEGACY_CRYPTO_C, and that switches \
                off what OpenThread's own security is built on. Both in one build does not work; Nordic has deprecated the legacy \
                crypto.",
        decided_by: "CONFIG_MBEDTLS_LEGACY_CRYPTO_C=y together with CONFIG_OPENTHREAD or CONFIG_NET_L2_OPENTHREAD in one build. \
                     What goes wrong then differs from release to release, so the setting decides, not the symptom.",
        remedies: &[
            zephyr(
                "From nRF Connect SDK 2.6 on: leave the legacy crypto out and ask PSA for RSA.",
                "CONFIG_MBEDTLS_LEGACY_CRYPTO_C=n\n\
                 CONFIG_PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY=y\n\
                 CONFIG_PSA_WANT_ALG_RSA_PKCS1V15_SIGN=y",
            ),
            server(
                "A certificate with an ECDSA key (P-256), and a chain that has no RSA in it, needs none of this.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONFIG_MBEDTLS_LEGACY_CRYPTO_C=y",
            "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED has unmet dependencies",
        ],
        proofs: &[Proof::Lint("legacy-crypto-openthread")],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread?pifragment-684=2",
        ],
    },
    Finding {
        id: "TP-DEV-021",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device takes seconds for its signature, and the server gave up meanwhile",
        fix: "Take an ECDSA key for the device, or use its crypto hardware.",
        about: "With a client certificate the device signs the handshake with its own key. An RSA signature takes a \
                microcontroller seconds, and some servers and proxies wait only a few for a handshake. The device \
                finds the connection reset when it finally sends.",
        decided_by: "A gap of seconds between ServerHelloDone and the device's CertificateVerify, and the reset or the close \
                     falls into it. It is likely, not certain: the server's log or its time limit decides.",
        remedies: &[
            esp_idf(
                "Sign by the chip's hardware for big numbers, and at full clock speed.",
                "CONFIG_MBEDTLS_HARDWARE_MPI=y",
            ),
            zephyr(
                "Give the device a P-256 key and certificate; on nRF take the CryptoCell driver.",
                "",
            ),
            server(
                "Allow more time for a handshake.",
                "# nginx, in the stream server\nproxy_timeout 60s;\nssl_handshake_timeout 30s;",
            ),
        ],
        administrator: "",
        symptoms: &["ssl->f_send() returned -80", "ssl->f_send() returned -0x50"],
        proofs: &[
            Proof::Log("esp-slow-signature.log"),
            Proof::Capture("slow-signature"),
        ],
        sources: &["https://github.com/espressif/ESP8266_RTOS_SDK/issues/769"],
    },
    Finding {
        id: "TP-DEV-025",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the TLS library failed",
        fix: "Look at the number that is named; a full memory is the usual cause.",
        about: "The TLS library reported an error that comes neither from the peer nor from a setting: no memory, no random numbers, \
                a state that should not be. The number behind it is that of the library.",
        decided_by: "The fault names the library's own error. Whatever the peer did has a finding of its own, under TLS.",
        remedies: &[
            linux(
                "Try the other TLS library to tell whether it is the library.",
                "towpath doctor --tls mbed URL",
            ),
            zephyr(
                "Switch the library's log on and look at the first line that fails.",
                "CONFIG_MBEDTLS_DEBUG=y",
            ),
        ],
        administrator: "",
        symptoms: &["TlsInternal"],
        proofs: &[Proof::Code("TlsInternal")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-026",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "TLS can't be done as asked",
        fix: "Change the setting named here, or take the other TLS back-end.",
        about: "What was asked of TLS can't be had from this library: a suite or group it does not know, a version it does not \
                speak, a certificate after a handshake of TLS 1.3. It is said before the first packet.",
        decided_by: "The fault comes before TCP and names the setting. A suite that the library knows and the server does not take is \
                     TP-TLS-020.",
        remedies: &[linux(
            "Take OpenSSL in place of Mbed TLS, or the other way round.",
            "towpath doctor --tls openssl URL",
        )],
        administrator: "",
        symptoms: &["TlsProfile"],
        proofs: &[Proof::Code("TlsProfile")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-036",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's own certificate chain is larger than its buffer for sending",
        fix: "Enlarge the TLS buffer for sending, or send a shorter chain.",
        about: "When the server asks for it, the device sends its certificate with the intermediates in one message. Mbed TLS \
                puts a handshake message together in its sending buffer, and a chain with RSA keys soon has more than the 1500 bytes \
                that plain Zephyr gives it.",
        decided_by: "The length of the client's chain in DER, against the buffer that the build names; no packet is needed. A server's chain \
                     that is too large for the receiving buffer is TP-TLS-017.",
        remedies: &[
            zephyr(
                "nRF Connect SDK:",
                "CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096",
            ),
            zephyr(
                "Plain Zephyr (one value for both directions):",
                "CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN=4096",
            ),
            esp_idf(
                "The buffer for sending can be set alone.",
                "CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN=y\nCONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN=4096",
            ),
        ],
        administrator: "",
        symptoms: &["-0x6A00", "MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL"],
        proofs: &[Proof::Lint("out-buffer")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-038",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build has TLS 1.3 without post-handshake authentication, and the certificate is asked for after the GET",
        fix: "Hold this connection at TLS 1.2 with renegotiation, or use mqtts:// on port 8883.",
        about: "Some front ends for MQTT over WebSocket ask for the client's certificate only when they have seen the path. In TLS 1.2 \
                that is a renegotiation; in TLS 1.3 post-handshake authentication, which Mbed TLS does not have. With TLS 1.3 \
                the front end then answers HTTP 403, and nothing looks like TLS.",
        decided_by: "A build with TLS 1.3 on Mbed TLS, a client certificate, and wss to a server that asks late. It is a warning, because \
                     the settings do not show when the server asks; the run itself decides (TP-TLS-039).",
        remedies: &[
            zephyr(
                "nRF Connect SDK; plain Zephyr sets MBEDTLS_SSL_RENEGOTIATION in the file of CONFIG_MBEDTLS_USER_CONFIG_FILE.",
                "CONFIG_MBEDTLS_TLS_VERSION_1_3=n\nCONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
            ),
            esp_idf(
                "",
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=n\nCONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
            ),
            linux(
                "OpenSSL has post-handshake authentication.",
                "towpath doctor --tls openssl URL",
            ),
        ],
        administrator: "",
        symptoms: &["HTTP 403 on wss with a client certificate"],
        proofs: &[Proof::Lint("tls13-without-pha")],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/118802"],
    },
    Finding {
        id: "TP-DEV-039",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "TCP opens, and the device never sends a ClientHello",
        fix: "Look for the error in the device before ClientHello: memory, random numbers, no suite.",
        about: "The connection stands, and the device says nothing on it: its TLS failed before the first message. The usual causes \
                are too little memory, a random number generator that was not started, PSA crypto that was not initialised, or a build \
                without a usable suite. The server and the network are not involved.",
        decided_by: "After the TCP handshake no byte comes from the device until it closes or the server gives up. If ClientHello \
                     was sent and nothing came back, it is TP-TLS-002. The log of the device's TLS library decides between the causes.",
        remedies: &[
            zephyr(
                "Make the library talk, and look at what it says last. nRF Connect SDK: CONFIG_MBEDTLS_DEBUG_C=y instead of CONFIG_MBEDTLS_DEBUG=y.",
                "CONFIG_MBEDTLS_DEBUG=y\n\
                 CONFIG_MBEDTLS_LOG_LEVEL_DBG=y\n\
                 CONFIG_ENTROPY_GENERATOR=y",
            ),
            esp_idf("Make the library talk.", "CONFIG_MBEDTLS_DEBUG=y"),
        ],
        administrator: "",
        symptoms: &["connected, then 0 bytes", "no ClientHello is sent"],
        proofs: &[
            Proof::Capture("no-hello"),
            Proof::Log("zephyr-no-hello.log"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread?pifragment-684=2",
        ],
    },
];
