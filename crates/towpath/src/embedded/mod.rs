//! The face for microcontrollers: neither `std` nor an allocator, over the halves of any stream that implements
//! [`Read`] and [`Write`] of `embedded-io-async`.
//!
//! The [`Client`] holds the session over the caller's buffers and lives as long as the device runs. A [`Connection`]
//! borrows it for the life of one TCP connection, which the caller opens, because that is its network stack's business.
//! With embassy-net the halves come from `TcpSocket::split`, and a [`Timer`] is a few lines over `embassy_time`.
//!
//! # Dropped futures
//! Every future of a [`Connection`] may be dropped at any await point, for example because a button won a `select`, and
//! the same or another method called next: nothing is lost or sent twice by it. This needs halves whose `read`, `write`
//! and `flush` have done nothing when they are dropped before they are ready. Those of embassy-net are like that: they
//! copy and are ready in one step. A TLS wrapper around them often is not like that. There is no need for one:
//!
//! # Names and addresses
//! [`dial`](fn@dial) finds the way to a server by name with a [`Dialer`](towpath_proto::net::Dialer) of the caller's:
//! DNS, NAT64, the order of addresses, and a race of connection attempts. The device says what it knows, its DNS
//! servers, its own addresses and the NAT64 prefix; its network stack lends a [`UdpSocket`] and two or more
//! [`TcpSocket`]s. The dialer lives as long as the device: it keeps answers for their time to live. `interop/embassy`
//! has the sockets for embassy-net.
//!
//! ```no_run
//! use core::{net::IpAddr, time::Duration};
//! use towpath::{
//!     Fault,
//!     embedded::{Network, TcpSocket, Timer, UdpSocket, dial},
//!     proto::{Random, net::{Dialer, Prefix, PrefixOrigin}},
//! };
//!
//! /// `nat64` is what the network data of a Thread network says, for example.
//! async fn reach<'s, T: TcpSocket>(
//!     dialer: &mut Dialer,
//!     (tcp, udp): (&'s mut [T; 2], &mut impl UdpSocket),
//!     (own, nat64): (&[IpAddr], Prefix),
//!     timer: &impl Timer,
//!     random: &mut impl Random,
//! ) -> Result<&'s mut T, Fault> {
//!     let lifetime = Duration::from_secs(600);
//!     dialer.learned(timer.now(), nat64, PrefixOrigin::ThreadNetworkData, lifetime);
//!     let mut buffer = [0; 1024];
//!     let network = Network { tcp, udp, own, buffer: &mut buffer };
//!     // Split it in halves then, for `Connection::open`.
//!     dial(dialer, network, timer, random, "broker.example", 1883).await
//! }
//! ```
//!
//! # TLS
//! [`Connection::open_secured`] takes the halves of the TCP connection and a [`Layer`] over a back-end, anything that is
//! a [`Tls`]; for a device that is `towpath_tls_mbed::Connection` over two buffers of the caller. Records are moved by
//! the same futures, which may be dropped all the same. Each connection needs a new layer; a session to resume comes
//! from [`Connection::tls`].
//!
//! ```no_run
//! # use embedded_io_async::{Read, Write};
//! use towpath::{
//!     embedded::{Connection, Error, Timer},
//!     proto::{Buffer, Client, Random, client::Start, tls::{Layer, Profile, Tls}},
//! };
//! # fn keep(_: &[u8]) {}
//!
//! /// `tls` was made from `profile`, with `Context::new` and `Context::connect` of towpath-tls-mbed for example.
//! async fn run(
//!     client: &mut Client<impl Buffer, impl Random>,
//!     (tls, profile): (impl Tls, &Profile<'_>),
//!     (reader, writer): (impl Read, impl Write),
//!     timer: &impl Timer,
//!     start: &Start<'_>,
//! ) -> Result<(), Error> {
//!     let layer = Layer::new(tls, profile);
//!     let mut connection =
//!         Connection::open_secured(client, layer, reader, writer, timer, start).await?;
//!     connection.tls().tls().take_session(&mut |bytes| keep(bytes));
//!     // As without TLS from here on.
//!     connection.disconnect().await
//! }
//! ```
//!
//! # Without TLS
//! ```no_run
//! # use core::time::Duration;
//! use towpath::{
//!     Backoff, Code, Fault, Outgoing, QoS, Reconnect, Rung, TopicFilter, TopicName, Version,
//!     embedded::{Connection, Error, Timer},
//!     proto::{Buffers, Client, Event, client::Start, mqtt::packet::{Connect, Subscription}},
//! };
//! # use embedded_io_async::{Read, Write};
//! # use towpath::proto::{Instant, Random};
//! # async fn socket() -> (impl Read, impl Write) { (&[][..], &mut [][..]) }
//! # fn switch(_: bool) {}
//!
//! async fn run(timer: &impl Timer, random: impl Random) {
//!     let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 2048]);
//!     let buffers =
//!         Buffers { rx: &mut rx[..], tx: &mut tx[..], store: &mut store[..], aliases: &mut [][..] };
//!     let mut client = Client::new(buffers, random);
//!     let mut backoff = Backoff::new();
//!     let connect = Connect { client_id: "lamp-17", clean_start: false, ..Connect::default() };
//!     loop {
//!         let (reader, writer) = socket().await;
//!         let since = timer.now();
//!         let start = Start::new(connect);
//!         let fault = match Connection::open(&mut client, reader, writer, timer, &start).await {
//!             Ok(mut connection) => serve(&mut connection).await,
//!             Err(Error::Path(fault)) => fault,
//!             Err(Error::Refused(_)) => return,
//!         };
//!         // `fault` names the rung that broke and what mends it.
//!         let held = timer.now().since(since);
//!         let Some(pause) = backoff.pause(Reconnect::default(), held, client.random()) else { return };
//!         timer.sleep_until(timer.now().after(pause)).await;
//!     }
//! }
//!
//! async fn serve<I: Read, O: Write>(
//!     connection: &mut Connection<'_, impl towpath::proto::Buffer, impl Random, I, O, impl Timer>,
//! ) -> Fault {
//!     let filter = TopicFilter::new("lamp/17/set").expect("a good filter");
//!     let _ = connection.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)]);
//!     loop {
//!         match connection.next().await {
//!             Event::Message(message) => switch(message.payload == b"on"),
//!             Event::Failed(fault) => return fault,
//!             Event::Disconnected => return Fault::new(Rung::Mqtt, Code::Closed),
//!             _ => {}
//!         }
//!         let topic = TopicName::new("lamp/17/seen").expect("a good name");
//!         // Leaves with the next `next`; without a connection it waits in the store.
//!         let _ = connection.publish(&Outgoing::new(topic, b"", QoS::AtLeastOnce));
//!     }
//! }
//! ```

