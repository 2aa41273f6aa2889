//! Handshakes of OpenSSL with itself: what both sides wrote, in order.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    rc::Rc,
};

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    ssl::{
        ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode,
        SslVersion,
    },
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

use crate::scene::{From, Scene};

const DAY: i64 = 86_400;

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// What a certificate is to be like.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) issuer: Option<&'a Pair>,
    /// Days from now, from and to.
    pub(crate) days: (i64, i64),
    pub(crate) rsa: Option<u32>,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            name: "hub.example",
            issuer: None,
            days: (-10, 300),
            rsa: None,
        }
    }
}

impl Wanted<'_> {
    pub(crate) fn make(&self) -> Pair {
        let key = match self.rsa {
            Some(bits) => Rsa::generate(bits).and_then(PKey::from_rsa),
            None => EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
                .and_then(|group| EcKey::generate(&group))
                .and_then(PKey::from_ec_key),
        };
        let key = key.expect("a key");
        let certificate = self.certificate(&key).expect("a certificate");
        Pair { certificate, key }
    }

    fn certificate(&self, key: &PKey<Private>) -> Result<X509, openssl::error::ErrorStack> {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, self.name)?;
        let name = name.build();
        let mut builder = X509::builder()?;
        let mut serial = BigNum::new()?;
        serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
        let serial = serial.to_asn1_integer()?;
        builder.set_version(2)?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        let issuer = self.issuer.map(|issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer.unwrap_or(&name))?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("a clock").as_secs() as i64;
        let (from, to) = (
            Asn1Time::from_unix(now + self.days.0 * DAY)?,
            Asn1Time::from_unix(now + self.days.1 * DAY)?,
        );
        builder.set_not_before(&from)?;
        builder.set_not_after(&to)?;
        builder.set_pubkey(key)?;
        if self.issuer.is_none() {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        }
        let names = SubjectAlternativeName::new()
            .dns(self.name)
            .build(&builder.x509v3_context(None, None))?;
        builder.append_extension(names)?;
        let signer = self.issuer.map_or(key, |issuer| &issuer.key);
        builder.sign(signer, MessageDigest::sha256())?;
        Ok(builder.build())
    }
}

/// How both sides are set up.
pub(crate) struct Setup {
    pub(crate) client: (SslVersion, SslVersion),
    pub(crate) server: (SslVersion, SslVersion),
    pub(crate) root: Pair,
    pub(crate) identity: Pair,
    /// The server sends its certificate without the root's.
    pub(crate) root_sent: bool,
    /// The client trusts the root.
    pub(crate) trusts: bool,
    pub(crate) name: Option<&'static str>,
    /// What the client checks the certificate against.
    pub(crate) checks: &'static str,
    /// The server wants a certificate of this authority, and the client has this one.
    pub(crate) wants: Option<Pair>,
    pub(crate) has: Option<Pair>,
    pub(crate) suites: Option<(&'static str, &'static str)>,
}

impl Setup {
    pub(crate) fn new(version: SslVersion) -> Self {
        let root = Wanted {
            name: "Our Root",
            ..Wanted::default()
        }
        .make();
        let identity = Wanted {
            issuer: Some(&root),
            ..Wanted::default()
        }
        .make();
        Self {
            client: (version, version),
            server: (version, version),
            root,
            identity,
            root_sent: true,
            trusts: true,
            name: Some("hub.example"),
            checks: "hub.example",
            wants: None,
            has: None,
            suites: None,
        }
    }

    fn base(method: SslMethod, (from, to): (SslVersion, SslVersion)) -> SslContextBuilder {
        let mut context = SslContext::builder(method).expect("a context");
        context.set_security_level(0);
        context
            .set_min_proto_version(Some(from))
            .expect("a version");
        context.set_max_proto_version(Some(to)).expect("a version");
        context
    }

