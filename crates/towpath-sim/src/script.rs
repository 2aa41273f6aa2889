//! The server played by hand: a test reads as a dialogue on the wire.

mod tls;

use std::{collections::VecDeque, time::Duration};

use towpath_proto::{
    Buffers, Client, Code, Event, Fault, Instant, Output, Reason, Rung, Upgrade,
    client::Start,
    http::head,
    mqtt::{Version, packet::Connect},
    ws::{self, Deframer, Opcode, Role, Step, handshake},
};

use self::tls::Secured;
pub use self::tls::{Asks, Security};
use crate::{Arrived, Chunks, Inbox, Memory, Rng, Seen, hex, show};

/// A client and what has come from it. Bytes are in the notation of [`hex()`].
///
/// `send` and `recv` are the server's: what it sends to the client, and what it receives. Whatever the client says and
/// the test does not expect stays and makes the next `recv` fail.
#[derive(Debug)]
pub struct Script {
    /// The client.
    pub client: Client<Memory, Rng>,
    /// The time.
    pub now: Instant,
    /// How many bytes the client gets at once.
    pub chunks: Chunks,
    /// Bytes that the client sent and the test has not looked at; payloads only where there are frames.
    received: Vec<u8>,
    /// What the client sent in control frames.
    control: VecDeque<(Opcode, Vec<u8>)>,
    /// Bytes of frames that are not whole.
    raw: Vec<u8>,
    /// Present once the upgrade is answered.
    deframer: Option<Deframer>,
    /// Present where TLS is on the path.
    tls: Option<Box<Secured>>,
    /// Hold back what the server says in the next connection with TLS.
    hold: bool,
    seen: VecDeque<Seen>,
    inbox: Inbox,
    until: Option<Instant>,
    reason: Reason,
    over: bool,
}

impl Script {
    /// A client that has no connection.
    #[must_use]
    pub fn new(buffers: Buffers<Memory>) -> Self {
        Self {
            client: Client::new(buffers, Rng::new(1)),
            now: Instant::from_millis(1_000),
            chunks: Chunks::Whole,
            received: Vec::new(),
            control: VecDeque::new(),
            raw: Vec::new(),
            deframer: None,
            tls: None,
            hold: false,
            seen: VecDeque::new(),
            inbox: Inbox::default(),
            until: None,
            reason: Reason::Idle,
            over: true,
        }
    }

    /// A client that is connected with an empty session and a keep alive of 60 s, and has said nothing more.
    #[must_use]
    pub fn connected(version: Version) -> Self {
        Self::granted(version, "")
    }

    /// The same, MQTT 5, with these properties in CONNACK.
    #[must_use]
    pub fn v5(connack: &str) -> Self {
        Self::granted(Version::V5, connack)
    }

    fn granted(version: Version, connack: &str) -> Self {
        let mut script = Self::new(Memory::host());
        let connect = Connect {
            version,
            ..Connect::default()
        };
        script.start(&Start::new(connect));
        script.accept(version, false, connack);
        script
    }

    /// Takes CONNECT, whatever it says, and answers with CONNACK.
    pub fn accept(&mut self, version: Version, session_present: bool, properties: &str) {
        assert_eq!(self.received.first(), Some(&0x10), "CONNECT is expected");
        self.received.clear();
        let present = u8::from(session_present);
        let properties = match version {
            Version::V311 => String::new(),
            Version::V5 => format!("[ {properties} ]"),
        };
        self.send(&format!("20 [ {present:02x} 00 {properties} ]"));
        let seen = self.event();
        assert!(matches!(seen, Seen::Connected { .. }), "{seen:?}");
    }

    /// Begins a connection on an open byte stream.
    ///
    /// # Panics
    /// If the client refuses to.
    pub fn start(&mut self, start: &Start<'_>) {
        self.tls = None;
        self.begin(start);
    }

    fn begin(&mut self, start: &Start<'_>) {
        self.client.start(self.now, start).expect("a start");
        self.over = false;
        self.deframer = None;
        self.received.clear();
        self.raw.clear();
        self.client.entered(self.now, Rung::Tcp);
        self.client.reached(self.now, Rung::Tcp);
        self.pump();
    }

    /// The client begins a connection by WebSocket and the server switches.
    pub fn start_ws(&mut self, mut start: Start<'_>) {
        start.upgrade = Some(Self::UPGRADE);
        self.start(&start);
        self.switch();
    }

