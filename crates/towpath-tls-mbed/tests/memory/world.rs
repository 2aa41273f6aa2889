//! A client of this crate and a server of OpenSSL, joined in memory.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use towpath_proto::{
    Buffer, Fault,
    tls::{Clock, Fact, Identity, Profile, Roots, Tls as _, Version, Versions},
};
use towpath_tls_mbed::{Connection, Context};

use crate::certs::{NOW, Signed, Template};

/// A buffer that grows.
#[derive(Debug, Default)]
pub(crate) struct Growing(Vec<u8>);

impl Buffer for Growing {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn grow(&mut self, len: usize) -> bool {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        true
    }
}

pub(crate) const TLS12: Versions = Versions {
    min: Version::Tls12,
    max: Version::Tls12,
};
pub(crate) const TLS13: Versions = Versions {
    min: Version::Tls13,
    max: Version::Tls13,
};

/// The clock of the tests.
pub(crate) const CLOCK: Clock = Clock::Given(|| Some(NOW as u64));

/// A root, and what it signed.
pub(crate) struct Pki {
    pub(crate) root: Signed,
    pub(crate) root_pem: Vec<u8>,
    pub(crate) server: Signed,
    pub(crate) device: Signed,
    pub(crate) device_pem: Vec<u8>,
    pub(crate) device_key: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::with(Template::server())
    }

    pub(crate) fn with(server: Template) -> Self {
        // Each has a name of its own, or a certificate of another root looks like a forged one.
        static ROOTS: AtomicU32 = AtomicU32::new(0);
        let name = format!("Root {}", ROOTS.fetch_add(1, Relaxed));
        let root = Template::ca(name.leak()).sign(None);
        let server = server.sign(Some(&root));
        let device = Template {
            name: "device",
            dns: vec![],
            ..Template::server()
        };
        let device = device.sign(Some(&root));
        Self {
            root_pem: root.pem(),
            device_pem: device.pem(),
            device_key: device.key_pem(),
            root,
            server,
            device,
        }
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity {
            chain: &self.device_pem,
            key: &self.device_key,
            password: None,
        }
    }

    /// A server with its certificate.
    pub(crate) fn builder(&self) -> SslContextBuilder {
        builder(&self.server, &[])
    }

    /// A server that asks for a certificate of the same root.
    pub(crate) fn asking(&self, mode: SslVerifyMode) -> SslContextBuilder {
        let mut builder = self.builder();
        trust(&mut builder, &self.root, mode);
        builder
    }
}

/// Lets the server ask for a certificate that `root` signed.
pub(crate) fn trust(builder: &mut SslContextBuilder, root: &Signed, mode: SslVerifyMode) {
    builder
        .cert_store_mut()
        .add_cert(root.cert.clone())
        .unwrap();
    // The certificates of the tests are valid at a time of their own.
    builder.verify_param_mut().set_time(NOW);
    builder.set_verify(mode);
}

/// A server with this certificate and those behind it.
pub(crate) fn builder(server: &Signed, chain: &[&Signed]) -> SslContextBuilder {
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    builder.set_security_level(0);
    builder.set_certificate(&server.cert).unwrap();
    builder.set_private_key(&server.key).unwrap();
    for more in chain {
        builder.add_extra_chain_cert(more.cert.clone()).unwrap();
    }
    builder.set_session_id_context(b"test").unwrap();
    builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
    builder.set_options(SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    builder
}

/// A server of TLS 1.2 only.
pub(crate) fn only12(mut builder: SslContextBuilder) -> SslContextBuilder {
    builder
        .set_max_proto_version(Some(SslVersion::TLS1_2))
        .unwrap();
    builder
}

/// The memory between the two, as the server sees it.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) to_server: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
}

impl Read for Wire {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.to_server.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_server.read(to)
    }
}

