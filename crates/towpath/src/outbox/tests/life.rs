//! Any sequence of calls, in a file and in memory, against a model of a page.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;

use super::{
    super::{Bounds, Counts, Drop, Error, OVERHEAD, Outbox},
    platter::Platter,
    run,
};

#[derive(Debug, Clone)]
enum Call {
    Push {
        length: usize,
        lives: Option<u64>,
    },
    /// Looks at what comes after the one that was seen last, or at the first.
    Next {
        goes_on: bool,
    },
    Remove {
        which: u64,
    },
    Wait(u64),
    Reopen,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        5 => (0usize..120, prop::option::weighted(0.2, 0u64..60))
            .prop_map(|(length, lives)| Call::Push { length, lives }),
        5 => any::<bool>().prop_map(|goes_on| Call::Next { goes_on }),
        3 => (0u64..4).prop_map(|which| Call::Remove { which }),
        2 => (1u64..40).prop_map(Call::Wait),
        1 => Just(Call::Reopen),
    ]
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    since: Option<u64>,
    expires: Option<u64>,
    bytes: u64,
}

/// The rules once more, as simple as they can be said.
#[derive(Debug)]
struct Model {
    bounds: Bounds,
    kept: VecDeque<Kept>,
    last: u64,
    counts: Counts,
}

impl Model {
    fn bytes(&self) -> u64 {
        self.kept.iter().map(|kept| kept.bytes).sum()
    }

    fn tell_time(&mut self, now: u64) {
        for kept in &mut self.kept {
            kept.since.get_or_insert(now);
        }
    }

    fn is_over(&self, kept: &Kept, now: u64) -> bool {
        let age = self.bounds.age.map(|age| age.as_secs());
        kept.expires.is_some_and(|at| at <= now)
            || matches!((kept.since, age), (Some(since), Some(age)) if now.saturating_sub(since) > age)
    }

    fn push(&mut self, now: Option<u64>, expires: Option<u64>, bytes: u64) -> Result<u64, Error> {
        let bound = self.bounds.bytes;
        if bytes > bound {
            return Err(Error::TooLarge { bytes, bound });
        }
        if let Some(now) = now {
            self.tell_time(now);
            while self.bounds.age.is_some()
                && self
                    .kept
                    .front()
                    .is_some_and(|first| self.is_over(first, now))
            {
                self.kept.pop_front();
                self.counts.expired += 1;
            }
        }
        while self.bytes() + bytes > bound {
            if self.bounds.full == Drop::Newest {
                self.counts.refused_newest += 1;
                return Err(Error::Full { bound });
            }
            self.kept.pop_front();
            self.counts.dropped_oldest += 1;
        }
        self.last += 1;
        self.counts.accepted += 1;
        self.kept.push_back(Kept {
            sequence: self.last,
            since: now,
            expires,
            bytes,
        });
        Ok(self.last)
    }

    fn next_after(&mut self, after: u64, now: Option<u64>) -> Option<u64> {
        if let Some(now) = now {
            self.tell_time(now);
        }
        loop {
            let at = self.kept.partition_point(|kept| kept.sequence <= after);
            let found = self.kept.get(at)?;
            if !now.is_some_and(|now| self.is_over(found, now)) {
                return Some(found.sequence);
            }
            self.kept.remove(at);
            self.counts.expired += 1;
        }
    }

    fn remove(&mut self, sequence: u64) {
        let before = self.kept.len();
        self.kept.retain(|kept| kept.sequence != sequence);
        self.counts.delivered += (before - self.kept.len()) as u64;
    }
}

/// One life; without a platter in memory.
fn live(bounds: Bounds, calls: &[Call], clock_from: u64, platter: Option<&Platter>) {
    let open = || match platter {
        Some(platter) => Outbox::over(platter.opener(), bounds).expect("it opens"),
        None => Outbox::memory(bounds),
    };
    let mut outbox = open();
    let mut model = Model {
        bounds,
        kept: VecDeque::new(),
        last: 0,
        counts: Counts::default(),
    };
    let mut seen = 0;
    let mut time = 1_000;
    for call in calls {
        let now = (time >= clock_from).then_some(time);
        match call {
            Call::Push { length, lives } => {
                let expires = lives.map(|lives| time + lives);
                let pushed = run(outbox.push(now, expires, "p=1", &vec![7; *length]));
                let bytes = (3 + length + OVERHEAD) as u64;
                assert_eq!(pushed, model.push(now, expires, bytes));
            }
            Call::Next { goes_on } => {
                seen = if *goes_on { seen } else { 0 };
                let next = outbox
                    .next_after((seen > 0).then_some(seen), now)
                    .expect("it reads");
                let next = next.map(|stored| stored.sequence);
                assert_eq!(next, model.next_after(seen, now));
                seen = next.unwrap_or(seen);
            }
            Call::Remove { which } => {
                let sequence = seen.saturating_sub(*which);
                outbox.remove(sequence);
                model.remove(sequence);
            }
            Call::Wait(seconds) => time += seconds,
            Call::Reopen if platter.is_some() => {
                run(outbox.close());
                outbox = open();
            }
            Call::Reopen => {}
        }
        assert_eq!(outbox.len(), model.kept.len() as u64);
        assert_eq!(outbox.counts(), model.counts);
        assert!(outbox.bytes() <= bounds.bytes);
    }
    run(outbox.close());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_outbox_does_what_the_model_does(
        calls in prop::collection::vec(call(), 1..60),
        bytes in 100u64..1500,
        age in prop::option::of(10u64..100),
        oldest in any::<bool>(),
        clock_from in prop_oneof![Just(0u64), 1_000u64..1_400, Just(u64::MAX)],
    ) {
        let bounds = Bounds {
            bytes,
            age: age.map(Duration::from_secs),
            full: if oldest { Drop::Oldest } else { Drop::Newest },
        };
        live(bounds, &calls, clock_from, None);
        live(bounds, &calls, clock_from, Some(&Platter::default()));
    }
}
