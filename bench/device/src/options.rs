//! What is asked for on the command line, and the run as a whole.

use std::fs;

use crate::{
    flow,
    networks::{Client, World},
    start, table,
};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Options {
    pub starts: bool,
    pub flows: bool,
    /// A smoke test.
    pub quick: bool,
    /// The packets of each start are listed.
    pub packets: bool,
    pub repeats: usize,
    /// Messages of a flow of towpath; the SDKs send a tenth of it, and a twentieth one at a time.
    pub messages: u32,
}

const HELP: &str = "\
usage: bench/device.sh [options]

  --quick        one run of half of the starts, few messages: a smoke test, within a minute
  --only WHAT    start (round trips to the first acknowledged telemetry) or flow (CPU and memory)
  --packets      list the packets of each start on standard error
  --repeats N    runs of each, of which the median is shown (3)
  --messages N   messages of towpath's flow; the SDKs send fewer (200000)
";

/// Reads the command line, measures, and prints.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut options = Options {
        starts: true,
        flows: true,
        quick: false,
        packets: false,
        repeats: 3,
        messages: 200_000,
    };
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--help" => {
                print!("{HELP}");
                return Ok(());
            }
            "--quick" => {
                (options.quick, options.repeats, options.messages) = (true, 1, 2000);
            }
            "--only" => {
                let what = words.next();
                (options.starts, options.flows) = match what {
                    Some("start") => (true, false),
                    Some("flow") => (false, true),
                    _ => return Err(format!("--only start or --only flow\n\n{HELP}")),
                };
            }
            "--packets" => options.packets = true,
            "--repeats" => options.repeats = number(word, words.next())?,
            "--messages" => options.messages = number(word, words.next())?,
            _ => return Err(format!("unknown option {word}\n\n{HELP}")),
        }
    }
    measure(&options)
}

fn number<T: TryFrom<u32>>(word: &str, value: Option<&str>) -> Result<T, String> {
    value
        .and_then(|value| value.parse::<u32>().ok())
        .filter(|number| *number > 0)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("{word} needs a number above 0"))
}

fn measure(options: &Options) -> Result<(), String> {
    println!("load average before: {}\n", load()?);
    if options.starts {
        let world = World::apart()?;
        table::print(&start::measure(&world, options)?);
        left_out(&world);
    }
    if options.flows {
        let world = World::together()?;
        table::print(&flow::measure(&world, options)?);
        left_out(&world);
    }
    println!("load average after: {}", load()?);
    Ok(())
}

fn load() -> Result<String, String> {
    let text = fs::read_to_string("/proc/loadavg").map_err(|e| e.to_string())?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn left_out(world: &World) {
    if !world.has(Client::Python) {
        println!("The SDKs are left out: they could not be installed.\n");
    }
}
