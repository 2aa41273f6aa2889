//! From a name to an open connection on a device: drives a [`Dialer`] with the sockets of its network stack.
//!
//! As many attempts race as there are TCP sockets; DNS over TCP takes one of them for a while. Every question goes
//! through the one UDP socket, which takes a new port for each call.

mod lane;

use core::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
};

use embassy_futures::{
    join::join_array,
    select::{Either, Either3, select, select3},
};
use towpath_proto::{
    Code, Fault, Instant, Random, Rung, Trace,
    net::{
        Dialer,
        dialer::{Output, QueryId},
        dns::Transport,
        select::source_for,
    },
    trace,
};

use self::lane::{Job, Lanes};
use super::{TcpSocket, Timer, UdpSocket, stream::sleep};

/// What [`dial`] uses of a device's network stack.
#[derive(Debug)]
pub struct Network<'s, 'a, T, U, const N: usize> {
    /// Closed sockets. So many attempts run at once; two are enough for a dead address not to hold the next one up.
    pub tcp: &'s mut [T; N],
    /// Carries questions and answers of DNS.
    pub udp: &'a mut U,
    /// The device's own addresses, which decide what can be reached and in which order it is tried.
    pub own: &'a [IpAddr],
    /// Where answers of DNS are received: one half for datagrams, one for TCP. 1,024 bytes are enough, and more lets
    /// servers answer in one datagram. Before a connection it can be the client's own receive buffer,
    /// [`Client::rx_space`](towpath_proto::Client::rx_space).
    pub buffer: &'a mut [u8],
}

/// Finds the way to `host` and connects. The other sockets are closed again when this is ready.
///
/// The future may be dropped: that closes all sockets, and the dialer keeps what it has learned.
///
/// The dialer asks for answers that fit the buffer, and for no more attempts at a time than there are sockets.
///
/// # Errors
/// The rung that broke, the cause, and what mends it.
pub async fn dial<'s, T: TcpSocket, U: UdpSocket, const N: usize>(
    dialer: &mut Dialer,
    network: Network<'s, '_, T, U, N>,
    timer: &impl Timer,
    random: &mut dyn Random,
    host: &str,
    port: u16,
) -> Result<&'s mut T, Fault> {
    const { assert!(N > 0, "a connection needs a socket") }
    let Network {
        tcp,
        udp,
        own,
        buffer,
    } = network;
    let half = buffer.len() / 2;
    let (datagrams, stream) = buffer.split_at_mut_checked(half).unwrap_or_default();
    let mut sockets = Sockets(Some(tcp));
    sockets.abort(None);
    udp.bind()?;

    let settings = dialer.settings_mut();
    let room = u16::try_from(datagrams.len()).unwrap_or(u16::MAX);
    settings.udp_size = settings.udp_size.min(room);
    settings.attempts = u8::try_from(N).unwrap_or(u8::MAX);
    dialer.dial(timer.now(), host, port)?;

    let dialer = RefCell::new(dialer);
    let lanes = Lanes::<N>::new(&dialer, stream);
    let won = {
        let mut lane = 0..N;
        let each = sockets.each();
        let runs = each.map(|socket| lanes.run(lane.next().unwrap_or(N), socket, timer));
        let mut runs = pin!(join_array(runs));
        let mut driver = Driver {
            lanes: &lanes,
            udp,
            own,
            datagrams,
            timer,
            random,
            asked: Asked::default(),
            deaf: false,
        };
        let mut drive = pin!(driver.drive());
        poll_fn(|context| {
            loop {
                if let Poll::Ready(end) = drive.as_mut().poll(context) {
                    return Poll::Ready(end);
                }
                // The lanes never end; what they found is for the driver.
                let _ = runs.as_mut().poll(context);
                if !lanes.has_news() {
                    return Poll::Pending;
                }
            }
        })
        .await?
    };
    sockets
        .win(won)
        .ok_or_else(|| Fault::new(Rung::Tcp, Code::Closed))
}

