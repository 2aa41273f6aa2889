//! Drives a dialer through a plan, and sees what it must never do.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use towpath_proto::{
    Code, Fault, Instant, Rung,
    net::{
        Dialer, Families, Prefix, PrefixOrigin,
        dialer::{Nat64, Output, QueryId},
        dns::Transport,
    },
};
use towpath_sim::{Rng, dns::Question};

use crate::{
    plan::{Between, Host, Knowledge, NAME, Plan},
    tally::Tally,
    world::{self, Back, Truth},
};

const PORT: u16 = 8883;

/// What happens at a time.
#[derive(Debug)]
enum Event {
    Answer(QueryId, u64, Back, Option<Truth>),
    Connect(u8, u64, Host),
    Prefix(Prefix, PrefixOrigin),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    Connected(SocketAddr),
    Failed(Fault),
    /// The caller gave it up.
    Cut,
}

/// What the driver holds for an attempt to connect.
#[derive(Debug, Clone, Copy)]
struct Socket {
    serial: u64,
    address: SocketAddr,
    connected: bool,
}

struct Run<'a> {
    plan: &'a Plan,
    log: bool,
    dialer: Dialer,
    /// For the servers, and for the dialer.
    world: Rng,
    random: Rng,
    now: Instant,
    began: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    serial: u64,
    queries: HashMap<QueryId, u64>,
    sockets: HashMap<u8, Socket>,
    /// Addresses that a true answer named, and until when they are good. While an attempt lasts it may use all that it
    /// was told.
    offered: HashMap<IpAddr, Instant>,
    told: Vec<IpAddr>,
    prefixes: Vec<(Prefix, Instant)>,
    asked: u64,
    tally: Tally,
}

pub(crate) fn run(plan: &Plan, log: bool) -> Tally {
    let mut dialer = Dialer::new(plan.settings.clone());
    dialer.trace(log || plan.seed.is_multiple_of(2));
    let mut run = Run {
        plan,
        log,
        dialer,
        world: Rng::new(plan.seed ^ 0x5eed),
        random: Rng::new(plan.seed ^ 0xd1a1),
        now: Instant::from_millis(1_000_000),
        began: Instant::ZERO,
        events: BTreeMap::new(),
        serial: 0,
        queries: HashMap::new(),
        sockets: HashMap::new(),
        offered: HashMap::new(),
        told: Vec::new(),
        prefixes: Vec::new(),
        asked: 0,
        tally: Tally::default(),
    };
    run.tally.schedules = 1;
    run.tally.fair = u64::from(plan.fair);
    if let Some((prefix, Knowledge::Settings)) = plan.prefix {
        run.prefixes.push((prefix, Instant::from_micros(u64::MAX)));
    }
    if let Some((prefix, Knowledge::Comes(origin, after))) = plan.prefix {
        run.at(after, Event::Prefix(prefix, origin));
    }
    for between in &plan.attempts {
        let ending = run.attempt(between);
        if run.ended(ending) {
            run.pause(between);
        }
    }
    run.dialer.abandon();
    assert_eq!(run.drain(), Drained::Wait(None));
    run.nothing_is_open();
    run.tally
}

#[derive(Debug, PartialEq)]
enum Drained {
    Ended(Ending),
    Wait(Option<Instant>),
}

