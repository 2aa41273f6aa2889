//! Everything around a connection: the stream, the peer, the clock, and an executor that drops futures.

use std::{
    cell::{Ref, RefCell, RefMut},
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use towpath::{
    embedded::{Connection, Plain, Timer},
    proto::{Instant, Trace, tls::Layer},
};
use towpath_sim::{Direction, Front, Link, Memory, Rng, Security, Server, Terms, Toy, Weather};

pub(crate) type Connected<'a, S = Plain> =
    Connection<'a, Memory, Rng, Reader<'a>, Writer<'a>, &'a World, S>;

/// How the stream behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    pub(crate) weather: Weather,
    /// In how many of 100 calls a half is not ready although it could be.
    pub(crate) stutter: usize,
    /// Written bytes stay in the writer until it is flushed, as with TLS.
    pub(crate) hoards: bool,
    /// Flushing never ends.
    pub(crate) never_flushes: bool,
    /// After so many bytes writing is never ready, or fails.
    pub(crate) write_end: Option<(u64, Option<ErrorKind>)>,
    /// What reading says at the end, instead of the end.
    pub(crate) read_error: Option<ErrorKind>,
    /// After so many bytes from the peer that is the end.
    pub(crate) read_end: Option<u64>,
    /// So many bytes are under way in each direction at most, and a peer that can't send doesn't read.
    pub(crate) narrow: Option<u64>,
}

/// The other side.
pub(crate) enum Peer {
    /// A server that keeps to the rules.
    Server(Box<Server>),
    /// One that says these bytes and, if `closes`, goes.
    Bytes { says: Vec<u8>, closes: bool },
}

struct State {
    now: Instant,
    wake: Option<Instant>,
    peer: Peer,
    /// The TLS of the server, of the next connections and of this one.
    security: Option<Security>,
    front: Option<Front>,
    link: Link,
    /// How many bytes the client, and the peer, has read of this link.
    read: u64,
    heard: u64,
    habits: Habits,
    rng: Rng,
    /// What the writer keeps to itself.
    hoard: Vec<u8>,
    /// Whether a half was not ready by its own will.
    stuttered: bool,
}

/// All of it. A test changes it between two calls.
pub(crate) struct World {
    state: RefCell<State>,
    pub(crate) traces: RefCell<Vec<Trace>>,
    pub(crate) flushes: RefCell<u32>,
    /// What a peer of bytes has received.
    pub(crate) heard: RefCell<Vec<u8>>,
}

impl World {
    pub(crate) fn new(peer: Peer, habits: Habits) -> Self {
        Self {
            state: RefCell::new(State {
                now: Instant::from_millis(1000),
                wake: None,
                peer,
                security: None,
                front: None,
                read: 0,
                heard: 0,
                link: Link::new(habits.weather, 3),
                habits,
                rng: Rng::new(5),
                hoard: Vec::new(),
                stuttered: false,
            }),
            traces: RefCell::default(),
            flushes: RefCell::default(),
            heard: RefCell::default(),
        }
    }

    pub(crate) fn serving(terms: Terms, habits: Habits) -> Self {
        Self::new(Peer::Server(Box::new(Server::new(terms, 11))), habits)
    }

    /// A server behind TLS.
    pub(crate) fn secured(terms: Terms, security: Security, habits: Habits) -> Self {
        let mut world = Self::serving(terms, habits);
        world.state.get_mut().security = Some(security);
        world
    }

    /// A new stream to a server behind TLS, and the TLS of this side; the last one is gone.
    pub(crate) fn open_secured(&self, ws: bool) -> Layer<Toy> {
        self.open(ws);
        let state = &mut *self.state.borrow_mut();
        let security = state.security.as_ref().expect("a server behind TLS");
        let (layer, server) = security.ends(state.now.as_micros());
        state.front = Some(Front::new(server, security.asks));
        layer
    }

