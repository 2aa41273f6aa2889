//! Ages and times of expiry, with a clock, without one, and with one that is set late.

use std::time::Duration;

use super::{
    super::{Bounds, Outbox},
    bodies,
    platter::Platter,
    run,
};

const BOUNDS: Bounds = Bounds {
    bytes: 4096,
    age: Some(Duration::from_secs(100)),
    full: super::super::Drop::Oldest,
};

#[test]
fn without_a_clock_nothing_is_too_old_and_age_counts_from_when_it_is_set() {
    let platter = Platter::default();
    let outbox = Outbox::over(platter.opener(), BOUNDS).expect("it opens");
    run(async {
        outbox
            .push(None, None, "", b"early")
            .await
            .expect("it is taken");
        assert_eq!(bodies(&outbox, None), ["early"]);
        // The clock is set, at 5000, in this life of the program.
        assert_eq!(bodies(&outbox, Some(5_000)), ["early"]);
        outbox.close().await;
    });
    // In the next life the clock is not set for a while. What comes now counts from later than what came first.
    let outbox = Outbox::over(platter.opener(), BOUNDS).expect("it opens");
    run(async {
        outbox
            .push(None, None, "", b"late")
            .await
            .expect("it is taken");
        outbox
            .push(Some(5_050), None, "", b"dated")
            .await
            .expect("it is taken");
        assert_eq!(bodies(&outbox, Some(5_100)), ["early", "late", "dated"]);
        assert_eq!(bodies(&outbox, Some(5_101)), ["late", "dated"]);
        assert_eq!(bodies(&outbox, Some(5_150)), ["late", "dated"]);
        assert_eq!(bodies(&outbox, Some(5_151)), Vec::<String>::new());
        assert_eq!(outbox.counts().expired, 3);
        outbox.close().await;
    });
}

#[test]
fn a_clock_that_steps_back_makes_nothing_old() {
    let outbox = Outbox::memory(BOUNDS);
    run(async {
        outbox
            .push(Some(9_000), Some(9_500), "", b"here")
            .await
            .expect("it is taken");
        assert_eq!(bodies(&outbox, Some(1_000)), ["here"]);
        assert_eq!(bodies(&outbox, Some(9_100)), ["here"]);
        assert_eq!(bodies(&outbox, Some(9_101)), Vec::<String>::new());
    });
}

#[test]
fn a_message_has_its_own_time_of_expiry_too() {
    let outbox = Outbox::memory(Bounds {
        age: None,
        ..BOUNDS
    });
    run(async {
        outbox
            .push(Some(10), Some(20), "", b"soon")
            .await
            .expect("it is taken");
        outbox
            .push(None, Some(30), "", b"later")
            .await
            .expect("it is taken");
        assert_eq!(bodies(&outbox, Some(19)), ["soon", "later"]);
        assert_eq!(bodies(&outbox, Some(20)), ["later"]);
        assert_eq!(bodies(&outbox, None), ["later"]);
        assert_eq!(bodies(&outbox, Some(30)), Vec::<String>::new());
    });
}
