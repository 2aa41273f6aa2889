//! From a host name to one open connection, sans-I/O: asks for addresses, translates them where needed, lets
//! connection attempts race, and tells one winner or one fault.
//!
//! The driver law: mutate ([`dial`](Dialer::dial), an answer, a timeout), then drain
//! [`poll_output`](Dialer::poll_output) until it waits or ends.
//!
//! - AAAA and A are asked together; with IPv4 out of reach `ipv4only.arpa` beside them (RFC 7050).
//! - IPv4 waits a moment for the answer about IPv6 (RFC 8305 section 3); a late answer joins the race.
//! - An IPv4 address that no source address reaches is tried through each known NAT64 prefix (RFC 8305 section 7).
//! - An answer is remembered for its time to live, and forgotten when all its addresses fail.

mod facts;
mod pool;
mod prefixes;
mod questions;
mod remembered;
mod settings;
mod steps;
mod verdict;

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

pub use questions::QueryId;
pub use settings::{Nat64, Settings};

use self::{
    facts::Facts, pool::Pool, prefixes::Prefixes, questions::Questions, remembered::Remembered,
    steps::Sources,
};
use super::{
    Candidate, Fact, Families, Family, Origin, PrefixOrigin,
    dns::{Name, QUERY_ROOM, Transport},
    nat64::Prefix,
    race::{Id, Race},
    select::{self, Rule},
};
use crate::{buffers::Random, fault::Fault, path::Reason, rung::Rung, text::Text, time::Instant};

/// Which source address is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceId(u8);

/// What the driver does next.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this message to a DNS server and give what comes back to [`Dialer::answered`]. One socket for each query, so
    /// that its port is new each time (RFC 5452 section 9.2).
    Query {
        /// Its number.
        query: QueryId,
        /// The server, or its address behind NAT64.
        server: SocketAddr,
        /// Over UDP, or over TCP with two bytes of length in front.
        over: Transport,
        /// The message.
        message: &'a [u8],
    },
    /// Nobody waits for this query any more; its socket can go.
    Cancel(QueryId),
    /// Say at once by [`Dialer::source`] which address of this device packets to this one would bear.
    Source(SourceId, IpAddr),
    /// Begin to connect, and say by [`Dialer::connected`] or [`Dialer::connect_failed`] how it ended.
    Connect {
        /// The number of the attempt.
        id: Id,
        /// Where to.
        address: SocketAddr,
    },
    /// Give the attempt up, or close its connection.
    Close(Id),
    /// A fact.
    Trace(Instant, Rung, Fact),
    /// The end: this attempt's connection is the one.
    Connected(Id),
    /// The end of [`Dialer::resolve`]: there are candidates.
    Resolved,
    /// The end: there is no connection.
    Failed(Fault),
    /// Nothing to do until then, or until something comes in.
    Wait {
        /// When to call [`Dialer::handle_timeout`].
        until: Option<Instant>,
        /// Why it waits.
        reason: Reason,
    },
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Everything of the attempt before has to be closed first.
    Begin,
    /// Addresses are looked for and tried.
    Busy,
    /// This is to be told.
    Ending(Ending),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Connected(Id),
    Resolved,
    Failed(Fault),
}

/// What the host part of a URL turned out to be.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a name lies in the value, since there is no allocator"
)]
enum Host {
    Address(IpAddr),
    /// `localhost` and names below it (RFC 6761 section 6.3).
    Loopback,
    Name(Name),
}

/// Finds the way to one server at a time.
#[derive(Debug)]
pub struct Dialer {
    settings: Settings,
    phase: Phase,
    host: Host,
    /// The host as given, for faults.
    text: Text<56>,
    port: u16,
    /// Whether to connect, or only to find candidates.
    connect: bool,
    began: Instant,
    /// When the first IPv4 addresses were known.
    v4_at: Option<Instant>,
    /// Until when the addresses found are good.
    good_until: Option<Instant>,
    sources: Sources,
    questions: Questions,
    pool: Pool,
    prefixes: Prefixes,
    race: Race,
    /// How many candidates the order that was told had.
    told: usize,
    /// An address that was not tried, and why.
    dropped: Option<(IpAddr, crate::fault::Code)>,
    remembered: Remembered,
    facts: Facts,
    scratch: [u8; QUERY_ROOM],
}

