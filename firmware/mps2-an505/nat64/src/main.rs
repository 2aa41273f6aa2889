//! From IPv6 only to brokers with IPv4 only, by name and by address, through a NAT64. The board's address comes from
//! SLAAC, DNS servers and NAT64 prefixes from router advertisements; where these name no prefix, it is asked for by DNS
//! (RFC 7050).
//!
//! Settings in `device.cfg`: `hosts` (names or addresses, with blanks between them, one after the other), `port`, `dns`
//! (the address of a server, which takes the place of advertised ones), `attempts` for each host; those of [`exchange`].
#![no_std]
#![no_main]

mod advertisement;
mod network;

use core::time::Duration;

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

/// The buffers of MQTT. The one for receiving is also where answers of DNS come in.
struct Room {
    rx: [u8; 2048],
    tx: [u8; 1024],
    store: [u8; 512],
}

static ROOM: ConstStaticCell<Room> = ConstStaticCell::new(Room {
    rx: [0; 2048],
    tx: [0; 1024],
    store: [0; 512],
});

/// Shorter than in the field, where a fleet comes back at once: here somebody waits for it.
const PAUSES: Reconnect = Reconnect::Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
    stable: Duration::from_secs(30),
};

/// The session over its buffers.
type Session = Client<&'static mut [u8], fn() -> u32>;

#[cortex_m_rt::entry]
fn main() -> ! {
    mps2_an505::run(|spawner| spawner.spawn(nat64(spawner).expect("its only one")))
}

#[embassy_executor::task]
async fn nat64(spawner: Spawner) {
    let ended = run(spawner).await;
    say!("stack: {} bytes", stack::high_water());
    exit(ended.is_err().into())
}

/// Each fault is told as it comes; the last one ends it.
async fn run(spawner: Spawner) -> Result<(), Fault> {
    let room = ROOM.take();
    let buffers = Buffers {
        rx: &mut room.rx[..],
        tx: &mut room.tx[..],
        store: &mut room.store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random::next_u32 as fn() -> u32);
    client.trace(true);
    let mut network = Network::start(spawner).await.inspect_err(|f| say!("{f}"))?;
    let port = settings::parsed("port").unwrap_or(1883);
    for host in settings::text("hosts").unwrap_or_default().split(' ') {
        let way = Way {
            host,
            port,
            secured: false,
            target: None,
        };
        reach(&mut client, &mut network, way).await?;
    }
    Ok(())
}

/// The messages of [`exchange`] with this host.
async fn reach(client: &mut Session, network: &mut Network, way: Way) -> Result<(), Fault> {
    let ladder = Ladder::new(Clock, way);
    let (mut exchange, mut backoff) = (Exchange::read(), Backoff::new());
    let mut attempts: u32 = settings::parsed("attempts").unwrap_or(1);
    loop {
        let since = ladder.now();
        let once = async {
            let tcp = network.dial(client, &ladder, &way).await?;
            exchange.over(client, tcp.0.split(), &ladder).await?;
            network::close(tcp).await;
            Ok(())
        };
        let Err(fault) = once.await else {
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
