//! The way to byte streams: names, sockets that race, and Mbed TLS.

use core::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use embassy_net::{
    Stack,
    tcp::{TcpReader, TcpSocket, TcpWriter},
    udp::{PacketMetadata, UdpSocket},
};
use mps2_an505::{clock as date, random};
use towpath::{
    Fault,
    embedded::{
        self, dial,
        embassy::{Tcp, Udp},
        hub::{Access, Opened, To},
    },
    proto::{
        net::{Dialer, dialer},
        text::Text,
        tls::{Clock, Identity, Layer, Profile, Renegotiation, Roots},
    },
};
use towpath_tls_mbed::{Connection, Context};

use crate::{clock::Wall, settings::Options};

/// Memory of a socket's one direction.
type Window = [u8; 2048];
/// Records on their way.
type Records = [u8; 1536];

/// The memory of one network: two sockets that race, questions of DNS, and records.
pub(crate) struct Room {
    windows: [[Window; 2]; 2],
    records: [Records; 2],
    datagrams: [[u8; 1024]; 2],
}

impl Room {
    pub(crate) const NEW: Self = Self {
        windows: [[[0; 2048]; 2]; 2],
        records: [[0; 1536]; 2],
        datagrams: [[0; 1024]; 2],
    };
}

/// The heads of datagrams; apart, because they are not zero when they are empty.
pub(crate) type Pending = [[PacketMetadata; 2]; 2];

/// The network of this device.
pub(crate) struct Network<'o> {
    stack: Stack<'static>,
    tcp: [Tcp<'static>; 2],
    udp: Udp<'static>,
    dialer: Dialer,
    records: &'static mut [Records; 2],
    roots: &'static [u8],
    identity: Option<Identity<'static>>,
    address: Option<IpAddr>,
    clock: &'o Wall,
}

impl<'o> Network<'o> {
    /// Makes the sockets.
    pub(crate) fn new(
        stack: Stack<'static>,
        (room, pending): (&'static mut Room, &'static mut Pending),
        options: &Options,
        clock: &'o Wall,
    ) -> Self {
        let tcp = room
            .windows
            .each_mut()
            .map(|[rx, tx]| Tcp(TcpSocket::new(stack, rx, tx)));
        let [rx, tx] = &mut room.datagrams;
        let [received, sent] = pending;
        let mut servers = [SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 53); 3];
        let config = stack.config_v4();
        let given = config.iter().flat_map(|config| &config.dns_servers);
        let mut known = 0;
        for (place, server) in servers.iter_mut().zip(given) {
            place.set_ip(IpAddr::V4(*server));
            known += 1;
        }
        let servers = servers.get(..known).unwrap_or_default();
        let dialer = Dialer::new(dialer::Settings::default().servers(servers));
        Self {
            stack,
            tcp,
            udp: Udp(UdpSocket::new(stack, received, rx, sent, tx)),
            dialer,
            records: &mut room.records,
            roots: options.roots,
            identity: options.identity,
            address: options.address,
            clock,
        }
    }
}

impl Access for Network<'_> {
    type Reader<'s>
        = TcpReader<'s>
    where
        Self: 's;
    type Writer<'s>
        = TcpWriter<'s>
    where
        Self: 's;
    type Tls<'s>
        = Connection<&'s mut [u8]>
    where
        Self: 's;

    async fn open(
        &mut self,
        to: &To<'_>,
    ) -> Result<Opened<TcpReader<'_>, TcpWriter<'_>, Connection<&mut [u8]>>, Fault> {
        let own = self.stack.config_v4();
        let own = own.map(|config| IpAddr::V4(config.address.address()));
        let network = embedded::Network {
            tcp: &mut self.tcp,
            udp: &mut self.udp,
            own: own.as_slice(),
            buffer: &mut [0; 1024],
        };
        let mut literal = Text::<46>::EMPTY;
        let host = match self.address {
            Some(address) => {
                // The longest address fits.
                let _ = write!(literal, "{address}");
                literal.as_str()
            }
            None => to.host,
        };
        let mut random = random::next_u32;
        let socket = dial(
            &mut self.dialer,
            network,
            self.clock,
            &mut random,
            host,
            to.port,
        )
        .await?;
        let roots = [self.roots];
        let profile = Profile {
            server: to.host,
            roots: Roots::Given(&roots),
            identity: self.identity.filter(|_| to.shows_certificate),
            clock: Clock::Given(|| Some(date::unix())),
            renegotiation: Renegotiation::OnceUntilConnack,
            // As Mbed TLS is built: a server of files fills records to 16 kB otherwise.
            max_fragment: Some(4096),
            ..Profile::default()
        };
        let [rx, tx] = &mut *self.records;
        let tls = Context::new(&profile)?.connect(&mut rx[..], &mut tx[..], None)?;
        let shows = profile.identity.is_some();
        let tls = Layer::with(tls, profile.renegotiation, shows, true);
        let (reader, writer) = socket.0.split();
        Ok(Opened {
            reader,
            writer,
            tls,
        })
    }
}
