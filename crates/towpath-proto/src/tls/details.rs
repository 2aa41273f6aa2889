//! The fields of the messages that a tap sees in clear, read with `tls-parser` and `x509-parser`.

use alloc::vec::Vec;

use tls_parser::{
    TlsCertificateContents, TlsExtension, TlsMessageHandshake, parse_tls_extensions,
    parse_tls_handshake_client_hello, parse_tls_handshake_msg_certificate,
    parse_tls_handshake_server_hello,
};
use x509_parser::{certificate::X509Certificate, oid_registry, prelude::FromDer as _, public_key};

use super::{Fact, Hello, Message, PublicKey, Side};

/// The longest message that is looked into, bytes: more than any TLS library takes.
const LONGEST: usize = 64 << 10;

/// The suite that signals RFC 5746 without an extension (its section 3.3).
const EMPTY_RENEGOTIATION_INFO_SCSV: u16 = 0x00ff;

/// The messages under way of one direction.
#[derive(Debug, Clone)]
pub(super) struct Details {
    from: Side,
    message: Option<Message>,
    bytes: Vec<u8>,
}

impl Details {
    pub(super) const fn new(from: Side) -> Self {
        Self {
            from,
            message: None,
            bytes: Vec::new(),
        }
    }

    /// A message of this type and length begins.
    pub(super) fn begin(&mut self, kind: u8, len: u32) {
        let message = Message(kind);
        let wanted = matches!(
            message,
            Message::CLIENT_HELLO | Message::SERVER_HELLO | Message::CERTIFICATE
        );
        let short = usize::try_from(len).is_ok_and(|len| len <= LONGEST);
        self.message = (wanted && short).then_some(message);
    }

    pub(super) fn part(&mut self, part: &[u8]) {
        if self.message.is_some() {
            self.bytes.extend_from_slice(part);
        }
    }

    /// The message is complete. What can't be read gives no fact; the library will have more to say about it.
    pub(super) fn end(&mut self) -> Option<Fact> {
        let bytes = core::mem::take(&mut self.bytes);
        match self.message.take()? {
            Message::CLIENT_HELLO => client_hello(&bytes),
            Message::SERVER_HELLO => server_hello(&bytes),
            Message::CERTIFICATE => chain(self.from, &bytes),
            _ => None,
        }
    }
}

fn client_hello(bytes: &[u8]) -> Option<Fact> {
    let (_, contents) = parse_tls_handshake_client_hello(bytes).ok()?;
    let mut hello = Hello {
        version: contents.version.0,
        suites: u8::try_from(contents.ciphers.len()).unwrap_or(u8::MAX),
        secure_renegotiation: contents
            .ciphers
            .iter()
            .any(|suite| suite.0 == EMPTY_RENEGOTIATION_INFO_SCSV),
        ..Hello::default()
    };
    extensions(&mut hello, contents.ext);
    Some(Fact::Hello {
        from: Side::Client,
        hello,
    })
}

fn server_hello(bytes: &[u8]) -> Option<Fact> {
    let (_, contents) = parse_tls_handshake_server_hello(bytes).ok()?;
    let mut hello = Hello {
        version: contents.version.0,
        suite: contents.cipher.0,
        ..Hello::default()
    };
    extensions(&mut hello, contents.ext);
    Some(Fact::Hello {
        from: Side::Server,
        hello,
    })
}

fn extensions(hello: &mut Hello, bytes: Option<&[u8]>) {
    let Some((_, list)) = bytes.and_then(|bytes| parse_tls_extensions(bytes).ok()) else {
        return;
    };
    for extension in list {
        match extension {
            TlsExtension::SNI(names) => hello.server_name = !names.is_empty(),
            TlsExtension::ALPN(_) => hello.alpn = true,
            TlsExtension::RenegotiationInfo(_) => hello.secure_renegotiation = true,
            TlsExtension::PostHandshakeAuth => hello.post_handshake_auth = true,
            TlsExtension::MaxFragmentLength(code) => hello.max_fragment = code,
            TlsExtension::SupportedVersions(versions) => {
                // RFC 8701's reserved values are no versions.
                let real = versions.iter().map(|version| version.0);
                let highest = real.filter(|version| version & 0xff00 == 0x0300).max();
                hello.version = highest.unwrap_or(hello.version);
            }
            _ => {}
        }
    }
}

fn chain(from: Side, bytes: &[u8]) -> Option<Fact> {
    let (_, message) = parse_tls_handshake_msg_certificate(bytes).ok()?;
    let TlsMessageHandshake::Certificate(TlsCertificateContents { cert_chain }) = message else {
        return None;
    };
    Some(Fact::Chain {
        from,
        certificates: u8::try_from(cert_chain.len()).unwrap_or(u8::MAX),
        len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        key: cert_chain.first().and_then(|leaf| public_key(leaf.data)),
    })
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = certificate.public_key();
    if key.algorithm.algorithm == oid_registry::OID_SIG_ED25519 {
        return Some(PublicKey::Ed25519);
    }
    let parsed = key.parsed().ok()?;
    let bits = u16::try_from(parsed.key_size()).unwrap_or(u16::MAX);
    Some(match parsed {
        public_key::PublicKey::RSA(_) => PublicKey::Rsa(bits),
        public_key::PublicKey::EC(_) => PublicKey::Ec(bits),
        _ => PublicKey::Other,
    })
}
