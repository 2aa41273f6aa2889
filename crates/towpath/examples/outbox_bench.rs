//! How fast the outbox takes messages: `cargo run --release -p towpath --features outbox --example outbox_bench [FOLDER]`.
//!
//! Messages of 100 bytes, one after the other and 64 at a time, each delivered and removed, in a file and in memory.
//! Give a folder on the disk that matters: what takes the time is that disk's `fdatasync`.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use towpath::outbox::{Bounds, Outbox};

/// Processor time of this process so far, of all its threads.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // Linux counts in hundredths of a second for every program.
    Duration::from_millis(ticks * 10)
}

fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or_default().to_owned()
}

async fn one(outbox: Outbox, messages: u64) {
    let body = [b'x'; 100];
    for _ in 0..messages {
        let pushed = outbox
            .push(Some(1_760_000_000), None, "unit=K", &body)
            .await;
        let sequence = pushed.expect("it is taken");
        let next = outbox
            .next_after(Some(sequence - 1), None)
            .expect("it reads");
        assert_eq!(next.map(|stored| stored.sequence), Some(sequence));
        outbox.remove(sequence);
    }
}

async fn measure(name: &str, outbox: &Outbox, at_once: u64, messages: u64) {
    let (began, before) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..at_once)
        .map(|_| tokio::spawn(one(outbox.clone(), messages / at_once)))
        .collect();
    for task in tasks {
        task.await.expect("it works");
    }
    let (took, cpu) = (began.elapsed(), cpu() - before);
    let per = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    println!(
        "{name}, {at_once} at a time: {:.0} a second, {:.1} us each, {:.1} us of processor each; {}",
        messages as f64 / took.as_secs_f64(),
        per(took),
        per(cpu),
        resident()
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("outbox-bench-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(async {
        let outbox = Outbox::open(&path, Bounds::default())?;
        measure("file", &outbox, 1, 2_000).await;
        measure("file", &outbox, 64, 64_000).await;
        outbox.close().await;
        let outbox = Outbox::memory(Bounds::default());
        measure("memory", &outbox, 1, 1_000_000).await;
        Ok(())
    });
    fs::remove_file(&path)?;
    measured
}
