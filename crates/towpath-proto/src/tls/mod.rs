//! The TLS rung: a back-end behind a small trait, what it is to offer and accept, and a tap that watches its records.
//!
//! Takes in records from the byte stream and plaintext from the rungs above; gives out the other of each, and facts. A
//! [`Tls`] is one connection of some library. [`Layer`] drives it for a [`Client`](crate::client::Client): it climbs
//! the rung, decides which renegotiation is allowed, and finds the cause when the path breaks here.
//!
//! Clauses: RFC 5246 (TLS 1.2), RFC 8446 (TLS 1.3), RFC 5746 (secure renegotiation), RFC 6066 (server name, maximum
//! fragment length), RFC 7301 (ALPN).

mod above;
pub mod alert;
#[cfg(feature = "tls-details")]
mod details;
mod fact;
mod layer;
mod profile;
#[cfg(feature = "tls-details")]
mod suites;
mod tap;
mod verdict;

pub use above::Above;
pub use alert::Alert;
pub use fact::{Fact, Hello, Message, PublicKey, Side};
pub use layer::Layer;
pub use profile::{
    Capabilities, Clock, Identity, Profile, Renegotiation, Roots, Version, Versions, is_key_uri,
};
#[cfg(feature = "tls-details")]
pub use suites::{suite_like, suite_name, suite_number};
pub use tap::{Seen, Tap};
pub use verdict::{Stage, fault_of_alert};

use crate::fault::Fault;

/// One connection of a TLS library, as a client, without I/O.
///
/// The driver law holds: mutate ([`commit`](Self::commit), [`write`](Self::write) ...), then send what is
/// [`sendable`](Self::sendable). Nothing here waits, and nothing looks at a socket.
///
/// After an `Err` the connection is finished, but what is sendable (an alert) should still leave.
pub trait Tls {
    /// Room for records received from the peer. Empty while the back-end has to work off what it has. Asked again
    /// before [`commit`](Self::commit) it answers the same room with the same bytes in it.
    fn rx_space(&mut self) -> &mut [u8];

    /// `n` bytes were received into [`rx_space`](Self::rx_space).
    fn commit(&mut self, n: usize);

    /// Records that wait to be sent.
    fn sendable(&self) -> &[u8];

    /// `n` bytes of what was sendable were sent.
    fn transmitted(&mut self, n: usize);

    /// [`rx_space`](Self::rx_space) and [`sendable`](Self::sendable), for a driver that waits for both directions at
    /// once.
    fn both_ways(&mut self) -> (&mut [u8], &[u8]);

    /// Goes on with the first handshake as far as the received records allow. True once it is complete.
    ///
    /// # Errors
    /// A fault on [`Rung::Tls`](crate::Rung::Tls), with the alert if one was sent or received.
    fn handshake(&mut self) -> Result<bool, Fault>;

    /// Decrypts the next bytes into `space` and says how many they are; 0: records have to come first. A renegotiation
    /// that is allowed, a session ticket or a request after the handshake are worked off in here. Gives bytes of at
    /// most one record, so that what they mean is known before the next one is read.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake). The peer's close_notify is [`Code::Closed`](crate::Code::Closed).
    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault>;

    /// Encrypts some of `plain` and says how many bytes; 0: what is sendable has to leave first, or a renegotiation is
    /// under way.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake).
    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault>;

    /// Whether a renegotiation that the peer asks for from now on is to be done, or answered with the warning
    /// `no_renegotiation` (RFC 5746 section 4.5, RFC 5246 section 7.2.2). It is off at the start.
    fn allow_renegotiation(&mut self, allowed: bool);

    /// Whether a renegotiation is under way: asked for by the peer, taken up and not complete.
    fn is_renegotiating(&self) -> bool;

    /// What was agreed. `None` before the first handshake is complete.
    fn agreed(&self) -> Option<Agreed>;

    /// Says close_notify, as far as there is room. Nothing can be written afterwards.
    fn close(&mut self);

    /// The next fact that the library tells: handshake messages, alerts, certificates inside encrypted records. Of one
    /// side's messages it tells all or none, so that those which the [`Tap`] sees in clear too count once. Bounded; the
    /// oldest are dropped.
    fn next_fact(&mut self) -> Option<Fact>;

    /// The number by which this library calls an end of the stream, for who compares with a device's log; 0: none.
    fn end_of_stream(&self) -> u32 {
        0
    }

    /// Hands each certificate that the server showed last to `keep`, in DER, the leaf first, whether it was accepted or
    /// not. None where [`Profile::keep_chain`] is off, or the back-end has no memory for them.
    fn server_chain(&self, keep: &mut dyn FnMut(&[u8])) {
        let _ = keep;
    }

    /// Hands a session to resume later ([`Profile::session`]) to `keep`, if there is one newer than the last time; in
    /// the library's own format. The bytes hold secrets: keep them like a key.
    fn take_session(&mut self, keep: &mut dyn FnMut(&[u8])) {
        let _ = keep;
    }
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The protocol version.
    pub version: Version,
    /// The cipher suite's number in the IANA registry, such as 0xc02f.
    pub suite: u16,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Whether both sides speak RFC 5746. Without it no renegotiation is done. Always true in TLS 1.3, which has none.
    pub secure_renegotiation: bool,
    /// Whether the peer chose an application protocol (ALPN).
    pub alpn: bool,
    /// Whether the server asked for the client's certificate in the first handshake.
    pub certificate_requested: bool,
}
