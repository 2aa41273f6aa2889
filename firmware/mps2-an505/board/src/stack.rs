//! How deep the stack has been. The start-up code paints all of it before the program begins.

use core::ptr;

/// What the start-up code of cortex-m-rt paints with.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    /// The lowest word of the stack, by the linker script.
    static _stack_end: u32;
    /// Where it begins; it grows down from here.
    static _stack_start: u32;
}

/// The most bytes that the stack has had since the start.
pub fn high_water() -> usize {
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let mut at = end;
    // SAFETY: from `_stack_end` up to `_stack_start` there is memory of the stack, and all words of it are written by
    // the painting. Others may change while this looks; a volatile read takes them as they are.
    while at < start && unsafe { ptr::read_volatile(at) } == PAINT {
        at = at.wrapping_add(1);
    }
    start as usize - at as usize
}
