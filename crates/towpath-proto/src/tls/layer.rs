//! Drives a back-end for a client: plaintext both ways, the rung climbed, renegotiation kept in its bounds, and the
//! cause found when the path breaks.

mod cause;

use super::{Above, Agreed, Alert, Fact, Message, Profile, Renegotiation, Seen, Side, Tap, Tls};
use crate::{
    fault::{Code, Fault},
    rung::Rung,
    time::Instant,
    trace::{self, Trace},
};

/// How many facts are kept until they are taken; more drop the oldest.
const KEPT: usize = 24;

/// The first size of a receive buffer that can grow, and the one up to which it doubles when reads fill it.
const READ_FIRST: usize = 512;
const READ_MOST: usize = 16 << 10;

/// A TLS connection between a [`Client`](crate::Client), or what else is [`Above`], and its byte stream.
///
/// The driver moves records: it reads into [`rx_space`](Self::rx_space) and says [`commit`](Self::commit), sends what is
/// [`sendable`](Self::sendable) and says [`transmitted`](Self::transmitted), and tells of the end of the stream with
/// [`ended`](Self::ended) instead of [`Client::closed`](crate::Client::closed). In between [`carry`](Self::carry) moves everything else. A fault
/// of the attempt goes through [`explain`](Self::explain).
#[derive(Debug)]
pub struct Layer<T> {
    tls: T,
    renegotiation: Renegotiation,
    /// Whether the client has a certificate to show.
    has_identity: bool,
    trace: bool,
    taps: [Tap; 2],
    open: bool,
    over: bool,
    /// How the byte stream ended, until everything received is worked off.
    ended: Option<Fault>,
    /// A renegotiation is asked for, and not yet taken up or refused.
    asked: bool,
    /// The server said more after it had asked: a refusal would not have ended anything.
    goes_on: bool,
    renegotiations: u8,
    renegotiating: bool,
    /// Why the last renegotiation was refused, until life goes on.
    refused: Option<Code>,
    /// Why a renegotiation was refused, whatever came of it.
    refused_ever: Option<Code>,
    /// Whether the server asked for the client's certificate.
    certificate_requested: bool,
    /// The last fatal alert of either side.
    alert: Option<Alert>,
    /// Whether application data has come, since the last request for a certificate could have.
    answered: bool,
    /// What the peer speaks is no TLS.
    foreign: Option<Fault>,
    last: [Option<Message>; 2],
    /// Handshake messages that were told, seen by the tap, and told by the library: a message that both see counts once.
    told: [Counts; 2],
    /// The side that sent last, and how many flights of the server have begun.
    speaking: Option<Side>,
    flights: u8,
    facts: [Option<(Instant, Fact)>; KEPT],
    facts_len: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    told: u16,
    tap: u16,
    library: u16,
    alerts_told: u16,
    alerts_library: u16,
    /// Alerts that were told without their numbers.
    alerts_hidden: u16,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    /// Nothing more can be made of what was received.
    Idle,
    /// The client takes nothing now, though there may be something for it.
    Held,
}

const fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

impl<T: Tls> Layer<T> {
    /// Drives `tls`, a connection that was made from `profile`.
    pub fn new(tls: T, profile: &Profile<'_>) -> Self {
        Self::with(
            tls,
            profile.renegotiation,
            profile.identity.is_some(),
            profile.trace,
        )
    }

    /// Drives `tls`, where the profile it was made from is not at hand.
    pub fn with(tls: T, renegotiation: Renegotiation, has_identity: bool, trace: bool) -> Self {
        Self {
            tls,
            renegotiation,
            has_identity,
            trace,
            taps: [Tap::new(Side::Client), Tap::new(Side::Server)],
            open: false,
            over: false,
            ended: None,
            asked: false,
            goes_on: false,
            renegotiations: 0,
            renegotiating: false,
            refused: None,
            refused_ever: None,
            certificate_requested: false,
            alert: None,
            answered: false,
            foreign: None,
            last: [None; 2],
            told: [Counts::default(); 2],
            speaking: None,
            flights: 0,
            facts: [None; KEPT],
            facts_len: 0,
        }
    }

    /// The back-end's connection.
    pub const fn tls(&mut self) -> &mut T {
        &mut self.tls
    }

