//! What is decided about HTTP exchanges, and one exchange from its request to the head of its answer.

use std::{
    collections::VecDeque,
    fmt,
    io::Read,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use towpath_azure::http::{self, Range, Step, Url};
use towpath_proto::{Code, Fault, tls::Above as _};

use super::{
    Response,
    pipe::Pipe,
    plain::HTTP,
    response::{ended, malformed},
};
use crate::{
    Endpoint, Error, Options, Proxy, Scheme, TlsOptions,
    host::Clock,
    net::NetOptions,
    tls::{Prepared, Sessions, Watch},
    tokio::{Known, Sockets, Way, open},
};

/// So many servers are remembered, with their addresses and their TLS sessions.
const SERVERS: usize = 8;

/// A body goes into the connection in pieces of this size, bytes.
const PIECE: usize = 16 << 10;

/// The proxy to go through.
#[derive(Debug, Clone, Default)]
pub enum Via {
    /// None.
    Direct,
    /// What the environment names for each server; see [`Proxy::from_environment`], where `https://` is as `wss://`.
    #[default]
    Environment,
    /// This one, for all.
    Proxy(Proxy),
}

/// What is decided beforehand. The default is what is safe and usual.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names, addresses and TCP.
    pub network: NetOptions,
    /// The source address.
    pub bind: Option<IpAddr>,
    /// The proxy.
    pub via: Via,
    /// How `https://` does TLS. Its client certificate is shown where a [`Request`] allows it; ALPN is not offered.
    pub tls: TlsOptions,
    /// The one host that a name in [`tls`](Self::tls) is meant for ([`TlsOptions::server_name`]); none: it counts
    /// nowhere.
    pub named: Option<String>,
    /// How long each step may take: a rung, the head of an answer, the next piece of a body.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            network: NetOptions::default(),
            bind: None,
            via: Via::default(),
            tls: TlsOptions::new(),
            named: None,
            patience: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The same path as a connection with these options: network, proxy, TLS, patience.
    #[must_use]
    pub fn like(options: &Options) -> Self {
        let sockets = options.sockets();
        Self {
            network: options.network_options().into_owned(),
            bind: sockets.bind,
            via: options
                .proxied_by()
                .map_or(Via::Direct, |proxy| Via::Proxy(proxy.clone())),
            tls: options.tls_options(),
            named: Some(options.endpoint().host.clone()),
            patience: options.patience,
        }
    }
}

/// What is asked for.
pub struct Request<'a> {
    /// `GET`, `PUT`, `POST` ...
    pub method: &'a str,
    /// An address of the schemes `https` or `http`.
    pub url: &'a str,
    /// More fields of the head. Their values are not shown.
    pub fields: &'a [(&'a str, &'a str)],
    /// Which part of a file is asked for.
    pub range: Option<Range>,
    /// What goes along.
    pub body: Body<'a>,
    /// Whether the client's certificate may be shown to this server, if it asks for one.
    pub certificate: bool,
}

/// The body of a request.
#[derive(Default)]
pub enum Body<'a> {
    /// None, and no word about it.
    #[default]
    None,
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes from a reader, such as a file: read in pieces, on the thread that drives the exchange.
    Reader(u64, &'a mut (dyn Read + Send)),
}

impl Body<'_> {
    pub(super) fn len(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Reader(len, _) => Some(*len),
        }
    }

    /// Takes the next piece off; empty at its end.
    fn next(&mut self, room: &mut Vec<u8>) -> Result<(), Fault> {
        room.clear();
        match self {
            Self::None => {}
            Self::Bytes(bytes) => {
                let (piece, rest) = bytes.split_at(bytes.len().min(PIECE));
                room.extend_from_slice(piece);
                *bytes = rest;
            }
            Self::Reader(left, from) => {
                let most = usize::try_from(*left).map_or(PIECE, |left| left.min(PIECE));
                room.resize(most, 0);
                let read = from.read_exact(room).map_err(|error| {
                    Fault::new(HTTP, Code::Io).detail(error.to_string().as_bytes())
                });
                read?;
                *left = left.saturating_sub(u64::try_from(most).unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}

/// Without values of fields, query and body: they may be secrets.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &url)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    /// A request without more fields or a body.
    #[must_use]
    pub const fn new(method: &'a str, url: &'a str) -> Self {
        Self {
            method,
            url,
            fields: &[],
            range: None,
            body: Body::None,
            certificate: false,
        }
    }

    /// Where it goes, and its head.
    fn head(&self) -> Result<(Endpoint, Vec<u8>), Error> {
        let wrong = |why: &dyn fmt::Display| Error::Url {
            why: why.to_string(),
        };
        let url = Url::parse(self.url).map_err(|error| wrong(&error))?;
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, value)| (*name, value as &dyn fmt::Display))
            .collect();
        let request = http::Request {
            method: self.method,
            host: url.authority,
            target: &url.target,
            fields: &fields,
            range: self.range,
            content_length: self.body.len(),
            close: true,
        };
        let mut head = String::new();
        request
            .write(&mut head)
            .map_err(|unwritable| wrong(&unwritable))?;
        Ok((endpoint(&url), head.into_bytes()))
    }
}

/// The server of a URL, as the rungs below HTTP see it.
fn endpoint(url: &Url<'_>) -> Endpoint {
    Endpoint {
        scheme: if url.secure { Scheme::Wss } else { Scheme::Ws },
        host: url.host.to_owned(),
        port: url.port,
        target: "/".to_owned(),
    }
}

/// Host and port as they stand in a URL of `https`.
pub(super) fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == Scheme::Wss.port() {
        host
    } else {
        format!("{host}:{port}")
    }
}

