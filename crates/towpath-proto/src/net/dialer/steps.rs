//! The steps of an attempt: begin, take in outcomes, choose what comes next, see the end.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{
    Dialer, Ending, Host, LOOPBACK, Nat64, Phase, SourceId, Step, questions::Question, reaches,
    remembered::Remembered, verdict,
};
use crate::{
    buffers::Random,
    fault::{Code, Fault},
    net::{
        Candidate, Ended, Fact, Families, Family, Origin, Prefix, PrefixOrigin,
        dns::lookup::{MAX_ADDRESSES, MAX_SERVERS},
        dns::{Name, Outcome, Plan, Record, Send, Servers},
        nat64,
        race::MOST_CANDIDATES,
    },
    rung::Rung,
    time::Instant,
};

/// Any address of the IPv4 internet, to see whether a source reaches it. No packet is sent there.
const SOME_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 170));
/// The same for IPv6.
const SOME_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888));
/// The first number of a source that is not for a candidate.
const FIRST: u8 = 0x80;

/// Source addresses asked for at the beginning: for the two internets and for each server beyond the link.
#[derive(Debug)]
pub(super) struct Sources {
    asks: [Option<Ask>; 2 + MAX_SERVERS],
}

#[derive(Debug, Clone, Copy)]
struct Ask {
    address: IpAddr,
    asked: bool,
    answer: Option<IpAddr>,
}

impl Sources {
    pub(super) const fn new() -> Self {
        Self {
            asks: [None; 2 + MAX_SERVERS],
        }
    }

    fn begin(servers: &Servers) -> Self {
        let mut sources = Self::new();
        let wanted = [SOME_V4, SOME_V6].into_iter().chain(
            servers
                .as_slice()
                .iter()
                .map(SocketAddr::ip)
                .filter(|address| is_beyond_link(*address)),
        );
        for (slot, address) in sources.asks.iter_mut().zip(wanted) {
            *slot = Some(Ask {
                address,
                asked: false,
                answer: None,
            });
        }
        sources
    }

    fn poll(&mut self) -> Option<(SourceId, IpAddr)> {
        let (id, ask) = (FIRST..)
            .zip(self.asks.iter_mut().flatten())
            .find(|(_, ask)| !ask.asked)?;
        ask.asked = true;
        Some((SourceId(id), ask.address))
    }

    pub(super) fn answer(&mut self, id: SourceId, source: Option<IpAddr>) {
        let place = id.0.checked_sub(FIRST).map(usize::from);
        if let Some(Some(ask)) = place.and_then(|at| self.asks.get_mut(at)) {
            ask.answer = source;
        }
    }

    fn reach(&self, families: Families, address: IpAddr) -> bool {
        self.asks
            .iter()
            .flatten()
            .find(|ask| ask.address == address)
            .is_some_and(|ask| reaches(families, address, ask.answer))
    }
}

/// Whether a server is neither on this machine nor on its own link, so that reaching it takes an address that others
/// can answer to.
const fn is_beyond_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

impl Dialer {
    /// Whether packets reach the IPv4 internet without a translator.
    fn has_v4(&self) -> bool {
        self.sources.reach(self.settings.families, SOME_V4)
    }

    /// Whether packets leave this link by IPv6: to the internet, or at least to a DNS server. A Thread network often has
    /// routes to its own prefixes and to NAT64, and no default route.
    pub(super) fn has_v6(&self) -> bool {
        let mut asks = self.sources.asks.iter().flatten();
        asks.any(|ask| {
            ask.address.is_ipv6() && reaches(self.settings.families, ask.address, ask.answer)
        })
    }

    /// Whether packets leave this link at all, whatever families are allowed.
    pub(super) fn is_online(&self) -> bool {
        let mut asks = self.sources.asks.iter().flatten();
        asks.any(|ask| {
            !ask.address.is_loopback() && reaches(Families::Any, ask.address, ask.answer)
        })
    }

