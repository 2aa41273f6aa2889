//! Starts one subject as a process, keeps it company until it reports, and ends what is left.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::certificates::Certificates;
use crate::measure::{CA, Job, Op, Report, Transport};
use crate::relay::{Relay, Seen};
use crate::subjects::{Home, Subject};

pub struct Runner {
    /// This program.
    pub program: PathBuf,
    /// Where `run.sh` puts the C peers.
    pub peers: PathBuf,
    /// Scratch folder of this run: configuration, logs, callgrind output.
    pub work: PathBuf,
    /// Present when a row needs TLS.
    pub certificates: Option<Certificates>,
    pub time_limit: Duration,
}

/// A process that does not outlive its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How often a waiting runner looks after the feed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Runner {
    /// Runs the job at full speed.
    pub fn run(&self, subject: &Subject, job: Job) -> Result<Report, String> {
        self.with_broker(job, |job, plain| {
            self.converse(self.command(subject)?, job, plain)
        })
    }

    /// Runs the job through a relay, and tells what each connection carried.
    pub fn run_watched(&self, subject: &Subject, job: Job) -> Result<(Report, Vec<Seen>), String> {
        self.with_broker(job, |mut job, plain| {
            let relay = Relay::start(job.port)?;
            job.port = relay.port;
            let report = self.converse(self.command(subject)?, job, plain)?;
            Ok((report, relay.seen()))
        })
    }

    /// Instructions of the whole process, its start included.
    pub fn count_instructions(&self, subject: &Subject, job: Job) -> Result<f64, String> {
        let out = self.scratch("callgrind");
        let plain = self.command(subject)?;
        let mut command = Command::new("valgrind");
        command
            .args(["-q", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(plain.get_program())
            .args(plain.get_args());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        self.with_broker(job, |job, plain| self.converse(command, job, plain))?;
        let profile = fs::read_to_string(&out).map_err(|e| format!("callgrind output: {e}"))?;
        let _ = fs::remove_file(&out);
        let total = profile.lines().find_map(|l| l.strip_prefix("totals: "));
        total
            .and_then(|t| t.trim().parse().ok())
            .ok_or_else(|| "callgrind gave no total".into())
    }

    fn command(&self, subject: &Subject) -> Result<Command, String> {
        let mut command = match subject.home {
            Home::Here(_) => self.here(subject.name),
            Home::Peer(file) => Command::new(self.peers.join(file)),
        };
        if let Some(certificates) = &self.certificates {
            command.env(CA, &certificates.ca);
        }
        Ok(command)
    }

    fn here(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["subject", name]);
        command
    }

    fn scratch(&self, kind: &str) -> PathBuf {
        self.work
            .join(format!("{kind}.{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    fn with_broker<T>(
        &self,
        mut job: Job,
        act: impl FnOnce(Job, u16) -> Result<T, String>,
    ) -> Result<T, String> {
        let secured = match (job.op.transport(), &self.certificates) {
            (None, _) => return act(job, 0),
            (Some(Transport::Tcp), _) => None,
            (Some(transport), Some(certificates)) => Some((transport, certificates)),
            (Some(_), None) => return Err("no certificates were made".into()),
        };
        let broker = Broker::start(&self.work, secured)?;
        job.port = broker.port;
        act(job, broker.plain)
    }

    /// `plain` is the port from which `sub` is fed.
    fn converse(&self, mut command: Command, job: Job, plain: u16) -> Result<Report, String> {
        let log = self.scratch("stderr");
        let deadline = Instant::now() + self.time_limit;
        let mut subject = Owned(
            command
                .args(job.arguments())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(File::create(&log).map_err(|e| e.to_string())?)
                .spawn()
                .map_err(|e| format!("{}: {e}", command.get_program().display()))?,
        );
        let lines = lines_of(&mut subject.0);
        let report = self
            .await_report(&lines, deadline, job, plain)
            .and_then(|report| await_end(&lines, deadline).map(|()| report))
            .map_err(|reason| format!("{reason}{}", said(&log)))?;
        let status = subject.0.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("ended with {status}{}", said(&log)));
        }
        let _ = fs::remove_file(&log);
        Ok(report)
    }

    fn await_report(
        &self,
        lines: &Receiver<String>,
        deadline: Instant,
        job: Job,
        plain: u16,
    ) -> Result<Report, String> {
        let mut feed: Option<Owned> = None;
        while Instant::now() < deadline {
            match lines.recv_timeout(LOOK_EVERY) {
                Ok(line) if line == "ready" => feed = Some(self.feed(job, plain)?),
                Ok(line) => return line.parse(),
                Err(RecvTimeoutError::Disconnected) => return Err("ended without a report".into()),
                Err(RecvTimeoutError::Timeout) => check_feed(feed.as_mut())?,
            }
        }
        Err(format!("no report in {} s", self.time_limit.as_secs()))
    }

    /// The messages of `sub` come from the cheapest publisher there is, in its own process.
    fn feed(&self, job: Job, port: u16) -> Result<Owned, String> {
        let order = Job {
            op: Op::Pub0,
            port,
            ..job
        };
        let child = self
            .here("raw")
            .args(order.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        Ok(Owned(child))
    }
}

/// A feed that has ended well has sent everything; one that failed never will.
fn check_feed(feed: Option<&mut Owned>) -> Result<(), String> {
    match feed.map(|feed| feed.0.try_wait()) {
        Some(Ok(Some(status))) if !status.success() => Err(format!("the feed ended: {status}")),
        _ => Ok(()),
    }
}

/// The report is the last word, and with the process its stdout ends.
fn await_end(lines: &Receiver<String>, deadline: Instant) -> Result<(), String> {
    match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Err(RecvTimeoutError::Disconnected) => Ok(()),
        Err(RecvTimeoutError::Timeout) => Err("reported, but does not end".into()),
        Ok(line) => Err(format!("more than a report: `{line}`")),
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

fn said(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    if last.is_empty() {
        return String::new();
    }
    format!(
        ": {}",
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    )
}
