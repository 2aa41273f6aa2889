//! The newer format: sections of blocks, each section with its interfaces.

use std::io::{self, Read};

use super::{FRAME_MOST, Next, Source};
use crate::capture::notes::Notes;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// The longest block that is believed, bytes. Longer ones are damage.
const BLOCK_MOST: u32 = 64 << 20;

/// The most interfaces that are remembered in a section.
const INTERFACES_MOST: usize = 256;

/// The options of an interface that matter here.
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// A file under way.
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    last: u64,
    blocks: u64,
    /// The first block's type was read to know the format.
    begun: bool,
}

#[derive(Clone, Copy)]
struct Interface {
    link: u32,
    snap: u32,
    resolution: Resolution,
    /// Seconds to be added.
    offset: i64,
}

/// What a unit of time is.
#[derive(Clone, Copy)]
enum Resolution {
    /// 10 to the power of minus so much, seconds.
    Decimal(u32),
    /// 2 to the power of minus so much, seconds.
    Binary(u32),
}

impl Resolution {
    const fn of(byte: u8) -> Self {
        let power = (byte & 0x7f) as u32;
        if byte & 0x80 == 0 {
            Self::Decimal(power)
        } else {
            Self::Binary(power)
        }
    }

    /// So many units in nanoseconds.
    fn nanoseconds(self, units: u64) -> u64 {
        let units = u128::from(units);
        let found = match self {
            Self::Decimal(power @ 0..=9) => units.saturating_mul(10u128.pow(9 - power)),
            Self::Decimal(power) => units / 10u128.checked_pow(power - 9).unwrap_or(u128::MAX),
            Self::Binary(power) => units
                .saturating_mul(1_000_000_000)
                .checked_shr(power)
                .unwrap_or(0),
        };
        u64::try_from(found).unwrap_or(u64::MAX)
    }
}

impl Pcapng {
    pub(super) const fn new() -> Self {
        Self {
            big_endian: false,
            interfaces: Vec::new(),
            last: 0,
            blocks: 0,
            begun: false,
        }
    }