    /// The server's end of TLS.
    pub(crate) fn front(&self) -> RefMut<'_, Front> {
        RefMut::map(self.state.borrow_mut(), |state| {
            state.front.as_mut().expect("a connection with TLS")
        })
    }

    /// A new stream to the peer; the last one is gone.
    pub(crate) fn open(&self, ws: bool) {
        let state = &mut *self.state.borrow_mut();
        let now = state.now;
        let weather = state.habits.weather;
        state.link = Link::new(weather, now.as_micros());
        state.hoard.clear();
        state.front = None;
        (state.read, state.heard) = (0, 0);
        if let Peer::Server(server) = &mut state.peer {
            server.closed();
            server.open(now, ws);
        }
    }

    pub(crate) const fn halves(&self) -> (Reader<'_>, Writer<'_>) {
        (Reader(self), Writer(self))
    }

    pub(crate) fn server(&self) -> RefMut<'_, Server> {
        RefMut::map(self.state.borrow_mut(), |state| match &mut state.peer {
            Peer::Server(server) => &mut **server,
            Peer::Bytes { .. } => panic!("there is no server"),
        })
    }

    pub(crate) fn habits(&self) -> RefMut<'_, Habits> {
        RefMut::map(self.state.borrow_mut(), |state| &mut state.habits)
    }

    /// How many bytes the client has sent on this stream.
    pub(crate) fn sent(&self) -> u64 {
        self.state.borrow_mut().link.sent(Direction::Up)
    }

    pub(crate) fn clock(&self) -> Ref<'_, Instant> {
        Ref::map(self.state.borrow(), |state| &state.now)
    }

    /// The peer says more.
    pub(crate) fn say(&self, bytes: &[u8]) {
        if let Peer::Bytes { says, .. } = &mut self.state.borrow_mut().peer {
            says.extend(bytes);
        }
    }

    /// Time passes while the application does something else.
    pub(crate) fn advance(&self, span: Duration) {
        let mut state = self.state.borrow_mut();
        state.now = state.now.after(span);
    }

    /// Polls `future` so many times, with the world going on in between, and drops it.
    pub(crate) fn poll_for<F: Future>(&self, polls: usize, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..polls {
            self.state.borrow_mut().wake = None;
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            self.go_on();
        }
        None
    }

    /// Polls `future` to its end.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.poll_for(100_000, future)
            .expect("a future that is ready at last")
    }

    /// Moves bytes; if none move, time goes on to what the client waits for.
    fn go_on(&self) {
        let state = &mut *self.state.borrow_mut();
        let moved = state.pump(&mut self.heard.borrow_mut()) || state.stir();
        if moved || std::mem::take(&mut state.stuttered) {
            return;
        }
        if let Some(wake) = state.wake.filter(|wake| *wake > state.now) {
            state.now = wake;
            if let Peer::Server(server) = &mut state.peer {
                server.handle_timeout(wake);
            }
        }
    }
}

impl State {
    fn pump(&mut self, heard: &mut Vec<u8>) -> bool {
        let mut room = [0; 256];
        let n = if self.is_choked() {
            0
        } else {
            self.link.receive(self.now, Direction::Up, &mut room)
        };
        self.heard += n as u64;
        let arrived = &room[..n];
        let space = self.space(Direction::Down);
        let upto = |bytes: &[u8]| bytes.len().min(space);
        let (now, link, way) = (self.now, &mut self.link, Direction::Down);
        match (&mut self.peer, &mut self.front) {
            (Peer::Server(server), Some(front)) => {
                if n > 0 {
                    front.receive(now, arrived, server);
                }
                let filled = front.fill(server);
                let output = front.tls.output();
                let said = link.send(now, way, &output[..upto(output)]);
                front.tls.sent(said);
                n > 0 || filled || said > 0
            }
            (Peer::Server(server), None) => {
                if n > 0 {
                    server.receive(now, arrived);
                }
                let output = server.output();
                let said = link.send(now, way, &output[..upto(output)]);
                server.sent(said);
                n > 0 || said > 0
            }
            (Peer::Bytes { says, .. }, _) => {
                heard.extend(arrived);
                let said = link.send(now, way, says);
                says.drain(..said);
                n > 0 || said > 0
            }
        }
    }

    /// Whether the peer reads nothing, because it can't get rid of what it says.
    fn is_choked(&mut self) -> bool {
        let waits = match (&self.peer, &self.front) {
            (_, Some(front)) => !front.tls.output().is_empty(),
            (Peer::Server(server), None) => !server.output().is_empty(),
            (Peer::Bytes { says, .. }, None) => !says.is_empty(),
        };
        waits && self.space(Direction::Down) == 0
    }

