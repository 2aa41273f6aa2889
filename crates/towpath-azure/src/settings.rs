//! Everything that is decided about a device beforehand.

use core::time::Duration;

use towpath_proto::mqtt::QoS;

use crate::{Key, bag::Bag};

/// The settings of a device.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// How the device comes to its hub.
    pub entry: Entry<'a>,
    /// How it proves who it is.
    pub proof: Proof<'a>,
    /// The module that speaks, if it is not the device itself.
    pub module_id: Option<&'a str>,
    /// A host to dial in place of the hub, which is still the one that is named: an IoT Edge gateway.
    pub gateway: Option<&'a str>,
    /// The model of Plug and Play, such as `dtmi:com:example:Thermostat;1`.
    pub model_id: Option<&'a str>,
    /// What the device calls itself in the hub's logs; may be empty.
    pub product: &'a str,
    /// The transports that may be tried.
    pub transports: Transports,
    /// Their ports.
    pub ports: Ports,
    /// Seconds of silence after which a sign of life is sent. The hub allows at most 1177.
    pub keep_alive: u16,
    /// How long a token lives. It is renewed after 80 % of that.
    pub token_life: Duration,
    /// How many devices there may be that lose their hub all at once.
    pub fleet: Fleet,
    /// Whether packets follow CONNECT before it is answered, which saves round trips.
    pub pipeline: bool,
    /// What the hub is to send.
    pub wants: Wants,
    /// What the hub publishes as telemetry when the device vanishes.
    pub will: Option<Will<'a>>,
}

/// How a device comes to its hub.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// It knows its hub.
    Hub {
        /// The hub's host name.
        hub: &'a str,
        /// The device's identifier.
        device_id: &'a str,
    },
    /// It asks the Device Provisioning Service.
    Dps {
        /// The service's host name, usually [`GLOBAL_ENDPOINT`](crate::dps::GLOBAL_ENDPOINT).
        host: &'a str,
        /// The ID scope.
        scope: &'a str,
        /// The registration ID. With a certificate it is the common name there.
        registration_id: &'a str,
        /// A JSON object for whoever allocates the hub; may be empty.
        payload: &'a str,
    },
}

/// How a device proves who it is.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// By tokens that this key signs. For an enrolment group it is the key derived for the registration ID
    /// ([`Key::derive`]).
    Key(&'a Key),
    /// By the certificate that the TLS connection shows.
    Certificate,
}

/// How MQTT travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// MQTT over TLS.
    Mqtts,
    /// MQTT over WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The name that configs and logs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtts => "mqtts",
            Self::Wss => "wss",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Mqtts => Self::Wss,
            Self::Wss => Self::Mqtts,
        }
    }
}

/// The transports that may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transports {
    /// MQTT over TLS, and where that does not pass, over WebSocket; what worked is remembered.
    #[default]
    Both,
    /// One only.
    Only(Transport),
}

/// The TCP ports of the transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Of [`Transport::Mqtts`].
    pub mqtts: u16,
    /// Of [`Transport::Wss`], and of HTTPS.
    pub https: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            mqtts: 8883,
            https: 443,
        }
    }
}

/// How many devices share a hub, and how many connections it takes: what keeps them from coming back all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    /// Devices that may lose their connection in the same moment.
    pub devices: u32,
    /// Connections that the hub takes in a second; 100 with one unit of S1.
    pub rate: u32,
}

impl Fleet {
    /// The longest first pause after a connection that held. Pauses lie in the upper half of that, so that half of the
    /// hub's rate is used at most.
    #[must_use]
    pub fn spread(&self) -> Duration {
        let millis = u64::from(self.devices)
            .saturating_mul(4000)
            .checked_div(u64::from(self.rate))
            .unwrap_or(0);
        Duration::from_millis(millis.clamp(1000, 3_600_000))
    }

    /// Whether all devices at once would be too many, so that even the first connection after a start waits its turn.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.devices > self.rate
    }
}

impl Default for Fleet {
    /// A hundred devices at a hub of the smallest size: pauses begin with 2 to 4 s.
    fn default() -> Self {
        Self {
            devices: 100,
            rate: 100,
        }
    }
}

/// What the hub is to send. Each is a subscription of its own; the hub allows five.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Cloud-to-device messages; for a module its inputs.
    pub messages: bool,
    /// Direct methods.
    pub methods: bool,
    /// The twin: the whole at the start, and changes of desired properties.
    pub twin: bool,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            messages: true,
            methods: true,
            twin: true,
        }
    }
}

/// Telemetry that the hub publishes when the device vanishes, with the property `iothub-MessageType: Will`.
#[derive(Debug, Clone, Copy)]
pub struct Will<'a> {
    /// Its properties.
    pub bag: Bag<'a>,
    /// Its body.
    pub body: &'a [u8],
    /// 0 or 1.
    pub qos: QoS,
}

impl<'a> Settings<'a> {
    /// The usual settings for an entry and a proof.
    #[must_use]
    pub fn new(entry: Entry<'a>, proof: Proof<'a>) -> Self {
        Self {
            entry,
            proof,
            module_id: None,
            gateway: None,
            model_id: None,
            product: "",
            transports: Transports::Both,
            ports: Ports::default(),
            keep_alive: 240,
            token_life: Duration::from_secs(3600),
            fleet: Fleet::default(),
            pipeline: true,
            wants: Wants::default(),
            will: None,
        }
    }
}
