//! The fields of ClientHello and ServerHello, read with `tls-parser`.

use tls_parser::{
    SNIType, TlsExtension, parse_tls_extensions, parse_tls_handshake_client_hello,
    parse_tls_handshake_server_hello,
};

use super::proxy::text;

/// The suites that signal something and are none (RFC 5746, RFC 7507).
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// The most suites that are remembered.
const SUITES: usize = 256;

/// TLS 1.3 as on the wire.
pub(in crate::capture) const TLS_1_3: u16 = 0x0304;

/// A hello of either side.
#[derive(Debug, Clone, Default)]
pub(in crate::capture) struct Hello {
    /// The highest version offered, or the one chosen.
    pub(in crate::capture) version: u16,
    /// The lowest version offered, or the one chosen.
    pub(in crate::capture) lowest: u16,
    /// The suites offered, or the one chosen; without signals and reserved values.
    pub(in crate::capture) suites: Vec<u16>,
    /// The server's name.
    pub(in crate::capture) name: Option<String>,
    /// The application protocols.
    pub(in crate::capture) alpn: Vec<String>,
    /// A session is to be resumed, as TLS 1.3 does it.
    pub(in crate::capture) resumes: bool,
    /// ServerHello stands for HelloRetryRequest.
    pub(in crate::capture) retry: bool,
}

impl Hello {
    /// The kinds of server keys that the suites allow: RSA, ECDSA. Suites of TLS 1.3 allow both.
    pub(in crate::capture) fn keys(&self) -> (bool, bool) {
        let mut keys = (false, false);
        for suite in &self.suites {
            match suite >> 8 {
                0x13 => keys = (true, true),
                _ if is_ecdsa(*suite) => keys.1 = true,
                _ => keys.0 = true,
            }
        }
        keys
    }
}

/// Whether a suite authenticates with ECDSA, by the names of the registry.
fn is_ecdsa(suite: u16) -> bool {
    tls_parser::TlsCipherSuite::from_id(suite).is_some_and(|found| found.name.contains("ECDSA"))
}

/// The name of a suite, or its number.
pub(in crate::capture) fn suite_name(suite: u16) -> String {
    tls_parser::TlsCipherSuite::from_id(suite)
        .map_or_else(|| format!("0x{suite:04x}"), |found| found.name.to_owned())
}

/// The name of a version.
pub(in crate::capture) fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        _ => format!("version 0x{version:04x}"),
    }
}

/// RFC 8701: values that are there to be ignored.
const fn is_reserved(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// Reads the body of a ClientHello.
pub(super) fn client(bytes: &[u8]) -> Option<Hello> {
    let (_, contents) = parse_tls_handshake_client_hello(bytes).ok()?;
    let suites = contents.ciphers.iter().map(|suite| suite.0);
    let mut hello = Hello {
        version: contents.version.0,
        lowest: contents.version.0,
        suites: suites
            .filter(|suite| !SIGNALS.contains(suite) && !is_reserved(*suite))
            .take(SUITES)
            .collect(),
        ..Hello::default()
    };
    extensions(&mut hello, contents.ext);
    Some(hello)
}

/// Reads the body of a ServerHello.
pub(super) fn server(bytes: &[u8]) -> Option<Hello> {
    let (_, contents) = parse_tls_handshake_server_hello(bytes).ok()?;
    let mut hello = Hello {
        version: contents.version.0,
        lowest: contents.version.0,
        suites: vec![contents.cipher.0],
        retry: contents
            .random
            .starts_with(&[0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11]),
        ..Hello::default()
    };
    extensions(&mut hello, contents.ext);
    Some(hello)
}

fn extensions(hello: &mut Hello, bytes: Option<&[u8]>) {
    let Some((_, list)) = bytes.and_then(|bytes| parse_tls_extensions(bytes).ok()) else {
        return;
    };
    for extension in list {
        match extension {
            TlsExtension::SNI(names) => {
                let name = names.iter().find(|(kind, _)| *kind == SNIType::HostName);
                hello.name = name.map(|(_, name)| text(name));
            }
            TlsExtension::ALPN(names) => {
                hello.alpn = names.iter().take(8).map(|name| text(name)).collect();
            }
            TlsExtension::PreSharedKey(_) => hello.resumes = true,
            TlsExtension::SupportedVersions(versions) => {
                let real = versions.iter().map(|version| version.0);
                let real: Vec<_> = real.filter(|version| version & 0xff00 == 0x0300).collect();
                hello.version = real.iter().max().copied().unwrap_or(hello.version);
                hello.lowest = real.iter().min().copied().unwrap_or(hello.version);
            }
            _ => {}
        }
    }
}