    /// Begins, now that nothing of the attempt before is open.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn start(&mut self, now: Instant) {
        self.phase = Phase::Busy;
        self.race =
            crate::net::race::Race::new(self.settings.attempt_delay, self.settings.patience)
                .at_once(self.settings.attempts);
        self.sources = Sources::begin(&self.settings.servers);
        // The settings may have been others.
        self.prefixes.forget(PrefixOrigin::Config);
        if let Nat64::Prefix(prefix) = self.settings.nat64 {
            self.learned(now, prefix, PrefixOrigin::Config, Duration::MAX);
        }
        match &self.host {
            Host::Address(address) => self.pool.offer(*address, Origin::Literal),
            Host::Loopback => {
                for address in LOOPBACK {
                    self.pool.offer(address, Origin::Hosts);
                }
            }
            Host::Name(name) => {
                if let Some((addresses, ttl)) = self.remembered.of(now, name) {
                    let mut count = 0u8;
                    for address in addresses {
                        self.pool.offer(address, Origin::Dns);
                        count = count.saturating_add(1);
                    }
                    let addresses = count;
                    self.facts
                        .push(now, Rung::Dns, Fact::Remembered { addresses, ttl });
                }
            }
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            servers: self.settings.servers,
            timeout: self.settings.query_timeout,
            rounds: self.settings.query_rounds,
            udp_size: self.settings.udp_size,
            deadline: Some(self.began.after(self.settings.patience)),
        }
    }

    /// Asks what is to be asked and was not.
    fn ask(&mut self, now: Instant) {
        if self.awaits_way_to_servers(now) {
            return;
        }
        let plan = self.plan();
        if let Host::Name(name) = &self.host
            && self.pool.is_empty()
            && !self.questions.is_asked(Question::V4)
            && !self.questions.is_asked(Question::V6)
        {
            let families = self.settings.families;
            let translates = self.settings.nat64 != Nat64::Off;
            if families.allow(Family::V6) {
                self.questions.ask(now, Question::V6, name.clone(), &plan);
            }
            if families.allow(Family::V4) || translates {
                self.questions.ask(now, Question::V4, name.clone(), &plan);
            }
        }
        if self.wants_prefix(now)
            && !self.questions.is_asked(Question::Prefix)
            && let Ok(name) = Name::parse(nat64::DISCOVERY_NAME)
        {
            self.questions.ask(now, Question::Prefix, name, &plan);
        }
    }

    /// Whether a NAT64 prefix is needed, or will most likely be, and none is known.
    fn wants_prefix(&self, now: Instant) -> bool {
        let may_need = match &self.host {
            // Asked beside A, so as not to lose time; with a remembered answer only if it is needed.
            Host::Name(_) if self.pool.is_empty() => !self.has_v4(),
            _ => self.pool.behind().next().is_some(),
        };
        self.settings.nat64 == Nat64::Auto
            && self.settings.families != Families::V4
            && may_need
            && self.has_v6()
            && !self.settings.servers.is_empty()
            && self.prefixes.best(now).next().is_none()
    }

    pub(super) fn step(&mut self, now: Instant, random: &mut dyn Random) -> Step {
        if let Some((id, address)) = self.sources.poll() {
            return Step::Source(id, address);
        }
        self.ask(now);
        if let Some(question) = self.questions.take_finished() {
            self.take_in(now, question);
            return Step::Again;
        }
        self.translate(now);
        if let Some((id, address, origin)) = self.pool.poll() {
            return self.offered(now, id, address, origin);
        }
        if let Some((query, send)) = self.questions.poll(now, random) {
            return match self.way_to(now, &send) {
                Some(server) => {
                    let question = query.question();
                    let fact = Fact::Asked {
                        record: question.record(),
                        server,
                        over: send.over,
                    };
                    self.facts.push(now, question.rung(), fact);
                    Step::Query(query, server, send.over)
                }
                None => {
                    let fault = Fault::new(Rung::Dns, Code::NetUnreachable);
                    self.questions.unsent(now, query, fault);
                    Step::Again
                }
            };
        }
        if self.questions.finished().is_some() {
            // It had something to ask, but its time is over.
            return Step::Again;
        }
        if self.may_connect(now)
            && let Some((id, candidate)) = self.race.poll(now)
        {
            self.tell_order(now);
            self.facts.push(now, Rung::Tcp, Fact::Trying(candidate));
            return Step::Connect(id, SocketAddr::new(candidate.address, self.port));
        }
        if let Some(ending) = self.ending(now) {
            if self.race.is_empty() || self.race.is_lost() {
                self.remembered = Remembered::nothing();
                self.prefixes.forget(PrefixOrigin::Discovery);
            } else {
                self.tell_order(now);
                self.remember(now);
            }
            self.end(ending);
            return Step::Again;
        }
        Step::Wait
    }

    /// Where a question to this server goes: to itself, or through NAT64.
    fn way_to(&self, now: Instant, send: &Send) -> Option<SocketAddr> {
        let IpAddr::V4(address) = send.server.ip() else {
            return Some(send.server);
        };
        // The families are about connections: a resolver may be asked over the other one.
        if self.sources.reach(Families::Any, address.into()) {
            return Some(send.server);
        }
        let (prefix, _) = self.prefixes.best(now).next()?;
        let through = prefix
            .may_carry(address)
            .then(|| prefix.synthesise(address))?;
        Some(SocketAddr::new(through.into(), send.server.port()))
    }

    /// Uses the outcome of a question.
    #[cfg_attr(target_os = "none", inline(never))]
    fn take_in(&mut self, now: Instant, question: Question) {
        let record = question.record();
        let rung = question.rung();
        let mut list = [None; MAX_ADDRESSES];
        let (fact, ttl) = match self.questions.outcome(question) {
            None => return,
            Some(Outcome::Found { addresses, ttl }) => {
                for (slot, address) in list.iter_mut().zip(addresses) {
                    *slot = Some(*address);
                }
                if question != Question::Prefix {
                    let until = now.after(ttl);
                    let sooner = |earlier: Instant| earlier.min(until);
                    self.good_until = Some(self.good_until.map_or(until, sooner));
                }
                (answered(record, addresses.len(), ttl), ttl)
            }
            Some(Outcome::NoData { ttl }) => (answered(record, 0, ttl), ttl),
            Some(Outcome::NoName { ttl }) => (unanswered(record, Code::NameNotFound), ttl),
            Some(Outcome::Failed(fault)) => (unanswered(record, fault.code), Duration::ZERO),
        };
        self.facts.push(now, rung, fact);
        // Half of the places at most, so that either family takes part in the race.
        for address in list.into_iter().flatten().take(MOST_CANDIDATES / 2) {
            match (question, address) {
                (Question::Prefix, IpAddr::V6(address)) => self.discovered(now, address, ttl),
                (Question::Prefix, IpAddr::V4(_)) => {}
                _ => self.pool.offer(address, Origin::Dns),
            }
        }
        if question == Question::V4 {
            self.v4_at = Some(now);
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn discovered(&mut self, now: Instant, address: Ipv6Addr, ttl: Duration) {
        if let Some(prefix) = nat64::discover(address) {
            // However short it may be used: this attempt is what it was asked for.
            let lifetime = ttl.max(self.settings.patience);
            self.learned(now, prefix, PrefixOrigin::Discovery, lifetime);
        }
    }

    /// An address is on offer: drops it, or asks for its source.
    #[cfg_attr(target_os = "none", inline(never))]
    fn offered(&mut self, now: Instant, id: u8, address: IpAddr, origin: Origin) -> Step {
        let ask = SourceId(id);
        let refused = match (address, self.translated_by(now, address, origin)) {
            (IpAddr::V6(v6), Some(prefix)) => prefix
                .extract(v6)
                .filter(|v4| !prefix.may_carry(*v4))
                .map(|_| Code::Nat64Private),
            (IpAddr::V6(_), None) if !self.settings.families.allow(Family::V6) => {
                Some(Code::FamilyUnavailable)
            }
            _ => None,
        };
        if let Some(code) = refused {
            let _ = self.pool.answered(id);
            self.drop_address(now, address, code);
            return Step::Again;
        }
        Step::Source(ask, address)
    }

    /// The prefix that an IPv6 address lies in.
    pub(super) fn translated_by(
        &self,
        now: Instant,
        address: IpAddr,
        origin: Origin,
    ) -> Option<Prefix> {
        let IpAddr::V6(address) = address else {
            return None;
        };
        origin.prefix().or_else(|| {
            self.prefixes
                .best(now)
                .map(|(prefix, _)| prefix)
                .chain([Prefix::WELL_KNOWN])
                .find(|prefix| prefix.extract(address).is_some())
        })
    }

    /// The source address of an offered address is known: lets it race, or puts it behind a translator.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn sourced(
        &mut self,
        now: Instant,
        address: IpAddr,
        origin: Origin,
        source: Option<IpAddr>,
    ) {
        let families = self.settings.families;
        if reaches(families, address, source) {
            let origin = match (origin, self.translated_by(now, address, origin)) {
                (Origin::Dns | Origin::System, Some(prefix)) => Origin::Dns64(prefix),
                _ => origin,
            };
            self.race.add(Candidate {
                address,
                origin,
                source,
            });
            if address.is_ipv4() && self.v4_at.is_none() {
                self.v4_at = Some(now);
            }
        } else if address.is_ipv4() && !address.is_loopback() && families != Families::V4 {
            // A loopback address would be the translator's own.
            self.pool.put_behind(address);
        } else {
            self.drop_address(now, address, Code::NoSourceAddress);
        }
    }

    /// Offers what is behind a translator through each prefix that is known.
    fn translate(&mut self, now: Instant) {
        if self.settings.nat64 == Nat64::Off {
            return;
        }
        for (prefix, origin) in self.prefixes.best(now) {
            let mut refused = None;
            self.pool
                .translate(prefix, origin, |address| refused = Some(address));
            if let Some(address) = refused {
                self.drop_address(now, address.into(), Code::Nat64Private);
            }
        }
    }

    fn drop_address(&mut self, now: Instant, address: IpAddr, code: Code) {
        // One that may not be carried says more than one that nothing reaches.
        let worse = matches!(self.dropped, Some((_, Code::Nat64Private)));
        if self.dropped == Some((address, code)) {
            return;
        }
        if !worse {
            self.dropped = Some((address, code));
        }
        let rung = match code {
            Code::Nat64Private => Rung::Nat64,
            _ => Rung::Address,
        };
        self.facts.push(now, rung, Fact::Dropped(address, code));
    }

    /// Whether attempts may begin: IPv4 gives IPv6 a head start (RFC 8305 section 3).
    fn may_connect(&self, now: Instant) -> bool {
        let head_start_over = self
            .v4_at
            .is_some_and(|at| now >= at.after(self.settings.resolution_delay));
        let has_v6 = || {
            self.race
                .candidates()
                .any(|(_, candidate)| candidate.path() == Family::V6)
        };
        self.connect && (!self.questions.is_pending(Question::V6) || head_start_over || has_v6())
    }

    /// The end, if this is it.
    #[cfg_attr(target_os = "none", inline(never))]
    fn ending(&self, now: Instant) -> Option<Ending> {
        let looking = self.questions.is_any_pending() || self.pool.is_busy();
        let found = !self.race.is_empty();
        let trying = found && !self.race.is_lost();
        if looking || (trying && self.connect) || self.awaits_advertisement(now) {
            return None;
        }
        Some(if !found {
            Ending::Failed(self.unresolved())
        } else if trying {
            Ending::Resolved
        } else {
            // A prefix may have become known after its addresses began to race.
            let is_translated = |candidate: &Candidate| {
                self.translated_by(now, candidate.address, candidate.origin)
                    .is_some()
            };
            Ending::Failed(verdict::unreached(&self.race, self.port, is_translated))
        })
    }

    /// Whether a prefix may still come from a router.
    fn awaits_advertisement(&self, now: Instant) -> bool {
        self.settings.nat64 == Nat64::Auto
            && (self.pool.behind().next().is_some() || self.awaits_way_to_servers(now))
            && self.prefixes.best(now).next().is_none()
            && now < self.began.after(self.settings.advertisement_wait)
    }

    /// Whether every DNS server is one of IPv4 that only a prefix leads to, and that prefix may still come.
    fn awaits_way_to_servers(&self, now: Instant) -> bool {
        let servers = self.settings.servers.as_slice();
        let out_of_reach = |server: &SocketAddr| {
            server.is_ipv4() && !self.sources.reach(Families::Any, server.ip())
        };
        let is_asked = Question::ALL
            .into_iter()
            .any(|question| self.questions.is_asked(question));
        self.settings.nat64 == Nat64::Auto
            && matches!(self.host, Host::Name(_))
            && self.pool.is_empty()
            && !is_asked
            && !servers.is_empty()
            && servers.iter().all(out_of_reach)
            && self.prefixes.best(now).next().is_none()
            && now < self.began.after(self.settings.advertisement_wait)
    }

    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let head_start = self
            .v4_at
            .map(|at| at.after(self.settings.resolution_delay))
            .filter(|at| now < *at && self.connect);
        let advertisement = self
            .awaits_advertisement(now)
            .then(|| self.began.after(self.settings.advertisement_wait));
        let race = self.race.deadline().filter(|_| self.may_connect(now));
        [self.questions.deadline(), head_start, advertisement, race]
            .into_iter()
            .flatten()
            .min()
    }

    /// Keeps the answers for their time to live.
    pub(super) fn remember(&mut self, now: Instant) {
        let Host::Name(name) = &self.host else { return };
        if self.questions.is_pending(Question::V6) || self.questions.is_pending(Question::V4) {
            return;
        }
        let found = [Question::V6, Question::V4]
            .into_iter()
            .filter_map(|question| match self.questions.outcome(question)? {
                Outcome::Found { addresses, .. } => {
                    Some(addresses.iter().take(MOST_CANDIDATES / 2))
                }
                _ => None,
            })
            .flatten();
        // Counted from the answers on, not from now.
        if let Some(until) = self.good_until.filter(|until| now < *until) {
            self.remembered = Remembered::keep(now, name, found.copied(), until);
        }
    }

    /// Tells the order of attempts, if it is not the one that was told.
    fn tell_order(&mut self, now: Instant) {
        let count = self.race.candidates().count();
        if !self.facts.on || count == self.told {
            return;
        }
        self.told = count;
        for (rank, (candidate, rule)) in (0..).zip(self.race.plan()) {
            self.facts
                .push(now, Rung::Address, Fact::Ordered(rank, candidate, rule));
        }
    }

    pub(super) fn tell_failed(&mut self, now: Instant, id: u8, fault: &Fault) {
        if let Some(candidate) = self.race.candidate(id) {
            let after = self.race.elapsed(now, id);
            let fact = Fact::Ended(candidate.address, Ended::Failed(fault.code), after);
            self.facts.push(now, Rung::Tcp, fact);
        }
    }
}

fn answered(record: Record, addresses: usize, ttl: Duration) -> Fact {
    Fact::Answered {
        record,
        addresses: u8::try_from(addresses).unwrap_or(u8::MAX),
        ttl,
    }
}

const fn unanswered(record: Record, code: Code) -> Fact {
    Fact::Unanswered { record, code }
}
