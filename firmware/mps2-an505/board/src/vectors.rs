//! The part of the vector table behind the exceptions, no longer than this board's devices need.

/// The interrupt of the Ethernet controller.
pub(crate) const ETHERNET: u16 = 48;

unsafe extern "C" {
    /// What cortex-m-rt has for interrupts that nobody handles.
    fn DefaultHandler();
}

const LAST: usize = ETHERNET as usize;

/// cortex-m-rt puts it where the processor looks.
// SAFETY: cortex-m-rt asks for this section and this symbol, and for nothing else in the section.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); LAST + 1] = {
    let mut all = [DefaultHandler as unsafe extern "C" fn(); LAST + 1];
    all[LAST] = crate::ethernet::interrupt;
    all
};
