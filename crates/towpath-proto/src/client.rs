//! The whole client without I/O: a session and the path of its current connection, over the caller's buffers.
//!
//! The driver law: mutate ([`commit`](Client::commit), a command, [`handle_timeout`](Client::handle_timeout)), then
//! drain [`poll_output`](Client::poll_output) until it says [`Output::Wait`]. A driver opens the byte stream to the
//! endpoint and tells how that went ([`entered`](Client::entered), [`reached`](Client::reached),
//! [`closed`](Client::closed)); from the first byte on the ladder is climbed here.

mod climb;
mod commands;
mod frames;
mod inbound;
mod poll;

use core::time::Duration;

pub use poll::{Output, Ready};

use crate::{
    buffers::{Buffer, Buffers, Random},
    event::Event,
    fault::{Code, Fault},
    mqtt::{
        QoS, Version,
        encode::body_framed_len,
        packet::{Connect, Disconnect, PacketId},
        property::Properties,
        reason::ReasonCode,
        session::{Delivery, Due, Habits, Limits, Phase, Refusal, Session, Settled},
        topic::TopicName,
    },
    path::{Path, Wire},
    rung::Rung,
    time::{Instant, millis},
    trace::Traces,
    ws,
};
#[cfg(feature = "ws")]
use crate::{path::Upgrade, ws::handshake::Request};

/// How to begin a connection.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The CONNECT packet.
    pub connect: Connect<'a>,
    /// Climb by WebSocket.
    #[cfg(feature = "ws")]
    pub upgrade: Option<Upgrade<'a>>,
    /// TLS lies on the byte stream: after TCP, [`Rung::Tls`] has to be reached before anything leaves. A
    /// [`Layer`](crate::tls::Layer) does that.
    pub secured: bool,
    /// How long each rung may take, and the answer to PINGREQ.
    pub patience: Duration,
    /// Send commands behind CONNECT without waiting for CONNACK. That saves a round trip. Only packets of at most 1 KiB
    /// and QoS 1 go; what a refusing CONNACK makes void is kept for the next connection.
    pub pipeline: bool,
    /// The application acknowledges received messages with [`Client::acknowledge`].
    pub manual_acks: bool,
    /// How many QoS 1 and 2 messages may be unacknowledged; 0: as many as the server takes.
    pub window: u16,
}

impl<'a> Start<'a> {
    /// Over the plain byte stream, ten seconds a rung, no pipelining, acknowledging by itself.
    #[must_use]
    pub const fn new(connect: Connect<'a>) -> Self {
        Self {
            connect,
            #[cfg(feature = "ws")]
            upgrade: None,
            secured: false,
            patience: Duration::from_secs(10),
            pipeline: false,
            manual_acks: false,
            window: 0,
        }
    }
}

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where.
    pub topic: TopicName<'a>,
    /// What.
    pub payload: &'a [u8],
    /// How often it may arrive.
    pub qos: QoS,
    /// Whether the server keeps it.
    pub retain: bool,
    /// MQTT 5 properties. Topic aliases are used by themselves where the server allows them.
    pub properties: Properties<'a>,
}

impl<'a> Outgoing<'a> {
    /// A message that is not retained and has no properties.
    #[must_use]
    pub const fn new(topic: TopicName<'a>, payload: &'a [u8], qos: QoS) -> Self {
        Self {
            topic,
            payload,
            qos,
            retain: false,
            properties: Properties::NONE,
        }
    }
}

/// What the last event borrows, to be let go at the next call.
#[derive(Debug, Clone, Copy)]
struct Lent {
    /// MQTT bytes to consume.
    bytes: usize,
    /// The message to acknowledge then.
    ack: Option<(QoS, PacketId)>,
    /// The QoS 2 message that was noted as received.
    noted: Option<PacketId>,
}

/// A message that comes in pieces.
#[derive(Debug, Clone, Copy)]
struct Pieces {
    delivery: Delivery,
    /// Payload bytes handed out.
    offset: u32,
}

/// The client.
#[derive(Debug)]
pub struct Client<B, R> {
    buffers: Buffers<B>,
    random: R,
    session: Session,
    path: Path,
    traces: Traces,
    now: Instant,
    patience: Duration,
    lent: Option<Lent>,
    /// What was found while facts about it were still to be told.
    found: Option<inbound::Found>,
    pieces: Option<Pieces>,
    paused: bool,
    /// The lengths of the two openings, bytes: the HTTP request, and CONNECT without its frame.
    request_len: usize,
    connect_len: usize,
    /// How the byte stream ended; reported once everything received is read.
    stream_end: Option<Fault>,
    /// The end of the attempt, to be handed out.
    ending: Option<Ending>,
    /// The last rung to climb.
    top: Option<Rung>,
    /// How long to stay there in silence.
    linger: Duration,
    /// How long CONNACK may take, where that is not the patience of the other rungs.
    answer: Option<Duration>,
    /// It is reached, and this side is silent.
    lingering: bool,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Farewell bytes may still have to leave.
    Failing(Fault),
    Disconnecting,
    Over,
}

