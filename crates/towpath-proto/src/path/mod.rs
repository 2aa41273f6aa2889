//! The ladder of one attempt to one endpoint: what carries MQTT's bytes, and how far it is climbed.
//!
//! Takes in received bytes, gives out MQTT bytes; takes in packets, gives out bytes to send. One receive buffer with
//! cursors, one transmit buffer; each rung works in place.

mod rx;
mod tx;
mod wire;

use core::time::Duration;

pub(crate) use rx::Rx;
pub(crate) use tx::Tx;
pub(crate) use wire::{CONTROL_ROOM, Wire};

use crate::{
    buffers::Buffer,
    fault::{Code, Fault},
    rung::Rung,
    time::{Instant, millis},
    trace::{Name, Traces},
    ws::{
        Deframer, Opcode, Role, Step,
        handshake::{Answer, Progress},
    },
};

/// Why the core waits. Every deadline says which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is started.
    Idle,
    /// The driver is climbing a rung below the byte stream: address, name, TCP.
    Transport,
    /// The answer to the HTTP upgrade.
    Upgrade,
    /// CONNACK.
    Connack,
    /// The next sign of life has to be sent.
    KeepAlive,
    /// The answer to PINGREQ.
    PingAnswer,
    /// The bytes of the farewell have to leave.
    Closing,
    /// The attempt is over; start another.
    Ended,
}

impl Reason {
    /// The lower-case name that logs and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Transport => "transport",
            Self::Upgrade => "upgrade",
            Self::Connack => "connack",
            Self::KeepAlive => "keep-alive",
            Self::PingAnswer => "ping answer",
            Self::Closing => "closing",
            Self::Ended => "ended",
        }
    }
}

/// How the WebSocket upgrade is asked for (RFC 6455 section 4.1).
#[derive(Debug, Clone, Copy)]
pub struct Upgrade<'a> {
    /// The `Host:` header, with the port unless it is the scheme's own.
    pub host: &'a str,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// The subprotocols offered, separated by commas; `mqtt` for MQTT (MQTT 5 section 6).
    pub subprotocols: &'a str,
    /// Further headers. Their values are not printed in traces.
    pub headers: &'a [(&'a str, &'a str)],
}

/// The rung between the byte stream and MQTT.
#[derive(Debug)]
enum Framing {
    /// MQTT lies in the byte stream as it is.
    None,
    /// The upgrade was asked for.
    #[cfg_attr(
        not(feature = "ws"),
        expect(dead_code, reason = "there is no value of it then")
    )]
    Upgrading(Answer, Frames),
    /// WebSocket frames.
    Open(Deframer, Frames),
}

/// Whether there can be frames. Without the feature `ws` nothing is of this type, so the compiler drops what they need.
#[derive(Debug, Clone, Copy)]
enum Frames {
    #[cfg(feature = "ws")]
    Asked,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) rx: Rx,
    pub(crate) tx: Tx,
    rung: Rung,
    framing: Framing,
    /// Whether TLS comes between the byte stream and the rest.
    pub(crate) secured: bool,
    /// Until when the current rung has to be reached.
    patience: Option<(Instant, Duration)>,
}

impl Path {
    pub(crate) const fn new() -> Self {
        Self {
            rx: Rx::EMPTY,
            tx: Tx::EMPTY,
            rung: Rung::Link,
            framing: Framing::None,
            secured: false,
            patience: None,
        }
    }

    /// The rung that is being climbed, or the top one.
    pub(crate) const fn rung(&self) -> Rung {
        self.rung
    }

    pub(crate) const fn set_rung(&mut self, rung: Rung) {
        self.rung = rung;
    }

    /// Begins an attempt. Nothing leaves before the transport is open.
    pub(crate) fn start(&mut self) {
        *self = Self::new();
        self.tx.hold_at(0);
    }

    /// Begins with a request to upgrade that `answer` answers.
    #[cfg(feature = "ws")]
    pub(crate) fn upgrade(&mut self, answer: Answer) {
        self.framing = Framing::Upgrading(answer, Frames::Asked);
    }

