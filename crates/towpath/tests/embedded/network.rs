//! A network stack in memory on simulated time: hosts that take connections or don't, DNS servers, and an executor that
//! polls only when something has happened.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use towpath::{
    Code, Fault, Rung,
    embedded::{TcpSocket, Timer, UdpSocket},
    proto::{Instant, Trace},
};

/// What a host does with a connection attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    /// Takes it after so many milliseconds.
    Accepts(u64),
    /// Refuses it after so many milliseconds.
    Refuses(u64),
    /// A router says at once that there is no way.
    NoRoute,
}

/// A question as a DNS server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: String,
    /// 1 is A, 28 is AAAA.
    pub(crate) kind: u16,
    pub(crate) over_tcp: bool,
    bytes: Vec<u8>,
}

/// What it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) rcode: u8,
    pub(crate) truncated: bool,
    pub(crate) ttl: u32,
    /// The answer comes from elsewhere.
    pub(crate) from: Option<SocketAddr>,
    /// Another identifier is in it.
    pub(crate) other_id: bool,
    /// Nothing comes, and over TCP no end either.
    pub(crate) never: bool,
    /// So many bytes of nothing follow.
    pub(crate) padding: usize,
}

impl Reply {
    pub(crate) fn addresses(texts: &[&str]) -> Self {
        Self {
            addresses: texts.iter().map(|text| text.parse().unwrap()).collect(),
            ttl: 60,
            ..Self::default()
        }
    }

    pub(crate) fn truncated() -> Self {
        Self {
            truncated: true,
            ..Self::default()
        }
    }

    fn bytes(&self, question: &Question) -> Vec<u8> {
        let id = u16::from_be_bytes([question.bytes[0], question.bytes[1]]);
        let flags = 0x8180 | u16::from(self.truncated) << 9 | u16::from(self.rcode);
        let mut out = Vec::new();
        if self.never {
            return out;
        }
        for word in [
            id ^ u16::from(self.other_id),
            flags,
            1,
            self.addresses.len() as u16,
            0,
            0,
        ] {
            out.extend(word.to_be_bytes());
        }
        out.extend(&question.bytes[12..12 + question.name.len() + 2 + 4]);
        for address in &self.addresses {
            let (kind, data) = match address {
                IpAddr::V4(address) => (1u16, address.octets().to_vec()),
                IpAddr::V6(address) => (28, address.octets().to_vec()),
            };
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend(1u16.to_be_bytes());
            out.extend(self.ttl.to_be_bytes());
            out.extend((data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        out.extend(vec![0; self.padding]);
        out
    }
}

impl Question {
    /// The size of answers that the OPT record at the end announces.
    pub(crate) fn udp_size(&self) -> u16 {
        let opt = &self.bytes[self.bytes.len() - 11..];
        assert_eq!(opt[..3], [0, 0, 41]);
        u16::from_be_bytes([opt[3], opt[4]])
    }

    fn parse(bytes: &[u8], over_tcp: bool) -> Self {
        let mut labels = Vec::new();
        let mut at = 12;
        while bytes[at] != 0 {
            let len = usize::from(bytes[at]);
            labels.push(std::str::from_utf8(&bytes[at + 1..at + 1 + len]).unwrap());
            at += 1 + len;
        }
        Self {
            name: labels.join("."),
            kind: u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]),
            over_tcp,
            bytes: bytes.to_vec(),
        }
    }
}

type Serves = Box<dyn Fn(&Question) -> Option<Reply>>;

#[derive(Debug)]
enum Socket {
    Closed,
    Connecting {
        address: SocketAddr,
        since: Instant,
    },
    Open {
        address: SocketAddr,
        written: Vec<u8>,
        /// Bytes and when they are there.
        says: VecDeque<(Instant, u8)>,
        ends: bool,
    },
}

struct State {
    now: Instant,
    wake: Vec<Instant>,
    hosts: Vec<(SocketAddr, Host)>,
    servers: Vec<(SocketAddr, Serves)>,
    /// Datagrams on their way to the device.
    datagrams: Vec<(Instant, SocketAddr, Vec<u8>)>,
    sockets: Vec<Socket>,
}

/// All of it.
pub(crate) struct Net {
    state: RefCell<State>,
    /// How long a message to a DNS server and back takes, milliseconds.
    pub(crate) latency: Cell<u64>,
    /// Attempts in their order, with their time.
    pub(crate) attempts: RefCell<Vec<(u64, SocketAddr)>>,
    pub(crate) asked: RefCell<Vec<(SocketAddr, Question)>>,
    pub(crate) traces: RefCell<Vec<Trace>>,
    /// What sending a datagram, receiving one, and taking a port come to.
    pub(crate) sending: Cell<Option<Fault>>,
    pub(crate) receiving: Cell<Option<Fault>>,
    pub(crate) receiving_once: Cell<Option<Fault>>,
    pub(crate) binding: Cell<Option<Fault>>,
    /// Datagrams never leave.
    pub(crate) stuffed: Cell<bool>,
    pub(crate) ports: Cell<u32>,
    pub(crate) polls: Cell<u32>,
}

impl Net {
    pub(crate) fn new(sockets: usize) -> Self {
        Self {
            state: RefCell::new(State {
                now: Instant::from_millis(5_000),
                wake: Vec::new(),
                hosts: Vec::new(),
                servers: Vec::new(),
                datagrams: Vec::new(),
                sockets: (0..sockets).map(|_| Socket::Closed).collect(),
            }),
            latency: Cell::new(20),
            attempts: RefCell::default(),
            asked: RefCell::default(),
            traces: RefCell::default(),
            sending: Cell::default(),
            receiving: Cell::default(),
            receiving_once: Cell::default(),
            binding: Cell::default(),
            stuffed: Cell::default(),
            ports: Cell::default(),
            polls: Cell::default(),
        }
    }

