//! What is decided about a device beforehand, as values of its own.

use std::{fmt, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use towpath_azure::{
    Attempt, Fleet, Key, Ports, Proof, SCRATCH, Settings, Target, Transport, Transports, Wants,
};
use towpath_proto::mqtt::Version;

use crate::{
    Endpoint, Error, Reconnect, Scheme, TlsOptions, Will, options::Options as Connecting,
    tls::Sessions,
};

/// How a device comes to its hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It knows its hub.
    Hub {
        /// The hub's host name.
        hub: String,
        /// The device's identifier.
        device_id: String,
    },
    /// It asks the Device Provisioning Service.
    Dps {
        /// The service's host name, usually [`GLOBAL_ENDPOINT`](towpath_azure::dps::GLOBAL_ENDPOINT).
        host: String,
        /// The ID scope.
        scope: String,
        /// The registration ID. With a certificate it is the common name there.
        registration_id: String,
        /// A JSON object for whoever allocates the hub; may be empty.
        payload: String,
    },
}

/// How a device proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// By tokens that this key signs.
    Key(Arc<Key>),
    /// By the client certificate of the [`TlsOptions`].
    Certificate,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Certificate => "Certificate",
        })
    }
}

/// A module of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module(pub String);

/// The options of a device. Each method sets one and answers the options again.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) entry: Entry,
    pub(super) credential: Credential,
    pub(super) module: Option<Module>,
    pub(super) gateway: Option<String>,
    pub(super) model_id: Option<String>,
    pub(super) product: String,
    pub(super) transports: Transports,
    pub(super) ports: Ports,
    pub(super) keep_alive: u16,
    pub(super) token_life: Duration,
    pub(super) fleet: Fleet,
    pub(super) pipeline: bool,
    pub(super) wants: Wants,
    pub(super) acknowledges: bool,
    pub(super) state: Option<PathBuf>,
    /// Names, addresses, proxy, TLS, patience, tracing.
    pub(super) network: Connecting,
    /// TLS sessions with DPS, apart from those with the hub.
    pub(super) dps_sessions: Arc<Sessions>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $( $(#[$doc])* #[must_use] pub fn $name(mut self, $name: $kind) -> Self { self.$name = $name; self } )*
    };
}

impl Options {
    /// The usual options for an entry and a credential.
    #[must_use]
    pub fn new(entry: Entry, credential: Credential) -> Self {
        let usual = Settings::new(
            towpath_azure::Entry::Hub {
                hub: "",
                device_id: "",
            },
            Proof::Certificate,
        );
        Self {
            entry,
            credential,
            module: None,
            gateway: None,
            model_id: None,
            product: format!("towpath/{}", env!("CARGO_PKG_VERSION")),
            transports: usual.transports,
            ports: usual.ports,
            keep_alive: usual.keep_alive,
            token_life: usual.token_life,
            fleet: usual.fleet,
            pipeline: usual.pipeline,
            wants: usual.wants,
            acknowledges: true,
            state: None,
            network: Connecting::to(nowhere()),
            dps_sessions: Arc::new(Sessions::new()),
        }
    }

    setters! {
        /// The module that speaks, if it is not the device itself.
        module: Option<Module>;
        /// A host to dial in place of the hub, which is still the one that is named: an IoT Edge gateway.
        gateway: Option<String>;
        /// The model of Plug and Play, such as `dtmi:com:example:Thermostat;1`.
        model_id: Option<String>;
        /// What the device calls itself in the hub's logs.
        product: String;
        /// The transports that may be tried; both by default.
        transports: Transports;
        /// The TCP ports; 8883 and 443 by default.
        ports: Ports;
        /// Seconds of silence after which a sign of life is sent; 240 by default, at most 1177.
        keep_alive: u16;
        /// How long a token lives; an hour by default. It is renewed before.
        token_life: Duration;
        /// How many devices there may be that lose their hub all at once; pauses fit that.
        fleet: Fleet;
        /// Whether packets follow CONNECT before it is answered, which saves round trips. On by default; a server that
        /// cuts such a connection is met without from then on.
        pipeline: bool;
        /// What the hub is to send; all by default.
        wants: Wants;
        /// Whether messages are acknowledged once they are taken; on by default. Off is for who only looks: a session
        /// that the device left may still bring messages, and what is acknowledged is gone for the device.
        acknowledges: bool;
        /// A folder in which assignment and transport are kept for the next start.
        state: Option<PathBuf>;
    }

    /// How the network is used: proxy, resolver, NAT64, source address, patience, tracing, as of [`crate::Options`].
    /// Server, identifier, user, password and keep-alive in them do not count.
    #[must_use]
    pub fn network(mut self, network: Connecting) -> Self {
        self.network = network;
        self
    }

