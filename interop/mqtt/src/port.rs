//! TCP ports that no other test takes.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{linux::net::SocketAddrExt, unix::net},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that the system gives to outgoing connections, so that none of those takes one while a broker is
/// down.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A free loopback port. Other tests leave it alone for as long as this value lives, whether or not something listens.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// A name in the abstract namespace is gone with its process: a lock that nobody has to clean up.
    _claim: net::UnixListener,
}

impl Port {
    /// Claims a free port.
    ///
    /// # Panics
    /// If none is free.
    #[must_use]
    pub fn claim() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let from = u16::try_from(process::id() * 61 % u32::from(COUNT)).expect("below COUNT");
        (0..COUNT)
            .find_map(|_| {
                let step = NEXT.fetch_add(1, Ordering::Relaxed);
                Self::try_claim(FIRST + (from + step) % COUNT)
            })
            .expect("a free port")
    }

    fn try_claim(number: u16) -> Option<Self> {
        let name = format!("towpath-interop-port-{number}");
        let name = net::SocketAddr::from_abstract_name(name).ok()?;
        let claim = net::UnixListener::bind_addr(&name).ok()?;
        // Listening sets SO_REUSEADDR, as mosquitto does: connections in TIME_WAIT do not count.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _claim: claim,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// The loopback address with this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
