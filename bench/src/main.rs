//! Measures towpath beside its peers. `run.sh` is the way in; see README.md.
//!
//! The same program is the conductor (without arguments) and each Rust subject (`subject NAME
//! OP PORT COUNT PAYLOAD`), so that every measurement has a process of its own.

mod broker;
mod certificates;
mod measure;
mod options;
mod plan;
mod relay;
mod runner;
mod subjects;
mod table;
mod targets;
mod wire;

use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::time::Duration;
use std::{env, fs, thread};

use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use crate::certificates::Certificates;
use crate::measure::Job;
use crate::options::{HELP, Options, Order};
use crate::runner::Runner;
use crate::table::Table;

/// Far above what the slowest peer needs for its longest row.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Descriptors that broker and client have open beside the connections.
const SPARE_FILES: u64 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((word, rest)) if word == "subject" => be_subject(rest),
        _ => Options::parse(&arguments).and_then(|order| match order {
            Order::Run(options) => conduct(options),
            Order::List => {
                list();
                Ok(())
            }
            Order::Help => {
                print!("{HELP}");
                Ok(())
            }
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn be_subject(arguments: &[String]) -> Result<(), String> {
    let (name, order) = arguments
        .split_first()
        .ok_or("expected: NAME OP PORT COUNT PAYLOAD")?;
    let report = subjects::run_here(name, &Job::parse(order)?)?;
    println!("{report}");
    Ok(())
}

fn list() {
    let Ok(Order::Run(options)) = Options::parse(&[]) else {
        return;
    };
    for row in plan::rows(&options) {
        println!("{}", row.id);
    }
    for subject in subjects::ALL {
        println!("{}", subject.name);
    }
}

fn conduct(mut options: Options) -> Result<(), String> {
    let limits = options.check.as_deref().map(targets::read).transpose()?;
    if plan::rows(&options).is_empty() || plan::subjects(&options).is_empty() {
        return Err("nothing left to measure; --list shows the names".into());
    }
    fit_connections(&mut options)?;
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let target = env::var_os("BENCH_TARGET").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let work = target.join(format!("run-{}", process::id()));
    fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let certificates = plan::needs_tls(&options)
        .then(|| Certificates::make(&work))
        .transpose()?;
    let runner = Runner {
        program,
        peers: target.join("peers"),
        work,
        certificates,
        time_limit: TIME_LIMIT,
    };
    let load = load_average();
    let table = plan::carry_out(&runner, &options);
    let _ = fs::remove_dir_all(&runner.work);
    print_results(&options, &table, &load);
    let mut problems = table.failures();
    if let Some(limits) = limits {
        let wanted =
            |id: &str, subject: &str| options.wants_row(id) && options.wants_subject(subject);
        let exceeded = targets::exceeded(&limits, &table, wanted);
        problems.extend(exceeded.into_iter().map(|line| format!("limit: {line}")));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Each connection needs a descriptor in the client and one in the broker, which inherits our
/// limit. `run.sh` has raised it as far as it may.
fn fit_connections(options: &mut Options) -> Result<(), String> {
    let (files, _) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|e| e.to_string())?;
    let room = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
    if room < options.connections && options.wants_row("idle") {
        eprintln!("idle: {room} connections, the limit of open files is {files}");
        options.connections = room.max(1);
    }
    Ok(())
}

fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// `load` is that from before the run: what disturbed it, not what it caused.
fn print_results(options: &Options, table: &Table, load: &str) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let broker = broker::version();
    if options.json {
        let result = json!({
            "broker": broker,
            "cores": cores,
            "load": load,
            "repeat": options.repeat,
            "tls": table.suites,
            "rows": table.json(),
        });
        println!("{result:#}");
    } else {
        println!(
            "{broker} on 127.0.0.1, {cores} cores, load {load}, median of {}\n",
            options.repeat
        );
        for suite in &table.suites {
            println!("{suite}\n");
        }
        print!("{}", table.markdown());
    }
}
