//! One TCP connection of a client: what the application calls.
//!
//! Takes in an open byte stream in halves, with or without TLS; gives out events. `drive.rs` moves the bytes.

mod drive;

use embassy_futures::select::select;
use embedded_io_async::{ErrorKind, Read, Write};
use towpath_proto::{
    Buffer, Client, Event, Random, Rung,
    client::{Outgoing, Start},
    mqtt::{
        QoS,
        packet::{PacketId, Subscription},
        property::Properties,
        reason::ReasonCode,
        session::{Limits, Refusal},
        topic::TopicFilter,
    },
    tls::Layer,
};

use self::drive::Goal;
use super::{Error, Plain, Secured, Security, Timer, stream::sleep};

/// One TCP connection of a client.
///
/// Nothing moves unless one of its futures is awaited: what is published leaves with [`next`](Self::next) or
/// [`flush`](Self::flush). Dropping it lets the connection go without a farewell; the session stays in the client.
#[derive(Debug)]
pub struct Connection<'c, B: Buffer, R: Random, I, O, T, S = Plain> {
    client: &'c mut Client<B, R>,
    security: S,
    reader: I,
    writer: O,
    timer: T,
    /// The writer has bytes that it may keep to itself until it is flushed.
    unflushed: bool,
    /// Writing failed; what the peer sent before is the evidence, so that is read first.
    broken: Option<ErrorKind>,
    /// The stream has ended: nobody takes what would still leave.
    ended: bool,
}

impl<B: Buffer, R: Random, I, O, T, S> Drop for Connection<'_, B, R, I, O, T, S> {
    fn drop(&mut self) {
        self.client.abandon();
    }
}

impl<'c, B: Buffer, R: Random, I: Read, O: Write, T: Timer> Connection<'c, B, R, I, O, T> {
    /// Climbs on an open byte stream and answers when the server has accepted the connection;
    /// [`Event::Connected`] is then the first event.
    ///
    /// It answers earlier, not yet [connected](Self::is_connected), if there is another event before: a step of
    /// enhanced authentication, which has to be answered, or a message that is settled because it can't be sent.
    ///
    /// The rungs below can be reported to the client before, with [`Client::entered`] and [`Client::reached`], up to
    /// entering [`Rung::Tcp`]; that this one is reached is reported here.
    ///
    /// # Errors
    /// [`Error::Refused`] if CONNECT can't be said in this version or does not fit the transmit buffer, [`Error::Path`]
    /// with the rung that broke.
    pub async fn open(
        client: &'c mut Client<B, R>,
        reader: I,
        writer: O,
        timer: T,
        start: &Start<'_>,
    ) -> Result<Self, Error> {
        Self::climb(client, Plain, reader, writer, timer, start).await
    }
}

impl<'c, B: Buffer, R: Random, I: Read, O: Write, T: Timer, S: Secured>
    Connection<'c, B, R, I, O, T, S>
{
    /// Climbs TLS and the rungs above it on an open byte stream, otherwise as [`open`](Connection::open). `tls` is a
    /// [`Layer`], or the loan of one, which keeps it out of the future.
    ///
    /// # Errors
    /// As [`open`](Connection::open).
    pub async fn open_secured(
        client: &'c mut Client<B, R>,
        tls: S,
        reader: I,
        writer: O,
        timer: T,
        start: &Start<'_>,
    ) -> Result<Self, Error> {
        Self::climb(client, tls, reader, writer, timer, start).await
    }

    /// The TLS connection, for what was agreed and for a session to resume.
    pub fn tls(&mut self) -> &mut Layer<S::Tls> {
        self.security.layer()
    }
}

