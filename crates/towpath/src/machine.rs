//! The core with a host's memory, and what the host adds: subscriptions that are made again, messages put together.
//!
//! No waiting happens here: [`Machine::turn`] moves bytes as far as the stream takes and gives them. Where TLS is on the
//! path, `secured.rs` moves them instead.

mod keep;
mod secured;

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use keep::{Partial, keep};
use secured::Secured;
use towpath_proto::{
    Buffers, Client, Code, Fault, Instant, Output, Rung,
    event::{Connected, Event as Lent},
    mqtt::{
        packet::Subscription,
        property::{Properties, Property},
    },
};

use crate::{
    Backoff, Event, Full, Options, Outcome, Outgoing, PacketId, QoS, ReasonCode, Refusal,
    TopicFilter,
    host::{Entropy, Growable},
};

/// Bytes that wait for the wire before publishing waits for them to leave.
pub(crate) const HIGH_WATER: usize = 64 << 10;

/// The first size of the receive buffer, and the one up to which it doubles when reads fill it.
const READ_FIRST: usize = 512;
const READ_MOST: usize = 64 << 10;

/// The byte stream, as far as it goes without waiting.
pub(crate) trait Stream {
    fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize>;
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// What a turn came to.
pub(crate) enum Turn {
    Event(Event),
    /// Nothing moves before one of these comes.
    Wait(Wants),
}

/// What a machine waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    pub(crate) until: Option<Instant>,
    /// Bytes to read.
    pub(crate) read: bool,
    /// Room to write.
    pub(crate) write: bool,
}

/// A subscription that is to outlive a session the server forgets.
#[derive(Debug)]
struct Kept {
    filter: String,
    options: (QoS, bool, bool, towpath_proto::mqtt::packet::RetainHandling),
    identifier: Option<u32>,
    /// The request that the server has not answered yet.
    asked: Option<PacketId>,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) client: Client<Growable, Entropy>,
    pub(crate) options: Arc<Options>,
    backoff: Backoff,
    kept: Vec<Kept>,
    /// A message whose pieces are put together, or a topic whose message is too large to keep.
    partial: Option<Box<Partial>>,
    /// Events beside those of the core.
    events: VecDeque<Event>,
    /// The identifier that an MQTT 5 server assigned, or that this connection has in place of the options' one.
    assigned: Option<Box<str>>,
    again: bool,
    accepted_at: Option<Instant>,
    read_size: usize,
    trim: bool,
    /// The application said farewell: no attempt follows.
    closing: bool,
    /// The TLS of this attempt.
    secured: Option<Box<Secured>>,
    /// TLS can't even begin with these options.
    unprepared: bool,
}

impl Machine {
    pub(crate) fn new(options: Arc<Options>, client_id: Option<&str>) -> Self {
        let packet = options.receive_limit.saturating_add(256);
        let mut client = Client::new(
            Buffers {
                rx: Growable::new(packet),
                tx: Growable::new(usize::MAX / 2),
                store: Growable::new(options.store_limit),
                aliases: Growable::new(
                    usize::from(options.alias_maximum)
                        .saturating_mul(1 << 17)
                        .max(1 << 17),
                ),
            },
            Entropy,
        );
        client.trace(options.trace);
        client.speak(options.version);
        client.up_to(options.top(), options.linger());
        client.answer_within(options.answer());
        Self {
            client,
            options,
            backoff: Backoff::default(),
            kept: Vec::new(),
            partial: None,
            events: VecDeque::new(),
            assigned: client_id.map(Box::from),
            again: false,
            accepted_at: None,
            read_size: READ_FIRST,
            trim: false,
            closing: false,
            secured: None,
            unprepared: false,
        }
    }

