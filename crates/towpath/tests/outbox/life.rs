//! The program that is killed: it says what was accepted after `push` returned, and what it delivers before it removes
//! it.

use std::{io::Write as _, time::Duration};

use towpath::outbox::{Bounds, Outbox};

use crate::body;

/// How many push at the same time, each the next when its last was accepted.
pub(super) const AT_ONCE: u64 = 3;

/// Does nothing when it is run as a test.
#[test]
fn the_program_that_is_killed() {
    let Some(path) = std::env::var_os("TOWPATH_KILLED") else {
        return;
    };
    let from: u64 = std::env::var("TOWPATH_FROM")
        .expect("a number")
        .parse()
        .expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outbox = Outbox::open(path, Bounds::default()).expect("it opens");
    runtime.expect("a runtime").block_on(async {
        tokio::join!(
            push(&outbox, from),
            push(&outbox, from + 1),
            push(&outbox, from + 2),
            deliver(&outbox),
            // Nobody killed it: the test is gone.
            async {
                tokio::time::sleep(Duration::from_secs(20)).await;
                std::process::exit(1);
            }
        );
    });
}

/// One line in one write, which a kill can't cut in two.
fn say(line: &str) {
    let _ = std::io::stdout()
        .lock()
        .write_all(format!("\n{line};\n").as_bytes());
}

async fn push(outbox: &Outbox, mut number: u64) {
    loop {
        let properties = number.to_string();
        let pushed = outbox
            .push(Some(number), None, &properties, &body(number))
            .await;
        say(&format!(
            "accepted {number} {}",
            pushed.expect("it is accepted")
        ));
        number += AT_ONCE;
    }
}

async fn deliver(outbox: &Outbox) {
    let mut after = None;
    loop {
        match outbox.next_after(after, None).expect("it is read") {
            // Twenty always wait.
            Some(next) if outbox.len() > 20 => {
                after = Some(next.sequence);
                say(&format!("delivered {}", next.sequence));
                outbox.remove(next.sequence);
            }
            _ => outbox.changed().await,
        }
    }
}
