//! Networks that nobody has to set up: namespaces made by the test itself, with real servers in them.
//!
//! ```text
//! device            router                              internet
//! IPv6 only   ──    tayga (NAT64), unbound (DNS64),  ── mosquitto, unbound (`lab.example`),
//!                   radvd, our own PREF64               IPv4 only
//! ```

mod broker;
mod cli;
mod daemon;
pub mod delay;
pub mod dns;
mod lab;
mod namespace;
pub mod nat64;
pub mod pref64;
mod prefix;
mod slaac;

pub use self::{
    broker::Broker,
    cli::{Failed, Outcome, program, towpath, towpath_with},
    daemon::Daemon,
    lab::{Internet, Lab, Reach, Setup, address, named, names_behind, url},
    namespace::Namespace,
    prefix::Prefix,
};