    /// What was agreed, once the first handshake is complete.
    pub fn agreed(&self) -> Option<Agreed> {
        self.tls.agreed()
    }

    /// Room for records received.
    pub fn rx_space(&mut self) -> &mut [u8] {
        if self.over {
            return &mut [];
        }
        self.tls.rx_space()
    }

    /// `n` bytes were received into [`rx_space`](Self::rx_space).
    pub fn commit(&mut self, now: Instant, n: usize) {
        self.spoke(Side::Server);
        let mut seen = SeenList::default();
        let received = self.tls.rx_space().get(..n).unwrap_or(&[]);
        let [_, tap] = &mut self.taps;
        tap.observe(received, &mut |what| seen.push(what));
        self.tls.commit(n);
        self.note(now, Side::Server, &seen);
    }

    /// [`rx_space`](Self::rx_space) and [`sendable`](Self::sendable), for a driver that waits for both directions at
    /// once.
    pub fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        if self.over {
            return (&mut [], self.tls.sendable());
        }
        self.tls.both_ways()
    }

    /// Records to be sent.
    pub fn sendable(&self) -> &[u8] {
        self.tls.sendable()
    }

    /// Whether records wait to be sent.
    pub fn has_sendable(&self) -> bool {
        !self.tls.sendable().is_empty()
    }

    /// `n` bytes of what was sendable were sent.
    pub fn transmitted(&mut self, now: Instant, n: usize) {
        self.spoke(Side::Client);
        let mut seen = SeenList::default();
        let sent = self.tls.sendable().get(..n).unwrap_or(&[]);
        let [tap, _] = &mut self.taps;
        tap.observe(sent, &mut |what| seen.push(what));
        self.tls.transmitted(n);
        self.note(now, Side::Client, &seen);
    }

    /// The byte stream ended. What was received is still worked off.
    pub fn ended(&mut self, fault: Fault) {
        if self.ended.is_none() {
            self.ended = Some(fault);
        }
    }

    /// Moves plaintext between the client and the records as far as both go, and climbs the rung. True if anything
    /// moved: then poll the client, and call this again. Otherwise records have to leave or to come.
    pub fn carry<A: Above>(&mut self, client: &mut A, now: Instant) -> bool {
        if self.over {
            return false;
        }
        let step = self.step(client, now);
        self.collect(now);
        let fault = match step {
            Ok(Step::Moved) => return true,
            // What can't be handed on now is not lost: the end waits for it.
            Ok(Step::Held) => return false,
            Ok(Step::Idle) => match self.ended.take() {
                None => return false,
                Some(fault) => fault,
            },
            Err(fault) => {
                if fault.code == Code::Closed {
                    // The peer's close_notify is answered with one (RFC 5246 section 7.2.1).
                    self.close();
                    // TLS only carried the news: what broke is the rung that was climbed.
                    let rung = client.rung();
                    Fault { rung, ..fault }
                } else {
                    fault
                }
            }
        };
        self.over = true;
        let fault = Fault {
            alert: fault.alert.or(self.alert),
            ..fault
        };
        client.closed(now, fault);
        true
    }

    fn step<A: Above>(&mut self, client: &mut A, now: Instant) -> Result<Step, Fault> {
        if !self.open {
            if let Some(fault) = self.foreign {
                return Err(fault);
            }
            if !self.tls.handshake()? {
                return Ok(Step::Idle);
            }
            self.collect(now);
            self.open(client, now);
            return Ok(Step::Moved);
        }
        let sent = self.send(client, now)?;
        if client.is_paused() {
            return Ok(if sent { Step::Moved } else { Step::Held });
        }
        self.follow_renegotiation(now);
        let allowed = self.refusal(client).is_none();
        self.tls.allow_renegotiation(allowed);
        if client.rx_space().is_empty() {
            client.grow_rx(READ_FIRST);
        }
        let space = client.rx_space();
        let room = space.len();
        if room == 0 {
            return Ok(if sent { Step::Moved } else { Step::Held });
        }
        let came = self.tls.read(space)?;
        self.follow_renegotiation(now);
        if came > 0 {
            client.commit(now, came);
            if came == room {
                let len = client.rx_len();
                client.grow_rx(len.saturating_mul(2).min(READ_MOST));
            }
            self.answered = true;
            self.refused = None;
            return Ok(Step::Moved);
        }
        self.follow_refusal(client, now);
        Ok(if sent { Step::Moved } else { Step::Idle })
    }

    /// Encrypts what the client has to say, as far as there is room. True if anything moved.
    fn send<A: Above>(&mut self, client: &mut A, now: Instant) -> Result<bool, Fault> {
        let mut moved = false;
        loop {
            let plain = client.sendable();
            if plain.is_empty() {
                return Ok(moved);
            }
            let taken = if self.ended.is_some() {
                // As lost as bytes that a dead socket still takes. Held back they would hold up what was received.
                plain.len()
            } else {
                self.tls.write(plain)?
            };
            if taken == 0 {
                return Ok(moved);
            }
            client.transmitted(now, taken);
            moved = true;
        }
    }

    /// The first handshake is complete.
    fn open<A: Above>(&mut self, client: &mut A, now: Instant) {
        self.open = true;
        if let Some(agreed) = self.tls.agreed() {
            self.certificate_requested |= agreed.certificate_requested;
            self.push(
                now,
                Fact::Agreed {
                    version: agreed.version,
                    suite: agreed.suite,
                    resumed: agreed.resumed,
                },
            );
            self.push(now, Fact::RoundTrips(self.flights));
        }
        client.reached(now, Rung::Tls);
    }

    /// Why a renegotiation would be refused now; `None`: it would not.
    fn refusal<A: Above>(&self, client: &A) -> Option<Code> {
        let secure = self
            .tls
            .agreed()
            .is_some_and(|agreed| agreed.secure_renegotiation);
        if self.renegotiation == Renegotiation::Never {
            Some(Code::RenegotiationOff)
        } else if client.is_settled() {
            Some(Code::RenegotiationLate)
        } else if self.renegotiations > 0 {
            Some(Code::RenegotiationAgain)
        } else if !secure {
            Some(Code::RenegotiationInsecure)
        } else {
            None
        }
    }

    /// A renegotiation may have begun or ended.
    fn follow_renegotiation(&mut self, now: Instant) {
        let under_way = self.tls.is_renegotiating();
        if under_way && !self.renegotiating {
            self.renegotiations = self.renegotiations.saturating_add(1);
            self.asked = false;
            self.answered = false;
            let [_, tap] = &mut self.taps;
            tap.renegotiates();
            self.push(now, Fact::Renegotiating);
        } else if !under_way && self.renegotiating {
            self.push(now, Fact::Renegotiated);
        }
        self.renegotiating = under_way;
    }

    /// Everything received is worked off: what was asked for and not taken up is refused.
    fn follow_refusal<A: Above>(&mut self, client: &A, now: Instant) {
        if self.asked
            && !self.renegotiating
            && let Some(code) = self.refusal(client)
        {
            self.asked = false;
            self.refused = Some(code).filter(|_| !self.goes_on);
            self.refused_ever = Some(code);
            self.push(now, Fact::RenegotiationRefused);
        }
    }

    /// Says close_notify; it leaves with what is sendable.
    pub fn close(&mut self) {
        if self.open && !self.over {
            self.tls.close();
        }
    }

    /// The next fact about TLS.
    pub fn next_trace(&mut self) -> Option<Trace> {
        self.facts_len = self.facts_len.checked_sub(1)?;
        let (at, fact) = self.facts.first_mut()?.take()?;
        self.facts.rotate_left(1);
        Some(Trace {
            at,
            rung: Rung::Tls,
            fact: trace::Fact::Tls(fact),
        })
    }

    fn spoke(&mut self, side: Side) {
        if self.open {
            return;
        }
        if side == Side::Server && self.speaking != Some(side) {
            self.flights = self.flights.saturating_add(1);
        }
        self.speaking = Some(side);
    }

    /// Takes in what a tap saw.
    fn note(&mut self, now: Instant, from: Side, seen: &SeenList) {
        for what in seen.iter() {
            match what {
                Seen::ApplicationData => self.goes_on |= self.asked && from == Side::Server,
                Seen::Foreign(fault) => {
                    if from == Side::Server && fault.code == Code::PeerNotTls {
                        self.foreign = Some(fault);
                    }
                }
                Seen::Fact(fact @ Fact::Handshake { .. }) => {
                    let counts = self.told.get_mut(index(from));
                    let new = counts.is_some_and(|counts| {
                        counts.tap = counts.tap.saturating_add(1);
                        let new = counts.tap > counts.told;
                        counts.told = counts.told.max(counts.tap);
                        new
                    });
                    if new {
                        self.learn(now, fact);
                    }
                }
                Seen::Fact(fact @ Fact::HelloRequest { .. }) => {
                    self.asked = true;
                    self.goes_on = false;
                    let [_, last] = &mut self.last;
                    *last = Some(Message::HELLO_REQUEST);
                    self.push(now, fact);
                }
                Seen::Fact(fact @ (Fact::Alert(_) | Fact::HiddenAlert(_))) => {
                    let counts = self.told.get_mut(index(from));
                    let new = counts.is_some_and(|counts| {
                        counts.alerts_told = counts.alerts_told.saturating_add(1);
                        let new = counts.alerts_told > counts.alerts_library;
                        let hidden = new && matches!(fact, Fact::HiddenAlert(_));
                        counts.alerts_hidden = counts.alerts_hidden.saturating_add(hidden.into());
                        new
                    });
                    if new {
                        self.learn(now, fact);
                    }
                }
                Seen::Fact(fact) => self.push(now, fact),
            }
        }
    }

    /// Takes in what the library told.
    fn collect(&mut self, now: Instant) {
        while let Some(fact) = self.tls.next_fact() {
            match fact {
                Fact::Handshake { from, .. } => {
                    let counts = self.told.get_mut(index(from));
                    let new = counts.is_some_and(|counts| {
                        counts.library = counts.library.saturating_add(1);
                        let new = counts.library > counts.told;
                        counts.told = counts.told.max(counts.library);
                        new
                    });
                    if new {
                        self.learn(now, fact);
                    }
                }
                Fact::Alert(alert) => {
                    let counts = self.told.get_mut(index(alert.from));
                    let new = counts.is_some_and(|counts| {
                        counts.alerts_library = counts.alerts_library.saturating_add(1);
                        // A hidden alert that the tap told before gets its number now.
                        let hidden = counts.alerts_hidden > 0;
                        counts.alerts_hidden = counts.alerts_hidden.saturating_sub(1);
                        counts.alerts_library > counts.alerts_told || hidden
                    });
                    if new {
                        self.learn(now, fact);
                    }
                }
                fact => self.push(now, fact),
            }
        }
    }

    /// A message or an alert that was not told before.
    fn learn(&mut self, now: Instant, fact: Fact) {
        match fact {
            Fact::Handshake { from, message, .. } => {
                if let Some(last) = self.last.get_mut(index(from)) {
                    *last = Some(message);
                }
                self.certificate_requested |= message == Message::CERTIFICATE_REQUEST;
            }
            Fact::Alert(alert) if alert.fatal => self.alert = Some(alert),
            _ => {}
        }
        self.push(now, fact);
    }

    fn push(&mut self, now: Instant, fact: Fact) {
        if !self.trace {
            return;
        }
        if self.facts_len == KEPT {
            self.facts.rotate_left(1);
            self.facts_len -= 1;
        }
        if let Some(place) = self.facts.get_mut(self.facts_len) {
            *place = Some((now, fact));
            self.facts_len += 1;
        }
    }
}

/// What a tap saw of one piece of the stream. What is more than fits is of the kind that repeats.
#[derive(Debug, Default)]
struct SeenList {
    list: [Option<Seen>; 12],
    len: usize,
}

impl SeenList {
    fn push(&mut self, seen: Seen) {
        let last = self.len.checked_sub(1).and_then(|at| self.list.get(at));
        // By their kinds: comparing whole facts is 0.5 KB of a device's flash.
        let again = matches!(last, Some(Some(Seen::ApplicationData)));
        if again && matches!(seen, Seen::ApplicationData) {
            return;
        }
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Some(seen);
            self.len += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = Seen> {
        self.list.iter().flatten().copied()
    }
}
