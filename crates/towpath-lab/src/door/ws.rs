//! MQTT in frames of WebSocket (RFC 6455), as the server: to the layer above it is a stream of bytes.
//!
//! Frames are cut as the client likes and mean nothing to MQTT; the faults cut, join, mask and mark what goes out.

use std::{
    future::Future as _,
    io::{self, ErrorKind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep, timeout},
};
use towpath_proto::{
    Rung,
    ws::{
        Close, Deframer, HEADER_MAX, Opcode, Role, Step, close::NO_STATUS, close_code, frame,
        parse_close, write_close,
    },
};

use super::{Door, Visit, channel::Channel};
use crate::{
    connection::Connection,
    fault::Kind,
    log::{Code, Record},
    shared::Means,
};

/// How much is taken for sending before the writer has to wait, bytes of frames.
const OUT_MAX: usize = 32 << 10;

/// The largest frame that is sent, bytes of payload.
const FRAME_MAX: usize = 16 << 10;

/// The most that is collected into one frame by a fault.
const JOINED_MAX: usize = 64 << 10;

/// The most that is read at once.
const READ: usize = 4096;

/// How long the last frames may take.
const LAST: Duration = Duration::from_secs(2);

/// A frame's mask where none may be.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What faults make of the frames.
#[derive(Debug, Default)]
pub(super) struct Twist {
    /// Frames of so many bytes.
    split: Option<usize>,
    /// Frames of what came together in this time.
    joined: Option<Duration>,
    text: bool,
    masked: bool,
    /// Pings a second.
    pings: Option<u64>,
    /// Closes with this code when CONNECT has come.
    close: Option<u16>,
}

impl Twist {
    pub(super) fn of(door: &Door, visit: &Visit) -> Self {
        let number = |kind| door.strike(kind, visit).map(|value| value.number());
        Self {
            split: number(Kind::FramesSplit)
                .map(|bytes| usize::try_from(bytes).unwrap_or(FRAME_MAX).max(1)),
            joined: number(Kind::FramesJoined).map(Duration::from_millis),
            text: door.strike(Kind::FramesText, visit).is_some(),
            masked: door.strike(Kind::FramesMasked, visit).is_some(),
            pings: number(Kind::PingFlood).map(|pings| pings.clamp(1, 100_000)),
            close: number(Kind::CloseCode).map(|code| u16::try_from(code).unwrap_or(1011)),
        }
    }
}

/// A stream of bytes over WebSocket.
pub(super) struct WsStream {
    channel: Channel,
    connection: Arc<Connection>,
    means: Means,
    deframer: Deframer,
    /// What came and was not taken apart; before it, payload that was and was not read.
    inbox: Vec<u8>,
    payload: usize,
    /// Frames that are to be sent.
    out: Vec<u8>,
    twist: Twist,
    collected: Vec<u8>,
    collected_until: Option<Pin<Box<Sleep>>>,
    pinging: Option<Interval>,
    /// The client's first packet, as far as it came, while a fault waits for its end.
    first: Vec<u8>,
    seen: bool,
    /// A Close frame was sent, and one came.
    closed: bool,
    over: bool,
    broken: Option<String>,
}

impl WsStream {
    pub(super) fn new(channel: Channel, twist: Twist, visit: &Visit) -> Self {
        let pinging = twist.pings.map(|pings| {
            let pause = Duration::from_secs(1) / u32::try_from(pings).unwrap_or(u32::MAX);
            let mut pinging = interval(pause.max(TICK));
            pinging.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pinging
        });
        Self {
            channel,
            connection: Arc::clone(&visit.connection),
            means: visit.means().clone(),
            deframer: Deframer::new(Role::Server),
            inbox: Vec::new(),
            payload: 0,
            out: Vec::new(),
            twist,
            collected: Vec::new(),
            collected_until: None,
            pinging,
            first: Vec::new(),
            seen: false,
            closed: false,
            over: false,
            broken: None,
        }
    }

    /// The rule that the client broke, if that is what ended the stream.
    pub(super) fn broken(&mut self) -> Option<String> {
        self.broken.take()
    }

    /// Ends the stream with a Close frame, if there was none, and gives back what is below.
    pub(super) async fn leave(mut self) -> Channel {
        let _ = timeout(LAST, async {
            self.emit_collected();
            self.close(1000, "");
            std::future::poll_fn(|cx| self.poll_drain(cx)).await?;
            self.channel.flush().await
        })
        .await;
        self.channel
    }

