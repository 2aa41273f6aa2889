//! OpenSSL's client with everything in the test's own hands, and a view of the records that come.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVersion},
    x509::X509,
};
use towpath_lab::Lab;

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A TCP stream that remembers what came.
#[derive(Debug)]
pub(crate) struct Tap {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Tap {
    pub(crate) const fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Type and length of each record that came.
    pub(crate) fn records(&self) -> Vec<(u8, usize)> {
        let mut records = Vec::new();
        let mut rest = &self.came[..];
        while let [kind, _, _, high, low, tail @ ..] = rest {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            records.push((*kind, len));
            rest = tail.get(len..).unwrap_or_default();
        }
        records
    }
}

impl Read for Tap {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(space)?;
        self.came.extend_from_slice(&space[..n]);
        Ok(n)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A TCP connection to a port of the lab.
pub(crate) fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// What a raw client is like.
pub(crate) struct Raw {
    builder: SslContextBuilder,
}

impl Raw {
    /// TLS 1.2, the lab's root, no certificate.
    pub(crate) fn new(lab: &Lab) -> Self {
        let mut builder = SslContext::builder(SslMethod::tls_client()).expect("a context");
        builder
            .set_max_proto_version(Some(SslVersion::TLS1_2))
            .expect("a version");
        builder.set_verify(openssl::ssl::SslVerifyMode::PEER);
        let root = X509::from_pem(lab.root_pem().as_bytes()).expect("a root");
        builder.cert_store_mut().add_cert(root).expect("a store");
        Self { builder }
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut SslContextBuilder)) -> Self {
        change(&mut self.builder);
        self
    }

    /// With the certificate of the device `cert`.
    pub(crate) fn certified(self, lab: &Lab) -> Self {
        let certificate = lab.device_certificate("cert").expect("a certificate");
        self.change(|builder| {
            let mut chain = X509::stack_from_pem(certificate.chain.as_bytes())
                .expect("a chain")
                .into_iter();
            let leaf = chain.next().expect("a leaf");
            builder.set_certificate(&leaf).expect("a certificate");
            for above in chain {
                builder.add_extra_chain_cert(above).expect("a chain");
            }
            let key = PKey::private_key_from_pem(certificate.key.as_bytes()).expect("a key");
            builder.set_private_key(&key).expect("its key");
        })
    }

    /// Connects; the handshake is done.
    pub(crate) fn connect(self, port: u16) -> SslStream<Tap> {
        let mut ssl = Ssl::new(&self.builder.build()).expect("a connection");
        ssl.set_hostname("localhost").expect("a name");
        let tap = Tap {
            stream: tcp(port),
            came: Vec::new(),
        };
        let mut stream = SslStream::new(ssl, tap).expect("a stream");
        stream.connect().expect("a handshake");
        stream
    }
}

/// A request for WebSocket, with further lines.
pub(crate) fn upgrade(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

/// The lines of an ordinary request.
pub(crate) const ORDINARY: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n";

/// Reads up to the end of a head, byte by byte.
pub(crate) fn head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Does something that blocks, beside the runtime.
pub(crate) async fn beside<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.expect("no panic")
}
