//! What one subject process is asked to do, and what it answers: one line on stdout, the same
//! from Rust and from C, so that the runner need not know which it started.

use std::{env, fmt, fs, str::FromStr, time::Duration, time::Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// 33 bytes: the telemetry topic of a device with an eight-letter id.
pub const TOPIC: &str = "devices/dev-0001/messages/events/";

/// Most unacknowledged QoS 1 messages at any moment of `pub1`.
pub const WINDOW: usize = 100;

pub const KEEP_ALIVE_SECONDS: u16 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Pub0,
    Pub1,
    Sub,
    /// `Pub0` over mqtts.
    Tls0,
    /// `Pub0` over wss.
    Wss0,
    /// `Sub` over mqtts.
    SubTls,
    Idle,
    IdleTls,
    Connect12,
    Resume12,
    Connect13,
    Resume13,
    Encode,
    Decode,
    Ws,
}

impl Op {
    const NAMES: [(Op, &str); 15] = [
        (Op::Pub0, "pub0"),
        (Op::Pub1, "pub1"),
        (Op::Sub, "sub"),
        (Op::Tls0, "tls0"),
        (Op::Wss0, "wss0"),
        (Op::SubTls, "sub-tls"),
        (Op::Idle, "idle"),
        (Op::IdleTls, "idle-tls"),
        (Op::Connect12, "connect12"),
        (Op::Resume12, "resume12"),
        (Op::Connect13, "connect13"),
        (Op::Resume13, "resume13"),
        (Op::Encode, "encode"),
        (Op::Decode, "decode"),
        (Op::Ws, "ws"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(op, _)| *op == self)
            .map_or("?", |(_, name)| name)
    }

    /// By which way this goes to the broker; `None`: it needs none.
    pub fn transport(self) -> Option<Transport> {
        match self {
            Op::Pub0 | Op::Pub1 | Op::Sub | Op::Idle => Some(Transport::Tcp),
            Op::Tls0 | Op::SubTls | Op::IdleTls => Some(Transport::Tls),
            Op::Connect12 | Op::Resume12 | Op::Connect13 | Op::Resume13 => Some(Transport::Tls),
            Op::Wss0 => Some(Transport::Wss),
            Op::Encode | Op::Decode | Op::Ws => None,
        }
    }

    /// For the operations that only connect: which handshake.
    pub fn handshake(self) -> Option<Handshake> {
        let (tls13, resumed) = match self {
            Op::Connect12 => (false, false),
            Op::Resume12 => (false, true),
            Op::Connect13 => (true, false),
            Op::Resume13 => (true, true),
            _ => return None,
        };
        Some(Handshake { tls13, resumed })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Tls,
    Wss,
}

impl Transport {
    pub fn scheme(self) -> &'static str {
        match self {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
            Transport::Wss => "wss",
        }
    }
}

/// The version of TLS, the only one offered, and whether the session of the connection before is
/// resumed.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    pub tls13: bool,
    pub resumed: bool,
}

/// The environment variable that names the CA certificate to subjects that use TLS.
pub const CA: &str = "BENCH_CA";

/// The CA certificate in PEM.
pub fn ca() -> Result<Vec<u8>, String> {
    let file = env::var_os(CA).ok_or_else(|| format!("{CA} is not set"))?;
    fs::read(file).map_err(|e| format!("{CA}: {e}"))
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found
            .map(|(op, _)| *op)
            .ok_or_else(|| format!("unknown operation `{text}`"))
    }
}

/// One order to a subject. `count` is messages, packets, frames or connections; `payload` is bytes,
/// or where an operation only connects, the milliseconds for which it stays connected.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub op: Op,
    pub port: u16,
    pub count: usize,
    pub payload: usize,
}

impl Job {
    /// The arguments every subject takes, in this order.
    pub fn arguments(&self) -> [String; 4] {
        [
            self.op.name().to_owned(),
            self.port.to_string(),
            self.count.to_string(),
            self.payload.to_string(),
        ]
    }

    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let [op, port, count, payload] = arguments else {
            return Err("expected: OP PORT COUNT PAYLOAD".into());
        };
        Ok(Self {
            op: op.parse()?,
            port: number(port)?,
            count: number(count)?,
            payload: number(payload)?,
        })
    }

    pub fn payload_bytes(&self) -> Vec<u8> {
        vec![b'x'; self.payload]
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number in range"))
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report {
    /// Seconds of the process between "connected" and "all taken".
    Cpu { user: f64, system: f64, wall: f64 },
    /// Growth of the resident set per connection, in kB.
    Memory { kb: f64 },
    /// Work whose cost is read from outside, under callgrind.
    Done,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Cpu { user, system, wall } => write!(f, "cpu {user:.6} {system:.6} {wall:.6}"),
            Report::Memory { kb } => write!(f, "memory {kb:.4}"),
            Report::Done => write!(f, "done"),
        }
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["cpu", user, system, wall] => Ok(Report::Cpu {
                user: number(user)?,
                system: number(system)?,
                wall: number(wall)?,
            }),
            ["memory", kb] => Ok(Report::Memory { kb: number(kb)? }),
            ["done"] => Ok(Report::Done),
            _ => Err(format!("not a report: `{line}`")),
        }
    }
}

/// CPU time of this process, threads included, from `start` to `stop`.
pub struct CpuClock {
    user: f64,
    system: f64,
    wall: Instant,
}

impl CpuClock {
    pub fn start() -> Result<Self, String> {
        let (user, system) = cpu_seconds()?;
        Ok(Self {
            user,
            system,
            wall: Instant::now(),
        })
    }

    pub fn stop(self) -> Result<Report, String> {
        let (user, system) = cpu_seconds()?;
        let wall = self.wall.elapsed().as_secs_f64();
        Ok(Report::Cpu {
            user: user - self.user,
            system: system - self.system,
            wall,
        })
    }
}

fn cpu_seconds() -> Result<(f64, f64), String> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|e| format!("getrusage: {e}"))?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    Ok((seconds(usage.user_time()), seconds(usage.system_time())))
}

/// Tells the runner that the subscription is in place; only then does it start the feed.
pub fn say_ready() {
    println!("ready");
}

pub fn resident_kb() -> Result<f64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kb = line
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok());
    kb.ok_or_else(|| "no VmRSS in /proc/self/status".into())
}

/// Reads the resident set until two readings agree. `pause` lets the client's own tasks run.
pub fn settled_kb(mut pause: impl FnMut(Duration)) -> Result<f64, String> {
    let mut last = resident_kb()?;
    for _ in 0..20 {
        pause(Duration::from_millis(100));
        let now = resident_kb()?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

/// The first connection also pays for code pages and the runtime, so it is open before `before`
/// is read and not counted.
pub fn per_connection(before: f64, after: f64, count: usize) -> Report {
    Report::Memory {
        kb: (after - before) / count as f64,
    }
}
