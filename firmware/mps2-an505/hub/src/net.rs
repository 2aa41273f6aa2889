//! The network stack: the Ethernet controller, and addresses by DHCP.

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::{Config, Runner, Stack, StackResources};
use embassy_time::Timer;
use mps2_an505::{ethernet::Ethernet, random, say};
use static_cell::StaticCell;
use towpath::{Code, Fault, Rung};

/// How long a network may take to give an address.
const PATIENCE: u64 = 20;

/// DHCP and DNS of the stack, and six sockets of `access.rs`.
static RESOURCES: StaticCell<StackResources<8>> = StaticCell::new();

#[embassy_executor::task]
async fn carry(mut runner: Runner<'static, Ethernet>) -> ! {
    runner.run().await
}

/// Brings it up.
///
/// # Errors
/// The rung that is missing.
pub(crate) async fn up(spawner: Spawner) -> Result<Stack<'static>, Fault> {
    let ethernet = Ethernet::new().ok_or(Fault::new(Rung::Link, Code::Io))?;
    let resources = RESOURCES.init_with(StackResources::new);
    let config = Config::dhcpv4(embassy_net::DhcpConfig::default());
    let (stack, runner) = embassy_net::new(ethernet, config, resources, random::next_u64());
    spawner.spawn(carry(runner).expect("its only one"));
    match select(stack.wait_config_up(), Timer::after_secs(PATIENCE)).await {
        Either::First(()) => {}
        Either::Second(()) => return Err(Fault::new(Rung::Address, Code::ConnectTimeout)),
    }
    if let Some(config) = stack.config_v4() {
        say!("address: {}", config.address);
    }
    Ok(stack)
}
