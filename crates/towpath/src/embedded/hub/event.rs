//! What a device on a microcontroller tells its application.

use towpath_azure::{self as azure, Target, Transport};
use towpath_proto::{Fault, event::Outcome};

/// Something for the application. What it lends is gone when the call that told it returns.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no allocation to put the device's word behind, and one event at a time lies on the stack"
)]
#[non_exhaustive]
pub enum Event<'e> {
    /// An attempt begins.
    Climbing {
        /// Whom to.
        target: Target,
        /// The host that is dialed.
        host: &'e str,
        /// Its port.
        port: u16,
        /// With or without WebSocket.
        transport: Transport,
    },
    /// What the device itself has to say. Of [`azure::Event`] all but `Reported`, which [`report`](super::Commands::report)
    /// answers.
    Device(azure::Event<'e>),
    /// The hub has a message of the outbox.
    Delivered(u64),
    /// A message of the outbox did not reach the hub and is not there any more.
    Lost {
        /// Its number.
        sequence: u64,
        /// Why not.
        outcome: Outcome,
    },
    /// Nothing goes on before the clock is set: a token ends at a time.
    ClockUnset,
    /// The outbox can't be read or written; it is tried again.
    OutboxFailed(Fault),
    /// An answer to a method did not fit, so that there is none.
    NotAnswered(Fault),
}
