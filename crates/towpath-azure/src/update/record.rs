//! What an agent remembers over a restart, as bytes of a fixed number.

use sha2::{Digest, Sha256};

use super::{Label, Refused};

/// Bytes of a record.
pub const RECORD: usize = 8 + LABELS * LABEL + CHECK;

const LABELS: usize = 6;
/// A length and the text.
const LABEL: usize = 1 + 64;
/// The beginning of the SHA-256 of all that is before it.
const CHECK: usize = 8;
/// Changes with the layout.
const VERSION: u8 = 1;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// Nothing is going on.
    #[default]
    Idle,
    /// The image is being fetched.
    Fetching,
    /// The image is about to be marked for boot.
    Marking,
    /// The image boots next.
    Marked,
}

/// The last job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub(super) phase: Phase,
    /// How it ended; `None`: there was none, or it goes on.
    pub(super) outcome: Option<Result<(), Refused>>,
    pub(super) action: u8,
    /// How often marking it for boot was begun.
    pub(super) marks: u8,
    pub(super) id: Label,
    pub(super) retry: Label,
    pub(super) version: Label,
    pub(super) criteria: Label,
    pub(super) provider: Label,
    pub(super) name: Label,
}

impl Record {
    pub(super) fn encode(&self) -> [u8; RECORD] {
        let outcome = match self.outcome {
            None => 0,
            Some(Ok(())) => u8::MAX,
            Some(Err(refused)) => refused.number(),
        };
        let phase = match self.phase {
            Phase::Idle => 0,
            Phase::Fetching => 1,
            Phase::Marking => 2,
            Phase::Marked => 3,
        };
        let mut bytes = [0; RECORD];
        let (body, check) = bytes.split_at_mut(RECORD - CHECK);
        let (head, labels) = body.split_at_mut(8);
        head.copy_from_slice(&[VERSION, phase, outcome, self.action, self.marks, 0, 0, 0]);
        let texts = [
            &self.id,
            &self.retry,
            &self.version,
            &self.criteria,
            &self.provider,
            &self.name,
        ];
        for (room, text) in labels.chunks_exact_mut(LABEL).zip(texts) {
            if let Some((len, room)) = room.split_first_mut() {
                *len = u8::try_from(text.len()).unwrap_or(0);
                for (to, from) in room.iter_mut().zip(text.bytes()) {
                    *to = from;
                }
            }
        }
        let sum = Sha256::digest(&*body);
        for (to, from) in check.iter_mut().zip(sum) {
            *to = from;
        }
        bytes
    }

    /// `None` if it is not a whole record of this layout.
    pub(super) fn decode(bytes: &[u8; RECORD]) -> Option<Self> {
        let (body, check) = bytes.split_at_checked(RECORD - CHECK)?;
        let (head, labels) = body.split_at_checked(8)?;
        if !Sha256::digest(body).starts_with(check) {
            return None;
        }
        let [VERSION, phase, outcome, action, marks, ..] = *head else {
            return None;
        };
        let mut texts = labels.chunks_exact(LABEL).map(|label| {
            let (len, text) = label.split_first()?;
            let text = core::str::from_utf8(text.get(..usize::from(*len))?).ok()?;
            Label::try_from(text).ok()
        });
        let mut label = || texts.next()?;
        Some(Self {
            phase: match phase {
                0 => Phase::Idle,
                1 => Phase::Fetching,
                2 => Phase::Marking,
                3 => Phase::Marked,
                _ => return None,
            },
            outcome: match outcome {
                0 => None,
                u8::MAX => Some(Ok(())),
                number => Some(Err(Refused::from_number(number)?)),
            },
            action,
            marks,
            id: label()?,
            retry: label()?,
            version: label()?,
            criteria: label()?,
            provider: label()?,
            name: label()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let record = Record {
            phase: Phase::Marked,
            outcome: Some(Err(Refused::RolledBack)),
            action: 3,
            marks: 1,
            id: Label::try_from("a-workflow").unwrap(),
            version: Label::try_from("1.2.3").unwrap(),
            ..Record::default()
        };
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Some(record));
        assert_eq!(Record::decode(&[0; RECORD]), None, "an empty page");
        assert_eq!(Record::decode(&[0xff; RECORD]), None, "an erased page");
        for at in 0..RECORD {
            let mut torn = bytes;
            torn[at] ^= 1;
            assert_eq!(Record::decode(&torn), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes: [u8; 32], at in 0..RECORD - 32) {
            let mut record = Record::default().encode();
            record[at..at + 32].copy_from_slice(&bytes);
            let sum = Sha256::digest(&record[..RECORD - CHECK]);
            record[RECORD - CHECK..].copy_from_slice(&sum[..CHECK]);
            let _ = Record::decode(&record);
        }
    }
}
