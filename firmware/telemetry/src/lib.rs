//! What the applications of the boards do once there is a network: measure, keep in flash, send.
//!
//! A board gives its network stack, its flash, its settings, random numbers and something to measure; [`run`] never
//! ends. Measurements go into the outbox in flash whether there is a connection or not, and leave it when the broker has
//! them: a power cut loses none that was taken. What becomes of each attempt is said by defmt, rung by rung.
#![cfg_attr(not(test), no_std)]

mod outbox;
mod settings;
pub mod time;
mod uplink;

pub use outbox::{Measurement, RECORD};
pub use settings::{Scheme, Settings, Unusable};
pub use uplink::{Device, Memory, Unfit, run};
