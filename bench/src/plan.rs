//! The rows of the table: what is run, how its cost is taken, and in which order.

use crate::measure::{Job, Op, Report};
use crate::options::Options;
use crate::runner::Runner;
use crate::subjects::{ALL, Subject};
use crate::table::{Cell, CpuCost, Table};
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
    /// `(Ir(high) - Ir(low)) / (high - low) / parts`
    Instructions {
        low: usize,
        high: usize,
        parts: usize,
    },
}

pub fn rows(options: &Options) -> Vec<Row> {
    let payload = options.payload;
    let traffic = [
        (Op::Pub0, options.pub0),
        (Op::Pub1, options.pub1),
        (Op::Sub, options.sub),
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
    rows.push(Row {
        id: "idle".into(),
        label: format!("{} idle connections", options.connections),
        unit: "kB per connection",
        op: Op::Idle,
        payload,
        method: Method::Memory {
            connections: options.connections,
        },
    });
    rows.retain(|row| options.wants_row(&row.id));
    rows
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
