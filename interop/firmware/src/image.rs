//! A program as it lies in the flash of a board with the bootloader: what the factory writes there, and what an update
//! brings.

use std::{fs, process::Command};

use mqtt::Folder;

use crate::Board;

/// The bytes of this application, from the start of its slot. For `flash.bin`: the rest of the flash is erased.
///
/// # Panics
/// If it is not built, or without `arm-none-eabi-objcopy`.
#[must_use]
pub fn image(application: &str) -> Vec<u8> {
    let folder = Folder::new("image");
    let binary = folder.file("image.bin");
    let made = Command::new("arm-none-eabi-objcopy")
        .args(["-O", "binary"])
        .args([Board::new(application).image(), binary.as_path()])
        .status();
    let made = made.unwrap_or_else(|error| panic!("arm-none-eabi-objcopy: {error}"));
    assert!(made.success(), "{application}: {made}");
    fs::read(binary).expect("the image")
}
