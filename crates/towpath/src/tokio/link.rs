//! The waiting around a machine: name, TCP, readiness, timers, pauses. The same for a machine of one's own and a shared
//! one.
//!
//! Everything that is under way lies in the [`Link`] itself, so a future that drives it can be dropped at any point.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    net::TcpStream,
    time::{Instant as Moment, Sleep, sleep_until},
};
use towpath_proto::{
    Code, Fault, Instant, Rung,
    mqtt::{property::Properties, reason::ReasonCode},
    net::Candidate,
};

use super::{
    dial::{Dial, Kept, Step, Task, connect},
    tunnel::tunnel,
};
use crate::{
    Error, Event, Options,
    host::Clock,
    machine::{Machine, Stream, Turn, Wants},
    net::black_hole,
};

impl Stream for TcpStream {
    fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, bytes)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }
}

/// A machine, and a way to be woken when somebody else changed it.
pub(crate) trait Access {
    fn with<T>(&mut self, act: impl FnOnce(&mut Machine) -> T) -> T;

    /// Asks to be woken when somebody else changes the machine. True if that has happened since the last look.
    fn park(&mut self, context: &Context<'_>) -> bool;
}

/// Where the connection stands.
enum State {
    /// To be tried at this moment.
    Pause(Moment),
    /// The name is resolved and its addresses are tried. True: one of them is.
    Dialing(Box<Dial>, bool),
    /// The proxy is asked for the server.
    Tunnelling(Task<TcpStream>),
    /// The byte stream is open.
    Open(TcpStream),
    /// The machine has a failed attempt to report.
    Failing,
    /// Nothing follows.
    Over,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause(_) => "Pause",
            Self::Dialing(..) => "Dialing",
            Self::Tunnelling(_) => "Tunnelling",
            Self::Open(_) => "Open",
            Self::Failing => "Failing",
            Self::Over => "Over",
        })
    }
}

/// The waiting part of a connection.
#[derive(Debug)]
pub(crate) struct Link<A> {
    pub(crate) access: A,
    clock: Clock,
    state: State,
    /// One timer, made when first needed and set anew as deadlines move.
    timer: Option<Pin<Box<Sleep>>>,
    /// What the next attempt can use of the one before.
    kept: Option<Box<Kept>>,
    /// When the byte stream was opened.
    opened: Instant,
}

impl<A: Access> Link<A> {
    pub(crate) fn new(access: A) -> Self {
        Self {
            access,
            clock: Clock::start(),
            state: State::Pause(Moment::now()),
            timer: None,
            kept: None,
            opened: Instant::ZERO,
        }
    }

