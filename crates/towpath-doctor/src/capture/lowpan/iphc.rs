//! Compressed IPv6 heads: IPHC and the compression of next headers (RFC 6282), and what comes out of them.
//!
//! Takes in what lies behind the dispatch; gives out an IPv6 packet with plain heads. A context's prefix is not in the
//! packets: an unknown one becomes the prefix that [`context_prefix`] makes of its number.

use super::mac::Node;

/// The next header of UDP.
const UDP: u8 = 17;

/// The prefix that stands for an unknown context: one of the unique local ones that nobody chooses by chance.
pub(in crate::capture) const fn context_prefix(context: u8) -> [u8; 8] {
    [0xfd, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0, context]
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

/// The IPv6 packet of a compressed one. `whole` is its length where it is a first fragment, whose packet goes on.
pub(super) fn packet(bytes: &[u8], from: Node, to: Node, whole: Option<usize>) -> Option<Vec<u8>> {
    let mut cursor = Cursor(bytes);
    let base = u16::from_be_bytes(cursor.take()?);
    let contexts = if base & 0x80 == 0 { 0 } else { cursor.byte()? };
    let traffic = traffic(&mut cursor, base >> 11 & 3)?;
    let compressed = base & 0x400 != 0;
    let next = if compressed { 0 } else { cursor.byte()? };
    let hops = match base >> 8 & 3 {
        0 => cursor.byte()?,
        1 => 1,
        2 => 64,
        _ => 255,
    };
    let source = Place {
        context: (base & 0x40 != 0).then_some(contexts >> 4),
        mode: base >> 4 & 3,
        node: from,
    };
    let source = source.unicast(&mut cursor)?;
    let target = Place {
        context: (base & 0x04 != 0).then_some(contexts & 0xf),
        mode: base & 3,
        node: to,
    };
    let target = if base & 0x08 == 0 {
        target.unicast(&mut cursor)?
    } else {
        target.multicast(&mut cursor)?
    };
    let mut packet = Vec::with_capacity(bytes.len() + 60);
    packet.extend_from_slice(&traffic);
    packet.extend_from_slice(&[0, 0, next, hops]);
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&target);
    if compressed {
        next_headers(&mut cursor, &mut packet, whole)?;
    }
    packet.extend_from_slice(cursor.0);
    let len = whole.unwrap_or(packet.len()).saturating_sub(40);
    let len = u16::try_from(len).ok()?.to_be_bytes();
    packet.get_mut(4..6)?.copy_from_slice(&len);
    Some(packet)
}

/// Version, traffic class and flow label (section 3.1.1).
fn traffic(cursor: &mut Cursor<'_>, mode: u16) -> Option<[u8; 4]> {
    let (class, label) = match mode {
        0 => {
            let [class, a, b, c] = cursor.take()?;
            (class, [a, b, c])
        }
        1 => {
            let [a, b, c] = cursor.take()?;
            (a & 0xc0, [a & 0x0f, b, c])
        }
        2 => (cursor.byte()?, [0; 3]),
        _ => (0, [0; 3]),
    };
    // ECN comes first here, and last in the plain head.
    let class = class.rotate_left(2);
    let [a, b, c] = label;
    Some([0x60 | class >> 4, class << 4 | a & 0x0f, b, c])
}

/// How an address is compressed.
struct Place {
    /// With a context, and which.
    context: Option<u8>,
    mode: u16,
    node: Node,
}

impl Place {
    fn unicast(&self, cursor: &mut Cursor<'_>) -> Option<[u8; 16]> {
        if self.mode == 0 {
            // With a context: the unspecified address.
            return if self.context.is_some() {
                Some([0; 16])
            } else {
                cursor.take()
            };
        }
        let prefix = self
            .context
            .map_or([0xfe, 0x80, 0, 0, 0, 0, 0, 0], context_prefix);
        let interface = match self.mode {
            1 => cursor.take()?,
            2 => {
                let [high, low] = cursor.take()?;
                [0, 0, 0, 0xff, 0xfe, 0, high, low]
            }
            _ => self.node.interface()?,
        };
        let mut address = [0; 16];
        let (first, second) = address.split_at_mut(8);
        first.copy_from_slice(&prefix);
        second.copy_from_slice(&interface);
        Some(address)
    }

