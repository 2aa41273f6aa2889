//! Ethernet over the chip's USB (CDC-NCM): the machine at the other end is the router.

use embassy_net::{Config, Stack, StackResources};
use embassy_nrf::{
    Peri,
    peripherals::USBD,
    usb::{Driver, vbus_detect::HardwareVbusDetect},
};
use embassy_usb::{
    Builder, UsbDevice,
    class::cdc_ncm::{
        CdcNcmClass, State,
        embassy_net::{self as ncm, Device},
    },
};
use static_cell::{ConstStaticCell, StaticCell};

use crate::{Irqs, random};

/// The largest Ethernet frame without its checksum.
const FRAME: usize = 1514;

pub(crate) type Usb = Driver<'static, HardwareVbusDetect>;
pub(crate) type Ncm = ncm::Runner<'static, Usb, FRAME>;
pub(crate) type Net = embassy_net::Runner<'static, Device<'static, FRAME>>;

/// What has to run for the network to work.
pub(crate) struct Runners {
    pub(crate) usb: UsbDevice<'static, Usb>,
    pub(crate) ncm: Ncm,
    pub(crate) net: Net,
}

struct Descriptors {
    configuration: [u8; 256],
    bos: [u8; 64],
    control: [u8; 128],
}

/// Makes the network. `serial` is the chip's own number.
pub(crate) fn open(usbd: Peri<'static, USBD>, serial: [u8; 8]) -> (Stack<'static>, Runners) {
    static DESCRIPTORS: ConstStaticCell<Descriptors> = ConstStaticCell::new(Descriptors {
        configuration: [0; 256],
        bos: [0; 64],
        control: [0; 128],
    });
    static CLASS: StaticCell<State> = StaticCell::new();
    static FRAMES: StaticCell<ncm::State<FRAME, 4, 4>> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<5>> = StaticCell::new();

    let driver = Driver::new(usbd, Irqs, HardwareVbusDetect::new(Irqs));
    // The pair that pid.codes keeps for tests: a product has its own.
    let mut config = embassy_usb::Config::new(0x1209, 0x0001);
    config.manufacturer = Some("towpath");
    config.product = Some("nRF5340 telemetry");
    config.max_power = 100;
    let Descriptors {
        configuration,
        bos,
        control,
    } = DESCRIPTORS.take();
    let mut builder = Builder::new(driver, config, configuration, bos, &mut [], control);
    // The two ends of the cable. Locally administered, and the chip's own.
    let [own, host] = [0, 1].map(|end| {
        let [a, b, c, d, e, ..] = serial;
        [0x02 | (end << 2), a, b, c, d, e]
    });
    let class = CdcNcmClass::new(&mut builder, CLASS.init(State::new()), host, 64);
    let usb = builder.build();
    let (ncm, device) =
        class.into_embassy_net_device::<FRAME, 4, 4>(FRAMES.init(ncm::State::new()), own);

    let mut seed = [0; 8];
    random::fill(&mut seed);
    let mut config = Config::dhcpv4(embassy_net::DhcpConfig::default());
    config.ipv6 = embassy_net::ConfigV6::Slaac;
    let resources = RESOURCES.init(StackResources::new());
    let (stack, net) = embassy_net::new(device, config, resources, u64::from_ne_bytes(seed));
    (stack, Runners { usb, ncm, net })
}
