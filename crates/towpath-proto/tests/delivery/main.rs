//! What MQTT promises about delivery, on links that break anywhere: QoS 0 at most once, QoS 1 at least once and in
//! order, QoS 2 exactly once and in order, in both directions.
//!
//! `TOWPATH_SCHEDULES=n` runs n random schedules instead of 100,000; `TOWPATH_SEED=n` runs schedule n alone and prints
//! its dialogue.

mod plan;
mod promise;
mod run;
mod tls;

use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use towpath_proto::{
    Rung,
    mqtt::{QoS, Version},
    tls::{Renegotiation, Version as TlsVersion},
};
use towpath_sim::{Asks, Chunks, Direction, Log, Weather};

use self::{plan::Plan, run::Tally, tls::Tls};

/// Runs a plan; if it fails, runs it again and prints the dialogue.
fn run(plan: &Plan) -> Tally {
    match catch_unwind(AssertUnwindSafe(|| run::run(plan, Log::Off))) {
        Ok(tally) => tally,
        Err(_) => {
            eprintln!("==== the schedule that failed, once more: {plan:?}");
            run::run(plan, Log::Stderr);
            panic!(
                "the schedule failed once and passed when repeated: it depends on more than its seed"
            );
        }
    }
}

/// Prints a line even if the test passes: the harness captures only what the print macros write.
fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A plan for each way that has TLS: with the server asking for the certificate never, early, late; refused too.
fn secured(qos: QoS) -> Vec<Plan> {
    let (tls12, tls13) = (TlsVersion::Tls12, TlsVersion::Tls13);
    let (v3, v5) = (Version::V311, Version::V5);
    let mut plans = Vec::new();
    for (version, ws, tls, asks, allows) in [
        (v5, true, tls12, Asks::BeforeAnswer, true),
        (v3, true, tls12, Asks::AfterAnswer, true),
        (v3, true, tls13, Asks::BeforeAnswer, true),
        (v5, false, tls12, Asks::BeforeAnswer, false),
        (v5, false, tls12, Asks::AfterAnswer, true),
        (v3, false, tls13, Asks::Never, true),
    ] {
        let mut security = tls::security(tls, asks);
        if !allows {
            security.renegotiation = Renegotiation::Never;
        }
        let mut plan = Plan::fixed(version, ws, qos);
        plan.tls = Some(Tls::all(security));
        plan.pipeline = version == v3;
        plan.terms.forget = if asks == Asks::AfterAnswer { 2 } else { 0 };
        plans.push(plan);
    }
    plans
}

/// Cuts the link at every byte of the plan's dialogue, both ways, in one-byte chunks and in whole ones; where there is
/// TLS in one of them at each byte.
fn cut_everywhere(plan: &Plan) -> Tally {
    let fair = run(plan);
    assert_eq!(
        fair.connections, 1,
        "one connection is enough in fair weather"
    );
    let mut all = Tally::default();
    for (direction, total) in [(Direction::Up, fair.up), (Direction::Down, fair.down)] {
        assert!(total > 20, "a dialogue that is worth cutting");
        for at in 0..=total {
            for (odd, chunks) in [Chunks::Upto(1), Chunks::Whole].into_iter().enumerate() {
                if plan.tls.is_some() && (at + plan.seed) % 2 != odd as u64 {
                    continue;
                }
                let mut plan = plan.clone();
                plan.weather = vec![Weather {
                    chunks,
                    writes: chunks,
                    cut: Some((direction, at)),
                    spares_the_other_way: at % 4 < 2,
                    ..Weather::FAIR
                }];
                all.add(&run(&plan));
            }
        }
    }
    all
}

fn cut_everywhere_with(qos: QoS) {
    let mut all = Tally::default();
    for version in [Version::V311, Version::V5] {
        for ws in [false, true] {
            for pipeline in [false, true] {
                for forget in [0, 2] {
                    let mut plan = Plan::fixed(version, ws, qos);
                    plan.pipeline = pipeline;
                    // The first CONNECT has nothing to forget, the second does.
                    plan.terms.forget = forget;
                    all.add(&cut_everywhere(&plan));
                }
            }
        }
    }
    // Each QoS has half of the ways with TLS.
    let half = usize::from(qos == QoS::ExactlyOnce);
    let mut secure = Tally::default();
    for mut plan in secured(qos).into_iter().skip(half).step_by(2) {
        plan.seed += half as u64;
        secure.add(&cut_everywhere(&plan));
    }
    assert!(
        secure.broken_tls * 3 > secure.schedules,
        "cuts inside handshakes: {secure:?}"
    );
    assert!(
        secure.renegotiated * 2 > secure.schedules,
        "renegotiations: {secure:?}"
    );
    all.add(&secure);
    report(&format!(
        "every byte of a {qos:?} dialogue: {} schedules, {} cuts",
        all.schedules, all.broken
    ));
    assert!(all.schedules > 10_000, "{all:?}");
    assert!(all.broken * 10 > all.schedules * 9, "cuts hit: {all:?}");
    assert!(all.again > 500, "retransmissions: {all:?}");
    assert!(all.repeated > 100 || qos == QoS::AtLeastOnce, "{all:?}");
}

#[test]
fn qos_1_holds_whichever_byte_the_link_breaks_at() {
    cut_everywhere_with(QoS::AtLeastOnce);
}

#[test]
fn qos_2_holds_whichever_byte_the_link_breaks_at() {
    cut_everywhere_with(QoS::ExactlyOnce);
}

