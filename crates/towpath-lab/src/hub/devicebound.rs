//! Cloud-to-device messages: from the service into a device's queue, from there to its connection or over HTTP, and
//! feedback about what became of them.
//!
//! A connection that subscribed with QoS 1 completes a message with its PUBACK. One that subscribed with QoS 0 has no
//! word for it: its messages are complete when they are written.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::{
    Down, Entry, Hub, Name, Rejected, State, body,
    inbox::{self, C2d, Lock, Outcome, Queued},
    session::Feature,
    topic::{self, Bag},
};
use crate::{
    clock::Time,
    connection::Connection,
    log::{Code, Level, Record},
    store::{self, Batch, Durable, Table},
};

/// How many records of feedback are kept for the service.
const FEEDBACK: usize = 1000;

/// The longest time until a message expires: two days.
const LONGEST_TTL: i64 = 2 * 24 * 3600 * 1000;

/// After how many milliseconds a connection that was too slow to take a message is tried again.
const AGAIN: i64 = 1000;

/// What became of a message, in the form of the service's feedback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Feedback {
    pub(crate) original_message_id: String,
    #[serde(with = "body::text")]
    pub(crate) enqueued_time_utc: Time,
    pub(crate) status_code: Outcome,
    pub(crate) description: Outcome,
    pub(crate) device_id: String,
    pub(crate) device_generation_id: String,
}

/// Feedback for the service, and when queues need a look.
#[derive(Debug, Default)]
pub(crate) struct Devicebound {
    /// The number of the oldest one that is kept.
    first: u64,
    feedback: VecDeque<Feedback>,
    /// One time for each queue that has something in it.
    due: BTreeSet<(Time, Name)>,
}

/// How a message that was received over HTTP is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    Complete,
    Reject,
    Abandon,
}

/// Looks after the hubs' queues until the task is aborted: what is due is done within half a second. It goes by the
/// lab's clock, which may run otherwise than the machine's.
pub(crate) async fn look_after(hubs: Vec<Arc<Hub>>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for hub in &hubs {
            hub.tick();
        }
    }
}

/// The keys of feedback in [`Table::Meta`].
fn feedback_key(host: &str, number: u64) -> String {
    store::key(&["feedback", host, &format!("{number:020}")])
}

impl Devicebound {
    /// What was kept of feedback.
    pub(super) fn load(&mut self, host: &str, meta: &[(String, serde_json::Value)]) {
        let prefix = store::key(&["feedback", host, ""]);
        for (key, value) in meta {
            let Some(number) = key
                .strip_prefix(&prefix)
                .and_then(|number| number.parse().ok())
            else {
                continue;
            };
            if let Ok(feedback) = Feedback::deserialize(value) {
                if self.feedback.is_empty() {
                    self.first = number;
                }
                self.feedback.push_back(feedback);
            }
        }
    }

    fn next(&self) -> u64 {
        self.first.saturating_add(self.feedback.len() as u64)
    }

    fn add(&mut self, host: &str, feedback: Feedback, batch: &mut Batch) {
        if self.feedback.len() >= FEEDBACK {
            self.feedback.pop_front();
            batch.delete(Table::Meta, feedback_key(host, self.first));
            self.first = self.first.saturating_add(1);
        }
        batch.put(Table::Meta, feedback_key(host, self.next()), &feedback);
        self.feedback.push_back(feedback);
    }
}

