//! What a device of Azure IoT Hub costs: round trips from a cold start to the first acknowledged telemetry, on a link
//! with 100 ms there and back, and CPU and memory of telemetry; towpath beside the official SDKs. `device.sh` is the way
//! in.
//!
//! The same program is the hub (`serve`) and towpath's device (`client`), each in a process of its own.

mod client;
mod flights;
mod flow;
mod networks;
mod options;
mod order;
mod process;
mod serve;
mod start;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("serve") => serve::run(&arguments[1..]),
        Some("client") => client::run(&arguments[1..]),
        _ => options::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
