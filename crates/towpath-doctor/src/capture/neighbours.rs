//! What routers and hosts say of themselves: ICMP errors, and router advertisements with a resolver or a NAT64 prefix.
//!
//! Clauses: RFC 792, RFC 4443 section 3, RFC 4861 section 4.2, RFC 8106, RFC 8781.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use towpath_proto::net::{Prefix, pref64};

use super::{ip, mark::Mark};

/// The most resolvers and prefixes that are remembered.
const MOST: usize = 8;

/// Why a packet did not arrive, in the words of who dropped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// No route to the network.
    NoNetwork,
    /// The host does not answer.
    NoHost,
    /// A firewall forbids it.
    Forbidden,
    /// Nothing takes the port.
    NoPort,
    /// It is too big for a link with this MTU, bytes; 0: not said.
    TooBig(u32),
    /// Something else.
    Other(u8, u8),
}

impl Complaint {
    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Self::NoNetwork => "no route to the network".to_owned(),
            Self::NoHost => "host unreachable".to_owned(),
            Self::Forbidden => "administratively prohibited".to_owned(),
            Self::NoPort => "port unreachable".to_owned(),
            Self::TooBig(0) => "packet too big".to_owned(),
            Self::TooBig(mtu) => format!("packet too big, MTU {mtu}"),
            Self::Other(kind, code) => format!("ICMP type {kind} code {code}"),
        }
    }
}

/// An error with the packet that it is about: from where to where, and whether that is of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) complaint: Complaint,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) tcp: bool,
}

/// An error among the messages of ICMP.
pub(super) fn error(message: &[u8], v6: bool) -> Option<Error> {
    let ([kind, code, _, _, a, b, c, d], packet) = message.split_first_chunk::<8>()?;
    let mtu = u32::from_be_bytes([*a, *b, *c, *d]);
    let complaint = match (v6, kind, code) {
        (false, 3, 0 | 6 | 11) | (true, 1, 0) => Complaint::NoNetwork,
        (false, 3, 1 | 2 | 7 | 12) | (true, 1, 2 | 3) => Complaint::NoHost,
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => Complaint::Forbidden,
        (false, 3, 3) | (true, 1, 4) => Complaint::NoPort,
        (false, 3, 4) => Complaint::TooBig(mtu & 0xffff),
        (true, 2, _) => Complaint::TooBig(mtu),
        (false, 3 | 11, _) | (true, 1 | 3 | 4, _) => Complaint::Other(*kind, *code),
        _ => return None,
    };
    let (from, from_port, to, to_port, tcp) = ip::quoted(packet)?;
    Some(Error {
        complaint,
        from: SocketAddr::new(from, from_port),
        to: SocketAddr::new(to, to_port),
        tcp,
    })
}

/// What routers announce.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// The first advertisement.
    pub(super) router: Option<(IpAddr, Mark)>,
    pub(super) resolvers: Vec<(Ipv6Addr, Mark)>,
    pub(super) prefixes: Vec<(Prefix, Mark)>,
    /// A node asked for an advertisement.
    pub(super) solicited: Option<Mark>,
}

impl Announced {
    /// A message of ICMPv6 that came with this hop limit.
    pub(super) fn message(&mut self, from: IpAddr, hops: u8, message: &[u8], mark: Mark) {
        if matches!(message, [133, 0, ..]) && hops == 255 {
            self.solicited.get_or_insert(mark);
        }
        if !matches!(message, [134, 0, ..]) || hops != 255 {
            return;
        }
        self.router.get_or_insert((from, mark));
        for (prefix, lifetime) in pref64::prefixes(message) {
            let new = self.prefixes.iter().all(|(known, _)| *known != prefix);
            if !lifetime.is_zero() && new && self.prefixes.len() < MOST {
                self.prefixes.push((prefix, mark));
            }
        }
        for resolver in resolvers(message) {
            let new = self.resolvers.iter().all(|(known, _)| *known != resolver);
            if new && self.resolvers.len() < MOST {
                self.resolvers.push((resolver, mark));
            }
        }
    }
}

/// The addresses of the RDNSS options (RFC 8106 section 5.1) whose lifetime is not zero.
fn resolvers(message: &[u8]) -> Vec<Ipv6Addr> {
    let mut found = Vec::new();
    let mut rest = message.get(16..).unwrap_or_default();
    while let [kind, units, ..] = *rest {
        let len = usize::from(units) * 8;
        let Some((option, after)) = rest.split_at_checked(len).filter(|_| len > 0) else {
            break;
        };
        rest = after;
        if let (25, Some(([_, _, _, _, lifetime @ ..], addresses))) =
            (kind, option.split_first_chunk::<8>())
            && *lifetime != [0; 4]
        {
            let (addresses, _) = addresses.as_chunks::<16>();
            found.extend(
                addresses
                    .iter()
                    .take(MOST)
                    .map(|bytes| Ipv6Addr::from(*bytes)),
            );
        }
    }
    found
}
