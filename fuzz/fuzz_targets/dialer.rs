//! A dialer between a lying network and a driver that keeps to its law: the input is a list of what happens, in any
//! order. No panic, every drain of the outputs ends, every attempt comes to one end in bounded time with nothing left
//! open, and no packet goes to an address that nobody offered.
#![no_main]

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    Code, Fault, Instant, Rung,
    bytes::Reader,
    net::{
        Dialer, Families, Origin, Prefix, PrefixOrigin,
        dialer::{Nat64, Output, QueryId, Settings, SourceId},
        nat64,
    },
};

const PORT: u16 = 1883;

/// Outputs between two actions: far more than a few questions and candidates can give rise to.
const OUTPUTS: usize = 2_000;

/// Turns of the clock from the last action to the end: each question, alias and candidate has a few.
const TURNS: usize = 3_000;

const HOSTS: [&str; 8] = [
    "broker.example",
    "broker.example.",
    "192.0.2.7",
    "203.0.113.7",
    "64:ff9b::10.0.0.1",
    "fd00::99",
    "localhost",
    "a..b",
];

struct World {
    dialer: Dialer,
    now: Instant,
    servers: Vec<SocketAddr>,
    families: Families,
    /// Whether packets to IPv4 and to IPv6 have a source address.
    sources: [bool; 2],
    /// The questions that are open, and those that were.
    open: HashMap<QueryId, Vec<u8>>,
    gone: Vec<QueryId>,
    /// The attempts that are under way.
    trying: BTreeMap<u8, SocketAddr>,
    busy: bool,
    /// Every address that may be connected to, and what an address may lie in.
    offered: Vec<IpAddr>,
    said: Vec<Vec<u8>>,
    prefixes: Vec<Prefix>,
    seed: u32,
}

/// An output without its loan.
enum Owned {
    Query(QueryId, SocketAddr, Vec<u8>),
    Cancel(QueryId),
    Source(SourceId, IpAddr),
    Connect(u8, SocketAddr),
    Close(u8),
    Trace,
    Connected(u8),
    Resolved,
    Failed(Fault),
    Wait(Option<Instant>),
}

impl From<Output<'_>> for Owned {
    fn from(output: Output<'_>) -> Self {
        match output {
            Output::Query {
                query,
                server,
                message,
                ..
            } => Self::Query(query, server, message.to_vec()),
            Output::Cancel(query) => Self::Cancel(query),
            Output::Source(ask, address) => Self::Source(ask, address),
            Output::Connect { id, address } => Self::Connect(id, address),
            Output::Close(id) => Self::Close(id),
            Output::Trace(..) => Self::Trace,
            Output::Connected(id) => Self::Connected(id),
            Output::Resolved => Self::Resolved,
            Output::Failed(fault) => Self::Failed(fault),
            Output::Wait { until, .. } => Self::Wait(until),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut reader = Reader::new(input);
    let Ok([how, sources]) = reader.array() else {
        return;
    };
    let mut world = World::new(how, sources);
    while !reader.is_empty() {
        if world.act(&mut reader).is_none() {
            break;
        }
        world.drain();
    }
    world.end();
});

impl World {
    fn new(how: u8, sources: u8) -> Self {
        let all = ["[fd00::53]:53", "198.51.100.53:53", "[2001:db8::53]:5353"]
            .map(|text| text.parse().expect("an address"));
        let servers = all[..usize::from(how & 3)].to_vec();
        let families = [Families::Any, Families::V4, Families::V6][usize::from(how >> 2 & 3) % 3];
        let mut prefixes = vec![Prefix::WELL_KNOWN];
        let nat64 = match how >> 4 & 3 {
            0 | 1 => Nat64::Auto,
            2 => Nat64::Off,
            _ => {
                let prefix = "fd64:0:0:a::/64".parse().expect("a prefix");
                prefixes.push(prefix);
                Nat64::Prefix(prefix)
            }
        };
        let mut dialer = Dialer::new(Settings {
            families,
            nat64,
            attempts: if how & 0x40 == 0 { 2 } else { u8::MAX },
            advertisement_wait: Duration::from_millis(u64::from(how >> 7) * 700),
            ..Settings::default().servers(&servers)
        });
        dialer.trace(sources & 4 != 0);
        Self {
            dialer,
            now: Instant::from_millis(77),
            servers,
            families,
            sources: [sources & 1 != 0, sources & 2 != 0],
            open: HashMap::new(),
            gone: Vec::new(),
            trying: BTreeMap::new(),
            busy: false,
            offered: Vec::new(),
            said: Vec::new(),
            prefixes,
            seed: 1,
        }
    }

