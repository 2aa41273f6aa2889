//! One question, asked of several servers until it is answered.
//!
//! Takes in datagrams, broken sockets and time. Gives out questions to send, and at the end addresses or the reason
//! why there are none. Each [`Send`] has a slot of its own: what comes back for it is reported with the slot, and what
//! belongs to a slot that is no longer open can be closed. An answer counts as long as its slot is open, however late:
//! who waits for the second server has not given up the first.
//!
//! An alias whose target the answer leaves out starts anew with the target.

mod evidence;
mod plan;

use core::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

pub use self::plan::{MAX_ROUNDS, MAX_SERVERS, Plan, Servers};

use self::evidence::Evidence;
use super::{
    Record, Transport,
    message::{self, Addresses, Answer, MAX_ALIASES},
    name::Name,
};
use crate::{
    buffers::Random,
    fault::{Code, Fault},
    rung::Rung,
    time::Instant,
};

/// How many addresses are kept of an answer.
pub const MAX_ADDRESSES: usize = 16;

/// How often one name is asked for at most: each server in each round, once more over TCP, once more without EDNS.
const SLOTS: usize = MAX_SERVERS * (MAX_ROUNDS as usize + 2);

/// The response code FORMERR (RFC 1035 section 4.1.1).
const FORMERR: u8 = 1;

/// A question that is to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// What the answer is reported with. No two sends of a lookup have the same.
    pub slot: u8,
    /// To whom.
    pub server: SocketAddr,
    /// Over what. [`Lookup::message`] gives the message as for UDP; over TCP its length goes in front.
    pub over: Transport,
    /// The identifier in the message.
    pub id: u16,
}

/// Whether a lookup goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to be sent or to come.
    Waiting,
    /// [`Lookup::result`] has the result; no slot is open.
    Done,
}

/// How a lookup ended. Times to live are those of RFC 2181 section 8 and RFC 2308 section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The name has these addresses.
    Found {
        /// At least one, at most [`MAX_ADDRESSES`], in the order of the answer, none twice.
        addresses: &'a [IpAddr],
        /// For how long: the least along the aliases and of the addresses.
        ttl: Duration,
    },
    /// The name exists, but has no usable address of this kind.
    NoData {
        /// For how long; zero where no server says.
        ttl: Duration,
    },
    /// The name does not exist.
    NoName {
        /// For how long; zero where no server says.
        ttl: Duration,
    },
    /// No server gave an answer.
    Failed(Fault),
}

/// A question that was sent.
#[derive(Debug, Clone, Copy)]
struct Asked {
    id: u16,
    server: u8,
    over: Transport,
    edns: bool,
    open: bool,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// A question is to be sent.
    Due {
        server: u8,
        since: Instant,
    },
    /// It was sent; the next server's turn comes at this time.
    Sent {
        server: u8,
        slot: u8,
        until: Instant,
    },
    Done(End),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Found,
    NoData,
    NoName,
    Failed(Fault),
}

/// One question to several servers. About 1 KiB, none of it elsewhere.
#[derive(Debug)]
pub struct Lookup {
    name: Name,
    record: Record,
    plan: Plan,
    turn: Turn,
    started: Instant,
    /// The server that is asked first, the place in the order from there on, and the round.
    first: u8,
    place: u8,
    round: u8,
    /// Servers that are not asked again, that want TCP, and that do not know EDNS: a bit for each.
    out: u8,
    tcp: u8,
    plain: u8,
    asked: [Option<Asked>; SLOTS],
    /// How many of `asked` are used, and the slot of the first.
    used: u8,
    base: u8,
    evidence: Evidence,
    found: [IpAddr; MAX_ADDRESSES],
    count: u8,
    /// The least time to live so far, in seconds.
    ttl: u32,
    aliases: u8,
    strays: u32,
}

