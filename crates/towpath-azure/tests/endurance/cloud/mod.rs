//! Several hubs and their provisioning service on simulated time. They check what Azure's check: tokens with the skew
//! and the grace of expiry, one connection an identity, the subscriptions that there are; a device that breaks a rule
//! makes them panic.

pub(crate) mod dps;
pub(crate) mod hub;
pub(crate) mod ledger;
pub(crate) mod token;
pub(crate) mod twin;
mod wire;

use towpath_proto::{
    Instant,
    mqtt::{Version, packet::Packet},
};

use towpath_sim::Log;

pub(crate) use self::wire::Wire;
use self::{
    dps::Dps,
    hub::{Guest, Hub},
    ledger::Ledger,
};

/// The time in the cloud, and what the device at hand takes for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    /// True Unix time, seconds.
    pub(crate) unix: u64,
    /// What the device's clock says, and said when it sent what comes now; `None` if it was not set, or has been set
    /// just now.
    pub(crate) device: Option<u64>,
    /// Where the dialogue with it is written.
    pub(crate) log: Log,
}

impl Now {
    /// Whether the device's clock is as good as a hub wants it.
    fn clock_is_right(&self) -> bool {
        self.device
            .is_some_and(|clock| clock.abs_diff(self.unix) < token::SKEW)
    }
}

/// Counts what happens in a second.
#[derive(Debug, Default, Clone)]
pub(crate) struct Meter {
    second: u64,
    count: u32,
    /// The most in any second.
    pub(crate) peak: u32,
}

impl Meter {
    fn count(&mut self, at: Instant) {
        let second = at.as_micros() / 1_000_000;
        if second != self.second {
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
        self.peak = self.peak.max(self.count);
    }
}

/// Whom a connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Hub(usize),
    Dps,
}

/// The cloud's end of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) service: Service,
    pub(crate) wire: Wire,
    /// Present once a hub accepted it.
    pub(crate) guest: Option<Guest>,
    registration: Option<String>,
    trusted: bool,
    subscribed: bool,
}

impl Peer {
    pub(crate) const fn new(service: Service, framed: bool) -> Self {
        Self {
            service,
            wire: Wire::new(framed),
            guest: None,
            registration: None,
            trusted: false,
            subscribed: false,
        }
    }

    /// When [`Cloud::look_after`] has something to do.
    pub(crate) fn deadline(&self, now: &Now) -> Option<Instant> {
        let guest = self.guest.as_ref().filter(|_| !self.wire.closing);
        guest.map(|guest| guest.deadline(now))
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) hubs: Vec<Hub>,
    pub(crate) dps: Dps,
}

impl Cloud {
    /// The service behind a host name.
    pub(crate) fn find(&self, host: &str) -> Option<Service> {
        if host == towpath_azure::dps::GLOBAL_ENDPOINT {
            return Some(Service::Dps);
        }
        let found = self.hubs.iter().position(|hub| hub.host == host);
        found.map(Service::Hub)
    }

    /// Bytes have come from the device whose telemetry `ledger` knows.
    pub(crate) fn receive(
        &mut self,
        now: &Now,
        peer: &mut Peer,
        bytes: &[u8],
        ledger: &mut Ledger,
    ) {
        (peer.wire.log, peer.wire.at) = (now.log, now.at);
        peer.wire.receive(bytes);
        let input = std::mem::take(&mut peer.wire.input);
        let mut done = 0;
        while !peer.wire.closing
            && let Some((packet, len)) =
                Packet::decode(&input[done..], Version::V311).expect("a packet")
        {
            done += len;
            now.log.line(now.at, || format!("  > {packet:?}"));
            match (peer.service, &packet) {
                (Service::Hub(hub), Packet::Connect(connect)) => {
                    self.hubs[hub].connect(now, peer, connect);
                }
                (Service::Hub(hub), packet) => {
                    self.hubs[hub].packet(now, peer, packet, ledger);
                }
                (Service::Dps, Packet::Connect(connect)) => self.dps.connect(now, peer, connect),
                (Service::Dps, packet) => self.dps.packet(now, peer, packet),
            }
        }
        peer.wire.input = input;
        peer.wire.input.drain(..done);
    }

    /// Time has passed for a connection.
    pub(crate) fn look_after(&mut self, now: &Now, peer: &mut Peer) {
        if let Service::Hub(hub) = peer.service
            && !peer.wire.closing
        {
            self.hubs[hub].look_after(now, peer);
        }
    }
}
