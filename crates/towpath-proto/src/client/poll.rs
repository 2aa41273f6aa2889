//! What the driver has to do next: drained in two steps, or in one.

use super::{Client, Ending, inbound::Found};
use crate::{
    buffers::{Buffer, Random},
    event::Event,
    path::{Reason, Rx, Tx},
    rung::Rung,
    time::Instant,
    trace::Trace,
};

/// What [`Client::poll_output`] wants from the driver.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send these bytes, or some of them, and report with [`Client::transmitted`].
    Transmit(&'a [u8]),
    /// For the application.
    Event(Event<'a>),
    /// For the doctor. Comes only after [`Client::trace`] switched it on.
    Trace(Trace),
    /// Nothing to do before bytes arrive or time reaches `until`.
    Wait {
        /// When to call [`Client::handle_timeout`].
        until: Option<Instant>,
        /// What is waited for.
        reason: Reason,
    },
}

/// What [`Client::poll`] wants from the driver: [`Output`] without what it borrows, so that a driver can decide in a
/// loop and lend an event when it leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// There are bytes to send: [`Client::sendable`].
    Transmit,
    /// There is an event for the application: [`Client::take_event`].
    Event,
    /// For the doctor. Comes only after [`Client::trace`] switched it on.
    Trace(Trace),
    /// Nothing to do before bytes arrive or time reaches `until`.
    Wait {
        /// When to call [`Client::handle_timeout`].
        until: Option<Instant>,
        /// What is waited for.
        reason: Reason,
    },
}

/// What a driver has to do, before it is put as [`Output`] or as [`Ready`].
enum Turn {
    Transmit,
    /// What `Client::found` holds.
    Event,
    Trace(Trace),
    Wait,
}

impl<B: Buffer, R: Random> Client<B, R> {
    /// What the driver has to do next. Call it until it says [`Output::Wait`].
    pub fn poll_output(&mut self, now: Instant) -> Output<'_> {
        match self.turn(now) {
            Turn::Transmit => Output::Transmit(self.sendable()),
            Turn::Event => {
                let found = self.found.take().unwrap_or(Found::End);
                Output::Event(self.hand_out(found))
            }
            Turn::Trace(trace) => Output::Trace(trace),
            Turn::Wait => {
                let (until, reason) = self.waiting();
                Output::Wait { until, reason }
            }
        }
    }

    /// What the driver has to do next, the first of two steps. It stays the same until the driver has done it, except
    /// for facts, which are told once.
    pub fn poll(&mut self, now: Instant) -> Ready {
        match self.turn(now) {
            Turn::Transmit => Ready::Transmit,
            Turn::Event => Ready::Event,
            Turn::Trace(trace) => Ready::Trace(trace),
            Turn::Wait => {
                let (until, reason) = self.waiting();
                Ready::Wait { until, reason }
            }
        }
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn turn(&mut self, now: Instant) -> Turn {
        self.now = now;
        self.let_go();
        let mut advanced = self.ending.is_some();
        loop {
            if let Some(trace) = self.traces.take() {
                return Turn::Trace(trace);
            }
            if self.found.is_some() {
                return Turn::Event;
            }
            if advanced {
                break;
            }
            self.advance();
            advanced = true;
        }
        if self.path.tx.has_sendable() && !self.is_over() {
            return Turn::Transmit;
        }
        match self.ending {
            Some(Ending::Failing(_) | Ending::Disconnecting) => {
                self.found = Some(Found::End);
                Turn::Event
            }
            _ => Turn::Wait,
        }
    }

    /// The second step after [`Ready::Event`]. `None` if there was none.
    pub fn take_event(&mut self) -> Option<Event<'_>> {
        let found = self.found.take()?;
        Some(self.hand_out(found))
    }

    #[inline]
    fn hand_out(&mut self, found: Found) -> Event<'_> {
        match found {
            Found::End => self.finish(),
            found => self.event(found),
        }
    }

    /// Tells the end of the attempt; from here on it is over.
    #[cold]
    fn finish(&mut self) -> Event<'static> {
        self.path.tx = Tx::EMPTY;
        if let Some(Ending::Failing(fault)) = self.ending.replace(Ending::Over) {
            return Event::Failed(fault);
        }
        let unsent = self.is_below_mqtt();
        self.session.end(unsent, &mut self.buffers.store);
        Event::Disconnected
    }

    /// The bytes that may leave now; report what has left with [`transmitted`](Self::transmitted).
    #[inline]
    pub fn sendable(&self) -> &[u8] {
        self.path.tx.sendable(&self.buffers.tx)
    }

    /// Room for received bytes, as [`rx_space`](Self::rx_space), and the [`sendable`](Self::sendable) bytes, for a
    /// driver that waits for both directions at once.
    pub fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        self.let_go();
        let sendable = self.path.tx.sendable(&self.buffers.tx);
        if self.found.is_some() {
            return (&mut [], sendable);
        }
        (self.path.rx.space(&mut self.buffers.rx), sendable)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), also while there are bytes to send: a peer that takes
    /// none is noticed by this.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting().0
    }

    /// Lets the connection go as it is, without a farewell and without an event: the byte stream is gone, or about to
    /// be. The session is kept for the next attempt.
    pub fn abandon(&mut self) {
        self.let_go();
        // How a message was settled is told once, and never again.
        let settled = self
            .found
            .take_if(|found| matches!(found, Found::Settled(_)));
        self.put_back();
        self.found = settled;
        self.lent = None;
        self.pieces = None;
        self.path.tx = Tx::EMPTY;
        // The room for received bytes is free for other use until the next attempt.
        self.path.rx = Rx::EMPTY;
        let before = self.ending.replace(Ending::Over);
        if matches!(before, None | Some(Ending::Disconnecting)) {
            let unsent = self.is_below_mqtt();
            self.session.end(unsent, &mut self.buffers.store);
        }
    }

    /// Lets an event go that nobody took, before [`disconnect`](Self::disconnect) and where the attempt ends without
    /// a farewell. A message counts as not received then, so that the server's repetition is not taken for one.
    pub fn put_back(&mut self) {
        if self.found.take().is_some()
            && let Some(id) = self.lent.take().and_then(|lent| lent.noted)
        {
            self.session.undelivered(id, &mut self.buffers.store);
        }
    }

    /// Forgets what was found and has no meaning without its connection, or lies in the buffer for received bytes.
    pub(super) fn forget_found(&mut self) {
        self.found
            .take_if(|found| !matches!(found, Found::Settled(_)));
    }

    /// Whether MQTT's rung was not entered: nothing that was written for it has left.
    pub(super) fn is_below_mqtt(&self) -> bool {
        self.path.rung() < Rung::Mqtt
    }

    /// Whether the attempt has ended, told or not.
    pub const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    const fn is_over(&self) -> bool {
        matches!(self.ending, Some(Ending::Over))
    }

    /// Until when the client waits and for what.
    fn waiting(&self) -> (Option<Instant>, Reason) {
        match self.ending {
            Some(Ending::Over) => return (None, Reason::Ended),
            Some(_) => return (self.path.deadline(), Reason::Closing),
            None => {}
        }
        if let Some(until) = self.path.deadline() {
            let reason = match self.path.rung() {
                Rung::Mqtt => Reason::Connack,
                Rung::Upgrade => Reason::Upgrade,
                _ => Reason::Transport,
            };
            return (Some(until), reason);
        }
        let asked = self.session.keep_alive.is_waiting_for_answer();
        let reason = if asked {
            Reason::PingAnswer
        } else {
            Reason::KeepAlive
        };
        (self.session.keep_alive.deadline(), reason)
    }
}
