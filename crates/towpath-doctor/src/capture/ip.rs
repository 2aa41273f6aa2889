//! IP, TCP, UDP and ICMP heads. Takes in an IP packet, perhaps cut by the snapshot length; gives out what it carries.
//! Fragments are put together first.
//!
//! Clauses: RFC 791, RFC 8200, RFC 9293 section 3.1, RFC 768.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fragments::Fragments;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const ICMPV6: u8 = 58;

/// The most extension heads that are passed.
const EXTENSIONS: usize = 8;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    /// The hop limit, or the time to live.
    pub(super) hops: u8,
    pub(super) inside: Inside<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    Tcp(Segment<'a>),
    Udp {
        from: u16,
        to: u16,
        /// What was kept of it.
        payload: &'a [u8],
        /// Its length on the wire, bytes.
        len: usize,
    },
    /// A message of ICMP for IPv4.
    Icmp(&'a [u8]),
    /// A message of ICMPv6.
    Icmpv6(&'a [u8]),
}

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    /// The maximum segment size that a SYN announces, or 0.
    pub(super) mss: u16,
    /// What was kept of the data.
    pub(super) payload: &'a [u8],
    /// The length of the data on the wire, bytes.
    pub(super) len: usize,
}

/// Flags of a segment.
pub(super) mod flag {
    pub(in crate::capture) const FIN: u8 = 0x01;
    pub(in crate::capture) const SYN: u8 = 0x02;
    pub(in crate::capture) const RST: u8 = 0x04;
    pub(in crate::capture) const ACK: u8 = 0x10;
    pub(in crate::capture) const ECE: u8 = 0x40;
    pub(in crate::capture) const CWR: u8 = 0x80;
}

impl Segment<'_> {
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// What the fragments of a datagram have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    from: IpAddr,
    to: IpAddr,
    id: u32,
    protocol: u8,
}

/// A packet taken apart so far that its payload is known.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    from: IpAddr,
    to: IpAddr,
    hops: u8,
    protocol: u8,
    payload: &'a [u8],
    /// The length of the payload on the wire.
    len: usize,
    fragment: Option<Fragment>,
}

#[derive(Debug, Clone, Copy)]
struct Fragment {
    id: u32,
    offset: usize,
    more: bool,
}

/// Reads `packet`, and gives to `seen` what it carries once that is whole.
pub(super) fn read(packet: &[u8], fragments: &mut Fragments<Key>, seen: impl FnOnce(Carried<'_>)) {
    let Some(packet) = head(packet) else { return };
    let Some(fragment) = packet.fragment else {
        if let Some(found) = carried(&packet, packet.payload, packet.len) {
            seen(found);
        }
        return;
    };
    let key = Key {
        from: packet.from,
        to: packet.to,
        id: fragment.id,
        protocol: packet.protocol,
    };
    let whole = (!fragment.more).then(|| fragment.offset.saturating_add(packet.payload.len()));
    if let Some(whole) = fragments.piece(key, fragment.offset, packet.payload, whole)
        && let Some(found) = carried(&packet, &whole, whole.len())
    {
        seen(found);
    }
}

/// The addresses and ports of the packet that an ICMP message quotes: from, to, and whether it is of TCP.
pub(super) fn quoted(packet: &[u8]) -> Option<(IpAddr, u16, IpAddr, u16, bool)> {
    let packet = head(packet)?;
    let [a, b, c, d] = *packet.payload.first_chunk::<4>()?;
    let tcp = match packet.protocol {
        TCP => true,
        UDP => false,
        _ => return None,
    };
    let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some((packet.from, from, packet.to, to, tcp))
}

fn head(packet: &[u8]) -> Option<Packet<'_>> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

fn v4(packet: &[u8]) -> Option<Packet<'_>> {
    let head = packet.first_chunk::<20>()?;
    let [
        first,
        _,
        t0,
        t1,
        i0,
        i1,
        f0,
        f1,
        hops,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = *head;
    let from = usize::from(first & 0x0f)
        .checked_mul(4)
        .filter(|len| *len >= 20)?;
    let (payload, len) = bounded(packet, from, usize::from(u16::from_be_bytes([t0, t1])))?;
    let flags = u16::from_be_bytes([f0, f1]);
    let offset = usize::from(flags & 0x1fff) * 8;
    let more = flags & 0x2000 != 0;
    Some(Packet {
        from: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        to: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        hops,
        protocol,
        payload,
        len,
        fragment: (more || offset > 0).then(|| Fragment {
            id: u32::from(u16::from_be_bytes([i0, i1])),
            offset,
            more,
        }),
    })
}

/// What lies behind the head of `from` bytes, and how long that was on the wire. A total of 0 is what is left to the
/// network card to fill in.
fn bounded(packet: &[u8], from: usize, total: usize) -> Option<(&[u8], usize)> {
    let total = if total == 0 { packet.len() } else { total };
    let len = total.checked_sub(from)?;
    let kept = packet.get(from..)?;
    Some((kept.get(..len).unwrap_or(kept), len))
}

fn v6(packet: &[u8]) -> Option<Packet<'_>> {
    let ([_, _, _, _, l0, l1, next, hops], rest) = packet.split_first_chunk::<8>()?;
    let (from, rest) = rest.split_first_chunk::<16>()?;
    let (to, _) = rest.split_first_chunk::<16>()?;
    let total = match usize::from(u16::from_be_bytes([*l0, *l1])) {
        0 => 0,
        len => len + 40,
    };
    let (mut payload, mut len) = bounded(packet, 40, total)?;
    let mut protocol = *next;
    let mut fragment = None;
    for _ in 0..EXTENSIONS {
        let [next, units, h, l, i0, i1, i2, i3] = match payload.first_chunk::<8>() {
            Some(head) if is_extension(protocol) => *head,
            _ => break,
        };
        let extent = match protocol {
            FRAGMENT => {
                let place = u16::from_be_bytes([h, l]);
                let offset = usize::from(place & 0xfff8);
                let more = place & 1 != 0;
                let id = u32::from_be_bytes([i0, i1, i2, i3]);
                fragment = (more || offset > 0).then_some(Fragment { id, offset, more });
                8
            }
            AUTHENTICATION => (usize::from(units) + 2) * 4,
            _ => (usize::from(units) + 1) * 8,
        };
        payload = payload.get(extent..)?;
        len = len.checked_sub(extent)?;
        protocol = next;
    }
    Some(Packet {
        from: IpAddr::V6(Ipv6Addr::from(*from)),
        to: IpAddr::V6(Ipv6Addr::from(*to)),
        hops: *hops,
        protocol,
        payload,
        len,
        fragment,
    })
}

