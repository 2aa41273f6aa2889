//! Telemetry that is lost: told when it happens, as one line for many, and counted for the end.

use towpath::outbox::Counts;

use super::tell::Teller;
use crate::{exit::Failure, text::plural};

/// What was lost since the start.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By the hub or its limits.
    pub(super) refused: u64,
    start: Counts,
    told: Counts,
}

impl Losses {
    /// Counts go on over restarts: what was lost before was told then.
    pub(super) const fn since(start: Counts) -> Self {
        Self {
            refused: 0,
            start,
            told: start,
        }
    }

    /// Tells what grew.
    pub(super) fn look(&mut self, now: &Counts, teller: &Teller) {
        if let Some(text) = words(&self.told, now) {
            teller.complain("outbox_lost", &format!("the outbox lost {text}"));
        }
        self.told = *now;
    }

    /// Tells the whole of it. What the outbox lets go of by its bounds was wanted so; what the hub refused was not.
    pub(super) fn end(&self, teller: &Teller) -> Result<(), Failure> {
        if let Some(text) = words(&self.start, &self.told) {
            let text = format!("since the start the outbox lost {text}");
            teller.complain("outbox_lost", &text);
        }
        if self.refused == 0 {
            return Ok(());
        }
        let messages = plural(self.refused, "message");
        Err(Failure::LeftOut(format!(
            "{messages} not sent; why stands above"
        )))
    }
}

/// What was lost between the two.
fn words(from: &Counts, to: &Counts) -> Option<String> {
    let parts = [
        (from.dropped_oldest, to.dropped_oldest, "for want of room"),
        (from.expired, to.expired, "because of age"),
        (from.damaged, to.damaged, "by damage of its file"),
    ];
    let grew = parts.into_iter().filter(|(from, to, _)| to > from);
    let words: Vec<_> = grew
        .map(|(from, to, why)| format!("{} {why}", plural(to.saturating_sub(from), "message")))
        .collect();
    Some(words.join(", ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grew_is_told() {
        let from = Counts {
            dropped_oldest: 3,
            expired: 2,
            ..Counts::default()
        };
        assert_eq!(words(&from, &from), None);
        let to = Counts {
            accepted: 9,
            dropped_oldest: 4,
            damaged: 2,
            ..from
        };
        assert_eq!(
            words(&from, &to).as_deref(),
            Some("1 message for want of room, 2 messages by damage of its file")
        );
    }
}
