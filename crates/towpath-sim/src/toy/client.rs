//! The client: a back-end with small buffers that can stop and go on between any two bytes.

use std::collections::VecDeque;

use towpath_proto::{
    Code, Fault, Rung,
    tls::{Agreed, Alert, Fact, Message, Side, Stage, Tls, Version, fault_of_alert},
};

use super::{
    SUITE_TLS12, SUITE_TLS13,
    hello::{Hello, write_chain},
    message,
    record::{
        ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, DECODE_ERROR, DECRYPT_ERROR, HANDSHAKE, HEAD,
        Key, Messages, OVERHEAD, RECORD_OVERFLOW, Reader, Refusal, UNEXPECTED_MESSAGE, Writer,
        record_len,
    },
};
use crate::Rng;

/// What the client offers, and how small its buffers are.
#[derive(Debug, Clone)]
pub struct ToyProfile {
    /// The highest version to offer.
    pub version: Version,
    /// Whether there is a certificate to show.
    pub identity: bool,
    /// Whether authentication after the handshake is offered.
    pub post_handshake_auth: bool,
    /// The longest plaintext of a record it sends, bytes.
    pub record: usize,
    /// Bytes of records received that it holds; a longer record is refused.
    pub rx: usize,
    /// Bytes of records to be sent that it shows at once.
    pub tx: usize,
    /// The longest handshake message it takes, bytes.
    pub handshake: usize,
    /// The session to resume.
    pub session: Vec<u8>,
    /// Whether handshake messages and alerts are told as facts, as some libraries do.
    pub tells: bool,
}

impl Default for ToyProfile {
    fn default() -> Self {
        Self {
            version: Version::Tls12,
            identity: true,
            post_handshake_auth: false,
            record: 1 << 14,
            rx: 18 << 10,
            tx: 18 << 10,
            handshake: 1 << 16,
            session: Vec::new(),
            tells: true,
        }
    }
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// ServerHello is next.
    Hello,
    /// ServerHelloDone ends this; in TLS 1.3 Finished does.
    Flight,
    /// ChangeCipherSpec is next, maybe behind a ticket.
    Change,
    Finished,
    Open,
}

/// The client's end of a connection.
#[derive(Debug)]
pub struct Toy {
    profile: ToyProfile,
    rng: Rng,
    state: State,
    rx: Vec<u8>,
    rx_len: usize,
    tx: Vec<u8>,
    /// Records that wait for room in `tx`.
    waiting: VecDeque<u8>,
    reader: Reader,
    writer: Writer,
    /// The keys from ChangeCipherSpec on: to read, to write.
    next_keys: Option<(Key, Key)>,
    messages: Messages,
    /// Plaintext of one record that was not read.
    plain: VecDeque<u8>,
    hello: Hello,
    certificate: Option<Vec<u8>>,
    session: Vec<u8>,
    resumed: bool,
    stage: Stage,
    agreed: Option<Agreed>,
    allowed: bool,
    asked: bool,
    closed: bool,
    dead: Option<Fault>,
    facts: VecDeque<Fact>,
}

type Step = Result<(), Fault>;

