//! The TLS rung of towpath on Mbed TLS 3.6: the same code for a host and for a microcontroller.
//!
//! Takes in a [`Profile`](towpath_proto::tls::Profile), records and plaintext, and gives out the other of each: a
//! [`Connection`] is a [`Tls`](towpath_proto::tls::Tls). A [`Context`] is a profile made ready, to be shared.
//!
//! Memory comes from Mbed TLS's allocator, which is `calloc` and `free` of the C library; Rust's is not needed. The two
//! buffers for records are the caller's. On a device [`set_random`] comes first, a clock has to be given in the profile,
//! and all connections have to be used in one task at a time: another one is told so by a fault, nothing else happens.
//! The application has to have an implementation of the crate `critical-section`.
//!
//! The sizes of buffers are fixed when Mbed TLS is built, with the features `in-4096` and the like. Mbed TLS was built
//! without a clock, so certificates are checked against the profile's clock here.
//!
//! All `unsafe` of towpath's Mbed TLS is in this crate. It rests on three rules:
//!
//! - Whatever Mbed TLS keeps a pointer to lies in memory of its own allocator and stays there (`mem.rs`).
//! - Every call holds the guard (`guard.rs`): the library itself has no locks.
//! - While a call runs, nothing that its callbacks use is borrowed (`connection.rs`).

#![cfg_attr(not(any(feature = "std", test)), no_std)]

mod connection;
mod context;
mod facts;
mod faults;
mod guard;
mod lines;
mod mem;
mod names;
mod pipes;
mod random;
mod rs256;
mod session;
mod setup;
mod verify;

pub use connection::Connection;
pub use context::Context;
pub use random::{Random, set_random};
pub use rs256::rs256;

use mbedtls_rs_sys as sys;
use towpath_proto::tls::{Capabilities, Version, Versions};

/// What this back-end can do, as it was built.
#[must_use]
pub const fn capabilities() -> Capabilities {
    Capabilities {
        name: "Mbed TLS",
        versions: Versions {
            min: Version::Tls12,
            max: if cfg!(feature = "tls13") {
                Version::Tls13
            } else {
                Version::Tls12
            },
        },
        renegotiation: true,
        post_handshake_auth: false,
        max_fragment: true,
        resumption: true,
        system_roots: false,
        encrypted_keys: cfg!(feature = "encrypted-keys"),
        token_keys: false,
        record_buffer: sys::MBEDTLS_SSL_IN_CONTENT_LEN as u16,
        // A message is put together in the buffer of a record, its head of four bytes included.
        handshake_buffer: sys::MBEDTLS_SSL_IN_CONTENT_LEN - 4,
    }
}