impl Lookup {
    /// Begins to ask for the records of `name`. Nothing is asked before the first [`poll`](Self::poll).
    #[must_use]
    pub fn start(now: Instant, name: Name, record: Record, plan: &Plan) -> Self {
        let mut lookup = Self {
            name,
            record,
            plan: *plan,
            turn: Turn::Due {
                server: 0,
                since: now,
            },
            started: now,
            first: 0,
            place: 0,
            round: 0,
            out: 0,
            tcp: 0,
            plain: 0,
            asked: [None; SLOTS],
            used: 0,
            base: 0,
            evidence: Evidence::default(),
            found: [IpAddr::V4(Ipv4Addr::UNSPECIFIED); MAX_ADDRESSES],
            count: 0,
            ttl: u32::MAX,
            aliases: 0,
            strays: 0,
        };
        lookup.plan.rounds = plan.rounds.clamp(1, MAX_ROUNDS);
        if plan.servers.is_empty() {
            lookup.give_up(now);
        }
        lookup
    }

    /// The question that is to be sent now, if there is one.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn poll(&mut self, now: Instant, random: &mut dyn Random) -> Option<Send> {
        let Turn::Due { server, .. } = self.turn else {
            return None;
        };
        if self.plan.deadline.is_some_and(|end| now >= end) {
            self.run_out(now);
            return None;
        }
        let id = self.new_id(random);
        let over = if self.tcp & bit(server) == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let Some(place) = self.asked.get_mut(usize::from(self.used)) else {
            // Cannot be: SLOTS has room for all.
            self.give_up(now);
            return None;
        };
        *place = Some(Asked {
            id,
            server,
            over,
            edns: self.plan.udp_size != 0 && self.plain & bit(server) == 0,
            open: true,
        });
        let slot = self.base.saturating_add(self.used);
        self.used = self.used.saturating_add(1);
        self.turn = Turn::Sent {
            server,
            slot,
            until: now.after(self.plan.patience(self.round)),
        };
        Some(Send {
            slot,
            server: self.address(server)?,
            over,
            id,
        })
    }

    /// Writes the message of an open slot into `out` and gives the part that it takes; nothing if the slot is not open
    /// or `out` is too small. [`QUERY_ROOM`](super::QUERY_ROOM) bytes are enough.
    pub fn message<'b>(&self, slot: u8, out: &'b mut [u8]) -> &'b [u8] {
        let Some(asked) = self.open(slot) else {
            return &[];
        };
        let size = if asked.edns { self.plan.udp_size } else { 0 };
        let len = message::encode(&self.name, self.record, asked.id, size, out);
        len.and_then(|len| out.get(..len)).unwrap_or(&[])
    }

    /// A message came for `slot`, from the server that the question went to; over TCP without its length.
    pub fn answered(&mut self, now: Instant, slot: u8, message: &[u8]) -> Step {
        let Some((asked, server)) = self.known(slot) else {
            return self.step();
        };
        match message::decode(message, asked.id, &self.name, self.record) {
            Answer::Stray => self.strays = self.strays.saturating_add(1),
            Answer::Truncated if asked.over == Transport::Udp => {
                self.close(slot);
                let first = self.tcp & bit(asked.server) == 0;
                self.tcp |= bit(asked.server);
                self.ask_again(now, asked.server, first);
            }
            Answer::Truncated | Answer::Malformed => self.malformed(now, slot, asked, server),
            Answer::Failed { rcode: FORMERR } if asked.edns => {
                self.close(slot);
                let first = self.plain & bit(asked.server) == 0;
                self.plain |= bit(asked.server);
                self.ask_again(now, asked.server, first);
            }
            Answer::Failed { rcode } => {
                self.close(slot);
                self.evidence.rcode(server, rcode);
                self.put_out(now, asked.server);
            }
            Answer::Addresses(addresses) => self.take(addresses),
            Answer::NoData { ttl } => self.end_without(ttl, End::NoData),
            Answer::NoName { ttl } => self.end_without(ttl, End::NoName),
            Answer::Alias {
                target,
                ttl,
                aliases,
            } => self.follow(now, asked.server, target, ttl, aliases),
            Answer::AliasLoop => self.end_in_loop(),
        }
        self.step()
    }

    /// What `slot` was sent over is broken: the server's host says that nothing listens, there is no route, the
    /// connection was refused or cut.
    pub fn failed(&mut self, now: Instant, slot: u8, why: Fault) {
        let Some((asked, server)) = self.known(slot) else {
            return;
        };
        self.close(slot);
        self.evidence.broken(server, why);
        match asked.over {
            Transport::Udp => self.put_out(now, asked.server),
            // It lives, for it sent what was cut off: in the next round it is asked again.
            Transport::Tcp => self.pass_on(now, slot),
        }
    }

    /// Time has passed; to be called when [`deadline`](Self::deadline) is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.turn, Turn::Done(_)) {
            return;
        }
        if self.plan.deadline.is_some_and(|end| now >= end) {
            return self.run_out(now);
        }
        if let Turn::Sent { until, .. } = self.turn
            && now >= until
        {
            self.evidence.silent();
            self.advance(now);
        }
    }

    /// When something is to be done without an answer; `None` at the end.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let turn = match self.turn {
            Turn::Due { since, .. } => since,
            Turn::Sent { until, .. } => until,
            Turn::Done(_) => return None,
        };
        Some(self.plan.deadline.map_or(turn, |end| end.min(turn)))
    }

    /// Whether an answer for `slot` would still count.
    #[must_use]
    pub fn is_open(&self, slot: u8) -> bool {
        self.open(slot).is_some()
    }

    /// The slots for which an answer would still count.
    pub fn open_slots(&self) -> impl Iterator<Item = u8> {
        (self.base..self.base.saturating_add(self.used)).filter(|slot| self.is_open(*slot))
    }

    /// How it ended; `None` while it goes on.
    #[must_use]
    pub fn result(&self) -> Option<Outcome<'_>> {
        let Turn::Done(end) = self.turn else {
            return None;
        };
        let ttl = Duration::from_secs(self.ttl.into());
        let addresses = self.found.get(..usize::from(self.count)).unwrap_or(&[]);
        Some(match end {
            End::Found => Outcome::Found { addresses, ttl },
            End::NoData => Outcome::NoData { ttl },
            End::NoName => Outcome::NoName { ttl },
            End::Failed(fault) => Outcome::Failed(fault),
        })
    }

    /// The name that is asked for: the one at the start, or the last alias of it that had to be asked for.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The kind of record that is asked for.
    #[must_use]
    pub const fn record(&self) -> Record {
        self.record
    }

    /// How many aliases were followed so far.
    #[must_use]
    pub const fn aliases(&self) -> u8 {
        self.aliases
    }

    /// How many messages came that were no answers to what was asked.
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.strays
    }
}

