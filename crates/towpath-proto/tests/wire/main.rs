//! The session as a dialogue on the wire: `send` is what the server sends, `recv` what it receives. The bytes are in the
//! notation of `towpath_sim::hex`: `<a/b>` is a string with its length, `[ ]` a part with its length in front.

mod alias;
mod auth;
mod connect;
mod keep_alive;
mod limits;
mod pipeline;
mod poll;
mod qos;
mod resume;
mod subscribe;
mod tls;
mod websocket;

use towpath_proto::{
    client::{Outgoing, Start},
    mqtt::{
        QoS, Version,
        packet::{Connect, PacketId},
        topic::TopicName,
    },
};
use towpath_sim::{Memory, Script};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// The empty property list of MQTT 5; nothing in 3.1.1.
const fn none(version: Version) -> &'static str {
    match version {
        Version::V311 => "",
        Version::V5 => "[]",
    }
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

/// A message to `a/b`.
fn message(payload: &[u8], qos: QoS) -> Outgoing<'_> {
    Outgoing::new(TopicName::new("a/b").expect("a topic"), payload, qos)
}

/// CONNECT for a session that is to last.
fn lasting(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: false,
        client_id: "boat",
        ..Connect::default()
    }
}

/// A client that has sent CONNECT for a session that is to last, which the server has read.
fn begun(version: Version) -> Script {
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(lasting(version)));
    script.take_received();
    script
}

/// The same, accepted.
fn connected(version: Version) -> Script {
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(lasting(version)));
    script.accept(version, false, "");
    script
}
