//! When to ask whether the server is still there (MQTT 5 section 3.1.2.10).
//!
//! Any packet sent counts as a sign of life to the server, so PINGREQ goes out only after a silence. A silence of the
//! server asks for one as well, so that a client that only publishes QoS 0 notices a broken path.

use core::time::Duration;

use crate::time::Instant;

/// The clockwork of keep alive for one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAlive {
    interval: Duration,
    sent: Instant,
    received: Instant,
    /// When the answer to a PINGREQ has to be there.
    answer_by: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl KeepAlive {
    pub(crate) fn new(seconds: u16, now: Instant) -> Self {
        Self {
            interval: Duration::from_secs(seconds.into()),
            sent: now,
            received: now,
            answer_by: None,
        }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Anything received proves that the server lives.
    pub(crate) fn received(&mut self, now: Instant) {
        self.received = now;
        self.answer_by = None;
    }

    pub(crate) fn pinged(&mut self, now: Instant, patience: Duration) {
        self.sent = now;
        self.answer_by = Some(now.after(patience));
    }

    /// When to look again, `None` without keep alive.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.answer_by.is_some() {
            return self.answer_by;
        }
        if self.interval.is_zero() {
            return None;
        }
        Some(self.sent.min(self.received).after(self.interval))
    }

    pub(crate) fn is_waiting_for_answer(&self) -> bool {
        self.answer_by.is_some()
    }

    pub(crate) fn due(&self, now: Instant) -> Due {
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                if self.answer_by.is_some() {
                    Due::Dead
                } else {
                    Due::Ping
                }
            }
            _ => Due::Nothing,
        }
    }
}
