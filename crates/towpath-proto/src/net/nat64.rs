//! Reaching IPv4 through a translator: prefixes, and addresses made with them (RFC 6052), and the prefix in the AAAA
//! records of `ipv4only.arpa` (RFC 7050).

use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::{
    fault::{Code, Fault},
    rung::Rung,
};

/// The name whose AAAA records tell the prefix (RFC 7050 section 2.2).
pub const DISCOVERY_NAME: &str = "ipv4only.arpa";

/// The only IPv4 addresses of [`DISCOVERY_NAME`] (RFC 7050 section 2.2).
pub const DISCOVERY_ADDRESSES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// The lengths that a prefix may have (RFC 6052 section 2.2), the most usual first.
pub const LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];

/// Where a prefix was learned. The order is that of trust: a later one beats an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PrefixOrigin {
    /// The AAAA records of `ipv4only.arpa` (RFC 7050).
    Discovery,
    /// A router advertisement (RFC 8781).
    RouterAdvertisement,
    /// The network data of a Thread network.
    ThreadNetworkData,
    /// The caller.
    Config,
}

impl fmt::Display for PrefixOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discovery => "ipv4only.arpa",
            Self::RouterAdvertisement => "router advertisement",
            Self::ThreadNetworkData => "Thread network data",
            Self::Config => "config",
        })
    }
}

/// A NAT64 prefix: 32, 40, 48, 56, 64 or 96 bits of an IPv6 address, of which bits 64 to 71 are zero (RFC 6052 section
/// 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Not its number, whose alignment would make everything around it larger.
    address: Ipv6Addr,
    len: u8,
}

/// Bits 64 to 71, which are always zero.
const U_OCTET: u128 = 0xff << 56;

impl Prefix {
    /// 64:ff9b::/96, which may not carry private IPv4 addresses (RFC 6052 section 3.1).
    pub const WELL_KNOWN: Self = Self {
        address: Ipv6Addr::from_bits(0x0064_ff9b << 96),
        len: 96,
    };

    /// The first `len` bits of `address`; `None` if the length is not one of [`LENGTHS`], if bits behind it are set, or
    /// bits 64 to 71 are.
    #[must_use]
    pub fn new(address: Ipv6Addr, len: u8) -> Option<Self> {
        let bits = address.to_bits();
        let behind = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
        let fits = LENGTHS.contains(&len) && bits & behind == 0 && bits & U_OCTET == 0;
        fits.then_some(Self { address, len })
    }

    /// The prefix as an address with zeros behind it.
    #[must_use]
    pub const fn address(self) -> Ipv6Addr {
        self.address
    }

    /// Its length, bits.
    #[must_use]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Always false: a prefix has at least 32 bits.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Whether this is 64:ff9b::/96.
    #[must_use]
    pub fn is_well_known(self) -> bool {
        self == Self::WELL_KNOWN
    }

    /// The address that the translator turns into `address` (RFC 6052 section 2.3).
    #[must_use]
    pub fn synthesise(self, address: Ipv4Addr) -> Ipv6Addr {
        let v4 = u128::from(address.to_bits());
        Ipv6Addr::from_bits(self.address.to_bits() | spread(v4, self.len))
    }

    /// The IPv4 address inside `address`; `None` if it does not lie in this prefix.
    #[must_use]
    pub fn extract(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let bits = address.to_bits();
        let v4 = gather(bits, self.len);
        // The suffix behind the IPv4 address is to be ignored on receipt (RFC 6052 section 2.2).
        let prefix = u128::MAX
            .checked_shr(u32::from(self.len))
            .map(|mask| !mask)?;
        let lies_in = bits & prefix == self.address.to_bits() && bits & U_OCTET == 0;
        lies_in.then(|| Ipv4Addr::from_bits(v4))
    }

    /// Whether `address` may be carried: anything, but by the well-known prefix global addresses only (RFC 6052 section
    /// 3.1).
    #[must_use]
    pub fn may_carry(self, address: Ipv4Addr) -> bool {
        !self.is_well_known() || is_global(address)
    }
}

/// The bits of an IPv4 address where they lie behind a prefix of `len` bits: in one piece for 32 and 96, around bits 64
/// to 71 for the rest.
const fn spread(v4: u128, len: u8) -> u128 {
    match len {
        32 => v4 << 64,
        // 24, 16 or 8 bits in front of the zero octet, the rest behind it.
        40 => ((v4 >> 8) << 64) | ((v4 & 0xff) << 48),
        48 => ((v4 >> 16) << 64) | ((v4 & 0xffff) << 40),
        56 => ((v4 >> 24) << 64) | ((v4 & 0x00ff_ffff) << 32),
        64 => v4 << 24,
        _ => v4,
    }
}

