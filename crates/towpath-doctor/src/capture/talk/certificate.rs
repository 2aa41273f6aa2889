//! The certificates of a chain that is in clear.

use tls_parser::{
    TlsCertificateContents, TlsMessageHandshake, parse_tls_handshake_msg_certificate,
};

use crate::{capture::names::printable, evidence::Certificate};

/// The most certificates of a chain that are read.
const CERTIFICATES: usize = 10;

/// The certificates in the body of a Certificate message of TLS 1.2, leaf first; none if it can't be read.
pub(super) fn chain(bytes: &[u8]) -> Option<Vec<Certificate>> {
    let (_, message) = parse_tls_handshake_msg_certificate(bytes).ok()?;
    let TlsMessageHandshake::Certificate(TlsCertificateContents { cert_chain }) = message else {
        return None;
    };
    let certificates = cert_chain.iter().take(CERTIFICATES);
    let certificates = certificates.filter_map(|found| Certificate::read(found.data));
    Some(certificates.map(shown).collect())
}

/// The names are the peer's: they are cleaned before anything shows them.
fn shown(mut certificate: Certificate) -> Certificate {
    certificate.subject = printable(&certificate.subject);
    certificate.issuer = printable(&certificate.issuer);
    for name in &mut certificate.names {
        *name = printable(name);
    }
    certificate
}