    /// What TLS offers and accepts, and the client's certificate.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.network = self.network.tls(tls);
        self
    }

    /// Looks for what can't be.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::Url { why: why.into() });
        match &self.entry {
            Entry::Hub { hub, device_id } if !is_host(hub) || !is_identifier(device_id) => {
                return wrong(
                    "the hub's host name and the device's identifier have 1 to 128 bytes, without control characters, + # /",
                );
            }
            Entry::Dps {
                host,
                scope,
                registration_id,
                ..
            } if !is_host(host) || !is_identifier(scope) || !is_identifier(registration_id) => {
                return wrong(
                    "the provisioning service's host name, the ID scope and the registration ID have 1 to 128 bytes, \
                     without control characters, + # /",
                );
            }
            Entry::Hub { .. } | Entry::Dps { .. } => {}
        }
        if self
            .module
            .as_ref()
            .is_some_and(|module| !is_identifier(&module.0))
        {
            return wrong(
                "the module's identifier has 1 to 128 bytes, without control characters, + # /",
            );
        }
        if matches!(self.credential, Credential::Certificate) && !self.network.has_identity() {
            return wrong("a device that proves itself by a certificate needs one, with its key");
        }
        if !(1..=1177).contains(&self.keep_alive) {
            return wrong("the hub allows a keep-alive of 1 to 1177 seconds");
        }
        if !TOKEN_LIFE.contains(&self.token_life) {
            return wrong("a token lives for 60 seconds to 365 days");
        }
        Ok(())
    }

    /// How long the encoded properties of a message may be, so that its topic fits the memory for it.
    pub(super) fn most_properties(&self) -> usize {
        let device = match &self.entry {
            Entry::Hub { device_id, .. } => device_id.len(),
            // The service may assign another identifier than the registration's.
            Entry::Dps { .. } => 128,
        };
        let module = self
            .module
            .as_ref()
            .map_or(0, |module| "/modules/".len() + module.0.len());
        let names = "devices//messages/events/".len() + device + module;
        SCRATCH.saturating_sub(names)
    }

    /// The same for the algorithm, which lends.
    pub(super) fn settings<'a>(&'a self, payload: &'a str) -> Settings<'a> {
        let entry = match &self.entry {
            Entry::Hub { hub, device_id } => towpath_azure::Entry::Hub { hub, device_id },
            Entry::Dps {
                host,
                scope,
                registration_id,
                ..
            } => towpath_azure::Entry::Dps {
                host,
                scope,
                registration_id,
                payload,
            },
        };
        let proof = match &self.credential {
            Credential::Key(key) => Proof::Key(key),
            Credential::Certificate => Proof::Certificate,
        };
        let mut settings = Settings::new(entry, proof);
        settings.module_id = self.module.as_ref().map(|module| &*module.0);
        settings.gateway = self.gateway.as_deref();
        settings.model_id = self.model_id.as_deref();
        settings.product = &self.product;
        settings.transports = self.transports;
        settings.ports = self.ports;
        settings.keep_alive = self.keep_alive;
        settings.token_life = self.token_life;
        settings.fleet = self.fleet;
        settings.pipeline = self.pipeline;
        settings.wants = self.wants;
        settings
    }

    /// What DPS is told beside the registration ID: what the caller gave, or the model.
    pub(super) fn payload(&self) -> String {
        match (&self.entry, &self.model_id) {
            (Entry::Dps { payload, .. }, _) if !payload.is_empty() => payload.clone(),
            (Entry::Dps { .. }, Some(model)) => {
                // The identifier of a model has no character that JSON would escape.
                format!("{{\"modelId\":\"{model}\"}}")
            }
            _ => String::new(),
        }
    }

    /// The options of one attempt.
    pub(super) fn attempt(&self, attempt: &Attempt<'_>) -> Connecting {
        let endpoint = Endpoint {
            scheme: match attempt.transport {
                Transport::Mqtts => Scheme::Mqtts,
                Transport::Wss => Scheme::Wss,
            },
            host: attempt.host.to_owned(),
            port: attempt.port,
            target: attempt.path.to_owned(),
        };
        let mut options = self
            .network
            .clone()
            .version(Version::V311)
            .client_id(attempt.client_id)
            .keep_alive(attempt.keep_alive)
            .clean_start(attempt.clean_session)
            .pipeline(attempt.pipeline)
            .reconnect(Reconnect::Never)
            .report_settled(true)
            // A message is acknowledged when the application has it.
            .manual_acks(attempt.target == Target::Hub);
        options.endpoint = endpoint;
        options = match attempt.password {
            Some(password) => options.credentials(attempt.user_name, password),
            None => options.user(attempt.user_name),
        };
        if let Some(will) = &attempt.will {
            options = options.will(Will {
                topic: will.topic.as_str().to_owned(),
                payload: will.payload.to_vec(),
                qos: will.qos,
                retain: false,
                delay: 0,
            });
        }
        let sessions = (attempt.target == Target::Dps).then(|| Arc::clone(&self.dps_sessions));
        options.change_tls(|tls| match sessions {
            Some(sessions) => tls.sessions(sessions),
            None => tls,
        })
    }
}

/// How long a token may live.
const TOKEN_LIFE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);

/// Whether it can stand for a host.
fn is_host(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.contains(|c: char| c.is_control() || c == ' ')
}

/// Whether it can be a level of a topic.
fn is_identifier(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.contains(|c: char| c.is_control() || matches!(c, '+' | '#' | '/'))
}

/// A server that is replaced before the first attempt.
fn nowhere() -> Endpoint {
    Endpoint {
        scheme: Scheme::Mqtts,
        host: "localhost".into(),
        port: Scheme::Mqtts.port(),
        target: "/".into(),
    }
}
