//! A DNS server that denies the names of the network it serves, as a public one does with those of an office.

use std::{fs, net::IpAddr};

use mqtt::Folder;
use net::{Daemon, Namespace};

/// Starts unbound at an address of a namespace: for it nothing exists.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start(namespace: &Namespace, address: IpAddr) -> Daemon {
    let folder = Folder::new("ignorant");
    let text = format!(
        "server:\n interface: {address}\n do-daemonize: no\n chroot: \"\"\n username: \"\"\n \
         directory: \"{}\"\n pidfile: \"\"\n use-syslog: no\n num-threads: 1\n verbosity: 1\n \
         access-control: 0.0.0.0/0 allow\n access-control: ::0/0 allow\n so-reuseport: no\n \
         outgoing-range: 64\n module-config: \"iterator\"\n \
         local-zone: \".\" always_nxdomain\n",
        folder.path().display(),
    );
    let file = folder.file("unbound.conf");
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let log = folder.file("log");
    let daemon = Daemon::start(namespace, "unbound", &["-d", "-c", &file], folder);
    // Its sockets are open when it says so.
    daemon.until("it does not start", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("start of service"))
    })
}
