//! OpenSSL as a TLS back-end of towpath.
//!
//! Takes in a [`Profile`](towpath_proto::tls::Profile) and records from the peer; gives out records, plaintext, facts
//! and faults. A [`Context`] is made once per profile and read-only afterwards; each attempt gets a [`Connection`]
//! from it, which is a [`Tls`](towpath_proto::tls::Tls) over memory: no socket, no waiting.
//!
//! The peer's certificate is always verified, by chain, purpose, name and date, and there is no switch for that.
//! Security level 2 of OpenSSL holds even where the system's is lower: RSA of 2048 bits, no SHA-1 in certificates.
//!
//! Clauses: RFC 5246 (TLS 1.2), RFC 8446 (TLS 1.3), RFC 5746 (secure renegotiation), RFC 6066 (server name, maximum
//! fragment length), RFC 7301 (ALPN).

mod cause;
pub mod certificate;
mod connection;
mod context;
mod ffi;
mod material;
mod names;
mod pipe;
pub mod server;
mod session;
mod token;
mod watch;

pub use certificate::rs256;
pub use connection::Connection;
pub use context::Context;

use towpath_proto::tls::{Capabilities, Versions};

/// What this back-end can do.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        name: "OpenSSL",
        versions: Versions::BOTH,
        renegotiation: true,
        post_handshake_auth: true,
        max_fragment: true,
        resumption: true,
        system_roots: true,
        encrypted_keys: true,
        token_keys: true,
        record_buffer: 16384,
        // OpenSSL's own limit for a Certificate message, 100 KiB.
        handshake_buffer: 100 * 1024,
    }
}
