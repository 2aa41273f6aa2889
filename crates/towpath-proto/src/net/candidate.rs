//! An address that may lead to the server, and where it came from.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use super::nat64::{Prefix, PrefixOrigin};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// The address families that connections may have. With [`V6`](Self::V6) an IPv4 server is reached through NAT64. DNS
/// servers are asked over either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Families {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Families {
    /// Whether packets of `family` may be sent.
    #[must_use]
    pub const fn allow(self, family: Family) -> bool {
        !matches!(
            (self, family),
            (Self::V4, Family::V6) | (Self::V6, Family::V4)
        )
    }
}

/// Where an address came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// It was written where the host name stands.
    Literal,
    /// An A or AAAA record.
    Dns,
    /// A table of this machine, such as `/etc/hosts`; `localhost` too (RFC 6761 section 6.3).
    Hosts,
    /// The operating system's own resolver.
    System,
    /// An AAAA record that a DNS64 server made of an A record (RFC 6147): the address lies in this NAT64 prefix.
    Dns64(Prefix),
    /// Made here of an IPv4 address and this NAT64 prefix (RFC 6052, RFC 8305 section 7).
    Synthesised(Prefix, PrefixOrigin),
}

impl Origin {
    /// The NAT64 prefix, if packets to the address are translated.
    #[must_use]
    pub const fn prefix(self) -> Option<Prefix> {
        match self {
            Self::Dns64(prefix) | Self::Synthesised(prefix, _) => Some(prefix),
            _ => None,
        }
    }

    /// The lower-case name that logs and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Literal => "literal",
            Self::Dns => "dns",
            Self::Hosts => "hosts",
            Self::System => "system",
            Self::Dns64(_) => "dns64",
            Self::Synthesised(..) => "nat64",
        }
    }
}

/// `dns`, `dns64 64:ff9b::/96`, `nat64 fd64::/96 (ipv4only.arpa)` and so on.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Dns64(prefix) => write!(f, " {prefix}"),
            Self::Synthesised(prefix, from) => write!(f, " {prefix} ({from})"),
            _ => Ok(()),
        }
    }
}

/// An address that may lead to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The address that packets are sent to.
    pub address: IpAddr,
    /// Where it came from.
    pub origin: Origin,
    /// The address of this device that packets to it would bear; `None` if it has none that fits.
    pub source: Option<IpAddr>,
}

impl Candidate {
    /// The IPv4 address behind a translated one.
    #[must_use]
    pub fn embedded(&self) -> Option<Ipv4Addr> {
        match (self.address, self.origin.prefix()) {
            (IpAddr::V6(address), Some(prefix)) => prefix.extract(address),
            _ => None,
        }
    }

    /// The family that racing alternates by: a translated address ends in the IPv4 internet.
    pub(super) const fn path(&self) -> Family {
        match self.origin.prefix() {
            Some(_) => Family::V4,
            None => Family::of(self.address),
        }
    }
}
