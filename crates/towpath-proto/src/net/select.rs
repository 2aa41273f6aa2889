//! In which order addresses are tried: destination address selection (RFC 6724 section 6), with the source addresses
//! that really exist, and families in turn (RFC 8305 section 4).

use core::{
    cmp::Ordering,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use super::{Candidate, Family};

/// Why a candidate stands behind the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// It is the first, or no rule tells the two apart: their order is that of the answer.
    AsGiven,
    /// Rule 1: no source address reaches it.
    Unusable,
    /// Rule 2: its scope does not fit that of its source address.
    Scope,
    /// Rule 5: its label is not that of its source address.
    Label,
    /// Rule 6: the policy table ranks it lower.
    Precedence,
    /// Rule 7: it is reached through a translator.
    Translated,
    /// Rule 8: its scope is larger.
    LargerScope,
    /// Rule 9: it has fewer bits in common with its source address.
    Prefix,
    /// RFC 8305 section 4: families take turns.
    Alternation,
}

impl Rule {
    /// What the rule says, as the middle of a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AsGiven => "as given",
            Self::Unusable => "no source address reaches it (rule 1)",
            Self::Scope => "its scope does not fit its source's (rule 2)",
            Self::Label => "its label is not its source's (rule 5)",
            Self::Precedence => "lower in the policy table (rule 6)",
            Self::Translated => "reached through a translator (rule 7)",
            Self::LargerScope => "larger scope (rule 8)",
            Self::Prefix => "less in common with its source (rule 9)",
            Self::Alternation => "families take turns (RFC 8305)",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Which of two candidates is tried first, and by which rule. Rules 3 and 4 speak of deprecated and home addresses,
/// which the choice of the source has already settled; rule 10 is that of a stable sort.
#[must_use]
pub fn compare(a: &Candidate, b: &Candidate) -> (Ordering, Rule) {
    let by = |a: bool, b: bool| b.cmp(&a);
    let rules = [
        (by(is_usable(a), is_usable(b)), Rule::Unusable),
        (by(scope_fits(a), scope_fits(b)), Rule::Scope),
        (by(label_fits(a), label_fits(b)), Rule::Label),
        (
            policy(b.address).0.cmp(&policy(a.address).0),
            Rule::Precedence,
        ),
        (
            by(a.origin.prefix().is_none(), b.origin.prefix().is_none()),
            Rule::Translated,
        ),
        (scope(a.address).cmp(&scope(b.address)), Rule::LargerScope),
        (common(b).cmp(&common(a)), Rule::Prefix),
    ];
    rules
        .into_iter()
        .find(|(order, _)| order.is_ne())
        .unwrap_or((Ordering::Equal, Rule::AsGiven))
}

/// Sorts candidates, the first to try in front; those that are equal stay as given.
pub fn sort(candidates: &mut [Candidate]) {
    // A stable insertion sort: the core has no allocator, and a name has few addresses.
    for end in 1..candidates.len() {
        for at in (1..=end).rev() {
            let Some([before, after]) = candidates.get_mut(at - 1..=at) else {
                break;
            };
            if compare(before, after).0.is_le() {
                break;
            }
            core::mem::swap(before, after);
        }
    }
}

/// Whether packets to the candidate can leave this device and come back: it has a source address, and not only a
/// link-local one for a destination beyond the link.
#[must_use]
pub fn is_usable(candidate: &Candidate) -> bool {
    candidate
        .source
        .is_some_and(|source| scope(source) >= scope(candidate.address))
}

/// The source address that packets to `destination` would bear, chosen among a device's own (RFC 6724 section 5, rules
/// 1, 2, 6 and 8). For devices; an operating system knows better.
#[must_use]
#[cfg_attr(target_os = "none", inline(never))]
pub fn source_for(destination: IpAddr, own: &[IpAddr]) -> Option<IpAddr> {
    let wanted = scope(destination);
    own.iter()
        .copied()
        .filter(|source| Family::of(*source) == Family::of(destination))
        .max_by_key(|source| {
            let scope = scope(*source);
            // The smallest scope that suffices; of those that don't, the largest.
            let fitness = if scope >= wanted { 0x20 - scope } else { scope };
            // The rules from the first on, as the digits of one number.
            u32::from(*source == destination) << 24
                | u32::from(scope >= wanted) << 17
                | u32::from(fitness) << 9
                | u32::from(policy(*source).1 == policy(destination).1) << 8
                | common_bits(*source, destination)
        })
}

fn scope_fits(candidate: &Candidate) -> bool {
    candidate
        .source
        .is_some_and(|source| scope(source) == scope(candidate.address))
}

fn label_fits(candidate: &Candidate) -> bool {
    candidate
        .source
        .is_some_and(|source| policy(source).1 == policy(candidate.address).1)
}

fn common(candidate: &Candidate) -> u32 {
    // Rule 9 is for IPv6: with IPv4 it would defeat the server's own rotation of its addresses.
    match (candidate.source, candidate.address) {
        (Some(source @ IpAddr::V6(_)), to) => common_bits(source, to).min(64),
        _ => 0,
    }
}

fn common_bits(a: IpAddr, b: IpAddr) -> u32 {
    same_bits(mapped(a).to_bits(), mapped(b).to_bits())
}

/// How many bits are the same from the first on.
#[cfg_attr(target_os = "none", inline(never))]
const fn same_bits(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

/// Precedence and label (RFC 6724 section 2.1).
#[cfg_attr(target_os = "none", inline(never))]
fn policy(address: IpAddr) -> (u8, u8) {
    let address = mapped(address).to_bits();
    TABLE
        .iter()
        .find(|(prefix, len, ..)| same_bits(*prefix, address) >= *len)
        .map_or((40, 1), |(_, _, precedence, label)| (*precedence, *label))
}

/// The default policy table, longest prefixes first: bits, length, precedence, label.
const TABLE: [(u128, u32, u8, u8); 9] = [
    (1, 128, 50, 0),
    (0xffff << 32, 96, 35, 4),
    (0, 96, 1, 3),
    (0x2001 << 112, 32, 5, 5),
    (0x2002 << 112, 16, 30, 2),
    (0x3ffe << 112, 16, 1, 12),
    (0xfec0 << 112, 10, 1, 11),
    (0xfc00 << 112, 7, 3, 13),
    (0, 0, 40, 1),
];

const fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The scope of a unicast address as a number that grows with it (RFC 6724 section 3.1 and 3.2, RFC 4291 section 2.7).
const fn scope(address: IpAddr) -> u8 {
    let link = match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    };
    match address {
        _ if link => 0x2,
        // Site-local, deprecated.
        IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0 => 0x5,
        _ => 0xe,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{string::ToString as _, vec::Vec};

    use super::*;
    use crate::net::{Origin, Prefix, PrefixOrigin};

    fn candidate(address: &str, source: &str) -> Candidate {
        Candidate {
            address: address.parse().unwrap(),
            origin: Origin::Dns,
            source: source.parse().ok(),
        }
    }

    fn sorted(given: &[(&str, &str)]) -> Vec<std::string::String> {
        let mut list: Vec<_> = given.iter().map(|(to, from)| candidate(to, from)).collect();
        sort(&mut list);
        list.iter().map(|c| c.address.to_string()).collect()
    }

    /// RFC 6724 section 10.2, as far as its examples need no deprecated address.
    #[test]
    fn the_examples_of_the_specification() {
        for (given, first) in [
            (
                [
                    ("2001:db8:1::1", "2001:db8:1::2"),
                    ("198.51.100.121", "169.254.13.78"),
                ],
                "2001:db8:1::1",
            ),
            (
                [
                    ("2001:db8:1::1", "fe80::1"),
                    ("198.51.100.121", "198.51.100.117"),
                ],
                "198.51.100.121",
            ),
            (
                [("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")],
                "2001:db8:1::1",
            ),
            (
                [("2001:db8:1::1", "2001:db8:1::2"), ("fe80::1", "fe80::2")],
                "fe80::1",
            ),
            (
                [
                    ("2001:db8:1::1", "2001:db8:1::2"),
                    ("2001:db8:3ffe::1", "2001:db8:3f44::2"),
                ],
                "2001:db8:1::1",
            ),
            (
                [
                    ("2002:c633:6401::1", "2002:c633:6401::2"),
                    ("2001:db8:1::1", "2002:c633:6401::2"),
                ],
                "2002:c633:6401::1",
            ),
            (
                [
                    ("2002:c633:6401::1", "2002:c633:6401::2"),
                    ("2001:db8:1::1", "2001:db8:1::2"),
                ],
                "2001:db8:1::1",
            ),
        ] {
            let turned = [given[1], given[0]];
            assert_eq!(sorted(&given)[0], first);
            assert_eq!(sorted(&turned)[0], first, "the order given does not matter");
        }
    }

    #[test]
    fn no_source_comes_last_and_says_so() {
        let reached = candidate("198.51.100.1", "10.0.0.2");
        let unreached = candidate("2001:db8::1", "none");
        assert_eq!(
            compare(&reached, &unreached),
            (Ordering::Less, Rule::Unusable)
        );
        assert!(!is_usable(&unreached));
        assert!(
            !is_usable(&candidate("2001:db8::1", "fe80::1")),
            "beyond scope of source address"
        );
        assert!(is_usable(&candidate("fe80::1", "fe80::2")));
        assert!(is_usable(&candidate("127.0.0.1", "127.0.0.1")));
    }

    #[test]
    fn native_goes_before_translated() {
        let native = candidate("2001:db8:5::1", "2001:db8::2");
        let prefix: Prefix = "2001:db8:64::/96".parse().unwrap();
        let mut translated = candidate("2001:db8:64::c633:640a", "2001:db8::2");
        translated.origin = Origin::Synthesised(prefix, PrefixOrigin::Config);
        assert_eq!(
            compare(&native, &translated),
            (Ordering::Less, Rule::Translated)
        );
    }

    #[test]
    fn ipv4_answers_keep_their_rotation() {
        assert_eq!(
            sorted(&[("203.0.113.9", "10.0.0.2"), ("10.0.0.1", "10.0.0.2")]),
            ["203.0.113.9", "10.0.0.1"]
        );
    }

    #[test]
    fn a_device_chooses_its_source() {
        let own =
            ["fe80::2", "fd11::2", "2001:db8::2", "10.0.0.2"].map(|text| text.parse().unwrap());
        for (to, from) in [
            ("fe80::1", "fe80::2"),
            ("fd12::1", "fd11::2"),
            ("2001:db8:7::1", "2001:db8::2"),
            ("10.0.0.1", "10.0.0.2"),
            ("fd11::2", "fd11::2"),
        ] {
            assert_eq!(
                source_for(to.parse().unwrap(), &own),
                from.parse().ok(),
                "{to}"
            );
        }
        assert_eq!(source_for("10.0.0.1".parse().unwrap(), &own[..3]), None);
        let link = &own[..1];
        assert_eq!(
            source_for("2001:db8::1".parse().unwrap(), link),
            Some(own[0])
        );
    }
}
