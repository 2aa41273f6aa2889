//! The devices, and whoever looks at the page meanwhile.

use std::{
    env, fs,
    path::PathBuf,
    process::{self, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::{Barrier, Semaphore},
    task::JoinSet,
    time::{Instant, interval, sleep_until, timeout},
};
use towpath::{Options, Outgoing, QoS, TlsOptions, TopicName, Version, tokio::Connection};

use crate::{
    Order,
    process::{cpu_seconds, resident_kb},
    serve,
};

/// How many handshakes are under way at once.
const AT_ONCE: usize = 64;

/// Bytes of a message.
const PAYLOAD: [u8; 64] = [b'7'; 64];

/// The lab's process; its folder goes with it.
struct Served {
    child: Child,
    pid: u32,
    folder: PathBuf,
    mqtts: u16,
    page: u16,
    tokens: Vec<String>,
    root: Vec<u8>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn run(order: Order) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(measure(order))
}

/// What the devices saw.
#[derive(Default)]
struct Seen {
    acknowledged: AtomicU64,
    /// Microseconds from a publish to its acknowledgement.
    latencies: Mutex<Vec<u32>>,
    failures: Mutex<Vec<String>>,
}

async fn measure(order: Order) -> Result<(), String> {
    let lab = start(order).await?;
    let before = resident_kb(lab.pid).ok_or("no memory of the lab is told")?;
    let cpu = || cpu_seconds(lab.pid).unwrap_or_default();

    let (begun, cpu_begun) = (Instant::now(), cpu());
    let mut devices = connect(&lab, order).await?;
    let (connecting, cpu_connecting) = (begun.elapsed(), cpu() - cpu_begun);
    let idle = resident_kb(lab.pid).unwrap_or_default();

    let seen = Arc::new(Seen::default());
    let end = Arc::new(AtomicBool::new(false));
    let page = tokio::spawn(look(lab.page, Arc::clone(&end)));
    let (begun, cpu_begun) = (Instant::now(), cpu());
    let start = Arc::new(Barrier::new(order.devices));
    let mut sending = JoinSet::new();
    for (number, connection) in devices.drain(..) {
        let (seen, start) = (Arc::clone(&seen), Arc::clone(&start));
        sending.spawn(async move {
            start.wait().await;
            if let Err(why) = send(connection, number, order, &seen).await {
                seen.failures.lock().expect("no panic").push(why);
            }
        });
    }
    while sending.join_next().await.is_some() {}
    let (sent_for, cpu_sending) = (begun.elapsed(), cpu() - cpu_begun);
    end.store(true, Ordering::Relaxed);
    let page = page.await.map_err(|e| e.to_string())??;
    let after = resident_kb(lab.pid).unwrap_or_default();

    let acknowledged = seen.acknowledged.load(Ordering::Relaxed);
    let mut latencies = std::mem::take(&mut *seen.latencies.lock().expect("no panic"));
    latencies.sort_unstable();
    let devices = order.devices;
    println!("| what | figure |\n|-|-|");
    println!(
        "| devices, seconds, state | {devices}, {}, {} |",
        order.seconds,
        if order.durable {
            "on disk"
        } else {
            "in memory"
        }
    );
    println!(
        "| connecting, {AT_ONCE} at once | {:.1} s, {:.0} a second |",
        connecting.as_secs_f64(),
        devices as f64 / connecting.as_secs_f64()
    );
    println!(
        "| the lab's CPU for a connection | {:.2} ms |",
        cpu_connecting * 1000.0 / devices as f64
    );
    println!(
        "| the lab's memory for a connection | {:.1} kB |",
        (idle.saturating_sub(before)) as f64 / devices as f64
    );
    println!(
        "| messages acknowledged | {acknowledged} of {}, {:.0} a second |",
        devices as u64 * order.seconds,
        acknowledged as f64 / sent_for.as_secs_f64()
    );
    println!(
        "| the lab's CPU for a message | {:.0} us |",
        cpu_sending * 1e6 / acknowledged.max(1) as f64
    );
    println!(
        "| publish to PUBACK, median, 99 % , most | {} , {} , {} ms |",
        at(&latencies, 0.5),
        at(&latencies, 0.99),
        at(&latencies, 1.0)
    );
    println!(
        "| the page meanwhile, median, most of {} | {} , {} ms |",
        page.len(),
        at(&page, 0.5),
        at(&page, 1.0)
    );
    println!(
        "| the lab's memory, idle, connected, at the end | {} , {} , {} MB |",
        before / 1024,
        idle / 1024,
        after / 1024
    );

    let failures = seen.failures.lock().expect("no panic");
    if let Some(first) = failures.first() {
        return Err(format!(
            "{} devices failed, the first one: {first}",
            failures.len()
        ));
    }
    if acknowledged != devices as u64 * order.seconds {
        return Err("messages were not acknowledged".into());
    }
    Ok(())
}

/// The value below which that part of the sorted ones lies, in milliseconds.
fn at(sorted: &[u32], part: f64) -> String {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * part).round() as usize;
    sorted.get(index).map_or_else(
        || "-".into(),
        |micros| format!("{:.1}", f64::from(*micros) / 1000.0),
    )
}

