//! `towpath lab`: runs a lab, prints where everything is, then what happens.

mod faults;
mod init;
mod places;
mod print;

use std::{
    io::{self, Write as _},
    path::Path,
};

use tokio::{
    runtime::Builder,
    sync::broadcast::{Receiver, error::RecvError},
};
use towpath_lab::{Config, Error, Lab, log::Record};

use self::{places::Places, print::Printer};
use super::Stop;
use crate::{
    args::lab::{Lab as Args, Run, What},
    exit::Failure,
};

/// What is read when nothing else is said.
const USUAL: &str = "lab.toml";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        Some(What::Init(args)) => block_on(init::run(args)),
        Some(What::Faults(args)) => faults::run(args),
        None => block_on(serve(&args.run)),
    }
}

/// Drives `work` with a thread for each core: a lab may have thousands of connections.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Io {
            what: "cannot start",
            error,
        })?;
    runtime.block_on(work)
}

async fn serve(args: &Run) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let config = config(args)?;
    take_files(&config);
    let state = config.state.clone();
    let lab = Lab::start(config).await.map_err(Failure::from)?;
    // From here on nothing is missed.
    let news = lab.log().listen();
    let places = Places::write(&lab, state.as_deref())?;
    let printer = Printer::new(args);
    let said = say(&lab, &places, &printer, args.show_keys);
    let ended = match said {
        Ok(()) => follow(&lab, news, &printer, &mut stop).await,
        Err(error) => Err(error),
    };
    lab.stop().await;
    ended
}

fn say(lab: &Lab, places: &Places, printer: &Printer, show_keys: bool) -> Result<(), Failure> {
    let ready = if printer.json {
        places.json(lab, show_keys)
    } else {
        places.text(lab, show_keys)
    };
    printer.block(&ready)
}

/// Prints each record until it is time to stop.
async fn follow(
    lab: &Lab,
    mut news: Receiver<std::sync::Arc<Record>>,
    printer: &Printer,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let mut last = 0;
    for record in lab.log().since(0) {
        last = record.sequence;
        printer.record(&record)?;
    }
    loop {
        let record = tokio::select! {
            () = stop.asked() => return Ok(()),
            record = news.recv() => record,
        };
        match record {
            Ok(record) if record.sequence <= last => {}
            Ok(record) => {
                last = record.sequence;
                printer.record(&record)?;
            }
            // More came at once than wait for a listener: the rest is in the log's memory.
            Err(RecvError::Lagged(_)) => {
                for record in lab.log().since(last) {
                    if record.sequence > last + 1 {
                        printer.gap(record.sequence - last - 1)?;
                    }
                    last = record.sequence;
                    printer.record(&record)?;
                }
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// The config of the file, changed by the options.
fn config(args: &Run) -> Result<Config, Failure> {
    let usual = Path::new(USUAL);
    let file = args
        .config
        .as_deref()
        .or_else(|| usual.is_file().then_some(usual));
    let mut config = match file {
        Some(file) => Config::load(file).map_err(|error| Failure::usage(error.to_string()))?,
        None => Config::ready_made(),
    };
    if args.ephemeral {
        config.state = None;
    }
    if let Some(state) = &args.state {
        config.state = Some(state.clone());
    }
    let listen = &mut config.listen;
    listen.address = args.address.unwrap_or(listen.address);
    listen.mqtts = args.mqtts_port.unwrap_or(listen.mqtts);
    listen.https = args.https_port.unwrap_or(listen.https);
    if args.no_page {
        listen.page = None;
    }
    listen.page = args.page_port.or(listen.page);
    config.faults.extend(args.fault.iter().cloned());
    config
        .check()
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(config)
}

/// Each connection needs a file descriptor: takes as many as this user may have.
#[cfg(unix)]
fn take_files(config: &Config) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // A few are for files, listeners and the page.
    let wanted = (config.listen.connections as u64).saturating_add(100);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < wanted {
        // If it can't be had, connections beyond it are refused, which the lab's log tells.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

#[cfg(not(unix))]
fn take_files(_: &Config) {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Config { why } | Error::Fault { why } => Self::usage(why),
            other => Self::Lab(other.to_string()),
        }
    }
}

/// Writes to standard output at once.
fn output(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
