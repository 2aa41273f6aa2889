//! Real TLS servers with certificates made for the test, in a network of the test's own, and towpath as their client.

pub mod apache;
mod client;
mod daemon;
pub mod front;
mod hand;
mod legacy;
pub mod mosquitto;
pub mod namespace;
pub mod nginx;
pub mod pki;
mod s_server;

pub use self::{
    client::{Cell, assert_cell, connect, connect_watched, exchange, options, tls},
    daemon::Daemon,
    legacy::Legacy,
    s_server::SServer,
};
