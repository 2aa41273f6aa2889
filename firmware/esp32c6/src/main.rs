//! Telemetry of an ESP32-C6: its temperature into the outbox in its flash, from there over Wi-Fi and wss with the
//! device's certificate to a broker or hub. What happens is said over USB. README.md has the settings.
#![no_std]
#![no_main]

mod flash;
mod wifi;

use core::time::Duration;

use embassy_executor::Spawner;
use embassy_net::{Config, ConfigV6, DhcpConfig, Runner, StackResources};
use esp_backtrace as _;
use esp_hal::{
    clock::CpuClock,
    interrupt::software::SoftwareInterruptControl,
    rng::{Rng, Trng},
    timer::systimer::SystemTimer,
    tsens::{self, TemperatureSensor},
};
use esp_println as _;
use esp_radio::wifi::Interface;
use static_cell::{ConstStaticCell, StaticCell};
use telemetry::{Device, Measurement, Memory, Settings};
use tinyrlibc as _;

esp_bootloader_esp_idf::esp_app_desc!();

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    static PAGE: ConstStaticCell<[u8; flash::SETTINGS_SIZE]> =
        ConstStaticCell::new([0; flash::SETTINGS_SIZE]);
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
    static RESOURCES: StaticCell<StackResources<5>> = StaticCell::new();

    let config = esp_hal::Config::default().with_cpu_clock(CpuClock::max());
    let chip = esp_hal::init(config);
    // For the Wi-Fi driver, which is C, and Mbed TLS; towpath takes nothing of it.
    esp_alloc::heap_allocator!(size: 192 * 1024);
    let timer = SystemTimer::new(chip.SYSTIMER);
    let interrupts = SoftwareInterruptControl::new(chip.SW_INTERRUPT);
    esp_rtos::start(timer.alarm0, interrupts.software_interrupt0);

    let page = PAGE.take();
    let mut flash = flash::open(chip.FLASH, page);
    let settings = match Settings::read(page) {
        Ok(settings) => settings,
        Err(why) => defmt::panic!("{}", why),
    };
    let (controller, interfaces) = match wifi::open(chip.WIFI, &settings) {
        Ok(wifi) => wifi,
        Err(why) => defmt::panic!("wifi: {}", defmt::Debug2Format(&why)),
    };

    let mut config = Config::dhcpv4(DhcpConfig::default());
    config.ipv6 = ConfigV6::Slaac;
    let resources = RESOURCES.init(StackResources::new());
    let rng = Rng::new();
    let seed = u64::from(rng.random()) << 32 | u64::from(rng.random());
    let (stack, net) = embassy_net::new(interfaces.station, config, resources, seed);
    spawner.spawn(wifi::run(controller).expect("spawned once"));
    spawner.spawn(run_net(net).expect("spawned once"));

    let sensor = match TemperatureSensor::new(chip.TSENS, tsens::Config::default()) {
        Ok(sensor) => sensor,
        Err(why) => defmt::panic!("{}", defmt::Debug2Format(&why)),
    };
    let measure = async || Measurement {
        name: "millikelvin",
        value: (sensor.get_temperature().to_kelvin() * 1000.0) as i32,
    };
    let device = Device {
        stack,
        settings,
        flash: &mut flash,
        region: flash::OUTBOX,
        random,
        nat64: &|| None,
        attempt_delay: Duration::from_millis(250),
    };
    let why = telemetry::run(device, MEMORY.take(), measure).await;
    defmt::panic!("{}", why);
}

/// The chip's generator, which has noise to draw from while the radio is on.
fn random(bytes: &mut [u8]) -> bool {
    match Trng::try_new() {
        Ok(rng) => {
            rng.read(bytes);
            true
        }
        Err(_) => false,
    }
}

#[embassy_executor::task]
async fn run_net(mut net: Runner<'static, Interface<'static>>) -> ! {
    net.run().await
}
