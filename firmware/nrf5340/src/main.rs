//! Telemetry of an nRF5340's application core: supply voltage into the outbox in its flash, from there over wss with the
//! device's certificate to a broker or hub. What happens is said over RTT. README.md has the pins and the settings.
#![no_std]
#![no_main]

mod flash;
mod heap;
mod random;
mod usb;

use core::time::Duration;

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_nrf::{
    bind_interrupts,
    config::{Config, HfclkSource, LfclkSource},
    pac, peripherals, saadc, usb as chip_usb,
};
use panic_probe as _;
use static_cell::ConstStaticCell;
use telemetry::{Device, Measurement, Memory, Settings};
use tinyrlibc as _;

bind_interrupts!(struct Irqs {
    SAADC => saadc::InterruptHandler;
    USBD => chip_usb::InterruptHandler<peripherals::USBD>;
    USBREGULATOR => chip_usb::vbus_detect::InterruptHandler;
});

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static PAGE: ConstStaticCell<[u8; flash::SETTINGS_SIZE]> =
        ConstStaticCell::new([0; flash::SETTINGS_SIZE]);
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let mut config = Config::default();
    // USB wants the crystal.
    config.hfclk_source = HfclkSource::ExternalXtal;
    config.lfclk_source = LfclkSource::ExternalXtal;
    let chip = embassy_nrf::init(config);
    heap::init();
    random::init(chip.CC_RNG);
    let page = PAGE.take();
    let mut flash = flash::open(chip.NVMC, page);

    let (stack, runners) = usb::open(chip.USBD, serial());
    spawner.spawn(run_usb(runners.usb).expect("spawned once"));
    spawner.spawn(run_ncm(runners.ncm).expect("spawned once"));
    spawner.spawn(run_net(runners.net).expect("spawned once"));

    let mut inputs = [saadc::ChannelConfig::single_ended(saadc::VddInput)];
    let [input] = &mut inputs;
    input.gain = saadc::Gain::Gain1_6;
    let mut adc = saadc::Saadc::new(chip.SAADC, Irqs, saadc::Config::default(), inputs);
    let measure = async || {
        let mut sample = [0];
        adc.sample(&mut sample).await;
        // 12 bits of 3.6 V: the reference of 0.6 V behind a gain of 1/6.
        let [sample] = sample.map(i32::from);
        Measurement {
            name: "millivolts",
            value: sample * 3600 / 4096,
        }
    };

    let settings = match Settings::read(page) {
        Ok(settings) => settings,
        Err(why) => defmt::panic!("{}", why),
    };
    let device = Device {
        stack,
        settings,
        flash: &mut flash,
        region: flash::OUTBOX,
        random: random::fill,
        nat64: &|| None,
        attempt_delay: Duration::from_millis(250),
    };
    let why = telemetry::run(device, MEMORY.take(), measure).await;
    defmt::panic!("{}", why);
}

/// The chip's own number.
fn serial() -> [u8; 8] {
    let info = pac::FICR.info();
    let [low, high] = [info.deviceid(0).read(), info.deviceid(1).read()];
    (u64::from(high) << 32 | u64::from(low)).to_le_bytes()
}

#[embassy_executor::task]
async fn run_usb(mut usb: embassy_usb::UsbDevice<'static, usb::Usb>) -> ! {
    usb.run().await
}

#[embassy_executor::task]
async fn run_ncm(ncm: usb::Ncm) -> ! {
    ncm.run().await
}

#[embassy_executor::task]
async fn run_net(mut net: usb::Net) -> ! {
    net.run().await
}
