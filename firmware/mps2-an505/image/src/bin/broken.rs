//! The image that doesn't work: it panics before it has proved itself.
#![no_std]
#![no_main]

use embassy_futures::block_on;
use mps2_an505::{entry, say};
use towpath_azure::update::Slot;

#[entry]
fn main() -> ! {
    let running = block_on(image::slot().running());
    say!("broken: {running:?}");
    panic!("this image is broken");
}