    /// Whether packets are carried in masked frames.
    pub(crate) const fn is_framed(&self) -> bool {
        !matches!(self.framing, Framing::None)
    }

    /// Whether the peer has switched to WebSocket.
    pub(crate) const fn is_websocket(&self) -> bool {
        matches!(self.framing, Framing::Open(..))
    }

    pub(crate) const fn is_upgrading(&self) -> bool {
        matches!(self.framing, Framing::Upgrading(..))
    }

    pub(crate) fn expect_by(&mut self, now: Instant, patience: Duration) {
        self.patience = Some((now.after(patience), patience));
    }

    pub(crate) const fn expect_nothing(&mut self) {
        self.patience = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.patience.map(|(at, _)| at)
    }

    /// Whether the current rung has taken too long.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.patience.is_some_and(|(at, _)| now >= at)
    }

    /// The fault of a rung that has taken too long.
    pub(crate) fn overdue(&self) -> Fault {
        let patience = self
            .patience
            .map_or(Duration::ZERO, |(_, patience)| patience);
        let code = match self.rung {
            Rung::Tls => Code::TlsTimeout,
            Rung::Upgrade => Code::UpgradeTimeout,
            Rung::Mqtt => Code::ConnackTimeout,
            _ => Code::ConnectTimeout,
        };
        Fault::new(self.rung, code).number(millis(patience))
    }

    /// Reads what it can of the upgrade's answer. True if MQTT may read.
    pub(crate) fn climb_upgrade(
        &mut self,
        buffer: &dyn Buffer,
        traces: &mut Traces,
        now: Instant,
    ) -> Result<bool, Code> {
        let Framing::Upgrading(answer, frames) = &mut self.framing else {
            return Ok(true);
        };
        let full = self.rx.is_full(buffer);
        let Progress { consumed, done } = answer.take_lines(self.rx.raw(buffer), full)?;
        self.rx.drop_raw(consumed);
        if !done {
            return Ok(false);
        }
        traces.received(now, Rung::Upgrade, Name::SWITCHING, answer.head_len());
        traces.reached(now, Rung::Upgrade);
        traces.reached(now, Rung::Ws);
        self.framing = Framing::Open(Deframer::new(Role::Client), *frames);
        self.tx.release();
        Ok(true)
    }

    /// The fault of an upgrade that failed with this code.
    pub(crate) fn refused(&self, code: Code) -> Fault {
        match &self.framing {
            Framing::Upgrading(answer, _) => answer.fault(code),
            _ => Fault::new(Rung::Upgrade, code),
        }
    }

    /// The best fault for a byte stream that ended here.
    pub(crate) fn ended_by(&self, fault: Fault) -> Fault {
        match &self.framing {
            // What TLS says about the end is nearer to its cause.
            _ if fault.rung == Rung::Tls => fault,
            Framing::Upgrading(answer, _) => answer.eof().unwrap_or(fault),
            _ => fault,
        }
    }

    /// Moves bytes of MQTT out of the frame at the start of what was received; what it is, if it is a control frame.
    pub(crate) fn unframe(&mut self, buffer: &mut dyn Buffer) -> Result<Unframed, Code> {
        let Framing::Open(deframer, _) = &mut self.framing else {
            return Ok(Unframed::Need);
        };
        match deframer.next_for(Role::Client, self.rx.raw_mut(buffer))? {
            Step::Need => Ok(Unframed::Need),
            Step::Data {
                opcode: Opcode::Text,
                ..
            } => Err(Code::FrameText),
            Step::Data { skip, take, .. } => {
                self.rx.take_payload(buffer, skip, take);
                Ok(Unframed::Bytes)
            }
            Step::Control { skip, take, opcode } => Ok(Unframed::Control { opcode, skip, take }),
        }
    }
}

/// What [`Path::unframe`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unframed {
    /// The rest of a frame has to come first.
    Need,
    /// MQTT has more bytes.
    Bytes,
    /// A ping, a pong or a close.
    Control {
        opcode: Opcode,
        skip: usize,
        take: usize,
    },
}
