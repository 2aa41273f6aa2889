//! OpenThread's command line, through the socket of an `ot-daemon`.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use net::Namespace;

/// How long an answer may take, and the daemon's start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The command line of one node.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    node: &'static str,
}

impl Control {
    /// Waits for the daemon of this interface in a namespace, and connects to it.
    ///
    /// # Panics
    /// If it does not come.
    #[must_use]
    pub fn of(namespace: &Namespace, interface: &'static str) -> Self {
        let path = format!("/run/openthread-{interface}.sock");
        let stream = namespace.run(move || {
            let until = Instant::now() + PATIENCE;
            loop {
                match UnixStream::connect(&path) {
                    Ok(stream) => return stream,
                    Err(error) => assert!(Instant::now() < until, "{path}: {error}"),
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream,
            node: interface,
        }
    }

    /// The same command line once more; answers come to whoever asked last.
    ///
    /// # Panics
    /// If the process has no file descriptors left.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            stream: self.stream.try_clone().expect("a descriptor"),
            node: self.node,
        }
    }

    /// The lines of the answer to a command, without `Done`; or the line with the error.
    ///
    /// # Errors
    /// What OpenThread said.
    ///
    /// # Panics
    /// If the daemon is gone or says nothing.
    pub fn ask(&mut self, command: &str) -> Result<Vec<String>, String> {
        let node = self.node;
        let line = format!("{command}\n");
        if let Err(error) = self.stream.write_all(line.as_bytes()) {
            panic!("{node}: {command}: {error}");
        }
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&said).replace("\r\n", "\n");
            let text = text.strip_prefix("> ").unwrap_or(&text);
            if let Some(answer) = text
                .strip_suffix("> ")
                .unwrap_or(text)
                .strip_suffix("Done\n")
            {
                return Ok(answer.lines().map(str::to_owned).collect());
            }
            let last = text.lines().last().unwrap_or_default();
            if last.starts_with("Error ") && text.ends_with('\n') {
                return Err(last.to_owned());
            }
            match self.stream.read(&mut piece) {
                Ok(0) => panic!("{node}: the daemon ended at {command:?}"),
                Ok(len) => said.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{node}: {command}: {error} after {text:?}"),
            }
        }
    }

    /// As [`ask`](Self::ask), for a command that has to succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn tell(&mut self, command: &str) -> Vec<String> {
        match self.ask(command) {
            Ok(lines) => lines,
            Err(error) => panic!("{}: {command}: {error}", self.node),
        }
    }

    /// The first line of the answer.
    ///
    /// # Panics
    /// If there is an error instead.
    pub fn line(&mut self, command: &str) -> String {
        self.tell(command).into_iter().next().unwrap_or_default()
    }

    /// Asks again and again until the answer is as it has to be.
    ///
    /// # Panics
    /// If that takes longer than `patience`.
    pub fn until(
        &mut self,
        command: &str,
        patience: Duration,
        fits: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let until = Instant::now() + patience;
        loop {
            let lines = self.ask(command).unwrap_or_else(|error| vec![error]);
            if fits(&lines) {
                return lines;
            }
            assert!(
                Instant::now() < until,
                "{}: {command} still says {lines:?}",
                self.node
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}
