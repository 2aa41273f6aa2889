//! What ends a program before its time: a panic and a fault of the processor. Both say so on standard error and end the
//! emulator with a status of their own.

use core::{fmt::Write, panic::PanicInfo};

use cortex_m_rt::{ExceptionFrame, exception};

use crate::{console::Text, host::Mode};

/// The exit status after a panic, that of a program on a host.
const PANIC: u8 = 101;
/// The exit status after a fault of the processor.
const FAULT: u8 = 102;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // The text is gone, and sent, before the end.
    let _ = writeln!(Text::new(Mode::Append), "{info}");
    crate::exit(PANIC)
}

// SAFETY: it never returns, so the state of what was interrupted doesn't matter.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    let _ = writeln!(
        Text::new(Mode::Append),
        "hard fault at {:#010x}, called from {:#010x}",
        frame.pc(),
        frame.lr()
    );
    crate::exit(FAULT)
}
