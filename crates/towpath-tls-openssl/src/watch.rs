//! What OpenSSL tells about one connection while it works.
//!
//! Takes in every handshake message and alert of both sides, the result of each step of the verification, and
//! sessions; gives out facts, the evidence for a fault, and a no to a server that changes its certificate.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use openssl::{
    error::ErrorStack,
    ex_data::Index,
    pkey::Id,
    ssl::{Ssl, SslRef, SslSession},
    x509::{X509, X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult},
};
use towpath_proto::tls::{Alert, Fact, Message, PublicKey, Side, Stage};

use crate::cause;

/// How many facts are kept until they are taken.
const KEPT: usize = 64;

/// Content types of `SSL_CTX_set_msg_callback`.
const ALERT: i32 = 21;
const HANDSHAKE: i32 = 22;

const TLS_1_3: i32 = 0x0304;

pub(crate) type Shared = Arc<Mutex<Watch>>;

/// What was seen of one connection.
#[derive(Default)]
pub(crate) struct Watch {
    facts: VecDeque<Fact>,
    /// How far the handshakes came.
    pub(crate) stage: Stage,
    /// The fatal alert, of either side.
    pub(crate) alert: Option<Alert>,
    /// The peer said close_notify.
    pub(crate) closed: Option<Alert>,
    /// Why the server's certificate was refused.
    pub(crate) refused: Option<cause::Refusal>,
    /// How many certificates the server showed last.
    shown: usize,
    /// These themselves, in DER, where somebody wants to see them.
    chain: Option<Vec<Vec<u8>>>,
    /// The server's certificate of the first handshake; `None` until that is complete.
    first: Option<X509>,
    /// A renegotiation came with another one.
    pub(crate) impostor: bool,
    /// The server finished a handshake after the first one, and its certificate was not compared since.
    again: bool,
    /// The server sent a handshake message after the first handshake.
    later: bool,
    session: Option<SslSession>,
}

/// A watch over a new connection. `keep_chain`: it keeps the server's certificates.
pub(crate) fn shared(keep_chain: bool) -> Shared {
    Arc::new(Mutex::new(Watch {
        chain: keep_chain.then(Vec::new),
        ..Watch::default()
    }))
}

/// The place of a [`Watch`] in OpenSSL's object.
pub(crate) fn index() -> Result<Index<Ssl, Shared>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Shared>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    // Two threads may both come here: one index stays unused then.
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

/// The watch, also after a panic elsewhere: its parts don't depend on each other.
pub(crate) fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of(ssl: &SslRef) -> Option<&Shared> {
    ssl.ex_data(index().ok()?)
}

/// Whether content of this type is of interest. Heads of records and other pseudo types come by far most often.
pub(crate) const fn is_watched(kind: i32) -> bool {
    matches!(kind, ALERT | HANDSHAKE)
}

/// A message or an alert passed, in clear.
pub(crate) fn message(ssl: &SslRef, sent: bool, version: i32, kind: i32, bytes: &[u8]) {
    let from = if sent { Side::Client } else { Side::Server };
    let Some(watch) = of(ssl) else { return };
    let mut watch = lock(watch);
    match (kind, bytes) {
        (ALERT, &[level, description, ..]) => {
            // TLS 1.3 knows the level no more: RFC 8446 section 6.
            let fatal = level == 2 || (version == TLS_1_3 && !matches!(description, 0 | 90));
            watch.alert(Alert {
                from,
                fatal,
                description,
            });
        }
        (HANDSHAKE, &[kind, _, _, _, ref body @ ..]) => {
            watch.handshake(from, Message(kind), version == TLS_1_3, body);
        }
        _ => {}
    }
}