    fn multicast(&self, cursor: &mut Cursor<'_>) -> Option<[u8; 16]> {
        let (scope, tail): (u8, &[u8]) = match (self.context, self.mode) {
            (None, 0) => return cursor.take(),
            (None, 1) => (cursor.byte()?, cursor.slice(5)?),
            (None, 2) => (cursor.byte()?, cursor.slice(3)?),
            (None, _) => (0x02, cursor.slice(1)?),
            // The prefix within comes from the context.
            (Some(_), 0) => {
                let scope = cursor.byte()?;
                cursor.byte()?;
                (scope, cursor.slice(4)?)
            }
            _ => return None,
        };
        let mut address = [0; 16];
        let [first, second, ..] = &mut address;
        (*first, *second) = (0xff, scope);
        let from = address.len().checked_sub(tail.len())?;
        address.get_mut(from..)?.copy_from_slice(tail);
        Some(address)
    }
}

/// Compressed next headers (section 4). The place of each header's number is filled in by its own compression.
fn next_headers(cursor: &mut Cursor<'_>, packet: &mut Vec<u8>, whole: Option<usize>) -> Option<()> {
    let mut place = 6;
    loop {
        let code = cursor.byte()?;
        if code & 0xf8 == 0xf0 {
            *packet.get_mut(place)? = UDP;
            return udp(cursor, packet, code, whole);
        }
        let number = match (code & 0xf0, code >> 1 & 7) {
            (0xe0, 0) => 0,
            (0xe0, 1) => 43,
            (0xe0, 3) => 60,
            (0xe0, 4) => 135,
            // A fragment, or IPv6 once more.
            _ => return None,
        };
        *packet.get_mut(place)? = number;
        let more = code & 1 == 1;
        let next = if more { 0 } else { cursor.byte()? };
        let len = usize::from(cursor.byte()?);
        let options = cursor.slice(len)?;
        place = packet.len();
        let padded = (len + 2).next_multiple_of(8);
        packet.extend_from_slice(&[next, u8::try_from(padded / 8 - 1).ok()?]);
        packet.extend_from_slice(options);
        match padded - len - 2 {
            0 => {}
            1 => packet.push(0),
            pad => {
                packet.extend_from_slice(&[1, u8::try_from(pad - 2).ok()?]);
                packet.resize(place + padded, 0);
            }
        }
        if !more {
            return Some(());
        }
    }
}

/// UDP (section 4.3).
fn udp(
    cursor: &mut Cursor<'_>,
    packet: &mut Vec<u8>,
    code: u8,
    whole: Option<usize>,
) -> Option<()> {
    let (from, to) = match code & 3 {
        0 => (
            u16::from_be_bytes(cursor.take()?),
            u16::from_be_bytes(cursor.take()?),
        ),
        1 => (
            u16::from_be_bytes(cursor.take()?),
            0xf000 | u16::from(cursor.byte()?),
        ),
        2 => (
            0xf000 | u16::from(cursor.byte()?),
            u16::from_be_bytes(cursor.take()?),
        ),
        _ => {
            let both = u16::from(cursor.byte()?);
            (0xf0b0 | both >> 4, 0xf0b0 | both & 0xf)
        }
    };
    let sum = if code & 4 == 0 {
        cursor.take()?
    } else {
        [0; 2]
    };
    let len = match whole {
        Some(whole) => whole.checked_sub(packet.len())?,
        None => cursor.0.len() + 8,
    };
    packet.extend_from_slice(&from.to_be_bytes());
    packet.extend_from_slice(&to.to_be_bytes());
    packet.extend_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
    packet.extend_from_slice(&sum);
    Some(())
}