    const fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    const fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    pub(super) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        notes: &mut Notes,
    ) -> io::Result<Next> {
        let kind = if self.begun {
            let mut kind = [0; 4];
            match source.fill(&mut kind)? {
                0 => return Ok(Next::End),
                4 => self.u32(kind),
                _ => return Ok(self.cut(notes)),
            }
        } else {
            self.begun = true;
            SECTION
        };
        self.blocks = self.blocks.saturating_add(1);
        let Some(len) = source.take::<4>()? else {
            return Ok(self.cut(notes));
        };
        if kind == SECTION {
            return self.section(source, len, notes);
        }
        let len = self.u32(len);
        if len < 12 || !len.is_multiple_of(4) || len > BLOCK_MOST {
            return Ok(self.damaged(notes, len));
        }
        // The length counts the type, itself, and itself once more at the end.
        let body = len - 12;
        let kept = match kind {
            INTERFACE | OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                body.min(u32::try_from(FRAME_MOST).unwrap_or(u32::MAX))
            }
            _ => 0,
        };
        if !source.keep(usize::try_from(kept).unwrap_or(0))?
            || !source.skip(u64::from(body - kept) + 4)?
        {
            return Ok(self.cut(notes));
        }
        Ok(match kind {
            INTERFACE => self.interface(source.kept()),
            OLD_PACKET => self.old_packet(source),
            SIMPLE_PACKET => self.simple_packet(source),
            ENHANCED_PACKET => self.enhanced_packet(source),
            _ => Next::Other,
        })
    }

    fn cut(&self, notes: &mut Notes) -> Next {
        notes.add(format!("the file ends inside block {}", self.blocks));
        Next::End
    }

    fn damaged(&self, notes: &mut Notes, len: u32) -> Next {
        notes.add(format!(
            "the file is damaged at block {}: a length of {len} bytes; what comes before it was read",
            self.blocks
        ));
        Next::End
    }

    /// A section begins: the order of bytes may change, and the interfaces are new.
    fn section<R: Read>(
        &mut self,
        source: &mut Source<R>,
        len: [u8; 4],
        notes: &mut Notes,
    ) -> io::Result<Next> {
        match source.take::<4>()? {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => self.big_endian = true,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => self.big_endian = false,
            Some(_) => return Ok(self.damaged(notes, self.u32(len))),
            None => return Ok(self.cut(notes)),
        }
        self.interfaces.clear();
        let len = self.u32(len);
        if len < 28 || !len.is_multiple_of(4) || len > BLOCK_MOST {
            return Ok(self.damaged(notes, len));
        }
        if !source.skip(u64::from(len - 12))? {
            return Ok(self.cut(notes));
        }
        Ok(Next::Other)
    }

    fn interface(&mut self, body: &[u8]) -> Next {
        let Some(([k0, k1, _, _, s0, s1, s2, s3], mut options)) = body.split_first_chunk::<8>()
        else {
            return Next::Other;
        };
        let mut interface = Interface {
            link: u32::from(self.u16([*k0, *k1])),
            snap: self.u32([*s0, *s1, *s2, *s3]),
            resolution: Resolution::Decimal(6),
            offset: 0,
        };
        while let Some(([c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() {
            let len = usize::from(self.u16([*l0, *l1]));
            let Some(value) = rest.get(..len) else { break };
            match (self.u16([*c0, *c1]), value) {
                (0, _) => break,
                (OPTION_RESOLUTION, [byte, ..]) => interface.resolution = Resolution::of(*byte),
                (OPTION_OFFSET, _) => {
                    if let Some(bytes) = value.first_chunk::<8>() {
                        interface.offset = if self.big_endian {
                            i64::from_be_bytes(*bytes)
                        } else {
                            i64::from_le_bytes(*bytes)
                        };
                    }
                }
                _ => {}
            }
            options = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        if self.interfaces.len() < INTERFACES_MOST {
            self.interfaces.push(interface);
        }
        Next::Other
    }

    fn enhanced_packet<R: Read>(&mut self, source: &mut Source<R>) -> Next {
        let Some(head) = source.kept().first_chunk::<20>() else {
            return Next::Other;
        };
        let [
            i0,
            i1,
            i2,
            i3,
            h0,
            h1,
            h2,
            h3,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
            ..,
        ] = *head;
        let interface = self.u32([i0, i1, i2, i3]);
        let high = self.u32([h0, h1, h2, h3]);
        let low = self.u32([l0, l1, l2, l3]);
        let len = self.u32([c0, c1, c2, c3]);
        self.packet(source, interface, Some((high, low)), (20, len))
    }

    fn old_packet<R: Read>(&mut self, source: &mut Source<R>) -> Next {
        let Some(head) = source.kept().first_chunk::<20>() else {
            return Next::Other;
        };
        let [
            i0,
            i1,
            _,
            _,
            h0,
            h1,
            h2,
            h3,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
            ..,
        ] = *head;
        let interface = u32::from(self.u16([i0, i1]));
        let high = self.u32([h0, h1, h2, h3]);
        let low = self.u32([l0, l1, l2, l3]);
        let len = self.u32([c0, c1, c2, c3]);
        self.packet(source, interface, Some((high, low)), (20, len))
    }

    /// A packet without a time, of the first interface.
    fn simple_packet<R: Read>(&mut self, source: &mut Source<R>) -> Next {
        let Some(head) = source.kept().first_chunk::<4>() else {
            return Next::Other;
        };
        let snap = self
            .interfaces
            .first()
            .map_or(0, |interface| interface.snap);
        let mut len = self.u32(*head);
        if snap > 0 {
            len = len.min(snap);
        }
        self.packet(source, 0, None, (4, len))
    }

    /// A packet of `len` bytes lies behind a head of `from` bytes.
    fn packet<R: Read>(
        &mut self,
        source: &mut Source<R>,
        interface: u32,
        time: Option<(u32, u32)>,
        (from, len): (usize, u32),
    ) -> Next {
        let place = usize::try_from(interface).unwrap_or(usize::MAX);
        let Some(interface) = self.interfaces.get(place).copied() else {
            return Next::Other;
        };
        if let Some((high, low)) = time {
            let units = u64::from(high) << 32 | u64::from(low);
            let offset = u64::try_from(interface.offset)
                .unwrap_or(0)
                .saturating_mul(1_000_000_000);
            self.last = interface
                .resolution
                .nanoseconds(units)
                .saturating_add(offset);
        }
        source.narrow(from, usize::try_from(len).unwrap_or(usize::MAX));
        Next::Frame {
            at: self.last,
            link: interface.link,
        }
    }
}
