//! What a caller decides about dialing.

use core::{net::SocketAddr, time::Duration};

use crate::net::{Families, Prefix, dns::Servers};

/// What is done about NAT64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Nat64 {
    /// An IPv4 address that no source address reaches is translated, if a prefix is or becomes known: from the caller
    /// ([`learned`](super::Dialer::learned)), or by asking for `ipv4only.arpa`.
    #[default]
    Auto,
    /// This prefix; nothing is asked.
    Prefix(Prefix),
    /// Nothing.
    Off,
}

/// How a [`Dialer`](super::Dialer) works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The DNS servers, in order. An IPv4 server that no source address reaches is asked through NAT64.
    pub servers: Servers,
    /// The address families that packets may have.
    pub families: Families,
    /// What is done about NAT64.
    pub nat64: Nat64,
    /// How long one question waits for one server before the next is asked; it doubles with each round.
    pub query_timeout: Duration,
    /// How often each server is asked.
    pub query_rounds: u8,
    /// The largest UDP answer that is asked for, bytes (EDNS0, RFC 6891); 0: no EDNS, 512 bytes.
    pub udp_size: u16,
    /// How long IPv4 waits for the answer about IPv6 (RFC 8305 section 3).
    pub resolution_delay: Duration,
    /// The time between two connection attempts (RFC 8305 section 5). The default is 250 ms; a radio of Thread wants
    /// more, because there a handshake may take that long.
    pub attempt_delay: Duration,
    /// How many connection attempts may be under way at a time: as many as there are sockets.
    pub attempts: u8,
    /// How long one connection attempt may take.
    pub patience: Duration,
    /// How long, from the beginning on, a prefix from a router advertisement is waited for when nothing else gave one.
    /// Zero where nobody listens.
    pub advertisement_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            families: Families::Any,
            nat64: Nat64::Auto,
            query_timeout: Duration::from_secs(2),
            query_rounds: 2,
            udp_size: 1232,
            resolution_delay: Duration::from_millis(50),
            attempt_delay: Duration::from_millis(250),
            attempts: u8::MAX,
            patience: Duration::from_secs(10),
            advertisement_wait: Duration::ZERO,
        }
    }
}

impl Settings {
    /// The same settings with these servers.
    #[must_use]
    pub fn servers(mut self, servers: &[SocketAddr]) -> Self {
        self.servers = Servers::new(servers);
        self
    }
}
