//! The MQTT session of a client: what it owes the server and what the server owes it (MQTT 5 chapter 4).
//!
//! Takes in commands and packets, gives out packets through the wire and reports for the application. What has to
//! survive a connection lies in the [`store`]; everything else begins anew with each CONNECT. It looks at
//! the version in few places: to refuse at the command what 3.1.1 can't say, and to encode anew what was kept in the
//! other version. What the server grants is in the [`Limits`].

mod alias;
mod inbound;
mod keepalive;
mod limits;
mod outbound;
pub mod store;

use core::fmt;

pub(crate) use inbound::{Delivery, Handled, Incoming, Place, Span, reason_string};
pub(crate) use keepalive::{Due, KeepAlive};
pub use limits::Limits;

use self::{
    alias::Aliases,
    store::{State, States, Store},
};
use super::{
    Invalid, QoS, Version,
    packet::{Connect, PacketId},
    property::{self, id},
    reason::ReasonCode,
};
use crate::{buffers::Buffer, event::Outcome, time::Instant};

/// A command that can't be taken, and why. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// MQTT 3.1.1 has no way to say this.
    NeedsV5,
    /// A topic, filter or property is not valid; the clause says which rule.
    Invalid(Invalid),
    /// The server takes only this QoS or lower.
    QoS(QoS),
    /// The server keeps no retained messages.
    Retain,
    /// The packet has this many bytes; the server takes fewer.
    PacketTooLarge(usize),
    /// The server has no wildcard subscriptions.
    Wildcard,
    /// The server has no shared subscriptions.
    Shared,
    /// The server has no subscription identifiers.
    SubscriptionIdentifier,
    /// A buffer has no room now; send what is due, or enlarge it.
    Full,
    /// All packet identifiers are in use.
    NoPacketId,
    /// There is no connection and the command makes no sense without one.
    NotConnected,
    /// A header or host contains characters that HTTP does not allow.
    Header,
    /// The program is built without topic aliases.
    Aliases,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsV5 => {
                f.write_str("MQTT 3.1.1 has no properties or options for this; use MQTT 5")
            }
            Self::Invalid(invalid) => f.write_str(invalid.clause),
            Self::QoS(max) => write!(f, "the server takes QoS {} at most", *max as u8),
            Self::Retain => f.write_str("the server keeps no retained messages"),
            Self::PacketTooLarge(len) => write!(f, "the server takes no packet of {len} bytes"),
            Self::Wildcard => f.write_str("the server has no wildcard subscriptions"),
            Self::Shared => f.write_str("the server has no shared subscriptions"),
            Self::SubscriptionIdentifier => {
                f.write_str("the server has no subscription identifiers")
            }
            Self::Full => f.write_str("no room in the session store or the transmit buffer"),
            Self::NoPacketId => f.write_str("all packet identifiers are in use"),
            Self::NotConnected => f.write_str("there is no connection"),
            Self::Aliases => f.write_str("built without topic aliases"),
            Self::Header => {
                f.write_str("a host, path or header holds characters that HTTP does not allow")
            }
        }
    }
}

impl core::error::Error for Refusal {}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// How far the session is with its current connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Offline,
    /// CONNECT is on its way.
    Connecting,
    Connected,
    /// DISCONNECT is on its way.
    Closing,
}

/// What the caller decides about a connection beyond CONNECT itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Habits {
    /// Send commands behind CONNECT without waiting for CONNACK.
    pub(crate) pipeline: bool,
    /// The application acknowledges received messages itself.
    pub(crate) manual_acks: bool,
    /// How many QoS 1 and 2 messages may be unacknowledged; 0: as many as the server takes.
    pub(crate) window: u16,
}

