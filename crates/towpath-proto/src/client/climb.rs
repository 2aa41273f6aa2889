//! The rungs of an attempt, as the driver reports them and as they follow each other: what may leave on which.

use core::time::Duration;

use super::{Client, Ending};
use crate::{
    buffers::{Buffer, Random},
    mqtt::packet::Kind,
    path::Tx,
    rung::Rung,
    time::Instant,
    trace::{Name, Trace},
};

impl<B: Buffer, R: Random> Client<B, R> {
    /// Climbs no further than to this rung, in the attempts that begin from now on: once it is reached, this side is
    /// silent for `linger`, and then the attempt ends with [`Event::Disconnected`](crate::Event::Disconnected). Nothing
    /// of the rungs above is sent. For who looks at a path without using it.
    pub const fn up_to(&mut self, rung: Option<Rung>, linger: Duration) {
        self.top = rung;
        self.linger = linger;
    }

    /// How long CONNACK may take in the attempts that begin from now on; `None`: as long as the other rungs.
    pub const fn answer_within(&mut self, patience: Option<Duration>) {
        self.answer = patience;
    }

    /// The driver begins to climb `rung`, one below the byte stream.
    pub fn entered(&mut self, now: Instant, rung: Rung) {
        self.now = now;
        self.path.set_rung(rung);
        self.path.expect_by(now, self.patience);
        self.traces.started(now, rung);
    }

    /// The driver has reached `rung`. With [`Rung::Tcp`] the byte stream is open and bytes may leave; where it is
    /// [secured](super::Start::secured), with [`Rung::Tls`].
    pub fn reached(&mut self, now: Instant, rung: Rung) {
        self.now = now;
        self.traces.reached(now, rung);
        if rung < Rung::Tcp || self.ending.is_some() {
            return;
        }
        if self.path.secured && rung < Rung::Tls {
            self.enter(Rung::Tls);
            return;
        }
        if self.path.is_upgrading() {
            if !self.enter(Rung::Upgrade) {
                return;
            }
            self.path.tx.hold_at(self.request_len);
            self.traces
                .sent(now, Rung::Upgrade, Name::GET, self.request_len);
        } else {
            self.enter_mqtt();
        }
    }

    /// The driver has reached `rung` and climbs another one itself before [`reached`](Self::reached): TCP where a proxy
    /// comes before the byte stream is open, NAT64 on the way to TCP.
    pub fn passed(&mut self, now: Instant, rung: Rung) {
        self.now = now;
        self.traces.reached(now, rung);
    }

    /// The next fact, for a driver that tells facts of its own between [`entered`](Self::entered) and
    /// [`reached`](Self::reached), where nothing is polled.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.traces.take()
    }

    /// Begins to climb `rung`. False if that is further than asked for: then this is the end.
    fn enter(&mut self, rung: Rung) -> bool {
        if self.top.is_some_and(|top| top < rung) {
            self.stay();
            return false;
        }
        let answer = self.answer.filter(|_| rung == Rung::Mqtt);
        self.path.set_rung(rung);
        self.path
            .expect_by(self.now, answer.unwrap_or(self.patience));
        self.traces.started(self.now, rung);
        true
    }

    /// The last rung is reached: what was written for those above is thrown away.
    fn stay(&mut self) {
        self.path.tx = Tx::EMPTY;
        if self.linger.is_zero() {
            self.turn_back();
        } else {
            self.lingering = true;
            self.path.expect_by(self.now, self.linger);
        }
    }

    /// The end on the last rung.
    pub(super) fn turn_back(&mut self) {
        self.lingering = false;
        if self.path.is_websocket() {
            // RFC 6455 section 7.4.1: 1000, the purpose is fulfilled.
            let _ = self.close_frames(1000);
        }
        self.path.expect_by(self.now, self.patience);
        self.ending = Some(Ending::Disconnecting);
    }

    /// Everything below MQTT is reached: CONNECT leaves.
    pub(super) fn enter_mqtt(&mut self) {
        if !self.enter(Rung::Mqtt) {
            return;
        }
        self.path.tx.release();
        self.traces.sent(
            self.now,
            Rung::Mqtt,
            Name::packet(Kind::Connect),
            self.connect_len,
        );
    }
}
