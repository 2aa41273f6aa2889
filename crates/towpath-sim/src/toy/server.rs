//! The server: records go in and come out, plaintext too. It renegotiates when it is told to.

use std::collections::VecDeque;

use towpath_proto::tls::{Message, Version};

use super::{
    SUITE_TLS12, SUITE_TLS13,
    hello::{Hello, holds_certificate, write_chain},
    message,
    record::{
        ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, DECODE_ERROR, DECRYPT_ERROR, HANDSHAKE,
        HANDSHAKE_FAILURE, Key, Messages, Reader, Refusal, UNEXPECTED_MESSAGE, Writer, record_len,
    },
};
use crate::Rng;

/// What a server does when its request for a renegotiation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Life goes on.
    GoesOn,
    /// It ends TLS with this alert.
    Alerts(u8),
    /// It closes the stream and says nothing.
    Closes,
}

/// What the server grants and how it behaves.
#[derive(Debug, Clone)]
pub struct ToyTerms {
    /// The version it chooses if the client has it; else TLS 1.2.
    pub version: Version,
    /// Whether it speaks RFC 5746.
    pub secure_renegotiation: bool,
    /// The size of its certificate, bytes.
    pub certificate: usize,
    /// Whether it shows another certificate in a renegotiation.
    pub changes_certificate: bool,
    /// Whether it asks for the client's certificate in the first handshake.
    pub asks: bool,
    /// Whether it asks for it in a renegotiation.
    pub asks_again: bool,
    /// Whether a client without a certificate that it asked for is sent away.
    pub requires: bool,
    /// The longest plaintext of a record it sends, bytes.
    pub record: usize,
    /// How many tickets it sends.
    pub tickets: u8,
    /// Whether it resumes sessions.
    pub resumes: bool,
    /// What it does when a renegotiation is refused.
    pub refused: Refused,
    /// It answers ClientHello with this fatal alert.
    pub refuses: Option<u8>,
}

impl Default for ToyTerms {
    fn default() -> Self {
        Self {
            version: Version::Tls12,
            secure_renegotiation: true,
            certificate: 40,
            changes_certificate: false,
            asks: false,
            asks_again: true,
            requires: false,
            record: 1 << 14,
            tickets: 0,
            resumes: false,
            refused: Refused::GoesOn,
            refuses: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// ClientHello is next.
    Hello,
    /// The client's second flight comes up to ChangeCipherSpec.
    Flight,
    Finished,
    Open,
}

/// The server's end of a connection.
#[derive(Debug)]
pub struct ToyServer {
    /// What it grants.
    pub terms: ToyTerms,
    /// What it heard: names of messages, and alerts such as `warning 100`.
    pub heard: Vec<String>,
    /// How many renegotiations were completed, and how many refused.
    pub renegotiations: u32,
    /// How many renegotiations were refused.
    pub refusals: u32,
    rng: Rng,
    state: State,
    /// Whether the first handshake is complete.
    opened: bool,
    /// Whether the client finishes the handshake, because the session is resumed.
    resuming: bool,
    asked_certificate: bool,
    /// A renegotiation was asked for and not begun, refused or finished.
    asking: bool,
    raw: Vec<u8>,
    reader: Reader,
    writer: Writer,
    next_keys: Option<(Key, Key)>,
    messages: Messages,
    output: VecDeque<u8>,
    plain: Vec<u8>,
    /// Plaintext that waits for the end of a handshake.
    held: Vec<u8>,
    closing: bool,
}

type Step = Result<(), Refusal>;

impl ToyServer {
    /// A server that waits for ClientHello.
    #[must_use]
    pub fn new(terms: ToyTerms, seed: u64) -> Self {
        Self {
            terms,
            heard: Vec::new(),
            renegotiations: 0,
            refusals: 0,
            rng: Rng::new(seed),
            state: State::Hello,
            opened: false,
            resuming: false,
            asked_certificate: false,
            asking: false,
            raw: Vec::new(),
            reader: Reader::default(),
            writer: Writer::default(),
            next_keys: None,
            messages: Messages::new(),
            output: VecDeque::new(),
            plain: Vec::new(),
            held: Vec::new(),
            closing: false,
        }
    }

    /// Records have come from the client. What is wrong with them ends the connection with an alert.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.raw.extend(bytes);
        loop {
            let len = match record_len(&self.raw) {
                Ok(Some(len)) if len <= self.raw.len() => len,
                Ok(_) => return,
                Err(refusal) => return self.refuse(refusal),
            };
            let record: Vec<u8> = self.raw.drain(..len).collect();
            let read = self.reader.open(&record);
            if let Err(refusal) = read.and_then(|(kind, plain)| self.record(kind, &plain)) {
                return self.refuse(refusal);
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if !self.closing {
            self.alert(true, refusal);
        }
    }

    /// Plaintext that the client sent.
    pub fn take_plain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.plain)
    }

    /// Sends plaintext, now or as soon as the handshake under way is complete.
    pub fn write(&mut self, plain: &[u8]) {
        if self.state != State::Open {
            self.held.extend(plain);
            return;
        }
        let max = self.terms.record;
        self.writer
            .put(APPLICATION_DATA, plain, max, &mut self.output);
    }

    /// Bytes to send; report what has left with [`sent`](Self::sent).
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_slices().0
    }