impl Lookup {
    const fn step(&self) -> Step {
        match self.turn {
            Turn::Done(_) => Step::Done,
            _ => Step::Waiting,
        }
    }

    fn address(&self, server: u8) -> Option<SocketAddr> {
        let servers = self.plan.servers.as_slice();
        servers.get(usize::from(server)).copied()
    }

    fn place_of(&self, slot: u8) -> Option<usize> {
        slot.checked_sub(self.base).map(usize::from)
    }

    fn open(&self, slot: u8) -> Option<Asked> {
        let asked = *self.asked.get(self.place_of(slot)?)?;
        asked.filter(|asked| asked.open && !matches!(self.turn, Turn::Done(_)))
    }

    fn known(&self, slot: u8) -> Option<(Asked, SocketAddr)> {
        let asked = self.open(slot)?;
        Some((asked, self.address(asked.server)?))
    }

    fn close(&mut self, slot: u8) {
        let place = self.place_of(slot);
        if let Some(Some(asked)) = place.and_then(|place| self.asked.get_mut(place)) {
            asked.open = false;
        }
    }

    /// A random identifier, another than those of the open slots, so that one socket may serve several.
    fn new_id(&self, random: &mut dyn Random) -> u16 {
        let mut id = 0;
        // Bounded, since a generator may be broken; a collision does no harm to who has a socket for each slot.
        for _ in 0..4 {
            id = (random.next_u32() >> 16) as u16;
            let taken = |asked: &Asked| asked.open && asked.id == id;
            if !self.asked.iter().flatten().any(taken) {
                break;
            }
        }
        id
    }

    /// The next server's turn, or the next round's, or the end.
    fn advance(&mut self, now: Instant) {
        let Some((round, place, server)) = self.next_turn() else {
            return self.give_up(now);
        };
        self.round = round;
        self.place = place;
        self.turn = Turn::Due { server, since: now };
    }

