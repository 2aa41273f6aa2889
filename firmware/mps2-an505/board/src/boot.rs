//! From the bootloader into the program that lies in the flash.

use cortex_m::peripheral::SCB;

use crate::flash::{ACTIVE, ADDRESS, Error, Part};

/// The data memory of the linker script.
const RAM: core::ops::RangeInclusive<u32> = 0x3800_0000..=0x3808_0000;

/// Starts the program in [`ACTIVE`], as the processor would after a reset. Comes back if there is none.
///
/// # Errors
/// If the host has no file for the flash.
pub fn start() -> Result<(), Error> {
    let mut head = [0; 8];
    Part::new(ACTIVE).read(0, &mut head)?;
    let [stack, entry] = [0, 4].map(|at| {
        let word = head.get(at..).and_then(|rest| rest.first_chunk::<4>());
        word.copied().map_or(0, u32::from_le_bytes)
    });
    let code = ADDRESS + ACTIVE.start..ADDRESS + ACTIVE.end;
    if !RAM.contains(&stack) || !code.contains(&entry) {
        return Ok(());
    }
    // SAFETY: the program's vectors lie at this address, checked as far as they can be: a stack in the data memory and
    // an entry in the program. No interrupt was enabled here, and nothing of this program is used any more.
    unsafe {
        (*SCB::PTR).vtor.write(code.start);
        cortex_m::asm::bootload(core::ptr::with_exposed_provenance(code.start as usize))
    }
}
