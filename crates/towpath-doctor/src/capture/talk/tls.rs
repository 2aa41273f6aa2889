//! Records and handshake messages of TLS, as far as they are in clear.
//!
//! In TLS 1.2 handshake messages can be read up to ChangeCipherSpec; after it the types of records are still true, which
//! is enough to see a request for renegotiation and that there was an alert. In TLS 1.3 all behind ServerHello looks like
//! application data, and lengths are all that tells (RFC 8446 section 5.2, RFC 5246 section 6.2).
//!
//! The client's own tap watches records too; this one has to live with bytes that are not in the capture, and reads
//! names, suites and dates.

use towpath_proto::tls::{Alert, Message, Side};

use super::{
    Foreign, certificate,
    hello::{self, Hello, TLS_1_3},
};
use crate::{
    capture::{flow::index, mark::Mark},
    evidence::Certificate,
};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The longest handshake message that is read, bytes. Longer ones count with their length alone.
const MESSAGE_MOST: usize = 20 << 10;

/// The most alerts that are remembered.
const ALERTS: usize = 4;

/// The most lengths of a side's first encrypted records.
const LENGTHS: usize = 4;

/// How far the handshake of a direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Epoch {
    #[default]
    Clear,
    /// ChangeCipherSpec has passed.
    Changed,
    /// Finished has passed.
    Open,
    /// A further handshake is under way.
    Again,
}

/// One direction.
#[derive(Debug, Default)]
struct Records {
    head: [u8; 5],
    head_len: usize,
    left: usize,
    epoch: Epoch,
    /// A handshake message in clear that is under way.
    message: Vec<u8>,
    /// What is left of one that is too long to be read.
    skip: usize,
    alert: [u8; 2],
    alert_len: usize,
    any: bool,
    lost: bool,
}

/// What was seen of a TLS connection.
#[derive(Debug, Default)]
pub(in crate::capture) struct Tls {
    sides: [Records; 2],
    pub(in crate::capture) client_hello: Option<(Mark, Hello)>,
    pub(in crate::capture) server_hello: Option<(Mark, Hello)>,
    /// The server's Certificate message: its certificates as far as they can be read, and its length in bytes.
    pub(in crate::capture) chain: Option<(Mark, Vec<Certificate>, usize)>,
    pub(in crate::capture) requested: Option<Mark>,
    pub(in crate::capture) server_done: Option<Mark>,
    /// The client's Certificate message: whether it holds one.
    pub(in crate::capture) shown: Option<(Mark, bool)>,
    pub(in crate::capture) client_key: Option<Mark>,
    /// The last message of each side, and the last of its records.
    pub(in crate::capture) last: [Option<(Message, Mark)>; 2],
    /// Finished of each side, encrypted.
    pub(in crate::capture) finished: [Option<Mark>; 2],
    pub(in crate::capture) alerts: Vec<(Alert, Mark)>,
    /// The last encrypted alert of each side.
    pub(in crate::capture) hidden: [Option<Mark>; 2],
    /// The server's request for a renegotiation: the first, and a second after the first was done.
    pub(in crate::capture) asked: Option<(Mark, usize)>,
    pub(in crate::capture) asked_again: Option<Mark>,
    /// The client took it up, and it came to its end.
    pub(in crate::capture) renegotiates: Option<Mark>,
    pub(in crate::capture) renegotiated: Option<Mark>,
    /// The client answered the request with an alert.
    pub(in crate::capture) refused: Option<Mark>,
    /// The first and the last record of application data of each side, and how many.
    pub(in crate::capture) data: [Option<(Mark, Mark, u64)>; 2],
    /// The lengths of the first encrypted records of the client in TLS 1.3, and of the server's behind its handshake.
    pub(in crate::capture) lengths: [Vec<(usize, Mark)>; 2],
    /// The largest record of the server, bytes.
    pub(in crate::capture) largest: usize,
    /// What is no TLS.
    pub(in crate::capture) foreign: [Option<(Foreign, Mark)>; 2],
}

