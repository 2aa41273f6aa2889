//! Runs the tasks of embassy and sleeps in between.
//!
//! embassy's own executor for this processor sleeps by WFE, which QEMU only takes as a hint: the emulator would keep a
//! core of its host busy. WFI lets it sleep.

use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::{asm::wfi, interrupt};
use embassy_executor::{Spawner, raw::Executor};
use static_cell::StaticCell;

static EXECUTOR: StaticCell<Executor> = StaticCell::new();
/// A task was woken.
static PENDING: AtomicBool = AtomicBool::new(false);

// SAFETY: embassy-executor asks for this symbol, once in a program.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    PENDING.store(true, Ordering::Release);
}

/// Starts the clock, lets `spawn` start the tasks, and runs them for ever. To be called once.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    crate::clock::start();
    let executor = EXECUTOR.init_with(|| Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        PENDING.store(false, Ordering::Release);
        // SAFETY: only this loop polls the executor, and no task gets at it.
        unsafe { executor.poll() };
        // An interrupt between the question and the sleep would be slept through; held back, it ends the sleep.
        interrupt::free(|_| {
            if !PENDING.load(Ordering::Acquire) {
                wfi();
            }
        });
    }
}
