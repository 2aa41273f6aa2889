//! As mqtt, over WebSocket.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, Ticks, random, run, talk, version};
use towpath::{
    embedded::{Connection, Error},
    proto::{Buffers, Client, Upgrade, client::Start, mqtt::packet::Connect},
};

async fn program() -> Result<(), Error> {
    let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random);
    let mut start = Start::new(Connect {
        version: version(),
        client_id: black_box("lamp-17"),
        ..Connect::default()
    });
    start.upgrade = Some(Upgrade {
        host: black_box("broker.example"),
        target: black_box("/mqtt"),
        subprotocols: "mqtt",
        headers: &[],
    });
    talk(Connection::open(&mut client, Socket, Socket, Ticks, &start).await?).await
}

#[entry]
fn main() -> ! {
    run(program)
}
