//! towpath itself.
//!
//! ==== EMPTY: the crates do not exist yet ====
//!
//! To plug it in:
//! 1. take the comment sign from the `towpath` line of `Cargo.toml` and run `cargo update -w` here,
//!    since `run.sh` builds with `--locked`;
//! 2. fill the functions below (each says what it owes; `raw.rs` shows the shape);
//! 3. put `Home::Here(own_task)` and `Home::Here(through_handle)` in place of `Home::NotBuilt`
//!    and drop the `allow` lines.

use super::{Home, Subject, unsupported};
use crate::measure::{Job, Op, Report};

/// Publishing from the task that also drives the connection.
pub const OWN_TASK: Subject = Subject {
    name: "towpath",
    home: Home::NotBuilt,
    ops: &[
        Op::Pub0,
        Op::Pub1,
        Op::Sub,
        Op::Idle,
        Op::Encode,
        Op::Decode,
        Op::Ws,
    ],
    most_connections: usize::MAX,
};

/// Publishing through the cloneable handle, while another task drives the connection.
pub const HANDLE: Subject = Subject {
    name: "towpath handle",
    home: Home::NotBuilt,
    ops: &[Op::Pub0, Op::Pub1],
    most_connections: 0,
};

#[allow(dead_code)]
fn own_task(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 | Op::Pub1 => publish(job, false),
        Op::Sub => sub(job),
        Op::Idle => idle(job),
        Op::Encode => encode(job),
        Op::Decode => decode(job),
        Op::Ws => ws(job),
    }
}

#[allow(dead_code)]
fn through_handle(job: &Job) -> Result<Report, String> {
    match job.op {
        Op::Pub0 | Op::Pub1 => publish(job, true),
        _ => unsupported(job),
    }
}

const NOT_BUILT: &str = "not built yet";

/// Connect; `CpuClock::start`; `count` messages to `TOPIC`, closed by one acknowledged QoS 1
/// (`Pub0`) or with at most `WINDOW` unacknowledged (`Pub1`); `stop`.
fn publish(_job: &Job, _handle: bool) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}

/// Connect, subscribe to `TOPIC` at QoS 0, `say_ready` on SUBACK, `CpuClock::start`; `stop` at
/// message `count`.
fn sub(_job: &Job) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}

/// Connect one; `settled_kb`; connect `count` more and keep them all open; `settled_kb`;
/// `per_connection`.
fn idle(_job: &Job) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}

/// `count` times: a QoS 1 PUBLISH to `TOPIC` into a buffer, both behind `black_box`.
fn encode(_job: &Job) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}

/// `count` times: the bytes of `wire::publish(.., Some(1))` into a packet, behind `black_box`.
fn decode(_job: &Job) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}

/// `count` times: one binary client frame with a fresh random key into a buffer.
fn ws(_job: &Job) -> Result<Report, String> {
    Err(NOT_BUILT.into())
}