impl Run<'_> {
    fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.log {
            let at = self.now.since(self.began);
            eprintln!("{:>9.3} {what}", at.as_secs_f64());
        }
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.serial += 1;
        self.events
            .insert((self.now.after(after), self.serial), event);
    }

    fn attempt(&mut self, between: &Between) -> Ending {
        self.began = self.now;
        self.tally.attempts += 1;
        self.asked = 0;
        self.told.clear();
        self.offered.retain(|_, until| *until > self.began);
        self.prefixes.retain(|(_, until)| *until > self.began);
        self.say(format_args!("dial {}", self.plan.host));
        let dialed = self.dialer.dial(self.now, &self.plan.host, PORT);
        dialed.expect("a name or an address");
        let cut = between.cut.map(|after| self.began.after(after));
        let mut turns = 0;
        loop {
            let until = match self.drain() {
                Drained::Ended(ending) => return ending,
                Drained::Wait(until) => until.expect("a deadline while something is under way"),
            };
            turns += 1;
            assert!(turns < 5000, "it does not come to an end");
            assert!(self.now <= self.latest(), "it takes longer than it may");
            if cut.is_some_and(|cut| self.now >= cut) {
                return Ending::Cut;
            }
            self.wait(until, cut);
        }
    }

    /// When an attempt has to be over: the questions, then each address for as long as it may take, after another if
    /// only so many may be tried at a time.
    fn latest(&self) -> Instant {
        let settings = &self.plan.settings;
        let turns = 16 / u32::from(settings.attempts).max(1) + 2;
        let span = settings.advertisement_wait
            + settings.resolution_delay
            + settings.patience * (turns + 1)
            + settings.attempt_delay * 16
            + self.plan.sloth * 200;
        self.began.after(span)
    }

    /// Lets time pass until something happens or is to be done.
    fn wait(&mut self, until: Instant, cut: Option<Instant>) {
        let until = cut.map_or(until, |cut| cut.min(until)).max(self.now);
        match self.events.first_entry() {
            Some(entry) if entry.key().0 <= until => {
                let (at, _) = *entry.key();
                let event = entry.remove();
                self.now = self.now.max(at);
                self.happens(event);
            }
            _ => {
                let sloth = self.plan.sloth.as_micros() as usize;
                let late = Duration::from_micros(self.world.below(sloth + 1) as u64);
                self.now = until.after(late);
                self.dialer.handle_timeout(self.now);
            }
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Answer(query, serial, back, truth) => self.answer(query, serial, &back, truth),
            Event::Connect(id, serial, host) => {
                let Some(socket) = self.sockets.get_mut(&id) else {
                    return;
                };
                if socket.serial != serial {
                    return;
                }
                socket.connected = matches!(host, Host::Accepts(_));
                let address = socket.address;
                self.say(format_args!("{address} {host:?}"));
                let code = match host {
                    Host::Accepts(_) => return self.dialer.connected(self.now, id),
                    Host::Refuses(_) => Code::Refused,
                    _ => Code::HostUnreachable,
                };
                self.sockets.remove(&id);
                let fault = Fault::new(Rung::Tcp, code).number(111);
                self.dialer.connect_failed(self.now, id, fault);
            }
            Event::Prefix(prefix, origin) => {
                self.say(format_args!("prefix {prefix} by {origin}"));
                let lifetime = Duration::from_secs(1800);
                self.prefixes.push((prefix, self.now.after(lifetime)));
                self.dialer.learned(self.now, prefix, origin, lifetime);
            }
        }
    }

    fn answer(&mut self, query: QueryId, serial: u64, back: &Back, truth: Option<Truth>) {
        let is_open = self.queries.get(&query) == Some(&serial);
        // A driver that was about to report it when it was cancelled may do so now and then.
        if !is_open && self.world.chance(80) {
            return;
        }
        self.say(format_args!("answer, open: {is_open}, {truth:?}"));
        match back {
            Back::Broken if is_open => {
                let fault = Fault::new(Rung::Tcp, Code::Refused).number(111);
                self.dialer.query_failed(self.now, query, fault);
            }
            Back::Broken => {}
            Back::Message(bytes) => {
                match truth {
                    Some(truth) if is_open => self.believe(&truth),
                    Some(_) => {}
                    None => self.tally.lies += u64::from(is_open),
                }
                self.dialer.answered(self.now, query, bytes);
            }
        }
    }

    /// The client may rely on this from now on.
    fn believe(&mut self, truth: &Truth) {
        let until = self.now.after(Duration::from_secs(truth.ttl.into()));
        for address in &truth.addresses {
            if truth.discovery {
                let (prefix, _) = self.plan.prefix.expect("a prefix to discover");
                // An attempt may use to its end what it found.
                let end = self.now.after(self.plan.settings.patience);
                self.prefixes.push((prefix, until.max(end)));
                continue;
            }
            self.told.push(*address);
            let known = self.offered.entry(*address).or_insert(until);
            *known = until.max(*known);
        }
    }

    /// Takes what the dialer has to say until it waits or ends.
    fn drain(&mut self) -> Drained {
        for _ in 0..2000 {
            let output = self.dialer.poll_output(self.now, &mut self.random);
            match output {
                Output::Query {
                    query,
                    server,
                    over,
                    message,
                } => {
                    let question = Question::read(message);
                    self.query(query, server, over, &question);
                }
                Output::Cancel(query) => {
                    let open = self.queries.remove(&query);
                    assert!(open.is_some(), "{query:?} is cancelled but not open");
                }
                Output::Source(id, address) => {
                    let source = self.plan.source(address);
                    self.dialer.source(self.now, id, source);
                }
                Output::Connect { id, address } => self.connect(id, address),
                Output::Close(id) => {
                    let open = self.sockets.remove(&id).expect("something to close");
                    self.say(format_args!("close {}", open.address));
                    self.tally.closed += 1;
                }
                Output::Trace(_, rung, fact) => {
                    if self.log {
                        eprintln!("          {rung}: {fact:?}");
                    }
                }
                Output::Connected(id) => {
                    let socket = self.sockets.get(&id).expect("an open socket");
                    assert!(socket.connected, "it has a connection");
                    return Drained::Ended(Ending::Connected(socket.address));
                }
                Output::Resolved => panic!("nobody asked to resolve"),
                Output::Failed(fault) => return Drained::Ended(Ending::Failed(fault)),
                Output::Wait { until, .. } => return Drained::Wait(until),
            }
        }
        panic!("the dialer never waits");
    }

    fn query(&mut self, query: QueryId, to: SocketAddr, over: Transport, question: &Question) {
        self.say(format_args!("ask {to} over {over}: {question:?}"));
        self.tally.queries += 1;
        self.tally.over_tcp += u64::from(over == Transport::Tcp);
        self.asked += 1;
        self.serial += 1;
        let serial = self.serial;
        assert!(
            self.queries.insert(query, serial).is_none(),
            "{query:?} is open already"
        );
        let through = |server: SocketAddr| {
            let IpAddr::V4(v4) = server.ip() else {
                return None;
            };
            let prefix = self.prefixes.iter().map(|(prefix, _)| prefix);
            prefix
                .map(|prefix| SocketAddr::new(prefix.synthesise(v4).into(), server.port()))
                .find(|through| *through == to)
        };
        let plan = self.plan;
        let server = plan
            .servers
            .iter()
            .find(|server| server.address == to || through(server.address).is_some())
            .expect("a server that was given");
        // Which family connections may have is no matter of the way to a DNS server.
        if plan.source(to.ip()).is_none() {
            let broken = Event::Answer(query, serial, Back::Broken, None);
            return self.at(Duration::ZERO, broken);
        }
        for arrival in world::ask(plan, server, question, over, &mut self.world) {
            let event = Event::Answer(query, serial, arrival.back, arrival.truth);
            self.at(arrival.after, event);
        }
    }

    fn connect(&mut self, id: u8, address: SocketAddr) {
        self.say(format_args!("connect {address}"));
        self.tally.connects += 1;
        assert_eq!(address.port(), PORT);
        assert!(!world::is_poison(address.ip()), "{address} is a lie");
        assert!(self.may_connect(address.ip()), "nobody offered {address}");
        assert!(
            self.plan.reaches(address.ip()),
            "{address} can't be reached from here"
        );
        self.serial += 1;
        let socket = Socket {
            serial: self.serial,
            address,
            connected: false,
        };
        let open = self.sockets.insert(id, socket);
        assert!(open.is_none(), "attempt {id} is under way already");
        let most = usize::from(self.plan.settings.attempts.max(1));
        assert!(self.sockets.len() <= most, "more sockets than allowed");
        let host = self.plan.host(address.ip());
        let (Host::Accepts(after) | Host::Refuses(after) | Host::Unreachable(after)) = host else {
            return;
        };
        self.at(after, Event::Connect(id, socket.serial, host));
    }

    /// Whether somebody offered `address`, or the IPv4 address in it.
    fn may_connect(&mut self, address: IpAddr) -> bool {
        let plan = self.plan;
        let offered = |address: IpAddr| match plan.host.as_str() {
            NAME => {
                // An attempt may use what it was told, however short it is good; a later one only what is still good.
                self.told.contains(&address) || self.offered.contains_key(&address)
            }
            "localhost" => address.is_loopback(),
            literal => address.to_string() == literal,
        };
        if offered(address) {
            return true;
        }
        let IpAddr::V6(v6) = address else {
            return false;
        };
        let made = |v4: Ipv4Addr| offered(v4.into());
        let translated = self
            .prefixes
            .iter()
            .filter_map(|(prefix, _)| prefix.extract(v6))
            .any(|v4| made(v4) && !v4.is_loopback());
        self.tally.translated += u64::from(translated);
        translated
    }

    /// Whether it is over, with nothing left open.
    fn ended(&mut self, ending: Ending) -> bool {
        self.say(format_args!("ends: {ending:?}"));
        match ending {
            Ending::Connected(_) => {
                self.tally.connected += 1;
                self.tally.remembered += u64::from(self.plan.host == NAME && self.asked == 0);
                // The others were closed before it was said; the connection itself is the caller's now.
                assert_eq!(self.sockets.len(), 1, "losers are closed");
                self.sockets.clear();
            }
            Ending::Failed(fault) => {
                *self.tally.faults.entry(fault.code.name()).or_default() += 1;
                assert!(
                    !(self.plan.fair && self.has_way()),
                    "there was a way: {fault}"
                );
            }
            Ending::Cut => {
                self.tally.cut += 1;
                // Half of them dial again at once, without a word.
                if self.serial.is_multiple_of(2) {
                    return false;
                }
                self.dialer.abandon();
            }
        }
        assert_eq!(self.drain(), Drained::Wait(None));
        self.nothing_is_open();
        true
    }

    fn nothing_is_open(&self) {
        assert!(self.queries.is_empty(), "left open: {:?}", self.queries);
        assert!(self.sockets.is_empty(), "left open: {:?}", self.sockets);
    }

    fn pause(&mut self, between: &Between) {
        let end = self.now.after(between.pause);
        // Prefixes come, answers to nobody too.
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= end
        {
            self.now = self.now.max(entry.key().0);
            let event = entry.remove();
            self.happens(event);
        }
        self.now = end;
        if between.forget {
            self.dialer.forget();
            self.offered.clear();
            self.prefixes
                .retain(|_| self.plan.settings.nat64 != Nat64::Auto);
        }
    }

    /// Whether a host that accepts can be reached, as the network is.
    fn has_way(&self) -> bool {
        let plan = self.plan;
        let accepts = |address: IpAddr| matches!(plan.host(address), Host::Accepts(_));
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = match plan.host.as_str() {
            NAME => (
                plan.zone.v4.iter().copied().map(IpAddr::from).collect(),
                plan.zone.v6.iter().copied().map(IpAddr::from).collect(),
            ),
            "localhost" => (vec![Ipv4Addr::LOCALHOST.into()], Vec::new()),
            literal => (vec![literal.parse().expect("an address")], Vec::new()),
        };
        let known = |(prefix, _): &(Prefix, Instant)| Some(*prefix) == plan.prefix.map(|(p, _)| p);
        let translates = plan.v6
            && plan.settings.families != Families::V4
            && plan.settings.nat64 != Nat64::Off
            && self.prefixes.iter().any(known);
        let mut all = v4.iter().chain(&v6);
        all.any(|address| {
            let behind = address.is_ipv4() && !address.is_loopback();
            let way = plan.reaches(*address) || (behind && translates);
            way && accepts(*address)
        })
    }
}