/// The session.
#[derive(Debug)]
pub struct Session {
    pub(crate) version: Version,
    pub(crate) limits: Limits,
    pub(crate) phase: Phase,
    pub(crate) keep_alive: KeepAlive,
    store: Store,
    aliases: Aliases,
    habits: Habits,
    clean_start: bool,
    last_id: u16,
    /// QoS 1 and 2 messages sent on this connection and not acknowledged.
    in_flight: u16,
    /// QoS 1 and 2 messages accepted from the application and not settled.
    unsettled: usize,
    /// QoS 2 messages received whose PUBREL has not come.
    received: u16,
    /// How many messages go behind CONNECT: what the last CONNACK granted, since the next one may grant no more. Any
    /// server takes one.
    pipeline_window: u16,
    /// What this side announced: receive maximum, topic alias maximum, maximum packet size.
    own_receive_maximum: u16,
    own_alias_maximum: u16,
    own_packet_maximum: u32,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            version: Version::V5,
            limits: Limits::defaults(0, 0),
            phase: Phase::Offline,
            keep_alive: KeepAlive::new(0, Instant::ZERO),
            store: Store::default(),
            aliases: Aliases::default(),
            habits: Habits::default(),
            clean_start: false,
            last_id: 0,
            in_flight: 0,
            unsettled: 0,
            received: 0,
            pipeline_window: 1,
            own_receive_maximum: u16::MAX,
            own_alias_maximum: 0,
            own_packet_maximum: u32::MAX,
        }
    }

    /// Whether nothing waits for the server.
    pub(crate) fn is_settled(&self, store: &[u8]) -> bool {
        self.store
            .iter(store)
            .all(|record| record.state == State::Received)
    }

    pub(crate) const fn is_store_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Bytes of the store in use.
    pub(crate) const fn store_used(&self) -> usize {
        self.store.used()
    }

    /// QoS 1 and 2 messages sent on this connection and not acknowledged.
    pub(crate) const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// QoS 1 and 2 messages accepted from the application and not settled, sent or not.
    pub(crate) const fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(crate) fn has_due(&mut self, store: &[u8]) -> bool {
        self.store.next_due(store).is_some()
    }

    pub(crate) const fn own_packet_maximum(&self) -> u32 {
        self.own_packet_maximum
    }

    /// Begins a connection. What was sent on an earlier one is due again.
    pub(crate) fn start(
        &mut self,
        connect: &Connect<'_>,
        habits: Habits,
        store: &mut dyn Buffer,
    ) -> Result<(), Refusal> {
        connect.properties.check(property::Place::CONNECT)?;
        if let Some(will) = &connect.will {
            will.properties.check(property::Place::WILL)?;
        }
        let will_properties = connect.will.is_some_and(|will| !will.properties.is_empty());
        if connect.version == Version::V311 && (!connect.properties.is_empty() || will_properties) {
            return Err(Refusal::NeedsV5);
        }
        self.own_receive_maximum = u16::MAX;
        self.own_alias_maximum = 0;
        self.own_packet_maximum = u32::MAX;
        let mut expiry = if connect.version == Version::V311 && !connect.clean_start {
            u32::MAX
        } else {
            0
        };
        for raw in connect.properties.raws() {
            let number = raw.number;
            match raw.id {
                id::ReceiveMaximum => self.own_receive_maximum = number as u16,
                // A server that may use aliases will.
                id::TopicAliasMaximum if cfg!(not(feature = "aliases")) => {
                    return Err(Refusal::Aliases);
                }
                id::TopicAliasMaximum => self.own_alias_maximum = number as u16,
                id::MaximumPacketSize => self.own_packet_maximum = number,
                id::SessionExpiryInterval => expiry = number,
                _ => {}
            }
        }
        self.version = connect.version;
        self.limits = Limits::defaults(connect.keep_alive, expiry);
        self.habits = habits;
        self.clean_start = connect.clean_start;
        self.phase = Phase::Connecting;
        self.aliases.clear();
        self.in_flight = 0;
        self.rewind(store, Rewind::Unknown);
        Ok(())
    }

    /// The connection is gone. `refused`: CONNACK said no, so what went behind CONNECT did not count.
    pub(crate) fn end(&mut self, refused: bool, store: &mut dyn Buffer) {
        if self.phase == Phase::Connecting && refused {
            self.rewind(store, Rewind::NotCounted);
        }
        self.phase = Phase::Offline;
        self.aliases.clear();
    }

    /// Marks everything that awaits an answer as due again.
    fn rewind(&mut self, store: &mut dyn Buffer, rewind: Rewind) {
        let counted = rewind == Rewind::Unknown;
        self.store.update(store.bytes_mut(), &|state| match state {
            State::AwaitPuback | State::AwaitPubrec if counted => State::DueAgain,
            State::AwaitPuback | State::AwaitPubrec => State::Due,
            State::AwaitPubcomp => State::DuePubrel,
            State::AwaitRequest => State::DueRequest,
            // It may have arrived: at most once means not to send it again.
            State::AwaitConnack if counted => State::Free,
            State::AwaitConnack => State::Due,
            other => other,
        });
    }

    /// CONNACK with success.
    pub(crate) fn connected(&mut self, session_present: bool, store: &mut dyn Buffer) {
        self.phase = Phase::Connected;
        if self.version == Version::V5 {
            self.pipeline_window = self.limits.receive_maximum;
        }
        self.store.update(store.bytes_mut(), &|state| match state {
            State::AwaitConnack => State::Free,
            // [MQTT-3.1.2-4], [MQTT-4.1.0-1]: the server forgot. What it had not taken over is sent as new; what it
            // had (PUBREC came) is its own since then, section 4.3.3.
            State::DueAgain if !session_present => State::Due,
            State::DuePubrel if !session_present => State::Accepted,
            State::Received if !session_present => State::Free,
            other => other,
        });
        if !session_present {
            self.received = 0;
        }
    }

    /// A packet identifier that is not in use.
    fn next_id(&mut self, store: &[u8]) -> Result<PacketId, Refusal> {
        let next = |id: u16| if id == u16::MAX { 1 } else { id + 1 };
        let mut id = next(self.last_id);
        // Identifiers are given in turn, so those in use lie between the oldest and the last: no search while the next
        // one is outside.
        if let Some(oldest) = self.store.oldest_id(store)
            && id.wrapping_sub(oldest) > self.last_id.wrapping_sub(oldest)
            && self.last_id.wrapping_sub(oldest) < u16::MAX - 2
        {
            self.last_id = id;
            return PacketId::new(id).ok_or(Refusal::NoPacketId);
        }
        for _ in 0..u16::MAX {
            if self.store.find(store, id, States::NOT_RECEIVED).is_none() {
                self.last_id = id;
                return PacketId::new(id).ok_or(Refusal::NoPacketId);
            }
            id = next(id);
        }
        Err(Refusal::NoPacketId)
    }
}

/// Whether the server may have taken what was sent on the connection that ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rewind {
    Unknown,
    NotCounted,
}

/// A message that is settled, for the application. `None` stands for QoS 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) outcome: Outcome,
}

impl Settled {
    fn new(id: u16, outcome: Outcome) -> Self {
        Self {
            packet_id: PacketId::new(id),
            outcome,
        }
    }

    fn answered(id: PacketId, reason: ReasonCode) -> Self {
        let outcome = if reason.is_error() {
            Outcome::Refused(reason)
        } else {
            Outcome::Acknowledged(reason)
        };
        Self {
            packet_id: Some(id),
            outcome,
        }
    }
}
