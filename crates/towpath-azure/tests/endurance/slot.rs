//! One device in the fleet, with its network, its clock and its application.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use towpath_azure::{Now, Settings, Transport};
use towpath_proto::{Code, Fault, Instant, Rung};
use towpath_sim::{Direction, Link, Log, Rng, Weather};

use crate::{
    app::App,
    cloud::{self, Cloud, Peer, Service, ledger::Ledger},
    plan::Happening,
    rig::{Dial, Rig, Wire},
};

/// What lies between device and cloud.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) rng: Rng,
    /// Whether links hold until somebody ends them.
    calm: bool,
    /// Until when there is no network.
    pub(crate) down_until: Instant,
    /// Until when port 8883 is closed.
    pub(crate) blocked_until: Instant,
    link: Option<Link>,
    /// The device closed its end.
    hung_up: bool,
    /// What is being dialled, and when that is known.
    dial: Option<(Instant, Dial)>,
    /// When the device learns that its stream is gone.
    reset_at: Option<Instant>,
    /// How many times the device tried to connect.
    pub(crate) dials: u64,
    now: Instant,
}

impl Wire for Net {
    fn dial(&mut self, dial: Dial) {
        self.dials += 1;
        // TCP and TLS.
        let takes = Duration::from_millis(self.rng.between(50, 900) as u64);
        self.dial = Some((self.now.after(takes), dial));
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let link = self.link.as_mut().filter(|_| !self.hung_up);
        link.map_or(bytes.len(), |link| {
            link.send(self.now, Direction::Up, bytes)
        })
    }

    fn hang_up(&mut self) {
        self.hung_up = true;
        self.dial = None;
        self.reset_at = None;
    }
}

impl Net {
    pub(crate) fn new(seed: u64, calm: bool) -> Self {
        Self {
            rng: Rng::new(seed),
            calm,
            down_until: Instant::ZERO,
            blocked_until: Instant::ZERO,
            link: None,
            hung_up: true,
            dial: None,
            reset_at: None,
            dials: 0,
            now: Instant::ZERO,
        }
    }

    /// The weather of a connection: one in ten dies inside a packet, unless all is calm.
    fn weather(&mut self) -> Weather {
        let rng = &mut self.rng;
        let cut = (!self.calm && rng.chance(10)).then(|| {
            let way = rng.pick(&[Direction::Up, Direction::Down]);
            (way, rng.below(4000) as u64)
        });
        Weather {
            delay: Duration::from_millis(rng.between(10, 300) as u64),
            cut,
            spares_the_other_way: rng.chance(50),
            ..Weather::FAIR
        }
    }

    /// The link dies; the device learns of it soon, or only by silence.
    pub(crate) fn cut(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            link.cut();
            self.reset_at = (!self.hung_up && self.rng.chance(50))
                .then(|| now.after(Duration::from_millis(self.rng.between(0, 20_000) as u64)));
        }
    }

    fn is_alive(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.is_broken())
    }
}

/// The device's clock beside the true one.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Until when it is not set.
    pub(crate) unset_until: Instant,
    /// How wrong it is, seconds, and until when.
    pub(crate) off: (i64, Instant),
    /// Since when.
    pub(crate) stepped_at: Instant,
}

impl Clock {
    fn reads(&self, at: Instant, unix: u64) -> u64 {
        if at < self.unset_until {
            return at.as_micros() / 1_000_000;
        }
        let (off, until) = self.off;
        unix.saturating_add_signed(if at < until { off } else { 0 })
    }

    /// Whether it has gone without a step for as long as bytes are under way.
    fn is_steady(&self, at: Instant) -> bool {
        [self.stepped_at, self.off.1]
            .iter()
            .all(|step| at < *step || at.since(*step) > Duration::from_secs(10))
    }
}

