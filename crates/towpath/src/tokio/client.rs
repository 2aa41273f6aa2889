//! A handle that can be cloned, with a task behind it.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::{Notify, oneshot};
use towpath_proto::mqtt::{packet::Subscription, property::Properties, reason::ReasonCode};

use super::link::{Access, Link};
use crate::{
    Error, Event, Fault, Full, Options, Outcome, Outgoing, PacketId, QoS, Refusal, TopicFilter,
    TopicName,
    machine::{HIGH_WATER, Machine},
};

/// Events that wait for the application before the connection stops reading.
const MOST_WAITING: usize = 1024;

/// What the handles and the task share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Room came up for those who wait to publish, or the end.
    room: Notify,
    /// Everything is settled, or the end.
    settled: Notify,
    /// Events came up, or the end.
    news: Notify,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    events: VecDeque<Event>,
    receipts: HashMap<PacketId, oneshot::Sender<Outcome>>,
    requests: HashMap<PacketId, oneshot::Sender<Vec<ReasonCode>>>,
    /// The buffer was full; publishing waits until half of it has left. Filling it message by message would wake the
    /// task for each.
    congested: bool,
    /// The window was full; publishing waits until half of it is free.
    shut: bool,
    /// Somebody waits to publish, and this many bytes were stored then.
    short_of: Option<usize>,
    /// Somebody waits for everything to be settled.
    settling: bool,
    /// Something was changed that the task has not seen.
    changed: bool,
    /// The task waits and has to be woken for that.
    parked: bool,
    task: Option<Waker>,
    closing: bool,
    end: Option<Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock would be a bug here, not in what the lock guards.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct ByLock(Arc<Shared>);

impl Access for ByLock {
    fn with<T>(&mut self, act: impl FnOnce(&mut Machine) -> T) -> T {
        let mut state = self.0.lock();
        let full = state.events.len() >= MOST_WAITING;
        state.machine.client.pause(full);
        let answer = act(&mut state.machine);
        state.tell(&self.0);
        answer
    }

    fn park(&mut self, context: &Context<'_>) -> bool {
        let mut state = self.0.lock();
        if std::mem::take(&mut state.changed) {
            return true;
        }
        if !state
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(context.waker()))
        {
            state.task = Some(context.waker().clone());
        }
        state.parked = true;
        false
    }
}

/// A handle to a connection. Clones share it; the connection closes when [`disconnect`](Self::disconnect) is called or
/// the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    /// Ends the task when the last handle is dropped.
    _alive: Arc<Alive>,
}

#[derive(Debug)]
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing = true;
        // Without room for a farewell there is none; the task ends all the same.
        let _ = state
            .machine
            .disconnect(ReasonCode::SUCCESS, Properties::NONE);
        state.wake();
    }
}

/// The events of a connection, in order.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
}

/// Settles when the server has acknowledged a message. May be dropped.
#[derive(Debug)]
pub struct Receipt(Option<oneshot::Receiver<Outcome>>);

impl Future for Receipt {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // QoS 0 has no acknowledgement.
            None => Poll::Ready(Ok(Outcome::Acknowledged(ReasonCode::SUCCESS))),
            Some(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.map_err(|_| Error::Closed)),
        }
    }
}

