//! Streams of records: of OpenSSL against itself, and of the toy for what OpenSSL does not do when it is asked nicely.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    rc::Rc,
};

use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    ssl::{
        HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslContextBuilder, SslMethod,
        SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, X509NameBuilder},
};
use towpath_proto::tls::{Side, Tls as _};
use towpath_sim::{Toy, ToyProfile, ToyServer, ToyTerms};

/// What passed, in order.
pub(crate) type Stream = Vec<(Side, Vec<u8>)>;

/// One end of a byte stream in memory.
#[derive(Debug)]
struct End {
    side: Side,
    inbox: Rc<RefCell<VecDeque<u8>>>,
    outbox: Rc<RefCell<VecDeque<u8>>>,
    log: Rc<RefCell<Stream>>,
}

impl Read for End {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.inbox.borrow_mut().read(bytes)?;
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(n)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.borrow_mut().extend(bytes);
        self.log.borrow_mut().push((self.side, bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A key and a certificate of its own for it.
pub(crate) struct Identity {
    key: PKey<Private>,
    certificate: X509,
}

pub(crate) fn rsa(bits: u32) -> Identity {
    let key = Rsa::generate(bits).and_then(PKey::from_rsa).expect("a key");
    identity(key, MessageDigest::sha256())
}

pub(crate) fn ec(curve: Nid) -> Identity {
    let group = EcGroup::from_curve_name(curve).expect("a curve");
    let key = EcKey::generate(&group).and_then(PKey::from_ec_key);
    identity(key.expect("a key"), MessageDigest::sha256())
}

#[cfg(feature = "tls-details")]
pub(crate) fn ed25519() -> Identity {
    let key = PKey::generate_ed25519().expect("a key");
    identity(key, MessageDigest::null())
}

fn identity(key: PKey<Private>, digest: MessageDigest) -> Identity {
    let build = || {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", "lock")?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(1)?)?;
        builder.set_pubkey(&key)?;
        builder.sign(&key, digest)?;
        Ok::<_, openssl::error::ErrorStack>(builder.build())
    };
    let certificate = build().expect("a certificate");
    Identity { key, certificate }
}

/// How the two sides are set up.
pub(crate) struct Setup {
    pub(crate) version: SslVersion,
    pub(crate) identity: Identity,
    /// The server asks for a certificate, and gets one.
    pub(crate) mutual: bool,
    pub(crate) server_name: Option<&'static str>,
    pub(crate) alpn: bool,
    /// A suite of TLS 1.2 that only the client has.
    pub(crate) mismatch: bool,
}

impl Setup {
    pub(crate) fn new(version: SslVersion, identity: Identity) -> Self {
        Self {
            version,
            identity,
            mutual: false,
            server_name: Some("lock.example"),
            alpn: false,
            mismatch: false,
        }
    }

    fn context(&self, side: Side) -> SslContext {
        let mut context = SslContextBuilder::new(SslMethod::tls()).expect("a context");
        let mut build = || {
            context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
            context.set_max_proto_version(Some(self.version))?;
            if side == Side::Server || self.mutual {
                context.set_private_key(&self.identity.key)?;
                context.set_certificate(&self.identity.certificate)?;
            }
            if side == Side::Server && self.mutual {
                context.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
            }
            if self.mismatch {
                context.set_cipher_list(match side {
                    Side::Client => "ECDHE-RSA-AES128-GCM-SHA256",
                    Side::Server => "ECDHE-RSA-AES256-GCM-SHA384",
                })?;
            }
            if self.alpn && side == Side::Client {
                context.set_alpn_protos(b"\x04mqtt")?;
            }
            Ok::<_, openssl::error::ErrorStack>(())
        };
        build().expect("a context");
        context.build()
    }
}

/// A handshake, and some application data each way, if the handshake is completed.
pub(crate) fn openssl(setup: &Setup) -> Stream {
    let (up, down, log) = Default::default();
    let end = |side, inbox: &Rc<_>, outbox: &Rc<_>| End {
        side,
        inbox: Rc::clone(inbox),
        outbox: Rc::clone(outbox),
        log: Rc::clone(&log),
    };
    let mut ssl = Ssl::new(&setup.context(Side::Client)).expect("a client");
    if let Some(name) = setup.server_name {
        ssl.set_hostname(name).expect("a name");
    }
    let mut client = Half::new(ssl.connect(end(Side::Client, &down, &up)));
    let ssl = Ssl::new(&setup.context(Side::Server)).expect("a server");
    let mut server = Half::new(ssl.accept(end(Side::Server, &up, &down)));
    for _ in 0..8 {
        client = client.step();
        server = server.step();
    }
    if let (Half::Open(client), Half::Open(server)) = (&mut client, &mut server) {
        let mut room = [0; 64];
        client.write_all(b"GET").expect("room");
        assert_eq!(server.read(&mut room).expect("a request"), 3);
        server.write_all(b"101").expect("room");
        assert_eq!(client.read(&mut room).expect("an answer"), 3);
        client.shutdown().expect("a farewell");
    }
    log.take()
}

enum Half {
    Open(SslStream<End>),
    MidWay(MidHandshakeSslStream<End>),
    Failed,
}

impl Half {
    fn new(handshake: Result<SslStream<End>, HandshakeError<End>>) -> Self {
        match handshake {
            Ok(stream) => Self::Open(stream),
            Err(HandshakeError::WouldBlock(stream)) => Self::MidWay(stream),
            Err(_) => Self::Failed,
        }
    }

    fn step(self) -> Self {
        match self {
            Self::MidWay(stream) => Self::new(stream.handshake()),
            other => other,
        }
    }
}

/// The toy against itself: handshake, a request, a renegotiation if `asks`, an answer, close_notify.
pub(crate) fn toy(profile: ToyProfile, terms: ToyTerms, asks: bool) -> Stream {
    let mut client = Toy::new(profile, 1);
    let mut server = ToyServer::new(terms, 2);
    let mut stream = Stream::new();
    client.allow_renegotiation(true);
    let _ = client.handshake();
    exchange(&mut client, &mut server, &mut stream);
    let _ = client.write(b"GET");
    exchange(&mut client, &mut server, &mut stream);
    if asks {
        server.renegotiate();
        exchange(&mut client, &mut server, &mut stream);
    }
    server.write(b"101");
    exchange(&mut client, &mut server, &mut stream);
    client.close();
    exchange(&mut client, &mut server, &mut stream);
    stream
}

fn exchange(client: &mut Toy, server: &mut ToyServer, stream: &mut Stream) {
    loop {
        let up = client.sendable().to_vec();
        client.transmitted(up.len());
        server.receive(&up);
        let down = server.output().to_vec();
        server.sent(down.len());
        if up.is_empty() && down.is_empty() {
            return;
        }
        client.rx_space()[..down.len()].copy_from_slice(&down);
        client.commit(down.len());
        let open = client.handshake().is_ok_and(|open| open);
        while open && client.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        for (side, bytes) in [(Side::Client, up), (Side::Server, down)] {
            if !bytes.is_empty() {
                stream.push((side, bytes));
            }
        }
    }
}
