//! As mqtt, and the server found by name: DNS, NAT64, the order of addresses, a race.
#![no_std]
#![no_main]

use core::{hint::black_box, time::Duration};

use cortex_m_rt::entry;
use size::{Socket, Ticks, random, run, talk, version};
use towpath::{
    embedded::{Connection, Error, Network, Timer, dial},
    proto::{
        Buffers, Client,
        client::Start,
        mqtt::packet::Connect,
        net::{Dialer, PrefixOrigin, dialer::Settings},
    },
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
    let mut dialer = Dialer::new(Settings::default().servers(&[([0xfd; 16], 53).into()]));
    if let Ok(prefix) = black_box("fd64::/96").parse() {
        dialer.learned(
            Ticks.now(),
            prefix,
            PrefixOrigin::ThreadNetworkData,
            Duration::MAX,
        );
    }
    let own = [black_box([0xfd; 16]).into()];
    let mut tcp = [Socket, Socket];
    let network = Network {
        tcp: &mut tcp,
        udp: &mut Socket,
        own: &own,
        buffer: client.rx_space(),
    };
    let mut draw = random;
    let host = black_box("broker.example");
    let socket = dial(&mut dialer, network, &Ticks, &mut draw, host, 1883)
        .await
        .map_err(Error::Path)?;
    let start = Start::new(Connect {
        version: version(),
        client_id: black_box("lamp-17"),
        ..Connect::default()
    });
    talk(Connection::open(&mut client, Socket, socket, Ticks, &start).await?).await
}

#[entry]
fn main() -> ! {
    run(program)
}
