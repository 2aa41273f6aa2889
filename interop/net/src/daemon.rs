//! A server as a child process in a namespace.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mqtt::{Folder, program};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::Namespace;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with a folder of its own, where its log is. Ends with this value, or with its namespace's thread.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    child: Child,
    folder: Folder,
}

impl Daemon {
    /// Starts a program in the folder. What it says goes to the log.
    ///
    /// # Panics
    /// If it is not installed.
    #[must_use]
    pub fn start(
        namespace: &Namespace,
        name: &'static str,
        arguments: &[&str],
        folder: Folder,
    ) -> Self {
        // A test that is killed drops nothing; its servers are to end all the same.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(program(name)).args(arguments);
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(folder.open_log()).stderr(folder.open_log());
        let child = namespace.run(move || command.spawn());
        Self {
            name,
            child: child.unwrap_or_else(|error| panic!("setpriv: {error}")),
            folder,
        }
    }

    /// Waits until something is so, which is asked again and again.
    ///
    /// # Panics
    /// If the server ends before, or it takes too long.
    #[must_use]
    pub fn until(mut self, what: &str, mut ready: impl FnMut() -> bool) -> Self {
        let until = Instant::now() + PATIENCE;
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended: {status} {:?}", self.name, status.signal());
            }
            assert!(Instant::now() < until, "{}: {what}", self.name);
            thread::sleep(Duration::from_millis(2));
        }
        self
    }

    /// Stops the process where it is, without its end: it keeps its sockets and says nothing.
    ///
    /// # Panics
    /// If it has ended.
    pub fn freeze(&self) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), Signal::SIGSTOP).expect("it runs");
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
