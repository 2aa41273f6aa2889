//! Telemetry of an nRF52840: its temperature into the outbox in its flash, from there over Thread, and through NAT64 if
//! the broker has IPv4 only, to an MQTT broker. What happens is said over RTT. README.md has the settings.
#![no_std]
#![no_main]

mod flash;
mod random;
mod thread;

use core::time::Duration;

use defmt_rtt as _;
use embassy_executor::{InterruptExecutor, Spawner};
use embassy_futures::join::join;
use embassy_nrf::{
    bind_interrupts,
    config::{Config, HfclkSource, LfclkSource},
    interrupt,
    interrupt::{InterruptExt as _, Priority},
    pac, peripherals, radio, temp,
};
use panic_probe as _;
use static_cell::ConstStaticCell;
use telemetry::{Device, Measurement, Memory, Settings};
use tinyrlibc as _;

bind_interrupts!(struct Irqs {
    RADIO => radio::InterruptHandler<peripherals::RADIO>;
    TEMP => temp::InterruptHandler;
});

/// Runs the radio, from an interrupt that nothing else uses.
static URGENT: InterruptExecutor = InterruptExecutor::new();

#[interrupt]
unsafe fn EGU0_SWI0() {
    // SAFETY: this is the handler of the interrupt that the executor was started with, and nobody else calls it.
    unsafe { URGENT.on_interrupt() };
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static PAGE: ConstStaticCell<[u8; flash::SETTINGS_SIZE]> =
        ConstStaticCell::new([0; flash::SETTINGS_SIZE]);
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let mut config = Config::default();
    // The radio wants the crystal.
    config.hfclk_source = HfclkSource::ExternalXtal;
    config.lfclk_source = LfclkSource::ExternalXtal;
    let chip = embassy_nrf::init(config);
    let source = random::init(chip.RNG);
    let page = PAGE.take();
    let mut flash = flash::open(chip.NVMC, page);
    let settings = match Settings::read(page) {
        Ok(settings) => settings,
        Err(why) => defmt::panic!("{}", why),
    };

    interrupt::EGU0_SWI0.set_priority(Priority::P6);
    let urgent = URGENT.start(interrupt::EGU0_SWI0);
    let dataset = settings.text("thread-dataset").unwrap_or_default();
    let opened = thread::open(chip.RADIO, source, eui64(), dataset, (spawner, urgent));
    let thread = match opened {
        Ok(thread) => thread,
        Err(why) => defmt::panic!("thread: {}", defmt::Debug2Format(&why)),
    };

    let mut sensor = temp::Temp::new(chip.TEMP, Irqs);
    let measure = async || Measurement {
        name: "millicelsius",
        // In quarters of a degree.
        value: sensor.read().await.to_bits() * 250,
    };
    let device = Device {
        stack: thread.stack,
        settings,
        flash: &mut flash,
        region: flash::OUTBOX,
        random: random::fill,
        nat64: &|| thread.nat64(),
        attempt_delay: Duration::from_secs(3),
    };
    let running = telemetry::run(device, MEMORY.take(), measure);
    let ended = async { defmt::panic!("{}", running.await) };
    let _: ((), ()) = join(ended, async { thread.follow().await }).await;
}

/// The chip's own number, as the radio's address.
fn eui64() -> [u8; 8] {
    let [low, high] = [0, 1].map(|half| pac::FICR.deviceid(half).read());
    (u64::from(high) << 32 | u64::from(low)).to_be_bytes()
}
