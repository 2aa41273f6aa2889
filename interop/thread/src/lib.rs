//! towpath on a Thread network: a device and a border router of OpenThread, over its simulated radio.

mod climb;
mod control;
mod frames;
mod mesh;
mod servers;

pub use self::{
    climb::{BURST, Climb, climb},
    control::Control,
    frames::Frames,
    mesh::{Mesh, built},
    servers::{Certificates, NAME, broker},
};
