//! Findings of TLS: what the server's certificate is checked against: roots, name, clock.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-052",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the certificate is checked against an address, and it names hosts only",
        fix: "Connect by the host's name, or have the address put into the certificate.",
        about: "The URL or the device's configuration holds an IP address, so the certificate \
                has to name that address, and most name hosts. On devices the name is often \
                there and gets lost: a component resolves it and hands the address to TLS. Then \
                neither SNI nor the check has the name.",
        decided_by: "The expected name is an address, the certificate has alternative names and \
                     none is an address. With a name it is TP-TLS-012.",
        remedies: &[
            linux(
                "Use the name; or connect to the address and say which name to expect.",
                "towpath doctor mqtts://192.0.2.7 --sni broker.example",
            ),
            zephyr(
                "Set TLS_HOSTNAME on the socket to the name, whatever address is dialled.",
                "",
            ),
            esp_idf(
                "Set broker.verification.common_name to the name that the certificate bears.",
                "",
            ),
            server(
                "Or have the address named in the certificate.",
                "subjectAltName = DNS:broker.example, IP:192.0.2.7",
            ),
        ],
        administrator: "",
        symptoms: &[
            "IP address mismatch",
            "The certificate Common Name (CN) does not match with the expected CN",
            "-0x2700",
        ],
        proofs: &[
            Proof::SetUp("tls-by-address"),
            Proof::Lint("address-with-tls"),
            Proof::Code("IP address mismatch"),
        ],
        sources: &[
            "https://github.com/espressif/esp-idf/issues/9954",
            "https://github.com/espressif/esp-mqtt/pull/254",
            "https://github.com/esphome/esphome/pull/3580",
        ],
    },
    Finding {
        id: "TP-TLS-053",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device's roots lack the one that the server uses today",
        fix: "Put DigiCert Global Root G2 onto the device for Azure, and a second root as a spare.",
        about: "CAs and clouds change their roots, years ahead but without asking devices. Azure \
                IoT moved from Baltimore CyberTrust Root to DigiCert Global Root G2 in 2023, and \
                firmware with Baltimore alone has been locked out since. A device needs a way to \
                get a new root, or two roots from the start.",
        decided_by: "The chain ends below a well-known public root, and the device's list holds \
                     an older one of the same service. If nothing like it is in the list it is \
                     TP-TLS-013.",
        remedies: &[
            zephyr(
                "One certificate for each tag; NCS has a second tag for the spare.",
                "CONFIG_MQTT_HELPER_SEC_TAG=42\n\
                 CONFIG_MQTT_HELPER_SECONDARY_SEC_TAG=43",
            ),
            esp_idf(
                "Use the bundle, which is renewed with the IDF.",
                "CONFIG_MBEDTLS_CERTIFICATE_BUNDLE=y\n\
                 CONFIG_MBEDTLS_CERTIFICATE_BUNDLE_DEFAULT_FULL=y",
            ),
            linux(
                "Take the system's roots, which are kept up to date, by leaving --cafile out.",
                "towpath doctor URL",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Failed to parse CA certificate",
            "The certificate is not correctly signed by the trusted CA",
            "unable to get local issuer certificate",
            "-0x2700",
        ],
        proofs: &[
            Proof::Lint("root-baltimore"),
            Proof::Log("zephyr-azure-baltimore.log"),
        ],
        sources: &[
            "https://github.com/Spyro-Soft/scargo/issues/281",
            "https://github.com/nrfconnect/sdk-nrf/pull/13536",
            "https://github.com/zephyrproject-rtos/zephyr/issues/73281",
            "https://github.com/zephyrproject-rtos/zephyr/pull/73426",
        ],
    },
    Finding {
        id: "TP-TLS-054",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the CA file holds an intermediate only, and no root",
        fix: "Put the root into the CA file too, behind the intermediate.",
        about: "OpenSSL builds the chain up to a certificate that signed itself, and stops with \
                an error when the file ends before one. An intermediate alone looks right, \
                because it did sign the server's certificate. Mbed TLS is content with it.",
        decided_by: "No certificate in the CA file is its own issuer. It can be said without a \
                     packet.",
        remedies: &[
            linux(
                "Join the two files.",
                "cat intermediate.pem root.pem > ca.pem\n\
                 towpath doctor URL --cafile ca.pem",
            ),
            server(
                "The same for the CA of devices at Mosquitto:",
                "cafile /etc/mosquitto/certs/intermediate-and-root.pem",
            ),
        ],
        administrator: "",
        symptoms: &[
            "unable to get issuer certificate",
            "unable to get local issuer certificate",
            "A TLS error occurred",
        ],
        proofs: &[
            Proof::Lint("cafile-no-root"),
            Proof::SetUp("tls-cafile-no-root"),
        ],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/1518"],
    },
    Finding {
        id: "TP-TLS-055",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the certificate is in date, and this clock is wrong",
        fix: "Set the clock (NTP) before TLS.",
        about: "Certificates are valid between two dates, and a clock that is years off puts any \
                of them outside. Devices without a battery-backed clock start in 1970 or at \
                their build's date. Everything else about the certificate is right.",
        decided_by: "A Date header of the server, or the day on which this program was built, \
                     disagrees with the clock, or the clock is before every certificate of the \
                     chain. A chain that has ended as a whole may be a private one that nobody \
                     renewed: without such a proof it is TP-TLS-010.",
        remedies: &[
            linux(
                "Set the clock and keep it.",
                "timedatectl set-ntp true\n\
                 timedatectl timesync-status",
            ),
            zephyr(
                "Set the clock before TLS.",
                "CONFIG_SNTP=y\n\
                 CONFIG_NET_CONFIG_CLOCK_SNTP_INIT=y\n\
                 CONFIG_NET_CONFIG_SNTP_INIT_SERVER=\"pool.ntp.org\"",
            ),
            zephyr(
                "NCS with a modem or an IP network: wait for the event of the date-time library.",
                "CONFIG_DATE_TIME=y",
            ),
            esp_idf(
                "Wait for SNTP before the first connection: esp_netif_sntp_init(), then \
                 esp_netif_sntp_sync_wait().",
                "",
            ),
            network(
                "Let devices reach a time server (UDP 123), or announce one by DHCP option 42.",
                "",
            ),
        ],
        administrator: "Please allow UDP port 123 (NTP) from these devices to a time server.",
        symptoms: &[
            "certificate is not yet valid",
            "certificate has expired",
            "The certificate validity starts in the future",
            "Time:Tue Nov 30 00:00:00 1999",
            "-0x2700",
        ],
        proofs: &[
            Proof::SetUp("tls-clock-behind"),
            Proof::Log("esp-clock-future.log"),
        ],
        sources: &[
            "https://github.com/Mbed-TLS/mbedtls/issues/1565",
            "https://github.com/espressif/esp-at/issues/432",
            "https://github.com/Azure/azure-iot-sdks/issues/987",
            "https://github.com/Azure/azure-iot-sdk-c/issues/230",
        ],
    },
    Finding {
        id: "TP-TLS-056",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the device does not accept the server's certificate, and its log does not say why",
        fix: "Print the verification flags: they tell expired, name, root and weak key apart.",
        about: "-0x2700 is Mbed TLS's one code for \"certificate verification failed\". The \
                reason is a word of flags that mbedtls_ssl_get_verify_result gives: 0x01 \
                expired, 0x04 wrong name, 0x08 not trusted, 0x200 begins in the future, 0x4000 \
                and above weak hash, key or curve.",
        decided_by: "-0x2700 or -9984 and neither flags nor a text beside it. With them it is \
                     TP-TLS-010 to TP-TLS-016. The chain as seen from here tells what it must \
                     be: run the doctor against the same server with the device's roots and \
                     clock in mind.",
        remedies: &[
            linux(
                "Look from here with the device's roots.",
                "towpath doctor URL --cafile device-roots.pem --tls mbed --verbose",
            ),
            zephyr(
                "Have the reason printed. Plain Zephyr:",
                "CONFIG_MBEDTLS_DEBUG=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL=3",
            ),
            zephyr(
                "NCS (nrf_security):",
                "CONFIG_MBEDTLS_DEBUG_C=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL=3",
            ),
            esp_idf(
                "Have the reason printed.",
                "CONFIG_MBEDTLS_DEBUG=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL_DEBUG=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "-0x2700",
            "-9984",
            "mbedtls_ssl_handshake returned -0x2700",
            "X509 - Certificate verification failed, e.g. CRL, CA or signature check failed",
        ],
        proofs: &[
            Proof::Log("esp-2700.log"),
            Proof::Code("-0x2700"),
            Proof::Code("-9984"),
        ],
        sources: &["https://github.com/espressif/esp-idf/issues/14486"],
    },
];
