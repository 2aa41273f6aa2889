//! Findings of TLS: the certificate of the client, as the server takes or refuses it.

use towpath_proto::Rung;

use super::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TLS-026",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server wants a client certificate and got none",
        fix: "Give the client's certificate and key (--cert, --key).",
        about: "The server asked for a certificate in the handshake and this side answered with \
                an empty list. In TLS 1.2 the server then ends the handshake with alert 40; in \
                TLS 1.3 the handshake seems to succeed and the end comes after it, as alert 116 \
                or as a bare close. A certificate that is configured and still not sent is \
                usually stored under the wrong tag, or without its key.",
        decided_by: "CertificateRequest came, this side's Certificate message was empty, and \
                     alert 40 or 116 or the end followed. Alert 40 before any request is \
                     TP-TLS-020.",
        remedies: &[
            linux(
                "Give both files.",
                "towpath doctor URL --cert device.pem --key device.key",
            ),
            zephyr(
                "Certificate and private key go under the same tag: \
                 TLS_CREDENTIAL_PUBLIC_CERTIFICATE (older: SERVER_CERTIFICATE) and \
                 TLS_CREDENTIAL_PRIVATE_KEY. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
            esp_idf(
                "Set credentials.authentication.certificate and .key of the MQTT client.",
                "",
            ),
            server(
                "If certificates are not wanted, Mosquitto must not require them.",
                "require_certificate false",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 40",
            "alert 116",
            "certificate_required",
            "tlsv13 alert certificate required",
            "sslv3 alert handshake failure",
            "peer did not return a certificate",
            "AH02261",
            "-0x7780",
            "-0x004E",
        ],
        proofs: &[
            Proof::Lab("certificate-required"),
            Proof::Lab("renegotiate-require"),
            Proof::SetUp("tls-client-required-12"),
            Proof::SetUp("tls-client-required-13"),
            Proof::Log("mbedtls-alert-40-certificate.log"),
            Proof::Capture("tls-client-required"),
            Proof::Code("alert 116"),
        ],
        sources: &[
            "https://github.com/bcgit/bc-java/issues/1762",
            "https://github.com/Azure/iot-operations-sdks/pull/1122",
        ],
    },
    Finding {
        id: "TP-TLS-040",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server does not know the CA of the client certificate",
        fix: "Register the CA with the server, or send the intermediate certificates too.",
        about: "The server could not build a chain from the client's certificate to a CA that it \
                trusts. Either it was never told of that CA, or the device sends its own \
                certificate alone and the intermediate between is missing on both sides.",
        decided_by: "Alert 48 (unknown_ca) from the server after the client's Certificate. The \
                     same alert from this side is about the server's certificate: TP-TLS-013. \
                     The direction decides.",
        remedies: &[
            linux(
                "Send the chain: certificate first, then the intermediates, in one file.",
                "cat device.pem intermediate.pem > chain.pem\n\
                 towpath doctor URL --cert chain.pem --key device.key",
            ),
            server(
                "Tell Mosquitto the devices' CA with its root.",
                "cafile /etc/mosquitto/certs/devices-intermediate-and-root.pem\n\
                 require_certificate true",
            ),
            server(
                "Azure: register the CA at the hub (or the provisioning service) and verify it.",
                "az iot hub certificate create --hub-name contoso --name devices --path root.pem",
            ),
            zephyr(
                "Store leaf and intermediate one behind the other in the one credential; Mbed \
                 TLS reads several if PEM is on.",
                "CONFIG_MBEDTLS_PEM_CERTIFICATE_FORMAT=y",
            ),
            esp_idf(
                "Put leaf and intermediates one behind the other into \
                 credentials.authentication.certificate.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 48",
            "unknown_ca",
            "tlsv1 alert unknown ca",
            "unable to get local issuer certificate",
            "AH02276",
            "-0x7780",
        ],
        proofs: &[
            Proof::SetUp("tls-client-unknown-ca"),
            Proof::Capture("tls-client-unknown-ca"),
            Proof::Code("ClientCertificateUntrusted"),
        ],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/3352"],
    },
    Finding {
        id: "TP-TLS-041",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the server says the client certificate has expired",
        fix: "Renew the client certificate; if it is in date, the server's clock is wrong.",
        about: "The server checked the device's certificate against its own clock and found it \
                too old. Test certificates often live 30 days, devices live for years. The \
                device itself does not notice, because nobody checks a certificate of one's own.",
        decided_by: "Alert 45 (certificate_expired) from the server. The end of the certificate \
                     as this side reads it stands in the evidence; when it lies ahead, ask for \
                     the server's clock.",
        remedies: &[
            linux(
                "See the dates.",
                "openssl x509 -noout -dates -in device.pem\n\
                 towpath device check --config device.toml",
            ),
            zephyr(
                "Store a new certificate under the tag. On a modem: nrf_modem_key_mgmt_write(), \
                 or AT%CMNG=0,42,1 with it.",
                "",
            ),
            esp_idf("Renew credentials.authentication.certificate.", ""),
            server(
                "Let devices renew by themselves: an enrolment that issues certificates, EST, or \
                 a job of the service.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 45",
            "certificate_expired",
            "sslv3 alert certificate expired",
            "certificate has expired",
            "-0x7780",
        ],
        proofs: &[Proof::SetUp("tls-client-expired"), Proof::Code("alert 45")],
        sources: &["https://github.com/Azure/azure-iot-sdk-c/issues/2362"],
    },
    Finding {
        id: "TP-TLS-042",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server refuses the client certificate",
        fix: "Look at the server's log; expired, revoked or of another CA are the usual causes.",
        about: "The server looked at the client's certificate and does not want it. It says so \
                with one of the alerts 42 (bad), 43 (of a kind that it does not take), 44 \
                (revoked), 46 (for some other reason) or 49 (access denied), and the reason \
                proper stands in its log only.",
        decided_by: "One of these alerts from the server after the client's Certificate. Alert \
                     48 is TP-TLS-040, 45 TP-TLS-041, 51 TP-TLS-044. The same alerts from this \
                     side are about the server's certificate.",
        remedies: &[
            server(
                "Read the reason in the server's log. Mosquitto:",
                "log_type all",
            ),
            server(
                "Azure: compare the thumbprint at the hub, or the CA.",
                "az iot hub device-identity show --hub-name contoso --device-id meter-4",
            ),
            linux(
                "See what is in the certificate.",
                "openssl x509 -noout -text -in device.pem",
            ),
            zephyr(
                "Store the right certificate under the tag of the socket. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 42",
            "alert 44",
            "alert 46",
            "bad_certificate",
            "certificate_revoked",
            "certificate_unknown",
            "sslv3 alert bad certificate",
            "sslv3 alert certificate unknown",
            "-0x7780",
        ],
        proofs: &[
            Proof::SetUp("tls-client-refused"),
            Proof::Code("alert 42"),
            Proof::Code("alert 46"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-043",
        rung: Rung::Tls,
        side: Side::Server,
        cause: "the server closed the connection after it asked for the client certificate",
        fix: "Look at the server's log; it took no certificate, or refused this one without \
              saying so.",
        about: "The server asked for a certificate, this side answered, and the connection ended \
                without an alert. In TLS 1.3 that is the usual look of a refusal: the handshake \
                is complete on this side before the server has checked the certificate.",
        decided_by: "CertificateRequest came and the end followed without an alert. A climb with \
                     TLS 1.2 gets the alert: then it is TP-TLS-026, TP-TLS-040, TP-TLS-041 or \
                     TP-TLS-042. Without a CertificateRequest it is TP-TLS-005.",
        remedies: &[
            linux(
                "Let TLS 1.2 say it.",
                "towpath doctor URL --cert device.pem --key device.key --tls-max 1.2",
            ),
            server("Mosquitto's log has the reason.", "log_type all"),
            zephyr(
                "Certificate and key belong under one tag of the socket. With NCS:",
                "CONFIG_MQTT_HELPER_SEC_TAG=42",
            ),
        ],
        administrator: "",
        symptoms: &[
            "ssl.SSLEOFError: EOF occurred in violation of protocol",
            "ClientCertificateUnanswered",
        ],
        proofs: &[
            Proof::SetUp("tls-client-unanswered"),
            Proof::Code("ClientCertificateUnanswered"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TLS-044",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "certificate and key of the client do not belong together",
        fix: "Pair the certificate with the key that it was issued for.",
        about: "The client proves that it holds the key by signing. The server checked that \
                signature with the public key in the certificate, and it did not fit: another \
                key, or a signing accelerator that computes wrongly. Most TLS libraries notice a \
                wrong pair when they load it; devices that keep the key in a modem or a secure \
                element can't.",
        decided_by: "Alert 51 (decrypt_error) from the server directly after CertificateVerify; \
                     in its log \"bad signature\". Whether the two public keys are the same can \
                     be said without a packet: TP-DEV-028.",
        remedies: &[
            linux(
                "Compare the two public keys; they have to be the same.",
                "openssl x509 -noout -pubkey -in device.pem | sha256sum\n\
                 openssl pkey -pubout -in device.key | sha256sum",
            ),
            zephyr(
                "Write both halves again under the same tag; on a modem list what is there first.",
                "AT%CMNG=1",
            ),
            esp_idf(
                "Check credentials.authentication.key against the certificate; then try without \
                 the RSA accelerator.",
                "CONFIG_MBEDTLS_HARDWARE_MPI=n",
            ),
        ],
        administrator: "",
        symptoms: &[
            "alert 51",
            "decrypt_error",
            "tlsv1 alert decrypt error",
            "tls_process_cert_verify:bad signature",
            "RSA_padding_check_PKCS1_type_1:invalid padding",
            "-0x7780",
        ],
        proofs: &[
            Proof::Capture("tls-client-wrong-key"),
            Proof::Code("alert 51"),
        ],
        sources: &["https://github.com/espressif/esp-mqtt/issues/192"],
    },
];
