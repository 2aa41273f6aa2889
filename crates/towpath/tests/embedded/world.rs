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
    embedded::{Connection, Timer},
    proto::{Instant, Trace},
};
use towpath_sim::{Direction, Link, Memory, Rng, Server, Terms, Weather};

pub(crate) type Connected<'a> = Connection<'a, Memory, Rng, Reader<'a>, Writer<'a>, &'a World>;

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
    link: Link,
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

    /// A new stream to the peer; the last one is gone.
    pub(crate) fn open(&self, ws: bool) {
        let mut state = self.state.borrow_mut();
        let now = state.now;
        let weather = state.habits.weather;
        state.link = Link::new(weather, now.as_micros());
        state.hoard.clear();
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
        let n = self.link.receive(self.now, Direction::Up, &mut room);
        let said = match &mut self.peer {
            Peer::Server(server) => {
                if n > 0 {
                    server.receive(self.now, &room[..n]);
                }
                let n = self.link.send(self.now, Direction::Down, server.output());
                server.sent(n);
                n
            }
            Peer::Bytes { says, .. } => {
                heard.extend(&room[..n]);
                let n = self.link.send(self.now, Direction::Down, says);
                says.drain(..n);
                n
            }
        };
        n > 0 || said > 0
    }

    fn stir(&mut self) -> bool {
        match &mut self.peer {
            Peer::Server(server) => server.stir(),
            Peer::Bytes { .. } => false,
        }
    }

    fn is_done(&self) -> bool {
        match &self.peer {
            Peer::Server(server) => server.is_done(),
            Peer::Bytes { says, closes } => *closes && says.is_empty(),
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
        let n = self.link.receive(self.now, Direction::Down, room);
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
