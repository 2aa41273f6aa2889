//! Stands between a subject and the broker, holds everything up for a moment, and writes down what
//! went which way: bytes, round trips, and the cipher suite.
//!
//! The delay makes round trips countable: what one side sends without waiting for the other arrives
//! in one burst, however many records and writes it was.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const DELAY: Duration = Duration::from_millis(15);

/// A silence of this length separates connecting from what follows, as `HOLD_MS` sees to.
const SILENCE: Duration = Duration::from_millis(200);

/// How long a subject has to stay connected, so that its farewell is not counted.
pub const HOLD_MS: usize = 400;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
struct Burst {
    at: Instant,
    from: Side,
    bytes: usize,
}

#[derive(Default)]
struct Log {
    bursts: Vec<Burst>,
    server_hello: Vec<u8>,
}

/// One connection, up to the first silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bursts of the client that were answered.
    pub round_trips: usize,
    pub sent: usize,
    pub received: usize,
    /// The cipher suite of ServerHello.
    pub suite: Option<u16>,
}

pub struct Relay {
    pub port: u16,
    logs: Arc<Mutex<Vec<Arc<Mutex<Log>>>>>,
    over: Arc<AtomicBool>,
}

impl Relay {
    pub fn start(target: u16) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let relay = Self {
            port,
            logs: Arc::default(),
            over: Arc::default(),
        };
        let (logs, over) = (relay.logs.clone(), relay.over.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let log = Arc::default();
                lock(&logs).push(Arc::clone(&log));
                // A broker that can't be reached shows as a closed connection.
                let _ = carry(client, target, &log);
            }
        });
        Ok(relay)
    }

    pub fn seen(&self) -> Vec<Seen> {
        let logs = lock(&self.logs);
        logs.iter().map(|log| summary(&lock(log))).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn carry(client: TcpStream, target: u16, log: &Arc<Mutex<Log>>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ways = [
        (Side::Client, client.try_clone()?, server.try_clone()?),
        (Side::Server, server, client),
    ];
    for (from, source, sink) in ways {
        let log = Arc::clone(log);
        thread::spawn(move || {
            let _ = pump(from, source, &sink, &log);
            let _ = sink.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

fn pump(
    from: Side,
    mut source: TcpStream,
    mut sink: &TcpStream,
    log: &Mutex<Log>,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        source.set_read_timeout(None)?;
        let mut len = source.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        thread::sleep(DELAY);
        source.set_read_timeout(Some(Duration::from_millis(1)))?;
        while len < buffer.len() {
            match source.read(&mut buffer[len..]) {
                Ok(0) | Err(_) => break,
                Ok(n) => len += n,
            }
        }
        let burst = &buffer[..len];
        note(&mut lock(log), from, burst);
        sink.write_all(burst)?;
    }
}

fn note(log: &mut Log, from: Side, bytes: &[u8]) {
    if from == Side::Server && log.server_hello.is_empty() {
        log.server_hello = bytes.to_vec();
    }
    log.bursts.push(Burst {
        at: Instant::now(),
        from,
        bytes: bytes.len(),
    });
}

fn summary(log: &Log) -> Seen {
    let mut seen = Seen {
        suite: suite(&log.server_hello),
        ..Seen::default()
    };
    let mut last: Option<&Burst> = None;
    for burst in &log.bursts {
        if last.is_some_and(|last| burst.at.duration_since(last.at) > SILENCE) {
            break;
        }
        match burst.from {
            Side::Client => seen.sent += burst.bytes,
            Side::Server => {
                seen.received += burst.bytes;
                seen.round_trips += usize::from(last.is_some_and(|b| b.from == Side::Client));
            }
        }
        last = Some(burst);
    }
    seen
}

/// RFC 8446 4.1.3: behind the heads of record and message lie version, random bytes, session id.
fn suite(hello: &[u8]) -> Option<u16> {
    const SESSION_ID: usize = 5 + 4 + 2 + 32;
    if hello.first() != Some(&22) || hello.get(5) != Some(&2) {
        return None;
    }
    let at = SESSION_ID + 1 + usize::from(*hello.get(SESSION_ID)?);
    Some(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?]))
}

/// The name of a suite in the IANA registry, for those that are likely here.
pub fn suite_name(suite: u16) -> String {
    let name = match suite {
        0x1301 => "TLS 1.3, TLS_AES_128_GCM_SHA256",
        0x1302 => "TLS 1.3, TLS_AES_256_GCM_SHA384",
        0x1303 => "TLS 1.3, TLS_CHACHA20_POLY1305_SHA256",
        0xc02f => "TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        0xc030 => "TLS 1.2, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        _ => return format!("suite {suite:#06x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bursts: &[(u64, Side, usize)]) -> Log {
        let start = Instant::now();
        let burst = |&(ms, from, bytes): &(u64, Side, usize)| Burst {
            at: start + Duration::from_millis(ms),
            from,
            bytes,
        };
        Log {
            bursts: bursts.iter().map(burst).collect(),
            server_hello: Vec::new(),
        }
    }

    #[test]
    fn answered_bursts_up_to_the_silence_are_round_trips() {
        use Side::{Client, Server};
        let seen = summary(&log(&[
            (0, Client, 300),
            (30, Server, 1000),
            (31, Server, 50),
            (60, Client, 80),
            (90, Server, 4),
            (500, Client, 40),
            (530, Server, 40),
        ]));
        assert_eq!((seen.round_trips, seen.sent, seen.received), (2, 380, 1054));
    }

    #[test]
    fn the_suite_lies_behind_the_session_id() {
        let mut hello = vec![22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[2, 9, 9, 0x13, 0x02, 0]);
        assert_eq!(suite(&hello), Some(0x1302));
        assert_eq!(suite(&hello[..40]), None);
    }
}