/// The sockets; all of them are closed if this is dropped.
struct Sockets<'a, T: TcpSocket, const N: usize>(Option<&'a mut [T; N]>);

impl<'a, T: TcpSocket, const N: usize> Sockets<'a, T, N> {
    /// Closes all but this one.
    fn abort(&mut self, but: Option<usize>) {
        let all = self.0.iter_mut().flat_map(|sockets| sockets.iter_mut());
        for (at, socket) in all.enumerate() {
            if Some(at) != but {
                socket.abort();
            }
        }
    }

    fn each(&mut self) -> [Option<&mut T>; N] {
        match &mut self.0 {
            Some(sockets) => sockets.each_mut().map(Some),
            None => [const { None }; N],
        }
    }

    fn win(mut self, won: usize) -> Option<&'a mut T> {
        self.abort(Some(won));
        self.0.take()?.get_mut(won)
    }
}

impl<T: TcpSocket, const N: usize> Drop for Sockets<'_, T, N> {
    fn drop(&mut self) {
        self.abort(None);
    }
}

/// Moves what the dialer wants, and what comes in for it.
struct Driver<'a, 'd, U, M, const N: usize> {
    lanes: &'a Lanes<'a, 'd, N>,
    udp: &'a mut U,
    own: &'a [IpAddr],
    datagrams: &'a mut [u8],
    timer: &'a M,
    random: &'a mut dyn Random,
    asked: Asked,
    /// Receiving failed; not again before something else has happened, lest it fail for ever.
    deaf: bool,
}

/// What a turn came to.
enum Turn {
    /// The question lies in front in the buffer.
    Send {
        query: QueryId,
        server: SocketAddr,
        len: usize,
    },
    End(Result<usize, Fault>),
    Wait(Option<Instant>),
}

impl<U: UdpSocket, M: Timer, const N: usize> Driver<'_, '_, U, M, N> {
    /// Up to the end: the number of the socket that has the connection.
    async fn drive(&mut self) -> Result<usize, Fault> {
        loop {
            match self.turn() {
                Turn::End(end) => return end,
                Turn::Send { query, server, len } => self.send(query, server, len).await,
                Turn::Wait(until) => self.wait(until).await,
            }
        }
    }

    /// Takes outputs of the dialer as far as none needs to be waited for.
    fn turn(&mut self) -> Turn {
        let mut dialer = self.lanes.dialer.borrow_mut();
        loop {
            let now = self.timer.now();
            match dialer.poll_output(now, &mut *self.random) {
                Output::Query {
                    query,
                    server,
                    over: Transport::Udp,
                    message,
                } => {
                    let len = message.len();
                    let Some(room) = self.datagrams.get_mut(..len) else {
                        let fault = Fault::new(Rung::Dns, Code::BufferTooSmall);
                        dialer.query_failed(now, query, fault);
                        continue;
                    };
                    room.copy_from_slice(message);
                    self.asked.add(query, server, message);
                    return Turn::Send { query, server, len };
                }
                Output::Query {
                    query,
                    server,
                    over: Transport::Tcp,
                    ..
                } => {
                    if !self.lanes.order(Job::Ask(query, server)) {
                        dialer.query_failed(now, query, no_socket(Rung::Dns));
                    }
                }
                Output::Connect { id, address } => {
                    if !self.lanes.order(Job::Connect(id, address)) {
                        dialer.connect_failed(now, id, no_socket(Rung::Tcp));
                    }
                }
                Output::Cancel(query) => {
                    self.asked.remove(query);
                    self.lanes
                        .recall(|job| matches!(job, Job::Ask(of, _) if *of == query));
                }
                Output::Close(id) => self
                    .lanes
                    .recall(|job| matches!(job, Job::Connect(of, _) if *of == id)),
                Output::Source(ask, address) => {
                    dialer.source(now, ask, source_for(address, self.own));
                }
                Output::Trace(at, rung, fact) => {
                    let fact = trace::Fact::Net(fact);
                    self.timer.trace(Trace { at, rung, fact });
                }
                Output::Connected(id) => {
                    let won = self
                        .lanes
                        .find(|job| matches!(job, Job::Connect(of, _) if *of == id));
                    return Turn::End(won.ok_or_else(|| Fault::new(Rung::Tcp, Code::Closed)));
                }
                // It only tells what `resolve` asked for.
                Output::Resolved => {}
                Output::Failed(fault) => return Turn::End(Err(fault)),
                Output::Wait { until, .. } => return Turn::Wait(until),
            }
        }
    }

