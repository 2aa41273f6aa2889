//! The waiting around a machine: name, TCP, readiness, timers, pauses. The same for a machine of one's own and a shared
//! one.
//!
//! Everything that is under way lies in the [`Link`] itself, so a future that drives it can be dropped at any point.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant as Moment, Sleep, sleep_until, timeout},
};
use towpath_proto::{Code, Fault, Rung};

use crate::{
    Error, Event,
    host::{self, Clock},
    machine::{Machine, Stream, Turn, Wants},
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

type Task<T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

/// Where the connection stands.
enum State {
    /// To be tried at this moment.
    Pause(Moment),
    Resolving(Task<Vec<SocketAddr>>),
    Connecting(Task<TcpStream>),
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
            Self::Resolving(_) => "Resolving",
            Self::Connecting(_) => "Connecting",
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
}

impl<A: Access> Link<A> {
    pub(crate) fn new(access: A) -> Self {
        Self {
            access,
            clock: Clock::start(),
            state: State::Pause(Moment::now()),
            timer: None,
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
                Turn::Event(event) => {
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
            State::Resolving(task) => match ready!(task.as_mut().poll(context)) {
                Ok(addresses) => {
                    let now = self.clock.now();
                    self.access
                        .with(|machine| machine.client.reached(now, Rung::Dns));
                    self.connecting(addresses)
                }
                Err(fault) => self.failing(fault),
            },
            State::Connecting(task) => match ready!(task.as_mut().poll(context)) {
                Ok(stream) => {
                    let now = self.clock.now();
                    self.access
                        .with(|machine| machine.client.reached(now, Rung::Tcp));
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
        let (host, port, patience) = self.access.with(|machine| {
            let options = &machine.options;
            (
                options.endpoint.host.clone(),
                options.endpoint.port,
                options.patience,
            )
        });
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.connecting(vec![SocketAddr::new(address, port)]);
        }
        self.enter(Rung::Dns);
        State::Resolving(Box::pin(resolve(host, port, patience)))
    }

    fn connecting(&mut self, mut addresses: Vec<SocketAddr>) -> State {
        self.enter(Rung::Tcp);
        let (bind, patience) = self
            .access
            .with(|machine| (machine.options.source(), machine.options.patience));
        addresses.retain(|address| bind.is_none_or(|bind| bind.is_ipv4() == address.is_ipv4()));
        State::Connecting(Box::pin(connect_first(addresses, bind, patience)))
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

async fn resolve(host: String, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, Fault> {
    match timeout(patience, lookup_host((host.as_str(), port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(host::resolve_fault(&error)),
        Err(_) => Err(Fault::new(Rung::Dns, Code::ResolverFailed).detail(host.as_bytes())),
    }
}

/// Tries one address after the other.
async fn connect_first(
    addresses: Vec<SocketAddr>,
    bind: Option<IpAddr>,
    patience: Duration,
) -> Result<TcpStream, Fault> {
    let mut last = Fault::new(Rung::Dns, Code::NoAddress);
    for address in addresses {
        last = match timeout(patience, connect(address, bind)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => host::fault(Rung::Tcp, &error),
            Err(_) => {
                let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
                Fault::new(Rung::Tcp, Code::ConnectTimeout).number(millis)
            }
        }
        .detail(address.to_string().as_bytes());
    }
    Err(last)
}

async fn connect(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Writes are coalesced already; waiting for more would only delay them.
    socket.set_nodelay(true)?;
    if let Some(source) = bind {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
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
