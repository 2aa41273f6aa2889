//! A line that comes in pieces.

/// Up to `N` bytes of a line; the rest is dropped and [`is_cut`](Self::is_cut) says so.
#[derive(Clone)]
pub(super) struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> Line<N> {
    pub(super) const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
        cut: false,
    };

    pub(super) fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.cut = true,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Without the CR before its end.
    pub(super) fn without_cr(&self) -> &[u8] {
        let bytes = self.bytes();
        bytes.strip_suffix(b"\r").unwrap_or(bytes)
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.cut = false;
    }
}
