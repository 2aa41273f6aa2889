//! IPv6 over Thread: OpenThread below, embassy-net with its TCP above, and what the network's data say about NAT64.

use core::net::{Ipv4Addr, Ipv6Addr};

use embassy_executor::{SendSpawner, Spawner};
use embassy_net::{Config, ConfigV6, Ipv6Cidr, Runner, Stack, StackResources, StaticConfigV6};
use embassy_nrf::{Peri, peripherals::RADIO, radio::ieee802154::Radio};
use openthread::{
    EmbassyTimeTimer, MacRadio, MacRadioResources, OpenThread, OtError, OtResources,
    PhyRadioRunner, ProxyRadio, ProxyRadioResources, SimpleRamSettings,
    enet::{self, EnetDriver, EnetDriverState, EnetRunner},
    nrf::NrfRadio,
};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::proto::net::{Prefix, nat64};

use crate::{Irqs, random};

/// The smallest MTU of IPv6, which is Thread's.
const MTU: usize = 1280;

/// One of the two addresses behind `ipv4only.arpa` (RFC 7050 section 8).
const WELL_KNOWN: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 170);

/// The network, attached or not.
pub(crate) struct Thread {
    pub(crate) stack: Stack<'static>,
    ot: OpenThread<'static>,
}

/// Starts OpenThread as a minimal device. `dataset` is the active operational dataset in hexadecimal.
///
/// # Errors
/// What OpenThread refuses, a dataset that isn't one for example.
pub(crate) fn open(
    radio: Peri<'static, RADIO>,
    mut source: random::Source,
    eui64: [u8; 8],
    dataset: &str,
    (spawner, urgent): (Spawner, SendSpawner),
) -> Result<Thread, OtError> {
    static SOURCE: StaticCell<random::Source> = StaticCell::new();
    static OPENTHREAD: StaticCell<OtResources> = StaticCell::new();
    static KEPT: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);
    static SETTINGS: StaticCell<SimpleRamSettings<'static>> = StaticCell::new();
    static PACKETS: StaticCell<EnetDriverState<MTU, 2, 2>> = StaticCell::new();
    static PROXY: StaticCell<ProxyRadioResources> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();

    let seed = rand_core::Rng::next_u64(&mut source);
    let settings = SETTINGS.init(SimpleRamSettings::new(KEPT.take()));
    let ot = OpenThread::new(
        eui64,
        SOURCE.init(source),
        settings,
        OPENTHREAD.init(OtResources::new()),
    )?;
    let (_, packets, driver) = enet::new(ot.clone(), PACKETS.init(EnetDriverState::new()));
    let (proxy, runner) = ProxyRadio::new(PROXY.init(ProxyRadioResources::new()));
    urgent.spawn(run_radio(runner, NrfRadio::new(Radio::new(radio, Irqs))).expect("spawned once"));
    spawner.spawn(run_openthread(packets, proxy).expect("spawned once"));

    let resources = RESOURCES.init(StackResources::new());
    let (stack, net) = embassy_net::new(driver, Config::default(), resources, seed);
    spawner.spawn(run_net(net).expect("spawned once"));
    ot.set_active_dataset_tlv_hexstr(dataset)?;
    ot.enable_ipv6(true)?;
    ot.enable_thread(true)?;
    Ok(Thread { stack, ot })
}

impl Thread {
    /// Gives embassy-net the address that Thread has, whenever that changes.
    pub(crate) async fn follow(&self) -> ! {
        let mut known = None;
        loop {
            let address = self.address();
            if address != known {
                known = address;
                defmt::info!(
                    "thread: {}, address {}",
                    defmt::Debug2Format(&self.ot.net_status()),
                    address
                );
                self.stack.set_config_v6(match address {
                    Some(address) => ConfigV6::Static(StaticConfigV6 {
                        address: Ipv6Cidr::new(address, 64),
                        // OpenThread knows the way; embassy-net wants that there is one.
                        gateway: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
                        dns_servers: heapless::Vec::new(),
                    }),
                    None => ConfigV6::None,
                });
            }
            self.ot.wait_changed().await;
        }
    }

    /// An address that reaches beyond the mesh, which a border router gives the prefix for.
    fn address(&self) -> Option<Ipv6Addr> {
        let mesh = self.ot.mesh_local_prefix();
        let mut found = None;
        let listed = self.ot.ipv6_addrs(|entry| {
            if let Some((address, _)) = entry
                && !address.is_unicast_link_local()
                && !address.octets().starts_with(&mesh)
            {
                found = Some(address);
            }
            Ok(())
        });
        listed.ok().and(found)
    }

    /// The NAT64 prefix of the network data. openthread 0.4 tells it only by what it does to an address, so it is read
    /// off an address that is known, as RFC 7050 does.
    pub(crate) fn nat64(&self) -> Option<Prefix> {
        nat64::discover(self.ot.nat64_synthesize_ipv6(&WELL_KNOWN).ok()?)
    }
}

/// Runs before everything else: the radio's acknowledgements are made in software.
#[embassy_executor::task]
async fn run_radio(mut runner: PhyRadioRunner<'static>, radio: NrfRadio<'static>) -> ! {
    static MAC: StaticCell<MacRadioResources> = StaticCell::new();
    runner
        .run(MacRadio::new(
            radio,
            EmbassyTimeTimer,
            MAC.init(MacRadioResources::new()),
        ))
        .await
}

#[embassy_executor::task]
async fn run_openthread(mut runner: EnetRunner<'static, MTU>, radio: ProxyRadio<'static>) -> ! {
    runner.run(radio).await
}

#[embassy_executor::task]
async fn run_net(mut net: Runner<'static, EnetDriver<'static, MTU>>) -> ! {
    net.run().await
}
