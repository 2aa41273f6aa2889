//! The sans-I/O core of towpath: one ladder from the TCP byte stream to acknowledged MQTT messages.
//!
//! `no_std`, no allocation, no `unsafe`, no clock, no socket. Callers give buffers, bytes and the time;
//! they take bytes to send, [`Event`]s for the application and [`Trace`]s for the doctor.
//!
//! The driver law: mutate (`commit`, a command, `handle_timeout`), then drain
//! [`poll_output`](client::Client::poll_output) until it says `Wait`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "tls-details")]
extern crate alloc;

pub mod backoff;
pub mod buffers;
pub mod bytes;
pub mod client;
pub mod event;
pub mod fault;
pub mod http;
#[cfg(feature = "defmt")]
mod interned;
pub mod mqtt;
pub mod net;
pub mod path;
pub mod proxy;
pub mod rung;
pub mod text;
pub mod time;
pub mod tls;
pub mod trace;
pub mod ws;

pub use backoff::{Backoff, Reconnect};
pub use buffers::{Buffer, Buffers, Random};
pub use client::{Client, Output, Ready};
pub use event::Event;
pub use fault::{Blame, Code, Fault};
pub use path::{Reason, Upgrade};
pub use rung::Rung;
pub use time::Instant;
pub use trace::{Fact, Trace};
