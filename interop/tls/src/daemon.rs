//! A server as a child process.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mqtt::{Folder, program};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with a folder of its own, where its log is. Ends with this value.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: Folder,
}

impl Daemon {
    /// Starts a program and waits until its port accepts. What it says goes to the log.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start(name: &str, arguments: &[&str], folder: Folder, port: u16) -> Self {
        let child = Command::new(program(name))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(folder.open_log())
            .stderr(folder.open_log())
            .spawn();
        let mut daemon = Self {
            child: child.unwrap_or_else(|error| panic!("{name}: {error}")),
            folder,
        };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                panic!("{name} ended: {status}");
            }
            assert!(Instant::now() < until, "{name} does not accept");
            thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
