//! What a seed decides: the network, the name, the servers, the hosts, the settings, and what the caller does.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use towpath_proto::net::{Families, Prefix, PrefixOrigin, dialer::Nat64, dialer::Settings};
use towpath_sim::Rng;

/// The name that is dialed.
pub(crate) const NAME: &str = "broker.example";

/// How NAT64 is to be known in a network that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// `ipv4only.arpa` tells it.
    Asked,
    /// It comes by itself, so long after the beginning.
    Comes(PrefixOrigin, Duration),
    /// It is in the settings.
    Settings,
    /// Nobody tells it.
    Nobody,
}

/// What a connection to an address comes to, so long after it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Accepts(Duration),
    Refuses(Duration),
    Unreachable(Duration),
    Silent,
}

/// What DNS says about the name.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
    /// Seconds.
    pub(crate) ttl: u32,
    /// The length of the chain of aliases in front, and how much of it is in one answer.
    pub(crate) aliases: usize,
    pub(crate) at_once: usize,
    /// The last alias leads to the first.
    pub(crate) circle: bool,
    /// There is no such name.
    pub(crate) missing: bool,
}

/// How a server answers. Everything in percent is decided anew for each question.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) rtt: Duration,
    /// Of the answers come later than that, up to five seconds.
    pub(crate) late: usize,
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    /// Before or instead of the true answer comes a false one.
    pub(crate) lies: usize,
    pub(crate) instead: bool,
    /// A response code instead of an answer; 0 for none.
    pub(crate) rcode: u16,
    /// Nothing listens there.
    pub(crate) closed: bool,
    pub(crate) knows_edns: bool,
    /// Answers over UDP are cut off.
    pub(crate) truncates: bool,
    pub(crate) tcp: bool,
    /// Makes AAAA records of A records with the network's prefix.
    pub(crate) dns64: bool,
}

/// What happens between two attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Between {
    pub(crate) pause: Duration,
    pub(crate) forget: bool,
    /// The next attempt or the end of all comes so long after the beginning, ready or not.
    pub(crate) cut: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Nothing is lost, late or false, and a reachable host accepts: there has to be a connection.
    pub(crate) fair: bool,
    pub(crate) host: String,
    pub(crate) v4: bool,
    pub(crate) v6: bool,
    pub(crate) prefix: Option<(Prefix, Knowledge)>,
    pub(crate) settings: Settings,
    pub(crate) servers: Vec<Server>,
    pub(crate) zone: Zone,
    /// The default and the exceptions, by place in the zone.
    pub(crate) hosts: Vec<Host>,
    pub(crate) attempts: Vec<Between>,
    /// The driver wakes up so much later than it was asked to, at most.
    pub(crate) sloth: Duration,
}

const fn ms(millis: usize) -> Duration {
    Duration::from_millis(millis as u64)
}

impl Plan {
    pub(crate) fn random(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let fair = rng.chance(25);
        let (v4, v6) = rng.pick(&[(true, true), (true, false), (false, true), (false, true)]);
        let (v4, v6) = if fair || rng.chance(97) {
            (v4, v6)
        } else {
            (false, false)
        };
        let prefix = (v6 && rng.chance(70)).then(|| (any_prefix(rng), knowledge(rng, fair)));
        let zone = zone(rng, fair);
        let count = if fair {
            rng.between(1, 3)
        } else {
            rng.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4, 4])
        };
        let servers: Vec<_> = (0..count)
            .map(|n| server(rng, n, fair, (v4, v6), prefix.is_some()))
            .collect();
        let mut settings = settings(rng, &servers, prefix, fair);
        if fair {
            settings.families = match (v4, v6) {
                (true, true) => rng.pick(&[Families::Any, Families::V4, Families::V6]),
                _ => Families::Any,
            };
        }
        let host = match rng.below(12) {
            0 => "192.88.99.77".to_owned(),
            1 => "2001:db8:77::77".to_owned(),
            2 => "localhost".to_owned(),
            _ => NAME.to_owned(),
        };
        let hosts = (0..12).map(|_| host_of(rng, fair)).collect();
        let attempts = (0..rng.between(1, 3)).map(|_| between(rng, fair)).collect();
        Self {
            seed,
            fair,
            host,
            v4,
            v6,
            prefix,
            settings,
            servers,
            zone,
            hosts,
            attempts,
            sloth: ms(rng.pick(&[0, 0, 3, 40])),
        }
    }

    /// The source of packets to `address`.
    pub(crate) fn source(&self, address: IpAddr) -> Option<IpAddr> {
        match address {
            _ if address.is_loopback() => Some(address),
            IpAddr::V4(_) => self.v4.then(|| IpAddr::from([203, 0, 113, 5])),
            IpAddr::V6(_) => self
                .v6
                .then(|| Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 5).into()),
        }
    }

    /// Whether packets to `address` leave.
    pub(crate) fn reaches(&self, address: IpAddr) -> bool {
        let allowed = match self.settings.families {
            Families::Any => true,
            Families::V4 => address.is_ipv4(),
            Families::V6 => address.is_ipv6(),
        };
        allowed && self.source(address).is_some()
    }

    /// What connecting to `address` comes to.
    pub(crate) fn host(&self, address: IpAddr) -> Host {
        // Whatever the way to it, an IPv4 host is the same.
        let v4 = |v4: Ipv4Addr| usize::from(v4.octets()[3]) % 6;
        let place = match address {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => {
                match self.prefix.and_then(|(prefix, _)| prefix.extract(address)) {
                    Some(inside) => v4(inside),
                    None => 6 + usize::from(address.segments()[7]) % 6,
                }
            }
        };
        self.hosts[place]
    }
}