impl Dialer {
    /// A dialer that has nothing to do yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            phase: Phase::Idle,
            host: Host::Loopback,
            text: Text::EMPTY,
            port: 0,
            connect: true,
            began: Instant::ZERO,
            v4_at: None,
            good_until: None,
            sources: Sources::new(),
            questions: Questions::none(),
            pool: Pool::new(),
            prefixes: Prefixes::new(),
            race: Race::new(settings.attempt_delay, settings.patience),
            told: 0,
            dropped: None,
            remembered: Remembered::nothing(),
            facts: Facts::new(),
            scratch: [0; QUERY_ROOM],
            settings,
        }
    }

    /// The settings; changes count from the next attempt on.
    pub const fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Whether facts are handed out.
    pub const fn trace(&mut self, on: bool) {
        self.facts.on = on;
    }

    /// Begins to look for a connection to `host`, a name or an address. What was under way is given up.
    ///
    /// # Errors
    /// [`Code::NameInvalid`](crate::Code::NameInvalid) for what can't be a name.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn dial(&mut self, now: Instant, host: &str, port: u16) -> Result<(), Fault> {
        self.begin(now, host, port, true)
    }

    /// The same, but connects nowhere: ends with [`Output::Resolved`].
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub fn resolve(&mut self, now: Instant, host: &str, port: u16) -> Result<(), Fault> {
        self.begin(now, host, port, false)
    }

    fn begin(&mut self, now: Instant, host: &str, port: u16, connect: bool) -> Result<(), Fault> {
        self.abandon();
        self.host = Host::parse(host)?;
        self.text = Text::from_bytes(host.as_bytes());
        self.port = port;
        self.connect = connect;
        self.began = now;
        self.v4_at = None;
        self.good_until = None;
        self.told = 0;
        self.dropped = None;
        self.pool = Pool::new();
        self.phase = Phase::Begin;
        Ok(())
    }

    /// Right after [`dial`](Self::dial) or [`resolve`](Self::resolve): uses these addresses instead of asking for any.
    pub fn known(&mut self, addresses: &[IpAddr], origin: Origin) {
        for address in addresses {
            self.pool.offer(*address, origin);
        }
    }

    /// A NAT64 prefix became known and may be used for `lifetime`; zero: no longer.
    pub fn learned(
        &mut self,
        now: Instant,
        prefix: Prefix,
        origin: PrefixOrigin,
        lifetime: Duration,
    ) {
        if self.prefixes.learn(now, prefix, origin, lifetime) {
            self.facts
                .push(now, Rung::Nat64, Fact::Prefix(prefix, origin));
        }
    }

    /// The network changed: forgets answers and the prefixes that it gave.
    pub fn forget(&mut self) {
        self.remembered = Remembered::nothing();
        for origin in [
            PrefixOrigin::Discovery,
            PrefixOrigin::RouterAdvertisement,
            PrefixOrigin::ThreadNetworkData,
        ] {
            self.prefixes.forget(origin);
        }
    }

    /// The addresses that the latest answer gave, and for how long they are good, for a driver that keeps them and not the
    /// dialer: it hands them to [`known`](Self::known) another time.
    pub fn remembered(
        &self,
        now: Instant,
    ) -> Option<(impl Iterator<Item = IpAddr> + '_, Duration)> {
        match &self.host {
            Host::Name(name) => self.remembered.of(now, name),
            _ => None,
        }
    }

    /// The NAT64 prefixes that are known, and for how long, for the same driver and [`learned`](Self::learned).
    pub fn prefixes(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (Prefix, PrefixOrigin, Duration)> + '_ {
        self.prefixes.all(now)
    }

    /// Writes the message of a query into `room` once more, for a driver that sends it later than it was handed out.
    /// Nothing if nobody waits for it any more. [`QUERY_ROOM`] bytes are enough.
    pub fn message<'a>(&self, query: QueryId, room: &'a mut [u8]) -> &'a [u8] {
        self.questions.message(query, room)
    }

    /// An answer came to this query, or what may be one.
    pub fn answered(&mut self, now: Instant, query: QueryId, message: &[u8]) {
        self.questions.answered(now, query, message);
    }

    /// The query could not be sent, or its socket reports an error.
    pub fn query_failed(&mut self, now: Instant, query: QueryId, fault: Fault) {
        self.questions.failed(now, query, fault);
    }

    /// The source address that was asked for, `None` if there is none.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn source(&mut self, now: Instant, ask: SourceId, source: Option<IpAddr>) {
        if let Some((address, origin)) = self.pool.answered(ask.0) {
            self.sourced(now, address, origin, source);
        } else {
            self.sources.answer(ask, source);
        }
    }

    /// The attempt has a connection.
    pub fn connected(&mut self, now: Instant, id: Id) {
        if !self.race.connected(id) {
            return;
        }
        if let Some(candidate) = self.race.candidate(id) {
            let after = self.race.elapsed(now, id);
            let fact = Fact::Ended(candidate.address, super::Ended::Won, after);
            self.facts.push(now, Rung::Tcp, fact);
        }
        self.remember(now);
        self.end(Ending::Connected(id));
    }

    /// The attempt failed, and nothing is left to close.
    pub fn connect_failed(&mut self, now: Instant, id: Id, fault: Fault) {
        if self.race.failed(now, id, fault) {
            self.tell_failed(now, id, &fault);
        }
    }

    /// The time that [`Output::Wait`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.questions.handle_timeout(now);
        while let Some((id, _, fault)) = self.race.overdue(now) {
            self.tell_failed(now, id, &fault);
        }
    }

    /// Gives everything up; what is open is handed out to be closed.
    pub fn abandon(&mut self) {
        self.give_up();
        self.phase = Phase::Idle;
    }

    /// The candidates in the order of their attempts, each with the rule that put it there. They are there until the
    /// next attempt begins.
    pub fn candidates(&self) -> impl Iterator<Item = (Candidate, Rule)> + '_ {
        self.race.plan()
    }

    /// An address that was not tried, and why.
    #[must_use]
    pub const fn dropped(&self) -> Option<(IpAddr, crate::fault::Code)> {
        self.dropped
    }

    /// What to do now.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn poll_output(&mut self, now: Instant, random: &mut dyn Random) -> Output<'_> {
        loop {
            if let Some((at, rung, fact)) = self.facts.take() {
                return Output::Trace(at, rung, fact);
            }
            if let Some(query) = self.questions.poll_cancel() {
                return Output::Cancel(query);
            }
            if let Some((id, candidate, lost)) = self.race.poll_close() {
                if lost {
                    let after = self.race.elapsed(now, id);
                    let fact = Fact::Ended(candidate.address, super::Ended::Lost, after);
                    self.facts.push(now, Rung::Tcp, fact);
                }
                return Output::Close(id);
            }
            match self.phase {
                Phase::Idle => {
                    return Output::Wait {
                        until: None,
                        reason: Reason::Idle,
                    };
                }
                Phase::Begin => self.start(now),
                Phase::Ending(ending) => {
                    self.phase = Phase::Idle;
                    return match ending {
                        Ending::Connected(id) => Output::Connected(id),
                        Ending::Resolved => Output::Resolved,
                        Ending::Failed(fault) => Output::Failed(fault),
                    };
                }
                Phase::Busy => match self.step(now, random) {
                    Step::Again => {}
                    Step::Source(id, address) => return Output::Source(id, address),
                    Step::Connect(id, address) => return Output::Connect { id, address },
                    Step::Query(query, server, over) => {
                        let message = self.questions.message(query, &mut self.scratch);
                        return Output::Query {
                            query,
                            server,
                            over,
                            message,
                        };
                    }
                    Step::Wait => {
                        return Output::Wait {
                            until: self.deadline(now),
                            reason: Reason::Transport,
                        };
                    }
                },
            }
        }
    }

    fn give_up(&mut self) {
        // A connection that was never handed out has no other owner.
        if let Phase::Ending(Ending::Connected(id)) = self.phase {
            self.race.close(id);
        }
        self.questions.withdraw();
        self.race.abandon();
    }

    fn end(&mut self, ending: Ending) {
        self.give_up();
        self.phase = Phase::Ending(ending);
    }
}

/// What [`Dialer::step`] found to do.
enum Step {
    Again,
    Source(SourceId, IpAddr),
    Query(QueryId, SocketAddr, Transport),
    Connect(Id, SocketAddr),
    Wait,
}

impl Host {
    #[cfg_attr(target_os = "none", inline(never))]
    fn parse(text: &str) -> Result<Self, Fault> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let text_bytes = text.as_bytes();
        let bare = text_bytes.strip_suffix(b".").unwrap_or(text_bytes);
        let last = bare.rsplit(|byte| *byte == b'.').next();
        if last.is_some_and(|last| last.eq_ignore_ascii_case(b"localhost")) {
            return Ok(Self::Loopback);
        }
        Name::parse(text).map(Self::Name)
    }
}

/// The loopback addresses, the usual one first.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
];

/// Whether packets of this family may leave, and this source address reaches `address`.
fn reaches(families: Families, address: IpAddr, source: Option<IpAddr>) -> bool {
    families.allow(Family::of(address))
        && select::is_usable(&Candidate {
            address,
            origin: Origin::Dns,
            source,
        })
}
