//! Variable byte integers (MQTT 5 section 1.5.5).

use crate::{
    bytes::{Reader, Short, Writer},
    malformed,
    mqtt::Invalid,
};

/// The bytes that `value` takes as a variable byte integer.
#[must_use]
pub const fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The largest variable byte integer, 268,435,455.
pub const VARINT_MAX: u32 = 0x0FFF_FFFF;

pub(crate) fn write_varint(writer: &mut Writer<'_>, value: u32) -> Result<(), Short> {
    if value > VARINT_MAX {
        return Err(Short);
    }
    let mut rest = value;
    loop {
        let byte = (rest & 0x7F) as u8;
        rest >>= 7;
        if rest == 0 {
            return writer.u8(byte);
        }
        writer.u8(byte | 0x80)?;
    }
}

/// Reads a variable byte integer in its shortest form ([MQTT-1.5.5-1]).
pub(crate) fn read_varint(reader: &mut Reader<'_>) -> Result<u32, Invalid> {
    let mut value = 0;
    let mut shift = 0;
    while shift < 28 {
        let byte = reader.u8()?;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return Err(malformed!(
                    "[MQTT-1.5.5-1] a variable byte integer is longer than needed",
                ));
            }
            return Ok(value);
        }
        shift += 7;
    }
    Err(malformed!(
        "MQTT 5 1.5.5 a variable byte integer has more than four bytes",
    ))
}