    /// How many more bytes go this way before some are read.
    fn space(&mut self, way: Direction) -> usize {
        let Some(most) = self.habits.narrow else {
            return usize::MAX;
        };
        let read = match way {
            Direction::Up => self.heard,
            Direction::Down => self.read,
        };
        (most + read).saturating_sub(self.link.sent(way)) as usize
    }

    fn stir(&mut self) -> bool {
        match &mut self.peer {
            Peer::Server(server) => server.stir(),
            Peer::Bytes { .. } => false,
        }
    }

    fn is_done(&self) -> bool {
        if self.habits.read_end.is_some_and(|end| end <= self.read) {
            return true;
        }
        match (&self.peer, &self.front) {
            (_, Some(front)) => front.is_done(),
            (Peer::Server(server), None) => server.is_done(),
            (Peer::Bytes { says, closes }, None) => *closes && says.is_empty(),
        }
    }

    fn stutters(&mut self) -> bool {
        let stutters = self.rng.chance(self.habits.stutter);
        self.stuttered |= stutters;
        stutters
    }

    fn read(&mut self, room: &mut [u8]) -> Poll<Result<usize, ErrorKind>> {
        if self.stutters() {
            return Poll::Pending;
        }
        let left = self
            .habits
            .read_end
            .map_or(u64::MAX, |end| end.saturating_sub(self.read));
        let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self
            .link
            .receive(self.now, Direction::Down, &mut room[..most]);
        self.read += n as u64;
        match self.habits.read_error {
            _ if n > 0 => Poll::Ready(Ok(n)),
            _ if !self.is_done() => Poll::Pending,
            Some(kind) => Poll::Ready(Err(kind)),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<Result<usize, ErrorKind>> {
        if self.stutters() {
            return Poll::Pending;
        }
        let mut bytes = bytes;
        if let Some((after, error)) = self.habits.write_end {
            let room = after.saturating_sub(self.link.sent(Direction::Up)) as usize;
            bytes = &bytes[..bytes.len().min(room)];
            if room == 0 {
                return error.map_or(Poll::Pending, |kind| Poll::Ready(Err(kind)));
            }
        }
        if bytes.len() > self.space(Direction::Up) {
            bytes = &bytes[..self.space(Direction::Up)];
            if bytes.is_empty() {
                return Poll::Pending;
            }
        }
        if self.habits.hoards {
            self.hoard.extend(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Poll::Ready(Ok(self.link.send(self.now, Direction::Up, bytes)))
    }

    fn flush(&mut self) -> Poll<()> {
        if self.habits.never_flushes || self.stutters() {
            return Poll::Pending;
        }
        let hoard = std::mem::take(&mut self.hoard);
        let mut rest = &hoard[..];
        while !rest.is_empty() {
            rest = &rest[self.link.send(self.now, Direction::Up, rest)..];
        }
        Poll::Ready(())
    }
}

pub(crate) struct Reader<'w>(&'w World);

pub(crate) struct Writer<'w>(&'w World);

impl ErrorType for Reader<'_> {
    type Error = ErrorKind;
}

impl ErrorType for Writer<'_> {
    type Error = ErrorKind;
}

impl Read for Reader<'_> {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(!room.is_empty(), "reading into nothing");
        poll_fn(|_| self.0.state.borrow_mut().read(room)).await
    }
}

impl Write for Writer<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(!bytes.is_empty(), "writing nothing");
        poll_fn(|_| self.0.state.borrow_mut().write(bytes)).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        poll_fn(|_| self.0.state.borrow_mut().flush()).await;
        *self.0.flushes.borrow_mut() += 1;
        Ok(())
    }
}

impl Timer for World {
    fn now(&self) -> Instant {
        self.state.borrow().now
    }

    async fn sleep_until(&self, at: Instant) {
        poll_fn(|_| {
            let mut state = self.state.borrow_mut();
            if state.now >= at {
                return Poll::Ready(());
            }
            state.wake = Some(state.wake.map_or(at, |wake| wake.min(at)));
            Poll::Pending
        })
        .await;
    }

    fn trace(&self, trace: Trace) {
        self.traces.borrow_mut().push(trace);
    }
}
