//! The network: an address by DHCP, names, and the one TCP socket.

use core::net::{IpAddr, Ipv4Addr};

use embassy_executor::Spawner;
use embassy_net::{
    Config, IpAddress, Runner, Stack, StackResources,
    dns::DnsQueryType,
    tcp::{self, TcpSocket},
};
use embassy_time::{Duration, with_timeout};
use ladder::Way;
use mps2_an505::{ethernet::Ethernet, random};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::{
    Code, Fault, Rung,
    embedded::{TcpSocket as _, Timer, embassy::Tcp},
};

use crate::Session;

/// How long a rung may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// DHCP, DNS, TCP.
static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
static RX: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static TX: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);

/// The network stack and its socket.
pub(crate) struct Network {
    stack: Stack<'static>,
    tcp: Tcp<'static>,
}

#[embassy_executor::task]
async fn carry(mut runner: Runner<'static, Ethernet>) -> ! {
    runner.run().await
}

impl Network {
    /// Answers once there is an address.
    pub(crate) async fn start(spawner: Spawner) -> Result<Self, Fault> {
        let ethernet = Ethernet::new().ok_or_else(|| Fault::new(Rung::Link, Code::Io))?;
        let config = Config::dhcpv4(embassy_net::DhcpConfig::default());
        let resources = RESOURCES.init_with(StackResources::new);
        let (stack, runner) = embassy_net::new(ethernet, config, resources, random::next_u64());
        spawner.spawn(carry(runner).expect("its only one"));
        let up = with_timeout(PATIENCE, stack.wait_config_up()).await;
        up.map_err(|_| Fault::new(Rung::Address, Code::NoSourceAddress))?;
        let tcp = Tcp(TcpSocket::new(stack, RX.take(), TX.take()));
        Ok(Self { stack, tcp })
    }

    /// Finds the server and connects: the two halves of the stream. The client hears of it once it is done, since it
    /// has no attempt that could fail before.
    pub(crate) async fn connect(
        &mut self,
        way: &Way,
        client: &mut Session,
        timer: &impl Timer,
    ) -> Result<(tcp::TcpReader<'_>, tcp::TcpWriter<'_>), Fault> {
        self.tcp.abort();
        let address = match way.host.parse::<Ipv4Addr>() {
            Ok(address) => address,
            Err(_) => {
                let began = timer.now();
                let address = resolve(self.stack, way.host).await?;
                client.entered(began, Rung::Dns);
                client.reached(timer.now(), Rung::Dns);
                address
            }
        };
        let began = timer.now();
        let connecting = self.tcp.connect((IpAddr::V4(address), way.port).into());
        match with_timeout(PATIENCE, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err(Fault::new(Rung::Tcp, Code::ConnectTimeout)),
        }
        client.entered(began, Rung::Tcp);
        Ok(self.tcp.0.split())
    }

    /// Sends what is left, and closes.
    pub(crate) async fn close(&mut self) {
        self.tcp.0.close();
        let _ = with_timeout(PATIENCE, self.tcp.0.flush()).await;
    }
}

async fn resolve(stack: Stack<'static>, host: &str) -> Result<Ipv4Addr, Fault> {
    let asked = with_timeout(PATIENCE, stack.dns_query(host, DnsQueryType::A)).await;
    let code = match asked {
        Ok(Ok(addresses)) => match addresses.first() {
            Some(IpAddress::Ipv4(address)) => return Ok(*address),
            _ => Code::NoAddress,
        },
        Ok(Err(embassy_net::dns::Error::InvalidName | embassy_net::dns::Error::NameTooLong)) => {
            Code::NameInvalid
        }
        Ok(Err(embassy_net::dns::Error::Failed)) => Code::NameNotFound,
        Err(_) => Code::ResolverSilent,
    };
    Err(Fault::new(Rung::Dns, code))
}
