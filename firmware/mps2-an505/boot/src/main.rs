//! The bootloader: swaps the images if the one that runs has asked for it, swaps them back if the new one was not
//! confirmed until the next start, and starts what is in place. The power may be cut at any moment of it.
//!
//! It checks no signature: what is in the slot was checked when it was written, by whoever asked for the swap.
//!
//! Says only what is not as always. Ends with status 1 if there is nothing to start.
#![no_std]
#![no_main]

use embassy_boot::{AlignedBuffer, BootLoader, BootLoaderConfig, State};
use mps2_an505::{
    boot, entry, exit,
    flash::{self, Part},
    say,
};
use towpath::embedded::slot::BootState;

/// What is copied at once.
const PIECE: usize = 1024;

#[entry]
fn main() -> ! {
    let config = BootLoaderConfig {
        active: Part::new(flash::ACTIVE),
        dfu: Part::new(flash::DFU),
        state: BootState::new(Part::new(flash::STATE)),
    };
    let mut piece = AlignedBuffer([0; PIECE]);
    let mut loader = BootLoader::new(config);
    let prepared = loader.prepare_boot(piece.as_mut());
    match prepared.and_then(|_| loader.read_state(piece.as_mut())) {
        Ok(State::Swap) => say!("boot: a new image is in place, on probation"),
        Ok(State::Revert) => say!("boot: the image before is in place again"),
        Ok(_) => (),
        Err(error) => say!("boot: {error:?}"),
    }
    match boot::start() {
        Ok(()) => say!("boot: there is no image"),
        Err(error) => say!("boot: {error:?}"),
    }
    exit(1)
}