    /// Appends a frame to what is to be sent.
    fn emit(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = self.twist.masked.then_some(MASK);
        let at = self.out.len();
        self.out.resize(at + HEADER_MAX + payload.len(), 0);
        let room = self.out.get_mut(at..).unwrap_or_default();
        // There is room for the longest header.
        let written = frame::write(room, true, opcode, payload, mask).unwrap_or(0);
        self.out.truncate(at + written);
    }

    /// Appends data, cut as the faults want it.
    fn emit_data(&mut self, bytes: &[u8]) {
        let opcode = if self.twist.text {
            Opcode::Text
        } else {
            Opcode::Binary
        };
        for piece in bytes.chunks(self.twist.split.unwrap_or(FRAME_MAX)) {
            self.emit(opcode, piece);
        }
    }

    fn emit_collected(&mut self) {
        self.collected_until = None;
        let collected = std::mem::take(&mut self.collected);
        if !collected.is_empty() {
            let opcode = if self.twist.text {
                Opcode::Text
            } else {
                Opcode::Binary
            };
            self.emit(opcode, &collected);
        }
    }

    /// Appends a Close frame, the only one.
    fn close(&mut self, code: u16, reason: &str) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let mut room = [0; 131];
        let mask = self.twist.masked.then_some(MASK);
        if let Ok(len) = write_close(&mut room, Close { code, reason }, mask) {
            self.out
                .extend_from_slice(room.get(..len).unwrap_or_default());
        }
    }

    /// The client broke a rule: says so, and no more is read.
    fn fail(&mut self, code: u16, why: String) -> io::Error {
        self.over = true;
        self.inbox = Vec::new();
        self.payload = 0;
        self.close(code, "");
        self.connection.step(Rung::Ws, false, why.clone());
        let mut record = Record::warn(Code::ProtocolError, format!("{why} (close code {code})"))
            .connection(self.connection.id);
        record.host = self.connection.host();
        record.device = self.connection.device();
        self.means.tell(record);
        self.broken = Some(why.clone());
        io::Error::new(ErrorKind::InvalidData, why)
    }

    /// Sends what is to be sent.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let outcome = loop {
            let rest = self.out.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.channel).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.out.drain(..sent);
        if self.out.is_empty() {
            self.out = Vec::new();
        }
        outcome
    }

    /// What is due without anybody asking: collected data, pings, and sending on.
    fn poll_duties(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(until) = &mut self.collected_until
            && until.as_mut().poll(cx).is_ready()
        {
            self.emit_collected();
        }
        while let Some(pinging) = &mut self.pinging
            && !self.closed
            && let Poll::Ready(_) = pinging.poll_tick(cx)
        {
            let period = pinging.period().as_micros();
            let pings = self.twist.pings.unwrap_or(0);
            let due = (u128::from(pings) * period / 1_000_000).max(1);
            // A client that does not read is not flooded: the lab's memory is not to grow.
            for _ in 0..due {
                if self.out.len() < OUT_MAX {
                    self.emit(Opcode::Ping, b"flood");
                }
            }
        }
        if self.out.is_empty() {
            return Ok(());
        }
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => match Pin::new(&mut self.channel).poll_flush(cx) {
                Poll::Ready(Err(error)) => Err(error),
                _ => Ok(()),
            },
            Poll::Pending => Ok(()),
        }
    }

    /// Takes frames apart until there is payload, or more has to come, or the stream is over.
    fn take_apart(&mut self) -> io::Result<()> {
        while self.payload == 0 && !self.over {
            let step = match self.deframer.next(&mut self.inbox) {
                Ok(step) => step,
                Err(fault) => {
                    let why = format!("WebSocket: {}", fault.code.cause());
                    return Err(self.fail(close_code(fault.code), why));
                }
            };
            match step {
                Step::Need => return Ok(()),
                Step::Data {
                    opcode: Opcode::Text,
                    ..
                } => {
                    let why = "WebSocket: a text frame; MQTT has binary ones (MQTT 3.1.1, 6.0-1)";
                    return Err(self.fail(1003, why.into()));
                }
                Step::Data { skip, take, .. } => {
                    self.inbox.drain(..skip);
                    self.payload = take;
                    self.told(take);
                    if self.twist.close.is_some() {
                        self.close_behind_connect()?;
                    }
                }
                Step::Control { skip, take, opcode } => self.control(skip, take, opcode)?,
            }
        }
        Ok(())
    }

    /// The first frame makes the rung.
    fn told(&mut self, bytes: usize) {
        if !std::mem::replace(&mut self.seen, true) {
            let text = format!("first frame with {bytes} bytes");
            self.connection.step(Rung::Ws, true, text);
        }
    }

    fn control(&mut self, skip: usize, take: usize, opcode: Opcode) -> io::Result<()> {
        let payload = self
            .inbox
            .get(skip..skip + take)
            .unwrap_or_default()
            .to_vec();
        self.inbox.drain(..skip + take);
        match opcode {
            // 5.5.3: the answer has the payload of the ping.
            Opcode::Ping => self.emit(Opcode::Pong, &payload),
            Opcode::Close => match parse_close(&payload) {
                Ok(close) => {
                    self.over = true;
                    self.close(close.code, "");
                    if !matches!(close.code, 1000 | 1001 | NO_STATUS) {
                        let text = format!("the client closed WebSocket with code {}", close.code);
                        self.connection.step(Rung::Ws, false, text);
                    }
                }
                Err(fault) => {
                    let why = format!("WebSocket: {}", fault.code.cause());
                    return Err(self.fail(close_code(fault.code), why));
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// A fault: keeps the client's first packet back, and closes when it is complete.
    fn close_behind_connect(&mut self) -> io::Result<()> {
        let came = self.inbox.get(..self.payload).unwrap_or_default();
        self.first.extend_from_slice(came);
        self.inbox.drain(..self.payload);
        self.payload = 0;
        if packet_len(&self.first).is_none_or(|len| self.first.len() < len) {
            return Ok(());
        }
        let code = self.twist.close.take().unwrap_or(1011);
        self.over = true;
        self.close(code, "a fault of the lab");
        let why = format!("closed with code {code} behind CONNECT by a fault");
        self.connection.step(Rung::Ws, false, why.clone());
        self.broken = Some(why.clone());
        Err(io::Error::new(ErrorKind::ConnectionAborted, why))
    }
}

/// The shortest time between floods of pings.
const TICK: Duration = Duration::from_millis(10);

/// The length of the MQTT packet at the start, at most the longest CONNECT that is waited for; `None` while its head is
/// not complete.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    const LONGEST: usize = 16 << 10;
    let mut len = 0;
    for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((2 + at + len).min(LONGEST));
        }
    }
    (bytes.len() >= 5).then_some(0)
}

