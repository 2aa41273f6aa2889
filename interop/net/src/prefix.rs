//! NAT64 prefixes as RFC 6052 has them, written down once more: what towpath computes is compared with this and with
//! what the translator makes of it.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Its bits, and zeros behind.
    pub address: Ipv6Addr,
    /// How many bits.
    pub len: u8,
}

impl Prefix {
    /// The IPv6 address that stands for an IPv4 address (RFC 6052 2.2): its bytes follow the prefix and leave out the
    /// ninth byte.
    #[must_use]
    pub fn embed(self, ipv4: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.address.octets();
        let behind = octets.iter_mut().enumerate();
        let behind = behind.skip(usize::from(self.len / 8));
        let places = behind.filter_map(|(at, octet)| (at != 8).then_some(octet));
        for (place, octet) in places.zip(ipv4.octets()) {
            *place = octet;
        }
        octets.into()
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, len) = text.split_once('/').ok_or("no slash")?;
        let address = address.parse().map_err(|_| "no IPv6 address")?;
        let len = len.parse().map_err(|_| "no length")?;
        match len {
            32 | 40 | 48 | 56 | 64 | 96 => Ok(Self { address, len }),
            _ => Err(format!("no NAT64 prefix has length {len}")),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6052 2.4.
    #[test]
    fn the_vectors_of_rfc_6052() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let prefix: Prefix = prefix.parse().expect(prefix);
            let embedded = prefix.embed(Ipv4Addr::new(192, 0, 2, 33));
            assert_eq!(embedded, address.parse::<Ipv6Addr>().expect(address));
        }
    }
}