impl<B: Buffer, R: Random> Client<B, R> {
    /// A client that has no connection and an empty session.
    pub fn new(buffers: Buffers<B>, random: R) -> Self {
        Self {
            buffers,
            random,
            session: Session::new(),
            path: Path::new(),
            traces: Traces::new(),
            now: Instant::ZERO,
            patience: Duration::from_secs(10),
            lent: None,
            found: None,
            pieces: None,
            paused: false,
            request_len: 0,
            connect_len: 0,
            stream_end: None,
            ending: Some(Ending::Over),
            top: None,
            linger: Duration::ZERO,
            answer: None,
            lingering: false,
        }
    }

    /// Says in which version commands are written down that come before the first [`start`](Self::start); that is MQTT
    /// 5 otherwise.
    pub const fn speak(&mut self, version: Version) {
        self.session.version = version;
    }

    /// Switches [`Output::Trace`] on or off.
    #[cfg(feature = "traces")]
    pub const fn trace(&mut self, on: bool) {
        self.traces.switch(on);
    }

    /// The generator, for what the application wants to be random.
    pub const fn random(&mut self) -> &mut R {
        &mut self.random
    }

    /// The buffers, for a look at their sizes.
    pub const fn buffers(&self) -> &Buffers<B> {
        &self.buffers
    }

    /// What the server granted, or the defaults before CONNACK.
    pub const fn limits(&self) -> &Limits {
        &self.session.limits
    }

    /// Whether CONNACK has accepted the connection and nothing has ended it.
    pub fn is_connected(&self) -> bool {
        self.session.phase == Phase::Connected && self.ending.is_none()
    }

    /// Whether CONNACK has come, in this attempt.
    pub(crate) fn has_reached_mqtt(&self) -> bool {
        self.session.phase == Phase::Connected
    }

    /// The rung being climbed, or the top one reached.
    pub const fn rung(&self) -> Rung {
        self.path.rung()
    }

    /// Whether every message and request is settled and every byte has left.
    pub fn is_settled(&self) -> bool {
        self.path.tx.pending() == 0
            && (self.session.is_store_empty()
                || self.session.is_settled(self.buffers.store.bytes()))
    }

    /// Bytes that wait for the wire.
    pub const fn unsent(&self) -> usize {
        self.path.tx.pending()
    }

    /// Bytes of the session store in use, the heads of records included.
    pub const fn stored(&self) -> usize {
        self.session.store_used()
    }

    /// QoS 1 and 2 messages sent on this connection and not acknowledged.
    pub const fn in_flight(&self) -> u16 {
        self.session.in_flight()
    }

    /// QoS 1 and 2 messages accepted and not settled, sent or not.
    pub const fn unsettled(&self) -> usize {
        self.session.unsettled()
    }

    /// Whether messages or requests wait for their turn to be sent.
    pub fn has_due(&mut self) -> bool {
        self.session.has_due(self.buffers.store.bytes())
    }

