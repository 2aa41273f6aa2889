//! The NAT64 prefix in a router advertisement (RFC 8781).

use core::{net::Ipv6Addr, time::Duration};

use super::nat64::{LENGTHS, Prefix};

/// The ICMPv6 type of a router advertisement (RFC 4861 section 4.2).
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Where its options begin, bytes.
const OPTIONS: usize = 16;
/// The option with the prefix (RFC 8781 section 4).
const PREF64: u8 = 38;

/// A router solicitation without options (RFC 4861 section 4.1). Who sends it has the checksum filled in, as the socket
/// of an operating system does.
pub const ROUTER_SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];

/// The prefixes in an ICMPv6 message, from its type on, each with how long it may be used; zero: no longer. Nothing if
/// it is no router advertisement.
///
/// The caller has checked that it came with hop limit 255 (RFC 4861 section 6.1.2).
pub fn prefixes(message: &[u8]) -> impl Iterator<Item = (Prefix, Duration)> + use<'_> {
    let is_advertisement = matches!(message, [ROUTER_ADVERTISEMENT, 0, ..]);
    let mut rest = message
        .get(OPTIONS..)
        .filter(|_| is_advertisement)
        .unwrap_or_default();
    core::iter::from_fn(move || {
        // A length of zero, or beyond the end, makes the whole message invalid (RFC 4861 section 4.6).
        let [kind, units, ..] = *rest else {
            return None;
        };
        let len = usize::from(units).checked_mul(8).filter(|len| *len > 0)?;
        let (option, after) = rest.split_at_checked(len)?;
        rest = after;
        Some((kind, option))
    })
    .filter(|(kind, _)| *kind == PREF64)
    .filter_map(|(_, option)| prefix(option))
}

/// The prefix of one option; options of another length or with an unknown length code are ignored.
fn prefix(option: &[u8]) -> Option<(Prefix, Duration)> {
    let [_, _, high, low, top @ ..] = option else {
        return None;
    };
    let scaled = u16::from_be_bytes([*high, *low]);
    let len = *LENGTHS.get(usize::from(scaled & 7))?;
    let top: &[u8; 12] = top.try_into().ok()?;
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(top) {
        *to = *from;
    }
    // Bits behind the length are to be ignored on receipt (RFC 8781 section 4).
    let bits = u128::from_be_bytes(octets) & !(u128::MAX.checked_shr(u32::from(len)).unwrap_or(0));
    let prefix = Prefix::new(Ipv6Addr::from_bits(bits), len)?;
    Some((prefix, Duration::from_secs(u64::from(scaled & !7))))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn advertisement(options: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        for option in options {
            message.extend_from_slice(option);
        }
        message
    }

    #[rustfmt::skip]
    const WELL_KNOWN: [u8; 16] = [38, 2, 0x07, 0x08, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

    fn read(message: &[u8]) -> Vec<(Prefix, Duration)> {
        prefixes(message).collect()
    }

    #[test]
    fn a_prefix_between_other_options() {
        let rdnss = [25, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            read(&advertisement(&[&rdnss, &WELL_KNOWN, &rdnss])),
            [(Prefix::WELL_KNOWN, Duration::from_secs(1800))]
        );
    }

    #[test]
    fn the_length_code_chooses_among_six() {
        for (code, len) in (0u8..).zip(LENGTHS) {
            let mut option = WELL_KNOWN;
            option[3] = code;
            let found = read(&advertisement(&[&option]));
            assert_eq!(found[0].0.len(), len);
            assert_eq!(found[0].1, Duration::from_secs(0x700));
        }
        for code in [6, 7] {
            let mut option = WELL_KNOWN;
            option[3] = code;
            assert!(read(&advertisement(&[&option])).is_empty());
        }
    }

    #[test]
    fn what_is_not_read() {
        let mut solicitation = advertisement(&[&WELL_KNOWN]);
        solicitation[0] = 133;
        assert!(read(&solicitation).is_empty());
        let long: Vec<u8> = [&[38, 3][..], &[0; 22]].concat();
        assert!(read(&advertisement(&[&long])).is_empty(), "length is not 2");
        let endless = [38, 0, 0, 0, 0, 0, 0, 0];
        assert!(read(&advertisement(&[&endless, &WELL_KNOWN])).is_empty());
        let whole = advertisement(&[&WELL_KNOWN]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_empty(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            for (prefix, _) in prefixes(&bytes) {
                prop_assert!(LENGTHS.contains(&prefix.len()));
            }
        }
    }
}
