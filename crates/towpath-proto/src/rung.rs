//! The rungs of the ladder that an attempt climbs, in order.

use core::fmt;

/// One step of a [path](crate::path), from the wire upwards. The order is the order of climbing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rung {
    /// The interface is up.
    Link,
    /// The device has a usable source address.
    Address,
    /// The name resolves.
    Dns,
    /// An IPv4 address is reachable through a translator.
    Nat64,
    /// The TCP connection is established.
    Tcp,
    /// A proxy relays the connection.
    Proxy,
    /// The TLS handshake is complete.
    Tls,
    /// The HTTP server switches to WebSocket.
    Upgrade,
    /// WebSocket frames flow.
    Ws,
    /// The MQTT server accepts the connection.
    Mqtt,
    /// The cloud hub takes the device.
    Hub,
}

impl Rung {
    /// The lower-case name that logs, JSON and errors use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Address => "address",
            Self::Dns => "dns",
            Self::Nat64 => "nat64",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Ws => "ws",
            Self::Mqtt => "mqtt",
            Self::Hub => "hub",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