    pub(crate) fn host(self, address: &str, host: Host) -> Self {
        self.change(address, host);
        self
    }

    /// A host that is new, or is another from now on.
    pub(crate) fn change(&self, address: &str, host: Host) {
        let address = address.parse().unwrap();
        let hosts = &mut self.state.borrow_mut().hosts;
        hosts.retain(|(known, _)| *known != address);
        hosts.push((address, host));
    }

    pub(crate) fn dns(
        self,
        address: &str,
        serves: impl Fn(&Question) -> Option<Reply> + 'static,
    ) -> Self {
        let server = (address.parse().unwrap(), Box::new(serves) as Serves);
        self.state.borrow_mut().servers.push(server);
        self
    }

    pub(crate) fn sockets<const N: usize>(&self) -> ([Tcp<'_>; N], Udp<'_>) {
        let mut ids = 0..;
        let tcp = [(); N].map(|()| Tcp {
            net: self,
            id: ids.next().unwrap(),
        });
        (tcp, Udp(self))
    }

    /// Milliseconds since the start.
    pub(crate) fn elapsed(&self) -> u64 {
        self.now().since(Instant::from_millis(5_000)).as_millis() as u64
    }

    pub(crate) fn advance(&self, span: Duration) {
        let mut state = self.state.borrow_mut();
        state.now = state.now.after(span);
    }

    /// The addresses of the sockets that are not closed.
    pub(crate) fn open(&self) -> Vec<SocketAddr> {
        let state = self.state.borrow();
        let open = state.sockets.iter().filter_map(|socket| match socket {
            Socket::Closed => None,
            Socket::Connecting { address, .. } | Socket::Open { address, .. } => Some(*address),
        });
        open.collect()
    }

    /// A DNS server's address and the kind of record for each question so far, and forgets them.
    pub(crate) fn take_asked(&self) -> Vec<(String, u16, bool)> {
        let asked = self.asked.take().into_iter();
        asked
            .map(|(server, question)| (server.to_string(), question.kind, question.over_tcp))
            .collect()
    }

    /// The addresses of the attempts so far, each with its time, and forgets them.
    pub(crate) fn take_attempts(&self) -> Vec<(u64, String)> {
        let attempts = self.attempts.take().into_iter();
        attempts.map(|(at, to)| (at, to.to_string())).collect()
    }

    /// Polls `future` so many times and drops it. Between two polls time goes on to the next thing that happens.
    pub(crate) fn poll_for<F: Future>(&self, polls: u32, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for _ in 0..polls {
            self.state.borrow_mut().wake.clear();
            self.polls.set(self.polls.get() + 1);
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            let state = &mut *self.state.borrow_mut();
            let next = state.wake.iter().min().copied();
            state.now = state
                .now
                .max(next.expect("a future that waits for nothing"));
        }
        None
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.poll_for(10_000, future)
            .expect("a future that is ready at last")
    }

    fn ask(
        &self,
        server: SocketAddr,
        bytes: &[u8],
        over_tcp: bool,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        let question = Question::parse(bytes, over_tcp);
        self.asked.borrow_mut().push((server, question.clone()));
        let state = self.state.borrow();
        let (_, serves) = state
            .servers
            .iter()
            .find(|(address, _)| *address == server)?;
        let reply = serves(&question)?;
        Some((reply.from.unwrap_or(server), reply.bytes(&question)))
    }
}

impl State {
    fn wake_at(&mut self, at: Instant) {
        self.wake.push(at);
    }

