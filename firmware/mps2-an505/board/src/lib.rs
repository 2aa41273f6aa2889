//! The board mps2-an505 as QEMU has it: a Cortex-M33 at 20 MHz with an Ethernet controller, and what the host lends it
//! by semihosting: a console, settings, random numbers, the date and a file that is its flash.
//!
//! An application calls [`run`] and has the rest in the modules. All `unsafe` of the firmware is in this crate.
#![no_std]

pub mod boot;
pub mod clock;
pub mod console;
pub mod ethernet;
mod executor;
pub mod flash;
#[cfg(feature = "defmt")]
pub mod frames;
pub mod heap;
pub mod host;
pub mod random;
pub mod retained;
pub mod settings;
pub mod stack;
mod trouble;
mod vectors;

pub use cortex_m_rt::entry;
pub use executor::run;

/// Starts the board again, as its reset button does.
pub fn reset() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// Ends the emulator with this exit status.
pub fn exit(code: u8) -> ! {
    host::exit(code)
}