    /// The server's address, while the byte stream is open.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        if let State::Open(stream) = &self.state {
            stream.peer_addr().ok()
        } else {
            None
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Ends what is under way, and tries these options next.
    pub(crate) fn redirect(&mut self, options: Arc<Options>) {
        self.cut();
        self.access.with(|machine| machine.redirect(options));
        self.state = State::Pause(Moment::now());
    }

    /// Ends what is under way without a word.
    pub(crate) fn cut(&mut self) {
        self.access.with(Machine::cut);
        self.state = State::Over;
    }

    /// The next event. May be dropped at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|context| self.poll(context, &|_| false))
            .await
            .unwrap_or(Event::Closed)
    }

    /// Drives until there is an event, or until the machine is as `enough` wants it, which is `None`.
    pub(crate) async fn drive(
        &mut self,
        enough: &(impl Fn(&mut Machine) -> bool + ?Sized),
    ) -> Option<Event> {
        poll_fn(|context| self.poll(context, enough)).await
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        enough: &(impl Fn(&mut Machine) -> bool + ?Sized),
    ) -> Poll<Option<Event>> {
        loop {
            let now = self.clock.now();
            let turn = match &mut self.state {
                State::Over => return Poll::Ready(Some(Event::Closed)),
                State::Failing => self
                    .access
                    .with(|machine| machine.turn(None::<&TcpStream>, now)),
                State::Open(stream) => self
                    .access
                    .with(|machine| machine.turn(Some(&*stream), now)),
                _ => {
                    if let Some(event) = ready!(self.poll_attempt(context)) {
                        return Poll::Ready(Some(event));
                    }
                    continue;
                }
            };
            match turn {
                Turn::Event(mut event) => {
                    self.examine(&mut event);
                    self.follow(&event);
                    return Poll::Ready(Some(event));
                }
                Turn::Wait(_) if matches!(self.state, State::Failing) => self.state = State::Over,
                Turn::Wait(_) if self.access.with(enough) => return Poll::Ready(None),
                Turn::Wait(wants) => ready!(self.poll_wait(context, wants)),
            }
        }
    }

    /// Climbs to an open byte stream. A failure is left with the machine to report.
    fn poll_attempt(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.access.with(|machine| machine.is_closing()) {
            self.state = State::Over;
            return Poll::Ready(Some(Event::Closed));
        }
        if self.access.park(context) {
            return Poll::Ready(None);
        }
        let next = match &mut self.state {
            State::Pause(at) => {
                let at = *at;
                ready!(self.poll_timer(context, at));
                self.begin()
            }
            State::Dialing(..) => return self.poll_dial(context),
            State::Tunnelling(task) => match ready!(task.as_mut().poll(context)) {
                Ok(stream) => {
                    let now = self.clock.now();
                    self.access
                        .with(|machine| machine.client.reached(now, Rung::Proxy));
                    State::Open(stream)
                }
                Err(fault) => self.failing(fault),
            },
            State::Open(_) | State::Failing | State::Over => return Poll::Ready(None),
        };
        self.state = next;
        Poll::Ready(None)
    }

    fn begin(&mut self) -> State {
        let now = self.clock.now();
        match self.access.with(|machine| machine.begin(now)) {
            Ok(true) => {}
            Ok(false) => return State::Failing,
            Err(refusal) => {
                self.access.with(|machine| machine.give_up(refusal));
                return State::Failing;
            }
        }
        self.dial()
    }

    /// Begins to look for the first hop.
    fn dial(&mut self) -> State {
        let now = self.clock.now();
        let options = self.access.with(|machine| Arc::clone(&machine.options));
        let (host, port) = options.first_hop();
        let is_name = host.parse::<std::net::IpAddr>().is_err();
        self.enter(if is_name { Rung::Dns } else { Rung::Tcp });
        let target = (host, port);
        let (network, sockets) = (options.network_options(), options.sockets());
        match Dial::start(
            now,
            target,
            &network,
            sockets,
            options.trace,
            self.kept.as_deref(),
        ) {
            Ok(dial) => State::Dialing(Box::new(dial), !is_name),
            Err(fault) => self.failing(fault),
        }
    }

    /// Goes on with looking. A failure is left with the machine to report.
    fn poll_dial(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        // Facts of the client come first: they are older.
        if let Some(trace) = self.access.with(|machine| machine.client.take_trace()) {
            return Poll::Ready(Some(Event::Trace(trace)));
        }
        let now = self.clock.now();
        let State::Dialing(dial, trying) = &mut self.state else {
            return Poll::Ready(None);
        };
        match dial.poll(context, now) {
            Step::Trace(trace) => return Poll::Ready(Some(Event::Trace(trace))),
            Step::Trying if !*trying => {
                *trying = true;
                self.access
                    .with(|machine| machine.client.passed(now, Rung::Dns));
                if self.is_top(Rung::Nat64) {
                    self.state = self.turned_back();
                } else {
                    self.enter(Rung::Tcp);
                }
            }
            Step::Trying | Step::Resolved => {}
            Step::Wait(until) => {
                let Some(until) = until else {
                    return Poll::Pending;
                };
                ready!(self.poll_timer(context, self.clock.host(until).into()));
                let now = self.clock.now();
                if let State::Dialing(dial, _) = &mut self.state {
                    dial.handle_timeout(now);
                }
            }
            Step::Connected(stream, candidate) => {
                self.keep(false);
                self.state = self.connected(stream, candidate.as_ref());
            }
            Step::Failed(fault) => {
                self.keep(true);
                self.state = self.undialed(fault);
            }
        }
        Poll::Ready(None)
    }

    /// Whether this rung is as far as the options want to climb.
    fn is_top(&mut self, rung: Rung) -> bool {
        self.access
            .with(|machine| machine.options.top().is_some_and(|top| top <= rung))
    }

    /// The end where no byte stream is wanted.
    fn turned_back(&mut self) -> State {
        let none = Properties::NONE;
        let said = self
            .access
            .with(|machine| machine.disconnect(ReasonCode::SUCCESS, none));
        match said {
            Ok(()) => State::Failing,
            Err(_) => State::Over,
        }
    }

    /// Keeps what the next attempt can use.
    fn keep(&mut self, lost: bool) {
        let now = self.clock.now();
        let before = self.kept.take();
        if let State::Dialing(dial, _) = &self.state {
            self.kept = dial.keep(now, before, lost);
        }
    }

    /// There is no connection. Where it was to lead to a proxy, the fault says so.
    fn undialed(&mut self, fault: Fault) -> State {
        let proxied = self
            .access
            .with(|machine| machine.options.proxied_by().is_some());
        self.failing(if proxied {
            fault.detail(format!("the proxy {}", fault.detail).as_bytes())
        } else {
            fault
        })
    }

    /// The stream leads to the server, or to the proxy that leads there.
    fn connected(&mut self, stream: TcpStream, candidate: Option<&Candidate>) -> State {
        let now = self.clock.now();
        self.opened = now;
        let options = self.access.with(|machine| Arc::clone(&machine.options));
        if let Some(witness) = options.witnessed_by() {
            witness.connected(stream.local_addr().ok(), stream.peer_addr().ok());
        }
        let translated = candidate.is_some_and(|candidate| candidate.origin.prefix().is_some());
        // The connection to the proxy may be all that is wanted.
        let proxied = options.proxied_by().is_some() && !self.is_top(Rung::Tcp);
        self.access.with(|machine| {
            if translated {
                machine.client.passed(now, Rung::Nat64);
            }
            if proxied {
                machine.client.passed(now, Rung::Tcp);
            } else {
                machine.client.reached(now, Rung::Tcp);
            }
        });
        if !proxied {
            return State::Open(stream);
        }
        self.enter(Rung::Proxy);
        State::Tunnelling(Box::pin(async move {
            let Some(proxy) = options.proxied_by() else {
                return Ok(stream);
            };
            let again = |address| connect(address, options.sockets());
            tunnel(stream, proxy, &options.endpoint, options.patience, again).await
        }))
    }

    fn failing(&mut self, fault: Fault) -> State {
        let now = self.clock.now();
        self.access
            .with(|machine| machine.client.closed(now, fault));
        State::Failing
    }

    fn enter(&mut self, rung: Rung) {
        let now = self.clock.now();
        self.access
            .with(|machine| machine.client.entered(now, rung));
    }

    /// A connection that ends in silence is looked at before it is closed: the path may swallow large packets.
    fn examine(&mut self, event: &mut Event) {
        let Event::Disconnected { fault, .. } = event else {
            return;
        };
        let silent = matches!(
            fault.code,
            Code::TlsTimeout | Code::UpgradeTimeout | Code::ConnackTimeout | Code::PingTimeout
        );
        if silent && let Some(bytes) = self.lost_segments() {
            *fault = Fault::new(fault.rung, Code::LargePacketsLost).number(bytes);
        }
    }

    /// The size of the segments that the path swallows, bytes; `None` if nothing says that it does.
    pub(crate) fn lost_segments(&mut self) -> Option<u32> {
        let State::Open(stream) = &self.state else {
            return None;
        };
        let (local, peer) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        let patience = self.access.with(|machine| machine.options.patience);
        // As long as the server took to be silent for the patience of a rung, and not much longer.
        let fresh = self.clock.now().since(self.opened) < patience.saturating_mul(2);
        black_hole::find(local, peer, fresh)
    }

    /// Lets an event that ends the attempt have its effect.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Disconnected {
                retry_in: Some(pause),
                ..
            } => self.state = State::Pause(Moment::now() + *pause),
            Event::Disconnected { retry_in: None, .. } | Event::Refused(_) | Event::Closed => {
                self.state = State::Over;
            }
            _ => {}
        }
    }

    /// Ready when another turn may move something.
    fn poll_wait(&mut self, context: &mut Context<'_>, wants: Wants) -> Poll<()> {
        if self.access.park(context) {
            return Poll::Ready(());
        }
        let State::Open(stream) = &self.state else {
            return Poll::Ready(());
        };
        // An error of the readiness itself shows at the next read or write.
        if wants.read && stream.poll_read_ready(context).is_ready() {
            return Poll::Ready(());
        }
        if wants.write && stream.poll_write_ready(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(until) = wants.until else {
            return Poll::Pending;
        };
        ready!(self.poll_timer(context, self.clock.host(until).into()));
        let now = self.clock.now();
        self.access
            .with(|machine| machine.client.handle_timeout(now));
        Poll::Ready(())
    }

    fn poll_timer(&mut self, context: &mut Context<'_>, at: Moment) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(context)
    }
}

/// The error that an event stands for when a caller waited for something else.
pub(crate) fn ended(event: &Event) -> Option<Error> {
    match event {
        Event::Disconnected {
            fault,
            retry_in: None,
        } => Some(Error::Path(*fault)),
        Event::Refused(refusal) => Some(Error::Refused(*refusal)),
        Event::Closed => Some(Error::Closed),
        _ => None,
    }
}
