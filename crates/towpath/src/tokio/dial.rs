//! From a host to an open TCP connection: drives the dialer with this machine's sockets and tables.
//!
//! Everything that is under way lies in the [`Dial`] itself; dropping it closes all of it.

mod resolve;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use towpath_proto::{
    Code, Fault, Instant, Rung, Trace,
    net::{
        Candidate, Dialer, Fact, Origin, Prefix, PrefixOrigin,
        dialer::{Output, QueryId},
        race::Id,
    },
    trace,
};

pub(crate) use self::resolve::resolve;
use super::query::{Arrived, Query};
use crate::{
    host::{self, Entropy},
    net::{
        Addresses, NetOptions, Plan, Zoned,
        advertisement::{self, Listener},
        source::source,
    },
};

pub(super) type Task<T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

/// What the sockets of a connection are to be like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sockets {
    /// The source address.
    pub(crate) bind: Option<IpAddr>,
    /// The largest segment, bytes.
    pub(crate) mss: Option<u16>,
    /// Whether acknowledgements wait for data from the beginning.
    pub(crate) delayed_acks: bool,
}

impl Sockets {
    /// The source address for packets to `to`.
    pub(super) fn source(self, to: IpAddr) -> Option<IpAddr> {
        self.bind.filter(|bind| bind.is_ipv4() == to.is_ipv4())
    }
}

/// What came of a look.
#[derive(Debug)]
pub(super) enum Step {
    Trace(Trace),
    /// A connection is attempted: the name is resolved.
    Trying,
    /// The end: the connection, and the address that it has.
    Connected(TcpStream, Option<Candidate>),
    /// The end where nothing was to be connected.
    Resolved,
    /// The end.
    Failed(Fault),
    /// Nothing before this moment, or before something comes in.
    Wait(Option<Instant>),
}

/// A connection attempt of the race.
enum Attempt {
    Opening(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Open(TcpStream),
}

/// What is worth keeping between two attempts.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The name that was asked for, its addresses, and until when they are good.
    name: Box<str>,
    addresses: Box<[IpAddr]>,
    until: Instant,
    prefixes: Box<[(Prefix, PrefixOrigin, Instant)]>,
}

/// One way from a host to a connection.
pub(super) struct Dial {
    dialer: Box<Dialer>,
    sockets: Sockets,
    /// The host as given.
    host: String,
    port: u16,
    /// Whether to connect, or only to find candidates.
    connect: bool,
    /// The name that is asked for now, and those that are asked for if it does not exist.
    name: String,
    names: VecDeque<String>,
    /// What the names before came to.
    missed: Option<Fault>,
    /// Whether `kept` stood for an answer.
    recalled: Option<Instant>,
    /// The operating system's resolver at work.
    asking: Option<Task<Vec<SocketAddr>>>,
    /// The interfaces of link-local addresses.
    zones: Vec<(Ipv6Addr, u32)>,
    listener: Option<Listener>,
    queries: Vec<(QueryId, Query)>,
    attempts: Vec<(Id, Attempt)>,
    facts: VecDeque<Trace>,
    trace: bool,
}

/// Shows what is under way.
impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dial")
            .field("name", &self.name)
            .field("port", &self.port)
            .field("queries", &self.queries.len())
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

impl Dial {
    /// Begins to look for `host`. `kept` is what an earlier attempt left.
    ///
    /// # Errors
    /// What can't be a name.
    pub(super) fn start(
        now: Instant,
        (host, port): (&str, u16),
        options: &NetOptions,
        sockets: Sockets,
        trace: bool,
        kept: Option<&Kept>,
    ) -> Result<Self, Fault> {
        Self::begin(now, (host, port), options, sockets, trace, kept, true)
    }

