//! What Mbed TLS returns: a high-level code (bits 7 to 14), a low-level one (bits 0 to 6), or the sum of both. Numbers
//! and names are those of `include/mbedtls/*.h` of 3.6; a number that meant something else in 2.28 says so. The flags of
//! a failed verification are those of `x509.h`.

use super::{Meaning, Row, row, rows};

/// What the table is called in evidence.
pub(super) const SYSTEM: &str = "Mbed TLS";

/// The high-level codes, without their sign.
const HIGH: &[Row] = rows! {
    0x7080, "MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE", "the build lacks what the handshake came to need", ["TP-DEV-015"];
    0x7100, "MBEDTLS_ERR_SSL_BAD_INPUT_DATA", "bad parameters; from fetch_input: a handshake message is larger than the input buffer", ["TP-TLS-017", "TP-DEV-027"];
    0x7180, "MBEDTLS_ERR_SSL_INVALID_MAC", "a record's integrity check failed", ["TP-TLS-045"];
    0x7200, "MBEDTLS_ERR_SSL_INVALID_RECORD", "a record that can't be taken: larger than the input buffer, or no TLS at all", ["TP-TLS-024", "TP-TLS-003", "TP-TLS-045"];
    0x7280, "MBEDTLS_ERR_SSL_CONN_EOF", "the peer closed the connection without a word", ["TP-TLS-001", "TP-TLS-004", "TP-TLS-005", "TP-TLS-031", "TP-TLS-047", "TP-TLS-049", "TP-UPG-001", "TP-MQTT-001"];
    0x7300, "MBEDTLS_ERR_SSL_DECODE_ERROR", "a handshake message can't be read (2.28: UNKNOWN_CIPHER)", ["TP-TLS-045", "TP-DEV-015"];
    0x7380, "MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN", "2.28: no cipher suite in common", ["TP-TLS-020"];
    0x7400, "MBEDTLS_ERR_SSL_NO_RNG", "no random number generator was given", ["TP-DEV-039"];
    0x7480, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE", "the client sent no certificate where one is required", ["TP-TLS-026"];
    0x7500, "MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION", "an extension that was not asked for (2.28: CERTIFICATE_TOO_LARGE, the own certificate does not fit the output buffer)", ["TP-DEV-036", "TP-TLS-029"];
    0x7580, "MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL", "no application protocol (ALPN) in common", ["TP-TLS-028"];
    0x7600, "MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED", "a certificate is set without its key", ["TP-DEV-027"];
    0x7680, "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED", "no CA certificate is set, so the server can't be verified", ["TP-DEV-011", "TP-TLS-013"];
    0x7700, "MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE", "a message that is not allowed at this step", ["TP-TLS-029", "TP-TLS-003"];
    0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE", "the peer sent a fatal alert; its number is in the line above", ["TP-TLS-029", "TP-TLS-020", "TP-TLS-021", "TP-TLS-026", "TP-TLS-031"];
    0x7800, "MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME", "the server does not know the name (2.28: PEER_VERIFY_FAILED)", ["TP-TLS-027"];
    0x7880, "MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY", "the peer said farewell to TLS and closed", ["TP-TLS-001", "TP-TLS-004", "TP-TLS-005", "TP-TLS-031", "TP-TLS-047", "TP-TLS-049", "TP-UPG-001", "TP-MQTT-001"];
    0x7980, "MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO", "2.28: ServerHello can't be accepted", ["TP-TLS-021", "TP-TLS-020"];
    0x7A00, "MBEDTLS_ERR_SSL_BAD_CERTIFICATE", "the Certificate message can't be accepted", ["TP-TLS-019"];
    0x7A80, "MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE_REQUEST", "2.28: CertificateRequest can't be read", ["TP-TLS-045"];
    0x7B00, "MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET", "a session ticket came, which is no failure: read again (2.28: BAD_HS_SERVER_KEY_EXCHANGE)", ["TP-DEV-014"];
    0x7E80, "MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND", "no such session in the cache (2.28: BAD_HS_FINISHED)", [];
    0x7F00, "MBEDTLS_ERR_SSL_ALLOC_FAILED", "memory for the TLS buffers can't be had", ["TP-DEV-008", "TP-DEV-009"];
    0x7F80, "MBEDTLS_ERR_SSL_HW_ACCEL_FAILED", "the hardware accelerator failed", ["TP-DEV-025"];
    0x6E80, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION", "no TLS version in common", ["TP-TLS-021", "TP-TLS-022"];
    0x6E00, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", "the handshake came to no agreement", ["TP-TLS-020"];
    0x6D80, "MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED", "the session ticket has expired; a full handshake follows", [];
    0x6D00, "MBEDTLS_ERR_SSL_PK_TYPE_MISMATCH", "the key is of another kind than the suite needs", ["TP-TLS-018"];
    0x6C80, "MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY", "the pre-shared key's identity is not known", ["TP-TLS-042"];
    0x6C00, "MBEDTLS_ERR_SSL_INTERNAL_ERROR", "an internal error; with 3.6 and TLS 1.3: psa_crypto_init() was not called", ["TP-DEV-013", "TP-DEV-025"];
    0x6A00, "MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL", "a buffer is too small for what has to be written", ["TP-DEV-036", "TP-TLS-017"];
    0x6980, "MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE", "2.28: none of the suites fits the certificates", ["TP-DEV-015"];
    0x6900, "MBEDTLS_ERR_SSL_WANT_READ", "no failure: more bytes have to come; call again", [];
    0x6880, "MBEDTLS_ERR_SSL_WANT_WRITE", "no failure: the socket takes no more now; call again", [];
    0x6800, "MBEDTLS_ERR_SSL_TIMEOUT", "nothing came in time", ["TP-TLS-002", "TP-TCP-015", "TP-UPG-002", "TP-MQTT-002"];
    0x6700, "MBEDTLS_ERR_SSL_UNEXPECTED_RECORD", "a record came that does not belong here", ["TP-TLS-045"];
    0x6680, "MBEDTLS_ERR_SSL_NON_FATAL", "the alert that came is a warning", [];
    0x6600, "MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER", "a field of the handshake is out of range", ["TP-TLS-029"];
    0x5E80, "MBEDTLS_ERR_SSL_BAD_CONFIG", "the TLS settings contradict each other", ["TP-DEV-026"];
    0x5D80, "MBEDTLS_ERR_SSL_CERTIFICATE_VERIFICATION_WITHOUT_HOSTNAME", "no host name was set to check the certificate against", ["TP-TLS-047", "TP-TLS-052"];
    0x2100, "MBEDTLS_ERR_X509_UNKNOWN_OID", "an object identifier in the certificate is not in this build", ["TP-DEV-012"];
    0x2180, "MBEDTLS_ERR_X509_INVALID_FORMAT", "the certificate can't be parsed", ["TP-DEV-012", "TP-DEV-027"];
    0x2400, "MBEDTLS_ERR_X509_INVALID_DATE", "a date in the certificate can't be read", ["TP-DEV-012"];
    0x2500, "MBEDTLS_ERR_X509_INVALID_EXTENSIONS", "an extension of the certificate can't be read", ["TP-DEV-012"];
    0x2600, "MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG", "the signature's algorithm, such as SHA-384, is not in this build", ["TP-TLS-050"];
    0x2680, "MBEDTLS_ERR_X509_SIG_MISMATCH", "two signature algorithms in one certificate disagree", ["TP-TLS-019"];
    0x2700, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED", "the server's certificate was not accepted; the verify flags say why", ["TP-TLS-056", "TP-TLS-013", "TP-TLS-011", "TP-TLS-010", "TP-TLS-012", "TP-TLS-055", "TP-TLS-014", "TP-TLS-016"];
    0x2780, "MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT", "this is neither PEM nor DER; PEM needs its closing zero counted in", ["TP-DEV-012", "TP-DEV-027"];
    0x2800, "MBEDTLS_ERR_X509_BAD_INPUT_DATA", "bad parameters to the certificate's parser", ["TP-DEV-012"];
    0x2880, "MBEDTLS_ERR_X509_ALLOC_FAILED", "no memory to parse a certificate", ["TP-DEV-010"];
    0x3000, "MBEDTLS_ERR_X509_FATAL_ERROR", "verification was stopped; with ESP-IDF's bundle: no matching root in it", ["TP-TLS-013", "TP-TLS-053"];
    0x3B00, "MBEDTLS_ERR_PK_INVALID_PUBKEY", "the public key can't be read: larger than MBEDTLS_MPI_MAX_SIZE, or RSA is not in the build", ["TP-TLS-046", "TP-DEV-019"];
    0x3A00, "MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE", "the key's curve is not in this build", ["TP-DEV-015"];
    0x3980, "MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE", "the key's kind is not in this build", ["TP-DEV-015"];
    0x3C80, "MBEDTLS_ERR_PK_UNKNOWN_PK_ALG", "the key's algorithm is not in this build", ["TP-DEV-015", "TP-DEV-019"];
    0x3C00, "MBEDTLS_ERR_PK_PASSWORD_REQUIRED", "the private key is encrypted and no password was given", ["TP-DEV-027"];
    0x3D00, "MBEDTLS_ERR_PK_KEY_INVALID_FORMAT", "the private key can't be parsed: empty, cut, or of another format (PKCS#8 or traditional)", ["TP-DEV-027"];
    0x3F80, "MBEDTLS_ERR_PK_ALLOC_FAILED", "no memory for a key", ["TP-DEV-010"];
    0x1080, "MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT", "no BEGIN or END line", ["TP-DEV-012", "TP-DEV-027"];
    0x1100, "MBEDTLS_ERR_PEM_INVALID_DATA", "the text between BEGIN and END can't be decoded", ["TP-DEV-012", "TP-DEV-027"];
    0x1180, "MBEDTLS_ERR_PEM_ALLOC_FAILED", "no memory to decode PEM", ["TP-DEV-010"];
    0x1480, "MBEDTLS_ERR_PEM_BAD_INPUT_DATA", "nothing was given as PEM", ["TP-DEV-027"];
    0x4080, "MBEDTLS_ERR_RSA_BAD_INPUT_DATA", "bad parameters to RSA; an empty client certificate ends here", ["TP-DEV-027"];
    0x4100, "MBEDTLS_ERR_RSA_INVALID_PADDING", "an RSA signature or message has the wrong padding", ["TP-TLS-019", "TP-DEV-028"];
    0x4280, "MBEDTLS_ERR_RSA_PUBLIC_FAILED", "the RSA operation failed: the key is larger than MBEDTLS_MPI_MAX_SIZE, or memory is short", ["TP-TLS-046", "TP-DEV-010"];
    0x4300, "MBEDTLS_ERR_RSA_PRIVATE_FAILED", "signing with the RSA key failed", ["TP-DEV-028", "TP-DEV-010"];
    0x4380, "MBEDTLS_ERR_RSA_VERIFY_FAILED", "an RSA signature does not fit", ["TP-TLS-019"];
    0x4D80, "MBEDTLS_ERR_ECP_ALLOC_FAILED", "no memory for an elliptic curve", ["TP-DEV-010"];
    0x4E00, "MBEDTLS_ERR_ECP_VERIFY_FAILED", "an ECDSA signature does not fit", ["TP-TLS-019"];
    0x4E80, "MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE", "the curve is not in this build", ["TP-DEV-015"];
    0x4F80, "MBEDTLS_ERR_ECP_BAD_INPUT_DATA", "bad parameters to an elliptic curve", ["TP-DEV-015"];
    0x5180, "MBEDTLS_ERR_MD_ALLOC_FAILED", "no memory for a hash", ["TP-DEV-010"];
};

