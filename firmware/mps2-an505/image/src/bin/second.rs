//! The image that works: confirms itself.
#![no_std]
#![no_main]

use embassy_futures::block_on;
use mps2_an505::{entry, exit, say};
use towpath_azure::update::{Running, Slot};

#[entry]
fn main() -> ! {
    let mut slot = image::slot();
    let running = block_on(slot.running()).expect("the flash is read");
    say!("second: {running:?}");
    block_on(slot.confirm()).expect("the flash is written");
    match block_on(slot.running()) {
        Ok(Running::Confirmed) => exit(0),
        other => {
            say!("second: {other:?} after it was confirmed");
            exit(1)
        }
    }
}
