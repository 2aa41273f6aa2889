//! Topic names, topic filters and the rules for strings (MQTT 5 sections 1.5.4 and 4.7).

use core::fmt;

use super::Invalid;
use crate::{malformed, protocol};

/// Whether a byte asks for a closer look: U+0000, part of a character beyond ASCII and, in a topic name, a wildcard.
#[cfg_attr(not(target_os = "none"), inline(always))]
const fn is_odd<const NAME: bool>(byte: u8) -> bool {
    // '+' is 0x2B and '#' is 0x23: they differ in one bit only.
    (byte >= 0x80) | (byte == 0) | (NAME & (byte & 0xF7 == 0x23))
}

/// Whether any byte is odd. All are looked at: for a fixed number of bytes that becomes a few vector instructions.
#[cfg_attr(not(target_os = "none"), inline(always))]
fn any_odd<const NAME: bool>(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, byte| found | is_odd::<NAME>(*byte))
}

/// Whether no byte asks for a closer look. Nearly all strings that occur are like that.
#[cfg_attr(not(target_os = "none"), inline(always))]
fn is_plain<const NAME: bool>(bytes: &[u8]) -> bool {
    if cfg!(target_os = "none") {
        // A device has more time than flash.
        return !bytes.iter().any(|byte| is_odd::<NAME>(*byte));
    }
    let Some(last) = bytes.last_chunk::<16>() else {
        return is_plain_short::<NAME>(bytes);
    };
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if any_odd::<NAME>(block) {
            return false;
        }
        rest = after;
    }
    // The last sixteen bytes overlap what was seen; looking twice is cheaper than looking one by one.
    !any_odd::<NAME>(last)
}

/// The same for fewer than sixteen bytes.
#[inline(never)]
fn is_plain_short<const NAME: bool>(bytes: &[u8]) -> bool {
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => !any_odd::<NAME>(first) & !any_odd::<NAME>(last),
        _ => !bytes.iter().any(|byte| is_odd::<NAME>(*byte)),
    }
}

/// Checks the rules of a UTF-8 encoded string: well-formed and without U+0000.
///
/// # Errors
/// The clause that is broken.
#[inline]
pub fn check_utf8(bytes: &[u8]) -> Result<(), Invalid> {
    if is_plain::<false>(bytes) {
        Ok(())
    } else {
        look_closer(bytes)
    }
}

#[cold]
fn look_closer(bytes: &[u8]) -> Result<(), Invalid> {
    #[expect(
        clippy::manual_contains,
        reason = "`contains` is faster and 150 bytes larger; this is seldom asked"
    )]
    let has_null = bytes.iter().any(|byte| *byte == 0);
    if has_null {
        return Err(malformed!("[MQTT-1.5.4-2] a string holds U+0000"));
    }
    // Surrogates and overlong forms are no UTF-8 for the standard library either.
    if core::str::from_utf8(bytes).is_err() {
        return Err(malformed!(
            "[MQTT-1.5.4-1] a string is not well-formed UTF-8",
        ));
    }
    Ok(())
}

/// What [`TopicName::from_wire`] refuses.
#[cold]
fn look_closer_at_name(bytes: &[u8]) -> Result<(), Invalid> {
    look_closer(bytes)?;
    if has_wildcard(bytes) {
        return Err(malformed!(
            "[MQTT-4.7.0-1], [MQTT-3.3.2-2] a topic name holds a wildcard",
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
            return Err(protocol!("[MQTT-4.7.3-1] a topic name is empty"));
        }
        Self::from_wire(name.as_bytes())
    }

    /// Checks received bytes; unlike [`new`](Self::new) an empty name passes.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn from_wire(bytes: &'a [u8]) -> Result<Self, Invalid> {
        if !is_plain::<true>(bytes) {
            look_closer_at_name(bytes)?;
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(malformed!(
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
            return Err(malformed!(
                "[MQTT-4.7.3-3] a topic filter is longer than 65,535 bytes",
            ));
        }
        if let Some(shared) = filter.strip_prefix("$share/") {
            check_shared(shared)?;
        } else {
            check_levels(filter.as_bytes())?;
        }
        Ok(Self(filter))
    }

    /// Checks received bytes.
    pub(crate) fn from_wire(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let text = core::str::from_utf8(bytes)
            .map_err(|_| malformed!("[MQTT-1.5.4-1] a string is not well-formed UTF-8"))?;
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
        has_wildcard(self.0.as_bytes())
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
        let (filter, topic) = (filter.as_bytes(), topic.as_bytes());
        // [MQTT-4.7.2-1]: a leading wildcard does not match a topic that begins with $.
        if topic.starts_with(b"$") && matches!(filter.first(), Some(b'+' | b'#')) {
            return false;
        }
        let mut levels = topic.split(|byte| *byte == b'/');
        for wanted in filter.split(|byte| *byte == b'/') {
            if wanted == b"#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == b"+" || wanted == level => {}
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
    let rest = rest.as_bytes();
    let end = rest.iter().position(|byte| *byte == b'/').ok_or(protocol!(
        "[MQTT-4.8.2-2] a shared subscription has no filter"
    ))?;
    let (name, filter) = rest.split_at_checked(end).unwrap_or_default();
    if name.is_empty() {
        return Err(protocol!("[MQTT-4.8.2-1] a share name is empty"));
    }
    if has_wildcard(name) {
        return Err(protocol!("[MQTT-4.8.2-2] a share name holds a wildcard"));
    }
    check_levels(filter.get(1..).unwrap_or_default())
}

fn has_wildcard(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'+' | b'#'))
}

fn check_levels(filter: &[u8]) -> Result<(), Invalid> {
    if filter.is_empty() {
        return Err(protocol!("[MQTT-4.7.3-1] a topic filter is empty"));
    }
    let mut before = b'/';
    let mut rest = filter;
    while let [byte, behind @ ..] = rest {
        let alone = before == b'/';
        if *byte == b'#' && !(alone && behind.is_empty()) {
            return Err(malformed!(
                "[MQTT-4.7.1-1] # is not alone in the last level"
            ));
        }
        if *byte == b'+' && !(alone && matches!(behind, [] | [b'/', ..])) {
            return Err(malformed!("[MQTT-4.7.1-2] + is not alone in its level"));
        }
        (before, rest) = (*byte, behind);
    }
    Ok(())
}
