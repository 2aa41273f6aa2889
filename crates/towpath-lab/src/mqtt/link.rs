//! A conversation on its socket: reads, writes and waits for whatever comes first.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::{
    conversation::{Conversation, End, Taken},
    input::{Input, Next},
    output::Lost,
    registrant::Request,
};
use crate::log::Code;

/// So often in a row a connection goes on before others have their turn.
const ROUNDS: usize = 32;

/// So long the last bytes may take to be written.
const LAST: Duration = Duration::from_secs(5);

/// So long a connection that says nothing more is kept open for the client to notice.
const MUTE: Duration = Duration::from_secs(1767);

/// A client on its socket.
pub(super) struct Link<S> {
    stream: S,
    input: Input,
    pub(super) talk: Conversation,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` is over.
    armed: Instant,
}

/// What the connection waits for others to do.
pub(super) enum Event {
    /// The provisioning service has to be asked.
    Request(Request),
    /// The connection is over.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(super) fn new(stream: S, talk: Conversation, now: Instant) -> Self {
        let armed = talk.line.timers.next().unwrap_or(now);
        Self {
            stream,
            input: Input::new(),
            talk,
            sleep: Box::pin(sleep_until(armed)),
            armed,
        }
    }

    /// Goes on until somebody else has to do something.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..ROUNDS {
            let now = Instant::now();
            self.talk.tick(now);
            self.take_packets();
            self.talk.poll_down(context);
            // Last of these: what they added to it has to wake this connection when it is on the disk.
            let owed_much = self.talk.line.output.owes_much();
            let owed = self.talk.line.output.poll_owed(context, now);
            let owed = owed.unwrap_or_else(|Lost| {
                let text = "the lab could not write what it was to acknowledge to its disk";
                self.talk.line.end(End::new(Code::ServerError, text));
                None
            });
            if self.talk.line.is_over() {
                return Poll::Ready(Event::End);
            }
            let mut again = owed_much && !self.talk.line.output.owes_much();
            again |= self.poll_write(context, now);
            if let Some(request) = self.talk.request() {
                return Poll::Ready(Event::Request(request));
            }
            again |= self.poll_read(context);
            again |= self.poll_timer(owed, context);
            if !again {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands on the packets that are here, as far as they are taken.
    fn take_packets(&mut self) {
        if self.talk.line.is_mute() {
            self.input.discard();
        }
        while self.talk.takes_packets() {
            match self.input.next() {
                Next::More => break,
                Next::Frame(frame) => {
                    let len = frame.len();
                    if self.talk.take(&frame) == Taken::Later {
                        break;
                    }
                    self.input.consume(len);
                    self.input.allow(self.talk.packet_max());
                }
                Next::Oversize {
                    kind,
                    len,
                    qos,
                    packet_id,
                } => {
                    self.talk.oversize(kind, len, qos, packet_id);
                    self.input.consume(len);
                }
                Next::Invalid(invalid) => self.talk.invalid(invalid, self.input.start()),
            }
        }
    }

    /// Whether packets can be taken again because there is room again.
    fn poll_write(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let output = &mut self.talk.line.output;
        if output.is_idle() {
            return false;
        }
        let had_room = output.has_room();
        match output.poll_write(&mut self.stream, context, now) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => !had_room,
            Poll::Ready(Err(error)) => {
                self.talk.gone(Some(&error));
                true
            }
        }
    }

    /// Whether something has come. Not more than a packet is read ahead of one that has to wait.
    fn poll_read(&mut self, context: &mut Context<'_>) -> bool {
        if self.input.is_full() {
            return false;
        }
        // A client that gives up while its CONNECT waits must not be let in afterwards.
        let ahead = self.talk.is_connecting() || self.talk.takes_packets();
        if !ahead && !matches!(self.input.next(), Next::More) {
            return false;
        }
        match self.input.poll_fill(&mut self.stream, context) {
            Poll::Pending => false,
            Poll::Ready(Ok(0)) => {
                self.talk.gone(None);
                true
            }
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => {
                self.talk.gone(Some(&error));
                true
            }
        }
    }

    /// Whether a time has come.
    fn poll_timer(&mut self, owed: Option<Instant>, context: &mut Context<'_>) -> bool {
        let next = [self.talk.next_tick(), owed].into_iter().flatten();
        let Some(next) = next.min() else {
            return false;
        };
        // A timer that fires too early costs less than one that is set anew with each packet.
        if next < self.armed || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
            self.armed = next;
        }
        self.sleep.as_mut().poll(context).is_ready()
    }

    /// Tells hub and log that it is over, writes what is left, and closes. Gives the reason.
    pub(super) async fn finish(mut self) -> String {
        let mute = self.talk.line.is_mute();
        let why = self.talk.leave();
        if mute {
            // The client has to find out by itself.
            let _ = timeout(MUTE, drain(&mut self.stream)).await;
            return why;
        }
        let (output, stream) = (&mut self.talk.line.output, &mut self.stream);
        let last = async {
            let now = Instant::now();
            std::future::poll_fn(|context| output.poll_write(stream, context, now)).await?;
            stream.shutdown().await
        };
        // Whether the last bytes arrive is not known anyway.
        let _ = timeout(LAST, last).await;
        why
    }
}

/// Reads until the end.
async fn drain<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut bytes = [0; 256];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}
