//! Findings of the family `DEV`: what a device brings along, by subject. Nothing of it needs a packet to be wrong.

pub(super) mod material;
pub(super) mod program;
pub(super) mod sockets;
pub(super) mod tls;
