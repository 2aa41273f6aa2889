//! Link layers: from a frame to the IP packet in it. Takes in the frame and its link type; gives out where the packet
//! lies, or that it is a frame of IEEE 802.15.4.
//!
//! Source: the registry of link types that pcap and pcapng share.

/// What is in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    /// An IPv4 or IPv6 packet.
    Ip(&'a [u8]),
    /// A frame of IEEE 802.15.4, without its frame check sequence.
    Wpan(&'a [u8]),
    /// Something else that belongs there: ARP, a spanning tree, a beacon.
    Other,
    /// A link type that is not known here.
    Unknown,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE: u16 = 0x8864;

/// Takes the link layer off `frame`.
pub(super) fn inside(link: u32, frame: &[u8]) -> Inside<'_> {
    match link {
        // Null and loopback: a family in four bytes, of either order. The version of IP says the same.
        0 | 108 => ip(frame.get(4..)),
        1 => ethernet(frame),
        9 | 50 => ppp(frame),
        // Raw IP: the number of the registry, those of some systems, and one for each version.
        12 | 14 | 101 | 228 | 229 => ip(Some(frame)),
        113 => cooked(frame, 14, 16),
        276 => cooked(frame, 0, 20),
        195 => Inside::Wpan(unchecked(frame)),
        // Preamble, start of frame and length of the physical layer come first.
        215 => Inside::Wpan(unchecked(frame.get(6..).unwrap_or_default())),
        230 => Inside::Wpan(frame),
        283 => tap(frame),
        _ => Inside::Unknown,
    }
}

/// A frame of 802.15.4 without its frame check sequence of two bytes.
fn unchecked(frame: &[u8]) -> &[u8] {
    frame
        .split_last_chunk::<2>()
        .map_or(frame, |(rest, _)| rest)
}

fn ip(bytes: Option<&[u8]>) -> Inside<'_> {
    match bytes {
        Some(packet @ [first, ..]) if matches!(first >> 4, 4 | 6) => Inside::Ip(packet),
        _ => Inside::Other,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*found))
}

fn ethernet(frame: &[u8]) -> Inside<'_> {
    ether_type(frame, 12)
}

/// What lies behind the type at this place, VLAN tags and PPPoE taken off.
fn ether_type(frame: &[u8], mut at: usize) -> Inside<'_> {
    // Two tags are usual for providers; more than four are damage.
    for _ in 0..=4 {
        match u16_at(frame, at) {
            Some(IPV4 | IPV6) => return ip(frame.get(at + 2..)),
            Some(PPPOE) => return ppp(frame.get(at + 8..).unwrap_or_default()),
            Some(tag) if VLAN.contains(&tag) => at += 4,
            _ => return Inside::Other,
        }
    }
    Inside::Other
}

/// Linux "cooked": the type at `kind`, the packet from `from` on.
fn cooked(frame: &[u8], kind: usize, from: usize) -> Inside<'_> {
    match u16_at(frame, kind) {
        Some(IPV4 | IPV6) => ip(frame.get(from..)),
        Some(tag) if VLAN.contains(&tag) => ether_type(frame, from + 2),
        _ => Inside::Other,
    }
}

/// PPP, with or without the address and control fields, with a protocol of one byte or two.
fn ppp(frame: &[u8]) -> Inside<'_> {
    let frame = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    match frame {
        [0x21 | 0x57, rest @ ..] | [0x00, 0x21 | 0x57, rest @ ..] => ip(Some(rest)),
        _ => Inside::Other,
    }
}

/// The TAP head before a frame of 802.15.4: its length, then options, one of which tells the frame check sequence.
fn tap(frame: &[u8]) -> Inside<'_> {
    let Some([_, _, l0, l1]) = frame.first_chunk::<4>() else {
        return Inside::Other;
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    let (Some(mut options), Some(mut inside)) = (frame.get(4..len), frame.get(len..)) else {
        return Inside::Other;
    };
    // The default is no frame check sequence.
    let mut check = 0;
    while let Some(([k0, k1, l0, l1], rest)) = options.split_first_chunk::<4>() {
        let len = usize::from(u16::from_le_bytes([*l0, *l1]));
        if u16::from_le_bytes([*k0, *k1]) == 0 {
            check = match rest.first() {
                Some(1) => 2,
                Some(2) => 4,
                _ => 0,
            };
        }
        options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    inside = inside
        .get(..inside.len().saturating_sub(check))
        .unwrap_or_default();
    Inside::Wpan(inside)
}
