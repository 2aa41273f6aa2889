//! Messages from devices: kept for readers, and told to those who listen.
//!
//! Takes in what a device published; gives out when it is on the disk, so that it can be acknowledged. The newest are
//! kept, at most `limits.telemetry_kept` of them and at most [`KEPT_BYTES`]; the oldest go first. Here a message costs
//! few allocations and no lock of the hub's but for the time of the device's last activity.
//!
//! Readers see a message at once, the disk has it a little later. So that a number that somebody has seen never becomes
//! that of another message, a mark far ahead of the last number is on the disk first: a lab that was killed goes on
//! behind the mark, one that was ended goes on with the next number.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{Hub, Name, body, body::Body};
use crate::{
    Error,
    clock::Time,
    config::Oversize,
    connection::Connection,
    fault::Kind,
    log::{Code, Record},
    store::{self, Batch, Durable, Store, Table},
};

/// How many bytes of messages are kept.
const KEPT_BYTES: usize = 64 << 20;

/// Bytes that a message takes besides its own, and each of its properties, for the sum above.
const OVERHEAD: usize = 256;
const PROPERTY: usize = 100;

/// How many messages a listener may be behind.
const BEHIND: usize = 1024;

/// The daily quota is counted in pieces of so many bytes.
const PIECE: usize = 4096;

const DAY: i64 = 24 * 3600 * 1000;

/// How far ahead of the last number the mark is put. The next mark is written when half of it is used, long before the
/// writer can be so many messages behind.
const AHEAD: u64 = 1 << 20;

/// System properties that only the hub says, by the names of the real one's, and those of the bag that would be them.
const CONNECTION_DEVICE: &str = "iothub-connection-device-id";
const CONNECTION_MODULE: &str = "iothub-connection-module-id";
const CLAIMED: [&str; 2] = ["connection-device-id", "connection-module-id"];

/// What a device published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming {
    /// The application's properties.
    pub(crate) properties: BTreeMap<String, String>,
    /// The system's, by the names of the REST API.
    pub(crate) system: BTreeMap<String, String>,
    /// On its own: kept as it is, it would keep a larger buffer that it is a part of.
    pub(crate) payload: Bytes,
}

impl Incoming {
    /// What counts for the limit: body, values of system properties, names and values of the application's.
    fn size(&self) -> usize {
        super::inbox::size(&self.properties, &self.system, &self.payload)
    }
}

impl Rejected {
    /// A connection that is not the live one has no say any more.
    pub(super) fn stolen(name: &Name) -> Self {
        Self {
            close: true,
            code: Code::LinkStolen,
            why: format!("{name} has another connection by now, or was deleted"),
        }
    }
}

/// Why the hub does not do what was asked. Who asked tells the log, with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// The connection is to be closed. If not, a PUBLISH is acknowledged all the same, and its message is lost.
    pub(crate) close: bool,
    pub(crate) code: Code,
    pub(crate) why: String,
}

/// A message that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Grows by one with each message to the hub.
    pub(crate) sequence: u64,
    #[serde(with = "body::text")]
    pub(crate) enqueued: Time,
    pub(crate) device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
    /// The number of the connection that it came over.
    pub(crate) connection: u64,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) system: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(crate) body: Body,
}

impl Message {
    /// Whether it is of this device, or of this `device/module`.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        match &self.module {
            None => self.device == name,
            Some(module) => {
                let rest = name.strip_prefix(self.device.as_str());
                rest.and_then(|rest| rest.strip_prefix('/')) == Some(module.as_str())
            }
        }
    }

    /// What counts for the day's quota.
    fn size(&self) -> usize {
        let own = [CONNECTION_DEVICE, CONNECTION_MODULE].iter();
        let own: usize = own
            .filter_map(|name| Some(self.system.get(*name)?.len()))
            .sum();
        super::inbox::size(&self.properties, &self.system, &self.body.0).saturating_sub(own)
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let properties = self.properties.len() + self.system.len();
        self.size() + OVERHEAD + PROPERTY * properties
    }
}

/// The hub's messages.
#[derive(Debug)]
pub(crate) struct Telemetry {
    ring: Mutex<Ring>,
    told: broadcast::Sender<Arc<Message>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the last message.
    last: u64,
    /// What the mark on the disk is, or will be before the numbers reach the one before it.
    mark: u64,
    bytes: usize,
    kept: VecDeque<Arc<Message>>,
    /// The day of the quota since 1970, and what is used of it.
    day: i64,
    used: u64,
}