#[test]
fn qos_2_holds_whichever_two_bytes_the_link_breaks_at() {
    let mut all = Tally::default();
    for version in [Version::V311, Version::V5] {
        let mut plan = Plan::fixed(version, false, QoS::ExactlyOnce);
        plan.up.truncate(1);
        plan.down.truncate(1);
        let fair = run(&plan);
        let ends = [(Direction::Up, fair.up), (Direction::Down, fair.down)];
        let cuts: Vec<_> = ends
            .into_iter()
            .flat_map(|(direction, total)| (0..=total).map(move |at| (direction, at)))
            .collect();
        cut_twice(&mut plan, &cuts, &mut all);
    }
    for (offset, mut plan) in secured(QoS::ExactlyOnce).into_iter().enumerate() {
        plan.up.truncate(1);
        plan.down.truncate(1);
        let fair = run(&plan);
        let ends = [(Direction::Up, fair.up), (Direction::Down, fair.down)];
        // Too many for all pairs of them; each way has others.
        let cuts: Vec<_> = ends
            .into_iter()
            .flat_map(|(direction, total)| (0..=total).map(move |at| (direction, at)))
            .skip(offset)
            .step_by(67)
            .collect();
        cut_twice(&mut plan, &cuts, &mut all);
    }
    report(&format!(
        "every two bytes of a QoS 2 dialogue: {} schedules, {} cuts",
        all.schedules, all.broken
    ));
    assert!(all.broken > all.schedules, "{all:?}");
    assert!(all.repeated > 100, "{all:?}");
}

/// Runs `plan` with every two of `cuts`, on its first and its second connection.
fn cut_twice(plan: &mut Plan, cuts: &[(Direction, u64)], all: &mut Tally) {
    for first in cuts {
        for second in cuts {
            plan.weather = [first, second]
                .map(|cut| Weather {
                    cut: Some(*cut),
                    ..Weather::FAIR
                })
                .to_vec();
            all.add(&run(plan));
        }
    }
}

/// TCP's checksum is weak and serial lines have none. What a flipped bit does can't be mended here, but it must not do
/// more than end the connection.
#[test]
fn a_flipped_bit_neither_panics_nor_hangs() {
    let mut count = 0;
    let mut arrived = 0;
    for version in [Version::V311, Version::V5] {
        for ws in [false, true] {
            let mut plan = Plan::fixed(version, ws, QoS::ExactlyOnce);
            plan.terms.lenient = true;
            plan.terms.frame = 5;
            let total = run(&plan).down;
            for at in 0..total {
                for bit in 0..8 {
                    plan.weather = vec![Weather {
                        chunks: Chunks::Random(5),
                        flip: Some((Direction::Down, at, 1 << bit)),
                        ..Weather::FAIR
                    }];
                    arrived += run::survive(&plan).0;
                    count += 1;
                }
            }
        }
    }
    report(&format!(
        "{count} flipped bits, {arrived} messages all the same"
    ));
    assert!(count > 2_000 && arrived > count / 4);
}

/// With TLS a flipped bit is found out: nothing that was changed arrives, and the attempt ends with a fault of TLS. Only
/// where the length of a record has grown, both sides wait for what does not come.
#[test]
fn a_flipped_bit_is_a_fault_of_tls() {
    let (mut count, mut waited) = (0, 0);
    for mut plan in secured(QoS::ExactlyOnce) {
        plan.terms.lenient = true;
        plan.terms.forget = 0;
        let fair = run(&plan);
        for (direction, total) in [(Direction::Up, fair.up), (Direction::Down, fair.down)] {
            for at in 0..total {
                let bit = 1 << (at % 8);
                plan.weather = vec![Weather {
                    chunks: if at % 2 == 0 {
                        Chunks::Whole
                    } else {
                        Chunks::Random(9)
                    },
                    flip: Some((direction, at, bit)),
                    ..Weather::FAIR
                }];
                let (_, fault) = run::survive(&plan);
                let fault = fault.unwrap_or_else(|| panic!("{plan:?} does not notice"));
                count += 1;
                waited += u32::from(fault.rung != Rung::Tls);
            }
        }
    }
    report(&format!(
        "{count} flipped bits under TLS, {waited} waited in vain"
    ));
    assert!(waited * 20 < count, "{waited} of {count}");
}

/// The schedules numbered `from`, `from + step`, ... below `end`.
fn random_schedules(from: u64, end: u64, step: usize, failed: &AtomicU64) -> Tally {
    let mut all = Tally::default();
    for seed in (from..end).step_by(step) {
        if failed.load(Ordering::Relaxed) != 0 {
            break;
        }
        let run = catch_unwind(|| run::run(&Plan::random(seed), Log::Off));
        match run {
            Ok(tally) => all.add(&tally),
            Err(_) => failed.store(seed + 1, Ordering::Relaxed),
        }
    }
    all
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn promises_hold_on_random_schedules() {
    if let Some(seed) = number("TOWPATH_SEED") {
        let plan = Plan::random(seed);
        eprintln!("==== schedule {seed}: {plan:?}");
        run::run(&plan, Log::Stderr);
        return;
    }
    let end = number("TOWPATH_SCHEDULES").unwrap_or(100_000);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = AtomicU64::new(0);
    let all = std::thread::scope(|scope| {
        let shards: Vec<_> = (0..threads as u64)
            .map(|from| {
                let failed = &failed;
                scope.spawn(move || random_schedules(from, end, threads, failed))
            })
            .collect();
        let mut all = Tally::default();
        for shard in shards {
            all.add(&shard.join().expect("a shard"));
        }
        all
    });
    if let Some(seed) = failed.into_inner().checked_sub(1) {
        eprintln!("==== schedule {seed} failed; TOWPATH_SEED={seed} repeats it");
        run(&Plan::random(seed));
    }
    report(&format!("random schedules: {all:?}"));
    assert_eq!(all.schedules, end, "all of them ran");
    all.assert_varied();
}
