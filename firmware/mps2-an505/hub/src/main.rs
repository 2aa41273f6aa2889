//! A device of Azure IoT Hub: it is provisioned, reports its twin, answers methods, and sends telemetry from an outbox
//! that a cut of power does not empty.
//!
//! Takes in `device.cfg` (`settings.rs` has the keys) and files of keys and certificates; gives out the ladder of each
//! climb and a line for what happens. The method `stop` ends it with status 0.
#![no_std]
#![no_main]

mod access;
mod app;
mod clock;
mod net;
mod settings;
mod update;

use core::{cell::Cell, mem::MaybeUninit};

use embassy_executor::Spawner;
use embassy_futures::select::{Either3, select3};
use embassy_net::udp::PacketMetadata;
use mps2_an505::{exit, flash, heap, random, say, stack};
use static_cell::ConstStaticCell;
use towpath::{
    Fault,
    azure::Stop,
    embedded::hub::{Commands, Event, Hub},
    outbox::{Bounds, flash::FlashOutbox},
    proto::Buffers,
};

use self::{
    access::{Network, Pending, Room},
    app::App,
    clock::Wall,
};

/// For Mbed TLS: a connection with the hub and one with a server of images.
static HEAP: ConstStaticCell<[MaybeUninit<u8>; 72 << 10]> =
    ConstStaticCell::new([MaybeUninit::uninit(); 72 << 10]);
static RX: ConstStaticCell<[u8; 8192]> = ConstStaticCell::new([0; 8192]);
static TX: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static STORE: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);
static ROOMS: ConstStaticCell<[Room; 2]> = ConstStaticCell::new([Room::NEW; 2]);
static PENDING: ConstStaticCell<[Pending; 2]> =
    ConstStaticCell::new([[[PacketMetadata::EMPTY; 2]; 2]; 2]);
static OUTBOX: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);

#[mps2_an505::entry]
fn main() -> ! {
    heap::init(HEAP.take());
    towpath_tls_mbed::set_random(|room| {
        random::fill(room);
        true
    });
    mps2_an505::run(|spawner| spawner.spawn(hub(spawner).expect("its only one")))
}

#[embassy_executor::task]
async fn hub(spawner: Spawner) {
    let stop = run(spawner).await;
    say!("stack: {} bytes", stack::high_water());
    let heap::Usage { now, peak, failed } = heap::usage();
    say!("heap: peak {peak} bytes, {now} in use, {failed} failed");
    match stop {
        Ok(Stop::Asked) => exit(0),
        Ok(Stop::Fault(fault)) | Err(fault) => {
            say!("{fault}");
            exit(1)
        }
    }
}

async fn run(spawner: Spawner) -> Result<Stop, Fault> {
    let options = settings::read();
    let stack = net::up(spawner).await?;
    let clock = Wall::new();
    let [room, room_for_images] = ROOMS.take();
    let [pending, pending_for_images] = PENDING.take();
    let mut network = Network::new(stack, (room, pending), &options, &clock);
    let mut images = Network::new(
        stack,
        (room_for_images, pending_for_images),
        &options,
        &clock,
    );
    let mut slot = update::slot();
    let updater = update::updater(&mut slot).await?;
    say!("version: {}", update::version());

    let region = 0..flash::OUTBOX.end - flash::OUTBOX.start;
    let part = flash::Part::new(flash::OUTBOX);
    let outbox = FlashOutbox::open(part, region, Bounds::default(), OUTBOX.take());
    let outbox = outbox.await.map_err(settings::unusable)?;
    say!("outbox: {} messages wait", outbox.len());
    let commands = Commands::<_>::new(outbox);

    let buffers = Buffers {
        rx: &mut RX.take()[..],
        tx: &mut TX.take()[..],
        store: &mut STORE.take()[..],
        aliases: &mut [][..],
    };
    let random: fn() -> u32 = random::next_u32;
    let mut hub = Hub::<_>::new(options.device(), None, buffers, random);
    hub.trace(true);

    let app = App {
        commands: &commands,
        clock: &clock,
        online: Cell::new(false),
    };
    let told = |event: Event<'_>| {
        updater.take(app.now(), &event);
        app.told(event);
    };
    let work = app.work(&options);
    let updates = update::run(&updater, &mut slot, (&mut images, &clock), &commands);
    let run = hub.run(&mut network, &clock, &commands, told);
    match select3(run, updates, work).await {
        Either3::First(stop) => Ok(stop),
        Either3::Second(()) => {
            say!("restart");
            mps2_an505::reset()
        }
        Either3::Third(never) => match never {},
    }
}
