//! A short piece of peer-given text kept without allocation.

use core::fmt;

/// Up to `N` bytes of printable text (a `Server:` header, a reason string), cut at a character boundary.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// Keeps the start of `bytes`. Anything but visible ASCII and space becomes `?`, so that a peer
    /// cannot write control characters into a log or a terminal.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut kept = Self::EMPTY;
        kept.keep(bytes);
        kept
    }

    /// Keeps the start of `bytes` instead of what was kept.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        // More could not be counted.
        const { assert!(N <= u8::MAX as usize) };
        *self = Self::EMPTY;
        self.append(bytes);
    }

    /// Keeps `bytes` too, behind what was kept, as far as there is room.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let room = self.bytes.iter_mut().skip(self.len.into());
        for (to, from) in room.zip(bytes) {
            *to = if matches!(from, b' '..=b'~') {
                *from
            } else {
                b'?'
            };
            self.len += 1;
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text as bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether nothing was kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Appends what fits; the rest is dropped without an error.
impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes());
        Ok(())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
