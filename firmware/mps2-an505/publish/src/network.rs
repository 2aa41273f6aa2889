//! The network: an address by DHCP and one TCP socket.

use core::net::{IpAddr, Ipv4Addr};

use embassy_executor::Spawner;
use embassy_net::{
    Config, Runner, StackResources,
    tcp::{TcpReader, TcpSocket, TcpWriter},
};
use embassy_time::{Duration, with_timeout};
use mps2_an505::{ethernet::Ethernet, random};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::{
    Code, Fault, Rung,
    embedded::{TcpSocket as _, Timer, embassy::Tcp},
    proto::{Buffer, Client, Random},
};

/// How long a rung may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// DHCP and TCP.
static RESOURCES: StaticCell<StackResources<2>> = StaticCell::new();
static RX: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);
static TX: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);

/// The socket.
pub(crate) struct Network(Tcp<'static>);

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
        let socket = TcpSocket::new(stack, RX.take(), TX.take());
        Ok(Self(Tcp(socket)))
    }

    /// Connects: the two halves of the stream.
    pub(crate) async fn connect<B: Buffer, R: Random>(
        &mut self,
        (host, port): (Ipv4Addr, u16),
        client: &mut Client<B, R>,
        timer: &impl Timer,
    ) -> Result<(TcpReader<'_>, TcpWriter<'_>), Fault> {
        self.0.abort();
        client.entered(timer.now(), Rung::Tcp);
        let connecting = self.0.connect((IpAddr::V4(host), port).into());
        match with_timeout(PATIENCE, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err(Fault::new(Rung::Tcp, Code::ConnectTimeout)),
        }
        Ok(self.0.0.split())
    }

    /// Sends what is left, and closes.
    pub(crate) async fn close(&mut self) {
        self.0.0.close();
        let _ = with_timeout(PATIENCE, self.0.0.flush()).await;
    }
}
