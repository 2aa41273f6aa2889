//! A board that a test has to itself: QEMU with one of the applications of `firmware/mps2-an505`, settings and files of
//! its own, and a network.
//!
//! Without more it is QEMU's own network, where 10.0.2.2 is this machine's 127.0.0.1; that takes no rights. In a
//! namespace it is a TAP device.

mod board;
mod image;
mod output;
pub mod wire;

pub use self::{
    board::{Board, Ended, Run},
    image::image,
    output::PATIENCE,
};

/// This machine's 127.0.0.1, as a board sees it that has no [network](Board::network) of its own.
pub const HOST: &str = "10.0.2.2";
