//! A cloud in a namespace of its own, and a device in another one, behind a router with NAT64.

mod apache;
mod cloud;
mod credential;
mod exchange;
mod world;

pub use self::{
    cloud::Cloud,
    credential::{GROUP_KEY, Proof},
    exchange::exchange,
    world::{Family, Way, World, devices},
};
