//! Frames of defmt, as a device sends them. In go the firmware's ELF file, which has the words, and the bytes that came
//! from the device; out come lines of text, one a frame.
//!
//! `table` reads the words out of the ELF file, `stream` cuts the bytes into frames, `value` takes a frame apart and
//! `words` writes it. The wire format is version 4 of defmt's; the grammar of its format strings is `defmt-parser`'s. Its
//! own `defmt-decoder` is not used: a damaged length makes it ask for as much memory as the length says, which ends the
//! program, and it makes `serde_json` keep numbers as text in all of the program it is linked to.

mod stream;
mod table;
mod value;
mod words;

use std::io::{self, Read};

pub use self::table::Firmware;
use self::{stream::Cut, table::Level};

/// A frame, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// What the device said, in the words of `defmt-print`: `0.012345 [INFO ] text`.
    Line(String),
    /// This many bytes are no frame of this firmware.
    Damaged(usize),
}

/// Frames as they come, in bounded memory.
#[derive(Debug)]
pub struct Frames<'a, R> {
    firmware: &'a Firmware,
    input: R,
    cut: Cut,
    ended: bool,
}

impl<'a, R: Read> Frames<'a, R> {
    /// The frames that this input has, sent by this firmware.
    pub fn new(firmware: &'a Firmware, input: R) -> Self {
        Self {
            firmware,
            input,
            cut: Cut::new(firmware.encoding()),
            ended: false,
        }
    }

    /// The next frame, `None` at the end.
    ///
    /// # Errors
    /// What reading answers.
    pub fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.cut.next(self.firmware, self.ended) {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            let mut chunk = [0; 1024];
            match self.input.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(len) => self.cut.push(chunk.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A frame of these bytes, without what marks its ends, and how many of them it has.
fn decode(firmware: &Firmware, bytes: &[u8]) -> Result<(String, usize), value::Trouble> {
    let mut wire = value::Wire::new(firmware, bytes);
    let index = wire.u16()?;
    let mut line = String::new();
    if let Some(format) = firmware.timestamp() {
        let arguments = wire.arguments(format)?;
        words::write(&mut line, format, &arguments);
        line.push(' ');
    }
    let (level, format) = firmware.statement(index).ok_or(value::Trouble::Damaged)?;
    let arguments = wire.arguments(format)?;
    line.push_str(match level {
        Level::Trace => "[TRACE] ",
        Level::Debug => "[DEBUG] ",
        Level::Info => "[INFO ] ",
        Level::Warn => "[WARN ] ",
        Level::Error => "[ERROR] ",
        Level::Print => "",
    });
    words::write(&mut line, format, &arguments);
    Ok((line.replace(['\n', '\r'], " "), wire.used()))
}
