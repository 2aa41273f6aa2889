//! The events that wait for the application: between the task and [`Events`](super::Events).
//!
//! Takes in events, some with a message that the hub wants acknowledged; gives them out in order, and says which
//! messages were taken. The task never waits for it, so that an application that reads no events still sends
//! telemetry. What waits is bounded by its kind:
//!
//! - status: the oldest makes room, and is counted in [`Event::Missed`];
//! - twin: a newer one takes the place of what waits, and so do changes when there are too many: the whole twin is
//!   asked for again;
//! - calls of methods: the oldest makes room; its caller hears from the hub that there was no answer;
//! - messages: what has no room is not acknowledged. The hub keeps it, and brings it with the next connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, futures::Notified};
use towpath_proto::mqtt::{QoS, packet::PacketId};

use super::Event;

/// Status events that wait. As many messages as are under way may expire all at once; this is more.
const MOST_STATUS: usize = 1024;

/// Calls of methods that wait.
const MOST_CALLS: usize = 64;

/// Messages that wait. The hub keeps up to 50.
const MOST_MESSAGES: usize = 64;

/// Changes of desired properties that wait.
const MOST_CHANGES: usize = 64;

/// What acknowledges a message on the connection it came by.
pub(super) type Receipt = (QoS, PacketId);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Status,
    Twin,
    Change,
    Call,
    Message,
    Last,
}

const fn kind(event: &Event) -> Kind {
    match event {
        Event::Twin { .. } => Kind::Twin,
        Event::Desired { .. } => Kind::Change,
        Event::Method(_) => Kind::Call,
        Event::Message(_) => Kind::Message,
        Event::Stopped(_) => Kind::Last,
        _ => Kind::Status,
    }
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    receipt: Option<Receipt>,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Waiting>,
    /// How many events of each kind wait, by [`Kind`].
    counts: [usize; 6],
    /// Events that were left out since the application was told.
    missed: u64,
    /// Messages that the application has, and the hub does not know.
    taken: VecDeque<Receipt>,
    /// Changes were left out; only the whole twin tells.
    stale: bool,
    /// Nothing is added any more.
    closed: bool,
    /// Nobody reads any more.
    deserted: bool,
}

impl Inside {
    fn count(&mut self, kind: Kind) -> &mut usize {
        // As many places as kinds.
        &mut self.counts[kind as usize]
    }

    fn leave_out_oldest(&mut self, wanted: Kind) {
        let found = self
            .waiting
            .iter()
            .position(|waiting| kind(&waiting.event) == wanted);
        if let Some(at) = found {
            self.waiting.remove(at);
            let count = self.count(wanted);
            *count = count.saturating_sub(1);
            self.missed = self.missed.saturating_add(1);
        }
    }

    /// Leaves out the twin and its changes that wait.
    fn leave_out_twin(&mut self) {
        self.waiting
            .retain(|waiting| !matches!(kind(&waiting.event), Kind::Twin | Kind::Change));
        *self.count(Kind::Twin) = 0;
        *self.count(Kind::Change) = 0;
    }

    fn add(&mut self, event: Event, receipt: Option<Receipt>) {
        let kind = kind(&event);
        let count = *self.count(kind);
        match kind {
            Kind::Status if count >= MOST_STATUS => self.leave_out_oldest(kind),
            Kind::Call if count >= MOST_CALLS => self.leave_out_oldest(kind),
            Kind::Message if count >= MOST_MESSAGES => {
                self.missed = self.missed.saturating_add(1);
                return;
            }
            Kind::Twin => {
                self.leave_out_twin();
                self.stale = false;
            }
            Kind::Change if count >= MOST_CHANGES || self.stale => {
                self.leave_out_twin();
                self.stale = true;
                return;
            }
            _ => {}
        }
        let count = self.count(kind);
        *count = count.saturating_add(1);
        self.waiting.push_back(Waiting { event, receipt });
    }

    fn next(&mut self) -> Option<Event> {
        if self.missed > 0 {
            return Some(Event::Missed(std::mem::take(&mut self.missed)));
        }
        let Waiting { event, receipt } = self.waiting.pop_front()?;
        let count = self.count(kind(&event));
        *count = count.saturating_sub(1);
        self.taken.extend(receipt);
        Some(event)
    }
}

#[derive(Debug, Default)]
struct Queue {
    inside: Mutex<Inside>,
    /// There is something to read, or nothing will be.
    added: Notify,
    /// The application took something that the task has to act upon.
    taken: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing that holds the lock leaves it half-changed.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's end. Dropping it ends the events.
#[derive(Debug)]
pub(super) struct Teller(Arc<Queue>);

/// The application's end.
#[derive(Debug)]
pub(super) struct Listener(Arc<Queue>);

/// Both ends of a queue.
pub(super) fn queue() -> (Teller, Listener) {
    let queue = Arc::new(Queue::default());
    (Teller(Arc::clone(&queue)), Listener(queue))
}

impl Teller {
    /// Adds an event. With a receipt it is a message that is acknowledged when it is taken.
    pub(super) fn tell(&self, event: Event, receipt: Option<Receipt>) {
        let mut inside = self.0.lock();
        if inside.deserted {
            return;
        }
        inside.add(event, receipt);
        drop(inside);
        self.0.added.notify_one();
    }

