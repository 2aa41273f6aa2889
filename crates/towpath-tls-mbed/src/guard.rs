//! One at a time inside Mbed TLS.
//!
//! The library is built without locks of its own, and has values that all connections share: the key slots of its PSA
//! part, lists made at first use, and the blinding values in a private key. So every call into it, and every change of a
//! count of references, holds this guard.

/// Held while Mbed TLS runs.
pub(crate) struct Guard {
    #[cfg(feature = "std")]
    _lock: std::sync::MutexGuard<'static, ()>,
}

#[cfg(feature = "std")]
impl Guard {
    /// Waits for its turn. `Some` always; a device may have to do without, see below.
    #[expect(clippy::unnecessary_wraps, reason = "the same function for a device")]
    pub(crate) fn enter() -> Option<Self> {
        static INSIDE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        // A panic inside leaves nothing half done that Mbed TLS would not check again.
        let lock = INSIDE
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(Self { _lock: lock })
    }
}

#[cfg(not(feature = "std"))]
static INSIDE: critical_section::Mutex<core::cell::Cell<bool>> =
    critical_section::Mutex::new(core::cell::Cell::new(false));

#[cfg(not(feature = "std"))]
impl Guard {
    /// `None` while another task is inside: a device can't wait here, since that task may be the one it interrupted.
    pub(crate) fn enter() -> Option<Self> {
        let busy = critical_section::with(|section| INSIDE.borrow(section).replace(true));
        (!busy).then_some(Self {})
    }
}

#[cfg(not(feature = "std"))]
impl Drop for Guard {
    fn drop(&mut self) {
        critical_section::with(|section| INSIDE.borrow(section).set(false));
    }
}
