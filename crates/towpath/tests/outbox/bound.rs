//! A day without network at one message a second: the outbox fills to its bound and not beyond.

use std::{fs, time::Duration};

use towpath::outbox::{Bounds, Drop, OVERHEAD, Outbox};

use crate::folder;

const DAY: u64 = 86_400;
const BOUND: u64 = 2 << 20;

const BOUNDS: Bounds = Bounds {
    bytes: BOUND,
    age: Some(Duration::from_secs(7 * DAY)),
    full: Drop::Oldest,
};

/// Resident memory of this program, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}

/// Pushes a day's messages and gives back how many of the newest are there.
async fn day(outbox: &Outbox) -> u64 {
    let body = [b'x'; 100];
    let mut half = 0;
    for second in 0..DAY / 60 {
        // A minute's messages at once, so that the day is not one of a hundred thousand waits for the disk.
        let minute = (0..60).map(|part| {
            let now = 1_760_000_000 + second * 60 + part;
            let (outbox, body) = (outbox.clone(), &body);
            async move { outbox.push(Some(now), None, "", body).await }
        });
        let mut tasks: Vec<_> = minute.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            tasks.retain_mut(|task| match task.as_mut().poll(context) {
                std::task::Poll::Ready(pushed) => {
                    pushed.expect("the oldest makes room");
                    false
                }
                std::task::Poll::Pending => true,
            });
            if tasks.is_empty() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        assert!(outbox.bytes() <= BOUND);
        if second == DAY / 120 {
            half = resident();
        }
    }
    let grown = resident().saturating_sub(half);
    println!(
        "resident {} KiB, of which {} KiB in the second half of the day",
        resident() >> 10,
        grown >> 10
    );
    assert!(grown < 2 << 20, "memory grew by {grown} bytes");
    outbox.len()
}

fn fill(outbox: &Outbox) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let kept = runtime.block_on(day(outbox));
    let fit = BOUND / (100 + OVERHEAD as u64);
    assert_eq!(kept, fit);
    let counts = outbox.counts();
    assert_eq!((counts.accepted, counts.dropped_oldest), (DAY, DAY - fit));
    let first = outbox
        .next_after(None, None)
        .expect("it reads")
        .expect("it is full");
    assert_eq!(first.accepted, Some(1_760_000_000 + DAY - fit));
}

#[test]
fn a_day_without_network_fills_a_file_to_its_bound() {
    let folder = folder("day");
    let path = folder.0.join("outbox");
    let outbox = Outbox::open(&path, BOUNDS).expect("it opens");
    fill(&outbox);
    let size = fs::metadata(&path).expect("it is there").len();
    println!(
        "a file of {} KiB for {} KiB of messages",
        size >> 10,
        BOUND >> 10
    );
    assert!(size <= 4 * BOUND, "{size}");
    drop(outbox);
    let outbox = Outbox::open(&path, BOUNDS).expect("it opens");
    assert_eq!(outbox.len(), BOUND / (100 + OVERHEAD as u64));
}

#[test]
fn a_day_without_network_fills_memory_to_its_bound() {
    fill(&Outbox::memory(BOUNDS));
}
