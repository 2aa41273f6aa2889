//! What a line of a log can say: steps of the climb, ends, findings, and what is known of the device.

use std::time::Duration;

use towpath_proto::Rung;

/// How far a connection got, in the order of the climb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The device started.
    Booted,
    /// It has an address.
    Address,
    /// A name is being looked up.
    DnsAsked,
    /// It was found.
    DnsDone,
    /// TCP is being opened.
    Connecting,
    /// TCP is open.
    TcpOpen,
    /// ClientHello was sent.
    ClientHello,
    /// ServerHello came.
    ServerHello,
    /// The server's certificate came.
    ServerCertificate,
    /// A client certificate was asked for.
    CertificateAsked,
    /// A client certificate, or an empty list, was sent.
    ClientCertificate,
    /// TLS is open.
    Secured,
    /// The upgrade request was sent.
    Requested,
    /// The server asked for a renegotiation, and it goes on.
    Renegotiating,
    /// An HTTP answer has begun.
    Answering,
    /// The upgrade is done.
    Upgraded,
    /// CONNECT was sent.
    ConnectSent,
    /// CONNACK said yes.
    Accepted,
    /// Something was subscribed to, or published and acknowledged.
    Working,
}

impl Step {
    /// The rung that it is on.
    pub(super) const fn rung(self) -> Rung {
        match self {
            Self::Booted | Self::Address => Rung::Address,
            Self::DnsAsked | Self::DnsDone => Rung::Dns,
            Self::Connecting | Self::TcpOpen => Rung::Tcp,
            Self::ClientHello
            | Self::ServerHello
            | Self::ServerCertificate
            | Self::CertificateAsked
            | Self::ClientCertificate
            | Self::Secured
            | Self::Renegotiating => Rung::Tls,
            Self::Requested | Self::Answering => Rung::Upgrade,
            Self::Upgraded => Rung::Ws,
            Self::ConnectSent | Self::Accepted | Self::Working => Rung::Mqtt,
        }
    }

    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Booted => "boot",
            Self::Address => "an address",
            Self::DnsAsked => "DNS question",
            Self::DnsDone => "DNS answer",
            Self::Connecting => "SYN",
            Self::TcpOpen => "TCP open",
            Self::ClientHello => "ClientHello",
            Self::ServerHello => "ServerHello",
            Self::ServerCertificate => "the server's Certificate",
            Self::CertificateAsked => "CertificateRequest",
            Self::ClientCertificate => "the client's Certificate",
            Self::Secured => "the end of the TLS handshake",
            Self::Requested => "the upgrade request",
            Self::Renegotiating => "HelloRequest",
            Self::Answering => "the beginning of the HTTP answer",
            Self::Upgraded => "101",
            Self::ConnectSent => "CONNECT",
            Self::Accepted => "CONNACK",
            Self::Working => "SUBACK or PUBACK",
        }
    }
}

/// How something ended, without a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symptom {
    /// The peer closed.
    Closed,
    /// The peer reset.
    Reset,
    /// Nothing came in time.
    Timeout,
    /// Nothing listens.
    Refused,
    /// No route, or a firewall says so.
    Unreachable,
    /// The network is down or has no route.
    NetUnreachable,
    /// A name was not found, whatever the reason.
    NoName,
    /// TLS failed, and that is all that is said.
    TlsFailed,
    /// The connection failed, and that is all that is said.
    Failed,
}

/// How much a line decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Nothing, if anything else is told.
    Doubt,
    /// How it ended.
    Symptom,
    /// What failed, by a code of its own.
    Named,
    /// Why.
    Root,
    /// Why, by towpath itself, which saw all of it: nothing beside it is weighed.
    Told,
}

/// What is known of the device and its way, for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trait {
    /// It talks to Azure.
    Azure,
    /// It talks to AWS.
    Aws,
    /// Over WebSocket.
    WebSocket,
    /// Over TLS.
    Tls,
    /// It is on Thread.
    Thread,
    /// Over PPP.
    Ppp,
    /// Through a cellular modem's own sockets.
    Modem,
    /// A proxy is set.
    Proxy,
    /// It has an IPv4 address.
    Ipv4,
    /// It has an IPv6 address.
    Ipv6,
    /// It goes to an IPv4 address.
    ToIpv4,
    /// Its clock is not set.
    ClockUnset,
    /// Its clock was set.
    ClockSet,
    /// It speaks MQTT 3.1.1.
    Mqtt311,
    /// DPS was not asked, because an assignment was stored.
    StoredAssignment,
    /// It publishes or subscribes with QoS 2.
    Qos2,
    /// It sleeps (PSM, eDRX).
    Sleeps,
    /// Its root is Baltimore CyberTrust.
    Baltimore,
    /// A DNS server is an IPv4 literal.
    DnsServer4,
    /// It is the log of a broker, not of a client.
    BrokersLog,
    /// A client certificate is configured.
    ClientCertificate,
    /// Another lookup succeeded.
    NamesWork,
    /// ClientHello offers one suite.
    OneSuite,
    /// The SYN bears ECE and CWR.
    EcnSyn,
    /// A SYN was answered.
    SynAnswered,
    /// The last packet before the end was a PUBLISH.
    Published,
    /// The last packet before the end was a SUBSCRIBE.
    Subscribed,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// A step was made.
    Step(Step),
    /// Something ended.
    Ended(Symptom),
    /// A finding.
    Names(&'static str, Weight),
    /// A TLS alert: its number, and whether the server sent it.
    Alert(u8, bool),
    /// Something of the device or its way.
    Is(Trait),
    /// It looks bad and is not.
    Harmless(&'static str),
}

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// Its number.
    pub(super) line: u64,
    /// When.
    pub(super) at: Option<Duration>,
    /// What.
    pub(super) says: Says,
    /// The rung that spoke, if the line shows it.
    pub(super) rung: Option<Rung>,
    /// The line, shortened.
    pub(super) text: String,
}
