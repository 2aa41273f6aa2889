//! The MAC head of IEEE 802.15.4: addresses, and whether what follows is encrypted (IEEE 802.15.4-2020 section 7.2).

/// The type of a data frame.
const DATA: u16 = 1;

/// An address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Node {
    /// It is left out.
    #[default]
    None,
    /// 16 bits.
    Short(u16),
    /// 64 bits, most significant first.
    Extended([u8; 8]),
}

impl Node {
    /// The interface identifier that 6LoWPAN makes of it (RFC 6282 section 3.2.2).
    pub(super) const fn interface(self) -> Option<[u8; 8]> {
        match self {
            Self::None => None,
            Self::Short(short) => {
                let [high, low] = short.to_be_bytes();
                Some([0, 0, 0, 0xff, 0xfe, 0, high, low])
            }
            Self::Extended([first, b, c, d, e, f, g, h]) => Some([first ^ 2, b, c, d, e, f, g, h]),
        }
    }
}

/// A data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) from: Node,
    pub(super) to: Node,
    /// What follows can't be read.
    pub(super) encrypted: bool,
    pub(super) payload: &'a [u8],
}

/// Bytes that are taken from the front.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn node(&mut self, mode: u16) -> Option<Node> {
        Some(match mode {
            0 => Node::None,
            2 => Node::Short(u16::from_le_bytes(self.take()?)),
            3 => {
                let mut bytes = self.take::<8>()?;
                bytes.reverse();
                Node::Extended(bytes)
            }
            _ => return None,
        })
    }
}

/// Reads a frame; none if it is cut, or no data frame.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut cursor = Cursor(bytes);
    let control = u16::from_le_bytes(cursor.take()?);
    if control & 7 != DATA {
        return None;
    }
    let version = control >> 12 & 3;
    let encrypted = control & 1 << 3 != 0;
    let compressed = control & 1 << 6 != 0;
    let (to, from) = (control >> 10 & 3, control >> 14 & 3);
    if version < 2 || control & 1 << 8 == 0 {
        cursor.take::<1>()?;
    }
    let (to_network, from_network) = if version < 2 {
        (to != 0, from != 0 && !(compressed && to != 0))
    } else {
        networks(to, from, compressed)
    };
    if to_network {
        cursor.take::<2>()?;
    }
    let to = cursor.node(to)?;
    if from_network {
        cursor.take::<2>()?;
    }
    let from = cursor.node(from)?;
    if !encrypted && version == 2 && control & 1 << 9 != 0 {
        elements(&mut cursor)?;
    }
    Some(Frame {
        from,
        to,
        encrypted,
        payload: cursor.0,
    })
}

/// Whether the identifiers of the networks are there, in frames of version 2 (table 7-2).
const fn networks(to: u16, from: u16, compressed: bool) -> (bool, bool) {
    match (to, from, compressed) {
        (0, 0, compressed) => (compressed, false),
        (_, 0, compressed) => (!compressed, false),
        (0, _, compressed) => (false, !compressed),
        (3, 3, compressed) => (!compressed, false),
        (_, _, compressed) => (true, !compressed),
    }
}

/// Leaves out header and payload information elements.
fn elements(cursor: &mut Cursor<'_>) -> Option<()> {
    loop {
        let head = u16::from_le_bytes(cursor.take()?);
        let id = head >> 7 & 0xff;
        let len = usize::from(head & 0x7f);
        cursor.0 = cursor.0.get(len..)?;
        match id {
            0x7e => break,
            0x7f => return Some(()),
            _ => {}
        }
    }
    loop {
        let head = u16::from_le_bytes(cursor.take()?);
        let len = usize::from(head & 0x7ff);
        cursor.0 = cursor.0.get(len..)?;
        if head >> 11 & 0xf == 0xf {
            return Some(());
        }
    }
}