/// The low-level codes, without their sign.
const LOW: &[Row] = rows! {
    0x0010, "MBEDTLS_ERR_MPI_ALLOC_FAILED", "no memory for a large number", ["TP-DEV-010"];
    0x0004, "MBEDTLS_ERR_MPI_BAD_INPUT_DATA", "a large number is not acceptable", ["TP-TLS-046"];
    0x0034, "MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED", "the source of randomness failed", ["TP-DEV-039"];
    0x003C, "MBEDTLS_ERR_ENTROPY_SOURCE_FAILED", "the source of randomness failed", ["TP-DEV-039"];
    0x0040, "MBEDTLS_ERR_ENTROPY_NO_SOURCES_DEFINED", "no source of randomness is defined", ["TP-DEV-039"];
    0x0042, "MBEDTLS_ERR_NET_SOCKET_FAILED", "no socket could be opened", ["TP-DEV-007"];
    0x0044, "MBEDTLS_ERR_NET_CONNECT_FAILED", "the connection could not be made", ["TP-TCP-013", "TP-TCP-010"];
    0x004C, "MBEDTLS_ERR_NET_RECV_FAILED", "reading from the socket failed", ["TP-TCP-002", "TP-TLS-001"];
    0x004E, "MBEDTLS_ERR_NET_SEND_FAILED", "writing to the socket failed: the peer had closed it; an alert that it sent before is left unread", ["TP-TLS-026", "TP-TCP-002", "TP-DEV-021"];
    0x0050, "MBEDTLS_ERR_NET_CONN_RESET", "the peer reset the connection", ["TP-TCP-002", "TP-TLS-001", "TP-DEV-021"];
    0x0052, "MBEDTLS_ERR_NET_UNKNOWN_HOST", "the host name could not be resolved", ["TP-DNS-005", "TP-DNS-002"];
    0x0060, "MBEDTLS_ERR_ASN1_OUT_OF_DATA", "the structure is cut short", ["TP-DEV-012", "TP-DEV-027"];
    0x0062, "MBEDTLS_ERR_ASN1_UNEXPECTED_TAG", "the structure is another one than expected", ["TP-DEV-012", "TP-DEV-027"];
    0x0066, "MBEDTLS_ERR_ASN1_LENGTH_MISMATCH", "lengths disagree: something follows the certificate", ["TP-DEV-012"];
    0x006A, "MBEDTLS_ERR_ASN1_ALLOC_FAILED", "no memory for the structure", ["TP-DEV-010"];
    0x002C, "MBEDTLS_ERR_BASE64_INVALID_CHARACTER", "a character that is no base64", ["TP-DEV-012", "TP-DEV-027"];
    0x0012, "MBEDTLS_ERR_GCM_AUTH_FAILED", "a record's integrity check failed", ["TP-TLS-045"];
};

