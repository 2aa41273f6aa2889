//! tayga: the translator in the router.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use mqtt::{Folder, run};

use crate::{Daemon, Namespace, Prefix, dns::Probe};

/// Its own addresses. That of IPv6 is outside of the prefix, as tayga wants it for the well-known one.
const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);
const OWN6: &str = "fd11:22:33:ffff::1";
/// What clients become.
const POOL: &str = "192.168.255.0/24";
/// Nothing listens there, anywhere in the lab.
const UNUSED_PORT: u16 = 9;

/// Starts the translator, and waits until a packet of the device has been to a host behind it and back.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start(router: &Namespace, prefix: Prefix, device: &Namespace, behind: Ipv4Addr) -> Daemon {
    let folder = Folder::new("tayga");
    let file = folder.file("tayga.conf");
    let text = format!(
        "tun-device nat64\nipv4-addr {OWN}\nipv6-addr {OWN6}\nprefix {prefix}\n\
         dynamic-pool {POOL}\ndata-dir {}\n",
        folder.path().display()
    );
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    router.run({
        let file = file.clone();
        move || run("tayga", &["-c", &file, "--mktun"])
    });
    router.ip(&format!(
        "link set nat64 up\nroute add {POOL} dev nat64\nroute add {OWN6} dev nat64\n\
         route add {prefix} dev nat64"
    ));
    let daemon = Daemon::start(router, "tayga", &["-c", &file, "--nodetach"], folder);
    let host = SocketAddr::new(prefix.embed(behind).into(), UNUSED_PORT);
    let probe = device.run(move || Probe::new(host));
    daemon.until("nothing is translated", || probe.is_refused())
}
