//! The outbox against a model, and with a disk that fails at every single operation.

mod cut;
mod file;
mod flash;
mod life;
mod nor;
mod order;
mod platter;
mod time;

use super::{Outbox, Stored};

/// A runtime for one test.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// All that wait, in order.
fn all(outbox: &Outbox, now: Option<u64>) -> Vec<Stored> {
    let mut found: Vec<Stored> = Vec::new();
    loop {
        let after = found.last().map(|stored| stored.sequence);
        match outbox.next_after(after, now).expect("it can be read") {
            Some(stored) => found.push(stored),
            None => return found,
        }
    }
}

/// The bodies of all that wait, as text.
fn bodies(outbox: &Outbox, now: Option<u64>) -> Vec<String> {
    let text = |stored: Stored| String::from_utf8(stored.body).expect("a text");
    all(outbox, now).into_iter().map(text).collect()
}
