//! The options of `towpath doctor`.

use std::{path::PathBuf, time::Duration};

use super::{Connection, OUTPUT, Target, seconds};

const AS: &str = "As the device, whose client this one then is like as far as it can";

/// Find out why a connection breaks, and what mends it
///
/// Climbs to the server as pub and sub do, with all their options, so that it can be wrong in the same way as a device.
/// Where that breaks, it asks a few harmless questions beside it that tell neighbouring causes apart, and names one:
/// which rung, why, what it rests on, and the setting that mends it. Where it does not, it says so, with the
/// milliseconds of each rung. Nothing is published, and a message that waits for the device is not acknowledged.
/// Passwords that were refused are not sent again, but at most once to the hub's REST interface. With the file of a
/// device (towpath device) its provisioning and its hub are climbed as the device would, up to the answer of its twin,
/// for which the topics of that answer are subscribed to. A server has one connection for each client identifier: who
/// connects with that of a device that is at work puts it off until it comes back, and ends its session unless
/// --keep-session is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("timeout", |arg| arg.help(TIMEOUT)),
    override_usage = "towpath doctor [OPTIONS] <URL>\n       \
        towpath doctor [OPTIONS] --config <FILE> [URL]"
)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Stand in for the device that this file describes: what its TLS offers, its buffers, its network stack
    #[arg(long = "as", value_name = "FILE", help_heading = AS)]
    pub(crate) device: Option<PathBuf>,

    /// Stand in for a build of Zephyr or the nRF Connect SDK: its build/zephyr/.config, or its prj.conf
    #[arg(long, value_name = "FILE", conflicts_with = "device", help_heading = AS)]
    pub(crate) kconfig: Option<PathBuf>,

    /// Stand in for a build of ESP-IDF: its sdkconfig
    #[arg(long, value_name = "FILE", conflicts_with_all = ["device", "kconfig"], help_heading = AS)]
    pub(crate) sdkconfig: Option<PathBuf>,

    /// Once connected, stay for so long, and name what ends the connection
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) watch: Option<Duration>,

    /// Ask nothing beside the climb
    #[arg(long)]
    pub(crate) no_probes: bool,

    /// Write a page with the ladder drawn to this file, for a support ticket; secrets are left out
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) report: Option<PathBuf>,

    /// Everything that was seen, also where nothing broke
    #[arg(short, long, conflicts_with = "json", help_heading = OUTPUT)]
    pub(crate) verbose: bool,

    /// JSON: one object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

const TIMEOUT: &str = "How long each rung may take, in seconds [default: 4, and 7.5 for the answer to CONNECT; 9 in all]";

const EXAMPLES: &str = "\
Examples:
  Why does this not connect?
    towpath doctor wss://broker.example/mqtt
  With the login and the certificate of the device, which is put off if it is connected:
    towpath doctor mqtts://broker.example -i meter-4 -u meter-4 --cert meter.pem --key meter.key
  A device of Azure IoT Hub, from its file:
    towpath doctor --config device.toml
  As a build of Zephyr would:
    towpath doctor wss://hub.example/mqtt --kconfig build/zephyr/.config --cafile ca.pem
  What ends the connection after some minutes?
    towpath doctor mqtt://broker.example --watch 600
  For a support ticket; for a program:
    towpath doctor mqtts://broker.example --report report.html
    towpath doctor mqtts://broker.example --json | jq -r .verdict.line

Exit status: 0 ready; 1 a break; 2 wrong usage; 3 ready, with a warning.";
