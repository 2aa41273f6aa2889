//! Watches the records of one direction as they pass, whatever library makes them. Keeps a few bytes and allocates
//! nothing.
//!
//! In TLS 1.2 handshake messages are in clear up to ChangeCipherSpec; afterwards the types of records are still true,
//! which is enough to see a request for renegotiation. In TLS 1.3 everything behind ServerHello looks like application
//! data (RFC 8446 section 5.2).

use super::{Alert, Fact, Message, Side};
use crate::fault::{Code, Fault};
use crate::rung::Rung;

/// Record types (RFC 8446 section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// What was seen, for the [`Layer`](super::Layer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Something to tell.
    Fact(Fact),
    /// A record of application data, or one that looks like it.
    ApplicationData,
    /// What came is not TLS.
    Foreign(Fault),
}

/// How far the handshake of this direction is, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Epoch {
    /// Messages are in clear.
    Clear,
    /// ChangeCipherSpec has passed: an encrypted Finished is next.
    Finishing,
    /// The handshake of this direction is complete.
    Open,
    /// A further handshake is under way, encrypted.
    Renegotiating,
}

/// Watches one direction.
#[derive(Debug, Clone)]
pub struct Tap {
    from: Side,
    epoch: Epoch,
    /// The head of the record, and how many of its bytes are here.
    head: [u8; 5],
    head_len: u8,
    /// Bytes of the record's body that have not passed yet.
    body_left: u16,
    /// The head of the handshake message, and how many of its bytes are here. A message may span records.
    message: [u8; 4],
    message_len: u8,
    message_left: u32,
    /// The bytes of a clear alert.
    alert: [u8; 2],
    alert_len: u8,
    any: bool,
    /// Whether the head of a record was whole and good.
    tls: bool,
    /// A further handshake was taken up, so its messages are no requests for one.
    taken_up: bool,
    /// What came is no TLS; nothing more is looked at.
    lost: bool,
    #[cfg(feature = "tls-details")]
    details: super::details::Details,
}

impl Tap {
    /// Watches what `from` sends.
    #[must_use]
    pub fn new(from: Side) -> Self {
        Self {
            from,
            epoch: Epoch::Clear,
            head: [0; 5],
            head_len: 0,
            body_left: 0,
            message: [0; 4],
            message_len: 0,
            message_left: 0,
            alert: [0; 2],
            alert_len: 0,
            any: false,
            tls: false,
            taken_up: false,
            lost: false,
            #[cfg(feature = "tls-details")]
            details: super::details::Details::new(from),
        }
    }

    /// Whether a byte has passed.
    #[must_use]
    pub const fn is_used(&self) -> bool {
        self.any
    }

    /// The request for a renegotiation that passed is taken up: what follows belongs to it.
    pub(super) const fn renegotiates(&mut self) {
        self.epoch = Epoch::Renegotiating;
        self.taken_up = true;
    }