    fn attempt(&mut self, address: SocketAddr, since: Instant) -> Poll<Result<(), Fault>> {
        let found = self.hosts.iter().find(|(known, _)| *known == address);
        let (after, end) = match found.map(|(_, host)| *host) {
            None => return Poll::Pending,
            Some(Host::Accepts(after)) => (after, Ok(())),
            Some(Host::Refuses(after)) => (after, Err(Fault::new(Rung::Tcp, Code::Refused))),
            Some(Host::NoRoute) => (0, Err(Fault::new(Rung::Tcp, Code::NetUnreachable))),
        };
        let at = since.after(Duration::from_millis(after));
        if self.now < at {
            self.wake_at(at);
            return Poll::Pending;
        }
        Poll::Ready(end)
    }
}

impl Timer for Net {
    fn now(&self) -> Instant {
        self.state.borrow().now
    }

    async fn sleep_until(&self, at: Instant) {
        poll_fn(|_| {
            let mut state = self.state.borrow_mut();
            if state.now >= at {
                return Poll::Ready(());
            }
            state.wake_at(at);
            Poll::Pending
        })
        .await;
    }

    fn trace(&self, trace: Trace) {
        self.traces.borrow_mut().push(trace);
    }
}

/// A TCP socket.
pub(crate) struct Tcp<'n> {
    net: &'n Net,
    id: usize,
}

impl Tcp<'_> {
    pub(crate) const fn halves(&self) -> (Self, Self) {
        let (net, id) = (self.net, self.id);
        (Self { net, id }, Self { net, id })
    }

    /// The peer of an open socket says this.
    pub(crate) fn say(&self, bytes: &[u8]) {
        let mut state = self.net.state.borrow_mut();
        let now = state.now;
        let Socket::Open { says, .. } = &mut state.sockets[self.id] else {
            panic!("it is not open");
        };
        says.extend(bytes.iter().map(|byte| (now, *byte)));
    }
}

impl TcpSocket for Tcp<'_> {
    async fn connect(&mut self, address: SocketAddr) -> Result<(), Fault> {
        {
            let state = &mut *self.net.state.borrow_mut();
            let socket = &mut state.sockets[self.id];
            assert!(matches!(socket, Socket::Closed), "connecting {socket:?}");
            let since = state.now;
            *socket = Socket::Connecting { address, since };
        }
        let elapsed = self.net.elapsed();
        self.net.attempts.borrow_mut().push((elapsed, address));
        poll_fn(|_| {
            let mut state = self.net.state.borrow_mut();
            let Socket::Connecting { since, .. } = state.sockets[self.id] else {
                panic!("a future of a closed socket");
            };
            let end = state.attempt(address, since);
            if end == Poll::Ready(Ok(())) {
                state.sockets[self.id] = Socket::Open {
                    address,
                    written: Vec::new(),
                    says: VecDeque::new(),
                    ends: false,
                };
            }
            end
        })
        .await
    }

    fn abort(&mut self) {
        self.net.state.borrow_mut().sockets[self.id] = Socket::Closed;
    }
}

