//! radvd: the router says which addresses the device may give itself.

use std::fs;

use mqtt::Folder;

use crate::{Daemon, Namespace, address};

/// Starts radvd in the router, and waits until the device has an address and a default route of it.
///
/// # Panics
/// If that does not happen.
#[must_use]
pub fn start(router: &Namespace, device: &Namespace) -> Daemon {
    let folder = Folder::new("radvd");
    let prefix = address::PREFIX;
    let file = folder.file("radvd.conf");
    let text = format!(
        "interface lan {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;\n\
         prefix {prefix}/64 {{ AdvOnLink on; AdvAutonomous on; }}; }};\n"
    );
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let id = folder.file("pid").display().to_string();
    let arguments = ["-n", "-m", "stderr", "-C", &file, "-p", &id];
    let daemon = Daemon::start(router, "radvd", &arguments, folder);
    let is_there = |arguments: &[&str]| !device.feed("ip", arguments, "").trim().is_empty();
    daemon.until("the device configures nothing", || {
        is_there(&["-6", "route", "show", "default"])
            && is_there(&["-6", "addr", "show", "uplink", "scope", "global"])
    })
}
