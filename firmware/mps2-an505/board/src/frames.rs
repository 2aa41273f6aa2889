//! The log as frames of defmt on standard output, instead of text. In go the encoder's bytes, out goes a frame at a time:
//! each call of the host stops the emulator for a while. `defmt-semihosting` calls it for every few bytes.

use core::{
    cell::UnsafeCell,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use critical_section::RestoreState;
use defmt::{Encoder, Logger};

use crate::host::{File, Mode};

defmt::timestamp!("{=u64:us}", embassy_time_driver::now() * 1000);

/// As long as a line of text may get; what is beyond goes to the host in a second piece.
const ROOM: usize = 256;

#[defmt::global_logger]
struct Frames;

struct State {
    encoder: Encoder,
    restore: RestoreState,
    file: Option<File>,
    room: [u8; ROOM],
    len: usize,
}

struct Shared {
    taken: AtomicBool,
    state: UnsafeCell<State>,
}

// SAFETY: the state is touched only between `acquire` and `release`, which hold a critical section on the only core.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    taken: AtomicBool::new(false),
    state: UnsafeCell::new(State {
        encoder: Encoder::new(),
        restore: RestoreState::invalid(),
        file: None,
        room: [0; ROOM],
        len: 0,
    }),
};

impl State {
    fn push(room: &mut [u8; ROOM], len: &mut usize, file: &mut Option<File>, bytes: &[u8]) {
        for byte in bytes {
            if *len == ROOM {
                Self::flush(room, len, file);
            }
            if let Some(place) = room.get_mut(*len) {
                *place = *byte;
                *len += 1;
            }
        }
    }

    fn flush(room: &[u8; ROOM], len: &mut usize, file: &mut Option<File>) {
        let file = match file {
            Some(file) => Some(file),
            None => {
                *file = File::open(c":tt", Mode::Write);
                file.as_mut()
            }
        };
        if let Some(file) = file {
            file.write(room.get(..*len).unwrap_or_default());
        }
        *len = 0;
    }

    /// Gives the encoder somewhere to write to.
    fn encode(&mut self, step: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
        let Self {
            encoder,
            file,
            room,
            len,
            ..
        } = self;
        step(encoder, &mut |bytes| Self::push(room, len, file, bytes));
    }
}

// SAFETY: `acquire` holds a critical section until `release`, so calls don't overlap, and a second `acquire` before it is
// a panic.
unsafe impl Logger for Frames {
    fn acquire() {
        // SAFETY: `release` ends the critical section, and defmt calls it after each `acquire`.
        let restore = unsafe { critical_section::acquire() };
        assert!(
            !SHARED.taken.swap(true, Ordering::Relaxed),
            "a frame within a frame"
        );
        // SAFETY: the critical section is held and nobody else has the state.
        let state = unsafe { &mut *SHARED.state.get() };
        state.restore = restore;
        state.encode(|encoder, write| encoder.start_frame(write));
    }

    unsafe fn flush() {
        // What was released is with the host.
    }

    unsafe fn release() {
        // SAFETY: defmt calls it after `acquire`, so the critical section is held.
        let state = unsafe { &mut *SHARED.state.get() };
        state.encode(|encoder, write| encoder.end_frame(write));
        State::flush(&state.room, &mut state.len, &mut state.file);
        let restore = state.restore;
        SHARED.taken.store(false, Ordering::Relaxed);
        // SAFETY: it is the state that `acquire` was given.
        unsafe { critical_section::release(restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: defmt calls it between `acquire` and `release`, so the critical section is held.
        let state = unsafe { &mut *SHARED.state.get() };
        state.encode(|encoder, write| encoder.write(bytes, write));
    }
}

/// Writes a line as a frame: what [`say!`](crate::say) makes of its arguments. The text is made here, on the device.
pub fn line(arguments: fmt::Arguments<'_>) {
    defmt::println!("{}", defmt::Display2Format(&arguments));
}