    /// The next message to acknowledge.
    pub(super) fn receipt(&self) -> Option<Receipt> {
        self.0.lock().taken.pop_front()
    }

    /// Gives back a receipt that could not be sent yet, or adds one of a message that nobody has to take.
    pub(super) fn keep_receipt(&self, receipt: Receipt) {
        self.0.lock().taken.push_front(receipt);
    }

    /// The connection ended, and the hub brings again what was not acknowledged.
    pub(super) fn forget_receipts(&self) {
        let mut inside = self.0.lock();
        inside.taken.clear();
        let before = inside.waiting.len();
        inside.waiting.retain(|waiting| waiting.receipt.is_none());
        let gone = before.saturating_sub(inside.waiting.len());
        let count = inside.count(Kind::Message);
        *count = count.saturating_sub(gone);
    }

    /// Whether the application reads again after changes of the twin were left out. True once.
    pub(super) fn is_twin_wanted(&self) -> bool {
        let mut inside = self.0.lock();
        let wanted = inside.stale && inside.waiting.is_empty();
        inside.stale &= !wanted;
        wanted
    }

    /// Waits until the application took something that is to be acted upon.
    pub(super) fn taken(&self) -> Notified<'_> {
        self.0.taken.notified()
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.added.notify_one();
    }
}

impl Listener {
    /// The next event; `None` when nothing follows. May be dropped at any point.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            {
                let mut inside = self.0.lock();
                let event = inside.next();
                if !inside.taken.is_empty() || inside.stale {
                    self.0.taken.notify_one();
                }
                if event.is_some() || inside.closed {
                    return event;
                }
            }
            self.0.added.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        inside.deserted = true;
        inside.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Devicebound, Stop};

    fn message() -> Event {
        Event::Message(Devicebound {
            input: None,
            properties: Vec::new(),
            body: Vec::new(),
            dup: false,
        })
    }

    fn desired(version: u64) -> Event {
        Event::Desired {
            patch: Vec::new(),
            version,
        }
    }

    fn receipt(id: u16) -> Receipt {
        (QoS::AtLeastOnce, PacketId::new(id).unwrap())
    }

    #[tokio::test]
    async fn the_oldest_status_makes_room_and_is_counted() {
        let (teller, mut listener) = queue();
        teller.tell(message(), Some(receipt(1)));
        for _ in 0..MOST_STATUS + 3 {
            teller.tell(Event::ClockUnset, None);
        }
        teller.tell(Event::Stopped(Stop::Asked), None);
        drop(teller);
        assert_eq!(listener.next().await, Some(Event::Missed(3)));
        assert_eq!(listener.next().await, Some(message()));
        for _ in 0..MOST_STATUS {
            assert_eq!(listener.next().await, Some(Event::ClockUnset));
        }
        assert_eq!(listener.next().await, Some(Event::Stopped(Stop::Asked)));
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test]
    async fn a_message_is_acknowledged_when_it_is_taken() {
        let (teller, mut listener) = queue();
        teller.tell(message(), Some(receipt(7)));
        assert_eq!(teller.receipt(), None);
        listener.next().await;
        teller.taken().await;
        assert_eq!(teller.receipt(), Some(receipt(7)));
        assert_eq!(teller.receipt(), None);
    }

    #[tokio::test]
    async fn what_the_hub_brings_again_does_not_wait_twice() {
        let (teller, mut listener) = queue();
        teller.tell(message(), Some(receipt(1)));
        teller.tell(message(), Some(receipt(2)));
        listener.next().await;
        teller.forget_receipts();
        assert_eq!(teller.receipt(), None);
        teller.tell(Event::Renewing, None);
        assert_eq!(listener.next().await, Some(Event::Renewing));
    }

    #[tokio::test]
    async fn too_many_changes_become_a_twin() {
        let (teller, mut listener) = queue();
        for version in 0..100 {
            teller.tell(desired(version), None);
        }
        assert!(teller.is_twin_wanted());
        assert!(!teller.is_twin_wanted());
        let twin = Event::Twin {
            document: Vec::new(),
            desired_version: 100,
            reported_version: 1,
        };
        teller.tell(twin.clone(), None);
        teller.tell(desired(101), None);
        assert_eq!(listener.next().await, Some(twin));
        assert_eq!(listener.next().await, Some(desired(101)));
    }
}
