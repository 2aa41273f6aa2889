//! The order of many pushes at once: the one in which they were begun, whatever waits and whatever fails.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use super::{
    super::{Bounds, Drop, Error, OVERHEAD, Outbox},
    all, bodies,
    platter::{Failure, Platter, Random},
    run,
};

fn opened(platter: &Platter, bounds: Bounds) -> Outbox {
    Outbox::over(platter.opener(), bounds).expect("it opens")
}

type Push = Pin<Box<dyn Future<Output = Result<u64, Error>>>>;

/// A push that has been polled once.
async fn begun(outbox: &Outbox, body: Vec<u8>) -> Push {
    let outbox = outbox.clone();
    let mut push: Push = Box::pin(async move { outbox.push(Some(1), None, "", &body).await });
    let first = poll_fn(|context| Poll::Ready(push.as_mut().poll(context))).await;
    match first {
        Poll::Ready(result) => Box::pin(std::future::ready(result)),
        Poll::Pending => push,
    }
}

#[test]
fn those_that_wait_for_room_are_not_passed() {
    let outbox = opened(&Platter::default(), Bounds::default());
    run(async {
        let mut random = Random::new(1);
        let mut pushes = Vec::new();
        for _ in 0..600 {
            // Some are so large that few of them may wait at a time.
            let length = match random.below(8) {
                0 => 400_000,
                1 => 90_000,
                _ => 10,
            };
            let body = vec![b'x'; length];
            let outbox = outbox.clone();
            pushes.push(tokio::spawn(async move {
                outbox.push(Some(1), None, "", &body).await
            }));
            if random.below(3) == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut last = 0;
        for push in pushes {
            let sequence = push.await.expect("no panic").expect("it is taken");
            assert_eq!(sequence, last + 1);
            last = sequence;
        }
        outbox.close().await;
    });
}

#[test]
fn what_came_after_one_that_failed_fails_too() {
    let body = |number: u8| vec![number; 200_000];
    let is_no_space = |result: &Result<u64, Error>| matches!(result, Err(Error::Storage { .. }));
    let mut rounds = 0;
    for (at, span) in (0..12).map(|at| (at, 1 + at % 3)) {
        let platter = Platter::default();
        let outbox = opened(&platter, Bounds::default());
        let at = platter.operations() + at;
        drop(platter.clone().failing(at, Failure::Full(span)));
        run(async {
            let mut pushes = Vec::new();
            // Some wait for room.
            for number in 0..12 {
                pushes.push(begun(&outbox, body(number)).await);
            }
            let mut failed = Vec::new();
            for (number, push) in (0..12).zip(pushes) {
                let result = push.await;
                if failed.is_empty() && result.is_ok() {
                    continue;
                }
                assert!(is_no_space(&result), "{number}: {result:?}");
                failed.push(number);
            }
            rounds += u32::from(!failed.is_empty());
            // Once the disk is better.
            for number in failed {
                while outbox.push(Some(1), None, "", &body(number)).await.is_err() {}
            }
            let first = |stored: super::Stored| stored.body[0];
            let mut order: Vec<u8> = all(&outbox, None).into_iter().map(first).collect();
            // A disk that fails at the very end of a group may have it nevertheless: it comes twice.
            order.dedup();
            assert_eq!(order, (0..12).collect::<Vec<u8>>());
            outbox.close().await;
        });
    }
    assert!(rounds > 3, "{rounds}");
}

#[test]
fn a_group_larger_than_the_outbox_leaves_its_last_ones() {
    let bounds = Bounds {
        bytes: 5 * (OVERHEAD as u64 + 4),
        age: None,
        full: Drop::Oldest,
    };
    let outbox = opened(&Platter::default(), bounds);
    run(async {
        // The first keeps the writer busy, so that the others are one group, or few.
        let mut pushes = Vec::new();
        for number in 0..300 {
            pushes.push(begun(&outbox, format!("{number:04}").into_bytes()).await);
        }
        for push in pushes {
            push.await.expect("it is taken");
        }
        assert_eq!(
            bodies(&outbox, None),
            ["0295", "0296", "0297", "0298", "0299"]
        );
        assert_eq!((outbox.len(), outbox.counts().dropped_oldest), (5, 295));
        outbox.close().await;
    });
}
