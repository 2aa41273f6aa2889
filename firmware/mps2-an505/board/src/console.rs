//! Lines of text on standard output. What comes out is what a test reads.

use core::fmt::{self, Write};

use crate::host::{File, Mode};

/// Writes a line, with the arguments of `println!`. With feature `defmt` it is a frame, because text would damage those
/// beside it.
#[cfg(not(feature = "defmt"))]
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::console::line(::core::format_args!($($line)*)) };
}

/// Writes a line, with the arguments of `println!`, as a frame of defmt.
#[cfg(feature = "defmt")]
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::frames::line(::core::format_args!($($line)*)) };
}

/// How many bytes go to the host at once: each call stops the emulator for a while.
const ROOM: usize = 128;

/// Text on its way to the host.
pub(crate) struct Text {
    file: Option<File>,
    room: [u8; ROOM],
    len: usize,
}

impl Text {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            file: File::open(c":tt", mode),
            room: [0; ROOM],
            len: 0,
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            file.write(self.room.get(..self.len).unwrap_or_default());
        }
        self.len = 0;
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == ROOM {
                self.flush();
            }
            if let Some(place) = self.room.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes a line as text: what [`say!`](crate::say) makes of its arguments.
pub fn line(arguments: fmt::Arguments<'_>) {
    let mut text = Text::new(Mode::Write);
    // It never fails.
    let _ = text.write_fmt(arguments);
    let _ = text.write_char('\n');
}
