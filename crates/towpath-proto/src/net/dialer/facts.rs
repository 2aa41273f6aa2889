//! Facts that were seen and not yet handed out.

use crate::{net::Fact, rung::Rung, time::Instant};

/// How many are kept between two polls.
const KEPT: usize = 20;

/// A short queue. The newest fact is worth most: it says what came last.
#[derive(Debug)]
pub(super) struct Facts {
    kept: [Option<(Instant, Rung, Fact)>; KEPT],
    len: usize,
    pub(super) on: bool,
}

impl Facts {
    pub(super) const fn new() -> Self {
        Self {
            kept: [None; KEPT],
            len: 0,
            on: false,
        }
    }

    pub(super) fn push(&mut self, now: Instant, rung: Rung, fact: Fact) {
        if !self.on {
            return;
        }
        if self.len == KEPT {
            self.take();
        }
        if let Some(slot) = self.kept.get_mut(self.len) {
            *slot = Some((now, rung, fact));
            self.len += 1;
        }
    }

    pub(super) fn take(&mut self) -> Option<(Instant, Rung, Fact)> {
        self.len = self.len.checked_sub(1)?;
        let first = self.kept.first_mut()?.take();
        self.kept.rotate_left(1);
        first
    }
}
