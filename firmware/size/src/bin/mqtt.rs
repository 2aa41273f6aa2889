//! The MQTT client in both versions, with QoS 0, 1 and 2, over the embedded face.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, Ticks, random, run, talk, version};
use towpath::{
    embedded::{Connection, Error},
    proto::{Buffers, Client, client::Start, mqtt::packet::Connect},
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
    let start = Start::new(Connect {
        version: version(),
        client_id: black_box("lamp-17"),
        ..Connect::default()
    });
    talk(Connection::open(&mut client, Socket, Socket, Ticks, &start).await?).await
}

#[entry]
fn main() -> ! {
    run(program)
}
