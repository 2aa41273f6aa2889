//! The C example on the board: Rust starts the board, and the rest is `main.c` over the C face of towpath.
#![no_std]
#![no_main]

// What C calls, for the linker.
use towpath_c as _;

#[cortex_m_rt::entry]
fn main() -> ! {
    c_board::start()
}