impl<'c, B: Buffer, R: Random, I: Read, O: Write, T: Timer, S: Security>
    Connection<'c, B, R, I, O, T, S>
{
    async fn climb(
        client: &'c mut Client<B, R>,
        security: S,
        reader: I,
        writer: O,
        timer: T,
        start: &Start<'_>,
    ) -> Result<Self, Error> {
        let mut connection = Self::begin(client, security, reader, writer, timer, start)?;
        connection.drive(Goal::Event).await;
        if connection.client.is_ending()
            && let Some(Event::Failed(fault)) = connection.take_event()
        {
            return Err(Error::Path(fault));
        }
        Ok(connection)
    }

    /// Begins to climb, without waiting for anything.
    pub(super) fn begin(
        client: &'c mut Client<B, R>,
        security: S,
        reader: I,
        writer: O,
        timer: T,
        start: &Start<'_>,
    ) -> Result<Self, Refusal> {
        let now = timer.now();
        let start = Start {
            secured: S::SECURED,
            ..*start
        };
        client.start(now, &start)?;
        client.reached(now, Rung::Tcp);
        Ok(Self {
            client,
            security,
            reader,
            writer,
            timer,
            unflushed: false,
            broken: None,
            ended: false,
        })
    }

    /// The client below, for what is no command of this face.
    #[cfg(feature = "hub")]
    pub(super) const fn client(&mut self) -> &mut Client<B, R> {
        self.client
    }

    /// The event that was found, with the cause that TLS knows.
    fn take_event(&mut self) -> Option<Event<'_>> {
        let mut event = self.client.take_event()?;
        if S::SECURED
            && let Event::Failed(fault) = &mut event
        {
            *fault = self.security.explain(*fault);
        }
        Some(event)
    }

    /// The next event. It lends from the client's buffers: finish with it before the next call, which acknowledges it.
    ///
    /// After [`Event::Failed`] or [`Event::Disconnected`] close the socket and drop the connection: nothing follows but
    /// [`Event::Disconnected`].
    pub async fn next(&mut self) -> Event<'_> {
        self.drive(Goal::Event).await;
        self.take_event().unwrap_or(Event::Disconnected)
    }

    /// Publishes without waiting: with QoS 0 and a connection into the transmit buffer, otherwise into the session
    /// store. It leaves with [`next`](Self::next) or [`flush`](Self::flush).
    ///
    /// Answers the packet identifier, by which [`Event::Settled`] reports; `None` with QoS 0.
    ///
    /// # Errors
    /// Why the message can't be taken; nothing was changed then. [`Refusal::Full`] passes once bytes have left, or
    /// messages are settled.
    pub fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        self.client.publish(message)
    }

    /// Sends what waits for the wire. False if an event came first, or had come before: [`next`](Self::next) gives it
    /// at once, and the rest leaves with that or with the next `flush`. True once everything that may leave has left.
    ///
    /// The writer is flushed too; with embassy-net that waits until the peer's TCP has the bytes. What the server has
    /// taken over is told by [`Event::Settled`].
    pub async fn flush(&mut self) -> bool {
        !self.drive(Goal::Sent).await
    }

    /// Subscribes. [`Event::Subscribed`] reports.
    ///
    /// # Errors
    /// Why it can't be done; nothing was changed then.
    pub fn subscribe(&mut self, list: &[Subscription<'_>]) -> Result<PacketId, Refusal> {
        self.subscribe_with(list, Properties::NONE)
    }

    /// Subscribes with MQTT 5 properties, otherwise as [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_with(
        &mut self,
        list: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<PacketId, Refusal> {
        self.client.subscribe(list, properties)
    }

    /// Ends subscriptions. [`Event::Unsubscribed`] reports.
    ///
    /// # Errors
    /// Why it can't be done; nothing was changed then.
    pub fn unsubscribe(&mut self, list: &[TopicFilter<'_>]) -> Result<PacketId, Refusal> {
        self.client.unsubscribe(list, Properties::NONE)
    }

    /// Acknowledges a message when [`Start::manual_acks`] is set.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], or [`Refusal::Full`] until bytes have left.
    pub fn acknowledge(&mut self, qos: QoS, packet_id: PacketId) -> Result<(), Refusal> {
        self.client.acknowledge(qos, packet_id)
    }

    /// Answers a step of enhanced authentication, or begins one again (MQTT 5 section 4.12).
    ///
    /// # Errors
    /// [`Refusal::NeedsV5`], [`Refusal::NotConnected`], [`Refusal::Full`], or a property that is not allowed.
    pub fn auth(&mut self, reason: ReasonCode, properties: Properties<'_>) -> Result<(), Refusal> {
        self.client.auth(reason, properties)
    }

    /// Says farewell and waits until the peer's side has it, as far as the writer's `flush` tells, or the patience of
    /// [`Start`] is over. Close the socket then.
    ///
    /// An event that waits is dropped; a message among them comes again if the server keeps the session. Messages in
    /// the store stay there: call [`flush`](Self::flush) before to send them.
    ///
    /// # Errors
    /// [`Error::Path`] if the path breaks before.
    pub async fn disconnect(&mut self) -> Result<(), Error> {
        self.disconnect_with(ReasonCode::SUCCESS, Properties::NONE)
            .await
    }

    /// Says farewell with a reason, for example [`ReasonCode::DISCONNECT_WITH_WILL`], and properties (MQTT 5),
    /// otherwise as [`disconnect`](Self::disconnect).
    ///
    /// # Errors
    /// As [`disconnect`](Self::disconnect), and [`Error::Refused`] if the version has no reasons or a property is not
    /// allowed.
    pub async fn disconnect_with(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), Error> {
        self.client.put_back();
        while let Err(refusal) = self.client.disconnect(reason, properties) {
            // Bytes that leave make room; without any there never will be.
            if refusal != Refusal::Full || self.client.sendable().is_empty() {
                return Err(refusal.into());
            }
            self.exchange().await;
        }
        while self.drive(Goal::Event).await {
            self.hand_over().await;
            if let Some(Event::Failed(fault)) = self.take_event() {
                return Err(Error::Path(fault));
            }
        }
        Ok(())
    }

    /// Waits until the peer's side has what was written: the application closes the socket next, and a stack may forget
    /// then what it has not sent.
    pub(super) async fn hand_over(&mut self) {
        if self.unflushed && self.broken.is_none() {
            let until = self.client.deadline();
            select(self.writer.flush(), sleep(&self.timer, until)).await;
            self.unflushed = false;
        }
    }

    /// What the server granted, or the defaults before CONNACK.
    pub const fn limits(&self) -> &Limits {
        self.client.limits()
    }

    /// Whether the server has accepted the connection and nothing has ended it.
    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Whether every message and request is settled and every byte has left.
    pub fn is_settled(&self) -> bool {
        self.client.is_settled() && !self.security.has_unsent()
    }
}
