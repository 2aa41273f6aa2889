//! Random numbers, from the chip's generator with its bias corrected.

use core::{cell::RefCell, convert::Infallible};

use critical_section::Mutex;
use embassy_nrf::{Peri, mode::Blocking, peripherals::RNG, rng::Rng};

static SOURCE: Mutex<RefCell<Option<Rng<'static, Blocking>>>> = Mutex::new(RefCell::new(None));

/// Takes the generator.
pub(crate) fn init(rng: Peri<'static, RNG>) -> Source {
    let rng = Rng::new_blocking(rng);
    rng.set_bias_correction(true);
    critical_section::with(|section| SOURCE.borrow_ref_mut(section).replace(rng));
    Source(())
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

/// The generator as OpenThread wants it. There is one only after [`init`].
pub(crate) struct Source(());

impl rand_core::TryRng for Source {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        fill(&mut bytes);
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(bytes);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Source {}
