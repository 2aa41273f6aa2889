//! The options of `towpath device`.

use std::{ffi::OsString, path::PathBuf};

use clap::ArgGroup;

use super::{OUTPUT, pair};

/// Run a device of Azure IoT Hub from a file
///
/// Provisions the device where the file says so, stays connected by port 8883 or 443, sends telemetry from standard
/// input or from a program at an interval, answers direct methods by programs, writes desired properties to a file or
/// to a program, and reports properties from a file. What was accepted as telemetry survives a crash and a restart.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    subcommand_precedence_over_arg = true,
    override_usage = "towpath device --config <FILE> [OPTIONS]\n       \
        towpath device <check|provision|send|twin|update> --config <FILE> [OPTIONS]"
)]
pub(crate) struct Device {
    #[command(subcommand)]
    pub(crate) what: Option<What>,

    /// The device: a TOML file
    #[arg(
        long,
        short,
        value_name = "FILE",
        global = true,
        default_value = "device.toml"
    )]
    pub(crate) config: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// What else there is.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    Check(Check),
    Provision(Provision),
    Send(Send),
    Twin(Twin),
    Update(Update),
}

/// What to say.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Show each rung of every connection with its time, on standard error
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub(crate) trace: bool,

    /// JSON, one object a line: results on standard output, errors, events and traces on standard error
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub(crate) json: bool,

    /// Say nothing on standard error but errors
    #[arg(long, global = true, conflicts_with = "trace", help_heading = OUTPUT)]
    pub(crate) quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  A device at a lab on this machine:
    towpath lab init my-lab && towpath lab --config my-lab/lab.toml &
    echo '{\"temperature\":21.5}' | towpath device --config my-lab/device.toml --trace
  Is the file right, and how long is the certificate good for?
    towpath device check --config device.toml
  The hub that the provisioning service assigns:
    towpath device provision --config device.toml
  One message; the twin; one reported property:
    towpath device send --config device.toml -m '{\"temperature\":21.5}'
    towpath device twin --config device.toml
    towpath device twin --config device.toml --report '{\"serial\":\"A-17\"}'

A file to begin with, with every key: examples/device.toml. How to set up a gateway: docs/device.md.

Exit status: 0 done; 1 the path or the hub failed, or something was left out; 2 wrong usage or file; 3 done, but the
certificate ends soon; 4 new firmware was installed, and the device is to be started anew.";

/// Check the file, the key and the dates of the certificate, without connecting
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath device check --config device.toml
  towpath device check --config device.toml --json | jq .certificate.days_left

Exit status: 0 all is right; 2 something is wrong; 3 the certificate ends soon, or has ended.")]
pub(crate) struct Check {}

/// Ask the provisioning service for the hub, and print it
///
/// The hub is kept in the folder of state, so that the device goes there directly the next time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath device provision --config device.toml
  towpath device provision --config device.toml --json | jq -r .hub")]
pub(crate) struct Provision {}

/// Send telemetry, and wait until the hub has acknowledged it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "\
Examples:
  towpath device send --config device.toml -m '{\"temperature\":21.5}'
  towpath device send --config device.toml -f picture.jpg --content-type image/jpeg --property camera=2
  towpath device send --config device.toml -l < readings.jsonl",
    group = ArgGroup::new("body").required(true).args(["message", "file", "lines"])
)]
pub(crate) struct Send {
    /// The message
    #[arg(short, long, value_name = "TEXT", help_heading = "The message, one of")]
    pub(crate) message: Option<OsString>,

    /// The contents of a file as one message
    #[arg(short, long, value_name = "FILE", help_heading = "The message, one of")]
    pub(crate) file: Option<PathBuf>,

    /// Each line of standard input as one message
    #[arg(short = 'l', long = "stdin-line", help_heading = "The message, one of")]
    pub(crate) lines: bool,

    /// A property of the message. May be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) property: Vec<(String, String)>,

    /// MIME type of the message
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    /// The component of the device that sends it (Plug and Play)
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
}

/// Print the twin, or report properties
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath device twin --config device.toml | jq .desired
  towpath device twin --config device.toml --report '{\"serial\":\"A-17\",\"old\":null}'
  towpath device twin --config device.toml --report-file reported.json")]
pub(crate) struct Twin {
    /// Report these properties, a JSON object; null takes a property away. Prints the new version
    #[arg(long, value_name = "JSON")]
    pub(crate) report: Option<String>,

    /// The same from a file
    #[arg(long, value_name = "FILE", conflicts_with = "report")]
    pub(crate) report_file: Option<PathBuf>,
}

/// Do the firmware update that waits in the twin, or print the version that runs
///
/// Without a job it prints the version. A job is downloaded, checked and installed by the program of `[update]` in the
/// file; then it ends with status 4, and the next start confirms and reports what runs then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath device update --config device.toml
  towpath device update --config device.toml --wait

Exit status: 0 there is no job, or it is done; 1 it failed; 4 it was installed, start anew.")]
pub(crate) struct Update {
    /// Wait for a job if there is none
    #[arg(long)]
    pub(crate) wait: bool,
}