    /// `n` bytes of the output have left.
    pub fn sent(&mut self, n: usize) {
        self.output.drain(..n);
    }

    /// Asks for a renegotiation; in TLS 1.3, for the certificate.
    pub fn renegotiate(&mut self) {
        self.asking = true;
        let kind = if self.writer.hides_types {
            message::CERTIFICATE_REQUEST
        } else {
            message::HELLO_REQUEST
        };
        self.put_message(kind, &[]);
    }

    /// Whether a renegotiation that was asked for is neither complete nor refused.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.asking && !self.closing
    }

    /// Whether no handshake is under way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open && !self.closing
    }

    /// Says an alert; a fatal one and close_notify end the connection.
    pub fn alert(&mut self, fatal: bool, description: u8) {
        let max = self.terms.record;
        let alert = [1 + u8::from(fatal), description];
        self.writer.put(ALERT, &alert, max, &mut self.output);
        self.closing |= fatal || description == 0;
    }

    /// Whether it wants the stream closed once its output has left.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    fn put_message(&mut self, kind: u8, body: &[u8]) {
        let message = self.messages.write(kind, body);
        let max = self.terms.record;
        self.writer.put(HANDSHAKE, &message, max, &mut self.output);
    }

    fn record(&mut self, kind: u8, plain: &[u8]) -> Step {
        match kind {
            CHANGE_CIPHER_SPEC if plain != [1] => Err(DECODE_ERROR),
            CHANGE_CIPHER_SPEC if self.reader.hides_types => Ok(()),
            CHANGE_CIPHER_SPEC if self.state == State::Flight => {
                self.reader.key = self.next_keys.map(|(read, _)| read);
                self.state = State::Finished;
                Ok(())
            }
            ALERT => self.alerted(plain),
            // It has said its last word and hears only the client's.
            _ if self.closing => Ok(()),
            HANDSHAKE => {
                self.messages.extend(plain);
                if self.state == State::Open && !self.reader.hides_types {
                    // A new handshake; nothing of the old one is left over.
                    self.messages.begin();
                    self.state = State::Hello;
                }
                while let Some((kind, body)) = self.messages.next() {
                    self.heard.push(Message(kind).name().to_owned());
                    self.message(kind, &body)?;
                }
                Ok(())
            }
            APPLICATION_DATA if self.opened && self.state != State::Finished => {
                self.plain.extend(plain);
                Ok(())
            }
            _ => Err(UNEXPECTED_MESSAGE),
        }
    }

    fn alerted(&mut self, plain: &[u8]) -> Step {
        let &[level, description] = plain else {
            return Err(DECODE_ERROR);
        };
        let kind = if level == 2 { "alert" } else { "warning" };
        self.heard.push(format!("{kind} {description}"));
        if level == 2 || description == 0 {
            self.closing = true;
        }
        if description == 100 {
            self.refusals += 1;
            self.asking = false;
            match self.terms.refused {
                Refused::GoesOn => {}
                Refused::Alerts(number) => self.alert(true, number),
                Refused::Closes => self.closing = true,
            }
        }
        Ok(())
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> Step {
        match (self.state, kind) {
            (State::Hello, message::CLIENT_HELLO) => self.client_hello(body),
            (State::Flight | State::Finished | State::Open, message::CERTIFICATE) => {
                let held = holds_certificate(body, self.reader.hides_types);
                if self.terms.requires && !held {
                    return Err(HANDSHAKE_FAILURE);
                }
                Ok(())
            }
            (State::Flight, message::CLIENT_KEY_EXCHANGE)
            | (State::Flight | State::Finished | State::Open, message::CERTIFICATE_VERIFY) => {
                Ok(())
            }
            (State::Finished, message::FINISHED) => self.finished(body),
            (State::Open, message::FINISHED) if self.asking => {
                self.asking = false;
                self.renegotiations += 1;
                Ok(())
            }
            _ => Err(UNEXPECTED_MESSAGE),
        }
    }

    fn client_hello(&mut self, body: &[u8]) -> Step {
        let hello = Hello::read(body, true).ok_or(DECODE_ERROR)?;
        if let Some(number) = self.terms.refuses {
            return Err(number);
        }
        let tls13 = hello.tls13 && self.terms.version == Version::Tls13;
        let mut random = Vec::new();
        for _ in 0..4 {
            random.extend(self.rng.next_u64().to_be_bytes());
        }
        self.resuming = self.terms.resumes && !hello.session.is_empty();
        let session = if self.resuming {
            hello.session
        } else {
            random[..8].to_vec()
        };
        let answer = Hello {
            session,
            suites: vec![if tls13 { SUITE_TLS13 } else { SUITE_TLS12 }],
            tls13,
            secure_renegotiation: self.terms.secure_renegotiation && !tls13,
            post_handshake_auth: false,
            random,
        };
        self.put_message(message::SERVER_HELLO, &answer.write(false));
        let key = |from_client| Key::new(&hello.random, &answer.random, from_client);
        self.next_keys = Some((key(true), key(false)));
        if tls13 {
            self.put(CHANGE_CIPHER_SPEC, &[1]);
            self.reader.key = Some(key(true));
            self.writer.key = Some(key(false));
            self.reader.hides_types = true;
            self.writer.hides_types = true;
            self.put_message(message::ENCRYPTED_EXTENSIONS, &[0, 0]);
        }
        self.flight(tls13);
        Ok(())
    }

    fn put(&mut self, kind: u8, plain: &[u8]) {
        let max = self.terms.record;
        self.writer.put(kind, plain, max, &mut self.output);
    }

    /// The rest of the first flight.
    fn flight(&mut self, tls13: bool) {
        self.state = State::Flight;
        if self.resuming {
            if tls13 {
                self.end_of_flight_tls13();
            } else {
                self.change_and_finish();
            }
            return;
        }
        let changed = self.opened && self.terms.changes_certificate;
        let byte = if changed { b'd' } else { b'c' };
        let certificate = vec![byte; self.terms.certificate];
        self.asked_certificate = if self.opened {
            self.terms.asks_again
        } else {
            self.terms.asks
        };
        if tls13 && self.asked_certificate {
            self.put_message(message::CERTIFICATE_REQUEST, &[0, 0, 0]);
        }
        self.put_message(message::CERTIFICATE, &write_chain(&certificate, tls13));
        if tls13 {
            self.put_message(message::CERTIFICATE_VERIFY, b"signed");
            self.end_of_flight_tls13();
            return;
        }
        self.put_message(message::SERVER_KEY_EXCHANGE, b"\x03\x00\x17half");
        if self.asked_certificate {
            self.put_message(message::CERTIFICATE_REQUEST, &[1, 1, 0, 0, 0, 0]);
        }
        self.put_message(message::SERVER_HELLO_DONE, &[]);
    }

    fn end_of_flight_tls13(&mut self) {
        let said = self.messages.finished(false);
        self.put_message(message::FINISHED, &said);
        self.state = State::Finished;
    }

    fn change_and_finish(&mut self) {
        for _ in 0..self.terms.tickets {
            self.put_message(message::NEW_SESSION_TICKET, b"\0\0\0\0\0\x06ticket");
        }
        self.put(CHANGE_CIPHER_SPEC, &[1]);
        self.writer.key = self.next_keys.map(|(_, write)| write);
        let said = self.messages.finished(false);
        self.put_message(message::FINISHED, &said);
    }

    fn finished(&mut self, body: &[u8]) -> Step {
        if body != self.messages.finished(true) {
            return Err(DECRYPT_ERROR);
        }
        if self.reader.hides_types {
            for _ in 0..self.terms.tickets {
                self.put_message(message::NEW_SESSION_TICKET, b"ticket");
            }
        } else if !self.resuming {
            self.change_and_finish();
        }
        if self.opened {
            self.renegotiations += 1;
            self.asking = false;
        }
        self.opened = true;
        self.state = State::Open;
        let held = std::mem::take(&mut self.held);
        self.write(&held);
        Ok(())
    }
}
