//! A real OpenSSL server on the other side, in memory.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use openssl::{
    error::ErrorStack,
    ssl::{
        ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslStream,
        SslVerifyMode, SslVersion,
    },
    x509::store::X509StoreBuilder,
};
use towpath_proto::{Fault, tls::Tls};
use towpath_tls_openssl::{Connection, server};

use crate::authority::Issued;

/// The server's end of the wire.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) incoming: VecDeque<u8>,
    pub(crate) outgoing: Vec<u8>,
}

impl Read for End {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.incoming.read(space)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server's context: its certificate and those above it, and what it takes from clients.
pub(crate) fn context(
    shown: &Issued,
    above: &[&Issued],
    clients: Option<&Issued>,
) -> SslContextBuilder {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
    // Weak certificates have to be refused by the client, not here.
    builder.set_security_level(0);
    builder.set_mode(SslMode::AUTO_RETRY);
    builder.set_options(SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    builder.set_session_id_context(b"test").unwrap();
    builder.set_certificate(&shown.certificate).unwrap();
    builder.set_private_key(&shown.key).unwrap();
    for one in above {
        builder
            .add_extra_chain_cert(one.certificate.clone())
            .unwrap();
    }
    if let Some(root) = clients {
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(root.certificate.clone()).unwrap();
        builder.set_verify_cert_store(store.build()).unwrap();
    }
    builder
}

pub(crate) fn only(mut builder: SslContextBuilder, version: SslVersion) -> SslContextBuilder {
    builder.set_min_proto_version(Some(version)).unwrap();
    builder.set_max_proto_version(Some(version)).unwrap();
    builder
}

/// A server in the middle of things.
pub(crate) struct Server {
    pub(crate) stream: SslStream<End>,
    pub(crate) open: bool,
    /// What OpenSSL said when it ended.
    pub(crate) ended: Option<String>,
    pub(crate) received: Vec<u8>,
}

impl Server {
    pub(crate) fn new(context: &SslContext) -> Self {
        let mut ssl = Ssl::new(context).unwrap();
        ssl.set_accept_state();
        Self {
            stream: SslStream::new(ssl, End::default()).unwrap(),
            open: false,
            ended: None,
            received: Vec::new(),
        }
    }

    /// Works off what came.
    pub(crate) fn turn(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let result = if self.open {
            let mut space = [0; 20_000];
            loop {
                match self.stream.ssl_read(&mut space) {
                    Ok(n) => self.received.extend_from_slice(&space[..n]),
                    Err(error) => break Err(error),
                }
            }
        } else {
            self.stream.do_handshake()
        };
        match result {
            Ok(()) => {
                self.open = true;
                self.turn();
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(error) => self.ended = Some(error.to_string()),
        }
        drop(ErrorStack::get());
    }

    pub(crate) fn send(&mut self, plain: &[u8]) {
        self.stream.write_all(plain).unwrap();
    }

    /// Asks for a renegotiation with a client certificate.
    pub(crate) fn renegotiate(&mut self) {
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        server::set_verify(&mut self.stream, mode);
        server::request_renegotiation(&mut self.stream).unwrap();
        drop(self.stream.do_handshake());
    }

    /// Asks for the client certificate in TLS 1.3.
    pub(crate) fn ask_after_handshake(&mut self) {
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        server::set_verify(&mut self.stream, mode);
        server::request_post_handshake_auth(&mut self.stream).unwrap();
        self.stream.do_handshake().unwrap();
    }

    pub(crate) fn client(&self) -> Option<String> {
        let certificate = self.stream.ssl().peer_certificate()?;
        let name = certificate.subject_name().entries().next()?;
        name.data().to_string().ok()
    }
}

/// Moves what waits, in pieces of this size. True if anything moved.
pub(crate) fn carry(client: &mut Connection, server: &mut Server, piece: usize) -> bool {
    let mut moved = false;
    while !client.sendable().is_empty() {
        let n = client.sendable().len().min(piece);
        server
            .stream
            .get_mut()
            .incoming
            .extend(&client.sendable()[..n]);
        client.transmitted(n);
        moved = true;
    }
    let end = server.stream.get_mut();
    let n = end.outgoing.len().min(piece);
    let space = client.rx_space();
    let n = n.min(space.len());
    space[..n].copy_from_slice(&end.outgoing[..n]);
    client.commit(n);
    end.outgoing.drain(..n);
    moved | (n > 0)
}

/// Both sides until nothing moves: the first handshake, then what the client reads.
pub(crate) fn run(
    client: &mut Connection,
    server: &mut Server,
    piece: usize,
) -> Result<Vec<u8>, Fault> {
    let mut received = Vec::new();
    loop {
        let result = step(client, &mut received);
        let moved = carry(client, server, piece);
        result?;
        server.turn();
        if !moved && server.stream.get_ref().outgoing.is_empty() && client.sendable().is_empty() {
            return Ok(received);
        }
    }
}

fn step(client: &mut Connection, received: &mut Vec<u8>) -> Result<(), Fault> {
    if !client.handshake()? {
        return Ok(());
    }
    let mut space = [0; 20_000];
    loop {
        match client.read(&mut space)? {
            0 => return Ok(()),
            n => received.extend_from_slice(&space[..n]),
        }
    }
}

pub(crate) fn meet(client: &mut Connection, server: &mut Server) -> Result<Vec<u8>, Fault> {
    run(client, server, 100_000)
}
