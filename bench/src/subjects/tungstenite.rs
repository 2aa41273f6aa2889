//! tungstenite 0.30: its client send path into a stream that takes everything.

use std::hint::black_box;
use std::io::{Read, Result as IoResult, Write};

use bytes::Bytes;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};

use super::{Home, Subject, unsupported};
use crate::measure::{Job, Op, Report};

pub const SUBJECT: Subject = Subject {
    name: "tungstenite",
    home: Home::Here(run),
    ops: &[Op::Ws],
    most_connections: 0,
};

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl Read for Sink {
    fn read(&mut self, _: &mut [u8]) -> IoResult<usize> {
        Ok(0)
    }
}

fn run(job: &Job) -> Result<Report, String> {
    if job.op != Op::Ws {
        return unsupported(job);
    }
    let payload = Bytes::from(job.payload_bytes());
    let mut socket = WebSocket::from_raw_socket(Sink, Role::Client, None);
    for _ in 0..job.count {
        // Shared bytes, the cheapest message it takes: the copy it makes itself is the only one.
        let message = Message::Binary(black_box(&payload).clone());
        socket.send(message).map_err(|e| e.to_string())?;
    }
    Ok(Report::Done)
}
