//! What was seen: of one climb with the ordinary client, and of the probes beside it. Plain data; a [`Climb`] takes in
//! the facts of the client's own trace.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use towpath_proto::{Fact, Fault, Instant, Rung, Trace, net, tls};

use crate::{diagnosis::Found, probe::Probe, profile::DeviceProfile};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The scheme.
    pub scheme: Scheme,
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path of the WebSocket without its query, which may hold a secret; empty without WebSocket.
    pub path: String,
    /// The proxy as `http://host:port`, without credentials.
    pub proxy: Option<String>,
    /// What kind of server it is, as far as the config or the name says.
    pub service: Service,
    /// Whether MQTT 5 is spoken; else 3.1.1.
    pub mqtt5: bool,
    /// The client identifier, if the user chose it.
    pub client_id: Option<String>,
    /// The user name, if one is sent. That of a hub holds no secret.
    pub user: Option<String>,
    /// Whether a password or token is sent.
    pub password: bool,
    /// Whether that is a token which is made here from a key, and so begins and ends by this clock.
    pub token_made: bool,
    /// Whether a client certificate is there to be shown.
    pub client_certificate: bool,
}

/// The scheme of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket over TLS.
    Wss,
}

impl Scheme {
    /// As written in a URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it climbs TLS.
    #[must_use]
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether it climbs WebSocket.
    #[must_use]
    pub const fn is_framed(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// What kind of server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Any MQTT broker.
    Broker,
    /// An IoT hub.
    Hub,
    /// A device provisioning service.
    Provisioning,
}

/// What the user, or the profile of a device, chose beside the target, as far as it decides which questions make sense.
/// The default is a client that was told nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The source address that was asked for.
    pub bind: Option<IpAddr>,
    /// The address families that are allowed.
    pub families: net::Families,
    /// The largest TCP segment that was asked for, bytes.
    pub mss: Option<u16>,
    /// The lowest version of TLS that was asked for.
    pub tls_min: Option<tls::Version>,
    /// The highest version of TLS that was asked for.
    pub tls_max: Option<tls::Version>,
    /// The suites that are offered, by their IANA names; empty: all that the back-end has.
    pub suites: Vec<String>,
    /// Whether groups were chosen.
    pub groups_chosen: bool,
    /// The application protocols that are offered.
    pub alpn: Vec<String>,
    /// Whether the server's name is withheld (SNI), as the device does.
    pub no_server_name: bool,
    /// The name to ask the server for and to find in its certificate, if it is not the host of the URL.
    pub server_name: Option<String>,
    /// The WebSocket subprotocols that are offered, separated by commas; empty: `mqtt`.
    pub subprotocols: String,
    /// The proxy that the environment names for this URL, as `http://host:port`, when none is used.
    pub environment_proxy: Option<String>,
    /// The DNS servers that this machine knows, whether or not they were asked.
    pub resolvers: Vec<SocketAddr>,
    /// When this program was built: a clock before that is wrong.
    pub built: Option<SystemTime>,
}

/// All that was seen.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What is asked for.
    pub target: Target,
    /// What was chosen beside it.
    pub settings: Settings,
    /// The device that is stood in for, if there is one.
    pub profile: Option<DeviceProfile>,
    /// From where: the name of the machine, its source address.
    pub vantage: String,
    /// How the client is set, in a few words: back-end, versions, what was chosen on the command line.
    pub client: String,
    /// The time of this machine when the climb began.
    pub clock: SystemTime,
    /// What was found before a packet was sent.
    pub lint: Vec<Found>,
    /// The climb; none when what was found before breaks the path for certain.
    pub climb: Option<Climb>,
    /// The probes and what became of each, in the order in which they were asked.
    pub probes: Vec<(Probe, Climb)>,
}

