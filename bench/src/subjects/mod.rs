//! Everything that is measured. A subject runs in a process of its own and serves the operations
//! that it lists.

#[cfg(feature = "peers")]
mod mqttrs2;
mod raw;
#[cfg(feature = "peers")]
mod rumqttc;
mod towpath;
mod towpath_faces;
#[cfg(feature = "peers")]
mod tungstenite;

use crate::measure::{Job, Op, Report};

pub struct Subject {
    pub name: &'static str,
    pub home: Home,
    pub ops: &'static [Op],
    /// Most connections of `idle` that this subject can hold in one process.
    pub most_connections: usize,
}

pub enum Home {
    /// Runs in this program, started again with `subject NAME`.
    Here(fn(&Job) -> Result<Report, String>),
    /// A C program that `run.sh` builds from `peers/`.
    Peer(&'static str),
}

/// In the order of the table's columns.
pub const ALL: &[Subject] = &[
    towpath::OWN_TASK,
    towpath::BLOCKING,
    towpath::HANDLE,
    raw::SUBJECT,
    Subject {
        name: "libmosquitto",
        home: Home::Peer("libmosquitto"),
        ops: &[
            Op::Pub0,
            Op::Pub1,
            Op::Sub,
            Op::Tls0,
            Op::SubTls,
            Op::Idle,
            Op::IdleTls,
        ],
        // Its select() loop has several descriptors per client and stops at FD_SETSIZE, 1024.
        most_connections: 200,
    },
    Subject {
        name: "paho C",
        home: Home::Peer("paho"),
        ops: &[Op::Pub0, Op::Pub1],
        most_connections: 0,
    },
    #[cfg(feature = "peers")]
    rumqttc::SUBJECT,
    #[cfg(feature = "peers")]
    mqttrs2::SUBJECT,
    #[cfg(feature = "peers")]
    tungstenite::SUBJECT,
];

/// The body of a subject process.
pub fn run_here(name: &str, job: &Job) -> Result<Report, String> {
    let subject = ALL.iter().find(|s| s.name == name);
    match subject.map(|s| &s.home) {
        Some(Home::Here(run)) => run(job),
        _ => Err(format!("no subject `{name}` in this program")),
    }
}

pub fn unsupported(job: &Job) -> Result<Report, String> {
    Err(format!("does not do `{}`", job.op.name()))
}
