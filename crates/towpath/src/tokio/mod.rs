//! The faces for tokio.
//!
//! [`Connection`] is driven by whoever calls [`next`](Connection::next): no task, no lock, no channel.
//! [`Client`] is a handle that can be cloned; a task drives the connection behind it.

mod client;
mod connection;
mod dial;
mod link;
#[cfg(feature = "azure")]
mod open;
mod query;
mod tunnel;

pub use client::{Client, Events, Receipt};
pub use connection::Connection;
pub(crate) use dial::{Sockets, resolve};
#[cfg(feature = "azure")]
pub(crate) use open::{Known, Way, open};
