//! Reading and writing bytes without panics.
//!
//! A [`Reader`] walks a received slice; running out is an ordinary answer. A [`Writer`] fills a slice of the transmit
//! buffer and masks while it copies when a WebSocket key is set, so that the mask costs no second pass.

/// The end of the slice was reached. For a reader the packet is short, for a writer the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short;

/// A cursor over received bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Short`] if fewer are left; nothing is consumed then.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Short`] if fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Short`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] at the end.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] at the end.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }
}

/// A cursor over a slice to fill, with an optional WebSocket mask.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
    /// The mask as it applies to the next byte written; zero writes plain bytes.
    key: u32,
}

impl<'a> Writer<'a> {
    /// Writes plain bytes from the start of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            at: 0,
            key: 0,
        }
    }

    /// Writes bytes XORed with `key`, repeating, from the start of `buffer` (RFC 6455 section 5.3).
    #[must_use]
    pub const fn masked(buffer: &'a mut [u8], key: [u8; 4]) -> Self {
        Self {
            buffer,
            at: 0,
            key: u32::from_le_bytes(key),
        }
    }

    /// Bytes written.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.at
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Short`] if they do not fit; nothing is written then.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let room = self
            .buffer
            .get_mut(self.at..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
            .ok_or(Short)?;
        if self.key == 0 {
            room.copy_from_slice(bytes);
        } else {
            copy_masked(room, bytes, self.key);
            self.key = self.key.rotate_right((bytes.len() as u32 & 3) * 8);
        }
        self.at += bytes.len();
        Ok(())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u8(&mut self, byte: u8) -> Result<(), Short> {
        let room = self.buffer.get_mut(self.at).ok_or(Short)?;
        *room = byte ^ self.key as u8;
        self.key = self.key.rotate_right(8);
        self.at += 1;
        Ok(())
    }

    /// Appends two bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u16(&mut self, value: u16) -> Result<(), Short> {
        self.put(&value.to_be_bytes())
    }

    /// Appends four bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u32(&mut self, value: u32) -> Result<(), Short> {
        self.put(&value.to_be_bytes())
    }
}

/// Copies `from` to `to`, of the same length, XORed with `key` repeated from its low byte on.
#[inline]
pub(crate) fn copy_masked(to: &mut [u8], from: &[u8], key: u32) {
    let wide = u64::from(key) << 32 | u64::from(key);
    // Blocks of a fixed size become straight vector code; 64 bytes are also a common payload.
    let (to_blocks, to_rest) = to.as_chunks_mut::<64>();
    let (from_blocks, from_rest) = from.as_chunks::<64>();
    for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
        copy_words(to, from, wide);
    }
    if from_rest.is_empty() {
        return;
    }
    let (to_blocks, to_rest) = to_rest.as_chunks_mut::<16>();
    let (from_blocks, from_rest) = from_rest.as_chunks::<16>();
    for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
        copy_words(to, from, wide);
    }
    if let ([to, ..], [from, ..]) = (to_rest.as_chunks_mut::<8>().0, from_rest.as_chunks::<8>().0) {
        *to = (u64::from_le_bytes(*from) ^ wide).to_le_bytes();
    }
    // What is left is the end of a word that overlaps the one before; there is none only in the shortest payloads.
    let turned = wide.rotate_right((from.len() as u32 & 3) * 8);
    match (to.last_chunk_mut::<8>(), from.last_chunk::<8>()) {
        (Some(to), Some(from)) => *to = (u64::from_le_bytes(*from) ^ turned).to_le_bytes(),
        _ => copy_few(to, from, key),
    }
}

/// The same for up to seven bytes.
#[inline]
fn copy_few(to: &mut [u8], from: &[u8], key: u32) {
    let (to_word, to_rest) = to.as_chunks_mut::<4>();
    let (from_word, from_rest) = from.as_chunks::<4>();
    if let ([to, ..], [from, ..]) = (to_word, from_word) {
        *to = (u32::from_le_bytes(*from) ^ key).to_le_bytes();
    }
    let mut key = key;
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = from ^ key as u8;
        key >>= 8;
    }
}

#[inline]
fn copy_words(to: &mut [u8], from: &[u8], wide: u64) {
    for (to, from) in to
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(from.as_chunks::<8>().0)
    {
        *to = (u64::from_le_bytes(*from) ^ wide).to_le_bytes();
    }
}

/// XORs `bytes` in place with `key` repeated from its low byte on.
pub(crate) fn mask_in_place(bytes: &mut [u8], key: u32) {
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= key;
    }
}