/// A device and everything around it.
pub(crate) struct Slot {
    pub(crate) id: String,
    pub(crate) key: Vec<u8>,
    pub(crate) settings: Settings<'static>,
    /// None while it has no power.
    pub(crate) rig: Option<Rig>,
    /// The outbox while there is no power.
    pub(crate) saved: VecDeque<crate::rig::Stored>,
    /// When power comes back.
    pub(crate) boots_at: Option<Instant>,
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    pub(crate) app: App,
    pub(crate) ledger: Ledger,
    pub(crate) peer: Option<Peer>,
    /// Until when somebody else takes the identity again and again, and when next.
    pub(crate) rival: Option<(Instant, Instant)>,
    /// What happens next, by the order of [`Happening::ALL`].
    pub(crate) next: [Instant; Happening::ALL.len()],
    pub(crate) rng: Rng,
    pub(crate) log: Log,
    /// How many letters were sent, and those that were lost with the device's place at its hub.
    pub(crate) posted: u64,
    pub(crate) forgiven: BTreeSet<u64>,
}

impl Slot {
    /// True Unix time at the origin of simulated time: 2026-11-22 00:00.
    pub(crate) const UNIX: u64 = 1_795_305_600;

    /// The time in the cloud.
    pub(crate) fn now(&self, at: Instant) -> cloud::Now {
        cloud::Now {
            at,
            unix: Self::UNIX + at.as_micros() / 1_000_000,
            device: self.clock_at(at).unix.filter(|_| self.clock.is_steady(at)),
            log: self.log,
        }
    }

    /// The time that the device knows.
    pub(crate) fn clock_at(&self, at: Instant) -> Now {
        let unix = Self::UNIX + at.as_micros() / 1_000_000;
        Now::new(at, self.clock.reads(at, unix))
    }

    /// Lets everything happen that happens at this moment between the device and the cloud.
    pub(crate) fn exchange(&mut self, at: Instant, cloud: &mut Cloud) {
        self.net.now = at;
        let (now, clock) = (self.now(at), self.clock_at(at));
        if let Some(rig) = &mut self.rig
            && rig.until.is_some_and(|until| until <= at)
        {
            rig.handle_timeout(clock);
        }
        if let Some(peer) = &mut self.peer {
            cloud.look_after(&now, peer);
        }
        self.reset(clock);
        let alive = self.net.is_alive();
        self.exchange_bytes(now, clock, cloud);
        if alive && !self.net.is_alive() {
            self.notice_break(at);
        }
    }

    fn exchange_bytes(&mut self, now: cloud::Now, clock: Now, cloud: &mut Cloud) {
        for _ in 0..100_000 {
            let mut moved = self.dialled(clock, cloud);
            if let Some(rig) = &mut self.rig {
                rig.pump(clock, &mut self.net);
            }
            moved |= self.up(&now, cloud);
            moved |= self.down(clock);
            if !moved {
                return;
            }
        }
        panic!("device and cloud never come to rest");
    }

    /// The device learns that its stream is gone.
    fn reset(&mut self, clock: Now) {
        if self.net.reset_at.is_some_and(|at| at <= clock.at) {
            self.net.reset_at = None;
            if let Some(rig) = &mut self.rig {
                rig.closed(clock, Fault::new(Rung::Tcp, Code::Reset));
            }
        }
    }

    /// Dialling has come to its end.
    fn dialled(&mut self, clock: Now, cloud: &Cloud) -> bool {
        let Some((at, dial)) = self.net.dial.take() else {
            return false;
        };
        if clock.at < at {
            self.net.dial = Some((at, dial));
            return false;
        }
        let Some(rig) = &mut self.rig else {
            return false;
        };
        if clock.at < self.net.down_until {
            let fault = match self.net.rng.below(3) {
                0 => Fault::new(Rung::Address, Code::NoSourceAddress),
                1 => Fault::new(Rung::Dns, Code::ResolverSilent),
                // Nobody answers, and nobody says so.
                _ => return false,
            };
            rig.closed(clock, fault);
            return true;
        }
        if dial.port == 8883 && clock.at < self.net.blocked_until {
            return false;
        }
        let service = cloud.find(&dial.host).expect("a host of the cloud");
        if let Service::Hub(hub) = service
            && clock.at < cloud.hubs[hub].down_until
        {
            rig.closed(clock, Fault::new(Rung::Tcp, Code::Refused));
            return true;
        }
        let weather = self.net.weather();
        self.log
            .line(clock.at, || format!("-- {dial:?}, {weather:?}"));
        let framed = dial.transport == Transport::Wss;
        self.net.link = Some(Link::new(weather, self.net.rng.next_u64()));
        self.net.hung_up = false;
        // A hub lets go of a connection that it has not seen the end of.
        self.peer = Some(Peer::new(service, framed));
        rig.opened(clock);
        true
    }

