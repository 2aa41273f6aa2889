//! The classic format: one head, then records.

use std::io::{self, Read};

use super::{FRAME_MOST, Next, Source};
use crate::capture::notes::Notes;

/// How the numbers of a file are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    big_endian: bool,
    /// Nanoseconds in a unit of the fraction of a second.
    unit: u64,
}

impl Shape {
    /// The shape that this magic number tells.
    pub(super) fn of(magic: [u8; 4]) -> Option<Self> {
        Some(match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => Self {
                big_endian: true,
                unit: 1_000,
            },
            0xd4c3_b2a1 => Self {
                big_endian: false,
                unit: 1_000,
            },
            0xa1b2_3c4d => Self {
                big_endian: true,
                unit: 1,
            },
            0x4d3c_b2a1 => Self {
                big_endian: false,
                unit: 1,
            },
            _ => return None,
        })
    }

    const fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// A file under way.
pub(super) struct Pcap {
    shape: Shape,
    link: u32,
    records: u64,
}

impl Pcap {
    /// Reads the rest of the head; none if it is no pcap file, or cut.
    pub(super) fn new<R: Read>(source: &mut Source<R>, magic: [u8; 4]) -> io::Result<Option<Self>> {
        let Some(shape) = Shape::of(magic) else {
            return Ok(None);
        };
        // Version, time zone, accuracy and snapshot length are of no use here.
        let Some([.., a, b, c, d]) = source.take::<20>()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            shape,
            // The upper bits tell of a frame check sequence.
            link: shape.u32([a, b, c, d]) & 0x0fff_ffff,
            records: 0,
        }))
    }

    pub(super) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        notes: &mut Notes,
    ) -> io::Result<Next> {
        let mut head = [0; 16];
        match source.fill(&mut head)? {
            0 => return Ok(Next::End),
            16 => {}
            _ => {
                notes.add(format!(
                    "the file ends inside the head of packet {}",
                    self.records + 1
                ));
                return Ok(Next::End);
            }
        }
        self.records = self.records.saturating_add(1);
        let [s0, s1, s2, s3, f0, f1, f2, f3, l0, l1, l2, l3, ..] = head;
        let seconds = u64::from(self.shape.u32([s0, s1, s2, s3]));
        let fraction = u64::from(self.shape.u32([f0, f1, f2, f3]));
        let len = usize::try_from(self.shape.u32([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if len > FRAME_MOST {
            notes.add(format!(
                "the file is damaged at packet {}: a length of {len} bytes; what comes before it was read",
                self.records
            ));
            return Ok(Next::End);
        }
        if !source.keep(len)? {
            notes.add(format!("the file ends inside packet {}", self.records));
            return Ok(Next::End);
        }
        Ok(Next::Frame {
            at: seconds * 1_000_000_000 + fraction * self.shape.unit,
            link: self.link,
        })
    }
}
