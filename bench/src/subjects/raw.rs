//! The floor: prepared bytes on a blocking socket, and the bare loops of copying and masking.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;

use super::{Home, Subject, unsupported};
use crate::measure::{CpuClock, Job, Op, Report, WINDOW, per_connection, say_ready, settled_kb};
use crate::wire::{self, PacketCounter};

pub const SUBJECT: Subject = Subject {
    name: "raw",
    home: Home::Here(run),
    ops: &[Op::Pub0, Op::Pub1, Op::Sub, Op::Idle, Op::Encode, Op::Ws],
    most_connections: usize::MAX,
};

/// Packets per write: half the QoS 1 window, so that one half is on the way while the other is
/// acknowledged.
const BATCH: usize = WINDOW / 2;

const PUBACK_LENGTH: usize = 4;

fn run(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 => pub0(job).map_err(|e| e.to_string()),
        Op::Pub1 => pub1(job).map_err(|e| e.to_string()),
        Op::Sub => sub(job),
        Op::Idle => idle(job),
        Op::Encode => Ok(copy_packet(job)),
        Op::Ws => Ok(mask_frames(job)),
        _ => unsupported(job),
    }
}

type Outcome = Result<Report, Box<dyn std::error::Error>>;

fn pub0(job: &Job) -> Outcome {
    let mut stream = wire::connect(job.port, "raw-pub0")?;
    let payload = job.payload_bytes();
    let packet = wire::publish(&payload, None);
    let batch = packet.repeat(BATCH);
    let clock = CpuClock::start()?;
    let mut left = job.count;
    while left > 0 {
        let now = left.min(BATCH);
        stream.write_all(&batch[..now * packet.len()])?;
        left -= now;
    }
    stream.write_all(&wire::publish(&payload, Some(1)))?;
    stream.read_exact(&mut [0; PUBACK_LENGTH])?;
    Ok(clock.stop()?)
}

fn pub1(job: &Job) -> Outcome {
    let mut stream = wire::connect(job.port, "raw-pub1")?;
    let payload = job.payload_bytes();
    let halves: Vec<Vec<u8>> = [1, 1 + BATCH]
        .map(|first| {
            let ids = first as u16..(first + BATCH) as u16;
            ids.flat_map(|id| wire::publish(&payload, Some(id)))
                .collect()
        })
        .into();
    let packet_length = halves[0].len() / BATCH;
    let clock = CpuClock::start()?;
    let mut half_in_flight = 0;
    let mut sent = 0;
    for half in halves.iter().cycle() {
        let now = (job.count - sent).min(BATCH);
        stream.write_all(&half[..now * packet_length])?;
        sent += now;
        await_acks(&mut stream, half_in_flight)?;
        half_in_flight = now;
        if now == 0 {
            break;
        }
    }
    Ok(clock.stop()?)
}

fn await_acks(stream: &mut TcpStream, count: usize) -> std::io::Result<()> {
    stream.read_exact(&mut [0; BATCH * PUBACK_LENGTH][..count * PUBACK_LENGTH])
}

fn sub(job: &Job) -> Result<Report, String> {
    let mut stream = wire::connect(job.port, "raw-sub")?;
    stream
        .write_all(&wire::subscribe())
        .map_err(|e| e.to_string())?;
    stream
        .read_exact(&mut [0; 5])
        .map_err(|e| format!("SUBACK: {e}"))?;
    say_ready();
    let clock = CpuClock::start()?;
    let mut counter = PacketCounter::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    while received < job.count {
        match stream.read(&mut buffer).map_err(|e| e.to_string())? {
            0 => return Err(format!("connection closed after {received} messages")),
            length => received += counter.feed(&buffer[..length]),
        }
    }
    clock.stop()
}

fn idle(job: &Job) -> Result<Report, String> {
    let _first = wire::connect(job.port, "raw-first")?;
    let mut connections = Vec::with_capacity(job.count);
    let before = settled_kb(sleep)?;
    for i in 0..job.count {
        connections.push(wire::connect(job.port, &format!("raw-{i}"))?);
    }
    Ok(per_connection(
        before,
        settled_kb(sleep)?,
        connections.len(),
    ))
}

fn copy_packet(job: &Job) -> Report {
    let packet = wire::publish(&job.payload_bytes(), Some(1));
    let mut buffer = vec![0; packet.len()];
    for _ in 0..job.count {
        buffer.copy_from_slice(black_box(&packet));
        black_box(&buffer);
    }
    Report::Done
}

/// Header and masked copy in one pass with a fixed key. A client owes a fresh random key per frame
/// (RFC 6455, 5.3), so this is below what any client can reach.
fn mask_frames(job: &Job) -> Report {
    let payload = job.payload_bytes();
    let mut buffer = vec![0; payload.len() + 14];
    for _ in 0..job.count {
        let length = mask_frame(black_box(&payload), black_box(0x1234_5678), &mut buffer);
        black_box(&buffer[..length]);
    }
    Report::Done
}

/// Returns the length of the frame.
fn mask_frame(payload: &[u8], key: u32, frame: &mut [u8]) -> usize {
    frame[0] = 0x82;
    let length = payload.len() as u64;
    let key_at = match length {
        0..=125 => {
            frame[1] = 0x80 | length as u8;
            2
        }
        126..=65535 => {
            frame[1] = 0x80 | 126;
            frame[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            frame[1] = 0x80 | 127;
            frame[2..10].copy_from_slice(&length.to_be_bytes());
            10
        }
    };
    let start = key_at + 4;
    frame[key_at..start].copy_from_slice(&key.to_ne_bytes());
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, rest) = payload.as_chunks::<8>();
    let (out_words, out_rest) = frame[start..start + payload.len()].as_chunks_mut::<8>();
    for (out, word) in out_words.iter_mut().zip(words) {
        *out = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for ((out, byte), mask) in out_rest.iter_mut().zip(rest).zip(wide.to_ne_bytes()) {
        *out = byte ^ mask;
    }
    start + payload.len()
}