impl Tls {
    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.sides
            .iter()
            .map(|records| records.message.capacity())
            .sum()
    }

    pub(super) fn give_up(&mut self) {
        for records in &mut self.sides {
            records.lost = true;
            records.message = Vec::new();
        }
    }

    /// Whether TLS 1.3 was chosen.
    pub(in crate::capture) fn is_tls13(&self) -> bool {
        self.server_hello
            .as_ref()
            .is_some_and(|(_, hello)| hello.version == TLS_1_3)
    }

    /// Whether the reading of this side was given up, because bytes are missing.
    pub(in crate::capture) fn is_lost(&self, side: Side) -> bool {
        self.sides
            .get(index(side))
            .is_none_or(|records| records.lost)
    }

    /// Whether the first handshake is complete, as far as can be seen: in TLS 1.3, that the client has sent what its
    /// Finished is in.
    pub(in crate::capture) fn agreed(&self) -> Option<Mark> {
        if !self.is_tls13() {
            let [client, server] = self.finished;
            return Some(client?.max(server?));
        }
        let [client, _] = &self.lengths;
        client
            .iter()
            .find(|(len, _)| is_finished(*len))
            .map(|(_, mark)| *mark)
    }

    /// In TLS 1.3 the first encrypted record of the client is as short as an alert.
    pub(in crate::capture) fn hidden_refusal(&self) -> Option<Mark> {
        let [client, _] = &self.lengths;
        match client.first() {
            Some((len, mark)) if self.is_tls13() && is_alert(*len) => Some(*mark),
            _ => None,
        }
    }

    /// In TLS 1.3 the client's certificate, by the length of its message: none asked for, none given, or one given.
    pub(in crate::capture) fn hidden_certificate(&self) -> Option<bool> {
        let [client, _] = &self.lengths;
        match client.first().map(|(len, _)| *len) {
            // An empty list: a context of length 0, a length of three bytes, the head of the message.
            Some(len) if len == 8 + 17 => Some(false),
            // Empty list and Finished in one record.
            Some(len) if len == 8 + 36 + 17 || len == 8 + 52 + 17 => Some(false),
            Some(len) if len > 200 => Some(true),
            _ => None,
        }
    }

    /// In TLS 1.3 the last record of the server is as short as an alert, and came after the client was done.
    pub(in crate::capture) fn hidden_alert(&self) -> Option<Mark> {
        let agreed = self.agreed()?;
        let [_, server] = &self.lengths;
        let (len, mark) = server.last()?;
        (self.is_tls13() && is_alert(*len) && *mark >= agreed).then_some(*mark)
    }

    /// Whether the server said nothing behind the handshake, or nothing but what has the length of a session ticket or
    /// an alert, and not more than that. In TLS 1.3 they look like data.
    pub(in crate::capture) fn only_tickets(&self) -> bool {
        let [_, data] = self.data;
        let Some((_, _, count)) = data else {
            return true;
        };
        let [_, server] = &self.lengths;
        let small = |len: usize| is_ticket(len) || is_alert(len);
        self.is_tls13() && count <= 3 && server.iter().all(|(len, _)| small(*len))
    }

    /// Bytes of `side`.
    pub(super) fn bytes(&mut self, side: Side, mut bytes: &[u8], mark: Mark) {
        while let Some(records) = self.sides.get_mut(index(side)) {
            if records.lost || bytes.is_empty() {
                return;
            }
            if records.left == 0 {
                bytes = self.head(side, bytes, mark);
                continue;
            }
            let (body, rest) = bytes.split_at(records.left.min(bytes.len()));
            bytes = rest;
            records.left -= body.len();
            self.body(side, body, mark);
        }
    }

    /// So many bytes are missing. It goes on if they all lie in one record whose contents can't be read anyway.
    pub(super) fn missing(&mut self, side: Side, len: usize, mark: Mark) {
        let Some(records) = self.sides.get_mut(index(side)) else {
            return;
        };
        let [kind, ..] = records.head;
        let hidden = kind == APPLICATION_DATA || records.epoch != Epoch::Clear;
        if hidden && records.left > 0 && len <= records.left {
            records.left -= len;
            return;
        }
        // A certificate that is cut: the rest of its record may still be counted.
        if kind == HANDSHAKE && records.left > 0 && len <= records.left {
            records.left -= len;
            let whole = message_len(&records.message);
            if let Some(whole) = whole.filter(|whole| *whole >= records.message.len() + len) {
                records.skip = whole - records.message.len() - len;
                self.message_head(side, mark);
                return;
            }
        }
        if let Some(records) = self.sides.get_mut(index(side)) {
            records.lost = true;
            records.message = Vec::new();
        }
    }

    /// Takes bytes of a record's head and answers the rest.
    fn head<'b>(&mut self, side: Side, bytes: &'b [u8], mark: Mark) -> &'b [u8] {
        let (Some(records), Some((byte, rest))) =
            (self.sides.get_mut(index(side)), bytes.split_first())
        else {
            return &[];
        };
        if let Some(place) = records.head.get_mut(records.head_len) {
            *place = *byte;
        }
        records.head_len += 1;
        let [kind, major, _, high, low] = records.head;
        let wrong = (records.head_len == 1
            && !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind))
            || (records.head_len == 2 && major != 3);
        if wrong {
            let first = !records.any;
            records.lost = true;
            if first && let Some(foreign) = self.foreign.get_mut(index(side)) {
                foreign.get_or_insert((Foreign::of(bytes), mark));
            }
            return &[];
        }
        if records.head_len == 5 {
            records.any = true;
            records.head_len = 0;
            records.alert_len = 0;
            records.left = usize::from(u16::from_be_bytes([high, low]));
            let len = records.left;
            self.record(side, kind, len, mark);
        }
        rest
    }

    /// The head of a record is complete.
    fn record(&mut self, side: Side, kind: u8, len: usize, mark: Mark) {
        if side == Side::Server {
            self.largest = self.largest.max(len);
        }
        let epoch = self
            .sides
            .get(index(side))
            .map_or(Epoch::Clear, |records| records.epoch);
        let next = match (kind, epoch) {
            (CHANGE_CIPHER_SPEC, Epoch::Again) => {
                if side == Side::Server {
                    self.renegotiated.get_or_insert(mark);
                }
                Epoch::Changed
            }
            (CHANGE_CIPHER_SPEC, _) => Epoch::Changed,
            (HANDSHAKE, Epoch::Changed) => {
                if let Some(finished) = self.finished.get_mut(index(side)) {
                    finished.get_or_insert(mark);
                }
                Epoch::Open
            }
            (HANDSHAKE, Epoch::Open) => {
                self.further(side, len, mark);
                Epoch::Again
            }
            (ALERT, Epoch::Changed | Epoch::Open | Epoch::Again) if len != 2 => {
                self.encrypted_alert(side, mark);
                epoch
            }
            (APPLICATION_DATA, epoch) => {
                self.application_data(side, len, mark);
                // What came before was refused, or is over.
                if epoch == Epoch::Again {
                    Epoch::Open
                } else {
                    epoch
                }
            }
            (_, epoch) => epoch,
        };
        if let Some(records) = self.sides.get_mut(index(side)) {
            records.epoch = next;
        }
    }

    /// A handshake message after the first handshake.
    fn further(&mut self, side: Side, len: usize, mark: Mark) {
        match side {
            Side::Server if self.asked.is_none() => self.asked = Some((mark, len)),
            Side::Server if self.renegotiated.is_some() => {
                self.asked_again.get_or_insert(mark);
            }
            Side::Server => {}
            Side::Client => {
                self.renegotiates.get_or_insert(mark);
                // The server's part is a further handshake too, whether it began with a request or not.
                if let [_, server] = &mut self.sides
                    && server.epoch == Epoch::Open
                {
                    server.epoch = Epoch::Again;
                }
            }
        }
    }

    fn encrypted_alert(&mut self, side: Side, mark: Mark) {
        if let Some(hidden) = self.hidden.get_mut(index(side)) {
            *hidden = Some(mark);
        }
        if side == Side::Client && self.asked.is_some() && self.renegotiates.is_none() {
            self.refused.get_or_insert(mark);
        }
    }

    fn application_data(&mut self, side: Side, len: usize, mark: Mark) {
        let tls13 = self.is_tls13();
        let agreed = tls13.then(|| self.agreed()).flatten();
        if tls13 && let Some(lengths) = self.lengths.get_mut(index(side)) {
            // Of the server only what comes behind its handshake: the last few.
            let counts = side == Side::Client || agreed.is_some();
            if counts && lengths.len() < LENGTHS {
                lengths.push((len, mark));
            } else if counts && side == Side::Server {
                lengths.remove(0);
                lengths.push((len, mark));
            }
        }
        // In TLS 1.3 the handshake itself looks like this.
        if tls13 && (agreed.is_none() || (side == Side::Server && agreed == Some(mark))) {
            return;
        }
        if let Some(data) = self.data.get_mut(index(side)) {
            *data = Some(match *data {
                Some((first, _, count)) => (first, mark, count + 1),
                None => (mark, mark, 1),
            });
        }
    }

    fn body(&mut self, side: Side, mut body: &[u8], mark: Mark) {
        let Some(records) = self.sides.get_mut(index(side)) else {
            return;
        };
        let [kind, ..] = records.head;
        if kind == ALERT {
            self.alert(side, body, mark);
            return;
        }
        if kind != HANDSHAKE || records.epoch != Epoch::Clear {
            return;
        }
        while let Some(records) = self.sides.get_mut(index(side)).filter(|_| !body.is_empty()) {
            if records.skip > 0 {
                let (_, rest) = body.split_at(records.skip.min(body.len()));
                records.skip -= body.len() - rest.len();
                body = rest;
                continue;
            }
            let wanted = message_len(&records.message).unwrap_or(4).max(4) - records.message.len();
            let (part, rest) = body.split_at(wanted.min(body.len()));
            records.message.extend_from_slice(part);
            body = rest;
            self.progress(side, mark);
        }
    }

    /// A message grew: it may be whole, or turn out too long.
    fn progress(&mut self, side: Side, mark: Mark) {
        let Some(records) = self.sides.get_mut(index(side)) else {
            return;
        };
        let Some(whole) = message_len(&records.message) else {
            return;
        };
        if records.message.len() >= whole {
            let message = std::mem::take(&mut records.message);
            self.message(side, &message, mark);
        } else if whole > MESSAGE_MOST {
            records.skip = whole - records.message.len();
            self.message_head(side, mark);
        }
    }

    /// A message whose body is not read.
    fn message_head(&mut self, side: Side, mark: Mark) {
        let Some(records) = self.sides.get_mut(index(side)) else {
            return;
        };
        let message = std::mem::take(&mut records.message);
        if let [kind, a, b, c, ..] = message[..] {
            let len = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
            self.said(side, Message(kind), mark);
            if side == Side::Server && Message(kind) == Message::CERTIFICATE {
                self.chain.get_or_insert((mark, Vec::new(), len));
            }
        }
    }

    fn said(&mut self, side: Side, message: Message, mark: Mark) {
        if let Some(last) = self.last.get_mut(index(side)) {
            *last = Some((message, mark));
        }
        let place = match (side, message) {
            (Side::Server, Message::CERTIFICATE_REQUEST) => &mut self.requested,
            (Side::Server, Message::SERVER_HELLO_DONE) => &mut self.server_done,
            (Side::Client, Message(16)) => &mut self.client_key,
            _ => return,
        };
        place.get_or_insert(mark);
    }

    fn message(&mut self, side: Side, message: &[u8], mark: Mark) {
        let Some(([kind, ..], body)) = message.split_first_chunk::<4>() else {
            return;
        };
        let kind = Message(*kind);
        self.said(side, kind, mark);
        match (side, kind) {
            (Side::Client, Message::CLIENT_HELLO) => {
                // With a retry the second one counts no more than the first.
                if let Some(hello) = hello::client(body).filter(|_| self.client_hello.is_none()) {
                    self.client_hello = Some((mark, hello));
                }
            }
            (Side::Server, Message::SERVER_HELLO) => {
                if let Some(hello) = hello::server(body).filter(|hello| !hello.retry) {
                    self.server_hello = Some((mark, hello));
                }
            }
            (Side::Server, Message::CERTIFICATE) => {
                let certificates = certificate::chain(body).unwrap_or_default();
                self.chain = Some((mark, certificates, body.len()));
            }
            (Side::Client, Message::CERTIFICATE) => self.shown = Some((mark, body.len() > 3)),
            _ => {}
        }
    }

    fn alert(&mut self, side: Side, body: &[u8], mark: Mark) {
        let Some(records) = self.sides.get_mut(index(side)) else {
            return;
        };
        let [_, _, _, high, low] = records.head;
        if [high, low] != [0, 2] {
            return;
        }
        for byte in body {
            if let Some(place) = records.alert.get_mut(records.alert_len) {
                *place = *byte;
                records.alert_len += 1;
            }
        }
        let [level, description] = records.alert;
        if records.alert_len == 2 && self.alerts.len() < ALERTS {
            let alert = Alert {
                from: side,
                fatal: level == 2,
                description,
            };
            self.alerts.push((alert, mark));
        }
    }
}

/// The length of the message that these bytes begin, with its head.
fn message_len(message: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *message.first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    Some(len + 4)
}

/// The length of an encrypted alert in TLS 1.3: two bytes, the type within, a tag of 16 or 8 bytes.
const fn is_alert(len: usize) -> bool {
    matches!(len, 19 | 11)
}

/// Whether a record has the length of a session ticket: those of the usual libraries have 150 to 300 bytes.
pub(in crate::capture) const fn is_ticket(len: usize) -> bool {
    matches!(len, 170..=290)
}

/// Whether a record of TLS 1.3 has the length of Finished, alone or behind the last messages of the client: a hash of 32
/// or 48 bytes, the head of the message, the type within, a tag.
const fn is_finished(len: usize) -> bool {
    matches!(len, 53 | 69 | 45 | 61 | 77) || len > 200
}
