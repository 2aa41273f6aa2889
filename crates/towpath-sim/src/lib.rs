//! A client and its surroundings on simulated time: no socket, no clock, no thread, and the same run for the same seed.
//!
//! - [`Link`] carries bytes between two ends and can chunk, delay, cut, stall and flip them.
//! - [`Server`] is a small, strict MQTT server that panics when the client breaks a rule of the specification.
//! - [`Front`] puts TLS in front of it, as far as [`Toy`] goes.
//! - [`Pair`] ties a client, a link and a server together and moves time.
//! - [`dns`] has messages as a DNS server reads and writes them.
//! - [`Script`] plays the server by hand, so that a test reads as a dialogue on the wire.

pub mod dns;
mod front;
mod hex;
mod link;
mod log;
mod memory;
mod pair;
mod rng;
mod script;
mod seen;
pub mod server;
mod toy;

pub use front::Front;
pub use hex::{hex, show};
pub use link::{Chunks, Direction, Link, Weather};
pub use log::Log;
pub use memory::Memory;
pub use pair::Pair;
pub use rng::Rng;
pub use script::{Asks, Script, Security};
pub use seen::{Arrived, Inbox, Seen};
pub use server::{Heard, Server, Terms};
pub use toy::{OVERHEAD, Refused, SUITE_TLS12, SUITE_TLS13, Toy, ToyProfile, ToyServer, ToyTerms};
