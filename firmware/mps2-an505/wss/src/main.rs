//! A message through a broker and back over TLS, as `wss` or `mqtts`, with a client certificate that the server may ask
//! for by a renegotiation. The address comes from DHCP.
//!
//! Settings in `device.cfg`: `host`, `port`, `target` (the path of the upgrade; without it MQTT lies in TLS as it is),
//! `server` (the name in the server's certificate, `host` if it is left out), `client`, `topic`, `version` (`5` or
//! `3.1.1`), `renegotiation` (`once` or `never`), `attempts` until it gives up, `rounds` of the whole from connecting to
//! the farewell. Files beside it, in DER: `root.der`; `device.der` and `device.key` for a client certificate.
#![no_std]
#![no_main]

mod exchange;
mod network;
mod setup;
mod tls;

use core::{mem::MaybeUninit, time::Duration};

use embassy_executor::Spawner;
use embassy_time::Timer;
use ladder::Ladder;
use mps2_an505::{exit, heap, random, say, stack};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::{
    Backoff, Fault, Reconnect,
    embedded::embassy::Clock,
    proto::{Buffers, Client},
};

use crate::{network::Network, setup::Setup, tls::Kept};

/// What Mbed TLS gets: its two record buffers of 4 KiB, and certificates, keys and numbers of a handshake.
const HEAP: usize = 40 * 1024;

/// Between attempts; a tester does not wait as long as a device.
const PAUSES: Reconnect = Reconnect::Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
    stable: Duration::from_secs(30),
};

static MEMORY: ConstStaticCell<[MaybeUninit<u8>; HEAP]> =
    ConstStaticCell::new([MaybeUninit::uninit(); HEAP]);
static ROOM: ConstStaticCell<Room> = ConstStaticCell::new(Room::EMPTY);
static CLIENT: StaticCell<Session> = StaticCell::new();
static KEPT: ConstStaticCell<Kept> = ConstStaticCell::new(Kept::NOTHING);

/// The buffers of MQTT and of TLS records on their way. Before there is a connection, files are read into it.
struct Room {
    mqtt: [u8; 2560],
    records: [u8; 2048],
}

impl Room {
    const EMPTY: Self = Self {
        mqtt: [0; 2560],
        records: [0; 2048],
    };
}

/// The session over its buffers.
type Session = Client<&'static mut [u8], fn() -> u32>;

#[cortex_m_rt::entry]
fn main() -> ! {
    mps2_an505::run(|spawner| spawner.spawn(wss(spawner).expect("its only one")))
}

#[embassy_executor::task]
async fn wss(spawner: Spawner) {
    heap::init(MEMORY.take());
    let setup = Setup::read();
    let ladder = Ladder::new(Clock, setup.way);
    let ended = run(spawner, &setup, &ladder).await;
    if let Err(fault) = ended {
        ladder.broke(&fault);
    }
    let usage = heap::usage();
    say!("stack: {} bytes", stack::high_water());
    say!("heap: peak {} bytes", usage.peak);
    if usage.failed > 0 {
        say!("heap: {} requests failed", usage.failed);
    }
    exit(ended.is_err().into())
}

/// Before the first await, so that none of it is in the task.
#[inline(never)]
fn session(room: &'static mut [u8]) -> &'static mut Session {
    let (rx, rest) = room.split_at_mut_checked(1024).unwrap_or_default();
    let (tx, store) = rest.split_at_mut_checked(1024).unwrap_or_default();
    let buffers = Buffers {
        rx,
        tx,
        store,
        aliases: &mut [],
    };
    CLIENT.init_with(|| {
        let mut client = Client::new(buffers, random::next_u32 as fn() -> u32);
        client.trace(true);
        client
    })
}

async fn run(spawner: Spawner, setup: &Setup, ladder: &Ladder<Clock>) -> Result<(), Fault> {
    let room = ROOM.take();
    let materials = tls::materials(setup, &mut room.mqtt)?;
    let client = session(&mut room.mqtt);
    let mut network = Network::start(spawner).await?;
    let (kept, mut backoff) = (KEPT.take(), Backoff::new());
    let (mut rounds, mut attempts) = (setup.rounds, setup.attempts);
    loop {
        attempts = attempts.saturating_sub(1);
        let mut layer = tls::layer(&materials, &mut room.records, kept.session())?;
        let once = exchange::once(client, &mut layer, &mut network, setup, ladder, kept).await;
        match once {
            Ok(()) if rounds <= 1 => return Ok(()),
            Ok(()) => rounds -= 1,
            Err(fault) if attempts == 0 => return Err(fault),
            Err(fault) => {
                ladder.broke(&fault);
                let pause = backoff.pause(PAUSES, Duration::ZERO, client.random());
                let pause = pause.and_then(|pause| pause.try_into().ok());
                Timer::after(pause.unwrap_or_default()).await;
            }
        }
    }
}