impl Toy {
    /// A connection that is about to begin.
    #[must_use]
    pub fn new(profile: ToyProfile, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            state: State::Start,
            rx: vec![0; profile.rx],
            rx_len: 0,
            tx: Vec::new(),
            waiting: VecDeque::new(),
            reader: Reader::default(),
            writer: Writer::default(),
            next_keys: None,
            messages: Messages::new(),
            plain: VecDeque::new(),
            hello: Hello::default(),
            certificate: None,
            session: Vec::new(),
            resumed: false,
            stage: Stage::default(),
            agreed: None,
            allowed: false,
            asked: false,
            closed: false,
            dead: None,
            facts: VecDeque::new(),
            profile,
        }
    }

    const fn is_tls13(&self) -> bool {
        self.reader.hides_types
    }

    fn tell(&mut self, fact: Fact) {
        if !self.profile.tells {
            return;
        }
        if self.facts.len() == 64 {
            self.facts.pop_front();
        }
        self.facts.push_back(fact);
    }

    fn put(&mut self, kind: u8, plain: &[u8]) {
        let max = self.profile.record;
        self.writer.put(kind, plain, max, &mut self.waiting);
        self.show();
    }

    fn put_message(&mut self, kind: u8, body: &[u8]) {
        let message = self.messages.write(kind, body);
        self.put(HANDSHAKE, &message);
        self.tell(Fact::Handshake {
            from: Side::Client,
            message: Message(kind),
            len: body.len() as u32,
        });
    }

    fn put_alert(&mut self, fatal: bool, description: u8) {
        self.put(ALERT, &[1 + u8::from(fatal), description]);
        self.tell(Fact::Alert(Alert {
            from: Side::Client,
            fatal,
            description,
        }));
    }

    /// Moves records to where they can be sent, as far as there is room.
    fn show(&mut self) {
        let room = self.profile.tx.saturating_sub(self.tx.len());
        let n = room.min(self.waiting.len());
        self.tx.extend(self.waiting.drain(..n));
    }

    fn fail<T>(&mut self, refusal: Refusal) -> Result<T, Fault> {
        self.put_alert(true, refusal);
        let alert = Alert::fatal(Side::Client, refusal);
        self.end(fault_of_alert(alert, self.stage))
    }

    fn end<T>(&mut self, fault: Fault) -> Result<T, Fault> {
        self.dead = Some(fault);
        Err(fault)
    }

    fn say_hello(&mut self) {
        self.messages.begin();
        let tls13 = self.profile.version == Version::Tls13 && self.agreed.is_none();
        let mut random = Vec::new();
        for _ in 0..4 {
            random.extend(self.rng.next_u64().to_be_bytes());
        }
        let session = if self.agreed.is_none() {
            self.profile.session.clone()
        } else {
            Vec::new()
        };
        self.hello = Hello {
            random,
            session,
            suites: vec![SUITE_TLS13, SUITE_TLS12],
            tls13,
            secure_renegotiation: true,
            post_handshake_auth: tls13 && self.profile.post_handshake_auth,
        };
        let body = self.hello.write(true);
        self.put_message(message::CLIENT_HELLO, &body);
        self.state = State::Hello;
    }

    /// Works off one record. False if none is there as a whole.
    fn record(&mut self) -> Result<bool, Fault> {
        if let Some(fault) = self.dead {
            return Err(fault);
        }
        let received = self.rx.get(..self.rx_len).unwrap_or(&[]);
        let len = match record_len(received) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(false),
            Err(refusal) => return self.fail(refusal),
        };
        if len > self.rx.len() {
            return self.fail(RECORD_OVERFLOW);
        }
        let Some(record) = received.get(..len).map(<[u8]>::to_vec) else {
            return Ok(false);
        };
        self.rx.copy_within(len..self.rx_len, 0);
        self.rx_len -= len;
        match self.reader.open(&record) {
            Ok((kind, plain)) => self.opened(kind, &plain)?,
            Err(refusal) => return self.fail(refusal),
        }
        Ok(true)
    }

    fn opened(&mut self, kind: u8, plain: &[u8]) -> Step {
        match kind {
            CHANGE_CIPHER_SPEC if plain != [1] => self.fail(DECODE_ERROR),
            CHANGE_CIPHER_SPEC if self.is_tls13() => Ok(()),
            CHANGE_CIPHER_SPEC if self.state == State::Change && self.messages.is_empty() => {
                self.reader.key = self.next_keys.map(|(read, _)| read);
                self.state = State::Finished;
                Ok(())
            }
            ALERT => self.alerted(plain),
            HANDSHAKE => {
                self.messages.extend(plain);
                if self.messages.under_way() > self.profile.handshake {
                    let fault = Fault::new(Rung::Tls, Code::TlsMessageTooLarge);
                    return self.end(fault);
                }
                while let Some((kind, body)) = self.messages.next() {
                    self.tell(Fact::Handshake {
                        from: Side::Server,
                        message: Message(kind),
                        len: body.len() as u32,
                    });
                    self.message(kind, &body)?;
                }
                Ok(())
            }
            // During a renegotiation the server may still say what it had to say.
            APPLICATION_DATA if self.agreed.is_some() && self.state != State::Finished => {
                self.plain.extend(plain);
                Ok(())
            }
            _ => self.fail(UNEXPECTED_MESSAGE),
        }
    }

    fn alerted(&mut self, plain: &[u8]) -> Step {
        let &[level, description] = plain else {
            return self.fail(DECODE_ERROR);
        };
        let alert = Alert {
            from: Side::Server,
            fatal: level == 2,
            description,
        };
        self.tell(Fact::Alert(alert));
        if description == 0 {
            return self.end(Fault::new(Rung::Tls, Code::Closed).alert(alert));
        }
        if alert.fatal {
            return self.end(fault_of_alert(alert, self.stage));
        }
        Ok(())
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> Step {
        match (self.state, kind) {
            (State::Open, message::HELLO_REQUEST) if !self.is_tls13() => {
                if self.allowed {
                    self.say_hello();
                } else {
                    self.put_alert(false, 100);
                }
                Ok(())
            }
            // A client that is negotiating already ignores it (RFC 5246 section 7.4.1.1).
            (_, message::HELLO_REQUEST) => Ok(()),
            (State::Hello, message::SERVER_HELLO) => self.server_hello(body),
            (State::Flight, message::CERTIFICATE) => {
                let before = self.certificate.replace(body.to_vec());
                if before.is_some_and(|before| before != body) {
                    self.put_alert(true, 42);
                    return self.end(Fault::new(Rung::Tls, Code::RenegotiationIdentity));
                }
                Ok(())
            }
            (State::Flight, message::CERTIFICATE_REQUEST) => {
                self.asked = true;
                self.stage.certificate_requested = true;
                Ok(())
            }
            (
                State::Flight,
                message::SERVER_KEY_EXCHANGE
                | message::ENCRYPTED_EXTENSIONS
                | message::CERTIFICATE_VERIFY,
            ) => Ok(()),
            (State::Flight, message::SERVER_HELLO_DONE) if !self.is_tls13() => {
                self.flight();
                Ok(())
            }
            (State::Change | State::Open, message::NEW_SESSION_TICKET) => {
                self.tell(Fact::Ticket);
                Ok(())
            }
            (State::Flight, message::FINISHED) if self.is_tls13() => self.finished(body),
            (State::Finished, message::FINISHED) => self.finished(body),
            (State::Open, message::CERTIFICATE_REQUEST)
                if self.is_tls13() && self.profile.post_handshake_auth =>
            {
                self.stage.certificate_requested = true;
                self.show_certificate();
                self.verify();
                let said = self.messages.finished(true);
                self.put_message(message::FINISHED, &said);
                Ok(())
            }
            _ => self.fail(UNEXPECTED_MESSAGE),
        }
    }

    fn server_hello(&mut self, body: &[u8]) -> Step {
        let Some(hello) = Hello::read(body, false) else {
            return self.fail(DECODE_ERROR);
        };
        self.stage.server_hello = true;
        if hello.tls13 && !self.hello.tls13 {
            return self.fail(70);
        }
        let key = |from_client| Key::new(&self.hello.random, &hello.random, from_client);
        let (read, write) = (key(false), key(true));
        self.resumed = !hello.session.is_empty() && hello.session == self.hello.session;
        self.session.clone_from(&hello.session);
        self.asked = false;
        if hello.tls13 {
            self.reader.hides_types = true;
            self.writer.hides_types = true;
            self.reader.key = Some(read);
        }
        self.next_keys = Some((read, write));
        let [suite] = hello.suites[..] else {
            return self.fail(DECODE_ERROR);
        };
        // Told only when the handshake is complete.
        self.hello.suites = vec![suite];
        self.hello.secure_renegotiation = hello.secure_renegotiation;
        self.state = if self.resumed && !hello.tls13 {
            State::Change
        } else {
            State::Flight
        };
        Ok(())
    }

    fn show_certificate(&mut self) {
        let certificate: &[u8] = if self.profile.identity {
            b"a boat's certificate"
        } else {
            &[]
        };
        self.stage.certificate_sent = self.profile.identity;
        let body = write_chain(certificate, self.is_tls13());
        self.put_message(message::CERTIFICATE, &body);
    }

    fn verify(&mut self) {
        if self.profile.identity {
            self.put_message(message::CERTIFICATE_VERIFY, b"signed");
        }
    }

    /// The second flight of TLS 1.2.
    fn flight(&mut self) {
        if self.asked {
            self.show_certificate();
        }
        self.put_message(message::CLIENT_KEY_EXCHANGE, b"\x04half");
        if self.asked {
            self.verify();
        }
        self.finish();
        self.state = State::Change;
    }

    fn finish(&mut self) {
        self.put(CHANGE_CIPHER_SPEC, &[1]);
        self.writer.key = self.next_keys.map(|(_, write)| write);
        if self.is_tls13() && self.asked {
            self.show_certificate();
            self.verify();
        }
        let said = self.messages.finished(true);
        self.put_message(message::FINISHED, &said);
    }

    fn finished(&mut self, body: &[u8]) -> Step {
        if body != self.messages.finished(false) {
            return self.fail(DECRYPT_ERROR);
        }
        if self.resumed || self.is_tls13() {
            self.finish();
        }
        self.state = State::Open;
        let tls13 = self.is_tls13();
        self.agreed = Some(Agreed {
            version: if tls13 {
                Version::Tls13
            } else {
                Version::Tls12
            },
            suite: self.hello.suites.first().copied().unwrap_or(0),
            resumed: self.resumed,
            secure_renegotiation: tls13 || self.hello.secure_renegotiation,
            alpn: false,
            certificate_requested: false,
        });
        Ok(())
    }
}

