//! Dialing as a dialogue: `asks` and `connects` are what the dialer wants, `answers` and `accepts` what comes back.

mod dns;
mod nat64;
mod race;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use towpath_proto::{
    Code, Fault, Instant, Rung,
    net::{
        Dialer,
        dialer::{Output, QueryId, Settings},
        dns::Transport,
    },
};
use towpath_sim::{
    Rng,
    dns::{Question, Reply},
};

const NAME: &str = "broker.example";
const SERVER: &str = "[2001:db8:53::1]:53";
const SERVER_V4: &str = "198.51.100.53:53";

/// A question that left.
#[derive(Debug, Clone)]
struct Asked {
    query: QueryId,
    server: SocketAddr,
    over: Transport,
    question: Question,
}

impl Asked {
    fn reply(&self) -> Reply {
        Reply::to(&self.question)
    }
}

/// What the dialer said, in order.
#[derive(Debug)]
enum Said {
    Asks(Asked),
    Connects(u8, SocketAddr),
    Closes(IpAddr),
    Connected(u8),
    Resolved,
    Failed(Fault),
}

struct Dial {
    dialer: Dialer,
    now: Instant,
    random: Rng,
    own: Vec<IpAddr>,
    said: std::collections::VecDeque<Said>,
    until: Option<Instant>,
    sockets: BTreeMap<u8, SocketAddr>,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// With these servers.
fn settings(servers: &[&str]) -> Settings {
    let servers: Vec<SocketAddr> = servers
        .iter()
        .map(|server| server.parse().expect("an address and a port"))
        .collect();
    Settings::default().servers(&servers)
}

impl Dial {
    /// A device with these addresses of its own.
    fn new(settings: Settings, own: &[&str]) -> Self {
        Self {
            dialer: Dialer::new(settings),
            now: Instant::from_millis(5_000),
            random: Rng::new(1),
            own: own.iter().map(|own| ip(own)).collect(),
            said: Default::default(),
            until: None,
            sockets: BTreeMap::new(),
        }
    }

    fn dual_stack() -> Self {
        Self::new(settings(&[SERVER]), &["192.0.2.5", "2001:db8:5::5"])
    }

    fn ipv6_only() -> Self {
        Self::new(settings(&[SERVER]), &["2001:db8:5::5"])
    }

    fn dials(&mut self, host: &str) -> &mut Self {
        self.dialer
            .dial(self.now, host, 1883)
            .expect("a name or an address");
        self.drain();
        self
    }

    fn drain(&mut self) {
        loop {
            let said = match self.dialer.poll_output(self.now, &mut self.random) {
                Output::Query {
                    query,
                    server,
                    over,
                    message,
                } => Said::Asks(Asked {
                    query,
                    server,
                    over,
                    question: Question::read(message),
                }),
                Output::Source(ask, address) => {
                    let own = self.own.iter();
                    let mut fits = own.filter(|own| own.is_ipv4() == address.is_ipv4());
                    let source = match address.is_loopback() {
                        true => Some(address),
                        false => fits.next().copied(),
                    };
                    self.dialer.source(self.now, ask, source);
                    continue;
                }
                Output::Connect { id, address } => {
                    self.sockets.insert(id, address);
                    Said::Connects(id, address)
                }
                Output::Close(id) => Said::Closes(self.sockets[&id].ip()),
                Output::Connected(id) => Said::Connected(id),
                Output::Resolved => Said::Resolved,
                Output::Failed(fault) => Said::Failed(fault),
                Output::Cancel(_) | Output::Trace(..) => continue,
                Output::Wait { until, .. } => {
                    self.until = until;
                    return;
                }
            };
            self.said.push_back(said);
        }
    }

    fn next(&mut self) -> Said {
        self.said.pop_front().expect("something is said")
    }

    /// The next is a question for records of this kind.
    fn asks(&mut self, name: &str, kind: u16, server: &str) -> Asked {
        let said = self.next();
        let Said::Asks(asked) = said else {
            panic!("{said:?}");
        };
        let server: SocketAddr = server.parse().expect("an address and a port");
        assert_eq!((asked.server, asked.question.kind), (server, kind));
        assert_eq!(asked.question.name, name);
        asked
    }

    fn connects(&mut self, address: &str) -> u8 {
        let said = self.next();
        let Said::Connects(id, to) = said else {
            panic!("{said:?}");
        };
        assert_eq!(to, SocketAddr::new(ip(address), 1883));
        id
    }

    fn closes(&mut self, address: &str) {
        let said = self.next();
        let Said::Closes(at) = said else {
            panic!("{said:?}");
        };
        assert_eq!(at, ip(address));
    }

    /// So much time passes, in which nothing is said; then it is woken up.
    fn silence(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.quiet();
            let until = self.until.expect("a time to wake up");
            assert!(until <= end, "it sleeps until {until:?}, not {end:?}");
            self.wake(until);
        }
    }

    /// So much time passes; it is woken up when it wants to be.
    fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(until) = self.until.filter(|until| *until <= end) {
            self.wake(until);
        }
        self.now = end;
    }

    fn wake(&mut self, at: Instant) {
        self.now = at;
        self.dialer.handle_timeout(at);
        self.drain();
    }

    fn quiet(&self) {
        assert!(self.said.is_empty(), "{:?}", self.said);
    }

    fn answers(&mut self, asked: &Asked, reply: &Reply) {
        self.dialer.answered(self.now, asked.query, &reply.bytes());
        self.drain();
    }

    fn accepts(&mut self, id: u8) {
        self.dialer.connected(self.now, id);
        self.drain();
    }

    fn fails(&mut self, id: u8, code: Code) {
        let fault = Fault::new(Rung::Tcp, code).number(7);
        self.dialer.connect_failed(self.now, id, fault);
        self.drain();
    }

    /// It is over: this is the connection.
    fn connected(&mut self, address: &str) {
        let said = self.next();
        let Said::Connected(id) = said else {
            panic!("{said:?}");
        };
        assert_eq!(self.sockets[&id].ip(), ip(address));
        self.over();
    }

    /// It is over, for this cause.
    fn failed(&mut self, rung: Rung, code: Code, detail: &str) {
        let said = self.next();
        let Said::Failed(fault) = said else {
            panic!("{said:?}");
        };
        assert_eq!((fault.rung, fault.code), (rung, code), "{fault}");
        assert_eq!(fault.detail.as_str(), detail);
        self.over();
    }

    fn over(&self) {
        self.quiet();
        assert_eq!(self.until, None);
    }
}