    fn begin(
        now: Instant,
        (host, port): (&str, u16),
        options: &NetOptions,
        sockets: Sockets,
        trace: bool,
        kept: Option<&Kept>,
        connect: bool,
    ) -> Result<Self, Fault> {
        let mut plan = Plan::new(host, options);
        let has_prefix = kept.is_some_and(|kept| kept.prefixes(now).next().is_some());
        let mut unpermitted = false;
        let mut listener = None;
        if !has_prefix && plan.may_need_advertisement(host) {
            match Listener::open() {
                Ok(open) => {
                    listener = Some(open);
                    plan.settings.advertisement_wait = advertisement::WAIT.min(options.patience);
                }
                Err(error) => unpermitted = error.kind() == io::ErrorKind::PermissionDenied,
            }
        }
        let mut dial = Self {
            dialer: Box::new(Dialer::new(plan.settings)),
            sockets,
            host: host.to_owned(),
            port,
            connect,
            name: String::new(),
            names: plan.names.into(),
            missed: None,
            recalled: None,
            asking: None,
            zones: Vec::new(),
            listener,
            queries: Vec::new(),
            attempts: Vec::new(),
            facts: VecDeque::new(),
            trace,
        };
        dial.dialer.trace(trace);
        if unpermitted {
            let fact = Fact::Unpermitted(PrefixOrigin::RouterAdvertisement);
            dial.tell(now, Rung::Nat64, fact);
        }
        for (prefix, origin, lifetime) in kept.iter().flat_map(|kept| kept.prefixes(now)) {
            dial.dialer.learned(now, prefix, origin, lifetime);
        }
        match plan.addresses {
            Addresses::System => dial.ask_system(options.patience),
            Addresses::Known(addresses, origin) => {
                dial.next_name(now)?;
                dial.known(&addresses, origin);
            }
            Addresses::Dialer => dial.dial_name(now, kept)?,
        }
        Ok(dial)
    }

    /// Asks for the first name, or recalls an answer that is still good.
    fn dial_name(&mut self, now: Instant, kept: Option<&Kept>) -> Result<(), Fault> {
        let kept = kept.filter(|kept| now < kept.until);
        let Some(kept) = kept.filter(|kept| self.names.iter().any(|name| **name == *kept.name))
        else {
            return self.next_name(now);
        };
        self.names = VecDeque::from([kept.name.to_string()]);
        self.next_name(now)?;
        self.dialer.known(&kept.addresses, Origin::Dns);
        self.recalled = Some(kept.until);
        let fact = Fact::Remembered {
            addresses: u8::try_from(kept.addresses.len()).unwrap_or(u8::MAX),
            ttl: kept.until.since(now),
        };
        self.tell(now, Rung::Dns, fact);
        Ok(())
    }

    /// Goes on to the next name, or to the host itself.
    fn next_name(&mut self, now: Instant) -> Result<(), Fault> {
        if let Some(name) = self.names.pop_front() {
            self.name = name;
        }
        if self.connect {
            self.dialer.dial(now, &self.name, self.port)
        } else {
            self.dialer.resolve(now, &self.name, self.port)
        }
    }

    fn known(&mut self, addresses: &[Zoned], origin: Origin) {
        let bare: Vec<_> = addresses.iter().map(|(address, _)| *address).collect();
        for (address, zone) in addresses.iter().filter(|(_, zone)| *zone != 0) {
            if let IpAddr::V6(address) = address {
                self.zones.push((*address, *zone));
            }
        }
        self.dialer.known(&bare, origin);
    }

    fn ask_system(&mut self, patience: Duration) {
        let (host, port) = (self.host.clone(), self.port);
        self.asking = Some(Box::pin(async move {
            match timeout(patience, lookup_host((host.as_str(), port))).await {
                Ok(Ok(found)) => Ok(found.collect()),
                Ok(Err(error)) => Err(host::resolve_fault(&error)),
                Err(_) => {
                    let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
                    Err(Fault::new(Rung::Dns, Code::ResolverSilent)
                        .number(millis)
                        .detail(host.as_bytes()))
                }
            }
        }));
    }

    fn tell(&mut self, at: Instant, rung: Rung, fact: Fact) {
        if self.trace {
            let fact = trace::Fact::Net(fact);
            self.facts.push_back(Trace { at, rung, fact });
        }
    }

    /// The zone of a link-local address.
    fn zone(&self, address: IpAddr) -> u32 {
        let mut zones = self.zones.iter();
        let found = zones.find(|(zoned, _)| IpAddr::V6(*zoned) == address);
        found.map_or(0, |(_, zone)| *zone)
    }

