//! The clocks: the tick with the ladder around it, and the date.

use ladder::{Ladder, Way};
use mps2_an505::clock;
use towpath::{
    embedded::{Timer, embassy, hub},
    proto::{Instant, Trace},
};

/// What the ladder knows of the server; the line of the attempt has named it.
const WAY: Way = Way {
    host: "",
    port: 0,
    secured: true,
    target: None,
};

/// The clocks of this device.
pub(crate) struct Wall {
    pub(crate) ladder: Ladder<embassy::Clock>,
}

impl Wall {
    pub(crate) const fn new() -> Self {
        Self {
            ladder: Ladder::new(embassy::Clock, WAY),
        }
    }
}

impl Timer for Wall {
    fn now(&self) -> Instant {
        self.ladder.now()
    }

    async fn sleep_until(&self, at: Instant) {
        self.ladder.sleep_until(at).await;
    }

    fn trace(&self, trace: Trace) {
        self.ladder.trace(trace);
    }
}

impl hub::Clock for Wall {
    fn unix(&self) -> Option<u64> {
        Some(clock::unix())
    }
}
