//! A connection that is driven in the caller's own task.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, task::Context};

use towpath_proto::mqtt::{packet::Subscription, property::Properties, reason::ReasonCode};

use super::link::{Access, Link, ended};
use crate::{
    Code, Error, Event, Fault, Full, Limits, Options, Outgoing, PacketId, QoS, Refusal,
    TopicFilter, TopicName,
    machine::{HIGH_WATER, Machine},
};

/// Events that are kept while something else than [`Connection::next`] is waited for.
const MOST_WAITING: usize = 4096;

/// A machine that nobody else touches.
#[derive(Debug)]
struct Own(Machine);

impl Access for Own {
    #[inline]
    fn with<T>(&mut self, act: impl FnOnce(&mut Machine) -> T) -> T {
        act(&mut self.0)
    }

    fn park(&mut self, _: &Context<'_>) -> bool {
        false
    }
}

/// A connection without a task of its own. Nothing moves unless one of its methods is awaited: what is published
/// leaves with [`next`](Self::next), [`flush`](Self::flush), or when much has come together.
///
/// Every future may be dropped at any point; nothing is lost by it.
#[derive(Debug)]
pub struct Connection {
    link: Link<Own>,
    /// Events that came while something else was waited for.
    waiting: VecDeque<Event>,
}

impl Connection {
    /// A connection that is not tried yet; [`next`](Self::next) climbs.
    #[must_use]
    pub fn new(options: impl Into<Arc<Options>>) -> Self {
        Self::over(Machine::new(options.into(), None))
    }

    /// The same for one of many connections that differ in their client identifier alone: they share the options.
    #[must_use]
    pub fn sharing(options: &Arc<Options>, client_id: &str) -> Self {
        Self::over(Machine::new(Arc::clone(options), Some(client_id)))
    }

    fn over(machine: Machine) -> Self {
        Self {
            link: Link::new(Own(machine)),
            waiting: VecDeque::new(),
        }
    }

    /// Climbs once and answers when the server has accepted the connection.
    ///
    /// # Errors
    /// [`Error::Path`] with the rung that broke.
    pub async fn connect(options: impl Into<Arc<Options>>) -> Result<Self, Error> {
        let mut connection = Self::new(options);
        loop {
            let event = connection.link.next().await;
            match event {
                Event::Disconnected { fault, .. } => return Err(fault.into()),
                Event::Refused(refusal) => return Err(refusal.into()),
                Event::Closed => return Err(Error::Closed),
                _ => {}
            }
            let connected = matches!(event, Event::Connected { .. });
            connection.waiting.push_back(event);
            if connected {
                return Ok(connection);
            }
        }
    }

    /// Goes to another server, or to the same one with other credentials: the next event comes from an attempt with these
    /// options. The session is kept, so what is not acknowledged is sent again there. A connection that still holds is
    /// cut; [`disconnect`](Self::disconnect) leaves it in peace.
    pub fn redirect(&mut self, options: impl Into<Arc<Options>>) {
        self.link.redirect(options.into());
    }

    /// Cuts the connection. Nothing follows but [`Event::Closed`], until it is [redirected](Self::redirect).
    pub fn cut(&mut self) {
        self.link.cut();
    }

    /// The machine, for who hands it messages without waiting.
    #[cfg(feature = "azure")]
    pub(crate) const fn machine(&mut self) -> &mut Machine {
        &mut self.link.access.0
    }

    /// The next event. After [`Event::Closed`], or [`Event::Disconnected`] without a retry, nothing follows but
    /// [`Event::Closed`].
    pub async fn next(&mut self) -> Event {
        match self.waiting.pop_front() {
            Some(event) => event,
            None => self.link.next().await,
        }
    }

    /// An event that came while something else was waited for, if there is one.
    pub fn take_waiting(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }

    /// Publishes. With QoS 0 and a connection the message is on its way to the transmit buffer; otherwise it is kept
    /// until the server has it. Waits when the window or a buffer is full.
    ///
    /// # Errors
    /// [`Error::Refused`] if the message can't be taken, [`Error::Path`] or [`Error::Closed`] once nothing follows.
    pub async fn publish(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: QoS,
    ) -> Result<Option<PacketId>, Error> {
        let topic = TopicName::new(topic).map_err(Refusal::from)?;
        self.send(&Outgoing::new(topic, payload.as_ref(), qos))
            .await
    }