    /// One action. `None` if the input ends within it.
    fn act(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let [action, how] = reader.array().ok()?;
        match action % 12 {
            0 => self.dial(how),
            1..=3 => self.answer(how, reader)?,
            4 => {
                let bytes = reader.take(usize::from(how)).ok()?.to_vec();
                let query = self.query(how)?;
                self.say(query, bytes);
            }
            5 => {
                let codes = [Code::Refused, Code::Closed, Code::Io, Code::AnswerTooLarge];
                let code = codes[usize::from(how >> 6)];
                if let Some(query) = self.query(how & 0x3f) {
                    let fault = Fault::new(Rung::Tcp, code);
                    self.dialer.query_failed(self.now, query, fault);
                }
            }
            6 => self.dialer.connected(self.now, how),
            7 => {
                let codes = [Code::Refused, Code::NetUnreachable, Code::ConnectTimeout];
                let code = codes[usize::from(how >> 5) % 3];
                let id = how & 0x1f;
                let fault = Fault::new(Rung::Tcp, code);
                self.dialer.connect_failed(self.now, id, fault);
                // Failed is closed.
                self.trying.remove(&id);
            }
            8 => {
                self.now = self.now.after(Duration::from_millis(u64::from(how) * 40));
                self.dialer.handle_timeout(self.now);
            }
            9 => self.learn(how, reader)?,
            10 => match how & 3 {
                0 => self.dialer.forget(),
                1 => {
                    self.dialer.abandon();
                    self.busy = false;
                }
                _ => self.sources = [how & 4 != 0, how & 8 != 0],
            },
            _ => {
                let bytes: [u8; 16] = reader.array().ok()?;
                let list = [
                    IpAddr::from(Ipv6Addr::from(bytes)),
                    Ipv4Addr::from([bytes[0], bytes[1], bytes[2], bytes[3]]).into(),
                ];
                self.offered.extend(list);
                self.dialer.known(&list, Origin::Hosts);
            }
        }
        Some(())
    }

    fn dial(&mut self, how: u8) {
        let host = HOSTS[usize::from(how & 7)];
        let begun = if how & 8 == 0 {
            self.dialer.dial(self.now, host, PORT)
        } else {
            self.dialer.resolve(self.now, host, PORT)
        };
        match host.parse::<IpAddr>() {
            Ok(address) => self.offered.push(address),
            Err(_) if host == "localhost" => {
                self.offered.extend([
                    IpAddr::from(Ipv4Addr::LOCALHOST),
                    Ipv6Addr::LOCALHOST.into(),
                ]);
            }
            Err(_) => {}
        }
        assert_eq!(begun.is_err(), host == "a..b");
        // What was under way is given up, but a name that is none changes nothing else.
        self.busy = begun.is_ok();
        if begun.is_err() {
            self.dialer.abandon();
        }
    }

    /// A query that is open, or was.
    fn query(&self, how: u8) -> Option<QueryId> {
        let mut open: Vec<_> = self.open.iter().collect();
        open.sort_by_key(|(_, message)| (*message).clone());
        let open = open.into_iter().map(|(query, _)| *query);
        let all: Vec<_> = open.chain(self.gone.iter().rev().copied()).collect();
        all.get(usize::from(how) % all.len().max(1)).copied()
    }

    fn say(&mut self, query: QueryId, bytes: Vec<u8>) {
        self.dialer.answered(self.now, query, &bytes);
        self.said.push(bytes);
    }

