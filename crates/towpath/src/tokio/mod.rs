//! The faces for tokio.
//!
//! [`Connection`] is driven by whoever calls [`next`](Connection::next): no task, no lock, no channel.
//! [`Client`] is a handle that can be cloned; a task drives the connection behind it.

mod client;
mod connection;
mod link;

pub use client::{Client, Events, Receipt};
pub use connection::Connection;