/// A step of the verification of the server's chain, from the root to the leaf. The answer ends the handshake or lets
/// it go on; it is never better than OpenSSL's own.
pub(crate) fn verify(good: bool, store: &mut X509StoreContextRef) -> bool {
    let Some(watch) = X509StoreContext::ssl_idx()
        .ok()
        .and_then(|index| store.ex_data(index))
        .and_then(|ssl: &SslRef| of(ssl))
        .cloned()
    else {
        store.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
        return false;
    };
    let mut watch = lock(&watch);
    if !good {
        let shown = watch.shown;
        let leaf = store.chain().and_then(|chain| chain.get(0));
        watch.impostor |= !watch.is_same(leaf);
        watch
            .refused
            .get_or_insert_with(|| cause::Refusal::of(store, shown));
        return false;
    }
    let leaf = store.error_depth() == 0;
    if leaf && !watch.is_same(store.current_cert()) {
        watch.impostor = true;
        store.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
        return false;
    }
    true
}

/// The server gave a session.
pub(crate) fn session(ssl: &SslRef, session: SslSession) {
    if let Some(watch) = of(ssl) {
        let mut watch = lock(watch);
        watch.session = Some(session);
        watch.tell(Fact::Ticket);
    }
}

impl Watch {
    fn tell(&mut self, fact: Fact) {
        if self.facts.len() == KEPT {
            self.facts.pop_front();
        }
        self.facts.push_back(fact);
    }

    /// The next fact, the oldest first.
    pub(crate) fn next_fact(&mut self) -> Option<Fact> {
        let fact = self.facts.pop_front();
        if fact.is_none() {
            // An idle connection has nothing to tell for hours.
            self.facts = VecDeque::new();
        }
        fact
    }

    /// The certificates that the server showed last, the leaf first; none if they are not kept.
    pub(crate) fn server_chain(&self) -> &[Vec<u8>] {
        self.chain.as_deref().unwrap_or_default()
    }

    /// The session that came last, once.
    pub(crate) fn take_session(&mut self) -> Option<SslSession> {
        self.session.take()
    }

    fn alert(&mut self, alert: Alert) {
        if alert.fatal {
            self.alert = Some(alert);
        } else if alert.description == 0 && alert.from == Side::Server {
            self.closed = Some(alert);
        }
        self.tell(Fact::Alert(alert));
    }

    fn handshake(&mut self, from: Side, message: Message, tls13: bool, body: &[u8]) {
        self.tell(Fact::Handshake {
            from,
            message,
            len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        });
        self.later |= from == Side::Server && self.first.is_some();
        match (from, message) {
            (Side::Server, Message::SERVER_HELLO) => self.stage.server_hello = true,
            (Side::Server, Message::CERTIFICATE_REQUEST) => {
                self.stage.certificate_requested = true;
            }
            (Side::Server, Message::FINISHED) => self.again = self.first.is_some(),
            (_, Message::CERTIFICATE) => self.chain(from, tls13, body),
            _ => {}
        }
    }

    fn chain(&mut self, from: Side, tls13: bool, body: &[u8]) {
        let certificates = certificates(tls13, body).count();
        match from {
            Side::Server => {
                self.shown = certificates;
                if let Some(chain) = &mut self.chain {
                    *chain = self::certificates(tls13, body)
                        .map(<[u8]>::to_vec)
                        .collect();
                }
            }
            Side::Client => self.stage.certificate_sent |= certificates > 0,
        }
        // In the first handshake of TLS 1.2 it is in clear, and a tap tells it.
        if !tls13 && self.first.is_none() {
            return;
        }
        let leaf = certificates_leaf(tls13, body);
        self.tell(Fact::Chain {
            from,
            certificates: u8::try_from(certificates).unwrap_or(u8::MAX),
            len: u32::try_from(body.len()).unwrap_or(u32::MAX),
            key: leaf.as_ref().and_then(|leaf| key_of(leaf)),
        });
    }

    /// The first handshake is complete: from now on the server stays who it is.
    pub(crate) fn opened(&mut self, peer: Option<X509>) {
        self.first = peer;
        self.again = false;
    }

    /// Whether the server sent a handshake message after the first handshake, since the last look.
    pub(crate) fn take_later(&mut self) -> bool {
        core::mem::take(&mut self.later)
    }

