//! One TCP connection over IPv4, with an address by DHCP, for a caller that waits.

use core::net::Ipv4Addr;

use cortex_m::asm::wfi;
use embassy_net_driver::{Driver as _, HardwareAddress as Address};
use mps2_an505::{ethernet::Ethernet, random};
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage},
    socket::{dhcpv4, tcp},
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, Ipv4Address},
};
use static_cell::ConstStaticCell;

use crate::device::Device;

/// What `board_open` answers, as a `towpath_cause`.
const REFUSED: u8 = 2;
const HOST_UNREACHABLE: u8 = 3;
const TIMED_OUT: u8 = 5;
const NO_SOURCE_ADDRESS: u8 = 6;
const NAME_NOT_FOUND: u8 = 10;

/// The first of the ports that the operating system would choose from.
const FIRST_PORT: u16 = 49_152;

static SOCKETS: ConstStaticCell<[SocketStorage<'static>; 2]> =
    ConstStaticCell::new([SocketStorage::EMPTY; 2]);
static RX: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static TX: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);

pub(crate) struct Net {
    device: Device,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    tcp: SocketHandle,
    has_address: bool,
}

fn now() -> Instant {
    Instant::from_millis(i64::try_from(embassy_time_driver::now()).unwrap_or(i64::MAX))
}

impl Net {
    /// Takes the Ethernet controller; `None` if it does not answer or is taken.
    pub(crate) fn new() -> Option<Self> {
        let ethernet = Ethernet::new()?;
        let Address::Ethernet(address) = ethernet.hardware_address() else {
            return None;
        };
        let mut device = Device(ethernet);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(address)));
        config.random_seed = random::next_u64();
        let interface = Interface::new(config, &mut device, now());
        let mut sockets = SocketSet::new(&mut SOCKETS.try_take()?[..]);
        let dhcp = sockets.add(dhcpv4::Socket::new());
        let tcp = sockets.add(tcp::Socket::new(
            tcp::SocketBuffer::new(&mut RX.try_take()?[..]),
            tcp::SocketBuffer::new(&mut TX.try_take()?[..]),
        ));
        Some(Self {
            device,
            interface,
            sockets,
            dhcp,
            tcp,
            has_address: false,
        })
    }

    /// Lets the stack work off what has come and what is due.
    fn poll(&mut self) {
        self.interface
            .poll(now(), &mut self.device, &mut self.sockets);
        let dhcp = self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.dhcp);
        match dhcp.poll() {
            Some(dhcpv4::Event::Configured(lease)) => {
                let (address, router) = (lease.address, lease.router);
                self.configure(Some(IpCidr::Ipv4(address)), router);
            }
            Some(dhcpv4::Event::Deconfigured) => self.configure(None, None),
            None => {}
        }
    }

    fn configure(&mut self, address: Option<IpCidr>, router: Option<Ipv4Address>) {
        self.interface.update_ip_addrs(|list| {
            list.clear();
            // There is room for one.
            let _ = address.map(|address| list.push(address));
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        // There is room for one.
        let _ = router.map(|router| routes.add_default_ipv4_route(router));
        self.has_address = address.is_some();
    }

    /// Polls and sleeps until `done`, or until the time has come: false.
    fn until(&mut self, until_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            self.poll();
            if done(self) {
                return true;
            }
            if embassy_time_driver::now() >= until_ms {
                return false;
            }
            // The next tick ends it at the latest.
            wfi();
        }
    }

    fn socket(&self) -> &tcp::Socket<'static> {
        self.sockets.get(self.tcp)
    }

    fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.tcp)
    }

    /// 0, or the cause as a `towpath_cause`.
    pub(crate) fn open(&mut self, address: &str, port: u16, until_ms: u64) -> u8 {
        let Ok(address) = address.parse::<Ipv4Addr>() else {
            return NAME_NOT_FOUND;
        };
        if !self.until(until_ms, |net| net.has_address) {
            return NO_SOURCE_ADDRESS;
        }
        let own = FIRST_PORT.saturating_add((random::next_u32() & 0x3fff) as u16);
        let to = IpEndpoint::new(address.into(), port);
        let context = self.interface.context();
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
        socket.abort();
        if socket.connect(context, to, own).is_err() {
            return HOST_UNREACHABLE;
        }
        let connecting = |net: &Self| {
            matches!(
                net.socket().state(),
                tcp::State::SynSent | tcp::State::SynReceived
            )
        };
        if !self.until(until_ms, |net| !connecting(net)) {
            self.close();
            return TIMED_OUT;
        }
        if self.socket().is_active() {
            0
        } else {
            REFUSED
        }
    }

    /// How many bytes were taken; -1 without a connection.
    pub(crate) fn send(&mut self, data: &[u8]) -> i32 {
        let taken = self.socket_mut().send_slice(data);
        self.poll();
        taken.map_or(-1, |taken| i32::try_from(taken).unwrap_or(i32::MAX))
    }

    /// How many bytes have come; -1 at the end, -2 if the connection is reset.
    pub(crate) fn receive(&mut self, room: &mut [u8]) -> i32 {
        self.poll();
        match self.socket_mut().recv_slice(room) {
            Ok(len) => i32::try_from(len).unwrap_or(i32::MAX),
            Err(tcp::RecvError::Finished) => -1,
            Err(tcp::RecvError::InvalidState) => -2,
        }
    }

    pub(crate) fn wait(&mut self, until_ms: u64, sending: bool) {
        self.until(until_ms, |net| {
            let socket = net.socket();
            let open = socket.is_active();
            let ended = open && !socket.may_recv();
            socket.can_recv() || ended || (sending && (socket.can_send() || !open))
        });
    }

    pub(crate) fn close(&mut self) {
        self.socket_mut().close();
        // What was given to the stack leaves with the farewell, if the peer takes it soon.
        let soon = embassy_time_driver::now().saturating_add(1000);
        self.until(soon, |net| !net.socket().is_active());
        self.socket_mut().abort();
        self.poll();
    }
}
