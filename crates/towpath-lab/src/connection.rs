//! The ladder of each connection as the lab saw it: rungs with times, the device, and how it ended.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use serde::Serialize;
use towpath_proto::Rung;

use crate::clock::Time;

/// How many ended connections are kept.
const KEPT: usize = 200;

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Listener {
    /// MQTT over TLS, 8883.
    Mqtts,
    /// HTTP and WebSocket over TLS, 443.
    Https,
}

/// A rung that was reached or broke.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) rung: &'static str,
    /// Microseconds since the connection was accepted.
    pub(crate) at_us: u64,
    pub(crate) ok: bool,
    /// Version, suite, path, client id, the cause.
    pub(crate) detail: String,
}

/// A connection and what became of it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) listener: Listener,
    pub(crate) peer: SocketAddr,
    pub(crate) accepted: Time,
    started: Instant,
    /// Messages from and to the client, any kind of PUBLISH.
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    host: Option<String>,
    device: Option<String>,
    steps: Vec<Step>,
    ended: Option<(Time, String)>,
    faults: Vec<&'static str>,
}

/// A copy for the page and the API.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ladder {
    pub(crate) id: u64,
    pub(crate) listener: Listener,
    pub(crate) peer: String,
    pub(crate) accepted: String,
    pub(crate) host: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) steps: Vec<Step>,
    /// When and why it ended; `None` while it lives.
    pub(crate) ended: Option<(String, String)>,
    pub(crate) faults: Vec<&'static str>,
    pub(crate) up: u64,
    pub(crate) down: u64,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rung was reached, or broke when not `ok`.
    pub(crate) fn step(&self, rung: Rung, ok: bool, detail: impl Into<String>) {
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut seen = self.lock();
        // A client that renegotiates for ever must not fill the memory.
        if seen.steps.len() < 32 {
            seen.steps.push(Step {
                rung: rung.name(),
                at_us,
                ok,
                detail: detail.into(),
            });
        }
    }

    /// The hub or service that the client means, and who it is, as soon as they are known.
    pub(crate) fn identify(&self, host: Option<&str>, device: Option<&str>) {
        let mut seen = self.lock();
        if let Some(host) = host {
            seen.host = Some(host.to_owned());
        }
        if let Some(device) = device {
            seen.device = Some(device.to_owned());
        }
    }

    pub(crate) fn host(&self) -> Option<String> {
        self.lock().host.clone()
    }

    pub(crate) fn device(&self) -> Option<String> {
        self.lock().device.clone()
    }

    /// A fault was done to it.
    pub(crate) fn suffered(&self, fault: &'static str) {
        let mut seen = self.lock();
        if seen.faults.len() < 32 && !seen.faults.contains(&fault) {
            seen.faults.push(fault);
        }
    }

    /// Copies what is known.
    pub(crate) fn ladder(&self) -> Ladder {
        let seen = self.lock().clone();
        Ladder {
            id: self.id,
            listener: self.listener,
            peer: self.peer.to_string(),
            accepted: self.accepted.rfc3339(),
            host: seen.host,
            device: seen.device,
            steps: seen.steps,
            ended: seen.ended.map(|(at, why)| (at.rfc3339(), why)),
            faults: seen.faults,
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }
}

/// All connections that live, and the last that ended.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: BTreeMap<u64, Arc<Connection>>,
    ended: VecDeque<Arc<Connection>>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that was just accepted.
    pub(crate) fn open(&self, listener: Listener, peer: SocketAddr, now: Time) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            listener,
            peer,
            accepted: now,
            started: Instant::now(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        self.lock()
            .live
            .insert(connection.id, Arc::clone(&connection));
        connection
    }

    /// It is over.
    pub(crate) fn close(&self, connection: &Connection, now: Time, why: &str) {
        connection
            .lock()
            .ended
            .get_or_insert_with(|| (now, why.to_owned()));
        let mut inner = self.lock();
        if let Some(ended) = inner.live.remove(&connection.id) {
            if inner.ended.len() == KEPT {
                inner.ended.pop_front();
            }
            inner.ended.push_back(ended);
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.lock().live.len()
    }

    /// The one of this number, if it lives or ended not long ago.
    pub(crate) fn one(&self, id: u64) -> Option<Ladder> {
        let found = {
            let inner = self.lock();
            let ended = inner.ended.iter().find(|one| one.id == id);
            inner.live.get(&id).or(ended).cloned()
        };
        found.map(|one| one.ladder())
    }

    /// Those from an address that have not said who they are, with numbers above `after`; newest first, at most `limit`.
    pub(crate) fn nameless(&self, address: IpAddr, after: u64, limit: usize) -> Vec<Ladder> {
        self.chosen(limit, |one| {
            one.id > after && one.peer.ip() == address && one.lock().device.is_none()
        })
    }

    /// Those of a device, or of everybody; newest first, at most `limit`.
    pub(crate) fn ladders(&self, device: Option<&str>, limit: usize) -> Vec<Ladder> {
        self.chosen(limit, |one| {
            device.is_none_or(|device| one.lock().device.as_deref() == Some(device))
        })
    }

    fn chosen(&self, limit: usize, wanted: impl Fn(&Connection) -> bool) -> Vec<Ladder> {
        let mut all: Vec<_> = {
            let inner = self.lock();
            inner
                .live
                .values()
                .chain(inner.ended.iter())
                .cloned()
                .collect()
        };
        all.sort_unstable_by_key(|one| std::cmp::Reverse(one.id));
        all.iter()
            .filter(|one| wanted(one))
            .take(limit)
            .map(|one| one.ladder())
            .collect()
    }
}