mod dial;
mod security;
mod sockets;
mod stream;
mod tunnel;

use core::{fmt, task::Poll};

use embassy_futures::{
    poll_once,
    select::{Either3, select, select3},
};
use embedded_io_async::{ErrorKind, Read, Write};
use towpath_proto::{
    Buffer, Client, Code, Event, Fault, Instant, Random, Ready, Reason, Rung, Trace,
    client::{Outgoing, Start},
    mqtt::{
        QoS,
        packet::{PacketId, Subscription},
        property::Properties,
        reason::ReasonCode,
        session::{Limits, Refusal},
        topic::TopicFilter,
    },
    tls::{Layer, Tls},
};

pub use dial::{Network, dial};
pub use embedded_io_async;
pub use security::{Plain, Security};
pub use sockets::{TcpSocket, UdpSocket};
pub use stream::fault;
pub use tunnel::{Tunnelled, tunnel};

use stream::{receive, send, sleep};

/// The clock of the device.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait Timer {
    /// The time since an origin that stays the same, for example the start of the device. It never goes back.
    fn now(&self) -> Instant;

    /// Is ready once [`now`](Self::now) is `at` or later. Dropping it before must be harmless.
    async fn sleep_until(&self, at: Instant);

    /// A fact about the climb, for the device's log. Comes only after [`Client::trace`] switched it on; a timer that
    /// says nothing here drops it.
    fn trace(&self, trace: Trace) {
        let _ = trace;
    }
}