    async fn send(&mut self, query: QueryId, server: SocketAddr, len: usize) {
        let message = self.datagrams.get(..len).unwrap_or_default();
        let patience = self.lanes.dialer.borrow_mut().settings_mut().query_timeout;
        let until = self.timer.now().after(patience);
        let sent = select(
            self.udp.send_to(message, server),
            self.timer.sleep_until(until),
        )
        .await;
        let fault = match sent {
            Either::First(Ok(())) => return,
            Either::First(Err(fault)) => fault,
            Either::Second(()) => Fault::new(Rung::Dns, Code::Io).detail(b"no datagram can leave"),
        };
        let mut dialer = self.lanes.dialer.borrow_mut();
        dialer.query_failed(self.timer.now(), query, fault);
    }

    /// Waits for a datagram, for a lane, or for the clock.
    async fn wait(&mut self, until: Option<Instant>) {
        let listens = !self.deaf && !self.asked.is_empty();
        let came = select3(
            self.lanes.news(),
            async {
                if !listens {
                    core::future::pending::<()>().await;
                }
                self.udp.receive_from(self.datagrams).await
            },
            sleep(self.timer, until),
        )
        .await;
        let now = self.timer.now();
        self.deaf = false;
        let mut dialer = self.lanes.dialer.borrow_mut();
        match came {
            Either3::First(()) => {}
            Either3::Second(Ok((len, from))) => {
                let message = self.datagrams.get(..len).unwrap_or_default();
                if let Some(query) = self.asked.find(from, message) {
                    dialer.answered(now, query, message);
                }
            }
            Either3::Second(Err(_)) => self.deaf = true,
            Either3::Third(()) => dialer.handle_timeout(now),
        }
        // A peer that never stops sending would keep the clock back.
        if until.is_some_and(|until| until <= now) {
            dialer.handle_timeout(now);
        }
    }
}

fn no_socket(rung: Rung) -> Fault {
    Fault::new(rung, Code::Io).detail(b"no socket is free")
}

/// How many questions over UDP are remembered: those of two rounds to two servers about A, AAAA and the prefix, and
/// some more. The answer to an older one is not known any more.
const KEPT: usize = 12;

/// The questions that an answer may belong to: its source (RFC 5452 section 9.1) and its identifier tell to which.
#[derive(Debug, Default)]
struct Asked {
    kept: [Option<(QueryId, SocketAddr, [u8; 2])>; KEPT],
    /// The place that is taken next.
    next: usize,
}

impl Asked {
    fn add(&mut self, query: QueryId, server: SocketAddr, message: &[u8]) {
        let id = message.first_chunk().copied().unwrap_or_default();
        let free = self.kept.iter().position(Option::is_none);
        let place = free.unwrap_or(self.next);
        if let Some(slot) = self.kept.get_mut(place) {
            *slot = Some((query, server, id));
        }
        self.next = if place + 1 < KEPT { place + 1 } else { 0 };
    }

    fn remove(&mut self, query: QueryId) {
        for slot in &mut self.kept {
            if slot.is_some_and(|(of, ..)| of == query) {
                *slot = None;
            }
        }
    }

    fn find(&self, from: SocketAddr, message: &[u8]) -> Option<QueryId> {
        // A zone or flow label of a source address is its receiver's own business.
        let place = |address: SocketAddr| (address.ip(), address.port());
        self.kept
            .iter()
            .flatten()
            .find(|(_, server, id)| place(*server) == place(from) && message.starts_with(id))
            .map(|(query, ..)| *query)
    }

    fn is_empty(&self) -> bool {
        self.kept.iter().all(Option::is_none)
    }
}
