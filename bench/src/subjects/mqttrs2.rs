//! mqttrs2 0.1: a codec that borrows and does not allocate; the quickest decoder among the peers.

use std::hint::black_box;

use mqttrs2::{Packet, Pid, Publish, QosPid, decode_slice, encode_slice};

use super::{Home, Subject, unsupported};
use crate::measure::{Job, Op, Report, TOPIC};
use crate::wire;

pub const SUBJECT: Subject = Subject {
    name: "mqttrs2",
    home: Home::Here(run),
    ops: &[Op::Encode, Op::Decode],
    most_connections: 0,
};

fn run(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Encode => encode(job),
        Op::Decode => decode(job),
        _ => unsupported(job),
    }
}

fn encode(job: &Job) -> Result<Report, String> {
    let payload = job.payload_bytes();
    let mut buffer = vec![0; payload.len() + 256];
    for _ in 0..job.count {
        let packet = Packet::Publish(Publish {
            dup: false,
            qospid: QosPid::AtLeastOnce(Pid::new()),
            retain: false,
            topic_name: black_box(TOPIC),
            payload: black_box(&payload),
        });
        encode_slice(&packet, &mut buffer).map_err(|e| format!("{e:?}"))?;
        black_box(&buffer);
    }
    Ok(Report::Done)
}

fn decode(job: &Job) -> Result<Report, String> {
    let bytes = wire::publish(&job.payload_bytes(), Some(1));
    for _ in 0..job.count {
        let Ok(Some(Packet::Publish(publish))) = decode_slice(black_box(&bytes)) else {
            return Err("decoded something else than a PUBLISH".into());
        };
        black_box(publish.payload);
    }
    Ok(Report::Done)
}
