//! From a name to a connection: as dialogues, and on random schedules of servers that are late, lose, repeat and lie, and
//! of hosts that accept, refuse or stay silent.
//!
//! `TOWPATH_SCHEDULES=n` runs n random schedules instead of 100,000; `TOWPATH_SEED=n` runs schedule n alone and prints
//! what happens.

mod dialogue;
mod plan;
mod run;
mod tally;
mod world;

use std::{
    io::Write,
    panic::catch_unwind,
    sync::atomic::{AtomicU64, Ordering},
};

use self::{plan::Plan, tally::Tally};

/// The schedules numbered `from`, `from + step`, ... below `end`.
fn random_schedules(from: u64, end: u64, step: usize, failed: &AtomicU64) -> Tally {
    let mut all = Tally::default();
    for seed in (from..end).step_by(step) {
        if failed.load(Ordering::Relaxed) != 0 {
            break;
        }
        match catch_unwind(|| run::run(&Plan::random(seed), false)) {
            Ok(tally) => all.add(&tally),
            Err(_) => failed.store(seed + 1, Ordering::Relaxed),
        }
    }
    all
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number")))
}

/// It always ends, connects to nothing that nobody offered, and leaves nothing open.
#[test]
fn dialing_holds_on_random_schedules() {
    if let Some(seed) = number("TOWPATH_SEED") {
        let plan = Plan::random(seed);
        eprintln!("==== schedule {seed}: {plan:#?}");
        run::run(&plan, true);
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
        run::run(&Plan::random(seed), true);
        panic!("the schedule failed once and passed when repeated");
    }
    // The harness captures only what the print macros write.
    let _ = writeln!(std::io::stderr(), "random schedules: {all:?}");
    assert_eq!(all.schedules, end, "all of them ran");
    all.assert_varied();
}
