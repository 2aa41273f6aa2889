//! The outbox in a flash: what it does, and a power cut at every single operation of its life.

use std::{collections::BTreeMap, time::Duration};

use embassy_futures::block_on as run;

use super::{
    super::{
        Bounds, Drop, OVERHEAD,
        flash::{Error, FlashOutbox},
    },
    nor::{Erasing, Flash, NoPower, PAGE},
};

const PAGES: usize = 5;
const REGION: std::ops::Range<u32> = 0..(PAGES * PAGE) as u32;
const BOUNDS: Bounds = Bounds {
    bytes: u64::MAX,
    age: None,
    full: Drop::Oldest,
};

fn body(number: u64) -> Vec<u8> {
    (0..number * 37 % 90)
        .map(|at| (at * 31 + number) as u8)
        .collect()
}

/// All that wait: sequence, and the number of the message, whose body is checked.
async fn all(outbox: &mut FlashOutbox<'_, Flash>) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    loop {
        let after = found.last().map(|(sequence, _)| *sequence);
        let next = outbox.next_after(after, None).await.expect("it reads");
        let Some(next) = next else { return found };
        let number = next.properties.parse().expect("a number");
        assert_eq!(next.body, body(number), "message {number} is intact");
        assert!(after.is_none_or(|after| after < next.sequence));
        found.push((next.sequence, number));
    }
}

async fn open<'b>(
    flash: &Flash,
    bounds: Bounds,
    buffer: &'b mut [u8],
) -> Result<FlashOutbox<'b, Flash>, Error<NoPower>> {
    FlashOutbox::open(flash.clone(), REGION, bounds, buffer).await
}

/// What whoever uses the outbox was told, over all its starts.
#[derive(Debug, Default, Clone)]
struct Told {
    /// Waiting: sequence and number.
    waiting: BTreeMap<u64, u64>,
    last: u64,
    pushed: u64,
    /// What was begun and not heard of again.
    pushing: Option<u64>,
    removing: Option<u64>,
}

impl Told {
    async fn push(&mut self, outbox: &mut FlashOutbox<'_, Flash>) -> Result<(), Error<NoPower>> {
        let number = self.pushed;
        self.pushed += 1;
        self.pushing = Some(number);
        let dropped = outbox.counts().dropped_oldest;
        let text = number.to_string();
        let pushed = outbox.push(Some(1), None, &text, &body(number)).await;
        for _ in dropped..outbox.counts().dropped_oldest {
            self.waiting.pop_first();
        }
        let sequence = pushed?;
        assert!(sequence > self.last, "{sequence} comes after {}", self.last);
        self.last = sequence;
        self.waiting.insert(sequence, number);
        self.pushing = None;
        Ok(())
    }

    async fn remove(
        &mut self,
        outbox: &mut FlashOutbox<'_, Flash>,
        at: usize,
    ) -> Result<(), Error<NoPower>> {
        let Some(sequence) = self.waiting.keys().nth(at).copied() else {
            return Ok(());
        };
        self.removing = Some(sequence);
        assert!(outbox.remove(sequence).await?, "{sequence} was there");
        self.waiting.remove(&sequence);
        self.removing = None;
        Ok(())
    }

    /// Pushes and removes until it has gone round the region twice, and drops the oldest at its end.
    async fn live(&mut self, flash: &Flash) -> Result<(), Error<NoPower>> {
        let mut buffer = [0; 256];
        let mut outbox = open(flash, BOUNDS, &mut buffer).await?;
        for round in 0..14 {
            self.push(&mut outbox).await?;
            self.push(&mut outbox).await?;
            if round % 4 == 1 {
                // Not the oldest one.
                self.remove(&mut outbox, 1).await?;
            }
            self.remove(&mut outbox, 0).await?;
            self.remove(&mut outbox, 0).await?;
        }
        for _ in 0..30 {
            self.push(&mut outbox).await?;
        }
        assert!(outbox.counts().dropped_oldest > 0, "it was full");
        Ok(())
    }

    /// Starts so often that the pages for the numbers are gone round twice.
    async fn restart(&mut self, flash: &Flash) -> Result<(), Error<NoPower>> {
        for _ in 0..80 {
            let mut buffer = [0; 256];
            let mut outbox = open(flash, BOUNDS, &mut buffer).await?;
            self.push(&mut outbox).await?;
            self.remove(&mut outbox, 0).await?;
        }
        assert!(
            flash.erased()[..2].iter().all(|erased| *erased > 0),
            "{:?}",
            flash.erased()
        );
        Ok(())
    }

