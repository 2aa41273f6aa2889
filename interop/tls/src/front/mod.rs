//! A front end that a test writes: a list of [`Step`]s, done one after the other on one connection. It asks for the
//! client's certificate wherever the list says so, and stops where no program that is for sale would.
//!
//! It speaks MQTT and WebSocket by hand, just enough to answer CONNECT.

use std::{
    net::TcpListener,
    thread::{self, JoinHandle},
};

use openssl::{
    error::ErrorStack,
    ssl::{
        SslContext, SslContextBuilder, SslFiletype, SslMethod, SslOptions, SslVerifyMode,
        SslVersion,
    },
};

use self::{dialogue::Dialogue, next::Next};
use crate::pki::{Pair, Pki, Server};

mod dialogue;
mod next;
mod wire;

/// What the front end does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waits for the client's first bytes and leaves them unread.
    Hear,
    /// Reads what comes on the wire, once, and does nothing with it.
    Swallow,
    /// Answers ClientHello with its first flight.
    Flight,
    /// The first handshake, or the rest of it.
    Handshake,
    /// Reads the upgrade request to its end.
    Request,
    /// Shows this certificate in the handshakes that follow.
    Show(Server),
    /// HelloRequest, or in TLS 1.3 the request for the certificate. Its answer is not waited for.
    Ask,
    /// The server's flight of the renegotiation that was asked for.
    AnswerFlight,
    /// The rest of what was asked for, until it is complete.
    Agree,
    /// The 101.
    Switch,
    /// Reads CONNECT, in a frame if there was a request.
    Connect,
    /// CONNACK 0.
    Connack,
    /// Reads until the client ends the connection.
    Serve,
    /// Answers nothing until the client ends the connection.
    Silence,
}

/// A front end's settings.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// What it shows.
    pub certificate: Server,
    /// TLS 1.3 instead of 1.2.
    pub v13: bool,
    /// Asks for the client's certificate in the first handshake.
    pub first: bool,
}

/// TLS 1.2, without a question in the first handshake.
impl Default for Setup {
    fn default() -> Self {
        Self {
            certificate: Server::Rsa,
            v13: false,
            first: false,
        }
    }
}

/// A front end at work, for one connection.
#[derive(Debug)]
pub struct Front {
    port: u16,
    thread: Option<JoinHandle<Report>>,
}

/// What the front end came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many steps were done.
    pub done: usize,
    /// Why the next one failed.
    pub failed: Option<String>,
    /// The common name in the client's certificate.
    pub client: Option<String>,
}

impl Front {
    /// Listens on a free port and does `steps` with the first connection; afterwards the connection is closed.
    ///
    /// # Panics
    /// If there is no port or the certificates can't be used.
    #[must_use]
    pub fn start(pki: &Pki, setup: Setup, steps: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (pki, steps) = (pki.clone(), steps.to_vec());
        let next = Next::default();
        let context = context(&pki, setup, &next).expect("a context");
        let thread = thread::spawn(move || match listener.accept() {
            Ok((stream, _)) => Dialogue::new(pki, stream, &context, next).go(&steps),
            Err(error) => Report {
                failed: Some(error.to_string()),
                ..Report::default()
            },
        });
        Self {
            port,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it has done its steps, or failed.
    ///
    /// # Panics
    /// If it panicked.
    #[must_use]
    pub fn report(mut self) -> Report {
        let thread = self.thread.take().expect("a thread until now");
        thread.join().expect("no panic")
    }
}

/// A client without a certificate is refused.
const MUST: SslVerifyMode = SslVerifyMode::PEER.union(SslVerifyMode::FAIL_IF_NO_PEER_CERT);

/// `SSL_VERIFY_POST_HANDSHAKE` of `ssl.h`: in TLS 1.3 the first handshake does not ask.
const LATER: SslVerifyMode = SslVerifyMode::from_bits_retain(0x08);

fn context(pki: &Pki, setup: Setup, next: &Next) -> Result<SslContext, ErrorStack> {
    let mut builder = plain(match (setup.first, setup.v13) {
        (true, _) => MUST,
        (false, true) => MUST.union(LATER),
        (false, false) => SslVerifyMode::NONE,
    })?;
    let version = if setup.v13 {
        SslVersion::TLS1_3
    } else {
        SslVersion::TLS1_2
    };
    builder.set_min_proto_version(Some(version))?;
    builder.set_max_proto_version(Some(version))?;
    builder.set_ca_file(pki.devices())?;
    builder.set_session_id_context(b"front")?;
    // Without it the client may resume its session in the renegotiation, and then nobody asks for a certificate.
    builder.set_options(SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    certify(&mut builder, pki, setup.certificate)?;
    next.govern(&mut builder);
    Ok(builder.build())
}

fn plain(verify: SslVerifyMode) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    builder.set_verify(verify);
    Ok(builder)
}

fn certify(builder: &mut SslContextBuilder, pki: &Pki, server: Server) -> Result<(), ErrorStack> {
    let Pair { chain, key, .. } = pki.server(server);
    builder.set_certificate_chain_file(chain)?;
    builder.set_private_key_file(key, SslFiletype::PEM)
}