    /// Bytes to the cloud.
    fn up(&mut self, now: &cloud::Now, cloud: &mut Cloud) -> bool {
        let (Some(link), Some(peer)) = (&mut self.net.link, &mut self.peer) else {
            return false;
        };
        let mut room = [0; 2048];
        let n = link.receive(now.at, Direction::Up, &mut room);
        if n > 0 {
            cloud.receive(now, peer, &room[..n], &mut self.ledger);
            return true;
        }
        // The end of the stream comes behind its last byte.
        if self.net.hung_up && !link.is_broken() && link.next_arrival(now.at).is_none() {
            self.peer = None;
            self.net.link = None;
            return true;
        }
        false
    }

    /// Bytes to the device.
    fn down(&mut self, clock: Now) -> bool {
        let Some(peer) = &mut self.peer else {
            return false;
        };
        let Some(link) = &mut self.net.link else {
            return false;
        };
        let mut moved = false;
        if !peer.wire.output.is_empty() {
            let output = std::mem::take(&mut peer.wire.output);
            link.send(clock.at, Direction::Down, &output);
            moved = true;
        }
        if let Some(rig) = self.rig.as_mut().filter(|_| !self.net.hung_up) {
            let n = link.receive(clock.at, Direction::Down, rig.space());
            if n > 0 {
                rig.commit(clock, n);
                return true;
            }
        }
        let closing = peer.wire.closing;
        if !closing || link.next_arrival(clock.at).is_some() {
            return moved;
        }
        let lost = link.is_broken();
        self.peer = None;
        if lost {
            return true;
        }
        self.net.link = None;
        if let Some(rig) = self.rig.as_mut().filter(|_| !self.net.hung_up) {
            self.net.hung_up = true;
            rig.closed(clock, Fault::new(Rung::Tcp, Code::Closed));
        }
        true
    }

    /// The link has just broken inside a packet: what the device learns of it.
    fn notice_break(&mut self, at: Instant) {
        let broken = self.net.link.as_ref().is_some_and(Link::is_broken);
        if broken && !self.net.hung_up && self.net.reset_at.is_none() && self.net.rng.chance(50) {
            self.net.reset_at = Some(at.after(Duration::from_secs(5)));
        }
    }

    /// The cloud's end, if the device is really there.
    pub(crate) fn listener(&mut self) -> Option<&mut Peer> {
        let accepted = |peer: &&mut Peer| peer.guest.is_some();
        self.peer.as_mut().filter(accepted)
    }

    /// When something happens next.
    pub(crate) fn deadline(&self, at: Instant) -> Instant {
        let now = self.now(at);
        let alive = self.net.is_alive();
        let under_way = self.net.link.as_ref().filter(|_| alive);
        [
            self.rig.as_ref().and_then(|rig| rig.until),
            self.boots_at,
            self.net.dial.as_ref().map(|dial| dial.0),
            self.net.reset_at,
            under_way.and_then(|link| link.next_arrival(at)),
            self.peer.as_ref().and_then(|peer| peer.deadline(&now)),
            self.rival.map(|rival| rival.1),
            self.next.iter().min().copied(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(Instant::from_micros(u64::MAX))
    }
}
