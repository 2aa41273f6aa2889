//! The flash beside the chip: where the outbox is, and the page of settings.

use core::ops::Range;

use embassy_embedded_hal::adapter::BlockingAsync;
use embedded_storage::nor_flash::ReadNorFlash as _;
use esp_hal::peripherals::FLASH;
use esp_storage::FlashStorage;

/// As partitions.csv says.
pub(crate) const OUTBOX: Range<u32> = 0x0032_0000..0x0035_0000;
const SETTINGS: u32 = 0x0031_0000;
/// Two pages of the flash.
pub(crate) const SETTINGS_SIZE: usize = 8192;

/// The flash as the outbox wants it. While it writes and erases, the program stands still.
pub(crate) type Flash = BlockingAsync<FlashStorage<'static>>;

/// Reads the settings and gives the flash.
pub(crate) fn open(flash: FLASH<'static>, page: &mut [u8; SETTINGS_SIZE]) -> Flash {
    let mut flash = FlashStorage::new(flash);
    if flash.read(SETTINGS, page).is_err() {
        page.fill(0xff);
    }
    BlockingAsync::new(flash)
}