    fn is_same(&self, now: Option<&X509Ref>) -> bool {
        let Some(first) = &self.first else {
            return true;
        };
        let (Some(now), Ok(first)) = (now, first.to_der()) else {
            return false;
        };
        now.to_der().is_ok_and(|now| now == first)
    }

    /// Whether the server's certificate has to be compared: a handshake after the first one is complete. One that
    /// resumes a session verifies no chain, so [`verify`] does not see it.
    pub(crate) fn take_again(&mut self) -> bool {
        core::mem::take(&mut self.again)
    }

    /// Compares the certificate of a later handshake with that of the first.
    pub(crate) fn compare(&mut self, peer: Option<&X509Ref>) -> bool {
        let same = self.is_same(peer);
        self.impostor |= !same;
        same
    }
}

/// The certificates of a Certificate message: RFC 5246 section 7.4.2, RFC 8446 section 4.4.2. Ends where the message
/// is broken; OpenSSL refuses it then.
fn certificates(tls13: bool, body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = if tls13 {
        split(body, 1).map(|(_context, rest)| rest)
    } else {
        Some(body)
    }
    .and_then(|rest| split(rest, 3))
    .map_or(&[][..], |(list, _)| list);
    std::iter::from_fn(move || {
        let (certificate, mut rest) = split(list, 3)?;
        if tls13 {
            (_, rest) = split(rest, 2)?;
        }
        list = rest;
        Some(certificate)
    })
}

fn certificates_leaf(tls13: bool, body: &[u8]) -> Option<X509> {
    let leaf = certificates(tls13, body).next()?;
    let parsed = X509::from_der(leaf);
    if parsed.is_err() {
        // OpenSSL looks into its queue after this callback.
        drop(ErrorStack::get());
    }
    parsed.ok()
}

/// Splits off a field with its length of `head` bytes in front.
fn split(bytes: &[u8], head: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(head)?;
    let len = len
        .iter()
        .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(len)
}

/// The kind and size of a certificate's key.
fn key_of(certificate: &X509Ref) -> Option<PublicKey> {
    let key = certificate.public_key().ok()?;
    let bits = u16::try_from(key.bits()).unwrap_or(u16::MAX);
    Some(match key.id() {
        Id::RSA | Id::RSA_PSS => PublicKey::Rsa(bits),
        Id::EC => PublicKey::Ec(bits),
        Id::ED25519 => PublicKey::Ed25519,
        _ => PublicKey::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_message_is_taken_apart_however_it_ends() {
        let old = [0, 0, 9, 0, 0, 2, 1, 2, 0, 0, 1, 3];
        let parts: Vec<_> = certificates(false, &old).collect();
        assert_eq!(parts, [&[1, 2][..], &[3]]);
        let new = [1, 9, 0, 0, 14, 0, 0, 2, 1, 2, 0, 1, 7, 0, 0, 1, 3, 0, 0];
        let parts: Vec<_> = certificates(true, &new).collect();
        assert_eq!(parts, [&[1, 2][..], &[3]]);
        for message in [&old[..], &new] {
            for tls13 in [false, true] {
                for len in 0..message.len() {
                    let cut = message.get(..len).unwrap_or_default();
                    assert!(certificates(tls13, cut).count() <= 2);
                }
            }
        }
        assert_eq!(certificates(false, &[0, 0, 0]).count(), 0);
        assert_eq!(certificates(true, &[0, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn the_oldest_facts_are_dropped() {
        let mut watch = Watch::default();
        for number in 0..100 {
            watch.message(number);
        }
        let mut kept = Vec::new();
        while let Some(Fact::Handshake { len, .. }) = watch.next_fact() {
            kept.push(len);
        }
        assert_eq!(kept, (36..100).collect::<Vec<_>>());
    }

    impl Watch {
        fn message(&mut self, len: u8) {
            let body = vec![0; usize::from(len)];
            self.handshake(Side::Server, Message::NEW_SESSION_TICKET, true, &body);
        }
    }
}