impl Hub {
    /// Puts a message into a device's queue; gives its number. The caller may be told when it is on the disk.
    pub(crate) fn enqueue(&self, name: &Name, message: C2d) -> Result<(u64, Durable), Rejected> {
        let refused = |code, why: String| {
            Err(Rejected {
                close: false,
                code,
                why,
            })
        };
        if name.module.is_some() {
            let why = format!("cloud-to-device messages are for devices; {name} is a module");
            return refused(Code::ArgumentInvalid, why);
        }
        let size = inbox::size(&message.properties, &message.system, &message.payload);
        if size > self.limits.c2d_bytes {
            let most = self.limits.c2d_bytes;
            return refused(
                Code::TooLarge,
                format!("the message has {size} bytes with its properties; {most} are allowed"),
            );
        }
        let now = self.means.clock.now();
        let ttl = i64::try_from(self.limits.c2d_ttl_s)
            .unwrap_or(i64::MAX)
            .saturating_mul(1000)
            .min(LONGEST_TTL);
        let message = C2d {
            ttl: message.ttl.map(|ttl| ttl.min(LONGEST_TTL)),
            ..message
        };
        let mut batch = Batch::default();
        let mut state = self.lock();
        // What has expired makes room.
        let changed = self.attend(&mut state, name, now, &mut batch);
        let Some(entry) = state.entries.get_mut(name) else {
            return refused(Code::DeviceNotFound, format!("there is no device {name}"));
        };
        if entry.inbox.len() >= self.limits.c2d_queue {
            let why = format!(
                "{} messages wait for {name}, as many as its queue holds",
                entry.inbox.len()
            );
            if changed {
                self.keep_inbox(&state, name, &mut batch);
                drop(self.means.store.write(batch));
            }
            drop(state);
            self.means.tell(
                Record::warn(Code::QueueFull, &why)
                    .host(&self.host)
                    .device(name.to_string()),
            );
            return refused(Code::QueueFull, why);
        }
        let sequence = entry.inbox.push(message, now, ttl);
        let text = format!("message {sequence} was queued ({} wait)", entry.inbox.len());
        self.tell_c2d(Level::Info, name, text);
        self.attend(&mut state, name, now, &mut batch);
        self.keep_inbox(&state, name, &mut batch);
        Ok((sequence, self.means.store.write(batch)))
    }

    /// The live connection's PUBACK of a message, or that it was written with QoS 0.
    pub(crate) fn complete(&self, name: &Name, connection: &Connection, sequence: u64) -> Durable {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let mut state = self.lock();
        let entry = state.entries.get_mut(name);
        let Some(entry) = entry.filter(|entry| entry.is_live(connection)) else {
            return Durable::DONE;
        };
        let done = entry.inbox.complete(sequence, Some(connection.id));
        let mut changed = done.is_some();
        match done {
            Some(message) => self.settled(&mut state, name, &message, Outcome::Success, &mut batch),
            None => {
                let text = format!(
                    "message {sequence} was acknowledged, but it does not wait for that: it was purged"
                );
                self.means.tell(
                    Record::warn(Code::LockLost, text)
                        .host(&self.host)
                        .device(name.to_string()),
                );
            }
        }
        changed |= self.attend(&mut state, name, now, &mut batch);
        if changed {
            self.keep_inbox(&state, name, &mut batch);
        }
        self.means.store.write(batch)
    }

    /// The oldest message that is not locked, locked for a reader over HTTP; with the lock's token. The reader may be
    /// told when what the look has changed is on the disk.
    pub(crate) fn receive(&self, name: &Name) -> (Option<(Queued, String)>, Durable) {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let mut state = self.lock();
        let changed = self.attend(&mut state, name, now, &mut batch);
        let Some(entry) = state.entries.get_mut(name) else {
            return (None, Durable::DONE);
        };
        let token = lock_token();
        let until = Some(now.plus(self.lock_millis()));
        let message = entry.inbox.ready().next().map(|message| {
            message.lock = Some(Lock {
                until,
                connection: None,
                token: token.clone(),
            });
            message.clone()
        });
        // A lock is not kept.
        if changed {
            self.keep_inbox(&state, name, &mut batch);
        }
        self.schedule(&mut state, name);
        let durable = self.means.store.write(batch);
        (message.map(|message| (message, token)), durable)
    }

    /// Settles a message that was [received](Self::receive).
    ///
    /// # Errors
    /// 412002 if its lock was lost.
    pub(crate) fn settle(
        &self,
        name: &Name,
        token: &str,
        how: Settle,
    ) -> Result<Durable, Rejected> {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let mut state = self.lock();
        let changed = self.attend(&mut state, name, now, &mut batch);
        let inbox = state.entries.get_mut(name).map(|entry| &mut entry.inbox);
        let found = inbox.and_then(|inbox| Some((inbox.locked(token)?, inbox)));
        let Some((sequence, inbox)) = found else {
            if changed {
                self.keep_inbox(&state, name, &mut batch);
                drop(self.means.store.write(batch));
            }
            let why = "the message's lock was lost, or was never given out".to_owned();
            return Err(Rejected {
                close: false,
                code: Code::LockLost,
                why,
            });
        };
        let (message, outcome) = match how {
            Settle::Complete => (inbox.complete(sequence, None), Outcome::Success),
            Settle::Reject => (inbox.complete(sequence, None), Outcome::Rejected),
            Settle::Abandon => (
                inbox.abandon(sequence, self.limits.c2d_deliveries),
                Outcome::DeliveryCountExceeded,
            ),
        };
        if let Some(message) = message {
            self.settled(&mut state, name, &message, outcome, &mut batch);
        }
        self.attend(&mut state, name, now, &mut batch);
        self.keep_inbox(&state, name, &mut batch);
        Ok(self.means.store.write(batch))
    }