    /// Publishes a message with all its options, otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    #[inline]
    pub async fn send(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Error> {
        match self.try_send(message) {
            Some(answer) => answer,
            None => self.send_later(message).await,
        }
    }

    /// Publishes if nothing has to be waited for, otherwise as [`send`](Self::send); `None` if something has.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    #[inline]
    pub fn try_send(&mut self, message: &Outgoing<'_>) -> Option<Result<Option<PacketId>, Error>> {
        let machine = &mut self.link.access.0;
        if machine.client.unsent() >= HIGH_WATER || !machine.has_window(message.qos) {
            return None;
        }
        match machine.publish(message) {
            Err(Refusal::Full) if machine.options.full == Full::Wait => None,
            answer => Some(answer.map_err(Error::from)),
        }
    }

    /// Whether a message of `qos` has to wait for acknowledgements.
    pub(crate) fn is_window_full(&self, qos: QoS) -> bool {
        !self.link.access.0.has_window(qos)
    }

    /// Publishes after making room.
    #[cold]
    async fn send_later(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Error> {
        loop {
            self.make_room(message.qos).await?;
            let machine = &mut self.link.access.0;
            match machine.publish(message) {
                Ok(id) => return Ok(id),
                Err(Refusal::Full) if machine.options.full == Full::Wait && !machine.is_empty() => {
                }
                Err(refusal) => return Err(refusal.into()),
            }
            let stored = machine.client.stored();
            self.turn(&|machine: &mut Machine| machine.client.stored() < stored)
                .await?;
        }
    }

    /// Sends until less waits for the wire, and with QoS 1 and 2 until half the window is free: filling it one by one
    /// would cost a system call each (RFC 9293 section 3.8.6.2 calls the like the silly window syndrome).
    async fn make_room(&mut self, qos: QoS) -> Result<(), Error> {
        self.until(|machine| machine.client.unsent() < HIGH_WATER / 2)
            .await?;
        if self.link.access.0.has_window(qos) {
            return Ok(());
        }
        self.until(|machine| machine.has_half_window()).await
    }

    /// Drives until the machine is as `enough` wants it, keeping events for later.
    async fn until(&mut self, enough: impl Fn(&mut Machine) -> bool) -> Result<(), Error> {
        while !enough(&mut self.link.access.0) {
            self.turn(&enough).await?;
        }
        Ok(())
    }

    /// One step, keeping the event for later.
    async fn turn(&mut self, enough: &impl Fn(&mut Machine) -> bool) -> Result<(), Error> {
        if self.link.is_over() {
            return Err(Error::Closed);
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(Error::Unread);
        }
        if let Some(event) = self.link.drive(enough).await {
            let end = ended(&event);
            self.waiting.push_back(event);
            if let Some(error) = end {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits until everything published has left this side. Messages that came meanwhile are kept for
    /// [`next`](Self::next).
    ///
    /// # Errors
    /// [`Error::Path`] or [`Error::Closed`] once nothing follows.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.until(|machine| !machine.has_unsent()).await
    }

    /// Waits until the server has acknowledged everything.
    ///
    /// # Errors
    /// [`Error::Path`] or [`Error::Closed`] once nothing follows.
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.until(|machine| machine.client.is_settled()).await
    }

    /// Subscribes to one filter. [`Event::Subscribed`] reports; the subscription is made again after a reconnect.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<PacketId, Error> {
        let filter = TopicFilter::new(filter).map_err(Refusal::from)?;
        self.subscribe_all(&[Subscription::new(filter, qos)], None)
    }

    /// Subscribes to several filters with their options and, with MQTT 5, a subscription identifier.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn subscribe_all(
        &mut self,
        list: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Result<PacketId, Error> {
        Ok(self.link.access.0.subscribe(list, identifier)?)
    }

    /// Ends the subscription to one filter. [`Event::Unsubscribed`] reports.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn unsubscribe(&mut self, filter: &str) -> Result<PacketId, Error> {
        let filter = TopicFilter::new(filter).map_err(Refusal::from)?;
        Ok(self.link.access.0.unsubscribe(&[filter])?)
    }

    /// Acknowledges a message when [`Options::manual_acks`] is set.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no connection.
    pub fn acknowledge(&mut self, qos: QoS, packet_id: PacketId) -> Result<(), Error> {
        Ok(self.link.access.0.client.acknowledge(qos, packet_id)?)
    }

    /// Answers a step of enhanced authentication, or begins one again.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn auth(&mut self, reason: ReasonCode, properties: Properties<'_>) -> Result<(), Error> {
        Ok(self.link.access.0.client.auth(reason, properties)?)
    }

    /// QoS 1 and 2 messages that were taken and are not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.link.access.0.client.unsettled()
    }

    /// What the server granted.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.link.access.0.client.limits()
    }

    /// Whether the server has accepted the connection and it holds.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.access.0.client.is_connected()
    }

    /// The server's address, while there is a TCP connection.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.link.peer()
    }

    /// For when the server is silent longer than expected, and the keep-alive has not noticed yet: whether the path
    /// swallows large packets, as far as the operating system can tell.
    pub fn large_packets_lost(&mut self) -> Option<Fault> {
        let bytes = self.link.lost_segments()?;
        let rung = self.link.access.0.client.rung();
        Some(Fault::new(rung, Code::LargePacketsLost).number(bytes))
    }

    /// Says farewell and waits until it has left. What was not acknowledged is lost with this value.
    ///
    /// # Errors
    /// [`Error::Path`] if the path breaks before.
    pub async fn disconnect(&mut self) -> Result<(), Error> {
        self.disconnect_with(ReasonCode::SUCCESS).await
    }

    /// Says farewell with a reason code, for example [`ReasonCode::DISCONNECT_WITH_WILL`] (MQTT 5).
    ///
    /// # Errors
    /// [`Error::Path`] if the path breaks before, [`Error::Refused`] if the version has no reason codes.
    pub async fn disconnect_with(&mut self, reason: ReasonCode) -> Result<(), Error> {
        self.flush().await?;
        self.link.access.0.disconnect(reason, Properties::NONE)?;
        loop {
            match self.link.next().await {
                Event::Closed => return Ok(()),
                Event::Disconnected { fault, .. } => return Err(fault.into()),
                Event::Refused(refusal) => return Err(refusal.into()),
                event => self.waiting.push_back(event),
            }
        }
    }
}
