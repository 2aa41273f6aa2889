//! `kill -9`, and a look into the outbox after each.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use towpath::outbox::{Bounds, Outbox};

use crate::{body, folder, life::AT_ONCE};

/// What the killed programs said.
#[derive(Debug, Default)]
struct Said {
    /// Sequence and number, not known to be delivered.
    accepted: BTreeMap<u64, u64>,
    /// Delivered, perhaps still there.
    delivered: BTreeSet<u64>,
    /// The number from which the last program pushed.
    from: u64,
    last: u64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    under_way: u64,
    again: u64,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(path: &Path, from: u64) -> Killed {
    let own = std::env::current_exe().expect("this program");
    let child = Command::new(own)
        .args([
            "--exact",
            "life::the_program_that_is_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("TOWPATH_KILLED", path)
        .env("TOWPATH_FROM", from.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    Killed(child.expect("it starts"))
}

impl Said {
    fn listen(&mut self, line: &str) {
        let mut words = line.trim_end_matches(';').split(' ');
        let verb = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        match verb {
            Some("accepted") => {
                let (number, sequence) = (number().expect("a number"), number().expect("a number"));
                assert!(
                    sequence > self.last,
                    "number {sequence} comes after {}",
                    self.last
                );
                // It may have been delivered before its pusher could say so.
                if !self.delivered.contains(&sequence) {
                    self.accepted.insert(sequence, number);
                }
                self.counts.accepted += 1;
            }
            Some("delivered") => {
                let sequence = number().expect("a number");
                self.accepted.remove(&sequence);
                self.delivered.insert(sequence);
                self.counts.delivered += 1;
            }
            _ => {}
        }
    }

    /// Everything accepted and not delivered is there, in order, intact; nothing else but what was delivered just
    /// before, or under way.
    fn check(&mut self, outbox: &Outbox) {
        let mut found = BTreeSet::new();
        let mut after = None;
        let mut under_way = 0;
        while let Some(stored) = outbox.next_after(after, None).expect("it reads") {
            assert!(
                after.is_none_or(|after| after < stored.sequence),
                "in order"
            );
            after = Some(stored.sequence);
            let number: u64 = stored.properties.parse().expect("a number");
            assert_eq!(stored.body, body(number), "message {number} is intact");
            found.insert(stored.sequence);
            if self.delivered.contains(&stored.sequence) {
                self.counts.again += 1;
            } else if let Some(own) = self.accepted.get(&stored.sequence) {
                assert_eq!(*own, number);
            } else {
                assert!(
                    number >= self.from,
                    "{number} was pushed by the program killed last"
                );
                under_way += 1;
                self.accepted.insert(stored.sequence, number);
            }
        }
        for (sequence, number) in &self.accepted {
            assert!(
                found.contains(sequence),
                "message {number}, accepted as {sequence}, is lost"
            );
        }
        assert!(under_way <= AT_ONCE, "{under_way} were under way");
        self.counts.under_way += under_way;
        assert_eq!(outbox.counts().damaged, 0);
        let ever = [
            self.accepted.last_key_value().map(|(last, _)| *last),
            self.delivered.last().copied(),
        ];
        self.last = ever.into_iter().flatten().fold(self.last, u64::max);
        self.delivered.retain(|sequence| found.contains(sequence));
    }
}

#[test]
fn a_program_killed_at_any_moment_loses_nothing_that_was_accepted() {
    let kills = std::env::var("TOWPATH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let kills: u64 = kills.unwrap_or(200);
    let folder = folder("kill");
    let path = folder.0.join("outbox");
    let mut said = Said::default();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for kill in 0..kills {
        said.from = kill * 1_000_000;
        let mut program = start(&path, said.from);
        let mut lines = BufReader::new(program.0.stdout.take().expect("its words"));
        let mut words = String::new();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Most are killed at work, some while they start.
        if !random.is_multiple_of(4) {
            while !words.contains(';') && lines.read_line(&mut words).expect("it speaks") > 0 {}
        }
        thread::sleep(Duration::from_micros(random / 4 % 30_000));
        drop(program);
        lines.read_to_string(&mut words).expect("it spoke");
        for line in words.lines().filter(|line| line.ends_with(';')) {
            said.listen(line);
        }
        let outbox = Outbox::open(&path, Bounds::default()).expect("it opens after a kill");
        said.check(&outbox);
    }
    println!("{kills} kills: {:?}", said.counts);
    assert!(said.counts.accepted > kills, "{:?}", said.counts);
}
