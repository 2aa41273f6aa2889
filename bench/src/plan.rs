//! The rows of the table: what is run, how its cost is taken, and in which order.

use crate::measure::{Job, Op, Report, Transport};
use crate::options::Options;
use crate::relay;
use crate::runner::Runner;
use crate::subjects::{ALL, Subject};
use crate::table::{Cell, ConnectCost, CpuCost, Table};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Packets of the two runs whose difference gives the cost of one.
const CODEC_COUNTS: [usize; 2] = [1000, 3000];

const WS_PAYLOADS: [usize; 4] = [64, 128, 1024, 16 * 1024];

pub struct Row {
    /// Stable: limits refer to it.
    pub id: String,
    pub label: String,
    pub unit: &'static str,
    op: Op,
    payload: usize,
    method: Method,
}

#[derive(Clone, Copy)]
enum Method {
    Cpu {
        count: usize,
    },
    Memory {
        connections: usize,
    },
    /// Connecting again and again: round trips and bytes through a relay, CPU without it.
    Connect {
        watched: usize,
        timed: usize,
    },
    /// `(Ir(high) - Ir(low)) / (high - low) / parts`
    Instructions {
        low: usize,
        high: usize,
        parts: usize,
    },
}

pub fn rows(options: &Options) -> Vec<Row> {
    let mut rows = traffic_rows(options);
    rows.extend(codec_rows());
    rows.extend(idle_rows(options));
    rows.extend(connect_rows(options));
    rows.retain(|row| options.wants_row(&row.id));
    rows
}

fn traffic_rows(options: &Options) -> Vec<Row> {
    let payload = options.payload;
    let traffic = [
        (Op::Pub0, options.pub0),
        (Op::Pub1, options.pub1),
        (Op::Sub, options.sub),
        (Op::Tls0, options.tls),
        (Op::Wss0, options.tls),
        (Op::SubTls, options.sub),
    ];
    let mut rows = Vec::new();
    for (op, count) in traffic {
        rows.push(Row {
            id: format!("cpu/{}", op.name()),
            label: format!("{} {payload} B", op.name()),
            unit: "client CPU s per million (user part), msg/s",
            op,
            payload,
            method: Method::Cpu { count },
        });
    }
    let [low, high] = options.instruction_counts;
    for (op, _) in traffic {
        let method = Method::Instructions {
            low,
            high,
            parts: 1,
        };
        rows.push(Row {
            id: format!("ir/{}", op.name()),
            label: format!("{} {payload} B", op.name()),
            unit: "instructions per message",
            op,
            payload,
            method,
        });
    }
    rows
}

fn codec_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let [low, high] = CODEC_COUNTS;
    for op in [Op::Encode, Op::Decode] {
        rows.extend([64, 1024].map(|payload| Row {
            id: format!("codec/{}-{payload}", op.name()),
            label: format!("{} PUBLISH QoS 1, {payload} B", op.name()),
            unit: "instructions per packet",
            op,
            payload,
            method: Method::Instructions {
                low,
                high,
                parts: 1,
            },
        }));
    }
    rows.extend(WS_PAYLOADS.map(|payload| Row {
        id: format!("ws/{payload}"),
        label: format!("WebSocket client frame, {payload} B"),
        unit: "instructions per byte",
        op: Op::Ws,
        payload,
        method: Method::Instructions {
            low,
            high,
            parts: payload,
        },
    }));
    rows
}

fn idle_rows(options: &Options) -> [Row; 2] {
    let idle = [
        (Op::Idle, "idle", "mqtt"),
        (Op::IdleTls, "idle/tls", "mqtts"),
    ];
    idle.map(|(op, id, scheme)| Row {
        id: id.into(),
        label: format!("{} idle {scheme} connections", options.connections),
        unit: "kB per connection",
        op,
        payload: options.payload,
        method: Method::Memory {
            connections: options.connections,
        },
    })
}

fn connect_rows(options: &Options) -> [Row; 4] {
    let ops = [
        (Op::Connect12, "first", "1.2"),
        (Op::Resume12, "resumed", "1.2"),
        (Op::Connect13, "first", "1.3"),
        (Op::Resume13, "resumed", "1.3"),
    ];
    ops.map(|(op, which, version)| Row {
        id: format!("connect/{version}-{which}"),
        label: format!("{which} connect, mqtts, TLS {version}"),
        unit: "round trips behind TCP's, bytes out + in, client CPU ms",
        op,
        payload: 0,
        method: Method::Connect {
            watched: 3,
            timed: options.connects,
        },
    })
}

/// Whether a row goes through TLS.
pub fn needs_tls(options: &Options) -> bool {
    let rows = rows(options);
    rows.iter().any(|row| is_secured(row.op))
}

fn is_secured(op: Op) -> bool {
    matches!(op.transport(), Some(Transport::Tls | Transport::Wss))
}

pub fn subjects(options: &Options) -> Vec<&'static Subject> {
    ALL.iter()
        .filter(|s| options.wants_subject(s.name))
        .collect()
}

