//! The clock that a device lends.

use towpath_proto::{Instant, Trace};

/// The clock of the device.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait Timer {
    /// The time since an origin that stays the same, for example the start of the device. It never goes back.
    fn now(&self) -> Instant;

    /// Is ready once [`now`](Self::now) is `at` or later. Dropping it before must be harmless.
    async fn sleep_until(&self, at: Instant);

    /// A fact about the climb, for the device's log. Comes only after [`Client::trace`](towpath_proto::Client::trace) switched it on; a timer that
    /// says nothing here drops it.
    fn trace(&self, trace: Trace) {
        let _ = trace;
    }
}

impl<T: Timer> Timer for &T {
    fn now(&self) -> Instant {
        T::now(self)
    }

    async fn sleep_until(&self, at: Instant) {
        T::sleep_until(self, at).await;
    }

    fn trace(&self, trace: Trace) {
        T::trace(self, trace);
    }
}
