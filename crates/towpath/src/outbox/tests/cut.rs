//! A disk that fails at every single operation of an outbox's life: power that is cut, space that runs out.

use std::collections::BTreeMap;

use super::{
    super::{Bounds, Error, Outbox},
    all,
    platter::{Failure, Platter, Random},
    run,
};

const BOUNDS: Bounds = Bounds {
    bytes: 1 << 20,
    age: None,
    full: super::super::Drop::Oldest,
};

fn body(number: u64) -> Vec<u8> {
    let length = 20 + usize::try_from(number * 977 % 3000).expect("it is small");
    (0..length)
        .map(|at| (at as u64 * 31 + number) as u8)
        .collect()
}

/// What whoever uses the outbox was told.
#[derive(Debug, Default)]
struct Told {
    /// By sequence: the number of the message.
    accepted: BTreeMap<u64, u64>,
    /// Removed, perhaps not for good.
    delivered: BTreeMap<u64, u64>,
    /// Pushed without success.
    refused: Vec<u64>,
}

impl Told {
    async fn push(&mut self, outbox: &Outbox, number: u64) -> bool {
        match outbox
            .push(Some(1), None, &number.to_string(), &body(number))
            .await
        {
            Ok(sequence) => {
                let last = self.accepted.last_key_value().map_or(0, |(last, _)| *last);
                assert!(sequence > last, "{sequence} comes after {last}");
                self.accepted.insert(sequence, number);
                true
            }
            Err(error) => {
                assert!(
                    matches!(error, Error::Storage { .. } | Error::Damaged { .. }),
                    "{error}"
                );
                self.refused.push(number);
                false
            }
        }
    }

    /// Pushes twenty-four messages, some at once, and takes away three of four.
    async fn live(&mut self, outbox: &Outbox) {
        for round in 0..6 {
            self.push(outbox, round * 4).await;
            self.push(outbox, round * 4 + 1).await;
            let (one, two) = (round * 4 + 2, round * 4 + 3);
            let names = (one.to_string(), two.to_string());
            let (this, that) = (body(one), body(two));
            let (first, second) = tokio::join!(
                outbox.push(None, None, &names.0, &this),
                outbox.push(None, None, &names.1, &that),
            );
            for (number, pushed) in [(one, first), (two, second)] {
                match pushed {
                    Ok(sequence) => drop(self.accepted.insert(sequence, number)),
                    Err(_) => self.refused.push(number),
                }
            }
            let mut after = None;
            for _ in 0..3 {
                let Ok(Some(next)) = outbox.next_after(after, None) else {
                    break;
                };
                after = Some(next.sequence);
                let number = next.properties.parse().expect("a number");
                assert_eq!(next.body, body(number));
                self.delivered.insert(next.sequence, number);
                outbox.remove(next.sequence);
            }
        }
    }

    /// Everything that was accepted and not delivered is there, in order, intact; nothing else but what was under way
    /// or delivered.
    fn check(&self, outbox: &Outbox, context: &str) {
        let found = all(outbox, None);
        let sequences: Vec<u64> = found.iter().map(|stored| stored.sequence).collect();
        assert!(sequences.is_sorted(), "{context}: {sequences:?}");
        for stored in &found {
            let number: u64 = stored.properties.parse().expect("a number");
            assert_eq!(stored.body, body(number), "{context}");
            match self.accepted.get(&stored.sequence) {
                Some(own) => assert_eq!(*own, number, "{context}"),
                None => assert!(self.refused.contains(&number), "{context}: {number}"),
            }
        }
        for (sequence, number) in &self.accepted {
            assert!(
                self.delivered.contains_key(sequence) || sequences.contains(sequence),
                "{context}: message {number} was accepted as {sequence} and is lost"
            );
        }
    }
}

/// A disk with an empty outbox.
fn made() -> Platter {
    let platter = Platter::default();
    drop(Outbox::over(platter.opener(), BOUNDS).expect("it opens"));
    platter.again()
}

#[test]
fn power_that_is_cut_at_any_operation_loses_nothing_that_was_accepted() {
    let mut cuts = 0;
    for at in 0.. {
        let platter = made().failing(at, Failure::Cut);
        let mut told = Told::default();
        let context = format!("cut at operation {at}");
        if let Ok(outbox) = Outbox::over(platter.opener(), BOUNDS) {
            run(told.live(&outbox));
        }
        let whole = platter.operations() <= at;
        for seed in 0..2 {
            let after = platter.after_the_cut(&mut Random::new(at * 2 + seed));
            let outbox = Outbox::over(after.opener(), BOUNDS)
                .unwrap_or_else(|error| panic!("{context}, seed {seed}: {error}"));
            told.check(&outbox, &context);
            let last = told.accepted.last_key_value().map_or(0, |(last, _)| *last);
            let next = run(outbox.push(None, None, "900", &body(900))).expect("it works again");
            assert!(next > last, "{context}: {next} after {last}");
            cuts += 1;
        }
        if whole {
            break;
        }
    }
    println!("{cuts} cuts of the disk's power");
    assert!(cuts > 300, "{cuts}");
}

#[test]
fn a_disk_without_space_refuses_and_loses_nothing_and_works_again_with_space() {
    for (long, step) in [(1, 1), (40, 7)] {
        for at in (0..).step_by(step) {
            let platter = made().failing(at, Failure::Full(long));
            let mut told = Told::default();
            let context = format!("no space for {long} operations from {at}");
            let Ok(outbox) = Outbox::over(platter.opener(), BOUNDS) else {
                continue;
            };
            run(async {
                told.live(&outbox).await;
                // Each try makes at least one operation that fails, but the one that finds out how it ended.
                for tries in 0.. {
                    if told.push(&outbox, 950).await {
                        break;
                    }
                    assert!(tries <= long, "{context}: there is space");
                }
            });
            let whole = platter.operations() <= at;
            // Nothing is torn where no power was cut: no message comes that is not whole.
            told.check(&outbox, &context);
            drop(outbox);
            let outbox = Outbox::over(platter.again().opener(), BOUNDS).expect("it opens");
            told.check(&outbox, &context);
            if whole {
                break;
            }
        }
    }
}
