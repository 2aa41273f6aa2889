//! Files of captures: pcap and pcapng. Takes in bytes from a reader; gives out one frame after another, each in the same
//! buffer, and what was found damaged.
//!
//! Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Written here rather than taken from a crate: what there is
//! either reads a block as a whole into memory that grows, or brings a second version of a parser library along, and none
//! goes on with what can be read of a damaged file.

mod pcap;
mod pcapng;

use std::io::{self, Read};

use crate::capture::notes::Notes;

/// The longest frame that is kept, bytes: the largest snapshot length that capture programs take.
pub(super) const FRAME_MOST: usize = 262_144;

/// Where capture files begin.
const PCAPNG: u32 = 0x0a0d_0d0a;

/// One frame of a capture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub(super) at: u64,
    /// The link type, as the registry of the format numbers it.
    pub(super) link: u32,
    /// What was kept of it.
    pub(super) bytes: &'a [u8],
}

/// What a file holds, frame by frame.
pub(super) struct Frames<R> {
    source: Source<R>,
    format: Format,
}

enum Format {
    Unknown,
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

/// What became of reading the next part.
enum Next {
    /// A frame lies in the buffer.
    Frame { at: u64, link: u32 },
    /// Something without a frame.
    Other,
    /// Nothing more can be read.
    End,
}

impl<R: Read> Frames<R> {
    /// The frames of what `reader` gives.
    ///
    /// # Errors
    /// What reading answers.
    pub(super) fn new(reader: R, notes: &mut Notes) -> io::Result<Self> {
        let mut source = Source::new(reader);
        let format = match source.take::<4>()? {
            Some(start) => Self::format(&mut source, start, notes)?,
            None => Format::Unknown,
        };
        Ok(Self { source, format })
    }

    fn format(source: &mut Source<R>, start: [u8; 4], notes: &mut Notes) -> io::Result<Format> {
        if u32::from_be_bytes(start) == PCAPNG {
            return Ok(Format::Pcapng(pcapng::Pcapng::new()));
        }
        Ok(match pcap::Pcap::new(source, start)? {
            Some(pcap) => Format::Pcap(pcap),
            None => {
                notes.add("this is no pcap or pcapng file, or its head is cut".to_owned());
                Format::Unknown
            }
        })
    }

    /// The next frame; none: the end, or nothing more can be made of the rest.
    ///
    /// # Errors
    /// What reading answers.
    pub(super) fn next(&mut self, notes: &mut Notes) -> io::Result<Option<Frame<'_>>> {
        loop {
            let next = match &mut self.format {
                Format::Unknown => Next::End,
                Format::Pcap(pcap) => pcap.next(&mut self.source, notes)?,
                Format::Pcapng(pcapng) => pcapng.next(&mut self.source, notes)?,
            };
            match next {
                Next::Other => {}
                Next::End => return Ok(None),
                Next::Frame { at, link } => {
                    let bytes = self.source.kept();
                    return Ok(Some(Frame { at, link, bytes }));
                }
            }
        }
    }
}

/// Whether these first bytes begin a capture.
pub(crate) fn is_capture(start: &[u8]) -> bool {
    let Some(first) = start.first_chunk::<4>() else {
        return false;
    };
    u32::from_be_bytes(*first) == PCAPNG || pcap::Shape::of(*first).is_some()
}

/// The bytes of a file, with room for one frame.
struct Source<R> {
    reader: io::BufReader<R>,
    kept: Vec<u8>,
}

impl<R: Read> Source<R> {
    fn new(reader: R) -> Self {
        Self {
            reader: io::BufReader::with_capacity(64 << 10, reader),
            kept: Vec::new(),
        }
    }

    /// The next `N` bytes; none if the file ends before.
    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok(if self.fill(&mut bytes)? < N {
            None
        } else {
            Some(bytes)
        })
    }

    /// Fills as much of `bytes` as there is.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Keeps the next `len` bytes, at most [`FRAME_MOST`]; false if the file ends before.
    fn keep(&mut self, len: usize) -> io::Result<bool> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.resize(len.min(FRAME_MOST), 0);
        let filled = self.fill(&mut kept);
        self.kept = kept;
        Ok(filled? == len)
    }

    /// What was kept last.
    fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Shortens what was kept to `len` bytes from `from` on.
    fn narrow(&mut self, from: usize, len: usize) {
        self.kept.drain(..from.min(self.kept.len()));
        self.kept.truncate(len);
    }

    /// Leaves `len` bytes out; false if the file ends before.
    fn skip(&mut self, len: u64) -> io::Result<bool> {
        let skipped = io::copy(&mut self.reader.by_ref().take(len), &mut io::sink())?;
        Ok(skipped == len)
    }
}
