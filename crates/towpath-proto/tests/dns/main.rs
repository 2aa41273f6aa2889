//! Names, messages and lookups of DNS. In dialogues the test plays the servers: `sends` is what the client asks, `tell`
//! what a server answers.

mod lookup;
mod message;
mod name;
mod random;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use towpath_proto::{
    Fault, Instant,
    net::dns::{Lookup, Name, Outcome, Plan, QUERY_ROOM, Record, Send, Step, Transport},
};
use towpath_sim::{
    Rng,
    dns::{Question, Reply},
};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const FIRST: &str = "192.0.2.1:53";
const SECOND: &str = "[2001:db8::2]:53";

/// A lookup with the servers played by the test.
struct Talk {
    lookup: Lookup,
    now: Instant,
    random: Rng,
}

impl Talk {
    fn plan(servers: &[&str]) -> Plan {
        let servers: Vec<SocketAddr> = servers
            .iter()
            .map(|server| server.parse().expect("an address and a port"))
            .collect();
        Plan::new(&servers)
    }

    /// Asks for AAAA of `www.example`.
    fn with(plan: &Plan) -> Self {
        let now = Instant::from_millis(1000);
        Self {
            lookup: Lookup::start(now, name("www.example"), Record::Aaaa, plan),
            now,
            random: Rng::new(7),
        }
    }

    fn new(servers: &[&str]) -> Self {
        Self::with(&Self::plan(servers))
    }

    /// The next question goes to this server.
    fn sends_over(&mut self, server: &str, over: Transport) -> (Send, Question) {
        let send = self.lookup.poll(self.now, &mut self.random);
        let send = send.expect("a question to send");
        assert_eq!((send.server, send.over), (server.parse().expect(""), over));
        assert!(self.lookup.is_open(send.slot));
        let mut room = [0; QUERY_ROOM];
        let question = Question::read(self.lookup.message(send.slot, &mut room));
        assert_eq!((question.id, question.kind), (send.id, 28));
        assert_eq!(question.name, self.lookup.name().to_string());
        (send, question)
    }

    fn sends(&mut self, server: &str) -> (Send, Question) {
        self.sends_over(server, Transport::Udp)
    }

    fn sends_nothing(&mut self) {
        assert_eq!(self.lookup.poll(self.now, &mut self.random), None);
    }

    /// A message comes for `send`.
    fn tell(&mut self, send: Send, reply: &Reply) -> Step {
        self.lookup.answered(self.now, send.slot, &reply.bytes())
    }

    fn fails(&mut self, send: Send, why: Fault) {
        self.lookup.failed(self.now, send.slot, why);
    }

    /// Nothing happens for so long: the lookup wakes up exactly then, not before.
    fn silence(&mut self, span: Duration) {
        let end = self.now.after(span);
        assert_eq!(self.lookup.deadline(), Some(end));
        self.now = Instant::from_micros(end.as_micros() - 1);
        self.lookup.handle_timeout(self.now);
        self.sends_nothing();
        self.now = end;
        self.lookup.handle_timeout(self.now);
    }

    fn waits(&self) {
        assert_eq!(self.lookup.result(), None);
        assert!(self.lookup.deadline().is_some());
    }

    /// It is over, and nothing is left open or to be done.
    fn ended(&mut self) -> Outcome<'_> {
        self.sends_nothing();
        assert_eq!(self.lookup.open_slots().count(), 0);
        assert_eq!(self.lookup.deadline(), None);
        self.lookup.result().expect("a result")
    }

    fn found(&mut self, addresses: &[&str], ttl: u64) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
        let wanted = Outcome::Found {
            addresses: &addresses,
            ttl: Duration::from_secs(ttl),
        };
        assert_eq!(self.ended(), wanted);
    }

    fn fault(&mut self) -> Fault {
        match self.ended() {
            Outcome::Failed(fault) => fault,
            other => panic!("{other:?}"),
        }
    }
}
