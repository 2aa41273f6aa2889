//! TLS as a toy: **no security whatsoever**. Keys are sums of what passes in clear, and nothing is verified.
//!
//! What it has in common with TLS is what a tap and a layer look at: records with their types and lengths, handshake
//! messages in clear up to ChangeCipherSpec, records that are 24 bytes longer than their plaintext afterwards (so a
//! HelloRequest shows as a handshake record of 28 bytes), alerts, renegotiation, and in TLS 1.3 authentication after
//! the handshake. Every changed bit is noticed: by the sum in each record, and by Finished for what passed in clear.
//!
//! [`Toy`] is the client, a back-end like any other; [`ToyServer`] is its peer.

mod client;
mod hello;
mod record;
mod server;

pub use client::{Toy, ToyProfile};
pub use record::OVERHEAD;
pub use server::{Refused, ToyServer, ToyTerms};

/// The suite that both pretend to use: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.
pub const SUITE_TLS12: u16 = 0xc02f;

/// The suite that both pretend to use in TLS 1.3: TLS_AES_128_GCM_SHA256.
pub const SUITE_TLS13: u16 = 0x1301;

/// Handshake message types beside those that `towpath_proto::tls::Message` names.
mod message {
    pub(super) const HELLO_REQUEST: u8 = 0;
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const NEW_SESSION_TICKET: u8 = 4;
    pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(super) const FINISHED: u8 = 20;
}