impl AsyncRead for WsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            this.poll_duties(cx)?;
            let taken_apart = this.take_apart();
            if !this.out.is_empty() {
                // Pongs and Close go out now; an error of that shows in the next read.
                let _ = this.poll_duties(cx);
            }
            taken_apart?;
            if this.payload > 0 {
                let n = this.payload.min(buf.remaining());
                buf.put_slice(this.inbox.get(..n).unwrap_or_default());
                this.inbox.drain(..n);
                this.payload -= n;
                if this.inbox.is_empty() {
                    this.inbox = Vec::new();
                }
                return Poll::Ready(Ok(()));
            }
            if this.over {
                return Poll::Ready(Ok(()));
            }
            if this.out.len() >= OUT_MAX {
                // A client that pings and reads no pongs is not read either.
                ready!(this.poll_drain(cx))?;
            }
            let mut space = [0; READ];
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.channel).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                this.over = true;
                return Poll::Ready(Ok(()));
            }
            this.inbox.extend_from_slice(space.filled());
        }
    }
}

impl AsyncWrite for WsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if this.out.len() >= OUT_MAX {
            ready!(this.poll_drain(cx))?;
        }
        let n = bytes.len().min(FRAME_MAX);
        let piece = bytes.get(..n).unwrap_or_default();
        match this.twist.joined {
            Some(pause) => {
                this.collected.extend_from_slice(piece);
                if this.collected.len() >= JOINED_MAX {
                    this.emit_collected();
                } else if this.collected_until.is_none() {
                    this.collected_until = Some(Box::pin(sleep(pause)));
                }
            }
            None => this.emit_data(piece),
        }
        this.poll_duties(cx)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.emit_collected();
        self.close(1000, "");
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_packet() {
        assert_eq!(packet_len(b""), None);
        assert_eq!(packet_len(b"\x10"), None);
        assert_eq!(packet_len(b"\x10\x00"), Some(2));
        assert_eq!(packet_len(b"\x10\xa8"), None);
        assert_eq!(packet_len(b"\x10\xa8\x02"), Some(3 + 296));
        assert_eq!(packet_len(b"\x10\xff\xff\xff\x7f"), Some(16 << 10));
        assert_eq!(packet_len(b"\x10\xff\xff\xff\xff"), Some(0));
    }
}
