//! Router advertisements, for the NAT64 prefix that they may bear (RFC 8781): the kernel keeps none of it, so they are
//! listened to on a raw socket, where this process may have one.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddrV6},
    os::fd::AsRawFd as _,
    task::{Context, Poll, ready},
    time::Duration,
};

use nix::{
    cmsg_space,
    ifaddrs::getifaddrs,
    net::if_::{InterfaceFlags, if_nametoindex},
    sys::socket::{
        ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt::Ipv6RecvHopLimit,
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};
use towpath_proto::net::{Prefix, pref64};

/// How long a router is waited for. It answers a solicitation within half a second, but may have to keep three seconds
/// after the advertisement before (RFC 4861 section 6.2.6).
pub(crate) const WAIT: Duration = Duration::from_secs(4);

/// The link-local addresses of all routers (RFC 4291 section 2.7.1).
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// What no packet has that came through a router (RFC 4861 section 6.1.2).
const HOP_LIMIT: u32 = 255;
/// Longer than any packet of ICMPv6 on usual links; the rest of a longer one is cut off.
const MOST_BYTES: usize = 1500;
/// Interfaces that are asked at most.
const MOST_LINKS: usize = 16;

/// A socket that hears advertisements.
#[derive(Debug)]
pub(crate) struct Listener {
    /// A raw socket, whatever its type says: tokio has none for them, and waits for a datagram in the same way.
    socket: UdpSocket,
}

impl Listener {
    /// Listens, and asks the routers on every link for an advertisement.
    ///
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_RAW`, or what else the operating system has against it.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_hops_v6(HOP_LIMIT)?;
        socket.set_multicast_loop_v6(false)?;
        setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
        for link in links()? {
            let routers = SocketAddrV6::new(ALL_ROUTERS, 0, 0, link);
            // A link that is going down just now is no reason not to listen on the others.
            let _ = socket.send_to(&pref64::ROUTER_SOLICITATION, &routers.into());
        }
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
        })
    }

    /// The prefixes of the next advertisement that has any, each with its lifetime.
    pub(crate) fn poll(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Vec<(Prefix, Duration)>>> {
        loop {
            ready!(self.socket.poll_recv_ready(context))?;
            match self
                .socket
                .try_io(Interest::READABLE, || receive(&self.socket))
            {
                Ok(prefixes) if prefixes.is_empty() => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

/// The prefixes in the next packet.
fn receive(socket: &UdpSocket) -> io::Result<Vec<(Prefix, Duration)>> {
    let mut bytes = [0; MOST_BYTES];
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let mut control = cmsg_space!(i32);
    let (len, from_router) = {
        let message = recvmsg::<SockaddrIn6>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let link_local = message
            .address
            .is_some_and(|from| from.ip().is_unicast_link_local());
        let near = message.cmsgs()?.any(
            |control| matches!(control, ControlMessageOwned::Ipv6HopLimit(limit) if limit == 255),
        );
        (message.bytes, link_local && near)
    };
    let packet = bytes.get(..len).filter(|_| from_router);
    Ok(pref64::prefixes(packet.unwrap_or_default()).collect())
}

/// The numbers of the links where routers may be.
fn links() -> io::Result<Vec<u32>> {
    let mut links = Vec::new();
    let usable = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    for interface in getifaddrs()? {
        let local = interface
            .address
            .as_ref()
            .and_then(|address| address.as_sockaddr_in6())
            .is_some_and(|address| address.ip().is_unicast_link_local());
        let loopback = interface.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        if local
            && !loopback
            && interface.flags.contains(usable)
            && let Ok(link) = if_nametoindex(interface.interface_name.as_str())
            && !links.contains(&link)
            && links.len() < MOST_LINKS
        {
            links.push(link);
        }
    }
    Ok(links)
}
