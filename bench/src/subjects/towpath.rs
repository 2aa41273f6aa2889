//! towpath itself.
//!
//! The codec and the WebSocket frames of towpath-proto are measured.

use std::hint::black_box;

use towpath_proto::bytes::Writer;
use towpath_proto::mqtt::packet::{Packet, PacketId, Publish};
use towpath_proto::mqtt::property::Properties;
use towpath_proto::mqtt::topic::TopicName;
use towpath_proto::mqtt::{QoS, Version};
use towpath_proto::ws::{HEADER_MAX, Opcode, frame};

use super::{Home, Subject, towpath_faces as faces, unsupported};
use crate::measure::{Job, Op, Report, TOPIC};
use crate::wire;

/// Publishing from the task that also drives the connection.
pub const OWN_TASK: Subject = Subject {
    name: "towpath",
    home: Home::Here(own_task),
    ops: &[
        Op::Pub0,
        Op::Pub1,
        Op::Sub,
        Op::Tls0,
        Op::Wss0,
        Op::SubTls,
        Op::Idle,
        Op::IdleTls,
        Op::Connect12,
        Op::Resume12,
        Op::Connect13,
        Op::Resume13,
        Op::Encode,
        Op::Decode,
        Op::Ws,
    ],
    most_connections: usize::MAX,
};

/// Publishing through the cloneable handle, while another task drives the connection.
pub const HANDLE: Subject = Subject {
    name: "towpath handle",
    home: Home::Here(through_handle),
    ops: &[Op::Pub0, Op::Pub1],
    most_connections: 0,
};

/// Publishing without an async runtime.
pub const BLOCKING: Subject = Subject {
    name: "towpath blocking",
    home: Home::Here(blocking),
    ops: &[Op::Pub0, Op::Pub1, Op::Tls0, Op::Wss0],
    most_connections: 0,
};

fn blocking(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 | Op::Pub1 | Op::Tls0 | Op::Wss0 => publish(job, faces::publish_blocking),
        _ => unsupported(job),
    }
}

fn own_task(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 | Op::Pub1 | Op::Tls0 | Op::Wss0 => publish(job, faces::publish_own),
        Op::Sub | Op::SubTls => sub(job),
        Op::Idle | Op::IdleTls => idle(job),
        Op::Connect12 | Op::Resume12 | Op::Connect13 | Op::Resume13 => {
            faces::connect(job).map_err(|e| e.to_string())
        }
        Op::Encode => encode(job),
        Op::Decode => decode(job),
        Op::Ws => ws(job),
    }
}

fn through_handle(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 | Op::Pub1 => publish(job, faces::publish_handle),
        _ => unsupported(job),
    }
}

type Face = fn(&Job, QoS) -> Result<Report, Box<dyn std::error::Error>>;

fn publish(job: &Job, face: Face) -> Result<Report, String> {
    let qos = if job.op == Op::Pub1 {
        QoS::AtLeastOnce
    } else {
        QoS::AtMostOnce
    };
    face(job, qos).map_err(|e| e.to_string())
}

fn sub(job: &Job) -> Result<Report, String> {
    faces::sub(job).map_err(|e| e.to_string())
}

fn idle(job: &Job) -> Result<Report, String> {
    faces::idle(job).map_err(|e| e.to_string())
}

/// `count` times: a QoS 1 PUBLISH to `TOPIC` into a buffer, both behind `black_box`. 3.1.1, as the
/// peers do.
#[inline(never)] // What is measured must not depend on what else this program does.
fn encode(job: &Job) -> Result<Report, String> {
    let payload = job.payload_bytes();
    let topic = TopicName::new(TOPIC).map_err(|e| e.clause)?;
    let mut buffer = vec![0; payload.len() + 256];
    for _ in 0..job.count {
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: black_box(topic),
            packet_id: Some(PacketId::MIN),
            properties: Properties::NONE,
            payload: black_box(&payload),
        };
        let mut writer = Writer::new(&mut buffer);
        publish
            .encode(Version::V311, None, &mut writer)
            .map_err(|e| format!("{e:?}"))?;
        black_box(&buffer);
    }
    Ok(Report::Done)
}

/// `count` times: the bytes of `wire::publish(.., Some(1))` into a packet, behind `black_box`.
#[inline(never)] // What is measured must not depend on what else this program does.
fn decode(job: &Job) -> Result<Report, String> {
    let bytes = wire::publish(&job.payload_bytes(), Some(1));
    for _ in 0..job.count {
        let decoded = Packet::decode(black_box(&bytes), Version::V311);
        let Ok(Some((Packet::Publish(publish), _))) = decoded else {
            return Err("decoded something else than a PUBLISH".into());
        };
        black_box(publish.payload);
    }
    Ok(Report::Done)
}

/// `count` times: one binary client frame with a fresh random key into a buffer.
#[inline(never)] // What is measured must not depend on what else this program does.
fn ws(job: &Job) -> Result<Report, String> {
    let payload = job.payload_bytes();
    let mut buffer = vec![0; payload.len() + HEADER_MAX];
    let mut random = Xorshift(black_box(0x2545_F491));
    for _ in 0..job.count {
        let mask = Some(random.next().to_ne_bytes());
        let payload = black_box(payload.as_slice());
        frame::write(&mut buffer, true, Opcode::Binary, payload, mask)
            .map_err(|e| format!("{e:?}"))?;
        black_box(&buffer);
    }
    Ok(Report::Done)
}

/// Stands for the caller's generator, whose cost is not towpath's. Not fit for a real connection.
struct Xorshift(u32);

impl Xorshift {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
