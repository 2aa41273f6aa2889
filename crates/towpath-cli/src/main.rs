//! The command `towpath`: MQTT by hand, with a ladder that shows how far each connection got.
//!
//! `args` is what can be typed, `setup` makes options for the library of it, `climb` drives a connection and reports,
//! `ladder` words what it reports, `exit` says how a command can end. Each command has a file of its own in `cmd`.

use std::process::ExitCode;

mod args;
mod climb;
mod cmd;
mod exit;
mod ladder;
mod report;
mod setup;
mod text;

fn main() -> ExitCode {
    let (json, ended) = match args::parse() {
        Ok(args) => (args.json(), cmd::run(args)),
        Err(failure) => (false, Err(failure)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::error(&failure, json);
            failure.exit_code()
        }
    }
}
