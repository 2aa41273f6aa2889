//! Files of captures: the packets of a scene in each format and each link layer.

use crate::scene::Packet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Pcap,
    PcapBigEndian,
    PcapNanoseconds,
    Pcapng,
    PcapngBigEndian,
    /// With old packet blocks, a second section, unknown blocks and options.
    PcapngOdd,
}

pub(crate) const FORMATS: &[Format] = &[
    Format::Pcap,
    Format::PcapBigEndian,
    Format::PcapNanoseconds,
    Format::Pcapng,
    Format::PcapngBigEndian,
    Format::PcapngOdd,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    Vlan,
    Raw,
    RawBsd,
    Null,
    Cooked,
    Cooked2,
    Ppp,
    Wpan,
    WpanFcs,
    WpanTap,
    /// Through a mesh, with context addresses.
    WpanMesh,
}

/// Those that carry both families.
pub(crate) const LINKS: &[Link] = &[
    Link::Ethernet,
    Link::Vlan,
    Link::Raw,
    Link::RawBsd,
    Link::Null,
    Link::Cooked,
    Link::Cooked2,
    Link::Ppp,
];

/// Those of IEEE 802.15.4.
pub(crate) const WPAN: &[Link] = &[Link::Wpan, Link::WpanFcs, Link::WpanTap, Link::WpanMesh];

impl Link {
    const fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan => 1,
            Self::Raw => 101,
            Self::RawBsd => 12,
            Self::Null => 0,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Ppp => 9,
            Self::Wpan | Self::WpanMesh => 230,
            Self::WpanFcs => 195,
            Self::WpanTap => 283,
        }
    }

    /// The frames that carry a packet.
    fn frames(self, packet: &[u8], tag: u16) -> Vec<Vec<u8>> {
        let v6 = packet[0] >> 4 == 6;
        let kind: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
        let mut head = match self {
            Self::Ethernet => [&[2; 12][..], &kind].concat(),
            Self::Vlan => [&[2; 12][..], &[0x81, 0, 0, 7], &kind].concat(),
            Self::Raw | Self::RawBsd => Vec::new(),
            Self::Null => vec![if v6 { 30 } else { 2 }, 0, 0, 0],
            Self::Cooked => [&[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], &kind].concat(),
            Self::Cooked2 => [&kind[..], &[0; 18]].concat(),
            Self::Ppp => vec![0xff, 3, 0, if v6 { 0x57 } else { 0x21 }],
            Self::Wpan | Self::WpanFcs | Self::WpanTap | Self::WpanMesh => {
                return self.wpan(packet, tag);
            }
        };
        head.extend_from_slice(packet);
        vec![head]
    }

    fn wpan(self, packet: &[u8], tag: u16) -> Vec<Vec<u8>> {
        let first = compressed(packet, self == Self::WpanMesh);
        let pieces = if packet.len() <= 90 {
            vec![first]
        } else {
            fragments(packet, &first, tag)
        };
        pieces
            .into_iter()
            .map(|piece| self.mac(&piece, tag as u8))
            .collect()
    }

    fn mac(self, piece: &[u8], sequence: u8) -> Vec<u8> {
        // A data frame with short addresses, one network.
        let mut frame = vec![0x41, 0x98, sequence, 0xcd, 0xab, 2, 0, 1, 0];
        if self == Self::WpanMesh {
            frame.extend_from_slice(&[0xb5, 0, 9, 0, 8]);
        }
        frame.extend_from_slice(piece);
        if self == Self::WpanFcs {
            frame.extend_from_slice(&[0xee, 0xee]);
        }
        if self == Self::WpanTap {
            let head = [0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 3, 0, 1, 0, 15, 0, 0, 0];
            frame = [&head[..], &frame, &[0xee, 0xee]].concat();
        }
        frame
    }
}

/// The packet with IPHC: traffic class and flow label left out where they are zero, hop limit by its code, the addresses
/// as they are; UDP compressed.
fn compressed(packet: &[u8], with_context: bool) -> Vec<u8> {
    let next = packet[6];
    let mut base = 0x6000u16;
    let mut fields = Vec::new();
    if packet[0] & 0xf == 0 && packet[1..4] == [0; 3] {
        base |= 0x1800;
    } else {
        let class = (packet[0] << 4 | packet[1] >> 4).rotate_right(2);
        fields.extend_from_slice(&[class, packet[1] & 0xf, packet[2], packet[3]]);
    }
    let udp = next == 17;
    if udp {
        base |= 0x400;
    } else {
        fields.push(next);
    }
    match packet[7] {
        64 => base |= 0x200,
        255 => base |= 0x300,
        hops => fields.push(hops),
    }
    if with_context {
        // An explicit context that nothing uses: the byte has to be passed over.
        base |= 0x80;
        fields.insert(0, 0x11);
    }
    fields.extend_from_slice(&packet[8..24]);
    let target = &packet[24..40];
    if target[0] == 0xff {
        base |= 8;
        fields.extend_from_slice(target);
    } else {
        fields.extend_from_slice(target);
    }
    let mut bytes = base.to_be_bytes().to_vec();
    bytes.extend_from_slice(&fields);
    if udp {
        bytes.push(0xf0);
        bytes.extend_from_slice(&packet[40..44]);
        bytes.extend_from_slice(&packet[46..48]);
        bytes.extend_from_slice(&packet[48..]);
    } else {
        bytes.extend_from_slice(&packet[40..]);
    }
    bytes
}

