//! Round trips from nothing to the first acknowledged telemetry.

use crate::{
    flights,
    networks::{Client, ONE_WAY, World},
    options::Options,
    order::{Order, Start, Tls, Transport, Work},
    serve::{self, DPS, HUB, KEY, SCOPE},
    table::{Table, median},
};

/// A way to start, and the round trips below which nobody comes: TCP, TLS 1.2, the WebSocket upgrade, MQTT, counted
/// without a look-up of names.
struct Case {
    name: &'static str,
    transport: Transport,
    /// The device has a key, no certificate.
    key: bool,
    dps: bool,
    /// The first connect of a process, and the second.
    least: [usize; 2],
    /// A smoke test has it as well.
    smoke: bool,
}

const CASES: [Case; 6] = [
    Case {
        name: "8883, SAS",
        transport: Transport::Mqtts,
        key: true,
        dps: false,
        // TCP, TLS in two, MQTT; then TLS in one.
        least: [4, 3],
        smoke: true,
    },
    Case {
        name: "8883, X.509",
        transport: Transport::Mqtts,
        key: false,
        dps: false,
        least: [4, 3],
        smoke: false,
    },
    Case {
        name: "wss, SAS",
        transport: Transport::Wss,
        key: true,
        dps: false,
        // And the upgrade.
        least: [5, 4],
        smoke: false,
    },
    Case {
        name: "wss, X.509 by renegotiation",
        transport: Transport::Wss,
        key: false,
        dps: false,
        // And the renegotiation in two, of which no session can save one.
        least: [7, 6],
        smoke: true,
    },
    Case {
        name: "8883, SAS, hub by DPS",
        transport: Transport::Mqtts,
        key: true,
        dps: true,
        // TCP, TLS in two, registration and two polls at DPS first. The second time the hub is known.
        least: [10, 3],
        smoke: true,
    },
    Case {
        name: "wss, SAS, hub by DPS",
        transport: Transport::Wss,
        key: true,
        dps: true,
        // Upgrade and renegotiation at DPS, which has no word for a device without a certificate; upgrade at the hub.
        least: [14, 4],
        smoke: false,
    },
];

/// What one start came to.
struct Run {
    round_trips: usize,
    seconds: f64,
}

const CLIENTS: [Client; 3] = [Client::Towpath, Client::Python, Client::Node];

/// All cases, in repeats that each go through all clients.
pub fn measure(world: &World, options: &Options) -> Result<Table, String> {
    let mut rows = Vec::new();
    let mut registered = (0..serve::REGISTERED).map(serve::registered);
    // A smoke test goes through each kind of step once, and is done within a minute.
    let wanted = |case: &&Case| case.smoke || !options.quick;
    for case in CASES.iter().filter(wanted) {
        let mut runs: [[Vec<Run>; 2]; 3] = Default::default();
        for _ in 0..options.repeats {
            for (client, runs) in CLIENTS.into_iter().zip(&mut runs) {
                if !world.has(client) {
                    continue;
                }
                // The provisioning service would answer a known device at once.
                let new = case
                    .dps
                    .then(|| registered.next().ok_or("ten repeats at most"));
                let new = new.transpose()?;
                let order = order(world, case, new);
                if options.packets {
                    eprintln!("{}, {}", case.name, client.name());
                }
                for (run, runs) in start(world, client, &order, options.packets)?
                    .into_iter()
                    .zip(runs)
                {
                    runs.push(run);
                }
            }
        }
        for (when, (name, least)) in ["first", "again"].into_iter().zip(case.least).enumerate() {
            let mut row = vec![format!("{}, {name}", case.name), least.to_string()];
            row.extend(runs.iter().map(|runs| cell(&runs[when])));
            rows.push(row);
        }
    }
    let mut heads = vec!["case", "least"];
    heads.extend(CLIENTS.map(Client::name));
    Ok(Table { heads, rows })
}

fn order(world: &World, case: &Case, registered: Option<String>) -> Order {
    let usual = if case.key {
        serve::WITH_KEY
    } else {
        serve::WITH_CERTIFICATE
    };
    Order {
        work: Work::Start,
        transport: case.transport,
        tls: Tls::OpenSsl,
        folder: world.folder.path().display().to_string(),
        hub: HUB.into(),
        device: registered.unwrap_or_else(|| usual.into()),
        key: case.key.then(|| KEY.into()),
        dps: case.dps.then(|| (DPS.into(), SCOPE.into())),
    }
}

fn start(world: &World, client: Client, order: &Order, show: bool) -> Result<Vec<Run>, String> {
    world.packets();
    let lines = world.run(client, order)?;
    let packets = world.packets();
    let round_trip = u64::try_from(2 * ONE_WAY.as_micros()).unwrap_or(u64::MAX);
    let runs: Result<Vec<Run>, String> = lines
        .iter()
        .map(|line| {
            let start: Start = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
            if show {
                flights::list(&packets, start);
            }
            Ok(Run {
                round_trips: flights::count(&packets, start, round_trip),
                seconds: start.acknowledged.saturating_sub(start.began) as f64 / 1e6,
            })
        })
        .collect();
    runs.and_then(|runs| match runs.len() {
        2 => Ok(runs),
        other => Err(format!(
            "{} answered {other} times, not twice",
            client.name()
        )),
    })
}

fn cell(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "left out".into();
    }
    let round_trips = median(runs, |run| run.round_trips as f64);
    let seconds = median(runs, |run| run.seconds);
    format!("{round_trips:.0}, {seconds:.2} s")
}
