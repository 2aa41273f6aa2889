//! A small MQTT server without I/O, both versions, over the plain stream and over WebSocket.
//!
//! It keeps to the specification, and it is strict: a client that breaks a rule makes it panic with the clause. Bytes
//! go in with [`Server::receive`], come out with [`Server::output`]; what it took over from the client is in
//! [`Server::heard`].

mod framing;
mod packets;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use towpath_proto::{
    Instant,
    mqtt::{QoS, Version, reason::ReasonCode},
};

use self::{framing::Framing, session::Session};
use crate::{Log, Rng};

/// What the server grants, and how it behaves within the rules.
#[derive(Debug, Clone)]
pub struct Terms {
    /// MQTT 5: how many unacknowledged messages it takes.
    pub receive_maximum: Option<u16>,
    /// MQTT 5: the highest topic alias it takes.
    pub topic_alias_maximum: u16,
    /// MQTT 5: the keep alive it wants, seconds.
    pub keep_alive: Option<u16>,
    /// Use topic aliases where the client takes them.
    pub use_aliases: bool,
    /// How many messages to the client it has under way at once, if the client allows as many.
    pub window: u16,
    /// It refuses this many connections, with this reason.
    pub refuse: (u32, ReasonCode),
    /// It accepts this many before it begins to refuse.
    pub accept_first: u32,
    /// It forgets the session before this many of the next CONNECTs.
    pub forget: u32,
    /// In how many of 100 cases acknowledgements wait until nothing else happens.
    pub slow_acks: usize,
    /// The largest payload of a WebSocket frame; packets are spread over frames and share them.
    pub frame: usize,
    /// In how many of 100 cases a WebSocket ping goes before a frame.
    pub pings: usize,
    /// Break connections that break rules instead of panicking: for links that flip bits.
    pub lenient: bool,
}

impl Default for Terms {
    /// Everything is granted and done at once.
    fn default() -> Self {
        Self {
            receive_maximum: None,
            topic_alias_maximum: 0,
            keep_alive: None,
            use_aliases: false,
            window: u16::MAX,
            refuse: (0, ReasonCode::SERVER_BUSY),
            accept_first: 0,
            forget: 0,
            slow_acks: 0,
            frame: usize::MAX,
            pings: 0,
            lenient: false,
        }
    }
}

/// A PUBLISH that the server received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of PUBLISH")]
pub struct Heard {
    /// The number of the connection it came on, from 1.
    pub connection: u32,
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: Option<u16>,
    /// Whether the server took it over: false for the repetition of a QoS 2 message that it has.
    pub taken: bool,
}

/// What the server owes the client for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Puback(u16),
    Pubrec(u16),
    Pubcomp(u16, ReasonCode),
}

/// One connection.
#[derive(Debug)]
struct Connection {
    framing: Framing,
    /// MQTT bytes that are no whole packet yet.
    input: Vec<u8>,
    /// MQTT bytes that are in no frame yet.
    staged: Vec<u8>,
    output: VecDeque<u8>,
    version: Version,
    client_id: String,
    /// CONNACK with success was sent.
    accepted: bool,
    /// It sends no more and closes when its output has left.
    closing: bool,
    keep_alive: Duration,
    last_heard: Instant,
    owed: VecDeque<Owed>,
    /// Messages received on this connection that it has not acknowledged.
    unacknowledged: BTreeSet<u16>,
    /// QoS 2 identifiers in the order of their PUBRECs.
    pubrecs: VecDeque<u16>,
    /// QoS 2 identifiers whose PUBREL came on this connection.
    pubrels: BTreeSet<u16>,
    aliases_in: BTreeMap<u16, String>,
    aliases_out: BTreeMap<String, u16>,
    client_alias_maximum: u16,
    client_window: u16,
    /// Messages sent on this connection that the client has not acknowledged.
    in_flight: BTreeSet<u16>,
}

impl Connection {
    fn new(framed: bool, now: Instant) -> Self {
        Self {
            framing: Framing::new(framed),
            input: Vec::new(),
            staged: Vec::new(),
            output: VecDeque::new(),
            version: Version::V5,
            client_id: String::new(),
            accepted: false,
            closing: false,
            keep_alive: Duration::ZERO,
            last_heard: now,
            owed: VecDeque::new(),
            unacknowledged: BTreeSet::new(),
            pubrecs: VecDeque::new(),
            pubrels: BTreeSet::new(),
            aliases_in: BTreeMap::new(),
            aliases_out: BTreeMap::new(),
            client_alias_maximum: 0,
            client_window: u16::MAX,
            in_flight: BTreeSet::new(),
        }
    }
}

