//! A device's queue of cloud-to-device messages, as a state machine without hub or store.
//!
//! Takes in messages, deliveries and settlements, with the time; gives out what is to be delivered, and feedback on
//! messages that asked for it. A message that was delivered over MQTT is locked until it is acknowledged or its
//! connection ends: MQTT 3.1.1 has it sent again on the next connection only. One that was received over HTTP is locked
//! until it is settled or its lock runs out. Then it is delivered again. Only an explicit abandon counts as a delivery
//! that failed, and MQTT has no word for it: a device that never acknowledges gets a message on each connection until it
//! expires, which a locked one does not.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::body::{self, Body};
use crate::clock::Time;

/// A message for a device, as a service sends it.
#[derive(Debug, Clone, Default)]
pub(crate) struct C2d {
    /// The application's. `iothub-ack` asks for feedback: `none`, `positive`, `negative` or `full`.
    pub(crate) properties: BTreeMap<String, String>,
    /// The system's, by the names of the REST API, such as `message-id`.
    pub(crate) system: BTreeMap<String, String>,
    pub(crate) payload: Bytes,
    /// Milliseconds until it expires; `None`: as the hub's limits say.
    pub(crate) ttl: Option<i64>,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queued {
    /// Grows by one with each message to the device.
    pub(crate) sequence: u64,
    #[serde(with = "body::text")]
    pub(crate) enqueued: Time,
    #[serde(with = "body::text")]
    pub(crate) expires: Time,
    /// How often it was abandoned.
    pub(crate) deliveries: u32,
    /// A connection was sent it with QoS 1: the next one is told that it may have it already.
    #[serde(default)]
    pub(crate) sent: bool,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) system: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(crate) body: Body,
    /// Delivered and not settled. A restart of the lab ends every lock.
    #[serde(skip)]
    pub(crate) lock: Option<Lock>,
}

/// What keeps a delivered message from being delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    /// `None`: until its connection ends.
    pub(crate) until: Option<Time>,
    /// Of the connection that it was sent to; `None`: received over HTTP.
    pub(crate) connection: Option<u64>,
    /// What it is settled by over HTTP.
    pub(crate) token: String,
}

/// How a message left the queue, for who asked to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Success,
    Expired,
    DeliveryCountExceeded,
    Rejected,
    Purged,
}

impl Queued {
    /// Whether feedback was asked for with this outcome.
    pub(crate) fn wants(&self, outcome: Outcome) -> bool {
        let asked = self.properties.get("iothub-ack").map(String::as_str);
        match outcome {
            Outcome::Success => matches!(asked, Some("positive" | "full")),
            _ => matches!(asked, Some("negative" | "full")),
        }
    }
}

/// What counts for the limits of a message either way: the body, the values of the system's properties, names and values
/// of the application's.
pub(super) fn size(
    properties: &BTreeMap<String, String>,
    system: &BTreeMap<String, String>,
    payload: &[u8],
) -> usize {
    let own = properties
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let system = system.values().map(String::len);
    payload.len() + own.sum::<usize>() + system.sum::<usize>()
}

/// The queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inbox {
    /// The number of the last message.
    last: u64,
    queue: VecDeque<Queued>,
    /// When something is due next, as the hub's list has it.
    #[serde(skip)]
    pub(super) due: Option<Time>,
}

impl Inbox {
    /// How many messages wait, locked ones included.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// What waits, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    /// Adds a message that was found fit; gives its number.
    pub(crate) fn push(&mut self, message: C2d, now: Time, ttl: i64) -> u64 {
        self.last = self.last.saturating_add(1);
        self.queue.push_back(Queued {
            sequence: self.last,
            enqueued: now,
            expires: now.plus(message.ttl.unwrap_or(ttl).max(0)),
            deliveries: 0,
            sent: false,
            properties: message.properties,
            system: message.system,
            body: Body(message.payload),
            lock: None,
        });
        self.last
    }

    /// Takes out what has expired, and ends locks that have run out.
    pub(crate) fn age(&mut self, now: Time) -> Vec<Queued> {
        for message in &mut self.queue {
            let over = |lock: &mut Lock| lock.until.is_some_and(|until| until <= now);
            message.lock.take_if(over);
        }
        // A locked message is in a device's hands: it is settled or unlocked first.
        self.take(|message| message.lock.is_none() && message.expires <= now)
    }

    /// The messages that can be delivered, oldest first.
    pub(crate) fn ready(&mut self) -> impl Iterator<Item = &mut Queued> {
        self.queue
            .iter_mut()
            .filter(|message| message.lock.is_none())
    }

    /// Takes a message out by its number, if the connection holds its lock.
    pub(crate) fn complete(&mut self, sequence: u64, connection: Option<u64>) -> Option<Queued> {
        let held = |message: &Queued| {
            let lock = message.lock.as_ref();
            message.sequence == sequence && lock.is_some_and(|lock| lock.connection == connection)
        };
        let at = self.queue.iter().position(held)?;
        self.queue.remove(at)
    }

    /// The message that was received over HTTP with this lock token.
    pub(crate) fn locked(&self, token: &str) -> Option<u64> {
        let is = |message: &&Queued| {
            let lock = message.lock.as_ref();
            lock.is_some_and(|lock| lock.connection.is_none() && lock.token == token)
        };
        self.queue.iter().find(is).map(|message| message.sequence)
    }

    /// Gives a message back; it is taken out if that has happened `most` times.
    pub(crate) fn abandon(&mut self, sequence: u64, most: u32) -> Option<Queued> {
        let at = self
            .queue
            .iter()
            .position(|message| message.sequence == sequence)?;
        let message = self.queue.get_mut(at)?;
        message.lock = None;
        message.deliveries = message.deliveries.saturating_add(1);
        if message.deliveries < most.max(1) {
            return None;
        }
        self.queue.remove(at)
    }

    /// Ends the locks of a connection that is over.
    pub(crate) fn release(&mut self, connection: u64) {
        for message in &mut self.queue {
            message
                .lock
                .take_if(|lock| lock.connection == Some(connection));
        }
    }

    /// The queue on its way to another hub, where nothing is locked and nothing is due yet.
    pub(crate) fn moved(mut self) -> Self {
        for message in &mut self.queue {
            message.lock = None;
            message.sent = false;
        }
        self.due = None;
        self
    }

    /// Takes everything out.
    pub(crate) fn purge(&mut self) -> Vec<Queued> {
        self.queue.drain(..).collect()
    }

    /// When the next message expires or the next lock runs out.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let due = |message: &Queued| match &message.lock {
            None => Some(message.expires),
            Some(lock) => lock.until,
        };
        self.queue.iter().filter_map(due).min()
    }

    fn take(&mut self, out: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        if !self.queue.iter().any(&out) {
            return Vec::new();
        }
        let (gone, stays) = self.queue.drain(..).partition(|message| out(message));
        self.queue = stays;
        gone.into_iter().collect::<VecDeque<_>>().into()
    }
}
