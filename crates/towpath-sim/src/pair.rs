//! A client, a link and a server, and the time that they share.

mod tls;

use std::{collections::VecDeque, time::Duration};

use towpath_proto::{
    Client, Code, Event, Fault, Instant, Output, Rung,
    client::Start,
    mqtt::{QoS, packet::PacketId},
};

use self::tls::Secured;
use crate::{
    Arrived, Direction, Inbox, Link, Log, Memory, Rng, Security, Seen, Server, Terms, Weather,
};

/// Client and server on one link.
///
/// [`step`](Self::step) moves bytes once each way; [`drive`](Self::drive) goes on until nothing moves any more. A
/// connection that broke is closed on both sides then, and [`connect`](Self::connect) begins another one.
#[derive(Debug)]
pub struct Pair {
    /// The client.
    pub client: Client<Memory, Rng>,
    /// The server.
    pub server: Server,
    /// What is between them.
    pub link: Link,
    /// The time.
    pub now: Instant,
    /// The client's events except messages and pieces, in order.
    pub seen: Vec<Seen>,
    /// The messages that the client received as a whole, in order, and the number of the connection.
    pub messages: Vec<(u32, Arrived)>,
    /// Received messages that the application has to acknowledge.
    pub to_acknowledge: VecDeque<(QoS, PacketId)>,
    /// How many connections were begun.
    pub connections: u32,
    /// What puts pieces together.
    pub inbox: Inbox,
    /// The TLS of connections that are begun as secured.
    pub security: Security,
    secured: Option<Box<Secured>>,
    /// Whether the application acknowledges itself.
    manual_acks: bool,
    log: Log,
    until: Option<Instant>,
    /// The client's end is closed, or was never opened.
    over: bool,
    /// The client was told that its stream is gone.
    told: bool,
}

impl Pair {
    /// A client with these buffers and a server with these terms. There is no connection yet.
    #[must_use]
    pub fn new(buffers: towpath_proto::Buffers<Memory>, terms: Terms, seed: u64, log: Log) -> Self {
        let mut server = Server::new(terms, seed);
        server.log = log;
        let mut client = Client::new(buffers, Rng::new(!seed));
        client.trace(log == Log::Stderr);
        Self {
            client,
            server,
            link: Link::new(Weather::FAIR, seed),
            now: Instant::ZERO,
            seen: Vec::new(),
            messages: Vec::new(),
            to_acknowledge: VecDeque::new(),
            connections: 0,
            inbox: Inbox::default(),
            security: Security::default(),
            secured: None,
            manual_acks: false,
            log,
            until: None,
            over: true,
            told: true,
        }
    }

    /// Begins a connection.
    ///
    /// # Panics
    /// If the client refuses to, or the last connection is not over.
    pub fn connect(&mut self, start: &Start<'_>, weather: Weather, seed: u64) {
        assert!(self.over, "the last connection is still there");
        self.connections += 1;
        let number = self.connections;
        self.log
            .line(self.now, || format!("-- connection {number}: {weather:?}"));
        self.link = Link::new(weather, seed);
        let security = Some(&self.security).filter(|_| start.secured);
        self.secured = security.map(|security| Box::new(Secured::new(security, seed)));
        self.manual_acks = start.manual_acks;
        self.over = false;
        self.told = false;
        self.client.start(self.now, start).expect("a start");
        self.client.entered(self.now, Rung::Tcp);
        // [MQTT-3.1.4-3]: a server that has not noticed the end of the last connection ends it now.
        self.server.closed();
        self.server.open(self.now, start.upgrade.is_some());
        self.client.reached(self.now, Rung::Tcp);
    }

    /// How many renegotiations were completed on the last connection; in TLS 1.3, requests for the certificate.
    #[must_use]
    pub fn renegotiations(&self) -> u32 {
        self.secured
            .as_ref()
            .map_or(0, |secured| secured.front.tls.renegotiations)
    }

    /// Whether the client's end of the connection is closed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Moves bytes once each way, as the weather allows, and answers whether anything happened.
    pub fn step(&mut self) -> bool {
        let mut moved = self.client_out();
        moved |= self.server_in();
        moved |= self.server_out();
        moved |= self.client_in();
        let done = match &self.secured {
            Some(secured) => secured.front.is_done(),
            None => self.server.is_done(),
        };
        if done && !self.over {
            moved |= self.server_closes();
        }
        moved
    }

    /// Steps until nothing happens any more; time moves only as bytes need it on their way. Then ends that do not
    /// know yet that the link broke are told.
    ///
    /// # Panics
    /// If it never ends.
    pub fn drive(&mut self) {
        for _ in 0..1_000_000 {
            if self.step() || self.server.stir() {
                continue;
            }
            if let Some(arrival) = self.link.next_arrival(self.now) {
                self.now = arrival;
                continue;
            }
            if self.link.is_broken() && !self.over {
                self.break_up();
                continue;
            }
            return;
        }
        panic!("the client, the server or both never come to rest");
    }