/// The server.
#[derive(Debug)]
pub struct Server {
    /// What it grants; may be changed between connections.
    pub terms: Terms,
    /// Where the dialogue is written.
    pub log: Log,
    /// Every PUBLISH received, in order.
    pub heard: Vec<Heard>,
    /// Payloads of messages to the client that were lost together with their session.
    pub forgotten: Vec<Vec<u8>>,
    /// How often it was asked for a sign of life.
    pub pings: u32,
    /// How many connections it accepted with CONNACK.
    pub accepted: u32,
    connections: u32,
    connection: Option<Connection>,
    sessions: BTreeMap<String, Session>,
    now: Instant,
    rng: Rng,
}

impl Server {
    /// A server without sessions.
    #[must_use]
    pub const fn new(terms: Terms, seed: u64) -> Self {
        Self {
            terms,
            log: Log::Off,
            heard: Vec::new(),
            forgotten: Vec::new(),
            pings: 0,
            accepted: 0,
            connections: 0,
            connection: None,
            sessions: BTreeMap::new(),
            now: Instant::ZERO,
            rng: Rng::new(seed),
        }
    }

    /// A client has opened a byte stream; `framed` if it is to become a WebSocket.
    pub fn open(&mut self, now: Instant, framed: bool) {
        self.now = now;
        self.connections += 1;
        self.connection = Some(Connection::new(framed, now));
    }

    /// The byte stream is gone.
    pub fn closed(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&connection.client_id) {
            session.disconnected();
        }
    }

    /// The client has read CONNACK.
    ///
    /// MQTT has a gap here: if a server forgets a session and its CONNACK that says so is lost, the next CONNACK says
    /// that there is a session, and the client takes it for the old one. A promise can't hold then, so this server
    /// forgets once more until the client knows.
    pub fn connack_arrived(&mut self) {
        let id = self.connection.as_ref().map(|c| c.client_id.as_str());
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) {
            session.loss_unknown = false;
        }
    }

    /// Bytes to send; report what has left with [`sent`](Self::sent).
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.connection
            .as_ref()
            .map_or(&[], |connection| connection.output.as_slices().0)
    }

    /// `n` bytes of the output have left.
    pub fn sent(&mut self, n: usize) {
        if let Some(connection) = &mut self.connection {
            connection.output.drain(..n);
        }
    }

    /// Whether it wants the connection closed: all it has to say has left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.closing && connection.output.is_empty())
    }

    /// Whether there is a connection that it accepted and has not ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.accepted && !connection.closing)
    }

    /// Whether every message to the client was acknowledged and nothing waits to be sent.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.sessions.values().all(Session::is_settled)
            && self
                .connection
                .as_ref()
                .is_none_or(|connection| connection.owed.is_empty() && connection.output.is_empty())
    }

    /// Publishes to the client of `client_id`: at once if it is connected, else kept with its session. A QoS 0 message
    /// is not kept, nor is any without a session; answers whether it was taken.
    pub fn publish(&mut self, client_id: &str, topic: &str, payload: &[u8], qos: QoS) -> bool {
        let connected = self.is_connected();
        let Some(session) = self.sessions.get_mut(client_id) else {
            return false;
        };
        if qos == QoS::AtMostOnce && !connected {
            return false;
        }
        session.queue(topic, payload, qos);
        self.send_due();
        self.frame_staged();
        true
    }

    /// Does what it had put off. Answers whether there was anything.
    pub fn stir(&mut self) -> bool {
        let owes = self
            .connection
            .as_ref()
            .is_some_and(|connection| !connection.owed.is_empty());
        if owes {
            self.acknowledge();
            self.frame_staged();
        }
        owes
    }

    /// When it has to look at the clock again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let connection = self.connection.as_ref()?;
        if connection.keep_alive.is_zero() || connection.closing {
            return None;
        }
        // [MQTT-3.1.2-22]: one and a half times the keep alive.
        Some(connection.last_heard.after(connection.keep_alive * 3 / 2))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.deadline().is_some_and(|deadline| now > deadline) {
            self.broken("[MQTT-3.1.2-22] no packet for one and a half times the keep alive");
        }
    }

    /// The client broke a rule.
    fn broken(&mut self, clause: &str) {
        assert!(
            self.terms.lenient,
            "the client breaks a rule on connection {}: {clause}",
            self.connections
        );
        self.close();
    }

    /// Stops listening and closes once the output has left.
    fn close(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.closing = true;
            connection.owed.clear();
        }
    }
}
