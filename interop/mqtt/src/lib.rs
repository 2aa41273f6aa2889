//! A mosquitto of one's own, clients that wait for conditions, and a relay that breaks connections: what the tests
//! against a real broker share.

mod broker;
mod daemon;
mod peer;
mod port;
mod relay;
mod seeded;
mod way;

pub use self::{
    broker::{Broker, Setup},
    daemon::{Folder, program, run},
    peer::{Peer, Source, described, wait_for},
    port::Port,
    relay::Relay,
    seeded::Seeded,
    way::{Via, Way, short},
};