/// One attempt.
#[derive(Debug, Clone, Default)]
pub struct Climb {
    /// The rungs that it needs, from the lowest upwards.
    pub steps: Vec<Passed>,
    /// Why it ended; none: it came as far as it was to.
    pub fault: Option<Fault>,
    /// How long it took.
    pub took: Duration,
    /// The facts below TCP, each so long after the beginning.
    pub net: Vec<(Duration, Rung, net::Fact)>,
    /// The facts of TLS, each so long after the beginning.
    pub tls: Vec<(Duration, tls::Fact)>,
    /// The address of the peer (the server or the proxy) once there is a connection.
    pub peer: Option<SocketAddr>,
    /// The source address of the connection.
    pub local: Option<SocketAddr>,
    /// The certificates that the server showed, leaf first, as far as they could be seen.
    pub chain: Vec<Certificate>,
    /// The head of the HTTP answer, where there was one; also of one that began and never ended.
    pub http: Option<HttpHead>,
    /// What the server granted with CONNACK, in words such as `session new, keep alive 60 s`.
    pub granted: String,
    /// The hub that the provisioning service assigned, once it did.
    pub assigned: Option<String>,
    began: Option<Instant>,
}

/// What happened on one rung.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// Which.
    pub rung: Rung,
    /// When it was begun, since the beginning of the attempt.
    pub started: Option<Duration>,
    /// When it was reached.
    pub reached: Option<Duration>,
    /// What was sent last on it, and how many bytes.
    pub sent: Option<(&'static str, u32)>,
    /// What came last on it, and how many bytes.
    pub received: Option<(&'static str, u32)>,
}

/// A certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's name, such as `CN=*.azure-devices.net`.
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// The alternative names.
    pub names: Vec<String>,
    /// Its beginning, seconds since 1970.
    pub not_before: i64,
    /// Its end, seconds since 1970.
    pub not_after: i64,
    /// Its key, such as `RSA 2048` or `P-256`.
    pub key: String,
    /// The algorithm of its signature, such as `sha256WithRSAEncryption`.
    pub signature: String,
    /// Its length in DER, bytes.
    pub len: usize,
}

/// The head of an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpHead {
    /// The status.
    pub status: u16,
    /// `Server`, or empty.
    pub server: String,
    /// `Date` in seconds since 1970.
    pub date: Option<i64>,
    /// `Location`, or empty.
    pub location: String,
    /// An error code of the hub in the body of the answer, such as 401002, or 0.
    pub hub_code: u32,
}

impl Climb {
    /// An attempt that needs these rungs and has not begun.
    #[must_use]
    pub fn over(rungs: &[Rung]) -> Self {
        let steps = rungs.iter().map(|&rung| Passed {
            rung,
            started: None,
            reached: None,
            sent: None,
            received: None,
        });
        Self {
            steps: steps.collect(),
            ..Self::default()
        }
    }

    /// Takes in a fact of the client's trace.
    pub fn note(&mut self, trace: &Trace) {
        let began = *self.began.get_or_insert(trace.at);
        let at = trace.at.since(began);
        self.took = self.took.max(at);
        match trace.fact {
            Fact::Net(fact) => self.net.push((at, trace.rung, fact)),
            Fact::Tls(fact) => self.tls.push((at, fact)),
            fact => {
                let step = self.steps.iter_mut().find(|step| step.rung == trace.rung);
                let Some(step) = step else { return };
                match fact {
                    Fact::Started => step.started = Some(at),
                    Fact::Reached => step.reached = Some(at),
                    Fact::Sent(name, len) => step.sent = Some((name, len)),
                    Fact::Received(name, len) => step.received = Some((name, len)),
                    _ => {}
                }
            }
        }
    }

    /// Whether this rung was reached.
    #[must_use]
    pub fn reached(&self, rung: Rung) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.rung == rung && step.reached.is_some())
    }

    /// What happened on this rung.
    #[must_use]
    pub fn step(&self, rung: Rung) -> Option<&Passed> {
        self.steps.iter().find(|step| step.rung == rung)
    }
}