/// Runs everything. One repeat goes through all subjects before the next begins, so that a busy
/// minute of the machine does not fall on one subject alone.
pub fn carry_out(runner: &Runner, options: &Options) -> Table {
    let rows = rows(options);
    let subjects = subjects(options);
    let mut table = Table::new(rows, subjects);
    let pairs = table.pairs(|row, subject| subject.ops.contains(&row.op));
    let (counted, timed): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|&(row, _)| matches!(table.rows[row].method, Method::Instructions { .. }));
    table.suites = suites(runner, &table, &timed);
    for repeat in 1..=options.repeat {
        for &(row, subject) in &timed {
            say(
                &table,
                row,
                subject,
                &format!(", {repeat} of {}", options.repeat),
            );
            let cell = time_once(runner, &table.rows[row], table.subjects[subject]);
            table.put(row, subject, cell);
        }
    }
    for (row, subject, cell) in count_all(runner, &table, &counted) {
        table.put(row, subject, cell);
    }
    table
}

/// What each subject agrees on with the broker where messages go through TLS.
fn suites(runner: &Runner, table: &Table, pairs: &[(usize, usize)]) -> Vec<String> {
    let mut found: Vec<(Option<u16>, Vec<&str>)> = Vec::new();
    for &(row, subject) in pairs {
        let (row, subject) = (&table.rows[row], table.subjects[subject]);
        if !matches!(row.op, Op::Tls0 | Op::Wss0) {
            continue;
        }
        let job = Job {
            op: row.op,
            port: 0,
            count: 1,
            payload: row.payload,
        };
        let watched = runner.run_watched(subject, job).ok();
        let suite = watched.and_then(|(_, seen)| seen.first()?.suite);
        match found.iter_mut().find(|(other, _)| *other == suite) {
            Some((_, names)) if names.contains(&subject.name) => {}
            Some((_, names)) => names.push(subject.name),
            None => found.push((suite, vec![subject.name])),
        }
    }
    let line = |(suite, names): (Option<u16>, Vec<&str>)| {
        let suite = suite.map_or_else(|| "no ServerHello".to_owned(), relay::suite_name);
        format!("{suite}: {}", names.join(", "))
    };
    found.into_iter().map(line).collect()
}

fn say(table: &Table, row: usize, subject: usize, what: &str) {
    eprintln!(
        "  {} {}{what}",
        table.rows[row].id, table.subjects[subject].name
    );
}

fn time_once(runner: &Runner, row: &Row, subject: &Subject) -> Cell {
    let (asked, count) = match row.method {
        Method::Cpu { count } => (count, count),
        Method::Memory { connections: all } => (all, all.min(subject.most_connections)),
        Method::Connect { watched, timed } => {
            return connect_once(runner, row, subject, watched, timed);
        }
        Method::Instructions { .. } => unreachable!("counted, not timed"),
    };
    let job = Job {
        op: row.op,
        port: 0,
        count,
        payload: row.payload,
    };
    let per_million = 1e6 / count as f64;
    match runner.run(subject, job) {
        Ok(Report::Cpu { user, system, wall }) => Cell::Cpu(vec![CpuCost {
            total: (user + system) * per_million,
            user: user * per_million,
            rate: count as f64 / wall,
        }]),
        Ok(Report::Memory { kb }) => Cell::Number {
            runs: vec![kb],
            count,
            fewer: count < asked,
        },
        Ok(Report::Done) => Cell::Failed("reported no measurement".into()),
        Err(reason) => Cell::Failed(reason),
    }
}

fn connect_once(
    runner: &Runner,
    row: &Row,
    subject: &Subject,
    watched: usize,
    timed: usize,
) -> Cell {
    let job = |count, payload| Job {
        op: row.op,
        port: 0,
        count,
        payload,
    };
    let measure = || -> Result<Cell, String> {
        let (_, seen) = runner.run_watched(subject, job(watched, relay::HOLD_MS))?;
        let Report::Cpu { user, system, .. } = runner.run(subject, job(timed, 0))? else {
            return Err("reported no CPU time".into());
        };
        let cpu_ms = (user + system) * 1e3 / timed as f64;
        // The first is only there to give a session.
        let counted = seen.into_iter().skip(1);
        let cost = |seen: relay::Seen| ConnectCost {
            round_trips: seen.round_trips as f64,
            sent: seen.sent as f64,
            received: seen.received as f64,
            cpu_ms,
        };
        Ok(Cell::Connect(counted.map(cost).collect()))
    };
    measure().unwrap_or_else(Cell::Failed)
}

/// Instruction counts do not depend on what else runs, so one worker per core shares the work.
fn count_all(runner: &Runner, table: &Table, work: &[(usize, usize)]) -> Vec<(usize, usize, Cell)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(row, subject)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    say(table, row, subject, "");
                    let cell = count_once(runner, &table.rows[row], table.subjects[subject]);
                    done.lock()
                        .expect("no worker panics")
                        .push((row, subject, cell));
                }
            });
        }
    });
    done.into_inner().expect("no worker panics")
}

fn count_once(runner: &Runner, row: &Row, subject: &Subject) -> Cell {
    let Method::Instructions { low, high, parts } = row.method else {
        unreachable!("timed, not counted")
    };
    let total = |count| {
        let job = Job {
            op: row.op,
            port: 0,
            count,
            payload: row.payload,
        };
        runner.count_instructions(subject, job)
    };
    match total(low).and_then(|few| Ok((few, total(high)?))) {
        Ok((few, many)) => {
            let each = (many - few) / (high - low) as f64;
            Cell::Number {
                runs: vec![each / parts as f64],
                count: high,
                fewer: false,
            }
        }
        Err(reason) => Cell::Failed(reason),
    }
}