impl Client {
    /// Spawns the task that drives the connection, on the current tokio runtime.
    #[must_use]
    pub fn spawn(options: Options) -> (Self, Events) {
        // The receipts need them.
        let options = options.report_settled(true);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                machine: Machine::new(Arc::new(options), None),
                events: VecDeque::new(),
                receipts: HashMap::new(),
                requests: HashMap::new(),
                congested: false,
                shut: false,
                short_of: None,
                settling: false,
                changed: false,
                parked: false,
                task: None,
                closing: false,
                end: None,
            }),
            room: Notify::new(),
            settled: Notify::new(),
            news: Notify::new(),
        });
        tokio::spawn(drive(
            Link::new(ByLock(Arc::clone(&shared))),
            Arc::clone(&shared),
        ));
        let alive = Arc::new(Alive(Arc::clone(&shared)));
        (
            Self {
                shared: Arc::clone(&shared),
                _alive: alive,
            },
            Events { shared },
        )
    }

    /// Publishes. The [`Receipt`] settles when the server has acknowledged; it may be dropped.
    ///
    /// # Errors
    /// [`Error::Refused`] if the message can't be taken, [`Error::Closed`] once nothing follows.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: QoS,
    ) -> Result<Receipt, Error> {
        let topic = TopicName::new(topic).map_err(Refusal::from)?;
        self.send(&Outgoing::new(topic, payload.as_ref(), qos))
            .await
    }

    /// Publishes a message with all its options, otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    #[inline]
    pub async fn send(&self, message: &Outgoing<'_>) -> Result<Receipt, Error> {
        if let Some(receipt) = self.try_send(message)? {
            return Ok(receipt);
        }
        self.send_later(message).await
    }

    #[cold]
    async fn send_later(&self, message: &Outgoing<'_>) -> Result<Receipt, Error> {
        loop {
            let room = self.shared.room.notified();
            if let Some(receipt) = self.try_send(message)? {
                return Ok(receipt);
            }
            room.await;
        }
    }

    /// Publishes if there is room; `None` if not.
    fn try_send(&self, message: &Outgoing<'_>) -> Result<Option<Receipt>, Error> {
        let mut state = self.shared.lock();
        state.check()?;
        if !state.has_room(message.qos) {
            state.short_of = Some(usize::MAX);
            return Ok(None);
        }
        let machine = &mut state.machine;
        let id = match machine.publish(message) {
            Ok(id) => id,
            Err(Refusal::Full) if machine.options.full == Full::Wait && !machine.is_empty() => {
                state.short_of = Some(machine.client.stored());
                return Ok(None);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let receipt = id.map(|id| {
            let (sender, receiver) = oneshot::channel();
            state.receipts.insert(id, sender);
            receiver
        });
        state.wake();
        Ok(Some(Receipt(receipt)))
    }

    /// Subscribes to one filter and waits for the server's answer. The subscription is made again after a reconnect.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken, [`Error::Closed`] if no answer will come.
    pub async fn subscribe(&self, filter: &str, qos: QoS) -> Result<ReasonCode, Error> {
        let filter = TopicFilter::new(filter).map_err(Refusal::from)?;
        let reasons = self
            .subscribe_all(&[Subscription::new(filter, qos)], None)
            .await?;
        Ok(reasons
            .first()
            .copied()
            .unwrap_or(ReasonCode::UNSPECIFIED_ERROR))
    }

    /// Subscribes to several filters and waits for one reason code each.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_all(
        &self,
        list: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Result<Vec<ReasonCode>, Error> {
        self.request(|machine| machine.subscribe(list, identifier))
            .await
    }

    /// Ends the subscription to one filter and waits for the server's answer.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, filter: &str) -> Result<(), Error> {
        let filter = TopicFilter::new(filter).map_err(Refusal::from)?;
        self.request(|machine| machine.unsubscribe(&[filter]))
            .await
            .map(drop)
    }

    async fn request(
        &self,
        ask: impl FnOnce(&mut Machine) -> Result<PacketId, Refusal>,
    ) -> Result<Vec<ReasonCode>, Error> {
        let answer = {
            let mut state = self.shared.lock();
            state.check()?;
            let id = ask(&mut state.machine)?;
            let (sender, receiver) = oneshot::channel();
            state.requests.insert(id, sender);
            state.wake();
            receiver
        };
        answer.await.map_err(|_| Error::Closed)
    }

    /// Acknowledges a message when [`Options::manual_acks`] is set.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no connection.
    pub fn acknowledge(&self, qos: QoS, packet_id: PacketId) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.machine.client.acknowledge(qos, packet_id)?;
        state.wake();
        Ok(())
    }

    /// Waits until the server has acknowledged everything published so far, then says farewell.
    ///
    /// # Errors
    /// [`Error::Path`] if the path breaks for good before.
    pub async fn disconnect(&self) -> Result<(), Error> {
        loop {
            let settled = self.shared.settled.notified();
            {
                let mut state = self.shared.lock();
                match &state.end {
                    Some(Error::Closed) => return Ok(()),
                    Some(error) => return Err(error.clone()),
                    None => {}
                }
                state.settling = true;
                if !state.closing && state.machine.client.is_settled() {
                    state.closing = true;
                    state
                        .machine
                        .disconnect(ReasonCode::SUCCESS, Properties::NONE)?;
                }
                state.wake();
            }
            settled.await;
        }
    }

    /// Whether the server has accepted the connection and it holds.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.lock().machine.client.is_connected()
    }
}

