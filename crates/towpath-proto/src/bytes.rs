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

    /// As many bytes as the two in front of them say (MQTT 5 sections 1.5.4 and 1.5.6).
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Short> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}

/// A cursor over a slice to fill, with an optional WebSocket mask.
#[derive(Debug)]
pub struct Writer<'a> {
    /// What has not been written.
    rest: &'a mut [u8],
    /// The length of the whole slice.
    whole: usize,
    /// The mask as it applies to the next byte written; zero writes plain bytes.
    key: u32,
}

impl<'a> Writer<'a> {
    /// Writes plain bytes from the start of `buffer`.
    #[must_use]
    #[inline]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            whole: buffer.len(),
            rest: buffer,
            key: 0,
        }
    }

    /// Writes bytes XORed with `key`, repeating, from the start of `buffer` (RFC 6455 section 5.3).
    #[must_use]
    #[inline]
    pub const fn masked(buffer: &'a mut [u8], key: [u8; 4]) -> Self {
        Self {
            whole: buffer.len(),
            rest: buffer,
            key: u32::from_le_bytes(key),
        }
    }

    /// Bytes written.
    #[must_use]
    #[inline]
    pub const fn written(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// The next `n` bytes of room, which count as written.
    #[inline]
    fn room(&mut self, n: usize) -> Result<&'a mut [u8], Short> {
        if n > self.rest.len() {
            return Err(Short);
        }
        let (room, rest) = core::mem::take(&mut self.rest)
            .split_at_mut_checked(n)
            .ok_or(Short)?;
        self.rest = rest;
        Ok(room)
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Short`] if they do not fit; nothing is written then.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let room = self.room(bytes.len())?;
        if self.key == 0 {
            copy(room, bytes);
        } else {
            self.put_masked(room, bytes);
        }
        Ok(())
    }

    /// Kept apart so that writing plain bytes is small enough to be inlined.
    #[inline(never)]
    fn put_masked(&mut self, room: &mut [u8], bytes: &[u8]) {
        copy_masked(room, bytes, self.key);
        self.key = self.key.rotate_right((bytes.len() as u32 & 3) * 8);
    }

    /// Appends the bytes of `array`: cheaper than [`put`](Self::put) where the number of bytes is fixed.
    ///
    /// # Errors
    /// [`Short`] if they do not fit; nothing is written then.
    #[inline]
    pub fn array<const N: usize>(&mut self, array: [u8; N]) -> Result<(), Short> {
        let room = self.room(N)?.first_chunk_mut::<N>().ok_or(Short)?;
        *room = array;
        if self.key != 0 {
            self.mask(room);
        }
        Ok(())
    }

    /// Masks bytes that were just written.
    #[inline(never)]
    fn mask(&mut self, bytes: &mut [u8]) {
        mask_in_place(bytes, self.key);
        self.key = self.key.rotate_right((bytes.len() as u32 & 3) * 8);
    }

    /// Appends `head` bytes that `fill` writes and then `payload`. The head is written as it is and masked afterwards:
    /// it consists of short fields, where masking each by itself costs more. The payload is masked while it is copied.
    ///
    /// # Errors
    /// [`Short`] if they do not fit, or if `fill` says so.
    #[inline]
    pub(crate) fn head_and_payload(
        &mut self,
        head: usize,
        payload: &[u8],
        fill: impl FnOnce(&mut [u8]) -> Result<(), Short>,
    ) -> Result<(), Short> {
        let len = head.checked_add(payload.len()).ok_or(Short)?;
        let (head, place) = self.room(len)?.split_at_mut_checked(head).ok_or(Short)?;
        fill(head)?;
        if self.key == 0 {
            copy(place, payload);
        } else {
            self.mask(head);
            self.put_masked(place, payload);
        }
        Ok(())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u8(&mut self, byte: u8) -> Result<(), Short> {
        self.array([byte])
    }

    /// Appends two bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u16(&mut self, value: u16) -> Result<(), Short> {
        self.array(value.to_be_bytes())
    }

    /// Appends four bytes, big endian.
    ///
    /// # Errors
    /// [`Short`] if there is no room.
    #[inline]
    pub fn u32(&mut self, value: u32) -> Result<(), Short> {
        self.array(value.to_be_bytes())
    }

    /// Appends `bytes` behind two bytes with their length (MQTT 5 sections 1.5.4 and 1.5.6).
    pub(crate) fn binary(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let len = u16::try_from(bytes.len()).map_err(|_| Short)?;
        self.u16(len)?;
        self.put(bytes)
    }
}

/// Copies `from` to `to`, which has the same length.
#[inline]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    if cfg!(target_os = "none") {
        // The standard library's copy keeps its panic in a device's program, whatever is known of the lengths.
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        return;
    }
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
}

/// Moves `bytes[from..to]` to the front, to `at`, if all of that lies in `bytes`; otherwise nothing.
#[inline]
pub(crate) fn shift(bytes: &mut [u8], from: usize, to: usize, at: usize) {
    if let Some(offset) = from.checked_sub(at)
        && let Some(part) = bytes.get_mut(at..to)
        && offset <= part.len()
    {
        part.copy_within(offset.., 0);
    }
}

/// Copies `from` to `to`, of the same length, XORed with `key` repeated from its low byte on.
#[inline(never)]
pub(crate) fn copy_masked(to: &mut [u8], from: &[u8], key: u32) {
    if cfg!(target_os = "none") {
        // A device has more time than flash.
        let mut key = key;
        for (to, from) in to.iter_mut().zip(from) {
            *to = from ^ key as u8;
            key = key.rotate_right(8);
        }
        return;
    }
    // Not inlined, since only parameters tell the compiler that the two do not overlap: without that no vector code.
    // Nor does it know that the lengths are the same; said once here, it need not look at both below.
    let Some(to) = to.get_mut(..from.len()) else {
        return;
    };
    // Blocks of a fixed size become straight vector code; 64 bytes are also a common payload.
    let (to_blocks, to_rest) = to.as_chunks_mut::<64>();
    let (from_blocks, from_rest) = from.as_chunks::<64>();
    for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
        copy_words(to, from, key);
    }
    if !from_rest.is_empty() {
        copy_masked_rest(to_rest, from_rest, key);
    }
}

/// The same for up to 63 bytes, kept apart so that the blocks above need no stack.
#[inline(never)]
fn copy_masked_rest(to: &mut [u8], from: &[u8], key: u32) {
    let wide = u64::from(key) << 32 | u64::from(key);
    let (to_blocks, to_rest) = to.as_chunks_mut::<16>();
    let (from_blocks, from_rest) = from.as_chunks::<16>();
    for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
        copy_words(to, from, key);
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

/// By four bytes, as the key is: spreading it over a vector takes fewer steps than spreading eight.
#[inline]
fn copy_words(to: &mut [u8], from: &[u8], key: u32) {
    let (to, from) = (to.as_chunks_mut::<4>().0, from.as_chunks::<4>().0);
    for (to, from) in to.iter_mut().zip(from) {
        *to = (u32::from_le_bytes(*from) ^ key).to_le_bytes();
    }
}

/// XORs `bytes` in place with `key` repeated from its low byte on.
pub(crate) fn mask_in_place(bytes: &mut [u8], key: u32) {
    if cfg!(target_os = "none") {
        let mut key = key;
        for byte in bytes {
            *byte ^= key as u8;
            key = key.rotate_right(8);
        }
        return;
    }
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= key;
    }
}
