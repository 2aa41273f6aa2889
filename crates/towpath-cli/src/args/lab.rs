//! The options of `towpath lab`.

use std::{net::IpAddr, path::PathBuf};

use towpath_lab::fault::Setting;

use super::OUTPUT;

const LISTENERS: &str = "Listeners";
const STATE: &str = "State";
const FAULTS: &str = "Faults";

/// Run an IoT hub and a provisioning service on this machine, with every fault on a switch
///
/// Checks what the real services check, answers what they answer, and fails on command. Prints where everything is,
/// then what happens, with the hub's own codes, until Ctrl-C. Without a config it takes lab.toml of this folder; if
/// there is none, it keeps nothing and has one hub, localhost, with one device, device-1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    override_usage = "towpath lab [OPTIONS]\n       towpath lab init [OPTIONS] [DIR]\n       \
        towpath lab faults [OPTIONS]"
)]
pub(crate) struct Lab {
    #[command(subcommand)]
    pub(crate) what: Option<What>,

    #[command(flatten)]
    pub(crate) run: Run,
}

/// What else there is.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    Init(Init),
    Faults(Faults),
}

/// What the lab is to be like.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The lab from a TOML file: listeners, hubs, devices, provisioning, faults. "towpath lab init" writes one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Keep certificates, keys, twins, messages and the event log in this folder. Wins over the file
    #[arg(long, value_name = "DIR", help_heading = STATE)]
    pub(crate) state: Option<PathBuf>,

    /// Keep nothing, whatever the file says
    #[arg(long, conflicts_with = "state", help_heading = STATE)]
    pub(crate) ephemeral: bool,

    /// The address that clients come to [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", help_heading = LISTENERS)]
    pub(crate) address: Option<IpAddr>,

    /// The port of MQTT over TLS; 0: a free one [default: 8883]
    #[arg(long, value_name = "PORT", help_heading = LISTENERS)]
    pub(crate) mqtts_port: Option<u16>,

    /// The port of WebSocket and REST; 0: a free one [default: 443]
    #[arg(long, value_name = "PORT", help_heading = LISTENERS)]
    pub(crate) https_port: Option<u16>,

    /// The port of the page, on 127.0.0.1 only; 0: a free one [default: 8080]
    #[arg(long, value_name = "PORT", conflicts_with = "no_page", help_heading = LISTENERS)]
    pub(crate) page_port: Option<u16>,

    /// No page and no API of the lab's own
    #[arg(long, help_heading = LISTENERS)]
    pub(crate) no_page: bool,

    // No doc comment: it would take [=VALUE] for a link.
    #[arg(
        long,
        value_name = "FAULT",
        value_parser = fault,
        help_heading = FAULTS,
        help = "A fault that is on from the start, written NAME[=VALUE][@DEVICE]. May be given several times; \
                \"towpath lab faults\" lists them"
    )]
    pub(crate) fault: Vec<Setting>,

    /// Print the connection strings too, keys included; else they are in a file that only its owner can read
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) show_keys: bool,

    /// Print everyday events too: each connection, each message
    #[arg(short, long, help_heading = OUTPUT)]
    pub(crate) verbose: bool,

    /// JSON on standard output, one object a line: first where everything is, then what happens
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  A hub at once, on free ports, without root:
    towpath lab --mqtts-port 0 --https-port 0
  A lab of one's own: hubs, devices, certificates, a device.toml:
    towpath lab init my-lab
    towpath lab --config my-lab/lab.toml
  A device that sees an expired certificate; every device refused:
    towpath lab --fault cert-expired@meter-1
    towpath lab --fault connack-5
  For a program to read:
    towpath lab --json | jq -r 'select(.code == 401003) | .text'";

/// Write a lab into a folder: a commented lab.toml, certificates, and files for devices of each kind
///
/// device.toml, device-sas.toml and device-dps.toml are for towpath device, mqtt-x509.toml and mqtt-sas.toml for
/// towpath pub and sub.
///
/// The lab has a hub, localhost, with a device that proves itself by a certificate and one that does by a key, and a
/// provisioning service with an enrolment of one device and one of a group.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath lab init
  towpath lab init my-lab --mqtts-port 18883 --https-port 18443")]
pub(crate) struct Init {
    /// The folder, which is made if it is not there [default: this one]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Write over lab.toml and the devices' files. What the lab knows stays
    #[arg(long)]
    pub(crate) force: bool,

    /// The port of MQTT over TLS
    #[arg(long, value_name = "PORT", default_value = "8883", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) mqtts_port: u16,

    /// The port of WebSocket and REST; below 1024 the lab needs a permission
    #[arg(long, value_name = "PORT", default_value = "443", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) https_port: u16,

    /// The port of the page
    #[arg(long, value_name = "PORT", default_value = "8080", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) page_port: u16,
}

/// List the faults: id, name, rung, value, what each does
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath lab faults
  towpath lab faults --json | jq -r 'select(.rung == \"tls\") | .name'")]
pub(crate) struct Faults {
    /// JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// A Markdown table
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// `NAME[=VALUE][@DEVICE]`
fn fault(text: &str) -> Result<Setting, String> {
    let (what, device) = match text.split_once('@') {
        Some((what, device)) => (what, Some(device)),
        None => (text, None),
    };
    let setting: Setting = what.parse().map_err(|error| format!("{error}"))?;
    Ok(match device {
        Some("") => return Err("the device behind @ is missing".to_owned()),
        Some(device) => setting.device(device),
        None => setting,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath_lab::fault::{Kind, Value};

    #[test]
    fn a_fault_is_a_name_with_a_value_for_a_device() {
        assert_eq!(fault("cert-expired"), Ok(Setting::new(Kind::CertExpired)));
        assert_eq!(fault("drip=5"), Ok(Setting::new(Kind::Drip).number(5)));
        let both = fault("suite-only=AES128-SHA@meter=1/m@x").expect("a fault");
        assert_eq!(both.value, Some(Value::Word("AES128-SHA".into())));
        assert_eq!(both.device.as_deref(), Some("meter=1/m@x"));
        for (text, why) in [
            ("cert_expird", "is it \"cert-expired\"?"),
            ("cert-expired=3", "takes no value"),
            ("drip=slow", "has to be a number"),
            ("drip@", "is missing"),
        ] {
            let error = fault(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