    /// All that waits is there, in order, intact, and nothing else but what was under way.
    async fn check(&mut self, outbox: &mut FlashOutbox<'_, Flash>) -> Result<(), String> {
        let found = all(outbox).await;
        let mut waiting: Vec<(u64, u64)> = self.waiting.clone().into_iter().collect();
        if let Some(removing) = self.removing.take() {
            let kept = found.iter().any(|(sequence, _)| *sequence == removing);
            waiting.retain(|(sequence, _)| kept || *sequence != removing);
        }
        if let Some(pushing) = self.pushing.take() {
            if let Some((sequence, number)) = found.last().filter(|(_, number)| *number == pushing)
            {
                waiting.push((*sequence, *number));
                self.last = self.last.max(*sequence);
            }
            // It may have made room before: one message, whose removal was cut off.
            if found.first() != waiting.first() && found.first() == waiting.get(1) {
                waiting.remove(0);
            }
        }
        self.waiting = found.iter().copied().collect();
        let len = found.len() as u64;
        if found != waiting || outbox.len() != len {
            return Err(format!(
                "found {found:?} ({}), waiting {waiting:?}",
                outbox.len()
            ));
        }
        Ok(())
    }
}

async fn cut(at: u64, erasing: Erasing, restarts: bool) -> Result<bool, String> {
    let flash = Flash::new(PAGES).cut_at(at, erasing);
    let mut told = Told::default();
    let lived = match restarts {
        true => told.restart(&flash).await,
        false => told.live(&flash).await,
    };
    let whole = flash.operations() <= at;
    assert_eq!(lived.is_ok(), whole, "{lived:?}");
    flash.power_on();
    let mut buffer = [0; 256];
    let mut outbox = open(&flash, BOUNDS, &mut buffer)
        .await
        .map_err(|error| error.to_string())?;
    told.check(&mut outbox).await?;
    // And it goes on working.
    for _ in 0..4 {
        told.push(&mut outbox)
            .await
            .map_err(|error| error.to_string())?;
    }
    told.remove(&mut outbox, 0)
        .await
        .map_err(|error| error.to_string())?;
    told.check(&mut outbox).await?;
    Ok(whole)
}

fn cut_everywhere(restarts: bool) {
    let mut cuts = 0;
    let mut wrong = Vec::new();
    for erasing in [
        Erasing::FromTheStart,
        Erasing::FromTheEnd,
        Erasing::Anywhere,
    ] {
        for at in 0.. {
            cuts += 1;
            match run(cut(at, erasing, restarts)) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => wrong.push(format!("{erasing:?}, cut in operation {at}: {error}")),
            }
        }
    }
    println!("{cuts} cuts of the flash's power");
    assert!(wrong.is_empty(), "{} of {cuts}: {wrong:#?}", wrong.len());
}

#[test]
fn power_that_is_cut_at_any_write_or_erase_loses_nothing_that_was_accepted() {
    cut_everywhere(false);
}

#[test]
fn power_that_is_cut_at_any_write_or_erase_gives_no_number_twice() {
    cut_everywhere(true);
}

#[test]
fn numbers_go_on_after_a_restart_of_an_empty_outbox() {
    let flash = Flash::new(PAGES);
    run(async {
        let mut told = Told::default();
        for _ in 0..20 {
            let mut buffer = [0; 256];
            let mut outbox = open(&flash, BOUNDS, &mut buffer).await.expect("it opens");
            told.push(&mut outbox).await.expect("it is taken");
            told.remove(&mut outbox, 0).await.expect("it goes");
            assert!(outbox.is_empty());
        }
    });
}