/// What the flags of a failed verification mean, the most telling first: bit, name, meaning, findings.
const FLAGS: &[Row] = rows! {
    0x0001, "MBEDTLS_X509_BADCERT_EXPIRED", "the certificate has expired", ["TP-TLS-010"];
    0x0200, "MBEDTLS_X509_BADCERT_FUTURE", "the certificate is not valid yet", ["TP-TLS-011", "TP-TLS-055", "TP-DEV-029"];
    0x0004, "MBEDTLS_X509_BADCERT_CN_MISMATCH", "the certificate is for another name", ["TP-TLS-012", "TP-TLS-052"];
    0x1_0000, "MBEDTLS_X509_BADCERT_BAD_KEY", "a key in the chain is too short, or on a curve that is not accepted", ["TP-TLS-016"];
    0x4000, "MBEDTLS_X509_BADCERT_BAD_MD", "the certificate is signed with a hash that is not accepted", ["TP-TLS-016", "TP-TLS-050"];
    0x8000, "MBEDTLS_X509_BADCERT_BAD_PK", "the certificate is signed with an algorithm that is not accepted", ["TP-TLS-016"];
    0x0008, "MBEDTLS_X509_BADCERT_NOT_TRUSTED", "the chain does not lead to a trusted CA", ["TP-TLS-013", "TP-TLS-015", "TP-TLS-014", "TP-TLS-053"];
    0x0002, "MBEDTLS_X509_BADCERT_REVOKED", "the certificate has been revoked", ["TP-TLS-019"];
    0x0800, "MBEDTLS_X509_BADCERT_KEY_USAGE", "the certificate may not be used for this (keyUsage)", ["TP-TLS-019"];
    0x1000, "MBEDTLS_X509_BADCERT_EXT_KEY_USAGE", "the certificate may not be used by a server (extKeyUsage)", ["TP-TLS-019"];
    0x2000, "MBEDTLS_X509_BADCERT_NS_CERT_TYPE", "the certificate may not be used by a server (nsCertType)", ["TP-TLS-019"];
    0x0040, "MBEDTLS_X509_BADCERT_MISSING", "the peer sent no certificate", ["TP-TLS-019"];
    0x0100, "MBEDTLS_X509_BADCERT_OTHER", "the program's own check refused the certificate", ["TP-TLS-019"];
    0x0080, "MBEDTLS_X509_BADCERT_SKIP_VERIFY", "nothing was verified", ["TP-DEV-011"];
};

