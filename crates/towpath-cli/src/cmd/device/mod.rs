//! `towpath device`: a device of Azure IoT Hub from a file.
//!
//! `prepare` makes of the file what the library takes; `run` is the device that stays, with `feed` (telemetry),
//! `program` and `answer` (methods), `properties` (the twin in files) and `notify` (systemd). The other commands are
//! each in a file of their own: `check`, and `once` (provision, send, twin).

mod answer;
mod check;
mod feed;
mod notify;
mod once;
mod prepare;
mod program;
mod properties;
mod run;
mod tell;

use towpath::config::device::DeviceConfig;

use super::block_on;
use crate::{
    args::device::{Device as Args, What},
    exit::Failure,
    report::Report,
};

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = DeviceConfig::from_file(&args.config)?;
    let output = args.output;
    let report = Report::new(output.json, output.quiet);
    let ended = match &args.what {
        Some(What::Check(_)) => return check::run(&config, report),
        None => block_on(run::run(&config, report, output.trace)),
        Some(What::Provision(_)) => block_on(once::provision(&config, report, output.trace)),
        Some(What::Send(args)) => block_on(once::send(&config, report, output.trace, args)),
        Some(What::Twin(args)) => block_on(once::twin(&config, report, output.trace, args)),
    };
    // Who has done everything still should know that it won't go on for ever.
    ended.and_then(|()| check::dates(&config))
}