fn key(host: &str, sequence: u64) -> String {
    store::key(&[host, &format!("{sequence:020}")])
}

/// The key of the mark in [`Table::Meta`].
pub(super) fn mark_key(host: &str) -> String {
    store::key(&["telemetry", host])
}

impl Telemetry {
    /// Reads what is kept, and waits until the next mark is on the disk. What was used of the day's quota is what is
    /// still kept of this day.
    pub(super) fn open(
        host: &str,
        most: usize,
        mark: Option<u64>,
        store: &Store,
        now: Time,
    ) -> Result<Self, Error> {
        let prefix = store::key(&[host, ""]);
        let mut ring = Ring {
            day: now.as_millis().div_euclid(DAY),
            ..Ring::default()
        };
        let mut batch = Batch::default();
        for (key, message) in store.load::<Message>(Table::Telemetry)? {
            if key.starts_with(&prefix) {
                ring.last = ring.last.max(message.sequence);
                if message.enqueued.as_millis().div_euclid(DAY) == ring.day {
                    ring.used = ring.used.saturating_add(pieces(message.size()));
                }
                ring.push(Arc::new(message));
                ring.shrink(host, most, &mut batch);
            }
        }
        ring.last = ring.last.max(mark.unwrap_or_default());
        ring.put_mark(host, &mut batch);
        let (written, done) = std::sync::mpsc::channel();
        let durable = store.write_then(batch, move || {
            let _ = written.send(());
        });
        if !durable.is_done() {
            done.recv().map_err(|_| Error::Store {
                why: "nothing can be written".into(),
            })?;
        }
        Ok(Self {
            ring: Mutex::new(ring),
            told: broadcast::channel(BEHIND).0,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that are kept with a number above `after`, oldest first, of a device or `device/module` or of all.
    pub(crate) fn since(&self, after: u64, of: Option<&str>, limit: usize) -> Vec<Arc<Message>> {
        let ring = self.lock();
        let skip = ring
            .kept
            .partition_point(|message| message.sequence <= after);
        let wanted = |message: &&Arc<Message>| of.is_none_or(|of| message.is_of(of));
        ring.kept
            .iter()
            .skip(skip)
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect()
    }

    /// The newest messages, oldest of them first.
    pub(crate) fn newest(&self, of: Option<&str>, limit: usize) -> Vec<Arc<Message>> {
        let ring = self.lock();
        let wanted = |message: &&Arc<Message>| of.is_none_or(|of| message.is_of(of));
        let mut found: Vec<_> = ring
            .kept
            .iter()
            .rev()
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect();
        found.reverse();
        found
    }

    /// The number of the last message; 0 before the first one.
    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Every message from now on. A listener that is slow is told how many it missed.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Message>> {
        self.told.subscribe()
    }
}

impl Ring {
    fn push(&mut self, message: Arc<Message>) {
        self.bytes += message.bytes();
        self.kept.push_back(message);
    }

    /// Puts the mark ahead of the last number.
    fn put_mark(&mut self, host: &str, batch: &mut Batch) {
        self.mark = self.last.saturating_add(AHEAD);
        batch.put(Table::Meta, mark_key(host), &self.mark);
    }

    /// Lets the oldest go.
    fn shrink(&mut self, host: &str, most: usize, batch: &mut Batch) {
        while self.kept.len() > most || self.bytes > KEPT_BYTES {
            let Some(gone) = self.kept.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(gone.bytes());
            batch.delete(Table::Telemetry, key(host, gone.sequence));
        }
    }

    /// Whether so many pieces are left of this day's quota; if so they are used.
    fn quota(&mut self, pieces: u64, of: u64, now: Time) -> bool {
        let day = now.as_millis().div_euclid(DAY);
        if day != self.day {
            (self.day, self.used) = (day, 0);
        }
        if of > 0 && self.used.saturating_add(pieces) > of {
            return false;
        }
        self.used = self.used.saturating_add(pieces);
        true
    }
}

fn pieces(size: usize) -> u64 {
    size.div_ceil(PIECE).max(1) as u64
}

/// Nothing is published any more: the next start goes on with the next number.
impl Drop for Hub {
    fn drop(&mut self) {
        let mut batch = Batch::default();
        batch.put(
            Table::Meta,
            mark_key(&self.host),
            &self.telemetry.lock().last,
        );
        // The store writes what it was given before it ends.
        drop(self.means.store.write(batch));
    }
}

impl Hub {
    /// Stores a message that the live connection of a device or module published.
    pub(crate) fn publish(
        &self,
        name: &Name,
        connection: &Connection,
        incoming: Incoming,
    ) -> Result<Durable, Rejected> {
        if !self.lock().is_live(name, connection) {
            return Err(Rejected::stolen(name));
        }
        self.telemetry(name, connection, incoming)
    }

    /// Stores a message of a device or module. It may be acknowledged when it is on the disk.
    pub(crate) fn telemetry(
        &self,
        name: &Name,
        connection: &Connection,
        incoming: Incoming,
    ) -> Result<Durable, Rejected> {
        if self
            .means
            .faults
            .strike(Kind::HubQuota, connection)
            .is_some()
        {
            return Err(used_up("the fault hub-quota is on"));
        }
        self.stored(name, connection.id, incoming)
    }

    fn stored(
        &self,
        name: &Name,
        connection: u64,
        incoming: Incoming,
    ) -> Result<Durable, Rejected> {
        let size = incoming.size();
        let most = self.limits.telemetry_bytes;
        if size > most {
            return Err(Rejected {
                close: self.behaviour.oversize == Oversize::Close,
                code: Code::TooLarge,
                why: format!(
                    "the message has {size} bytes with its properties; {most} are allowed"
                ),
            });
        }
        let now = self.means.clock.now();
        self.active(name, now);
        let mut system = incoming.system;
        // Who sent it is the hub's to say.
        system.retain(|name, _| !CLAIMED.contains(&name.as_str()));
        system.insert(CONNECTION_DEVICE.into(), name.device.clone());
        if let Some(module) = &name.module {
            system.insert(CONNECTION_MODULE.into(), module.clone());
        }
        let mut message = Message {
            sequence: 0,
            enqueued: now,
            device: name.device.clone(),
            module: name.module.clone(),
            connection,
            properties: incoming.properties,
            system,
            body: Body(incoming.payload),
        };
        let store = &self.means.store;
        let mut batch = Batch::default();
        let mut ring = self.telemetry.lock();
        let quota = self.limits.messages_per_day;
        if !ring.quota(pieces(size), quota, now) {
            return Err(used_up(&format!("all {quota} of this day (UTC) were sent")));
        }
        ring.last = ring.last.saturating_add(1);
        message.sequence = ring.last;
        if store.keeps() {
            batch.put(
                Table::Telemetry,
                key(&self.host, message.sequence),
                &message,
            );
            if ring.mark.saturating_sub(ring.last) < AHEAD / 2 {
                ring.put_mark(&self.host, &mut batch);
            }
        }
        let message = Arc::new(message);
        ring.push(Arc::clone(&message));
        ring.shrink(&self.host, self.limits.telemetry_kept, &mut batch);
        let durable = store.write(batch);
        // Nobody listening is fine. Told here, so that the order is that of the numbers.
        let _ = self.telemetry.told.send(message);
        Ok(durable)
    }

    /// Notes that a device or module did something.
    pub(super) fn active(&self, name: &Name, now: Time) {
        if let Some(entry) = self.lock().entries.get_mut(name) {
            entry.identity.last_activity = now;
        }
    }

    /// The will of a connection that broke.
    pub(super) fn publish_will(
        &self,
        name: &Name,
        connection: &Connection,
        topic: &str,
        payload: &[u8],
    ) {
        let bag = match super::topic::up(topic, name) {
            Ok(super::topic::Up::Telemetry { bag }) => super::topic::Bag::parse(bag),
            _ => return,
        };
        let mut incoming = Incoming {
            properties: bag.properties,
            system: bag.system,
            payload: Bytes::copy_from_slice(payload),
        };
        incoming
            .properties
            .insert("iothub-MessageType".into(), "Will".into());
        if let Err(rejected) = self.telemetry(name, connection, incoming) {
            let text = format!("the will was lost: {}", rejected.why);
            let record = Record::warn(rejected.code, text).connection(connection.id);
            self.means
                .tell(record.host(&self.host).device(name.to_string()));
        }
    }
}

fn used_up(why: &str) -> Rejected {
    Rejected {
        close: true,
        code: Code::QuotaExceeded,
        why: format!("the hub's messages of the day are used up: {why}"),
    }
}
