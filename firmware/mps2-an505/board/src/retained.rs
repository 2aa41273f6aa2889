//! Words that a reset leaves alone: zeros when the emulator starts, then what the program puts there.

use core::sync::atomic::{AtomicBool, Ordering};

/// How many there are.
pub const WORDS: usize = 2048;

/// Behind the flash, in code memory, which nothing else uses.
const ADDRESS: usize = 0x1038_0000;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The words, once in a life of the board.
pub fn take() -> Option<&'static mut [u32; WORDS]> {
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: there is memory at this address, aligned, that no linker script mentions; any bits are numbers; and only
    // the first caller in a life gets it.
    Some(unsafe { &mut *core::ptr::with_exposed_provenance_mut(ADDRESS) })
}