/// What is kept about a server.
pub(super) struct Server {
    endpoint: Endpoint,
    /// Whether the client's certificate is shown there.
    certificate: bool,
    tls: TlsOptions,
    prepared: Prepared,
    known: Mutex<Known>,
}

impl Server {
    pub(super) fn sessions(&self) -> &Sessions {
        &self.tls.sessions
    }
}

/// Makes HTTP exchanges. Clones share what is kept about servers.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    servers: Mutex<VecDeque<Arc<Server>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes exchanges by these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            clock: Clock::start(),
            servers: Mutex::default(),
        }))
    }

    fn server(&self, endpoint: Endpoint, certificate: bool) -> Arc<Server> {
        let mut servers = self
            .0
            .servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = servers
            .iter()
            .position(|server| server.endpoint == endpoint && server.certificate == certificate);
        if let Some(server) = known.and_then(|at| servers.remove(at)) {
            servers.push_back(Arc::clone(&server));
            return server;
        }
        let settings = &self.0.settings;
        let named = settings.named.as_deref() == Some(&*endpoint.host);
        let server = Arc::new(Server {
            tls: settings.tls.for_https(named, certificate),
            endpoint,
            certificate,
            prepared: Prepared::default(),
            known: Mutex::default(),
        });
        if servers.len() >= SERVERS {
            servers.pop_front();
        }
        servers.push_back(Arc::clone(&server));
        server
    }

    /// Sends a request and reads the head of its answer, whatever its status is. Dropping the future gives the exchange
    /// up.
    ///
    /// # Errors
    /// [`Error::Url`] for a request that can't be sent as it is, [`Error::Config`] for a proxy of the environment that
    /// can't be used, [`Error::Path`] with the rung that broke.
    pub async fn exchange(&self, request: Request<'_>) -> Result<Response, Error> {
        let (endpoint, head) = request.head()?;
        let machine = if request.method == "HEAD" {
            http::Response::without_body()
        } else {
            http::Response::new()
        };
        let server = self.server(endpoint, request.certificate);
        self.send_to(server, &head, request.body, Box::new(machine))
            .await
    }

    /// As [`exchange`](Self::exchange), for a request whose head is written already, and perhaps its body. `body`
    /// follows. Of `url` the server counts alone.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn send(
        &self,
        url: &Url<'_>,
        written: &[u8],
        body: Body<'_>,
        certificate: bool,
    ) -> Result<Response, Error> {
        let server = self.server(endpoint(url), certificate);
        let machine = Box::new(http::Response::new());
        self.send_to(server, written, body, machine).await
    }

    async fn send_to(
        &self,
        server: Arc<Server>,
        written: &[u8],
        body: Body<'_>,
        mut machine: Box<http::Response>,
    ) -> Result<Response, Error> {
        let mut pipe = self.connect(&server).await?;
        pipe.plain.push(written);
        pipe.open().await?;
        send_and_read(&mut pipe, body, &mut machine).await?;
        let Some(answer) = machine.answer().cloned() else {
            return Err(Fault::new(HTTP, Code::HttpCut).into());
        };
        if answer.status == 403 {
            // What the server wanted in TLS and did not get says more than its "forbidden".
            let fault = pipe.explain(Fault::new(HTTP, Code::Forbidden).number(403));
            if fault.code != Code::Forbidden {
                return Err(fault.into());
            }
        }
        Ok(Response::new(pipe, machine, answer, server))
    }

    /// A byte stream to the server, with TLS that is about to begin.
    async fn connect(&self, server: &Server) -> Result<Pipe, Error> {
        let Inner {
            settings, clock, ..
        } = &*self.0;
        let found;
        let proxy = match &settings.via {
            Via::Direct => None,
            Via::Proxy(proxy) => Some(proxy),
            Via::Environment => {
                found = Proxy::from_environment(&server.endpoint)?;
                found.as_ref()
            }
        };
        let endpoint = &server.endpoint;
        let layer = if endpoint.scheme.is_secured() {
            let watch = Watch::default();
            let context = server.prepared.context(&server.tls, endpoint, watch)?;
            Some(context.connect(&server.tls, endpoint, watch)?)
        } else {
            None
        };
        let network = settings.network.clone().patience(settings.patience);
        let way = Way {
            network: &network,
            sockets: Sockets {
                bind: settings.bind,
                mss: settings.network.mss,
                delayed_acks: settings.network.delayed_acks,
            },
            proxy,
            patience: settings.patience,
        };
        let lock = || server.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = lock().clone();
        let opened = open(clock, endpoint, way, &mut known).await;
        *lock() = known;
        Ok(Pipe::new(opened?, layer, *clock, settings.patience))
    }
}

/// Sends what is left of the request until the head of the answer is there: a server may answer before it has read all,
/// and then the rest is of no use.
async fn send_and_read(
    pipe: &mut Pipe,
    mut body: Body<'_>,
    machine: &mut http::Response,
) -> Result<(), Fault> {
    let mut room = Vec::new();
    let mut until = pipe.deadline();
    loop {
        let (taken, step) = machine
            .feed(pipe.plain.unread())
            .map_err(|problem| malformed(&problem))?;
        let complete = matches!(step, Step::Head);
        pipe.plain.take(taken);
        if complete {
            return Ok(());
        }
        if let Some(fault) = pipe.plain.end() {
            return match machine.closed() {
                Ok(()) => Err(pipe.explain(fault)),
                Err(problem) => Err(ended(pipe, fault, &problem)),
            };
        }
        if pipe.plain.sendable().is_empty() {
            body.next(&mut room)?;
            pipe.plain.push(&room);
        }
        let waiting = pipe.plain.sendable().len();
        pipe.progress(until).await?;
        if pipe.plain.sendable().len() != waiting {
            // The patience is for the server's side: an upload may take its time while it moves.
            until = pipe.deadline();
        }
    }
}
