//! A board in the place of the device of the network lab: a TAP device, bridged to the router.

use net::{Lab, Namespace};

use crate::{Board, Run};

/// The interface that is for the [board](Board::tap).
pub const TAP: &str = "board";

/// Puts a TAP device on the link between device and router. The device itself has no network any more.
pub fn plug(lab: &Lab) {
    // Forwarding at once, and all multicast: there is nothing to learn and no ring.
    lab.device.ip(&format!(
        "link add bridge type bridge forward_delay 0 mcast_snooping 0\n\
         tuntap add {TAP} mode tap\n\
         addr flush dev uplink\n\
         link set uplink master bridge\nlink set {TAP} master bridge\n\
         link set {TAP} up\nlink set bridge up"
    ));
    silence(&lab.device);
}

/// The host of the bridge is no host of the network: it takes part in nothing.
fn silence(device: &Namespace) {
    for key in [
        "ipv6.conf.uplink.disable_ipv6",
        "ipv6.conf.bridge.disable_ipv6",
    ] {
        device.sysctl(key, "1");
    }
}

/// Switches a board on in the place of the device.
///
/// # Panics
/// If QEMU is not installed.
#[must_use]
pub fn start(board: &Board, lab: &Lab) -> Run {
    board.start_in(&lab.device)
}
