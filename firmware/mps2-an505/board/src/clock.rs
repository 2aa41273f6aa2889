//! Time: a tick of one millisecond by SysTick, behind embassy-time; and the date.

use core::{cell::RefCell, task::Waker};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

/// The processor's clock.
const HERTZ: u32 = 20_000_000;

const _: () = assert!(TICK_HZ == 1000, "SysTick ticks each millisecond");

struct State {
    ticks: u64,
    /// When the first of the timers is due.
    next: u64,
    timers: Queue,
}

struct Ticks(Mutex<RefCell<State>>);

embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks(Mutex::new(RefCell::new(State {
    ticks: 0,
    next: u64::MAX,
    timers: Queue::new(),
}))));

impl Driver for Ticks {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.0.borrow_ref(section).ticks)
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let state = &mut *self.0.borrow_ref_mut(section);
            if state.timers.schedule_wake(at, waker) {
                state.next = state.timers.next_expiration(state.ticks);
            }
        });
    }
}

/// Starts the tick.
pub(crate) fn start() {
    // SAFETY: nothing else in the firmware uses SysTick.
    let mut timer: SYST = unsafe { core::mem::transmute(()) };
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(HERTZ / 1000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

#[exception]
fn SysTick() {
    critical_section::with(|section| {
        let state = &mut *TICKS.0.borrow_ref_mut(section);
        state.ticks += 1;
        if state.next <= state.ticks {
            state.next = state.timers.next_expiration(state.ticks);
        }
    });
}

/// Seconds since 1970.
pub fn unix() -> u64 {
    crate::host::seconds().into()
}
