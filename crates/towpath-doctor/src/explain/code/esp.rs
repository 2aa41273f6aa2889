//! The errors of esp-tls (`esp_tls_errors.h`) and of what stands on it. ESP-IDF up to 4.2 counted those of TLS from 0x8006
//! on; what stands here is the newer order, and the older meaning is told where it differs.

use super::{Row, rows};

pub(super) const SYSTEM: &str = "esp-tls";
pub(super) const OLDER: &str = "esp-tls up to ESP-IDF 4.2";

const CODES: &[Row] = rows! {
    0x8001, "ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME", "the host name could not be resolved", ["TP-DNS-002", "TP-DNS-005", "TP-DNS-003", "TP-DNS-012"];
    0x8002, "ESP_ERR_ESP_TLS_CANNOT_CREATE_SOCKET", "no socket could be opened", ["TP-DEV-007"];
    0x8003, "ESP_ERR_ESP_TLS_UNSUPPORTED_PROTOCOL_FAMILY", "the address family is not supported", ["TP-DEV-005"];
    0x8004, "ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST", "TCP could not be opened", ["TP-TCP-010", "TP-TCP-011", "TP-TCP-013"];
    0x8005, "ESP_ERR_ESP_TLS_SOCKET_SETOPT_FAILED", "a socket option could not be set", ["TP-DEV-023"];
    0x8006, "ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT", "TCP did not open in time", ["TP-TCP-013"];
    0x8007, "ESP_ERR_ESP_TLS_SE_FAILED", "the secure element failed", ["TP-DEV-025"];
    0x8008, "ESP_ERR_ESP_TLS_TCP_CLOSED_FIN", "the peer closed the connection", ["TP-TCP-001", "TP-UPG-001", "TP-MQTT-001", "TP-MQTT-015"];
    0x8009, "ESP_ERR_ESP_TLS_SERVER_HANDSHAKE_TIMEOUT", "the TLS handshake did not end in time", ["TP-TLS-002"];
    0x8010, "ESP_ERR_MBEDTLS_CERT_PARTLY_OK", "some of several certificates could not be parsed", ["TP-DEV-012"];
    0x8011, "ESP_ERR_MBEDTLS_CTR_DRBG_SEED_FAILED", "no randomness", ["TP-DEV-039"];
    0x8012, "ESP_ERR_MBEDTLS_SSL_SET_HOSTNAME_FAILED", "the server's name could not be set", ["TP-DEV-026"];
    0x8013, "ESP_ERR_MBEDTLS_SSL_CONFIG_DEFAULTS_FAILED", "the defaults of TLS could not be set", ["TP-DEV-026"];
    0x8014, "ESP_ERR_MBEDTLS_SSL_CONF_ALPN_PROTOCOLS_FAILED", "the application protocols could not be set", ["TP-DEV-026"];
    0x8015, "ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED", "a certificate could not be parsed, before any packet", ["TP-DEV-012", "TP-DEV-027"];
    0x8016, "ESP_ERR_MBEDTLS_SSL_CONF_OWN_CERT_FAILED", "the client certificate could not be set", ["TP-DEV-027", "TP-DEV-028"];
    0x8017, "ESP_ERR_MBEDTLS_SSL_SETUP_FAILED", "TLS could not be set up: no way to verify the server is configured, or memory is short", ["TP-DEV-011", "TP-DEV-008"];
    0x8018, "ESP_ERR_MBEDTLS_SSL_WRITE_FAILED", "writing over TLS failed", ["TP-TCP-002", "TP-MQTT-015"];
    0x8019, "ESP_ERR_MBEDTLS_PK_PARSE_KEY_FAILED", "the private key could not be parsed", ["TP-DEV-027"];
    0x801A, "ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED", "the TLS handshake failed; the code of Mbed TLS beside it says more", ["TP-TLS-001", "TP-TLS-029", "TP-TLS-056"];
    0x801B, "ESP_ERR_MBEDTLS_SSL_CONF_PSK_FAILED", "the pre-shared key could not be set", ["TP-DEV-027"];
    0x801C, "ESP_ERR_MBEDTLS_SSL_TICKET_SETUP_FAILED", "session tickets could not be set up", ["TP-DEV-026"];
    0x801D, "ESP_ERR_MBEDTLS_SSL_READ_FAILED", "reading over TLS failed", ["TP-TCP-002", "TP-MQTT-015"];
};

const OLD: &[Row] = rows! {
    0x8006, "ESP_ERR_MBEDTLS_CERT_PARTLY_OK", "some of several certificates could not be parsed", ["TP-DEV-012"];
    0x800B, "ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED", "a certificate could not be parsed, before any packet", ["TP-DEV-012", "TP-DEV-027"];
    0x800D, "ESP_ERR_MBEDTLS_SSL_SETUP_FAILED", "TLS could not be set up", ["TP-DEV-008", "TP-DEV-011"];
    0x800F, "ESP_ERR_MBEDTLS_PK_PARSE_KEY_FAILED", "the private key could not be parsed", ["TP-DEV-027"];
    0x8010, "ESP_ERR_MBEDTLS_SSL_HANDSHAKE_FAILED", "the TLS handshake failed", ["TP-TLS-001", "TP-TLS-029", "TP-TLS-056"];
    0x8012, "ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT", "TCP did not open in time", ["TP-TCP-013"];
};

const ELSE: &[Row] = rows! {
    0x101, "ESP_ERR_NO_MEM", "no memory", ["TP-DEV-008"];
    0x107, "ESP_ERR_TIMEOUT", "nothing came in time", ["TP-TCP-013", "TP-TLS-002", "TP-UPG-002"];
    0x7002, "ESP_ERR_HTTP_CONNECT", "the connection could not be made; the lines before say how", ["TP-TCP-010", "TP-DNS-002", "TP-TLS-001"];
    0x7004, "ESP_ERR_HTTP_FETCH_HEADER", "the HTTP answer's head did not come or can't be read", ["TP-UPG-002", "TP-UPG-001"];
    0x7007, "ESP_ERR_HTTP_EAGAIN", "nothing came in time", ["TP-UPG-002"];
};

/// Every table with what it is called.
pub(super) const TABLES: &[(&str, &[Row])] = &[(SYSTEM, CODES), (OLDER, OLD), ("ESP-IDF", ELSE)];
