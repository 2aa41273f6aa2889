//! Which of this machine's addresses packets to a destination would bear. The routing table of the operating system
//! knows; connecting a UDP socket asks it, and sends nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The port of the destination does not matter, but may not be 0.
const DISCARD: u16 = 9;

/// The source address; `None` if there is no route, or none that may be used. `zone` is the destination's interface.
pub(crate) fn source(destination: IpAddr, zone: u32) -> Option<IpAddr> {
    let (any, to): (IpAddr, SocketAddr) = match destination {
        IpAddr::V4(address) => (Ipv4Addr::UNSPECIFIED.into(), (address, DISCARD).into()),
        IpAddr::V6(address) => (
            Ipv6Addr::UNSPECIFIED.into(),
            std::net::SocketAddrV6::new(address, DISCARD, 0, zone).into(),
        ),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    let source = socket.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

/// Whether this machine reaches the IPv6 internet and not the IPv4 one, so that an IPv4 server takes a translator.
pub(crate) fn is_ipv6_only() -> bool {
    // Addresses for documentation: nobody has them, so whatever leads there is the way to the rest of the world.
    let v4 = Ipv4Addr::new(192, 0, 2, 1).into();
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
    source(v4, 0).is_none() && source(v6, 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_bears_its_own_address() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(source(loopback, 0), Some(loopback));
    }

    #[test]
    fn what_no_packet_may_go_to_has_no_source() {
        assert_eq!(source(Ipv4Addr::BROADCAST.into(), 0), None);
        // A link-local destination without its link.
        assert_eq!(source("fe80::1".parse().unwrap(), 0), None);
    }
}