    /// An answer that fits the question, as far as the input lets it.
    fn answer(&mut self, how: u8, reader: &mut Reader<'_>) -> Option<()> {
        let [flags, records, ttl] = reader.array().ok()?;
        let Some(query) = self.query(how) else {
            return Some(());
        };
        let asked = self.open.get(&query).cloned().unwrap_or_default();
        let end = 12
            + asked
                .iter()
                .skip(12)
                .position(|byte| *byte == 0)
                .unwrap_or(0)
            + 5;
        let Some(question) = asked.get(12..end) else {
            return Some(());
        };
        let count = u16::from(records & 7);
        let mut message = asked[..2].to_vec();
        message.extend([0x81 | flags & 2, 0x80 | flags >> 4 & 5]);
        message.extend([0, 1, 0, count as u8, 0, 0, 0, 0]);
        message.extend(question);
        let is_a = question.ends_with(&[1, 0, 1]);
        for _ in 0..count {
            let [kind, last] = reader.array().ok()?;
            let data = match kind & 3 {
                0 if flags & 1 != 0 => vec![1, b'a' + (last & 7), 0xc0, 12],
                _ if is_a => vec![kind & 0xfc | 2, 0, 113, last],
                // As `ipv4only.arpa` has it, in a prefix or not.
                1 => Ipv6Addr::new(0xfd64, 0, 0, 0, 0, u16::from(last), 0xc000, 0xaa)
                    .octets()
                    .to_vec(),
                2 => vec![0xfd, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, last],
                _ => vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last],
            };
            let kind = match data.len() {
                4 if data[2] == 0xc0 => 5,
                4 => 1,
                _ => 28,
            };
            message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, ttl, 0, data.len() as u8]);
            message.extend(data);
        }
        self.say(query, message);
        Some(())
    }

    fn learn(&mut self, how: u8, reader: &mut Reader<'_>) -> Option<()> {
        let last = reader.u8().ok()?;
        let len = nat64::LENGTHS[usize::from(how % 6)];
        let address = Ipv6Addr::new(0xfd64, u16::from(last), 0, 0, 0, 0, 0, 0);
        let prefix = Prefix::new(address, len)?;
        let origin = if how & 0x40 == 0 {
            PrefixOrigin::ThreadNetworkData
        } else {
            PrefixOrigin::RouterAdvertisement
        };
        let lifetime = Duration::from_secs(u64::from(how >> 7) * 60);
        self.prefixes.push(prefix);
        self.dialer.learned(self.now, prefix, origin, lifetime);
        Some(())
    }

    /// Takes outputs until there is nothing to do. When it wants to be woken.
    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..OUTPUTS {
            let seed = &mut self.seed;
            let mut random = || {
                *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *seed
            };
            match Owned::from(self.dialer.poll_output(self.now, &mut random)) {
                Owned::Query(query, server, message) => {
                    assert!(self.busy && !message.is_empty());
                    self.check_server(server);
                    assert!(self.open.insert(query, message).is_none(), "asked twice");
                }
                Owned::Cancel(query) => {
                    assert!(self.open.remove(&query).is_some(), "cancelled unasked");
                    self.gone.push(query);
                }
                Owned::Source(ask, address) => {
                    let own = match address {
                        IpAddr::V4(_) => self.sources[0].then(|| [192, 0, 2, 2].into()),
                        IpAddr::V6(_) => self.sources[1].then(|| [0xfd; 16].into()),
                    };
                    self.dialer.source(self.now, ask, own);
                }
                Owned::Connect(id, to) => {
                    assert!(self.busy);
                    self.check(to);
                    assert!(self.trying.insert(id, to).is_none(), "attempted twice");
                }
                Owned::Close(id) => {
                    assert!(self.trying.remove(&id).is_some(), "nothing to close");
                }
                Owned::Trace => {}
                Owned::Connected(id) => {
                    assert!(self.trying.remove(&id).is_some(), "{id} never began");
                    self.ended();
                }
                Owned::Resolved => {
                    assert_ne!(self.dialer.candidates().count(), 0);
                    self.ended();
                }
                Owned::Failed(fault) => {
                    assert!(!fault.code.cause().is_empty());
                    self.ended();
                }
                Owned::Wait(until) => {
                    assert_eq!(
                        until.is_some(),
                        self.busy,
                        "a deadline as long as there is hope"
                    );
                    return until;
                }
            }
        }
        panic!("the outputs do not end");
    }

    /// The end was told.
    fn ended(&mut self) {
        assert!(self.busy, "the end is told once");
        self.busy = false;
        assert!(self.trying.is_empty(), "{:?} left open", self.trying);
        assert!(self.open.is_empty(), "queries left open");
    }

    /// Time goes on until it is over.
    fn end(&mut self) {
        for _ in 0..TURNS {
            let Some(until) = self.drain() else {
                assert!(self.trying.is_empty() && self.open.is_empty());
                return;
            };
            self.now = self.now.max(until);
            self.dialer.handle_timeout(self.now);
        }
        panic!("the attempt does not end");
    }

    fn check_server(&self, server: SocketAddr) {
        let is = |ip| {
            let there = SocketAddr::new(ip, server.port());
            self.servers.contains(&there)
        };
        assert!(is(server.ip()) || self.inside(server.ip(), &is), "{server}");
    }

    fn check(&self, to: SocketAddr) {
        assert_eq!(to.port(), PORT);
        let allowed = match to.ip() {
            IpAddr::V4(_) => self.families != Families::V6,
            IpAddr::V6(_) => self.families != Families::V4,
        };
        assert!(allowed, "{to} is of the wrong family");
        let is = |ip| self.is_offered(ip);
        assert!(
            is(to.ip()) || self.inside(to.ip(), &is),
            "nobody offered {to}"
        );
    }

    fn is_offered(&self, ip: IpAddr) -> bool {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let in_message = |said: &Vec<u8>| said.windows(octets.len()).any(|part| part == octets);
        self.offered.contains(&ip) || self.said.iter().any(in_message)
    }

    /// Whether an IPv4 address that `is` what is wanted lies in it, behind a prefix that somebody told.
    fn inside(&self, ip: IpAddr, is: &dyn Fn(IpAddr) -> bool) -> bool {
        let IpAddr::V6(ip) = ip else { return false };
        let discovered = self
            .said
            .iter()
            .flat_map(|said| said.windows(16))
            .filter_map(|part| {
                let octets: [u8; 16] = part.try_into().ok()?;
                nat64::discover(octets.into())
            });
        let mut prefixes = self.prefixes.iter().copied().chain(discovered);
        prefixes.any(|prefix| prefix.extract(ip).is_some_and(|v4| is(v4.into())))
    }
}
