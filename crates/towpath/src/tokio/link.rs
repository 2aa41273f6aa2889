//! The waiting around a machine: name, TCP, readiness, timers, pauses. The same for a machine of one's own and a shared one.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::Interest,
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant as Moment, sleep_until, timeout},
};
use towpath_proto::{Code, Fault, Rung};

use crate::{
    Error, Event,
    host::{self, Clock},
    machine::{Machine, STREAM, Stream, Turn},
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
    fn changed(&self) -> impl Future<Output = ()> + Send;
}

/// Where the connection stands between turns.
#[derive(Debug)]
enum State {
    /// To be tried at this moment.
    Pause(Moment),
    /// The byte stream is open.
    Open(TcpStream),
    /// The machine has a failed attempt to report.
    Failing,
    /// Nothing follows.
    Over,
}

/// The waiting part of a connection.
#[derive(Debug)]
pub(crate) struct Link<A> {
    pub(crate) access: A,
    clock: Clock,
    state: State,
}

impl<A: Access> Link<A> {
    pub(crate) fn new(access: A) -> Self {
        Self {
            access,
            clock: Clock::start(),
            state: State::Pause(Moment::now()),
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
        loop {
            if let Some(event) = self.step().await {
                return event;
            }
        }
    }

    /// Moves what can be moved, then waits once. `None` if there was no event by then.
    pub(crate) async fn step(&mut self) -> Option<Event> {
        let now = self.clock.now();
        let turn = match &self.state {
            State::Over => return Some(Event::Closed),
            State::Pause(at) => {
                let at = *at;
                // Commands may fill the store meanwhile; they need no connection.
                sleep_until(at).await;
                // On the heap: the future of an idle connection stays small.
                Box::pin(self.attempt()).await;
                return None;
            }
            State::Failing => self
                .access
                .with(|machine| machine.turn(None::<&TcpStream>, now)),
            State::Open(stream) => self.access.with(|machine| machine.turn(Some(stream), now)),
        };
        match turn {
            Turn::Event(event) => {
                self.follow(&event);
                Some(event)
            }
            Turn::Wait { until, write } => {
                self.wait(until, write).await;
                None
            }
        }
    }

    /// Lets an event that ends the attempt have its effect.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Disconnected {
                retry_in: Some(pause),
                ..
            } => self.state = State::Pause(Moment::now() + *pause),
            Event::Disconnected { retry_in: None, .. } | Event::Closed => self.state = State::Over,
            _ => {}
        }
    }

    async fn wait(&mut self, until: Option<towpath_proto::Instant>, write: bool) {
        let State::Open(stream) = &self.state else {
            return;
        };
        let interest = if write {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let Some(at) = until else {
            tokio::select! {
                _ = stream.ready(interest) => {}
                () = self.access.changed() => {}
            }
            return;
        };
        let due = tokio::select! {
            _ = stream.ready(interest) => false,
            () = self.access.changed() => false,
            () = sleep_until(self.clock.host(at).into()) => true,
        };
        if due {
            let now = self.clock.now();
            self.access
                .with(|machine| machine.client.handle_timeout(now));
        }
    }

    /// Climbs to an open byte stream. A failure is left with the machine to report.
    async fn attempt(&mut self) {
        let now = self.clock.now();
        if let Err(error) = self.access.with(|machine| machine.begin(now)) {
            // The options say something that can't be: no attempt will mend it.
            let fault =
                Fault::new(Rung::Mqtt, Code::Unsupported).detail(error.to_string().as_bytes());
            self.access.with(|machine| machine.failed(now, fault));
            self.state = State::Failing;
            return;
        }
        self.state = match self.open().await {
            Ok(stream) => {
                let now = self.clock.now();
                self.access
                    .with(|machine| machine.client.reached(now, STREAM));
                State::Open(stream)
            }
            Err(fault) => {
                let now = self.clock.now();
                self.access.with(|machine| machine.failed(now, fault));
                State::Failing
            }
        };
    }

    async fn open(&mut self) -> Result<TcpStream, Fault> {
        let (host, port, bind, patience) = self.access.with(|machine| {
            let options = &machine.options;
            (
                options.endpoint.host.clone(),
                options.endpoint.port,
                options.bind,
                options.patience,
            )
        });
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.resolve(&host, port, patience).await?,
        };
        self.enter(Rung::Tcp);
        let usable: Vec<_> = addresses
            .into_iter()
            .filter(|a| bind.is_none_or(|bind| bind.is_ipv4() == a.is_ipv4()))
            .collect();
        let mut last = Fault::new(Rung::Dns, Code::NoAddress);
        for address in usable {
            match timeout(patience, connect(address, bind)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    last = host::fault(Rung::Tcp, &error).detail(address.to_string().as_bytes())
                }
                Err(_) => last = late(Rung::Tcp, patience).detail(address.to_string().as_bytes()),
            }
        }
        Err(last)
    }

    async fn resolve(
        &mut self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, Fault> {
        self.enter(Rung::Dns);
        let found = match timeout(patience, lookup_host((host, port))).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(host::resolve_fault(&error)),
            Err(_) => {
                return Err(Fault::new(Rung::Dns, Code::ResolverFailed).detail(host.as_bytes()));
            }
        };
        let now = self.clock.now();
        self.access
            .with(|machine| machine.client.reached(now, Rung::Dns));
        Ok(found)
    }

    fn enter(&mut self, rung: Rung) {
        let now = self.clock.now();
        self.access
            .with(|machine| machine.client.entered(now, rung));
    }
}

fn late(rung: Rung, patience: Duration) -> Fault {
    Fault::new(rung, Code::ConnectTimeout)
        .number(u32::try_from(patience.as_millis()).unwrap_or(u32::MAX))
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
        Event::Closed => Some(Error::Closed),
        _ => None,
    }
}