    /// `bytes` pass, in order and without a gap to those before.
    pub fn observe(&mut self, mut bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        self.any |= !bytes.is_empty();
        while !bytes.is_empty() && !self.lost {
            if self.body_left == 0 {
                bytes = self.observe_head(bytes, seen);
                continue;
            }
            let len = bytes.len().min(usize::from(self.body_left));
            let (body, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            bytes = rest;
            self.body_left = self
                .body_left
                .saturating_sub(u16::try_from(len).unwrap_or(u16::MAX));
            self.observe_body(body, seen);
        }
    }

    /// Takes bytes of a record's head and answers the rest.
    fn observe_head<'b>(&mut self, bytes: &'b [u8], seen: &mut dyn FnMut(Seen)) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        if let Some(place) = self.head.get_mut(usize::from(self.head_len)) {
            *place = *byte;
        }
        self.head_len = self.head_len.saturating_add(1);
        let [kind, major, _, high, low] = self.head;
        let foreign = (self.head_len == 1
            && !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind))
            || (self.head_len == 2 && major != 3);
        if foreign {
            self.lost = true;
            let code = if self.tls {
                Code::TlsRecord
            } else {
                Code::PeerNotTls
            };
            let fault = Fault::new(Rung::Tls, code).detail(bytes);
            seen(Seen::Foreign(fault));
            return &[];
        }
        if self.head_len == 5 {
            self.tls = true;
            self.head_len = 0;
            self.alert_len = 0;
            self.body_left = u16::from_be_bytes([high, low]);
            self.record(kind, self.body_left, seen);
        }
        rest
    }

    /// The head of a record is complete.
    fn record(&mut self, kind: u8, len: u16, seen: &mut dyn FnMut(Seen)) {
        match (kind, self.epoch) {
            (CHANGE_CIPHER_SPEC, _) => self.epoch = Epoch::Finishing,
            (HANDSHAKE, Epoch::Finishing) => {
                self.epoch = Epoch::Open;
                self.taken_up = false;
            }
            (HANDSHAKE, Epoch::Open) => {
                self.epoch = Epoch::Renegotiating;
                if self.from == Side::Server {
                    seen(Seen::Fact(Fact::HelloRequest { len }));
                }
            }
            (ALERT, Epoch::Finishing | Epoch::Open | Epoch::Renegotiating) => {
                seen(Seen::Fact(Fact::HiddenAlert(self.from)));
            }
            (APPLICATION_DATA, epoch) => {
                if epoch == Epoch::Renegotiating && !self.taken_up {
                    // The renegotiation was refused, and life goes on.
                    self.epoch = Epoch::Open;
                }
                seen(Seen::ApplicationData);
            }
            _ => {}
        }
    }

    fn observe_body(&mut self, body: &[u8], seen: &mut dyn FnMut(Seen)) {
        if self.epoch != Epoch::Clear {
            return;
        }
        match self.head.first() {
            Some(&HANDSHAKE) => self.observe_messages(body, seen),
            Some(&ALERT) => self.observe_alert(body, seen),
            _ => {}
        }
    }

    fn observe_messages(&mut self, mut bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.message_left == 0 && self.message_len < 4 {
                if let Some(place) = self.message.get_mut(usize::from(self.message_len)) {
                    *place = *byte;
                }
                self.message_len += 1;
                bytes = rest;
                if self.message_len == 4 {
                    self.begin_message(seen);
                }
                continue;
            }
            let left = usize::try_from(self.message_left).unwrap_or(usize::MAX);
            let len = bytes.len().min(left);
            let (part, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            bytes = rest;
            self.message_left = self
                .message_left
                .saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
            self.details(part, seen);
        }
    }

    fn begin_message(&mut self, seen: &mut dyn FnMut(Seen)) {
        let [kind, a, b, c] = self.message;
        let len = u32::from_be_bytes([0, a, b, c]);
        self.message_left = len;
        seen(Seen::Fact(Fact::Handshake {
            from: self.from,
            message: Message(kind),
            len,
        }));
        #[cfg(feature = "tls-details")]
        self.details.begin(kind, len);
        self.details(&[], seen);
    }

    /// `part` belongs to the message under way.
    fn details(&mut self, part: &[u8], seen: &mut dyn FnMut(Seen)) {
        #[cfg(feature = "tls-details")]
        self.details.part(part);
        let _ = part;
        if self.message_left == 0 {
            self.message_len = 0;
            #[cfg(feature = "tls-details")]
            if let Some(fact) = self.details.end() {
                seen(Seen::Fact(fact));
            }
            let _ = seen;
        }
    }

    fn observe_alert(&mut self, body: &[u8], seen: &mut dyn FnMut(Seen)) {
        for byte in body {
            if let Some(place) = self.alert.get_mut(usize::from(self.alert_len)) {
                *place = *byte;
                self.alert_len += 1;
                if self.alert_len == 2 {
                    let [level, description] = self.alert;
                    seen(Seen::Fact(Fact::Alert(Alert {
                        from: self.from,
                        fatal: level == 2,
                        description,
                    })));
                }
            }
        }
    }
}
