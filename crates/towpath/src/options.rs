//! Everything a caller decides about a connection.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc, time::Duration};

use towpath_proto::{
    Upgrade,
    client::Start,
    mqtt::{
        packet::{Connect, Will as ConnectWill},
        property::{Properties, Property},
    },
    tls::Layer,
};

use crate::{
    Endpoint, Error, Fault, Proxy, QoS, Reconnect, Refusal, Rung, TopicName, Version, Witness,
    host,
    net::{Families, Nat64, NetOptions, Resolver},
    tls::{Engine, Prepared, Sessions, TlsOptions, Watch},
    tokio::Sockets,
};

/// What to do with a message when the offline store is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Full {
    /// Publishing waits until there is room.
    #[default]
    Wait,
    /// Publishing fails with [`Refusal::Full`].
    Refuse,
    /// The oldest messages that were not sent yet make room; each is reported as dropped.
    DropOldest,
}

/// What the server publishes when this client vanishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: QoS,
    /// Whether it is kept.
    pub retain: bool,
    /// Seconds that the server waits before (MQTT 5).
    pub delay: u32,
}

/// The options of a connection. Each method sets one and answers the options again.
#[derive(Clone)]
pub struct Options {
    pub(crate) endpoint: Endpoint,
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) keep_alive: u16,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) alias_maximum: u16,
    pub(crate) subprotocols: &'static str,
    pub(crate) patience: Duration,
    pub(crate) reconnect: Reconnect,
    pub(crate) pipeline: bool,
    pub(crate) manual_acks: bool,
    pub(crate) window: u16,
    pub(crate) store_limit: usize,
    pub(crate) receive_limit: usize,
    pub(crate) full: Full,
    pub(crate) trace: bool,
    pub(crate) report_settled: bool,
    /// What most connections do without; on the heap, because there may be thousands of connections in a process.
    pub(crate) extras: Option<Box<Extras>>,
}

#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) will: Option<Will>,
    pub(crate) auth: Option<(String, Vec<u8>)>,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) network: NetOptions,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) tls: TlsOptions,
    pub(crate) prepared: Prepared,
    /// The last rung to climb, and how long to stay there in silence.
    pub(crate) top: Option<(Rung, Duration)>,
    /// How long CONNACK may take, where that is not the patience.
    pub(crate) answer: Option<Duration>,
    pub(crate) witness: Option<Arc<Witness>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Password, authentication data and header values are secrets.
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field(
                "user",
                &self.extras.as_ref().and_then(|extras| extras.user.as_ref()),
            )
            .field("keep_alive", &self.keep_alive)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .finish_non_exhaustive()
    }
}

