//! Moves bytes between the client, what secures it, and the byte stream.

use core::task::Poll;

use embassy_futures::{
    poll_once,
    select::{Either3, select3},
};
use embedded_io_async::{ErrorKind, Read, Write};
use towpath_proto::{Buffer, Code, Fault, Instant, Random, Ready, Reason};

use super::{
    super::{
        Security, Timer,
        stream::{fault, receive, send, sleep},
    },
    Connection,
};

/// How far bytes are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Until there is an event.
    Event,
    /// Until there is an event or nothing waits for the wire.
    Sent,
}

impl<B: Buffer, R: Random, I: Read, O: Write, T: Timer, S: Security>
    Connection<'_, B, R, I, O, T, S>
{
    /// Moves bytes both ways as far as `goal`. True if there is an event to be taken.
    pub(super) async fn drive(&mut self, goal: Goal) -> bool {
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
    pub(super) async fn exchange(&mut self) {
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