impl<T: Timer> Timer for &T {
    fn now(&self) -> Instant {
        T::now(self)
    }

    async fn sleep_until(&self, at: Instant) {
        T::sleep_until(self, at).await;
    }

    fn trace(&self, trace: Trace) {
        T::trace(self, trace);
    }
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The path broke on a rung.
    Path(Fault),
    /// The command can't be taken; nothing was changed.
    Refused(Refusal),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(fault) => fmt::Display::fmt(fault, f),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
        }
    }
}

impl core::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

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
        let start = Start {
            secured: false,
            ..*start
        };
        Self::climb(client, Plain, reader, writer, timer, &start).await
    }
}

impl<'c, B: Buffer, R: Random, I: Read, O: Write, T: Timer, L: Tls>
    Connection<'c, B, R, I, O, T, Layer<L>>
{
    /// Climbs TLS and the rungs above it on an open byte stream, otherwise as [`open`](Connection::open).
    ///
    /// # Errors
    /// As [`open`](Connection::open).
    pub async fn open_secured(
        client: &'c mut Client<B, R>,
        tls: Layer<L>,
        reader: I,
        writer: O,
        timer: T,
        start: &Start<'_>,
    ) -> Result<Self, Error> {
        let start = Start {
            secured: true,
            ..*start
        };
        Self::climb(client, tls, reader, writer, timer, &start).await
    }

    /// The TLS connection, for what was agreed and for a session to resume.
    pub const fn tls(&mut self) -> &mut Layer<L> {
        &mut self.security
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
        client.start(timer.now(), start)?;
        let mut connection = Self {
            client,
            security,
            reader,
            writer,
            timer,
            unflushed: false,
            broken: None,
            ended: false,
        };
        let now = connection.timer.now();
        connection.client.reached(now, Rung::Tcp);
        connection.drive(Goal::Event).await;
        if connection.client.is_ending()
            && let Some(Event::Failed(fault)) = connection.take_event()
        {
            return Err(Error::Path(fault));
        }
        Ok(connection)
    }

    /// The event that was found, with the cause that TLS knows.
    fn take_event(&mut self) -> Option<Event<'_>> {
        Some(match self.client.take_event()? {
            Event::Failed(fault) => Event::Failed(self.security.explain(fault)),
            event => event,
        })
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
            if self.unflushed && self.broken.is_none() {
                // The application closes the socket next, and a stack may forget then what it has not sent.
                let until = self.client.deadline();
                select(self.writer.flush(), sleep(&self.timer, until)).await;
                self.unflushed = false;
            }
            if let Some(Event::Failed(fault)) = self.take_event() {
                return Err(Error::Path(fault));
            }
        }
        Ok(())
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

    /// Moves bytes both ways as far as `goal`. True if there is an event to be taken.
    async fn drive(&mut self, goal: Goal) -> bool {
        loop {
            self.tell();
            match self.client.poll(self.timer.now()) {
                Ready::Event => {
                    if self.client.is_ending() {
                        self.say_farewell().await;
                        self.tell();
                    }
                    return true;
                }
                Ready::Trace(trace) => {
                    self.timer.trace(trace);
                    continue;
                }
                Ready::Wait {
                    reason: Reason::Ended,
                    ..
                } => return false,
                Ready::Wait { .. } if goal == Goal::Sent && !self.has_unsent() => return false,
                Ready::Transmit | Ready::Wait { .. } => {}
            }
            self.exchange().await;
        }
    }

    fn has_unsent(&mut self) -> bool {
        self.unflushed || self.security.has_unsent() || self.client.has_due()
    }

    /// Tells the facts from below the client.
    fn tell(&mut self) {
        while let Some(trace) = self.security.next_trace() {
            self.timer.trace(trace);
        }
    }

    /// Lets what lies between the client and the stream say its own farewell, within the patience for it.
    async fn say_farewell(&mut self) {
        self.security.close();
        while self.security.has_unsent() && self.broken.is_none() && !self.ended {
            let until = self.client.deadline();
            let (_, bytes) = self.security.both_ways(self.client);
            // What comes is of no use any more, but a peer that can't get rid of it may not read either.
            let mut unread = [0; 64];
            let moved = select3(
                send(&mut self.writer, bytes, false),
                receive(&mut self.reader, &mut unread, true),
                sleep(&self.timer, until),
            )
            .await;
            let now = self.timer.now();
            match moved {
                Either3::First(Ok(n)) => {
                    self.unflushed = true;
                    self.security.transmitted(self.client, now, n);
                }
                Either3::First(Err(kind)) => self.broken = Some(kind),
                Either3::Second(Ok(0) | Err(_)) => self.ended = true,
                Either3::Second(Ok(_)) if until.is_none_or(|until| now < until) => {}
                Either3::Second(Ok(_)) | Either3::Third(()) => return,
            }
        }
    }

    /// Waits until bytes move one way, or for the clock. Everything that has happened is in the client afterwards, and
    /// nothing has if this is dropped before.
    async fn exchange(&mut self) {
        if let Some(kind) = self.broken {
            return self.read_rest(kind);
        }
        if self.security.carry(self.client, self.timer.now()) {
            return;
        }
        let until = self.client.deadline();
        let reads = !self.client.is_paused();
        let (space, bytes) = self.security.both_ways(self.client);
        // Writing comes first, because it comes to an end: a peer that never stops sending would keep it back.
        let moved = select3(
            send(&mut self.writer, bytes, self.unflushed),
            receive(&mut self.reader, space, reads),
            sleep(&self.timer, until),
        )
        .await;
        let now = self.timer.now();
        match moved {
            Either3::First(Ok(n)) => {
                // Only flushing moves no bytes.
                self.unflushed = n > 0;
                if n > 0 {
                    self.security.transmitted(self.client, now, n);
                }
            }
            Either3::First(Err(kind)) => self.broken = Some(kind),
            Either3::Second(Ok(0)) => {
                let closed = Fault::new(self.client.rung(), Code::Closed);
                self.end(now, closed);
            }
            Either3::Second(Ok(n)) => {
                self.security.commit(self.client, now, n);
                // A peer that never stops sending would keep the clock back too.
                if until.is_some_and(|until| until <= now) {
                    self.client.handle_timeout(now);
                }
            }
            Either3::Second(Err(kind)) => {
                let fault = fault(self.client.rung(), kind);
                self.end(now, fault);
            }
            Either3::Third(()) => self.client.handle_timeout(now),
        }
    }

    /// Reads what is there after writing failed; then that is the end.
    fn read_rest(&mut self, kind: ErrorKind) {
        let now = self.timer.now();
        if self.security.carry(self.client, now) {
            return;
        }
        let (space, _) = self.security.both_ways(self.client);
        let room = space.len();
        match poll_once(receive(&mut self.reader, space, room > 0)) {
            Poll::Ready(Ok(n)) if n > 0 => self.security.commit(self.client, now, n),
            _ => {
                let fault = fault(self.client.rung(), kind);
                self.end(now, fault);
            }
        }
    }

    /// The stream has ended.
    fn end(&mut self, now: Instant, fault: Fault) {
        self.ended = true;
        self.security.ended(self.client, now, fault);
    }
}

/// How far bytes are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Until there is an event.
    Event,
    /// Until there is an event or nothing waits for the wire.
    Sent,
}