impl ErrorType for Tcp<'_> {
    type Error = ErrorKind;
}

impl Read for Tcp<'_> {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let state = &mut *self.net.state.borrow_mut();
            let Socket::Open { says, ends, .. } = &mut state.sockets[self.id] else {
                return Poll::Ready(Err(ErrorKind::NotConnected));
            };
            let Some((at, _)) = says.front().copied() else {
                return if *ends {
                    Poll::Ready(Ok(0))
                } else {
                    Poll::Pending
                };
            };
            if state.now < at {
                state.wake.push(at);
                return Poll::Pending;
            }
            // Seven at a time: nothing comes in one piece.
            let mut len = 0;
            for slot in room.iter_mut().take(7) {
                let Some((_, byte)) = says.pop_front() else {
                    break;
                };
                *slot = byte;
                len += 1;
            }
            Poll::Ready(Ok(len))
        })
        .await
    }
}

impl Write for Tcp<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let (address, question) = {
            let state = &mut *self.net.state.borrow_mut();
            let Socket::Open {
                written, address, ..
            } = &mut state.sockets[self.id]
            else {
                return Err(ErrorKind::NotConnected);
            };
            let len = bytes.len().min(100);
            written.extend(&bytes[..len]);
            if address.port() != 53 || written.len() < 2 {
                return Ok(len);
            }
            let wanted = 2 + usize::from(u16::from_be_bytes([written[0], written[1]]));
            if written.len() < wanted {
                return Ok(len);
            }
            (*address, written.split_off(2))
        };
        let reply = self.net.ask(address, &question, true);
        let state = &mut *self.net.state.borrow_mut();
        let at = state
            .now
            .after(Duration::from_millis(self.net.latency.get()));
        if let Socket::Open { says, ends, .. } = &mut state.sockets[self.id] {
            match reply {
                Some((_, reply)) if reply.is_empty() => {}
                Some((_, reply)) => {
                    let length = (reply.len() as u16).to_be_bytes();
                    says.extend(length.iter().chain(&reply).map(|byte| (at, *byte)));
                }
                None => *ends = true,
            }
        }
        Ok(bytes.len().min(100))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// The UDP socket.
pub(crate) struct Udp<'n>(&'n Net);

impl UdpSocket for Udp<'_> {
    fn bind(&mut self) -> Result<(), Fault> {
        self.0.ports.set(self.0.ports.get() + 1);
        self.0.state.borrow_mut().datagrams.clear();
        self.0.binding.get().map_or(Ok(()), Err)
    }

    async fn send_to(&mut self, bytes: &[u8], address: SocketAddr) -> Result<(), Fault> {
        if self.0.stuffed.get() {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = self.0.sending.get() {
            return Err(fault);
        }
        if let Some((from, reply)) = self.0.ask(address, bytes, false) {
            let mut state = self.0.state.borrow_mut();
            let at = state.now.after(Duration::from_millis(self.0.latency.get()));
            state.datagrams.push((at, from, reply));
        }
        Ok(())
    }

    async fn receive_from(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr), Fault> {
        poll_fn(|_| {
            let always = self.0.receiving.get();
            if let Some(fault) = always.or_else(|| self.0.receiving_once.take()) {
                return Poll::Ready(Err(fault));
            }
            let state = &mut *self.0.state.borrow_mut();
            let place = (0..state.datagrams.len()).min_by_key(|at| state.datagrams[*at].0);
            let Some(place) = place else {
                return Poll::Pending;
            };
            let at = state.datagrams[place].0;
            if state.now < at {
                state.wake.push(at);
                return Poll::Pending;
            }
            let (_, from, bytes) = state.datagrams.remove(place);
            let len = bytes.len().min(room.len());
            room[..len].copy_from_slice(&bytes[..len]);
            Poll::Ready(Ok((len, from)))
        })
        .await
    }
}
