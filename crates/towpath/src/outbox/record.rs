//! One message as bytes: what the file and the flash hold.
//!
//! ```text
//! 0      1 version of this layout
//! 1      1 which times are known: bit 0 accepted, bit 1 expires
//! 2..4   length of the properties
//! 4..12  sequence
//! 12..20 accepted
//! 20..28 expires
//! 28..   properties, then the body
//! last 4 CRC-32 (ISO-HDLC) of all before it
//! ```
//!
//! Numbers are little-endian. The checksum is there although file and flash have their own: theirs cover neither every
//! read nor every byte. It is another polynomial than the flash's.

use crc::{CRC_32_ISO_HDLC, Crc};

use super::StoredRef;

const VERSION: u8 = 1;
const HEAD: usize = 28;
const TAIL: usize = 4;
const ACCEPTED: u8 = 1;
const EXPIRES: u8 = 2;

/// What a record is longer than its properties and body.
pub(crate) const OVERHEAD: usize = HEAD + TAIL;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The checksum that records have; other rows of the store take it too.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// How long the record is, or `None` if there can't be one because the properties are longer than 65,535 bytes.
pub(crate) fn len(properties: &str, body: &[u8]) -> Option<usize> {
    u16::try_from(properties.len()).ok()?;
    OVERHEAD
        .checked_add(properties.len())?
        .checked_add(body.len())
}

/// Writes the record at the start of `out`; the answer is its length, or `None` if it doesn't fit.
pub(crate) fn encode(record: &StoredRef<'_>, out: &mut [u8]) -> Option<usize> {
    let len = len(record.properties, record.body)?;
    let (content, tail) = out.get_mut(..len)?.split_at_mut_checked(len - TAIL)?;
    let (head, rest) = content.split_first_chunk_mut::<HEAD>()?;
    let (properties, body) = rest.split_at_mut_checked(record.properties.len())?;
    let known = if record.accepted.is_some() {
        ACCEPTED
    } else {
        0
    } | if record.expires.is_some() { EXPIRES } else { 0 };
    let length = u16::try_from(record.properties.len()).ok()?;
    head[0] = VERSION;
    head[1] = known;
    head[2..4].copy_from_slice(&length.to_le_bytes());
    head[4..12].copy_from_slice(&record.sequence.to_le_bytes());
    head[12..20].copy_from_slice(&record.accepted.unwrap_or_default().to_le_bytes());
    head[20..28].copy_from_slice(&record.expires.unwrap_or_default().to_le_bytes());
    properties.copy_from_slice(record.properties.as_bytes());
    body.copy_from_slice(record.body);
    let sum = checksum(content);
    tail.copy_from_slice(&sum.to_le_bytes());
    Some(len)
}

/// The message, or `None` if this is not what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Option<StoredRef<'_>> {
    let (content, sum) = bytes.split_last_chunk::<TAIL>()?;
    if checksum(content) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (head, rest) = content.split_first_chunk::<HEAD>()?;
    if head[0] != VERSION {
        return None;
    }
    let number = |at: usize| {
        let bytes = head.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let known = |bit: u8, at: usize| {
        if head[1] & bit == 0 {
            Some(None)
        } else {
            number(at).map(Some)
        }
    };
    let length = u16::from_le_bytes([head[2], head[3]]);
    let (properties, body) = rest.split_at_checked(length.into())?;
    Some(StoredRef {
        sequence: number(4)?,
        accepted: known(ACCEPTED, 12)?,
        expires: known(EXPIRES, 20)?,
        properties: core::str::from_utf8(properties).ok()?,
        body,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else(
            sequence in any::<u64>(),
            accepted in any::<Option<u64>>(),
            expires in any::<Option<u64>>(),
            properties in ".{0,40}",
            body in prop::collection::vec(any::<u8>(), 0..200),
            spoilt in any::<prop::sample::Index>(),
            bit in 0u8..8,
            cut in any::<prop::sample::Index>(),
        ) {
            let record = StoredRef { sequence, accepted, expires, properties: &properties, body: &body };
            let mut buffer = [0; 1024];
            let len = encode(&record, &mut buffer).expect("it fits");
            prop_assert_eq!(len, properties.len() + body.len() + OVERHEAD);
            prop_assert_eq!(decode(&buffer[..len]), Some(record));
            // A checksum finds every single bit that turned over, and what was cut off but for one in four billion.
            prop_assert_eq!(decode(&buffer[..cut.index(len)]), None);
            buffer[spoilt.index(len)] ^= 1 << bit;
            prop_assert_eq!(decode(&buffer[..len]), None);
            prop_assert_eq!(encode(&record, &mut buffer[..len - 1]), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
            let mut sealed = bytes;
            let sum = checksum(&sealed);
            sealed.extend_from_slice(&sum.to_le_bytes());
            let _ = decode(&sealed);
        }
    }
}