/// The reverse of [`spread`].
#[expect(
    clippy::cast_possible_truncation,
    reason = "the 32 bits that are meant"
)]
const fn gather(bits: u128, len: u8) -> u32 {
    let front = (bits >> 64) as u32;
    match len {
        32 => front,
        40 => (front << 8) | (bits >> 48) as u8 as u32,
        48 => (front << 16) | (bits >> 40) as u16 as u32,
        56 => (front << 24) | ((bits >> 32) as u32 & 0x00ff_ffff),
        64 => (bits >> 24) as u32,
        _ => bits as u32,
    }
}

/// Whether `address` means the same host everywhere (RFC 6890's table and RFC 6052 section 3.1).
#[must_use]
pub const fn is_global(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        // Shared by carriers (RFC 6598), for benchmarks (RFC 2544), for protocols (RFC 6890), reserved.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
        || (a == 192 && b == 0 && c == 0)
        || a >= 240;
    !special
}

/// The prefix inside an AAAA record of [`DISCOVERY_NAME`] (RFC 7050 section 3): one of its two IPv4 addresses stands at
/// a place where a prefix may end. `None` if there is no such place.
#[must_use]
pub fn discover(address: Ipv6Addr) -> Option<Prefix> {
    let bits = address.to_bits();
    LENGTHS.into_iter().find_map(|len| {
        let v4 = Ipv4Addr::from_bits(gather(bits, len));
        let behind = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
        let prefix = Prefix::new(Ipv6Addr::from_bits(bits & !behind), len)?;
        (DISCOVERY_ADDRESSES.contains(&v4) && bits & U_OCTET == 0).then_some(prefix)
    })
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

/// `ADDRESS/LENGTH`.
impl FromStr for Prefix {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let slash = text.bytes().position(|byte| byte == b'/');
        slash
            .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
            .and_then(|(address, len)| Self::new(address.parse().ok()?, len.parse().ok()?))
            .ok_or_else(|| {
                Fault::new(Rung::Nat64, Code::Nat64PrefixInvalid).detail(text.as_bytes())
            })
    }
}

/// How many prefixes are kept at once. A network has one, seldom two.
pub const MOST_PREFIXES: usize = 4;

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString as _;

    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    /// RFC 6052 section 2.4, table 1.
    #[test]
    fn the_six_lengths_of_the_specification() {
        for (text, synthesised) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
            ("64:ff9b::/96", "64:ff9b::c000:221"),
        ] {
            let v4 = Ipv4Addr::new(192, 0, 2, 33);
            let v6: Ipv6Addr = synthesised.parse().unwrap();
            assert_eq!(prefix(text).synthesise(v4), v6, "{text}");
            assert_eq!(prefix(text).extract(v6), Some(v4), "{text}");
            assert_eq!(prefix(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_prefix() {
        for text in [
            "64:ff9b::",
            "64:ff9b::/95",
            "64:ff9b::/128",
            "64:ff9b::1/96",
            "2001:db8:0:0:ff00::/96",
            "1.2.3.4/32",
            "64:ff9b::/",
            "",
        ] {
            let fault = text.parse::<Prefix>().unwrap_err();
            assert_eq!(
                (fault.rung, fault.code),
                (Rung::Nat64, Code::Nat64PrefixInvalid)
            );
        }
    }

    #[test]
    fn the_well_known_prefix_carries_global_addresses_only() {
        for (text, global) in [
            ("8.8.8.8", true),
            ("192.88.99.10", true),
            ("10.1.2.3", false),
            ("172.31.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("198.51.100.10", false),
            ("198.17.0.1", true),
            ("198.19.0.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("0.1.2.3", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(Prefix::WELL_KNOWN.may_carry(address), global, "{text}");
            assert!(prefix("fd64::/96").may_carry(address));
        }
    }

    #[test]
    fn the_prefix_is_found_wherever_it_ends() {
        for text in [
            "2001:db8::/32",
            "2001:db8:100::/40",
            "2001:db8:122::/48",
            "2001:db8:122:300::/56",
            "2001:db8:122:344::/64",
            "2001:db8:122:344::/96",
            "64:ff9b::/96",
        ] {
            for address in DISCOVERY_ADDRESSES {
                assert_eq!(
                    discover(prefix(text).synthesise(address)),
                    Some(prefix(text))
                );
            }
        }
        assert_eq!(discover("2001:db8::1".parse().unwrap()), None);
        assert_eq!(
            discover(prefix("64:ff9b::/96").synthesise(Ipv4Addr::new(192, 0, 0, 172))),
            None
        );
    }

    proptest! {
        #[test]
        fn there_and_back(bits: u128, v4: u32, which in 0usize..6) {
            let len = LENGTHS[which];
            let bits = bits & !(u128::MAX >> len) & !U_OCTET;
            let prefix = Prefix::new(Ipv6Addr::from_bits(bits), len).unwrap();
            let v4 = Ipv4Addr::from_bits(v4);
            let v6 = prefix.synthesise(v4);
            prop_assert_eq!(prefix.extract(v6), Some(v4));
            prop_assert_eq!(v6.to_bits() & U_OCTET, 0);
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
        }
    }
}