    /// Lets `span` pass, with everything that falls due meanwhile.
    ///
    /// # Panics
    /// If a deadline that was met stays where it is.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.drive();
        for round in 0.. {
            assert!(
                round < 100_000,
                "a deadline that was met stays: {:?}",
                self.until
            );
            let due = [self.until.filter(|_| !self.over), self.server.deadline()];
            let next = due.into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            // A deadline of the server lies in the past once it has been looked at.
            self.now = self.now.max(next);
            if !self.over {
                self.client.handle_timeout(self.now);
            }
            let past = self.now.after(Duration::from_micros(1));
            if self.server.deadline().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(past);
            }
            self.drive();
            if self.now == next && due[1] == Some(next) {
                self.now = past;
            }
        }
        self.now = self.now.max(end);
        self.drive();
    }

    /// Both ends learn that the link is gone.
    pub fn break_up(&mut self) {
        self.link.cut();
        self.server.closed();
        if !self.over {
            self.tell(Fault::new(Rung::Tcp, Code::Reset));
        }
    }

    /// The client learns that its stream is gone.
    fn tell(&mut self, fault: Fault) {
        self.told = true;
        match &mut self.secured {
            Some(secured) => secured.layer.ended(fault),
            None => self.client.closed(self.now, fault),
        }
        self.client_out();
        assert!(self.over, "a client whose stream is gone ends the attempt");
    }

    /// Acknowledges the oldest message that the application has not acknowledged; true if the client took it.
    pub fn acknowledge(&mut self) -> bool {
        let Some((qos, id)) = self.to_acknowledge.front().copied() else {
            return false;
        };
        let taken = self.client.acknowledge(qos, id).is_ok();
        if taken {
            self.to_acknowledge.pop_front();
        }
        taken
    }

    /// Drains the client's outputs. Answers whether there was more than waiting.
    fn client_out(&mut self) -> bool {
        let mut moved = false;
        loop {
            match self.client.poll_output(self.now) {
                Output::Transmit(_) if self.secured.is_some() => {
                    if !self.carry() {
                        self.until = self.client.deadline();
                        return moved;
                    }
                }
                Output::Transmit(bytes) => {
                    assert!(!self.over && !self.told, "bytes to send after the end");
                    let n = self.link.send(self.now, Direction::Up, bytes);
                    self.client.transmitted(self.now, n);
                }
                Output::Event(event) => {
                    self.log.line(self.now, || format!("        {event:?}"));
                    let ended = matches!(event, Event::Failed(_) | Event::Disconnected);
                    if matches!(event, Event::Connected(_)) {
                        self.server.connack_arrived();
                    }
                    let event = match (event, &mut self.secured) {
                        (Event::Failed(fault), Some(secured)) => {
                            Event::Failed(secured.explain(fault))
                        }
                        (event, _) => event,
                    };
                    if let Some(secured) = self.secured.as_mut().filter(|_| ended) {
                        secured.layer.close();
                    }
                    let (seen, whole) = self.inbox.take(&event);
                    self.keep(seen, whole);
                    self.over |= ended;
                    if ended {
                        self.to_acknowledge.clear();
                    }
                }
                Output::Trace(trace) => {
                    self.log.line(self.now, || format!("        {trace:?}"));
                }
                Output::Wait { until, .. } => {
                    self.until = until;
                    if !self.carry() {
                        return moved;
                    }
                }
            }
            moved = true;
        }
    }

    /// Moves the client's plaintext and sends its records. False if nothing moves, or there is no TLS.
    fn carry(&mut self) -> bool {
        let Some(secured) = &mut self.secured else {
            return false;
        };
        if secured.carry(&mut self.client, self.now) {
            return true;
        }
        let records = secured.layer.sendable();
        if self.told || records.is_empty() {
            return false;
        }
        let n = self.link.send(self.now, Direction::Up, records);
        secured.layer.transmitted(self.now, n);
        true
    }

    fn keep(&mut self, seen: Option<Seen>, whole: Option<Seen>) {
        if let Some(seen) = seen.filter(|seen| !matches!(seen, Seen::Piece(..))) {
            self.seen.push(seen);
        }
        if let Some(Seen::Message(arrived)) = whole {
            if self.manual_acks
                && let Some(id) = arrived.packet_id
            {
                self.to_acknowledge.push_back((arrived.qos, id));
            }
            self.messages.push((self.connections, arrived));
        }
    }

    fn client_in(&mut self) -> bool {
        if self.over {
            return false;
        }
        if let Some(secured) = &mut self.secured {
            let space = secured.layer.rx_space();
            let n = self.link.receive(self.now, Direction::Down, space);
            if n > 0 {
                secured.layer.commit(self.now, n);
            }
            return n > 0;
        }
        let mut space = self.client.rx_space();
        if space.is_empty() {
            self.client.grow_rx(256);
            space = self.client.rx_space();
        }
        let n = self.link.receive(self.now, Direction::Down, space);
        if n > 0 {
            self.client.commit(self.now, n);
        }
        n > 0
    }

    fn server_in(&mut self) -> bool {
        let mut room = [0; 512];
        let n = self.link.receive(self.now, Direction::Up, &mut room);
        if n > 0 {
            match &mut self.secured {
                Some(secured) => secured
                    .front
                    .receive(self.now, &room[..n], &mut self.server),
                None => self.server.receive(self.now, &room[..n]),
            }
            return true;
        }
        // All that the client sent has arrived; if it closed its end, that arrives now.
        if self.over && self.link.next_arrival(self.now).is_none() {
            self.server.closed();
        }
        false
    }

    fn server_out(&mut self) -> bool {
        if let Some(secured) = &mut self.secured {
            let filled = secured.front.fill(&mut self.server);
            let output = secured.front.tls.output();
            let n = match output.is_empty() {
                true => 0,
                false => self.link.send(self.now, Direction::Down, output),
            };
            secured.front.tls.sent(n);
            return filled || n > 0;
        }
        let output = self.server.output();
        if output.is_empty() {
            return false;
        }
        let n = self.link.send(self.now, Direction::Down, output);
        self.server.sent(n);
        n > 0
    }

    /// The server closes its end: the client reads what is left, then learns of it.
    fn server_closes(&mut self) -> bool {
        if self.client_in() {
            return true;
        }
        if self.link.next_arrival(self.now).is_some() {
            return false;
        }
        self.tell(Fault::new(Rung::Tcp, Code::Closed));
        self.server.closed();
        true
    }
}
