//! The C face: what `include/towpath.h` declares.
//!
//! Takes in bytes, commands and the time from a driver in C; gives out bytes to send, events and faults. Below is the
//! same [`towpath_proto::Client`] that every other face drives, in memory that the caller owns: nothing is allocated.
//!
//! Every function checks its pointers, lengths, numbers and texts, and answers a status; what C hands over is never
//! taken as a Rust enum or `bool`. What can't be checked is what every C interface asks for: that a pointer that is not
//! null leads to what its type says, and that a client is used by one thread at a time. A panic never unwinds into C:
//! `extern "C"` turns it into an abort.
//!
//! | file | what it does |
//! |-|-|
//! | `types.rs` | what both sides share: structs, numbers, statuses |
//! | `client.rs` | the client in the caller's memory, and who may touch it |
//! | `drive.rs` | the driver law: `towpath_poll` and what comes before it |
//! | `commands.rs` | start, publish, subscribe, acknowledge, disconnect |
//! | `input.rs`, `output.rs` | from C to the core's values, and back |
//! | `text.rs`, `nat64.rs` | words for people; addresses through NAT64 |
#![cfg_attr(not(feature = "std"), no_std)]

pub mod client;
pub mod commands;
pub mod drive;
mod input;
pub mod nat64;
mod output;
pub mod text;
pub mod types;

pub use client::Client;
pub use types::Status;

#[cfg(all(not(feature = "std"), feature = "panic-abort"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}