impl State {
    fn check(&self) -> Result<(), Error> {
        match &self.end {
            Some(error) => Err(error.clone()),
            None if self.closing => Err(Error::Closed),
            None => Ok(()),
        }
    }

    /// Whether a message of `qos` may be accepted now.
    #[inline]
    fn has_room(&mut self, qos: QoS) -> bool {
        let client = &self.machine.client;
        let limit = if self.congested {
            HIGH_WATER / 2
        } else {
            HIGH_WATER
        };
        self.congested = client.unsent() >= limit;
        if qos != QoS::AtMostOnce {
            let open = if self.shut {
                self.machine.has_half_window()
            } else {
                self.machine.has_window(qos)
            };
            self.shut = !open;
            return open && !self.congested;
        }
        !self.congested
    }

    /// Wakes those for whom something changed.
    fn tell(&mut self, shared: &Shared) {
        let over = self.end.is_some();
        if let Some(stored) = self.short_of {
            let client = &self.machine.client;
            let room = client.unsent() < HIGH_WATER / 2
                && self.machine.has_half_window()
                && client.stored() < stored;
            if room || over {
                self.short_of = None;
                shared.room.notify_waiters();
            }
        }
        if self.settling && (over || self.closing || self.machine.client.is_settled()) {
            shared.settled.notify_waiters();
        }
    }

    /// Wakes the task if it waits.
    #[inline]
    fn wake(&mut self) {
        self.changed = true;
        if self.parked {
            self.parked = false;
            if let Some(task) = &self.task {
                task.wake_by_ref();
            }
        }
    }

    /// Gives an event to who waits for it, or to the application.
    fn deliver(&mut self, event: Event) {
        match &event {
            Event::Settled { packet_id, outcome } => {
                if let Some(receipt) = self.receipts.remove(packet_id) {
                    let _ = receipt.send(*outcome);
                }
                return;
            }
            Event::Subscribed { packet_id, reasons }
            | Event::Unsubscribed { packet_id, reasons } => {
                if let Some(request) = self.requests.remove(packet_id) {
                    let _ = request.send(reasons.clone());
                    return;
                }
            }
            Event::Disconnected {
                fault,
                retry_in: None,
            } => self.finish(Error::Path(*fault)),
            Event::Refused(refusal) => self.finish(Error::Refused(*refusal)),
            Event::Closed => self.finish(Error::Closed),
            _ => {}
        }
        self.events.push_back(event);
    }

    /// Nothing follows: everybody who waits learns it.
    fn finish(&mut self, error: Error) {
        self.end.get_or_insert(error);
        self.receipts.clear();
        self.requests.clear();
    }
}

impl Events {
    /// The next event; `None` after the last. Acknowledgements go to the [`Receipt`]s, answers to the waiting calls.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let news = self.shared.news.notified();
            {
                let mut state = self.shared.lock();
                if let Some(event) = state.events.pop_front() {
                    if state.events.len() == MOST_WAITING / 2 {
                        state.wake();
                    }
                    return Some(event);
                }
                if state.end.is_some() {
                    return None;
                }
            }
            news.await;
        }
    }

    /// The fault that ended the connection for good, if one did.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        if let Some(Error::Path(fault)) = self.shared.lock().end {
            Some(fault)
        } else {
            None
        }
    }
}

/// The task.
async fn drive(mut link: Link<ByLock>, shared: Arc<Shared>) {
    loop {
        let event = link.drive(&|_| false).await;
        tokio::task::coop::consume_budget().await;
        let mut state = shared.lock();
        if let Some(event) = event {
            state.deliver(event);
            shared.news.notify_one();
        }
        state.tell(&shared);
        drop(state);
        if link.is_over() {
            shared.news.notify_one();
            return;
        }
    }
}