    /// The round, the place in it and the server whose turn is next; `None` at the end.
    fn next_turn(&self) -> Option<(u8, u8, u8)> {
        let count = self.plan.servers.len();
        let rest = (self.place.saturating_add(1)..count).map(|place| (self.round, place));
        let rounds = self.round.saturating_add(1)..self.plan.rounds;
        let later = rounds.flat_map(|round| (0..count).map(move |place| (round, place)));
        rest.chain(later).find_map(|(round, place)| {
            let server = self.first.saturating_add(place).checked_rem(count)?;
            (self.out & bit(server) == 0).then_some((round, place, server))
        })
    }

    /// The server will not be asked again; if it is its turn, the next is asked at once.
    fn put_out(&mut self, now: Instant, server: u8) {
        self.out |= bit(server);
        if let Turn::Due { server: turn, .. } | Turn::Sent { server: turn, .. } = self.turn
            && turn == server
        {
            self.advance(now);
        }
    }

    /// If it is the turn of `slot`, the next server is asked at once.
    fn pass_on(&mut self, now: Instant, slot: u8) {
        if let Turn::Sent { slot: turn, .. } = self.turn
            && turn == slot
        {
            self.advance(now);
        }
    }

    /// The server answers, but wants to be asked in another way: that is tried now, `first` time only.
    const fn ask_again(&mut self, now: Instant, server: u8, first: bool) {
        if first {
            self.turn = Turn::Due { server, since: now };
        }
    }

    fn malformed(&mut self, now: Instant, slot: u8, asked: Asked, server: SocketAddr) {
        self.evidence.malformed(server);
        // A datagram may be somebody else's, and the true one may come yet: the last one to be asked keeps its time. On
        // a connection nothing better follows.
        let is_last = self.next_turn().is_none();
        if asked.over == Transport::Tcp {
            self.close(slot);
            self.pass_on(now, slot);
        } else if !is_last {
            self.pass_on(now, slot);
        }
    }

    fn take(&mut self, addresses: Addresses<'_>) {
        self.aliases = self.aliases.saturating_add(addresses.aliases());
        if self.aliases > MAX_ALIASES {
            return self.end_in_loop();
        }
        for (address, ttl) in addresses {
            let known = self.found.get(..usize::from(self.count)).unwrap_or(&[]);
            if known.contains(&address) {
                continue;
            }
            let Some(place) = self.found.get_mut(usize::from(self.count)) else {
                break;
            };
            *place = address;
            self.count = self.count.saturating_add(1);
            self.ttl = self.ttl.min(ttl);
        }
        self.turn = Turn::Done(End::Found);
    }

    fn end_without(&mut self, ttl: u32, end: End) {
        self.ttl = self.ttl.min(ttl);
        self.turn = Turn::Done(end);
    }

    fn end_in_loop(&mut self) {
        let fault = Fault::new(Rung::Dns, Code::AliasLoop).clause("RFC 1034 3.6.2");
        self.turn = Turn::Done(End::Failed(fault));
    }

    /// Asks for what the name is an alias of, the server that said so first.
    fn follow(&mut self, now: Instant, server: u8, target: Name, ttl: u32, aliases: u8) {
        self.aliases = self.aliases.saturating_add(aliases);
        self.ttl = self.ttl.min(ttl);
        if self.aliases > MAX_ALIASES {
            return self.end_in_loop();
        }
        self.name = target;
        self.base = self.base.saturating_add(self.used);
        self.used = 0;
        self.asked = [None; SLOTS];
        self.first = server;
        self.place = 0;
        self.round = 0;
        self.out = 0;
        self.tcp = 0;
        self.evidence = Evidence::default();
        self.turn = Turn::Due { server, since: now };
    }

    /// The deadline of it all is there: whoever is still asked, or would have been, is silent.
    fn run_out(&mut self, now: Instant) {
        self.evidence.silent();
        self.give_up(now);
    }

    fn give_up(&mut self, now: Instant) {
        let waited = now.since(self.started).as_millis();
        let millis = u32::try_from(waited).unwrap_or(u32::MAX);
        let fault = self.evidence.fault(&self.plan.servers, millis);
        self.turn = Turn::Done(End::Failed(fault));
    }
}

/// The bit of a server in a set of servers.
const fn bit(server: u8) -> u8 {
    1 << (server & 7)
}
