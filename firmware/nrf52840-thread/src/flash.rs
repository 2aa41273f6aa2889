//! The flash of the chip: where the outbox is, and the page of settings.

use core::ops::Range;

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_nrf::{Peri, nvmc::Nvmc, peripherals::NVMC};
use embedded_storage::nor_flash::ReadNorFlash as _;

/// As memory.x says.
pub(crate) const OUTBOX: Range<u32> = 0x000c_0000..0x000f_0000;
const SETTINGS: u32 = 0x000f_0000;
/// Two pages of the flash.
pub(crate) const SETTINGS_SIZE: usize = 8192;

/// The flash as the outbox wants it. A write takes microseconds and an erasing 85 ms, for which the core stands still.
pub(crate) type Flash = BlockingAsync<Nvmc<'static>>;

/// Reads the settings and gives the flash.
pub(crate) fn open(nvmc: Peri<'static, NVMC>, page: &mut [u8; SETTINGS_SIZE]) -> Flash {
    let mut nvmc = Nvmc::new(nvmc);
    if nvmc.read(SETTINGS, page).is_err() {
        page.fill(0xff);
    }
    BlockingAsync::new(nvmc)
}