async fn start(order: Order) -> Result<Served, String> {
    let folder = env::temp_dir().join(format!("towpath-bench-lab-{}", process::id()));
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let mut child = Command::new(program)
        .arg("serve")
        .arg(&folder)
        .arg(order.devices.to_string())
        .arg(if order.durable {
            "durable"
        } else {
            "ephemeral"
        })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| e.to_string())?;
    let pid = child.id().ok_or("the lab has ended")?;
    let mut line = String::new();
    let out = child.stdout.take().ok_or("no output of the lab")?;
    let mut out = BufReader::new(out);
    let read = out.read_line(&mut line);
    timeout(Duration::from_secs(120), read)
        .await
        .map_err(|_| "the lab did not start")?
        .map_err(|e| e.to_string())?;
    let where_: Json =
        serde_json::from_str(&line).map_err(|e| format!("the lab said {line:?}: {e}"))?;
    let port = |name: &str| {
        where_[name]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .ok_or("no port")
    };
    let text = |name: &str| fs::read_to_string(folder.join(name)).map_err(|e| e.to_string());
    Ok(Served {
        pid,
        mqtts: port("mqtts")?,
        page: port("page")?,
        tokens: text("tokens")?.lines().map(str::to_owned).collect(),
        root: text("root.pem")?.into_bytes(),
        child,
        folder,
    })
}

/// All devices, connected; a device that can't is an error.
async fn connect(lab: &Served, order: Order) -> Result<Vec<(usize, Connection)>, String> {
    let url = format!("mqtts://localhost:{}", lab.mqtts);
    let tls = TlsOptions::new().ca(lab.root.clone());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = JoinSet::new();
    for (number, token) in lab.tokens.iter().enumerate().take(order.devices) {
        let device = serve::device(number);
        let user = format!("localhost/{device}/?api-version=2021-04-12");
        let options = Options::new(&url)
            .map_err(|e| e.to_string())?
            .version(Version::V311)
            .client_id(device)
            .credentials(user, token.as_bytes())
            .keep_alive(240)
            .patience(Duration::from_secs(120))
            .tls(tls.clone());
        let room = Arc::clone(&room);
        connecting.spawn(async move {
            let _room = room.acquire_owned().await.map_err(|e| e.to_string())?;
            let connection = Connection::connect(options)
                .await
                .map_err(|e| format!("device {number}: {e}"))?;
            Ok::<_, String>((number, connection))
        });
    }
    let mut devices = Vec::with_capacity(order.devices);
    while let Some(done) = connecting.join_next().await {
        devices.push(done.map_err(|e| e.to_string())??);
    }
    Ok(devices)
}

/// A message each second, at a moment of the second that differs from device to device.
async fn send(
    mut connection: Connection,
    number: usize,
    order: Order,
    seen: &Seen,
) -> Result<(), String> {
    let topic = format!("devices/{}/messages/events/", serve::device(number));
    let wrong = |e: towpath::Error| format!("device {number}: {e}");
    let share = Duration::from_secs(1).mul_f64(number as f64 / order.devices as f64);
    let mut next = Instant::now() + share;
    for _ in 0..order.seconds {
        sleep_until(next).await;
        next += Duration::from_secs(1);
        let name = TopicName::new(&topic).map_err(|e| format!("{e:?}"))?;
        let begun = Instant::now();
        connection
            .send(&Outgoing::new(name, &PAYLOAD, QoS::AtLeastOnce))
            .await
            .map_err(wrong)?;
        connection.settle().await.map_err(wrong)?;
        let micros = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        seen.latencies
            .lock()
            .map_err(|e| e.to_string())?
            .push(micros);
        seen.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    connection.disconnect().await.map_err(wrong)
}

/// Asks for the page twice a second; gives the microseconds of each answer.
async fn look(port: u16, end: Arc<AtomicBool>) -> Result<Vec<u32>, String> {
    let mut times = Vec::new();
    let mut turns = interval(Duration::from_millis(500));
    while !end.load(Ordering::Relaxed) {
        turns.tick().await;
        let begun = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(|e| e.to_string())?;
        let request =
            format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .await
            .map_err(|e| e.to_string())?;
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(format!(
                "the page answered {:?}",
                String::from_utf8_lossy(&answer).lines().next()
            ));
        }
        times.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    times.sort_unstable();
    Ok(times)
}
