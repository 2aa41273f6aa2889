//! Topic names, topic filters and the rules for strings (MQTT 5 sections 1.5.4 and 4.7).

use core::fmt;

use super::Invalid;

/// What a scan of a string's bytes found, one bit each.
#[derive(Clone, Copy)]
struct Found(u8);

impl Found {
    const NUL: u8 = 0x01;
    const WILDCARD: u8 = 0x02;
    const NOT_ASCII: u8 = 0x80;

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// Looks at every byte once, sixteen at a time so that the compiler can use vector instructions.
#[inline]
fn scan(bytes: &[u8]) -> Found {
    let (chunks, tail) = bytes.as_chunks::<16>();
    let mut found = [0u8; 16];
    for chunk in chunks {
        for (found, byte) in found.iter_mut().zip(chunk) {
            *found |= classify(*byte);
        }
    }
    if !tail.is_empty() {
        // The last sixteen bytes overlap what was seen; looking twice is cheaper than looking one by one.
        if let Some(last) = bytes.last_chunk::<16>() {
            for (found, byte) in found.iter_mut().zip(last) {
                *found |= classify(*byte);
            }
        } else {
            for byte in tail {
                found[0] |= classify(*byte);
            }
        }
    }
    let wide = u128::from_ne_bytes(found);
    let half = (wide >> 64) as u64 | wide as u64;
    let half = half | half >> 32;
    let half = half | half >> 16;
    Found((half | half >> 8) as u8)
}

#[inline(always)]
fn classify(byte: u8) -> u8 {
    // '+' is 0x2B and '#' is 0x23: they differ in one bit only.
    (byte & Found::NOT_ASCII) | u8::from(byte == 0) | (u8::from(byte & 0xF7 == 0x23) << 1)
}

/// Checks the rules of a UTF-8 encoded string: well-formed and without U+0000.
///
/// # Errors
/// The clause that is broken.
#[inline]
pub fn check_utf8(bytes: &[u8]) -> Result<(), Invalid> {
    check(bytes, scan(bytes))
}

#[inline]
fn check(bytes: &[u8], found: Found) -> Result<(), Invalid> {
    if found.has(Found::NUL) {
        return Err(Invalid::malformed("[MQTT-1.5.4-2] a string holds U+0000"));
    }
    if found.has(Found::NOT_ASCII) && core::str::from_utf8(bytes).is_err() {
        return Err(Invalid::malformed(
            "[MQTT-1.5.4-1] a string is not well-formed UTF-8",
        ));
    }
    Ok(())
}

/// A valid topic name: UTF-8, 1 to 65,535 bytes, no wildcard, no U+0000. Checked once, used often.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicName<'a>(&'a [u8]);

impl<'a> TopicName<'a> {
    /// The empty name, which only a PUBLISH with a topic alias may carry (MQTT 5 section 3.3.2.3.4).
    pub(crate) const ALIASED: Self = Self(&[]);

    /// Takes `name` as a topic name.
    ///
    /// # Errors
    /// The clause that is broken.
    pub fn new(name: &'a str) -> Result<Self, Invalid> {
        if name.is_empty() {
            return Err(Invalid::protocol("[MQTT-4.7.3-1] a topic name is empty"));
        }
        Self::from_wire(name.as_bytes())
    }

    /// Checks received bytes; unlike [`new`](Self::new) an empty name passes.
    #[inline]
    pub(crate) fn from_wire(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let found = scan(bytes);
        if found.has(Found::WILDCARD) {
            return Err(Invalid::malformed(
                "[MQTT-3.3.2-2] a topic name holds a wildcard",
            ));
        }
        check(bytes, found)?;
        if bytes.len() > usize::from(u16::MAX) {
            return Err(Invalid::malformed(
                "[MQTT-4.7.3-3] a topic name is longer than 65,535 bytes",
            ));
        }
        Ok(Self(bytes))
    }

    /// Takes bytes that [`from_wire`](Self::from_wire) has checked.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes of the name.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The name as text. The bytes were checked at construction; this checks them again, which costs a scan.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        core::str::from_utf8(self.0).unwrap_or("")
    }

    /// Whether the name is empty, so that a topic alias stands for it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A valid topic filter, shared or not (MQTT 5 sections 4.7 and 4.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Takes `filter` as a topic filter.
    ///
    /// # Errors
    /// The clause that is broken.
    pub fn new(filter: &'a str) -> Result<Self, Invalid> {
        check_utf8(filter.as_bytes())?;
        if filter.len() > usize::from(u16::MAX) {
            return Err(Invalid::malformed(
                "[MQTT-4.7.3-3] a topic filter is longer than 65,535 bytes",
            ));
        }
        if let Some(shared) = filter.strip_prefix("$share/") {
            check_shared(shared)?;
        } else {
            check_levels(filter)?;
        }
        Ok(Self(filter))
    }

    /// Checks received bytes.
    pub(crate) fn from_wire(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let text = core::str::from_utf8(bytes)
            .map_err(|_| Invalid::malformed("[MQTT-1.5.4-1] a string is not well-formed UTF-8"))?;
        Self::new(text)
    }

    /// The filter as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether this is a shared subscription, `$share/name/filter`.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.0.starts_with("$share/")
    }

    /// Whether the filter holds a wildcard.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        scan(self.0.as_bytes()).has(Found::WILDCARD)
    }

    /// Whether a message published to `topic` matches (MQTT 5 section 4.7). A shared filter matches by its inner filter.
    #[must_use]
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        let filter = match self
            .0
            .strip_prefix("$share/")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((_, inner)) => inner,
            None => self.0,
        };
        let topic = topic.as_str();
        // [MQTT-4.7.2-1]: a leading wildcard does not match a topic that begins with $.
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in filter.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

fn check_shared(rest: &str) -> Result<(), Invalid> {
    let Some((name, filter)) = rest.split_once('/') else {
        return Err(Invalid::protocol(
            "[MQTT-4.8.2-2] a shared subscription has no filter",
        ));
    };
    if name.is_empty() || name.contains(['+', '#']) {
        return Err(Invalid::protocol(
            "[MQTT-4.8.2-1] a share name is empty or holds a wildcard",
        ));
    }
    check_levels(filter)
}

fn check_levels(filter: &str) -> Result<(), Invalid> {
    if filter.is_empty() {
        return Err(Invalid::protocol("[MQTT-4.7.3-1] a topic filter is empty"));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(Invalid::malformed(
                "[MQTT-4.7.1-1] # is not alone in the last level",
            ));
        }
        if level.contains('+') && level != "+" {
            return Err(Invalid::malformed(
                "[MQTT-4.7.1-2] + is not alone in its level",
            ));
        }
    }
    Ok(())
}