    /// Empties a device's queue; gives how many messages were in it. `None`: there is no such device.
    pub(crate) fn purge(&self, name: &Name) -> Option<(usize, Durable)> {
        let mut batch = Batch::default();
        let mut state = self.lock();
        let gone = self.purge_in(&mut state, name, &mut batch)?;
        Some((gone, self.means.store.write(batch)))
    }

    pub(super) fn purge_in(
        &self,
        state: &mut State,
        name: &Name,
        batch: &mut Batch,
    ) -> Option<usize> {
        let gone = state.entries.get_mut(name)?.inbox.purge();
        for message in &gone {
            self.settled(state, name, message, Outcome::Purged, batch);
        }
        if !gone.is_empty() {
            self.keep_inbox(state, name, batch);
        }
        self.schedule(state, name);
        Some(gone.len())
    }

    /// A device's queue, oldest first.
    pub(crate) fn queue(&self, name: &Name) -> Option<Vec<Queued>> {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let mut state = self.lock();
        if self.attend(&mut state, name, now, &mut batch) {
            self.keep_inbox(&state, name, &mut batch);
            drop(self.means.store.write(batch));
        }
        let entry = state.entries.get(name)?;
        Some(entry.inbox.iter().cloned().collect())
    }

    /// Takes up to `most` records of feedback off the service's list.
    pub(crate) fn take_feedback(&self, most: usize) -> (Vec<Feedback>, Durable) {
        let mut batch = Batch::default();
        let mut state = self.lock();
        let list = &mut state.devicebound;
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(feedback) = list.feedback.pop_front() else {
                break;
            };
            batch.delete(Table::Meta, feedback_key(&self.host, list.first));
            list.first = list.first.saturating_add(1);
            taken.push(feedback);
        }
        (taken, self.means.store.write(batch))
    }

    /// Looks after the queues whose time has come: ends locks, drops what has expired, delivers again.
    pub(crate) fn tick(&self) {
        let now = self.means.clock.now();
        let mut batch = Batch::default();
        let mut state = self.lock();
        while let Some((due, name)) = state.devicebound.due.first().cloned() {
            if due > now {
                break;
            }
            state.devicebound.due.pop_first();
            if let Some(entry) = state.entries.get_mut(&name) {
                entry.inbox.due = None;
            }
            if self.attend(&mut state, &name, now, &mut batch) {
                self.keep_inbox(&state, &name, &mut batch);
            }
        }
        // Nobody waits for it.
        drop(self.means.store.write(batch));
    }

    /// Drops what has expired, ends locks that have run out, and hands what can be delivered to the connection. Whether
    /// the queue is another one now.
    pub(super) fn attend(
        &self,
        state: &mut State,
        name: &Name,
        now: Time,
        batch: &mut Batch,
    ) -> bool {
        let Some(entry) = state.entries.get_mut(name) else {
            return false;
        };
        let gone = entry.inbox.age(now);
        let waits = self.deliver(entry, name);
        for message in &gone {
            self.settled(state, name, message, Outcome::Expired, batch);
        }
        self.schedule(state, name);
        if waits {
            self.schedule_at(state, name, now.plus(AGAIN));
        }
        !gone.is_empty()
    }

    /// Hands messages to the connection; whether it was too slow for some.
    fn deliver(&self, entry: &mut Entry, name: &Name) -> bool {
        let Some(live) = &entry.live else {
            return false;
        };
        let Some(&qos) = entry.session.subscriptions.get(&Feature::CloudToDevice) else {
            return false;
        };
        for message in entry.inbox.ready() {
            let down = Down::Publish {
                topic: devicebound_topic(name, message),
                payload: message.body.0.clone(),
                qos,
                settles: Some(message.sequence),
                redelivered: message.sent,
            };
            if !live.send(down) {
                return true;
            }
            message.sent |= qos > 0;
            message.lock = Some(Lock {
                until: None,
                connection: Some(live.connection.id),
                token: String::new(),
            });
            self.tell_c2d(
                Level::Info,
                name,
                format!("message {} was sent with QoS {qos}", message.sequence),
            );
        }
        false
    }

    /// Tells what became of a message that has left the queue, and keeps it as feedback if that was asked for.
    fn settled(
        &self,
        state: &mut State,
        name: &Name,
        message: &Queued,
        outcome: Outcome,
        batch: &mut Batch,
    ) {
        let (level, what) = match outcome {
            Outcome::Success => (Level::Info, "completed"),
            Outcome::Expired => (Level::Warn, "dropped: it has expired"),
            Outcome::DeliveryCountExceeded => (Level::Warn, "dropped: it was abandoned too often"),
            Outcome::Rejected => (Level::Warn, "rejected by the device"),
            Outcome::Purged => (Level::Info, "purged"),
        };
        self.tell_c2d(
            level,
            name,
            format!("message {} was {what}", message.sequence),
        );
        if !message.wants(outcome) {
            return;
        }
        let Some(entry) = state.entries.get(name) else {
            return;
        };
        let feedback = Feedback {
            original_message_id: message
                .system
                .get("message-id")
                .cloned()
                .unwrap_or_default(),
            enqueued_time_utc: self.means.clock.now(),
            status_code: outcome,
            description: outcome,
            device_id: name.device.clone(),
            device_generation_id: entry.identity.generation.clone(),
        };
        state.devicebound.add(&self.host, feedback, batch);
    }

    pub(super) fn keep_inbox(&self, state: &State, name: &Name, batch: &mut Batch) {
        if let Some(entry) = state.entries.get(name) {
            batch.put(Table::Inbox, name.key(&self.host), &entry.inbox);
        }
    }

    /// Notes when the queue needs a look next.
    pub(super) fn schedule(&self, state: &mut State, name: &Name) {
        let Some(entry) = state.entries.get_mut(name) else {
            return;
        };
        let next = entry.inbox.next_due();
        if next == entry.inbox.due {
            return;
        }
        let old = std::mem::replace(&mut entry.inbox.due, next);
        let due = &mut state.devicebound.due;
        if let Some(old) = old {
            due.remove(&(old, name.clone()));
        }
        if let Some(next) = next {
            due.insert((next, name.clone()));
        }
    }

    /// The same, at this time at the latest.
    fn schedule_at(&self, state: &mut State, name: &Name, at: Time) {
        let Some(entry) = state.entries.get_mut(name) else {
            return;
        };
        if entry.inbox.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(old) = entry.inbox.due.replace(at) {
            state.devicebound.due.remove(&(old, name.clone()));
        }
        state.devicebound.due.insert((at, name.clone()));
    }

    fn lock_millis(&self) -> i64 {
        // A lock of no time would make the queue deliver for ever.
        i64::try_from(self.limits.c2d_lock_s.max(1))
            .unwrap_or(i64::MAX)
            .saturating_mul(1000)
    }

    fn tell_c2d(&self, level: Level, name: &Name, text: String) {
        let record = Record::new(level, Code::CloudToDevice, text);
        self.means
            .tell(record.host(&self.host).device(name.to_string()));
    }
}

fn devicebound_topic(name: &Name, message: &Queued) -> String {
    let mut bag = Bag {
        properties: message.properties.clone(),
        system: message.system.clone(),
    };
    let to = || format!("/devices/{}/messages/devicebound", name.device);
    bag.system.entry("to".into()).or_insert_with(to);
    topic::cloud_to_device(&name.device, &bag)
}

/// Like the service's: a UUID that nobody can guess.
fn lock_token() -> String {
    let mut bytes = [0; 16];
    // Without random numbers it would be guessed at worst by who may read the message anyway.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    let hex = |range: std::ops::Range<usize>| -> String {
        let bytes = bytes.get(range).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-")
}