    fn client(&self) -> Ssl {
        let mut context = Self::base(SslMethod::tls_client(), self.client);
        context.set_verify(SslVerifyMode::PEER);
        if self.trusts {
            context
                .cert_store_mut()
                .add_cert(self.root.certificate.clone())
                .expect("room");
        }
        if let Some(has) = &self.has {
            context
                .set_certificate(&has.certificate)
                .expect("a certificate");
            context.set_private_key(&has.key).expect("a key");
        }
        if let Some((suites, _)) = self.suites {
            context.set_cipher_list(suites).expect("suites");
        }
        let mut ssl = Ssl::new(&context.build()).expect("a connection");
        if let Some(name) = self.name {
            ssl.set_hostname(name).expect("a name");
        }
        ssl.param_mut().set_host(self.checks).expect("a name");
        ssl
    }

    fn server(&self) -> Ssl {
        let mut context = Self::base(SslMethod::tls_server(), self.server);
        context
            .set_certificate(&self.identity.certificate)
            .expect("a certificate");
        context.set_private_key(&self.identity.key).expect("a key");
        if self.root_sent {
            context
                .add_extra_chain_cert(self.root.certificate.clone())
                .expect("room");
        }
        if let Some(wants) = &self.wants {
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
            context
                .cert_store_mut()
                .add_cert(wants.certificate.clone())
                .expect("room");
        }
        if let Some((_, suites)) = self.suites {
            context.set_cipher_list(suites).expect("suites");
        }
        Ssl::new(&context.build()).expect("a connection")
    }

    /// What both sides write: the handshake as far as it comes, then `say` of the client and the answer to it.
    pub(crate) fn run(&self, says: &[(From, usize)]) -> Vec<(From, Vec<u8>)> {
        let (left, right, log) = pipe();
        let mut client = SslStream::new(self.client(), left).expect("a stream");
        let mut server = SslStream::new(self.server(), right).expect("a stream");
        let (mut done, mut alive) = ([false; 2], [true; 2]);
        for _ in 0..20 {
            for (place, stream) in [&mut client, &mut server].into_iter().enumerate() {
                if done[place] || !alive[place] {
                    continue;
                }
                let step = if place == 0 {
                    stream.connect()
                } else {
                    stream.accept()
                };
                match step {
                    Ok(()) => done[place] = true,
                    Err(error) if error.code() == ErrorCode::WANT_READ => {}
                    Err(_) => alive[place] = false,
                }
            }
        }
        for (from, len) in says {
            let (speaker, hearer, place) = match from {
                From::Client => (&mut client, &mut server, 0),
                From::Server => (&mut server, &mut client, 1),
            };
            if !done[place] || !alive[place] {
                continue;
            }
            // What waits is read first, so that alerts and tickets are taken in.
            let mut room = vec![0; 16 << 10];
            let _ = speaker.ssl_read(&mut room);
            let _ = speaker.ssl_write(&vec![7; *len]);
            let _ = hearer.ssl_read(&mut room);
        }
        let log = log.borrow();
        log.clone()
    }
}

/// The same as packets.
pub(crate) fn play(scene: &mut Scene, talk: &[(From, Vec<u8>)]) {
    for (from, bytes) in talk {
        scene.say(*from, bytes);
    }
}

type Queue = Rc<RefCell<VecDeque<u8>>>;
type Log = Rc<RefCell<Vec<(From, Vec<u8>)>>>;

struct End {
    side: From,
    inbox: Queue,
    outbox: Queue,
    log: Log,
}

fn pipe() -> (End, End, Log) {
    let (a, b) = (Queue::default(), Queue::default());
    let log = Log::default();
    let client = End {
        side: From::Client,
        inbox: a.clone(),
        outbox: b.clone(),
        log: log.clone(),
    };
    let server = End {
        side: From::Server,
        inbox: b,
        outbox: a,
        log: log.clone(),
    };
    (client, server, log)
}

impl Read for End {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.inbox.borrow_mut().read(bytes)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
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

/// A record of this type, with contents that look like ciphertext.
pub(crate) fn record(kind: u8, len: u16) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend_from_slice(&len.to_be_bytes());
    record.resize(usize::from(len) + 5, 0xa5);
    record
}

/// An alert in clear.
pub(crate) fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}
