//! `openssl s_server` that answers CONNECT with CONNACK: for certificates, suites and versions that no broker would be
//! set up with.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mqtt::{Folder, Port, program};

use crate::{
    hand,
    pki::{Pki, Server},
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, for one MQTT connection. Ends with this value.
#[derive(Debug)]
pub struct SServer {
    child: Child,
    broker: Option<JoinHandle<()>>,
    folder: Folder,
    port: Port,
}

impl SServer {
    /// Starts it with a certificate and further options.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(pki: &Pki, server: Server, options: &[&str]) -> Self {
        let pair = pki.server(server);
        let (folder, port) = (Folder::new("s_server"), Port::claim());
        let mut command = Command::new(program("openssl"));
        // Quiet, it writes what it receives and nothing else, and takes no commands from what it is to send.
        command
            .args(["s_server", "-quiet", "-accept", &port.number().to_string()])
            .arg("-cert")
            .arg(&pair.chain)
            .arg("-key")
            .arg(&pair.key)
            .args(options);
        // A file without a certificate is an error for it.
        if fs::metadata(&pair.issuers).is_ok_and(|file| file.len() > 0) {
            command.arg("-cert_chain").arg(&pair.issuers);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(folder.open_log())
            .spawn();
        let mut child = child.expect("openssl is installed");
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let broker = input.zip(output);
        let broker = broker.map(|(input, output)| thread::spawn(|| answer(input, output)));
        let mut this = Self {
            child,
            broker,
            folder,
            port,
        };
        this.wait();
        this
    }

    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("s_server ended: {status}");
            }
            assert!(Instant::now() < until, "s_server does not accept");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(broker) = self.broker.take() {
            let _ = broker.join();
        }
    }
}

/// Answers the first CONNECT and reads on.
fn answer(mut input: ChildStdin, mut output: ChildStdout) {
    let mut inbox = Vec::new();
    let mut space = [0; 4096];
    let mut answered = false;
    while let Ok(n) = output.read(&mut space) {
        if n == 0 {
            break;
        }
        inbox.extend_from_slice(&space[..n]);
        if let (false, Some(level)) = (answered, hand::level(&inbox)) {
            let _ = input.write_all(hand::connack(level));
            let _ = input.flush();
            answered = true;
        }
    }
}
