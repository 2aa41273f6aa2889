//! The same as frames of defmt, where the log is that: `towpath explain --elf` draws the ladder on the host, and no word of
//! it takes flash.

use towpath::{Fault, proto::Trace};

/// Tells a fact; whether it is told.
#[cfg(feature = "defmt")]
pub(crate) fn fact(trace: &Trace) -> bool {
    defmt::info!("{}", trace);
    true
}

/// Tells a fact; whether it is told.
#[cfg(not(feature = "defmt"))]
pub(crate) const fn fact(_: &Trace) -> bool {
    false
}

/// Tells a fault; whether it is told.
#[cfg(feature = "defmt")]
pub(crate) fn fault(fault: &Fault) -> bool {
    defmt::error!("{}", fault);
    true
}

/// Tells a fault; whether it is told.
#[cfg(not(feature = "defmt"))]
pub(crate) const fn fault(_: &Fault) -> bool {
    false
}

/// Tells that the server accepted the connection; whether it is told. That MQTT is reached is a fact of its own.
#[cfg(feature = "defmt")]
pub(crate) fn connected(session_present: bool, keep_alive: u16) -> bool {
    let session: defmt::Str = if session_present {
        defmt::intern!("kept")
    } else {
        defmt::intern!("new")
    };
    defmt::info!(
        "path ready: session {=istr}, keep alive {=u16} s",
        session,
        keep_alive
    );
    true
}

/// Tells that the server accepted the connection; whether it is told.
#[cfg(not(feature = "defmt"))]
pub(crate) const fn connected(_: bool, _: u16) -> bool {
    false
}
