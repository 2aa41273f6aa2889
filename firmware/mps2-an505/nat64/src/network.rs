//! The network: an address by SLAAC, a dialer, and its sockets.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use embassy_executor::Spawner;
use embassy_net::{
    Config, Runner, Stack, StackResources,
    tcp::TcpSocket,
    udp::{PacketMetadata, UdpSocket},
};
use embassy_time::{Duration, with_timeout};
use ladder::{Ladder, Way};
use mps2_an505::{ethernet::Ethernet, random, settings};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::{
    Code, Fault, Rung,
    embedded::{
        self, Timer as _,
        embassy::{Clock, Tcp, Udp},
    },
    proto::net::{Dialer, PrefixOrigin, dialer::Settings},
};

use crate::{
    Session,
    advertisement::{self, Listening},
};

/// How long the network may take to give an address: a router may advertise itself every few seconds only.
const ADDRESS: Duration = Duration::from_secs(30);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(10);

/// Two attempts at a time, and the questions.
static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
/// It would be copied with what it is in.
static DIALER: StaticCell<Dialer> = StaticCell::new();
static STREAMS: ConstStaticCell<[([u8; 1024], [u8; 1024]); 2]> =
    ConstStaticCell::new([([0; 1024], [0; 1024]); 2]);
static QUESTIONS: ConstStaticCell<Questions> = ConstStaticCell::new(Questions {
    received: [PacketMetadata::EMPTY; 4],
    rx: [0; 2048],
    sent: [PacketMetadata::EMPTY; 4],
    tx: [0; 512],
});

/// The buffers of the socket for questions.
struct Questions {
    received: [PacketMetadata; 4],
    rx: [u8; 2048],
    sent: [PacketMetadata; 4],
    tx: [u8; 512],
}

/// The network stack, and what is known of names and prefixes for as long as the board runs.
pub(crate) struct Network {
    stack: Stack<'static>,
    tcp: [Tcp<'static>; 2],
    udp: Udp<'static>,
    dialer: &'static mut Dialer,
}

#[embassy_executor::task]
async fn carry(mut runner: Runner<'static, Listening<Ethernet>>) -> ! {
    runner.run().await
}

impl Network {
    /// Answers once there is an address.
    pub(crate) async fn start(spawner: Spawner) -> Result<Self, Fault> {
        let ethernet = Ethernet::new().ok_or_else(|| Fault::new(Rung::Link, Code::Io))?;
        let resources = RESOURCES.init_with(StackResources::new);
        let (driver, config) = (Listening(ethernet), Config::slaac());
        let (stack, runner) = embassy_net::new(driver, config, resources, random::next_u64());
        spawner.spawn(carry(runner).expect("its only one"));
        let up = with_timeout(ADDRESS, stack.wait_config_up()).await;
        up.map_err(|_| Fault::new(Rung::Address, Code::NoSourceAddress))?;
        let streams = STREAMS.take().each_mut();
        let tcp = streams.map(|(rx, tx)| Tcp(TcpSocket::new(stack, rx, tx)));
        let Questions {
            received,
            rx,
            sent,
            tx,
        } = QUESTIONS.take();
        let udp = Udp(UdpSocket::new(stack, received, rx, sent, tx));
        let dialer = DIALER.init_with(|| Dialer::new(Settings::default()));
        dialer.trace(true);
        Ok(Self {
            stack,
            tcp,
            udp,
            dialer,
        })
    }

    /// Finds a way to the host and connects.
    pub(crate) async fn dial(
        &mut self,
        client: &mut Session,
        ladder: &Ladder<Clock>,
        way: &Way,
    ) -> Result<&mut Tcp<'static>, Fault> {
        self.learn();
        let address = self
            .stack
            .config_v6()
            .map(|config| config.address.address());
        let own = address.map(IpAddr::V6);
        let network = embedded::Network {
            tcp: &mut self.tcp,
            udp: &mut self.udp,
            own: own.as_slice(),
            buffer: client.rx_space(),
        };
        let mut random = random::next_u32;
        let dialer = &mut *self.dialer;
        let dialing = embedded::dial(dialer, network, ladder, &mut random, way.host, way.port);
        let tcp = dialing.await?;
        client.entered(ladder.now(), Rung::Tcp);
        Ok(tcp)
    }

    /// What routers have advertised until now.
    fn learn(&mut self) {
        let (advertised, prefix) = advertisement::heard();
        let servers = match settings::parsed("dns") {
            Some(server) => [Some(server), None],
            None => advertised,
        };
        let known = servers.iter().flatten().count();
        let servers = servers.map(|server| {
            let address: Ipv6Addr = server.unwrap_or(Ipv6Addr::UNSPECIFIED);
            SocketAddr::new(address.into(), 53)
        });
        let servers = servers.get(..known).unwrap_or_default();
        let settings = self.dialer.settings_mut();
        *settings = settings.clone().servers(servers);
        if let Some((prefix, lifetime)) = prefix {
            let origin = PrefixOrigin::RouterAdvertisement;
            self.dialer.learned(Clock.now(), prefix, origin, lifetime);
        }
    }
}

/// Sends what is left, and closes.
pub(crate) async fn close(tcp: &mut Tcp<'static>) {
    tcp.0.close();
    let _ = with_timeout(FAREWELL, tcp.0.flush()).await;
}