    /// What is next. Call it again until it waits or ends; `context` is woken then when something comes in.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, now: Instant) -> Step {
        loop {
            if let Some(trace) = self.facts.pop_front() {
                return Step::Trace(trace);
            }
            if let Some(task) = &mut self.asking {
                match task.as_mut().poll(context) {
                    Poll::Pending => return Step::Wait(None),
                    Poll::Ready(found) => {
                        self.asking = None;
                        if let Err(fault) = found.and_then(|found| self.answered(now, &found)) {
                            return Step::Failed(fault);
                        }
                    }
                }
            }
            match self.output(now) {
                None => {}
                Some(Step::Wait(_)) if self.poll_sockets(context, now) => {}
                Some(step) => return step,
            }
        }
    }

    /// The operating system's resolver has answered.
    fn answered(&mut self, now: Instant, found: &[SocketAddr]) -> Result<(), Fault> {
        let zoned = found.iter().map(|address| match address {
            SocketAddr::V6(v6) => (address.ip(), v6.scope_id()),
            SocketAddr::V4(_) => (address.ip(), 0),
        });
        let zoned: Vec<_> = zoned.collect();
        self.next_name(now)?;
        self.known(&zoned, Origin::System);
        Ok(())
    }

    /// Does what the dialer wants next. `None`: there is more.
    fn output(&mut self, now: Instant) -> Option<Step> {
        match self.dialer.poll_output(now, &mut Entropy) {
            Output::Query {
                query,
                server,
                over,
                message,
            } => {
                let opened = Query::open(server, over, self.sockets, message);
                match opened {
                    Ok(open) => self.queries.push((query, open)),
                    Err(error) => {
                        let fault = host::fault(Rung::Dns, &error);
                        self.dialer.query_failed(now, query, fault);
                    }
                }
            }
            Output::Cancel(query) => self.queries.retain(|(known, _)| *known != query),
            Output::Source(ask, address) => {
                // A source address is for the server: whoever asks DNS uses it only where it fits.
                let servers = self.dialer.settings_mut().servers;
                let asked = servers
                    .as_slice()
                    .iter()
                    .any(|server| server.ip() == address);
                let found = match self.sockets.bind {
                    Some(_) if !asked => self.sockets.source(address),
                    _ => source(address, self.zone(address)),
                };
                self.dialer.source(now, ask, found);
            }
            Output::Connect { id, address } => {
                let address = match address {
                    SocketAddr::V6(to) => {
                        let zone = self.zone(address.ip());
                        SocketAddrV6::new(*to.ip(), to.port(), 0, zone).into()
                    }
                    SocketAddr::V4(_) => address,
                };
                let attempt = Attempt::Opening(Box::pin(connect(address, self.sockets)));
                self.attempts.push((id, attempt));
                return Some(Step::Trying);
            }
            Output::Close(id) => self.attempts.retain(|(known, _)| *known != id),
            Output::Trace(at, rung, fact) => {
                let fact = trace::Fact::Net(fact);
                return Some(Step::Trace(Trace { at, rung, fact }));
            }
            Output::Connected(id) => return Some(self.take_winner(id)),
            Output::Resolved => return Some(Step::Resolved),
            Output::Failed(fault) => return self.failed(now, fault),
            Output::Wait { until, .. } => return Some(Step::Wait(until)),
        }
        None
    }

    fn take_winner(&mut self, id: Id) -> Step {
        let won = self.attempts.iter().position(|(known, _)| *known == id);
        if let Some(at) = won
            && let (_, Attempt::Open(stream)) = self.attempts.swap_remove(at)
        {
            let peer = stream.peer_addr().map(|peer| peer.ip()).ok();
            let candidate = self
                .dialer
                .candidates()
                .map(|(candidate, _)| candidate)
                .find(|candidate| Some(candidate.address) == peer);
            return Step::Connected(stream, candidate);
        }
        // Only an open one can have won.
        Step::Failed(Fault::new(Rung::Tcp, Code::Closed))
    }

    /// The dialer has failed: the next name of the search list is tried, if it is for want of a name.
    fn failed(&mut self, now: Instant, fault: Fault) -> Option<Step> {
        // A zone of the search list whose servers fail is passed over, too.
        let failing = fault.code == Code::ResolverFailed && !self.names.is_empty();
        let missing = failing || matches!(fault.code, Code::NameNotFound | Code::NoAddress);
        if !missing || (self.names.is_empty() && self.missed.is_none()) {
            return Some(Step::Failed(fault));
        }
        // A name that exists says more than one that does not.
        let named = fault.detail(self.host.as_bytes());
        let missed = match self.missed {
            Some(missed) if missed.code == Code::NoAddress => missed,
            _ => named,
        };
        self.missed = Some(missed);
        if self.names.is_empty() {
            return Some(Step::Failed(missed));
        }
        // A suffix may be no name, or make a longer one than there can be; then there is nothing to be found below it.
        while !self.names.is_empty() {
            if self.next_name(now).is_ok() {
                return None;
            }
        }
        Some(Step::Failed(missed))
    }

    /// Looks at what came in. False if nothing did.
    fn poll_sockets(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        self.poll_listener(context, now)
            | self.poll_queries(context, now)
            | self.poll_attempts(context, now)
    }

    fn poll_listener(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let Some(listener) = &self.listener else {
            return false;
        };
        match listener.poll(context) {
            Poll::Pending => return false,
            Poll::Ready(Ok(prefixes)) => {
                for (prefix, lifetime) in prefixes {
                    let origin = PrefixOrigin::RouterAdvertisement;
                    self.dialer.learned(now, prefix, origin, lifetime);
                }
            }
            // Whatever it is: nothing will be heard on it.
            Poll::Ready(Err(_)) => self.listener = None,
        }
        true
    }

    fn poll_queries(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let mut moved = false;
        let dialer = &mut self.dialer;
        self.queries.retain_mut(|(query, open)| {
            match open.poll(context) {
                Poll::Pending => return true,
                Poll::Ready(Arrived::Message(message)) => dialer.answered(now, *query, message),
                Poll::Ready(Arrived::Failed(error)) => {
                    moved = true;
                    dialer.query_failed(now, *query, host::fault(Rung::Dns, &error));
                    return false;
                }
            }
            moved = true;
            // What came may be somebody else's: the right answer can still follow.
            true
        });
        moved
    }

    fn poll_attempts(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let mut moved = false;
        let dialer = &mut self.dialer;
        self.attempts.retain_mut(|(id, attempt)| {
            let Attempt::Opening(opening) = attempt else {
                return true;
            };
            match opening.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    moved = true;
                    *attempt = Attempt::Open(stream);
                    dialer.connected(now, *id);
                    true
                }
                Poll::Ready(Err(error)) => {
                    moved = true;
                    dialer.connect_failed(now, *id, host::fault(Rung::Tcp, &error));
                    false
                }
            }
        });
        moved
    }

    /// The moment of [`Step::Wait`] has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.dialer.handle_timeout(now);
    }

    /// What the next attempt can use. `lost`: this one failed.
    pub(super) fn keep(
        &self,
        now: Instant,
        before: Option<Box<Kept>>,
        lost: bool,
    ) -> Option<Box<Kept>> {
        let prefixes: Box<[_]> = self
            .dialer
            .prefixes(now)
            // What led nowhere may be another network's.
            .filter(|(_, origin, _)| !lost && *origin != PrefixOrigin::Config)
            .map(|(prefix, origin, lifetime)| (prefix, origin, now.after(lifetime)))
            .collect();
        let mut kept = Kept {
            name: Box::default(),
            addresses: Box::default(),
            until: now,
            prefixes,
        };
        if let Some((addresses, ttl)) = self.dialer.remembered(now) {
            kept.name = self.name.as_str().into();
            kept.addresses = addresses.collect();
            kept.until = now.after(ttl);
        } else if let (Some(before), Some(until), false) = (before, self.recalled, lost) {
            kept.name = before.name;
            kept.addresses = before.addresses;
            kept.until = until;
        }
        let useful = !kept.prefixes.is_empty() || kept.until > now;
        useful.then(|| Box::new(kept))
    }
}

impl Kept {
    fn prefixes(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (Prefix, PrefixOrigin, Duration)> + '_ {
        let known = self.prefixes.iter().filter(move |(.., until)| now < *until);
        known.map(move |(prefix, origin, until)| (*prefix, *origin, until.since(now)))
    }
}

/// Opens a connection.
pub(super) async fn connect(address: SocketAddr, sockets: Sockets) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Writes are coalesced already; waiting for more would only delay them.
    socket.set_nodelay(true)?;
    if let Some(mss) = sockets.mss {
        // Before connecting, so that the peer is told too.
        SockRef::from(&socket).set_tcp_mss(mss.into())?;
    }
    #[cfg(target_os = "linux")]
    if sockets.delayed_acks {
        // Set before connecting it spares the acknowledgement of the SYN, too.
        SockRef::from(&socket).set_tcp_quickack(false)?;
    }
    if let Some(source) = sockets.source(address.ip()) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}