macro_rules! setters {
    ($( $(#[$doc:meta])* $name:ident: $kind:ty; )*) => {
        $( $(#[$doc])* #[must_use] pub fn $name(mut self, $name: $kind) -> Self { self.$name = $name; self } )*
    };
}

impl Options {
    /// For the server behind `url`: MQTT 5, a random client identifier, keep alive of 60 s, clean start.
    ///
    /// # Errors
    /// [`Error::Url`] with what is wrong.
    pub fn new(url: &str) -> Result<Self, Error> {
        Endpoint::parse(url).map(Self::to)
    }

    /// For `endpoint`, otherwise as [`new`](Self::new).
    #[must_use]
    pub fn to(endpoint: Endpoint) -> Self {
        let secured = endpoint.scheme.is_secured();
        Self {
            endpoint,
            version: Version::V5,
            client_id: format!("towpath-{}", host::random_digits()),
            keep_alive: 60,
            clean_start: true,
            session_expiry: None,
            receive_maximum: None,
            alias_maximum: 16,
            subprotocols: "mqtt",
            patience: Duration::from_secs(10),
            reconnect: Reconnect::default(),
            pipeline: false,
            manual_acks: false,
            window: 1000,
            store_limit: 64 << 20,
            receive_limit: 16 << 20,
            full: Full::default(),
            trace: false,
            report_settled: false,
            // Only TLS can't do without.
            extras: secured.then(Box::default),
        }
    }

    setters! {
        /// The protocol version. There is no falling back: what is asked for is what is spoken.
        version: Version;
        /// Seconds of silence after which a sign of life is sent; 0: none.
        keep_alive: u16;
        /// Whether the first connection begins without an earlier session.
        clean_start: bool;
        /// The highest topic alias the server may use (MQTT 5). The default is 16.
        alias_maximum: u16;
        /// How long each rung may take. The default is 10 s.
        patience: Duration;
        /// What to do when a connection ends.
        reconnect: Reconnect;
        /// Send commands behind CONNECT without waiting for CONNACK: saves a round trip.
        pipeline: bool;
        /// Acknowledge received messages by hand.
        manual_acks: bool;
        /// How many QoS 1 and 2 messages may be unacknowledged, 0: as many as the server takes. The default is 1000.
        window: u16;
        /// Bytes that messages which wait for the server may take, in memory. The default is 64 MiB.
        store_limit: usize;
        /// The largest packet received, bytes; announced to an MQTT 5 server. The default is 16 MiB.
        receive_limit: usize;
        /// What happens when the store is full. The default is to wait.
        full: Full;
        /// Report each acknowledged message as [`Event::Settled`](crate::Event::Settled). Messages that end otherwise
        /// are reported in any case. The default is not to: [`settle`](crate::tokio::Connection::settle) and the
        /// [`Receipt`](crate::tokio::Receipt)s of a handle tell as much.
        report_settled: bool;
        /// Report facts about the climb as [`Event::Trace`](crate::Event::Trace).
        trace: bool;
        /// The WebSocket subprotocols offered. The default is `mqtt`.
        subprotocols: &'static str;
    }

    /// The client identifier.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    /// User name and password.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.extras_mut().user = Some(user.into());
        self.extras_mut().password = Some(password.into());
        self
    }

    /// The user name alone.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.extras_mut().user = Some(user.into());
        self
    }

    /// Seconds that the session outlives a connection (MQTT 5); `u32::MAX`: for ever.
    #[must_use]
    pub const fn session_expiry(mut self, seconds: u32) -> Self {
        self.session_expiry = Some(seconds);
        self
    }

    /// How many QoS 1 and 2 messages the server may send without acknowledgement (MQTT 5).
    #[must_use]
    pub const fn receive_maximum(mut self, messages: u16) -> Self {
        self.receive_maximum = Some(messages);
        self
    }

    /// What the server publishes when this client vanishes.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.extras_mut().will = Some(will);
        self
    }

    /// Enhanced authentication with this method and first data (MQTT 5).
    #[must_use]
    pub fn auth(mut self, method: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        self.extras_mut().auth = Some((method.into(), data.into()));
        self
    }

    /// A user property of CONNECT (MQTT 5). May be called several times.
    #[must_use]
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras_mut()
            .user_properties
            .push((name.into(), value.into()));
        self
    }

    /// The source address.
    #[must_use]
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.extras_mut().bind = Some(address);
        self
    }

    /// A header of the WebSocket upgrade. May be called several times.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras_mut().headers.push((name.into(), value.into()));
        self
    }

    /// Everything about names, addresses and TCP at once. Of its patience only that of [`Self::patience`] counts.
    #[must_use]
    pub fn network(mut self, network: NetOptions) -> Self {
        self.extras_mut().network = network;
        self
    }

    fn with_network(self, change: impl FnOnce(NetOptions) -> NetOptions) -> Self {
        let network = change(self.network_options().into_owned());
        self.network(network)
    }

    /// The address families that packets may have. The default is both.
    #[must_use]
    pub fn families(self, families: Families) -> Self {
        self.with_network(|network| network.families(families))
    }

    /// Who is asked for addresses. The default is [`Resolver::Auto`].
    #[must_use]
    pub fn resolver(self, resolver: Resolver) -> Self {
        self.with_network(|network| network.resolver(resolver))
    }

    /// What is done about NAT64. The default is to find the prefix when an IPv4 address is out of reach.
    #[must_use]
    pub fn nat64(self, nat64: Nat64) -> Self {
        self.with_network(|network| network.nat64(nat64))
    }

    /// The largest TCP segment, bytes; see [`NetOptions::mss`].
    #[must_use]
    pub fn mss(self, bytes: u16) -> Self {
        self.with_network(|network| network.mss(bytes))
    }

    /// Whether TCP acknowledgements wait for data; see [`NetOptions::delayed_acks`].
    #[must_use]
    pub fn delayed_acks(self, wait: bool) -> Self {
        self.with_network(|network| network.delayed_acks(wait))
    }

    /// The time between two connection attempts that race. The default is 250 ms.
    #[must_use]
    pub fn attempt_delay(self, delay: Duration) -> Self {
        self.with_network(|network| network.attempt_delay(delay))
    }

    /// The proxy to go through, whatever the scheme of the endpoint is. The default is none; the environment is read by
    /// [`Proxy::from_environment`] alone.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.extras_mut().proxy = Some(proxy);
        self
    }

    /// Climbs no further than to this rung: [`Event::Closed`](crate::Event::Closed) follows when it is reached, and
    /// nothing of the rungs above is sent. For who looks at a path without using it. The default is to climb them all.
    #[must_use]
    pub fn up_to(self, rung: Rung) -> Self {
        self.linger_on(rung, Duration::ZERO)
    }

    /// As [`up_to`](Self::up_to), and stays there in silence for so long: a peer that closes meanwhile is the fault of
    /// the attempt.
    #[must_use]
    pub fn linger_on(mut self, rung: Rung, silence: Duration) -> Self {
        self.extras_mut().top = Some((rung, silence));
        self
    }

    /// Lets `witness` see the peer's addresses, certificates and HTTP answer, whatever becomes of the attempt.
    #[must_use]
    pub fn witness(mut self, witness: Arc<Witness>) -> Self {
        self.extras_mut().witness = Some(witness);
        self
    }

    /// How long the server may take to accept the connection, where that is not [`Self::patience`]: for who gives a
    /// network little time, and a busy server more.
    #[must_use]
    pub fn answer_within(mut self, patience: Duration) -> Self {
        self.extras_mut().answer = Some(patience);
        self
    }

    /// How long CONNACK may take, where that is not the patience.
    pub(crate) fn answer(&self) -> Option<Duration> {
        self.extras.as_ref()?.answer
    }

    /// The last rung to climb.
    pub(crate) fn top(&self) -> Option<Rung> {
        self.extras
            .as_ref()
            .and_then(|extras| extras.top)
            .map(|(rung, _)| rung)
    }

    /// How long to stay on the last rung in silence.
    pub(crate) fn linger(&self) -> Duration {
        self.extras
            .as_ref()
            .and_then(|extras| extras.top)
            .map_or(Duration::ZERO, |(_, silence)| silence)
    }

    /// Who watches the attempts.
    pub(crate) fn witnessed_by(&self) -> Option<&Witness> {
        self.extras.as_ref()?.witness.as_deref()
    }

    /// How `mqtts://` and `wss://` do TLS.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.extras_mut().tls = tls;
        self
    }

    /// How TLS is done.
    #[cfg(feature = "azure")]
    pub(crate) fn tls_options(&self) -> TlsOptions {
        self.extras
            .as_ref()
            .map_or_else(TlsOptions::new, |extras| extras.tls.clone())
    }

    pub(crate) fn change_tls(mut self, change: impl FnOnce(TlsOptions) -> TlsOptions) -> Self {
        let extras = self.extras_mut();
        extras.tls = change(std::mem::take(&mut extras.tls));
        self
    }

    #[cfg(feature = "azure")]
    pub(crate) fn has_identity(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| extras.tls.has_identity())
    }

    /// Where the connection goes.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The proxy to go through.
    #[must_use]
    pub fn proxied_by(&self) -> Option<&Proxy> {
        self.extras
            .as_ref()
            .and_then(|extras| extras.proxy.as_ref())
    }

    /// Host and port that the TCP connection goes to: those of the proxy, or of the server.
    pub(crate) fn first_hop(&self) -> (&str, u16) {
        self.proxied_by().map_or_else(
            || (self.endpoint.host.as_str(), self.endpoint.port),
            |proxy| (proxy.host(), proxy.port()),
        )
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// What was decided about names and addresses, with the patience of these options.
    pub(crate) fn network_options(&self) -> Cow<'_, NetOptions> {
        match &self.extras {
            Some(extras) if extras.network.patience == self.patience => {
                Cow::Borrowed(&extras.network)
            }
            Some(extras) => Cow::Owned(extras.network.clone().patience(self.patience)),
            None => Cow::Owned(NetOptions::default().patience(self.patience)),
        }
    }

    /// What the sockets are to be like.
    pub(crate) fn sockets(&self) -> Sockets {
        self.extras
            .as_ref()
            .map_or_else(Sockets::default, |extras| Sockets {
                bind: extras.bind,
                mss: extras.network.mss,
                delayed_acks: extras.network.delayed_acks,
            })
    }

    /// The TLS connection of an attempt; `None` where there is no TLS on the path, or it is not climbed so far.
    ///
    /// # Errors
    /// What can't be honoured, or a certificate or key that can't be used.
    pub(crate) fn secure(&self) -> Result<Option<Box<Layer<Engine>>>, Fault> {
        let Some(extras) = &self.extras else {
            return Ok(None);
        };
        let is_climbed = self.top().is_none_or(|top| top >= Rung::Tls);
        if !self.endpoint.scheme.is_secured() || !is_climbed {
            return Ok(None);
        }
        let watch = self.watch();
        extras
            .prepared
            .context(&extras.tls, &self.endpoint, watch)?
            .connect(&extras.tls, &self.endpoint, watch)
            .map(Some)
    }

    /// How closely TLS is looked at.
    fn watch(&self) -> Watch {
        Watch {
            trace: self.trace,
            chain: self.witnessed_by().is_some(),
        }
    }

    /// Where sessions to resume are kept.
    pub(crate) fn sessions(&self) -> Option<&Sessions> {
        self.extras.as_ref().map(|extras| &*extras.tls.sessions)
    }

    fn properties<'a>(&'a self, extras: &'a Extras) -> Vec<Property<'a>> {
        let mut list = Vec::new();
        if self.version == Version::V311 {
            return list;
        }
        if let Some(seconds) = self.session_expiry {
            list.push(Property::SessionExpiryInterval(seconds));
        }
        if let Some(messages) = self.receive_maximum {
            list.push(Property::ReceiveMaximum(messages));
        }
        if self.alias_maximum > 0 {
            list.push(Property::TopicAliasMaximum(self.alias_maximum));
        }
        list.push(Property::MaximumPacketSize(
            u32::try_from(self.receive_limit).unwrap_or(u32::MAX).max(1),
        ));
        if let Some((method, data)) = &extras.auth {
            list.push(Property::AuthenticationMethod(method));
            list.push(Property::AuthenticationData(data));
        }
        for (name, value) in &extras.user_properties {
            list.push(Property::UserProperty((name, value)));
        }
        list
    }

    /// Hands the beginning of a connection to `begin`. `again`: it is not the first one.
    pub(crate) fn begin<T>(
        &self,
        client_id: &str,
        again: bool,
        begin: impl FnOnce(&Start<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let none = Extras::default();
        let extras = self.extras.as_deref().unwrap_or(&none);
        let properties = self.properties(extras);
        let delay = extras.will.as_ref().map_or(0, |will| will.delay);
        let delay_list = [Property::WillDelayInterval(delay)];
        let will_properties = if delay > 0 {
            Properties::new(&delay_list)
        } else {
            Properties::NONE
        };
        let will = match &extras.will {
            None => None,
            Some(will) => Some(ConnectWill {
                topic: TopicName::new(&will.topic).map_err(Refusal::from)?,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                properties: will_properties,
            }),
        };
        let connect = Connect {
            version: self.version,
            // With MQTT 5 a later connection of this client may find its session again; in 3.1.1 not starting clean
            // would make the server keep one for ever.
            clean_start: self.clean_start && !(again && self.version == Version::V5),
            keep_alive: self.keep_alive,
            client_id,
            will,
            user_name: extras.user.as_deref(),
            password: extras.password.as_deref(),
            properties: Properties::new(&properties),
        };
        let host = self.endpoint.host_header();
        let headers: Vec<_> = extras
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let upgrade = self.endpoint.scheme.is_framed().then_some(Upgrade {
            host: &host,
            target: &self.endpoint.target,
            subprotocols: self.subprotocols,
            headers: &headers,
        });
        begin(&Start {
            connect,
            upgrade,
            secured: self.endpoint.scheme.is_secured(),
            patience: self.patience,
            pipeline: self.pipeline,
            manual_acks: self.manual_acks,
            window: self.window,
        })
    }
}
