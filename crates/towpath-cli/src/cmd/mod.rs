//! One file for each command.

mod completions;
#[cfg(feature = "device")]
mod device;
mod doctor;
mod explain;
#[cfg(feature = "lab")]
mod lab;
mod man;
mod r#pub;
mod resolve;
mod sub;

use std::future::Future;

use tokio::{runtime::Builder, signal};

use crate::{
    args::{Args, Cmd},
    exit::Failure,
};

/// Does what was asked.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Cmd::Pub(args) => r#pub::run(&args),
        Cmd::Sub(args) => sub::run(&args),
        Cmd::Resolve(args) => resolve::run(&args),
        Cmd::Doctor(args) => doctor::run(&args),
        Cmd::Explain(args) => explain::run(&args),
        #[cfg(feature = "device")]
        Cmd::Device(args) => device::run(&args),
        #[cfg(feature = "lab")]
        Cmd::Lab(args) => lab::run(&args),
        Cmd::Completions(args) => completions::run(&args),
        Cmd::Man(args) => man::run(&args),
    }
}

/// Drives `work` in this thread.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Io {
            what: "cannot start",
            error,
        })?;
    let answer = runtime.block_on(work);
    // A resolver that still waits for its servers must not hold up the end.
    runtime.shutdown_background();
    answer
}

/// Ctrl-C, or what service managers send instead.
#[cfg(unix)]
struct Stop {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    fn listen() -> Result<Self, Failure> {
        use signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::Io {
                what: "cannot listen for signals",
                error,
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Stop;

#[cfg(not(unix))]
impl Stop {
    fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn asked(&mut self) {
        let _ = signal::ctrl_c().await;
    }
}
