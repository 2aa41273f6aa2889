//! A Mosquitto of our own for each run: a free loopback port, and settings under which nothing is
//! dropped, stored or throttled.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::certificates::Certificates;
use crate::measure::Transport;
use crate::wire;

const SETTINGS: &str = "\
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 0
max_inflight_bytes 0
set_tcp_nodelay true
sys_interval 0
log_type error
";

const START_LIMIT: Duration = Duration::from_secs(10);

/// Another program may take the free port before the broker does; then the next one is tried.
const ATTEMPTS: usize = 5;

pub struct Broker {
    child: Child,
    /// Where subjects connect.
    pub port: u16,
    /// Where plain MQTT is spoken.
    pub plain: u16,
}

/// The listener that subjects use where it is not plain MQTT. A plain one is always there, because
/// it shows when the broker is ready.
pub type Secured<'a> = (Transport, &'a Certificates);

impl Broker {
    pub fn start(work: &Path, secured: Option<Secured<'_>>) -> Result<Self, String> {
        let program = find_program()?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match Self::start_on(&program, work, secured) {
                Ok(broker) => return Ok(broker),
                Err(reason) => last = reason,
            }
        }
        Err(format!("mosquitto does not start: {last}"))
    }

    fn start_on(program: &Path, work: &Path, secured: Option<Secured<'_>>) -> Result<Self, String> {
        let plain = free_port()?;
        let (port, extra) = match secured {
            None => (plain, String::new()),
            Some((transport, certificates)) => {
                let port = free_port()?;
                (port, secured_listener(port, transport, certificates))
            }
        };
        let config = work.join(format!("mosquitto-{port}.conf"));
        let log = work.join(format!("mosquitto-{port}.log"));
        fs::write(
            &config,
            format!("{SETTINGS}listener {plain} 127.0.0.1\n{extra}"),
        )
        .map_err(|e| e.to_string())?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(|e| e.to_string())?)
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut broker = Self { child, port, plain };
        broker.await_connack(plain).map_err(|reason| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            format!("{reason} {}", said.trim())
        })?;
        Ok(broker)
    }

    fn await_connack(&mut self, port: u16) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}"));
            }
            match wire::connect(port, "ready") {
                Ok(_) => return Ok(()),
                Err(reason) if Instant::now() > deadline => return Err(reason),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn secured_listener(port: u16, transport: Transport, certificates: &Certificates) -> String {
    let protocol = match transport {
        Transport::Wss => "protocol websockets\n",
        Transport::Tcp | Transport::Tls => "",
    };
    format!(
        "listener {port} 127.0.0.1\n{protocol}certfile {}\nkeyfile {}\n",
        certificates.server.display(),
        certificates.key.display()
    )
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

/// Debian installs it where the PATH of ordinary users does not look.
fn find_program() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
        .ok_or_else(|| "mosquitto is not installed".into())
}

pub fn version() -> String {
    let help = find_program()
        .ok()
        .and_then(|p| Command::new(p).arg("-h").output().ok());
    let text = help
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or("mosquitto ?").to_owned()
}
