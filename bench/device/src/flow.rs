//! CPU and memory of telemetry.

use crate::{
    networks::{Client, World},
    options::Options,
    order::{Flow, Order, Tls, Transport, Work},
    serve::{HUB, KEY, WITH_KEY},
    table::{Table, median},
};

struct Case {
    name: &'static str,
    client: Client,
    tls: Tls,
    at_once: u32,
    disk: bool,
    /// What part of the messages it sends, so that none takes minutes.
    part: u32,
}

const fn case(name: &'static str, client: Client, at_once: u32, part: u32) -> Case {
    Case {
        name,
        client,
        tls: Tls::OpenSsl,
        at_once,
        disk: false,
        part,
    }
}

const MANY: u32 = 100;

const CASES: [Case; 9] = [
    case("towpath, outbox in memory", Client::Towpath, MANY, 1),
    Case {
        disk: true,
        ..case("towpath, outbox on disk", Client::Towpath, MANY, 1)
    },
    Case {
        tls: Tls::Mbed,
        ..case(
            "towpath, outbox in memory, Mbed TLS",
            Client::Towpath,
            MANY,
            1,
        )
    },
    case("Python SDK, asyncio", Client::Python, MANY, 10),
    case("Node SDK", Client::Node, MANY, 10),
    case("towpath, outbox in memory", Client::Towpath, 1, 5),
    Case {
        disk: true,
        ..case("towpath, outbox on disk", Client::Towpath, 1, 40)
    },
    case("Python SDK", Client::Python, 1, 20),
    case("Node SDK", Client::Node, 1, 20),
];

/// All cases; a repeat goes through all of them before the next begins.
pub fn measure(world: &World, options: &Options) -> Result<Table, String> {
    let mut all: Vec<Vec<Flow>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.repeats {
        for (case, runs) in CASES.iter().zip(&mut all) {
            if world.has(case.client) {
                runs.push(run(world, case, count(case, options))?);
            }
        }
    }
    let rows = CASES
        .iter()
        .zip(&all)
        .map(|(case, runs)| row(case, count(case, options), runs))
        .collect();
    let heads = vec![
        "client",
        "unacknowledged at most",
        "messages",
        "CPU s per million (user part)",
        "messages a second",
        "MB connected",
        "MB at most",
    ];
    Ok(Table { heads, rows })
}

fn count(case: &Case, options: &Options) -> u32 {
    (options.messages / case.part).max(100)
}

fn run(world: &World, case: &Case, count: u32) -> Result<Flow, String> {
    let order = Order {
        work: Work::Flow {
            count,
            at_once: case.at_once,
            disk: case.disk,
        },
        transport: Transport::Mqtts,
        tls: case.tls,
        folder: world.folder.path().display().to_string(),
        hub: HUB.into(),
        device: WITH_KEY.into(),
        key: Some(KEY.into()),
        dps: None,
    };
    let lines = world.run(case.client, &order)?;
    let line = lines.first().ok_or("no answer")?;
    serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))
}

fn row(case: &Case, count: u32, runs: &[Flow]) -> Vec<String> {
    let mut row = vec![
        case.name.to_owned(),
        case.at_once.to_string(),
        count.to_string(),
    ];
    if runs.is_empty() {
        row.extend(["left out"; 4].map(str::to_owned));
        return row;
    }
    let million = 1e6 / f64::from(count);
    let cpu = median(runs, |run| run.cpu * million);
    let user = median(runs, |run| run.user * million);
    let rate = median(runs, |run| f64::from(count) / run.wall);
    row.push(format!("{cpu:.1} ({user:.1})"));
    row.push(format!("{rate:.0}"));
    for kb in [|run: &Flow| run.connected_kb, |run: &Flow| run.most_kb] {
        row.push(format!(
            "{:.1}",
            median(runs, |run| kb(run) as f64) / 1024.0
        ));
    }
    row
}
