//! The byte stream of an exchange: moves plaintext, through TLS where the URL asks for it, and loses patience.
//!
//! Everything under way lies in the [`Pipe`] itself, so a future that drives it can be dropped at any point.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant as Moment, sleep_until},
};
use towpath_proto::{
    Code, Fault, Instant, Rung,
    tls::{Above as _, Layer, Tls as _},
};

use super::plain::{HTTP, Plain};
use crate::{
    host::{self, Clock},
    net::black_hole,
    tls::{Engine, Sessions},
};

pub(super) struct Pipe {
    socket: TcpStream,
    tls: Option<Box<Layer<Engine>>>,
    pub(super) plain: Plain,
    clock: Clock,
    patience: Duration,
    /// Nothing can be written any more; what the peer said before is still read.
    broken: Option<Fault>,
    /// Nothing can be read any more.
    ended: bool,
    opened: Instant,
}

impl Pipe {
    pub(super) fn new(
        socket: TcpStream,
        tls: Option<Box<Layer<Engine>>>,
        clock: Clock,
        patience: Duration,
    ) -> Self {
        Self {
            socket,
            plain: Plain::new(tls.is_some()),
            tls,
            clock,
            patience,
            broken: None,
            ended: false,
            opened: clock.now(),
        }
    }

    /// Waits until the TLS handshake is complete.
    pub(super) async fn open(&mut self) -> Result<(), Fault> {
        let until = self.deadline();
        while !self.plain.is_open() {
            if let Some(fault) = self.plain.end() {
                return Err(self.explain(fault));
            }
            self.progress(until).await?;
        }
        Ok(())
    }

    /// So long one step may take that begins now.
    pub(super) fn deadline(&self) -> Moment {
        Moment::now() + self.patience
    }

    /// Waits until bytes have moved, whichever way.
    pub(super) async fn progress(&mut self, until: Moment) -> Result<(), Fault> {
        let mut timer = Box::pin(sleep_until(until));
        let moved = poll_fn(|context| {
            if self.poll_progress(context).is_ready() {
                return Poll::Ready(true);
            }
            timer.as_mut().poll(context).map(|()| false)
        });
        if moved.await {
            return Ok(());
        }
        Err(self.late())
    }

    /// The cause behind the end of the connection, where TLS knows better.
    pub(super) fn explain(&self, fault: Fault) -> Fault {
        match &self.tls {
            Some(layer) => layer.explain(fault),
            None => fault,
        }
    }

    fn late(&self) -> Fault {
        let lost = self.lost_segments();
        let (rung, code) = if self.plain.is_open() {
            (HTTP, Code::HttpTimeout)
        } else {
            (Rung::Tls, Code::TlsTimeout)
        };
        if let Some(bytes) = lost {
            return Fault::new(rung, Code::LargePacketsLost).number(bytes);
        }
        let millis = u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX);
        self.explain(Fault::new(rung, code).number(millis))
    }

    /// The size of the segments that the path swallows, bytes; `None` if nothing says that it does.
    fn lost_segments(&self) -> Option<u32> {
        let (local, peer) = (
            self.socket.local_addr().ok()?,
            self.socket.peer_addr().ok()?,
        );
        let fresh = self.clock.now().since(self.opened) < self.patience.saturating_mul(2);
        black_hole::find(local, peer, fresh)
    }

    /// Ready when bytes have moved, or the end is known.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.plain.end().is_some() {
            return Poll::Ready(());
        }
        let now = self.clock.now();
        let carried = self.carry(now);
        let sent = self.poll_send(context, now);
        // Records may mean something only once they are decrypted: that is the next round's.
        let received = self.poll_receive(context, now);
        if carried || sent || received {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Encrypts and decrypts as far as both go.
    fn carry(&mut self, now: Instant) -> bool {
        let Some(layer) = &mut self.tls else {
            return false;
        };
        let mut moved = false;
        while layer.carry(&mut self.plain, now) {
            moved = true;
        }
        // Facts are told to nobody here.
        while layer.next_trace().is_some() {}
        moved
    }

    fn poll_send(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let mut moved = false;
        while self.broken.is_none() && !self.ended {
            let bytes = match &self.tls {
                Some(layer) => layer.sendable(),
                None => self.plain.sendable(),
            };
            if bytes.is_empty() || self.socket.poll_write_ready(context).is_pending() {
                break;
            }
            match self.socket.try_write(bytes) {
                Ok(n) => {
                    moved = true;
                    match &mut self.tls {
                        Some(layer) => layer.transmitted(now, n),
                        None => self.plain.transmitted(now, n),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.broken = Some(host::fault(self.plain.rung(), &error));
                    moved = true;
                }
            }
        }
        moved
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        while !self.ended {
            let closed = Fault::new(self.plain.rung(), Code::Closed);
            let room = match &mut self.tls {
                Some(layer) => layer.rx_space(),
                None => self.plain.rx_space(),
            };
            if room.is_empty() {
                return false;
            }
            let waits = self.socket.poll_read_ready(context).is_pending();
            let end = match (waits, self.broken) {
                (true, None) => return false,
                // The peer said nothing before it cut the connection.
                (true, Some(fault)) => fault,
                (false, broken) => match self.socket.try_read(room) {
                    Ok(0) => broken.unwrap_or(closed),
                    Ok(n) => {
                        match &mut self.tls {
                            Some(layer) => layer.commit(now, n),
                            None => self.plain.commit(now, n),
                        }
                        return true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => broken.unwrap_or_else(|| host::fault(closed.rung, &error)),
                },
            };
            self.ended = true;
            match &mut self.tls {
                Some(layer) => layer.ended(end),
                None => self.plain.closed(now, end),
            }
            return true;
        }
        false
    }

    /// Keeps the TLS session that the server gave, and says farewell as far as that goes without waiting.
    pub(super) fn finish(&mut self, sessions: &Sessions) {
        if let Some(layer) = &mut self.tls {
            layer.tls().take_session(&mut |bytes| sessions.keep(bytes));
            layer.close();
            // Nobody waits for it: what the answer is worth is known by now.
            let _ = self.socket.try_write(layer.sendable());
        }
    }
}