/// Hop-by-hop options, routing, fragment, authentication, destination options, mobility.
const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | FRAGMENT | AUTHENTICATION | 60 | 135)
}

fn carried<'a>(packet: &Packet<'_>, payload: &'a [u8], len: usize) -> Option<Carried<'a>> {
    let inside = match packet.protocol {
        TCP => Inside::Tcp(tcp(payload, len)?),
        UDP => udp(payload)?,
        ICMP => Inside::Icmp(payload),
        ICMPV6 => Inside::Icmpv6(payload),
        _ => return None,
    };
    Some(Carried {
        from: packet.from,
        to: packet.to,
        hops: packet.hops,
        inside,
    })
}

fn tcp(bytes: &[u8], len: usize) -> Option<Segment<'_>> {
    let head = bytes.first_chunk::<20>()?;
    let [
        f0,
        f1,
        t0,
        t1,
        s0,
        s1,
        s2,
        s3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        ..,
    ] = *head;
    let from = usize::from(offset >> 4)
        .checked_mul(4)
        .filter(|from| *from >= 20)?;
    let len = len.checked_sub(from)?;
    let options = bytes.get(20..from).unwrap_or_default();
    let kept = bytes.get(from..).unwrap_or_default();
    Some(Segment {
        from: u16::from_be_bytes([f0, f1]),
        to: u16::from_be_bytes([t0, t1]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        mss: if flags & flag::SYN == 0 {
            0
        } else {
            mss(options)
        },
        payload: kept.get(..len).unwrap_or(kept),
        len,
    })
}

/// The maximum segment size among the options of a SYN, or 0.
fn mss(mut options: &[u8]) -> u16 {
    loop {
        match options {
            [1, rest @ ..] => options = rest,
            [2, 4, high, low, ..] => return u16::from_be_bytes([*high, *low]),
            [2..=255, len @ 2..=255, ..] => match options.get(usize::from(*len)..) {
                Some(rest) => options = rest,
                None => return 0,
            },
            _ => return 0,
        }
    }
}

fn udp(bytes: &[u8]) -> Option<Inside<'_>> {
    let ([f0, f1, t0, t1, l0, l1, _, _], kept) = bytes.split_first_chunk::<8>()?;
    let len = usize::from(u16::from_be_bytes([*l0, *l1])).saturating_sub(8);
    Some(Inside::Udp {
        from: u16::from_be_bytes([*f0, *f1]),
        to: u16::from_be_bytes([*t0, *t1]),
        payload: kept.get(..len).unwrap_or(kept),
        len,
    })
}
