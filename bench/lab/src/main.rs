//! Thousands of devices at one lab: how fast they come in over TLS, what they cost, and whether everything goes on
//! answering. `lab.sh` is the way in.
//!
//! The same program is the lab (`serve`), in a process of its own so that its CPU time and memory can be told apart,
//! and the devices.

mod load;
mod process;
mod serve;

use std::process::ExitCode;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
struct Order {
    devices: usize,
    seconds: u64,
    /// The lab keeps its state on the disk.
    durable: bool,
}

const HELP: &str = "\
usage: bench/lab.sh [options]

  --devices N   devices, each on a TLS connection of its own (5000)
  --seconds N   how long each of them sends a message a second (30)
  --durable     the lab writes every message to the disk before it acknowledges it
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("--help") => {
            print!("{HELP}");
            Ok(())
        }
        Some("serve") => serve::run(&arguments[1..]),
        _ => order(&arguments).and_then(load::run),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn order(arguments: &[String]) -> Result<Order, String> {
    let mut order = Order {
        devices: 5000,
        seconds: 30,
        durable: false,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a number"))?;
            value
                .parse()
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(|| format!("{value:?} is no count"))
        };
        match word.as_str() {
            "--devices" => order.devices = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--seconds" => order.seconds = number()?,
            "--durable" => order.durable = true,
            _ => return Err(format!("unknown option {word}\n\n{HELP}")),
        }
    }
    Ok(order)
}