    /// The upgrade that [`start_ws`](Self::start_ws) asks for.
    pub const UPGRADE: Upgrade<'static> = Upgrade {
        host: "broker",
        target: "/mqtt",
        subprotocols: "mqtt",
        headers: &[],
    };

    /// Answers the HTTP request with 101.
    ///
    /// # Panics
    /// If there is no request for WebSocket.
    pub fn switch(&mut self) {
        let len = head::len(&self.received).expect("a request");
        let request: Vec<u8> = self.received.drain(..len).collect();
        let upgrade = handshake::Upgrade::parse(&request, &["mqtt"]).expect("a good request");
        let mut answer = [0; 512];
        let len = upgrade.encode(&mut answer).expect("room");
        self.deframer = Some(Deframer::new(Role::Server));
        self.send_bytes(&answer[..len]);
    }

    /// The server sends these bytes, in one binary frame where there are frames.
    pub fn send(&mut self, notation: &str) {
        let bytes = hex(notation);
        if self.deframer.is_some() {
            self.send_frame(Opcode::Binary, &bytes);
        } else {
            self.send_bytes(&bytes);
        }
    }

    /// The server sends one frame.
    pub fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = vec![0; payload.len() + ws::HEADER_MAX];
        let len = ws::frame::write(&mut frame, true, opcode, payload, None);
        self.send_bytes(&frame[..len.expect("room")]);
    }

    /// The server sends these bytes as they are.
    pub fn send_bytes(&mut self, mut bytes: &[u8]) {
        self.pump();
        if self.tls.is_some() {
            return self.send_secured(bytes);
        }
        let mut rng = Rng::new(bytes.len() as u64);
        while !bytes.is_empty() && !self.over {
            let space = self.client.rx_space();
            let max = self.chunks.next(&mut rng);
            let n = bytes.len().min(space.len()).min(max);
            assert!(n > 0, "the client has no room for: {}", show(bytes));
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.client.commit(self.now, n);
            self.pump();
        }
    }

    /// The server has received exactly these bytes since the last time.
    #[track_caller]
    pub fn recv(&mut self, notation: &str) {
        self.pump();
        let expected = hex(notation);
        assert_eq!(
            show(&self.received),
            show(&expected),
            "what the server received (left) is not what was expected (right)"
        );
        self.received.clear();
    }

    /// The server has received nothing.
    #[track_caller]
    pub fn recv_nothing(&mut self) {
        self.recv("");
    }

    /// The bytes that the server has received since the last time, whatever they are.
    pub fn take_received(&mut self) -> Vec<u8> {
        self.pump();
        std::mem::take(&mut self.received)
    }

    /// The server has received this control frame next.
    #[track_caller]
    pub fn recv_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.pump();
        let next = self.control.pop_front();
        assert_eq!(next, Some((opcode, payload.to_vec())), "a control frame");
    }

    /// The next event for the application.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn event(&mut self) -> Seen {
        self.pump();
        self.seen.pop_front().expect("an event")
    }

    /// The next event, if there is one.
    pub fn next_event(&mut self) -> Option<Seen> {
        self.pump();
        self.seen.pop_front()
    }

    /// The next event is a whole message.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn message(&mut self) -> Arrived {
        match self.event() {
            Seen::Message(arrived) => arrived,
            other => panic!("a message is expected, not {other:?}"),
        }
    }

    /// There is no event.
    #[track_caller]
    pub fn no_event(&mut self) {
        self.pump();
        assert_eq!(self.seen.pop_front(), None, "an event");
    }

    /// The attempt has ended with this cause, and there was no other event before.
    ///
    /// # Panics
    /// If it has not.
    #[track_caller]
    pub fn fails(&mut self, code: Code) -> Fault {
        match self.event() {
            Seen::Failed(fault) => {
                assert_eq!(fault.code, code, "{fault}");
                fault
            }
            other => panic!("the attempt should have failed, not {other:?}"),
        }
    }

    /// The server closes the byte stream.
    pub fn close(&mut self) {
        self.pump();
        if self.tls.is_some() {
            self.end_secured();
        } else {
            let fault = Fault::new(Rung::Tcp, Code::Closed);
            self.client.closed(self.now, fault);
        }
        self.pump();
        assert!(self.over, "a client whose stream is gone ends the attempt");
    }

    /// The client waits for this, so long from now.
    #[track_caller]
    pub fn waits(&mut self, reason: Reason, span: Option<Duration>) {
        self.pump();
        assert_eq!(self.reason, reason, "what it waits for");
        assert_eq!(self.until.map(|until| until.since(self.now)), span);
    }

    /// Time passes; deadlines on the way are met.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.pump();
        while let Some(until) = self.until.filter(|until| *until <= end && !self.over) {
            self.now = until.max(self.now);
            self.client.handle_timeout(self.now);
            let before = self.until;
            self.pump();
            assert_ne!(before, self.until, "a deadline that was met passes");
        }
        self.now = end;
        self.pump();
    }

    /// Drains the client's outputs.
    pub fn pump(&mut self) {
        loop {
            match self.client.poll_output(self.now) {
                Output::Transmit(_) if self.tls.is_some() => {
                    if !self.carry() {
                        self.until = self.client.deadline();
                        return;
                    }
                }
                Output::Transmit(bytes) => {
                    assert!(!self.over, "bytes to send after the end");
                    let n = bytes.len();
                    self.raw.extend(bytes);
                    self.client.transmitted(self.now, n);
                    self.deframe();
                }
                Output::Event(event) => {
                    let ended = matches!(event, Event::Failed(_) | Event::Disconnected);
                    self.over |= ended;
                    let event = match event {
                        Event::Failed(fault) => {
                            Event::Failed(Self::explain(self.tls.as_deref(), fault))
                        }
                        event => event,
                    };
                    if let Some(tls) = self.tls.as_mut().filter(|_| ended) {
                        tls.layer.close();
                    }
                    let (seen, whole) = self.inbox.take(&event);
                    self.seen.extend(seen);
                    self.seen.extend(whole);
                }
                Output::Trace(_) => {}
                Output::Wait { until, reason } => {
                    self.until = until;
                    self.reason = reason;
                    if !self.carry() {
                        return;
                    }
                }
            }
        }
    }

    fn deframe(&mut self) {
        let Some(deframer) = &mut self.deframer else {
            self.received.append(&mut self.raw);
            return;
        };
        loop {
            match deframer.next(&mut self.raw).expect("good frames") {
                Step::Need => return,
                Step::Data {
                    skip, take, opcode, ..
                } => {
                    assert_eq!(opcode, Opcode::Binary, "[MQTT-6.0.0-1]");
                    let payload = self.raw.drain(..skip + take).skip(skip);
                    self.received.extend(payload);
                }
                Step::Control { skip, take, opcode } => {
                    let payload = self.raw.drain(..skip + take).skip(skip).collect();
                    self.control.push_back((opcode, payload));
                }
            }
        }
    }
}
