//! Findings of the family `DEV` about what a device proves itself by: certificates, keys, credentials, its clock.

use towpath_proto::Rung;

use crate::catalogue::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(in crate::catalogue) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DEV-011",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device has nothing to verify the server with",
        fix: "Give ESP-TLS a CA certificate or the certificate bundle.",
        about: "ESP-TLS refuses to connect as long as it has no way to check the server: no CA certificate, no bundle, no \
                pre-shared key. It says so before the first packet, with 0x8017.",
        decided_by: "The line \"No server verification option set in esp_tls_cfg_t\", or 0x8017 with no packet sent. A server that was \
                     checked and refused gives -0x2700 (TP-TLS-010 to TP-TLS-016).",
        remedies: &[esp_idf(
            "Attach the bundle: .crt_bundle_attach = esp_crt_bundle_attach; or give the broker's CA as certificate.",
            "CONFIG_MBEDTLS_CERTIFICATE_BUNDLE=y\nCONFIG_MBEDTLS_CERTIFICATE_BUNDLE_DEFAULT_FULL=y",
        )],
        administrator: "",
        symptoms: &[
            "No server verification option set in esp_tls_cfg_t structure",
            "0x8017",
            "ESP_ERR_MBEDTLS_SSL_SETUP_FAILED",
        ],
        proofs: &[
            Proof::Log("esp-idf-no-verification.log"),
            Proof::Lint("no-roots"),
            Proof::Code("0x8017"),
        ],
        sources: &["https://github.com/espressif/esp-protocols/issues/352"],
    },
    Finding {
        id: "TP-DEV-012",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "a CA certificate on the device can't be parsed",
        fix: "Store one whole certificate per credential, as the build wants it (PEM or DER).",
        about: "The certificate to trust is broken before any packet: several PEM blocks in one credential, a file that was cut \
                off, line ends lost on the way through a header file, PEM in a build that reads DER only.",
        decided_by: "\"Failed to parse CA certificate\", or an error of mbedtls_x509_crt_parse(), before ClientHello. -0x3b00 at this \
                     point is a number too large for the build (TP-TLS-046, on Thread TP-DEV-019); a certificate that can be read and does not fit the \
                     server is TP-TLS-013.",
        remedies: &[
            zephyr(
                "One certificate per sec_tag or credential; PEM needs its parser, and a terminating zero byte in the length.",
                "CONFIG_MBEDTLS_PEM_CERTIFICATE_FORMAT=y\nCONFIG_TLS_MAX_CREDENTIALS_NUMBER=6",
            ),
            esp_idf(
                "Embed the file with EMBED_TXTFILES: it adds the zero byte that the PEM parser wants.",
                "",
            ),
            linux(
                "Count and read the certificates of the file.",
                "openssl storeutl -noout -text -certs ca.pem",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Failed to parse CA certificate",
            "mbedtls_x509_crt_parse returned -0x2180",
            "-0x2180",
            "-0x1080",
        ],
        proofs: &[
            Proof::Log("zephyr-ca-parse.log"),
            Proof::Lint("roots-truncated"),
        ],
        sources: &[
            "https://github.com/zephyrproject-rtos/zephyr/issues/73281",
            "https://github.com/zephyrproject-rtos/zephyr/pull/73426",
        ],
    },
    Finding {
        id: "TP-DEV-018",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the credential that the security tag names is not in the store",
        fix: "Write the CA, certificate and key to the tag again, and list them.",
        about: "The modem or the credential store keeps certificates and keys under a number, the security tag. If the number in the \
                program has nothing behind it, connecting fails at once. In one public case devices lost it after months in \
                the field and writing the same files again cured it; why was never established.",
        decided_by: "mqtt_connect() fails at once (-45 in that case, ENOENT with Zephyr's own store) and the list of credentials lacks the \
                     tag. The list decides; without it this is likely, not certain.",
        remedies: &[zephyr(
            "nRF91: list with AT%CMNG=1, write with AT%CMNG=0 while the modem is offline. Zephyr's own store: register each credential \
                 with tls_credential_add() before connecting, and have room for all.",
            "CONFIG_MODEM_KEY_MGMT=y\nCONFIG_TLS_CREDENTIALS=y\nCONFIG_TLS_MAX_CREDENTIALS_NUMBER=6",
        )],
        administrator: "",
        symptoms: &["mqtt_connect error -45", "mqtt_connect: -45", "AT%CMNG=1"],
        proofs: &[Proof::Log("nrf91-sec-tag.log")],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/87138/mqtt-connect-error--45"],
    },
    Finding {
        id: "TP-DEV-027",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "a certificate, key or name for TLS can't be used",
        fix: "Check the file or the value that is named; PEM and DER are read.",
        about: "A file for TLS is empty, cut off, of another kind than its option wants, or protected by a password that was not given. \
                Downloads that failed leave an empty file behind; keys come as PKCS#8 or in the older form of their algorithm, and \
                not every program takes both.",
        decided_by: "It is said before the first packet, with the file's name. A certificate and key that are both readable and do not belong together are TP-DEV-028.",
        remedies: &[
            linux(
                "Look at what the files hold.",
                "openssl x509 -in device.pem -noout -subject -dates\nopenssl pkey -in device.key -noout -text_pub",
            ),
            linux(
                "Turn a key into PKCS#8 without a password.",
                "openssl pkcs8 -topk8 -nocrypt -in device.key -out device.p8.key",
            ),
            esp_idf(
                "Embed text files with EMBED_TXTFILES, so that they end with a zero byte.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "no start line",
            "PEM routines::no start line",
            "MBEDTLS_ERR_RSA_BAD_INPUT_DATA",
            "MBEDTLS_ERR_PK_KEY_INVALID_FORMAT",
            "-0x3D00",
        ],
        proofs: &[Proof::Lint("chain-empty"), Proof::Code("TlsMaterial")],
        sources: &[
            "https://github.com/espressif/esp-idf/issues/3120",
            "https://github.com/MicrosoftDocs/azure-docs/issues/21179",
        ],
    },
    Finding {
        id: "TP-DEV-028",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's certificate and its key do not belong together",
        fix: "Give the key that the certificate was issued for.",
        about: "The certificate holds one public key, the key file another. The device signs the handshake with a key that nobody certified, \
                and the server finds the signature wrong: alert 51 (decrypt_error). Files of two devices that were mixed up, or a renewed key with the old \
                certificate, are the usual way there.",
        decided_by: "The public key of the certificate differs from that of the key; no packet is needed. When only the server's alert 51 \
                     is seen, a faulty crypto accelerator is possible too (TP-TLS-044).",
        remedies: &[
            linux(
                "Both lines have to print the same.",
                "openssl x509 -in device.pem -noout -pubkey | openssl sha256\n\
                 openssl pkey -in device.key -pubout | openssl sha256",
            ),
            zephyr(
                "Write certificate and key of the same pair under the same security tag.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "key values mismatch",
            "tls_process_cert_verify: bad signature",
            "RSA_padding_check_PKCS1_type_1: invalid padding",
        ],
        proofs: &[Proof::Lint("key-mismatch")],
        sources: &["https://github.com/espressif/esp-mqtt/issues/192"],
    },
    Finding {
        id: "TP-DEV-029",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the clock is not set, so certificates can't be checked",
        fix: "Set the clock first (SNTP, the modem, an RTC), then connect.",
        about: "A device without a battery for its clock wakes up in 1970 or at its build's date. Each certificate then seems to begin in the \
                future, and tokens made with that time are wrong. The time has to come from somewhere before TLS: SNTP, the \
                mobile network, an RTC.",
        decided_by: "The device's time is before the program was built. If the clock is set and wrong, certificates are refused as not yet valid or \
                     expired (TP-TLS-055), and tokens by the hub (TP-HUB-005).",
        remedies: &[
            zephyr(
                "SNTP at the start; on nRF91 the library that takes the time from the network.",
                "CONFIG_SNTP=y\nCONFIG_DATE_TIME=y",
            ),
            esp_idf(
                "Wait for esp_netif_sntp_sync_wait() before the first connection.",
                "CONFIG_LWIP_SNTP_MAX_SERVERS=2",
            ),
            linux(
                "Let the service wait for the time: After=time-sync.target.",
                "timedatectl set-ntp true",
            ),
        ],
        administrator: "Please allow NTP (UDP port 123) to the internet, or tell us the time server of this network.",
        symptoms: &[
            "Time:Tue Nov 30 00:00:00 1999",
            "1970-01-01",
            "The certificate validity starts in the future",
        ],
        proofs: &[
            Proof::Log("azure-c-no-clock.log"),
            Proof::Code("ClockUnset"),
        ],
        sources: &[
            "https://github.com/Azure/azure-iot-sdks/issues/987",
            "https://github.com/Azure/azure-iot-sdk-c/issues/230",
        ],
    },
    Finding {
        id: "TP-DEV-030",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the device's key can't be read",
        fix: "Give the key as the portal shows it: base64 on one line.",
        about: "A device's symmetric key is base64 text. A key with a blank or a line break in it, with a piece missing, or the whole \
                connection string in its place can't be turned into bytes, so no token can be signed.",
        decided_by: "It is said before the first packet. A key that can be read and is the wrong one is refused by the hub (TP-HUB-021).",
        remedies: &[linux(
            "It has to decode without an error, to 32 or 64 bytes as a rule.",
            "base64 -d key.txt | wc -c",
        )],
        administrator: "",
        symptoms: &["invalid base64", "Incorrect padding"],
        proofs: &[Proof::Code("KeyUnreadable")],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-031",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's own certificate has expired or ends within days",
        fix: "Renew the device's certificate.",
        about: "Servers refuse a client certificate after its end, often with nothing more than a closed connection. The \
                date stands in the file, so it can be said beforehand.",
        decided_by: "The certificate's dates against this clock. The server's word about it is TP-TLS-041. If the clock may be wrong, \
                     look at TP-TLS-055 first.",
        remedies: &[
            linux(
                "Look at the dates.",
                "openssl x509 -in device.pem -noout -dates",
            ),
            server(
                "Issue a new certificate for the device's key; a group enrolment at DPS then needs no other change.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["certificate has expired", "alert 45 certificate_expired"],
        proofs: &[
            Proof::Lint("client-expired"),
            Proof::Lint("client-ends-soon"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-DEV-032",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's certificate chain lacks its intermediate, or is in the wrong order",
        fix: "Put leaf first, then each issuer after it, and leave the root out.",
        about: "The server has to get from the device's certificate to a root that it knows. If an intermediate CA issued it, that one has to be sent along, \
                right behind the certificate. Without it many servers say only \"unknown ca\" or close.",
        decided_by: "Each certificate of the file against the next one: issuer and subject have to meet. Without a packet; what the \
                     server says of it is TP-TLS-040.",
        remedies: &[
            linux(
                "Leaf first.",
                "cat device.pem intermediate.pem > chain.pem\ntowpath doctor --cert chain.pem --key device.key URL",
            ),
            zephyr(
                "Register leaf and intermediate one after the other under the same tag, or as one PEM where the store takes it.",
                "",
            ),
            server(
                "Or let the server know the intermediate.",
                "# mosquitto.conf\ncafile /etc/mosquitto/certs/root-and-intermediate.pem",
            ),
        ],
        administrator: "",
        symptoms: &["tlsv1 alert unknown ca", "alert 48 unknown_ca"],
        proofs: &[Proof::Lint("chain-order"), Proof::Lint("chain-incomplete")],
        sources: &[
            "https://github.com/hivemq/mqtt-cli/issues/132",
            "https://github.com/eclipse-mosquitto/mosquitto/issues/3352",
        ],
    },
];
