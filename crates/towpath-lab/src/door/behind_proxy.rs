//! Behind a proxy that ends TLS: whether it is one that is trusted, and the client's certificate from its header field.
//!
//! Apache hands it on as PEM with blanks for its line ends, nginx percent-encoded.

use openssl::x509::X509;
use percent_encoding::percent_decode;

use super::{Door, Visit, http::Request};
use crate::certificate::ClientCertificate;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The most certificates that are read from a field.
const CHAIN_MAX: usize = 16;

/// The certificate that a trusted proxy hands on.
///
/// # Errors
/// Status and reason for an answer.
pub(super) fn checked(
    door: &Door,
    visit: &Visit,
    request: &Request,
) -> Result<Option<ClientCertificate>, (u16, String)> {
    let Some(proxy) = &door.lab.config.listen.behind_proxy else {
        return Ok(None);
    };
    let peer = visit.connection.peer.ip().to_canonical();
    if !proxy.trusted.contains(&peer) {
        let why = format!(
            "{peer} is not one of the proxies that may speak for clients (\"trusted\" in [listen.behind_proxy])"
        );
        return Err((403, why));
    }
    let field = &proxy.certificate_header;
    let Some(head) = request.head() else {
        return Ok(None);
    };
    let mut values = head.values(field);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // A client that sends the field itself must not pass for another one where the proxy only adds its own.
    if values.next().is_some() {
        let why =
            format!("{field} is there more than once; the proxy has to replace what clients send");
        return Err((400, why));
    }
    read(value).map_err(|why| (400, format!("{field}: {why}")))
}

/// Reads the field. Without a certificate Apache sends nothing or `(null)`.
fn read(value: &[u8]) -> Result<Option<ClientCertificate>, String> {
    let text = percent_decode(value).decode_utf8_lossy();
    let text = text.trim();
    if text.is_empty() || text == "(null)" {
        return Ok(None);
    }
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once(BEGIN) {
        let Some((body, behind)) = behind.split_once(END) else {
            return Err("a certificate without its end".into());
        };
        if certificates.len() >= CHAIN_MAX {
            return Err(format!("more than {CHAIN_MAX} certificates"));
        }
        certificates.push(certificate(body)?);
        rest = behind;
    }
    let mut certificates = certificates.into_iter();
    match certificates.next() {
        Some(leaf) => Ok(Some(ClientCertificate {
            leaf,
            chain: certificates.collect(),
        })),
        None => Err("no certificate in PEM".into()),
    }
}

fn certificate(body: &str) -> Result<X509, String> {
    let body: String = body.split_whitespace().collect();
    let der = openssl::base64::decode_block(&body);
    der.and_then(|der| X509::from_der(&der))
        .map_err(|_| "a certificate that can't be read".into())
}

#[cfg(test)]
mod tests {
    use openssl::{
        asn1::Asn1Time,
        ec::{EcGroup, EcKey},
        hash::MessageDigest,
        nid::Nid,
        pkey::PKey,
        x509::{X509, X509Name},
    };

    use super::*;

    fn pem(name: &str) -> String {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(&subject).unwrap();
        builder
            .set_not_before(&Asn1Time::days_from_now(0).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::days_from_now(1).unwrap())
            .unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
    }

    #[test]
    fn as_apache_and_as_nginx_write_it() {
        let pem = pem("dev1");
        let encoded =
            percent_encoding::utf8_percent_encode(&pem, percent_encoding::NON_ALPHANUMERIC);
        for text in [
            pem.replace('\n', " "),
            pem.replace('\n', "\t"),
            encoded.to_string(),
        ] {
            let certificate = read(text.as_bytes()).unwrap().unwrap();
            assert_eq!(certificate.common_name().as_deref(), Some("dev1"));
            assert!(certificate.chain.is_empty());
        }
    }

    #[test]
    fn a_chain_comes_behind_the_leaf() {
        let text = format!("{}{}", pem("dev1"), pem("ca")).replace('\n', " ");
        let certificate = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(certificate.common_name().as_deref(), Some("dev1"));
        assert_eq!(certificate.chain.len(), 1);
    }

    #[test]
    fn none_and_nonsense() {
        for none in ["", "  ", "(null)"] {
            assert!(read(none.as_bytes()).unwrap().is_none());
        }
        for nonsense in [
            "x",
            "-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----- AAAA",
        ] {
            read(nonsense.as_bytes()).unwrap_err();
        }
    }
}
