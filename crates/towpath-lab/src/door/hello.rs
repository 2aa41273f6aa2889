//! The first message of a client, looked at before OpenSSL gets it: the name that the client means decides about the
//! certificate and the faults.
//!
//! Takes in a [`Wire`] and leaves its bytes there; gives out the server's name, or what came in place of TLS.

use std::io;

use tls_parser::{TlsExtension, parse_tls_extensions, parse_tls_handshake_client_hello};

use super::wire::Wire;

/// The most that a ClientHello may have, bytes with the heads of its records.
const HELLO_MAX: usize = 18 << 10;

/// The longest name that is told on.
const NAME_MAX: usize = 255;

/// The record type of handshake messages, and the type of ClientHello (RFC 8446 sections 4 and 5.1).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What the client began with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// ClientHello, with the server's name if it has one.
    Hello(Option<String>),
    /// Something that is no TLS, in words.
    Foreign(&'static str),
    /// Something like TLS that OpenSSL will have words for.
    Unclear,
    /// Nothing: the client has closed the connection, after so many bytes.
    Closed(usize),
}

/// Waits for the client's first message.
pub(super) async fn hear(wire: &mut Wire) -> io::Result<First> {
    loop {
        if let Some(first) = judge(wire.ahead()) {
            return Ok(first);
        }
        if wire.look(HELLO_MAX).await? == 0 {
            return Ok(First::Closed(wire.ahead().len()));
        }
    }
}

/// `None` while more has to come.
fn judge(bytes: &[u8]) -> Option<First> {
    let first = bytes.first()?;
    if *first != HANDSHAKE {
        return Some(First::Foreign(foreign(bytes)));
    }
    if bytes.len() >= HELLO_MAX {
        return Some(First::Unclear);
    }
    let mut message = Vec::new();
    let mut rest = bytes;
    // A message may span records.
    while let Some(([kind, _, _, high, low], tail)) = rest.split_first_chunk() {
        if *kind != HANDSHAKE {
            return Some(First::Unclear);
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let body = tail.get(..len.min(tail.len())).unwrap_or_default();
        message.extend_from_slice(body);
        if let Some(first) = name(&message) {
            return Some(first);
        }
        rest = tail.get(len..)?;
    }
    None
}

/// The name in a ClientHello; `None` while it is not complete.
fn name(message: &[u8]) -> Option<First> {
    let ([kind, a, b, c], body) = message.split_first_chunk()?;
    if *kind != CLIENT_HELLO {
        return Some(First::Unclear);
    }
    let len = u32::from_be_bytes([0, *a, *b, *c]);
    let body = body.get(..usize::try_from(len).ok()?)?;
    let Ok((_, hello)) = parse_tls_handshake_client_hello(body) else {
        return Some(First::Unclear);
    };
    let extensions = hello.ext.unwrap_or_default();
    let extensions = parse_tls_extensions(extensions).map_or(Vec::new(), |(_, list)| list);
    let names = extensions
        .into_iter()
        .find_map(|extension| match extension {
            TlsExtension::SNI(names) => names.into_iter().next(),
            _ => None,
        });
    let name = names.and_then(|(_, name)| std::str::from_utf8(name).ok());
    let name = name.filter(|name| is_name(name));
    Some(First::Hello(name.map(str::to_owned)))
}

/// Whether it may stand in a log.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the first bytes look like.
fn foreign(bytes: &[u8]) -> &'static str {
    match bytes.first() {
        Some(0x10) => "an MQTT CONNECT without TLS",
        Some(b'A'..=b'Z') => "text such as an HTTP request, without TLS",
        Some(0x05) => "SOCKS, without TLS",
        _ => "no TLS",
    }
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream};
    use proptest::prelude::*;

    use super::*;

    struct Sink(Vec<u8>);

    impl io::Read for Sink {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn hello(name: Option<&str>) -> Vec<u8> {
        let context = SslContext::builder(SslMethod::tls_client()).unwrap();
        let mut ssl = Ssl::new(&context.build()).unwrap();
        if let Some(name) = name {
            ssl.set_hostname(name).unwrap();
        }
        let mut stream = SslStream::new(ssl, Sink(Vec::new())).unwrap();
        stream.connect().unwrap_err();
        stream.get_ref().0.clone()
    }

    #[test]
    fn the_name_is_found_as_soon_as_the_message_is_whole() {
        let bytes = hello(Some("hub.example"));
        for len in 0..bytes.len() {
            assert_eq!(judge(&bytes[..len]), None, "{len} bytes");
        }
        let expected = Some(First::Hello(Some("hub.example".into())));
        assert_eq!(judge(&bytes), expected);
        assert_eq!(judge(&hello(None)), Some(First::Hello(None)));
    }

    #[test]
    fn a_message_in_many_records_is_put_together() {
        let bytes = hello(Some("hub.example"));
        let mut cut = Vec::new();
        for piece in bytes[5..].chunks(7) {
            cut.extend([22, 3, 1, 0, u8::try_from(piece.len()).unwrap()]);
            cut.extend(piece);
        }
        assert_eq!(judge(&cut[..cut.len() - 1]), None);
        let expected = Some(First::Hello(Some("hub.example".into())));
        assert_eq!(judge(&cut), expected);
    }

    #[test]
    fn what_is_no_tls_is_named() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1"[..], "text"),
            (b"\x10\x0e\0\x04MQTT", "MQTT"),
        ] {
            let Some(First::Foreign(what)) = judge(bytes) else {
                panic!("{bytes:?}");
            };
            assert!(what.contains(expected), "{what}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise: Vec<u8>, at in 0_usize..200) {
            let _ = judge(&noise);
            let mut bytes = hello(Some("hub.example"));
            for (place, byte) in bytes.iter_mut().skip(at).zip(&noise) {
                *place = *byte;
            }
            let _ = judge(&bytes);
        }
    }
}