    /// Begins an attempt. False if it ends before a packet is sent, because TLS can't be done as the options say; the
    /// next event says why.
    pub(crate) fn begin(&mut self, now: Instant) -> Result<bool, Refusal> {
        self.partial = None;
        self.secured = None;
        if let Some(witness) = self.options.witnessed_by() {
            witness.begin();
        }
        let id = self.assigned.as_deref().unwrap_or(&self.options.client_id);
        let client = &mut self.client;
        self.options
            .begin(id, self.again, |start| client.start(now, start))?;
        match self.options.secure() {
            Ok(layer) => self.secured = layer.map(|layer| Box::new(Secured::new(layer))),
            Err(fault) => {
                // A clock is set some time; the rest was read once and stays as it is.
                self.unprepared = fault.code != Code::ClockUnset;
                self.client.entered(now, Rung::Tls);
                self.client.closed(now, fault);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The options can't be used: the last event says so.
    pub(crate) fn give_up(&mut self, refusal: Refusal) {
        self.events.push_back(Event::Refused(refusal));
    }

    /// Says farewell. Between attempts there is nobody to say it to; then no other one follows.
    pub(crate) fn disconnect(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), Refusal> {
        self.client.disconnect(reason, properties)?;
        self.closing = true;
        Ok(())
    }

    /// Other options from the next attempt on; what is owed is kept.
    pub(crate) fn redirect(&mut self, options: Arc<Options>) {
        self.client.speak(options.version);
        self.client.trace(options.trace);
        self.client.up_to(options.top(), options.linger());
        self.client.answer_within(options.answer());
        self.options = options;
        self.closing = false;
        self.unprepared = false;
    }

    /// The connection is gone, and nobody has to be told.
    pub(crate) fn cut(&mut self) {
        self.show_chain();
        self.client.abandon();
        self.secured = None;
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Moves bytes both ways until there is an event or nothing can move.
    pub(crate) fn turn(&mut self, stream: Option<&impl Stream>, now: Instant) -> Turn {
        if let Some(event) = self.events.pop_front() {
            return Turn::Event(event);
        }
        loop {
            if let Some(turn) = self.turn_secured(stream, now) {
                return turn;
            }
            let secured = self.secured.is_some();
            let step = match self.client.poll_output(now) {
                Output::Transmit(_) if secured => Step::Carry,
                Output::Wait { .. } if secured => Step::Carry,
                Output::Transmit(bytes) => match stream.map(|stream| stream.try_write(bytes)) {
                    Some(Ok(n)) => Step::Sent(n),
                    Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Step::Blocked,
                    Some(Err(error)) => Step::Broken(error),
                    None => Step::Blocked,
                },
                Output::Trace(trace) => return Turn::Event(Event::Trace(trace)),
                Output::Event(lent) => {
                    if let Lent::Connected(connected) = &lent {
                        Self::note_assigned(&mut self.assigned, connected);
                    }
                    Step::Event(keep(lent, &mut self.partial, self.options.receive_limit))
                }
                Output::Wait { until, .. } => Step::Wait(until),
            };
            match step {
                Step::Sent(n) => self.client.transmitted(now, n),
                Step::Event(kept) => {
                    if let Some(event) = self.settle(kept, now)
                        && let Some(event) = self.hold_back(stream, now, event)
                    {
                        return Turn::Event(event);
                    }
                }
                Step::Carry => {
                    if let Some(wants) = self.carry(stream, now) {
                        return Turn::Wait(wants);
                    }
                }
                Step::Broken(error) => self.read_then_fail(stream, now, &error),
                Step::Blocked => match self.read(stream, now) {
                    Read::Some => {}
                    Read::Nothing => return wait(self.client.deadline(), true, true),
                    Read::NoRoom => return wait(self.client.deadline(), false, true),
                },
                Step::Wait(until) => match self.read(stream, now) {
                    Read::Some => {}
                    Read::Nothing => {
                        self.trim(until, now);
                        return wait(until, true, false);
                    }
                    Read::NoRoom => return wait(until, false, false),
                },
            }
        }
    }

    /// Reads once.
    fn read(&mut self, stream: Option<&impl Stream>, now: Instant) -> Read {
        let Some(stream) = stream else {
            return Read::NoRoom;
        };
        if self.client.is_paused() {
            return Read::NoRoom;
        }
        self.client.grow_rx(self.read_size);
        let space = self.client.rx_space();
        let room = space.len();
        if room == 0 {
            return Read::NoRoom;
        }
        match stream.try_read(space) {
            Ok(0) => self
                .client
                .closed(now, Fault::new(self.client.rung(), Code::Closed)),
            Ok(n) => {
                if let Some(witness) = self.options.witnessed_by() {
                    let rung = self.client.rung();
                    witness.overhear(rung, self.client.rx_space().get(..n));
                }
                self.client.commit(now, n);
                if n == room {
                    self.read_size = room.saturating_mul(2).min(READ_MOST);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Nothing,
            Err(error) => self
                .client
                .closed(now, crate::host::fault(self.client.rung(), &error)),
        }
        Read::Some
    }

    /// Writing failed. What the peer sent before is the evidence, so it is read first.
    fn read_then_fail(&mut self, stream: Option<&impl Stream>, now: Instant, error: &io::Error) {
        let fault = crate::host::fault(self.client.rung(), error);
        if let Some(stream) = stream {
            self.client.grow_rx(READ_MOST);
            let space = self.client.rx_space();
            if let Ok(n) = stream.try_read(space)
                && n > 0
            {
                self.client.commit(now, n);
            }
        }
        self.client.closed(now, fault);
    }

    /// Gives idle memory back after the connection was accepted, and at each look after a long silence.
    fn trim(&mut self, until: Option<Instant>, now: Instant) {
        let silent = until.is_some_and(|until| until.since(now) >= Duration::from_secs(1));
        if self.trim && silent && self.client.unsettled() == 0 {
            self.trim = false;
            self.read_size = READ_FIRST;
            self.client.release_idle();
        }
    }

    /// Does what an event asks of the machine, and hands it on.
    fn settle(&mut self, kept: Option<Event>, now: Instant) -> Option<Event> {
        let mut event = kept?;
        match &mut event {
            Event::Connected {
                session_present, ..
            } => {
                self.accepted_at = Some(now);
                self.trim = true;
                self.keep_session();
                if !*session_present && self.again {
                    self.subscribe_again();
                }
                self.again = true;
            }
            Event::Settled {
                outcome: Outcome::Acknowledged(_),
                ..
            } if !self.options.report_settled => return None,
            Event::Subscribed { packet_id, reasons } => self.answered(*packet_id, reasons),
            Event::Disconnected { fault, retry_in } => {
                if let Some(secured) = &self.secured {
                    *fault = secured.explain(*fault);
                }
                let held = self
                    .accepted_at
                    .take()
                    .map_or(Duration::ZERO, |at| now.since(at));
                // Trying again does not change what is typed wrong, nor what was read once.
                let hopeless = self.unprepared
                    || matches!(
                        fault.code,
                        Code::TlsProfile | Code::TlsMaterial | Code::NameInvalid | Code::ProxyName
                    );
                *retry_in = if hopeless {
                    None
                } else {
                    self.pause_after(held)
                };
            }
            _ => {}
        }
        Some(event)
    }

    fn pause_after(&mut self, held: Duration) -> Option<Duration> {
        if self.closing {
            None
        } else {
            self.backoff
                .pause(self.options.reconnect, held, &mut Entropy)
        }
    }

    /// Takes over the identifier that the server assigned, so that the next connection finds the session.
    fn note_assigned(assigned: &mut Option<Box<str>>, connected: &Connected<'_>) {
        let given = connected.properties.find(|p| {
            if let Property::AssignedClientIdentifier(id) = p {
                Some(id)
            } else {
                None
            }
        });
        if let Some(id) = given {
            *assigned = Some(id.into());
        }
    }

    /// Publishes, or keeps for later.
    #[inline]
    pub(crate) fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        match self.client.publish(message) {
            Err(Refusal::Full) if self.options.full == Full::DropOldest => {
                self.publish_instead(message)
            }
            answer => answer,
        }
    }

    #[cold]
    fn publish_instead(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        loop {
            let Some(dropped) = self.client.drop_oldest() else {
                return Err(Refusal::Full);
            };
            if let Some(event) = keep(dropped, &mut self.partial, 0) {
                self.events.push_back(event);
            }
            match self.client.publish(message) {
                Err(Refusal::Full) => {}
                answer => return answer,
            }
        }
    }

    /// Whether one more message of `qos` may be accepted.
    #[inline]
    pub(crate) fn has_window(&self, qos: QoS) -> bool {
        qos == QoS::AtMostOnce
            || !self.client.is_connected()
            || self.client.unsettled() < self.window()
    }

    /// Whether half of the window is free, or there is no connection whose window could be.
    pub(crate) fn has_half_window(&self) -> bool {
        !self.client.is_connected() || self.client.unsettled() <= self.window() / 2
    }

    fn window(&self) -> usize {
        if self.options.window == 0 {
            usize::from(u16::MAX)
        } else {
            usize::from(self.options.window)
        }
    }

    /// Whether nothing is kept that could make room.
    pub(crate) const fn is_empty(&self) -> bool {
        self.client.stored() == 0 && self.client.unsent() == 0
    }

    /// Whether something has to leave that could leave.
    pub(crate) fn has_unsent(&mut self) -> bool {
        self.client.unsent() > 0 || self.has_records() || self.client.has_due()
    }

    pub(crate) fn subscribe(
        &mut self,
        list: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Result<PacketId, Refusal> {
        let packet_id = self.request(list, identifier)?;
        for subscription in list {
            self.kept
                .retain(|kept| kept.filter != subscription.filter.as_str());
            self.kept.push(Kept {
                filter: subscription.filter.as_str().to_owned(),
                options: (
                    subscription.qos,
                    subscription.no_local,
                    subscription.retain_as_published,
                    subscription.retain_handling,
                ),
                identifier,
                asked: Some(packet_id),
            });
        }
        Ok(packet_id)
    }

    fn request(
        &mut self,
        list: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Result<PacketId, Refusal> {
        let numbered = identifier.map(|id| [Property::SubscriptionIdentifier(crate::VarInt(id))]);
        self.client.subscribe(
            list,
            numbered
                .as_ref()
                .map_or(Properties::NONE, |list| Properties::new(list)),
        )
    }

    pub(crate) fn unsubscribe(&mut self, list: &[TopicFilter<'_>]) -> Result<PacketId, Refusal> {
        let packet_id = self.client.unsubscribe(list, Properties::NONE)?;
        self.kept
            .retain(|kept| !list.iter().any(|filter| filter.as_str() == kept.filter));
        Ok(packet_id)
    }

    /// The server forgot the session: its subscriptions are made again. Requests still open are sent again anyway.
    fn subscribe_again(&mut self) {
        for index in 0..self.kept.len() {
            let Some(kept) = self.kept.get(index).filter(|kept| kept.asked.is_none()) else {
                continue;
            };
            let Ok(filter) = TopicFilter::new(&kept.filter) else {
                continue;
            };
            let (qos, no_local, retain_as_published, retain_handling) = kept.options;
            let subscription = Subscription {
                filter,
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            };
            let numbered = kept
                .identifier
                .map(|id| [Property::SubscriptionIdentifier(crate::VarInt(id))]);
            let properties = numbered
                .as_ref()
                .map_or(Properties::NONE, |list| Properties::new(list));
            let asked = self.client.subscribe(&[subscription], properties);
            if let (Ok(packet_id), Some(kept)) = (asked, self.kept.get_mut(index)) {
                kept.asked = Some(packet_id);
            }
        }
    }

    /// SUBACK: what was refused is not asked for again.
    fn answered(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) {
        let mut reasons = reasons.iter();
        self.kept.retain_mut(|kept| {
            if kept.asked != Some(packet_id) {
                return true;
            }
            kept.asked = None;
            !reasons.next().is_some_and(|reason| reason.is_error())
        });
    }
}

/// What reading came to.
enum Read {
    Some,
    Nothing,
    /// Nothing may be read now.
    NoRoom,
}

const fn wait(until: Option<Instant>, read: bool, write: bool) -> Turn {
    Turn::Wait(Wants { until, read, write })
}

/// What to do after polling, free of the borrow.
enum Step {
    Sent(usize),
    Blocked,
    Broken(io::Error),
    /// Plaintext and records have to move.
    Carry,
    Event(Option<Event>),
    Wait(Option<Instant>),
}