fn any_prefix(rng: &mut Rng) -> Prefix {
    let text = rng.pick(&[
        "64:ff9b::/96",
        "fd64:1:2:3:0:5::/96",
        "2001:db8:64::/48",
        "2001:db8:6400::/40",
        "2001:db8:64:64::/64",
    ]);
    text.parse().expect("a prefix")
}

fn knowledge(rng: &mut Rng, fair: bool) -> Knowledge {
    let late = if fair { 0 } else { rng.below(3000) };
    match rng.below(if fair { 4 } else { 5 }) {
        0 => Knowledge::Asked,
        1 => Knowledge::Comes(PrefixOrigin::RouterAdvertisement, ms(late)),
        2 => Knowledge::Comes(PrefixOrigin::ThreadNetworkData, ms(late)),
        3 => Knowledge::Settings,
        _ => Knowledge::Nobody,
    }
}

fn zone(rng: &mut Rng, fair: bool) -> Zone {
    let mut zone = Zone {
        // Global addresses, which the well-known prefix may carry too.
        v4: (0..rng.below(5))
            .map(|n| [192, 88, 99, 10 + n as u8].into())
            .collect(),
        v6: (0..rng.below(5))
            .map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1 + n as u16))
            .collect(),
        ttl: rng.pick(&[0, 1, 5, 60, 3600]),
        aliases: if rng.chance(60) { 0 } else { rng.below(10) },
        at_once: rng.between(1, 9),
        circle: !fair && rng.chance(3),
        missing: !fair && rng.chance(5),
    };
    if fair {
        zone.aliases = zone.aliases.min(8);
        if zone.v4.is_empty() && zone.v6.is_empty() {
            zone.v4.push([192, 88, 99, 15].into());
        }
    }
    zone
}

fn server(rng: &mut Rng, n: usize, fair: bool, (v4, v6): (bool, bool), nat64: bool) -> Server {
    let on_v6 = if fair && v4 != v6 { v6 } else { rng.chance(60) };
    let address: IpAddr = if on_v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, n as u16 + 1).into()
    } else {
        Ipv4Addr::new(192, 88, 53, n as u8 + 1).into()
    };
    let percent = |rng: &mut Rng| {
        if fair {
            0
        } else {
            rng.pick(&[0, 0, 10, 40, 100])
        }
    };
    Server {
        address: SocketAddr::new(address, 53),
        rtt: ms(rng.between(1, 90)),
        late: percent(rng),
        lost: percent(rng),
        twice: rng.pick(&[0, 20, 100]),
        lies: rng.pick(&[0, 30, 100]),
        instead: !fair && rng.chance(30),
        rcode: if fair || rng.chance(80) {
            0
        } else {
            rng.pick(&[1, 2, 4, 5])
        },
        closed: !fair && rng.chance(10),
        knows_edns: rng.chance(90),
        truncates: rng.chance(15),
        tcp: fair || rng.chance(70),
        dns64: nat64 && rng.chance(40),
    }
}

fn settings(
    rng: &mut Rng,
    servers: &[Server],
    prefix: Option<(Prefix, Knowledge)>,
    fair: bool,
) -> Settings {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let nat64 = match prefix {
        Some((prefix, Knowledge::Settings)) => Nat64::Prefix(prefix),
        _ if fair => Nat64::Auto,
        _ => rng.pick(&[Nat64::Auto, Nat64::Auto, Nat64::Auto, Nat64::Off]),
    };
    Settings {
        families: rng.pick(&[Families::Any, Families::Any, Families::V4, Families::V6]),
        nat64,
        query_timeout: ms(if fair { 2000 } else { rng.between(50, 3000) }),
        query_rounds: rng.between(1, 4) as u8,
        udp_size: rng.pick(&[0, 512, 1232]),
        resolution_delay: ms(rng.pick(&[0, 50, 50, 400])),
        attempt_delay: ms(rng.pick(&[10, 250, 250, 2000])),
        patience: ms(if fair {
            20_000
        } else {
            rng.between(500, 15_000)
        }),
        advertisement_wait: ms(rng.pick(&[0, 0, 1500])),
        attempts: rng.pick(&[1, 2, 4, 255]),
        ..Settings::default()
    }
    .servers(&addresses)
}

fn host_of(rng: &mut Rng, fair: bool) -> Host {
    let soon = ms(rng.pick(&[0, 5, 30, 260, 700]));
    if fair {
        // Who comes first and is slow is not to be taken for dead.
        return if rng.chance(50) {
            Host::Accepts(soon)
        } else {
            Host::Refuses(soon)
        };
    }
    match rng.below(8) {
        0..3 => Host::Accepts(soon),
        3 => Host::Accepts(ms(rng.between(1000, 20_000))),
        4 => Host::Refuses(soon),
        5 => Host::Unreachable(soon),
        _ => Host::Silent,
    }
}

fn between(rng: &mut Rng, fair: bool) -> Between {
    Between {
        pause: ms(rng.pick(&[0, 500, 1000, 4999, 5001, 70_000, 4_000_000])),
        forget: rng.chance(10),
        cut: (!fair && rng.chance(15)).then(|| ms(rng.below(3000))),
    }
}
