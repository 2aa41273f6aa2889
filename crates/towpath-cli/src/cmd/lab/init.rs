//! `towpath lab init`: a lab in a folder, ready to be used.

use std::path::{Path, PathBuf};

use towpath_lab::init::{Plan, init};

use super::output;
use crate::{args::lab::Init, exit::Failure};

pub(super) async fn run(args: &Init) -> Result<(), Failure> {
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    let plan = Plan {
        folder: folder.clone(),
        force: args.force,
        mqtts: args.mqtts_port,
        https: args.https_port,
        page: args.page_port,
    };
    let written = init(&plan).await?;
    let mut text = String::new();
    for (path, what) in &written {
        text.push_str(&format!("  {:<32}  {what}\n", path.display()));
    }
    let at = |name: &str| in_shell(&folder.join(name));
    text.push_str(&format!(
        "\nNext:\n  \
           towpath lab --config {}\n  \
           echo '{{\"power\":21.5}}' | towpath device --config {} --trace\n  \
           towpath device provision --config {}\n  \
           towpath pub --config {} 'devices/meter-sas/messages/events/' -m 21.5 -q 1 --trace\n",
        at("lab.toml"),
        at("device.toml"),
        at("device-dps.toml"),
        at("mqtt-sas.toml"),
    ));
    if args.https_port < 1024 {
        text.push_str(&format!(
            "\nPort {} needs root, or once: sysctl -w net.ipv4.ip_unprivileged_port_start={}\n",
            args.https_port, args.https_port
        ));
    }
    output(&text)
}

/// A path as one would type it.
fn in_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+".contains(char);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
