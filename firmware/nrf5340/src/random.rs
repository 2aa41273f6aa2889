//! Random numbers, from the CryptoCell's generator with its own health tests.

use core::cell::RefCell;

use critical_section::Mutex;
use embassy_nrf::{Peri, cryptocell_rng::CcRng, mode::Blocking, peripherals::CC_RNG};

static SOURCE: Mutex<RefCell<Option<CcRng<'static, Blocking>>>> = Mutex::new(RefCell::new(None));

/// Takes the generator.
pub(crate) fn init(rng: Peri<'static, CC_RNG>) {
    let rng = CcRng::new_blocking(rng);
    critical_section::with(|section| SOURCE.borrow_ref_mut(section).replace(rng));
}

/// Fills the bytes; false before [`init`].
pub(crate) fn fill(bytes: &mut [u8]) -> bool {
    critical_section::with(|section| match SOURCE.borrow_ref_mut(section).as_mut() {
        Some(rng) => {
            rng.blocking_fill_bytes(bytes);
            true
        }
        None => false,
    })
}