/// The first fragment carries the compressed head, the others the plain bytes behind it; the last comes first.
fn fragments(packet: &[u8], first: &[u8], tag: u16) -> Vec<Vec<u8>> {
    let cut = 64;
    let size = packet.len() as u16;
    let head = |dispatch: u8| {
        let mut head = vec![dispatch | (size >> 8) as u8, size as u8];
        head.extend_from_slice(&tag.to_be_bytes());
        head
    };
    let saved = packet.len() - first.len();
    let mut pieces = vec![[&head(0xc0)[..], &first[..cut - saved]].concat()];
    for (place, part) in packet[cut..].chunks(72).enumerate() {
        let offset = ((cut + place * 72) / 8) as u8;
        pieces.push([&head(0xe0)[..], &[offset], part].concat());
    }
    pieces.rotate_right(1);
    pieces
}

struct Out {
    bytes: Vec<u8>,
    big: bool,
}

impl Out {
    fn u16(&mut self, number: u16) {
        let bytes = if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
    }

    fn u32(&mut self, number: u32) {
        let bytes = if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
    }

    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) {
        let mut inner = Self {
            bytes: Vec::new(),
            big: self.big,
        };
        body(&mut inner);
        inner.bytes.resize(inner.bytes.len().next_multiple_of(4), 0);
        let len = inner.bytes.len() as u32 + 12;
        self.u32(kind);
        self.u32(len);
        self.bytes.extend_from_slice(&inner.bytes);
        self.u32(len);
    }
}

/// The packets as a file.
pub(crate) fn write(packets: &[Packet], format: Format, link: Link) -> Vec<u8> {
    let frames = packets
        .iter()
        .enumerate()
        .flat_map(|(number, (at, packet))| {
            let frames = link.frames(packet, number as u16);
            frames.into_iter().map(|frame| (*at, frame))
        });
    let frames: Vec<_> = frames.collect();
    let big = matches!(format, Format::PcapBigEndian | Format::PcapngBigEndian);
    let mut out = Out {
        bytes: Vec::new(),
        big,
    };
    match format {
        Format::Pcap | Format::PcapBigEndian | Format::PcapNanoseconds => {
            pcap(&mut out, &frames, format == Format::PcapNanoseconds, link);
        }
        _ => pcapng(&mut out, &frames, format == Format::PcapngOdd, link),
    }
    out.bytes
}

fn pcap(out: &mut Out, frames: &[(u64, Vec<u8>)], nanoseconds: bool, link: Link) {
    out.u32(if nanoseconds {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    });
    out.u16(2);
    out.u16(4);
    out.u32(0);
    out.u32(0);
    out.u32(262_144);
    out.u32(link.number());
    for (at, frame) in frames {
        let fraction = at % 1_000_000_000;
        out.u32((at / 1_000_000_000) as u32);
        out.u32(
            (if nanoseconds {
                fraction
            } else {
                fraction / 1000
            }) as u32,
        );
        out.u32(frame.len() as u32);
        out.u32(frame.len() as u32);
        out.bytes.extend_from_slice(frame);
    }
}

fn section(out: &mut Out) {
    out.block(0x0a0d_0d0a, |out| {
        out.u32(0x1a2b_3c4d);
        out.u16(1);
        out.u16(0);
        out.u32(u32::MAX);
        out.u32(u32::MAX);
    });
}

fn pcapng(out: &mut Out, frames: &[(u64, Vec<u8>)], odd: bool, link: Link) {
    section(out);
    if odd {
        // An empty section, one of the other order of bytes, and an interface of another kind.
        out.big = true;
        section(out);
        out.block(1, |out| {
            out.u16(147);
            out.u16(0);
            out.u32(0);
        });
        out.block(0xbad, |out| out.u32(7));
    }
    out.block(1, |out| {
        out.u16(link.number() as u16);
        out.u16(0);
        out.u32(0);
        if odd {
            // A name, then nanoseconds.
            out.u16(2);
            out.u16(3);
            out.bytes.extend_from_slice(b"eth\0");
            out.u16(9);
            out.u16(1);
            out.bytes.extend_from_slice(&[9, 0, 0, 0]);
        }
    });
    for (number, (at, frame)) in frames.iter().enumerate() {
        let units = if odd { *at } else { at / 1000 };
        let old = odd && number % 2 == 0;
        out.block(if old { 2 } else { 6 }, |out| {
            let interface = u32::from(odd);
            if old {
                out.u16(interface as u16);
                out.u16(0);
            } else {
                out.u32(interface);
            }
            out.u32((units >> 32) as u32);
            out.u32(units as u32);
            out.u32(frame.len() as u32);
            out.u32(frame.len() as u32);
            out.bytes.extend_from_slice(frame);
            if odd {
                out.bytes.resize(out.bytes.len().next_multiple_of(4), 0);
                out.u16(1);
                out.u16(4);
                out.bytes.extend_from_slice(b"note");
            }
        });
    }
}
