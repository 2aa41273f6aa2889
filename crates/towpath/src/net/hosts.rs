//! `/etc/hosts`: takes in a name, gives out the addresses that stand beside it.

use std::{net::IpAddr, path::Path};

use super::{interface_index, read_bounded};

/// The longest file that is read, bytes. Lists of blocked names are long.
const MOST_BYTES: usize = 16 << 20;
/// Addresses that are taken at most.
const MOST_ADDRESSES: usize = 16;

/// An address, and the number of the interface that it belongs to, 0: of any.
pub(crate) type Zoned = (IpAddr, u32);

/// The addresses of `host` in the file, in order.
pub(super) fn addresses(path: &Path, host: &str) -> Vec<Zoned> {
    find(&read_bounded(path, MOST_BYTES), host)
}

fn find(text: &str, host: &str) -> Vec<Zoned> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next() else {
            continue;
        };
        if !words.any(|name| {
            name.strip_suffix('.')
                .unwrap_or(name)
                .eq_ignore_ascii_case(host)
        }) {
            continue;
        }
        if let Some(address) = zoned(address)
            && !found.contains(&address)
            && found.len() < MOST_ADDRESSES
        {
            found.push(address);
        }
    }
    found
}

fn zoned(text: &str) -> Option<Zoned> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some((text.parse().ok()?, 0));
    };
    let zone = zone.parse().ok().or_else(|| interface_index(zone))?;
    Some((address.parse().ok()?, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "127.0.0.1\tlocalhost\n\
        ::1 localhost ip6-localhost # loopback\n\
        \n\
        # 192.0.2.7 commented.example\n\
        192.0.2.1 Broker.Example broker\n\
        2001:db8::1 broker.example.\n\
        192.0.2.1 broker.example\n\
        fe80::1%3 near.example\n\
        nonsense broker.example\n\
        192.0.2.300 broker.example\n\
        192.0.2.9\n";

    fn found(host: &str) -> Vec<String> {
        let text = |(address, zone)| format!("{address}/{zone}");
        find(FILE, host).into_iter().map(text).collect()
    }

    #[test]
    fn names_are_found_whatever_their_case_and_final_dot() {
        for host in ["broker.example", "BROKER.example", "broker.example."] {
            assert_eq!(found(host), ["192.0.2.1/0", "2001:db8::1/0"]);
        }
        assert_eq!(found("broker"), ["192.0.2.1/0"]);
        assert_eq!(found("localhost"), ["127.0.0.1/0", "::1/0"]);
        assert_eq!(found("near.example"), ["fe80::1/3"]);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for host in ["commented.example", "example", "loopback", "", "#"] {
            assert!(found(host).is_empty(), "{host}");
        }
    }
}
