//! A machine's turn where TLS is on the path: the layer moves plaintext, this moves records.

use std::{io, time::Duration};

use towpath_proto::{
    Client, Code, Fault, Instant, Rung,
    tls::{Above, Layer},
};

use super::{Machine, Stream, Turn, Wants};
use crate::{
    Event, Witness,
    host::{self, Entropy, Growable},
    tls::Engine,
};

/// The TLS of one attempt.
#[derive(Debug)]
pub(super) struct Secured {
    layer: Box<Layer<Engine>>,
    /// Writing failed, and what the peer sent before is being read.
    broken: Option<Fault>,
    /// The stream has ended; nothing more is read.
    ended: bool,
    /// The last event, which waits until the farewell has left, and until when it does.
    last: Option<(Event, Instant)>,
}

/// What moving records one way came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Some,
    /// The stream takes or gives nothing now.
    Blocked,
    /// There is nothing to move, or no room for it.
    Nothing,
}

impl Secured {
    pub(super) const fn new(layer: Box<Layer<Engine>>) -> Self {
        Self {
            layer,
            broken: None,
            ended: false,
            last: None,
        }
    }

    pub(super) fn explain(&self, fault: Fault) -> Fault {
        self.layer.explain(fault)
    }

    /// Sends records as far as the stream takes them.
    fn send(&mut self, stream: Option<&impl Stream>, now: Instant, closed: Fault) -> Moved {
        let Some(stream) = stream.filter(|_| self.broken.is_none() && !self.ended) else {
            return Moved::Nothing;
        };
        let mut moved = Moved::Nothing;
        loop {
            let records = self.layer.sendable();
            if records.is_empty() {
                return moved;
            }
            match stream.try_write(records) {
                Ok(n) => self.layer.transmitted(now, n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if moved == Moved::Some {
                        moved
                    } else {
                        Moved::Blocked
                    };
                }
                Err(error) => {
                    self.broken = Some(host::fault(closed.rung, &error));
                    return Moved::Some;
                }
            }
            moved = Moved::Some;
        }
    }

    /// Sends what goes, and says whether records are left that the stream may take later.
    fn is_leaving(&mut self, stream: Option<&impl Stream>, now: Instant, closed: Fault) -> bool {
        self.send(stream, now, closed);
        let lost = stream.is_none() || self.broken.is_some() || self.ended;
        !lost && self.layer.has_sendable()
    }

    /// Reads records once.
    fn receive(&mut self, stream: Option<&impl Stream>, now: Instant, closed: Fault) -> Moved {
        let Some(stream) = stream.filter(|_| !self.ended) else {
            return Moved::Nothing;
        };
        let space = self.layer.rx_space();
        if space.is_empty() {
            return Moved::Nothing;
        }
        let end = match stream.try_read(space) {
            Ok(0) => closed,
            Ok(n) => {
                self.layer.commit(now, n);
                return Moved::Some;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.broken {
                // The peer said nothing before it cut the connection.
                Some(fault) => fault,
                None => return Moved::Blocked,
            },
            Err(error) => host::fault(closed.rung, &error),
        };
        self.ended = true;
        self.layer.ended(self.broken.unwrap_or(end));
        Moved::Some
    }
}

/// A client whose plaintext somebody sees as it comes.
struct Overheard<'a> {
    client: &'a mut Client<Growable, Entropy>,
    witness: &'a Witness,
}

impl Above for Overheard<'_> {
    fn sendable(&self) -> &[u8] {
        self.client.sendable()
    }

    fn transmitted(&mut self, now: Instant, n: usize) {
        self.client.transmitted(now, n);
    }

    fn rx_space(&mut self) -> &mut [u8] {
        self.client.rx_space()
    }

    fn commit(&mut self, now: Instant, n: usize) {
        let rung = self.client.rung();
        let came = self.client.rx_space().get(..n);
        self.witness.overhear(rung, came);
        self.client.commit(now, n);
    }

    fn grow_rx(&mut self, len: usize) {
        self.client.grow_rx(len);
    }

    fn rx_len(&self) -> usize {
        Above::rx_len(self.client)
    }

    fn is_paused(&self) -> bool {
        self.client.is_paused()
    }

    fn is_settled(&self) -> bool {
        Above::is_settled(self.client)
    }

    fn rung(&self) -> Rung {
        self.client.rung()
    }

    fn reached(&mut self, now: Instant, rung: Rung) {
        self.client.reached(now, rung);
    }

    fn closed(&mut self, now: Instant, fault: Fault) {
        self.client.closed(now, fault);
    }
}