impl Write for Wire {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.to_client.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct World<B: Buffer = Growing> {
    pub(crate) client: Connection<B>,
    pub(crate) server: SslStream<Wire>,
    pub(crate) accepted: bool,
    /// The server's handshake failed.
    pub(crate) server_error: Option<String>,
    /// What came out at the server and at the client.
    pub(crate) at_server: Vec<u8>,
    pub(crate) at_client: Vec<u8>,
    /// How many bytes are moved at once.
    pub(crate) chunk: usize,
    pub(crate) facts: Vec<Fact>,
    /// How the client ended.
    pub(crate) fault: Option<Fault>,
}

impl World {
    pub(crate) fn new(profile: &Profile<'_>, server: &SslContext) -> Self {
        let context = Context::new(profile).unwrap();
        Self::resuming(&context, server, None)
    }

    pub(crate) fn resuming(context: &Context, server: &SslContext, session: Option<&[u8]>) -> Self {
        Self::over(
            context
                .connect(Growing::default(), Growing::default(), session)
                .unwrap(),
            server,
        )
    }
}

impl<B: Buffer> World<B> {
    pub(crate) fn over(client: Connection<B>, server: &SslContext) -> Self {
        let server = SslStream::new(Ssl::new(server).unwrap(), Wire::default()).unwrap();
        Self {
            client,
            server,
            accepted: false,
            server_error: None,
            at_server: vec![],
            at_client: vec![],
            chunk: usize::MAX,
            facts: vec![],
            fault: None,
        }
    }

    /// Moves bytes one way each; true if any moved.
    pub(crate) fn carry(&mut self) -> bool {
        let mut moved = false;
        let wire = self.server.get_mut();
        let n = self.client.sendable().len().min(self.chunk);
        if n > 0 {
            wire.to_server.extend(&self.client.sendable()[..n]);
            self.client.transmitted(n);
            moved = true;
        }
        let space = self.client.rx_space();
        let n = space.len().min(wire.to_client.len()).min(self.chunk);
        if n > 0 {
            for (to, from) in space.iter_mut().zip(wire.to_client.drain(..n)) {
                *to = from;
            }
            self.client.commit(n);
            moved = true;
        }
        moved
    }

    pub(crate) fn serve(&mut self) {
        let result = if self.accepted {
            Ok(())
        } else {
            self.server.accept()
        };
        match result {
            Ok(()) => self.accepted = true,
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(error) => self.server_error = Some(error.to_string()),
        }
        if !self.accepted {
            return;
        }
        let mut space = [0; 4096];
        loop {
            match self.server.ssl_read(&mut space) {
                Ok(0) => break,
                Ok(n) => self.at_server.extend(&space[..n]),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) => {
                    self.server_error.get_or_insert_with(|| error.to_string());
                    break;
                }
            }
        }
    }

    pub(crate) fn step(&mut self) -> Result<(), Fault> {
        if self.client.handshake()? {
            let mut space = [0; 1000];
            loop {
                let n = self.client.read(&mut space)?;
                if n == 0 {
                    break;
                }
                self.at_client.extend(&space[..n]);
            }
        }
        Ok(())
    }

    /// Goes on until nothing moves, or the client has a fault.
    pub(crate) fn settle(&mut self) -> Result<(), Fault> {
        for _ in 0..1_000_000 {
            let result = if self.fault.is_none() {
                self.step()
            } else {
                Ok(())
            };
            while let Some(fact) = self.client.next_fact() {
                self.facts.push(fact);
            }
            self.fault = self.fault.or_else(|| result.err());
            let moved = self.carry();
            self.serve();
            let idle = self.server.get_ref().to_client.is_empty()
                || (self.client.rx_space().is_empty() && self.fault.is_some());
            if !moved && idle && self.client.sendable().is_empty() {
                return self.fault.map_or(Ok(()), Err);
            }
        }
        panic!("it does not settle: {:?}", self.fault);
    }

    pub(crate) fn write(&mut self, mut plain: &[u8]) {
        for _ in 0..100_000 {
            let n = self.client.write(plain).unwrap();
            plain = &plain[n..];
            if plain.is_empty() {
                return;
            }
            self.carry();
            self.serve();
        }
        panic!("it is not taken");
    }
}

/// A profile for `broker.test` with this list of roots.
pub(crate) fn profile<'a>(roots: &'a [&'a [u8]]) -> Profile<'a> {
    Profile {
        roots: Roots::Given(roots),
        server: "broker.test",
        clock: CLOCK,
        ..Profile::default()
    }
}
