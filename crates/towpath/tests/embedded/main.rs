//! The face for microcontrollers against a peer in memory, on simulated time, with futures dropped at every await point.

mod delivery;
mod dial;
mod drops;
mod ends;
mod faults;
mod hub;
mod network;
mod secured;
mod tunnel;
mod world;

use towpath::{
    Outgoing, QoS, TopicName, Version,
    proto::{Client, client::Start, mqtt::packet::Connect},
};
use towpath_sim::{Memory, Rng, Script};

use world::World;

const BOTH: [Version; 2] = [Version::V311, Version::V5];

type Device = Client<Memory, Rng>;

/// A client with the memory of a small device.
fn device() -> Device {
    Client::new(Memory::device(512, 1024, 2048, 64), Rng::new(7))
}

fn start(version: Version, ws: bool) -> Start<'static> {
    let mut start = Start::new(Connect {
        version,
        client_id: "c",
        clean_start: false,
        ..Connect::default()
    });
    start.upgrade = ws.then_some(Script::UPGRADE);
    start
}

fn message(payload: &[u8], qos: QoS) -> Outgoing<'_> {
    Outgoing::new(TopicName::new("a/b").unwrap(), payload, qos)
}

/// A connection on which nothing goes wrong, with the other settings of `world`.
fn open<'a>(world: &'a World, client: &'a mut Device, start: &Start<'_>) -> world::Connected<'a> {
    world.open(start.upgrade.is_some());
    let (reader, writer) = world.halves();
    let opening = towpath::embedded::Connection::open(client, reader, writer, world, start);
    let connection = world.run(opening).expect("CONNACK");
    assert!(connection.is_connected());
    connection
}
