//! The image of the factory: installs what the host has for it, once, and restarts into it.
//!
//! Ends with status 0 when there is nothing to install, or what it had installed did not work, or with the setting
//! `restart = no` when all that is missing is the restart.
#![no_std]
#![no_main]

use embassy_futures::block_on;
use mps2_an505::{entry, exit, flash, reset, say, settings, stack};
use towpath_azure::update::{Running, Slot, install};

#[entry]
fn main() -> ! {
    let mut slot = image::slot();
    let running = block_on(slot.running()).expect("the flash is read");
    say!("first: {running:?}");
    if running == Running::RolledBack || settings::text("update") != Some("yes") {
        say!("stack: {} bytes", stack::high_water());
        exit(0)
    }
    let mut server = image::Update::default();
    let mut buffer = [0; 1024];
    let installed = block_on(async {
        let job = image::job();
        let checked = install(&job, &mut slot, &mut server, &mut buffer, |_, _| ()).await;
        let checked = checked.map_err(|failure| say!("first: {failure}"))?;
        say!("first: {} of {} bytes came", server.served, checked.size());
        let marked = slot.mark_for_boot(&checked).await;
        marked.map_err(|error| say!("first: {error}"))
    });
    if installed.is_err() {
        exit(1)
    }
    say!(
        "first: {} operations",
        flash::operations().unwrap_or_default()
    );
    match settings::text("restart") {
        Some("no") => exit(0),
        _ => reset(),
    }
}
