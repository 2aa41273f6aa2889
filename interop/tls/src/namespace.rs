//! A network of the test's own.
//!
//! Mosquitto's websockets listener ignores the address it is to bind to, so that only a network namespace keeps it from
//! the machine's real network. It also makes every port free, 443 too.

use mqtt::run;
use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread into a network namespace of its own, in which only the loopback exists. Programs, threads
/// and sockets that it makes from now on are in there too. The namespace is gone with the last of them.
///
/// # Panics
/// If that is not allowed: `make tls` gives an ordinary user a user namespace in which it is.
pub fn enter() {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        panic!("no network namespace ({error}): run `make tls`, which finds a way or says why not");
    }
    run("ip", &["link", "set", "lo", "up"]);
}