impl Tls for Toy {
    fn rx_space(&mut self) -> &mut [u8] {
        self.rx.get_mut(self.rx_len..).unwrap_or(&mut [])
    }

    fn commit(&mut self, n: usize) {
        self.rx_len += n;
        assert!(self.rx_len <= self.rx.len(), "more than there was room for");
    }

    fn sendable(&self) -> &[u8] {
        &self.tx
    }

    fn transmitted(&mut self, n: usize) {
        self.tx.drain(..n);
        self.show();
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        let space = self.rx.get_mut(self.rx_len..).unwrap_or(&mut []);
        (space, &self.tx)
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        if self.state == State::Start {
            self.say_hello();
        }
        while self.agreed.is_none() {
            if !self.record()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        while self.plain.is_empty() {
            if !self.record()? {
                return Ok(0);
            }
        }
        let n = space.len().min(self.plain.len());
        for (to, from) in space.iter_mut().zip(self.plain.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.dead {
            return Err(fault);
        }
        let room = self.profile.tx.saturating_sub(self.tx.len());
        let room = room.saturating_sub(HEAD + OVERHEAD + 1);
        if self.state != State::Open || self.closed || !self.waiting.is_empty() {
            return Ok(0);
        }
        let n = plain.len().min(self.profile.record).min(room);
        if n > 0 {
            self.put(APPLICATION_DATA, &plain[..n]);
        }
        Ok(n)
    }

    fn allow_renegotiation(&mut self, allowed: bool) {
        self.allowed = allowed;
    }

    fn is_renegotiating(&self) -> bool {
        self.agreed.is_some() && self.state != State::Open
    }

    fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    fn close(&mut self) {
        // The server's close_notify wants an answer (RFC 5246 section 7.2.1); its other ends do not.
        let ended = self.dead.is_some_and(|fault| fault.code != Code::Closed);
        if !self.closed && !ended {
            self.put_alert(false, 0);
        }
        self.closed = true;
    }

    fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    fn take_session(&mut self, keep: &mut dyn FnMut(&[u8])) {
        if self.agreed.is_some() && !self.session.is_empty() {
            keep(&std::mem::take(&mut self.session));
        }
    }
}