    /// While paused, received bytes are left unread, so that no message comes; what is due is still sent.
    pub const fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether [`pause`](Self::pause) is on.
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Drops the oldest message that no connection has carried yet, and says which. `None` if there is none.
    pub fn drop_oldest(&mut self) -> Option<Event<'static>> {
        self.let_go();
        self.session
            .drop_oldest(&mut self.buffers.store)
            .map(settled)
    }

    /// Takes back a message of QoS 1 that is not acknowledged, or of QoS 2 that was not sent, because it has lost its
    /// worth meanwhile. False if there is no such message, or this connection has sent it.
    ///
    /// The server may have it all the same: the acknowledgement may have been on its way.
    pub fn withdraw(&mut self, packet_id: PacketId) -> bool {
        self.let_go();
        self.session.withdraw(packet_id, &mut self.buffers.store)
    }

    fn split(&mut self) -> (&mut Session, Wire<'_>, &mut B, &mut B) {
        let framed = self.path.is_framed();
        let wire = Wire {
            tx: &mut self.path.tx,
            buffer: &mut self.buffers.tx,
            random: &mut self.random,
            framed,
            traces: &mut self.traces,
            now: self.now,
        };
        (
            &mut self.session,
            wire,
            &mut self.buffers.store,
            &mut self.buffers.aliases,
        )
    }

    /// Forgets the session and lets the connection go, if there is one: what was not settled is gone and is told by
    /// nothing. For a client that turns to another server.
    pub fn forget(&mut self) {
        self.abandon();
        self.found = None;
        let version = self.session.version;
        self.session = Session::new();
        self.session.version = version;
    }

    /// Begins an attempt: writes the HTTP request, if there is one, and CONNECT, which leave as their rungs are reached.
    ///
    /// # Errors
    /// What can't be said in this version or doesn't fit; nothing was begun then.
    pub fn start(&mut self, now: Instant, start: &Start<'_>) -> Result<(), Refusal> {
        self.let_go();
        self.now = now;
        let connect_len = body_framed_len(&start.connect, start.connect.version)
            .ok_or(Refusal::PacketTooLarge(usize::MAX))?;
        let habits = Habits {
            pipeline: start.pipeline,
            manual_acks: start.manual_acks,
            window: start.window,
        };
        self.session
            .start(&start.connect, habits, &mut self.buffers.store)?;
        self.patience = start.patience;
        self.put_back();
        self.forget_found();
        self.lent = None;
        self.pieces = None;
        self.stream_end = None;
        self.ending = None;
        self.lingering = false;
        self.request_len = 0;
        self.connect_len = connect_len;
        self.path.start();
        let written = self.write_opening(start);
        if let Err(refusal) = written {
            self.session.end(true, &mut self.buffers.store);
            self.ending = Some(Ending::Over);
            return Err(refusal);
        }
        self.path.secured = start.secured;
        self.path.expect_by(now, start.patience);
        Ok(())
    }

    fn write_opening(&mut self, start: &Start<'_>) -> Result<(), Refusal> {
        #[cfg(feature = "ws")]
        if let Some(upgrade) = &start.upgrade {
            self.write_request(upgrade)?;
        }
        let version = start.connect.version;
        // Not traced here: the packet waits for its rung.
        let mut unseen = Traces::new();
        let (_, mut wire, _, _) = self.split();
        wire.traces = &mut unseen;
        wire.packet(&start.connect, version)
            .map_err(|_| Refusal::Full)
    }

    #[cfg(feature = "ws")]
    #[cfg_attr(target_os = "none", inline(never))]
    fn write_request(&mut self, upgrade: &Upgrade<'_>) -> Result<(), Refusal> {
        let mut key = [0; 16];
        for bytes in key.as_chunks_mut::<4>().0 {
            *bytes = self.random.next_u32().to_ne_bytes();
        }
        let request = Request {
            host: upgrade.host,
            target: upgrade.target,
            subprotocols: upgrade.subprotocols,
            headers: upgrade.headers,
            key,
        };
        let len = request.encoded_len();
        if !self.path.tx.reserve(&mut self.buffers.tx, len) {
            return Err(Refusal::Full);
        }
        let room = self
            .path
            .tx
            .room(&mut self.buffers.tx, len)
            .ok_or(Refusal::Full)?;
        if request.forbidden().is_some() {
            return Err(Refusal::Header);
        }
        let written = request.write(room);
        self.path.upgrade(request.answer());
        self.path.tx.append(written);
        self.request_len = written;
        Ok(())
    }

    /// Room for received bytes. Empty if the buffer is full of what was not polled out yet.
    pub fn rx_space(&mut self) -> &mut [u8] {
        self.let_go();
        if self.found.is_some() {
            return &mut [];
        }
        self.path.rx.space(&mut self.buffers.rx)
    }

    /// Makes the receive buffer at least `len` bytes long if it can grow.
    pub fn grow_rx(&mut self, len: usize) {
        self.buffers.rx.grow(len);
    }

    /// Lets buffers that can grow give back what nothing needs now.
    pub fn release_idle(&mut self) {
        self.let_go();
        if self.path.rx.is_empty() {
            self.path.rx = crate::path::Rx::EMPTY;
            self.buffers.rx.release();
        }
        if self.path.tx.pending() == 0 {
            self.buffers.tx.release();
        }
        if self.session.is_store_empty() {
            self.buffers.store.release();
        }
    }

    /// `n` bytes were received into [`rx_space`](Self::rx_space).
    pub fn commit(&mut self, now: Instant, n: usize) {
        self.now = now;
        let framed = self.path.is_framed();
        self.path.rx.commit(&self.buffers.rx, n, framed);
        self.session.keep_alive.received(now);
    }

    /// `n` bytes of the last [`Output::Transmit`] were sent.
    pub fn transmitted(&mut self, now: Instant, n: usize) {
        self.now = now;
        self.path.tx.sent(n);
        self.session.keep_alive.sent(now);
    }

    /// The byte stream ended, or could not be opened. What was received before is still read; then the attempt ends
    /// with `fault`, or with a better one if what was received explains the end.
    pub fn closed(&mut self, now: Instant, fault: Fault) {
        self.now = now;
        if self.stream_end.is_none() {
            self.stream_end = Some(fault);
        }
        self.path.tx = crate::path::Tx::EMPTY;
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.path.is_overdue(now) {
            if self.ending.is_some() {
                // The farewell does not leave: the end comes without it.
                self.path.tx = crate::path::Tx::EMPTY;
            } else if self.lingering {
                self.turn_back();
            } else {
                self.fail(self.path.overdue());
            }
            return;
        }
        if self.ending.is_some() || self.session.phase != Phase::Connected {
            return;
        }
        match self.session.keep_alive.due(now) {
            Due::Nothing => {}
            Due::Ping => self.ping(),
            Due::Dead => {
                let millis = millis(self.patience);
                self.fail(Fault::new(Rung::Mqtt, Code::PingTimeout).number(millis));
            }
        }
    }

    fn ping(&mut self) {
        let (now, patience) = (self.now, self.patience);
        let (session, mut wire, _, _) = self.split();
        // Without room bytes wait to be sent; their leaving, or its failure, will tell as much as a ping.
        let _ = wire.ping();
        session.keep_alive.pinged(now, patience);
    }

    /// Ends the attempt with `fault`, saying why to the server where the version has words for it.
    fn fail(&mut self, fault: Fault) {
        if self.ending.is_some() {
            return;
        }
        self.traces.failed(self.now, fault.rung);
        if self.stream_end.is_some() {
            // Answers to what was read last have nowhere to go.
            self.path.tx = crate::path::Tx::EMPTY;
        } else {
            self.tell(&fault);
        }
        let refused = fault.code == Code::ConnectRefused || self.is_below_mqtt();
        self.session.end(refused, &mut self.buffers.store);
        self.path.expect_by(self.now, self.patience);
        self.acknowledge_no_more();
        self.pieces = None;
        self.ending = Some(Ending::Failing(fault));
    }

    /// Nothing follows a farewell ([MQTT-3.14.4-2]). An event that was found is still handed out, unacknowledged.
    const fn acknowledge_no_more(&mut self) {
        if let Some(lent) = &mut self.lent {
            lent.ack = None;
        }
    }

    /// Tells the server why the attempt ends. A farewell is a courtesy; without room there is none.
    fn tell(&mut self, fault: &Fault) {
        let mqtt5 = self.session.phase == Phase::Connected && self.session.version == Version::V5;
        let reason = disconnect_reason(fault);
        if mqtt5 && let Some(reason) = reason {
            let (session, mut wire, _, _) = self.split();
            let disconnect = Disconnect {
                reason,
                properties: Properties::NONE,
            };
            let _ = wire.packet(&disconnect, session.version);
        }
        let broken_frames = fault.rung == Rung::Ws && fault.code != Code::WsClosed;
        if self.path.is_websocket() && (broken_frames || reason.is_some()) {
            // RFC 6455 section 7.1.7.
            let _ = self.close_frames(ws::close_code(fault.code));
        }
    }
}

/// The reason code by which the server learns of a fault of its own; `None` if the connection is broken anyway.
fn disconnect_reason(fault: &Fault) -> Option<ReasonCode> {
    Some(match fault.code {
        Code::Malformed => ReasonCode::MALFORMED_PACKET,
        Code::ProtocolError => ReasonCode::PROTOCOL_ERROR,
        Code::PacketTooLarge | Code::BufferTooSmall => ReasonCode::PACKET_TOO_LARGE,
        Code::ReceiveMaximum => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
        Code::TopicAlias => ReasonCode::TOPIC_ALIAS_INVALID,
        Code::SessionFull | Code::AliasesFull => ReasonCode::QUOTA_EXCEEDED,
        Code::PingTimeout => ReasonCode::KEEP_ALIVE_TIMEOUT,
        _ => return None,
    })
}

/// An event for a message that is settled.
fn settled(settled: Settled) -> Event<'static> {
    match settled {
        Settled {
            packet_id: Some(packet_id),
            outcome,
        } => Event::Settled { packet_id, outcome },
        Settled {
            packet_id: None,
            outcome,
        } => Event::Dropped(outcome),
    }
}
