//! Findings of TLS: the server's certificate and the roots that it is checked against.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-010",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's certificate has expired",
        fix: "Renew the server's certificate; if its dates are right, set this clock.",
        about: "Every certificate has a last day, and this one is past it by this clock. Often \
                the renewed file lies on the disk already and the server was not told to read it \
                again. When the certificate is valid everywhere else, it is the clock here that \
                is wrong.",
        decided_by: "The end of the leaf, or of an intermediate, lies before this clock; the \
                     dates stand in the evidence. If the clock disagrees with the server's Date \
                     header or lies before this program was built, it is TP-TLS-055.",
        remedies: &[
            server(
                "Renew it, then let the server read it: Mosquitto reads certificates again on \
                 SIGHUP.",
                "certbot renew\n\
                 pkill -HUP -x mosquitto",
            ),
            linux(
                "See the dates.",
                "towpath doctor URL --verbose\n\
                 openssl x509 -noout -dates -in server.pem",
            ),
            zephyr(
                "Set the clock before TLS.",
                "CONFIG_SNTP=y\n\
                 CONFIG_NET_CONFIG_CLOCK_SNTP_INIT=y\n\
                 CONFIG_NET_CONFIG_SNTP_INIT_SERVER=\"pool.ntp.org\"",
            ),
            esp_idf(
                "Wait for SNTP before the first connection: esp_netif_sntp_init(), then \
                 esp_netif_sntp_sync_wait().",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "certificate has expired",
            "The certificate validity has expired",
            "sslv3 alert certificate expired",
            "CERT_HAS_EXPIRED",
            "-0x2700",
            "X509 flags 0x01",
        ],
        proofs: &[
            Proof::Lab("cert-expired"),
            Proof::SetUp("tls-expired"),
            Proof::SetUp("tls-clock-ahead"),
            Proof::Capture("tls-expired"),
            Proof::Code("ServerCertificateExpired"),
            Proof::Log("esp-verify-expired.log"),
        ],
        sources: &["https://github.com/Mbed-TLS/mbedtls/issues/1565"],
    },
    Finding {
        id: "TP-TLS-011",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server's certificate is not valid yet",
        fix: "Set the clock of this device; if it is right, the certificate was issued for later.",
        about: "The certificate begins after the time that this clock shows. That is nearly \
                always a clock that starts in 1970 or at the build's date, because time \
                synchronisation has not finished when TLS begins. A certificate that was issued \
                seconds ago by a machine whose clock is ahead does it too.",
        decided_by: "The beginning of the leaf lies after this clock. If the server's Date \
                     header or several certificates say that the clock is behind, it is \
                     TP-TLS-055. On a device: it fails in the first seconds after a start and \
                     works later.",
        remedies: &[
            zephyr(
                "Set the clock before TLS.",
                "CONFIG_SNTP=y\n\
                 CONFIG_NET_CONFIG_CLOCK_SNTP_INIT=y\n\
                 CONFIG_NET_CONFIG_SNTP_INIT_SERVER=\"pool.ntp.org\"",
            ),
            esp_idf(
                "Wait for SNTP before the first connection: esp_netif_sntp_init(), then \
                 esp_netif_sntp_sync_wait().",
                "",
            ),
            linux(
                "Compare the clocks.",
                "timedatectl\n\
                 towpath doctor URL --verbose",
            ),
            server(
                "Issue certificates an hour back in time, so that clocks may differ a little.",
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
            "The certificate validity starts in the future",
            "CERT_NOT_YET_VALID",
            "-0x2700",
        ],
        proofs: &[
            Proof::Lab("cert-not-yet"),
            Proof::SetUp("tls-not-yet"),
            Proof::Code("certificate is not yet valid"),
            Proof::Log("esp-verify-future.log"),
        ],
        sources: &["https://github.com/espressif/esp-at/issues/432"],
    },
    Finding {
        id: "TP-TLS-012",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's certificate is for another name",
        fix: "Use a name that the certificate bears, or have it issued for the name that you use.",
        about: "A certificate lists the names it is good for, and the name in the URL is not \
                among them. Aliases, a bare host name in place of a full one, and a wildcard \
                that covers one level only are the usual causes. When a server has several \
                sites, the wrong one may have answered.",
        decided_by: "The chain is trusted and no alternative name fits; both stand in the \
                     evidence. If the URL holds an address it is TP-TLS-052; if the right \
                     certificate comes with the right --sni, the URL's name is wrong.",
        remedies: &[
            linux(
                "See the names in the certificate, and use one of them.",
                "towpath doctor URL --verbose",
            ),
            zephyr(
                "The name to check is the one of TLS_HOSTNAME on the socket: give it the \
                 certificate's name.",
                "",
            ),
            esp_idf(
                "Give the name in the URI, or in broker.verification.common_name.",
                "",
            ),
            server(
                "Have a certificate issued with every name in use.",
                "certbot certonly --standalone -d broker.example -d mqtt.example",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Hostname mismatch",
            "The certificate Common Name (CN) does not match with the expected CN",
            "hostname doesn't match",
            "no alternative certificate subject name matches target host name",
            "-0x2700",
        ],
        proofs: &[
            Proof::Lab("cert-wrong-name"),
            Proof::SetUp("tls-wrong-name"),
            Proof::Code("Hostname mismatch"),
            Proof::Log("esp-verify-name.log"),
        ],
        sources: &["https://github.com/espressif/esp-mqtt/pull/254"],
    },
    Finding {
        id: "TP-TLS-013",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server's certificate leads to no root that is trusted",
        fix: "Give the server's root with --cafile, or put it on the device.",
        about: "The chain that the server sent ends at a CA that is not among the trusted ones. \
                With a private CA its root has to be given; with a public one the device's list \
                is too short or too old. A company's firewall that opens TLS shows a CA of its \
                own. mosquitto_pub says the same sentence for this, an expired certificate and a \
                missing intermediate.",
        decided_by: "The chain is complete up to a root that is not in the list; its issuer \
                     stands in the evidence. Alert 48 that this side sends says the same to the \
                     server. An inspecting proxy's name as issuer is TP-PROXY-014; one \
                     certificate alone is TP-TLS-015, or TP-TLS-014 if it signed itself.",
        remedies: &[
            linux("Give the root.", "towpath doctor URL --cafile ca.pem"),
            zephyr(
                "Store the root under a tag that the socket has: tls_credential_add() with \
                 TLS_CREDENTIAL_CA_CERTIFICATE, one certificate for each tag. With NCS a second \
                 tag is for a second root.",
                "CONFIG_MQTT_HELPER_SEC_TAG=42\n\
                 CONFIG_MQTT_HELPER_SECONDARY_SEC_TAG=43",
            ),
            esp_idf(
                "Add the root to the bundle, and attach the bundle with esp_crt_bundle_attach.",
                "CONFIG_MBEDTLS_CERTIFICATE_BUNDLE=y\n\
                 CONFIG_MBEDTLS_CUSTOM_CERTIFICATE_BUNDLE=y\n\
                 CONFIG_MBEDTLS_CUSTOM_CERTIFICATE_BUNDLE_PATH=\"certs\"",
            ),
            server("Or use a certificate of a CA that the devices know.", ""),
            network("Exempt the server from TLS inspection.", ""),
        ],
        administrator: "If TLS is inspected here, please exempt the server: devices trust its CA \
                        only.",
        symptoms: &[
            "unable to get local issuer certificate",
            "self-signed certificate in certificate chain",
            "The certificate is not correctly signed by the trusted CA",
            "No matching trusted root certificate found",
            "tlsv1 alert unknown ca",
            "A TLS error occurred",
            "alert 48",
            "-0x2700",
            "-0x3000",
            "-9984",
        ],
        proofs: &[
            Proof::Lab("cert-unknown-root"),
            Proof::SetUp("tls-unknown-root"),
            Proof::Capture("tls-unknown-ca"),
            Proof::Code("ServerCertificateUntrusted"),
            Proof::Log("esp-verify-untrusted.log"),
            Proof::Log("mbedtls-unknown-ca-sent.log"),
            Proof::Log("mosquitto-unknown-ca.log"),
        ],
        sources: &[
            "https://github.com/eclipse-mosquitto/mosquitto/issues/1012",
            "https://github.com/espressif/esp-idf/issues/18674",
        ],
    },
    Finding {
        id: "TP-TLS-014",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's certificate signed itself",
        fix: "Trust exactly this certificate with --cafile, or give the server one from a CA.",
        about: "The server shows one certificate that is its own issuer, as quick set-ups, \
                appliances and default installations do. It can be trusted, but only by bringing \
                it along; nothing in the system's roots leads to it.",
        decided_by: "One certificate, subject and issuer alike, not among the roots. A chain \
                     that ends in an unknown root is TP-TLS-013.",
        remedies: &[
            linux(
                "Fetch it on a path that you trust, compare it with the file on the server, then \
                 give it.",
                "openssl s_client -connect broker.example:8883 </dev/null | openssl x509 -outform PEM > broker.pem\n\
                 towpath doctor URL --cafile broker.pem",
            ),
            zephyr(
                "Store it as the CA certificate under a tag of the socket. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
            esp_idf(
                "Give it as broker.verification.certificate of the MQTT client.",
                "",
            ),
            server(
                "Better: a small CA of your own, whose root goes onto the devices, so that the \
                 server's certificate can be renewed.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "self-signed certificate",
            "self signed certificate",
            "DEPTH_ZERO_SELF_SIGNED_CERT",
            "The certificate is not correctly signed by the trusted CA",
            "-0x2700",
        ],
        proofs: &[
            Proof::Lab("cert-self-signed"),
            Proof::SetUp("tls-self-signed"),
            Proof::Code("DEPTH_ZERO_SELF_SIGNED_CERT"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-015",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server sent its own certificate without the one that signed it",
        fix: "Let the server send the whole chain (fullchain.pem); if a CA of your own signed \
              it, give that with --cafile.",
        about: "A server has to send its certificate and the intermediates behind it; only the \
                root stays at home. Browsers fetch or remember missing ones, so that the same \
                server looks fine there. Devices and MQTT clients don't.",
        decided_by: "One certificate came, its issuer is neither itself nor a trusted root. \
                     openssl says error 20 or 21 at depth 0. When it signed itself it is \
                     TP-TLS-014; when the issuer's chain is there and its root unknown, \
                     TP-TLS-013.",
        remedies: &[
            server(
                "Put leaf and intermediates into one file, leaf first. Mosquitto:",
                "certfile /etc/letsencrypt/live/broker.example/fullchain.pem",
            ),
            server(
                "nginx:",
                "ssl_certificate /etc/letsencrypt/live/broker.example/fullchain.pem;",
            ),
            linux(
                "Until then, give the missing one.",
                "towpath doctor URL --cafile intermediate-and-root.pem",
            ),
            zephyr(
                "Trusting the intermediate itself works with Mbed TLS, until the CA changes it: \
                 store it as CA certificate under the tag.",
                "",
            ),
            esp_idf(
                "Trusting the intermediate itself works, until the CA changes it: \
                 broker.verification.certificate.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "unable to verify the first certificate",
            "unable to get local issuer certificate",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "unable to find valid certification path to requested target",
            "The certificate is not correctly signed by the trusted CA",
            "-0x2700",
        ],
        proofs: &[
            Proof::Lab("cert-no-chain"),
            Proof::SetUp("tls-leaf-only"),
            Proof::Code("unable to verify the first certificate"),
        ],
        sources: &["https://github.com/hivemq/mqtt-cli/issues/132"],
    },
    Finding {
        id: "TP-TLS-016",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's certificate uses a key or a hash that is too weak",
        fix: "Give the server RSA of 2048 bits or more, or P-256, signed with SHA-256.",
        about: "RSA-1024, MD5 and SHA-1 can be forged with effort, and today's TLS libraries \
                refuse them. OpenSSL as Debian builds it wants at least 112 bits of strength; \
                Mbed TLS has a profile with the same limits.",
        decided_by: "The chain is trusted and in date, and a key or signature in it is below the \
                     limit. In Mbed TLS it is the flag \"signed with an unacceptable key\".",
        remedies: &[
            server(
                "Make a new key and have a certificate issued for it.",
                "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha256 -nodes \\\n\
                 -keyout server.key -out server.csr -subj /CN=broker.example \\\n\
                 -addext subjectAltName=DNS:broker.example",
            ),
            linux(
                "See key and signature of each certificate.",
                "towpath doctor URL --verbose",
            ),
            esp_idf(
                "P-256 is in the build by default.",
                "CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED=y",
            ),
            zephyr(
                "P-256 in plain Zephyr:",
                "CONFIG_MBEDTLS_ECP_C=y\n\
                 CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "ee key too small",
            "ca md too weak",
            "EE certificate key too weak",
            "CA signature digest algorithm too weak",
            "The certificate is signed with an unacceptable key (eg bad curve, RSA too short)",
            "-0x2700",
        ],
        proofs: &[Proof::SetUp("tls-weak"), Proof::Code("ee key too small")],
        sources: &["https://github.com/espressif/esp-idf/issues/5002"],
    },
    Finding {
        id: "TP-TLS-019",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server's certificate is not valid",
        fix: "Look at the number and the text; the certificate may be revoked, damaged or for \
              another purpose.",
        about: "The certificate failed a check that has no entry of its own here: it may be \
                revoked, be meant for clients only, break a constraint of its CA, or have a \
                signature that does not fit. The number is the TLS library's own.",
        decided_by: "Verification failed, and neither dates, name, root, chain nor strength is \
                     the reason. OpenSSL's number is the X.509 error; Mbed TLS gives flags.",
        remedies: &[
            linux(
                "Let OpenSSL explain the file.",
                "openssl verify -purpose sslserver -CAfile ca.pem -untrusted chain.pem server.pem",
            ),
            server(
                "Have it issued again, for servers.",
                "extendedKeyUsage = serverAuth",
            ),
            zephyr(
                "See the flags. Plain Zephyr:",
                "CONFIG_MBEDTLS_DEBUG=y\n\
                 CONFIG_MBEDTLS_DEBUG_LEVEL=3",
            ),
        ],
        administrator: "",
        symptoms: &[
            "unsupported certificate purpose",
            "certificate revoked",
            "invalid CA certificate",
            "x509 verification failed",
            "-0x2700",
        ],
        proofs: &[
            Proof::SetUp("tls-wrong-purpose"),
            Proof::Code("unsupported certificate purpose"),
        ],
        sources: &[],
    },
];
