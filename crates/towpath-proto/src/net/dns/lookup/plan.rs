//! Whom to ask, and with how much patience.

use core::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::time::Instant;

/// How many servers are asked at most.
pub const MAX_SERVERS: usize = 4;

/// How often each is asked at most.
pub const MAX_ROUNDS: u8 = 4;

/// The servers to ask, up to [`MAX_SERVERS`], in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Servers {
    servers: [SocketAddr; MAX_SERVERS],
    len: u8,
}

impl Servers {
    /// The first [`MAX_SERVERS`] of `servers`.
    #[must_use]
    pub fn new(servers: &[SocketAddr]) -> Self {
        let mut kept = Self::default();
        for (place, server) in kept.servers.iter_mut().zip(servers) {
            *place = *server;
            kept.len += 1;
        }
        kept
    }

    /// The servers.
    #[must_use]
    pub fn as_slice(&self) -> &[SocketAddr] {
        self.servers.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// How many there are, at most [`MAX_SERVERS`].
    #[must_use]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// None.
impl Default for Servers {
    fn default() -> Self {
        Self {
            servers: [SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0); MAX_SERVERS],
            len: 0,
        }
    }
}

impl core::fmt::Debug for Servers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Whom to ask, and with how much patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The servers, the best first.
    pub servers: Servers,
    /// How long the next server waits for the answer of the one before, in the first round; twice as long in each
    /// further round. Answers that come later still count.
    pub timeout: Duration,
    /// How often each server is asked, [`MAX_ROUNDS`] at most.
    pub rounds: u8,
    /// The largest answer in bytes that is asked for over UDP; 0 asks without EDNS, which limits it to 512.
    pub udp_size: u16,
    /// When the lookup ends at the latest.
    pub deadline: Option<Instant>,
}

impl Plan {
    /// The usual patience: 2 s for each server, then 4 s, then 8 s; answers of up to 1232 bytes, which no path has to
    /// fragment.
    #[must_use]
    pub fn new(servers: &[SocketAddr]) -> Self {
        Self {
            servers: Servers::new(servers),
            timeout: Duration::from_secs(2),
            rounds: 3,
            udp_size: 1232,
            deadline: None,
        }
    }

    /// The patience of `round`, the first of which is 0.
    pub(super) fn patience(&self, round: u8) -> Duration {
        self.timeout.saturating_mul(1 << round.min(MAX_ROUNDS))
    }
}
