//! Messages of each quality of service through a broker and back, over TCP. The board's address comes from DHCP.
//!
//! Settings in `device.cfg`: `host` (an IPv4 address), `port`, `attempts` until it gives up; those of [`exchange`].
#![no_std]
#![no_main]

mod network;

use core::{net::Ipv4Addr, time::Duration};

use embassy_executor::Spawner;
use exchange::Exchange;
use ladder::{Ladder, Way};
use mps2_an505::{exit, random, say, settings, stack};
use static_cell::ConstStaticCell;
use towpath::{
    Backoff, Fault, Reconnect,
    embedded::{Timer as _, embassy::Clock},
    proto::{Buffers, Client},
};

use self::network::Network;

/// The buffers of MQTT.
struct Room {
    rx: [u8; 1024],
    tx: [u8; 1024],
    store: [u8; 512],
}

static ROOM: ConstStaticCell<Room> = ConstStaticCell::new(Room {
    rx: [0; 1024],
    tx: [0; 1024],
    store: [0; 512],
});

/// Shorter than in the field, where a fleet comes back at once: here somebody waits for it.
const PAUSES: Reconnect = Reconnect::Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
    stable: Duration::from_secs(30),
};

#[cortex_m_rt::entry]
fn main() -> ! {
    mps2_an505::run(|spawner| spawner.spawn(publish(spawner).expect("its only one")))
}

#[embassy_executor::task]
async fn publish(spawner: Spawner) {
    let host = settings::parsed("host").unwrap_or(Ipv4Addr::new(10, 0, 2, 2));
    let port = settings::parsed("port").unwrap_or(1883);
    let ladder = Ladder::new(
        Clock,
        Way {
            host: settings::text("host").unwrap_or("10.0.2.2"),
            port,
            secured: false,
            target: None,
        },
    );
    let ended = run(spawner, (host, port), &ladder).await;
    say!("stack: {} bytes", stack::high_water());
    exit(ended.is_err().into())
}

/// Each fault is told as it comes; the last one ends it.
async fn run(
    spawner: Spawner,
    server: (Ipv4Addr, u16),
    ladder: &Ladder<Clock>,
) -> Result<(), Fault> {
    let room = ROOM.take();
    let buffers = Buffers {
        rx: &mut room.rx[..],
        tx: &mut room.tx[..],
        store: &mut room.store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random::next_u32);
    client.trace(true);
    let started = Network::start(spawner).await;
    let mut network = started.inspect_err(|fault| ladder.broke(fault))?;
    let (mut exchange, mut backoff) = (Exchange::read(), Backoff::new());
    let mut attempts: u32 = settings::parsed("attempts").unwrap_or(1);
    loop {
        let since = ladder.now();
        let once = async {
            let halves = network.connect(server, &mut client, ladder).await?;
            exchange.over(&mut client, halves, ladder).await
        };
        let Err(fault) = once.await else {
            network.close().await;
            return Ok(());
        };
        ladder.broke(&fault);
        attempts = attempts.saturating_sub(1);
        let held = ladder.now().since(since);
        let pause = backoff.pause(PAUSES, held, client.random());
        let Some(pause) = pause.filter(|_| attempts > 0) else {
            return Err(fault);
        };
        ladder.sleep_until(ladder.now().after(pause)).await;
    }
}