/// What a code means; `number` without its sign.
pub(super) fn code(number: u32) -> Vec<Meaning> {
    let find = |table: &'static [Row], number| table.iter().find(|row| row.0 == number);
    let high = find(HIGH, number & 0x7f80);
    let low = find(LOW, number & 0x7f);
    let mut meanings = Vec::new();
    match (number & 0x7f80, number & 0x7f) {
        (0, 1..) => meanings.extend(low.map(|low| row(SYSTEM, low))),
        (_, 0) => meanings.extend(high.map(|high| row(SYSTEM, high))),
        // The high level says what was done, the low one why it failed.
        _ => {
            meanings.extend(high.map(|high| row(SYSTEM, high)));
            if high.is_some() {
                meanings.extend(low.map(|low| row(SYSTEM, low)));
            }
        }
    }
    if number > 0x7fff {
        meanings.clear();
    }
    meanings
}

/// What the flags of a failed verification mean.
pub(super) fn flags(flags: u32) -> Vec<Meaning> {
    let set = FLAGS.iter().filter(|flag| flag.0 & flags != 0);
    set.map(|flag| row("Mbed TLS verify flags", flag)).collect()
}

/// Every table with what it is called.
pub(super) const TABLES: &[(&str, &[Row])] = &[
    (SYSTEM, HIGH),
    (SYSTEM, LOW),
    ("Mbed TLS verify flags", FLAGS),
];
