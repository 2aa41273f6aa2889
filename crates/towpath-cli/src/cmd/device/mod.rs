//! `towpath device`: a device of Azure IoT Hub from a file.
//!
//! `prepare` makes of the file what the library takes; `run` is the device that stays, with `feed` (telemetry),
//! `program` and `answer` (methods), `properties` (the twin in files), `update` (firmware), `renewal` (the certificate) and `notify` (systemd).
//! The other commands are each in a file of their own: `check`, and `once` (provision, send, twin, update).

mod answer;
mod check;
mod feed;
mod losses;
mod notify;
mod once;
pub(super) mod prepare;
mod program;
mod properties;
#[cfg(feature = "openssl")]
mod renewal;
#[cfg(not(feature = "openssl"))]
#[path = "no_renewal.rs"]
mod renewal;
mod run;
mod tell;
mod update;

use towpath::{Code, config::device::DeviceConfig};

use super::block_on;
use crate::{
    args::device::{Device as Args, What},
    exit::Failure,
    report::Report,
};

/// A key in a token is not there while the token is not: that is no wrong file.
fn ready_later(config: &DeviceConfig, failure: Failure) -> Failure {
    let key = config.connection.tls.key.as_ref();
    let in_token = key.is_some_and(|key| {
        let key = key.value().to_str();
        key.is_some_and(|key| towpath::tls::is_key_uri(key.as_bytes()))
    });
    match failure {
        Failure::Fault(fault) if in_token && fault.code == Code::TlsMaterial => {
            Failure::NotReady(fault)
        }
        other => other,
    }
}

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
        Some(What::Update(args)) => {
            block_on(update::once(&config, report, output.trace, args.wait))
        }
    };
    let ended = ended.map_err(|failure| ready_later(&config, failure));
    // Who has done everything still should know that it won't go on for ever.
    ended.and_then(|()| check::dates(&config))
}