#[test]
fn a_full_outbox_drops_the_oldest_or_refuses_the_newest_and_counts_it() {
    run(async {
        let flash = Flash::new(PAGES);
        let mut buffer = [0; 256];
        let newest = Bounds {
            full: Drop::Newest,
            ..BOUNDS
        };
        let mut outbox = open(&flash, newest, &mut buffer).await.expect("it opens");
        let mut taken = 0;
        let refused = loop {
            match outbox.push(None, None, "", &[1; 60]).await {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, Error::Full);
        assert_eq!((outbox.len(), outbox.counts().refused_newest), (taken, 1));
        let mut buffer = [0; 256];
        let mut outbox = open(&flash, BOUNDS, &mut buffer).await.expect("it opens");
        for _ in 0..100 {
            outbox
                .push(None, None, "", &[2; 60])
                .await
                .expect("the oldest makes room");
        }
        let counts = outbox.counts();
        assert_eq!(
            counts.accepted + taken - counts.dropped_oldest,
            outbox.len()
        );
        let first = outbox
            .next_after(None, None)
            .await
            .expect("it reads")
            .expect("it waits");
        assert_eq!(first.body, [2; 60]);

        // By bytes, too.
        let bound = Bounds {
            bytes: 3 * (60 + OVERHEAD as u64),
            ..BOUNDS
        };
        let mut buffer = [0; 256];
        let mut outbox = open(&Flash::new(PAGES), bound, &mut buffer)
            .await
            .expect("it opens");
        for _ in 0..9 {
            outbox
                .push(None, None, "", &[3; 60])
                .await
                .expect("the oldest makes room");
        }
        assert_eq!((outbox.len(), outbox.bytes()), (3, bound.bytes));
        let error = outbox
            .push(None, None, "", &[3; 250])
            .await
            .expect_err("it is too large");
        assert_eq!(
            error,
            Error::TooLarge {
                bytes: 250 + OVERHEAD,
                most: 256
            }
        );
    });
}

#[test]
fn age_counts_from_the_first_known_time_and_a_message_may_have_its_own_end() {
    run(async {
        let bounds = Bounds {
            age: Some(Duration::from_secs(100)),
            ..BOUNDS
        };
        let flash = Flash::new(PAGES);
        let mut buffer = [0; 256];
        let mut outbox = open(&flash, bounds, &mut buffer).await.expect("it opens");
        outbox
            .push(None, None, "", b"undated")
            .await
            .expect("it is taken");
        outbox
            .push(Some(1_000), Some(1_050), "", b"short")
            .await
            .expect("it is taken");
        outbox
            .push(Some(1_020), None, "", b"long")
            .await
            .expect("it is taken");
        for (now, first) in [
            (1_000, "undated"),
            (1_100, "undated"),
            (1_101, "long"),
            (500, "long"),
        ] {
            let next = outbox.next_after(None, Some(now)).await.expect("it reads");
            assert_eq!(next.expect("it waits").body, first.as_bytes(), "at {now}");
        }
        assert_eq!((outbox.len(), outbox.counts().expired), (1, 2));
        assert_eq!(outbox.next_after(None, Some(1_200)).await, Ok(None));
        assert_eq!((outbox.len(), outbox.counts().expired), (0, 3));
    });
}

#[test]
fn all_pages_of_the_queue_wear_alike() {
    run(async {
        let flash = Flash::new(PAGES);
        let mut buffer = [0; 256];
        let mut outbox = open(&flash, BOUNDS, &mut buffer).await.expect("it opens");
        for number in 0..2_000_u64 {
            let sequence = outbox.push(Some(1), None, "", &number.to_le_bytes()).await;
            outbox
                .remove(sequence.expect("it is taken"))
                .await
                .expect("it goes");
        }
        let erased = flash.erased();
        let queue = &erased[2..];
        let (least, most) = (
            queue.iter().min().expect("pages"),
            queue.iter().max().expect("pages"),
        );
        assert!(most - least <= 1, "{erased:?}");
        assert!(*least > 10, "{erased:?}");
    });
}

#[test]
fn nothing_that_was_spoilt_is_given_out() {
    run(async {
        for at in 2 * PAGE..3 * PAGE {
            let flash = Flash::new(PAGES);
            let mut buffer = [0; 256];
            let mut outbox = open(&flash, BOUNDS, &mut buffer).await.expect("it opens");
            let mut told = Told::default();
            for _ in 0..12 {
                told.push(&mut outbox).await.expect("it is taken");
            }
            drop(outbox.close());
            flash.spoil(at, 0x11);
            let mut buffer = [0; 256];
            let mut outbox = open(&flash, BOUNDS, &mut buffer).await.expect("it opens");
            // Intact and in order; one or more of the others may be gone.
            let found = all(&mut outbox).await;
            assert!(
                found
                    .iter()
                    .all(|(sequence, number)| told.waiting[sequence] == *number)
            );
        }
    });
}

#[test]
fn a_region_that_can_not_be_used_is_refused() {
    run(async {
        let mut buffer = [0; 256];
        for region in [
            0..(3 * PAGE) as u32,
            4..(5 * PAGE) as u32,
            std::ops::Range {
                start: 2048,
                end: 1024,
            },
        ] {
            let opened = FlashOutbox::open(Flash::new(PAGES), region, BOUNDS, &mut buffer).await;
            assert_eq!(opened.expect_err("it is refused"), Error::Region);
        }
    });
}