impl Machine {
    /// What TLS has to tell before the client is polled.
    pub(super) fn turn_secured(
        &mut self,
        stream: Option<&impl Stream>,
        now: Instant,
    ) -> Option<Turn> {
        let rung = self.closed_here();
        let secured = self.secured.as_mut()?;
        if let Some(trace) = secured.layer.next_trace() {
            return Some(Turn::Event(Event::Trace(trace)));
        }
        let (event, until) = secured.last.take()?;
        if secured.is_leaving(stream, now, rung) && now < until {
            secured.last = Some((event, until));
            return Some(Turn::Wait(Wants {
                until: Some(until),
                read: false,
                write: true,
            }));
        }
        // Nothing of this attempt is needed any more.
        self.secured = None;
        Some(Turn::Event(event))
    }

    /// Moves plaintext and records until the client has to be polled again, which is `None`, or nothing moves.
    pub(super) fn carry(&mut self, stream: Option<&impl Stream>, now: Instant) -> Option<Wants> {
        let closed = self.closed_here();
        let paused = self.client.is_paused();
        let secured = self.secured.as_mut()?;
        let moved = match self.options.witnessed_by() {
            None => secured.layer.carry(&mut self.client, now),
            Some(witness) => {
                let client = &mut self.client;
                secured.layer.carry(&mut Overheard { client, witness }, now)
            }
        };
        if moved {
            return None;
        }
        let sent = secured.send(stream, now, closed);
        let received = if paused {
            Moved::Nothing
        } else {
            secured.receive(stream, now, closed)
        };
        if sent == Moved::Some || received == Moved::Some {
            return None;
        }
        let until = self.client.deadline();
        if received == Moved::Blocked && sent == Moved::Nothing {
            self.trim(until, now);
        }
        Some(Wants {
            until,
            read: received == Moved::Blocked,
            write: sent == Moved::Blocked,
        })
    }

    /// The fault for a stream that ends now.
    fn closed_here(&self) -> Fault {
        Fault::new(self.client.rung(), Code::Closed)
    }

    /// Whether records wait to be sent.
    pub(super) fn has_records(&self) -> bool {
        self.secured
            .as_ref()
            .is_some_and(|secured| secured.layer.has_sendable())
    }

    /// Keeps the session that the server gave, to resume it later, and shows its certificates to who watches.
    pub(super) fn keep_session(&mut self) {
        self.show_chain();
        if let (Some(secured), Some(sessions)) = (&mut self.secured, self.options.sessions()) {
            use towpath_proto::tls::Tls as _;
            let keep = &mut |bytes: &[u8]| sessions.keep(bytes);
            secured.layer.tls().take_session(keep);
        }
    }

    /// Shows the server's certificates to who watches.
    pub(super) fn show_chain(&mut self) {
        use towpath_proto::tls::Tls as _;
        if let (Some(secured), Some(witness)) = (&mut self.secured, self.options.witnessed_by()) {
            let mut chain = Vec::new();
            let keep = &mut |certificate: &[u8]| chain.push(certificate.to_vec());
            secured.layer.tls().server_chain(keep);
            witness.chain(chain);
        }
    }

    /// Lets the records of the farewell leave before an event that ends the attempt is told.
    pub(super) fn hold_back(
        &mut self,
        stream: Option<&impl Stream>,
        now: Instant,
        event: Event,
    ) -> Option<Event> {
        let graceful = match &event {
            Event::Closed => true,
            Event::Disconnected { .. } => false,
            _ => return Some(event),
        };
        self.keep_session();
        let closed = self.closed_here();
        let patience: Duration = self.options.patience;
        let Some(secured) = &mut self.secured else {
            return Some(event);
        };
        secured.layer.close();
        if secured.is_leaving(stream, now, closed) && graceful {
            secured.last = Some((event, now.after(patience)));
            return None;
        }
        // Facts of the end come before the event.
        secured.last = Some((event, now));
        None
    }
}
